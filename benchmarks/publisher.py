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

"""A child that publishes a load at a given rate, in bursts a millisecond apart."""

import os
import sys
import time

from children import Answer, serve
from payloads import Load, LOADS, Payloads
import rclpy
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

_PAUSE_S = 0.001
_MATCH_S = 30.0


def qos_of(load: Load) -> QoSProfile:
    """
    Give the QoS that a load is published and subscribed to with.

    :param load: which
    :returns: reliable, keep last
    """
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=load.depth,
        reliability=ReliabilityPolicy.RELIABLE,
    )


class _Publisher:
    def __init__(self, node: Node, load: Load) -> None:
        self._payloads = Payloads(load)
        self._publisher = node.create_publisher(
            self._payloads.message_class, load.topic, qos_of(load)
        )

    def describe(self) -> Answer:
        return {'size': self._payloads.size, 'counter_at': self._payloads.counter_at}

    def match(self) -> Answer:
        deadline = time.monotonic() + _MATCH_S
        while self._publisher.get_subscription_count() == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        return {'subscriptions': self._publisher.get_subscription_count()}

    def publish(self, first: int, count: int, rate: float) -> Answer:
        make, publish = self._payloads.make, self._publisher.publish
        started_ns = time.time_ns()
        started = time.monotonic()
        sent = failed = 0
        while sent < count:
            due = min(count, int((time.monotonic() - started) * rate) + 1)
            while sent < due:
                try:
                    publish(make(first + sent, time.time_ns()))
                except rclpy_implementation.RCLError:
                    # The subscriber is so far behind that the writer's history is full.
                    failed += 1
                sent += 1
            time.sleep(_PAUSE_S)
        seconds = time.monotonic() - started
        return {
            'sent': sent,
            'failed': failed,
            'rate': sent / max(seconds, sent / rate),
            'started_ns': started_ns,
            'ended_ns': time.time_ns(),
        }


def main() -> None:
    """Serve the parent."""
    rclpy.init()
    publisher = _Publisher(rclpy.create_node(f'load_{os.getpid()}'), LOADS[sys.argv[1]])
    serve(
        {
            'describe': publisher.describe,
            'match': publisher.match,
            'publish': publisher.publish,
        }
    )
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
