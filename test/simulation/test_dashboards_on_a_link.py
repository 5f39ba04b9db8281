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

"""Dashboards on a link that is too thin: what they take of it, and what the pose loses."""

from dataclasses import replace

import pytest

from ros_cloud_bridge.simulation.bridge import SimulatedBridge
from ros_cloud_bridge.wire.schema import Schema
from support.virtual_link import age_ms, kbit, robot, World

# What the sources publish are bytes: so many of them make a message of a fair size.
_SHOWN = Schema(
    type_name='mine/msg/Bytes', definition='uint8[24] data\n', rihs01='RIHS01_' + 'a' * 64
)


def run(rate: float, overload: float, dashboard_hz: float) -> tuple[World, SimulatedBridge]:
    world = World([(0.0, rate)])
    sources = [
        replace(
            source,
            stream=replace(source.stream, dashboard_hz=dashboard_hz, dashboard_fields=('data',)),
        )
        for source in robot(overload * kbit(rate))
    ]
    bridge = world.add(sources)
    for route in bridge.pump.outbox.routes:
        bridge.pump.screens.show(route, _SHOWN)
    world.run(40.0)
    return world, bridge


def shown(bridge: SimulatedBridge) -> list[tuple[float, int]]:
    """Say when dashboard messages left, and what each took of the link."""
    return [(sent.at, sent.cost.link_bytes) for sent in bridge.sent if '/d/' in sent.topic]


@pytest.mark.parametrize('rate', [64, 256])
def test_on_a_link_that_is_too_thin_they_get_the_least_share(rate: float) -> None:
    world, bridge = run(rate, 4.0, 5.0)
    _, without = run(rate, 4.0, 0.0)
    messages = shown(bridge)
    assert not shown(without)
    # A quarter of a share beside 4 and 1: the class of the pose needs less than its 16.
    share = sum(size for at, size in messages if at >= 5.0) / world.link.capacity(5.0, 40.0)
    assert 0.02 <= share <= 0.055
    for part in (0.5, 0.95):
        # A message of theirs may be on its way when a pose comes.
        own = age_ms(bridge, 'pose', part, 5.0, 40.0)
        assert own <= 1.25 * age_ms(without, 'pose', part, 5.0, 40.0) + 5.0


def test_on_a_wide_link_each_topic_has_its_rate() -> None:
    _, bridge = run(4000, 0.1, 2.0)
    times = [at for at, _ in shown(bridge) if at >= 10.0]
    # Four topics twice a second; of none is there more than one in half a second.
    assert 0.95 * 4 * 2 * 30 <= len(times) <= 4 * 2 * 30 + 4
