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

"""Leases: who gets them, how several merge, and that none outlives its end."""

from dataclasses import dataclass
import math

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.demand import (
    Demand,
    MAX_CONSUMERS,
    MAX_LEASES,
    MAX_REFUSALS,
    NOT_ALLOWED,
    NOT_ON_DEMAND,
    REFUSAL_S,
    TOO_MANY_CONSUMERS,
    TOO_MANY_LEASES,
    UNKNOWN_STREAM,
)
from ros_cloud_bridge.values import DemandConfig, Lease, StreamConfig

MAX_LEASE_S = 300.0
CONFIG = DemandConfig(allow=('ops-*', 'desk'), max_lease_s=MAX_LEASE_S)


def stream(name: str, idle_hz: float = 0.0, on_demand: bool = True) -> StreamConfig:
    return StreamConfig(name=name, topics=(f'/{name}',), on_demand=on_demand, idle_hz=idle_hz)


STREAMS = (stream('camera'), stream('lidar', idle_hz=0.5), stream('pose', on_demand=False))


def lease(name: str = 'camera', hz: float = 0.0, seconds: float = 60.0) -> Lease:
    return Lease(stream=name, hz=hz, seconds=seconds)


@pytest.fixture
def demand() -> Demand:
    return Demand(STREAMS, CONFIG)


def test_without_a_lease_a_stream_idles(demand: Demand) -> None:
    assert demand.hz('camera', 0.0) == 0.0
    assert demand.hz('lidar', 0.0) == 0.5
    assert demand.hz('pose', 0.0) is None
    assert demand.hz('nothing', 0.0) is None
    assert demand.next_change(0.0) is None
    assert demand.leases(0.0) == []


def test_a_lease_lasts_until_its_end(demand: Demand) -> None:
    assert demand.lease('ops-1', lease(hz=4.0, seconds=10.0), 100.0) == ''
    assert demand.hz('camera', 100.0) == demand.hz('camera', 109.999) == 4.0
    assert demand.next_change(105.0) == 110.0
    assert demand.leases(104.0) == [
        {'stream': 'camera', 'consumer': 'ops-1', 'hz': 4.0, 'ends_in_s': 6.0}
    ]
    assert demand.hz('camera', 110.0) == 0.0
    assert demand.next_change(110.0) is None
    assert demand.leases(110.0) == []


def test_a_lease_without_a_rate_is_for_all_there_is(demand: Demand) -> None:
    assert demand.lease('ops-1', lease(hz=0.0), 0.0) == ''
    assert demand.lease('desk', lease(hz=7.0), 0.0) == ''
    assert demand.hz('camera', 1.0) == math.inf
    assert [entry['hz'] for entry in demand.leases(1.0)] == [0.0, 7.0]


def test_a_lease_never_slows_a_stream_below_its_idle_rate(demand: Demand) -> None:
    demand.lease('ops-1', lease('lidar', hz=0.1), 0.0)
    assert demand.hz('lidar', 0.0) == 0.5
    demand.lease('desk', lease('lidar', hz=0.7), 0.0)
    assert demand.hz('lidar', 0.0) == 0.7


def test_a_renewal_replaces_the_consumers_own_lease_alone(demand: Demand) -> None:
    demand.lease('ops-1', lease(hz=9.0, seconds=50.0), 0.0)
    demand.lease('ops-2', lease(hz=2.0, seconds=50.0), 0.0)
    assert demand.lease('ops-1', lease(hz=1.0, seconds=20.0), 10.0) == ''
    assert demand.hz('camera', 10.0) == 2.0
    assert demand.next_change(10.0) == 30.0
    assert len(demand.leases(10.0)) == 2


def test_a_lease_can_be_given_back(demand: Demand) -> None:
    demand.lease('ops-1', lease(hz=9.0), 0.0)
    demand.lease('ops-2', lease(hz=2.0), 0.0)
    assert demand.lease('ops-1', lease(seconds=0.0), 1.0) == ''
    assert demand.hz('camera', 1.0) == 2.0
    assert demand.lease('ops-2', lease(seconds=0.0), 1.0) == ''
    assert demand.lease('ops-2', lease(seconds=0.0), 1.0) == ''
    assert demand.hz('camera', 1.0) == 0.0


@pytest.mark.parametrize('seconds', [MAX_LEASE_S + 1, 1e308])
def test_a_lease_that_is_too_long_is_shortened(demand: Demand, seconds: float) -> None:
    assert demand.lease('ops-1', lease(seconds=seconds), 5.0) == ''
    assert demand.next_change(5.0) == 5.0 + MAX_LEASE_S


@pytest.mark.parametrize(
    ('wanted', 'granted'),
    [(5e-324, 0.0001), (0.0001, 0.0001), (1e5, 1e5), (1e5 + 1, math.inf), (1e308, math.inf)],
)
def test_rates_are_those_that_a_configuration_could_have(
    demand: Demand, wanted: float, granted: float
) -> None:
    demand.lease('ops-1', lease(hz=wanted), 0.0)
    assert demand.hz('camera', 0.0) == granted


@pytest.mark.parametrize(
    ('consumer', 'name', 'reason'),
    [
        ('stranger', 'camera', NOT_ALLOWED),
        ('Ops-1', 'camera', NOT_ALLOWED),
        ('my-ops-1', 'camera', NOT_ALLOWED),
        ('ops-\n', 'camera', NOT_ALLOWED),
        ('ops-' + 'x' * 61, 'camera', NOT_ALLOWED),
        ('', 'camera', NOT_ALLOWED),
        ('stranger', 'no such', NOT_ALLOWED),
        ('desk', 'no such', UNKNOWN_STREAM),
        ('desk', 'pose', NOT_ON_DEMAND),
    ],
)
def test_refusals_have_their_reason(demand: Demand, consumer: str, name: str, reason: str) -> None:
    assert demand.lease(consumer, lease(name), 10.0) == reason
    assert demand.refused == {reason: 1}
    assert demand.refusals(10.0) == {f'{consumer[:64]}/{name}': reason}
    assert demand.refusals(10.0 + REFUSAL_S) == {}
    assert demand.leases(10.0) == []
    assert demand.hz('camera', 10.0) == 0.0


