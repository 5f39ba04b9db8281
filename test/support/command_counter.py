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
Servers that note every command that reaches them, in a file that outlives whatever is killed.

::

    python -m support.command_counter NODE FILE

prints ``ready`` and ends with SIGTERM. Below the node's name it offers ``count``
(test_msgs/BasicTypes: ``string_value`` names the command) and the action ``fibonacci``
(``order`` numbers the command).
"""

from collections import Counter
import contextlib
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
from typing import Any

import rclpy
from rclpy.action import ActionServer
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from test_msgs.action import Fibonacci
from test_msgs.srv import BasicTypes

# Processes that are killed would leave their shared memory behind.
DDS = {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4'}
_GOAL_S = 0.02


class Counting(Node):  # type: ignore[misc]
    """
    The servers.

    :param name: of the node
    :param path: where each execution is noted
    """

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._stopping = threading.Event()
        group = ReentrantCallbackGroup()
        self.create_service(BasicTypes, '~/count', self._count, callback_group=group)
        self._action = ActionServer(
            self, Fibonacci, f'{name}/fibonacci', self._run, callback_group=group
        )

    def _note(self, name: str) -> None:
        os.write(self._file, f'{name}\n'.encode())

    def _count(
        self, request: BasicTypes.Request, response: BasicTypes.Response
    ) -> BasicTypes.Response:
        self._note(request.string_value)
        response.string_value = request.string_value
        return response

    def _run(self, goal: Any) -> Fibonacci.Result:
        self._note(f'goal-{goal.request.order}')
        self._stopping.wait(_GOAL_S)
        goal.succeed()
        return Fibonacci.Result(sequence=[goal.request.order])


class CounterProcess:
    """
    The servers in a process of their own; it ends with the ``with`` block.

    :param name: of the node
    :param path: where each execution is noted
    :param prefix: what the command line begins with, as to enter a namespace
    """

    def __init__(self, name: str, path: Path, prefix: tuple[str, ...] = ()) -> None:
        tests = Path(__file__).resolve().parents[1]
        path.touch()
        self._path = path
        self._process = subprocess.Popen(
            [*prefix, sys.executable, '-m', 'support.command_counter', name, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                **DDS,
                'PYTHONPATH': f'{tests}:{tests.parent}:{os.environ.get("PYTHONPATH", "")}',
            },
        )

    def __enter__(self) -> 'CounterProcess':
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == 'ready\n'
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()

    def executed(self) -> Counter[str]:
        """
        Count executions.

        :returns: how often, by the command's name
        """
        return Counter(self._path.read_text().split())


def main() -> None:
    """Be a process of its own."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    servers = Counting(sys.argv[1], sys.argv[2])
    executor = MultiThreadedExecutor(num_threads=4)
    executor.add_node(servers)
    signal.signal(signal.SIGTERM, lambda number, frame: executor.shutdown(timeout_sec=0))
    print('ready', flush=True)
    with contextlib.suppress(ExternalShutdownException):
        executor.spin()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
