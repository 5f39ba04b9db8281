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

"""Publish a recording's raw CDR with the recorded timing."""

from collections.abc import Callable
from dataclasses import dataclass
import math
import time
from typing import Any

from rclpy.duration import Duration
from rclpy.exceptions import NameValidationException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy

from ros_cloud_bridge.core.selection import TopicPattern
from ros_cloud_bridge.errors import LocalFault
from ros_cloud_bridge.ros.interfaces import load_message, schema_of
from ros_cloud_bridge.ros.player.definitions import same_members
from ros_cloud_bridge.ros.player.recording import Recorded, Recording, Track

# A subscriber may fall behind a reliable publisher by so much before it loses messages.
_HISTORY_S = 2.0
_MIN_DEPTH = 10
_MAX_DEPTH = 1000
_UNKNOWN_RATE_DEPTH = 100

_POLL_S = 0.02
_ACKNOWLEDGE_S = 5.0

# Between two rounds of a recording whose own rhythm is not known: it has a single moment.
_LONE_PERIOD_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayOptions:
    """
    How a recording is played.

    ``rate`` 2 is twice as fast; ``loops`` 0 is for ever; no ``topics`` are all.
    """

    rate: float = 1.0
    loops: int = 1
    topics: tuple[TopicPattern, ...] = ()
    wait_for_subscribers_s: float = 0.0
    start_delay_s: float = 0.0


@dataclass(slots=True)
class Played:
    """What was published on one topic; times are monotonic seconds."""

    published: int = 0
    bytes: int = 0
    first_s: float = 0.0
    last_s: float = 0.0

    @property
    def hz(self) -> float:
        """Mean rate; 0 before there are two messages."""
        span_s = self.last_s - self.first_s
        return (self.published - 1) / span_s if span_s > 0 else 0.0


