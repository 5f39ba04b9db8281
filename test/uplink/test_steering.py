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

from dataclasses import replace
import math
from typing import Any

import pytest

from ros_cloud_bridge.core.ladder import Change, LinkLoad
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.steering import PERIOD_S, Steering
from ros_cloud_bridge.values import (
    BridgeConfig,
    DemandConfig,
    Drop,
    Keep,
    Lease,
    Priority,
    Received,
    StreamConfig,
)
from ros_cloud_bridge.wire.announce import decode_json, encode_json

FULL = LinkLoad(rate_bytes_per_s=1000.0, limited=True, connected=True)
WIDE = LinkLoad(rate_bytes_per_s=1e9, limited=False, connected=True)
DOWN = LinkLoad(rate_bytes_per_s=None, limited=False, connected=False)


def stream(name: str, **policy: Any) -> StreamConfig:
    return StreamConfig(name=name, topics=(f'/{name}',), keep=Keep.FIFO, **policy)


POSE = stream('pose', priority=Priority.HIGH)
CAMERA = stream('camera', priority=Priority.LOW, ladder=('5hz', '1hz', 'pause'), max_hz=10.0)
LIDAR = stream('lidar', on_demand=True, idle_hz=0.5)


def config(*streams: StreamConfig) -> BridgeConfig:
    return BridgeConfig(
        robot_id='r', streams=streams, demand=DemandConfig(allow=('op-*',), max_lease_s=60.0)
    )


class World:
    """Steering and the routes of three streams, with a second of samples at a time."""

    def __init__(self) -> None:
        self.steering = Steering(config(POSE, CAMERA, LIDAR), 0.0)
        self.routes = [
            Route(number, policy, f'/{policy.name}', 'a/msg/A')
            for number, policy in enumerate((POSE, CAMERA, LIDAR), 1)
        ]
        self.now = 0.0
        self.changes: list[Change] = []
        self.steering.limit(self.routes, 0.0)

    def go(self, seconds: int, link: LinkLoad, *, served: bool = False) -> 'World':
        """Offer 10 samples of 200 bytes a second to each; all leave if they are served."""
        for _ in range(seconds):
            for route in self.routes:
                for tick in range(10):
                    at = round((self.now + tick / 10) * 1e9)
                    route.offer([Received(bytes(200), at, at)], self.now)
                if served:
                    route.settle(len(route.take(1 << 30, 1 << 30)))
            self.now += PERIOD_S
            self.changes += self.steering.look(self.routes, link, self.now)
            self.steering.limit(self.routes, self.now)
        return self


def test_a_full_link_cuts_the_least_important_down_and_a_wide_one_gives_it_back() -> None:
    world = World().go(60, FULL)
    pose, camera, _ = world.routes
    assert camera.paused
    assert camera.drops[Drop.DEGRADED] > 0
    assert (pose.effective_hz, pose.paused, pose.drops[Drop.DEGRADED]) == (0.0, False, 0)
    assert {change.stream for change in world.changes} == {'camera'}
    for route in world.routes:
        route.drop_all(Drop.EXPIRED)
    world.go(600, WIDE, served=True)
    assert (camera.effective_hz, camera.paused) == (10.0, False)


def test_a_link_that_serves_all_changes_nothing() -> None:
    world = World().go(100, WIDE, served=True)
    assert world.changes == []
    assert world.routes[1].effective_hz == 10.0


def test_it_looks_once_a_second() -> None:
    steering = World().steering
    assert steering.next_at(0.0) == PERIOD_S
    assert steering.look([], FULL, 0.5) == []
    assert steering.next_at(0.5) == PERIOD_S
    steering.look([], FULL, 5.0)
    assert steering.next_at(5.0) == 5.0 + PERIOD_S


def test_a_stream_on_demand_flows_at_its_idle_rate_until_it_is_leased() -> None:
    world = World()
    lidar = world.routes[2]
    assert lidar.effective_hz == 0.5
    world.steering.lease('op-1', [Lease(stream='lidar', hz=5.0, seconds=10.0)], 0.0)
    assert world.steering.limit(world.routes, 0.0)
    assert lidar.effective_hz == 5.0
    assert not world.steering.limit(world.routes, 9.0)
    assert world.steering.limit(world.routes, 10.0)
    assert lidar.effective_hz == 0.5


