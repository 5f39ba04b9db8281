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
The spool: durable samples on disk until they have reached whom they were promised to.

One transaction per commit, with everything that was settled since the last (docs/design.md,
"Durable streams"). Used by one thread only.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
import sqlite3
import time
from typing import Any, cast, TypeVar

from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.store import tables
from ros_cloud_bridge.store.clock import SpoolClock
from ros_cloud_bridge.store.keeper import Keeper
from ros_cloud_bridge.store.lanes import (
    Lane,
    LanePolicy,
    SpoolError,
    SpoolFault,
    SpoolFigures,
    StreamFigures,
)
from ros_cloud_bridge.store.reading import peek, read
from ros_cloud_bridge.store.reckoning import Reckoning, reckoning
from ros_cloud_bridge.store.room import New
from ros_cloud_bridge.store.rows import MAX_ROW_BYTES, MAX_SAMPLE_BYTES, pack, Packed, split
from ros_cloud_bridge.store.usage import Log
from ros_cloud_bridge.values import Drop, SpoolConfig
from ros_cloud_bridge.wire.account import Gap
from ros_cloud_bridge.wire.announce import decode_schema
from ros_cloud_bridge.wire.batch import Descriptor
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.schema import Schema

__all__ = [
    'Lane',
    'LanePolicy',
    'Reckoning',
    'reckoning',
    'Spool',
    'SpoolError',
    'SpoolFault',
    'SpoolFigures',
    'StreamFigures',
]

MOST_GAPS = 4096
_MOST_EXPIRED_ROWS = 2048
# So many rows a quota holds at least, that dropping one is no large step.
_ROWS_OF_QUOTA = 16
_LEAST_ROW_BYTES = 4096

_Method = TypeVar('_Method', bound=Callable[..., Any])


def _careful(nothing: Callable[[], Any]) -> Callable[[_Method], _Method]:
    """
    Let a method that reads survive a damaged file: it is salvaged, and read once more.

    :param nothing: makes what is returned when it cannot be read
    :returns: a decorator
    """

    def decorate(method: _Method) -> _Method:
        @wraps(method)
        def guarded(self: 'Spool', *arguments: Any, **named: Any) -> Any:
            for _ in range(2):
                try:
                    return method(self, *arguments, **named)
                except sqlite3.Error as error:
                    self._keeper.cope_reading(error)
            return nothing()

        return cast(_Method, guarded)

    return decorate


