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
Publishes numbered text as std_msgs/String, timing every ``publish`` call.

Run as a process of its own, with TOPIC COUNT CHARACTERS PERIOD_S DEPTH; a depth of 0 keeps all.
Waits for a subscriber, prints ``ready``, waits for a line, and prints ``done``, how many calls
failed and how long the longest took.
"""

import sys
import threading
import time

import rclpy
from std_msgs.msg import String

from support.graph import qos


def main() -> None:
    """Publish."""
    topic, count, size, period_s, depth = sys.argv[1:]
    rclpy.init()
    node = rclpy.create_node('publishing')
    publisher = node.create_publisher(String, topic, qos(depth=int(depth)))
    while not publisher.get_subscription_count():
        threading.Event().wait(0.01)
    print('ready', flush=True)
    sys.stdin.readline()
    begin, failed, longest_s = time.monotonic(), 0, 0.0
    for number in range(int(count)):
        threading.Event().wait(max(0.0, begin + number * float(period_s) - time.monotonic()))
        before = time.monotonic()
        try:
            publisher.publish(String(data=f'{number}:'.ljust(int(size), '.')))
        except Exception:
            failed += 1
        longest_s = max(longest_s, time.monotonic() - before)
    print(f'done {failed} {longest_s:.3f}', flush=True)
    # Stays until its samples were taken: what is not yet acknowledged would go with it.
    sys.stdin.read()
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
