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

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.pacing.filters import WindowedExtreme

STEPS = st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(-100.0, 100.0)), min_size=1)


@given(steps=STEPS, sign=st.sampled_from([1, -1]), window=st.floats(0.1, 5.0))
def test_it_gives_the_extreme_of_the_window(
    steps: list[tuple[float, float]], sign: int, window: float
) -> None:
    made: WindowedExtreme[int] = WindowedExtreme(window, sign)
    now, added = 0.0, []
    for index, (pause, value) in enumerate(steps):
        now += pause
        made.add(value, now, index)
        added.append((now, value))
        expected = sign * max(sign * value for at, value in added if at >= now - window)
        best = made.best
        assert best is not None
        assert best[0] == expected
        assert added[best[1]] == (made.best_at, expected)


def test_nothing_was_added() -> None:
    made: WindowedExtreme[None] = WindowedExtreme(1.0)
    assert made.best is None
    assert made.best_at == float('-inf')
    made.add(1.0, 5.0, None)
    made.clear()
    assert made.best is None


def test_the_window_may_change() -> None:
    made: WindowedExtreme[None] = WindowedExtreme(1.0)
    for now, value in ((0.0, 3.0), (1.0, 2.0), (2.0, 1.0)):
        made.window_s = 10.0
        made.add(value, now, None)
    assert made.best == (3.0, None)
    made.window_s = 1.5
    made.add(0.5, 2.1, None)
    assert made.best == (2.0, None)


def test_the_window_may_end_without_a_value() -> None:
    made: WindowedExtreme[None] = WindowedExtreme(3.0)
    assert made.best_since(0.0) == 0.0
    made.add(7.0, 0.0, None)
    made.add(5.0, 1.0, None)
    assert [made.best_since(now) for now in (1.0, 3.5, 4.5)] == [7.0, 5.0, 0.0]


@pytest.mark.parametrize('value', [1.0, -1.0])
def test_it_holds_no_more_than_its_window(value: float) -> None:
    made: WindowedExtreme[None] = WindowedExtreme(1.0)
    for tick in range(10_000):
        made.add(value * tick, tick / 10, None)
        assert len(made._values) <= 12
