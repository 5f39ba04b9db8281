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

"""One route: what it keeps, what it drops and that nothing is ever unaccounted for."""

import math
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, RuleBasedStateMachine
import pytest

from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.values import Drop, Keep, Key, Received, StreamConfig

# The link has been busy for long by then.
LATER = 100.0


def sample(size: int = 1, frame: str = '', time_ns: int = 0, publisher: bytes = b'a') -> Received:
    name = frame.encode() + b'\0'
    head = b'\0\1\0\0' + bytes(8) + len(name).to_bytes(4, 'little') + name if frame else b''
    return Received(head + bytes(size), time_ns, time_ns, None, publisher)


def route(**policy: Any) -> Route:
    policy.setdefault('keep', Keep.LATEST)
    return Route(1, StreamConfig(name='s', topics=('/t',), **policy), '/t', 'a/msg/A')


def sequences(made: Route, count: int = 1000) -> list[int]:
    return [entry.sequence for entry in made.take(1 << 30, count)]


def test_latest_keeps_all_while_batches_leave_in_time() -> None:
    made = route()
    made.offer([sample(), sample()], 0.0)
    made.offer([sample()], 0.1)
    assert sequences(made) == [1, 2, 3]


def test_latest_keeps_the_newest_while_the_link_is_busy() -> None:
    made = route()
    made.offer([sample(), sample()], 0.0)
    made.offer([sample()], LATER)
    assert sequences(made) == [3]
    assert made.drops[Drop.SUPERSEDED] == 2


def test_latest_keeps_one_per_key_while_the_link_is_busy() -> None:
    for key, one, other in (
        (Key.FRAME_ID, sample(frame='a'), sample(frame='b')),
        (Key.PUBLISHER, sample(publisher=b'a'), sample(publisher=b'b')),
    ):
        made = route(key=key)
        made.offer([one, other, one], 0.0)
        made.expire(LATER)
        assert sequences(made) == [2, 3]


def test_fifo_keeps_all_in_order() -> None:
    made = route(keep=Keep.FIFO)
    made.offer([sample()] * 5, 0.0)
    assert sequences(made, 2) == [1, 2]
    assert sequences(made) == [3, 4, 5]


def test_bound_in_samples_drops_the_oldest() -> None:
    made = route(keep=Keep.FIFO, max_samples=3)
    made.offer([sample()] * 10, 0.0)
    assert sequences(made) == [8, 9, 10]
    assert made.drops[Drop.OVERFLOW_SAMPLES] == 7


def test_bound_in_bytes_drops_the_oldest_but_never_the_newest() -> None:
    made = route(keep=Keep.FIFO, max_bytes=100)
    made.offer([sample(40), sample(40), sample(40)], 0.0)
    assert made.queued_bytes == 80
    made.offer([sample(500)], 0.0)
    assert sequences(made) == [4]
    assert made.drops[Drop.OVERFLOW_BYTES] == 3


def test_too_old_is_dropped_by_name() -> None:
    made = route(keep=Keep.FIFO, max_age_s=1.0)
    made.offer([sample()], 0.0)
    made.offer([sample()], 0.7)
    made.expire(1.0)
    assert len(made) == 2
    made.expire(1.5)
    assert (sequences(made), made.drops[Drop.EXPIRED]) == ([2], 1)


def test_decimation_counts_over_all_calls() -> None:
    made = route(keep=Keep.FIFO, decimation=3)
    times = list(range(1, 101))
    for start in range(0, 100, 7):
        made.offer([sample(time_ns=time) for time in times[start : start + 7]], 0.0)
    kept = [entry.sample.receive_time_ns for entry in made.take(1 << 30, 1000)]
    assert kept == times[::3]
    assert made.drops[Drop.DECIMATION] == 66


def test_decimation_comes_before_the_rate() -> None:
    made = route(keep=Keep.FIFO, decimation=2, max_hz=10.0)
    for tick in range(1000):
        made.offer([sample(time_ns=tick * 10_000_000)], 0.0)
    assert made.drops[Drop.DECIMATION] == 500
    assert len(made) == pytest.approx(100, abs=1)


def test_gated_subscription_keeps_the_rate_itself() -> None:
    made = Route(1, StreamConfig(name='s', topics=('/t',), max_hz=1.0), '/t', 'a/msg/A', True)
    assert made.offer([sample(time_ns=1), sample(time_ns=2)], 0.0) == 2


def test_at_least_one_sample_is_taken() -> None:
    made = route(keep=Keep.FIFO)
    made.offer([sample(100), sample(100), sample(100)], 0.0)
    assert [entry.sequence for entry in made.take(10, 10)] == [1]
    assert [entry.sequence for entry in made.take(250, 10)] == [2, 3]


