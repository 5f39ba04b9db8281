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
stream stands still for a while. One link may be shared by several senders.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import heapq
from itertools import count
import random


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkProfile:
    """
    What a link is like.

    ``rates`` are (from this second on, bytes per second), the first at 0. ``delay_s`` is one way,
    ``jitter_s`` what is added to it at most. ``stalls`` are (begin, duration): nothing moves
    meanwhile. ``answer_s`` is what the broker takes to answer, ``overhead`` gives the bytes that
    a message of a size takes.
    """

    rates: Sequence[tuple[float, float]]
    delay_s: float = 0.0
    jitter_s: float = 0.0
    stalls: Sequence[tuple[float, float]] = ()
    answer_s: float = 0.001
    seed: int = 0


class VirtualLink:
    """
    Carries messages one after the other and calls back when the broker's answer arrives.

    :param profile: what it is like
    :param cost: gives the bytes that a message of a size takes on the link
    """

    def __init__(self, profile: LinkProfile, cost: Callable[[int], int]) -> None:
        self._profile = profile
        self._cost = cost
        self._random = random.Random(profile.seed)
        self._times = [begin for begin, _ in profile.rates]
        self._free_at = 0.0
        self._arrival_at = 0.0
        self._answer_at = 0.0
        self._order = count()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self.carried: list[tuple[float, int]] = []

    def send(
        self,
        size: int,
        now: float,
        arrived: Callable[[float], None] | None,
        answered: Callable[[float], None],
    ) -> None:
        """
        Send a message.

        :param size: bytes of payload and topic
        :param now: virtual seconds
        :param arrived: is called when it is at the consumer
        :param answered: is called when the broker's answer is back
        """
        cost = self._cost(size)
        self._free_at = self.serialised(max(self._free_at, now), cost)
        self.carried.append((self._free_at, cost))
        # A TCP connection keeps its order whatever the jitter.
        self._arrival_at = max(self._arrival_at, self._free_at + self._one_way_s())
        if arrived is not None:
            self.at(self._arrival_at, arrived)
        back = self._arrival_at + self._profile.answer_s + self._one_way_s()
        self._answer_at = max(self._answer_at, back)
        self.at(self._answer_at, answered)

    def serialised(self, begin: float, size: float) -> float:
        """
        Say when the link will have sent so many bytes.

        :param begin: virtual seconds
        :param size: bytes on the link
        :returns: virtual seconds
        """
        now, left = begin, float(size)
        while left > 1e-9:
            stall = next((s + d for s, d in self._profile.stalls if s <= now < s + d), None)
            if stall is not None:
                now = stall
                continue
            rate, until = self._rate(now)
            step = min(left, (until - now) * rate)
            left -= step
            now = now + step / rate if rate > 0 and left <= 1e-9 else until
        return now

    def capacity(self, begin: float, end: float) -> float:
        """
        Say how many bytes the link can carry in a span, stalls aside.

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

    def run_until(self, now: float) -> None:
        """
        Let everything happen that is due.

        :param now: virtual seconds
        """
        while self._events and self._events[0][0] <= now:
            time, _, call = heapq.heappop(self._events)
            call(time)

    def _one_way_s(self) -> float:
        return self._profile.delay_s + self._random.random() * self._profile.jitter_s

    def _rate(self, now: float) -> tuple[float, float]:
        index = bisect_right(self._times, now) - 1
        until = self._times[index + 1] if index + 1 < len(self._times) else float('inf')
        stalls = [begin for begin, _ in self._profile.stalls if begin > now]
        return self._profile.rates[index][1], min([until, *stalls])
