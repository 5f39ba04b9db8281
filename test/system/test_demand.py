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

"""Streams on demand: no subscription without a lease, and who may have one for how long."""

from collections.abc import Iterator
from itertools import count

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from std_msgs.msg import Int32  # noqa: E402

from ros_cloud_bridge.cloud import Consumer, Sample  # noqa: E402
from ros_cloud_bridge.values import Lease, MqttConfig  # noqa: E402
from ros_cloud_bridge.wire.announce import Ask  # noqa: E402
from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.graph import Graph  # noqa: E402
from support.program import Program  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402

ROBOT = 'leased'
STREAMS: dict[str, dict[str, object]] = {
    'off': {'topics': ['/off/*'], 'on_demand': True, 'max_hz': 50.0, 'max_delay_s': 0.0},
    'idle': {'topics': ['/idle/*'], 'on_demand': True, 'max_hz': 4.0, 'idle_hz': 0.5},
    'always': {'topics': ['/always'], 'max_hz': 10.0},
}
INPUT_HZ = 40.0


@pytest.fixture(scope='module')
def bridge(broker: Broker) -> Iterator[BridgeProcess]:
    """
    Run a bridge that looks at the graph but seldom, so that a lease itself must wake it.

    :param broker: its broker
    :returns: one that lasts for the module
    """
    given = parameters(
        broker,
        ROBOT,
        STREAMS,
        discovery={'period_s': 2.0},
        demand={'allow': ['ops-*'], 'max_lease_s': 20.0},
    )
    with BridgeProcess(given) as running:
        yield running
        assert running.stop() == 0, running.log()


def test_a_lease_wakes_a_bridge_that_looks_at_the_graph_but_once_an_hour(
    graph: Graph, broker: Broker, robot_id: str
) -> None:
    publisher = graph.publisher(Int32, '/off/rare', subscribers=0)
    given = parameters(
        broker, robot_id, STREAMS, discovery={'period_s': 3600.0}, demand={'allow': ['ops-*']}
    )
    with BridgeProcess(given) as running, Collector(broker, robot_id) as listening:
        # Each change of a parameter is a look at the graph: until it has seen the publisher.
        for number in range(100):
            assert graph.set_parameters({'stream.off.weight': 1.0 + number}) == ['']
            if '/off/rare: no subscription' in running.log():
                break
        known(listening, '/off/rare')
        assert publisher.get_subscription_count() == 0
        ask(listening, 'ops-1', 'off', 5.0, 60.0)
        graph.wait_for_subscribers(publisher, 1)
        ask(listening, 'ops-1', 'off', 5.0, 0.0)
        graph.wait_for_subscribers(publisher, 0)
        assert running.stop() == 0
    graph.node.destroy_publisher(publisher)


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


class Source:
    """
    Publishes numbers at a steady rate while the graph spins.

    :param graph: whose node
    :param topic: ROS topic
    """

    def __init__(self, graph: Graph, topic: str) -> None:
        self._graph = graph
        self.topic = topic
        self.publisher = graph.publisher(Int32, topic, subscribers=0)
        numbers = count()
        self._timer = graph.node.create_timer(
            1.0 / INPUT_HZ, lambda: self.publisher.publish(Int32(data=next(numbers)))
        )

    def close(self) -> None:
        """Go."""
        self._graph.node.destroy_timer(self._timer)
        self._graph.node.destroy_publisher(self.publisher)

    @property
    def subscribers(self) -> int:
        """How many subscriptions it has."""
        return int(self.publisher.get_subscription_count())


@pytest.fixture
def source(graph: Graph, request: pytest.FixtureRequest) -> Iterator[Source]:
    """
    Publish on a topic that the test names.

    :param graph: whose node
    :param request: holds the topic
    :returns: what publishes
    """
    made = Source(graph, request.param)
    yield made
    made.close()


