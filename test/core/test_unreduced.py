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

"""Samples before their reducer: bounded, superseded and counted, and numbered only behind it."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.durable_route import DurableRoute
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.core.unreduced import Offered, Reduction, Unreduced
from ros_cloud_bridge.values import Drop, Keep, Key, Received, StreamConfig


def sample(number: int, size: int = 8, publisher: bytes | None = None) -> Received:
    return Received(number.to_bytes(4, 'big') + bytes(size - 4), number, number, None, publisher)


def make(keep: Keep = Keep.LATEST, **config: object) -> Route:
    stream = StreamConfig(name='s', topics=('/t',), keep=keep, **config)  # type: ignore[arg-type]
    kind = DurableRoute if keep is Keep.DURABLE else Route
    route = kind(1, stream, '/t', 'a/msg/A')
    route.unreduced = Unreduced(Reduction(text='x', type_name='a/msg/A'))
    return route


def numbers(route: Route, most: int = 100) -> list[int]:
    assert route.unreduced is not None
    return [entry.sample.source_time_ns for entry in route.unreduced.take(most)]


def test_what_waits_for_its_reducer_has_no_number_yet() -> None:
    route = make()
    route.offer([sample(1), sample(2)], 0.0)
    assert route.unreduced is not None
    assert (route.received, route.accepted, len(route), len(route.unreduced)) == (2, 0, 0, 2)
    assert (route.waiting_bytes, route.due_at()) == (16, None)
    taken = route.unreduced.take(1)
    assert (route.unreduced.waiting, len(route.unreduced)) == (1, 2)
    route.unreduced.done(1)
    route.accept([taken[0].sample], 0.5)
    assert (route.accepted, len(route), len(route.unreduced)) == (1, 1, 1)
    # It waits for the link from here on: a slow reducer is no busy link.
    assert route.due_at() == 0.6


@pytest.mark.parametrize(('keep', 'left'), [(Keep.LATEST, [9]), (Keep.FIFO, [1, 2, 9])])
def test_a_busy_reducer_costs_the_older_of_latest_and_none_of_fifo(
    keep: Keep, left: list[int]
) -> None:
    route = make(keep)
    route.offer([sample(1), sample(2)], 0.0)
    route.offer([sample(9)], 1.0)
    assert numbers(route) == left
    assert route.drops[Drop.NOT_REDUCED] == 3 - len(left)
    assert not Drop.NOT_REDUCED.sequenced
    assert not Drop.UNCHANGED.sequenced


def test_while_the_reducer_keeps_up_nothing_is_superseded() -> None:
    route = make()
    for number in range(5):
        route.offer([sample(number)], 0.01 * number)
    assert numbers(route) == [0, 1, 2, 3, 4]


def test_the_newest_of_each_key_is_kept() -> None:
    route = make(key=Key.PUBLISHER)
    route.offer([sample(1, publisher=b'a'), sample(2, publisher=b'b')], 0.0)
    route.offer([sample(3, publisher=b'a')], 1.0)
    assert numbers(route) == [2, 3]


def test_bounds_hold_before_the_reducer() -> None:
    route = make(Keep.FIFO, max_samples=3)
    route.offer([sample(number) for number in range(10)], 0.0)
    assert numbers(route) == [7, 8, 9]
    route = make(Keep.FIFO, max_bytes=25)
    route.offer([sample(number) for number in range(10)], 0.0)
    assert numbers(route) == [7, 8, 9]
    route = make(Keep.FIFO, max_bytes=4)
    route.offer([sample(1)], 0.0)
    assert numbers(route) == [1]


def test_what_is_too_old_never_gets_to_the_reducer() -> None:
    route = make(Keep.FIFO, max_age_s=1.0)
    route.offer([sample(1)], 0.0)
    route.offer([sample(2)], 0.9)
    route.expire(1.5)
    assert numbers(route) == [2]
    assert route.drops == {Drop.NOT_REDUCED: 1}


def test_what_the_reducer_had_no_time_for_waits_on_in_its_place() -> None:
    route = make(Keep.FIFO)
    route.offer([sample(number) for number in range(4)], 0.0)
    assert route.unreduced is not None
    taken = route.unreduced.take(3)
    route.unreduced.give_back(taken[1:])
    route.unreduced.done(1)
    assert (route.unreduced.bytes, len(route.unreduced)) == (24, 3)
    assert numbers(route) == [1, 2, 3]


def test_a_durable_sample_is_to_be_committed_once_it_is_reduced() -> None:
    route = make(Keep.DURABLE)
    assert isinstance(route, DurableRoute)
    assert route.unreduced is not None
    route.offer([sample(1), sample(2)], 0.0)
    assert route.not_yet_committed == 0
    (taken, _) = route.unreduced.take(2)
    route.unreduced.done(2)
    route.accept([taken.sample], 0.0)
    assert (route.not_yet_committed, len(route.to_commit())) == (1, 1)
    route.offer([sample(3)], 0.0)
    assert route.drop_all(Drop.SHUTDOWN) == 1
    assert route.drops[Drop.NOT_REDUCED] == 1


@pytest.mark.parametrize('keep', list(Keep))
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(['offer', 'take', 'end', 'give', 'drop', 'send', 'all']),
            st.integers(1, 6),
        ),
        max_size=60,
    ),
    unchanged=st.integers(1, 4),
)
def test_every_sample_is_accounted_for(
    keep: Keep, steps: list[tuple[str, int]], unchanged: int
) -> None:
    route = make(keep, max_samples=8)
    unreduced = route.unreduced
    assert unreduced is not None
    now, number = 0.0, 0
    hands: list[Offered] = []
    for what, count in steps:
        now += 0.07
        if what == 'offer':
            route.offer([sample(number + i) for i in range(count)], now)
            number += count
        elif what == 'take':
            hands += unreduced.take(count)
        elif what == 'end' and hands:
            done, hands = hands[:count], hands[count:]
            left = [one for i, one in enumerate(done) if i % unchanged]
            route.drops[Drop.UNCHANGED] += len(done) - len(left)
            unreduced.done(len(done))
            if left:
                route.accept([one.sample for one in left], now)
        elif what == 'give':
            unreduced.give_back(hands)
            hands = []
        elif what == 'drop':
            route.drop_oldest(Drop.OVERFLOW_BYTES)
        elif what == 'send' and not isinstance(route, DurableRoute):
            route.settle(len(route.take(100, count)))
        elif what == 'all':
            route.drop_all(Drop.SHUTDOWN)
            # What a reducer still has is given up with the rest.
            hands.clear()
        before = sum(n for drop, n in route.drops.items() if not drop.sequenced)
        behind = sum(n for drop, n in route.drops.items() if drop.sequenced)
        assert route.received == number == route.accepted + before + len(unreduced)
        spooled = route.spooled if isinstance(route, DurableRoute) else 0
        settled = route.delivered + behind + len(route) + route.in_flight + spooled
        assert route.accepted == settled
        assert len(unreduced) == unreduced.waiting + len(hands)
        assert unreduced.bytes == 8 * unreduced.waiting
