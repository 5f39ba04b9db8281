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

"""Which subscriptions a topic needs."""

from dataclasses import replace

from ros_cloud_bridge.core.offers import (
    mixed_offers,
    Offer,
    offered_by,
    Publisher,
    subscriptions_for,
)
from ros_cloud_bridge.values import OfferedQos

RELIABLE = Offer(reliable=True, transient_local=False)
BEST_EFFORT = Offer(reliable=False, transient_local=False)
LATCHED = Offer(reliable=True, transient_local=True)


def publisher(node: str, offer: Offer) -> Publisher:
    return Publisher(gid=node.encode(), node=node, type_name='a/msg/A', type_hash='', offer=offer)


def test_one_subscription_per_distinct_offer() -> None:
    publishers = [publisher('/a', LATCHED), publisher('/b', BEST_EFFORT), publisher('/c', LATCHED)]
    assert subscriptions_for(publishers) == (BEST_EFFORT, LATCHED)
    assert subscriptions_for([]) == ()


def test_no_remark_when_all_offer_the_same() -> None:
    assert mixed_offers('/t', [publisher('/a', RELIABLE), publisher('/b', RELIABLE)]) is None


def test_remark_names_topic_nodes_and_remedy() -> None:
    text = mixed_offers(
        '/t', [publisher('/b', LATCHED), publisher('/a', LATCHED), publisher('/c', BEST_EFFORT)]
    )
    assert text == (
        '/t: publishers offer differing QoS (best effort, volatile by /c; reliable, transient '
        'local by /a, /b). All are bridged, duplicates are removed; give the publishers one QoS '
        'to spare the extra subscription'
    )


def test_who_stands_for_all_offers_the_strongest_of_each() -> None:
    latched = replace(publisher('/a', LATCHED), latched=True)
    brief = replace(publisher('/b', LATCHED), lifespan_s=10.0)
    assert offered_by([]) is None
    assert offered_by([publisher('/c', BEST_EFFORT)]) == OfferedQos(
        reliable=False, transient_local=False
    )
    assert offered_by([publisher('/c', BEST_EFFORT), latched, latched]) == OfferedQos(
        reliable=True, transient_local=True, depth=2
    )
    # As /rosout has it.
    assert offered_by([brief]) == OfferedQos(reliable=True, transient_local=True, lifespan_s=10.0)
    assert offered_by([brief, latched]) == OfferedQos(reliable=True, transient_local=True, depth=1)
