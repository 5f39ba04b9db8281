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

"""What a publisher's own sequence numbers tell: losses before the bridge and duplicates."""

from collections import deque
from collections.abc import Iterable

from ros_cloud_bridge.values import Received


class PublisherSequences:
    """
    Counts samples that publishers sent and the bridge never saw.

    Publishers are told apart by gid. Without gids (before Kilted) gaps can be told only while a
    topic has one publisher; :attr:`countable` says whether the counts hold.
    """

    def __init__(self) -> None:
        self._last: dict[bytes | None, int] = {}
        self.countable = True

    def missed(self, samples: Iterable[Received], publishers: int) -> int:
        """
        Count the gaps that these samples show.

        :param samples: samples in the order of their arrival
        :param publishers: how many publishers the topic has now
        :returns: samples missing between them and those before
        """
        missed = 0
        for sample in samples:
            number = sample.publication_sequence
            if number is None or (sample.publisher is None and publishers > 1):
                self.countable = False
                self._last.clear()
                continue
            last = self._last.get(sample.publisher)
            # A number at or below the last one is a restarted publisher (or a repeat): no gap.
            if last is not None and number > last + 1:
                missed += number - last - 1
            self._last[sample.publisher] = number
        return missed

    def forget_except(self, alive: set[bytes]) -> None:
        """
        Forget publishers that have gone.

        :param alive: gids of the publishers that remain
        """
        self._last = {gid: last for gid, last in self._last.items() if gid in alive or gid is None}


class DuplicateFilter:
    """
    Removes what several subscriptions of one topic deliver twice.

    :param capacity: how many samples are remembered
    """

    def __init__(self, capacity: int = 8192) -> None:
        self._capacity = capacity
        self._order: deque[tuple[bytes | None, int, int | None]] = deque()
        self._known: set[tuple[bytes | None, int, int | None]] = set()

    def fresh(self, samples: Iterable[Received]) -> list[Received]:
        """
        Keep the samples that were not seen before.

        :param samples: samples in the order of their arrival
        :returns: those that are new
        """
        kept = []
        for sample in samples:
            if sample.publication_sequence is None and sample.source_time_ns <= 0:
                kept.append(sample)  # nothing tells it from its neighbours
                continue
            identity = (sample.publisher, sample.source_time_ns, sample.publication_sequence)
            if identity in self._known:
                continue
            self._known.add(identity)
            self._order.append(identity)
            if len(self._order) > self._capacity:
                self._known.discard(self._order.popleft())
            kept.append(sample)
        return kept
