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

"""A child that publishes batches of one topic to a broker, as a bridge does, at a given rate."""

from collections.abc import Sequence
import secrets
import sys
import threading
import time

from children import Answer, serve
from payloads import LOADS, Payloads

from ros_cloud_bridge.mqtt.events import Connected, Outgoing, SessionEvent, SessionFull
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.ros.interfaces import schema_of, type_name_of
from ros_cloud_bridge.values import MqttConfig, Priority, Received
from ros_cloud_bridge.wire.announce import encode_json
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.topics import DEFAULT_ROOT, RobotTopics

_CONNECT_S = 20.0
_PAUSE_S = 0.0005


class _Source:
    def __init__(self, port: int, robot_id: str, load: str) -> None:
        self._payloads = Payloads(LOADS[load])
        self._topics = RobotTopics(DEFAULT_ROOT, robot_id)
        self._boot = secrets.token_bytes(8)
        self._encoder = BlockEncoder()
        self._number = 0
        self._connected = threading.Event()
        schema = schema_of(self._payloads.message_class)
        self._descriptor = Descriptor(
            stream='load',
            topic=LOADS[load].topic,
            type_name=type_name_of(self._payloads.message_class),
            schema_id=schema.id,
        )
        self._session = Session(
            MqttConfig(host='127.0.0.1', port=port),
            client_id=f'source-{self._boot.hex()}',
            subscriptions=[],
            on_event=self._hear,
        )
        self._session.start()
        if not self._connected.wait(_CONNECT_S):
            raise SystemExit('the source does not reach the broker')
        self._announce(robot_id)

    def describe(self) -> Answer:
        return {'size': self._payloads.size, 'counter_at': self._payloads.counter_at}

    def publish(self, first: int, count: int, rate: float, per_batch: int) -> Answer:
        """Publish samples, each batch when its last one is due."""
        began = time.monotonic()
        for start in range(first, first + count, per_batch):
            last = min(start + per_batch, first + count)
            due = began + (last - first) / rate if rate else 0.0
            while (left := due - time.monotonic()) > 0:
                time.sleep(left)
            self._send(range(start, last))
        while self._session.in_flight:
            time.sleep(_PAUSE_S)
        return {'sent': count, 'seconds': time.monotonic() - began}

    def _send(self, numbers: Sequence[int]) -> None:
        now = time.time_ns()
        section = Section(
            route=0,
            descriptor=self._descriptor,
            sequences=range(numbers[0] + 1, numbers[-1] + 2),
            samples=[Received(self._payloads.make(number, now), now, now) for number in numbers],
            totals=None,
        )
        self._number += 1
        batch = Batch(
            boot=self._boot, number=self._number, sent_time_ns=now, sections=(section,)
        )
        payload = encode_batch(batch, {0: self._encoder})
        self._post(self._topics.batches(Priority.NORMAL), payload)

    def _announce(self, robot_id: str) -> None:
        boot = {'version': 1, 'robot_id': robot_id, 'boot_id': self._boot.hex()}
        qos = {'reliability': 'reliable', 'durability': 'volatile'}
        route = {
            'route': 0,
            'stream': 'load',
            'topic': self._descriptor.topic,
            'type': self._descriptor.type_name,
            'schema': self._descriptor.schema_id,
            'latched': False,
            'qos': qos,
        }
        state = {**boot, 'state': 'online', 'reason': 'birth', 'connection': 1}
        self._post(self._topics.state, encode_json(state), retain=True)
        info = {**boot, 'routes_total': 1, 'routes': [route]}
        self._post(self._topics.info, encode_json(info), retain=True)

    def _post(self, topic: str, payload: bytes, retain: bool = False) -> None:
        outgoing = Outgoing(topic=topic, payload=payload, retain=retain)
        while True:
            try:
                self._session.publish(outgoing)
                return
            except SessionFull:
                time.sleep(_PAUSE_S)

    def _hear(self, event: SessionEvent) -> None:
        if isinstance(event, Connected):
            self._connected.set()


def main() -> None:
    """Serve the parent."""
    source = _Source(int(sys.argv[1]), sys.argv[2], sys.argv[3])
    serve({'describe': source.describe, 'publish': source.publish})


if __name__ == '__main__':
    main()
