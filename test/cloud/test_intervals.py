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

from ros_cloud_bridge.cloud.intervals import ExactSet, IntervalSet, Room

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


spans = st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(spans, max_size=40), spans)
def test_exact_set_is_the_same_as_a_set(
    added: list[tuple[int, int]], span: tuple[int, int]
) -> None:
    room = Room(1000)
    exact = ExactSet(room)
    reference: set[int] = set()
    for first, last in added:
        assert exact.add(first, last)
        reference.update(range(first, last + 1))
        assert exact.total == len(reference)
    assert (exact.first, exact.last) == (
        min(reference, default=None),
        max(reference, default=None),
    )
    ranges = list(exact)
    assert room.left == 1000 - len(ranges)
    assert [number for number in range(62) if number in exact] == sorted(reference)
    assert all(before[1] + 1 < after[0] for before, after in zip(ranges, ranges[1:], strict=False))
    inside = set(range(span[0], span[1] + 1))
    assert exact.count(*span) == len(inside & reference)
    assert exact.covers(*span) == (inside <= reference)
    holes = [number for low, high in exact.holes(*span) for number in range(low, high + 1)]
    assert holes == sorted(inside - reference)
    exact.clear()
    assert (room.left, exact.total, list(exact)) == (1000, 0, [])


@given(st.lists(st.tuples(st.booleans(), spans), max_size=60))
def test_exact_set_never_takes_for_present_what_did_not_come(
    added: list[tuple[bool, tuple[int, int]]],
) -> None:
    room = Room(5)
    sets = {own: (ExactSet(room, max_ranges=4), set[int]()) for own in (False, True)}
    for own, (first, last) in added:
        exact, reference = sets[own]
        before = list(exact)
        if exact.add(first, last):
            reference.update(range(first, last + 1))
        else:
            assert list(exact) == before
        assert exact.total == len(reference)
        assert [number for number in range(62) if number in exact] == sorted(reference)
        assert len(list(exact)) <= 4
        assert room.left == 5 - sum(len(list(each)) for each, _ in sets.values()) >= 0


def test_exact_set_of_largest_numbers() -> None:
    exact = ExactSet(Room(9))
    highest = (1 << 63) - 1
    assert exact.add(highest, highest)
    assert exact.add(1, highest - 2)
    assert exact.holes(1, highest) == [(highest - 1, highest - 1)]
    assert exact.add(highest - 1, highest - 1)
    assert (list(exact), exact.total) == ([(1, highest)], highest)
