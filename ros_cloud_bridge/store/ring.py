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
The ring of a black box: files on disk that hold its last seconds, of this boot or an earlier one.

Nothing is synced: a process that dies leaves what it wrote, a power cut may not. While the disk
cannot be written, or has been written enough today, the ring goes on in memory.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
import os
from pathlib import Path
import re
from typing import Any, BinaryIO

from ros_cloud_bridge.core.black_box import Piece
from ros_cloud_bridge.core.wear import WriteBudget
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.store.ring_notes import read_note, write_note
from ros_cloud_bridge.store.ring_records import HEAD_BYTES, Kept, read_head, Record, unpack
from ros_cloud_bridge.values import BlackBoxConfig

Log = Callable[[str, str], None]

MEMORY_BYTES = 16 * 1024 * 1024
_SEGMENT_BYTES = 2 * 1024 * 1024
# Files of a ring: of each a little more stands than is needed.
_SEGMENTS = 16
_SHORTEST_SEGMENT_S = 1.0
_RETRY_S = 60.0
_NAME = re.compile(r'([0-9a-f]{16})(?:-([0-9]{8,})\.ring|\.json)')


@dataclass(slots=True, kw_only=True, eq=False)
class Segment:
    """One file."""

    path: Path
    begin: float
    end: float = 0.0
    size: int = 0
    file: BinaryIO | None = None

    def close(self) -> None:
        """Close the file."""
        file, self.file = self.file, None
        if file is not None:
            file.close()


@dataclass(slots=True, kw_only=True, eq=False)
class StoredPiece(Piece):
    """A piece and where it lies: in a file, or in memory."""

    size: int
    segment: Segment | None = None
    offset: int = 0
    data: bytes = b''


class RingFault(Exception):
    """A piece that cannot be read any more."""


