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

"""An action to try goals with: the rover counts Fibonacci numbers, one a second."""

from collections.abc import Callable
from importlib import import_module
import time
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.node import Node

from ros_cloud_bridge.ros.taking import STEADY_CLOCK

# An order above it is aborted: soon behind it the numbers do not fit the message's int32.
MOST_NUMBERS = 40
_MOST_GOALS = 8
_NUMBER_S = 1.0
_TICK_S = 0.1
_PACKAGES = ('example_interfaces', 'test_msgs')


class _Count:
    """A goal that is being counted."""

    def __init__(self, goal: Any, now: float) -> None:
        self.goal = goal
        self.numbers: list[int] = []
        self.next_at = now + _NUMBER_S

    @property
    def over(self) -> bool:
        order: int = self.goal.request.order
        done = len(self.numbers) >= order or order > MOST_NUMBERS
        return done or bool(self.goal.is_cancel_requested)

    def step(self) -> None:
        self.next_at += _NUMBER_S
        n = len(self.numbers)
        self.numbers.append(n if n < 2 else self.numbers[-1] + self.numbers[-2])


class Counting:
    """
    The action ``count`` of type Fibonacci, where some installed package has that type.

    An execute callback would hold up the rover's only thread, and one that awaits would keep
    rclpy's executor busy: goals are counted by a timer and executed when they are over.

    :param node: the rover
    :param say: takes what people should know
    """

    def __init__(self, node: Node, say: Callable[[str], None]) -> None:
        self._counts: dict[bytes, _Count] = {}
        self._server: ActionServer | None = None
        self._type = _find_type()
        if self._type is None:
            say('neither example_interfaces nor test_msgs is installed: there is no action count')
            return
        self._server = ActionServer(
            node,
            self._type,
            'count',
            lambda goal: self._type.Result(),
            goal_callback=self._judge,
            handle_accepted_callback=self._begin,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )
        node.create_timer(_TICK_S, self._tick, clock=STEADY_CLOCK)

    def close(self) -> None:
        """Offer the action no more."""
        self._counts.clear()
        if self._server is not None:
            self._server.destroy()
            self._server = None

    def _judge(self, goal: Any) -> GoalResponse:
        fits = goal.order >= 0 and len(self._counts) < _MOST_GOALS
        return GoalResponse.ACCEPT if fits else GoalResponse.REJECT

    def _begin(self, goal: Any) -> None:
        self._counts[bytes(goal.goal_id.uuid)] = _Count(goal, time.monotonic())

    def _tick(self) -> None:
        now = time.monotonic()
        for count in list(self._counts.values()):
            if not count.over and now >= count.next_at:
                count.step()
                feedback = self._type.Feedback()
                feedback.sequence = count.numbers
                count.goal.publish_feedback(feedback)
            if count.over:
                # Out before it is executed, which may be a turn of the executor later.
                del self._counts[bytes(count.goal.goal_id.uuid)]
                count.goal.execute(lambda goal, count=count: self._finish(count))

    def _finish(self, count: _Count) -> Any:
        goal = count.goal
        result = self._type.Result()
        result.sequence = count.numbers
        if goal.is_cancel_requested:
            goal.canceled()
        elif goal.request.order > MOST_NUMBERS:
            goal.abort()
        else:
            goal.succeed()
        return result


def _find_type() -> Any:
    for package in _PACKAGES:
        try:
            return import_module(f'{package}.action').Fibonacci
        except (ImportError, AttributeError):
            continue
    return None
