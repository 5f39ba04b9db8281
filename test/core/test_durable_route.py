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


"""A durable route: every sample is somewhere, and nothing old is sent as live."""

from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, RuleBasedStateMachine
import pytest

from ros_cloud_bridge.core.durable_route import DurableRoute, FRESH_S
from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.values import Drop, Keep, Received, StreamConfig


def sample(number: int, size: int = 10) -> Received:
    return Received(bytes([number % 256]) * size, number, number)


def made(**policy: Any) -> DurableRoute:
    stream = StreamConfig(name='events', topics=('/a',), keep=Keep.DURABLE, **policy)
    return DurableRoute(1, stream, '/a', 'std_msgs/msg/String')


def numbers(entries: Sequence[Queued]) -> list[int]:
    return [entry.sequence for entry in entries]


def test_nothing_is_sent_before_it_is_committed() -> None:
    route = made(max_delay_s=0.0)
    route.offer([sample(1), sample(2)], 0.0)
    assert route.due_at() is None and route.take(1000, 10) == []
    assert numbers(route.to_commit()) == [1, 2] and route.not_yet_committed == 2
    route.offer([sample(3)], 0.0)
    assert route.take(1000, 10) == []
    route.was_committed(2)
    assert (route.committed, route.not_yet_committed, route.due_at()) == (2, 1, 0.0)
    assert numbers(route.take(1000, 10)) == [1, 2]
    assert route.live_from == 1 and numbers(route.to_commit()) == [3]


def test_what_is_no_news_any_more_is_left_to_the_spool() -> None:
    route = made()
    route.offer([sample(1), sample(2)], 0.0)
    route.was_committed(len(route.to_commit()))
    route.offer([sample(3)], 1.0)
    route.expire(FRESH_S + 0.5)
    assert (len(route), route.spooled, route.live_from) == (1, 2, 3)
    # Not committed yet: it is nowhere else.
    route.expire(FRESH_S + 1.5)
    assert (len(route), route.spooled) == (1, 2)


def test_what_was_old_when_it_came_is_never_sent_live() -> None:
    route = DurableRoute(1, made().stream, '/a', 'std_msgs/msg/String', fresh_s=0.0)
    route.offer([sample(1), sample(2)], 1.0)
    route.expire(2.0)
    assert len(route) == 2, 'not committed yet: it is nowhere else'
    route.was_committed(len(route.to_commit()))
    route.expire(2.0)
    assert (len(route), route.spooled) == (0, 2)


def test_memory_is_bounded_by_what_the_spool_has() -> None:
    gaps: list[tuple[int, int, Drop]] = []
    route = made(max_samples=3, max_bytes=30)
    route.on_gap = lambda *gap: gaps.append(gap)
    route.offer([sample(n) for n in range(1, 4)], 0.0)
    route.was_committed(len(route.to_commit()))
    route.offer([sample(4), sample(5)], 0.0)
    assert (len(route), route.spooled, gaps) == (3, 2, [])
    # The disk hangs with 4 and 5: what comes then has no place at all once memory is full.
    assert numbers(route.to_commit()) == [4, 5]
    route.offer([sample(6), sample(7)], 0.0)
    assert numbers(list(route._queue)) == [4, 5, 6]
    assert gaps == [(7, 7, Drop.NOT_COMMITTED)] and route.drops[Drop.NOT_COMMITTED] == 1


def test_a_failed_disk_makes_it_best_effort() -> None:
    settled: list[tuple[int, int, Drop | None]] = []
    gaps: list[tuple[int, int, Drop]] = []
    route = made()
    route.on_settled = lambda *told: settled.append(told)
    route.on_gap = lambda *gap: gaps.append(gap)
    route.offer([sample(n) for n in range(1, 5)], 0.0)
    route.to_commit()
    route.was_not_committed([(1, 4)])
    taken = route.take(20, 10)
    assert numbers(taken) == [1, 2]
    route.settle(2, None, (1, 2))
    assert (route.delivered, route.spooled, settled) == (2, 0, [])
    taken = route.take(10, 10)
    route.settle(1, Drop.ABANDONED, (3, 3))
    assert gaps == [(3, 3, Drop.NOT_COMMITTED)]
    assert route.drop_all(Drop.SHUTDOWN) == 1 and gaps[-1] == (4, 4, Drop.NOT_COMMITTED)
    assert route.drops == {Drop.NOT_COMMITTED: 2}


def test_a_gap_is_told_for_nothing_that_the_spool_has() -> None:
    # Who is told of a gap confirms it, and the spool deletes what is confirmed.
    gaps: list[tuple[int, int, Drop]] = []
    route = made()
    route.on_gap = lambda *gap: gaps.append(gap)
    for failed in ((1, 2), None, (5, 5), None):
        route.offer([sample(1), sample(2)] if failed != (5, 5) else [sample(1)], 0.0)
        count = len(route.to_commit())
        if failed:
            route.was_not_committed([failed])
        else:
            route.was_committed(count)
    assert numbers(route.take(1000, 10)) == [1, 2, 3, 4, 5, 6, 7]
    route.settle(7, Drop.ABANDONED, (1, 7))
    assert gaps == [(1, 2, Drop.NOT_COMMITTED), (5, 5, Drop.NOT_COMMITTED)]
    assert (route.spooled, route.drops) == (4, {Drop.NOT_COMMITTED: 3})


