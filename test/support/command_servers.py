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

"""
Servers that commands reach, in this process or as one of their own.

::

    python -m support.command_servers NODE_NAME

prints ``ready`` once everything is there, and ends with SIGTERM. Below the node's name it offers

- ``set`` (std_srvs/SetBool) answers at once, ``slow`` after ``SLOW_S``, ``mute`` never;
- ``basic`` (test_msgs/BasicTypes) gives back what it got;
- ``fibonacci`` (test_msgs/Fibonacci): feedback for every number; an order below 0 is rejected,
  ``ABORTED_ORDER`` is aborted, ``STUBBORN_ORDER`` refuses to be cancelled;
- the parameters ``gain`` (double; the node refuses values above 10), ``tags`` and ``hidden``.
"""

from collections.abc import Callable
import contextlib
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
from typing import Any

from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import SetBool
from test_msgs.action import Fibonacci
from test_msgs.srv import BasicTypes

SLOW_S = 2.0
STEP_S = 0.05
ABORTED_ORDER = 50
STUBBORN_ORDER = 40
TOO_HIGH = 'gain above 10 shakes the robot apart'


class CommandServers(Node):  # type: ignore[misc]
    """
    The servers.

    :param name: of the node
    :param context: rclpy's
    """

    def __init__(self, name: str, context: Context | None = None) -> None:
        super().__init__(name, context=context)
        self.calls: list[Any] = []
        self.goals: list[int] = []
        self.ended: list[int] = []
        self.stopping = threading.Event()
        group = ReentrantCallbackGroup()

        def offer(service_class: Any, path: str, serve: Callable[[Any, Any], Any]) -> None:
            self.create_service(service_class, f'~/{path}', serve, callback_group=group)

        offer(SetBool, 'set', self.answer)
        offer(SetBool, 'slow', self._slow)
        offer(SetBool, 'mute', self._mute)
        offer(BasicTypes, 'basic', self._basic)
        self._action = ActionServer(
            self,
            Fibonacci,
            f'{name}/fibonacci',
            self._count,
            callback_group=group,
            goal_callback=self._judge,
            cancel_callback=self._judge_cancelling,
        )
        self.declare_parameter('gain', 1.5)
        self.declare_parameter('tags', ['a'])
        self.declare_parameter('hidden', 1)
        self.add_on_set_parameters_callback(self._check)

    def answer(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """
        Serve ``set``.

        :param request: what is wanted
        :param response: to be filled
        :returns: what was wanted
        """
        self.calls.append(request.data)
        response.success = request.data
        response.message = 'on' if request.data else 'off'
        return response

    def _slow(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.stopping.wait(SLOW_S)
        return self.answer(request, response)

    def _mute(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.calls.append('mute')
        self.stopping.wait()
        return response

    def _basic(
        self, request: BasicTypes.Request, response: BasicTypes.Response
    ) -> BasicTypes.Response:
        for name in request.get_fields_and_field_types():
            setattr(response, name, getattr(request, name))
        return response

    def _judge(self, goal: Fibonacci.Goal) -> GoalResponse:
        return GoalResponse.REJECT if goal.order < 0 else GoalResponse.ACCEPT

    def _judge_cancelling(self, goal: Any) -> CancelResponse:
        stubborn = goal.request.order == STUBBORN_ORDER
        return CancelResponse.REJECT if stubborn else CancelResponse.ACCEPT

    def running(self) -> list[int]:
        """
        Tell which goals run.

        :returns: their orders
        """
        return [order for order in self.goals if order not in self.ended]

    def _count(self, goal: Any) -> Fibonacci.Result:
        self.goals.append(goal.request.order)
        try:
            return self._count_up(goal)
        finally:
            self.ended.append(goal.request.order)

    def _count_up(self, goal: Any) -> Fibonacci.Result:
        numbers = [0, 1]
        while len(numbers) < goal.request.order and not self.stopping.wait(STEP_S):
            if goal.is_cancel_requested:
                goal.canceled()
                return Fibonacci.Result(sequence=numbers)
            if goal.request.order == ABORTED_ORDER and len(numbers) > 3:
                goal.abort()
                return Fibonacci.Result(sequence=numbers)
            numbers.append(numbers[-1] + numbers[-2])
            goal.publish_feedback(Fibonacci.Feedback(sequence=numbers))
        goal.succeed()
        return Fibonacci.Result(sequence=numbers)

    def _check(self, parameters: list[Parameter]) -> SetParametersResult:
        high = any(p.name == 'gain' and p.value > 10.0 for p in parameters)
        return SetParametersResult(successful=not high, reason=TOO_HIGH if high else '')


class ServersProcess:
    """
    The servers in a process of their own; it ends with the ``with`` block at the latest.

    :param name: of the node
    """

    def __init__(self, name: str) -> None:
        tests = Path(__file__).resolve().parents[1]
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'support.command_servers', name],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, 'PYTHONPATH': f'{tests}:{os.environ.get("PYTHONPATH", "")}'},
        )

    def __enter__(self) -> 'ServersProcess':
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == 'ready\n'
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it at once, without a word to anybody."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def main() -> None:
    """Be a process of its own."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    servers = CommandServers(sys.argv[1])
    executor = MultiThreadedExecutor(num_threads=8)
    executor.add_node(servers)

    def end(number: int, frame: object) -> None:
        servers.stopping.set()
        executor.shutdown(timeout_sec=0)

    signal.signal(signal.SIGTERM, end)
    print('ready', flush=True)
    with contextlib.suppress(ExternalShutdownException):
        executor.spin()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
