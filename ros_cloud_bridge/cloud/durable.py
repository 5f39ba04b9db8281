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

"""What came of a durable route, what was told never to come, and whether that is all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ros_cloud_bridge.cloud.intervals import ExactSet, Room
from ros_cloud_bridge.cloud.losses import reason_name, RouteTracker
from ros_cloud_bridge.wire.account import Gap

# What a set takes beside its ranges, in ranges.
_SET_RANGES = 16


class DurableTracker(RouteTracker):
    """
    Exact sets of what came and of what will never come of one durable route of one boot.

    Nothing that has not come counts as present: where the sets take no more ranges, new samples
    are handed on without being noted, and could be handed on again.

    :param room: how many ranges the robot's routes may take together
    :param before: what was known of the route before it was known as durable
    """

    def __init__(self, room: Room, before: RouteTracker | None = None) -> None:
        super().__init__()
        self.seen = ExactSet(room)
        self.settled = ExactSet(room)
        self.committed: int | None = None
        self.closed = False
        # The number behind which the order begins; None for the first that comes.
        self.begin: int | None = None
        self._room = room
        # What will never come, and again by reason.
        self._gone = ExactSet(room)
        self._told: dict[int, ExactSet] = {}
        if before is not None:
            self.duplicates = before.duplicates
            self._first = before._first
            self._totals, self._health = before._totals, before._health
            self.received = before.received
            for first, last in before.known():
                self._note(first, last)

    def restore(
        self, ranges: Sequence[tuple[int, int]], gaps: Sequence[Gap], committed: int | None
    ) -> None:
        """
        Note what a decoder before this one had taken in.

        :param ranges: numbers that came
        :param gaps: numbers that will never come
        :param committed: the highest committed number, None if unknown
        """
        for first, last in ranges:
            for low, high in self.seen.holes(first, last):
                self.received += high - low + 1
            self._note(first, last)
            self._first = first if self._first is None else min(first, self._first)
            self.begin = self._first - 1
        if committed is not None:
            self.tell(committed, False, gaps)

    def knows_any(self, sequences: Sequence[int]) -> bool:
        """
        Say whether any number of a section has come before.

        :param sequences: its sequence numbers, rising
        :returns: whether that is so
        """
        return any(self.seen.count(first, last) for first, last in _runs(sequences))

    def forget_all_but(self, ranges: Iterable[tuple[int, int]]) -> None:
        """
        Take numbers that came for not come, so that they are handed on when they come again.

        :param ranges: numbers that have come all the same
        """
        self.seen.clear()
        self.settled.clear()
        for first, last in self._gone:
            self.settled.add(first, last)
        for first, last in ranges:
            self._note(first, last)
        self.received = self.seen.total

    def release(self) -> None:
        """Give the room back; the tracker is not used any more."""
        for numbers in (self.seen, self.settled, self._gone, *self._told.values()):
            numbers.clear()
        self._room.left += _SET_RANGES * len(self._told)
        self._told.clear()

    def take(
        self, sequences: Sequence[int], totals: Mapping[int, int] | None, latched: bool
    ) -> list[bool]:
        """
        Note a section.

        :param sequences: its sequence numbers, rising
        :param totals: its drops that took no number, cumulative since boot, or None
        :param latched: whether its samples may be from any time before
        :returns: for each sample whether it is new
        """
        self._hear_totals(totals or {})
        fresh: list[bool] = []
        for first, last in _runs(sequences):
            holes = self.seen.holes(first, last)
            for low, high in holes:
                fresh += [False] * (low - first) + [True] * (high - low + 1)
                first = high + 1
            fresh += [False] * (last - first + 1)
            if holes:
                self._note(holes[0][0], last)
        if not latched and (self._first is None or sequences[0] < self._first):
            self._first = sequences[0]
        new = sum(fresh)
        self.received += new
        self.duplicates += len(fresh) - new
        return fresh

    def _note(self, first: int, last: int) -> None:
        # One that is seen is settled; where there is no room it is neither.
        if self.seen.add(first, last):
            self.settled.add(first, last)

    def tell(self, committed: int, closed: bool, gaps: Sequence[Gap]) -> None:
        """
        Note what the robot says of the route; it may say so again.

        :param committed: its highest committed number
        :param closed: whether nothing above it will come
        :param gaps: numbers that will never come
        """
        self.committed = max(committed, self.committed or 0)
        self.closed |= closed
        for gap in gaps:
            told = self._told_for(gap.reason)
            # A number has one reason: the first that was told.
            for first, last in self._gone.holes(gap.first, gap.last):
                if self._gone.add(first, last) and told.add(first, last):
                    self.settled.add(first, last)

    def _told_for(self, reason: int) -> ExactSet:
        told = self._told.get(reason)
        if told is None:
            # A set takes memory before it holds anything.
            self._room.left -= _SET_RANGES
            told = self._told[reason] = ExactSet(self._room)
        return told

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What was told never to come, ascending."""
        gaps = [Gap(reason, *part) for reason, told in self._told.items() for part in told]
        return tuple(sorted(gaps, key=lambda gap: gap.first))

    @property
    def complete(self) -> bool:
        """Whether every committed number has come or is a told gap."""
        return self.committed is not None and self.settled.covers(1, self.committed)

    @property
    def outstanding(self) -> int:
        """How many committed numbers have neither come nor been told as a gap."""
        committed = self.committed or 0
        return committed - self.settled.count(1, committed)

    def reported(self) -> dict[str, int]:
        """
        Name what the robot reported.

        :returns: count by reason; reasons of later versions appear by number
        """
        reported = super().reported()
        for reason, told in self._told.items():
            name = reason_name(reason)
            if told.total:
                # Health counts the same drops.
                reported[name] = max(told.total, reported.get(name, 0))
        return reported

    def known(self) -> list[tuple[int, int]]:
        """
        Give the numbers that have surely come.

        :returns: ranges
        """
        return list(self.seen)

    def missing(self) -> tuple[int, int]:
        """
        Count the gaps.

        :returns: missing sequence numbers, and those that no report explains
        """
        told = max(0, self.settled.total - self.seen.total)
        if self._first is None:
            return told, 0
        last = max(self.seen.last or 0, self.committed or 0)
        unexplained = sum(high - low + 1 for low, high in self.settled.holes(self._first, last))
        return told + unexplained, unexplained


def _runs(sequences: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Give the ranges of consecutive numbers."""
    if sequences[-1] - sequences[0] + 1 == len(sequences):
        yield sequences[0], sequences[-1]
        return
    first = last = sequences[0]
    for sequence in sequences[1:]:
        if sequence != last + 1:
            yield first, last
            first = sequence
        last = sequence
    yield first, last
