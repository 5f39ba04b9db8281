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
Children to compare the bridge with: ``noop`` and ``forwarder``.

``noop`` drains its subscription as the bridge does and throws everything away: what rclpy itself
costs. ``forwarder`` is what people write in an afternoon: rclpy's callback calls paho's publish.
"""

import sys
import threading
import time
from typing import Any

from children import Answer, percentile, serve
import paho.mqtt.client as paho
from payloads import FORWARDER_TOPIC, Load, LOADS, Payloads
from publisher import qos_of
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from ros_cloud_bridge.ros.taking import TURN_MESSAGES, TURN_S


class Noop:
    """
    Counts what it drains.

    :param node: subscribes
    :param load: to what
    """

    def __init__(self, node: Node, load: Load) -> None:
        self._count = 0
        self._last_ns = 0
        self._ages_ms: list[float] = []
        self._subscription = node.create_subscription(
            Payloads(load).message_class, load.topic, self._take, qos_of(load), raw=True
        )

    def _take(self, cdr: bytes, info: dict[str, Any]) -> None:
        count = 1
        deadline = time.monotonic() + TURN_S
        message_type, handle = self._subscription.msg_type, self._subscription.handle
        with handle:
            take = handle.take_message
            while count < TURN_MESSAGES:
                if take(message_type, True) is None:
                    break
                count += 1
                if count % 16 == 0 and time.monotonic() >= deadline:
                    break
        self._count += count
        self._last_ns = time.time_ns()
        # The turn's first message has waited longest: an upper bound that costs next to nothing.
        self._ages_ms.append((self._last_ns - info['source_timestamp']) / 1e6)

    def begin(self) -> Answer:
        """Forget what came before."""
        self._count = 0
        self._ages_ms = []
        return {}

    def collect(self, count: int, timeout_s: float, **_: object) -> Answer:
        """
        Wait for a number of messages.

        :param count: how many were sent
        :param timeout_s: how long to wait for one more
        :returns: what came
        """
        seen, deadline = -1, 0.0
        while self._count < count and (self._count > seen or time.monotonic() < deadline):
            if self._count > seen:
                seen, deadline = self._count, time.monotonic() + timeout_s
            time.sleep(0.02)
        return {
            'received': self._count,
            'last_ns': self._last_ns,
            'p50_ms': percentile(self._ages_ms, 0.5),
            'p99_ms': percentile(self._ages_ms, 0.99),
        }


class Forwarder:
    """
    Publishes every message over MQTT at QoS 0.

    :param node: subscribes
    :param load: to what
    :param port: the broker's
    """

    def __init__(self, node: Node, load: Load, port: int) -> None:
        if hasattr(paho, 'CallbackAPIVersion'):
            self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        else:
            self._client = paho.Client()
        self._client.connect('127.0.0.1', port)
        self._client.loop_start()
        self._subscription = node.create_subscription(
            Payloads(load).message_class, load.topic, self._forward, qos_of(load), raw=True
        )

    def _forward(self, cdr: bytes) -> None:
        self._client.publish(FORWARDER_TOPIC, cdr)


def main() -> None:
    """Serve the parent while the executor runs: ``subjects.py noop|forwarder LOAD [PORT]``."""
    kind, load = sys.argv[1], LOADS[sys.argv[2]]
    rclpy.init()
    node = rclpy.create_node(f'benchmark_{kind}')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    if kind == 'noop':
        noop = Noop(node, load)
        handlers = {'begin': noop.begin, 'collect': noop.collect}
    else:
        # Kept alive by its subscription's callback, which the node holds.
        Forwarder(node, load, int(sys.argv[3]))
        handlers = {}
    threading.Thread(target=_serve, args=(handlers,), daemon=True).start()
    try:
        executor.spin()
    except ExternalShutdownException:
        pass


def _serve(handlers: dict[str, Any]) -> None:
    serve(handlers)
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
