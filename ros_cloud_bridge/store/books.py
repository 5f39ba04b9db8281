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

"""The spool's lanes in memory and their rows on disk; transactions keep both equal."""

from collections.abc import Iterator
from contextlib import contextmanager
import sqlite3

from ros_cloud_bridge.store import tables
from ros_cloud_bridge.store.database import transaction
from ros_cloud_bridge.store.lanes import Lane, NEVER
from ros_cloud_bridge.store.pending import Pending
from ros_cloud_bridge.store.rows import decode_ranges, Packed
from ros_cloud_bridge.store.tables import Row
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire.account import Gap

_COLUMN = {
    None: 'delivered',
    Drop.EXPIRED: 'expired',
    Drop.REFUSED: 'refused',
    Drop.SPOOL_FULL: 'spool_full',
    Drop.DAMAGED: 'damaged',
}
_Kept = tuple[int, int, int, float | None, dict[str, int]]


class Books:
    """
    Keeps lanes, rows, gaps and the ledger.

    :param connection: to the spool
    :param boot: the present boot id
    """

    def __init__(self, connection: sqlite3.Connection, boot: bytes) -> None:
        self.connection = connection
        self.lanes: dict[int, Lane] = {}
        self.pending: dict[int, Pending] = {}
        self.unwritten: set[int] = set()
        self._forgotten: dict[int, Lane] = {}
        self.dropped: list[tuple[Lane, Gap]] = []
        # What of the present lanes turned out damaged, and its owner has not been told.
        self.damaged: list[tuple[Lane, int]] = []
        self.dead_letters = 0
        self.dead_bytes = 0
        self._boot = boot
        self._lost: dict[int, Gap] = {}
        self._kept: dict[int, _Kept] = {}
        self._shrunk: set[int] = set()

    @property
    def unsaid(self) -> bool:
        """Whether there is something that is not on disk."""
        return bool(self.pending or self._forgotten or self.unwritten)

    def attach(self, connection: sqlite3.Connection) -> None:
        """
        Go on with another connection; what is known of lanes in memory stays their objects.

        :param connection: to the spool, which may have lost something
        """
        self.connection = connection
        known = {(lane.boot, lane.route): lane for lane in self.lanes.values()}
        before = [(lane, lane.samples) for lane in known.values()]
        lanes: dict[int, Lane] = {}
        moved: dict[int, int] = {}
        for loaded in tables.load_lanes(connection, self._boot):
            lane = known.pop((loaded.boot, loaded.route), None)
            if lane is None:
                lanes[loaded.key] = loaded
                continue
            moved[lane.key] = loaded.key
            self.unwritten.discard(lane.key)
            _overwrite(lane, loaded)
            lanes[lane.key] = lane
        self.lanes = lanes
        unwritten: set[int] = set()
        for lane in known.values():
            moved[lane.key] = key = self.next_key()
            if lane.samples:
                self._lost[key] = Gap(int(Drop.DAMAGED), 1, lane.committed)
            _lose(lane)
            lane.key = key
            lanes[key] = lane
            unwritten.add(key)
        self.unwritten = unwritten
        self._forgotten = {}
        self._settle_again(moved)
        self._count_dead()
        lost = [(lane, samples - lane.samples) for lane, samples in before]
        self.damaged += [(lane, samples) for lane, samples in lost if samples > 0]

    def _settle_again(self, moved: dict[int, int]) -> None:
        pending, self.pending = self.pending, {}
        for key, held in pending.items():
            lane = self.lanes.get(moved.get(key, 0))
            if lane is None:
                continue
            for reason, ranges in held.dropped.items():
                for first, last in ranges:
                    self.settle(lane, first, last, reason)
            for first, last in held.gone:
                self.settle(lane, first, last, None)
            if held.told:
                self._pending(lane).told = held.told

    def next_key(self) -> int:
        """
        Find a key for a new lane.

        :returns: one that no lane has
        """
        return max((*self.lanes, *self._forgotten), default=tables.FORGOTTEN) + 1

    def forget(self, lane: Lane) -> None:
        """
        Forget a lane with nothing left; its ledger is added to that of all forgotten ones.

        :param lane: the lane
        """
        if self.lanes.pop(lane.key, None) is not None:
            self._forgotten[lane.key] = lane
            self.unwritten.discard(lane.key)

    def _lane(self, key: int) -> Lane:
        return self.lanes.get(key) or self._forgotten[key]

    def settle(self, lane: Lane, first: int, last: int, reason: Drop | None) -> int:
        """
        Note that a range has reached its end; on disk with the next transaction.

        :param lane: the lane
        :param first: its first sequence number
        :param last: its last
        :param reason: None for delivered
        :returns: how many of its samples were still spooled
        """
        count = 0
        pending = self._pending(lane)
        for low, high in self.spooled(lane, first, last):
            pending.settle(low, high, reason)
            count += high - low + 1
        if not pending.gone and not pending.told:
            del self.pending[lane.key]
        lane.samples -= count
        lane.totals[_COLUMN[reason]] += count
        return count

    def spooled(self, lane: Lane, first: int, last: int) -> Iterator[tuple[int, int]]:
        """
        Find what of a range is spooled.

        :param lane: the lane
        :param first: its first sequence number
        :param last: its last
        :returns: ranges, ascending
        """
        for row in tables.rows_within(self.connection, lane.key, first, last):
            pending = self.pending.get(lane.key)
            ranges = row.open_ranges(first, last)
            yield from ranges if pending is None else pending.fresh(ranges)

    def tell(self, lane: Lane, gaps: list[Gap]) -> None:
        """
        Note gaps that need not be told again.

        :param lane: the lane
        :param gaps: as they were told
        """
        if gaps:
            self._pending(lane).told += gaps

    def _pending(self, lane: Lane) -> Pending:
        return self.pending.setdefault(lane.key, Pending())

    def left(self, row: Row) -> list[tuple[int, int]]:
        """
        Find what of a row is neither settled on disk nor since.

        :param row: as read
        :returns: ranges
        """
        ranges = row.open_ranges(row.first, row.last)
        pending = self.pending.get(row.lane)
        return ranges if pending is None else pending.fresh(ranges)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """
        Write what is pending, and what the caller adds; all or nothing, in memory, too.

        :returns: a context
        """
        self._kept.clear()
        self._shrunk.clear()
        dropped = len(self.dropped)
        try:
            with transaction(self.connection):
                self._apply()
                yield
                self._close_accounts()
        except BaseException:
            del self.dropped[dropped:]
            for key, kept in self._kept.items():
                lane = self._lane(key)
                lane.committed, lane.samples, lane.bytes, lane.oldest_s, lane.totals = kept
            raise
        self.pending.clear()
        self._forgotten.clear()
        self.unwritten.clear()
        self._lost.clear()

    def touch(self, lane: Lane) -> None:
        """
        Prepare to change a lane within a transaction.

        :param lane: the lane
        """
        if lane.key not in self._kept:
            kept = (lane.committed, lane.samples, lane.bytes, lane.oldest_s, dict(lane.totals))
            self._kept[lane.key] = kept

    def _apply(self) -> None:
        for key in sorted(self.unwritten):
            lane = self._lane(key)
            self.touch(lane)
            tables.write_lane(self.connection, lane)
        for key, gap in self._lost.items():
            tables.add_gap(self.connection, key, gap)
        for key, pending in self.pending.items():
            lane = self._lane(key)
            self.touch(lane)
            for reason, ranges in pending.dropped.items():
                for first, last in ranges:
                    if reason is Drop.REFUSED:
                        self._bury(lane, first, last)
                    tables.add_gap(self.connection, key, Gap(int(reason), first, last))
            for first, last in pending.gone:
                self._remove(lane, first, last)
            for gap in pending.told:
                tables.remove_gap(self.connection, key, gap)

    def _remove(self, lane: Lane, first: int, last: int) -> None:
        for row in tables.rows_within(self.connection, lane.key, first, last):
            settled = decode_ranges(row.settled)
            settled.add(max(first, row.first), min(last, row.last))
            if settled.total > row.last - row.first:
                self._delete(lane, row)
            else:
                tables.mark_settled(self.connection, row, settled)

    def _delete(self, lane: Lane, row: Row) -> None:
        tables.delete_row(self.connection, row)
        lane.bytes -= row.cost
        self._shrunk.add(lane.key)

    def _close_accounts(self) -> None:
        for key in self._shrunk:
            self._lane(key).oldest_s = tables.oldest(self.connection, key)
        for key in self._kept:
            lane = self._lane(key)
            totals = list(lane.totals.values())
            tables.write_ledger(self.connection, key, lane.committed, totals)
        for key in self._forgotten:
            tables.forget_lane(self.connection, key)

    def insert(self, lane: Lane, row: Packed, now_s: float) -> None:
        """
        Commit a row; within a transaction.

        :param lane: the lane
        :param row: the row
        :param now_s: the spool's clock
        """
        self.touch(lane)
        written = tables.insert_row(self.connection, lane.key, row, now_s)
        self._commit(lane, row)
        lane.samples += row.last - row.first + 1
        lane.bytes += written.cost
        if lane.oldest_s is None:
            lane.oldest_s = now_s

    def reject(self, lane: Lane, row: Packed) -> None:
        """
        Commit a row that is dropped at once, for want of room; within a transaction.

        :param lane: the lane
        :param row: the row
        """
        self.touch(lane)
        self._commit(lane, row)
        lane.totals['spool_full'] += row.last - row.first + 1
        self._note(lane, Gap(int(Drop.SPOOL_FULL), row.first, row.last))

    def _commit(self, lane: Lane, row: Packed) -> None:
        lane.committed = max(lane.committed, row.last)
        lane.totals['committed'] += row.last - row.first + 1

    def drop(self, lane: Lane, row: Row) -> None:
        """
        Drop a row to make room; within a transaction.

        :param lane: the lane
        :param row: the row, as read in this transaction
        """
        self.touch(lane)
        for first, last in row.open_ranges(row.first, row.last):
            self._note(lane, Gap(int(Drop.SPOOL_FULL), first, last))
            lane.samples -= last - first + 1
            lane.totals['spool_full'] += last - first + 1
        self._delete(lane, row)

    def note_gap(self, lane: Lane, gap: Gap) -> None:
        """
        Write a gap of samples that the spool never had; within a transaction.

        :param lane: the lane
        :param gap: the gap
        """
        self.touch(lane)
        tables.add_gap(self.connection, lane.key, gap)

    def _note(self, lane: Lane, gap: Gap) -> None:
        tables.add_gap(self.connection, lane.key, gap)
        if self.dropped:
            before, held = self.dropped[-1]
            if before is lane and held.reason == gap.reason and held.last == gap.first - 1:
                self.dropped[-1] = (lane, Gap(gap.reason, held.first, gap.last))
                return
        self.dropped.append((lane, gap))

    def _bury(self, lane: Lane, first: int, last: int) -> None:
        descriptor = lane.descriptor
        for row in tables.rows_within(self.connection, lane.key, first, last):
            block = tables.block_of(self.connection, row)
            if block is None:
                continue
            for low, high in row.open_ranges(first, last):
                self.connection.execute(
                    'INSERT INTO dead(boot, route, stream, topic, type_name, schema_id, lane, '
                    'first, last, row_first, row_last, added_s, crc, data) '
                    'VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)',
                    (
                        lane.boot,
                        lane.route,
                        descriptor.stream,
                        descriptor.topic,
                        descriptor.typed,
                        descriptor.schema_id,
                        lane.key,
                        low,
                        high,
                        row.first,
                        row.last,
                        row.added_s,
                        *block,
                    ),
                )

    def trim_dead(self, most_bytes: int) -> None:
        """
        Drop the oldest dead letters; within a transaction.

        :param most_bytes: what may stay
        """
        if not any(Drop.REFUSED in pending.dropped for pending in self.pending.values()):
            return
        self._count_dead()
        while self.dead_bytes > most_bytes:
            self.connection.execute('DELETE FROM dead WHERE id=(SELECT min(id) FROM dead)')
            self._count_dead()

    def _count_dead(self) -> None:
        self.dead_letters, self.dead_bytes = self.connection.execute(
            'SELECT coalesce(sum(last-first+1), 0), coalesce(sum(length(data)), 0) FROM dead'
        ).fetchone()


def _overwrite(lane: Lane, loaded: Lane) -> None:
    lane.key = loaded.key
    lane.committed = max(lane.committed, loaded.committed)
    lane.samples, lane.bytes = loaded.samples, loaded.bytes
    lane.oldest_s, lane.totals = loaded.oldest_s, loaded.totals


def _lose(lane: Lane) -> None:
    # Its rows are gone with the file; what was settled and not written, is settled all the same.
    lane.totals['damaged'] += lane.samples
    lane.samples = lane.bytes = 0
    lane.oldest_s = None


def dropable(connection: sqlite3.Connection, lane: Lane, *, chunk: int = 512) -> Iterator[Row]:
    """
    Walk over what of a lane the sender does not hold in memory, from the oldest on.

    :param connection: the spool
    :param lane: the lane
    :param chunk: how many are fetched at once
    :returns: rows
    """
    for row in tables.rows_within(connection, lane.key, 0, NEVER, chunk=chunk):
        if row.last >= lane.live_from:
            return
        yield row