class Player:
    """
    Publishes one recording.

    :param recording: an open recording
    :param node: what the publishers belong to; needs no spinning
    :param options: how to play
    :param wait: sleeps for so many seconds and returns True as soon as playing shall end
    :param warn: gets one line for what the user should know
    :param clock: monotonic seconds, by which the wait sleeps
    """

    def __init__(
        self,
        recording: Recording,
        node: Node,
        options: PlayOptions,
        *,
        wait: Callable[[float], bool],
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recording = recording
        self._node = node
        self._options = options
        self._wait = wait
        self._warn = warn
        self._clock = clock
        self._publishers: dict[int, Publisher[Any]] = {}
        self._played_by_channel: dict[int, Played] = {}
        self.played: dict[str, Played] = {}
        self.skipped: dict[str, str] = {}
        self._create_publishers()

    def play(self) -> None:
        """
        Publish until the end, or until the wait says so; then wait for acknowledgements.

        :raises LocalFault: if the recording turns out to be damaged or ROS refuses a message
        """
        try:
            if not self._publishers or self._wait_for_subscribers():
                return
            if not self._wait(self._options.start_delay_s):
                self._rounds()
        finally:
            self._wait_for_acknowledgements()

    def _create_publishers(self) -> None:
        made: dict[tuple[str, str], Publisher[Any]] = {}
        for track in self._recording.tracks:
            wanted = self._options.topics
            if wanted and not any(pattern.matches(track.topic) for pattern in wanted):
                continue
            key = (track.topic, track.type_name)
            try:
                if key not in made:
                    made[key] = self._create_publisher(track)
            except LocalFault as error:
                self._skip(track, str(error))
                continue
            self._publishers[track.channel] = made[key]
            played = self.played.setdefault(track.topic, Played())
            self._played_by_channel[track.channel] = played

    def _create_publisher(self, track: Track) -> 'Publisher[Any]':
        if track.problem:
            raise LocalFault(track.problem)
        message_class = load_message(track.type_name)
        if track.definition and not same_members(
            track.definition, schema_of(message_class).definition
        ):
            self._warn(
                f'{track.topic}: the recorded definition of {track.type_name} differs from the '
                'installed one; published as recorded, readers may not be able to decode it'
            )
        try:
            return self._node.create_publisher(message_class, track.topic, self._qos(track))
        except (NameValidationException, RuntimeError, ValueError) as error:
            raise LocalFault(f'ROS refuses the topic: {" ".join(str(error).split())}') from error

    def _skip(self, track: Track, reason: str) -> None:
        if track.topic not in self.skipped:
            self._warn(f'{track.topic}: skipped: {reason}')
        self.skipped[track.topic] = reason

    def _qos(self, track: Track) -> QoSProfile:
        offer = track.offer
        reliability, durability = QoSReliabilityPolicy, QoSDurabilityPolicy
        return QoSProfile(
            depth=offer.depth or self._default_depth(track),
            reliability=reliability.RELIABLE if offer.reliable else reliability.BEST_EFFORT,
            durability=(
                durability.TRANSIENT_LOCAL if offer.transient_local else durability.VOLATILE
            ),
        )

    def _default_depth(self, track: Track) -> int:
        # What is not recorded follows the rate: many small messages, but few of a large cloud's.
        if track.hz <= 0:
            return _UNKNOWN_RATE_DEPTH
        depth = math.ceil(min(track.hz * self._options.rate * _HISTORY_S, _MAX_DEPTH))
        return max(depth, _MIN_DEPTH)

    def _wait_for_subscribers(self) -> bool:
        deadline = self._clock() + self._options.wait_for_subscribers_s
        while True:
            alone = sorted(
                publisher.topic_name
                for publisher in set(self._publishers.values())
                if publisher.get_subscription_count() == 0
            )
            remaining_s = deadline - self._clock()
            if not alone or remaining_s <= 0:
                break
            if self._wait(min(_POLL_S, remaining_s)):
                return True
        if alone and self._options.wait_for_subscribers_s > 0:
            self._warn(f'no subscriber on {", ".join(alone)}')
        return False

    def _rounds(self) -> None:
        begin_s = self._clock()
        done = 0
        while self._options.loops == 0 or done < self._options.loops:
            length_s = self._round(begin_s)
            if length_s is None:
                return
            begin_s += length_s
            done += 1

    def _round(self, begin_s: float) -> float | None:
        """
        Publish everything once.

        :param begin_s: when the first message is due
        :returns: how long until the next round begins; None when playing shall end
        """
        first_ns: int | None = None
        offset_s = 0.0
        counts = dict.fromkeys(self._publishers, 0)
        for message in self._recording.messages(set(self.played)):
            if message.channel not in self._publishers:
                continue
            first_ns = message.time_ns if first_ns is None else first_ns
            # Always from the round's beginning, so that no error adds up.
            offset_s = (message.time_ns - first_ns) / 1e9 / self._options.rate
            if self._wait(max(begin_s + offset_s - self._clock(), 0.0)):
                return None
            self._publish(message)
            counts[message.channel] += 1
        if first_ns is None:
            return None
        # The busiest channel's period parts the rounds, so that its rhythm goes on.
        most = max(counts.values())
        return offset_s + (offset_s / (most - 1) if offset_s > 0 and most > 1 else _LONE_PERIOD_S)

    def _publish(self, message: Recorded) -> None:
        publisher = self._publishers[message.channel]
        try:
            publisher.publish(message.cdr)
        except RuntimeError as error:
            raise LocalFault(f'{publisher.topic_name}: cannot publish: {error}') from error
        now_s = self._clock()
        played = self._played_by_channel[message.channel]
        if played.published == 0:
            played.first_s = now_s
        played.last_s = now_s
        played.published += 1
        played.bytes += len(message.cdr)

    def _wait_for_acknowledgements(self) -> None:
        deadline = time.monotonic() + _ACKNOWLEDGE_S
        for publisher in set(self._publishers.values()):
            remaining_s = max(deadline - time.monotonic(), 0.0)
            if not publisher.wait_for_all_acked(Duration(seconds=remaining_s)):
                self._warn(
                    f'{publisher.topic_name}: a subscriber has not acknowledged every message '
                    f'within {_ACKNOWLEDGE_S:g} s'
                )