@pytest.mark.parametrize('works', [True, False])
def test_what_a_hanging_disk_has_yet_to_decide_is_not_given_up(works: bool) -> None:
    gaps: list[tuple[int, int, Drop]] = []
    route = made()
    route.on_gap = lambda *gap: gaps.append(gap)
    route.offer([sample(1), sample(2)], 0.0)
    committing = route.to_commit()
    route.offer([sample(3)], 0.0)
    assert route.drop_all(Drop.SHUTDOWN) == 1 and gaps == [(3, 3, Drop.NOT_COMMITTED)]
    assert (len(route), route.not_yet_committed) == (2, 2)
    if works:
        route.was_committed(len(committing))
    else:
        route.was_not_committed([(1, 2)])
    assert route.drop_all(Drop.SHUTDOWN) == (0 if works else 2)
    assert (len(route), route.not_yet_committed) == (0, 0)
    assert route.spooled == (2 if works else 0)


def test_a_sample_for_which_the_spool_has_no_room_is_not_sent() -> None:
    route = made()
    route.offer([sample(n) for n in range(1, 5)], 0.0)
    route.was_committed(len(route.to_commit()))
    route.was_dropped(2, 3, Drop.SPOOL_FULL)
    assert numbers(route.take(1000, 10)) == [1, 4]
    assert route.drops == {Drop.SPOOL_FULL: 2}


class DurableMachine(RuleBasedStateMachine):
    """Any order of what can happen; the spool is a set of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.route = made(max_samples=8, max_bytes=150)
        self.route.on_settled = self.settled
        self.route.on_gap = self.gap
        self.now = 0.0
        self.spool = Ranges()
        self.gaps = Ranges()
        self.delivered = 0
        self.committing: list[int] = []
        self.flying: list[list[int]] = []

    def settled(self, first: int, last: int, reason: Drop | None) -> None:
        if reason is None:
            self.leave(first, last, None)

    def gap(self, first: int, last: int, reason: Drop) -> None:
        assert reason is Drop.NOT_COMMITTED
        assert self.spool.count(first, last) == 0, 'whoever confirms the gap would delete these'
        assert not set(self.committing) & set(range(first, last + 1))
        assert self.gaps.add(first, last) == last - first + 1

    def leave(self, first: int, last: int, reason: Drop | None) -> None:
        self.route.left_spool(self.spool.remove(first, last), reason)

    @rule(count=st.integers(1, 6), wait=st.floats(0, 4))
    def offer(self, count: int, wait: float) -> None:
        self.now += wait
        self.route.offer([sample(n) for n in range(count)], self.now)

    @precondition(lambda self: not self.committing)
    @rule()
    def begin(self) -> None:
        self.committing = numbers(self.route.to_commit())

    @precondition(lambda self: self.committing)
    @rule(works=st.booleans())
    def end(self, works: bool) -> None:
        if works:
            for number in self.committing:
                self.spool.add(number, number)
            self.route.was_committed(len(self.committing))
        else:
            runs = Ranges((number, number) for number in self.committing)
            self.route.was_not_committed(list(runs))
        self.committing = []

    @rule(most=st.integers(1, 50))
    def take(self, most: int) -> None:
        self.route.expire(self.now)
        taken = self.route.take(most, 5)
        assert all(self.now - entry.offered_at <= FRESH_S for entry in taken)
        if taken:
            self.flying.append(numbers(taken))

    @precondition(lambda self: self.flying)
    @rule(which=st.integers(0, 5), reason=st.sampled_from([None, Drop.ABANDONED, Drop.REFUSED]))
    def answer(self, which: int, reason: Drop | None) -> None:
        span = self.flying.pop(which % len(self.flying))
        self.route.settle(len(span), reason, (span[0], span[-1]))

    @rule(reason=st.sampled_from([None, Drop.EXPIRED]))
    def drain(self, reason: Drop | None) -> None:
        for first, last in list(self.spool):
            low, high = first, min(last, self.route.live_from - 1)
            if low <= high:
                self.leave(low, high, reason)

    @rule()
    def give_up(self) -> None:
        self.route.drop_all(Drop.SHUTDOWN)
        assert numbers(list(self.route._queue)) == self.committing

    @invariant()
    def everything_is_somewhere(self) -> None:
        route = self.route
        dropped = sum(count for reason, count in route.drops.items() if reason.sequenced)
        there = len(route) + route.in_flight + route.spooled
        assert route.accepted == route.delivered + dropped + there
        live = {n for span in self.flying for n in span} | set(numbers(list(route._queue)))
        assert route.live_from == min(live, default=route.accepted + 1)
        assert route.spooled == self.spool.total - sum(self.spool.count(n, n) for n in live)
        assert route.not_yet_committed >= len(self.committing) >= 0
        assert all(route.drops[reason] == 0 for reason in (Drop.SHUTDOWN, Drop.ABANDONED))


TestDurableMachine = DurableMachine.TestCase
TestDurableMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
