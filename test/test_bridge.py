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

"""The pump against a real broker, without ROS."""

from collections.abc import Iterator
from random import Random

import pytest

pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from ros_cloud_bridge.bridge import Bridge  # noqa: E402
from ros_cloud_bridge.errors import ConfigError, DuplicateRobotId  # noqa: E402
from ros_cloud_bridge.host_lock import HostLock  # noqa: E402
from ros_cloud_bridge.values import (  # noqa: E402
    BridgeConfig,
    Drop,
    Keep,
    LinkConfig,
    MqttConfig,
    Priority,
    Received,
    StreamConfig,
)
from support.broker import Broker  # noqa: E402
from support.collector import adds_up, Collector  # noqa: E402
from support.waiting import wait_until  # noqa: E402

FAST = StreamConfig(
    name='fast', topics=('/fast',), keep=Keep.FIFO, priority=Priority.HIGH, max_delay_s=0.0
)
BULK = StreamConfig(
    name='bulk', topics=('/bulk',), keep=Keep.FIFO, priority=Priority.LOW, max_delay_s=0.0
)


@pytest.fixture
def broker() -> Iterator[Broker]:
    """
    Start a broker.

    :returns: the broker
    """
    with Broker(['max_queued_messages 0']) as running:
        yield running


def config(broker: Broker, **named: object) -> BridgeConfig:
    """
    Configure a bridge.

    :param broker: where to connect
    :param named: keys that differ
    :returns: the configuration
    """
    values: dict[str, object] = {
        'robot_id': 'pumped',
        'mqtt': MqttConfig(host=broker.host, port=broker.port),
        'health_period_s': 0.2,
        'streams': (FAST, BULK),
        **named,
    }
    return BridgeConfig(**values)  # type: ignore[arg-type]


def samples(count: int, size: int = 8, first: int = 0) -> list[Received]:
    """
    Make samples.

    :param count: how many
    :param size: bytes of each
    :param first: number of the first, which stands in its bytes
    :returns: the samples
    """
    return [
        Received(
            b'\0\1\0\0' + number.to_bytes(4, 'little') + bytes(size - 8), number + 1, number + 2
        )
        for number in range(first, first + count)
    ]


def test_what_is_offered_arrives_in_order_and_is_accounted_for(broker: Broker) -> None:
    said: list[str] = []
    bridge = Bridge(config(broker), lambda level, text: said.append(f'{level}: {text}'))
    with Collector(broker, 'pumped') as collector:
        bridge.start()
        route = bridge.open_route(FAST, '/fast', 'a_msgs/msg/A', schema=None, gated=False)
        assert bridge.open_route(FAST, '/fast', 'a_msgs/msg/A', schema=None, gated=False) is route
        other = bridge.open_route(FAST, '/fast', 'a_msgs/msg/B', schema=None, gated=False)
        assert other.number != route.number
        bridge.offer(route, samples(500), [(Drop.LOST_BEFORE_BRIDGE, 3)])
        bridge.offer(route, samples(500, first=500))
        got = collector.wait_for_samples('/fast', 1000)
        assert [sample.cdr for sample in got] == [sample.cdr for sample in samples(1000)]
        assert [sample.sequence for sample in got] == list(range(1, 1001))
        entry = collector.health_of('/fast', lambda entry: entry['delivered'] == 1000)
        assert entry['dropped'] == {'lost_before_bridge': 3} and adds_up(entry)
        bridge.stop()
        collector.wait_for_state('offline', 'shutdown')
    assert [line for line in said if not line.startswith('info: connected')] == [
        'info: stopped; everything was sent'
    ]


def test_what_could_not_be_sent_before_the_end_is_told(broker: Broker) -> None:
    said: list[str] = []
    slow = config(broker, link=LinkConfig(max_bytes_per_s=20_000.0))
    bridge = Bridge(slow, lambda level, text: said.append(f'{level}: {text}'))
    with Collector(broker, 'pumped') as collector:
        bridge.start()
        collector.wait_for_state('online', 'birth')
        route = bridge.open_route(BULK, '/bulk', 'a_msgs/msg/A', schema=None, gated=False)
        noise = Random(1)
        offered = [Received(b'\0\1\0\0' + noise.randbytes(50_000), n, n) for n in range(1, 101)]
        bridge.offer(route, offered[:2])
        collector.wait_for_samples('/bulk', 1)
        bridge.offer(route, offered[2:])
        bridge.stop(flush_s=0.2)
        collector.wait_for_state('offline', 'shutdown')
        entry = collector.health_of('/bulk', lambda entry: entry['dropped'].get('shutdown', 0) > 0)
        assert adds_up(entry) and entry['queued'] == 0
        unsent = entry['dropped']['shutdown']
        (losses,) = [entry for entry in collector.decoder.losses() if entry.topic == '/bulk']
        assert losses.reported['shutdown'] == unsent
    assert f'warning: stopped; {unsent} accepted samples were not sent' in said


