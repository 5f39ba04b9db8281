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

"""``ros-cloud-bridge spool``: what it says of real spools, whole, in use, foreign and damaged."""

from collections.abc import Callable, Iterator
from contextlib import closing
import json
from pathlib import Path
from random import Random
import sqlite3
from typing import Any

import pytest

from ros_cloud_bridge.cli.main import main
from ros_cloud_bridge.store.spool import Lane, LanePolicy, Spool
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire.account import Gap
from ros_cloud_bridge.wire.batch import Descriptor
from ros_cloud_bridge.wire.schema import Schema
from support.program import Program
from support.spools import BOOT, Clocks, content, NEXT_BOOT, open_spool, samples

SCHEMA = Schema(
    type_name='std_msgs/msg/String', definition='string data', rihs01='RIHS01_' + 'ab' * 32
)
ADDS_UP = 'adds up: committed = delivered + expired + refused + spool_full + damaged + spooled'
NAME = 'spool-amr-07.sqlite3'
Show = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    """Give a function that runs the subcommand: exit status, and lines on stdout and stderr."""

    def run(*arguments: object) -> tuple[int, list[str], list[str]]:
        status = main(['spool', *map(str, arguments)])
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err.splitlines()

    return run


def lane_of(
    spool: Spool, route: int = 1, stream: str = 'events', *, schema: Schema | None = SCHEMA
) -> Lane:
    descriptor = Descriptor(
        stream=stream, topic=f'/{stream}', type_name=SCHEMA.type_name, schema_id=SCHEMA.id
    )
    return spool.open_lane(route, descriptor, schema, LanePolicy())


def fill(path: Path, *, schema: Schema | None = SCHEMA) -> Path:
    """Leave a spool of two boots, of which much has reached one end or another."""
    clocks = Clocks()
    with closing(open_spool(path, clocks=clocks)) as spool:
        events, pose = lane_of(spool, schema=schema), lane_of(spool, 2, 'pose', schema=schema)
        spool.commit([(events, samples(1, 1, 500)), (pose, samples(2, 1, 50))])
        clocks.advance(60.0)
        assert spool.settle(events, 1, 20, None) == 20
        assert spool.settle(events, 30, 39, Drop.REFUSED) == 10
        assert spool.settle(pose, 1, 50, None) == 50
    with closing(open_spool(path, NEXT_BOOT, clocks=clocks)) as spool:
        events = lane_of(spool, 4, schema=schema)
        lost = Gap(int(Drop.NOT_COMMITTED), 8, 9)
        spool.commit([(events, samples(4, 1, 7))], [(events, lost)])
    return path


def test_the_reckoning_by_stream_and_lane(tmp_path: Path, show: Show) -> None:
    path = fill(tmp_path / NAME)
    before = path.read_bytes()
    status, out, err = show(path)
    assert (status, err) == (0, [])
    assert out[0] == f'robot amr-07: {path}'
    assert ' on disk, 477 samples spooled, the oldest for ' in out[1]
    assert out[2] == '10 dead letters (--dead-letters lists them)'
    assert out[3].split()[:9] == [
        *('stream', 'topic', 'boot', 'committed', 'delivered'),
        *('expired', 'refused', 'spool_full', 'damaged'),
    ]
    first, second = BOOT.hex(), NEXT_BOOT.hex()
    rows = [line.split() for line in out[4:-1]]
    assert rows[-1] == ['total', '557', '70', '0', '10', '0', '0', '477']
    assert rows[0][:10] == ['events', '2', 'routes', '507', '20', '0', '10', '0', '0', '477']
    assert rows[0][-4:] == ['refused', '10,', 'not_committed', '2']
    assert rows[1][:9] == ['/events', first, '500', '20', '0', '10', '0', '0', '470']
    assert rows[2][:9] == ['/events', second, '7', '0', '0', '0', '0', '0', '7']
    assert rows[3] == ['pose', '/pose', first, '50', '50', '0', '0', '0', '0', '0']
    assert out[-1] == ADDS_UP
    # Columns stand under their titles.
    assert len({line.index('     470') for line in out if '     470' in line}) == 1
    assert path.read_bytes() == before


