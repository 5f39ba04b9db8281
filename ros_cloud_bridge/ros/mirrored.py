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
How bridges and mirrors in one graph know each other, so that nothing goes in a circle.

A mirror publishes from a node of a reserved name, which no argument can change. A bridge passes
over what such a node publishes. A bridge in turn puts up a sign in the graph, a hidden topic with
its robot id in the name, and a mirror passes over the robots whose signs it sees.
"""

from collections import OrderedDict
import re
import secrets
import time
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from std_msgs.msg import Empty

from ros_cloud_bridge.values import Received

# As far as the gid in a message's info goes; the graph's may be longer.
GID_BYTES = 16
_MIRROR = re.compile('_rcb_mirror_[0-9a-f]{8}')
_SIGNS = '/_rcb/bridge/'
# A publisher is seen before the name of its node is; one that is no ROS node never has any.
_UNNAMED = ('', '_NODE_NAME_UNKNOWN_')
_NAMING_S = 3.0
_FORGET_UNNAMED_S = 3600.0
_MOST_MIRRORED = 4096
_NO_GIDS = (
    'a mirror publishes it as well, and this middleware does not say whose a message is: '
    'left out; give the mirror another namespace'
)


def make_mirror_node(node: Node) -> Node:
    """
    Make the node from which a mirror publishes.

    :param node: the mirror's own, whose context is shared
    :returns: a node that bridges recognise; no executor need know it
    """
    return Node(
        f'_rcb_mirror_{secrets.token_hex(4)}',
        namespace='/',
        context=node.context,
        # Neither __node:= nor __ns:= may take the mark away.
        use_global_arguments=False,
        enable_rosout=False,
        start_parameter_services=False,
        parameter_overrides=[Parameter('start_type_description_service', value=False)],
    )


class MirroredPublishers:
    """
    Tells the publishers of mirrors from others.

    A topic that has both is taken from the others alone, by the gids of its messages. Where the
    middleware tells none (before Kilted) it is left out as a whole, and ``problems`` says so.

    :param node: looks at the graph
    :param include: take them like others
    """

    def __init__(self, node: Node, *, include: bool = False) -> None:
        self._node = node
        self._include = include
        # When publishers without a name were first seen.
        self._unnamed: dict[bytes, float] = {}
        # Also of mirrors that have gone, whose last messages may still wait here.
        self._mirrors: OrderedDict[bytes, None] = OrderedDict()
        self._others: set[bytes] = set()
        self._mirrored_topics: set[str] = set()
        self.problems: dict[str, str] = {}

    def begin(self) -> None:
        """Begin a look at the whole graph."""
        self._others.clear()
        self.problems = {
            topic: problem
            for topic, problem in self.problems.items()
            if topic in self._mirrored_topics
        }
        self._mirrored_topics.clear()
        now = time.monotonic()
        self._unnamed = {
            gid: at for gid, at in self._unnamed.items() if now - at < _FORGET_UNNAMED_S
        }

    def leaves_out(self, topic: str, endpoint: Any) -> bool:
        """
        Judge a publisher.

        :param topic: what it publishes on
        :param endpoint: rclpy's TopicEndpointInfo
        :returns: whether nothing of it is to be taken, for now at least
        """
        if self._include:
            return False
        gid = bytes(endpoint.endpoint_gid)[:GID_BYTES]
        if _MIRROR.fullmatch(endpoint.node_name):
            self._mirrors[gid] = None
            self._mirrored_topics.add(topic)
            if len(self._mirrors) > _MOST_MIRRORED:
                self._mirrors.popitem(last=False)
            return True
        if endpoint.node_name in _UNNAMED:
            now = time.monotonic()
            if now - self._unnamed.setdefault(gid, now) < _NAMING_S:
                return True
        self._others.add(gid)
        return False

    def without(self, topic: str, samples: list[Received]) -> list[Received]:
        """
        Leave out what mirrors have published.

        :param topic: where the samples come from
        :param samples: of one subscription, in order
        :returns: those of others
        """
        if self._include:
            return samples
        gids = {sample.publisher for sample in samples}
        if None in gids:
            if topic not in self._mirrored_topics:
                return samples
            self.problems[topic] = _NO_GIDS
            return []
        if gids <= self._others:
            return samples
        if not gids <= self._others.union(self._mirrors):
            # It came since the last look at the graph.
            for endpoint in self._node.get_publishers_info_by_topic(topic):
                self.leaves_out(topic, endpoint)
        if self._mirrors.keys().isdisjoint(gids) and self._unnamed.keys().isdisjoint(gids):
            return samples
        return [sample for sample in samples if not self._is_left_out(sample.publisher)]

    def _is_left_out(self, gid: bytes | None) -> bool:
        return gid in self._mirrors or (gid in self._unnamed and gid not in self._others)


class BridgeSign:
    """
    A bridge's sign in the graph, until :meth:`close`.

    :param node: the bridge's
    :param robot_id: its robot
    """

    def __init__(self, node: Node, robot_id: str) -> None:
        self._node = node
        self._publisher: Publisher | None = node.create_publisher(Empty, sign_of(robot_id), 1)

    def close(self) -> None:
        """Take it down."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            self._node.destroy_publisher(publisher)


def bridge_signs(node: Node) -> frozenset[str]:
    """
    Look for the signs of bridges in a node's own graph.

    :param node: any node
    :returns: signs, as :func:`sign_of` makes them
    """
    topics = (topic for topic, _ in node.get_topic_names_and_types())
    return frozenset(topic for topic in topics if topic.startswith(_SIGNS))


def sign_of(robot_id: str) -> str:
    """
    Name the sign of a robot's bridge.

    :param robot_id: the robot
    :returns: a hidden topic
    """
    # Two ids must not share a sign, and a ROS name takes fewer characters than an id.
    return f'{_SIGNS}x{robot_id.encode(errors="replace").hex()}'
