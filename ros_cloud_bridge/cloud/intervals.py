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

"""Sets of sequence numbers as sorted, disjoint ranges."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

# Of one exact set; beyond it what cannot be noted is not taken in.
MAX_EXACT_RANGES = 262_144


class IntervalSet:
    """
    A set of natural numbers, bounded in memory.

    :param max_ranges: beyond this the two lowest ranges grow together: what lies between them then
        counts as present
    """

    def __init__(self, max_ranges: int = 1024) -> None:
        # Arrays take a fifth of what lists of integers do; numbers are below 2**63.
        self._starts = array('q')
        self._ends = array('q')
        self._max_ranges = max_ranges
        self.closed = 0

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._starts, number) - 1
        return place >= 0 and number <= self._ends[place]

    def __len__(self) -> int:
        return sum(self._ends) - sum(self._starts) + len(self._starts)

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """The ranges, both ends included."""
        return tuple(zip(self._starts, self._ends, strict=True))

    @property
    def last(self) -> int | None:
        """The greatest number, or None when the set is empty."""
        return self._ends[-1] if self._ends else None

    def count(self, low: int, high: int) -> int:
        """
        Count the numbers within a range.

        :param low: first number that counts
        :param high: last number that counts
        :returns: how many of them are in the set
        """
        total = 0
        for place in range(max(0, bisect_right(self._starts, low) - 1), len(self._starts)):
            if self._starts[place] > high:
                break
            total += max(0, min(high, self._ends[place]) - max(low, self._starts[place]) + 1)
        return total

    def add(self, number: int) -> bool:
        """
        Add a number.

        :param number: a natural number
        :returns: whether it was new
        """
        starts, ends = self._starts, self._ends
        if ends and number == ends[-1] + 1:
            ends[-1] = number
            return True
        place = bisect_right(starts, number) - 1
        if place >= 0 and number <= ends[place]:
            return False
        joins_left = place >= 0 and ends[place] == number - 1
        joins_right = place + 1 < len(starts) and starts[place + 1] == number + 1
        if joins_left and joins_right:
            ends[place] = ends.pop(place + 1)
            del starts[place + 1]
        elif joins_left:
            ends[place] = number
        elif joins_right:
            starts[place + 1] = number
        else:
            starts.insert(place + 1, number)
            ends.insert(place + 1, number)
        if len(starts) > self._max_ranges:
            self.closed += starts[1] - ends[0] - 1
            ends[0] = ends.pop(1)
            del starts[1]
        return True


class Room:
    """
    How many ranges several exact sets may take together.

    :param ranges: the limit
    """

    def __init__(self, ranges: int) -> None:
        self.left = ranges


class ExactSet:
    """
    A set of natural numbers that whole ranges are added to; nothing is ever taken for present.

    :param room: shared with other sets
    :param max_ranges: of this set
    """

    def __init__(self, room: Room, max_ranges: int = MAX_EXACT_RANGES) -> None:
        self._starts = array('q')
        self._ends = array('q')
        self._room = room
        self._max_ranges = max_ranges
        self.total = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._ends, strict=True))

    def __contains__(self, number: int) -> bool:
        return self.covers(number, number)

    @property
    def first(self) -> int | None:
        """The least number, or None when the set is empty."""
        return self._starts[0] if self._starts else None

    @property
    def last(self) -> int | None:
        """The greatest number, or None when the set is empty."""
        return self._ends[-1] if self._ends else None

    def covers(self, first: int, last: int) -> bool:
        """
        Tell whether a whole range is in the set.

        :param first: its first number
        :param last: its last number; nothing is missing of a range that is empty
        :returns: whether all of its numbers are in the set
        """
        place = bisect_right(self._starts, first) - 1
        return last < first or (place >= 0 and last <= self._ends[place])

    def count(self, first: int, last: int) -> int:
        """
        Count the numbers within a range.

        :param first: its first number
        :param last: its last number
        :returns: how many of them are in the set
        """
        return sum(end - start + 1 for start, end in self._within(first, last))

    def holes(self, first: int, last: int) -> list[tuple[int, int]]:
        """
        Find what of a range is not in the set.

        :param first: its first number
        :param last: its last number
        :returns: ranges, ascending
        """
        holes = []
        for start, end in self._within(first, last):
            if first < start:
                holes.append((first, start - 1))
            first = end + 1
        if first <= last:
            holes.append((first, last))
        return holes

    def _within(self, first: int, last: int) -> Iterable[tuple[int, int]]:
        low = bisect_left(self._ends, first)
        high = bisect_right(self._starts, last)
        for place in range(low, high):
            yield max(first, self._starts[place]), min(last, self._ends[place])

    def add(self, first: int, last: int) -> bool:
        """
        Add a range.

        :param first: its first number
        :param last: its last number, not below the first
        :returns: whether there was room for it; without, the set is as before
        """
        starts, ends = self._starts, self._ends
        if ends and first == ends[-1] + 1:
            ends[-1] = last
            self.total += last - first + 1
            return True
        # Ranges that touch become one.
        low = bisect_left(ends, first - 1)
        high = bisect_right(starts, last + 1)
        growth = 1 - (high - low)
        if growth > 0 and (self._room.left < 1 or len(starts) >= self._max_ranges):
            return False
        self._room.left -= growth
        self.total += last - first + 1
        if growth < 1:
            self.total -= self.count(first, last)
            first = min(first, starts[low])
            last = max(last, ends[high - 1])
        starts[low:high] = array('q', [first])
        ends[low:high] = array('q', [last])
        return True

    def clear(self) -> None:
        """Take everything out, and give the room back."""
        self._room.left += len(self._starts)
        self.total = 0
        del self._starts[:], self._ends[:]
