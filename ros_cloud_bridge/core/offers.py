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
Which subscriptions a topic needs, from what its publishers offer.

A best-effort, volatile subscription matches every publisher but gets no latched sample and loses
large ones; a subscription at the publisher's own level gets what it offers. So there is one
subscription per distinct offered (reliability, durability); what arrives twice is removed behind
them.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ros_cloud_bridge.values import OfferedQos


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Offer:
    """What one publisher offers, as far as matching depends on it (ROS 2 QoS policies)."""

    reliable: bool
    transient_local: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """
    A publisher as the graph reports it.

    ``type_hash`` is RIHS01 text or empty; ``latched`` says that its samples stay valid for late
    joiners without end (transient local with an infinite lifespan; ``/rosout`` has a finite one).
    """

    gid: bytes
    node: str
    type_name: str
    type_hash: str
    offer: Offer
    latched: bool = False
    lifespan_s: float = 0.0


def offered_by(publishers: Collection[Publisher]) -> OfferedQos | None:
    """
    Join the offers of a topic's publishers: the strongest of each.

    :param publishers: its publishers, all of one type
    :returns: what somebody offers who stands for all of them; None without any
    """
    if not publishers:
        return None
    lasting = [publisher for publisher in publishers if publisher.offer.transient_local]
    latched = sum(publisher.latched for publisher in publishers)
    endless = bool(latched) or not lasting
    return OfferedQos(
        reliable=any(publisher.offer.reliable for publisher in publishers),
        transient_local=bool(lasting),
        depth=latched,
        lifespan_s=0.0 if endless else max(publisher.lifespan_s for publisher in lasting),
    )


def subscriptions_for(publishers: Iterable[Publisher]) -> tuple[Offer, ...]:
    """
    Choose the subscriptions of a topic.

    :param publishers: its publishers, all of one type
    :returns: the distinct offers, ordered
    """
    return tuple(sorted({publisher.offer for publisher in publishers}))


def mixed_offers(topic: str, publishers: Iterable[Publisher]) -> str | None:
    """
    Say what a user should know about publishers that differ.

    :param topic: ROS topic
    :param publishers: its publishers
    :returns: one line with the fix, or None when all offer the same
    """
    by_offer: dict[Offer, list[str]] = {}
    for publisher in publishers:
        by_offer.setdefault(publisher.offer, []).append(publisher.node)
    if len(by_offer) < 2:
        return None
    described = '; '.join(
        f'{_describe(offer)} by {", ".join(sorted(nodes))}'
        for offer, nodes in sorted(by_offer.items())
    )
    return (
        f'{topic}: publishers offer differing QoS ({described}). All are bridged, duplicates are '
        f'removed; give the publishers one QoS to spare the extra subscription'
    )


def _describe(offer: Offer) -> str:
    reliability = 'reliable' if offer.reliable else 'best effort'
    return f'{reliability}, {"transient local" if offer.transient_local else "volatile"}'