def test_it_wakes_up_for_the_end_of_a_lease() -> None:
    steering = World().steering
    steering.lease('op-1', [Lease(stream='lidar', hz=5.0, seconds=0.4)], 0.0)
    assert steering.next_at(0.0) == pytest.approx(0.4)
    assert steering.next_at(0.4) == PERIOD_S


def test_a_new_route_of_a_leased_stream_is_limited_at_once() -> None:
    world = World()
    world.steering.lease('op-1', [Lease(stream='lidar', seconds=10.0)], 0.0)
    world.steering.limit(world.routes, 0.0)
    new = Route(9, LIDAR, '/other', 'a/msg/A')
    assert not world.steering.limit([new], 1.0)
    assert (new.effective_hz, new.paused) == (0.0, False)
    assert world.steering.demanded_hz('lidar', 1.0) == math.inf
    assert world.steering.demanded_hz('pose', 1.0) is None


def test_who_may_not_lease_gets_nothing_and_health_says_so() -> None:
    world = World()
    world.steering.lease('stranger', [Lease(stream='lidar', seconds=10.0)], 0.0)
    world.steering.lease('op-1', [Lease(stream='camera', seconds=10.0)], 0.0)
    assert not world.steering.limit(world.routes, 0.0)
    document = world.steering.demand_document(0.0)
    assert document['leases'] == []
    assert document['refused'] == {
        'stranger/lidar': 'consumer not allowed',
        'op-1/camera': 'stream is not on_demand',
    }


def test_the_documents_tell_steps_and_demand() -> None:
    world = World().go(60, FULL)
    world.steering.lease('op-1', [Lease(stream='lidar', seconds=10.0)], world.now)
    documents = {one['stream']: one for one in world.steering.streams_document(world.now)}
    assert list(documents) == ['pose', 'camera', 'lidar']
    assert (documents['camera']['step'], documents['camera']['steps']) == (3, 3)
    assert documents['camera']['max_hz'] == 0.0
    assert documents['pose']['demand_hz'] is None
    assert documents['lidar']['demand_hz'] == 1e5
    for document in documents.values():
        assert decode_json(encode_json(document)) == document


def test_a_changed_configuration_takes_leases_back() -> None:
    world = World()
    world.steering.lease('op-1', [Lease(stream='lidar', seconds=10.0)], 0.0)
    world.steering.limit(world.routes, 0.0)
    world.steering.configure(config(POSE, CAMERA, stream('lidar')))
    assert world.steering.limit(world.routes, 0.0)
    assert world.steering.demanded_hz('lidar', 0.0) is None


def test_without_a_connection_nothing_is_learned() -> None:
    world = World().go(100, DOWN)
    assert world.changes == []


def test_a_clock_that_jumps_ahead_does_no_harm() -> None:
    world = World().go(5, WIDE, served=True)
    world.now += 3600.0
    world.go(5, WIDE, served=True)
    assert world.changes == []
    assert world.steering.next_at(world.now) == world.now + PERIOD_S


def test_levels_of_the_ladder_reach_the_route() -> None:
    policy = replace(CAMERA, ladder=('reduced', 'minimal', '1hz'), reducer='precision')
    steering = Steering(config(POSE, policy), 0.0)
    route = Route(1, policy, '/camera', 'a/msg/A')
    levels: list[tuple[str, float]] = []
    for second in range(60):
        now = float(second)
        for tick in range(10):
            at = round((now + tick / 10) * 1e9)
            route.offer([Received(bytes(200), at, at)], now)
        steering.look([route], FULL, now)
        steering.limit([route], now)
        if [*levels[-1:]] != [(route.level, route.effective_hz)]:
            levels.append((route.level, route.effective_hz))
    assert levels == [('full', 10.0), ('reduced', 10.0), ('minimal', 10.0), ('minimal', 1.0)]
