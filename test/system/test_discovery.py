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

"""The bridge follows the graph: what it takes, and publishers that come, go and change."""

from collections.abc import Iterator

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from std_msgs.msg import Int32, String  # noqa: E402
from test_msgs.msg import Strings  # noqa: E402

from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import adds_up, Collector  # noqa: E402
from support.graph import cdr_of, content, Graph, qos  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402

ROBOT = 'discoverer'
# Runs the bridge in an interpreter that cannot import one package.
WITHOUT_TEST_MSGS = (
    'import sys; sys.modules["test_msgs"] = None; '
    'from ros_cloud_bridge.cli.main import main; sys.exit(main(["run", *sys.argv[1:]]))'
)
STREAMS: dict[str, dict[str, object]] = {
    'exact': {'topics': ['/exact', '/_named'], 'keep': 'fifo'},
    'globbed': {'topics': ['/globbed/*'], 'deny': ['/globbed/private'], 'keep': 'fifo'},
    'pattern': {'topics': ['re:/pattern/[ab]+'], 'keep': 'fifo'},
    'shallow': {'topics': ['/shallow'], 'keep': 'fifo', 'qos_depth': 5},
}


@pytest.fixture(scope='module')
def bridge(broker: Broker) -> Iterator[BridgeProcess]:
    """
    Run a bridge.

    :param broker: its broker
    :returns: one that lasts for the module
    """
    given = parameters(broker, ROBOT, STREAMS, discovery={'deny': ['/globbed/secret']})
    with BridgeProcess(given) as running:
        yield running
        assert running.stop() == 0, running.log()


@pytest.fixture(scope='module')
def collector(broker: Broker, bridge: BridgeProcess) -> Iterator[Collector]:
    """
    Listen.

    :param broker: where
    :param bridge: to whom
    :returns: one that lasts for the module
    """
    with Collector(broker, ROBOT) as listening:
        yield listening
        assert not listening.errors


def texts(collector: Collector, topic: str, count: int) -> list[str]:
    """
    Wait for samples.

    :param collector: who listens
    :param topic: ROS topic with std_msgs/String
    :param count: how many
    :returns: what they say, in the order of their numbers
    """
    # A latched value may overtake the queue: the numbers tell the order.
    samples = sorted(collector.wait_for_samples(topic, count), key=lambda sample: sample.sequence)
    return [content(sample, String).data for sample in samples]


@pytest.mark.parametrize('topic', ['/exact', '/globbed/anything', '/pattern/abba', '/_named'])
def test_a_matching_topic_arrives_byte_for_byte(
    graph: Graph, collector: Collector, topic: str
) -> None:
    publisher = graph.publisher(String, topic)
    message = String(data=f'on {topic}: äöü \U0001f916')
    publisher.publish(message)
    (sample,) = collector.wait_for_samples(topic)
    graph.node.destroy_publisher(publisher)
    assert sample.cdr == cdr_of(message)
    assert sample.type_name == 'std_msgs/msg/String'
    assert sample.message().data == message.data
    assert (sample.sequence, sample.latched, sample.historical) == (1, False, False)
    assert sample.source_time_ns <= sample.sent_time_ns


def test_denied_hidden_and_unmatched_topics_stay_on_the_robot(
    graph: Graph, collector: Collector
) -> None:
    topics = (
        '/globbed/private',
        '/globbed/secret',
        '/globbed/_hidden',
        '/pattern/abc',
        '/exact/below',
    )
    publishers = [graph.publisher(String, topic, subscribers=0) for topic in topics]
    # Found in a look at the graph that saw the others too.
    witness = graph.publisher(String, '/globbed/witness')
    witness.publish(String(data='seen'))
    assert texts(collector, '/globbed/witness', 1) == ['seen']
    assert [publisher.get_subscription_count() for publisher in publishers] == [0] * len(topics)
    info = collector.wait_for_document(
        'info', lambda info: '/globbed/witness' in {entry['topic'] for entry in info['routes']}
    )
    assert not {entry['topic'] for entry in info['routes']} & set(topics)
    for publisher in (*publishers, witness):
        graph.node.destroy_publisher(publisher)


