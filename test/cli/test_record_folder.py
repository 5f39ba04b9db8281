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

"""``record -o FOLDER/`` as a process: files by robot and time, whenever it is killed."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
import random
import re
import signal
from typing import Any

import pytest

from ros_cloud_bridge.cli.main import main
from ros_cloud_bridge.ranges import Ranges
from support.broker import Broker
from support.program import Program
from support.waiting import wait_until

wire_robot = pytest.importorskip('support.wire_robot', reason='rosbags is missing')
durable_robot = pytest.importorskip('support.durable_robot', reason='rosbags is missing')
WireRobot, level_cdr = wire_robot.WireRobot, wire_robot.level_cdr
mcap_reader = pytest.importorskip('mcap.reader', reason='mcap: install the extra cloud')
rosbag2 = pytest.importorskip('rosbags.rosbag2', reason='rosbags: install the extra cloud')

ROUNDS = 5
CDRS = [level_cdr(n / 8, n.to_bytes(4, 'little') + bytes(n % 50)) for n in range(2000)]


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def record(broker: Broker, folder: Path, *arguments: str) -> Program:
    where = ['--host', broker.host, '--port', str(broker.port)]
    return Program(['record', '-o', f'{folder}/', *where, *arguments])


def files(folder: Path, robot_id: str) -> list[Path]:
    return sorted((folder / robot_id).glob('*.mcap'))


def finished(path: Path) -> list[tuple[str, bytes]]:
    with path.open('rb') as stream:
        reader = mcap_reader.make_reader(stream, validate_crcs=True)
        assert reader.get_summary() is not None
        return [(channel.topic, message.data) for _, channel, message in reader.iter_messages()]


def all_ended(folder: Path, least: int) -> bool:
    paths = files(folder, 'split-a')
    # The magic alone is the beginning of a file, too.
    ends = [path.read_bytes()[8:].endswith(b'\x89MCAP0\r\n') for path in paths]
    return len(paths) >= least and all(ends)


def test_each_robot_has_its_files_and_a_size_begins_the_next(
    broker: Broker, tmp_path: Path
) -> None:
    folder = tmp_path / 'fleet'
    with WireRobot(broker, 'split-a') as first, WireRobot(broker, 'split-b') as second:
        first.birth()
        second.birth()
        # Any file is larger than this: each second begins another.
        arguments = ('--robot', 'split-*', '--split', '0.1kB', '--split', '1h')
        with record(broker, folder, *arguments) as program:
            program.wait_for_error('split-a is online')
            program.wait_for_error('split-b is online')
            routes = {robot: robot.route('/level') for robot in (first, second)}
            for robot in routes:
                robot.schemas()
            for part in range(3):
                for robot, route in routes.items():
                    robot.send(route, CDRS[50 * part : 50 * part + 50])
                wait_until(partial(all_ended, folder, part + 1), what='files with ends')
            program.send(signal.SIGINT)
            assert program.wait() == 0
    for name in ('split-a', 'split-b'):
        paths = files(folder, name)
        assert len(paths) >= 3
        pattern = rf'{name}_\d{{8}}T\d{{6}}Z(-\d+)?\.mcap'
        assert all(re.fullmatch(pattern, path.name) for path in paths)
        # Each robot has its own files, so that topics keep their names.
        found = [entry for path in paths for entry in finished(path)]
        assert Counter(found) == Counter(('/level', cdr) for cdr in CDRS[:150])
        for path in paths:
            with rosbag2.Reader(path) as bag:
                assert {c.msgtype for c in bag.connections} == {'mine/msg/Level'}
    rows = [line.split() for line in program.out]
    assert [row[1] for row in rows[1:]] == ['150', '150', '300']


def test_each_file_begins_with_what_is_latched_and_export_has_it_once(
    broker: Broker, tmp_path: Path
) -> None:
    folder = tmp_path / 'fleet'
    with WireRobot(broker, 'split-a') as robot:
        robot.birth()
        with record(broker, folder, '--robot', 'split-a', '--split', '0.1kB') as program:
            program.wait_for_error('split-a is online')
            level, map_ = robot.route('/level'), robot.route('/map', latched=True)
            robot.schemas()
            robot.info()
            for value in (1.0, 2.0):
                robot.send(map_, [level_cdr(value)], latched=True)
            for part in range(3):
                robot.send(level, CDRS[50 * part : 50 * part + 50])
                wait_until(partial(all_ended, folder, part + 1), what='files with ends')
            program.send(signal.SIGINT)
            assert program.wait() == 0
    paths = [path for path in files(folder, 'split-a') if finished(path)]
    assert len(paths) >= 3
    latched = [[cdr for topic, cdr in finished(path) if topic == '/map'] for path in paths]
    # The first has both, as they came; each later one the last, as a late joiner would get it.
    assert latched == [[level_cdr(1.0), level_cdr(2.0)], *[[level_cdr(2.0)]] * (len(paths) - 1)]
    for path in paths[1:]:
        with path.open('rb') as stream:
            reader = mcap_reader.make_reader(stream)
            (_, channel, first), *others = reader.iter_messages()
            assert channel.topic == '/map' and first.publish_time < first.log_time
            assert all(other.log_time >= first.log_time for _, _, other in others)
            assert 'durability: transient_local' in channel.metadata['offered_qos_profiles']
    # What is said to be recorded is what came.
    assert [row.split()[1] for row in program.out[1:]] == ['150', '2', '152']
    tables = tmp_path / 'tables'
    assert main(['export', str(folder), '-o', str(tables), '--format', 'csv']) == 0
    assert len((tables / 'split-a' / 'map.csv').read_text().splitlines()) == 1 + 2
    assert len((tables / 'split-a' / 'level.csv').read_text().splitlines()) == 1 + 150


def test_confirmed_samples_outlive_sigkill_while_files_change(
    broker: Broker, tmp_path: Path
) -> None:
    chance = random.Random(7)
    folder = tmp_path / 'archive'
    arguments = ('--robot', 'turns', '--confirm', '--name', 'archive', '--split', '1kB')
    with durable_robot.DurableRobot(broker, 'turns', 'archive') as robot:
        route = robot.route('/level')
        robot.announce()
        sent = 0
        for last in [False] * ROUNDS + [True]:
            with record(broker, folder, *arguments) as program:
                program.wait_for_error('turns is online')
                if wanted := robot.unconfirmed(route):
                    robot.backlog(route, wanted)
                target = sent + chance.randint(50, 150)
                enough = target if last else chance.randint(sent, target)
                while sent < target:
                    step = chance.randint(1, 20)
                    robot.live(route, CDRS[sent : sent + step])
                    sent += step
                if last:
                    robot.wait_for_confirmed(route, (1, sent))
                    program.send(signal.SIGINT)
                    assert program.wait() == 0
                    continue
                wait_until(partial(confirmed, robot, route, enough), what='so many confirmed')
                program.send(signal.SIGKILL)
                program.wait()
    recorded = [cdr for path in files(folder, 'turns') for _, cdr in finished(path)]
    assert Counter(recorded) == Counter(CDRS[:sent])
    assert len(files(folder, 'turns')) > ROUNDS
    assert (folder / 'archive.ledger').exists()


def confirmed(robot: Any, route: int, least: int) -> bool:
    return bool(Ranges(robot.held(route)).total >= least)


def test_next_recording_finishes_what_was_cut_and_leaves_what_is_written(
    broker: Broker, tmp_path: Path
) -> None:
    folder = tmp_path / 'cut'
    with WireRobot(broker, 'cut') as robot, record(broker, folder, '--robot', 'cut') as killed:
        robot.birth()
        killed.wait_for_error('cut is online')
        route = robot.route('/level')
        robot.schemas()
        robot.send(route, CDRS[:40])
        wait_until(lambda: any(p.stat().st_size > 500 for p in files(folder, 'cut')), what='data')
        with record(broker, folder, '--robot', 'none', '--seconds', '1') as other:
            assert other.wait() == 0
        # It is another's that is at work.
        assert 'finished, with' not in ''.join(other.err)
        killed.send(signal.SIGKILL)
        killed.wait()
    with record(broker, folder, '--robot', 'none', '--seconds', '1') as program:
        program.wait_for_error('finished, with 40 samples')
        assert program.wait() == 0
    (path,) = files(folder, 'cut')
    assert finished(path) == [('/level', cdr) for cdr in CDRS[:40]]


def test_keep_deletes_the_oldest_and_nothing_else(broker: Broker, tmp_path: Path) -> None:
    folder = tmp_path / 'keep'
    place = folder / 'old'
    place.mkdir(parents=True)
    oldest = place / 'old_20200101T000000Z.mcap'
    oldest.write_bytes(bytes(50_000))
    mine = place / 'notes.mcap'
    mine.write_bytes(bytes(50_000))
    arguments = ('--robot', 'keeps', '--split', '1kB', '--keep', '40kB')
    with WireRobot(broker, 'keeps') as robot, record(broker, folder, *arguments) as program:
        robot.birth()
        program.wait_for_error('keeps is online')
        route = robot.route('/level')
        robot.schemas()
        robot.send(route, CDRS[:100])
        wait_until(lambda: not oldest.exists(), what='the oldest file gone')
        program.send(signal.SIGINT)
        assert program.wait() == 0
    assert mine.stat().st_size == 50_000
    found = [entry for path in files(folder, 'keeps') for entry in finished(path)]
    assert found == [('/level', cdr) for cdr in CDRS[:100]]


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (('--split', '10 minutes'), "--split: '10 minutes' is neither"),
        (('--split', '0MB'), "--split: '0MB' is neither"),
        (('--split', '1h', '--keep', 'much'), "--keep: 'much' is no size"),
        (('--keep', '1GB'), '--keep: is for a folder'),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert main(['record', '-o', str(tmp_path / 'r.mcap'), *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert list(tmp_path.iterdir()) == []
