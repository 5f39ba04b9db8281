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

"""What operators share: all of it for one alone, a part for each of several."""

from ros_cloud_bridge.core.commands.effects import Audit
from ros_cloud_bridge.core.commands.noting import Noted, NOTED_BURST
from ros_cloud_bridge.core.commands.rates import Shared

BEGAN = 1000.0


def flood(shared: Shared, names: str, seconds: float, hz: float = 1000.0) -> dict[str, int]:
    """
    Have everybody ask all the time.

    :param shared: the rate
    :param names: one character each
    :param seconds: for how long
    :param hz: how often each asks
    :returns: how many each was given
    """
    given = dict.fromkeys(names, 0)
    for tick in range(int(seconds * hz)):
        for name in names:
            given[name] += shared.take(name, BEGAN + tick / hz)
    return given


def test_one_alone_has_all_of_it() -> None:
    assert 100 <= flood(Shared(10.0, BEGAN), 'a', 10.0)['a'] <= 106


def test_several_have_equal_parts_of_it() -> None:
    for names in ('ab', 'abc', 'abcdefgh'):
        given = flood(Shared(10.0, BEGAN), names, 20.0)
        assert 190 <= sum(given.values()) <= 206 + len(names)
        assert max(given.values()) - min(given.values()) <= 6


def test_who_asks_seldom_is_not_kept_waiting_by_floods() -> None:
    shared = Shared(10.0, BEGAN)
    given = 0
    for tick in range(20_000):
        now = BEGAN + tick / 1000
        given += shared.take('a', now) + shared.take('b', now)
        if tick % 1900 == 1800:
            assert shared.take('c', now)
    # For a second each time a third is kept for who has asked.
    assert 165 <= given <= 206


def test_who_asks_once_a_second_beside_a_flood_gets_each_of_them() -> None:
    shared = Shared(10.0, BEGAN)
    for tick in range(20_000):
        now = BEGAN + tick / 1000
        shared.take('a', now)
        if tick % 900 == 800:
            assert shared.take('b', now)


def test_many_who_come_and_go_do_not_get_more_than_there_is() -> None:
    shared = Shared(10.0, BEGAN)
    given = 0
    for tick in range(2000):
        # Each asks every 2 s, and is forgotten in between.
        given += shared.take(f'o{tick % 200}', BEGAN + tick / 100)
    assert 195 <= given <= 200 + 12


def test_a_rate_below_one_is_shared_too() -> None:
    shared = Shared(0.1, BEGAN)
    given = {'a': 0, 'b': 0}
    for tick in range(20_000):
        now = BEGAN + tick / 10
        given['a'] += shared.take('a', now)
        if tick % 50 == 0:
            given['b'] += shared.take('b', now)
    assert 190 <= sum(given.values()) <= 203
    assert given['b'] > 70


def test_no_limit_is_none() -> None:
    assert flood(Shared(0.0, BEGAN), 'ab', 1.0) == {'a': 1000, 'b': 1000}


def test_nothing_is_kept_of_who_has_gone() -> None:
    shared = Shared(10.0, BEGAN)
    for number in range(1000):
        shared.take(f'o{number}', BEGAN + number)
    assert len(shared._asked) == len(shared._parts) <= 2


def test_the_first_are_noted_and_then_all_by_number() -> None:
    noted = Noted(BEGAN)
    audit = Audit(operator='a', channel='c', verdict='rejected', facts={'x': 1})
    first = [noted.add(audit, BEGAN) for _ in range(100)]
    assert first == [audit] * int(NOTED_BURST) + [None] * (100 - int(NOTED_BURST))
    assert noted.tell(BEGAN + 1.0) is None
    due = noted.due_at(BEGAN + 1.0)
    told = noted.tell(due + 0.001)
    assert told is not None and told.facts == {'x': 1, 'count': 100 - NOTED_BURST}
    assert noted.tell(due + 100.0) is None
    assert noted.rest() is None
