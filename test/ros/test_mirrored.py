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

"""Bridges and mirrors that know each other by what stands in the graph."""

from collections.abc import Iterator

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')

from rclpy.node import Node  # noqa: E402
from std_msgs.msg import Int32  # noqa: E402

from ros_cloud_bridge.core.selection import TopicSelector  # noqa: E402
from ros_cloud_bridge.ros.discovery import matching_publishers  # noqa: E402
from ros_cloud_bridge.ros.mirrored import (  # noqa: E402
    bridge_signs,
    BridgeSign,
    make_mirror_node,
    MirroredPublishers,
    sign_of,
)
from ros_cloud_bridge.ros.taking import received  # noqa: E402
from ros_cloud_bridge.values import BridgeConfig, Received, StreamConfig  # noqa: E402
from support.graph import cdr_of, Graph, qos  # noqa: E402
from support.waiting import wait_until  # noqa: E402

TYPE = 'std_msgs/msg/Int32'


@pytest.fixture
def bridge() -> Iterator[Graph]:
    """
    Join the graph as a bridge does.

    :returns: a node
    """
    joined = Graph('bridging')
    yield joined
    joined.close()


@pytest.fixture
def mirror() -> Iterator[Graph]:
    """
    Join the graph as a mirror does.

    :returns: the node of a mirror's process
    """
    joined = Graph('mirroring')
    yield joined
    joined.close()


def selector(topic: str) -> TopicSelector:
    config = BridgeConfig(robot_id='a', streams=(StreamConfig(name='s', topics=(topic,)),))
    return TopicSelector(config)


def known(node: Node, topic: str) -> bool:
    """Whether the names of all nodes that publish on a topic are known."""
    names = [found.node_name for found in node.get_publishers_info_by_topic(topic)]
    return bool(names) and all('UNKNOWN' not in name for name in names)


def test_a_mirrors_publisher_is_left_out_unless_asked_for(bridge: Graph, mirror: Graph) -> None:
    topic = '/mirrored/alone'
    outlet = make_mirror_node(mirror.node)
    outlet.create_publisher(Int32, topic, 10)
    wait_until(lambda: known(bridge.node, topic))
    careful = MirroredPublishers(bridge.node)
    assert matching_publishers(bridge.node, selector(topic), careful) == {}
    # Nothing was lost by it, so nothing is said.
    assert careful.problems == {}
    willing = MirroredPublishers(bridge.node, include=True)
    assert list(matching_publishers(bridge.node, selector(topic), willing)) == [(topic, TYPE)]
    outlet.destroy_node()


def test_a_topic_with_both_is_taken_from_the_others(bridge: Graph, mirror: Graph) -> None:
    topic = '/mirrored/shared'
    outlet = make_mirror_node(mirror.node)
    mirrored = MirroredPublishers(bridge.node)
    heard: list[Received] = []
    bridge.node.create_subscription(
        Int32, topic, lambda cdr, info: heard.append(received(cdr, info)), qos(), raw=True
    )
    own = mirror.node.create_publisher(Int32, topic, qos())
    wait_until(lambda: known(bridge.node, topic))
    mirrored.begin()
    (found,) = matching_publishers(bridge.node, selector(topic), mirrored).values()
    assert [publisher.node for publisher in found] == ['/mirroring']
    # It comes after the bridge has looked at the graph, and publishes at once.
    copy = outlet.create_publisher(Int32, topic, qos())
    wait_until(lambda: own.get_subscription_count() and copy.get_subscription_count())
    wait_until(lambda: bridge.node.count_publishers(topic) == 2)
    own.publish(Int32(data=1))
    copy.publish(Int32(data=2))
    bridge.spin_until(lambda: len(heard) == 2)
    if heard[0].publisher is None:
        # Before Kilted a message does not say whose it is: the next look finds it out.
        wait_until(lambda: known(bridge.node, topic))
        mirrored.begin()
        matching_publishers(bridge.node, selector(topic), mirrored)
        assert mirrored.without(topic, heard) == []
        assert 'does not say whose a message is' in mirrored.problems[topic]
    else:
        assert [sample.cdr for sample in mirrored.without(topic, heard)] == [cdr_of(Int32(data=1))]
        assert mirrored.problems == {}
    outlet.destroy_node()


def test_the_sign_of_a_bridge_is_seen_as_long_as_it_is_up(bridge: Graph, mirror: Graph) -> None:
    sign = BridgeSign(bridge.node, 'amr-07')
    wait_until(lambda: bridge_signs(mirror.node) == {sign_of('amr-07')})
    assert sign_of('amr-07') != sign_of('amr_07')
    sign.close()
    wait_until(lambda: bridge_signs(mirror.node) == set())