def test_a_restarted_publisher_continues_the_route(
    graph: Graph, collector: Collector, bridge: BridgeProcess
) -> None:
    topic = '/globbed/restarted'
    for round_number in range(3):
        publisher = graph.publisher(String, topic)
        for index in range(4):
            publisher.publish(String(data=f'{round_number}.{index}'))
        collector.wait_for_samples(topic, 4 * (round_number + 1))
        graph.node.destroy_publisher(publisher)
        bridge.wait_for_log(f'{topic}: no publisher any more', round_number + 1)
    samples = collector.samples(topic)
    assert [content(sample, String).data for sample in samples] == [
        f'{round_number}.{index}' for round_number in range(3) for index in range(4)
    ]
    assert [sample.sequence for sample in samples] == list(range(1, 13))
    assert len({sample.route for sample in samples}) == 1
    losses = collector.losses(topic)
    assert (losses.missing, losses.unexplained, losses.reported) == (0, 0, {})
    entry = collector.health_of(topic, lambda entry: entry['delivered'] == 12)
    assert entry['dropped'] == {} and adds_up(entry)


def test_a_topic_that_changes_its_type_gets_a_route_for_each(
    graph: Graph, collector: Collector, bridge: BridgeProcess
) -> None:
    topic = '/globbed/retyped'
    first = graph.publisher(String, topic)
    first.publish(String(data='text'))
    collector.wait_for_samples(topic, 1)
    # From a process of its own, as it were: Fast DDS takes one type per topic and participant.
    other = Graph('other')
    second = other.publisher(Int32, topic, qos(latched=True), subscribers=0)
    second.publish(Int32(data=-7))
    bridge.wait_for_log(f'{topic}: published with several types')
    # With both there, the bridge goes on with the first, and says what it leaves out.
    bridge.wait_for_log(f'{topic}: std_msgs/msg/Int32: not bridged while')
    collector.wait_for_document('health', lambda health: topic in health['problems'])
    first.publish(String(data='still'))
    collector.wait_for_samples(topic, 2)
    graph.node.destroy_publisher(first)
    samples = collector.wait_for_samples(topic, 3)
    assert [sample.type_name.rpartition('/')[2] for sample in samples] == [
        'String',
        'String',
        'Int32',
    ]
    assert samples[2].message().data == -7
    assert samples[0].route == samples[1].route != samples[2].route
    collector.wait_for_document(
        'health',
        lambda health: health['uptime_s'] > 0 and topic not in health['problems'],
    )
    other.close()
    bridge.wait_for_log(f'{topic}: no publisher any more', 2)
    first = graph.publisher(String, topic)
    first.publish(String(data='again'))
    samples = collector.wait_for_samples(topic, 4)
    assert (samples[3].route, samples[3].sequence) == (samples[0].route, 3)
    graph.node.destroy_publisher(first)


@pytest.mark.parametrize(
    ('profiles', 'said'),
    [
        # Each first publisher is heard by both of the bridge's subscriptions.
        ((qos(), qos(reliable=False)), 'best effort, volatile'),
        ((qos(latched=True), qos()), 'reliable, transient local'),
    ],
    ids=['reliability', 'durability'],
)
def test_publishers_that_differ_in_qos_are_both_taken_once(
    graph: Graph,
    collector: Collector,
    bridge: BridgeProcess,
    request: pytest.FixtureRequest,
    profiles: tuple[object, object],
    said: str,
) -> None:
    topic = f'/globbed/mixed_{request.node.callspec.id}'
    publishers = [graph.publisher(String, topic, profile, subscribers=0) for profile in profiles]
    bridge.wait_for_log(f'{topic}: publishers offer differing QoS')
    graph.wait_for_subscribers(publishers[0], 2)
    graph.wait_for_subscribers(publishers[1], 1)
    for index in range(20):
        for name, publisher in zip('ab', publishers, strict=True):
            publisher.publish(String(data=f'{name}{index}'))
    heard = texts(collector, topic, 40)
    entry = collector.health_of(topic, lambda entry: entry['delivered'] >= 40)
    assert sorted(heard) == sorted(f'{name}{index}' for name in 'ab' for index in range(20))
    assert [text for text in heard if text[0] == 'a'] == [f'a{index}' for index in range(20)]
    assert entry['delivered'] == 40 and adds_up(entry)
    assert entry['dropped'] == {'duplicate': 20}
    assert len(collector.samples(topic)) == 40
    lines = [line for line in bridge.log().splitlines() if f'{topic}: publishers offer' in line]
    assert len(lines) == 1
    assert said in lines[0] and 'give the publishers one QoS' in lines[0]
    for publisher in publishers:
        graph.node.destroy_publisher(publisher)


