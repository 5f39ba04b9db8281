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

"""A child that hears the same samples twice: off the broker, and from the mirror's topic."""

import sys
import threading
import time
from typing import Any

from children import Answer, serve
from payloads import LOADS, Payloads, read
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from ros_cloud_bridge.cloud.consumer import Consumer
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.ros.taking import drain, received
from ros_cloud_bridge.values import MqttConfig

_DEPTH = 10_000
_LOOK_S = 0.005
# By default a thread keeps the interpreter for 5 ms, which would be measured here.
_SWITCH_S = 0.0005


class _Watch:
    def __init__(self, port: int, robot_id: str, load: str) -> None:
        rclpy.init()
        payloads = Payloads(LOADS[load])
        self._counter_at = payloads.counter_at
        # By counter: when it was published, decoded here, and heard from the mirror.
        self._sent: dict[int, int] = {}
        self._direct: dict[int, int] = {}
        self._mirrored: dict[int, int] = {}
        self._node = rclpy.create_node('watch')
        self._subscription = self._node.create_subscription(
            payloads.message_class,
            f'/{robot_id}{LOADS[load].topic}',
            self._hear,
            QoSProfile(
                history=HistoryPolicy.KEEP_LAST,
                depth=_DEPTH,
                reliability=ReliabilityPolicy.RELIABLE,
            ),
            raw=True,
        )
        self._consumer = Consumer(
            MqttConfig(host='127.0.0.1', port=port), self._decoded, robots=robot_id
        )
        self._consumer.start()
        executor = SingleThreadedExecutor()
        executor.add_node(self._node)
        threading.Thread(target=executor.spin, daemon=True).start()

    def _decoded(self, sample: Sample) -> None:
        now = time.time_ns()
        number, sent = read(sample.cdr, self._counter_at)
        self._sent[number] = sent
        self._direct[number] = now

    def _hear(self, cdr: bytes, info: dict[str, Any]) -> None:
        for taken in drain(self._subscription, received(cdr, info)):
            number, _ = read(taken.cdr, self._counter_at)
            self._mirrored[number] = time.time_ns()

    def heard(self, number: int) -> Answer:
        """Say whether a sample has come both ways."""
        return {'direct': number in self._direct, 'mirrored': number in self._mirrored}

    def figures(self, first: int, count: int, timeout_s: float) -> Answer:
        """Wait for the last sample of a run, and tell all of them."""
        last = first + count - 1
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and not (
            last in self._direct and last in self._mirrored
        ):
            time.sleep(_LOOK_S)
        run = range(first, first + count)
        both = [n for n in run if n in self._direct and n in self._mirrored]
        return {
            'direct': sum(n in self._direct for n in run),
            'mirrored': sum(n in self._mirrored for n in run),
            'added_ms': [(self._mirrored[n] - self._direct[n]) / 1e6 for n in both],
            'direct_ms': [(self._direct[n] - self._sent[n]) / 1e6 for n in both],
            'mirrored_ms': [(self._mirrored[n] - self._sent[n]) / 1e6 for n in both],
        }


def main() -> None:
    """Serve the parent."""
    sys.setswitchinterval(_SWITCH_S)
    watch = _Watch(int(sys.argv[1]), sys.argv[2], sys.argv[3])
    serve({'heard': watch.heard, 'figures': watch.figures})


if __name__ == '__main__':
    main()
