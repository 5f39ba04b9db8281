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

"""Salvage: what can still be read of a damaged spool, moved into a new one."""

from collections.abc import Iterator
from dataclasses import dataclass
import os
from pathlib import Path
import sqlite3
from typing import Any

from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.store import tables
from ros_cloud_bridge.store.database import connect, prepare
from ros_cloud_bridge.store.lanes import LEDGER, NEVER
from ros_cloud_bridge.store.rows import checksum, decode_ranges
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire.account import Gap

_ENDINGS = ('', '-wal', '-shm', '-journal')
_MOST_PROBES = 4000
_BATCH_BYTES = 4 * 1024 * 1024
_COPIED = {
    'meta': 'name, value',
    'schemas': 'id, body',
    'lanes': 'key, boot, route, stream, topic, type_name, schema_id, policy',
    'ledger': 'lane, high, committed, delivered, expired, refused, spool_full, damaged',
    'dead': 'id, boot, route, stream, topic, type_name, schema_id, lane, first, last, row_first, '
    'row_last, added_s, crc, data',
}


@dataclass(slots=True)
class Salvaged:
    """What came of it: samples; ``nameless`` are those whose lane is lost."""

    saved: int = 0
    lost: int = 0
    nameless: int = 0


def salvage(path: Path, target: Path) -> Salvaged:
    """
    Move what can be read into a new spool.

    :param path: the damaged one; nobody has it open
    :param target: the new one; a file of this name is overwritten
    :returns: what was saved and what is lost
    :raises sqlite3.Error: when the new one cannot be written
    """
    remove(target)
    connection = connect(target)
    result = Salvaged()
    try:
        prepare(connection)
        source: sqlite3.Connection | None = None
        try:
            source = connect(path)
            source.execute('PRAGMA query_only=1')
            _Salvage(source, connection, result).run()
        finally:
            if source is not None:
                source.close()
        connection.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()
    finally:
        connection.close()
    return result


def remove(path: Path) -> None:
    """
    Delete a database and what SQLite keeps beside it.

    :param path: the database
    """
    for ending in _ENDINGS:
        path.with_name(path.name + ending).unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """
    Measure a database and what SQLite keeps beside it.

    :param path: the database
    :returns: bytes
    """
    names = (path.with_name(path.name + ending) for ending in _ENDINGS)
    return sum(os.stat(name).st_size for name in names if name.exists())


