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

"""A recording sent through the bridge's own core and wire code, on the recording's clock."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
import hashlib
from pathlib import Path
import random
import time

from mcap.reader import make_reader

from ros_cloud_bridge.core.outbox import Outbox
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.assembler import Assembler
from ros_cloud_bridge.values import Keep, Received, StreamConfig
from ros_cloud_bridge.wire.codecs import Effort
from ros_cloud_bridge.wire.limits import PORTABLE_PAYLOAD
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.topics import RobotTopics

_NS = 1_000_000_000
_BOOT = bytes(range(8))
_ANNOUNCE_S = 30.0
# On a robot a sample reaches the bridge some hundred microseconds after its publication. In a
# recording both times are often one, which would make the column of latencies free.
_LATENCY_NS = (100_000, 400_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One message of a recording."""

    topic: str
    type_name: str
    time_ns: int
    cdr: bytes
    definition: str = ''


def read_recording(
    path: Path, limit: int | None = None, topic_bytes: int | None = None
) -> list[Logged]:
    """
    Read a recording's messages.

    :param path: MCAP file
    :param limit: most messages
    :param topic_bytes: of each topic the first ones, until they have so many bytes
    :returns: in the order in which they were logged
    """
    messages = []
    sizes: Counter[str] = Counter()
    with path.open('rb') as stream:
        for schema, channel, message in make_reader(stream).iter_messages():
            if topic_bytes is not None and sizes[channel.topic] >= topic_bytes:
                continue
            sizes[channel.topic] += len(message.data)
            messages.append(
                Logged(
                    topic=channel.topic,
                    type_name=schema.name if schema is not None else '',
                    time_ns=message.log_time,
                    cdr=bytes(message.data),
                    definition=schema.data.decode() if schema is not None else '',
                )
            )
            if len(messages) == limit:
                break
    return messages


def publish_bytes(topic: str, payload: int) -> int:
    """
    Give the size of an MQTT 5 PUBLISH packet at QoS 1, without topic alias and properties.

    :param topic: MQTT topic
    :param payload: its length, bytes
    :returns: bytes
    """
    # Topic with its length, packet identifier, length of no properties.
    remaining = 2 + len(topic.encode()) + 2 + 1 + payload
    width = 1
    while remaining >= 128**width:
        width += 1
    return 1 + width + remaining


def _hash(key: tuple[str, str]) -> str:
    # A recording says none; what is needed here is that types differ in it.
    return f'RIHS01_{hashlib.sha256(repr(key).encode()).hexdigest()}'


class OfflineBridge:
    """
    What the bridge would send over a link that always has room.

    :param max_delay_s: of its one stream, which takes every topic and keeps every sample
    :param context: whether batches are compressed against dictionaries
    :param effort: what smaller batches may cost
    """

    def __init__(
        self, max_delay_s: float, *, context: bool = False, effort: Effort = Effort.NORMAL
    ) -> None:
        self._stream = StreamConfig(
            name='all',
            topics=('*',),
            keep=Keep.FIFO,
            max_samples=1_000_000,
            max_bytes=1 << 40,
            max_delay_s=max_delay_s,
        )
        self._outbox = Outbox()
        self._routes: dict[tuple[str, str], Route] = {}
        topics = RobotTopics('rcb/v1', 'benchmark')
        self._assembler = Assembler(topics, _BOOT, _ANNOUNCE_S)
        self._assembler.with_context = context
        self._assembler.effort = effort
        self._latency = random.Random(1)
        self.wire_bytes: Counter[str] = Counter()
        self.dictionary_bytes = 0
        # MQTT topics and payloads in their order.
        self.sent: list[tuple[str, bytes]] = []
        self.encode_s = 0.0
        self.schemas: list[Schema] = []

    def run(self, messages: Sequence[Logged]) -> None:
        """
        Send a recording.

        :param messages: in the order of their times
        """
        for message in messages:
            now = message.time_ns / _NS
            while (due := self._outbox.next_due()) is not None and due <= now:
                self._send(due)
            latency_ns = self._latency.randint(*_LATENCY_NS)
            received = Received(message.cdr, message.time_ns, message.time_ns + latency_ns)
            self._route(message).offer([received], now)
            self._send(now)
        self._send(float('inf'))

    def _route(self, message: Logged) -> Route:
        key = (message.topic, message.type_name)
        route = self._routes.get(key)
        if route is None:
            route = Route(len(self._routes) + 1, self._stream, *key)
            schema = Schema(
                type_name=message.type_name, definition=message.definition, rihs01=_hash(key)
            )
            route.schema_id = schema.id
            self._assembler.learn(schema)
            self.schemas.append(schema)
            self._routes[key] = route
            self._outbox.add(route)
        return route

    def _send(self, now: float) -> None:
        while ready := self._outbox.ready(now):
            self._batch(ready[0], now)

    def _batch(self, lead: Route, now: float) -> None:
        taken = self._outbox.take(lead, now)
        routes = [part.route for part in taken]
        before = [route.wire_bytes for route in routes]
        clock = min(now, max(part.samples[-1].offered_at for part in taken) + 1.0)
        began = time.process_time()
        parcel = self._assembler.batch(lead.stream.priority, taken, clock, int(clock * _NS))
        self.encode_s += time.process_time() - began
        shares = [route.wire_bytes - old for route, old in zip(routes, before, strict=True)]
        size = 0
        while not parcel.done:
            message = parcel.next(PORTABLE_PAYLOAD)
            size += publish_bytes(message.topic, len(message.payload))
            self.sent.append((message.topic, message.payload))
            parcel.answered(None)
        context = self._assembler.contexts[lead.stream.priority]
        if (fresh := context.take_fresh()) is not None:
            self.sent.append((context.topic, fresh[1]))
            announced = publish_bytes(context.topic, len(fresh[1]))
            self.dictionary_bytes += announced
            size += announced
            context.settled(fresh[1], arrived=True)
        for route, share in zip(routes, shares, strict=True):
            # Heads of fragments and packets and a dictionary are shared out like the batch itself.
            self.wire_bytes[route.topic] += round(size * share / (sum(shares) or 1))
