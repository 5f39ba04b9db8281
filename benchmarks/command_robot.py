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
A child on the robot: what commands reach, and what is seen of them there.

``command_robot.py NODE`` offers a service and a parameter, and notes what comes on ``/cmd_vel``
and ``/said``, with the machine's monotonic clock, which all processes share.
"""

import sys
import threading
import time
from typing import Any

from children import Answer, serve
import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.node import Node

_READY_S = 30.0
_CALL_S = 10.0
_DEPTH = 100


class _Robot:
    def __init__(self, name: str) -> None:
        from geometry_msgs.msg import Twist
        from std_msgs.msg import String
        from std_srvs.srv import SetBool

        self._set_bool = SetBool
        self._name = name
        self.node = Node(name)
        group = ReentrantCallbackGroup()
        self.node.create_service(SetBool, '~/set', self._set, callback_group=group)
        self.node.create_subscription(Twist, '/cmd_vel', self._driven, _DEPTH)
        self.node.create_subscription(String, '/said', lambda message: None, _DEPTH)
        self.node.declare_parameter('gain', 1.0)
        # When it came, its number and its speed.
        self._twists: list[tuple[float, float, float]] = []

    def match(self) -> Answer:
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if all(self.node.count_publishers(topic) for topic in ('/cmd_vel', '/said')):
                return {'matched': True}
            time.sleep(0.02)
        return {'matched': False}

    def twists(self, since: int = 0) -> Answer:
        return {'twists': self._twists[since:], 'count': len(self._twists)}

    def local(self, count: int, gap_s: float) -> Answer:
        """Call the service within this machine, from a node and an executor of its own."""
        context = rclpy.Context()
        rclpy.init(context=context)
        node = Node('caller', context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        client = node.create_client(self._set_bool, f'/{self._name}/set')
        client.wait_for_service(_READY_S)
        seconds = []
        for _ in range(count):
            time.sleep(gap_s)
            began = time.monotonic()
            future = client.call_async(self._set_bool.Request(data=True))
            executor.spin_until_future_complete(future, _CALL_S)
            seconds.append(time.monotonic() - began)
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()
        return {'seconds': seconds}

    def _set(self, request: Any, response: Any) -> Any:
        response.success = request.data
        return response

    def _driven(self, message: Any) -> None:
        self._twists.append((time.monotonic(), message.angular.z, message.linear.x))


def main() -> None:
    """Serve the parent."""
    rclpy.init()
    robot = _Robot(sys.argv[1])
    executor = MultiThreadedExecutor(num_threads=2)
    executor.add_node(robot.node)
    threading.Thread(target=executor.spin, daemon=True).start()
    serve({'match': robot.match, 'twists': robot.twists, 'local': robot.local})
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
