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

"""A consumer keeps its leases alive, hears what robots make of them, and gives them back."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.cloud.consumer import Consumer
from ros_cloud_bridge.cloud.leasing import Leases
from ros_cloud_bridge.core.demand import Demand, NOT_ALLOWED
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.values import DemandConfig, Lease, MqttConfig, StreamConfig
from ros_cloud_bridge.wire.announce import Ask, encode_json
from support.broker import Broker
from support.waiting import wait_until

ROBOT = 'rover'
CAMERA = Lease(stream='camera', hz=2.0, seconds=60.0)


def nobody_gone(robot_id: str) -> bool:
    return False


def health(
    *held: tuple[str, str, float], refused: dict[str, str] | None = None
) -> dict[str, object]:
    leases = [
        {'stream': stream, 'consumer': consumer, 'hz': 2.0, 'ends_in_s': ends_in_s}
        for stream, consumer, ends_in_s in held
    ]
    return {'boot_id': '0' * 16, 'demand': {'leases': leases, 'refused': refused or {}}}


@pytest.fixture
def leases() -> Leases:
    kept = Leases('desk')
    kept.keep(ROBOT, CAMERA)
    return kept


def test_a_lease_is_renewed_at_a_third_of_its_time(leases: Leases) -> None:
    assert leases.due(nobody_gone, 100.0) == {ROBOT: (CAMERA,)}
    assert leases.due(nobody_gone, 119.9) == {}
    assert leases.due(nobody_gone, 120.0) == {ROBOT: (CAMERA,)}
    assert leases.due(nobody_gone, 140.0) == {ROBOT: (CAMERA,)}


def test_a_robot_that_grants_less_is_asked_more_often(leases: Leases) -> None:
    leases.due(nobody_gone, 0.0)
    leases.heard(ROBOT, health(('camera', 'desk', 8.0)), 1.0)
    assert leases.states[0].granted is True
    assert leases.due(nobody_gone, 2.9) == {}
    assert leases.due(nobody_gone, 3.0) == {ROBOT: (CAMERA,)}


def test_other_consumers_leases_are_not_ours(leases: Leases) -> None:
    leases.due(nobody_gone, 0.0)
    leases.heard(ROBOT, health(('camera', 'other', 8.0), ('lidar', 'desk', 8.0)), 1.0)
    assert leases.states[0].granted is None


def test_a_refusal_has_its_reason_and_is_asked_again_seldom(leases: Leases) -> None:
    leases.keep(ROBOT, Lease(stream='camera', hz=2.0, seconds=300.0))
    leases.due(nobody_gone, 0.0)
    leases.heard(ROBOT, health(refused={'desk/camera': NOT_ALLOWED}), 1.0)
    (state,) = leases.states
    assert (state.granted, state.reason) == (False, NOT_ALLOWED)
    # It stays said while the robot no longer repeats it.
    leases.heard(ROBOT, health(), 70.0)
    assert leases.states[0].granted is False
    assert leases.due(nobody_gone, 100.0)
    assert leases.due(nobody_gone, 119.9) == {}
    assert leases.due(nobody_gone, 120.0)
    leases.heard(ROBOT, health(('camera', 'desk', 300.0)), 120.0)
    assert (leases.states[0].granted, leases.states[0].reason) == (True, '')


def test_a_bridge_that_knows_no_leases_refuses_them(leases: Leases) -> None:
    leases.due(nobody_gone, 0.0)
    leases.heard(ROBOT, {'boot_id': '0' * 16}, 1.0)
    assert leases.states[0].granted is False
    assert leases.states[0].reason


def test_what_the_robot_does_not_list_is_asked_for_again_with_patience(leases: Leases) -> None:
    asked = []
    for tick in range(200):
        now = tick / 10
        asked += [now] if leases.due(nobody_gone, now) else []
        leases.heard(ROBOT, health(), now)
    assert asked[0] == 0.0
    gaps = [after - before for before, after in zip(asked, asked[1:], strict=False)]
    assert all(gap >= 1.0 for gap in gaps)
    assert len(asked) <= 10
    assert leases.states[0].granted is None


def test_a_lease_that_the_robot_forgot_is_asked_for_again(leases: Leases) -> None:
    leases.due(nobody_gone, 0.0)
    leases.heard(ROBOT, health(('camera', 'desk', 59.0)), 1.0)
    leases.heard(ROBOT, health(), 11.0)
    assert leases.due(nobody_gone, 11.0) == {ROBOT: (CAMERA,)}


def test_another_start_of_the_robot_is_asked_at_once(leases: Leases) -> None:
    leases.due(nobody_gone, 0.0)
    leases.again(ROBOT)
    assert leases.due(nobody_gone, 0.5) == {}
    assert leases.due(nobody_gone, 1.0) == {ROBOT: (CAMERA,)}
    leases.again('other')
    assert leases.due(nobody_gone, 3.0) == {}


def test_a_robot_that_is_away_is_not_asked(leases: Leases) -> None:
    assert leases.due(lambda robot: True, 0.0) == {}
    assert leases.due(nobody_gone, 0.1) == {ROBOT: (CAMERA,)}


def test_a_release_gives_the_lease_back_once(leases: Leases) -> None:
    leases.due(nobody_gone, 0.0)
    leases.release(ROBOT, 'camera')
    leases.release(ROBOT, 'never leased')
    assert leases.states == ()
    assert leases.due(nobody_gone, 1.0) == {ROBOT: (Lease(stream='camera', hz=2.0),)}
    assert leases.due(nobody_gone, 100.0) == {}


def test_a_release_before_anything_was_asked_says_nothing(leases: Leases) -> None:
    leases.release(ROBOT, 'camera')
    assert leases.due(nobody_gone, 0.0) == {}
    assert leases.give_back() == {}


def test_at_the_end_what_may_be_held_is_given_back(leases: Leases) -> None:
    leases.keep(ROBOT, Lease(stream='lidar', seconds=60.0))
    leases.due(nobody_gone, 0.0)
    leases.keep(ROBOT, Lease(stream='late', seconds=60.0))
    # A change of the rate that was not sent yet: the earlier lease stands.
    leases.keep(ROBOT, Lease(stream='camera', hz=5.0, seconds=60.0))
    leases.heard(ROBOT, health(refused={'desk/lidar': NOT_ALLOWED}), 0.5)
    assert leases.give_back() == {ROBOT: (Lease(stream='camera'),)}
    assert leases.due(nobody_gone, 100.0) == {}


def test_many_leases_take_several_requests(leases: Leases) -> None:
    for number in range(100):
        leases.keep(ROBOT, Lease(stream=f's{number}', seconds=60.0))
    first = leases.due(nobody_gone, 0.0)[ROBOT]
    second = leases.due(nobody_gone, 1.0)[ROBOT]
    assert (len(first), len(second)) == (64, 37)
    assert not {lease.stream for lease in first} & {lease.stream for lease in second}


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(['leases', 'refused', 'stream', 'consumer', 'hz', 'ends_in_s']),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=20,
)


@given(json_values)
def test_whatever_a_robot_says_of_leases_is_survived(said: object) -> None:
    leases = Leases('desk')
    leases.keep(ROBOT, CAMERA)
    leases.due(nobody_gone, 0.0)
    leases.heard(ROBOT, {'boot_id': '0' * 16, 'demand': said}, 1.0)
    leases.heard(
        ROBOT, {'demand': {'leases': [{'stream': 'camera', 'consumer': 'desk', 'x': said}]}}, 1.0
    )
    assert leases.due(nobody_gone, 2000.0) == {ROBOT: (CAMERA,)}


@given(
    st.floats(1.0, 400.0),
    st.floats(3.0, 1000.0),
    st.floats(0.1, 30.0),
    st.floats(0.0, 0.2),
)
def test_a_lease_that_was_once_confirmed_never_lapses(
    max_lease_s: float, seconds: float, health_s: float, latency_s: float
) -> None:
    """Ask a real table of leases for minutes; every request takes a while to arrive."""
    streams = [StreamConfig(name='camera', topics=('/c',), on_demand=True)]
    demand = Demand(streams, DemandConfig(allow=('desk',), max_lease_s=max(6.0, max_lease_s)))
    leases = Leases('desk')
    leases.keep(ROBOT, Lease(stream='camera', hz=2.0, seconds=seconds))
    arriving: list[tuple[float, Lease]] = []
    next_health, confirmed = health_s, False
    for tick in range(1200):
        now = tick / 4
        while arriving and arriving[0][0] <= now:
            at, lease = arriving.pop(0)
            assert demand.lease('desk', lease, at) == ''
        if confirmed:
            assert demand.hz('camera', now) == 2.0
        if now >= next_health:
            next_health += health_s
            document = {'demand': {'leases': demand.leases(now), 'refused': {}}}
            leases.heard(ROBOT, document, now)
            confirmed = confirmed or leases.states[0].granted is True
        for lease in leases.due(nobody_gone, now).get(ROBOT, ()):
            arriving.append((now + latency_s, lease))


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


def consumer(broker: Broker, **named: Any) -> Consumer:
    config = MqttConfig(host=broker.host, port=broker.port)
    return Consumer(config, lambda sample: None, **named)


def test_leases_travel_in_the_consumers_own_name(broker: Broker) -> None:
    wire_robot = pytest.importorskip('support.wire_robot', reason='rosbags is missing')
    with wire_robot.WireRobot(broker, ROBOT) as robot:
        robot.announce()
        with consumer(broker, robots=ROBOT, name='ops-desk') as asking:
            asking.lease(ROBOT, 'camera', hz=2.0)
            wait_until(lambda: leases_of(robot.asks), what='a lease')
            assert leases_of(robot.asks) == [CAMERA]
            wait_until(lambda: f'{robot.topics.ask("ops-desk")}' in broker.log())
            refused = {'ops-desk/camera': NOT_ALLOWED}
            document = {**health(refused=refused), 'boot_id': robot.boot.hex()}
            robot.publish(robot.topics.health, encode_json(document))
            wait_until(lambda: asking.leases[0].granted is False, what='the refusal')
            assert asking.leases[0].reason == NOT_ALLOWED
            document = {**health(('camera', 'ops-desk', 59.0)), 'boot_id': robot.boot.hex()}
            robot.publish(robot.topics.health, encode_json(document))
            wait_until(lambda: asking.leases[0].granted, what='the grant')
        wait_until(lambda: len(leases_of(robot.asks)) == 2, what='the lease given back')
        assert leases_of(robot.asks)[1] == Lease(stream='camera')


def leases_of(asks: list[Ask]) -> list[Lease]:
    return [lease for ask in asks for lease in ask.leases]


@pytest.mark.parametrize(
    ('named', 'key'),
    [
        ({'robot_id': '*'}, 'robot'),
        ({'robot_id': 'other'}, 'robot'),
        ({'robot_id': ''}, 'robot'),
        ({'stream': ''}, 'stream'),
        ({'stream': 'c' * 65}, 'stream'),
        ({'hz': -1.0}, 'hz'),
        ({'hz': float('nan')}, 'hz'),
        ({'hz': float('inf')}, 'hz'),
        ({'seconds': 2.9}, 'seconds'),
        ({'seconds': float('inf')}, 'seconds'),
    ],
)
def test_impossible_leases_are_refused(named: dict[str, Any], key: str) -> None:
    waiting = Consumer(MqttConfig(), lambda sample: None, robots=ROBOT)
    with pytest.raises(ConfigError) as caught:
        waiting.lease(**{'robot_id': ROBOT, 'stream': 'camera', **named})
    assert caught.value.key == key


@pytest.mark.parametrize('name', ['a/b', '+', 'ops 1', 'x' * 65])
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match='name: '):
        Consumer(MqttConfig(), lambda sample: None, name=name)
