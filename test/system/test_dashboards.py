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

"""Dashboards that the robot makes itself, with the real bridge, ROS and a broker."""

from collections.abc import Iterator
import json
import time

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')
pytest.importorskip('PIL', reason='Pillow is missing: install the extra images')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Float32, String  # noqa: E402

from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.graph import Graph  # noqa: E402
from support.program import Program  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.screens import Screen, watching  # noqa: E402
from support.waiting import wait_until  # noqa: E402

ROBOT = 'shown'
STREAMS: dict[str, dict[str, object]] = {
    'pose': {
        'topics': ['/odom'],
        'dashboard_hz': 5.0,
        'dashboard_fields': ['x', 'twist.twist.linear.x'],
    },
    'camera': {'topics': ['/camera/*'], 'reducer': 'jpeg quality=50', 'dashboard_hz': 5.0},
    'raw': {'topics': ['/raw'], 'dashboard_hz': 5.0},
    'health': {'topics': ['/diag'], 'dashboard_hz': 5.0, 'dashboard_form': 'thingsboard'},
    'texts': {'topics': ['/text'], 'dashboard_hz': 1.0, 'dashboard_fields': ['none']},
    'plain': {'topics': ['/plain']},
}


@pytest.fixture(scope='module')
def bridge(broker: Broker) -> Iterator[BridgeProcess]:
    with BridgeProcess(parameters(broker, ROBOT, STREAMS)) as running:
        yield running
        assert running.stop() == 0, running.log()


@pytest.fixture(scope='module')
def screen(broker: Broker, bridge: BridgeProcess) -> Iterator[Screen]:
    with watching(broker, f'rcb/v1/{ROBOT}/d/#') as watched:
        yield watched


@pytest.fixture(scope='module')
def collector(broker: Broker, bridge: BridgeProcess) -> Iterator[Collector]:
    with Collector(broker, ROBOT) as listening:
        yield listening
        assert not listening.errors


def picture() -> Image:
    return Image(height=8, width=16, encoding='rgb8', step=48, data=bytes(3 * 8 * 16))


def test_chosen_fields_at_a_rate_and_the_last_one_always(
    graph: Graph, bridge: BridgeProcess, screen: Screen, collector: Collector
) -> None:
    publisher = graph.publisher(Odometry, '/odom')
    began = time.monotonic()
    for step in range(150):
        message = Odometry()
        message.pose.pose.position.x = step / 10
        message.twist.twist.linear.x = 0.5
        publisher.publish(message)
        time.sleep(0.01)
    collector.health_of('/odom', lambda entry: entry['received'] == 150)
    topic = f'rcb/v1/{ROBOT}/d/pose/odom'
    last = {'x': 14.9, 'linear_x': 0.5}
    screen.wait(topic)
    entry = collector.health_of('/odom', lambda entry: screen.documents(topic)[-1]['x'] == 14.9)
    got = screen.documents(topic)
    assert {key: value for key, value in got[-1].items() if key != 'ts'} == last
    assert abs(got[-1]['ts'] - time.time() * 1000) < 60_000
    assert 3 <= len(got) <= 5 * (time.monotonic() - began) + 2
    assert entry['dashboard']['failed'] == entry['dashboard']['too_large'] == 0
    entry = collector.health_of('/odom', lambda entry: entry['dashboard']['sent'] == len(got))
    assert entry['dashboard']['bytes'] == sum(len(made.payload) for made in screen.messages(topic))
    info = collector.wait_for_document('info', lambda document: document['routes'])
    made = {stream['name']: stream['dashboard'] for stream in info['streams']}
    assert made['pose'] == {'max_hz': 5.0, 'form': 'flat'}
    assert made['plain'] is None


def test_pictures_are_those_of_the_reducer(
    graph: Graph, bridge: BridgeProcess, screen: Screen, collector: Collector
) -> None:
    graph.publisher(Image, '/camera/front').publish(picture())
    (sample,) = collector.wait_for_samples('/camera/front')
    (shown,) = screen.wait('/d/camera/camera-front/jpeg')
    assert shown.payload == bytes(sample.message().data)
    assert screen.documents('/d/camera/camera-front')[0]['bytes'] == len(shown.payload)
    # The robot does not encode for dashboards alone.
    graph.publisher(Image, '/raw').publish(picture())
    screen.wait('/d/raw/raw')
    assert screen.documents('/d/raw/raw')[0]['width'] == 16
    assert not screen.messages('/d/raw/raw/jpeg')


