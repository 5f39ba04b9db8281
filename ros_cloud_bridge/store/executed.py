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

"""
The log of executed commands: what was started, and how it ended, over restarts and crashes.

A command stands in it, on the disk, before it is carried out. So whatever comes a second time is
known, and what a crash left unfinished is told as such instead of being run again.
"""

from collections.abc import Callable
from dataclasses import replace
import os
from pathlib import Path
import sqlite3
import time
from typing import Any, TypeVar
from urllib.parse import quote

from ros_cloud_bridge.command_values import Answer
from ros_cloud_bridge.core.commands.effects import LogEntry, LogKey
from ros_cloud_bridge.errors import LocalFault, ProtocolError
from ros_cloud_bridge.store.database import connect, is_corrupt, set_aside, transaction, Unusable
from ros_cloud_bridge.store.usage import Log
from ros_cloud_bridge.wire.command import decode_answer, encode_answer

APPLICATION_ID = 0x52434258  # 'RCBX'
VERSION = 1
MOST_ENTRIES = 100_000
KEEP_S = 7 * 86400.0
# A longer answer is kept without what the server said.
MOST_ANSWER_BYTES = 8 * 1024
_RETRY_S = 1.0
_PRUNE_EVERY = 256
_PRUNE_ROWS = 1024

_TABLES = (
    """
    CREATE TABLE executed(
        number INTEGER PRIMARY KEY, kid BLOB NOT NULL, id BLOB NOT NULL, digest BLOB NOT NULL,
        operator TEXT NOT NULL, channel TEXT NOT NULL, started_s REAL NOT NULL, answer BLOB,
        UNIQUE(kid, id))
    """,
    'CREATE INDEX unfinished ON executed(number) WHERE answer IS NULL',
    'CREATE INDEX started ON executed(started_s)',
)
_FIND = 'SELECT kid, id, digest, operator, channel, answer FROM executed WHERE kid=? AND id=?'
_LEFT_OVER = (
    'SELECT kid, id, digest, operator, channel, answer FROM executed'
    ' WHERE answer IS NULL AND number<=? ORDER BY number'
)
_START = (
    'INSERT INTO executed(kid, id, digest, operator, channel, started_s) VALUES(?, ?, ?, ?, ?, ?)'
)
_FINISH = 'UPDATE executed SET answer=? WHERE kid=? AND id=?'
_PRUNE = (
    'DELETE FROM executed WHERE number IN (SELECT number FROM executed'
    ' WHERE (number<=? OR started_s<?) AND (answer IS NOT NULL OR number<=?) LIMIT ?)'
)

_Result = TypeVar('_Result')