def known(collector: Collector, topic: str) -> None:
    """
    Wait until the bridge tells of a topic.

    :param collector: who listens
    :param topic: ROS topic
    """
    collector.wait_for_document(
        'info', lambda info: topic in {route['topic'] for route in info['routes']}
    )


def ask(collector: Collector, consumer: str, stream: str, hz: float, seconds: float) -> None:
    """
    Ask for a lease.

    :param collector: through whose connection
    :param consumer: in whose name
    :param stream: for which stream
    :param hz: wanted rate
    :param seconds: for how long
    """
    lease = Lease(stream=stream, hz=hz, seconds=seconds)
    collector.ask(Ask(leases=(lease,)), consumer)


def came_at(samples: list[Sample], hz: float) -> bool:
    """
    Tell by the robot's own stamps whether samples have a rate.

    :param samples: samples of one topic
    :param hz: the rate; somewhat less will do, as on a machine with more to do
    :returns: whether they have
    """
    times = sorted(sample.receive_time_ns for sample in samples)
    measured = (len(times) - 1) / (times[-1] - times[0]) * 1e9
    return 0.6 * hz <= measured <= 1.2 * hz


@pytest.mark.parametrize('source', ['/off/alone'], indirect=True)
def test_a_lease_opens_the_subscription_and_its_end_closes_it(
    graph: Graph, collector: Collector, bridge: BridgeProcess, source: Source
) -> None:
    known(collector, source.topic)
    bridge.wait_for_log(f'{source.topic}: no subscription while nobody leases it')
    assert source.subscribers == 0
    ask(collector, 'ops-1', 'off', 10.0, 4.0)
    graph.spin_until(lambda: source.subscribers == 1)
    graph.spin_until(lambda: len(collector.samples(source.topic)) >= 20)
    first = collector.samples(source.topic)
    assert came_at(first, 10.0)
    # Nobody says anything more: the lease ends by itself.
    graph.spin_until(lambda: source.subscribers == 0)
    assert len(collector.samples(source.topic)) <= 60
    entry = collector.health_of(source.topic, lambda entry: entry['received'])
    assert 'lost_before_bridge' not in {k for k, v in entry['dropped'].items() if v}
    # It comes back, and its numbers go on.
    ask(collector, 'ops-1', 'off', 0.0, 20.0)
    before = len(collector.samples(source.topic))
    graph.spin_until(lambda: len(collector.samples(source.topic)) >= before + 40)
    fresh = collector.samples(source.topic)[before + 10 :]
    assert came_at(fresh, INPUT_HZ)
    assert fresh[-1].boot_id == first[0].boot_id
    entry = collector.health_of(source.topic, lambda entry: entry['received'])
    assert 'lost_before_bridge' not in {k for k, v in entry['dropped'].items() if v}
    ask(collector, 'ops-1', 'off', 0.0, 0.0)
    graph.spin_until(lambda: source.subscribers == 0)


@pytest.mark.parametrize('source', ['/off/merged'], indirect=True)
def test_leases_of_two_consumers_merge(graph: Graph, collector: Collector, source: Source) -> None:
    known(collector, source.topic)
    ask(collector, 'ops-slow', 'off', 5.0, 20.0)
    ask(collector, 'ops-fast', 'off', 20.0, 20.0)
    held = collector.wait_for_document('health', lambda health: len(leases_in(health)) == 2)
    assert leases_in(held) == {('off', 'ops-slow'): 5.0, ('off', 'ops-fast'): 20.0}
    graph.spin_until(lambda: len(collector.samples(source.topic)) >= 40)
    assert came_at(collector.samples(source.topic)[5:], 20.0)
    ask(collector, 'ops-fast', 'off', 0.0, 0.0)
    collector.wait_for_document(
        'health', lambda health: leases_in(health) == {('off', 'ops-slow'): 5.0}
    )
    before = len(collector.samples(source.topic))
    graph.spin_until(lambda: len(collector.samples(source.topic)) >= before + 15)
    assert came_at(collector.samples(source.topic)[before + 2 :], 5.0)
    ask(collector, 'ops-slow', 'off', 0.0, 0.0)
    graph.spin_until(lambda: source.subscribers == 0)


