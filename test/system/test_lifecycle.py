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

"""The managed node's transitions, and parameters that change while it runs."""

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from std_msgs.msg import Int32, String  # noqa: E402

from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import adds_up, Collector  # noqa: E402
from support.graph import content, Graph, qos  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402

STREAMS: dict[str, dict[str, object]] = {'all': {'topics': ['/life'], 'keep': 'fifo'}}


def connections(broker: Broker, robot_id: str) -> int:
    """
    Count a bridge's connections since the broker's start.

    :param broker: whose log
    :param robot_id: the robot
    :returns: how many CONNECTs it has accepted
    """
    return broker.log().count(f'Sending CONNACK to rcb-{robot_id}-uplink (0, 0)')


def test_every_transition_says_what_it_is(graph: Graph, broker: Broker, robot_id: str) -> None:
    given = parameters(broker, robot_id, STREAMS, auto_start=False)
    with (
        Collector(broker, robot_id) as collector,
        BridgeProcess(given) as bridge,
    ):
        publisher = graph.publisher(String, '/life', subscribers=0)
        assert graph.state() == 'unconfigured'
        assert graph.transition('configure')
        assert graph.state() == 'inactive'
        assert collector.states() == [], 'nothing is said before activate'
        assert graph.transition('activate')
        assert graph.state() == 'active'
        collector.wait_for_state('online', 'birth')
        graph.wait_for_subscribers(publisher, 1)
        publisher.publish(String(data='active'))
        collector.wait_for_samples('/life')

        assert graph.transition('deactivate')
        collector.wait_for_state('online', 'deactivated')
        graph.wait_for_subscribers(publisher, 0)
        publisher.publish(String(data='inactive'))
        # Health goes on over the same connection, and says that nothing came in.
        seen = len(collector.documents('health'))
        wait_until(lambda: len(collector.documents('health')) >= seen + 2)
        assert collector.health_of('/life')['received'] == 1
        assert connections(broker, robot_id) == 1

        assert graph.transition('activate')
        collector.wait_for_state('online', 'birth', 2)
        graph.wait_for_subscribers(publisher, 1)
        publisher.publish(String(data='active again'))
        samples = collector.wait_for_samples('/life', 2)
        assert [content(sample, String).data for sample in samples] == ['active', 'active again']
        assert [sample.sequence for sample in samples] == [1, 2]
        assert connections(broker, robot_id) == 1
        assert collector.losses('/life').reported == {}

        assert graph.transition('deactivate')
        assert graph.transition('cleanup')
        assert graph.state() == 'unconfigured'
        collector.wait_for_state('offline', 'shutdown')
        wait_until(lambda: f'Received DISCONNECT from rcb-{robot_id}-uplink' in broker.log())

        assert graph.transition('configure')
        assert graph.transition('activate')
        collector.wait_for_state('online', 'birth', 3)
        boots = {document['boot_id'] for document in collector.documents('state')}
        assert len(boots) == 2, 'a configure begins a new boot'
        assert bridge.stop() == 0
        collector.wait_for_state('offline', 'shutdown', 2)
        assert collector.states() == [
            ('online', 'birth'),
            ('online', 'deactivated'),
            ('online', 'birth'),
            ('online', 'deactivated'),
            ('offline', 'shutdown'),
            ('online', 'birth'),
            ('offline', 'shutdown'),
        ]
        assert 'Traceback' not in bridge.log()
    graph.node.destroy_publisher(publisher)