class Spool:
    """
    Durable streams on disk.

    Nothing of it raises but ``commit`` and ``flush``; a disk that cannot be used is told by
    ``state``, and tried again by later commits.

    :param path: the file; made when it is not there
    :param boot: the present boot id
    :param config: its bounds
    :param log: takes (level, text)
    :param wall_s: reads the wall clock
    :param monotonic_s: reads the monotonic clock
    """

    def __init__(
        self,
        path: Path,
        boot: bytes,
        config: SpoolConfig,
        log: Log,
        *,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._boot = boot
        self._clock = SpoolClock(wall_s, monotonic_s)
        self._keeper = Keeper(path, boot, config, log, self._clock, monotonic_s)
        self._encoders: defaultdict[Lane, BlockEncoder] = defaultdict(BlockEncoder)
        self._new_schemas: dict[str, Schema] = {}

    @property
    def lanes(self) -> Mapping[int, Lane]:
        """Lanes with anything left, and those of the present boot, by key."""
        return self._keeper.books.lanes

    @property
    def state(self) -> str:
        """``ok``, or why not everything is committed."""
        return self._keeper.state

    @property
    def recovered(self) -> str:
        """What was found damaged, in a line; empty for nothing."""
        return self._keeper.recovered

    @property
    def clock_s(self) -> float:
        """The spool's clock, in which TTLs count."""
        return self._clock.now_s

    def set_config(self, config: SpoolConfig) -> None:
        """
        Change the bounds; they hold from the next commit on.

        :param config: the bounds
        """
        self._keeper.disk.set_max_bytes(config.max_bytes)
        self._keeper.budget.max_mb_per_day = config.max_writes_mb_per_day

    def open_lane(
        self, route: int, descriptor: Descriptor, schema: Schema | None, policy: LanePolicy
    ) -> Lane:
        """
        Open a lane of the present boot; it is written with the next commit.

        :param route: the route number
        :param descriptor: what it stands for
        :param schema: its type's definition, kept for later boots
        :param policy: what to do with it
        :returns: the lane; the same one when the route has it already
        """
        books = self._keeper.books
        if schema is not None:
            self._new_schemas[schema.id] = schema
        for lane in books.lanes.values():
            if (lane.boot, lane.route) == (self._boot, route):
                lane.descriptor, lane.policy = descriptor, policy
                books.unwritten.add(lane.key)
                return lane
        key = books.next_key()
        lane = Lane(key=key, boot=self._boot, route=route, descriptor=descriptor, policy=policy)
        books.lanes[key] = lane
        books.unwritten.add(key)
        return lane

    def set_policy(self, stream: str, policy: LanePolicy) -> None:
        """
        Give a stream's lanes of all boots its present policy.

        :param stream: its name
        :param policy: the policy
        """
        books = self._keeper.books
        for lane in books.lanes.values():
            if lane.descriptor.stream == stream and lane.policy != policy:
                lane.policy = policy
                books.unwritten.add(lane.key)

    def commit(
        self,
        blocks: Sequence[tuple[Lane, Sequence[Queued]]],
        gaps: Sequence[tuple[Lane, Gap]] = (),
    ) -> list[tuple[Lane, Gap]]:
        """
        Write samples, and everything settled since the last transaction, or nothing of it.

        :param blocks: samples by rising sequence number, above what their lane has committed
        :param gaps: numbers that were never committed
        :returns: what had to be dropped to make room; it is in the books as well
        :raises SpoolError: when it cannot be written
        """
        self._keeper.ready()
        if any(samples for _, samples in blocks) and self._over_budget():
            raise self._keeper.over_budget()
        incoming = [
            New(lane, row) for lane, samples in blocks for row in self._pack(lane, samples)
        ]
        books = self._keeper.books
        if incoming or gaps or books.unsaid:
            self._keeper.write(incoming, gaps, self._new_schemas)
            self._new_schemas.clear()
        dropped, books.dropped = books.dropped, []
        return dropped

    def _over_budget(self) -> bool:
        if not self._keeper.budget.exceeded(self.clock_s):
            return False
        if self._keeper.books.unsaid:
            self.flush()
        return True

    def _pack(self, lane: Lane, samples: Sequence[Queued]) -> list[Packed]:
        max_bytes = self._keeper.disk.max_bytes
        quota = min(lane.policy.spool_bytes or max_bytes, max_bytes)
        most = max(_LEAST_ROW_BYTES, min(MAX_ROW_BYTES, quota // _ROWS_OF_QUOTA))
        rows = []
        for row in split(samples, most):
            if len(row[0].sample.cdr) > min(MAX_SAMPLE_BYTES, max_bytes):
                # What cannot be sent in one piece is not worth compressing: it is rejected.
                size = len(row[0].sample.cdr)
                number = row[0].sequence
                rows.append(Packed(number, number, size, 0, row[0].sample.cdr))
            else:
                rows.append(pack(lane.boot, lane.route, row, self._encoders[lane]))
        return rows

    @_careful(int)
    def settle(self, lane: Lane, first: int, last: int, reason: Drop | None) -> int:
        """
        Note that a range has reached its end: at once for reading, on disk with the next write.

        :param lane: the lane
        :param first: its first sequence number
        :param last: its last
        :param reason: None for delivered; ``REFUSED`` moves it to the dead letters
        :returns: how many samples of it were still spooled
        """
        return self._keeper.books.settle(lane, first, last, reason)

    @_careful(list)
    def left(self, lane: Lane, first: int, last: int) -> list[tuple[int, int]]:
        """
        Find what of a range is spooled.

        :param lane: the lane
        :param first: its first sequence number
        :param last: its last
        :returns: ranges, ascending
        """
        return list(self._keeper.books.spooled(lane, first, last))

    def flush(self) -> None:
        """
        Write what is settled; beyond the day's budget once a minute.

        :raises SpoolError: when it cannot be written
        """
        if not self._keeper.books.unsaid:
            return
        self._keeper.ready()
        if self._keeper.budget.may_settle(self.clock_s):
            self._keeper.write([], (), self._new_schemas)
            self._new_schemas.clear()

    @_careful(lambda: None)
    def peek(
        self, lane: Lane, start: int, stop: int, newest_first: bool
    ) -> tuple[int, int, int] | None:
        """
        Find the next row to be sent, below what the sender holds in memory.

        :param lane: the lane
        :param start: the row begins here or above
        :param stop: it ends below this number
        :param newest_first: the highest such row, else the lowest
        :returns: its first and last number and its bytes as packed, or None
        """
        return peek(self._keeper.books, lane, start, stop, newest_first=newest_first)

    @_careful(list)
    def read(self, lane: Lane, first: int, max_bytes: int, max_samples: int) -> list[Queued]:
        """
        Read whole rows, without what of them is settled; at least one row.

        A row that cannot be read any more is settled as damaged and left out.

        :param lane: the lane
        :param first: where the first row begins
        :param max_bytes: of the samples together
        :param max_samples: of all rows together
        :returns: samples by rising sequence number
        """
        return read(self._keeper.books, lane, first, max_bytes, max_samples)

    def take_damaged(self) -> list[tuple[Lane, int]]:
        """
        Tell what turned out damaged since the last call; it is in the books.

        :returns: lanes, each with a number of samples
        """
        books = self._keeper.books
        damaged, books.damaged = books.damaged, []
        return damaged

    @_careful(lambda: None)
    def schema(self, schema_id: str) -> Schema | None:
        """
        Find a type's definition.

        :param schema_id: 16 hexadecimal digits
        :returns: the definition, or None when it is not kept
        """
        if schema_id in self._new_schemas:
            return self._new_schemas[schema_id]
        found = self._keeper.books.connection.execute(
            'SELECT body FROM schemas WHERE id=?', (schema_id,)
        ).fetchone()
        try:
            return None if found is None else decode_schema(found[0])
        except ProtocolError:
            return None

    @_careful(list)
    def expire(self) -> list[tuple[Lane, Gap]]:
        """
        Settle rows that are older than their stream's ``ttl_s``; so many at a time.

        :returns: their numbers
        """
        books = self._keeper.books
        expired: list[tuple[Lane, Gap]] = []
        rows = 0
        for lane in list(books.lanes.values()):
            deadline_s = self.clock_s - lane.policy.ttl_s
            if not lane.policy.ttl_s or lane.oldest_s is None or lane.oldest_s >= deadline_s:
                continue
            for row in tables.rows_within(books.connection, lane.key, 0, lane.live_from - 1):
                if row.added_s >= deadline_s or row.last >= lane.live_from:
                    break
                for first, last in books.left(row):
                    books.settle(lane, first, last, Drop.EXPIRED)
                    _append(expired, lane, Gap(int(Drop.EXPIRED), first, last))
                rows += 1
                if rows >= _MOST_EXPIRED_ROWS:
                    return expired
        return expired

    @_careful(tuple)
    def gaps(self, lane: Lane, most: int = MOST_GAPS) -> tuple[Gap, ...]:
        """
        Read the gaps that are not yet confirmed as told.

        :param lane: the lane
        :param most: the lowest so many; others follow when these are told
        :returns: ascending, disjoint
        """
        books = self._keeper.books
        pending = books.pending.get(lane.key)
        told = [] if pending is None else pending.told
        found = tables.gaps_of(books.connection, lane.key, most + len(told))
        return tuple(gap for gap in found if gap not in told)[:most]

    def gaps_told(self, lane: Lane, gaps: Sequence[Gap]) -> None:
        """
        Note that gaps are known where they were told; on disk with the next write.

        :param lane: the lane
        :param gaps: as they were told
        """
        self._keeper.books.tell(lane, list(gaps))

    def forget(self, lane: Lane) -> None:
        """
        Forget a closed lane with no rows and no gaps left; its ledger stays in the sums.

        :param lane: the lane
        """
        books = self._keeper.books
        pending = books.pending.get(lane.key)
        if lane.closed and not lane.samples and not (pending is not None and pending.dropped):
            if not self.gaps(lane, 1):
                books.forget(lane)

    def dead_letters(self) -> int:
        """
        Count what was refused.

        :returns: samples that are kept in the dead-letter area
        """
        return self._keeper.books.dead_letters

    def figures(self) -> SpoolFigures:
        """
        Look at all of it.

        :returns: figures of now
        """
        keeper, now_s = self._keeper, self.clock_s
        by_stream: defaultdict[str, list[Lane]] = defaultdict(list)
        for lane in keeper.books.lanes.values():
            by_stream[lane.descriptor.stream].append(lane)
        streams = {
            name: StreamFigures(
                samples=sum(lane.samples for lane in lanes),
                bytes=sum(lane.bytes for lane in lanes),
                oldest_age_s=_oldest_age_s(lanes, now_s),
            )
            for name, lanes in by_stream.items()
        }
        return SpoolFigures(
            state=self.state,
            bytes=keeper.disk.used_bytes,
            max_bytes=keeper.disk.limit_bytes,
            samples=sum(stream.samples for stream in streams.values()),
            oldest_age_s=_oldest_age_s(list(keeper.books.lanes.values()), now_s),
            written_bytes_today=keeper.budget.today(now_s),
            dead_letters=self.dead_letters(),
            streams=streams,
        )

    def close(self) -> None:
        """Write what is settled and let go of the file; what is spooled stays."""
        try:
            self.flush()
        except SpoolError:
            pass  # told by the state; it will be sent once more
        self._keeper.close()


def _append(gaps: list[tuple[Lane, Gap]], lane: Lane, gap: Gap) -> None:
    if gaps and gaps[-1][0] is lane and gaps[-1][1].last == gap.first - 1:
        gap = Gap(gap.reason, gaps.pop()[1].first, gap.last)
    gaps.append((lane, gap))


def _oldest_age_s(lanes: Sequence[Lane], now_s: float) -> float | None:
    oldest = [lane.oldest_s for lane in lanes if lane.oldest_s is not None and lane.samples]
    return max(0.0, now_s - min(oldest)) if oldest else None
