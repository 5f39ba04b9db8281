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

"""Sends signed commands to robots and hears what became of them; needs no ROS."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ros_cloud_bridge.cloud.operator.drive import Drive, DRIVE_TTL_S
from ros_cloud_bridge.cloud.operator.exchange import Exchange, OnAnswer, OnLink
from ros_cloud_bridge.cloud.operator.outcome import Outcome
from ros_cloud_bridge.cloud.operator.sealing import check_arguments
from ros_cloud_bridge.cloud.operator.sent import Sent
from ros_cloud_bridge.command_values import State
from ros_cloud_bridge.signing.keys import PrivateKey, PublicKey
from ros_cloud_bridge.values import MqttConfig
from ros_cloud_bridge.wire.topics import DEFAULT_ROOT

TTL_S = 5.0


class Operator:
    """
    One operator at a broker; starts and ends with a ``with`` block, or :meth:`start`.

    A command is signed, said again every second until the robot answers or its time is over, and
    runs at most once. Each method returns at once with a handle; may be used from any thread.

    ::

        with Operator(mqtt, name='alice', key='alice.key', robots='robots') as operator:
            outcome = operator.call('amr-07', 'dock', {'data': True}).wait()

    :param mqtt: how to reach the broker, with MQTT 5
    :param name: the operator's, as the robots' channels name it
    :param key: private key, or its file; None for robots with ``trust: transport``
    :param robots: the robots' public keys by robot id, or a directory of ``{robot}.pub``
    :param root: the fleet's topic root
    :param on_link: takes the broker connection's ups and downs
    :raises ConfigError: names what cannot be used, before any connection
    :raises KeyFileError: when the key cannot be read
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        *,
        name: str,
        key: PrivateKey | str | Path | None,
        robots: Mapping[str, PublicKey] | str | Path,
        root: str = DEFAULT_ROOT,
        on_link: OnLink | None = None,
    ) -> None:
        self.name = name
        private = key if key is None or isinstance(key, PrivateKey) else PrivateKey.load(Path(key))
        self._exchange = Exchange(
            mqtt, name=name, key=private, robots=robots, root=root, on_link=on_link
        )

    def __enter__(self) -> 'Operator':
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """
        Connect in the background, until :meth:`stop`.

        :raises LocalFault: when it was started before
        """
        self._exchange.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """
        Leave the broker; commands under way end without an answer, but go on at the robot.

        :param timeout_s: for the farewell
        """
        self._exchange.stop(timeout_s)

    def wait_connected(self, timeout_s: float = 10.0) -> None:
        """
        Wait for the broker.

        :param timeout_s: for how long
        :raises LocalFault: says why there is no connection
        """
        self._exchange.wait_connected(timeout_s)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us."""
        return self._exchange.connected

    @property
    def refused(self) -> dict[str, int]:
        """How many answers were dropped, by reason: not the robot's, or to nothing of ours."""
        return dict(self._exchange.refused)

    def send(
        self,
        robot: str,
        channel: str,
        type_name: str,
        arguments: Any = None,
        *,
        ttl_s: float = TTL_S,
        on_answer: OnAnswer | None = None,
    ) -> Sent:
        """
        Send a command of any type.

        :param robot: robot id
        :param channel: the channel's name
        :param type_name: of the command
        :param arguments: a map or None
        :param ttl_s: within this time the robot may begin; later it refuses
        :param on_answer: takes each answer, on the operator's own thread
        :returns: its handle
        :raises ConfigError: when the robot's key is not known, or an argument cannot be sent
        :raises LocalFault: when the operator does not work
        """
        check_arguments(type_name, arguments)
        sent = Sent(robot, channel, type_name, on_answer=on_answer)
        return self._exchange.submit(sent, lambda: arguments, ttl_s)

    def publish(self, robot: str, channel: str, fields: Mapping[str, Any], **options: Any) -> Sent:
        """
        Publish a message on a topic; on a channel with a lease rather :meth:`drive`.

        :param robot: robot id
        :param channel: of kind topic
        :param fields: of the message
        :param options: as :meth:`send` has them
        :returns: its handle
        """
        return self.send(robot, channel, 'publish', dict(fields), **options)

    def call(self, robot: str, channel: str, fields: Mapping[str, Any], **options: Any) -> Sent:
        """
        Call a service.

        :param robot: robot id
        :param channel: of kind service
        :param fields: of the request
        :param options: as :meth:`send` has them
        :returns: its handle; the outcome's detail has the fields of the response
        """
        return self.send(robot, channel, 'call', dict(fields), **options)

    def goal(
        self,
        robot: str,
        channel: str,
        fields: Mapping[str, Any],
        *,
        ttl_s: float = TTL_S,
        on_answer: OnAnswer | None = None,
    ) -> Sent:
        """
        Send a goal to an action.

        :param robot: robot id
        :param channel: of kind action
        :param fields: of the goal
        :param ttl_s: within this time the robot may begin
        :param on_answer: takes each answer, those with feedback too, on the operator's own thread
        :returns: its handle, with ``cancel``
        """
        arguments = dict(fields)
        check_arguments('goal', arguments)
        sent = Sent(robot, channel, 'goal', cancel=self.cancel, on_answer=on_answer)
        return self._exchange.submit(sent, lambda: arguments, ttl_s)

    def cancel(self, goal: Sent, *, ttl_s: float = TTL_S) -> Sent:
        """
        Cancel a goal; it then ends by itself.

        :param goal: from :meth:`goal`
        :param ttl_s: within this time the robot may do so
        :returns: the cancellation's handle
        """
        goal.cancelled = True
        sent = Sent(goal.robot_id, goal.channel, 'cancel')
        if self._exchange.drop(goal):
            reason = 'it had ended, or not begun'
            sent.end(Outcome(state=State.SUCCEEDED, reason=reason))
            return sent
        return self._exchange.submit(sent, lambda: {'goal': goal.id}, ttl_s)

    def get_parameters(
        self, robot: str, channel: str, names: Sequence[str], **options: Any
    ) -> Sent:
        """
        Read parameters of a node.

        :param robot: robot id
        :param channel: of kind parameter
        :param names: of parameters
        :param options: as :meth:`send` has them
        :returns: its handle
        """
        return self.send(robot, channel, 'get', {'names': list(names)}, **options)

    def set_parameters(
        self, robot: str, channel: str, values: Mapping[str, Any], **options: Any
    ) -> Sent:
        """
        Set parameters of a node.

        :param robot: robot id
        :param channel: of kind parameter
        :param values: by name
        :param options: as :meth:`send` has them
        :returns: its handle
        """
        return self.send(robot, channel, 'set', {'values': dict(values)}, **options)

    def list_parameters(self, robot: str, channel: str, **options: Any) -> Sent:
        """
        List the parameters of a node that may be read and set.

        :param robot: robot id
        :param channel: of kind parameter
        :param options: as :meth:`send` has them
        :returns: its handle
        """
        return self.send(robot, channel, 'list', None, **options)

    def describe_parameters(
        self, robot: str, channel: str, names: Sequence[str], **options: Any
    ) -> Sent:
        """
        Ask for the types and bounds of parameters of a node.

        :param robot: robot id
        :param channel: of kind parameter
        :param names: of parameters
        :param options: as :meth:`send` has them
        :returns: its handle
        """
        return self.send(robot, channel, 'describe', {'names': list(names)}, **options)

    def bridge(
        self,
        robot: str,
        type_name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        channel: str = 'bridge',
        **options: Any,
    ) -> Sent:
        """
        Have the bridge itself do something.

        :param robot: robot id
        :param type_name: ``set``, ``lease``, ``pause``, ``resume``, ``announce`` or ``trigger``
        :param arguments: of that type
        :param channel: of kind bridge
        :param options: as :meth:`send` has them
        :returns: its handle
        """
        given = None if arguments is None else dict(arguments)
        return self.send(robot, channel, type_name, given, **options)

    def acquire(self, robot: str, channel: str, **options: Any) -> Sent:
        """
        Take the lease of a channel; :meth:`drive` does it by itself.

        :param robot: robot id
        :param channel: with a lease
        :param options: as :meth:`send` has them
        :returns: its handle
        """
        return self.send(robot, channel, 'acquire', None, **options)

    def release(self, robot: str, channel: str, **options: Any) -> Sent:
        """
        Give the lease of a channel back; the robot stops.

        :param robot: robot id
        :param channel: with a lease
        :param options: as :meth:`send` has them
        :returns: its handle
        """
        return self.send(robot, channel, 'release', None, **options)

    def hand_over(self, robot: str, channel: str, to: str, **options: Any) -> Sent:
        """
        Give the lease of a channel to another operator, who has 10 s to take it; the robot stops.

        :param robot: robot id
        :param channel: with a lease
        :param to: the other operator's name
        :param options: as :meth:`send` has them
        :returns: its handle
        """
        return self.send(robot, channel, 'hand_over', {'to': to}, **options)

    def drive(
        self,
        robot: str,
        channel: str,
        hz: float = 10.0,
        *,
        hold_s: float = 0.5,
        ttl_s: float = DRIVE_TTL_S,
    ) -> Drive:
        """
        Drive by messages on a channel with a lease, for a ``with`` block.

        :param robot: robot id
        :param channel: with a lease
        :param hz: messages per second
        :param hold_s: for how long the newest fields are sent on, unless newer ones come
        :param ttl_s: within this time the robot may give the lease and take it back, at most the
            channel's ``max_ttl_s``; a message may be carried out for a second, or less if this is
        :returns: takes the lease as the block begins, and gives it back as it ends
        """
        return Drive(self, self._exchange, robot, channel, hz=hz, hold_s=hold_s, ttl_s=ttl_s)
