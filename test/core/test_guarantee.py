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

from ros_cloud_bridge.core.guarantee import Guarantees
from ros_cloud_bridge.values import StreamConfig

SPAN_S = 1.0
MOST_SHARE = 0.9


def guaranteed(now: float = 0.0, **rates: float) -> Guarantees:
    return Guarantees(streams(**rates), now)


def streams(**rates: float) -> list[StreamConfig]:
    return [
        StreamConfig(name=name, topics=('/t',), min_bytes_per_s=rate)
        for name, rate in rates.items()
    ]


def sent_by_guarantee(made: Guarantees, stream: str, message: int, seconds: float) -> float:
    """Let a stream send just while it is owed something, in steps of 10 ms; bytes in all."""
    sent = 0.0
    for tick in range(round(seconds * 100)):
        while stream in made.owed(tick / 100):
            made.charge(stream, message)
            sent += message
    return sent


def test_without_guarantees_nothing_is_owed() -> None:
    made = guaranteed(a=0.0)
    assert made.total == 0.0
    made.charge('a', 1000)
    assert made.owed(100.0) == frozenset()


def test_it_is_owed_until_it_has_had_its_rate() -> None:
    made = guaranteed(a=1000.0)
    assert made.owed(0.0) == frozenset()
    assert made.owed(0.1) == {'a'}
    made.charge('a', 100)
    assert made.owed(0.1) == frozenset()
    sent = sent_by_guarantee(guaranteed(a=1000.0), 'a', 50, 100.0)
    assert sent == pytest.approx(100_000, abs=1100)


def test_promises_leave_a_tenth_of_a_link_that_is_thinner_than_their_sum() -> None:
    made = guaranteed(a=3000.0, b=1000.0)
    sent = {'a': 0, 'b': 0, 'others': 0}
    for tick in range(2000):  # messages of 100 bytes at 2000 bytes/s
        owed = made.owed(tick / 20)
        name = 'others' if made.excessive or not owed else min(owed)
        made.charge(name, 100)
        made.note(100, name != 'others')
        sent[name] += 100
    assert sent['others'] / sum(sent.values()) == pytest.approx(1 - MOST_SHARE, abs=0.03)


@given(idle_s=st.floats(1.0, 1e6))
def test_credit_is_bounded(idle_s: float) -> None:
    made = guaranteed(a=1000.0)
    made.owed(idle_s)
    sent = 0.0
    while 'a' in made.owed(idle_s):
        made.charge('a', 100)
        sent += 100
    assert sent <= 1000.0 * SPAN_S + 100


@given(excess=st.floats(1.0, 1e12))
def test_debt_is_bounded(excess: float) -> None:
    """What a link with room let through is not held against a stream for long."""
    made = guaranteed(a=1000.0)
    made.charge('a', excess)
    assert made.owed(SPAN_S + 0.01) == {'a'}


def test_a_change_of_the_configuration_keeps_what_is_owed() -> None:
    made = guaranteed(a=1000.0, b=1000.0)
    assert made.owed(1.0) == {'a', 'b'}
    made.configure(streams(a=1000.0, b=0.0, c=10.0))
    assert made.owed(1.0) == {'a'}
    assert made.owed(1.1) == {'a', 'c'}
    # A lower rate takes effect on what was saved, too.
    made.configure(streams(a=10.0))
    assert made.owed(1.2) == {'a'}
    made.charge('a', 11)
    assert made.owed(1.2) == frozenset()


@given(times=st.lists(st.floats(-1e4, 1e4), max_size=50))
def test_a_clock_that_jumps_gives_nothing_twice(times: list[float]) -> None:
    made = guaranteed(a=1000.0)
    sent = 0.0
    for now in times:
        while 'a' in made.owed(now):
            made.charge('a', 100)
            sent += 100
    assert sent <= 1000.0 * max([0.0, *times]) + 1000.0
