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

"""How many samples come in and how old they are, over the last seconds, in bounded memory."""

from collections import deque
from dataclasses import dataclass, field
from random import Random

_BUCKET_S = 1.0
_MAX_AGES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """
    What a :class:`Traffic` measured.

    Ages are None where nothing came in. A negative ``lowest_age_s`` means that the robot's clock
    is ahead of ours by at least that.
    """

    hz: float
    bytes_per_s: float
    age_p50_s: float | None
    age_p95_s: float | None
    lowest_age_s: float | None


@dataclass(slots=True)
class _Bucket:
    start_s: float
    count: int = 0
    bytes: int = 0
    lowest_age_s: float = float('inf')
    ages: list[float] = field(default_factory=list)


class Traffic:
    """
    Counts samples by the second; of each second's ages it keeps a fair choice.

    :param now: monotonic seconds, from which on we listen
    :param window_s: how many last seconds count
    """

    def __init__(self, now: float, window_s: float = 10.0) -> None:
        self.samples = 0
        self._since_s = now
        self._window_s = window_s
        self._buckets: deque[_Bucket] = deque()
        # Seeded, so that the same samples give the same figures.
        self._random = Random(0)

    def add(self, age_s: float, size: int, now: float) -> None:
        """
        Count a sample.

        :param age_s: how old it was when it came in
        :param size: its bytes
        :param now: monotonic seconds, never falling
        """
        if not self._buckets or now - self._buckets[-1].start_s >= _BUCKET_S:
            self._buckets.append(_Bucket(now))
            self._forget(now)
        bucket = self._buckets[-1]
        self.samples += 1
        bucket.count += 1
        bucket.bytes += size
        bucket.lowest_age_s = min(bucket.lowest_age_s, age_s)
        if len(bucket.ages) < _MAX_AGES:
            bucket.ages.append(age_s)
        else:
            # Reservoir sampling (Vitter's algorithm R): each age is kept with the same chance.
            place = self._random.randrange(bucket.count)
            if place < _MAX_AGES:
                bucket.ages[place] = age_s

    def rates(self, now: float) -> Rates:
        """
        Sum up the last seconds.

        :param now: monotonic seconds
        :returns: the figures
        """
        self._forget(now)
        buckets = self._buckets
        oldest_s = buckets[0].start_s if buckets else now
        # The window, and the whole of the second with which it begins; what has been watched if
        # that is less, but a second at least: one early sample is no thousand hertz.
        span_s = max(self._window_s, now - oldest_s)
        span_s = max(_BUCKET_S, min(span_s, now - self._since_s))
        return Rates(
            hz=sum(bucket.count for bucket in buckets) / span_s,
            bytes_per_s=sum(bucket.bytes for bucket in buckets) / span_s,
            age_p50_s=self._age(0.50),
            age_p95_s=self._age(0.95),
            lowest_age_s=min((bucket.lowest_age_s for bucket in buckets), default=None),
        )

    def _age(self, share: float) -> float | None:
        # Each age that was kept stands for as many as its second had for it.
        weighted = sorted(
            (age, bucket.count / len(bucket.ages))
            for bucket in self._buckets
            for age in bucket.ages
        )
        wanted = share * sum(weight for _, weight in weighted)
        for age, weight in weighted:
            wanted -= weight
            if wanted <= 1e-9:
                return age
        return None

    def _forget(self, now: float) -> None:
        while self._buckets and self._buckets[0].start_s + _BUCKET_S <= now - self._window_s:
            self._buckets.popleft()
