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

from itertools import pairwise
import json
from typing import Any

import pytest

from ros_cloud_bridge.values import LinkConfig, Priority
from support.pumps import PumpRig, stream

POSE = stream('pose', Priority.HIGH)


def rig_with(routes: int, **config: Any) -> PumpRig:
    rig = PumpRig(POSE, **config)
    for number in range(1, routes):
        rig.open(POSE, f'/pose{number}')
    rig.connect()
    return rig


def reports(rig: PumpRig, seconds: float, rate: float) -> list[dict[str, Any]]:
    return [
        json.loads(one.payload) for one in rig.go(seconds, rate) if one.topic.endswith('/health')
    ]


def test_it_tells_who_speaks_and_every_route_of_a_wide_link() -> None:
    rig = rig_with(20)
    rig.offer(rig.routes[0])
    (report,) = reports(rig, 15.0, 1e7)
    assert (report['robot_id'], report['boot_id']) == ('r', '00' * 8)
    assert (report['link']['connected'], report['link']['connection']) == (True, 1)
    assert [one['route'] for one in report['routes']] == list(range(1, 21))
    assert report['routes_total'] == 20
    assert report['routes'][0]['delivered'] == 1
    assert report['uptime_s'] == pytest.approx(10.0, abs=0.5)


def test_the_document_holds_all_routes_unless_told() -> None:
    rig = rig_with(300)
    rig.go(3.0, 8_000.0)
    everything = rig.pump.health.document(rig.now)
    few = rig.pump.health.document(rig.now, [rig.routes[0]])
    assert isinstance(everything['routes'], list)
    assert isinstance(few['routes'], list)
    assert (len(everything['routes']), len(few['routes'])) == (300, 1)
    assert everything['routes_total'] == few['routes_total'] == 300


@pytest.mark.parametrize('routes', [7, 40, 200])
def test_pages_rotate_over_all_routes_on_a_thin_link(routes: int) -> None:
    rig = rig_with(routes)
    rig.go(30.0, 8_000.0)
    told: list[int] = []
    sizes = set()
    while len(told) < 2 * routes:
        report = json.loads(rig.pump.health.message(rig.now).payload)
        numbers = [one['route'] for one in report['routes']]
        assert numbers
        sizes.add(len(numbers))
        told += numbers
    assert max(sizes) <= 6
    # One page goes on where the last one ended.
    assert all(other == one % routes + 1 for one, other in pairwise(told))


def test_its_share_of_a_thin_link_is_bounded() -> None:
    rig = rig_with(100, health_period_s=1.0)
    rig.go(60.0, 8_000.0)
    rig.offer(rig.routes[0])
    sent, most = [], 8_000.0
    for _ in range(20):
        sent += [one for one in rig.go(10.0, 8_000.0) if one.topic.endswith('/health')]
        # On a link with hardly anything to send the estimate may stay at its first guess for long.
        most = max(most, rig.pump.link_rate or 0.0)
    assert len(sent) > 3
    # 2 % of what the link is thought to take, but for the one that is sent first.
    assert most < 3 * 8_000.0
    assert sum(len(one.payload) for one in sent[1:]) <= 0.02 * most * 200.0 * 1.3


def test_its_share_is_that_of_what_may_be_sent_on_a_wide_link() -> None:
    rig = rig_with(100, health_period_s=1.0, link=LinkConfig(max_bytes_per_s=8_000.0))
    rig.go(60.0, 1e6)
    rig.offer(rig.routes[0])
    sent = [one for one in rig.go(200.0, 1e6) if one.topic.endswith('/health')]
    assert len(sent) > 3
    assert sum(len(one.payload) for one in sent[1:]) <= 0.02 * 8_000.0 * 200.0 * 1.3


def test_one_message_is_short_on_a_thin_link_however_many_routes_there_are() -> None:
    rig = rig_with(500)
    rig.go(60.0, 8_000.0)
    assert len(rig.pump.health.message(rig.now).payload) < 5000
    few = rig_with(1)
    few.go(60.0, 8_000.0)
    assert len(few.pump.health.message(few.now).payload) < 2000


def test_it_comes_at_its_period_or_at_once() -> None:
    rig = rig_with(3, health_period_s=7.0)
    assert len(reports(rig, 70.5, 1e7)) == 10
    health = rig.pump.health
    assert not health.due(rig.now)
    health.soon(rig.now)
    assert health.due(rig.now)
    assert len(reports(rig, 1.0, 1e7)) == 1
    assert not health.due(rig.now)


def test_asked_for_often_it_comes_once() -> None:
    rig = rig_with(3)
    rig.go(2.0)
    for _ in range(100):
        rig.pump.health.soon(rig.now)
    assert len(reports(rig, 1.0, 1e7)) == 1


def test_what_the_bridge_adds_is_in_it() -> None:
    rig = rig_with(1)
    rig.pump.health.tcp = {'retransmits': 3}
    rig.pump.health.bad_messages = 2
    rig.pump.portrait.problems['/b'] = 'why'
    report = json.loads(rig.pump.health.message(rig.now).payload)
    assert report['link']['tcp'] == {'retransmits': 3}
    assert report['link']['bad_messages'] == 2
    assert report['problems'] == {'/b': 'why'}


def test_no_message_is_beyond_what_the_broker_takes() -> None:
    rig = rig_with(2000)
    rig.go(3.0, 1e7)
    for _ in range(10):
        assert len(rig.pump.health.message(rig.now).payload) <= 120 * 1024


def test_a_link_that_is_not_known_yet_may_be_thin() -> None:
    rig = rig_with(2000)
    assert rig.pump.link_rate is None
    assert len(rig.pump.health.message(rig.now).payload) < 5000
