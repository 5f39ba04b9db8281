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
A child to compare the bridge with on a slow link: rclpy's callback calls paho's publish.

What people write in an afternoon, at QoS 0 or 1, with paho's defaults. For the benchmark alone it
puts DDS's source time stamp before the message, and counts what it has handed to paho.
"""

from importlib import import_module
import json
import struct
import sys
import threading
from typing import Any

from children import Answer, serve
import paho.mqtt.client as paho
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

ROOT = 'plain'
STAMP = struct.Struct('<q')
_DEPTH = 10


class Peer:
    """
    Forwards topics.

    :param node: subscribes
    :param spec: ``host``, ``port``, ``qos``, ``robot_id``; ``topics`` as pairs of name and type
    """

    def __init__(self, node: Node, spec: dict[str, Any]) -> None:
        if hasattr(paho, 'CallbackAPIVersion'):
            self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        else:
            self._client = paho.Client()
        self._client.connect(spec['host'], spec['port'])
        self._client.loop_start()
        self._qos = int(spec['qos'])
        self._handed_bytes = 0
        for topic, type_name in spec['topics']:
            self._subscribe(node, topic, type_name, f'{ROOT}/{spec["robot_id"]}{topic}')

    def handed(self) -> Answer:
        """
        Tell what paho has got.

        :returns: bytes
        """
        return {'bytes': self._handed_bytes}

    def _subscribe(self, node: Node, topic: str, type_name: str, mqtt_topic: str) -> None:
        package, _, name = type_name.split('/')
        kind = getattr(import_module(f'{package}.msg'), name)

        def forward(cdr: bytes, info: dict[str, Any]) -> None:
            payload = STAMP.pack(info['source_timestamp']) + cdr
            self._client.publish(mqtt_topic, payload, qos=self._qos)
            self._handed_bytes += len(payload)

        node.create_subscription(kind, topic, forward, _DEPTH, raw=True)


def main() -> None:
    """Serve the parent while the executor runs: ``link_peer.py SPEC``."""
    rclpy.init()
    node = rclpy.create_node('plain_forwarder')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    peer = Peer(node, json.loads(sys.argv[1]))
    threading.Thread(target=_serve, args=(peer,), daemon=True).start()
    try:
        executor.spin()
    except ExternalShutdownException:
        pass


def _serve(peer: Peer) -> None:
    serve({'handed': peer.handed})
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
