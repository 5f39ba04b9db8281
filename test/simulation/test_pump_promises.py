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

"""
What holds on any link, under any load: budgets, fairness among streams, accounts that add up.

After each event ``World`` holds every route's accounts against each other: what came in against
what was accepted and dropped before, what was accepted against what was delivered, dropped (by
reason), queued and in flight.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.admission import Limit
from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.simulation.bridge import Sent
from ros_cloud_bridge.values import Algorithm, Drop, Keep, Priority, StreamConfig
from support.virtual_link import Limits, route_of, Source, stream, World

pytestmark = pytest.mark.slow
algorithms = st.sampled_from(Algorithm)


def policies(priority: Priority) -> st.SearchStrategy[StreamConfig]:
    return st.builds(
        lambda name, **policy: stream(name, priority, **policy),
        st.just(priority.name.lower()),
        keep=st.sampled_from([Keep.LATEST, Keep.FIFO]),
        max_hz=st.sampled_from([0.0, 2.0, 10.0]),
        decimation=st.sampled_from([1, 3]),
        max_delay_s=st.sampled_from([0.0, 0.1, 0.5]),
        max_age_s=st.sampled_from([0.0, 0.7, 5.0]),
        max_samples=st.sampled_from([1, 10, 1000]),
        max_bytes=st.sampled_from([2_000, 64 * 1024 * 1024]),
        weight=st.sampled_from([0.5, 1.0, 4.0]),
        ladder=st.sampled_from([(), ('1hz', 'pause')]),
    )


def sources(priority: Priority) -> st.SearchStrategy[Source]:
    return st.builds(
        Source,
        stream=policies(priority),
        hz=st.sampled_from([0.5, 5.0, 20.0]),
        size=st.sampled_from([20, 300, 5_000, 60_000]),
    )


loads = st.tuples(*(sources(priority) for priority in Priority))


def windows_exceed(sent: Sequence[Sent], rate: float, burst: float) -> float:
    """Give how far the fullest window of all is above burst and rate times its length."""
    worst, lowest = 0.0, float('inf')
    for entry, total in zip(
        sent, accumulate(entry.payload_bytes + len(entry.topic) for entry in sent), strict=True
    ):
        size = entry.payload_bytes + len(entry.topic)
        # Over a window that begins with the message of the lowest total - rate * time so far.
        lowest = min(lowest, total - size - rate * entry.at)
        worst = max(worst, total - rate * entry.at - lowest - burst)
    return worst


@settings(max_examples=25, deadline=None)
@given(loads, algorithms, st.sampled_from([300.0, 2_000.0, 20_000.0]), st.integers(0, 99))
def test_no_window_exceeds_the_user_s_rate(
    load: tuple[Source, ...], algorithm: Algorithm, rate: float, seed: int
) -> None:
    world = World([(0.0, 1000)], seed=seed)
    bridge = world.add(load, algorithm=algorithm, link={'max_bytes_per_s': rate})
    world.run(30.0)
    # A bucket of a quarter of a second, and a message that takes it into debt.
    largest = max(entry.payload_bytes + len(entry.topic) for entry in bridge.sent)
    assert windows_exceed(bridge.sent, rate, 0.25 * rate + largest) <= 1.0


@settings(max_examples=20, deadline=None)
@given(loads, st.sampled_from([2.0, 20.0]), st.sampled_from([1_000.0, 30_000.0]))
def test_no_window_exceeds_the_broker_s_rates(
    load: tuple[Source, ...], messages_per_s: float, bytes_per_s: float
) -> None:
    world = World([(0.0, 1000)])
    limits = Limits(max_messages_per_s=messages_per_s, max_bytes_per_s=bytes_per_s)
    bridge = world.add(load, limits=limits)
    world.run(30.0)
    largest = max(entry.payload_bytes + len(entry.topic) for entry in bridge.sent)
    assert windows_exceed(bridge.sent, bytes_per_s, 0.25 * bytes_per_s + largest) <= 1.0
    burst = max(1.0, 0.25 * messages_per_s)
    for first in range(len(bridge.sent)):
        last = bridge.sent[first:]
        count = sum(entry.at < bridge.sent[first].at + 1.0 for entry in last)
        assert count <= messages_per_s + burst + 1


def test_a_month_s_budget_lasts_until_its_end() -> None:
    # 2026-01-30 12:00 UTC: a day and a half is left.
    begin_s = 1_769_774_400.0
    limit = 3_000_000
    budget = MonthlyBudget(limit, 1, None, begin_s, 0.0)
    world = World([(0.0, 256)])
    policy = stream('scan', Priority.NORMAL)
    bridge = world.add([Source(stream=policy, hz=10.0, size=2_000)], budget=budget)
    world.run(1800.0)
    used = budget.usage(1800.0)
    assert budget.document(1800.0)['used_bytes'] == pytest.approx(limit * 2 / 3, rel=0.05)
    assert used.spare_bytes < 10_000
    assert bridge.pump.admission.limit is Limit.BUDGET
    # From then on it is the rate that lasts until the end.
    rate = (limit / 3) / (1.5 * 86400 - 1800)
    before = budget.document(1800.0)['used_bytes']
    world.run(3600.0)
    assert isinstance(before, int)
    after = budget.document(3600.0)['used_bytes']
    assert isinstance(after, int)
    assert after - before <= 1.3 * rate * 1800 + 5_000


@settings(max_examples=25, deadline=None)
@given(loads, algorithms, st.sampled_from([16, 64, 256]), st.integers(0, 99))
def test_no_stream_starves(
    load: tuple[Source, ...], algorithm: Algorithm, rate: int, seed: int
) -> None:
    seconds = 60.0
    world = World([(0.0, rate)], seed=seed)
    bridge = world.add(load, algorithm=algorithm)
    world.run(seconds)
    for source in load:
        route = route_of(bridge, source.stream.name)
        # The least that a stream's share carries in this time, and what is never in time at all.
        too_large = source.size > 0.02 * rate * 125 * seconds
        expires = 0 < source.stream.max_age_s <= source.size / (0.02 * rate * 125)
        if too_large or expires or bridge.steps:
            continue
        assert route.delivered > 0, route.topic


def test_a_short_queue_does_not_starve_its_stream() -> None:
    policy = stream('scan', Priority.NORMAL, max_samples=1, max_delay_s=0.5)
    world = World([(0.0, 256)])
    bridge = world.add([Source(stream=policy, hz=10.0, size=500)])
    world.run(30.0)
    assert route_of(bridge, 'scan').delivered > 0


def test_what_cannot_arrive_in_time_does_not_fill_the_link() -> None:
    # 1.3 s on the link, of which no sample is worth more than one.
    policy = stream('camera', Priority.LOW, max_hz=5.0, max_age_s=1.0, max_delay_s=0.0)
    world = World([(0.0, 256)])
    bridge = world.add([Source(stream=policy, hz=25.0, size=40_000)])
    world.run(30.0)
    arrived = sum(one.size for one in bridge.arrivals.get(1, ()))
    # Either they arrive, late as they are, or the link stays free for others.
    assert arrived > 0.8 * 32_000 * 30 or bridge.sent_bytes() < 0.2 * 32_000 * 30


@settings(max_examples=40, deadline=None)
@given(
    loads,
    algorithms,
    st.lists(st.tuples(st.floats(0.1, 5), st.sampled_from([0, 8, 64, 1000])), max_size=5),
    st.lists(st.tuples(st.floats(0.1, 8), st.floats(0.1, 8)), max_size=4),
    st.sampled_from([0.0, 0.3]),
    st.integers(0, 99),
)
def test_accounts_add_up_whatever_the_link_does(
    load: tuple[Source, ...],
    algorithm: Algorithm,
    steps: list[tuple[float, int]],
    outages: list[tuple[float, float]],
    delay_s: float,
    seed: int,
) -> None:
    # So little that all of it can be sent in the end.
    load = tuple(
        replace(one, stream=replace(one.stream, max_bytes=min(one.stream.max_bytes, 200_000)))
        for one in load
    )
    times = list(accumulate((length for length, _ in steps), initial=0.0))
    rates = [(0.0, 128), *zip(times[1:], [rate for _, rate in steps], strict=True)]
    # In the end there is a link again.
    rates.append((40.0, 1000))
    world = World(rates, delay_s=delay_s, jitter_s=delay_s / 10, seed=seed)
    bridge = world.add(load, algorithm=algorithm, until=35.0)
    now = 0.0
    for wait, length in outages:
        world.link.at(now + wait, bridge.disconnect)
        world.link.at(now + wait + length, bridge.connect)
        now += wait + length
    world.run(35.0)
    for route in bridge.pump.outbox.routes:
        # What a route holds is bounded, whatever the link does.
        assert len(route) <= route.stream.max_samples
        assert route.queued_bytes <= max(route.stream.max_bytes, 60_004)
    assert bridge.pump.admission.in_flight <= 20
    world.run(160.0)
    for route in bridge.pump.outbox.routes:
        assert len(route) == route.in_flight == 0, route.topic
        # Each sample arrives once. What arrived may have expired before the answer came.
        arrived = len(bridge.ages(route))
        assert route.delivered <= arrived <= route.delivered + route.drops[Drop.EXPIRED]
