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

"""``record --confirm`` as a process: what is confirmed is on the disk, whatever happens."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
import random
import resource
import signal
import sys
from typing import Any

import pytest

from ros_cloud_bridge.cli.main import main
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire.account import Gap
from support.broker import Broker
from support.program import Program
from support.waiting import wait_until

wire_robot = pytest.importorskip('support.wire_robot', reason='rosbags is missing')
durable_robot = pytest.importorskip('support.durable_robot', reason='rosbags is missing')
level_cdr, DurableRobot = wire_robot.level_cdr, durable_robot.DurableRobot
mcap_reader = pytest.importorskip('mcap.reader', reason='mcap: install the extra cloud')

ROUNDS = 12
CDRS = [level_cdr(n / 8, n.to_bytes(4, 'little') + bytes(n % 50)) for n in range(4000)]


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def record(broker: Broker, path: Path, robot_id: str, *arguments: str) -> Program:
    where = ['--host', broker.host, '--port', str(broker.port), '--robot', robot_id]
    confirm = ['--confirm', '--name', 'archive']
    return Program(['record', '-o', str(path), *where, *confirm, *arguments])


def contents(path: Path) -> list[bytes]:
    """Read what a file holds, as far as it can be read."""
    found = []
    with path.open('rb') as stream:
        reader = mcap_reader.NonSeekingReader(stream)
        try:
            for _, _, message in reader.iter_messages(log_time_order=False):
                found.append(message.data)
        except Exception as error:
            # A file that was cut off ends somewhere.
            print(f'{path.name}: {error!r}')
    return found


def confirmed(robot: Any, route: int, least: int) -> bool:
    return Ranges(robot.held(route)).total >= least


def finished(path: Path) -> list[bytes]:
    with path.open('rb') as stream:
        reader = mcap_reader.make_reader(stream, validate_crcs=True)
        assert reader.get_summary() is not None
        return [message.data for _, _, message in reader.iter_messages()]


def test_confirmed_recorded_and_summed_up(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    # A filter does not apply to what a robot waits to have confirmed.
    arguments = ('--topic', '/nothing')
    with DurableRobot(broker, 'sum', 'archive') as robot:
        route, other = robot.route('/level'), robot.route('/other')
        quiet, torn = robot.route('/quiet'), robot.route('/torn')
        robot.announce()
        with record(broker, path, 'sum', *arguments) as program:
            program.wait_for_error('sum is online')
            robot.live(route, CDRS[:100])
            robot.wait_for_confirmed(route, (1, 100))
            # Confirmed while it is written: it can be read that far.
            assert contents(path) == CDRS[:100]
            robot.sent[route].update(enumerate(CDRS[100:120], 101))
            robot.backlog(route, range(101, 121))
            robot.account(route, 130, [Gap(Drop.EXPIRED, 121, 130)])
            robot.live(other, CDRS[200:210])
            robot.account(other, 12)
            robot.wait_for_confirmed(route, (1, 130))
            robot.wait_for_confirmed(other, (1, 10))
            # Of these their robot says no account.
            robot.live(quiet, CDRS[210:215])
            robot.live(torn, CDRS[215:220])
            robot.sent[torn].update(enumerate(CDRS[220:225], 9))
            robot.backlog(torn, range(9, 14))
            robot.wait_for_confirmed(quiet, (1, 5))
            robot.wait_for_confirmed(torn, (1, 5), (9, 13))
            program.send(signal.SIGINT)
            assert program.wait() == 0
    assert Counter(finished(path)) == Counter(CDRS[:120] + CDRS[200:225])
    said = ''.join(program.err)
    assert '145 samples confirmed; 25 recorded samples were historical; ' in said
    assert 'durable routes: 1 complete, 1 going on without a gap, 2 with samples missing' in said
    assert '2 of 12 committed samples have not come' in said
    assert '3 samples between others have not come' in said
    assert '/quiet' not in said
    assert path.with_name('r.mcap.ledger').exists()


def test_samples_without_their_schema_are_not_confirmed(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    with DurableRobot(broker, 'bare', 'archive') as robot:
        route, known = robot.route('/level'), robot.route('/imu', 'sensor_msgs/msg/Imu')
        robot.birth()
        robot.info()
        with record(broker, path, 'bare') as program:
            program.wait_for_error('bare is online')
            robot.live(route, CDRS[:10])
            # The recorder has handled what came before it.
            robot.live(known, CDRS[10:20])
            robot.wait_for_confirmed(known, (1, 10))
            assert robot.held(route) == []
            robot.schemas()
            robot.wait_for_confirmed(route, (1, 10))
            program.send(signal.SIGTERM)
            assert program.wait() == 0
    assert Counter(finished(path)) == Counter(CDRS[:20])


def test_every_confirmed_sample_outlives_sigkill_and_none_is_there_twice(
    broker: Broker, tmp_path: Path
) -> None:
    chance = random.Random(43)
    ledger = tmp_path / 'ledger'
    files = [tmp_path / f'{number}.mcap' for number in range(ROUNDS + 1)]
    with DurableRobot(broker, 'kill', 'archive') as robot:
        route = robot.route('/level')
        robot.announce()
        sent = 0
        for path in files:
            arguments = ('--ledger', str(ledger))
            with record(broker, path, 'kill', *arguments) as program:
                program.wait_for_error('kill is online')
                if wanted := robot.unconfirmed(route):
                    robot.backlog(route, wanted)
                target = sent + chance.randint(50, 150)
                enough = chance.randint(0, target)
                while sent < target:
                    step = chance.randint(1, 20)
                    robot.live(route, CDRS[sent : sent + step])
                    sent += step
                if path == files[-1]:
                    robot.wait_for_confirmed(route, (1, sent))
                    program.send(signal.SIGINT)
                    assert program.wait() == 0
                else:
                    wait_until(
                        partial(confirmed, robot, route, enough),
                        what='so many confirmed',
                    )
                    program.send(signal.SIGKILL)
                    program.wait()
                    # Before anybody mends it.
                    there = {cdr for name in files if name.exists() for cdr in contents(name)}
                    for first, last in robot.held(route):
                        assert there.issuperset(CDRS[first - 1 : last])
    recorded = [cdr for path in files for cdr in finished(path)]
    assert Counter(recorded) == Counter(CDRS[:sent])
    assert sent > 400


@pytest.mark.skipif(sys.platform != 'linux', reason='needs prlimit')
def test_full_disk_confirms_nothing_more(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    ledger = ('--ledger', str(tmp_path / 'ledger'))
    with DurableRobot(broker, 'full', 'archive') as robot:
        route = robot.route('/level')
        robot.announce()
        with record(broker, path, 'full', *ledger) as program:
            program.wait_for_error('full is online')
            robot.live(route, CDRS[:100])
            robot.wait_for_confirmed(route, (1, 100))
            # As on a full disk, from here on no byte more goes into the file.
            limit = path.stat().st_size
            resource.prlimit(program._process.pid, resource.RLIMIT_FSIZE, (limit, limit))
            robot.live(route, CDRS[100:3000])
            assert program.wait() == 1
        assert robot.held(route) == [(1, 100)]
        said = ''.join(program.err)
        assert f'{path}: it may lack its end' in program.err[-1]
        assert 'Traceback' not in said
        assert '100 samples confirmed' in said
        # Whoever comes next finishes the file, and gets what was not confirmed.
        with record(broker, tmp_path / 'next.mcap', 'full', *ledger) as program:
            program.wait_for_error('r.mcap: finished, with 100 samples')
            program.wait_for_error('full is online')
            robot.backlog(route, robot.unconfirmed(route))
            robot.wait_for_confirmed(route, (1, 3000))
            program.send(signal.SIGINT)
            assert program.wait() == 0
    assert finished(path) == CDRS[:100]
    assert Counter(finished(tmp_path / 'next.mcap')) == Counter(CDRS[100:3000])


def test_a_broken_ledger_is_said(broker: Broker, tmp_path: Path) -> None:
    path, ledger = tmp_path / 'r.mcap', tmp_path / 'ledger'
    ledger.write_bytes(b'nonsense' * 1000)
    with record(broker, path, 'none', '--ledger', str(ledger), '--seconds', '2') as program:
        assert program.wait() == 0
    assert 'it is now ledger.corrupt-1' in ''.join(program.err)
    assert (tmp_path / 'ledger.corrupt-1').read_bytes() == b'nonsense' * 1000


def test_repair(tmp_path: Path, capsys: pytest.CaptureFixture[str], broker: Broker) -> None:
    path = tmp_path / 'r.mcap'
    with DurableRobot(broker, 'repair', 'archive') as robot:
        route = robot.route('/level')
        robot.announce()
        with record(broker, path, 'repair') as program:
            program.wait_for_error('repair is online')
            robot.live(route, CDRS[:100])
            robot.wait_for_confirmed(route, (1, 100))
            program.send(signal.SIGKILL)
            program.wait()
    assert main(['record', '--repair', str(path)]) == 0
    assert 'finished, with 100 samples' in capsys.readouterr().err
    assert finished(path) == CDRS[:100]
    assert main(['record', '--repair', str(path)]) == 0
    assert 'was finished already' in capsys.readouterr().err
    assert main(['record', '--repair', str(tmp_path / 'none')]) == 1
    assert 'No such file' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        ((), '--name: is needed for --confirm'),
        (('--name', 'a b'), 'name: '),
        (('--name', 'archive', '--ledger', '/dev/null/ledger'), 'unable to open'),
    ],
)
def test_impossible_arguments_make_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    path = tmp_path / 'r.mcap'
    assert main(['record', '-o', str(path), '--confirm', *arguments]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
