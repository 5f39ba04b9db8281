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

"""Keeps the spool's file usable: opens it, locks it, writes it, and copes when that fails."""

from collections.abc import Callable, Mapping, Sequence
import fcntl
import os
from pathlib import Path
import shutil
import sqlite3

from ros_cloud_bridge.store import database
from ros_cloud_bridge.store.ballast import Disk
from ros_cloud_bridge.store.books import Books
from ros_cloud_bridge.store.clock import SpoolClock
from ros_cloud_bridge.store.database import fault_of, is_corrupt, Unusable
from ros_cloud_bridge.store.lanes import Lane, SpoolError, SpoolFault
from ros_cloud_bridge.store.log_damage import find_damage
from ros_cloud_bridge.store.log_file import LogFile
from ros_cloud_bridge.store.repair import finish_salvage, replace_damaged
from ros_cloud_bridge.store.room import expected_bytes, New, Room, SPARE_BYTES, too_large
from ros_cloud_bridge.store.usage import Log
from ros_cloud_bridge.store.writes import SpoolBudget
from ros_cloud_bridge.values import SpoolConfig
from ros_cloud_bridge.wire.account import Gap
from ros_cloud_bridge.wire.announce import encode_schema
from ros_cloud_bridge.wire.schema import Schema

_OK = 'ok'
_ATTEMPTS = 4
_RETRY_S = 1.0
_KEEP_META_S = 10.0
_KEEP_META_BYTES = 4 * 1024 * 1024
# A wall clock that was set is noted at once.
_JUMP_S = 1.0
_VACUUM_PAGES = 512
# A full disk has room again when this part of what we may have is free.
_CLEARLY = 2
_FEW_PAGES = 8
_STEP_BYTES = 64 * 1024
# So long we make do with less than a disk seems to have that was full: it may have it by now.
_SQUEEZED_S = 5.0