class _Salvage:
    def __init__(
        self, source: sqlite3.Connection, target: sqlite3.Connection, result: Salvaged
    ) -> None:
        self._source = source
        self._target = target
        self._result = result
        self._probes = 0
        self._unwritten = 0

    def run(self) -> None:
        """Copy table by table, and balance the ledger."""
        self._target.execute('BEGIN')
        for table, columns in _COPIED.items():
            self._copy(table, columns)
        lanes = [key for (key,) in self._target.execute('SELECT key FROM lanes').fetchall()]
        for lane in lanes:
            for values in self._scan(
                f'SELECT first, last, reason FROM gaps WHERE lane={lane} AND', 'first'
            ):
                self._write('INSERT OR IGNORE INTO gaps VALUES(?,?,?,?)', (lane, *values))
        self._rows(lanes)
        self._blocks(set(lanes))
        for lane in lanes:
            self._balance(lane)
        self._target.execute('DELETE FROM rows WHERE block < 0')
        self._target.execute('COMMIT')

    def _copy(self, table: str, columns: str) -> None:
        count = columns.count(',') + 1
        key = {'meta': '', 'schemas': ''}.get(table, columns.partition(',')[0])
        statement = f'INSERT OR IGNORE INTO {table} VALUES({",".join("?" * count)})'
        if key:
            found = self._scan(f'SELECT {columns} FROM {table} WHERE', key)
        else:
            found = self._plain(f'SELECT {columns} FROM {table}')
        for values in found:
            self._write(statement, values)

    def _rows(self, lanes: list[int]) -> None:
        # Their blocks are still to come: a negative number stands for none.
        for lane in lanes:
            columns = 'first, last, raw, packed, added_s, block, settled'
            for values in self._scan(f'SELECT {columns} FROM rows WHERE lane={lane} AND', 'first'):
                first, last, raw, packed, added_s, block, settled = values
                self._write(
                    'INSERT OR IGNORE INTO rows VALUES(?,?,?,?,?,?,?,?)',
                    (lane, first, last, raw, packed, added_s, -1 - block, settled),
                )

    def _blocks(self, lanes: set[int]) -> None:
        for values in self._scan(
            'SELECT id, lane, first, last, raw, added_s, crc, data FROM blocks WHERE', 'id'
        ):
            number, lane, first, last, raw, added_s, crc, data = values
            if type(data) is not bytes or checksum(first, last, data) != crc:
                continue
            if lane not in lanes:
                self._result.nameless += last - first + 1
                continue
            self._write('INSERT OR IGNORE INTO blocks VALUES(?,?,?,?,?,?,?,?)', values)
            self._write(
                'INSERT INTO rows VALUES(?,?,?,?,?,?,?,?) ON CONFLICT(lane, first) '
                'DO UPDATE SET block=excluded.block, last=excluded.last',
                (lane, first, last, raw, len(data), added_s, number, None),
            )

    def _balance(self, lane: int) -> None:
        found = self._target.execute(
            f'SELECT high, {", ".join(LEDGER)} FROM ledger WHERE lane=?', (lane,)
        ).fetchone()
        high, committed, *ended = found or (0,) * (1 + len(LEDGER))
        spooled = 0
        known = Ranges()
        lost = Ranges()
        for first, last, block, settled in self._target.execute(
            'SELECT first, last, block, settled FROM rows WHERE lane=?', (lane,)
        ):
            left = Ranges([(first, last)])
            for part in decode_ranges(settled):
                left.remove(*part)
            if block < 0:
                for part in left:
                    lost.add(*part)
            else:
                spooled += left.total
            known.add(first, last)
            high = max(high, last)
        damaged = lost.total
        missing = committed - sum(ended) - spooled - damaged
        if missing > 0:
            # Which they are, nobody knows; none of these numbers will come again.
            damaged += missing
            for first, last in self._unknown(lane, known, high):
                lost.add(first, last)
        for first, last in lost:
            tables.add_gap(self._target, lane, Gap(int(Drop.DAMAGED), first, last))
        ended[-1] += damaged
        committed = sum(ended) + spooled
        tables.write_ledger(self._target, lane, high, [committed, *ended])
        self._result.saved += spooled
        self._result.lost += damaged

    def _unknown(self, lane: int, known: Ranges, high: int) -> Iterator[tuple[int, int]]:
        rest = Ranges([(1, high)] if high else ())
        for first, last in known:
            rest.remove(first, last)
        for first, last in self._target.execute(
            'SELECT first, last FROM gaps WHERE lane=?', (lane,)
        ).fetchall():
            rest.remove(first, last)
        return iter(rest)

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        self._target.execute(statement, values)
        self._unwritten += sum(len(value) for value in values if isinstance(value, bytes))
        if self._unwritten > _BATCH_BYTES:
            self._unwritten = 0
            self._target.execute('COMMIT')
            self._target.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()
            self._target.execute('BEGIN')

    def _plain(self, select: str) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._source.execute(select)
        except sqlite3.DatabaseError:
            return

    def _scan(self, select: str, key: str) -> Iterator[tuple[Any, ...]]:
        """
        Walk over a table as far as it can be read: from below, from above, and in between.

        :param select: up to the condition on the key; the key comes first
        :param key: name of an integer column
        :returns: rows, each once
        """
        self._probes = 0
        spans = [(-1, NEVER)]
        while spans:
            low, high = spans.pop()
            if low > high:
                continue
            last = low - 1
            try:
                for values in self._source.execute(
                    f'{select} {key} BETWEEN ? AND ? ORDER BY {key}', (low, high)
                ):
                    last = values[0]
                    yield values
                continue
            except sqlite3.DatabaseError:
                self._probes += 1
            first = high + 1
            try:
                for values in self._source.execute(
                    f'{select} {key} BETWEEN ? AND ? ORDER BY {key} DESC', (last + 1, high)
                ):
                    first = values[0]
                    yield values
                continue
            except sqlite3.DatabaseError:
                self._probes += 1
            low, high = last + 1, first - 1
            if low < high and self._probes < _MOST_PROBES:
                middle = (low + high) // 2
                spans += [(low, middle), (middle + 1, high)]