def leases_in(health: dict[str, object]) -> dict[tuple[str, str], float]:
    """
    Pick the leases out of a document.

    :param health: the document
    :returns: rates by stream and consumer
    """
    demand = health['demand']
    assert isinstance(demand, dict)
    return {(lease['stream'], lease['consumer']): lease['hz'] for lease in demand['leases']}


@pytest.mark.parametrize('source', ['/off/refused'], indirect=True)
def test_who_is_not_allowed_gets_nothing(
    graph: Graph, collector: Collector, source: Source
) -> None:
    known(collector, source.topic)
    ask(collector, 'stranger', 'off', 5.0, 20.0)
    ask(collector, 'ops-1', 'always', 5.0, 20.0)
    ask(collector, 'ops-1', 'nothing', 5.0, 20.0)
    health = collector.wait_for_document(
        'health', lambda health: len(health['demand']['refused']) >= 3
    )
    assert health['demand'] == {
        'leases': [],
        'refused': {
            'stranger/off': 'consumer not allowed',
            'ops-1/always': 'stream is not on_demand',
            'ops-1/nothing': 'unknown stream',
        },
    }
    assert source.subscribers == 0
    assert collector.samples(source.topic) == []


@pytest.mark.parametrize('source', ['/idle/gated'], indirect=True)
def test_a_gated_stream_idles_slowly_and_follows_a_lease(
    graph: Graph, collector: Collector, source: Source
) -> None:
    graph.spin_until(lambda: len(collector.samples(source.topic)) >= 3)
    assert source.subscribers == 1
    assert came_at(collector.samples(source.topic), 0.5)
    ask(collector, 'ops-1', 'idle', 4.0, 20.0)
    before = len(collector.samples(source.topic))
    graph.spin_until(lambda: len(collector.samples(source.topic)) >= before + 14)
    assert came_at(collector.samples(source.topic)[before + 2 :], 4.0)
    ask(collector, 'ops-1', 'idle', 0.0, 0.0)
    collector.wait_for_document('health', lambda health: not leases_in(health))


@pytest.mark.parametrize('source', ['/off/consumed'], indirect=True)
def test_a_consumer_holds_its_lease_beyond_what_the_robot_grants(
    graph: Graph, broker: Broker, collector: Collector, source: Source
) -> None:
    known(collector, source.topic)
    samples: list[Sample] = []
    config = MqttConfig(host=broker.host, port=broker.port)
    with Consumer(config, samples.append, robots=ROBOT, name='ops-desk') as consumer:
        consumer.lease(ROBOT, 'off', hz=10.0, seconds=3.0)
        # Longer than one lease lasts.
        graph.spin_until(lambda: len(samples) >= 60)
        assert came_at(samples, 10.0)
        wait_until(lambda: consumer.leases[0].granted, what='the word of it')
    # Closing it gave the lease back.
    graph.spin_until(lambda: source.subscribers == 0)


@pytest.mark.parametrize('source', ['/off/tailed'], indirect=True)
def test_tail_leases_and_says_what_comes_of_it(
    graph: Graph, broker: Broker, collector: Collector, source: Source
) -> None:
    known(collector, source.topic)
    place = ['--host', broker.host, '--port', str(broker.port)]
    arguments = ['tail', *place, '--robot', 'lease*', '--lease', 'off:10', '--json', '--name']
    with Program([*arguments, 'ops-tail']) as tail:
        graph.spin_until(lambda: len(tail.out) >= 5)
        tail.wait_for_error(f'{ROBOT} off: leased at 10 Hz')
    with Program([*arguments, 'stranger']) as tail:
        tail.wait_for_error(f'{ROBOT} off: lease refused: consumer not allowed')
