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

"""The spool's reckoning: where every committed sample is, read from the file alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
import sqlite3

from ros_cloud_bridge.store.database import connect, fault_of
from ros_cloud_bridge.store.lanes import LEDGER
from ros_cloud_bridge.store.rows import decode_ranges
from ros_cloud_bridge.store.tables import FORGOTTEN


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneReckoning:
    """Samples of one lane, or of several together; the names of the latter are empty."""

    boot: bytes = b''
    route: int = 0
    stream: str = ''
    topic: str = ''
    committed: int = 0
    delivered: int = 0
    expired: int = 0
    refused: int = 0
    spool_full: int = 0
    damaged: int = 0
    spooled: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether every committed sample is somewhere."""
        return self.committed == (
            self.delivered
            + self.expired
            + self.refused
            + self.spool_full
            + self.damaged
            + self.spooled
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """
    All lanes of a spool.

    ``forgotten`` are lanes of earlier boots with nothing left, together.
    """

    lanes: tuple[LaneReckoning, ...]
    forgotten: LaneReckoning

    @property
    def total(self) -> LaneReckoning:
        """All lanes together."""
        return _sum((*self.lanes, self.forgotten))

    @property
    def adds_up(self) -> bool:
        """Whether every committed sample is somewhere, lane by lane."""
        return all(lane.adds_up for lane in (*self.lanes, self.forgotten))


def reckoning(path: Path) -> Reckoning:
    """
    Read a spool's ledger and count its rows, at one instant; a bridge may be using it.

    :param path: the spool
    :returns: what it says
    :raises SpoolError: when it cannot be read
    """
    try:
        try:
            return _read(path, immutable=False)
        except sqlite3.OperationalError:
            # A closed spool on a disk that cannot be written has no log, and cannot make one.
            if path.with_name(f'{path.name}-wal').exists():
                raise
            return _read(path, immutable=True)
    except sqlite3.Error as error:
        raise fault_of(error) from error


def _read(path: Path, *, immutable: bool) -> Reckoning:
    connection = connect(path, write=False, immutable=immutable)
    try:
        connection.execute('BEGIN')
        spooled = _spooled(connection)
        columns = ', '.join(f'coalesce({name}, 0)' for name in LEDGER)
        lanes = [
            _lane(values, spooled)
            for values in connection.execute(
                f'SELECT key, boot, route, stream, topic, {columns} FROM lanes '
                'LEFT JOIN ledger ON ledger.lane = lanes.key ORDER BY key'
            )
        ]
        forgotten = connection.execute(
            f'SELECT ?, ?, 0, ?, ?, {columns} FROM ledger WHERE lane=?',
            (FORGOTTEN, b'', '', '', FORGOTTEN),
        ).fetchone()
        return Reckoning(
            lanes=tuple(lanes),
            forgotten=LaneReckoning() if forgotten is None else _lane(forgotten, spooled),
        )
    finally:
        connection.close()


def _spooled(connection: sqlite3.Connection) -> dict[int, int]:
    spooled = dict(
        connection.execute('SELECT lane, sum(last-first+1) FROM rows GROUP BY lane').fetchall()
    )
    for lane, settled in connection.execute(
        'SELECT lane, settled FROM rows WHERE settled IS NOT NULL'
    ):
        spooled[lane] -= decode_ranges(settled).total
    return spooled


def _lane(values: Sequence[object], spooled: dict[int, int]) -> LaneReckoning:
    key, boot, route, stream, topic, *totals = values
    assert isinstance(key, int) and isinstance(boot, bytes) and isinstance(route, int)
    assert isinstance(stream, str) and isinstance(topic, str)
    committed, delivered, expired, refused, spool_full, damaged = (
        count for count in totals if isinstance(count, int)
    )
    return LaneReckoning(
        boot=boot,
        route=route,
        stream=stream,
        topic=topic,
        committed=committed,
        delivered=delivered,
        expired=expired,
        refused=refused,
        spool_full=spool_full,
        damaged=damaged,
        spooled=spooled.get(key, 0),
    )


def _sum(lanes: Sequence[LaneReckoning]) -> LaneReckoning:
    return LaneReckoning(
        committed=sum(lane.committed for lane in lanes),
        delivered=sum(lane.delivered for lane in lanes),
        expired=sum(lane.expired for lane in lanes),
        refused=sum(lane.refused for lane in lanes),
        spool_full=sum(lane.spool_full for lane in lanes),
        damaged=sum(lane.damaged for lane in lanes),
        spooled=sum(lane.spooled for lane in lanes),
    )