def test_what_the_middleware_dropped_before_the_bridge_is_counted(
    graph: Graph, collector: Collector, bridge: BridgeProcess
) -> None:
    topic = '/shallow'
    publisher = graph.publisher(Int32, topic)
    publisher.publish(Int32(data=0))
    collector.wait_for_samples(topic)
    bridge.pause()
    for number in range(1, 101):
        publisher.publish(Int32(data=number))
    bridge.resume()
    publisher.publish(Int32(data=101))
    wait_until(lambda: content(collector.samples(topic)[-1], Int32).data == 101)
    numbers = [content(sample, Int32).data for sample in collector.samples(topic)]
    lost = 102 - len(numbers)
    assert lost > 0, 'the middleware lost nothing: the test shows nothing'
    assert numbers == sorted(set(numbers))
    entry = collector.health_of(topic, lambda entry: entry['delivered'] == len(numbers))
    assert entry['dropped'] == {'lost_before_bridge': lost} and adds_up(entry)
    # The consumer hears it too, and takes it for no gap in the route's numbers.
    losses = collector.losses(topic)
    assert losses.reported == {'lost_before_bridge': lost}
    assert (losses.missing, losses.unexplained) == (0, 0)
    graph.node.destroy_publisher(publisher)


def test_a_type_without_support_is_named_and_the_others_go_on(
    graph: Graph, broker: Broker, robot_id: str
) -> None:
    streams = {'lacking': {'topics': ['/lacking']}, 'well': {'topics': ['/well']}}
    foreign = graph.publisher(Strings, '/lacking', subscribers=0)
    with (
        BridgeProcess(
            parameters(broker, robot_id, streams), command=('-c', WITHOUT_TEST_MSGS)
        ) as bridge,
        Collector(broker, robot_id) as collector,
    ):
        publisher = graph.publisher(String, '/well')
        publisher.publish(String(data='goes on'))
        (sample,) = collector.wait_for_samples('/well')
        assert content(sample, String).data == 'goes on'
        bridge.wait_for_log("install the package 'test_msgs'")
        health = collector.wait_for_document('health', lambda health: health['problems'])
        assert "install the package 'test_msgs'" in health['problems']['/lacking']
        assert bridge.log().count("stream 'lacking': /lacking: no type support") == 1
        assert bridge.stop() == 0
        graph.node.destroy_publisher(publisher)
    graph.node.destroy_publisher(foreign)


def test_bad_parameters_end_in_one_line(broker: Broker, robot_id: str) -> None:
    given = parameters(broker, robot_id, {'pose': {'topics': ['/odom'], 'max_hertz': 3.0}})
    with BridgeProcess(given) as bridge:
        assert bridge.wait() == 2
        (line,) = bridge.log().splitlines()
        assert line.startswith('ros-cloud-bridge: stream.pose.max_hertz: unknown key')
    for argument, said in (
        ('streams:=[', 'no valid YAML'),
        ('health_period_s:=soon', 'health_period_s: '),
        ('nonsense', 'must be NAME:=VALUE'),
    ):
        good = parameters(broker, robot_id, {'pose': {'topics': ['/odom']}})
        with BridgeProcess(good, arguments=['--param', argument]) as bridge:
            assert bridge.wait() == 2
            (line,) = bridge.log().splitlines()
            assert said in line
    # As ros2 run starts it: rcl itself refuses the file.
    command = ('-m', 'ros_cloud_bridge.ros.main', '--ros-args')
    with BridgeProcess({**given, 'mixed': [1, 'a']}, command=command) as bridge:
        assert bridge.wait() == 2
        assert 'Traceback' not in bridge.log()
        assert bridge.log().splitlines()[-1].startswith('bridge: ')
