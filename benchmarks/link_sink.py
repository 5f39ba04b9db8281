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

"""A child in the cloud that notes every message and sample: when it came and how old it was."""

import json
import sys
import threading
import time
from typing import Any

from children import Answer, serve
import paho.mqtt.client as paho

from ros_cloud_bridge.cloud import BridgeError, Decoder

# As in link_peer.py, which needs ROS.
_PLAIN = 'plain/'
_STAMP_BYTES = 8
_SUBSCRIBED_S = 10.0


class Sink:
    """
    Receives and decodes.

    :param host: the broker's
    :param port: the broker's
    """

    def __init__(self, host: str, port: int) -> None:
        self._decoder = Decoder()
        self._arrived = threading.Condition()
        # robot id, topic, arrival, age in ns, bytes of CDR
        self._samples: list[tuple[str, str, int, int, int]] = []
        # robot id, arrival, bytes of payload
        self._messages: list[tuple[str, int, int]] = []
        self._health: list[tuple[str, int, Any]] = []
        self._errors: list[str] = []
        subscribed = threading.Event()
        client: Any
        if hasattr(paho, 'CallbackAPIVersion'):
            client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id='sink')
        else:
            client = paho.Client(client_id='sink')
        client.on_message = self._on_message
        client.on_connect = lambda *_: client.subscribe('#')
        client.on_subscribe = lambda *_: subscribed.set()
        client.connect(host, port)
        client.loop_start()
        if not subscribed.wait(_SUBSCRIBED_S):
            raise SystemExit('the broker does not take the subscription')

    def wait(self, robot_id: str, topic: str, timeout_s: float) -> Answer:
        """
        Wait for a sample.

        :param robot_id: of this robot
        :param topic: on this topic
        :param timeout_s: how long
        :returns: whether one came
        """

        def came() -> bool:
            return any(sample[:2] == (robot_id, topic) for sample in self._samples)

        with self._arrived:
            return {'came': self._arrived.wait_for(came, timeout_s), 'errors': self._errors}

    def collect(self) -> Answer:
        """
        Hand everything over.

        :returns: samples, messages, health documents and errors
        """
        with self._arrived:
            return {
                'samples': list(self._samples),
                'messages': list(self._messages),
                'health': list(self._health),
                'errors': list(self._errors),
            }

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        # Nothing that goes wrong here may escape into paho's thread unseen.
        try:
            self._note(message.topic, message.payload)
        except (BridgeError, ValueError) as error:
            self._errors.append(f'{message.topic}: {error}')

    def _note(self, topic: str, payload: bytes) -> None:
        now_ns = time.time_ns()
        if topic.startswith(_PLAIN):
            robot_id, _, name = topic.removeprefix(_PLAIN).partition('/')
            source_ns = int.from_bytes(payload[:_STAMP_BYTES], 'little', signed=True)
            size = len(payload) - _STAMP_BYTES
            found = [(robot_id, f'/{name}', now_ns, now_ns - source_ns, size)]
        else:
            robot_id = topic.split('/')[2]
            samples = self._decoder.feed(topic, payload)
            # The decoder's time is a part of the age.
            now_ns = time.time_ns()
            found = [
                (s.robot_id, s.topic, now_ns, now_ns - s.source_time_ns, len(s.cdr))
                for s in samples
            ]
        with self._arrived:
            self._messages.append((robot_id, now_ns, len(payload)))
            self._samples += found
            self._arrived.notify_all()
        if topic.endswith('/health') and not topic.startswith(_PLAIN):
            self._health.append((robot_id, now_ns, json.loads(payload)))


def main() -> None:
    """Serve the parent: ``link_sink.py HOST PORT``."""
    sink = Sink(sys.argv[1], int(sys.argv[2]))
    serve({'wait': sink.wait, 'collect': sink.collect})


if __name__ == '__main__':
    main()