def test_all_queues_together_are_bounded_and_the_least_important_pays() -> None:
    nowhere = BridgeConfig(
        robot_id='pumped', streams=(FAST, BULK), link=LinkConfig(max_queued_bytes=100_000)
    )
    bridge = Bridge(nowhere, lambda level, text: None)
    fast = bridge.open_route(FAST, '/fast', 'a_msgs/msg/A', schema=None, gated=False)
    bulk = bridge.open_route(BULK, '/bulk', 'a_msgs/msg/B', schema=None, gated=False)
    bridge.offer(bulk, samples(9, 10_000))
    bridge.offer(fast, samples(5, 10_000))
    assert (fast.queued_bytes, bulk.queued_bytes) == (50_000, 50_000)
    assert bulk.drops[Drop.OVERFLOW_BYTES] == 4 and not fast.drops[Drop.OVERFLOW_BYTES]


def test_what_waits_at_the_end_is_sent_before_the_goodbye(broker: Broker) -> None:
    bridge = Bridge(config(broker), lambda level, text: None)
    with Collector(broker, 'pumped') as collector:
        bridge.start()
        collector.wait_for_state('online', 'birth')
        route = bridge.open_route(BULK, '/bulk', 'a_msgs/msg/A', schema=None, gated=False)
        bridge.offer(route, samples(300, 2000))
        bridge.stop()
        collector.wait_for_state('offline', 'shutdown')
        assert len(collector.samples('/bulk')) == 300
        kinds = [heard.kind for heard in collector.heard if heard.kind != 'health']
        assert kinds[-1] == 'state' and 'b/low' in kinds[:-1]


def test_the_higher_class_goes_first_however_much_waits_below(broker: Broker) -> None:
    bridge = Bridge(config(broker), lambda level, text: None)
    with Collector(broker, 'pumped') as collector:
        fast = bridge.open_route(FAST, '/fast', 'a_msgs/msg/A', schema=None, gated=False)
        bulk = bridge.open_route(BULK, '/bulk', 'a_msgs/msg/B', schema=None, gated=False)
        # Both wait before there is a connection: the order is the bridge's choice.
        bridge.offer(bulk, samples(20, 60_000))
        bridge.offer(fast, samples(20))
        bridge.start()
        collector.wait_for_samples('/bulk', 20)
        kinds = [heard.kind for heard in collector.heard if heard.kind.startswith('b/')]
        assert kinds[0] == 'b/high'
        assert len(collector.samples('/fast')) == 20
        bridge.stop()


def test_one_lock_per_robot_and_broker(broker: Broker) -> None:
    held = HostLock(config(broker))
    with pytest.raises(DuplicateRobotId, match="robot 'pumped' already runs"):
        HostLock(config(broker))
    HostLock(config(broker, robot_id='other')).release()
    held.release()
    held.release()
    HostLock(config(broker)).release()


def test_a_missing_file_is_named_before_anything_starts(broker: Broker) -> None:
    missing = MqttConfig(
        host=broker.host, port=broker.port, username='u', password_file='/nowhere/password'
    )
    with pytest.raises(ConfigError, match=r'mqtt\.password_file.*/nowhere/password'):
        Bridge(config(broker, mqtt=missing), lambda level, text: None)


def test_pausing_keeps_connection_and_queue(broker: Broker) -> None:
    bridge = Bridge(config(broker), lambda level, text: None)
    with Collector(broker, 'pumped') as collector:
        bridge.start()
        route = bridge.open_route(FAST, '/fast', 'a_msgs/msg/A', schema=None, gated=False)
        collector.wait_for_state('online', 'birth')
        bridge.pause()
        collector.wait_for_state('online', 'deactivated')
        bridge.offer(route, samples(5))
        seen = len(collector.documents('health'))
        wait_until(lambda: len(collector.documents('health')) >= seen + 3)
        assert collector.health_of('/fast')['queued'] == 5
        assert collector.samples('/fast') == []
        bridge.start()
        assert len(collector.wait_for_samples('/fast', 5)) == 5
        assert collector.documents('state')[-1]['connection'] == 1
        bridge.stop()
