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
