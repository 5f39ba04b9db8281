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

"""The rover on dashboards: the command's output, and that the examples fit it."""

from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

import pytest
import yaml

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')
pytest.importorskip('PIL', reason='Pillow is missing: install the extra images')

from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.program import Program  # noqa: E402
from support.screens import Screen, watching  # noqa: E402
from support.waiting import wait_until  # noqa: E402

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLES = PROJECT / 'examples'
TOPICS = {
    'odom': {'x', 'y', 'yaw_deg', 'speed'},
    'battery_state': {'percent', 'voltage', 'current', 'status'},
    'fix': {'latitude', 'longitude', 'altitude', 'fix'},
    'scan': {'nearest', 'nearest_deg', 'valid', 'total'},
    'imu-data': {'yaw_deg', 'angular_velocity_z', 'linear_acceleration_x'},
    'rosout': {'level', 'level_name', 'name', 'message'},
    'diagnostics/rover_battery': {'level', 'level_name', 'name', 'message', 'value_charge'},
    'camera-image_raw': {'frame_id'},
}


@pytest.fixture(scope='module')
def screen(broker: Broker) -> Iterator[Screen]:
    """
    Run the rover, its bridge and the command until everything was shown once.

    :param broker: where they meet
    :returns: what was shown
    """
    parameters = yaml.safe_load((PROJECT / 'config' / 'rover.yaml').read_text())
    parameters = parameters['/**']['ros__parameters']
    parameters['mqtt'] = {'host': broker.host, 'port': broker.port}
    del parameters['commands'], parameters['command']
    with watching(broker, 'rcb/v1/rover/d/#') as screen, Program(['robot']):
        where = ['--host', broker.host, '--port', str(broker.port)]
        with BridgeProcess(parameters), Program(['dashboard', *where, '--max-hz', '2']):
            for topic in (*TOPICS, 'camera-image_raw/jpeg'):
                screen.wait(f'/{topic}', timeout_s=40.0)
            # The robot says it moves, and where.
            wait_until(lambda: len({d['x'] for d in screen.documents('/odom')}) >= 3, 40.0)
            yield screen


@pytest.mark.parametrize('topic', TOPICS)
def test_what_the_rover_shows(screen: Screen, topic: str) -> None:
    for found in screen.documents(f'/{topic}'):
        assert TOPICS[topic] <= found.keys()
        assert all(isinstance(value, (bool, int, float, str)) for value in found.values())


def test_its_camera_is_a_jpeg(screen: Screen) -> None:
    for picture in screen.messages('camera-image_raw/jpeg'):
        assert picture.payload[:3] == b'\xff\xd8\xff'
        assert picture.payload[-2:] == b'\xff\xd9'


def flow() -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = json.loads((EXAMPLES / 'node_red' / 'flows.json').read_text())
    return nodes


def panels() -> list[dict[str, Any]]:
    document = json.loads((EXAMPLES / 'grafana' / 'dashboards' / 'robot.json').read_text())
    found: list[dict[str, Any]] = document['panels']
    return found


def telegraf_topics() -> list[str]:
    text = (EXAMPLES / 'telegraf' / 'telegraf.conf').read_text()
    return re.findall(r'^ *topics = \["(.+)"\]', text, re.MULTILINE)


def matching(screen: Screen, topic_filter: str) -> list[Any]:
    pattern = re.escape(topic_filter).replace(r'\+', '[^/]+')
    return [made for made in screen.messages() if re.fullmatch(pattern, made.topic)]


def test_each_topic_of_the_examples_exists(screen: Screen) -> None:
    filters = [node['topic'] for node in flow() if node['type'] == 'mqtt in']
    for panel in panels():
        filters += [target['topic'].replace('${robot}', 'rover') for target in panel['targets']]
    filters += telegraf_topics()
    assert len(filters) == 6 + 8 + 2
    assert [name for name in filters if not matching(screen, name)] == []
    # Telegraf parses all of what it gets as JSON.
    for name in telegraf_topics():
        assert all(json.loads(made.payload) for made in matching(screen, name))


def test_each_key_that_a_panel_shows_exists(screen: Screen) -> None:
    for panel in panels():
        (change,) = panel['transformations']
        keys = set(change['options']['include']['names']) - {'Time'}
        (target,) = panel['targets']
        for made in matching(screen, target['topic'].replace('${robot}', 'rover')):
            assert keys <= json.loads(made.payload).keys(), panel['title']


def test_the_flow_is_wired(screen: Screen) -> None:
    nodes = {node['id']: node for node in flow()}
    for node in nodes.values():
        assert all(target in nodes for wire in node.get('wires', []) for target in wire)
        for key in ('group', 'page', 'ui', 'theme', 'broker', 'z'):
            if node.get(key) and node['type'] != 'mqtt-broker':
                assert node[key] in nodes, (node['id'], key)
        if node['type'] == 'ui-chart':
            (source,) = {
                n['id'] for n in nodes.values() if node['id'] in sum(n.get('wires', []), [])
            }
            (feed,) = [n for n in nodes.values() if source in sum(n.get('wires', []), [])]
            for made in matching(screen, feed['topic']):
                assert node['yAxisProperty'] in json.loads(made.payload), node['label']
