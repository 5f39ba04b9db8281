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

"""What a user sees of a real bridge's spool: ``spool`` on its file, ``top``, ``/diagnostics``."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')
pytest.importorskip('rich', reason='rich is missing: install the extra cloud')
mcap_reader = pytest.importorskip('mcap.reader')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from std_msgs.msg import Int32  # noqa: E402

from ros_cloud_bridge.wire.confirm import (  # noqa: E402
    Confirmation,
    encode_confirmation,
    Held,
)
from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.graph import Graph, qos  # noqa: E402
from support.program import Program  # noqa: E402
from support.robots import parameters  # noqa: E402


def spool(*arguments: str) -> dict[str, Any]:
    """Run ``spool --json``."""
    with Program(['spool', '--json', *arguments]) as program:
        assert program.wait() == 0, program.err
    (document,) = json.loads(program.out[0])['spools']
    assert isinstance(document, dict)
    return document


def top(broker: Broker, robot_id: str) -> dict[str, Any]:
    """Run ``top --once --json`` for as long as two ``health`` take."""
    place = ['--host', broker.host, '--port', str(broker.port)]
    with Program(['top', *place, '--robot', robot_id, '--once', '--json', '--seconds', '4']) as p:
        assert p.wait() == 0, p.err
    (robot,) = json.loads(p.out[0])['robots']
    assert isinstance(robot, dict)
    return robot


def test_a_backlog_is_seen_until_it_is_gone(
    graph: Graph, robot_id: str, broker: Broker, tmp_path: Path
) -> None:
    topic = f'/seen_{robot_id.replace("-", "_")}'
    stream = {'keep': 'durable', 'confirm': 'consumer', 'confirm_by': 'archive'}
    made = parameters(
        broker, robot_id, {'kept': {**stream, 'topics': [topic]}}, state_dir=str(tmp_path)
    )
    statuses: list[DiagnosticStatus] = []

    def hear(message: DiagnosticArray) -> None:
        statuses.extend(
            status
            for status in message.status
            if (status.hardware_id, status.name) == (robot_id, 'uplink: spool')
        )

    with BridgeProcess(made) as bridge, Collector(broker, robot_id) as collector:
        listener = graph.node.create_subscription(DiagnosticArray, '/diagnostics', hear, qos())
        publisher = graph.publisher(Int32, topic, qos(depth=1000))
        for number in range(90):
            publisher.publish(Int32(data=number))
        entry = collector.health_of(topic, lambda entry: entry['spooled'] == 90)

        found = spool('--state-dir', str(tmp_path), '--robot', robot_id)
        assert found['adds_up'] and found['total']['committed'] == found['total']['spooled'] == 90
        (lane,) = found['lanes']
        assert (lane['stream'], lane['topic'], lane['route']) == ('kept', topic, entry['route'])

        shown = top(broker, robot_id)['spool']
        assert (shown['state'], shown['figures']['samples']) == ('ok', 90)
        (backlog,) = shown['streams']
        assert (backlog['stream'], backlog['samples'], backlog['unconfirmed']) == ('kept', 90, 90)
        graph.spin_until(lambda: statuses and ('samples', '90') in _values(statuses[-1]))
        assert statuses[-1].level == DiagnosticStatus.OK
        assert statuses[-1].message.startswith('90 samples spooled')

        graph.node.destroy_subscription(listener)

        target = tmp_path / 'home.mcap'
        with Program(['spool', '--state-dir', str(tmp_path), '--export', str(target)]) as program:
            assert program.wait() == 0
        assert program.out == [f'90 samples written to {target} ({topic} 90)\n']
        with target.open('rb') as file:
            messages = [m for _, _, m in mcap_reader.make_reader(file).iter_messages()]
        assert sorted(m.sequence for m in messages) == list(range(1, 91))
        kept = {sample.sequence: sample.cdr for sample in collector.samples(topic)}
        assert {m.sequence: m.data for m in messages} == kept

        boot = bytes.fromhex(lane['boot_id'])
        held = (Held(boot=boot, route=entry['route'], ranges=((1, 90),)),)
        confirmation = Confirmation(instance=b'archive1', held=held)
        collector.publish('confirm/archive', encode_confirmation(confirmation))
        collector.health_of(topic, lambda entry: entry['spooled'] == 0)
        shown = top(broker, robot_id)['spool']
        assert shown['figures']['samples'] == 0 and shown['streams'][0]['samples'] == 0
        assert bridge.stop() == 0
    found = spool('--state-dir', str(tmp_path))
    assert (found['robot_id'], found['adds_up']) == (robot_id, True)
    assert found['total']['delivered'] == 90 and found['total']['spooled'] == 0


def _values(status: DiagnosticStatus) -> list[tuple[str, str]]:
    return [(entry.key, entry.value) for entry in status.values]