def test_the_reckoning_as_json(tmp_path: Path, show: Show) -> None:
    path = fill(tmp_path / NAME)
    status, (line,), err = show(path, '--json', '--dead-letters')
    assert (status, err) == (0, [])
    (document,) = json.loads(line)['spools']
    assert (document['robot_id'], document['file'], document['adds_up']) == (
        'amr-07',
        str(path),
        True,
    )
    total = {
        'committed': 557,
        'delivered': 70,
        'expired': 0,
        'refused': 10,
        'spool_full': 0,
        'damaged': 0,
        'spooled': 477,
        'adds_up': True,
    }
    assert document['total'] == total and document['dead_letters'] == 10
    assert document['bytes'] >= path.stat().st_size and document['oldest_age_s'] >= 60.0
    streams = {entry['stream']: entry for entry in document['streams']}
    assert (streams['events']['lanes'], streams['events']['spooled']) == (2, 477)
    assert streams['events']['gaps'] == {'refused': 10, 'not_committed': 2}
    assert streams['pose']['oldest_age_s'] is None and streams['pose']['gaps'] == {}
    lanes = {(entry['boot_id'], entry['route']): entry for entry in document['lanes']}
    assert lanes[BOOT.hex(), 1]['spooled'] == 470
    assert (lanes[NEXT_BOOT.hex(), 4]['topic'], lanes[NEXT_BOOT.hex(), 4]['committed']) == (
        '/events',
        7,
    )
    (dead,) = document['dead']
    given = samples(1, 30, 39)
    assert (dead['topic'], dead['boot_id'], dead['route']) == ('/events', BOOT.hex(), 1)
    assert (dead['first'], dead['last'], dead['reason']) == (30, 39, 'refused')
    times = [given[0].sample.receive_time_ns, given[-1].sample.receive_time_ns]
    assert [dead['first_receive_time_ns'], dead['last_receive_time_ns']] == times


def test_lanes_that_are_over_stand_together(tmp_path: Path, show: Show) -> None:
    path = tmp_path / NAME
    with closing(open_spool(path)) as spool:
        lane = lane_of(spool)
        spool.commit([(lane, samples(1, 1, 30))])
        spool.settle(lane, 1, 30, None)
    with closing(open_spool(path, NEXT_BOOT)) as spool:
        (old,) = spool.lanes.values()
        spool.forget(old)
        spool.flush()
    status, out, _ = show(path)
    assert status == 0 and out[-1] == ADDS_UP
    rows = [line.split() for line in out[3:-1]]
    assert rows == [
        ['earlier', 'boots', 'over', '30', '30', '0', '0', '0', '0', '0'],
        ['total', '30', '30', '0', '0', '0', '0', '0'],
    ]


