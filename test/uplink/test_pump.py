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

import json

import pytest

from ros_cloud_bridge.core.admission import Limit
from ros_cloud_bridge.core.latched import LatchedValues
from ros_cloud_bridge.core.pacing.pacer import FRAGMENT_FLOOR, link_cost
from ros_cloud_bridge.uplink.batching import Encoding
from ros_cloud_bridge.uplink.outstanding import Shipment
from ros_cloud_bridge.values import DemandConfig, Drop, Keep, Lease, LinkConfig, Priority
from support.pumps import PumpRig, stream, topics

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW


def test_presence_comes_first_then_what_is_known_and_what_waits() -> None:
    rig = PumpRig(stream('pose', HIGH))
    rig.offer(rig.routes[0])
    rig.connect()
    sent = topics(rig.go(2.0))
    assert sent[0] == 'state'
    assert set(sent[1:]) == {'info', f'schema/{rig.routes[0].schema_id}', 'b/high'}
    assert rig.routes[0].delivered == 1
    assert rig.pump.empty


def test_presence_waits_for_a_look_where_another_may_stand() -> None:
    rig = PumpRig(stream('pose', HIGH))
    rig.connect(look_first=True)
    assert 'state' not in topics(rig.go(0.4))
    assert 'state' in topics(rig.go(0.4))


def test_nothing_goes_without_a_connection() -> None:
    rig = PumpRig(stream('pose', HIGH))
    rig.offer(rig.routes[0])
    assert rig.go(30.0) == []
    assert rig.pump.admission.limit is Limit.DISCONNECTED
    rig.connect()
    rig.go(1.0)
    rig.disconnect()
    rig.offer(rig.routes[0])
    assert rig.go(30.0) == []
    assert len(rig.routes[0]) == 1


def test_a_paused_pump_says_how_it_is_but_sends_no_sample() -> None:
    rig = PumpRig(stream('pose', HIGH))
    rig.pump.flowing = False
    rig.connect()
    rig.offer(rig.routes[0])
    sent = topics(rig.go(15.0))
    assert 'b/high' not in sent
    assert {'state', 'info', 'health'} <= set(sent)
    rig.pump.flowing = True
    assert 'b/high' in topics(rig.go(1.0))


def test_an_urgent_sample_goes_between_the_fragments_of_a_large_one() -> None:
    rig = PumpRig(stream('camera', LOW, max_delay_s=0.0), stream('pose', HIGH, max_delay_s=0.0))
    camera, pose = rig.routes
    rig.connect()
    rig.go(3.0, 32_000.0)
    rig.offer(camera, 100_000)
    rig.go(1.0, 32_000.0)
    rig.offer(pose, 50)
    before = topics(rig.go(0.25, 32_000.0))
    assert 'b/high' in before
    assert before.index('b/high') <= 2
    assert 'b/low' in topics(rig.go(0.25, 32_000.0))


def test_fragments_shrink_in_mid_batch_when_the_link_slows_down() -> None:
    rig = PumpRig(stream('map', max_delay_s=0.0))
    rig.connect()
    for _ in range(20):
        rig.offer(rig.routes[0], 50_000)
        rig.go(0.2, 1_250_000.0)
    rig.offer(rig.routes[0], 2_000_000)
    fast = [len(one.payload) for one in rig.go(0.4, 1_250_000.0) if '/b/' in one.topic]
    rig.go(20.0, 20_000.0)
    slow = [len(one.payload) for one in rig.go(5.0, 20_000.0) if '/b/' in one.topic]
    assert len({parcel.number for parcel in rig.parcels if not parcel.done}) == 1
    assert max(slow) <= max(FRAGMENT_FLOOR, 20_000.0 * 0.05) < max(fast) / 4


def test_every_payload_keeps_to_the_brokers_limit() -> None:
    rig = PumpRig(stream('map', max_delay_s=0.0))
    rig.connect(max_payload_bytes=4096)
    for _ in range(20):
        rig.offer(rig.routes[0], 200_000)
        for message in rig.go(0.5, 1e7):
            assert len(message.payload) <= 4096
    assert rig.routes[0].delivered > 10


def test_a_new_connection_sends_again_and_tells_all() -> None:
    rig = PumpRig(stream('pose', HIGH, max_delay_s=0.0))
    rig.connect()
    rig.go(2.0)
    rig.offer(rig.routes[0], 1000)
    while not isinstance(rig.step(), Shipment):
        pass
    assert len(rig.flying) == 1
    rig.disconnect()
    rig.go(5.0)
    rig.connect()
    state = rig.pump.admission.pacer.state(rig.now)
    assert state.in_flight_bytes == link_cost(rig.flying[0].size)
    rig.check()
    assert topics(rig.go(2.0))[0] == 'state'
    assert rig.routes[0].delivered == 1
    assert rig.pump.empty


