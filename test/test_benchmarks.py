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

"""The benchmarks run, and their figures hold together; how good they are is not tested."""

from importlib.util import find_spec
import json
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest

from support.broker import find_mosquitto

BENCHMARKS = Path(__file__).resolve().parents[1] / 'benchmarks'
TIMEOUT_S = 180.0

needs_ros = pytest.mark.skipif(
    find_spec('rclpy') is None, reason='ROS 2 (rclpy) is neither installed nor sourced'
)
needs_broker = pytest.mark.skipif(find_mosquitto() is None, reason='mosquitto is not installed')
needs_mcap = pytest.mark.skipif(find_spec('mcap') is None, reason='mcap: install the extra cloud')


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = str(BENCHMARKS.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get('PYTHONPATH', ''))))
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, 'PYTHONPATH': path},
        check=False,
    )


def measured(script: str, json_file: Path, *arguments: str) -> tuple[str, Any]:
    done = run(script, *arguments, '--json', str(json_file))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(json_file.read_text(encoding='utf-8'))


@pytest.mark.parametrize('script', ['throughput.py', pytest.param('bytes.py', marks=needs_mcap)])
def test_help(script: str) -> None:
    done = run(script, '--help')
    assert done.returncode == 0, done.stderr
    assert '--quick' in done.stdout


def test_unknown_subject_is_named() -> None:
    done = run('throughput.py', '--subjects', 'bridge,telepathy')
    assert done.returncode == 2
    assert "'telepathy'" in done.stderr


@pytest.mark.slow
@needs_ros
@needs_broker
@pytest.mark.parametrize('load', ['imu', '1m'])
def test_throughput(tmp_path: Path, load: str) -> None:
    # So slow that any machine keeps up: what is tested is that everybody counts right.
    arguments = ('--loads', load, '--rates', '20', '--rounds', '1', '--rung-seconds', '1')
    text, document = measured('throughput.py', tmp_path / 'figures.json', *arguments)
    rungs = {rung['subject']: rung for rung in document['rungs']}
    assert set(rungs) == {'noop', 'forwarder', 'bridge'}
    for rung in rungs.values():
        assert rung['sent'] == rung['received'] == 20
        assert rung['failed'] == 0
        assert rung['cpu_us'] > 0 and rung['peak_mb'] > 0
        assert 0 < rung['p50_ms'] <= rung['p99_ms']
    size = {'imu': 324, '1m': 1024 * 1024}[load]
    # A PUBLISH packet has some bytes beside the message.
    assert size < rungs['forwarder']['wire_bytes'] < size + 200
    assert 0 < rungs['bridge']['wire_bytes'] < size + 3000
    for name in rungs:
        assert name in text


@needs_mcap
def test_bytes(tmp_path: Path, recordings: Path) -> None:
    path = min(recordings.glob('*.mcap'), key=lambda path: path.stat().st_size)
    arguments = (str(path), '--quick', '--delay', '0.1', '5')
    text, document = measured('bytes.py', tmp_path / 'figures.json', *arguments)
    topics = document['topics'][path.stem]
    for topic, row in topics.items():
        assert topic in text
        assert row['raw'] < row['per_sample']
        assert 0 < row['horizon'] < row['raw']
    total = {name: sum(row[name] for row in topics.values()) for name in ('raw', 'ours_0.1')}
    # More delay is fewer envelopes and longer runs for the codec: it never costs bytes.
    assert sum(row['ours_5'] for row in topics.values()) < total['ours_0.1'] < total['raw']


@needs_mcap
def test_bytes_without_recordings_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('RCB_RECORDINGS', str(tmp_path))
    done = run('bytes.py')
    assert done.returncode == 1
    assert 'RCB_RECORDINGS' in done.stderr
