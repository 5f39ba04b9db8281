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

"""Reducers from the YAML to the consumer, with the real bridge, ROS and a broker."""

from collections.abc import Iterator
import math

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from geometry_msgs.msg import TransformStamped  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import adds_up, Collector  # noqa: E402
from support.graph import Graph  # noqa: E402
from support.robots import parameters  # noqa: E402

ROBOT = 'thrifty'
CHAIN = 'select drop=*covariance | precision tolerance=0.01 | deadband by=0.05 max_s=1000'
STREAMS: dict[str, dict[str, object]] = {
    'pose': {'topics': ['/odom'], 'keep': 'fifo', 'reducer': CHAIN, 'ladder': ['reduced', '1hz']},
    'tf': {'topics': ['/frames'], 'keep': 'fifo', 'reducer': 'tf_motion max_s=1000'},
    'texts': {'topics': ['/text'], 'keep': 'fifo', 'reducer': 'precision'},
}


@pytest.fixture(scope='module')
def bridge(broker: Broker) -> Iterator[BridgeProcess]:
    with BridgeProcess(parameters(broker, ROBOT, STREAMS)) as running:
        yield running
        assert running.stop() == 0, running.log()


@pytest.fixture(scope='module')
def collector(broker: Broker, bridge: BridgeProcess) -> Iterator[Collector]:
    with Collector(broker, ROBOT) as listening:
        yield listening
        assert not listening.errors


def odometry(x: float) -> Odometry:
    message = Odometry(child_frame_id='base')
    message.header.frame_id = 'odom'
    message.pose.pose.position.x = x
    message.pose.covariance[0] = 0.1
    return message


def test_a_chain_from_the_yaml(graph: Graph, bridge: BridgeProcess, collector: Collector) -> None:
    publisher = graph.publisher(Odometry, '/odom')
    # Steps of 3 cm: those that have not led out of the band say nothing new.
    for step in range(100):
        publisher.publish(odometry(0.03 * step + 0.001))
    entry = collector.health_of('/odom', lambda entry: entry['received'] == 100)
    entry = collector.health_of('/odom', lambda entry: not entry['reducing'])
    assert adds_up(entry)
    accepted, unchanged = entry['accepted'], entry['dropped']['unchanged']
    assert accepted + unchanged == 100
    got = collector.wait_for_samples('/odom', accepted)
    assert 30 <= len(got) <= 60
    held = [sample.message().pose for sample in got]
    for pose in held:
        assert not pose.covariance.any()
        # Within the tolerance of a step that was published, and of few decimals.
        x = pose.pose.position.x
        assert min(abs(x - (0.03 * step + 0.001)) for step in range(100)) <= 0.01
        assert x == round(x, 2)
    assert [sample.sequence for sample in got] == list(range(1, accepted + 1))
    info = collector.wait_for_document(
        'info', lambda document: any(route['topic'] == '/odom' for route in document['routes'])
    )
    (described,) = [route for route in info['routes'] if route['topic'] == '/odom']
    assert described['reducer'] == CHAIN
    assert 'zero or empty: *covariance' in described['error']
    assert 'within 0.01' in described['error']


def test_transforms_are_thinned_by_motion(
    graph: Graph, bridge: BridgeProcess, collector: Collector
) -> None:
    # Without tf2_msgs: single transforms are thinned the same way.
    publisher = graph.publisher(TransformStamped, '/frames')
    for step in range(50):
        for child, moves in (('wheel', 0.02), ('sensor', 0.0)):
            transform = TransformStamped(child_frame_id=child)
            transform.header.frame_id = 'base'
            angle = moves * step
            transform.transform.rotation.z = math.sin(angle / 2)
            transform.transform.rotation.w = math.cos(angle / 2)
            publisher.publish(transform)
    got = collector.wait_for_samples('/frames', 51)
    frames = [sample.message().child_frame_id for sample in got]
    assert frames == ['wheel', 'sensor', *['wheel'] * 49]


def test_a_reducer_that_does_not_fit_is_a_problem_by_name(
    graph: Graph, bridge: BridgeProcess, collector: Collector
) -> None:
    publisher = graph.publisher(String, '/text')
    publisher.publish(String(data='as it is'))
    (sample,) = collector.wait_for_samples('/text')
    assert sample.message().data == 'as it is'
    health = collector.wait_for_document(
        'health', lambda document: '/text' in document['problems']
    )
    problem = 'goes out as it is: precision: std_msgs/msg/String has no floating-point field'
    assert health['problems']['/text'] == problem
    assert bridge.log().count(problem) == 1