def test_an_old_batch_is_given_up_half_way_and_consumers_are_told() -> None:
    rig = PumpRig(stream('camera', LOW, max_delay_s=0.0, max_age_s=2.0))
    rig.connect()
    rig.go(3.0, 8_000.0)
    rig.offer(rig.routes[0], 200_000)
    sent = rig.go(4.0, 8_000.0)
    assert rig.routes[0].drops[Drop.EXPIRED] == 1
    assert rig.pump.empty
    batches = [one for one in sent if one.topic.endswith('/b/low')]
    # The last is the notice.
    assert len(batches[-1].payload) < 50 < len(batches[-2].payload)


@pytest.mark.parametrize('drop', [Drop.REFUSED, Drop.ABANDONED])
def test_a_lost_message_is_counted_and_routes_are_described_again(drop: Drop) -> None:
    rig = PumpRig(stream('pose', HIGH, max_delay_s=0.0))
    rig.connect()
    rig.offer(rig.routes[0])
    rig.go(2.0)
    sizes = []
    for turn in range(3):
        rig.offer(rig.routes[0])
        while not isinstance(step := rig.step(), Shipment):
            rig.now += 0.01
        assert step.parcel is not None
        sizes.append(len(step.message.payload))
        rig.now += 0.05
        rig.answer(drop=drop if turn == 1 else None, answered=drop is Drop.REFUSED)
    # The descriptor is in the one behind the lost one.
    assert sizes[2] > sizes[1] + 20
    assert rig.routes[0].drops == {drop: 1}
    assert rig.routes[0].delivered == 3


def test_a_batch_that_cannot_be_encoded_is_counted_and_the_next_one_goes() -> None:
    rig = PumpRig(stream('pose', HIGH, max_delay_s=0.0))
    rig.connect()
    rig.failing = True
    rig.offer(rig.routes[0], count=3)
    rig.go(1.0)
    assert rig.routes[0].drops == {Drop.ABANDONED: 3}
    rig.check()
    rig.failing = False
    rig.offer(rig.routes[0])
    rig.go(1.0)
    assert rig.routes[0].delivered == 1


def test_latched_values_stand_retained_and_are_settled_once() -> None:
    rig = PumpRig(stream('map', keep=Keep.LATEST), stream('pose', HIGH))
    rig.routes[0].latched = LatchedValues(merge_frames=False)
    rig.connect()
    rig.offer(rig.routes[0], 300)
    sent = rig.go(3.0)
    latched = [one for one in sent if '/latched/' in one.topic]
    assert len(latched) == 1
    assert latched[0].retain
    assert rig.routes[0].delivered == 1
    # Whoever asks gets it again, and nothing is counted twice.
    rig.pump.batches.latched.again(rig.pump.outbox.routes)
    sent = rig.go(3.0, each=rig.check)
    assert len([one for one in sent if '/latched/' in one.topic]) == 1
    assert rig.routes[0].delivered == rig.routes[0].accepted == 1


def test_large_latched_values_come_in_parts_and_smaller_ones_clear_the_rest() -> None:
    rig = PumpRig(stream('map', keep=Keep.LATEST))
    rig.routes[0].latched = LatchedValues(merge_frames=False)
    rig.connect()
    rig.offer(rig.routes[0], 60_000)
    parts = [one for one in rig.go(5.0, 64_000.0) if '/latched/' in one.topic]
    assert 1 < len(parts) <= 80
    assert len({one.topic for one in parts}) == len(parts)
    rig.offer(rig.routes[0], 100)
    after = [one for one in rig.go(5.0, 64_000.0) if '/latched/' in one.topic]
    assert {one.topic for one in after} == {one.topic for one in parts}
    assert [bool(one.payload) for one in after] == [True] + [False] * (len(parts) - 1)
    assert all(one.retain for one in after)


def leased() -> PumpRig:
    return PumpRig(
        stream('pose', HIGH),
        stream('lidar', max_delay_s=0.0, on_demand=True),
        demand=DemandConfig(allow=('op-*',), max_lease_s=60.0),
    )


def test_a_lease_lets_a_stream_flow_until_it_ends() -> None:
    rig = leased()
    lidar = rig.routes[1]
    rig.connect()
    rig.go(1.0)
    rig.offer(lidar)
    assert (lidar.paused, lidar.accepted, lidar.drops[Drop.NOT_DEMANDED]) == (True, 0, 1)
    rig.pump.rates_changed = False
    rig.pump.lease('op-1', [Lease(stream='lidar', seconds=10.0)], rig.now)
    assert rig.pump.rates_changed
    rig.offer(lidar)
    rig.go(9.9)
    assert (lidar.paused, lidar.delivered) == (False, 1)
    rig.pump.rates_changed = False
    rig.go(0.2)
    assert rig.pump.rates_changed
    assert lidar.paused


def test_a_lease_ends_without_a_connection_too() -> None:
    rig = leased()
    rig.connect()
    rig.pump.lease('op-1', [Lease(stream='lidar', seconds=10.0)], rig.now)
    rig.disconnect()
    rig.go(11.0)
    assert rig.routes[1].paused


