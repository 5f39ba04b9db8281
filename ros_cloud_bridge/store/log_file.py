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

"""SQLite's write-ahead log, written back by us: it stays short, and its writes are counted."""

import os
import sqlite3

from ros_cloud_bridge.store.ballast import Disk
from ros_cloud_bridge.store.database import PAGE_BYTES
from ros_cloud_bridge.store.writes import FRAME_HEADER_BYTES, WAL_HEADER_BYTES

_FRAME_BYTES = PAGE_BYTES + FRAME_HEADER_BYTES
# Where the log's header, and each frame's, have the salts of the log's present round.
_SALTS_AT, _FRAME_SALTS_AT, _SALTS_BYTES = 16, 8, 8
# A reader in another process must not hold up the spool.
_WAIT_MS = 50


class LogFile:
    """
    Writes the log back, and counts what is written into it.

    The file keeps its length between rounds: writing over it costs half of what growing it costs.

    :param disk: knows where it is
    """

    def __init__(self, disk: Disk) -> None:
        self._path = disk.path.with_name(f'{disk.path.name}-wal')
        self._salts = b''
        self._frames = 0
        self._written_back = 0

    @property
    def waiting_bytes(self) -> int:
        """What of the log is not known to be written back."""
        return (self._frames - self._written_back) * _FRAME_BYTES

    def advance(self) -> int:
        """
        See what the last transaction has written.

        :returns: bytes
        """
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._frames = self._written_back = 0
            return 0
        try:
            salts = os.pread(file, _SALTS_BYTES, _SALTS_AT)
            if salts != self._salts:
                self._salts, self._frames, self._written_back = salts, 0, 0
            before = self._frames
            self._frames = self._end(file)
            return (self._frames - before) * _FRAME_BYTES
        except OSError:
            return 0
        finally:
            os.close(file)

    def _end(self, file: int) -> int:
        """Find the first frame that is not of this round: by doubling, then by halving."""
        low, step = self._frames, 1
        while self._is_of_round(file, low + step - 1):
            low += step
            step *= 2
        high = low + step - 1
        while low < high:
            middle = (low + high) // 2
            if self._is_of_round(file, middle):
                low = middle + 1
            else:
                high = middle
        return low

    def _is_of_round(self, file: int, frame: int) -> bool:
        offset = WAL_HEADER_BYTES + frame * _FRAME_BYTES + _FRAME_SALTS_AT
        return os.pread(file, _SALTS_BYTES, offset) == self._salts != b''

    def checkpoint(self, connection: sqlite3.Connection, *, truncate: bool = False) -> int:
        """
        Write the log back into the file, as far as nobody reads it.

        :param connection: the spool, not in a transaction
        :param truncate: cut it to nothing
        :returns: bytes written
        :raises sqlite3.Error: when the disk does not take it
        """
        ((waited,),) = connection.execute('PRAGMA busy_timeout').fetchall()
        connection.execute(f'PRAGMA busy_timeout={_WAIT_MS}')
        try:
            mode = 'TRUNCATE' if truncate else 'PASSIVE'
            answer = connection.execute(f'PRAGMA wal_checkpoint({mode})').fetchone()
        finally:
            connection.execute(f'PRAGMA busy_timeout={waited}')
        # A log that is cut has no frames; then it was written back as a whole.
        done = self._frames if truncate and not answer[0] else min(self._frames, answer[2])
        written = self._pages(self._written_back, done) * PAGE_BYTES
        self._written_back = max(self._written_back, done)
        return written

    def _pages(self, first: int, last: int) -> int:
        """Count the different pages in frames of the log: each is written back once."""
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return max(0, last - first)
        try:
            if os.fstat(file).st_size < WAL_HEADER_BYTES + last * _FRAME_BYTES:
                return max(0, last - first)
            offsets = (WAL_HEADER_BYTES + frame * _FRAME_BYTES for frame in range(first, last))
            return len({os.pread(file, 4, offset) for offset in offsets})
        except OSError:
            return max(0, last - first)
        finally:
            os.close(file)