def test_statuses_in_the_form_of_thingsboard(
    graph: Graph, bridge: BridgeProcess, screen: Screen
) -> None:
    statuses = [DiagnosticStatus(name='a: b', level=bytes([2])), DiagnosticStatus(name='c')]
    publisher = graph.publisher(DiagnosticArray, '/diag')
    for status in statuses:
        publisher.publish(DiagnosticArray(status=[status]))
    (first,) = screen.wait('/d/health/diag/a_b')
    (second,) = screen.wait('/d/health/diag/c')
    assert json.loads(first.payload)['values']['diag_a_b_level_name'] == 'error'
    assert json.loads(second.payload)['values']['diag_c_level'] == 0


def test_patterns_that_mean_nothing_are_a_problem_by_name(
    graph: Graph, bridge: BridgeProcess, screen: Screen, collector: Collector
) -> None:
    graph.publisher(String, '/text').publish(String(data='hello'))
    (sample,) = collector.wait_for_samples('/text')
    assert sample.message().data == 'hello'
    health = collector.wait_for_document(
        'health', lambda document: '/text' in document['problems']
    )
    problem = 'no dashboard: std_msgs/msg/String has no field of none'
    assert health['problems']['/text'] == problem
    assert not screen.messages('/d/texts/text')


def test_the_cloud_command_makes_those_that_the_robot_does_not(
    graph: Graph, broker: Broker, bridge: BridgeProcess, screen: Screen, collector: Collector
) -> None:
    arguments = ['--host', broker.host, '--port', str(broker.port), '--robot', ROBOT]
    with Program(['dashboard', *arguments]) as program:
        program.wait_for_error(f'{ROBOT} is online')
        pose, plain = graph.publisher(Odometry, '/odom'), graph.publisher(Float32, '/plain')
        before = len(screen.messages('/d/pose/odom'))
        message = Odometry()
        message.pose.pose.position.x = 99.0
        pose.publish(message)
        screen.wait('/d/pose/odom', before + 1)
        plain.publish(Float32(data=0.5))
        screen.wait('/d/plain/plain')
    assert screen.documents('/d/plain/plain')[0]['data'] == 0.5
    # The command alone would show everything of it.
    assert all(set(found) == {'ts', 'x', 'linear_x'} for found in screen.documents('/d/pose/odom'))
    assert len(screen.messages('/d/pose/odom')) == before + 1


def test_the_rate_is_a_parameter_that_changes_while_the_bridge_runs(
    graph: Graph, bridge: BridgeProcess, screen: Screen, collector: Collector
) -> None:
    publisher = graph.publisher(Float32, '/plain')
    before = len(screen.messages('/d/plain/plain'))

    def shown(value: float) -> bool:
        publisher.publish(Float32(data=value))
        found = screen.documents('/d/plain/plain')[before:]
        return value in [document['data'] for document in found]

    def made(hz: float) -> None:
        assert graph.set_parameters({'stream.plain.dashboard_hz': hz}) == ['']
        wanted = {'max_hz': hz, 'form': 'flat'} if hz else None
        # So the cloud's command leaves it to the robot, or takes it over.
        collector.wait_for_document(
            'info',
            lambda info: (
                {'name': 'plain', 'dashboard': wanted}.items()
                <= next(one for one in info['streams'] if one['name'] == 'plain').items()
            ),
        )

    made(5.0)
    wait_until(lambda: shown(1.5))
    made(0.0)
    until = len(screen.messages('/d/plain/plain'))
    publisher.publish(Float32(data=2.5))
    wait_until(lambda: 2.5 in [one.message().data for one in collector.samples('/plain')])
    made(10.0)
    wait_until(lambda: shown(3.5))
    assert 2.5 not in [found['data'] for found in screen.documents('/d/plain/plain')[until:]]
    # What is chosen is set off and on again, too.
    assert graph.set_parameters({'stream.pose.dashboard_hz': 0.0}) == ['']
    assert graph.set_parameters({'stream.pose.dashboard_hz': 5.0}) == ['']
