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

"""What the executables of managed nodes share: they run until SIGINT or SIGTERM."""

from collections.abc import Callable, Sequence
import gc
import signal
import sys
import time
from types import FrameType

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from ros_cloud_bridge.ros.tidying import Tidying

# How long a signal may wait to be noticed: rclpy's wait is not interrupted by one.
_SPIN_S = 0.2
# How long a thread may keep the interpreter while another wants it. By default 5 ms: as much as an
# answer of the broker would wait behind a busy subscription, and look like a queue in the link.
_SWITCH_S = 0.001


def run_nodes(
    program: str, argv: Sequence[str] | None, make: Callable[[], Sequence[LifecycleNode]]
) -> int:
    """
    Run managed nodes, and take them through their states unless ``auto_start`` is false.

    :param program: the executable's name
    :param argv: arguments, ``--ros-args`` included; those of the process when None
    :param make: makes the nodes; the first has the parameter ``auto_start``
    :returns: 0 after SIGINT or SIGTERM, 2 when the configuration cannot be used
    """
    stopping: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.append(number)

    arguments = list(sys.argv if argv is None else [program, *argv])
    try:
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rclpy has no common root for what rcl and it refuse
        print(f'{program}: {" ".join(str(error).split())}', file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        return _host(make(), stopping)
    finally:
        rclpy.try_shutdown()


def _host(nodes: Sequence[LifecycleNode], stopping: list[int]) -> int:
    executor = SingleThreadedExecutor()
    for node in nodes:
        executor.add_node(node)
    try:
        if nodes[0].get_parameter_or('auto_start').value is not False:
            if not all(_start(node) for node in nodes):
                return 2
        _spare_the_collector()
        sys.setswitchinterval(_SWITCH_S)
        tidying = Tidying(time.monotonic())
        while not stopping and rclpy.ok():
            executor.spin_once(timeout_sec=_SPIN_S)
            tidying.look(time.monotonic())
        return 0
    finally:
        for node in reversed(nodes):
            # What moves stops before anything else is taken down.
            node.trigger_shutdown()
            executor.remove_node(node)
            node.destroy_node()
        executor.shutdown()


def _spare_the_collector() -> None:
    # Samples hold no cycles, but each is a tracked object: at 40,000 a second the default
    # threshold of 700 has Python walk over them all the time. What does hold cycles (subscriptions
    # that were closed, connections that were lost) goes in Tidying.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _start(node: LifecycleNode) -> bool:
    success = TransitionCallbackReturn.SUCCESS
    return bool(node.trigger_configure() == success and node.trigger_activate() == success)