def test_other_way_of_keeping_holds_for_what_waits() -> None:
    made = route(keep=Keep.FIFO)
    made.offer([sample(), sample()], 0.0)
    made.expire(LATER)
    made.stream = StreamConfig(name='s', topics=('/t',), keep=Keep.LATEST)
    made.expire(LATER)
    assert sequences(made) == [2]


def test_totals_leave_out_what_was_dropped_behind_the_last_sample_taken() -> None:
    made = route(key=Key.PUBLISHER)
    made.offer([sample(publisher=b'b'), sample(), sample(), sample()], 0.0)
    made.expire(LATER)
    assert made.totals() == {}
    assert sequences(made, 1) == [1]
    # 2 and 3 are dropped, but a receiver of 1 need not explain them yet.
    assert made.totals() == {}
    assert sequences(made) == [4]
    assert made.totals() == {Drop.SUPERSEDED: 2}
    made.settle(1, Drop.ABANDONED)
    assert made.totals() == {Drop.SUPERSEDED: 2, Drop.ABANDONED: 1}


@pytest.mark.parametrize(
    ('max_hz', 'demand_hz', 'ladder_hz', 'effective_hz', 'paused'),
    [
        (0.0, None, None, 0.0, False),
        (10.0, None, None, 10.0, False),
        (10.0, math.inf, None, 10.0, False),
        (0.0, math.inf, None, 0.0, False),
        (10.0, 2.0, None, 2.0, False),
        (0.0, 2.0, 5.0, 2.0, False),
        (10.0, 5.0, 1.0, 1.0, False),
        (1.0, 5.0, 2.0, 1.0, False),
        (10.0, 0.0, None, 0.0, True),
        (10.0, None, 0.0, 0.0, True),
        (0.0, math.inf, 0.0, 0.0, True),
        (10.0, 0.0, 5.0, 0.0, True),
    ],
)
def test_the_lowest_limit_holds(
    max_hz: float,
    demand_hz: float | None,
    ladder_hz: float | None,
    effective_hz: float,
    paused: bool,
) -> None:
    for gated in (False, True):
        stream = StreamConfig(name='s', topics=('/t',), max_hz=max_hz)
        made = Route(1, stream, '/t', 'a/msg/A', gated)
        made.limit(demand_hz, ladder_hz)
        assert (made.effective_hz, made.paused) == (effective_hz, paused)
        if paused:
            assert made.offer([sample(time_ns=1), sample(time_ns=2)], 0.0) == 0


@pytest.mark.parametrize(
    ('demand_hz', 'ladder_hz', 'reason'),
    [
        (None, None, Drop.RATE),
        (math.inf, 50.0, Drop.RATE),
        (5.0, None, Drop.NOT_DEMANDED),
        (5.0, 7.0, Drop.NOT_DEMANDED),
        (0.0, 5.0, Drop.NOT_DEMANDED),
        (0.0, 0.0, Drop.NOT_DEMANDED),
        (7.0, 5.0, Drop.DEGRADED),
        (None, 5.0, Drop.DEGRADED),
        (5.0, 0.0, Drop.DEGRADED),
        (None, 0.0, Drop.DEGRADED),
    ],
)
def test_what_thins_is_named(
    demand_hz: float | None, ladder_hz: float | None, reason: Drop
) -> None:
    made = route(keep=Keep.FIFO, max_hz=10.0)
    made.limit(demand_hz, ladder_hz)
    for tick in range(1000):
        made.offer([sample(time_ns=tick * 10_000_000)], 0.0)
    assert made.accepted == pytest.approx(10 * made.effective_hz, abs=1)
    assert made.drops == {reason: 1000 - made.accepted}
    assert made.totals() == {reason: 1000 - made.accepted}


def test_limits_come_and_go_while_running() -> None:
    made = route(keep=Keep.FIFO)
    accepted = []
    for second, limits in enumerate(
        [(None, None), (0.0, None), (math.inf, None), (10.0, 1.0), (10.0, None), (None, 0.0)]
    ):
        made.limit(*limits)
        before = made.accepted
        for tick in range(100):
            made.offer([sample(time_ns=second * 10**9 + tick * 10_000_000)], float(second))
        accepted.append(made.accepted - before)
    # A sample counts as on time a quarter of a period early.
    assert accepted == [100, 0, 100, pytest.approx(1, abs=1), pytest.approx(10, abs=1), 0]


def test_what_waits_goes_out_although_nothing_more_is_wanted() -> None:
    made = route(keep=Keep.FIFO)
    made.offer([sample(), sample()], 0.0)
    made.limit(0.0, None)
    assert sequences(made) == [1, 2]