def test_health_tells_at_once_what_became_of_a_lease() -> None:
    rig = leased()
    rig.connect()
    rig.go(2.0)
    for consumer, granted in (('op-1', True), ('stranger', False)):
        rig.pump.lease(consumer, [Lease(stream='lidar', hz=2.0, seconds=60.0)], rig.now)
        (health,) = [one for one in rig.go(0.5) if one.topic.endswith('/health')]
        demand = json.loads(health.payload)['demand']
        assert any(one['consumer'] == consumer for one in demand['leases']) is granted
        assert (f'{consumer}/lidar' in demand['refused']) is not granted


def test_a_step_of_the_ladder_is_told_and_cuts_the_rate() -> None:
    rig = PumpRig(
        stream('pose', HIGH, max_hz=50.0),
        stream(
            'camera', LOW, max_hz=10.0, ladder=('5hz', 'pause'), max_delay_s=0.0, max_age_s=2.0
        ),
    )
    pose, camera = rig.routes
    rig.connect()
    rig.pump.rates_changed = False
    for _ in range(300):
        rig.offer(camera, 3000)
        rig.offer(pose, 50)
        rig.go(0.1, 8_000.0)
    assert rig.pump.rates_changed
    assert {change.stream for change in rig.pump.changes} == {'camera'}
    assert camera.paused or camera.effective_hz == 5.0
    assert camera.drops[Drop.DEGRADED] > 0
    assert pose.drops[Drop.DEGRADED] == 0
    rig.check()


def test_the_users_rate_holds_and_is_named() -> None:
    rig = PumpRig(
        stream('map', max_delay_s=0.0),
        link=LinkConfig(max_bytes_per_s=5000.0),
        health_period_s=1e9,
    )
    rig.connect()
    for _ in range(50):
        rig.offer(rig.routes[0], 2000)
    rig.go(5.0)
    before = rig.pump.outstanding.sent_bytes
    rig.go(10.0)
    assert (rig.pump.outstanding.sent_bytes - before) / 10.0 == pytest.approx(5000.0, rel=0.1)
    assert rig.pump.admission.limit is Limit.RATE


def test_a_configuration_changes_while_running() -> None:
    rig = PumpRig(stream('map', max_delay_s=0.0), link=LinkConfig(max_bytes_per_s=1000.0))
    rig.connect()
    rig.offer(rig.routes[0], 100_000)
    rig.go(2.0)
    assert not rig.pump.empty
    changed = PumpRig(stream('map', max_delay_s=0.0, max_hz=3.0)).config
    rig.pump.configure(changed, rig.now)
    assert rig.routes[0].effective_hz == 3.0
    assert 'info' in topics(rig.go(3.0))
    assert rig.pump.empty


def test_flushing_sends_what_waits_however_long_it_might() -> None:
    rig = PumpRig(stream('slow', max_delay_s=1000.0), stream('low', LOW, max_delay_s=1000.0))
    rig.connect()
    for route in rig.routes:
        rig.offer(route, count=10)
    rig.go(1.0)
    assert [len(route) for route in rig.routes] == [10, 10]
    rig.pump.batches.flushing = True
    rig.go(1.0)
    assert rig.pump.empty
    assert [route.delivered for route in rig.routes] == [10, 10]


def test_giving_up_leaves_nothing_behind() -> None:
    rig = PumpRig(stream('map', max_delay_s=0.0), stream('low', LOW, max_delay_s=1000.0))
    rig.connect()
    rig.go(1.0, 8_000.0)
    rig.offer(rig.routes[0], 100_000)
    rig.offer(rig.routes[1], count=4)
    rig.go(1.0, 8_000.0)
    assert rig.pump.give_up(Drop.SHUTDOWN) == 5
    assert [route.drops[Drop.SHUTDOWN] for route in rig.routes] == [1, 4]
    assert rig.pump.empty
    rig.check()


def test_an_answer_that_comes_twice_counts_once() -> None:
    rig = PumpRig(stream('pose', HIGH, max_delay_s=0.0))
    rig.connect()
    rig.go(1.0)
    rig.offer(rig.routes[0])
    while not isinstance(shipment := rig.step(), Shipment):
        assert isinstance(shipment, Encoding)
    rig.answer()
    rig.pump.answered(shipment, Drop.REFUSED, rig.now)
    rig.check()
    assert rig.routes[0].delivered == 1


def test_a_topic_that_comes_back_gets_its_route_again() -> None:
    rig = PumpRig(stream('pose', HIGH))
    assert rig.open(rig.config.streams[0]) is rig.routes[0]
    assert rig.open(rig.config.streams[0], '/other').number == 2


def wake_ups(rig: PumpRig, seconds: float) -> int:
    """Count how often the pump wants to be asked."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    rig.go(seconds, each=count)
    return steps


def test_an_idle_pump_is_seldom_asked() -> None:
    rig = PumpRig(stream('pose', HIGH), stream('low', LOW, max_hz=1.0))
    rig.connect()
    assert wake_ups(rig, 20.0) < 200


@pytest.mark.parametrize('flowing', [True, False])
def test_an_idle_pump_is_seldom_asked_while_repetitions_wait(flowing: bool) -> None:
    rig = PumpRig(stream('pose', HIGH))
    rig.pump.flowing = flowing
    rig.connect()
    rig.go(200.0)
    assert wake_ups(rig, 20.0) < 200
