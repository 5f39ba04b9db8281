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


"""Exact ranges against plain sets."""

from hypothesis import given
from hypothesis import strategies as st

from ros_cloud_bridge.ranges import Ranges

STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 8)), max_size=40)


@given(STEPS)
def test_ranges_are_a_set(steps: list[tuple[bool, int, int]]) -> None:
    ranges, plain = Ranges(), set[int]()
    for adds, first, more in steps:
        part = set(range(first, first + more + 1))
        if adds:
            assert ranges.add(first, first + more) == len(part - plain)
            plain |= part
        else:
            assert ranges.remove(first, first + more) == len(part & plain)
            plain -= part
        assert ranges.total == len(plain)
        assert {n for low, high in ranges for n in range(low, high + 1)} == plain
        # As few as can be: no two of them touch.
        parts = list(ranges)
        assert all(a[1] + 1 < b[0] for a, b in zip(parts, parts[1:], strict=False))
        assert ranges.parts == len(parts) and bool(ranges) is bool(plain)
    for number in range(50):
        found = ranges.at(number)
        assert (found is not None) is (number in plain)
        assert found is None or found[0] <= number <= found[1]
        part = plain & set(range(number, number + 6))
        assert ranges.count(number, number + 5) == len(part)
        within = ranges.within(number, number + 5)
        assert [n for low, high in within for n in range(low, high + 1)] == sorted(part)


def test_what_it_begins_with_and_clear() -> None:
    ranges = Ranges(((1, 3), (4, 6), (9, 9)))
    assert list(ranges) == [(1, 6), (9, 9)]
    assert repr(ranges) == 'Ranges(((1, 6), (9, 9)))'
    ranges.clear()
    assert not ranges and ranges.total == 0
