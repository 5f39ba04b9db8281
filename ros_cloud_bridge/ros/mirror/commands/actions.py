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

"""Actions whose goals become commands."""

from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse

from ros_cloud_bridge.cloud.operator import Outcome, Sent
from ros_cloud_bridge.command_values import Answer, State
from ros_cloud_bridge.errors import BridgeError
from ros_cloud_bridge.ros.commands.fields import build
from ros_cloud_bridge.ros.commands.types import load_action
from ros_cloud_bridge.ros.mirror.commands.sending import Sending

_MOST_GOALS = 32


class ActionEndpoint:
    """
    Sends goals to a robot's action.

    A goal is accepted here at once and stays so until the robot has said how it ended; a goal that
    the robot refuses is aborted.

    :param sending: of a channel of kind action
    :raises MissingTypeSupport: when its type is not installed here
    """

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._class = load_action(sending.channel.type_name)
        self._goals: dict[bytes, Sent] = {}
        self._server = ActionServer(
            sending.node,
            self._class,
            sending.name,
            execute_callback=self._unused,
            goal_callback=self._asked,
            handle_accepted_callback=self._accepted,
            cancel_callback=self._cancel,
        )
        self._closed = False

    def close(self) -> None:
        """Take the action out of the graph; goals go on at the robot."""
        self._closed = True
        self._server.destroy()

    def _unused(self, handle: Any) -> Any:
        return self._class.Result()

    def _asked(self, goal: Any) -> GoalResponse:
        return GoalResponse.REJECT if len(self._goals) >= _MOST_GOALS else GoalResponse.ACCEPT

    def _accepted(self, handle: Any) -> None:
        identity = bytes(handle.goal_id.uuid)

        def finished(outcome: Outcome) -> None:
            self._sending.on_executor(lambda: self._end(handle, identity, outcome))

        try:
            fields = dict(self._sending.fields(handle.request))
        except BridgeError as error:
            finished(Outcome(state=None, reason=str(error)))
            return
        sent = self._sending.send(
            'goal', fields, finished, on_answer=lambda answer: self._hear(handle, answer)
        )
        if sent is not None:
            self._goals[identity] = sent

    def _hear(self, handle: Any, answer: Answer) -> None:
        detail = answer.detail
        if answer.state is not State.RUNNING or not isinstance(detail, dict):
            return
        fields = detail.get('feedback')
        if isinstance(fields, dict):
            feedback = build(self._class.Feedback, fields)
            self._sending.on_executor(lambda: self._feed(handle, feedback))

    def _feed(self, handle: Any, feedback: Any) -> None:
        if not self._closed and handle.is_active:
            handle.publish_feedback(feedback)

    def _cancel(self, handle: Any) -> CancelResponse:
        sent = self._goals.get(bytes(handle.goal_id.uuid))
        if sent is None or sent.done:
            return CancelResponse.REJECT
        try:
            sent.cancel()
        except BridgeError as error:
            self._sending.fail(str(error))
            return CancelResponse.REJECT
        return CancelResponse.ACCEPT

    def _end(self, handle: Any, identity: bytes, outcome: Outcome) -> None:
        self._goals.pop(identity, None)
        if not self._closed and handle.is_active:
            handle.execute(lambda executing: self._result(executing, outcome))

    def _result(self, handle: Any, outcome: Outcome) -> Any:
        detail = outcome.detail if isinstance(outcome.detail, dict) else {}
        fields = detail.get('result')
        result = self._class.Result()
        try:
            if isinstance(fields, dict):
                result = build(self._class.Result, fields)
            ends: dict[State | None, Callable[[], None]] = {State.SUCCEEDED: handle.succeed}
            if handle.is_cancel_requested:
                ends[State.CANCELLED] = handle.canceled
            ends.get(outcome.state, handle.abort)()
        except BridgeError as error:
            self._sending.fail(str(error))
            handle.abort()
        return result
