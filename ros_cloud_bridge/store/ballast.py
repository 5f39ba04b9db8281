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

"""The spool's files on the disk: their sizes, the room beside them, and the ballast."""

import os
from pathlib import Path

from ros_cloud_bridge.store.database import PAGE_BYTES

_MOST_BALLAST = 1024 * 1024
_LEAST_BALLAST = 16 * PAGE_BYTES
_MOST_LOG = 16 * 1024 * 1024
_LEAST_LOG = 64 * 1024


class Disk:
    """
    What the spool takes of its disk.

    The ballast is a file that is given up when the disk is full, so that deleting, which needs
    some room first, can go on.

    :param path: the spool
    :param max_bytes: what it may take in all
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self._log = path.with_name(f'{path.name}-wal')
        self.ballast_path = path.with_name(f'{path.name}-ballast')
        self.set_max_bytes(max_bytes)

    def set_max_bytes(self, max_bytes: int) -> None:
        """
        Change the bound.

        :param max_bytes: what it may take in all
        """
        self.max_bytes = max_bytes
        # The log is written back at half of this.
        self.log_bytes = max(_LEAST_LOG, min(_MOST_LOG, max_bytes // 10))

    @property
    def ballast_bytes(self) -> int:
        """Size of the ballast as it is, or as it would be now."""
        wanted = max(_LEAST_BALLAST, min(_MOST_BALLAST, self.limit_bytes // 32))
        return _size(self.ballast_path) or wanted

    @property
    def file_bytes(self) -> int:
        """Size of the database."""
        return _size(self.path)

    @property
    def wal_bytes(self) -> int:
        """Size of its log."""
        return _size(self._log)

    @property
    def used_bytes(self) -> int:
        """Size of all, with the ballast."""
        return self.file_bytes + self.wal_bytes + _size(self.ballast_path)

    @property
    def limit_bytes(self) -> int:
        """What the spool may take now: its bound, or less on a disk that has not so much."""
        return min(self.max_bytes, self.used_bytes + self.free_bytes)

    @property
    def free_bytes(self) -> int:
        """What the disk has left for us."""
        try:
            found = os.statvfs(self.path.parent)
        except OSError:
            return 0
        return found.f_bavail * found.f_frsize

    @property
    def has_ballast(self) -> bool:
        """Whether the ballast is there in full."""
        return _size(self.ballast_path) >= _LEAST_BALLAST

    def drop_ballast(self) -> None:
        """Give it up."""
        try:
            self.ballast_path.unlink(missing_ok=True)
        except OSError:
            pass  # a disk that does not even delete says so elsewhere

    def restore_ballast(self) -> int:
        """
        Put it there, if the disk has clearly more room than it takes.

        :returns: bytes written
        """
        wanted = self.ballast_bytes
        if self.has_ballast or self.free_bytes < 4 * wanted:
            return 0
        try:
            with self.ballast_path.open('wb') as file:
                # Not zeros: some file systems would keep none of them.
                file.write(os.urandom(wanted))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self.drop_ballast()
            return 0
        return wanted


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
