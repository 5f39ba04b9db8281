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

from importlib import import_module
from importlib.util import find_spec
import json
import os
from pathlib import Path
import socket
import subprocess
import sys
from typing import Any

import pytest

from support.broker import find_mosquitto
from support.browser import find_chromium
from support.waiting import wait_until

BENCHMARKS = Path(__file__).resolve().parents[1] / 'benchmarks'
TIMEOUT_S = 180.0

needs_ros = pytest.mark.skipif(
    find_spec('rclpy') is None, reason='ROS 2 (rclpy) is neither installed nor sourced'
)
needs_broker = pytest.mark.skipif(find_mosquitto() is None, reason='mosquitto is not installed')
needs_foxglove = pytest.mark.skipif(
    find_spec('foxglove') is None or find_spec('websockets') is None,
    reason='foxglove-sdk or websockets is missing',
)
needs_browser = pytest.mark.skipif(
    find_chromium() is None or find_spec('playwright') is None,
    reason='Chromium or playwright is missing',
)
needs_mcap = pytest.mark.skipif(find_spec('mcap') is None, reason='mcap: install the extra cloud')
needs_arrow = pytest.mark.skipif(
    find_spec('mcap') is None or find_spec('pyarrow') is None, reason='pyarrow: install export'
)
needs_pillow = pytest.mark.skipif(find_spec('PIL') is None, reason='Pillow: install images')


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


@pytest.mark.parametrize(
    'script',
    [
        'throughput.py',
        'link.py',
        'link_bytes.py',
        'scheduler.py',
        'spool.py',
        'backlog.py',
        'faults.py',
        'soak.py',
        'commands.py',
        pytest.param('foxglove_rate.py', marks=needs_foxglove),
        'mirror.py',
        pytest.param('web_page.py', marks=needs_mcap),
        pytest.param('plan_check.py', marks=needs_mcap),
        pytest.param('bytes.py', marks=needs_mcap),
        pytest.param('codecs.py', marks=needs_mcap),
        pytest.param('cloud.py', marks=needs_arrow),
    ],
)
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


@pytest.mark.slow
@needs_ros
@needs_broker
def test_mirror(tmp_path: Path) -> None:
    arguments = ('--seconds', '1', '--count', '2000')
    text, document = measured('mirror.py', tmp_path / 'figures.json', *arguments)
    assert len(document['paced']) == 3
    for name, row in document['paced'].items():
        assert name in text
        # What is too slow for this machine is late, not lost.
        assert row['heard_direct'] == row['heard_mirrored'] == row['count'] >= 10
        assert 0 < row['direct']['p50'] < row['mirrored']['p95']
        assert row['added']['p50'] <= row['added']['p95']
    assert document['flood']['heard_mirrored'] == 2000
    assert document['flood']['cpu_us_per_sample'] > 0


@pytest.mark.slow
@needs_arrow
def test_cloud(tmp_path: Path) -> None:
    text, document = measured('cloud.py', tmp_path / 'figures.json', '--quick')
    assert len(document['rates']) == 7
    for name, rounds in document['rates'].items():
        assert name in text
        assert len(rounds) == 3 and min(rounds) > 0
    memory = document['memory']
    assert memory['samples'] == 300_000
    # Five minutes of ten IMUs at 100 Hz leave nothing behind.
    assert memory['end_bytes'] < memory['first_minute_bytes'] + 16 * 1024 * 1024
    # A sample of 324 bytes and what MCAP adds to it, compressed.
    assert 30 < document['file_bytes_per_sample'] < 324


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
def test_codecs(tmp_path: Path, recordings: Path) -> None:
    path = min(recordings.glob('*.mcap'), key=lambda path: path.stat().st_size)
    arguments = (str(path), '--quick', '--part', 'lossless')
    text, document = measured('codecs.py', tmp_path / 'figures.json', *arguments)
    rows = document['lossless'][path.stem]
    for topic, row in rows.items():
        assert topic in text
        found = row['delays']['1']['normal']
        assert 0 < row['horizon'] < row['raw']
        assert 0 < found['context']['bytes'] <= 1.05 * found['alone']['bytes']
        assert all(value > 0 for key, value in found['alone'].items() if key.endswith('_us'))
        assert all(row[f'{peer}_us'] > 0 for peer in ('single_zstd', 'mcap', 'horizon'))
    # Smaller than what an archiver makes of the whole file, live.
    together = rows['all']
    efforts = together['delays']['1']
    assert efforts['normal']['alone']['bytes'] < together['mcap'] < together['raw']
    sizes = [efforts[name]['context']['bytes'] for name in ('strong', 'normal', 'cheap')]
    assert sizes == sorted(sizes)