def test_what_cannot_be_configured_stays_unconfigured_and_says_why(
    graph: Graph, broker: Broker, robot_id: str
) -> None:
    given = parameters(broker, robot_id, STREAMS, auto_start=False)
    with BridgeProcess(given) as bridge, Collector(broker, robot_id) as collector:
        assert graph.set_parameters({'mqtt.tls.ca_file': '/nowhere/ca.pem'}) == ['']
        assert not graph.transition('configure')
        bridge.wait_for_log('mqtt.tls.ca_file: ')
        assert '/nowhere/ca.pem' in bridge.log()
        assert graph.state() == 'unconfigured'
        assert graph.set_parameters({'mqtt.tls.ca_file': '', 'stream.all.max_hz': -1.0}) == [
            '',
            '',
        ]
        assert not graph.transition('configure')
        bridge.wait_for_log('stream.all.max_hz: ')
        assert graph.state() == 'unconfigured'
        assert graph.set_parameters({'stream.all.max_hz': 0.0, 'mqtt.tls.enabled': False})
        assert graph.transition('configure'), bridge.log()
        assert graph.transition('activate')
        collector.wait_for_state('online', 'birth')
        assert bridge.stop() == 0


def test_parameters_change_what_may_change(graph: Graph, broker: Broker, robot_id: str) -> None:
    given = parameters(broker, robot_id, {'all': {'topics': ['/numbers'], 'max_hz': 10.0}})
    with BridgeProcess(given) as bridge, Collector(broker, robot_id) as collector:
        publisher = graph.publisher(Int32, '/numbers', qos())
        assert graph.set_parameters({'stream.all.keep': 'fifo'}) != ['']
        (text,) = graph.set_parameters({'mqtt.host': 'elsewhere'})
        assert 'mqtt.host' in text and 'read-only' in text
        (text,) = graph.set_parameters({'stream.all.max_hz': -3.0})
        assert 'stream.all.max_hz' in text
        (text,) = graph.set_parameters({'stream.all.max_hertz': 3.0})
        assert 'unknown key' in text
        # A million seconds between samples at most one: the burst shows the present rate.
        assert graph.set_parameters({'stream.all.max_hz': 0.0001}) == ['']
        for number in range(50):
            publisher.publish(Int32(data=number))
        entry = collector.health_of('/numbers', lambda entry: entry['received'] == 50)
        assert entry['accepted'] <= 2 and entry['dropped']['rate'] >= 48
        assert graph.set_parameters({'stream.all.max_hz': 0.0}) == ['']
        info = collector.wait_for_document(
            'info', lambda info: info['streams'][0]['max_hz'] == 0.0
        )
        assert info['streams'][0]['name'] == 'all'
        before = entry['accepted']
        for number in range(50, 100):
            publisher.publish(Int32(data=number))
        entry = collector.health_of('/numbers', lambda entry: entry['received'] == 100)
        assert entry['accepted'] == before + 50
        entry = collector.health_of('/numbers', lambda entry: not entry['queued'])
        wait_until(lambda: content(collector.samples('/numbers')[-1], Int32).data == 99)
        assert bridge.stop() == 0
    graph.node.destroy_publisher(publisher)


def test_a_gated_route_follows_every_rate(graph: Graph, broker: Broker, robot_id: str) -> None:
    given = parameters(broker, robot_id, {'slow': {'topics': ['/numbers'], 'max_hz': 2.0}})
    with BridgeProcess(given) as bridge, Collector(broker, robot_id) as collector:
        publisher = graph.publisher(Int32, '/numbers', qos())
        assert graph.set_parameters({'stream.slow.max_hz': 0.0}) == ['']
        # The gate's subscription gives way to one that takes all.
        graph.wait_for_subscribers(publisher, 1)
        # No limit: whatever is published one by one arrives one by one.
        for number in range(5):
            publisher.publish(Int32(data=number))
            wait_until(
                lambda number=number: [  # type: ignore[misc]
                    sample
                    for sample in collector.samples('/numbers')
                    if content(sample, Int32).data == number
                ],
                what=f'sample {number}',
            )
        assert 'ERROR' not in bridge.log()
        assert graph.set_parameters({'stream.slow.max_hz': 0.0001}) == ['']
        entry = collector.health_of('/numbers', lambda entry: entry['delivered'] == 5)
        collector.wait_for_document('info', lambda i: i['streams'][0]['max_hz'] == 0.0001)
        assert adds_up(entry)
        assert bridge.stop() == 0
    graph.node.destroy_publisher(publisher)