def tamper(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(statement).rowcount > 0


def test_samples_that_are_nowhere_are_counted_and_named(tmp_path: Path, show: Show) -> None:
    path = fill(tmp_path / NAME)
    tamper(path, 'UPDATE ledger SET delivered=delivered-3 WHERE committed=500')
    tamper(path, 'UPDATE ledger SET committed=committed-1 WHERE committed=50')
    status, out, _ = show(path)
    assert status == 1
    first = BOOT.hex()
    assert out[-2:] == [
        f'does not add up: events /events of boot {first}: 3 of 500 committed samples are nowhere',
        f'does not add up: pose /pose of boot {first}: 1 samples more than the 49 that were '
        'committed',
    ]
    status, (line,), _ = show(path, '--json')
    (document,) = json.loads(line)['spools']
    assert status == 1 and not document['adds_up']
    assert [lane['adds_up'] for lane in document['lanes']] == [False, False, True]


def test_it_reads_while_a_bridge_writes(tmp_path: Path) -> None:
    path = tmp_path / NAME
    with closing(open_spool(path)) as spool:
        lane = lane_of(spool)
        number = 1
        seen = []
        for _ in range(3):
            with Program(['spool', str(path), '--json']) as program:
                while not program.out:
                    spool.commit([(lane, samples(1, number, number + 9))])
                    assert spool.settle(lane, number, number + 3, None) == 4
                    number += 10
                assert program.wait() == 0
            seen.append(json.loads(program.out[0])['spools'][0]['total'])
        assert all(total['adds_up'] for total in seen)
        committed = [total['committed'] for total in seen]
        assert committed == sorted(set(committed)) and 0 < committed[0]
        assert committed[-1] < number
        assert spool.state == 'ok'
    with closing(open_spool(path, NEXT_BOOT)) as spool:
        assert (spool.recovered, spool.figures().samples) == ('', (number - 1) // 10 * 6)


def test_what_a_killed_bridge_left_in_the_log_counts(tmp_path: Path, show: Show) -> None:
    path, copy = tmp_path / NAME, tmp_path / 'copy' / NAME
    copy.parent.mkdir()
    with closing(open_spool(path)) as spool:
        spool.commit([(lane_of(spool), samples(1, 1, 12))])
        for ending in ('', '-wal'):
            here = path.with_name(path.name + ending)
            copy.with_name(copy.name + ending).write_bytes(here.read_bytes())
    status, out, _ = show(copy)
    assert status == 0 and ' on disk, 12 samples spooled, ' in out[1]


def test_dead_letters_are_listed(tmp_path: Path, show: Show) -> None:
    path = fill(tmp_path / NAME)
    status, out, _ = show(path, '--dead-letters')
    assert status == 0
    assert out[1].split() == [
        *('topic', 'boot', 'route', 'numbers', 'received', 'committed', 'reason')
    ]
    row = out[2].split()
    assert row[:5] == ['/events', BOOT.hex(), '1', '30-39', '2026-11-18T11:06:40Z']
    assert row[-2:] == ['ago', 'refused']
    assert out[3:] == ['10 dead letters: samples that the broker refused for good']
    tamper(path, 'UPDATE dead SET crc=crc+1')
    assert 'cannot be read' in show(path, '--dead-letters')[1][2]
    tamper(path, 'DELETE FROM dead')
    assert show(path, '--dead-letters')[1][1:] == [
        '0 dead letters: samples that the broker refused for good'
    ]


def contents(path: Path) -> Iterator[tuple[Any, Any, Any]]:
    with path.open('rb') as stream:
        yield from pytest.importorskip('mcap.reader').make_reader(stream).iter_messages()


def test_all_that_is_on_the_disk_goes_into_an_mcap_file(tmp_path: Path, show: Show) -> None:
    pytest.importorskip('mcap')
    path, target = fill(tmp_path / NAME), tmp_path / 'home.mcap'
    before = path.read_bytes()
    status, out, err = show(path, '--export', target)
    assert (status, err) == (0, [])
    assert out == [f'487 samples written to {target} (/events 487)']
    left = [*range(21, 501)]
    expected = sorted([content(1, n) for n in left] + [content(4, n) for n in range(1, 8)])
    found = list(contents(target))
    assert sorted(message.data for _, _, message in found) == expected
    schema, channel, message = found[-1]
    assert (schema.name, schema.encoding) == (SCHEMA.type_name, 'ros2msg')
    assert schema.data == SCHEMA.definition.encode()
    assert (channel.topic, channel.metadata['robot_id']) == ('/events', 'amr-07')
    (given,) = samples(1, 500, 500)
    assert (message.sequence, message.log_time) == (500, given.sample.receive_time_ns)
    assert message.publish_time == given.sample.source_time_ns
    assert path.read_bytes() == before
    # An existing file is not lost by a slip.
    status, _, (said,) = show(path, '--export', target)
    assert status == 2 and said.endswith(f'export: {target} exists; --force replaces it')
    assert len(list(contents(target))) == 487
    status, out, _ = show(path, '--export', target, '--force', '--dead-letters', '--robot', 'r2')
    assert status == 0 and out == [f'10 samples written to {target} (/events 10)']
    refused = list(contents(target))
    assert [message.sequence for _, _, message in refused] == [*range(30, 40)]
    assert {channel.metadata['robot_id'] for _, channel, _ in refused} == {'r2'}


def test_what_cannot_be_exported_is_said(tmp_path: Path, show: Show) -> None:
    pytest.importorskip('mcap')
    path, target = fill(tmp_path / NAME), tmp_path / 'home.mcap'
    tamper(path, 'UPDATE blocks SET crc=crc+1 WHERE last=7')
    status, out, err = show(path, '--export', target)
    assert status == 1 and out == [f'480 samples written to {target} (/events 480)']
    assert err == ['ros-cloud-bridge: 7 samples left out: they are damaged in the spool']
    # A row that cannot be read ends the spooled ones; the dead letters are in another table.
    broken = fill(tmp_path / 'spool-c.sqlite3')
    tamper(broken, "UPDATE rows SET last='x' WHERE last=7")
    status, out, (said,) = show(broken, '--export', tmp_path / 'c.mcap')
    assert status == 1 and out[0].startswith('480 samples written to ')
    assert said.startswith(f'ros-cloud-bridge: {broken}: is damaged: ')
    assert said.endswith('; what was read up to there is written')
    nameless = fill(tmp_path / 'spool-b.sqlite3', schema=None)
    status, out, err = show(nameless, '--export', tmp_path / 'b.mcap')
    assert status == 1 and out == [f'0 samples written to {tmp_path / "b.mcap"}']
    assert err == [
        'ros-cloud-bridge: 487 samples of /events left out: the spool holds no definition of '
        'std_msgs/msg/String'
    ]
    status, out, (said,) = show(path, '--export', tmp_path / 'not' / 'there.mcap')
    assert status == 2 and out == [] and 'No such file or directory' in said


def test_it_finds_the_spool_as_the_bridge_does(
    tmp_path: Path, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / 'ros_cloud_bridge'
    monkeypatch.setenv('ROS_HOME', str(tmp_path))
    status, out, (said,) = show()
    assert (status, out) == (2, [])
    assert said == (
        f'ros-cloud-bridge: {state}: there is no spool-*.sqlite3; name a FILE or --state-dir'
    )
    fill(state / NAME)
    fill(state / 'spool-yard%2F2.sqlite3')
    status, out, _ = show()
    assert status == 0
    shown = [line for line in out if line.startswith('robot ')]
    assert shown == [
        f'robot amr-07: {state / NAME}',
        f'robot yard/2: {state / "spool-yard%2F2.sqlite3"}',
    ]
    assert show('--state-dir', state)[1] == out
    assert show('--robot', 'yard/2')[1][0] == shown[1]
    assert [s['robot_id'] for s in json.loads(show('--json')[1][0])['spools']] == [
        'amr-07',
        'yard/2',
    ]
    status, _, (said,) = show('--export', tmp_path / 'x.mcap')
    assert status == 2 and 'must say which one to export of: amr-07, yard/2' in said
    params = tmp_path / 'amr.yaml'
    params.write_text(
        f"""
/**:
  ros__parameters:
    robot_id: amr-07
    state_dir: {state}
    streams: [pose]
    stream: {{pose: {{topics: [/odom]}}}}
"""
    )
    assert show('--params-file', params)[1][0] == shown[0]
    assert show('--params-file', params, '--robot', 'nobody')[2] == [
        f'ros-cloud-bridge: {state / "spool-nobody.sqlite3"}: there is no such file'
    ]
    params.write_text('/**: {ros__parameters: {robot_id: 5}}')
    status, out, (said,) = show('--params-file', params)
    assert (status, out) == (2, []) and said.startswith(f'ros-cloud-bridge: {params}: robot_id')


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('CREATE TABLE t(x)')


def newer(path: Path) -> None:
    fill(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('PRAGMA user_version=99')


def torn(path: Path) -> None:
    data = fill(path).read_bytes()
    path.write_bytes(data[: len(data) // 3])


def no_table(path: Path) -> None:
    fill(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('DROP TABLE ledger')


def no_number(path: Path) -> None:
    fill(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE lanes SET boot='x'")


@pytest.mark.parametrize(
    ('make', 'text'),
    [
        (lambda path: None, 'there is no such file'),
        (lambda path: path.mkdir(), 'is no file that can be read'),
        (lambda path: path.write_text('robot: amr-07\n' * 500), 'it is not a spool'),
        (lambda path: path.write_bytes(b''), 'nothing was ever committed to it'),
        (foreign, 'it is not a spool'),
        (newer, 'it is of version 99, this program reads '),
        (torn, 'is damaged: '),
        (no_table, 'no such table: ledger'),
        (no_number, 'is damaged: '),
    ],
)
def test_a_file_that_is_no_spool_is_one_clear_line(
    tmp_path: Path, show: Show, make: Callable[[Path], object], text: str
) -> None:
    path = tmp_path / NAME
    make(path)
    status, out, (said,) = show(path)
    assert (status, out) == (2, [])
    assert said.startswith(f'ros-cloud-bridge: {path}: ') and text in said


@pytest.mark.parametrize('seed', range(20))
def test_damage_anywhere_is_told_or_does_not_matter(tmp_path: Path, show: Show, seed: int) -> None:
    path = fill(tmp_path / NAME)
    random, data = Random(seed), bytearray(path.read_bytes())
    for _ in range(4):
        place = random.randrange(len(data) - 64)
        data[place : place + 64] = random.randbytes(64)
    path.write_bytes(data)
    for further in ((), ('--json',), ('--dead-letters',)):
        status, out, err = show(path, *further)
        assert (status == 2) == (len(err) == 1), (status, out, err)
        assert len(err) <= 1 and (status == 2 or out)
        if status == 0 and not further:
            assert out[-1] == ADDS_UP


def test_names_in_the_file_stay_text(tmp_path: Path, show: Show) -> None:
    path = tmp_path / 'spool-a\x1b[2Jb.sqlite3'
    with closing(open_spool(path)) as spool:
        lane = lane_of(spool, stream='x\x1b[2J\nadds up')
        spool.commit([(lane, samples(1, 1, 3))])
        spool.settle(lane, 1, 1, Drop.REFUSED)
    for further in ((), ('--dead-letters',)):
        _, out, _ = show(path, *further)
        assert '\x1b' not in ''.join(out)
        assert not [line for line in out[:-1] if line.startswith('adds up')]


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['--force', 'x'], 'force: only together with --export'),
        (['--json', '--export', 'y.mcap', 'x'], 'json: not together with --export'),
    ],
)
def test_impossible_arguments_are_named(show: Show, arguments: list[str], text: str) -> None:
    status, _, (said,) = show(*arguments)
    assert status == 2 and text in said


def test_one_place_alone_can_be_named() -> None:
    with pytest.raises(SystemExit) as caught:
        main(['spool', 'x', '--state-dir', 'y'])
    assert caught.value.code == 2