class ExecutedStore:
    """
    The log in its file; one thread at a time uses it.

    Entries go after a week, or when there are more than :data:`MOST_ENTRIES`; never the unfinished
    ones of this run.

    :param directory: made when need be
    :param robot_id: names the file
    :param log: takes (level, text)
    :param wall_s: reads the wall clock, by which entries grow old
    :param monotonic_s: reads the monotonic clock, by which a file that cannot be opened is tried
    :param most_entries: how many are kept
    """

    def __init__(
        self,
        directory: Path,
        robot_id: str,
        log: Log,
        *,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
        most_entries: int = MOST_ENTRIES,
    ) -> None:
        self.path = directory / f'executed-{quote(robot_id, safe="")}.sqlite'
        self._log = log
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s
        self._most = most_entries
        self._connection: sqlite3.Connection | None = None
        self._fault = ''
        self._retry_at_s = float('-inf')
        # What earlier runs have numbered.
        self._before = 0
        self._starts = 0
        try:
            self._ready()
        except LocalFault:
            pass  # told, and told to whoever asks

    def find(self, key: LogKey) -> LogEntry | None:
        """
        Look a command up.

        :param key: of the command
        :returns: None when it was never started, or longer ago than is kept
        :raises LocalFault: when the log cannot be read
        """
        return self._do(lambda connection: _find(connection, key))

    def start(self, entry: LogEntry) -> None:
        """
        Put a command on the disk.

        :param entry: without an answer
        :raises LocalFault: when that is not possible; then it must not be carried out
        """
        self._do(lambda connection: self._start(connection, entry))
        self._starts += 1
        if self._starts % _PRUNE_EVERY == 0:
            self._prune()

    def finish(self, key: LogKey, answer: Answer) -> None:
        """
        Add the last answer; a killed process does not lose it, a power cut may.

        :param key: of a command that was started; without one nothing happens
        :param answer: its last
        :raises LocalFault: when that is not possible
        """
        encoded = encode_answer(answer)
        if len(encoded) > MOST_ANSWER_BYTES:
            encoded = encode_answer(replace(answer, detail=None))
        self._do(lambda connection: _finish(connection, key, encoded))

    def left_over(self) -> list[LogEntry]:
        """
        List what earlier runs have started and never finished.

        :returns: entries, oldest first
        :raises LocalFault: when the log cannot be read
        """
        return self._do(lambda connection: _list(connection, self._before))

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._retry_at_s = float('inf')
        self._fault = 'the log of executed commands is closed'

    def _do(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        connection = self._ready()
        try:
            return work(connection)
        except (sqlite3.Error, OSError, ProtocolError) as error:
            if not (is_corrupt(error) or isinstance(error, ProtocolError)):
                raise LocalFault(f'{self.path}: {error}') from error
            self._replace(str(error))
        try:
            return work(self._ready())
        except (sqlite3.Error, OSError) as error:
            raise LocalFault(f'{self.path}: {error}') from error

    def _ready(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        now_s = self._monotonic_s()
        if now_s < self._retry_at_s:
            raise LocalFault(self._fault)
        self._retry_at_s = now_s + _RETRY_S
        try:
            self._connection = self._open()
        except (sqlite3.Error, OSError) as error:
            text = f'cannot use the log of executed commands {self.path}: {error}'
            if self._fault != text:
                self._log('error', f'{text}; commands that change something are refused')
            self._fault = text
            raise LocalFault(text) from error
        if self._fault:
            self._log('info', f'the log of executed commands {self.path} is usable again')
        self._fault = ''
        self._prune()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = self._prepared()
        except (sqlite3.DatabaseError, Unusable) as error:
            suffix = error.suffix if isinstance(error, Unusable) else 'corrupt'
            if not isinstance(error, Unusable) and not is_corrupt(error):
                raise
            self._set_aside(str(error), suffix)
            connection = self._prepared()
        # Else a power cut may undo the making of the file.
        handle = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        last = connection.execute('SELECT max(number) FROM executed').fetchone()[0]
        self._before = last or 0
        return connection

    def _prepared(self) -> sqlite3.Connection:
        connection = connect(self.path)
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _replace(self, why: str) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._retry_at_s = float('-inf')
        try:
            self._set_aside(why, 'corrupt')
        except OSError as error:
            raise LocalFault(f'{self.path}: {why}; it cannot be set aside: {error}') from error

    def _set_aside(self, why: str, suffix: str) -> None:
        aside = set_aside(self.path, suffix)
        self._log(
            'error',
            f'{self.path}: {why}; it is now {aside.name}, and a new log of executed commands '
            'begins: what became of commands of before cannot be told any more',
        )

    def _start(self, connection: sqlite3.Connection, entry: LogEntry) -> None:
        connection.execute('PRAGMA synchronous=FULL')
        key = entry.key
        row = (key.kid, key.id, entry.digest, entry.operator, entry.channel, self._wall_s())
        with transaction(connection):
            connection.execute(_START, row)

    def _prune(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            last = connection.execute('SELECT max(number) FROM executed').fetchone()[0] or 0
            bounds = (last - self._most, self._wall_s() - KEEP_S, self._before, _PRUNE_ROWS)
            with transaction(connection):
                connection.execute(_PRUNE, bounds)
        except sqlite3.Error as error:
            # A full disk; whoever starts a command is told.
            self._log('warning', f'{self.path}: cannot remove old entries: {error}')


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute('PRAGMA journal_mode=WAL')
    connection.execute('PRAGMA synchronous=FULL')
    connection.execute('PRAGMA cell_size_check=1')
    connection.execute('PRAGMA secure_delete=OFF')
    version = connection.execute('PRAGMA user_version').fetchone()[0]
    ours = connection.execute('PRAGMA application_id').fetchone()[0] == APPLICATION_ID
    empty = connection.execute('SELECT count(*) FROM sqlite_master').fetchone()[0] == 0
    if not ours and not empty:
        raise Unusable('it is no log of executed commands')
    if version > VERSION:
        raise Unusable(f'it is of version {version}, this program reads {VERSION}', 'newer')
    if empty:
        with transaction(connection):
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f'PRAGMA application_id={APPLICATION_ID}')
            connection.execute(f'PRAGMA user_version={VERSION}')
    found = connection.execute('PRAGMA quick_check').fetchone()[0]
    if found != 'ok':
        raise Unusable(str(found).splitlines()[0])


def _find(connection: sqlite3.Connection, key: LogKey) -> LogEntry | None:
    row = connection.execute(_FIND, (key.kid, key.id)).fetchone()
    return None if row is None else _entry(row)


def _list(connection: sqlite3.Connection, before: int) -> list[LogEntry]:
    return [_entry(row) for row in connection.execute(_LEFT_OVER, (before,))]


def _finish(connection: sqlite3.Connection, key: LogKey, encoded: bytes) -> None:
    connection.execute('PRAGMA synchronous=NORMAL')
    with transaction(connection):
        connection.execute(_FINISH, (encoded, key.kid, key.id))


def _entry(row: tuple[Any, ...]) -> LogEntry:
    kid, identity, digest, operator, channel, answer = row
    return LogEntry(
        key=LogKey(kid=kid, id=identity),
        digest=digest,
        operator=operator,
        channel=channel,
        answer=None if answer is None else decode_answer(answer),
    )
