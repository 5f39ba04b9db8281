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

"""Interval sets, against a plain set."""

from hypothesis import given
from hypothesis import strategies as st

from ros_cloud_bridge.cloud.intervals import IntervalSet

numbers = st.integers(0, 60)


@given(st.lists(numbers, max_size=80), numbers, numbers)
def test_same_as_a_set(values: list[int], low: int, high: int) -> None:
    intervals = IntervalSet()
    reference: set[int] = set()
    for value in values:
        assert intervals.add(value) == (value not in reference)
        reference.add(value)
        assert len(intervals) == len(reference)
        assert intervals.last == max(reference)
    assert [number for number in range(62) if number in intervals] == sorted(reference)
    assert intervals.count(low, high) == len([n for n in reference if low <= n <= high])
    edges = [edge for pair in intervals.ranges for edge in pair]
    assert edges == sorted(edges)


@given(st.lists(st.integers(0, 400), max_size=300))
def test_bounded(values: list[int]) -> None:
    intervals = IntervalSet(max_ranges=4)
    fresh = sum(intervals.add(value) for value in values)
    assert len(intervals.ranges) <= 4
    assert len(intervals) == fresh + intervals.closed
    # The newest numbers are always told apart.
    if values:
        assert max(values) in intervals
        assert max(values) + 1 not in intervals


def test_largest_numbers() -> None:
    intervals = IntervalSet()
    highest = (1 << 63) - 1
    assert intervals.add(highest)
    assert intervals.add(highest - 1)
    assert intervals.ranges == ((highest - 1, highest),)
    assert highest in intervals
