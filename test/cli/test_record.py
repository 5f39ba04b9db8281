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

"""``ros-cloud-bridge record`` as a process, against a real broker."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
import re
import signal

import pytest

from ros_cloud_bridge.cli.main import main
from support.broker import Broker, free_port
from support.program import Program
from support.waiting import wait_until

wire_robot = pytest.importorskip('support.wire_robot', reason='rosbags is missing')
WireRobot, level_cdr = wire_robot.WireRobot, wire_robot.level_cdr
rosbag2 = pytest.importorskip('rosbags.rosbag2', reason='rosbags: install the extra cloud')
mcap_reader = pytest.importorskip('mcap.reader', reason='mcap: install the extra cloud')

CDRS = [level_cdr(n / 8, bytes(range(n))) for n in range(40)]


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def record(broker: Broker, path: Path, *arguments: str) -> Program:
    where = ['--host', broker.host, '--port', str(broker.port)]
    return Program(['record', '-o', str(path), *where, *arguments])


def contents(path: Path) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    with path.open('rb') as stream:
        for _, channel, message in mcap_reader.make_reader(stream).iter_messages():
            found.setdefault(channel.topic, []).append(message.data)
    return found


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_file_is_finished_on_a_signal(
    broker: Broker, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / 'r.mcap'
    name = f'sig-{number.name.lower()}'
    with WireRobot(broker, name) as robot, record(broker, path, '--robot', name) as program:
        robot.birth()
        program.wait_for_error(f'{name} is online')
        level, other = robot.route('/level'), robot.route('/other')
        robot.schemas()
        robot.send(level, CDRS[:30], source_time_ns=10**18)
        robot.send(other, CDRS[30:], source_time_ns=10**18)
        robot.birth(online=False)
        program.wait_for_error(f'{name} is offline')
        program.send(number)
        assert program.wait() == 0
    assert contents(path) == {'/level': CDRS[:30], '/other': CDRS[30:]}
    size = [sum(map(len, CDRS[:30])), sum(map(len, CDRS[30:]))]
    assert [line.split() for line in program.out] == [
        ['topic', 'samples', 'bytes'],
        ['/level', '30', str(size[0])],
        ['/other', '10', str(size[1])],
        ['total', '40', str(sum(size))],
    ]
    with rosbag2.Reader(path) as bag:
        assert bag.message_count == 40
        assert {c.topic: c.msgtype for c in bag.connections} == {
            '/level': 'mine/msg/Level',
            '/other': 'mine/msg/Level',
        }


def test_count_topics_and_prefix(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    arguments = ('--robot', 'cnt', '--topic', '/l*', '--count', '25', '--prefix')
    with WireRobot(broker, 'cnt') as robot, record(broker, path, *arguments) as program:
        robot.birth()
        program.wait_for_error('cnt is online')
        level, other = robot.route('/level'), robot.route('/other')
        robot.schemas()
        robot.send(other, CDRS)
        robot.send(level, CDRS)
        assert program.wait() == 0
    assert contents(path) == {'/cnt/level': CDRS[:25]}


def test_several_robots_get_their_names(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    with WireRobot(broker, 'two-a') as first, WireRobot(broker, 'two-b') as second:
        first.birth()
        second.birth()
        arguments = ('--robot', 'two-*', '--count', '20')
        with record(broker, path, *arguments) as program:
            program.wait_for_error('two-a is online')
            program.wait_for_error('two-b is online')
            for robot in (first, second):
                route = robot.route('/level')
                robot.schemas()
                robot.send(route, CDRS[:10])
            assert program.wait() == 0
    assert contents(path) == {'/two_a/level': CDRS[:10], '/two_b/level': CDRS[:10]}


def test_one_robot_of_a_glob_is_prefixed_from_the_start(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    with WireRobot(broker, 'glob-1') as robot:
        with record(broker, path, '--robot', 'glob-[0-9]', '--count', '5') as program:
            robot.birth()
            program.wait_for_error('glob-1 is online')
            route = robot.route('/level')
            robot.schemas()
            robot.send(route, CDRS[:5])
            assert program.wait() == 0
    assert contents(path) == {'/glob_1/level': CDRS[:5]}


def test_killed_recording_can_be_read_up_to_the_last_second(
    broker: Broker, tmp_path: Path
) -> None:
    path = tmp_path / 'r.mcap'
    with WireRobot(broker, 'kill') as robot, record(broker, path, '--robot', 'kill') as program:
        robot.birth()
        program.wait_for_error('kill is online')
        start = path.stat().st_size
        route = robot.route('/level')
        robot.schemas()
        robot.send(route, CDRS)
        wait_until(lambda: path.stat().st_size > start, what='a chunk on the disk')
        program.send(signal.SIGKILL)
        assert program.wait() == -signal.SIGKILL
    found = []
    with path.open('rb') as stream:
        reader = mcap_reader.NonSeekingReader(stream)
        with pytest.raises(Exception, match='.*'):  # noqa: B017, PT011
            for _, _, message in reader.iter_messages(log_time_order=False):
                found.append(message.data)
    assert found == CDRS


def test_existing_file_is_kept_unless_told(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    path.write_bytes(b'precious')
    with record(broker, path, '--seconds', '1') as program:
        assert program.wait() == 2
    assert 'exists; --force replaces it' in ''.join(program.err)
    assert path.read_bytes() == b'precious'
    with record(broker, path, '--seconds', '3', '--force') as program:
        assert program.wait() == 0
    assert contents(path) == {}


def test_no_file_is_made_for_impossible_arguments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'r.mcap'
    assert main(['record', '-o', str(path), '--robot', '#']) == 2
    assert not path.exists()
    assert main(['record', '-o', str(tmp_path / 'no' / 'r.mcap')]) == 2
    assert 'No such file or directory' in capsys.readouterr().err


def test_broker_that_is_never_reached_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    where = ['--host', '127.0.0.1', '--port', str(free_port())]
    with Program(['record', '-o', str(path), *where]) as program:
        program.wait_for_error('broker not reachable')
        program.send(signal.SIGINT)
        assert program.wait() == 1
    assert 'was never connected to ' in program.err[-1]
    assert contents(path) == {}


def test_full_disk_ends_it_with_an_error(broker: Broker) -> None:
    full = Path('/dev/full')
    if not full.exists():
        pytest.skip('this system has no /dev/full')
    with WireRobot(broker, 'full') as robot:
        with record(broker, full, '--force', '--robot', 'full') as program:
            robot.birth()
            program.wait_for_error('full is online')
            route = robot.route('/level')
            robot.schemas()
            robot.send(route, CDRS)
            assert program.wait() == 1
    assert 'No space left on device' in ''.join(program.err)
    assert 'Traceback' not in ''.join(program.err)


def test_real_recording_arrives_as_it_was(
    broker: Broker, tmp_path: Path, recordings: Path
) -> None:
    path = tmp_path / 'r.mcap'
    sent: dict[str, list[bytes]] = {}
    types: dict[str, str] = {}
    with (recordings / 'a2_px4_multirotor_rtk.mcap').open('rb') as stream:
        for schema, channel, message in mcap_reader.make_reader(stream).iter_messages():
            sent.setdefault(channel.topic, []).append(message.data)
            types[channel.topic] = schema.name
    count = str(sum(map(len, sent.values())))
    arguments = ('--robot', 'real', '--count', count)
    with WireRobot(broker, 'real') as robot, record(broker, path, *arguments) as program:
        robot.birth()
        program.wait_for_error('real is online')
        routes = {topic: robot.route(topic, name) for topic, name in types.items()}
        robot.announce()
        for topic, cdrs in sent.items():
            for start in range(0, len(cdrs), 50):
                robot.send(routes[topic], cdrs[start : start + 50])
        assert program.wait() == 0
    assert contents(path) == sent
    table = Counter({row[0]: int(row[1]) for row in map(str.split, program.out[1:-1])})
    assert table == {topic: len(cdrs) for topic, cdrs in sent.items()}
    assert re.fullmatch(r'total +\d+ +\d+\n', program.out[-1])
