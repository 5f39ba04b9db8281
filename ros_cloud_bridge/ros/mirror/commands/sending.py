# Copyright 2026 The ros_cloud_bridge authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""What the endpoints of one channel share: how its commands are sent, and what is said of them."""

from collections import Counter
from collections.abc import Callable, Mapping
import threading
from typing import Any

from rclpy.node import Node

from ros_cloud_bridge.cloud.consumer import printable
from ros_cloud_bridge.cloud.operator import Operator, Outcome, Sent
from ros_cloud_bridge.cloud.operator.channels import OfferedChannel
from ros_cloud_bridge.errors import BridgeError
from ros_cloud_bridge.ros.commands.fields import to_fields
from ros_cloud_bridge.ros.mirror.robot import Say

Finished = Callable[[Outcome], None]


class Sending:
    """
    Sends the commands of one channel of one robot; may be used from any thread.

    :param node: with the endpoints
    :param operator: signs and sends
    :param robot_id: the robot
    :param channel: the channel
    :param ttl_s: within this time the robot may begin
    :param name: of the endpoint in the graph
    :param say: takes (level, text)
    """

    def __init__(
        self,
        node: Node,
        operator: Operator,
        robot_id: str,
        channel: OfferedChannel,
        ttl_s: float,
        name: str,
        say: Say,
    ) -> None:
        self.node = node
        self.operator = operator
        self.robot_id = robot_id
        self.channel = channel
        self.ttl_s = channel.ttl_s(ttl_s)
        self.name = name
        self.counts: Counter[str] = Counter()
        self.problem = ''
        self._say = say
        self._lock = threading.Lock()
        self._said = ''

    def send(
        self, type_name: str, arguments: Any, finished: Finished, **options: Any
    ) -> Sent | None:
        """
        Send a command.

        :param type_name: of the command
        :param arguments: as the protocol has them
        :param finished: hears of its end, on the operator's thread
        :param options: further ones of :meth:`Operator.send`
        :returns: its handle; None when it could not be sent, and ``finished`` has heard it
        """
        send: Callable[..., Sent] = self.operator.send
        if type_name == 'goal':
            send = self._goal
        try:
            sent = send(
                self.robot_id, self.channel.name, type_name, arguments, ttl_s=self.ttl_s, **options
            )
        except BridgeError as error:
            outcome = Outcome(state=None, reason=str(error))
            self.note(outcome)
            finished(outcome)
            return None
        self.counts['sent'] += 1

        def ended(done: Sent) -> None:
            assert done.outcome is not None
            self.note(done.outcome)
            finished(done.outcome)

        sent.when_done(ended)
        return sent

    def _goal(self, robot: str, channel: str, type_name: str, fields: Any, **options: Any) -> Sent:
        return self.operator.goal(robot, channel, fields, **options)

    def fields(self, message: Any) -> Mapping[str, Any]:
        """
        Take a message apart.

        :param message: from the graph
        :returns: its fields
        :raises BadFields: when it is too large for a command
        """
        return to_fields(message)

    def on_executor(self, call: Callable[[], None]) -> None:
        """
        Have something done on the executor's thread.

        :param call: what; an exception of it is said
        """

        def guarded() -> None:
            try:
                call()
            except Exception as error:  # nothing may escape into the executor
                self.fail(repr(error))

        executor = self.node.executor
        if executor is not None:
            executor.create_task(guarded)

    def note(self, outcome: Outcome) -> None:
        """
        Count how a command ended, and say what is new about it.

        :param outcome: how
        """
        self.counts[outcome.word] += 1
        if outcome.succeeded:
            self.problem = ''
        else:
            self.fail(str(outcome))

    def fail(self, problem: str) -> None:
        """
        Say what is wrong, once as long as it does not change.

        :param problem: one line
        """
        with self._lock:
            self.problem = problem = printable(problem)
            # A rate that is refused is refused with other numbers each time.
            kind = problem.partition(':')[0]
            if kind == self._said:
                return
            self._said = kind
        self._say('warning', f'{self.robot_id}: {self.name}: {problem}')

    def well(self) -> None:
        """Say the next problem again, even if it is the last one."""
        with self._lock:
            self.problem = self._said = ''