def test_nobody_may_when_nobody_is_allowed() -> None:
    nobody = Demand(STREAMS, DemandConfig())
    assert nobody.lease('ops-1', lease(), 0.0) == NOT_ALLOWED
    everybody = Demand(STREAMS, DemandConfig(allow=('*',)))
    assert everybody.lease('anyone', lease(), 0.0) == ''


def test_a_granted_lease_ends_the_word_of_its_refusal() -> None:
    demand = Demand(STREAMS, DemandConfig(allow=('ops-*',)))
    for number in range(MAX_CONSUMERS):
        assert demand.lease(f'ops-{number}', lease(seconds=5.0), 0.0) == ''
    assert demand.lease('ops-x', lease(), 1.0) == TOO_MANY_CONSUMERS
    assert demand.refusals(1.0) == {'ops-x/camera': TOO_MANY_CONSUMERS}
    # Those who hold one may renew it, and take others.
    assert demand.lease('ops-0', lease(), 1.0) == ''
    assert demand.lease('ops-0', lease('lidar'), 1.0) == ''
    # What has ended makes room.
    assert demand.lease('ops-x', lease(), 5.0) == ''
    assert demand.refusals(5.0) == {}
    assert demand.refused == {TOO_MANY_CONSUMERS: 1}


def test_leases_are_bounded_in_all() -> None:
    names = [f's{number}' for number in range(MAX_LEASES)]
    demand = Demand([stream(name) for name in names], DemandConfig(allow=('*',)))
    for consumer in ('a', 'b'):
        for name in names:
            demand.lease(consumer, lease(name), 0.0)
    assert len(demand.leases(0.0)) == MAX_LEASES
    assert demand.refused == {TOO_MANY_LEASES: MAX_LEASES}
    assert len(demand.refusals(0.0)) == MAX_REFUSALS


def test_another_configuration_keeps_the_leases_that_it_permits(demand: Demand) -> None:
    for consumer in ('ops-1', 'desk'):
        for name in ('camera', 'lidar'):
            assert demand.lease(consumer, lease(name, hz=3.0), 0.0) == ''
    demand.configure(
        [stream('camera', idle_hz=0.1), stream('lidar', on_demand=False)],
        DemandConfig(allow=('desk',)),
    )
    assert [(entry['stream'], entry['consumer']) for entry in demand.leases(1.0)] == [
        ('camera', 'desk')
    ]
    assert demand.hz('camera', 1.0) == 3.0
    assert demand.hz('lidar', 1.0) is None
    assert demand.hz('camera', 60.0) == 0.1


@dataclass
class Granted:
    hz: float
    ends_at: float


names = st.sampled_from(['camera', 'lidar', 'pose', 'other'])
consumers = st.one_of(
    st.sampled_from(['ops-1', 'ops-2', 'desk', 'stranger']), st.text(max_size=70)
)
rates = st.one_of(st.just(0.0), st.floats(0.001, 1000.0))
lengths = st.one_of(st.just(0.0), st.floats(0.001, 2 * MAX_LEASE_S))
steps = st.tuples(st.floats(0.0, 100.0), consumers, names, rates, lengths)


@given(st.lists(steps, max_size=40))
def test_the_rate_is_the_highest_of_all_that_live(
    taken: list[tuple[float, str, str, float, float]],
) -> None:
    demand = Demand(STREAMS, CONFIG)
    model: dict[tuple[str, str], Granted] = {}
    now = 1000.0
    for pause_s, consumer, name, hz, seconds in taken:
        now += pause_s
        if demand.lease(consumer, lease(name, hz, seconds), now) == '':
            ends_at = now + min(seconds, MAX_LEASE_S)
            model[(name, consumer)] = Granted(hz or math.inf, ends_at)
        ends = [granted.ends_at for granted in model.values() if granted.ends_at > now]
        assert demand.next_change(now) == (min(ends) if ends else None)
        for later in (now, *ends):
            for config in STREAMS[:2]:
                live = [
                    granted.hz
                    for (held, _), granted in model.items()
                    if held == config.name and granted.ends_at > later
                ]
                assert demand.hz(config.name, later) == max([config.idle_hz, *live])
    assert demand.hz('camera', now + MAX_LEASE_S) == 0.0
    assert demand.hz('lidar', now + MAX_LEASE_S) == 0.5
    assert demand.leases(now + MAX_LEASE_S) == []


@given(st.lists(st.tuples(st.text(max_size=200), st.text(max_size=64)), max_size=300))
def test_hostile_consumers_fill_nothing(asks: list[tuple[str, str]]) -> None:
    demand = Demand(STREAMS, DemandConfig(allow=('*',)))
    for number, (consumer, name) in enumerate(asks):
        demand.lease(consumer, lease(name), float(number))
        demand.lease(f'{number}', lease(), float(number))
    now = float(len(asks))
    assert len(demand.leases(now)) <= MAX_CONSUMERS * 2
    assert len(demand.refusals(now)) <= MAX_REFUSALS
    assert all(len(key) <= 129 for key in demand.refusals(now))
    assert set(demand.refused) <= {NOT_ALLOWED, UNKNOWN_STREAM, TOO_MANY_CONSUMERS}
