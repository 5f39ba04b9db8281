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

"""Restore sequence order within bounds."""

from collections.abc import Callable
import heapq

from ros_cloud_bridge.cloud.sample import Sample

DEFAULT_DEPTH = 256
# A durable route's backlog may be long.
DURABLE_DEPTH = 65536
DEFAULT_WAIT_S = 60.0
# Held per sample beside its bytes.
_OVERHEAD = 512


class Orderer:
    """
    Hands samples of one route on in the order of their sequence numbers.

    A sample waits while one before it is missing that no reported drop explains, but never for
    more than ``depth`` samples behind it. What was given up once is not waited for again.

    :param depth: most samples that wait
    """

    def __init__(self, depth: int = DEFAULT_DEPTH) -> None:
        self._depth = depth
        self._waiting: list[tuple[int, int, Sample]] = []
        self._count = 0
        self._last: int | None = None
        self._written_off = 0
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, samples: list[Sample], unexplained: int) -> list[Sample]:
        """
        Add samples.

        :param samples: new samples of the route
        :param unexplained: missing sequence numbers of the route that no report explains
        :returns: samples that may be handed on, in order
        """
        for sample in samples:
            self._count += 1
            heapq.heappush(self._waiting, (sample.sequence, self._count, sample))
            self.held_bytes += len(sample.cdr) + _OVERHEAD
        self._written_off = min(self._written_off, unexplained)
        released = []
        while self._waiting:
            awaited = min(self._gap(), unexplained - self._written_off)
            if awaited > 0:
                if len(self._waiting) <= self._depth:
                    break
                self._written_off += awaited
            released.append(self._release())
        return released

    @property
    def last(self) -> int | None:
        """The greatest number that was handed on, or None."""
        return self._last

    @property
    def waiting(self) -> list[Sample]:
        """What waits, in no order."""
        return [sample for *_, sample in self._waiting]

    def flush(self) -> list[Sample]:
        """
        Hand on whatever waits.

        :returns: samples in order
        """
        released = []
        while self._waiting:
            self._written_off += self._gap()
            released.append(self._release())
        return released

    def _gap(self) -> int:
        return 0 if self._last is None else max(0, self._waiting[0][0] - self._last - 1)

    def _release(self) -> Sample:
        sequence, _, sample = heapq.heappop(self._waiting)
        self._last = max(sequence, self._last or 0)
        self.held_bytes -= len(sample.cdr) + _OVERHEAD
        return sample


class DurableOrderer:
    """
    Hands samples of one durable route on in the order of their sequence numbers.

    A sample waits until every number before it has come or was told as a gap, but not behind more
    than ``depth`` samples, nor longer than ``max_wait_s`` after the earliest that waits has come.
    What was given up and comes after all is handed on at once.

    :param covers: whether all numbers of a range have come or were told as gaps
    :param begin: the number before the first; None to begin with the first that comes
    :param max_wait_s: longest wait
    :param depth: most samples that wait
    """

    def __init__(
        self,
        covers: Callable[[int, int], bool],
        begin: int | None,
        max_wait_s: float = DEFAULT_WAIT_S,
        depth: int = DURABLE_DEPTH,
    ) -> None:
        self._covers = covers
        self._last = begin
        self._max_wait_s = max_wait_s
        self._depth = depth
        self._waiting: list[tuple[int, int, float, Sample]] = []
        self._count = 0
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting(self) -> list[Sample]:
        """What waits, in no order."""
        return [sample for *_, sample in self._waiting]

    def push(self, samples: list[Sample], now: float) -> list[Sample]:
        """
        Add samples, and hand on what waits no more.

        :param samples: new samples of the route; none, to look again after a gap was told
        :param now: seconds
        :returns: samples that may be handed on, in order
        """
        for sample in samples:
            # By arrival, for numbers can be alike where the sets of numbers are full.
            self._count += 1
            heapq.heappush(self._waiting, (sample.sequence, self._count, now, sample))
            self.held_bytes += len(sample.cdr) + _OVERHEAD
        released = []
        while self._waiting and (
            self._in_turn()
            or len(self._waiting) > self._depth
            or now - self._waiting[0][2] >= self._max_wait_s
        ):
            released.append(self._release())
        return released

    def flush(self) -> list[Sample]:
        """
        Hand on whatever waits.

        :returns: samples in order
        """
        return [self._release() for _ in range(len(self._waiting))]

    def _in_turn(self) -> bool:
        number = self._waiting[0][0]
        return self._last is None or self._covers(self._last + 1, number - 1)

    def _release(self) -> Sample:
        sequence, *_, sample = heapq.heappop(self._waiting)
        self._last = max(sequence, self._last or 0)
        self.held_bytes -= len(sample.cdr) + _OVERHEAD
        return sample
