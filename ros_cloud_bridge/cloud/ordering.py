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

import heapq

from ros_cloud_bridge.cloud.sample import Sample

DEFAULT_DEPTH = 256


class Orderer:
    """
    Hands samples of one route on in the order of their sequence numbers.

    A sample waits while one before it is missing that no reported drop explains, but never for
    more than ``depth`` samples behind it.

    :param depth: most samples that wait
    """

    def __init__(self, depth: int = DEFAULT_DEPTH) -> None:
        self._depth = depth
        self._waiting: list[tuple[int, int, Sample]] = []
        self._count = 0
        self._last: int | None = None

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
        released = []
        while self._waiting:
            sequence = self._waiting[0][0]
            gap = self._last is not None and sequence > self._last + 1
            if gap and unexplained > 0 and len(self._waiting) <= self._depth:
                break
            released.append(heapq.heappop(self._waiting)[2])
            self._last = max(sequence, self._last or 0)
        return released

    def flush(self) -> list[Sample]:
        """
        Hand on whatever waits.

        :returns: samples in order
        """
        return self.push([], 0)
