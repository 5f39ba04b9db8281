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

"""A recording's messages at their times, and the subscriptions through which a plan takes them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import hashlib
from random import Random
import re
from typing import Protocol, TYPE_CHECKING

from rosbags.typesys import get_typestore, Stores

from ros_cloud_bridge.core.latched import LatchedValues
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.core.selection import TopicSelector
from ros_cloud_bridge.simulation.bridge import SimulatedBridge
from ros_cloud_bridge.simulation.link import VirtualLink
from ros_cloud_bridge.values import Drop, Keep, Key, Received, StreamConfig
from ros_cloud_bridge.wire.schema import RIHS01_PREFIX, Schema

if TYPE_CHECKING:
    from ros_cloud_bridge.ros.player.recording import Recorded, Track

_NS = 1_000_000_000
_TF_TYPE = 'tf2_msgs/msg/TFMessage'
# As ros/subscriptions.py has it, which needs ROS.
_GATED_MAX_HZ = 5.0


class Source(Protocol):
    """A recording, or a part of one."""

    @property
    def tracks(self) -> Sequence['Track']:
        """Its channels."""

    def messages(self, topics: set[str]) -> Iterator['Recorded']:
        """Read messages of these topics in the order in which they were logged."""


@dataclass(slots=True, kw_only=True)
class TopicRun:
    """One topic of the recording, and what of it was published: count and bytes of CDR."""

    route: Route
    messages: int = 0
    bytes: int = 0


class Feed:
    """
    The recording's messages at their times, round after round as ``play`` has them.

    :param recording: open
    :param tracks: those that take part
    :param seconds: how long; None for ``loops`` rounds
    :param loops: how often
    """

    def __init__(
        self,
        recording: Source,
        tracks: Sequence['Track'],
        seconds: float | None,
        loops: int,
    ) -> None:
        self._recording = recording
        self._channels = {track.channel for track in tracks if not track.problem}
        self._topics = {track.topic for track in tracks}
        self.round_s = self._round_s()
        self.seconds = loops * self.round_s if seconds is None else seconds

    def _round_s(self) -> float:
        """As the player has it: the busiest channel's rhythm goes on from round to round."""
        last = 0.0
        counts: Counter[int] = Counter()
        for at, channel, _ in self._round():
            last = at
            counts[channel] += 1
        most = max(counts.values(), default=0)
        return last + (last / (most - 1) if last > 0 and most > 1 else 1.0)

    def _round(self) -> Iterator[tuple[float, int, bytes]]:
        first_ns: int | None = None
        for message in self._recording.messages(self._topics):
            if message.channel in self._channels:
                first_ns = message.time_ns if first_ns is None else first_ns
                yield (message.time_ns - first_ns) / _NS, message.channel, message.cdr

    def messages(self) -> Iterator[tuple[float, int, bytes]]:
        """
        Give messages until the end.

        :returns: (time, channel, message)
        """
        begin = 0.0
        while begin < self.seconds:
            for at, channel, cdr in self._round():
                if begin + at >= self.seconds:
                    return
                yield begin + at, channel, cdr
            begin += self.round_s


class _Outlet:
    """A topic's way into the bridge: the subscription."""

    def __init__(self, bridge: SimulatedBridge, entry: TopicRun) -> None:
        self._bridge = bridge
        self._route = entry.route
        self._entry = entry

    def publish(self, now: float, cdr: bytes) -> None:
        """
        Take a message in.

        :param now: virtual seconds
        :param cdr: it
        """
        self._entry.messages += 1
        self._entry.bytes += len(cdr)
        self._bridge.publish(now, self._route, cdr)


class _GatedOutlet(_Outlet):
    """A subscription that takes just the newest message when the next one is due."""

    def __init__(self, bridge: SimulatedBridge, entry: TopicRun, link: VirtualLink) -> None:
        super().__init__(bridge, entry)
        self._link = link
        self._open = True
        self._waiting: tuple[float, bytes] | None = None
        self._passed_over = 0
        # Nobody knows how the timer will stand to the publisher.
        random = Random(entry.route.number)
        link.at(random.random() / self._hz, self._due)

    @property
    def _hz(self) -> float:
        return self._route.effective_hz or self._route.stream.max_hz

    def publish(self, now: float, cdr: bytes) -> None:
        """
        Hold a message until the gate opens, or let it pass.

        :param now: virtual seconds
        :param cdr: it
        """
        self._entry.messages += 1
        self._entry.bytes += len(cdr)
        if self._waiting is not None:
            self._passed_over += 1
        self._waiting = (now, cdr)
        if self._open:
            self._take(now)

    def _due(self, now: float) -> None:
        self._open = True
        self._take(now)
        self._link.at(now + 1.0 / self._hz, self._due)

    def _take(self, now: float) -> None:
        if self._waiting is None:
            return
        (at, cdr), self._waiting = self._waiting, None
        self._open = False
        bridge = self._bridge
        taken_at = now + bridge.dallying.take_s
        sample = Received(cdr, bridge.wall_ns(at), bridge.wall_ns(taken_at))
        drops = [(Drop.RATE, self._passed_over)]
        self._passed_over = 0
        self._link.at(taken_at, lambda now: bridge.offer(self._route, [sample], drops, now))


