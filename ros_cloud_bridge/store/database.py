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

"""The spool's file: its tables, opening and checking it, and what SQLite's errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import sqlite3
from typing import Any
from urllib.parse import quote

from ros_cloud_bridge.store.lanes import SpoolError, SpoolFault

APPLICATION_ID = 0x52434253  # 'RCBS'
PAGE_BYTES = 4096
BUSY_S = 2.0
# A larger file is only checked in its small tables: the rest shows when it is read.
_CHECK_WHOLE_BYTES = 2 * 1024 * 1024 * 1024
_MOST_ASIDE = 9
_SMALL_TABLES = ('meta', 'schemas', 'lanes', 'ledger', 'gaps')

# What leads from each version to the next.
MIGRATIONS = (
    """
    CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE schemas(id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE lanes(
        key INTEGER PRIMARY KEY, boot BLOB NOT NULL, route INTEGER NOT NULL, stream TEXT NOT NULL,
        topic TEXT NOT NULL, type_name TEXT NOT NULL, schema_id TEXT NOT NULL,
        policy TEXT NOT NULL, UNIQUE(boot, route));
    CREATE TABLE ledger(
        lane INTEGER PRIMARY KEY, high INTEGER NOT NULL, committed INTEGER NOT NULL,
        delivered INTEGER NOT NULL, expired INTEGER NOT NULL, refused INTEGER NOT NULL,
        spool_full INTEGER NOT NULL, damaged INTEGER NOT NULL);
    CREATE TABLE rows(
        lane INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        raw INTEGER NOT NULL, packed INTEGER NOT NULL, added_s REAL NOT NULL,
        block INTEGER NOT NULL, settled BLOB, PRIMARY KEY(lane, first)) WITHOUT ROWID;
    CREATE TABLE blocks(
        id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, first INTEGER NOT NULL,
        last INTEGER NOT NULL, raw INTEGER NOT NULL, added_s REAL NOT NULL, crc INTEGER NOT NULL,
        data BLOB NOT NULL);
    CREATE TABLE gaps(
        lane INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        reason INTEGER NOT NULL, PRIMARY KEY(lane, first)) WITHOUT ROWID;
    CREATE TABLE dead(
        id INTEGER PRIMARY KEY, boot BLOB NOT NULL, route INTEGER NOT NULL, stream TEXT NOT NULL,
        topic TEXT NOT NULL, type_name TEXT NOT NULL, schema_id TEXT NOT NULL,
        lane INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        row_first INTEGER NOT NULL, row_last INTEGER NOT NULL, added_s REAL NOT NULL,
        crc INTEGER NOT NULL, data BLOB NOT NULL);
    """,
)
VERSION = len(MIGRATIONS)


class Unusable(Exception):
    """
    A file that holds no spool that this version reads.

    :param text: why
    :param suffix: what it is set aside as
    """

    def __init__(self, text: str, suffix: str = 'corrupt') -> None:
        super().__init__(text)
        self.suffix = suffix


class _Connection(sqlite3.Connection):
    """Raises what SQLite means where Python cannot even read what it says."""

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """Execute a statement; see :meth:`sqlite3.Connection.execute`."""
        try:
            return super().execute(*arguments)
        except UnicodeDecodeError as error:
            # SQLite quotes a damaged schema in its message, whatever bytes that has.
            text = bytes(error.object).decode('utf-8', 'replace')
            raise sqlite3.DatabaseError(text) from error


def connect(path: Path, *, write: bool = True, immutable: bool = False) -> sqlite3.Connection:
    """
    Open a file without looking into it.

    :param path: the file
    :param write: make it if need be
    :param immutable: nobody writes it, and it has no log beside it
    :returns: a connection with explicit transactions
    """
    mode = 'rwc' if write else 'ro'
    name = f'file:{quote(str(path))}?mode={mode}' + ('&immutable=1' if immutable else '')
    connection = sqlite3.connect(
        name,
        uri=True,
        isolation_level=None,
        timeout=BUSY_S,
        check_same_thread=False,
        factory=_Connection,
    )
    connection.text_factory = _text
    return connection


def _text(data: bytes) -> str:
    # A damaged page must not make an exception of another kind.
    return data.decode('utf-8', 'replace')


def prepare(connection: sqlite3.Connection) -> None:
    """
    Make an opened file a spool of this version.

    :param connection: open for writing
    :raises Unusable: when it holds something else, or what it holds is damaged
    :raises sqlite3.Error: when the disk or the file cannot be used
    """
    connection.execute(f'PRAGMA page_size={PAGE_BYTES}')
    connection.execute('PRAGMA auto_vacuum=INCREMENTAL')
    connection.execute('PRAGMA journal_mode=WAL')
    connection.execute('PRAGMA synchronous=FULL')
    # Checkpoints are ours: what they write is counted, and the log is truncated.
    connection.execute('PRAGMA wal_autocheckpoint=0')
    connection.execute('PRAGMA cache_size=-4096')
    connection.execute('PRAGMA temp_store=MEMORY')
    connection.execute('PRAGMA cell_size_check=1')
    # Debian's SQLite overwrites what is deleted: as many bytes again for the flash.
    connection.execute('PRAGMA secure_delete=OFF')
    version = check_version(connection)
    if version < VERSION:
        migrate(connection, version)
    check(connection)


def check_version(connection: sqlite3.Connection) -> int:
    """
    Find out whose file it is.

    :param connection: open
    :returns: its version, 0 for an empty file
    :raises Unusable: when it is another's or of a later version
    """
    version = int(connection.execute('PRAGMA user_version').fetchone()[0])
    ours = connection.execute('PRAGMA application_id').fetchone()[0] == APPLICATION_ID
    empty = connection.execute('SELECT count(*) FROM sqlite_master').fetchone()[0] == 0
    if not ours and not empty:
        raise Unusable('it is not a spool')
    if version > VERSION:
        raise Unusable(f'it is of version {version}, this program reads {VERSION}', 'newer')
    return 0 if empty else version


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """
    Lead a file to this version, in one transaction.

    :param connection: open for writing
    :param version: its version
    """
    with transaction(connection):
        for script in MIGRATIONS[version:]:
            for statement in script.split(';'):
                if statement.strip():
                    connection.execute(statement)
        connection.execute(f'PRAGMA application_id={APPLICATION_ID}')
        connection.execute(f'PRAGMA user_version={VERSION}')


def check(connection: sqlite3.Connection) -> None:
    """
    Look for damage.

    :param connection: open
    :raises Unusable: with what was found
    """
    pages = connection.execute('PRAGMA page_count').fetchone()[0]
    names: tuple[str, ...] = ('',)
    if pages * PAGE_BYTES > _CHECK_WHOLE_BYTES:
        names = tuple(f'({name})' for name in _SMALL_TABLES)
    for name in names:
        found = connection.execute(f'PRAGMA quick_check{name}').fetchone()[0]
        if found != 'ok':
            raise Unusable(str(found).splitlines()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """
    Do all or nothing.

    :param connection: open for writing
    :returns: a context
    """
    connection.execute('BEGIN IMMEDIATE')
    try:
        yield
        connection.execute('COMMIT')
    except BaseException:
        # SQLite itself has rolled back after some errors.
        if connection.in_transaction:
            connection.execute('ROLLBACK')
        raise


def free_name(path: Path, suffix: str) -> Path:
    """
    Find a name for what is to be kept of a damaged file.

    :param path: the file
    :param suffix: as in ``corrupt``
    :returns: a free one, or the last of the few there are
    """
    names = [
        path.with_name(f'{path.name}.{suffix}-{number}') for number in range(1, _MOST_ASIDE + 1)
    ]
    # A disk that breaks each file does not fill up with them.
    return next((name for name in names if not os.path.lexists(name)), names[-1])


def set_aside(path: Path, suffix: str) -> Path:
    """
    Rename a file and what SQLite keeps beside it.

    :param path: the file; no connection to it is open
    :param suffix: as in ``corrupt``
    :returns: its new name
    :raises OSError: when it cannot be renamed
    """
    aside = free_name(path, suffix)
    for ending in ('-wal', '-shm'):
        beside, moved = (name.with_name(name.name + ending) for name in (path, aside))
        if beside.exists():
            os.replace(beside, moved)
        else:
            moved.unlink(missing_ok=True)
    os.replace(path, aside)
    return aside


def is_corrupt(error: BaseException) -> bool:
    """
    Tell a damaged file from a disk that fails.

    :param error: from SQLite
    :returns: whether the file is damaged
    """
    text = str(error)
    return isinstance(error, sqlite3.DatabaseError) and (
        'malformed' in text or 'not a database' in text or 'corrupt' in text
    )


def fault_of(error: BaseException) -> SpoolError:
    """
    Say what an error means for who commits.

    Python 3.10 has SQLite's texts, but not its codes.

    :param error: from SQLite or the system
    :returns: the fault
    """
    text = str(error)
    if 'disk is full' in text or 'No space left' in text or 'quota exceeded' in text.lower():
        return SpoolError(SpoolFault.FULL, text)
    if 'readonly' in text or 'read-only' in text.lower():
        return SpoolError(SpoolFault.READ_ONLY, text)
    return SpoolError(SpoolFault.FAILED, text)
