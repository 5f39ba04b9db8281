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

"""Spools that are killed, damaged or of another version: what can be known is, and it is said."""

from collections.abc import Iterator
from contextlib import closing
import os
from pathlib import Path
import random
import signal
import sqlite3
import subprocess
import sys

import pytest

from ros_cloud_bridge.store.spool import Lane, reckoning, Spool
from ros_cloud_bridge.values import Drop
from support.spools import (
    BOOT,
    Clocks,
    Lines,
    MB,
    NEXT_BOOT,
    open_lane,
    open_spool,
    samples,
    spooled_numbers,
)

HERE = Path(__file__).resolve()
ROUNDS = 20

# Commits and settles until it is killed, and says what has happened, after it has.
CHILD = """
import random, sys
from pathlib import Path
from support.spools import open_lane, open_spool, samples
path, number, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
spool = open_spool(path, number.to_bytes(8, 'big'), max_bytes=8 << 20)
lane = open_lane(spool)
while True:
    count = rng.randrange(1, 60)
    first = lane.committed + 1
    for _ in range(rng.randrange(3)):
        at = rng.randrange(1, first + 1)
        spool.settle(lane, at, at + rng.randrange(20), None)
    for old in list(spool.lanes.values()):
        if old.closed and rng.random() < 0.02:
            spool.settle(old, 1, 1 << 62, None)
            spool.forget(old)
    assert not spool.commit([(lane, samples(1, first, first + count - 1, rng.randrange(3000)))])
    print(f'{first + count - 1} {lane.totals["delivered"]}', flush=True)
"""


def test_killed_at_random_points(tmp_path: Path) -> None:
    path = tmp_path / 's'
    rng = random.Random(5)
    committed: dict[bytes, int] = {}
    folders = os.pathsep.join((str(HERE.parents[2]), str(HERE.parents[1])))
    for number in range(1, ROUNDS + 1):
        child = subprocess.Popen(
            [sys.executable, '-c', CHILD, str(path), str(number), str(rng.randrange(2**31))],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, 'PYTHONPATH': folders},
        )
        assert child.stdout is not None
        with child, child.stdout:
            said = [child.stdout.readline() for _ in range(rng.randrange(1, 60))]
            child.send_signal(signal.SIGKILL)
            said += child.stdout.readlines()
        assert child.returncode == -signal.SIGKILL, said
        high, delivered = map(int, [line for line in said if line.endswith('\n')][-1].split())
        found = reckoning(path)
        assert found.adds_up
        boot = number.to_bytes(8, 'big')
        (lane,) = (lane for lane in found.lanes if lane.boot == boot)
        # One more may have been on disk before it could be said.
        assert high <= lane.committed <= high + 60
        assert delivered <= lane.delivered
        committed[boot] = lane.committed
        assert found.total.committed == sum(committed.values())
        assert found.total.committed == found.total.delivered + found.total.spooled
    spool = open_spool(path, BOOT, max_bytes=8 * MB)
    assert spool.recovered == ''
    for old in spool.lanes.values():
        assert len(spooled_numbers(spool, old)) == old.samples


def filled(path: Path, rows: int = 60) -> None:
    spool = open_spool(path)
    for route in (1, 2):
        lane = open_lane(spool, route, f's{route}')
        for turn in range(rows):
            spool.commit([(lane, samples(route, 10 * turn + 1, 10 * turn + 10, 500))])
        spool.settle(lane, 1, 30, None)
        spool.settle(lane, 101, 105, Drop.REFUSED)
        spool.settle(lane, 203, 204, None)
    spool.close()


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open('r+b') as file:
        file.seek(offset)
        file.write(data)


def everything_accounted(spool: Spool, path: Path) -> Iterator[tuple[Lane, set[int]]]:
    assert reckoning(path).adds_up
    for lane in spool.lanes.values():
        left = spooled_numbers(spool, lane)
        spool.flush()
        gone = {n for gap in spool.gaps(lane) for n in range(gap.first, gap.last + 1)}
        assert not left & gone
        assert lane.samples == len(left)
        totals = dict(lane.totals)
        assert totals.pop('committed') == sum(totals.values()) + len(left)
        yield lane, left
    assert reckoning(path).adds_up


@pytest.mark.parametrize('seed', range(24))
def test_overwritten_pages(tmp_path: Path, seed: int) -> None:
    path = tmp_path / 's'
    filled(path)
    rng = random.Random(seed)
    pages = path.stat().st_size // 4096
    for _ in range(1 + seed % 3):
        overwrite(path, 4096 * rng.randrange(1, pages) + rng.randrange(3000), rng.randbytes(1000))
    log = Lines()
    spool = open_spool(path, NEXT_BOOT, log=log)
    found = dict(everything_accounted(spool, path))
    spool.flush()
    asides = sorted(tmp_path.glob('s.corrupt-?'))
    assert bool(spool.recovered) == bool(log.lines) == bool(asides)
    for lane, left in found.items():
        gone = {n for gap in spool.gaps(lane) for n in range(gap.first, gap.last + 1)}
        # Whatever was spooled is there, or told as lost.
        expected = set(range(31, 601)) - {*range(101, 106), 203, 204}
        if lane.totals['damaged'] == 0:
            assert left >= expected
        assert left | gone >= expected
        assert lane.committed == 600 or lane.totals['damaged'] == 0
    # It goes on.
    lane = open_lane(spool, 9)
    spool.commit([(lane, samples(9, 1, 10))])
    assert spooled_numbers(spool, lane) == set(range(1, 11))
    assert spool.state == 'ok'
    spool.close()
    spool = open_spool(path, b'boot-333')
    assert spool.recovered == ''
    assert all(True for _ in everything_accounted(spool, path))