@needs_mcap
@needs_pillow
def test_codecs_of_reducers(tmp_path: Path, recordings: Path) -> None:
    parts = ('reducers', 'clouds', 'images')
    text, document = measured('codecs.py', tmp_path / 'figures.json', '--quick', '--part', *parts)
    for found in document['reducers'].values():
        for row in found['recordings'].values():
            assert row['reduced'] < row['lossless'] < row['raw']
            assert all(topic['topic'] in text for topic in row['topics'])
    for name in ('/velodyne_points', '/velodyne_points_full'):
        ways = {row['name']: row for row in document['clouds'][name]}
        assert ways['cloud_quantize']['bytes'] < ways['Cloudini-like, 1 mm']['bytes']
        assert ways['cloud_quantize']['error_mm'] <= 0.501
        assert ways['cloud_quantize resolution=0.01']['error_mm'] <= 5.01
    for name in ('/scan', '/map', 'images', 'depth'):
        part = 'images' if name in ('images', 'depth') else 'clouds'
        assert all(
            row['bytes'] > 0 and row['name'].strip() in text for row in document[part][name]
        )
    assert document['images']['depth'][3]['error_mm'] == 0.0


@needs_mcap
def test_codecs_names_a_recording_that_is_not_there(tmp_path: Path) -> None:
    done = run('codecs.py', str(tmp_path / 'none.mcap'))
    assert done.returncode == 2
    assert done.stderr == f'{tmp_path / "none.mcap"}: no such file\n'


@needs_foxglove
@pytest.mark.slow
def test_foxglove_rate(tmp_path: Path) -> None:
    text, document = measured('foxglove_rate.py', tmp_path / 'figures.json', '--quick')
    assert '6,000 points' in text
    for figures in document['bytes_per_s'].values():
        assert {'decoded only', 'foxglove-sdk alone', 'decoded and served'} == set(figures)
        assert all(rate > 0 for rates in figures.values() for rate in rates)


@needs_browser
@needs_broker
@pytest.mark.slow
def test_web_page(tmp_path: Path) -> None:
    arguments = ('--quick', '--part', 'open', '--part', 'fleet')
    text, document = measured('web_page.py', tmp_path / 'figures.json', *arguments)
    assert 'first value' in text
    results = document['results']
    assert results['open']['first value p50'] > 0
    assert 0 < results['fleet']['rows in the document'] < 200


@needs_mcap
@pytest.mark.slow
def test_scheduler(tmp_path: Path) -> None:
    text, figures = measured('scheduler.py', tmp_path / 'figures.json', '--quick')
    assert '10,000 samples/s' in text
    assert len(figures) == 7 and all(figure > 0 for figure in figures.values())


def test_bytes_without_recordings_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('RCB_RECORDINGS', str(tmp_path))
    done = run('bytes.py')
    assert done.returncode == 1
    assert 'RCB_RECORDINGS' in done.stderr


