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

"""What a consumer holds durably, in a file beside its sink: it outlives every crash."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
import os
from pathlib import Path
import sqlite3
import threading
import time
from typing import Any

from ros_cloud_bridge.errors import LocalFault
from ros_cloud_bridge.wire.batch import Descriptor

HELD = 0
_VERSION = 1
_APPLICATION_ID = 0x5243424C  # RCBL
_MOST_CORRUPT_FILES = 9
_MAX_LANES_PER_ROBOT = 16384
_BUSY_S = 2.0
_BOOT_BYTES = 8

_TABLES = (
    'CREATE TABLE owner (consumer TEXT NOT NULL)',
    'CREATE TABLE lanes (lane INTEGER PRIMARY KEY, robot TEXT NOT NULL, boot BLOB NOT NULL, '
    'route INTEGER NOT NULL, stream TEXT NOT NULL, topic TEXT NOT NULL, type TEXT NOT NULL, '
    'schema TEXT NOT NULL, committed INTEGER NOT NULL, closed INTEGER NOT NULL, '
    'touched INTEGER NOT NULL, UNIQUE (robot, boot, route))',
    # Disjoint per lane and reason, and none touches the next.
    'CREATE TABLE spans (lane INTEGER NOT NULL, reason INTEGER NOT NULL, first INTEGER NOT NULL, '
    'last INTEGER NOT NULL, PRIMARY KEY (lane, reason, first)) WITHOUT ROWID',
    'CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL)',
)


class LedgerError(LocalFault):
    """A ledger cannot be read or written; what was to be noted in it is not noted."""


@dataclass(frozen=True, slots=True)
class Span:
    """
    A range of sequence numbers, both ends included.

    ``reason`` is 0 (``HELD``) for samples that the sink holds; else a
    :class:`~ros_cloud_bridge.values.Drop` value, for numbers that will never come.
    """

    reason: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """
    What is noted of one route of one boot of a robot; writing it adds to what stands there.

    ``committed`` and ``closed`` are the robot's words, as in its accounts.
    """

    robot_id: str
    boot: bytes
    route: int
    descriptor: Descriptor
    committed: int = 0
    closed: bool = False
    spans: tuple[Span, ...] = ()


class Ledger:
    """
    A small SQLite file; may be used from several threads, by one process at a time.

    A file that is damaged is set aside as ``*.corrupt-1`` … and a new one begun: nothing of it is
    taken over, for whoever confirms what it does not hold has data deleted. What the robots still
    have comes again then.

    :param path: the file, made when there is none
    :param consumer: whose ledger it is
    :raises LedgerError: when it cannot be used: another process or another consumer has it, a
        later version wrote it, or the disk does not let us
    """

    def __init__(self, path: Path, consumer: str) -> None:
        self.path = path
        self.recovered = ''
        self._lock = threading.Lock()
        try:
            self._connection = self._open(consumer)
        except _Damaged as damage:
            self._set_aside(str(damage))
            try:
                self._connection = self._open(consumer)
            except _Damaged as again:
                raise LedgerError(f'{path}: {again}') from None

    def entries(self) -> list[LedgerEntry]:
        """
        Read everything.

        :returns: one entry per (robot, boot, route), the least recently changed first
        :raises LedgerError: when it cannot be read
        """
        with self._lock, self._reported():
            return _read(self._connection)

    def note(self, name: str) -> str:
        """
        Read a note.

        :param name: what it is called
        :returns: its text; empty when there is none
        :raises LedgerError: when it cannot be read
        """
        with self._lock, self._reported():
            query = 'SELECT value FROM notes WHERE name = ?'
            row = self._connection.execute(query, (name,)).fetchone()
        return '' if row is None else str(row[0])

    def commit(
        self, entries: Iterable[LedgerEntry], notes: Mapping[str, str] | None = None
    ) -> None:
        """
        Add to the ledger; when this returns it is on the disk, when it raises nothing is changed.

        :param entries: what is new
        :param notes: texts of the sink's own, which replace those of their names; empty ones go
        :raises LedgerError: when it cannot be written
        """
        with self._lock, self._reported():
            self._connection.execute('BEGIN IMMEDIATE')
            try:
                for entry in entries:
                    self._write(entry)
                for name, value in (notes or {}).items():
                    self._write_note(name, value)
                self._connection.execute('COMMIT')
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute('ROLLBACK')
                raise

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def _write(self, entry: LedgerEntry) -> None:
        lane = self._lane(entry)
        for span in entry.spans:
            self._add(lane, span)

    def _lane(self, entry: LedgerEntry) -> int:
        descriptor = entry.descriptor
        place = (entry.robot_id, entry.boot, entry.route)
        row = self._connection.execute(
            'SELECT lane FROM lanes WHERE robot = ? AND boot = ? AND route = ?', place
        ).fetchone()
        now = int(time.time())
        if row is not None:
            self._connection.execute(
                'UPDATE lanes SET committed = max(committed, ?), closed = max(closed, ?), '
                'touched = ? WHERE lane = ?',
                (entry.committed, entry.closed, now, row[0]),
            )
            return int(row[0])
        names = (descriptor.stream, descriptor.topic, descriptor.typed, descriptor.schema_id)
        cursor = self._connection.execute(
            'INSERT INTO lanes (robot, boot, route, stream, topic, type, schema, committed, '
            'closed, touched) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
            (*place, *names, entry.committed, entry.closed, now),
        )
        assert cursor.lastrowid is not None
        self._forget_oldest(entry.robot_id)
        return cursor.lastrowid

    def _forget_oldest(self, robot_id: str) -> None:
        query = 'SELECT lane FROM lanes WHERE robot = ? ORDER BY touched DESC, lane DESC LIMIT -1 '
        gone = self._connection.execute(
            f'{query} OFFSET ?', (robot_id, _MAX_LANES_PER_ROBOT)
        ).fetchall()
        self._connection.executemany('DELETE FROM spans WHERE lane = ?', gone)
        self._connection.executemany('DELETE FROM lanes WHERE lane = ?', gone)

    def _add(self, lane: int, span: Span) -> None:
        """Write a span, as one with those that it overlaps or touches."""
        place = (lane, span.reason)
        first, last = span.first, span.last
        before = self._connection.execute(
            'SELECT first, last FROM spans WHERE lane = ? AND reason = ? AND first < ? '
            'ORDER BY first DESC LIMIT 1',
            (*place, first),
        ).fetchone()
        if before is not None and before[1] >= first - 1:
            first, last = before[0], max(before[1], last)
        behind = self._connection.execute(
            'SELECT max(last) FROM spans WHERE lane = ? AND reason = ? AND first BETWEEN ? AND ?',
            (*place, first, last + 1),
        ).fetchone()
        # None of them begins behind one that ends behind it: they are disjoint.
        end = max(last, behind[0] or 0)
        self._connection.execute(
            'DELETE FROM spans WHERE lane = ? AND reason = ? AND first BETWEEN ? AND ?',
            (*place, first, last + 1),
        )
        self._connection.execute('INSERT INTO spans VALUES (?, ?, ?, ?)', (*place, first, end))

    def _write_note(self, name: str, value: str) -> None:
        if value:
            self._connection.execute('INSERT OR REPLACE INTO notes VALUES (?, ?)', (name, value))
        else:
            self._connection.execute('DELETE FROM notes WHERE name = ?', (name,))

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LedgerError(f'{self.path}: {error}') from error

    def _open(self, consumer: str) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise LedgerError(f'{self.path}: {error}') from error
        try:
            self._prepare(connection, consumer)
        except sqlite3.OperationalError as error:
            connection.close()
            raise LedgerError(f'{self.path}: {_worded(error)}') from error
        except sqlite3.DatabaseError as error:
            connection.close()
            raise _Damaged(str(error)) from error
        except UnicodeDecodeError as error:
            # SQLite quotes a damaged schema in its message, whatever bytes that has.
            connection.close()
            raise _Damaged('malformed database schema') from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection, consumer: str) -> None:
        # Before the first look into the file: it then needs no shared memory beside it, and a
        # second process is told so.
        connection.execute('PRAGMA locking_mode = EXCLUSIVE')
        connection.execute('PRAGMA journal_mode = WAL')
        connection.execute('PRAGMA synchronous = FULL')
        connection.execute('BEGIN IMMEDIATE')
        version = connection.execute('PRAGMA user_version').fetchone()[0]
        tables = connection.execute('SELECT count(*) FROM sqlite_schema').fetchone()[0]
        if version == 0 and tables == 0:
            self._make(connection, consumer)
        else:
            self._check(connection, consumer, version)
        connection.execute('COMMIT')

    def _make(self, connection: sqlite3.Connection, consumer: str) -> None:
        for table in _TABLES:
            connection.execute(table)
        connection.execute('INSERT INTO owner VALUES (?)', (consumer,))
        connection.execute(f'PRAGMA application_id = {_APPLICATION_ID}')
        connection.execute(f'PRAGMA user_version = {_VERSION}')

    def _check(self, connection: sqlite3.Connection, consumer: str, version: int) -> None:
        application = connection.execute('PRAGMA application_id').fetchone()[0]
        if application != _APPLICATION_ID:
            raise LedgerError(f'{self.path}: is a database of something else')
        if version > _VERSION:
            raise LedgerError(f'{self.path}: is of a later version of this program')
        verdict = connection.execute('PRAGMA quick_check(1)').fetchone()[0]
        if verdict != 'ok':
            raise _Damaged(str(verdict))
        owners = connection.execute('SELECT consumer FROM owner').fetchall()
        if len(owners) != 1:
            raise _Damaged('it does not say whose it is')
        if owners[0][0] != consumer:
            raise LedgerError(f'{self.path}: is that of {owners[0][0]!r}, not of {consumer!r}')
        _read(connection)

    def _set_aside(self, damage: str) -> None:
        names = [
            self.path.with_name(f'{self.path.name}.corrupt-{number}')
            for number in range(1, _MOST_CORRUPT_FILES + 1)
        ]
        # A disk that breaks each file does not fill up with them.
        aside = next((name for name in names if not os.path.lexists(name)), names[-1])
        try:
            for suffix in ('', '-wal', '-shm'):
                part = Path(f'{self.path}{suffix}')
                if os.path.lexists(part):
                    os.replace(part, f'{aside}{suffix}')
        except OSError as error:
            raise LedgerError(f'{self.path}: {damage}; cannot set it aside: {error}') from error
        self.recovered = (
            f'{self.path}: {damage}; it is now {aside.name}, and what the robots still have '
            'comes again'
        )


class _Damaged(Exception):
    """The file's content cannot be trusted."""