@pytest.mark.parametrize(
    'data', [b'', b'nonsense' * 1000, bytes(8192), b'SQLite format 3\0' * 600]
)
def test_no_database_at_all(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / 's'
    path.write_bytes(data)
    log = Lines()
    spool = open_spool(path, log=log)
    lane = open_lane(spool)
    spool.commit([(lane, samples(1, 1, 10))])
    assert spooled_numbers(spool, lane) == set(range(1, 11))
    aside = tmp_path / 's.corrupt-1'
    if data:
        assert aside.read_bytes() == data
        assert aside.name in spool.recovered
        assert [level for level, _ in log.lines] == ['error']
    else:
        assert not aside.exists() and not spool.recovered


def test_a_row_that_rotted_is_told_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / 's'
    filled(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        # Whole to SQLite, but not what was written.
        connection.execute(
            "UPDATE blocks SET data=substr(data, 1, 200) || x'00' || substr(data, 202) "
            'WHERE lane=1 AND first IN (51, 501)'
        )
        connection.execute('DELETE FROM blocks WHERE lane=1 AND first=201')
    spool = open_spool(path, NEXT_BOOT)
    assert spool.recovered == ''
    lane = spool.lanes[1]
    left = spooled_numbers(spool, lane)
    spool.flush()
    assert {*range(51, 61), *range(501, 511), *range(201, 211)} & left == set()
    damaged = [gap[1:] for gap in spool.gaps(lane) if gap.reason == Drop.DAMAGED]
    assert damaged == [(51, 60), (201, 202), (205, 210), (501, 510)]
    assert lane.totals['damaged'] == 28
    for lane, left in everything_accounted(spool, path):
        assert lane.samples == len(left)


def test_damage_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / 's'
    spool = open_spool(path)
    lane, other = open_lane(spool), open_lane(spool, 2, 'alarms')
    for turn in range(400):
        spool.commit(
            [(at, samples(at.route, 10 * turn + 1, 10 * turn + 10, 2000)) for at in (lane, other)]
        )
    assert spool.settle(lane, 3991, 3995, None) == 5
    pages = path.stat().st_size // 4096
    assert pages > 3000
    rng = random.Random(3)
    for page in range(2, pages, 60):
        overwrite(path, 4096 * page, rng.randbytes(4096))
    left = spooled_numbers(spool, lane), spooled_numbers(spool, other)
    spool.commit([(lane, samples(1, 4001, 4010))])
    assert spool.state == 'ok'
    assert 'corrupt-1' in spool.recovered
    assert spool.lanes[lane.key] is lane and spool.lanes[other.key] is other
    assert len(left[0]) + len(left[1]) > 1000
    assert lane.totals['committed'] >= 4010
    assert lane.totals['delivered'] == 5
    assert lane.totals['damaged'] + other.totals['damaged'] > 0
    assert set(range(4001, 4011)) <= spooled_numbers(spool, lane)
    assert all(True for _ in everything_accounted(spool, path))


def test_at_most_nine_are_set_aside(tmp_path: Path) -> None:
    path = tmp_path / 's'
    for turn in range(12):
        path.write_bytes(b'%d' % turn * 5000)
        open_spool(path).close()
    names = sorted(name.name for name in tmp_path.glob('s.corrupt-*'))
    assert names == [f's.corrupt-{number}' for number in range(1, 10)]


@pytest.mark.parametrize('moment', ['before', 'complete', 'renamed'])
def test_a_power_cut_in_the_middle_of_salvage(tmp_path: Path, moment: str) -> None:
    path = tmp_path / 's'
    filled(path)
    complete, begun = tmp_path / 's.salvaged', tmp_path / 's.salvaging'
    if moment == 'before':
        begun.write_bytes(b'half of it')
    else:
        complete.write_bytes(path.read_bytes())
        if moment == 'renamed':
            path.rename(tmp_path / 's.corrupt-1')
    spool = open_spool(path, NEXT_BOOT)
    assert [len(left) for _, left in everything_accounted(spool, path)] == [563, 563]
    assert not complete.exists() and not begun.exists()


def test_of_a_later_version(tmp_path: Path) -> None:
    path = tmp_path / 's'
    filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute('PRAGMA user_version=99')
    log = Lines()
    spool = open_spool(path, NEXT_BOOT, log=log)
    assert dict(spool.lanes) == {}
    assert 'version 99' in spool.recovered
    assert len(log.lines) == 1
    assert reckoning(tmp_path / 's.newer-1').total.committed == 1200
    lane = open_lane(spool)
    spool.commit([(lane, samples(1, 1, 10))])
    assert reckoning(path).total.committed == 10


def test_anothers_database_is_left_whole(tmp_path: Path) -> None:
    path = tmp_path / 's'
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('CREATE TABLE recipes(name TEXT)')
        connection.execute("INSERT INTO recipes VALUES('soup')")
    spool = open_spool(path)
    assert 'not a spool' in spool.recovered
    assert spool.state == 'ok'
    with closing(sqlite3.connect(tmp_path / 's.corrupt-1')) as connection:
        assert connection.execute('SELECT name FROM recipes').fetchall() == [('soup',)]


def test_clock_goes_on_after_salvage(tmp_path: Path) -> None:
    path = tmp_path / 's'
    clocks = Clocks()
    spool = open_spool(path, clocks=clocks)
    lane = open_lane(spool)
    clocks.advance(1000.0)
    spool.commit([(lane, samples(1, 1, 2000, 500))])
    spool.close()
    overwrite(path, path.stat().st_size - 4096 * 40, bytes(4096 * 3))
    clocks.advance(500.0)
    spool = open_spool(path, NEXT_BOOT, clocks=clocks)
    assert spool.recovered
    assert spool.clock_s == pytest.approx(1500.0)
