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

"""Goals of actions that end: by a result, a refusal, without a server, or with its death."""

from typing import Any
from uuid import uuid4

from action_msgs.msg import GoalStatus
from action_msgs.srv import CancelGoal
from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.node import Node
from rclpy.task import Future

from ros_cloud_bridge.command.clock import now_s
from ros_cloud_bridge.command_values import Reason, State
from ros_cloud_bridge.core.commands.effects import Dispatch
from ros_cloud_bridge.ros.commands.fields import build
from ros_cloud_bridge.ros.commands.jobs import Job, Telling, told
from ros_cloud_bridge.ros.commands.servers import Servers, Watch
from ros_cloud_bridge.ros.commands.services import SERVER_WAIT_S
from ros_cloud_bridge.ros.commands.types import load_action
from ros_cloud_bridge.values import ChannelConfig

GOAL = 'goal'
ABORTED = 'aborted'
# Taking a message apart costs; nobody far away needs more, and the newest follows anyway.
_FEEDBACK_PERIOD_S = 0.05
# Behind which the answer to a goal is believed to be lost; servers decide at once.
_ANSWER_S = 1.0
# How long to wait for one that must come before asking again.
_LOST_S = 5.0
_ENDS = {
    GoalStatus.STATUS_SUCCEEDED: (State.SUCCEEDED, '', 'succeeded'),
    GoalStatus.STATUS_CANCELED: (State.CANCELLED, '', 'canceled'),
    GoalStatus.STATUS_ABORTED: (State.FAILED, f'{ABORTED}: by the server', 'aborted'),
}


