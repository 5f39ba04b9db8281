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

"""The QoS that a hostile or an old info describes."""

from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')

from rclpy.qos import DurabilityPolicy, ReliabilityPolicy  # noqa: E402

from ros_cloud_bridge.cloud.offers import DEFAULT, LATCHED, Offers  # noqa: E402
from ros_cloud_bridge.ros.mirror.quality import profile  # noqa: E402
from ros_cloud_bridge.values import OfferedQos  # noqa: E402


def entry(**further: object) -> dict[str, Any]:
    return {'topic': '/a', 'type': 'b/msg/B', **further}


def find(*entries: object, total: int | None = None) -> OfferedQos | None:
    count = len(entries) if total is None else total
    info = {'routes': list(entries), 'routes_total': count}
    return Offers(info).find('/a', 'b/msg/B')


def test_what_info_tells_of_a_topic_holds() -> None:
    qos: dict[str, object] = {'reliability': 'best_effort', 'durability': 'volatile'}
    assert find(entry(qos=qos)) == OfferedQos(reliable=False, transient_local=False)
    qos = {'reliability': 'reliable', 'durability': 'transient_local', 'lifespan_s': 10}
    assert find(entry(qos=qos)) == OfferedQos(reliable=True, transient_local=True, lifespan_s=10.0)
    qos = {'reliability': 'reliable', 'durability': 'transient_local', 'depth': 2}
    assert find(entry(qos=qos)) == OfferedQos(reliable=True, transient_local=True, depth=2)


def test_a_topic_waits_for_the_info_that_is_still_to_come() -> None:
    assert Offers(None).find('/a', 'b/msg/B') is None
    assert find() is None
    assert find(entry(type='c/msg/C')) is None
    # On a thin link it has no routes at all.
    assert find(total=7) == DEFAULT


def test_a_bridge_that_does_not_tell_its_qos_is_understood() -> None:
    assert find(entry(latched=True)) == LATCHED
    assert find(entry(latched=False)) == find(entry()) == DEFAULT


@pytest.mark.parametrize(
    'qos',
    [
        None,
        [],
        {'reliability': 1, 'durability': {}, 'depth': 'x', 'lifespan_s': []},
        {'durability': 'volatile', 'lifespan_s': float('nan'), 'depth': -1},
        {'durability': 'volatile', 'lifespan_s': True, 'depth': True},
    ],
)
def test_nonsense_is_the_default(qos: object) -> None:
    assert find(entry(qos=qos)) == DEFAULT
    assert Offers({'routes': 'x'}).find('/a', 'b/msg/B') == DEFAULT


def test_numbers_without_end_are_bounded() -> None:
    qos = {'durability': 'transient_local', 'lifespan_s': 10**400, 'depth': 10**400}
    found = find(7, entry(qos=qos))
    assert found is not None and (found.depth, found.lifespan_s) == (256, 1e6)


def test_a_profile_offers_what_was_offered() -> None:
    made = profile(OfferedQos(reliable=False, transient_local=False), 10, merged=False)
    assert (made.reliability, made.durability, made.depth) == (
        ReliabilityPolicy.BEST_EFFORT,
        DurabilityPolicy.VOLATILE,
        10,
    )
    latched = OfferedQos(reliable=True, transient_local=True, depth=2)
    assert profile(latched, 10, merged=False).depth == 2
    assert profile(latched, 10, merged=True).depth == 512
    brief = OfferedQos(reliable=True, transient_local=True, lifespan_s=2.5)
    assert profile(brief, 10, merged=False).lifespan.nanoseconds == 2_500_000_000
