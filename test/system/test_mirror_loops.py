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

"""Two robots' bridges with a mirror beside each: nothing goes in a circle."""

from collections import Counter
from functools import partial

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from rclpy.node import Node  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.graph import content, Graph, qos  # noqa: E402
from support.mirrors import mirror, other_domain  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402

COUNT = 50
ALL: dict[str, dict[str, object]] = {
    'all': {'topics': ['re:/.*'], 'keep': 'fifo', 'max_delay_s': 0.0}
}
# What every node has; it goes over, too.
COMMON = {'/rosout', '/parameter_events', '/diagnostics'}


def bridge(broker: Broker, robot_id: str, domain_id: int | None) -> BridgeProcess:
    """
    Start a bridge of everything.

    :param broker: where
    :param robot_id: whose
    :param domain_id: in which graph; None for the tests' own
    :returns: the process
    """
    environment = {} if domain_id is None else {'ROS_DOMAIN_ID': str(domain_id)}
    return BridgeProcess(parameters(broker, robot_id, ALL), environment=environment)


def topics_below(node: Node, place: str) -> set[str]:
    """Tell which topics a graph has below a namespace, by their names there."""
    names = (name for name, _ in node.get_topic_names_and_types())
    return {name.removeprefix(place) for name in names if name.startswith(f'{place}/')}


def said(collector: Collector, topic: str) -> Counter[str]:
    """Count what a robot has sent of a topic."""
    return Counter(content(sample, String).data for sample in collector.samples(topic))


def _has_said(collector: Collector, text: str) -> bool:
    return said(collector, '/talk')[text] > 0


def _more_health(collector: Collector, than: int) -> bool:
    return len(collector.documents('health')) > than


def _left_out(sender: Collector) -> bool:
    """Tell whether a mirror was there first, where a message does not tell whose it is."""
    told = sender.documents('health')
    return bool(told) and '/talk' in told[-1]['problems']


def test_each_graph_has_the_other_s_topics_once(graph: Graph) -> None:
    with Broker() as broker:
        here, there = int(graph.node.context.get_domain_id()), other_domain()
        far = Graph('far', there)
        with (
            Collector(broker, 'ann') as ann,
            Collector(broker, 'bob') as bob,
            bridge(broker, 'ann', None),
            bridge(broker, 'bob', there),
            mirror(broker, here) as near_mirror,
            mirror(broker, there) as far_mirror,
        ):
            near_mirror.wait_for_log("robot 'bob' is mirrored below /bob")
            far_mirror.wait_for_log("robot 'ann' is mirrored below /ann")
            heard: dict[str, list[bytes]] = {'ann': [], 'bob': []}
            for joined, other in ((graph, 'bob'), (far, 'ann')):
                joined.node.create_subscription(
                    String, f'/{other}/talk', heard[other].append, qos(), raw=True
                )
            talking = {
                'ann': graph.publisher(String, '/talk'),
                'bob': far.publisher(String, '/talk'),
            }

            def both_hear() -> bool:
                for name, publisher in talking.items():
                    publisher.publish(String(data=f'{name} begins'))
                far.spin_until(lambda: True)
                return all(heard.values())

            graph.spin_until(both_hear)
            for number in range(COUNT):
                for name, publisher in talking.items():
                    publisher.publish(String(data=f'{name} {number}'))
            for collector, name in ((ann, 'ann'), (bob, 'bob')):
                wait_until(partial(_has_said, collector, f'{name} {COUNT - 1}'))
            # Whatever goes in a circle would have gone round many times by now.
            for collector, other in ((ann, 'bob'), (bob, 'ann')):
                before = len(collector.documents('health'))
                wait_until(partial(_more_health, collector, before + 5))
                numbered = {
                    text: count
                    for text, count in said(collector, '/talk').items()
                    if not text.endswith('begins')
                }
                name = collector.robot_id
                assert numbered == {f'{name} {number}': 1 for number in range(COUNT)}
                sent = {sample.topic for sample in collector._samples}
                assert not any(topic.startswith((f'/{other}/', f'/{name}/')) for topic in sent)
            # A mirror passes over the robot whose bridge is beside it.
            assert topics_below(graph.node, '/bob') - COMMON == {'/talk'}
            assert topics_below(far.node, '/ann') - COMMON == {'/talk'}
            assert not topics_below(graph.node, '/ann') | topics_below(far.node, '/bob')
            for process, own in ((near_mirror, 'ann'), (far_mirror, 'bob')):
                assert f"robot '{own}' is not mirrored: its own bridge is in this graph" in (
                    process.log()
                )
            graph.node.destroy_publisher(talking['ann'])
            far.close()


def test_a_topic_that_both_graphs_have_under_one_name_does_not_go_round(graph: Graph) -> None:
    with Broker() as broker:
        here, there = int(graph.node.context.get_domain_id()), other_domain()
        far = Graph('far', there)
        with (
            Collector(broker, 'ann') as ann,
            Collector(broker, 'bob') as bob,
            mirror(broker, here, {'robots': 'bob', 'namespace': ''}),
            mirror(broker, there, {'robots': 'ann', 'namespace': ''}),
            bridge(broker, 'ann', None),
            bridge(broker, 'bob', there),
        ):
            talking = {
                'ann': (ann, graph.publisher(String, '/talk', subscribers=0)),
                'bob': (bob, far.publisher(String, '/talk', subscribers=0)),
            }

            def each_has_the_other_s() -> bool:
                for name, (_, publisher) in talking.items():
                    publisher.publish(String(data=f'{name} begins'))
                return all(
                    joined.node.count_publishers('/talk') == 2 or _left_out(sender)
                    for joined, sender in ((graph, bob), (far, ann))
                )

            wait_until(each_has_the_other_s, 30.0)
            # Each bridge has looked at its graph and seen the mirror there.
            for collector in (ann, bob):
                before = len(collector.documents('health'))
                wait_until(partial(_more_health, collector, before + 4))
            for number in range(COUNT):
                for name, (_, publisher) in talking.items():
                    publisher.publish(String(data=f'{name} {number}'))
            for name, (collector, _) in talking.items():
                before = len(collector.documents('health'))
                wait_until(partial(_more_health, collector, before + 5))
                numbered = {
                    text: count
                    for text, count in said(collector, '/talk').items()
                    if not text.endswith('begins')
                }
                problems = collector.documents('health')[-1]['problems']
                if '/talk' in problems:
                    # Before Kilted a message does not tell whose it is.
                    assert 'does not say whose a message is' in problems['/talk']
                    assert numbered == {}
                else:
                    assert numbered == {f'{name} {number}': 1 for number in range(COUNT)}
            graph.node.destroy_publisher(talking['ann'][1])
            far.close()
