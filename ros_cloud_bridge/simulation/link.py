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
A virtual link with a broker at its end, in virtual time.

What TCP makes of a lossy path is what a sender of MQTT sees of it: nothing is lost, but the
stream stands still for a while. Several connections may share one link; its buffer is endless, so
whoever sends too much sees a bloated one.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import heapq
from itertools import count
import random

# A segment that holds nothing but an acknowledgement, and how long TCP waits for something to
# send it with (RFC 9293, 3.8.6.3; the figure is Linux's).
ACK_BYTES = 66
_DELAYED_ACK_S = 0.04


def prompt(at: float) -> float | None:
    """
    Answer like a broker with nothing else to do.

    :param at: when the message has arrived
    :returns: seconds until its answer leaves
    """
    return 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkProfile:
    """
    What a link is like.

    ``rates`` are (from this second on, bytes per second), the first at 0. ``delay_s`` is one way,
    ``jitter_s`` what is added to it at most. ``stalls`` are (begin, duration): nothing moves
    meanwhile. ``burst_bytes`` pass at once after a pause, as through a token bucket. ``answer``
    gives what the broker takes to answer a message that arrives at a time, None for never.
    """

    rates: Sequence[tuple[float, float]]
    delay_s: float = 0.0
    jitter_s: float = 0.0
    stalls: Sequence[tuple[float, float]] = ()
    burst_bytes: float = 0.0
    answer: Callable[[float], float | None] = prompt
    seed: int = 0


class VirtualLink:
    """
    Carries messages one after the other, and is the clock of all that uses it.

    :param profile: what it is like
    """

    def __init__(self, profile: LinkProfile) -> None:
        self.profile = profile
        self._random = random.Random(profile.seed)
        # Rates with the stalls cut out, as (from, bytes per second).
        self._pieces = _pieces(profile.rates, profile.stalls)
        self._times = [begin for begin, _ in self._pieces]
        self._order = count()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self.free_at = 0.0
        # When the link was through with how many bytes.
        self.carried: list[tuple[float, int]] = []
        # How many acknowledgements had a segment of their own.
        self.lone_acknowledgements = 0

    def carry(self, size: int, now: float) -> float:
        """
        Put bytes into the link's buffer.

        :param size: bytes with all headers
        :param now: virtual seconds
        :returns: when the link is through with them; infinity when it never will be
        """
        rate, _ = self._rate(now)
        # What a bucket holds is as if the link had begun so much earlier.
        saved_s = self.profile.burst_bytes / rate if rate > 0 else 0.0
        self.free_at = self._serialised(max(self.free_at, now - saved_s, 0.0), size)
        through = max(now, self.free_at)
        self.carried.append((through, size))
        return through

    def capacity(self, begin: float, end: float) -> float:
        """
        Say how many bytes the link can carry in a span.

        :param begin: virtual seconds
        :param end: virtual seconds
        :returns: bytes
        """
        total, now = 0.0, begin
        while now < end:
            rate, until = self._rate(now)
            total += rate * (min(until, end) - now)
            now = until
        return total

    def carried_bytes(self, begin: float, end: float) -> int:
        """
        Say how many bytes the link was through with in a span.

        :param begin: virtual seconds
        :param end: virtual seconds
        :returns: bytes
        """
        first = bisect_right(self.carried, (begin, -1))
        return sum(size for _, size in self.carried[first : bisect_right(self.carried, (end, -1))])

    def one_way_s(self) -> float:
        """
        Draw what a packet takes beside its own length.

        :returns: seconds
        """
        return self.profile.delay_s + self._random.random() * self.profile.jitter_s

    def at(self, time: float, call: Callable[[float], None]) -> None:
        """
        Call something at a time.

        :param time: virtual seconds
        :param call: gets the time
        """
        heapq.heappush(self._events, (time, next(self._order), call))

    @property
    def next_at(self) -> float:
        """When the next thing happens; infinity when nothing will."""
        return self._events[0][0] if self._events else float('inf')

    def run_until(self, end: float, after: Callable[[float], None] | None = None) -> None:
        """
        Let everything happen that is due.

        :param end: virtual seconds
        :param after: is called after each event, with its time
        """
        while self._events and self._events[0][0] <= end:
            time, _, call = heapq.heappop(self._events)
            call(time)
            if after is not None:
                after(time)

    def _serialised(self, begin: float, size: float) -> float:
        now, left = begin, float(size)
        while True:
            rate, until = self._rate(now)
            if rate > 0 and left <= (until - now) * rate:
                return now + left / rate
            if until == float('inf'):
                return until
            left -= (until - now) * rate
            now = until

    def _rate(self, now: float) -> tuple[float, float]:
        index = bisect_right(self._times, now) - 1
        until = self._times[index + 1] if index + 1 < len(self._times) else float('inf')
        return self._pieces[index][1], until


class Connection:
    """
    A TCP connection over a link: keeps its order whatever the jitter.

    :param link: carries it
    """

    def __init__(self, link: VirtualLink) -> None:
        self._link = link
        self._open = True
        self._sent_at = float('-inf')
        self._arrival_at = 0.0
        self._answer_at = 0.0

    def send(
        self,
        size: int,
        now: float,
        arrived: Callable[[float], None],
        answered: Callable[[float], None],
    ) -> None:
        """
        Send a message.

        :param size: bytes with all headers
        :param now: virtual seconds
        :param arrived: is called when it is at the broker
        :param answered: is called when the broker's answer is back
        """
        self._sent_at = now
        through = self._link.carry(size, now)
        self._arrival_at = max(self._arrival_at, through + self._link.one_way_s())
        self._link.at(self._arrival_at, self._if_open(arrived))
        answer_s = self._link.profile.answer(self._arrival_at)
        if answer_s is not None:
            back = self._arrival_at + answer_s + self._link.one_way_s()
            self._answer_at = max(self._answer_at, back)
            self._link.at(self._answer_at, self._if_open(answered))
            self._link.at(self._answer_at + _DELAYED_ACK_S, self._if_open(self._acknowledge))

    def close(self) -> None:
        """End it: what has not arrived does not, what was not answered is not."""
        self._open = False

    def _acknowledge(self, now: float) -> None:
        if self._sent_at < now - _DELAYED_ACK_S:
            self._sent_at = now
            self._link.lone_acknowledgements += 1
            self._link.carry(ACK_BYTES, now)

    def _if_open(self, call: Callable[[float], None]) -> Callable[[float], None]:
        return lambda at: call(at) if self._open else None


def _pieces(
    rates: Sequence[tuple[float, float]], stalls: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    edges = {begin for begin, _ in rates}
    for begin, seconds in stalls:
        edges |= {begin, begin + seconds}
    times = [begin for begin, _ in rates]
    pieces = []
    for edge in sorted(edges):
        stalled = any(begin <= edge < begin + seconds for begin, seconds in stalls)
        rate = rates[max(0, bisect_right(times, edge) - 1)][1]
        pieces.append((edge, 0.0 if stalled else rate))
    return pieces
