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


"""Exact sets of natural numbers as sorted, disjoint ranges; both ends are included."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """
    A set of natural numbers that whole ranges are added to and taken from.

    :param ranges: to begin with, each its first and last number
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._ends, strict=True))

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __repr__(self) -> str:
        return f'Ranges({tuple(self)})'

    @property
    def total(self) -> int:
        """How many numbers it holds."""
        return sum(self._ends) - sum(self._starts) + len(self._starts)

    @property
    def parts(self) -> int:
        """How many ranges it takes."""
        return len(self._starts)

    def at(self, number: int) -> tuple[int, int] | None:
        """
        Find the range that holds a number.

        :param number: the number
        :returns: its range, or None when it is not in the set
        """
        place = bisect_right(self._starts, number) - 1
        if place < 0 or number > self._ends[place]:
            return None
        return self._starts[place], self._ends[place]

    def count(self, first: int, last: int) -> int:
        """
        Count the numbers within a range.

        :param first: its first number
        :param last: its last number
        :returns: how many of them are in the set
        """
        low = bisect_left(self._ends, first)
        high = bisect_right(self._starts, last)
        return sum(
            min(last, self._ends[place]) - max(first, self._starts[place]) + 1
            for place in range(low, high)
        )

    def within(self, first: int, last: int) -> list[tuple[int, int]]:
        """
        Find what it holds of a range.

        :param first: its first number
        :param last: its last number
        :returns: ranges, ascending
        """
        low = bisect_left(self._ends, first)
        high = bisect_right(self._starts, last)
        return [
            (max(first, self._starts[place]), min(last, self._ends[place]))
            for place in range(low, high)
        ]

    def add(self, first: int, last: int) -> int:
        """
        Add a range.

        :param first: its first number
        :param last: its last number, not below the first
        :returns: how many of its numbers are new
        """
        new = last - first + 1 - self.count(first, last)
        # Ranges that touch become one.
        low = bisect_left(self._ends, first - 1)
        high = bisect_right(self._starts, last + 1)
        if low < high:
            first = min(first, self._starts[low])
            last = max(last, self._ends[high - 1])
        self._starts[low:high] = [first]
        self._ends[low:high] = [last]
        return new

    def remove(self, first: int, last: int) -> int:
        """
        Take a range out.

        :param first: its first number
        :param last: its last number, not below the first
        :returns: how many of its numbers were in the set
        """
        removed = self.count(first, last)
        low = bisect_left(self._ends, first)
        high = bisect_right(self._starts, last)
        if low >= high:
            return 0
        starts, ends = [], []
        if self._starts[low] < first:
            starts.append(self._starts[low])
            ends.append(first - 1)
        if self._ends[high - 1] > last:
            starts.append(last + 1)
            ends.append(self._ends[high - 1])
        self._starts[low:high] = starts
        self._ends[low:high] = ends
        return removed

    def clear(self) -> None:
        """Take everything out."""
        self._starts.clear()
        self._ends.clear()
