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

"""A robot's spool, read from outside; nothing of it changes, and a bridge may be using it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import os
from pathlib import Path
import sqlite3
import time
from types import TracebackType
from typing import Any

from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.errors import LocalFault, ProtocolError
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.store.ballast import Disk
from ros_cloud_bridge.store.clock import SpoolClock
from ros_cloud_bridge.store.database import check_version, connect, is_corrupt, Unusable
from ros_cloud_bridge.store.lanes import SpoolError
from ros_cloud_bridge.store.reckoning import LaneReckoning, Reckoning, reckoning
from ros_cloud_bridge.store.rows import decode_ranges, unpack
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire.announce import decode_schema
from ros_cloud_bridge.wire.batch import Descriptor
from ros_cloud_bridge.wire.schema import Schema

# What the reckoning rests on; damaged samples show when they are read.
_CHECKED = ('meta', 'lanes', 'ledger', 'gaps', 'rows')
_REASONS = {int(reason): reason.name.lower() for reason in Drop}
# Of a damaged file anything may come where a number or a text is expected.
_MALFORMED = (AssertionError, TypeError, ValueError, OverflowError, KeyError)
_LANE = 'boot, route, stream, topic, type_name, schema_id'


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """
    One (boot, route).

    ``oldest_age_s`` is None where nothing is spooled; ``gaps`` are samples by reason that will
    never come and of which whom they were promised to does not know yet.
    """

    reckoning: LaneReckoning
    oldest_age_s: float | None = None
    gaps: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolState:
    """What a spool holds; ``bytes`` is its size on disk, ``dead_letters`` counts samples."""

    bytes: int
    reckoning: Reckoning
    lanes: tuple[LaneState, ...]
    dead_letters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """
    Consecutive samples as they stand in the file.

    ``row`` is the first and last of them, ``ranges`` say which of them are meant, and they have
    been committed for ``age_s``.
    """

    boot: bytes
    route: int
    descriptor: Descriptor
    row: tuple[int, int]
    ranges: tuple[tuple[int, int], ...]
    age_s: float
    crc: int
    data: bytes

    @property
    def count(self) -> int:
        """How many samples are meant."""
        return sum(last - first + 1 for first, last in self.ranges)

    def samples(self) -> list[Queued] | None:
        """
        Read the samples.

        :returns: by rising sequence number; None when they are damaged
        """
        found = unpack(self.boot, self.route, self.row, self.crc, self.data)
        if found is None:
            return None
        base = self.row[0]
        return [
            entry for first, last in self.ranges for entry in found[first - base : last - base + 1]
        ]


class SpoolFile:
    """
    A spool that is read, as a context manager.

    :param path: the file
    :raises LocalFault: when it is none that this version reads; every method may, and names it
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            raise LocalFault(f'{path}: there is no such file')
        if not path.is_file() or not os.access(path, os.R_OK):
            raise LocalFault(f'{path}: is no file that can be read')
        with _said(path):
            self._connection = _open(path)
            try:
                self._clock = self._read_clock()
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> 'SpoolFile':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def state(self) -> SpoolState:
        """
        Count everything.

        :returns: the reckoning and what stands beside it
        :raises LocalFault: when the file is damaged where that stands
        """
        with _said(self._path):
            for table in _CHECKED:
                found = self._connection.execute(f'PRAGMA quick_check({table})').fetchone()[0]
                if found != 'ok':
                    raise Unusable(str(found).splitlines()[-1])
            counted = reckoning(self._path)
            oldest, gaps = self._oldest(), self._gaps()
            lanes = [
                LaneState(
                    reckoning=lane,
                    # Read a moment later than the reckoning: what is gone by then is left out.
                    oldest_age_s=oldest.get((lane.boot, lane.route)) if lane.spooled else None,
                    gaps=gaps.get((lane.boot, lane.route), {}),
                )
                for lane in counted.lanes
            ]
            (dead,) = self._connection.execute(
                'SELECT coalesce(sum(last-first+1), 0) FROM dead'
            ).fetchone()
            return SpoolState(
                bytes=Disk(self._path, 0).used_bytes,
                reckoning=counted,
                lanes=tuple(lanes),
                dead_letters=int(dead),
            )

    def spooled(self) -> Iterator[Block]:
        """
        Read all that is spooled, a block at a time, so that a bridge is not held up.

        What reaches its end meanwhile may be left out.

        :returns: lane by lane, by rising sequence number
        :raises LocalFault: when the file is damaged
        """
        at = (-1, -1)
        columns = ', '.join(f'l.{name}' for name in _LANE.split(', '))
        with _said(self._path):
            while True:
                found = self._connection.execute(
                    f'SELECT r.lane, r.first, r.last, r.settled, r.added_s, b.crc, b.data, '
                    f'{columns} FROM rows r LEFT JOIN lanes l ON l.key=r.lane '
                    'LEFT JOIN blocks b ON b.id=r.block '
                    'WHERE (r.lane, r.first) > (?, ?) ORDER BY r.lane, r.first LIMIT 1',
                    at,
                ).fetchone()
                if found is None:
                    return
                lane, first, last, settled, added_s, crc, data, *names = found
                at = (lane, first)
                left = Ranges([(first, last)])
                for gone in decode_ranges(settled):
                    left.remove(*gone)
                yield self._block(names, (first, last), tuple(left), added_s, (crc, data))

    def dead_letters(self) -> Iterator[Block]:
        """
        Read what the broker refused for good and is kept.

        :returns: in the order in which it was refused
        :raises LocalFault: when the file is damaged
        """
        at = -1
        with _said(self._path):
            while True:
                found = self._connection.execute(
                    'SELECT id, first, last, row_first, row_last, added_s, crc, data, '
                    f'{_LANE} FROM dead WHERE id > ? ORDER BY id LIMIT 1',
                    (at,),
                ).fetchone()
                if found is None:
                    return
                at, first, last, row_first, row_last, added_s, crc, data, *names = found
                row = (row_first, row_last)
                yield self._block(names, row, ((first, last),), added_s, (crc, data))

    def schema(self, schema_id: str) -> Schema | None:
        """
        Find a type's definition.

        :param schema_id: 16 hexadecimal digits
        :returns: the definition, or None when it is not kept
        :raises LocalFault: when the file is damaged
        """
        with _said(self._path):
            found = self._connection.execute(
                'SELECT body FROM schemas WHERE id=?', (schema_id,)
            ).fetchone()
            try:
                return None if found is None else decode_schema(found[0])
            except ProtocolError:
                return None

    def _block(
        self,
        names: Sequence[Any],
        row: tuple[int, int],
        ranges: tuple[tuple[int, int], ...],
        added_s: float,
        packed: tuple[Any, Any],
    ) -> Block:
        boot, route, stream, topic, typed, schema_id = names
        crc, data = packed
        return Block(
            boot=boot or b'',
            route=route or 0,
            descriptor=Descriptor.of(stream or '', topic or '', typed or '', schema_id or ''),
            row=row,
            ranges=ranges,
            age_s=self._age_s(added_s),
            crc=crc or 0,
            data=data or b'',
        )

    def _age_s(self, added_s: float) -> float:
        return max(0.0, self._clock.now_s - float(added_s))

    def _read_clock(self) -> SpoolClock:
        """Give the spool's clock as a bridge that started now would have it."""
        meta = dict(self._connection.execute('SELECT name, value FROM meta').fetchall())
        (newest,) = self._connection.execute(
            'SELECT added_s FROM blocks ORDER BY id DESC LIMIT 1'
        ).fetchone() or (0.0,)
        clock = SpoolClock(time.time, time.monotonic)
        clock.resume(float(meta.get('clock_s', 0.0)), meta.get('wall_s'), float(newest))
        return clock

    def _oldest(self) -> dict[tuple[bytes, int], float]:
        return {
            (boot, route): self._age_s(added_s)
            for boot, route, added_s in self._connection.execute(
                'SELECT boot, route, min(added_s) FROM rows '
                'JOIN lanes ON lanes.key = rows.lane GROUP BY lanes.key'
            )
        }

    def _gaps(self) -> dict[tuple[bytes, int], dict[str, int]]:
        gaps: dict[tuple[bytes, int], dict[str, int]] = {}
        for boot, route, reason, samples in self._connection.execute(
            'SELECT boot, route, reason, sum(last-first+1) FROM gaps '
            'JOIN lanes ON lanes.key = gaps.lane GROUP BY lanes.key, reason'
        ):
            gaps.setdefault((boot, route), {})[_REASONS.get(reason, str(reason))] = int(samples)
        return gaps


def _open(path: Path) -> sqlite3.Connection:
    try:
        return _checked(connect(path, write=False))
    except sqlite3.OperationalError:
        # A closed spool on a disk that cannot be written has no log, and cannot make one.
        if path.with_name(f'{path.name}-wal').exists():
            raise
        return _checked(connect(path, write=False, immutable=True))


def _checked(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute('PRAGMA cell_size_check=1')
        if check_version(connection) == 0:
            raise Unusable('nothing was ever committed to it')
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Say in one line what is wrong with a file."""
    try:
        yield
    except Unusable as error:
        raise LocalFault(f'{path}: {error}') from error
    except (sqlite3.Error, SpoolError) as error:
        text = str(error).removeprefix('spool: ')
        if 'not a database' in text:
            text = 'it is not a spool'
        elif is_corrupt(error) or is_corrupt(error.__cause__ or error):
            text = f'is damaged: {text}'
        raise LocalFault(f'{path}: {text}') from error
    except _MALFORMED as error:
        raise LocalFault(f'{path}: is damaged: {error!r}') from error
