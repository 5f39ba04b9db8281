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

from ros_cloud_bridge.core.outbox import (
    BATCH_BYTES,
    BATCH_ROUTES,
    BATCH_SAMPLES,
    Outbox,
    Taken,
)
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.values import Drop, Keep, Priority, Received, StreamConfig


def add(
    outbox: Outbox,
    number: int,
    priority: Priority = Priority.NORMAL,
    max_delay_s: float = 0.1,
    max_age_s: float = 0.0,
) -> Route:
    stream = StreamConfig(
        name=f's{number}',
        topics=('/t',),
        keep=Keep.FIFO,
        priority=priority,
        max_delay_s=max_delay_s,
        max_age_s=max_age_s,
        max_samples=100_000,
    )
    route = Route(number, stream, f'/t{number}', 'a/msg/A')
    outbox.add(route)
    return route


def fill(route: Route, size: int, count: int, now: float = 0.0) -> Route:
    route.offer([Received(bytes(size), 0, 0)] * count, now)
    return route


def counts(taken: list[Taken]) -> dict[int, int]:
    return {part.route.number: len(part.samples) for part in taken}


def test_the_lead_comes_first_and_others_ride_along() -> None:
    outbox = Outbox()
    routes = [fill(add(outbox, number), 10, 2) for number in (1, 2, 3)]
    taken = outbox.take(routes[1], 1.0)
    assert [part.route.number for part in taken] == [2, 1, 3]
    assert counts(taken) == {1: 2, 2: 2, 3: 2}
    assert all(len(route) == 0 and route.in_flight == 2 for route in routes)


def test_riders_are_of_the_same_class_waiting_half_due_and_not_busy() -> None:
    outbox = Outbox()
    lead = fill(add(outbox, 1), 10, 1)
    fill(add(outbox, 2, priority=Priority.HIGH), 10, 1)
    fill(add(outbox, 3, priority=Priority.LOW), 10, 1)
    add(outbox, 4)
    fill(add(outbox, 5, max_delay_s=0.3), 10, 1)
    fill(add(outbox, 6, max_delay_s=0.19), 10, 1)
    fill(add(outbox, 7), 10, 1)
    assert counts(outbox.take(lead, 0.1, busy={7})) == {1: 1, 6: 1}


def test_what_waits_no_longer_than_the_lead_keeps_in_step_with_it() -> None:
    for now, expected in ((0.2, {1: 1, 2: 1, 3: 1}), (0.19, {1: 1, 3: 1})):
        outbox = Outbox()
        lead = fill(add(outbox, 1, max_delay_s=0.2), 10, 1)
        fill(add(outbox, 2, max_delay_s=0.2), 10, 1, now=0.15)
        fill(add(outbox, 3, max_delay_s=0.1), 10, 1, now=0.1)
        fill(add(outbox, 4, max_delay_s=0.3), 10, 1, now=0.15)
        # A lead that goes early, because it is large, cuts nobody else's samples apart.
        assert counts(outbox.take(lead, now)) == expected


def test_riders_fit_what_is_small_in_bytes_on_the_wire() -> None:
    outbox = Outbox()
    lead = fill(add(outbox, 1), 400, 1)
    packed = fill(add(outbox, 2), 2000, 10)
    packed.wire_ratio = 0.1
    # 600 bytes are left: three of 200 on the wire.
    assert counts(outbox.take(lead, 1.0, most=10_000, small=1000)) == {1: 1, 2: 3}


def test_a_rider_too_large_for_the_rest_lets_a_smaller_one_ride() -> None:
    outbox = Outbox()
    lead = fill(add(outbox, 1), 400, 1)
    fill(add(outbox, 2), 700, 1)
    fill(add(outbox, 3), 500, 1)
    assert counts(outbox.take(lead, 1.0, most=10_000, small=1000)) == {1: 1, 3: 1}


def test_nobody_rides_in_a_batch_beyond_one_fragment() -> None:
    outbox = Outbox()
    for size in (1000, 5000):
        lead = fill(Route(99, StreamConfig(name='x', topics=()), '/x', 'a/msg/A'), size, 1)
        if not outbox.routes:
            outbox.add(lead)
            fill(add(outbox, 2), 10, 1)
        assert counts(outbox.take(lead, 1.0, most=100_000, small=1000)) == {99: 1}
    assert len(outbox.routes[1]) == 1


def test_the_lead_takes_up_to_the_most_on_the_wire() -> None:
    for ratio, expected in ((1.0, 5), (0.5, 10), (2.0, 2)):
        outbox = Outbox()
        lead = fill(add(outbox, 1), 1000, 100)
        lead.wire_ratio = ratio
        assert counts(outbox.take(lead, 1.0, most=5000)) == {1: expected}


def test_a_larger_sample_goes_alone_and_whole() -> None:
    outbox = Outbox()
    lead = fill(add(outbox, 1), 3 * BATCH_BYTES, 2)
    fill(add(outbox, 2), 10, 1)
    assert counts(outbox.take(lead, 1.0, most=600.0, small=600.0)) == {1: 1}
    assert len(lead) == 1