def test_a_change_of_the_stream_keeps_the_limits() -> None:
    made = route(keep=Keep.FIFO, max_hz=10.0)
    made.limit(None, 2.0)
    made.stream = StreamConfig(name='s', topics=('/t',), max_hz=1.0)
    assert made.effective_hz == 1.0
    made.stream = StreamConfig(name='s', topics=('/t',))
    assert made.effective_hz == 2.0


POLICIES = st.builds(
    StreamConfig,
    name=st.just('s'),
    topics=st.just(('/t',)),
    max_hz=st.sampled_from([0.0, 0.0, 5.0]),
    decimation=st.sampled_from([1, 1, 2, 5]),
    keep=st.sampled_from(Keep),
    key=st.sampled_from([Key.ROUTE, Key.PUBLISHER, Key.FRAME_ID]),
    max_samples=st.integers(1, 8),
    max_bytes=st.sampled_from([10, 200, 1 << 20]),
    max_age_s=st.sampled_from([0.0, 0.5]),
)


class RouteMachine(RuleBasedStateMachine):
    """Does anything that may happen to a route, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.route = route()
        self.flying: list[int] = []
        self.taken: list[int] = []

    @rule(policy=POLICIES)
    def configure(self, policy: StreamConfig) -> None:
        self.route.stream = policy

    @rule(
        demand_hz=st.sampled_from([None, None, 0.0, 3.0, math.inf]),
        ladder_hz=st.sampled_from([None, None, 0.0, 3.0, 10.0]),
    )
    def limit(self, demand_hz: float | None, ladder_hz: float | None) -> None:
        self.route.limit(demand_hz, ladder_hz)

    @rule(
        samples=st.lists(
            st.tuples(
                st.integers(0, 50), st.sampled_from(['', 'map', 'odom']), st.sampled_from('abc')
            ),
            max_size=12,
        )
    )
    def offer(self, samples: list[tuple[int, str, str]]) -> None:
        self.route.offer(
            [
                sample(size, frame, round(self.now * 1e9) + i, publisher.encode())
                for i, (size, frame, publisher) in enumerate(samples)
            ],
            self.now,
        )

    @rule(seconds=st.floats(0.0, 1.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.route.expire(self.now)

    @rule(max_bytes=st.integers(1, 200), max_samples=st.integers(1, 10))
    def take(self, max_bytes: int, max_samples: int) -> None:
        taken = self.route.take(max_bytes, max_samples)
        assert len(taken) <= max_samples
        if taken:
            self.flying.append(len(taken))
        numbers = [entry.sequence for entry in taken]
        assert numbers == sorted(numbers)
        assert not numbers or not self.taken or self.taken[-1] < numbers[0]
        self.taken += numbers

    @precondition(lambda self: self.flying)
    @rule(fate=st.sampled_from([None, None, Drop.ABANDONED, Drop.REFUSED]))
    def settle(self, fate: Drop | None) -> None:
        self.route.settle(self.flying.pop(), fate)

    @invariant()
    def everything_is_accounted_for(self) -> None:
        made = self.route
        sequenced = sum(count for reason, count in made.drops.items() if reason.sequenced)
        before = sum(count for reason, count in made.drops.items() if not reason.sequenced)
        assert made.accepted == made.delivered + sequenced + len(made) + made.in_flight
        assert made.received == made.accepted + before
        assert made.in_flight == sum(self.flying)

    @invariant()
    def bounds_hold(self) -> None:
        assert (self.route.queued_bytes == 0) if len(self.route) == 0 else True
        assert self.route.queued_bytes >= 0

    @invariant()
    def totals_explain_every_gap_up_to_the_last_sample_taken(self) -> None:
        queue_drops = sum(
            count
            for reason, count in self.route.totals().items()
            if Drop(reason).sequenced and reason not in (Drop.ABANDONED, Drop.REFUSED)
        )
        last = self.taken[-1] if self.taken else 0
        assert last - len(self.taken) == queue_drops


TestRouteMachine = RouteMachine.TestCase
TestRouteMachine.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


def test_each_key_has_a_rate_of_its_own() -> None:
    stream = StreamConfig(name='s', topics=('/t',), max_hz=1.0, key=Key.PUBLISHER)
    route = Route(1, stream, '/t', 'a_msgs/msg/A')
    # Eight publishers in turn at 10 Hz each: one sample per second and publisher passes.
    received = [
        Received(b'\0\1\0\0', turn * 100_000_000, turn * 100_000_000, turn, bytes([publisher]))
        for turn in range(31)
        for publisher in range(8)
    ]
    route.offer(received, 0.0)
    assert route.accepted == 8 * 4
    assert route.drops[Drop.RATE] == len(received) - route.accepted
