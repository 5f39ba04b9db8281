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


"""Durable streams with real nodes and a real broker: committed, sent, confirmed, kept."""

from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from std_msgs.msg import Int32  # noqa: E402

from ros_cloud_bridge.store.reckoning import reckoning  # noqa: E402
from ros_cloud_bridge.wire.confirm import (  # noqa: E402
    Confirmation,
    encode_confirmation,
    Held,
)
from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.graph import content, Graph, qos  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402

DURABLE = {'keep': 'durable'}
BY_ARCHIVE = {**DURABLE, 'confirm': 'consumer', 'confirm_by': 'archive'}


@pytest.fixture
def topic(robot_id: str) -> str:
    """
    Name a topic of the test's own: killed subscribers stand in the graph for a while.

    :param robot_id: the robot
    :returns: ROS topic
    """
    return f'/kept_{robot_id.replace("-", "_")}'


def numbers(collector: Collector, topic: str, historical: bool | None = None) -> list[int]:
    """
    Read the numbers that have arrived.

    :param collector: who listens
    :param topic: ROS topic, or what it begins with
    :param historical: only backlog, or only live samples, if given
    :returns: in the order of their arrival
    """
    return [
        content(sample, Int32).data
        for name in (topic, f'{topic}_later')
        for sample in collector.samples(name)
        if historical in (None, sample.historical)
    ]


def spool_of(folder: Path) -> Path:
    """
    Find a robot's spool.

    :param folder: its state directory
    :returns: the database
    """
    (found,) = folder.glob('spool-*.sqlite3')
    return found


def publish(graph: Graph, topic: str, first: int, last: int) -> None:
    """
    Publish numbers, once somebody listens.

    :param graph: who publishes
    :param topic: ROS topic
    :param first: the first number
    :param last: the one behind the last
    """
    publisher = graph.publisher(Int32, topic, qos(depth=1000))
    for number in range(first, last):
        publisher.publish(Int32(data=number))
    assert publisher.wait_for_all_acked()
    graph.node.destroy_publisher(publisher)


def test_live_samples_are_committed_then_sent_then_forgotten(
    graph: Graph, robot_id: str, broker: Broker, tmp_path: Path, topic: str
) -> None:
    made = parameters(
        broker, robot_id, {'all': {**DURABLE, 'topics': [f'{topic}*']}}, state_dir=str(tmp_path)
    )
    with BridgeProcess(made) as bridge, Collector(broker, robot_id) as collector:
        publish(graph, topic, 0, 200)
        entry = collector.health_of(
            topic, lambda entry: entry['delivered'] == 200 and not entry['spooled']
        )
        assert numbers(collector, topic, historical=False) == list(range(200))
        assert (entry['accepted'], entry['committed']) == (200, 200)
        assert entry['not_yet_committed'] == 0 and entry['dropped'] == {}
        # The spool's own figures are those of its last look.
        wait_until(lambda: collector.documents('health')[-1]['spool']['samples'] == 0)
        health = collector.documents('health')[-1]['spool']
        assert (health['state'], health['dead_letters']) == ('ok', 0)
        assert bridge.stop() == 0
    found = reckoning(spool_of(tmp_path)).total
    assert (found.committed, found.delivered, found.spooled) == (200, 200, 0)


def test_an_outage_and_a_kill_lose_nothing_and_live_comes_first(
    graph: Graph, robot_id: str, tmp_path: Path, topic: str
) -> None:
    with Broker() as broker:
        made = parameters(
            broker,
            robot_id,
            {'all': {**DURABLE, 'topics': [f'{topic}*']}},
            state_dir=str(tmp_path),
        )
        broker.kill()
        with BridgeProcess(made) as bridge:
            bridge.wait_for_log('not reachable')
            publish(graph, topic, 0, 150)
            wait_until(lambda: reckoning(spool_of(tmp_path)).total.committed == 150)
            bridge.kill()
        # Another boot: what it finds belongs to the one before.
        with BridgeProcess(made) as bridge:
            bridge.wait_for_log('not reachable')
            broker.restart()
            with Collector(broker, robot_id) as collector:
                publish(graph, f'{topic}_later', 150, 160)
                wait_until(lambda: sorted(numbers(collector, topic)) == list(range(160)))
                assert numbers(collector, topic, historical=True)[:150] == list(range(150))
                wait_until(lambda: reckoning(spool_of(tmp_path)).total.spooled == 0)
                samples = [collector.samples(name)[0] for name in (topic, f'{topic}_later')]
                assert samples[0].boot_id != samples[1].boot_id, (
                    'that of the boot which accepted it'
                )
                wait_until(lambda: collector.losses(topic).complete)
                losses = collector.losses(topic)
                assert (losses.boot_id, losses.committed, losses.closed) == (
                    samples[0].boot_id,
                    150,
                    True,
                )
            assert bridge.stop() == 0
    found = reckoning(spool_of(tmp_path)).total
    assert (found.committed, found.delivered, found.adds_up) == (160, 160, True)


