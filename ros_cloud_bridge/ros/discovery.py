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

"""Watch the graph: which matching topics have which publishers, as ROS reports them."""

from collections.abc import Mapping, Sequence

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from ros_cloud_bridge.core.offers import Offer, Publisher
from ros_cloud_bridge.core.selection import TopicSelector
from ros_cloud_bridge.ros.interfaces import published_hash
from ros_cloud_bridge.ros.mirrored import MirroredPublishers

_INFINITE_NS = 2**63 - 1

TopicAndType = tuple[str, str]


def matching_publishers(
    node: Node, selector: TopicSelector, mirrored: MirroredPublishers
) -> Mapping[TopicAndType, Sequence[Publisher]]:
    """
    List the publishers of every topic that some stream takes.

    :param node: any node
    :param selector: the streams' claims
    :param mirrored: knows the publishers of mirrors, which are left out
    :returns: publishers by topic and type; several types of one topic stand apart
    """
    found: dict[TopicAndType, list[Publisher]] = {}
    for topic, _ in node.get_topic_names_and_types():
        if selector.stream_for(topic) is None:
            continue
        for endpoint in node.get_publishers_info_by_topic(topic):
            if mirrored.leaves_out(topic, endpoint):
                continue
            publisher = _publisher(endpoint)
            found.setdefault((topic, publisher.type_name), []).append(publisher)
    return found


def _publisher(endpoint: object) -> Publisher:
    profile = endpoint.qos_profile  # type: ignore[attr-defined]
    namespace = endpoint.node_namespace  # type: ignore[attr-defined]
    name = endpoint.node_name  # type: ignore[attr-defined]
    transient_local = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    lifespan_ns = profile.lifespan.nanoseconds
    endless = lifespan_ns in (0, _INFINITE_NS)
    return Publisher(
        gid=bytes(endpoint.endpoint_gid),  # type: ignore[attr-defined]
        node=f'{namespace.rstrip("/")}/{name}',
        type_name=endpoint.topic_type,  # type: ignore[attr-defined]
        type_hash=published_hash(endpoint) or '',
        offer=Offer(
            reliable=profile.reliability != ReliabilityPolicy.BEST_EFFORT,
            transient_local=transient_local,
        ),
        latched=transient_local and endless,
        lifespan_s=0.0 if endless else lifespan_ns / 1e9,
    )