@pytest.fixture
def netns(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = import_module('netns')
    if (reason := module.missing()) is not None:
        pytest.skip(reason)
    return module


def test_link_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Neither ip nor tc is found there; whoever is not root hears of that first.
    monkeypatch.setenv('PATH', str(tmp_path))
    done = run('link.py', '--quick')
    assert done.returncode == 2
    assert done.stdout == ''
    (line,) = done.stderr.splitlines()
    assert 'root' in line or "'ip'" in line


def test_link_is_shaped_and_removed(netns: Any) -> None:
    with netns.Link(1000.0, limit_bytes=20_000) as link:
        assert link.offloads_left == ()
        link.shape(64.0)
        shown = netns.run('tc', '-n', link.robot, '-j', 'qdisc', 'show', 'dev', link.device)
        (shaper,) = json.loads(shown)
        assert shaper['kind'] == 'tbf'
        # In bytes per second.
        assert shaper['options']['rate'] == 8000
        before = link.sent()
        ping = 'import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(bytes(100), '
        ping += f'({netns.CLOUD_ADDRESS!r}, 9))'
        netns.run(*link.inside('robot', [sys.executable, '-c', ping]))
        # Payload, UDP, IP and Ethernet; ARP may come before it.
        wait_until(lambda: link.sent().sent_bytes - before.sent_bytes >= 100 + 8 + 20 + 14)
        names = {link.robot, link.cloud}
        assert names <= {entry['name'] for entry in _namespaces(netns)}
    assert not names & {entry['name'] for entry in _namespaces(netns)}


def _namespaces(netns: Any) -> Any:
    return json.loads(netns.run('ip', '-j', 'netns', 'list') or '[]')


@pytest.mark.slow
@needs_ros
@needs_broker
def test_link(tmp_path: Path, netns: Any) -> None:
    arguments = ('--quick', '--scenario', 'steady', '--rates', '256', '--seconds', '4')
    before = {entry['name'] for entry in _namespaces(netns)}
    text, document = measured('link.py', tmp_path / 'figures.json', *arguments)
    assert {entry['name'] for entry in _namespaces(netns)} <= before
    results = {result['subject']: result for result in document['results']}
    assert set(results) == {'plain0', 'bridge'}
    for name, result in results.items():
        assert name in text
        assert result['errors'] == [] and result['offloads_left'] == []
        (phase,) = result['phases']
        assert phase['rate_kbit'] == 256 and phase['overload'] == pytest.approx(4, rel=0.01)
        # The link is what limits: no figure of a subject, but of the shaper.
        assert 0 < phase['shaper_share'] < 1.3
        assert phase['topics']['/odom']['published'] > 0
        assert set(phase['topics']) == {'/odom', '/imu', '/scan', '/camera'}
        points = result['timeline']['ages_ms']['robot-a']
        assert points and all(age > 0 for _, age in points)
    # What paho has swallowed and the link has not carried.
    assert results['plain0']['phases'][0]['behind_bytes'] > 0


def test_proxy_stalls_and_goes_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    proxy_class = import_module('proxy').Proxy
    with socket.create_server(('127.0.0.1', 0)) as server:
        target = server.getsockname()
        with proxy_class(target, delay_s=0.005, jitter_s=0.005) as proxy:
            first, first_end = _through(proxy.port, server)
            data = bytes(range(256)) * 400
            first.sendall(data)
            assert _receive(first_end, len(data)) == data
            # Longer than any test: over as soon as another stall of no length takes its place.
            proxy.stall(3600.0)
            first_end.sendall(b'late')
            first.setblocking(False)
            with pytest.raises(BlockingIOError):
                first.recv(1)
            first.settimeout(30.0)
            proxy.stall(0.0)
            assert _receive(first, 4) == b'late'
            assert proxy.half_open() == 1
            first.sendall(b'lost')
            second, second_end = _through(proxy.port, server)
            second.sendall(b'kept')
            assert _receive(second_end, 4) == b'kept'
            first_end.setblocking(False)
            with pytest.raises(BlockingIOError):
                first_end.recv(1)
        # Only the end of the proxy ends a half-open connection.
        first_end.settimeout(30.0)
        assert first_end.recv(1) == b''
    for end in (first, first_end, second, second_end):
        end.close()


def _through(port: int, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    near = socket.create_connection(('127.0.0.1', port), timeout=30.0)
    far, _ = server.accept()
    far.settimeout(30.0)
    return near, far


def _receive(end: socket.socket, size: int) -> bytes:
    data = b''
    while len(data) < size:
        chunk = end.recv(size - len(data))
        assert chunk, 'the connection has ended'
        data += chunk
    return data


@needs_ros
@needs_broker
@pytest.mark.slow
def test_commands(tmp_path: Path) -> None:
    arguments = ('--quick', '--part', 'idle', '--part', 'verify')
    text, document = measured('commands.py', tmp_path / 'figures.json', *arguments)
    idle = document['idle']
    assert idle['failed'] == {}
    assert set(idle['kinds']) == {'topic', 'service', 'parameter', 'echo', 'rclpy'}
    for figures in idle['kinds'].values():
        assert figures['count'] == 20
        assert 0 < figures['p50_ms'] <= figures['p95_ms'] <= figures['max_ms']
    assert all(row['per_s'] > 0 for row in document['verify'].values())
    assert 'plain paho echo' in text and 'bad signature' in text


@needs_ros
@needs_broker
@pytest.mark.slow
def test_commands_over_a_link(tmp_path: Path, netns: Any) -> None:
    before = {entry['name'] for entry in _namespaces(netns)}
    arguments = ('--quick', '--part', 'teleop')
    _, document = measured('commands.py', tmp_path / 'figures.json', *arguments)
    assert {entry['name'] for entry in _namespaces(netns)} <= before
    teleop = document['teleop']
    assert teleop['ages']['count'] > 0
    # The watchdog neither sleeps nor is it early.
    assert teleop['stop']['count'] == 1
    assert teleop['stop']['p50_ms'] >= teleop['watchdog_ms'] - 100
