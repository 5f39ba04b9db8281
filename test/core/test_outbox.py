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

"""Whose turn it is: shares by weight, no starvation, nothing saved up."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.outbox import (
    BATCH_BYTES,
    BATCH_SAMPLES,
    CLASS_WEIGHT,
    DeficitRoundRobin,
    Outbox,
)
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.values import Keep, Priority, Received, StreamConfig


def add(
    outbox: Outbox,
    number: int,
    weight: float = 1.0,
    priority: Priority = Priority.NORMAL,
    max_delay_s: float = 0.1,
) -> Route:
    stream = StreamConfig(
        name=f's{number}',
        topics=('/t',),
        keep=Keep.FIFO,
        weight=weight,
        priority=priority,
        max_delay_s=max_delay_s,
        max_samples=100_000,
    )
    route = Route(number, stream, f'/t{number}', 'a/msg/A')
    outbox.add(route)
    return route


def fill(route: Route, size: int, count: int, now: float = 0.0) -> None:
    route.offer([Received(bytes(size), 0, 0)] * count, now)


def served(
    turns: DeficitRoundRobin, demands: dict[str, tuple[float, int]], total: int
) -> 'Counter[str]':
    """Serve always ready contenders, each (weight, message size), until so much was sent."""
    sent: Counter[str] = Counter()
    while sum(sent.values()) < total:
        name = turns.pick([(name, weight) for name, (weight, _) in demands.items()])
        assert isinstance(name, str)
        turns.charge(name, demands[name][1])
        sent[name] += demands[name][1]
    return sent


@given(
    weights=st.lists(st.floats(0.1, 20.0), min_size=2, max_size=5),
    sizes=st.lists(st.integers(1, 200_000), min_size=5, max_size=5),
)
def test_shares_follow_the_weights_whatever_the_sizes(
    weights: list[float], sizes: list[int]
) -> None:
    demands = {
        str(i): (weight, size)
        for i, (weight, size) in enumerate(zip(weights, sizes, strict=False))
    }
    # Long enough for each one's share to hold many of its own messages and quanta.
    total = round(30 * sum(weights) * max(max(sizes), 4096 * max(weights)) / min(weights))
    if total / min(sizes) > 200_000:
        return
    sent = served(DeficitRoundRobin(), demands, total)
    for name, (weight, _) in demands.items():
        assert sent[name] / total == pytest.approx(weight / sum(weights), rel=0.15)


def test_classes_share_and_none_starves() -> None:
    demands = {p.name: (CLASS_WEIGHT[p], 10_000) for p in Priority}
    sent = served(DeficitRoundRobin(), demands, 21_000_000)
    assert sent['HIGH'] == pytest.approx(16_000_000, rel=0.02)
    assert sent['NORMAL'] == pytest.approx(4_000_000, rel=0.02)
    assert sent['LOW'] == pytest.approx(1_000_000, rel=0.05)


def test_idle_one_saves_nothing_up() -> None:
    turns = DeficitRoundRobin()
    served(turns, {'a': (1.0, 1000)}, 1_000_000)
    sent = served(turns, {'a': (1.0, 1000), 'b': (1.0, 1000)}, 200_000)
    assert sent['b'] == pytest.approx(100_000, abs=10_000)


def test_one_that_comes_and_goes_still_owes_what_it_sent() -> None:
    """A camera of a megabyte each must not win by pausing behind every picture."""
    turns = DeficitRoundRobin()
    sent: Counter[str] = Counter()
    pause = 0
    while sum(sent.values()) < 400_000_000:
        ready = [('pose', 16.0)] if pause > 0 else [('pose', 16.0), ('camera', 1.0)]
        name = str(turns.pick(ready))
        size = 1_000_000 if name == 'camera' else 10_000
        turns.charge(name, size)
        sent[name] += size
        pause = 3 if name == 'camera' else pause - 1
    assert sent['camera'] / sum(sent.values()) == pytest.approx(1 / 17, rel=0.1)


def test_debts_are_let_off_when_nobody_waits() -> None:
    turns = DeficitRoundRobin()
    turns.charge(turns.pick([('camera', 1.0)]), 1e9)
    assert turns.pick([]) is None
    sent = served(turns, {'pose': (1.0, 1000), 'camera': (1.0, 1000)}, 100_000)
    assert sent['camera'] == pytest.approx(50_000, abs=10_000)


def test_sample_beyond_a_batch_does_not_starve() -> None:
    outbox = Outbox()
    small, large = add(outbox, 1), add(outbox, 2)
    fill(large, BATCH_BYTES + 1, 5)
    for _ in range(100):
        if len(small) < 5000:
            fill(small, 500, 10_000)
        outbox.take(Priority.NORMAL, 1.0)
    assert len(large) == 0


def test_routes_share_a_batch_by_weight() -> None:
    outbox = Outbox()
    routes = [add(outbox, 1, weight=3.0), add(outbox, 2, weight=1.0)]
    for route in routes:
        fill(route, 100, 50_000)
    sizes: Counter[int] = Counter()
    for _ in range(4):
        for part in outbox.take(Priority.NORMAL, 1.0):
            sizes[part.route.number] += sum(len(entry.sample.cdr) for entry in part.samples)
    assert sizes[1] / sizes[2] == pytest.approx(3.0, rel=0.05)


def test_batch_is_bounded() -> None:
    outbox = Outbox()
    fill(add(outbox, 1), 1, 50_000)
    assert sum(len(part.samples) for part in outbox.take(Priority.NORMAL, 1.0)) == BATCH_SAMPLES
    outbox = Outbox()
    fill(add(outbox, 1), 10_000, 500)
    taken = outbox.take(Priority.NORMAL, 1.0)
    assert sum(len(e.sample.cdr) for part in taken for e in part.samples) <= BATCH_BYTES


def test_samples_of_a_route_are_in_order() -> None:
    outbox = Outbox()
    for number in range(1, 6):
        fill(add(outbox, number), 1500, 200)
    for part in outbox.take(Priority.NORMAL, 1.0):
        numbers = [entry.sequence for entry in part.samples]
        assert numbers == list(range(1, len(numbers) + 1))


def test_due_after_its_delay_and_neighbours_ride_along_after_half() -> None:
    outbox = Outbox()
    first = add(outbox, 1, max_delay_s=0.1)
    second = add(outbox, 2, max_delay_s=0.15)
    third = add(outbox, 3, max_delay_s=10.0)
    for route in (first, second, third):
        fill(route, 10, 1)
    assert outbox.ready(0.05) == []
    assert outbox.next_due() == pytest.approx(0.1)
    assert outbox.ready(0.1) == [Priority.NORMAL]
    assert {part.route.number for part in outbox.take(Priority.NORMAL, 0.1)} == {1, 2}
    assert len(third) == 1


def test_full_batch_does_not_wait_for_its_delay() -> None:
    outbox = Outbox()
    fill(add(outbox, 1, max_delay_s=100.0), 100_000, 11)
    assert outbox.ready(0.0) == [Priority.NORMAL]
    assert len(outbox.take(Priority.NORMAL, 0.0)) == 1


def test_classes_are_separate_and_highest_first() -> None:
    outbox = Outbox()
    fill(add(outbox, 1, priority=Priority.LOW), 10, 1)
    fill(add(outbox, 2, priority=Priority.HIGH), 10, 1)
    assert outbox.ready(1.0) == [Priority.HIGH, Priority.LOW]
    assert [part.route.number for part in outbox.take(Priority.HIGH, 1.0)] == [2]
    assert outbox.ready(1.0) == [Priority.LOW]
    assert outbox.take(Priority.NORMAL, 1.0) == []


def test_route_numbers_are_unique() -> None:
    outbox = Outbox()
    add(outbox, 1)
    with pytest.raises(ValueError, match='route 1 exists'):
        add(outbox, 1)