class _Goal:
    """A goal from its request to its result."""

    def __init__(
        self,
        client: ActionClient,
        servers: Servers,
        name: str,
        goal: Any,
        deadline: float,
        tell: Telling,
    ) -> None:
        self._client = client
        self._servers = servers
        self._name = name
        self._goal = goal
        self._deadline = deadline
        self._tell = tell
        self._watch: Watch | None = None
        self._handle: ClientGoalHandle | None = None
        self._sent_at = self._asked_at = 0.0
        self._accepted = False
        self._cancel_wanted = False
        self._feedback: Any = None
        self._told_at = 0.0
        self._give_up = now_s() + SERVER_WAIT_S
        self.look(now_s())

    def look(self, now: float) -> None:
        """Send once there is a server, then see whether it is still there."""
        if self._watch is not None:
            self._tell_feedback(now)
            self._ask_for_lost_answers(now)
            if self._cancel_wanted and now >= self._sent_at + _ANSWER_S:
                self._send_cancel()
            if self._watch.lost():
                self._tell.fail(Reason.SERVER_LOST, f'{self._name} is gone')
        elif self._servers.ready():
            self._send()
        elif now >= self._deadline or (now >= self._give_up and not self._servers.there()):
            self._servers.tell_absence(self._tell, self._name)

    def _ask_for_lost_answers(self, now: float) -> None:
        # A server's answer goes nowhere when it has not found our reader in time. Asking for the
        # result changes nothing: one who does not know the goal says so, one who does answers
        # when it is over.
        if not self._accepted:
            lost = now >= max(self._sent_at, self._asked_at) + _LOST_S
        else:
            over = self._handle is not None and self._handle.status in _ENDS
            lost = over and now >= self._asked_at + _LOST_S
        if lost:
            self._ask_for_result(now)

    def _ask_for_result(self, now: float) -> None:
        self._asked_at = now
        if self._handle is not None:
            self._handle.get_result_async().add_done_callback(self._finished)

    def cancel(self) -> None:
        """Ask the server to cancel; the goal ends by its result."""
        if self._handle is None:
            self._tell.end(State.CANCELLED)
        elif self._accepted:
            self._send_cancel()
        else:
            # The server would not know the goal yet.
            self._cancel_wanted = True

    def drop(self) -> None:
        """Ask the server to cancel, without waiting for what it says."""
        if self._handle is not None:
            self._handle.cancel_goal_async()

    def _send(self) -> None:
        self._watch = Watch(self._servers)
        if now_s() > self._deadline:
            self._tell.fail(Reason.EXPIRED)
            return
        identity = CancelGoal.Request().goal_info.goal_id
        identity.uuid = list(uuid4().bytes)
        # Made here: a goal must be cancelled even if the answer that makes rclpy's own is lost.
        self._handle = ClientGoalHandle(self._client, identity, None)
        self._sent_at = now_s()
        self._client.send_goal_async(
            self._goal, feedback_callback=self._fed_back, goal_uuid=identity
        ).add_done_callback(self._goal_answered)

    def _goal_answered(self, future: Future) -> None:
        with self._tell.guarded():
            handle = future.result()
            if not handle.accepted:
                self._tell.fail(Reason.REFUSED_BY_SERVER, f'{self._name} rejects the goal')
            elif self._tell.over:
                # It was given up for lost; nobody is to drive on for nobody.
                self.drop()
            else:
                # This one knows the goal's status.
                self._handle = handle
                self._accept()

    def _accept(self) -> None:
        if self._accepted or self._handle is None:
            return
        self._accepted = True
        self._tell.progress()
        self._ask_for_result(now_s())
        if self._cancel_wanted:
            self._send_cancel()

    def _send_cancel(self) -> None:
        self._cancel_wanted = False
        if self._handle is not None:
            self._handle.cancel_goal_async().add_done_callback(self._cancel_answered)

    def _fed_back(self, message: Any) -> None:
        with self._tell.guarded():
            self._feedback = message.feedback
            if now_s() >= self._sent_at + _ANSWER_S:
                # The answer is lost, but it runs.
                self._accept()
            self._tell_feedback(now_s())

    def _tell_feedback(self, now: float, *, last: bool = False) -> None:
        early = now - self._told_at < _FEEDBACK_PERIOD_S and not last
        if self._feedback is None or not self._accepted or self._tell.over or early:
            return
        newest, self._feedback, self._told_at = self._feedback, None, now
        left_out, fields = told(newest)
        self._tell.progress({'left_out': left_out} if left_out else {'feedback': fields})

    def _cancel_answered(self, future: Future) -> None:
        with self._tell.guarded():
            response = future.result()
            if response.goals_canceling:
                self._accept()
                self._tell.progress({'cancel': 'accepted'})
            elif response.return_code == CancelGoal.Response.ERROR_UNKNOWN_GOAL_ID:
                self._tell.fail(Reason.SERVER_LOST, f'{self._name} does not know the goal')
            elif response.return_code != CancelGoal.Response.ERROR_GOAL_TERMINATED:
                self._tell.progress({'cancel': 'refused'})

    def _finished(self, future: Future) -> None:
        with self._tell.guarded():
            response = future.result()
            if self._tell.over:
                return
            if response.status not in _ENDS:
                self._tell.fail(Reason.SERVER_LOST, f'{self._name} does not know the goal')
                return
            self._tell_feedback(now_s(), last=True)
            state, reason, status = _ENDS[response.status]
            left_out, fields = told(response.result)
            self._tell.end(state, reason or left_out, {'result': fields, 'status': status})


class ActionReach:
    """
    A channel that reaches an action.

    :param node: ours
    :param config: the channel
    :raises MissingTypeSupport: when the type is not installed
    """

    def __init__(self, node: Node, config: ChannelConfig) -> None:
        self._class = load_action(config.type_name)
        self._name = config.ros_name
        self._client = ActionClient(node, self._class, config.ros_name)
        self._servers = Servers.of_action(node, self._client.server_is_ready, config.ros_name)

    def begin(self, dispatch: Dispatch, tell: Telling) -> Job:
        """
        Send a goal.

        :param dispatch: the command, whose arguments are the goal's fields
        :param tell: is told what becomes of it
        :returns: the job
        :raises BadFields: when the arguments do not fit
        """
        goal = build(self._class.Goal, dispatch.arguments or {})
        return _Goal(self._client, self._servers, self._name, goal, dispatch.deadline, tell)

    def look(self) -> None:
        """Get to know the server."""
        self._servers.ready()

    def close(self) -> None:
        """Destroy the client."""
        self._client.destroy()