class Keeper:
    """
    Owns the connection; what cannot be done is a :class:`SpoolError` and changes nothing.

    :param path: the spool
    :param boot: the present boot id
    :param config: its bounds
    :param log: takes (level, text)
    :param clock: the spool's clock
    :param monotonic_s: reads the monotonic clock
    """

    def __init__(
        self,
        path: Path,
        boot: bytes,
        config: SpoolConfig,
        log: Log,
        clock: SpoolClock,
        monotonic_s: Callable[[], float],
    ) -> None:
        self.path = path
        self.clock = clock
        self.disk = Disk(path, config.max_bytes)
        self.budget = SpoolBudget(config.max_writes_mb_per_day)
        self.state = _OK
        self.recovered = ''
        # Until the file can be opened: nothing is in it, and nothing can be written.
        memory = sqlite3.connect(':memory:', isolation_level=None, check_same_thread=False)
        database.migrate(memory, 0)
        self.books = Books(memory, boot)
        self._log = log
        self._monotonic_s = monotonic_s
        self._log_file = LogFile(self.disk)
        self._writable = False
        self._resumed = False
        self._fault = SpoolError(SpoolFault.FAILED, 'not open')
        self._retry_at_s = 0.0
        self._lock: int | None = None
        self._squeezed = 0
        self._squeezed_until_s = 0.0
        self._largest = 0
        self._meta_at_s = float('-inf')
        self._meta_offset_s = 0.0
        self._meta_written = 0
        self._open()

    def close(self) -> None:
        """Write the log back and let go of the file."""
        if self._writable:
            try:
                with self.books.transaction():
                    self._write_meta()
                self._checkpoint()
            except (sqlite3.Error, OSError):
                pass  # it is durable in the log all the same
        self.books.connection.close()
        self._writable = False
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def ready(self) -> None:
        """
        Make sure that the file can be written.

        :raises SpoolError: when it cannot
        """
        if self._writable:
            return
        now_s = self._monotonic_s()
        if now_s >= self._retry_at_s:
            self._retry_at_s = now_s + _RETRY_S
            self._open()
        if not self._writable:
            raise self._fault

    def write(
        self,
        incoming: list[New],
        gaps: Sequence[tuple[Lane, Gap]] = (),
        schemas: Mapping[str, Schema] | None = None,
    ) -> None:
        """
        Write what is pending and what comes, in one transaction.

        :param incoming: rows
        :param gaps: of samples that the spool never had
        :param schemas: to be kept, by their id
        :raises SpoolError: when that is not possible; then nothing has changed
        """
        if self._squeezed and self._monotonic_s() >= self._squeezed_until_s:
            self._squeezed = 0
        for attempt in range(_ATTEMPTS):
            try:
                self._shrink(incoming)
                spare = self._transact(list(incoming), gaps, schemas or {})
            except (sqlite3.Error, OSError) as error:
                self._cope(error, last=attempt == _ATTEMPTS - 1)
                continue
            self._count(self._log_file.advance())
            self._finish(spare)
            return

    def _transact(
        self,
        incoming: list[New],
        gaps: Sequence[tuple[Lane, Gap]],
        schemas: Mapping[str, Schema],
    ) -> int:
        now_s = self.clock.now_s
        with self.books.transaction():
            for schema_id, schema in schemas.items():
                self.books.connection.execute(
                    'INSERT OR IGNORE INTO schemas VALUES(?,?)', (schema_id, encode_schema(schema))
                )
            for lane, gap in gaps:
                self.books.note_gap(lane, gap)
            self.books.trim_dead(self.disk.max_bytes // 10)
            room = Room(self.books, incoming, self._usable(), self._reserve)
            room.make()
            for new in incoming:
                self.books.insert(new.lane, new.row, now_s)
            if self._meta_due(now_s):
                self._write_meta()
        return room.spare

    def _usable(self) -> int:
        """Bytes for file and transaction: what the disk allows, less ballast and log."""
        limit = self.disk.limit_bytes - self._squeezed
        ballast = self.disk.ballast_bytes if self.state == _OK or self.disk.has_ballast else 0
        return limit - ballast - self._log_bound(limit)

    @property
    def _reserve(self) -> int:
        """Bytes for a transaction's log: as for the largest so far."""
        return min(self._largest, self.disk.limit_bytes // 4)

    def _log_bound(self, limit: int) -> int:
        """Length of the log at which it is written back."""
        return max(0, min(self.disk.log_bytes, limit // 10)) // 2

    def _shrink(self, incoming: list[New]) -> None:
        """
        Give back pages of the file, where the log of a large transaction needs them.

        :param incoming: what is to be written
        """
        usable = self._usable()
        incoming = [new for new in incoming if not too_large(new, usable)]
        size = expected_bytes(incoming)
        self._largest = max(self._largest, size + SPARE_BYTES)
        # Without any room on the disk, only so little can be done at a time.
        pages = _FEW_PAGES if self._squeezed else self._vacuum_pages
        while (too_much := self._too_much(size)) > 0:
            if self._free_pages() * database.PAGE_BYTES < min(
                too_much, pages * database.PAGE_BYTES
            ):
                with self.books.transaction():
                    room = Room(self.books, incoming, usable, self._reserve)
                    room.make_before(_STEP_BYTES if self._squeezed else 0)
            before = self.disk.file_bytes
            connection = self.books.connection
            connection.execute(f'PRAGMA incremental_vacuum({pages})').fetchall()
            self._checkpoint(truncate=True)
            if self.disk.file_bytes >= before:
                return
            usable = self._usable()

    @property
    def _vacuum_pages(self) -> int:
        """Pages to give back at once: moving one writes up to three into the log."""
        share = self._log_bound(self.disk.limit_bytes) // (4 * database.PAGE_BYTES)
        return max(_FEW_PAGES, min(_VACUUM_PAGES, share))

    def _too_much(self, size: int) -> int:
        return self.disk.file_bytes + size + SPARE_BYTES - self._usable()

    def _free_pages(self) -> int:
        found = self.books.connection.execute('PRAGMA freelist_count').fetchone()
        return int(found[0])

    def _finish(self, spare: int) -> None:
        if self._log_file.waiting_bytes >= self._log_bound(self.disk.limit_bytes):
            try:
                self._checkpoint()
            except (sqlite3.Error, OSError) as error:
                # What was committed stands in the log; the next write sees what is wrong.
                self._fail(fault_of(error))
                return
        if self.state == SpoolFault.BUDGET.value and self.budget.exceeded(self.clock.now_s):
            return
        limit = self.disk.limit_bytes
        less = limit - self._squeezed < self.disk.max_bytes
        if less and spare <= (0 if self.state == _OK else limit // _CLEARLY):
            self._fail(SpoolError(SpoolFault.FULL, 'the disk has no more room'))
            return
        self._squeezed = 0
        self._count(self.disk.restore_ballast())
        if self.state == _OK:
            return
        if self.disk.has_ballast:
            self._log('info', f'spool: {self.path} is written again')
            self.state = _OK
        else:
            self._fail(SpoolError(SpoolFault.FULL, 'the disk has little room'))

    def over_budget(self) -> SpoolError:
        """
        Note that the day's writes are used up.

        :returns: what to raise
        """
        fault = SpoolError(
            SpoolFault.BUDGET, f"the day's {self.budget.max_mb_per_day:g} MB are written"
        )
        self._fail(fault)
        return fault

    def cope_reading(self, error: Exception) -> None:
        """
        Do what can be done when a read has failed.

        :param error: from SQLite
        """
        if not self._writable:
            return
        try:
            self._cope(error, last=True)
        except SpoolError:
            pass

    def _cope(self, error: Exception, *, last: bool) -> None:
        if is_corrupt(error):
            self._rebuild(error)
            return
        fault = fault_of(error)
        if fault.kind is SpoolFault.FULL and not last:
            self._squeeze()
            return
        if fault.kind is not SpoolFault.FULL and 'locked' not in str(error):
            # Opened anew before the next write; until then it is read as it is.
            self._writable = False
            self._retry_at_s = self._monotonic_s() + _RETRY_S
        self._fail(fault)
        raise fault from error

    def _squeeze(self) -> None:
        """Make do with less than the disk seemed to have."""
        self.disk.drop_ballast()
        # Not more than half: what the spool then rejects could as well be sent out of memory.
        less = max(SPARE_BYTES, 2 * self._squeezed)
        self._squeezed = min(less, self.disk.limit_bytes // 2)
        self._squeezed_until_s = self._monotonic_s() + _SQUEEZED_S
        if self.state == _OK:
            self._fail(SpoolError(SpoolFault.FULL, 'the disk is full'))
        try:
            self._checkpoint(truncate=True)
        except (sqlite3.Error, OSError):
            pass  # the next attempt tells

    def _checkpoint(self, *, truncate: bool = False) -> None:
        self._count(self._log_file.advance())
        self._count(self._log_file.checkpoint(self.books.connection, truncate=truncate))

    def _count(self, size: int) -> None:
        self.budget.add(max(0, size), self.clock.now_s)

    def _fail(self, fault: SpoolError) -> None:
        self._fault = fault
        if self.state == fault.kind.value:
            return
        self.state = fault.kind.value
        self._log('error', f'{fault} ({self.path}): {_CONSEQUENCE[fault.kind]}')

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            finish_salvage(self.path)
            if not self._resumed:
                self._look_at_log()
            connection = self._open_checked()
        except (sqlite3.Error, OSError, SpoolError) as error:
            self._fail(error if isinstance(error, SpoolError) else fault_of(error))
            self._open_for_reading()
            return
        try:
            self._attach(connection)
        except sqlite3.Error as error:
            self._fail(fault_of(error))
            return
        self._writable = True
        self._empty_log()

    def _empty_log(self) -> None:
        """Write back what a process that was killed left: after many kills it would not fit."""
        if not self._log_file.waiting_bytes:
            return
        try:
            self._checkpoint(truncate=True)
        except (sqlite3.Error, OSError):
            pass  # it is durable in the log; the next write sees what is wrong

    def _look_at_log(self) -> None:
        """Say what SQLite would pass over without a word, and keep a copy."""
        log = self.path.with_name(f'{self.path.name}-wal')
        damage = find_damage(log)
        if damage is None:
            return
        aside = database.free_name(log, 'corrupt')
        shutil.copy2(log, aside)
        self._say_recovered(
            f'{log} was damaged: {damage.transactions} transactions from its frame '
            f'{damage.frame} on are lost, and with them what was committed or settled there; a '
            f'copy is {aside}'
        )

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        name = self.path.with_name(f'{self.path.name}-lock')
        lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise SpoolError(SpoolFault.FAILED, 'another process writes this spool') from error
        self._lock = lock

    def _open_checked(self) -> sqlite3.Connection:
        while True:
            connection = database.connect(self.path)
            try:
                database.prepare(connection)
                return connection
            except Unusable as problem:
                connection.close()
                self._replace(problem)
            except sqlite3.DatabaseError as error:
                connection.close()
                if not is_corrupt(error):
                    raise
                self._replace(Unusable(str(error)))

    def _open_for_reading(self) -> None:
        if self._resumed:
            return  # the connection that is there still reads
        beside = self.path.with_name(f'{self.path.name}-wal').exists()
        for immutable in (False,) if beside else (False, True):
            try:
                connection = database.connect(self.path, write=False, immutable=immutable)
                if database.check_version(connection) == database.VERSION:
                    self._attach(connection)
                    return
                connection.close()
            except (sqlite3.Error, Unusable):
                continue

    def _rebuild(self, error: Exception) -> None:
        self.books.connection.close()
        self._writable = False
        try:
            self._replace(Unusable(str(error)))
            connection = self._open_checked()
            self._attach(connection)
        except (sqlite3.Error, OSError) as failure:
            fault = fault_of(failure)
            self._fail(fault)
            self._go_without()
            raise fault from failure
        self._writable = True

    def _go_without(self) -> None:
        memory = sqlite3.connect(':memory:', isolation_level=None, check_same_thread=False)
        database.migrate(memory, 0)
        self.books.connection = memory
        self._resumed = False

    def _replace(self, problem: Unusable) -> None:
        self._say_recovered(replace_damaged(self.path, problem, self.disk.max_bytes))

    def _say_recovered(self, said: str) -> None:
        self.recovered = '; '.join(filter(None, (self.recovered, said)))
        self._log('error', f'spool: {said}')

    def _attach(self, connection: sqlite3.Connection) -> None:
        before = self.books.connection
        self.books.attach(connection)
        # The log keeps its length, up to this.
        connection.execute(f'PRAGMA journal_size_limit={self.disk.log_bytes // 2}').fetchall()
        self._log_file.advance()
        if before is not connection:
            before.close()
        if self._resumed:
            return
        self._resumed = True
        meta = dict(connection.execute('SELECT name, value FROM meta').fetchall())
        newest = connection.execute(
            'SELECT added_s FROM blocks ORDER BY id DESC LIMIT 1'
        ).fetchone()
        self.clock.resume(
            float(meta.get('clock_s', 0.0)), meta.get('wall_s'), newest[0] if newest else 0.0
        )
        self.budget.day = int(meta.get('day', 0))
        self.budget.written = int(meta.get('written', 0))

    def _meta_due(self, now_s: float) -> bool:
        return (
            now_s - self._meta_at_s >= _KEEP_META_S
            or abs(self.clock.wall_s() - now_s - self._meta_offset_s) > _JUMP_S
            or abs(self.budget.written - self._meta_written) > _KEEP_META_BYTES
        )

    def _write_meta(self) -> None:
        now_s, wall_s = self.clock.now_s, self.clock.wall_s()
        written = self.budget.today(now_s)
        values = {'clock_s': now_s, 'wall_s': wall_s, 'day': self.budget.day, 'written': written}
        self.books.connection.executemany(
            'INSERT OR REPLACE INTO meta VALUES(?,?)', values.items()
        )
        self._meta_at_s, self._meta_offset_s = now_s, wall_s - now_s
        self._meta_written = written


_CONSEQUENCE = {
    SpoolFault.FULL: 'durable streams make do with what fits',
    SpoolFault.READ_ONLY: 'durable samples go from memory, not committed',
    SpoolFault.BUDGET: 'durable samples go from memory, not committed, until tomorrow',
    SpoolFault.FAILED: 'durable samples go from memory, not committed',
}