class Outlets:
    """
    All subscriptions of a bridge.

    :param bridge: takes the messages
    :param link: the clock
    :param selector: the streams' claims
    """

    def __init__(
        self, bridge: SimulatedBridge, link: VirtualLink, selector: TopicSelector
    ) -> None:
        self._bridge = bridge
        self._link = link
        self._selector = selector
        self._by_channel: dict[int, _Outlet] = {}
        self.topics: list[TopicRun] = []
        self.problems: dict[str, str] = {}

    def open(self, tracks: Sequence['Track']) -> None:
        """
        Subscribe to what the streams claim.

        :param tracks: of the recording
        """
        made: dict[tuple[str, str], _Outlet] = {}
        publishers = Counter(track.topic for track in tracks)
        for track in tracks:
            key = (track.topic, track.type_name)
            stream = self._selector.stream_for(track.topic)
            if track.problem or stream is None:
                self.problems[track.topic] = track.problem or 'no stream takes it'
                continue
            if key not in made:
                made[key] = self._subscribe(track, stream, publishers[track.topic])
            self._by_channel[track.channel] = made[key]

    def play(self, messages: Iterator[tuple[float, int, bytes]]) -> None:
        """
        Publish messages as their time comes.

        :param messages: (time, channel, message)
        """
        due = next(messages, None)
        if due is None:
            return
        at, channel, cdr = due

        def publish(now: float) -> None:
            outlet = self._by_channel.get(channel)
            if outlet is not None:
                outlet.publish(now, cdr)
            self.play(messages)

        self._link.at(at, publish)

    def _subscribe(self, track: 'Track', stream: StreamConfig, publishers: int) -> _Outlet:
        latched = track.offer.transient_local
        gated = _gated(stream, latched)
        route = self._bridge.open_route(
            stream,
            track.topic,
            track.type_name,
            schema=schema_of(track),
            gated=gated,
            find_schema=well_known,
        )
        if route.reducer_problem:
            self.problems[track.topic] = f'goes out as it is: {route.reducer_problem}'
        route.publisher_count = publishers
        if latched:
            route.latched = LatchedValues(merge_frames=track.type_name == _TF_TYPE)
        entry = TopicRun(route=route)
        self.topics.append(entry)
        if gated:
            return _GatedOutlet(self._bridge, entry, self._link)
        return _Outlet(self._bridge, entry)


def _gated(stream: StreamConfig, latched: bool) -> bool:
    return (
        stream.keep is Keep.LATEST
        and stream.key is Key.ROUTE
        and stream.decimation == 1
        and 0 < stream.max_hz <= _GATED_MAX_HZ
        and not latched
    )


def well_known(type_name: str) -> Schema:
    """
    Give the definition of a type that no recording needs to have.

    :param type_name: of a common interface package
    :returns: its definition
    :raises KeyError: when it is not known
    """
    store = get_typestore(Stores.ROS2_KILTED)
    text, _ = store.generate_msgdef(type_name, ros_version=2)
    digest = store.hash_rihs01(type_name)
    return Schema(type_name=type_name, definition=text, rihs01=digest)


def schema_of(track: 'Track') -> Schema:
    """
    Give the definition of a track's type as the bridge would have it.

    :param track: of a recording
    :returns: without comments
    """
    # The bridge writes definitions without comments. The hash is another one of the same length.
    lines = (re.sub(r'\s*#.*', '', line).rstrip() for line in track.definition.splitlines())
    text = '\n'.join(line for line in lines if line)
    digest = hashlib.sha256(f'{track.type_name}\n{text}'.encode()).hexdigest()
    return Schema(type_name=track.type_name, definition=text, rihs01=RIHS01_PREFIX + digest)
