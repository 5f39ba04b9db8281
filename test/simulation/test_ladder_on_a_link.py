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
The degradation ladder on a link that carries what it carries.

A stream's demand follows its rate, the more important are served first, and the estimate is what
the test says that a pacer would know.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.ladder import (
    Change,
    Ladder,
    LinkLoad,
    StreamLoad,
    T_DOWN_S,
    T_UP_MOST_S,
    T_UP_S,
)
from ros_cloud_bridge.values import Priority, StreamConfig
from support.ladders import LADDER, link, load, stream

HOUR = 3600.0


@dataclass(frozen=True)
class Source:
    """What a stream would send: its rate, and bytes per sample."""

    config: StreamConfig
    hz: float
    sample_bytes: float

    def demand(self, max_hz: float | None) -> float:
        return self.sample_bytes * (self.hz if max_hz is None else min(self.hz, max_hz))


# What a pacer says: capacity, whether it is the limit, what passed -> estimate
Estimate = Callable[[float, bool, float], float | None]
ESTIMATES: dict[str, Estimate] = {
    'none': lambda capacity, limited, passed: None,
    'exact': lambda capacity, limited, passed: capacity,
    'lower bound': lambda capacity, limited, passed: capacity if limited else passed,
}


@dataclass
class World:
    """Sources, a link whose capacity is a function of time, and a ladder between them."""

    sources: Sequence[Source]
    capacity: Callable[[float], float]
    estimate: Estimate
    now: float = 0.0
    demand: float = 0.0
    changes: list[tuple[float, Change]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ladder = Ladder([source.config for source in self.sources])

    def go(self, seconds: float, random: Random | None = None) -> 'World':
        until = self.now + seconds
        while self.now < until:
            capacity = self.capacity(self.now)
            left, loads = capacity, []
            for source in sorted(self.sources, key=lambda one: one.config.priority):
                wanted = source.demand(self.ladder.position(source.config.name).max_hz)
                served = min(wanted, left)
                left -= served
                loads.append(load(source.config.name, wanted, suffering=served < wanted))
            self.demand = sum(one.offered_bytes_per_s for one in loads)
            limited = self.demand > capacity
            rate = self.estimate(capacity, limited, capacity - left)
            if random is not None and rate is not None:
                rate *= random.uniform(0.85, 1.15)
            state = link(rate, limited)
            self.changes += [
                (self.now, change) for change in self.ladder.update(state, loads, self.now)
            ]
            self.now += 1.0
        return self

    def steps(self) -> dict[str, int]:
        return {
            source.config.name: self.ladder.position(source.config.name).step
            for source in self.sources
        }

    def recent(self, seconds: float) -> list[Change]:
        return [change for when, change in self.changes if when >= self.now - seconds]


ROBOT = (
    Source(stream('pose', Priority.HIGH, ladder=(), max_hz=0.0), 10.0, 100.0),
    Source(stream('lidar', Priority.NORMAL, ladder=LADDER), 10.0, 2000.0),
    Source(stream('camera', Priority.LOW, ladder=LADDER), 10.0, 4000.0),
    Source(stream('map', Priority.LOW, ladder=('pause',)), 0.5, 8000.0),
)
ALL_DOWN = {'pose': 0, 'lidar': 3, 'camera': 3, 'map': 1}
ALL_UP = dict.fromkeys(ALL_DOWN, 0)
estimates = pytest.mark.parametrize('estimate', ESTIMATES.values(), ids=ESTIMATES)


@estimates
@pytest.mark.parametrize(
    ('capacity', 'expected'),
    [
        (70000.0, ALL_UP),
        (50000.0, {'pose': 0, 'lidar': 0, 'camera': 1, 'map': 0}),
        (30000.0, {'pose': 0, 'lidar': 0, 'camera': 2, 'map': 0}),
        (24500.0, {'pose': 0, 'lidar': 0, 'camera': 3, 'map': 1}),
        (12000.0, {'pose': 0, 'lidar': 1, 'camera': 3, 'map': 1}),
        (900.0, ALL_DOWN),
        (0.0, ALL_DOWN),
    ],
)
def test_it_comes_to_rest_on_what_fits(
    capacity: float, expected: dict[str, int], estimate: Estimate
) -> None:
    world = World(ROBOT, lambda now: capacity, estimate).go(2000)
    # A trial may be under way; what stood longest is where it rests.
    stood: dict[tuple[int, ...], int] = {}
    for _ in range(1000):
        world.go(1)
        key = tuple(world.steps().values())
        stood[key] = stood.get(key, 0) + 1
    rest = max(stood, key=lambda key: stood[key])
    assert rest == tuple(expected.values())
    assert stood[rest] > 900
    assert len(world.recent(1000)) <= 8


@estimates
def test_it_recovers_when_the_link_opens(estimate: Estimate) -> None:
    world = World(ROBOT, lambda now: 900.0 if now < 100 else 70000.0, estimate).go(100)
    assert world.steps() == ALL_DOWN
    world.go(7 * (T_UP_S + 1))
    assert world.steps() == ALL_UP
    assert world.go(1000).recent(1000) == []


@estimates
def test_it_recovers_even_after_a_thousand_seconds_of_failed_trials(estimate: Estimate) -> None:
    world = World(ROBOT, lambda now: 12000.0 if now < 3000 else 70000.0, estimate).go(3000)
    assert world.steps()['camera'] == 3
    world.go(2 * T_UP_MOST_S)
    assert world.steps() == ALL_UP


@estimates
@pytest.mark.parametrize('half_period', [1, 2, 5, 10, 30])
@pytest.mark.parametrize('middle', [25000.0, 30000.0, 44000.0, 62000.0])
def test_a_link_that_swings_by_ten_percent_does_not_flap(
    middle: float, half_period: int, estimate: Estimate
) -> None:
    def capacity(now: float) -> float:
        return middle * (1.1 if now // half_period % 2 else 0.9)

    world = World(ROBOT, capacity, estimate).go(2000).go(1500)
    # At most the rare trial: up and down again, every five minutes.
    assert len(world.recent(1500)) <= 2 * (1500 / T_UP_MOST_S + 1)


def spaced(changes: Sequence[tuple[float, Change]]) -> bool:
    return all(
        later - earlier >= T_DOWN_S - 1e-6
        for (earlier, _), (later, _) in zip(changes, changes[1:], strict=False)
    )


NAMES = ('a', 'b', 'c', 'd')
configs = st.tuples(
    *(
        st.builds(
            stream,
            st.just(name),
            priority=st.sampled_from(Priority),
            ladder=st.sampled_from([(), ('pause',), ('1hz',), ('2hz', 'pause'), LADDER]),
            weight=st.sampled_from([1.0, 2.0]),
            max_hz=st.sampled_from([0.0, 10.0]),
        )
        for name in NAMES
    )
)
figures = st.sampled_from([0.0, 1.0, 900.0, 1000.0, 1050.0, 1e4, 1e300, float('inf')])
link_loads = st.builds(
    link, st.none() | figures, limited=st.booleans(), connected=st.integers(0, 9).map(bool)
)
stream_loads = st.tuples(*(st.builds(load, st.just(name), figures) for name in NAMES))
intervals = st.sampled_from([0.0, 0.1, 1.0, 1.0, 1.0, 3.0, 20.0, HOUR, -0.5])


@settings(deadline=None, max_examples=60)
@given(
    configs,
    st.lists(st.tuples(link_loads, stream_loads, intervals, st.integers(1, 15)), max_size=30),
)
def test_no_load_makes_it_hasty_or_leave_its_bounds(
    streams: tuple[StreamConfig, ...],
    phases: list[tuple[LinkLoad, tuple[StreamLoad, ...], float, int]],
) -> None:
    ladder = Ladder(streams)
    now, passed, changes = 50.0, 0.0, []
    steps = dict.fromkeys(NAMES, 0)
    for state, loads, interval, times in phases:
        for _ in range(times):
            now += interval
            passed += max(0.0, interval)
            found = ladder.update(state, loads, now)
            changes += [(passed, change) for change in found]
            for change in found:
                assert state.connected
                assert change.step_from == steps[change.stream]
                assert abs(change.step_to - change.step_from) == 1
                steps[change.stream] = change.step_to
    assert spaced(changes)
    for one in streams:
        place = ladder.position(one.name)
        assert place.step == steps[one.name]
        assert 0 <= place.step <= place.steps == len(one.ladder)


@settings(deadline=None, max_examples=25)
@given(
    configs,
    st.tuples(*(st.tuples(st.sampled_from([0.2, 4.0, 20.0]), st.floats(1, 1e5)) for _ in NAMES)),
    st.floats(0, 2e6),
    st.sampled_from(list(ESTIMATES)),
    st.none() | st.integers(0, 1000),
)
def test_a_steady_load_on_a_steady_link_comes_to_rest(
    streams: tuple[StreamConfig, ...],
    wishes: tuple[tuple[float, float], ...],
    capacity: float,
    known: str,
    seed: int | None,
) -> None:
    sources = [Source(one, hz, size) for one, (hz, size) in zip(streams, wishes, strict=True)]
    world = World(sources, lambda now: capacity, ESTIMATES[known])
    random = None if seed is None else Random(seed)
    world.go(4000, random)
    settled = len(world.changes)
    for _ in range(100):
        world.go(15, random)
        steps = world.steps()
        degraded = [one for one in streams if steps[one.name]]
        for one in degraded:
            # Nobody gives anything up before the less important have given up what they may.
            assert all(
                steps[other.name] == len(other.ladder)
                for other in streams
                if other.priority > one.priority
            )
        down = all(steps[one.name] == len(one.ladder) for one in streams)
        fits = world.demand <= capacity * (1.0 if seed is None else 1.15 * 1.15)
        trial = len(world.recent(40)) > 0
        assert fits or down or trial
    assert spaced(world.changes)
    assert len(world.changes) - settled <= 2 * (1500 / T_UP_MOST_S + 1)
