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

"""What a broker that is away, slow or stuck does to samples, robot and bridge."""

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import subprocess
import sys
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from std_msgs.msg import Int32, String  # noqa: E402

from support import publishing  # noqa: E402
from support.bridge_process import BridgeProcess, PACKAGE_ROOT  # noqa: E402
from support.broker import Broker, free_port  # noqa: E402
from support.collector import adds_up, Collector  # noqa: E402
from support.graph import content, Graph, qos  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402

SIZE = 2000
COUNT = 4000


@contextmanager
def publisher_process(
    topic: str, count: int, size: int, period_s: float, depth: int
) -> Iterator['subprocess.Popen[str]']:
    """
    Run a publisher in a process of its own.

    :param topic: ROS topic, std_msgs/String
    :param count: how many messages
    :param size: characters of each
    :param period_s: between two
    :param depth: of its history; 0 keeps all
    :returns: the process, once it is subscribed to
    """
    folder = Path(publishing.__file__).parents[1]
    command = [sys.executable, '-m', 'support.publishing', topic, *map(str, (count, size))]
    process = subprocess.Popen(
        [*command, str(period_s), str(depth)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': f'{folder}:{PACKAGE_ROOT}'},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == 'ready\n'
        yield process
    finally:
        process.communicate()


def say_go(*processes: 'subprocess.Popen[str]') -> None:
    """
    Let publishers begin.

    :param processes: the publishers
    """
    for process in processes:
        assert process.stdin is not None
        process.stdin.write('go\n')
        process.stdin.flush()


def texts_of(collector: Collector, topic: str) -> list[int]:
    """
    Read the numbers that have arrived.

    :param collector: who listens
    :param topic: ROS topic, std_msgs/String
    :returns: in the order of their arrival
    """
    return [
        int(content(sample, String).data.partition(':')[0]) for sample in collector.samples(topic)
    ]


def numbers_of(topic: str, collector: Collector) -> list[int]:
    """
    Read the numbers that have arrived.

    :param topic: ROS topic, std_msgs/Int32
    :param collector: who listens
    :returns: in the order of their arrival
    """
    return [content(sample, Int32).data for sample in collector.samples(topic)]


@pytest.mark.parametrize('depth', [0, 10], ids=['keep_all', 'keep_last'])
def test_a_stuck_broker_leaves_publishers_and_memory_alone(
    broker: Broker, robot_id: str, depth: int
) -> None:
    topic = f'/stuck_{depth}'
    streams: dict[str, dict[str, object]] = {
        'all': {'topics': [topic], 'keep': 'fifo', 'max_samples': 500, 'qos_depth': COUNT},
        'newest': {'topics': ['/stuck_newest']},
    }
    with (
        BridgeProcess(parameters(broker, robot_id, streams)) as bridge,
        Collector(broker, robot_id) as collector,
        publisher_process(topic, COUNT, SIZE, 0.0005, depth) as process,
        publisher_process('/stuck_newest', COUNT, SIZE, 0.0005, depth) as other,
    ):
        say_go(process, other)
        collector.wait_for_samples(topic, 100)
        collector.wait_for_samples('/stuck_newest', 10)
        before_kb = bridge.rss_kb()
        broker.pause()
        # Both publish all they have against the stuck broker: not one call fails or hangs.
        for publisher in (process, other):
            assert publisher.stdout is not None
            done, failed, _ = publisher.stdout.readline().split()
            assert (done, failed) == ('done', '0')
        grown_kb = bridge.rss_kb() - before_kb
        assert grown_kb < 24 * 1024, f'{COUNT * SIZE // 1024} KiB came in, bounded to 1 MB'
        broker.resume()
        wait_until(lambda: COUNT - 1 in texts_of(collector, topic))
        wait_until(lambda: COUNT - 1 in texts_of(collector, '/stuck_newest'))
        for name, reason in ((topic, 'overflow_samples'), ('/stuck_newest', 'superseded')):
            # Not one from before the broker was stuck, when nothing was under way either.
            entry = collector.health_of(
                name,
                lambda entry: (
                    entry['received'] + entry['dropped'].get('lost_before_bridge', 0) == COUNT
                    and not entry['queued'] + entry['in_flight']
                ),
            )
            got = texts_of(collector, name)
            lost = entry['dropped'].get('lost_before_bridge', 0)
            assert adds_up(entry)
            assert entry['delivered'] == len(got) == COUNT - lost - entry['dropped'][reason]
            assert entry['dropped'][reason] > 100, 'the broker was not stuck'
            assert got == sorted(set(got))
            losses = collector.losses(name)
            assert (losses.missing, losses.unexplained) == (entry['dropped'][reason], 0)
            assert losses.reported[reason] == entry['dropped'][reason]
        assert bridge.stop() == 0


def test_nothing_is_lost_or_doubled_over_a_restart_of_the_broker(
    graph: Graph, robot_id: str
) -> None:
    with Broker(['max_queued_messages 0']) as broker:
        streams: dict[str, dict[str, object]] = {'all': {'topics': ['/kept'], 'keep': 'fifo'}}
        with BridgeProcess(parameters(broker, robot_id, streams)) as bridge:
            publisher = graph.publisher(Int32, '/kept', qos(depth=1000))
            collector = Collector(broker, robot_id)
            for number in range(100):
                publisher.publish(Int32(data=number))
            collector.wait_for_samples('/kept', 50)
            broker.kill()
            for number in range(100, 300):
                publisher.publish(Int32(data=number))
            bridge.wait_for_log('reconnecting')
            # The consumer is to be back before the bridge, so that it hears everything.
            bridge.pause()
            broker.restart()
            with Collector(broker, robot_id) as again:
                bridge.resume()
                for number in range(300, 400):
                    publisher.publish(Int32(data=number))
                bridge.wait_for_log('connected to', 2)

                def heard() -> list[int]:
                    both = collector.samples('/kept') + again.samples('/kept')
                    return sorted({content(sample, Int32).data for sample in both})

                wait_until(lambda: len(heard()) == 400, what='every number')
                assert heard() == list(range(400))
                entry = again.health_of('/kept', lambda entry: entry['delivered'] == 400)
                assert entry['dropped'] == {} and adds_up(entry)
                for one in (collector, again):
                    identities = [
                        (sample.boot_id, sample.route, sample.sequence)
                        for sample in one.samples('/kept')
                    ]
                    assert len(set(identities)) == len(identities)
                    assert one.losses('/kept').unexplained == 0
                again.wait_for_document(
                    'state',
                    lambda state: (state['state'], state['connection']) == ('online', 2),
                )
                assert bridge.stop() == 0
            collector.close()
            graph.node.destroy_publisher(publisher)


def test_a_broker_that_comes_later_is_found_and_its_absence_said_once(
    graph: Graph, robot_id: str
) -> None:
    broker = Broker(['max_queued_messages 0'])
    broker.stop()
    streams: dict[str, dict[str, object]] = {
        'all': {'topics': ['/early'], 'keep': 'fifo'},
        'newest': {'topics': ['/early_newest']},
    }
    given = parameters(broker, robot_id, streams)
    with broker, BridgeProcess(given) as bridge:
        bridge.wait_for_log('broker not reachable')
        publishers = [graph.publisher(Int32, topic) for topic in ('/early', '/early_newest')]
        for number in range(10):
            for publisher in publishers:
                publisher.publish(Int32(data=number))
        bridge.wait_for_log('Connection refused; keeps trying')
        bridge.pause()
        broker.restart()
        with Collector(broker, robot_id) as collector:
            bridge.resume()
            collector.wait_for_samples('/early', 10)
            assert numbers_of('/early', collector) == list(range(10))
            wait_until(lambda: numbers_of('/early_newest', collector)[-1:] == [9])
            got = numbers_of('/early_newest', collector)
            assert got == sorted(set(got))
            entry = collector.health_of('/early_newest', lambda entry: entry['delivered'])
            assert entry['delivered'] == len(got) and adds_up(entry)
            assert entry['dropped'].get('superseded', 0) == 10 - len(got)
            assert bridge.log().count('broker not reachable') == 1
            assert bridge.stop() == 0
        for publisher in publishers:
            graph.node.destroy_publisher(publisher)


def test_an_unknown_host_and_a_closed_port_are_said_once_and_kept_trying(robot_id: str) -> None:
    streams: dict[str, dict[str, object]] = {'all': {'topics': ['/nobody']}}

    nowhere = SimpleNamespace(host='no-such-host.invalid', port=free_port())
    with BridgeProcess(parameters(nowhere, robot_id, streams)) as bridge:
        bridge.wait_for_log("unknown host 'no-such-host.invalid'")
        assert bridge.running
        assert bridge.stop() == 0
        assert bridge.log().count('unknown host') == 1
        assert 'Traceback' not in bridge.log()


def test_a_refused_login_names_the_reason(robot_id: str, tmp_path: Path) -> None:
    streams: dict[str, dict[str, object]] = {'all': {'topics': ['/nobody']}}
    (tmp_path / 'password').write_text('wrong secret\n')
    with Broker(['allow_anonymous false']) as broker:
        given = parameters(
            broker,
            robot_id,
            streams,
            mqtt={'username': 'robot', 'password_file': str(tmp_path / 'password')},
        )
        with BridgeProcess(given) as bridge:
            bridge.wait_for_log('refuses: ')
            assert 'not authorized' in bridge.log().lower()
            assert 'wrong secret' not in bridge.log()
            assert bridge.stop() == 0
            assert bridge.log().count('refuses: ') == 1
