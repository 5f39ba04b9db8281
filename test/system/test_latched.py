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

"""Values that stay valid reach a consumer that joins late, however large they are."""

from collections.abc import Iterator
import random

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from nav_msgs.msg import OccupancyGrid  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from ros_cloud_bridge.wire.announce import Ask  # noqa: E402
from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import adds_up, Collector  # noqa: E402
from support.graph import cdr_of, content, Graph, qos  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402

ROBOT = 'mapper'
LIMIT = 120 * 1024
# So that the message's CDR is a multiple of four: whether RTPS pads depends on the size.
SIZE = 4_000_003
STREAMS: dict[str, dict[str, object]] = {
    'maps': {'topics': ['/map', '/description', '/many'], 'keep': 'fifo'},
    'clouds': {'topics': ['/cloud'], 'keep': 'fifo', 'qos_depth': 10},
}


@pytest.fixture(scope='module')
def bridge(broker: Broker) -> Iterator[BridgeProcess]:
    """
    Run a bridge.

    :param broker: its broker
    :returns: one that lasts for the module
    """
    given = parameters(broker, ROBOT, STREAMS, mqtt={'max_payload_bytes': LIMIT})
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


def noise(size: int) -> bytes:
    """
    Make data that does not compress.

    :param size: bytes
    :returns: the same for each call
    """
    return random.Random(size).randbytes(size)


def stands(
    broker: Broker, topic: str, count: int | None = None, least_bytes: int = 1
) -> list[int]:
    """
    Look at what stands retained for a topic.

    :param broker: where
    :param topic: the MQTT level under ``latched``
    :param count: how many fragments to wait for; None for any number
    :param least_bytes: how many bytes all of them have at least
    :returns: their sizes
    """
    sizes: list[int] = []

    def look() -> bool:
        with Collector(broker, ROBOT) as late:
            late.settle()
            found = [heard for heard in late.heard if heard.kind.startswith(f'latched/{topic}/')]
            sizes[:] = [len(heard.payload) for heard in found if heard.retain]
        return count in (None, len(sizes)) and sum(sizes) >= least_bytes

    wait_until(look, 20.0, f'retained fragments of {topic}')
    return sizes


def test_a_late_consumer_gets_the_last_value_once(
    graph: Graph, broker: Broker, collector: Collector
) -> None:
    publisher = graph.publisher(String, '/description', qos(depth=1, latched=True), subscribers=0)
    publisher.publish(String(data='first'))
    publisher.publish(String(data='<robot name="rover"/>'))
    collector.wait_for_samples('/description')
    stands(broker, 'description', 1)
    with Collector(broker, ROBOT) as late:
        (sample,) = late.wait_for_samples('/description')
        assert sample.latched and not late.errors
        assert sample.cdr == cdr_of(String(data='<robot name="rover"/>'))
        assert sample.message().data == '<robot name="rover"/>'
        # The next one comes live, with the next number.
        publisher.publish(String(data='changed'))
        wait_until(lambda: len(late.samples('/description')) == 2)
        following = late.samples('/description')[1]
        assert following.message().data == 'changed'
        assert (following.route, following.sequence) == (sample.route, sample.sequence + 1)
        assert late.losses('/description').unexplained == 0
    # Who was there from the start gets nothing twice.
    heard = [content(sample, String).data for sample in collector.samples('/description')]
    assert heard[-2:] == ['<robot name="rover"/>', 'changed'] and len(set(heard)) == len(heard)
    graph.node.destroy_publisher(publisher)


def test_a_publisher_restarted_between_two_looks_replaces_its_value(
    graph: Graph, broker: Broker, robot_id: str
) -> None:
    streams = {'maps': {'topics': ['/restarted'], 'keep': 'fifo'}}
    profile = qos(depth=1, latched=True)
    given = parameters(broker, robot_id, streams, discovery={'period_s': 2.0})
    with BridgeProcess(given) as bridge, Collector(broker, robot_id) as collector:
        for value in ('old', 'new'):
            # The bridge does not notice: the second is there before it looks again.
            publisher = graph.publisher(String, '/restarted', profile)
            publisher.publish(String(data=value))
            wait_until(
                lambda value=value: (
                    value  # type: ignore[misc]
                    in [content(sample, String).data for sample in collector.samples('/restarted')]
                )
            )
            graph.node.destroy_publisher(publisher)

        def standing() -> list[str]:
            with Collector(broker, robot_id) as late:
                late.settle()
                return [content(sample, String).data for sample in late.samples('/restarted')]

        wait_until(lambda: standing() == ['new'])
        assert bridge.stop() == 0


