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
from bisect import bisect_right


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