def _worded(error: sqlite3.Error) -> str:
    if 'locked' in str(error):
        return 'is in use by another process'
    return str(error)


def _read(connection: sqlite3.Connection) -> list[LedgerEntry]:
    rows = connection.execute(
        'SELECT lane, robot, boot, route, committed, closed, stream, topic, type, schema '
        'FROM lanes ORDER BY touched, lane'
    )
    entries = {row[0]: _entry(row[1:]) for row in rows}
    spans: dict[int, list[Span]] = {lane: [] for lane in entries}
    before = (0, 0, 0)
    for lane, reason, first, last in connection.execute(
        'SELECT lane, reason, first, last FROM spans ORDER BY lane, reason, first'
    ):
        if lane not in entries or any(type(number) is not int for number in (reason, first, last)):
            raise _Damaged('spans without their lane')
        if not 0 <= first <= last or (before[:2] == (lane, reason) and first <= before[2] + 1):
            raise _Damaged('spans that overlap')
        before = (lane, reason, last)
        spans[lane].append(Span(reason, first, last))
    return [replace(entry, spans=tuple(spans[lane])) for lane, entry in entries.items()]


def _entry(fields: tuple[Any, ...]) -> LedgerEntry:
    robot_id, boot, route, committed, closed, *names = fields
    numbers = (route, committed, closed)
    if (
        not all(isinstance(text, str) for text in (robot_id, *names))
        or not isinstance(boot, bytes)
        or len(boot) != _BOOT_BYTES
        or any(type(number) is not int or number < 0 for number in numbers)
    ):
        raise _Damaged('a lane that cannot be')
    return LedgerEntry(
        robot_id=robot_id,
        boot=boot,
        route=route,
        descriptor=Descriptor.of(*names),
        committed=committed,
        closed=bool(closed),
    )