def test_without_retained_messages_a_consumer_asks(
    graph: Graph, broker: Broker, collector: Collector
) -> None:
    publisher = graph.publisher(String, '/description', qos(depth=1, latched=True))
    publisher.publish(String(data='to be asked for'))
    wait_until(
        lambda: (
            'to be asked for'
            in [content(sample, String).data for sample in collector.samples('/description')]
        )
    )
    with Collector(broker, ROBOT, retained=False) as late:
        assert late.samples('/description') == []
        late.ask(Ask(info=True, routes=True, latched=True))
        samples = late.wait_for_samples('/description')
        assert content(samples[-1], String).data == 'to be asked for'
        schema_id = samples[-1].schema_id
        late.ask(Ask(schemas=(schema_id,)))
        wait_until(lambda: late.payloads(f'schema/{schema_id}'))
        assert samples[-1].message().data == 'to be asked for'
        assert late.documents('state')[-1]['state'] == 'online'
        assert '/description' in [route['topic'] for route in late.documents('info')[-1]['routes']]
    graph.node.destroy_publisher(publisher)


def test_the_last_value_of_each_latched_publisher_stands(
    graph: Graph, broker: Broker, collector: Collector
) -> None:
    publishers = [
        graph.publisher(String, '/many', qos(depth=1, latched=True), subscribers=0)
        for _ in range(3)
    ]
    for publisher in publishers:
        graph.wait_for_subscribers(publisher, 1)
    for name, publisher in zip('abc', publishers, strict=True):
        publisher.publish(String(data=f'old {name}'))
    collector.wait_for_samples('/many', 3)
    for name, publisher in zip('abc', publishers, strict=True):
        publisher.publish(String(data=f'new {name}'))
    collector.wait_for_samples('/many', 6)

    def late() -> list[str]:
        with Collector(broker, ROBOT) as consumer:
            consumer.settle()
            return sorted(content(sample, String).data for sample in consumer.samples('/many'))

    wait_until(lambda: late() == ['new a', 'new b', 'new c'], what='all three stand')
    for publisher in publishers:
        graph.node.destroy_publisher(publisher)


def test_a_cloud_of_4_mb_crosses_the_payload_limit_live(
    graph: Graph, collector: Collector
) -> None:
    witness = graph.witness(PointCloud2, '/cloud', qos(depth=10))
    publisher = graph.publisher(PointCloud2, '/cloud', qos(depth=10), subscribers=2)
    cloud = PointCloud2(width=SIZE, height=1, point_step=1, row_step=SIZE)
    cloud.data.frombytes(noise(SIZE))
    publisher.publish(cloud)
    small = PointCloud2(width=1, height=1, point_step=1, row_step=1)
    small.data.frombytes(b'\x07')
    publisher.publish(small)
    samples = collector.wait_for_samples('/cloud', 2)
    assert [sample.cdr for sample in samples] == witness.heard(2)
    witness.close()
    assert bytes(samples[0].message().data) == noise(SIZE)
    payloads = [heard.payload for heard in collector.heard]
    assert max(map(len, payloads)) <= LIMIT
    assert sum(map(len, payloads)) > SIZE
    entry = collector.health_of('/cloud', lambda entry: entry['delivered'] == 2)
    assert adds_up(entry) and entry['dropped'] == {}
    graph.node.destroy_publisher(publisher)


def test_a_map_of_4_mb_stands_whole_and_a_smaller_one_clears_it(
    graph: Graph, broker: Broker, collector: Collector
) -> None:
    witness = graph.witness(OccupancyGrid, '/map', qos(depth=1, latched=True))
    publisher = graph.publisher(OccupancyGrid, '/map', qos(depth=1, latched=True), subscribers=2)
    large = OccupancyGrid()
    large.info.width, large.info.height = 2000, 2000
    large.data.frombytes(noise(4_000_000))
    publisher.publish(large)
    (sample,) = collector.wait_for_samples('/map')
    (large_cdr,) = witness.heard(1)
    assert sample.cdr == large_cdr
    assert sample.message().data.tobytes() == noise(4_000_000)
    # How many depends on how fast the link has been found to be.
    sizes = stands(broker, 'map', least_bytes=4_000_000)
    assert max(sizes) <= LIMIT and len(sizes) >= 33
    with Collector(broker, ROBOT) as late:
        (sample,) = late.wait_for_samples('/map')
        assert sample.latched and sample.cdr == large_cdr
        assert not late.errors
    small = OccupancyGrid()
    small.info.width, small.info.height = 2, 1
    small.data.frombytes(b'\x00\x64')
    publisher.publish(small)
    collector.wait_for_samples('/map', 2)
    stands(broker, 'map', 1)
    with Collector(broker, ROBOT) as late:
        (sample,) = late.wait_for_samples('/map')
        assert sample.cdr == witness.heard(2)[1]
        assert list(sample.message().data) == [0, 100]
        assert not late.errors
    entry = collector.health_of('/map', lambda entry: entry['delivered'] == 2)
    assert adds_up(entry) and entry['dropped'] == {}
    assert collector.losses('/map').unexplained == 0
    witness.close()
    graph.node.destroy_publisher(publisher)