class Ring:
    """
    The pieces of one run.

    :param directory: where its files stand, made when needed
    :param name: of this ring, 16 hexadecimal digits; no two runs have the same
    :param config: of the black box
    :param budget: what may be written a day
    :param log: takes (level, text); a fault is told once, until writing works again
    """

    def __init__(
        self, directory: Path, name: str, config: BlackBoxConfig, budget: WriteBudget, log: Log
    ) -> None:
        self.name = name
        self.pieces: list[StoredPiece] = []
        self.disk_bytes = 0
        self.memory_bytes = 0
        # The wall clock at the end of what :meth:`load` found.
        self.wall_end_ns = 0
        self._directory = directory
        self._config = config
        self._budget = budget
        self._log = log
        self._segments: deque[Segment] = deque()
        self._files_made = self._pieces_made = 0
        self._retry_at = float('-inf')
        self._failing = ''
        self._mark = directory / f'{name}.json'

    @property
    def in_memory(self) -> str:
        """Why the ring is kept in memory just now; empty while it is on disk."""
        return self._failing

    def append(self, record: Record, day: int) -> None:
        """
        Keep a record.

        :param record: the next one in the order of time
        :param day: today, by any count; the day's budget depends on it
        """
        self._pieces_made += 1
        piece = StoredPiece(
            number=self._pieces_made,
            begin=record.begin,
            end=record.end,
            samples=record.samples,
            raw_bytes=record.raw_bytes,
            lost=record.lost,
            size=len(record.data),
        )
        if record.data and not self._write(piece, record.data, day):
            piece.data = record.data
            self.memory_bytes += piece.size
        self.pieces.append(piece)

    def _write(self, piece: StoredPiece, data: bytes, day: int) -> bool:
        if not self._budget.room(piece.size, day):
            most = self._config.max_writes_mb_per_day
            self._fail(f'{most:g} MB are written today (max_writes_mb_per_day)', piece.begin)
            self._retry_at = piece.begin
            return False
        if piece.begin < self._retry_at:
            return False
        try:
            segment = self._open(piece)
            assert segment.file is not None
            self._budget.wrote(piece.size, day)
            _write_all(segment.file, data)
        except OSError as error:
            self._fail(f'{self._directory}: {error.strerror or error}', piece.begin)
            return False
        piece.segment, piece.offset = segment, segment.size
        segment.size += piece.size
        segment.end = piece.end
        self.disk_bytes += piece.size
        if self._failing:
            self._failing = ''
            self._log('info', 'its ring is on disk again')
        return True

    def _open(self, piece: StoredPiece) -> Segment:
        newest = self._segments[-1] if self._segments else None
        if newest is not None and newest.file is not None:
            most_bytes = min(_SEGMENT_BYTES, self._config.max_bytes // _SEGMENTS)
            most_s = max(_SHORTEST_SEGMENT_S, self._config.before_s / _SEGMENTS)
            if newest.size < most_bytes and piece.begin - newest.begin < most_s:
                return newest
            newest.close()
        self._directory.mkdir(parents=True, exist_ok=True)
        self._files_made += 1
        path = self._directory / f'{self.name}-{self._files_made:08d}.ring'
        # Not buffered: what is written stays when the process is killed.
        segment = Segment(path=path, begin=piece.begin, file=path.open('xb', buffering=0))
        self._segments.append(segment)
        return segment

    def _fail(self, reason: str, now: float) -> None:
        # Behind a half-written record nothing is found again: the next one gets a file of its own.
        if self._segments:
            self._segments[-1].close()
            if self._segments[-1].size == 0:
                self._unlink(self._segments.pop())
        self._retry_at = now + _RETRY_S
        if reason != self._failing:
            self._log(
                'warning',
                f'its ring is kept in memory, {MEMORY_BYTES // 2**20} MiB of it: {reason}',
            )
        self._failing = reason

    def read(self, piece: StoredPiece) -> list[Kept]:
        """
        Read a piece.

        :param piece: one of this ring
        :returns: its samples, in the order of their arrival
        :raises RingFault: when it is damaged or gone
        """
        if piece.segment is None:
            return unpack(piece.data) if piece.data else []
        try:
            with piece.segment.path.open('rb') as file:
                file.seek(piece.offset)
                return unpack(file.read(piece.size))
        except (OSError, ProtocolError) as error:
            raise RingFault(str(error)) from error

    def trim(self, needed_from: float, max_bytes: int) -> list[StoredPiece]:
        """
        Let go of what is too old, or too much.

        :param needed_from: what arrived before this is too old
        :param max_bytes: most bytes on disk
        :returns: what is gone though it is needed
        """
        gone: list[StoredPiece] = []
        while self._oldest_is_old(needed_from):
            self._drop_oldest()
        while self.disk_bytes > max_bytes and self._segments:
            gone += self._drop_segment(self._segments[0])
        most = min(MEMORY_BYTES, self._config.max_bytes)
        while self.memory_bytes > most:
            gone.append(self._drop_from_memory())
        return [piece for piece in gone if piece.end > needed_from]

    def _oldest_is_old(self, needed_from: float) -> bool:
        if not self.pieces:
            return False
        oldest = self.pieces[0]
        end = oldest.end if oldest.segment is None else oldest.segment.end
        return end < needed_from

    def _drop_oldest(self) -> None:
        segment = self.pieces[0].segment
        if segment is None:
            self.memory_bytes -= self.pieces.pop(0).size
        else:
            self._drop_segment(segment)

    def _drop_segment(self, segment: Segment) -> list[StoredPiece]:
        gone = [piece for piece in self.pieces if piece.segment is segment]
        self.pieces = [piece for piece in self.pieces if piece.segment is not segment]
        self._segments.remove(segment)
        self.disk_bytes -= sum(piece.size for piece in gone)
        self._unlink(segment)
        return gone

    def _drop_from_memory(self) -> StoredPiece:
        index = next(index for index, piece in enumerate(self.pieces) if piece.data)
        piece = self.pieces[index]
        del self.pieces[index]
        self.memory_bytes -= piece.size
        return piece

    def _unlink(self, segment: Segment) -> None:
        segment.close()
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            self._log('warning', f'cannot remove {segment.path}: {error.strerror or error}')

    def load(self) -> None:
        """Find the pieces that a run has left; what is torn or damaged ends its file."""
        names = sorted(self._directory.glob(f'{self.name}-*.ring'), key=_number_of)
        for path in names:
            segment = Segment(path=path, begin=0.0)
            self._segments.append(segment)
            try:
                with path.open('rb') as file:
                    self._load(segment, file)
            except OSError as error:
                self._log('warning', f'cannot read {path}: {error.strerror or error}')

    def _load(self, segment: Segment, file: BinaryIO) -> None:
        total = os.fstat(file.fileno()).st_size
        while segment.size < total:
            file.seek(segment.size)
            try:
                head, size = read_head(file.read(HEAD_BYTES))
            except ProtocolError:
                return
            if segment.size + size > total:
                return
            self._pieces_made += 1
            self.pieces.append(
                StoredPiece(
                    number=self._pieces_made,
                    begin=head.begin,
                    end=head.end,
                    samples=head.samples,
                    raw_bytes=head.raw_bytes,
                    size=size,
                    segment=segment,
                    offset=segment.size,
                )
            )
            segment.size += size
            segment.end = head.end
            self.disk_bytes += size
            self.wall_end_ns = head.wall_end_ns

    def save_mark(self, document: object) -> None:
        """
        Note what another boot should go on with; without an effect where that cannot be.

        :param document: JSON-able; None for nothing
        """
        write_note(self._mark, document)

    def load_mark(self) -> Any:
        """
        Read what :meth:`save_mark` noted.

        :returns: the document; None when there is none that can be read
        """
        return read_note(self._mark)

    def close(self, keep: bool) -> None:
        """
        Let go of the files.

        :param keep: whether they stay for the next boot
        """
        for segment in self._segments:
            if keep:
                segment.close()
            else:
                self._unlink(segment)
        if not keep:
            self.save_mark(None)
        self._segments.clear()
        self.pieces.clear()
        self.disk_bytes = self.memory_bytes = 0


def earlier_rings(directory: Path, own: str) -> list[str]:
    """
    Find whose files stand in a ring's directory.

    :param directory: it, or none yet
    :param own: the present ring, which does not count
    :returns: names of rings, those that ended first come first
    """
    last: dict[str, float] = {}
    try:
        for path in directory.iterdir():
            named = _NAME.fullmatch(path.name)
            if named is not None and named[1] != own:
                last[named[1]] = max(last.get(named[1], 0.0), path.stat().st_mtime)
    except OSError:
        pass  # there is none, or writing will tell
    return sorted(last, key=lambda name: last[name])


def _number_of(path: Path) -> int:
    named = _NAME.fullmatch(path.name)
    return int(named[2] or 0) if named is not None else 0


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
