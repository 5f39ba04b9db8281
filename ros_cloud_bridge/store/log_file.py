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
# A reader in another process must not hold up the spool.
_WAIT_MS = 50


class LogFile:
    """
    Writes the log back.

    :param disk: knows where it is
    """

    def __init__(self, disk: Disk) -> None:
        self._path = disk.path.with_name(f'{disk.path.name}-wal')

    def checkpoint(self, connection: sqlite3.Connection) -> int:
        """
        Write the log back into the file and cut it to nothing, unless somebody reads it.

        :param connection: the spool, not in a transaction
        :returns: bytes written
        :raises sqlite3.Error: when the disk does not take it
        """
        written = self._pages() * PAGE_BYTES
        ((waited,),) = connection.execute('PRAGMA busy_timeout').fetchall()
        connection.execute(f'PRAGMA busy_timeout={_WAIT_MS}')
        try:
            connection.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()
        finally:
            connection.execute(f'PRAGMA busy_timeout={waited}')
        return written

    def _pages(self) -> int:
        """Count the different pages in the log: each is written back once."""
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            size = os.fstat(file).st_size
            offsets = range(WAL_HEADER_BYTES, size, _FRAME_BYTES)
            return len({os.pread(file, 4, offset) for offset in offsets})
        except OSError:
            return 0
        finally:
            os.close(file)
