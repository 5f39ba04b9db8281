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
from pathlib import Path
import random

from mcap.reader import make_reader

from ros_cloud_bridge.core.outbox import Outbox
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.assembler import Assembler
from ros_cloud_bridge.values import Keep, Received, StreamConfig
from ros_cloud_bridge.wire.limits import PORTABLE_PAYLOAD
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


def read_recording(path: Path, limit: int | None = None) -> list[Logged]:
    """
    Read a recording's messages.

    :param path: MCAP file
    :param limit: most messages
    :returns: in the order in which they were logged
    """
    messages = []
    with path.open('rb') as stream:
        for schema, channel, message in make_reader(stream).iter_messages():
            messages.append(
                Logged(
                    topic=channel.topic,
                    type_name=schema.name if schema is not None else '',
                    time_ns=message.log_time,
                    cdr=bytes(message.data),
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


class OfflineBridge:
    """
    What the bridge would send over a link that always has room.

    :param max_delay_s: of its one stream, which takes every topic and keeps every sample
    """

    def __init__(self, max_delay_s: float) -> None:
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
        self._latency = random.Random(1)
        self.wire_bytes: Counter[str] = Counter()
        self.payloads: list[bytes] = []

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
            route.schema_id = '0123456789abcdef'
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
        parcel = self._assembler.batch(lead.stream.priority, taken, clock, int(clock * _NS))
        shares = [route.wire_bytes - old for route, old in zip(routes, before, strict=True)]
        size = 0
        while not parcel.done:
            message = parcel.next(PORTABLE_PAYLOAD)
            size += publish_bytes(message.topic, len(message.payload))
            self.payloads.append(message.payload)
            parcel.answered(None)
        for route, share in zip(routes, shares, strict=True):
            # Fragments' and packets' heads are shared out like the batch itself.
            self.wire_bytes[route.topic] += round(size * share / (sum(shares) or 1))
