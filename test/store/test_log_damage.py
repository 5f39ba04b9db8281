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


"""Damage in real logs of SQLite, told from torn ends and from leftovers."""

from collections.abc import Iterator
from pathlib import Path
import shutil
import sqlite3

import pytest

from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.store.lanes import LanePolicy, NEVER
from ros_cloud_bridge.store.log_damage import find_damage
from ros_cloud_bridge.store.spool import Spool
from ros_cloud_bridge.values import Received, SpoolConfig
from ros_cloud_bridge.wire.batch import Descriptor

PAGE, FRAME = 4096, 4096 + 24


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """Leave a log of 20 transactions, as a killed process does."""
    live = tmp_path / 'live.sqlite3'
    connection = sqlite3.connect(live, isolation_level=None)
    for pragma in ('page_size=4096', 'journal_mode=WAL', 'wal_autocheckpoint=0'):
        connection.execute(f'PRAGMA {pragma}')
    connection.execute('CREATE TABLE rows (body BLOB)')
    # A round before: its frames stay behind those of the present one.
    for number in range(40):
        connection.execute('INSERT INTO rows VALUES (?)', (bytes([number]) * 3000,))
    connection.execute('PRAGMA wal_checkpoint(RESTART)').fetchall()
    for number in range(20):
        connection.execute('INSERT INTO rows VALUES (?)', (bytes([number]) * 3000,))
    killed = tmp_path / 'killed.sqlite3'
    for suffix in ('', '-wal'):
        shutil.copy(f'{live}{suffix}', f'{killed}{suffix}')
    connection.close()
    yield killed.with_name(f'{killed.name}-wal')


def rows(log: Path) -> int:
    """Count what SQLite reads."""
    connection = sqlite3.connect(str(log).removesuffix('-wal'))
    try:
        ((count,),) = connection.execute('SELECT count(*) FROM rows').fetchall()
        return int(count)
    finally:
        connection.close()


def overwrite(log: Path, offset: int, data: bytes) -> None:
    """Damage a log."""
    with log.open('r+b') as file:
        file.seek(offset)
        file.write(data)


def test_an_intact_log_with_leftovers_is_no_damage(log: Path) -> None:
    assert find_damage(log) is None and log.stat().st_size > 30 * FRAME
    assert rows(log) == 60


@pytest.mark.parametrize('within', [100, 4, 20], ids=['page', 'size', 'checksum'])
def test_transactions_behind_a_damaged_frame_are_counted(log: Path, within: int) -> None:
    overwrite(log, 32 + 7 * FRAME + within, b'\xa5\x5a\xa5')
    found = find_damage(log)
    assert found is not None and found.frame == 7
    lost = 60 - rows(log)
    assert abs(found.transactions - lost) <= 1 and lost > 5


def test_a_damaged_header_takes_everything(log: Path) -> None:
    overwrite(log, 25, b'\xa5\x5a')
    found = find_damage(log)
    assert found is not None and found.frame == 0 and found.transactions >= 20
    assert rows(log) == 40


def test_the_torn_end_of_a_power_cut_is_none(log: Path) -> None:
    # The last transaction of this round begins with its last commit's frames.
    data = log.read_bytes()
    salts = data[16:24]
    own = [n for n in range((len(data) - 32) // FRAME) if data[32 + n * FRAME + 8 :][:8] == salts]
    overwrite(log, 32 + own[-1] * FRAME + 500, b'\xa5\x5a')
    assert find_damage(log) is None
    assert rows(log) == 59


def test_no_log_an_empty_one_and_a_stub(tmp_path: Path) -> None:
    assert find_damage(tmp_path / 'none') is None
    for size in (0, 31, 32, 100):
        (tmp_path / 'log').write_bytes(bytes(size))
        assert find_damage(tmp_path / 'log') is None


def test_a_spool_says_what_its_log_has_lost(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []

    def opened(boot: bytes) -> Spool:
        return Spool(
            tmp_path / 'spool.sqlite3', boot, SpoolConfig(), lambda *line: said.append(line)
        )

    live = opened(b'boot---1')
    descriptor = Descriptor(stream='all', topic='/t', type_name='a/b', schema_id='')
    lane = live.open_lane(1, descriptor, None, LanePolicy())
    lane.live_from = NEVER
    for number in range(1, 31):
        live.commit([(lane, [Queued(number, Received(bytes(500), number, number), 0.0)])])
    killed = tmp_path / 'killed'
    killed.mkdir()
    for name in ('spool.sqlite3', 'spool.sqlite3-wal'):
        shutil.copy(tmp_path / name, killed / name)
    live.close()
    log = killed / 'spool.sqlite3-wal'
    overwrite(log, log.stat().st_size // 2, b'\xa5\x5a' * 8)
    again = Spool(
        killed / 'spool.sqlite3', b'boot---2', SpoolConfig(), lambda *line: said.append(line)
    )
    kept = sum(lane.samples for lane in again.lanes.values())
    assert 0 < kept < 30
    (line,) = said
    assert line[0] == 'error' and 'transactions from its frame' in line[1]
    assert again.recovered and again.recovered in line[1] and again.state == 'ok'
    assert (killed / 'spool.sqlite3-wal.corrupt-1').exists()
    again.close()