def test_a_batch_is_bounded_in_bytes_samples_and_routes() -> None:
    outbox = Outbox()
    assert counts(outbox.take(fill(add(outbox, 1), 1, 50_000), 1.0)) == {1: BATCH_SAMPLES}
    outbox = Outbox()
    lead = fill(add(outbox, 1), 10_000, 500)
    lead.wire_ratio = 0.001
    (part,) = outbox.take(lead, 1.0)
    assert sum(len(entry.sample.cdr) for entry in part.samples) <= BATCH_BYTES
    outbox = Outbox()
    lead = fill(add(outbox, 1), 1, 10)
    for number in range(2, 10):
        fill(add(outbox, number), 1, BATCH_SAMPLES // 2)
    assert sum(counts(outbox.take(lead, 1.0)).values()) == BATCH_SAMPLES
    outbox = Outbox()
    lead = fill(add(outbox, 1), 1, 1)
    for number in range(2, BATCH_ROUTES + 10):
        fill(add(outbox, number), 1, 1)
    assert len(outbox.take(lead, 1.0)) == BATCH_ROUTES


@given(
    queues=st.lists(
        st.tuples(st.integers(1, 3000), st.integers(1, 20), st.sampled_from([0.05, 0.5, 1.0])),
        min_size=1,
        max_size=6,
    ),
    small=st.integers(100, 4000),
    more=st.integers(0, 20_000),
)
def test_sizes_hold_and_samples_are_in_order(
    queues: list[tuple[int, int, float]], small: int, more: int
) -> None:
    outbox = Outbox()
    for number, (size, count, ratio) in enumerate(queues, 1):
        fill(add(outbox, number), size, count).wire_ratio = ratio
    most = small + more
    taken = outbox.take(outbox.routes[0], 1.0, most=most, small=small)
    wire = [
        sum(len(entry.sample.cdr) for entry in part.samples) * part.route.wire_ratio
        for part in taken
    ]
    assert wire[0] <= most or len(taken[0].samples) == 1
    assert len(taken) == 1 or sum(wire) <= small + 1e-6
    for part in taken:
        numbers = [entry.sequence for entry in part.samples]
        assert numbers == list(range(1, len(numbers) + 1))
        assert numbers


def test_due_after_its_delay_and_in_the_order_of_class_and_waiting() -> None:
    outbox = Outbox()
    fill(add(outbox, 1, max_delay_s=0.1), 10, 1, now=0.02)
    fill(add(outbox, 2, max_delay_s=0.1), 10, 1, now=0.01)
    fill(add(outbox, 3, priority=Priority.LOW, max_delay_s=0.0), 10, 1)
    fill(add(outbox, 4, priority=Priority.HIGH, max_delay_s=0.12), 10, 1)
    fill(add(outbox, 5, max_delay_s=10.0), 10, 1)
    add(outbox, 6)
    assert outbox.next_due() == 0.0
    assert [route.number for route in outbox.ready(0.0)] == [3]
    assert [route.number for route in outbox.ready(0.115)] == [2, 3]
    assert [route.number for route in outbox.ready(0.13)] == [4, 2, 1, 3]
    assert [route.number for route in outbox.ready(0.13, flush=True)] == [4, 2, 1, 5, 3]


def test_nothing_waits_nothing_is_due() -> None:
    outbox = Outbox()
    route = add(outbox, 1)
    assert outbox.next_due() is None
    assert outbox.ready(100.0, flush=True) == []
    outbox.take(fill(route, 10, 1), 1.0)
    assert outbox.next_due() is None


def test_full_batch_does_not_wait_for_its_delay() -> None:
    outbox = Outbox()
    route = fill(add(outbox, 1, max_delay_s=100.0), 100_000, 11)
    assert outbox.ready(0.0) == [route]


def test_what_has_become_too_old_is_not_ready() -> None:
    outbox = Outbox()
    route = fill(add(outbox, 1, max_age_s=0.5), 10, 3)
    assert outbox.ready(1.0) == []
    assert route.drops[Drop.EXPIRED] == 3


def test_the_bound_of_all_queues_takes_from_the_least_important_first() -> None:
    outbox = Outbox()
    high = fill(add(outbox, 1, priority=Priority.HIGH), 100, 10)
    low = fill(add(outbox, 2, priority=Priority.LOW), 100, 5)
    lower = fill(add(outbox, 3, priority=Priority.LOW), 100, 10)
    outbox.enforce(2000)
    assert (len(high), len(low), len(lower)) == (10, 5, 5)
    assert lower.drops[Drop.OVERFLOW_BYTES] == 5
    outbox.enforce(1100)
    assert (len(high), len(low), len(lower)) == (9, 1, 1)
    # The newest of each is kept, whatever the bound.
    outbox.enforce(0)
    assert (len(high), len(low), len(lower)) == (1, 1, 1)
    assert [entry.sequence for entry in high.take(1000, 10)] == [10]


def test_route_numbers_are_unique() -> None:
    outbox = Outbox()
    add(outbox, 1)
    with pytest.raises(ValueError, match='route 1 exists'):
        add(outbox, 1)