def test_only_the_named_consumer_lets_the_robot_forget(
    graph: Graph, robot_id: str, broker: Broker, tmp_path: Path, topic: str
) -> None:
    made = parameters(
        broker, robot_id, {'all': {**BY_ARCHIVE, 'topics': [topic]}}, state_dir=str(tmp_path)
    )
    with BridgeProcess(made) as bridge, Collector(broker, robot_id) as collector:
        publish(graph, topic, 0, 100)
        wait_until(lambda: sorted(numbers(collector, topic)) == list(range(100)))
        entry = collector.health_of(topic, lambda entry: entry['spooled'] == 100)
        assert entry['delivered'] == 0
        boot = bytes.fromhex(collector.samples(topic)[0].boot_id)

        def confirm(consumer: str, instance: bytes, *ranges: tuple[int, int]) -> None:
            held = (Held(boot=boot, route=entry['route'], ranges=ranges),) if ranges else ()
            payload = encode_confirmation(Confirmation(instance=instance, held=held))
            collector.publish(f'confirm/{consumer}', payload)

        confirm('stranger', b'stranger', (1, 100))
        confirm('archive', b'archive1', (1, 40))
        collector.health_of(
            topic, lambda entry: (entry['delivered'], entry['spooled']) == (40, 60)
        )
        # A new process has lost what the one before had not kept: all the rest comes again.
        before = collector.decoder.losses()[0].duplicates
        confirm('archive', b'archive2', (1, 40))
        wait_until(lambda: collector.decoder.losses()[0].duplicates >= before + 60)
        assert sorted(numbers(collector, topic)) == list(range(100)), 'once out of the decoder'
        confirm('archive', b'archive2', (1, 100))
        collector.health_of(
            topic, lambda entry: (entry['delivered'], entry['spooled']) == (100, 0)
        )
        assert bridge.stop() == 0
    assert reckoning(spool_of(tmp_path)).total.delivered == 100


def test_what_nobody_listens_to_is_kept_until_somebody_does(
    graph: Graph, robot_id: str, broker: Broker, tmp_path: Path, topic: str
) -> None:
    made = parameters(
        broker, robot_id, {'all': {**DURABLE, 'topics': [f'{topic}*']}}, state_dir=str(tmp_path)
    )
    with BridgeProcess(made) as bridge:
        bridge.wait_for_log('connected to')
        publish(graph, topic, 0, 50)
        wait_until(lambda: reckoning(spool_of(tmp_path)).total.committed == 50)
        with Collector(broker, robot_id) as collector:
            wait_until(lambda: sorted(numbers(collector, topic)) == list(range(50)))
            collector.health_of(topic, lambda entry: entry['delivered'] == 50)
        assert bridge.stop() == 0


def test_what_expires_is_told_by_range(
    graph: Graph, robot_id: str, tmp_path: Path, topic: str
) -> None:
    with Broker() as broker:
        policy = {**DURABLE, 'topics': [topic], 'ttl_s': 1.0}
        made = parameters(broker, robot_id, {'all': policy}, state_dir=str(tmp_path))
        broker.kill()
        with BridgeProcess(made) as bridge:
            bridge.wait_for_log('not reachable')
            publish(graph, topic, 0, 50)
            wait_until(lambda: reckoning(spool_of(tmp_path)).total.expired == 50, 30.0)
            broker.restart()
            with Collector(broker, robot_id) as collector:
                bridge.wait_for_log('connected to')
                publish(graph, topic, 50, 60)
                wait_until(lambda: numbers(collector, topic) == list(range(50, 60)))
                entry = collector.health_of(topic, lambda entry: entry['delivered'] == 10)
                assert entry['dropped'] == {'expired': 50} and entry['spooled'] == 0
                wait_until(lambda: collector.losses(topic).complete)
                losses = collector.losses(topic)
                assert losses.reported == {'expired': 50} and losses.unexplained == 0
            assert bridge.stop() == 0
