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

"""Turns: at most once a period each, and the last value always."""

from random import Random

from ros_cloud_bridge.dashboard.turns import Turns


def test_the_newest_of_a_period_and_the_last_of_all() -> None:
    turns: Turns[int] = Turns()
    turns.put('a', 1, 1.0, 10.0)
    assert turns.take(10.0) == ('a', 1)
    for value, now in ((2, 10.1), (3, 10.5), (4, 10.9)):
        turns.put('a', value, 1.0, now)
        assert turns.take(now) is None
    assert turns.next_due() == 11.0
    assert turns.take(11.0) == ('a', 4)
    assert turns.next_due() is None


def test_one_that_came_back_gives_way_to_a_newer_one() -> None:
    turns: Turns[int] = Turns()
    turns.put_back('a', 1, 1.0, 10.5)
    assert turns.take(10.4) is None
    turns.put('a', 2, 1.0, 10.4)
    turns.put_back('a', 1, 1.0, 10.4)
    assert turns.take(10.5) == ('a', 2)


def test_rates_are_exact_whatever_the_input() -> None:
    turns: Turns[float] = Turns()
    random = Random(1)
    now = 0.0
    shown: dict[str, list[float]] = {key: [] for key in 'abc'}
    while now < 200.0:
        now += random.expovariate(40.0)
        key = random.choice('abc')
        turns.put(key, now, 0.5, now)
        while (turn := turns.take(now)) is not None:
            shown[str(turn[0])].append(now)
    for times in shown.values():
        assert 380 <= len(times) <= 401
        assert all(
            len([t for t in times if start <= t < start + 5.0]) <= 11 for start in range(195)
        )


def test_what_waits_is_bounded() -> None:
    turns: Turns[int] = Turns(most=10)
    for key in range(100):
        turns.put(key, key, 1.0, 0.0)
    taken = [turn[1] for turn in iter(lambda: turns.take(1.0), None)]
    assert taken == list(range(90, 100))
    turns.put('a', 1, 1.0, 1.0)
    turns.clear()
    assert (turns.take(9.0), turns.next_due(), len(turns)) == (None, None, 0)


def test_what_waits_is_bounded_in_bytes_by_what_was_new_last() -> None:
    turns: Turns[bytes] = Turns(most_bytes=100, size=len)
    for key in 'abc':
        turns.put(key, bytes(30), 1.0, 0.0)
    turns.put('a', bytes(40), 1.0, 0.0)
    assert (len(turns), turns.given_up) == (3, 0)
    turns.put('d', bytes(30), 1.0, 0.0)
    # Of b there was nothing new for longest.
    assert [turn[0] for turn in iter(lambda: turns.take(1.0), None)] == ['a', 'c', 'd']
    assert turns.given_up == 1
    # One alone may be larger, or it would never be shown; taken, it counts no more.
    turns.put('e', bytes(1000), 1.0, 2.0)
    assert turns.take(2.0) == ('e', bytes(1000))
    turns.put('f', bytes(60), 1.0, 2.0)
    turns.put('g', bytes(40), 1.0, 2.0)
    assert (len(turns), turns.given_up) == (2, 1)


def test_hastened_a_turn_comes_at_once() -> None:
    turns: Turns[int] = Turns()
    turns.put('a', 1, 1000.0, 0.0)
    assert turns.take(0.0) == ('a', 1)
    turns.put('a', 2, 1000.0, 1.0)
    turns.put('b', 1, 1000.0, 1.0)
    assert turns.take(1.0) == ('b', 1)
    turns.put('b', 3, 1000.0, 1.0)
    assert turns.take(1.0) is None
    turns.hasten(1.0, lambda value: 2.0 if value == 2 else None)
    assert turns.take(1.0) == ('a', 2)
    assert turns.take(1.0) is None
    turns.put('a', 4, 2.0, 1.5)
    assert turns.next_due() == 3.0
