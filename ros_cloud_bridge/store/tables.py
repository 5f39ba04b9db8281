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

"""The statements over the spool's rows, gaps and ledger; all within the caller's transaction."""

from collections.abc import Iterator, Sequence
import json
import sqlite3
from typing import Any, NamedTuple

from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.store.lanes import Lane, LanePolicy, LEDGER
from ros_cloud_bridge.store.rows import decode_ranges, encode_ranges, Packed
from ros_cloud_bridge.values import BacklogOrder, Confirm, Priority, WhenFull
from ros_cloud_bridge.wire.account import Gap
from ros_cloud_bridge.wire.batch import Descriptor

# What a row takes beside its block: its keys twice, and its share of half-empty pages.
ROW_BYTES = 160
# The ledger's row of lanes that are forgotten.
FORGOTTEN = 0
_CHUNK = 512
_COLUMNS = 'lane, first, last, raw, packed, added_s, block, settled'


class Row(NamedTuple):
    """A row without its block; ``settled`` are encoded ranges of it that have reached an end."""

    lane: int
    first: int
    last: int
    raw: int
    packed: int
    added_s: float
    block: int
    settled: bytes | None

    @property
    def left(self) -> int:
        """How many of its samples are still spooled."""
        gone = 0 if self.settled is None else decode_ranges(self.settled).total
        return self.last - self.first + 1 - gone

    @property
    def cost(self) -> int:
        """What it takes on disk, in bytes."""
        return self.packed + ROW_BYTES

    def open_ranges(self, first: int, last: int) -> list[tuple[int, int]]:
        """
        Find what is still spooled.

        :param first: from here on
        :param last: up to here
        :returns: ranges within the row and these bounds
        """
        low, high = max(first, self.first), min(last, self.last)
        if low > high:
            return []
        if self.settled is None:
            return [(low, high)]
        rest = Ranges([(low, high)])
        for settled in decode_ranges(self.settled):
            rest.remove(*settled)
        return list(rest)


def rows_within(
    connection: sqlite3.Connection, lane: int, first: int, last: int, *, chunk: int = _CHUNK
) -> Iterator[Row]:
    """
    Walk over the rows that a range touches; they may be deleted meanwhile.

    :param connection: the spool
    :param lane: the lane's key
    :param first: the range's first sequence number
    :param last: its last
    :param chunk: how many are fetched at once
    :returns: rows, ascending
    """
    start = connection.execute(
        'SELECT max(first) FROM rows WHERE lane=? AND first<=?', (lane, first)
    ).fetchone()[0]
    at = first if start is None else start
    while True:
        found = connection.execute(
            f'SELECT {_COLUMNS} FROM rows WHERE lane=? AND first BETWEEN ? AND ? '
            'ORDER BY first LIMIT ?',
            (lane, at, last, chunk),
        ).fetchall()
        for values in found:
            row = Row(*values)
            if row.last >= first:
                yield row
        if len(found) < chunk:
            return
        at = found[-1][1] + 1


def rows_down(
    connection: sqlite3.Connection, lane: int, below: int, *, chunk: int = _CHUNK
) -> Iterator[Row]:
    """
    Walk over a lane's rows from the newest on; they may be deleted meanwhile.

    :param connection: the spool
    :param lane: the lane's key
    :param below: only rows that begin below this sequence number
    :param chunk: how many are fetched at once
    :returns: rows, descending
    """
    while True:
        found = connection.execute(
            f'SELECT {_COLUMNS} FROM rows WHERE lane=? AND first<? ORDER BY first DESC LIMIT ?',
            (lane, below, chunk),
        ).fetchall()
        for values in found:
            yield Row(*values)
        if len(found) < chunk:
            return
        below = found[-1][1]


def insert_row(connection: sqlite3.Connection, lane: int, row: Packed, added_s: float) -> Row:
    """
    Write a row.

    :param connection: the spool
    :param lane: the lane's key
    :param row: what is written
    :param added_s: the spool's clock
    :returns: what was written, without its block
    """
    cursor = connection.execute(
        'INSERT INTO blocks(lane, first, last, raw, added_s, crc, data) VALUES(?,?,?,?,?,?,?)',
        (lane, row.first, row.last, row.raw, added_s, row.crc, row.data),
    )
    assert cursor.lastrowid is not None
    written = Row(
        lane, row.first, row.last, row.raw, len(row.data), added_s, cursor.lastrowid, None
    )
    connection.execute(f'INSERT INTO rows({_COLUMNS}) VALUES(?,?,?,?,?,?,?,?)', written)
    return written


def delete_row(connection: sqlite3.Connection, row: Row) -> None:
    """
    Delete a row and its block.

    :param connection: the spool
    :param row: as read
    """
    connection.execute('DELETE FROM blocks WHERE id=?', (row.block,))
    connection.execute('DELETE FROM rows WHERE lane=? AND first=?', (row.lane, row.first))


def mark_settled(connection: sqlite3.Connection, row: Row, settled: Ranges) -> None:
    """
    Note what of a row has reached an end.

    :param connection: the spool
    :param row: as read
    :param settled: everything of it that has
    """
    connection.execute(
        'UPDATE rows SET settled=? WHERE lane=? AND first=?',
        (encode_ranges(settled), row.lane, row.first),
    )


def block_of(connection: sqlite3.Connection, row: Row) -> tuple[int, bytes] | None:
    """
    Read a row's block.

    :param connection: the spool
    :param row: as read
    :returns: CRC and block, or None when there is none
    """
    found: tuple[int, bytes] | None = connection.execute(
        'SELECT crc, data FROM blocks WHERE id=?', (row.block,)
    ).fetchone()
    return found


def add_gap(connection: sqlite3.Connection, lane: int, gap: Gap) -> None:
    """
    Note numbers that will never come; neighbours of the same reason become one.

    :param connection: the spool
    :param lane: the lane's key
    :param gap: disjoint from all others
    """
    reason, first, last = gap
    before = connection.execute(
        'SELECT first, last, reason FROM gaps WHERE lane=? AND first<? '
        'ORDER BY first DESC LIMIT 1',
        (lane, first),
    ).fetchone()
    if before is not None and before[1] == first - 1 and before[2] == reason:
        connection.execute(
            'UPDATE gaps SET last=? WHERE lane=? AND first=?', (last, lane, before[0])
        )
        return
    connection.execute(
        'INSERT OR REPLACE INTO gaps(lane, first, last, reason) VALUES(?,?,?,?)',
        (lane, first, last, reason),
    )


def gaps_of(connection: sqlite3.Connection, lane: int, most: int) -> list[Gap]:
    """
    Read a lane's gaps.

    :param connection: the spool
    :param lane: the lane's key
    :param most: no more than so many
    :returns: the lowest, ascending
    """
    return [
        Gap(*values)
        for values in connection.execute(
            'SELECT reason, first, last FROM gaps WHERE lane=? ORDER BY first LIMIT ?',
            (lane, most),
        )
    ]


def remove_gap(connection: sqlite3.Connection, lane: int, told: Gap) -> None:
    """
    Forget a gap as far as it was told; it may have grown meanwhile.

    :param connection: the spool
    :param lane: the lane's key
    :param told: as it was told
    """
    found = connection.execute(
        'SELECT reason, first, last FROM gaps WHERE lane=? AND first<=? AND last>=?',
        (lane, told.last, told.first),
    ).fetchall()
    for values in found:
        gap = Gap(*values)
        connection.execute('DELETE FROM gaps WHERE lane=? AND first=?', (lane, gap.first))
        if gap.first < told.first:
            add_gap(connection, lane, Gap(gap.reason, gap.first, told.first - 1))
        if gap.last > told.last:
            add_gap(connection, lane, Gap(gap.reason, told.last + 1, gap.last))


def write_lane(connection: sqlite3.Connection, lane: Lane) -> None:
    """
    Write what a lane is.

    :param connection: the spool
    :param lane: the lane
    """
    descriptor = lane.descriptor
    connection.execute(
        'INSERT INTO lanes(key, boot, route, stream, topic, type_name, schema_id, policy) '
        'VALUES(?,?,?,?,?,?,?,?) ON CONFLICT(key) DO UPDATE SET stream=excluded.stream, '
        'topic=excluded.topic, type_name=excluded.type_name, schema_id=excluded.schema_id, '
        'policy=excluded.policy',
        (
            lane.key,
            lane.boot,
            lane.route,
            descriptor.stream,
            descriptor.topic,
            descriptor.typed,
            descriptor.schema_id,
            encode_policy(lane.policy),
        ),
    )


def write_ledger(
    connection: sqlite3.Connection, lane: int, high: int, totals: Sequence[int]
) -> None:
    """
    Write a lane's ledger.

    :param connection: the spool
    :param lane: the lane's key
    :param high: its highest committed sequence number
    :param totals: in the order of ``LEDGER``
    """
    connection.execute(
        'INSERT OR REPLACE INTO ledger(lane, high, committed, delivered, expired, refused, '
        'spool_full, damaged) VALUES(?,?,?,?,?,?,?,?)',
        (lane, high, *totals),
    )


def forget_lane(connection: sqlite3.Connection, lane: int) -> None:
    """
    Add a lane's ledger to that of all forgotten ones, and forget it.

    :param connection: the spool
    :param lane: the lane's key
    """
    columns = ', '.join(LEDGER)
    sums = connection.execute(
        f'SELECT {columns} FROM ledger WHERE lane IN (?, ?)', (FORGOTTEN, lane)
    ).fetchall()
    if sums:
        write_ledger(connection, FORGOTTEN, 0, [sum(column) for column in zip(*sums, strict=True)])
    for table, name in (('ledger', 'lane'), ('lanes', 'key'), ('gaps', 'lane')):
        connection.execute(f'DELETE FROM {table} WHERE {name}=?', (lane,))
    connection.execute('DELETE FROM schemas WHERE id NOT IN (SELECT schema_id FROM lanes)')


def load_lanes(connection: sqlite3.Connection, boot: bytes) -> list[Lane]:
    """
    Read all lanes with what they hold.

    :param connection: the spool
    :param boot: the present boot: lanes of others are closed
    :returns: lanes
    """
    columns = ', '.join(f'coalesce({name}, 0)' for name in ('high', *LEDGER))
    lanes = []
    for values in connection.execute(
        'SELECT key, boot, route, stream, topic, type_name, schema_id, policy, '
        f'{columns} FROM lanes LEFT JOIN ledger ON ledger.lane = lanes.key ORDER BY key'
    ).fetchall():
        key, lane_boot, route, stream, topic, typed, schema_id, policy, high, *totals = values
        lane = Lane(
            key=key,
            boot=lane_boot,
            route=route,
            descriptor=Descriptor.of(stream, topic, typed, schema_id),
            policy=decode_policy(policy),
            committed=high,
            closed=lane_boot != boot,
            totals=dict(zip(LEDGER, totals, strict=True)),
        )
        count_spooled(connection, lane)
        lanes.append(lane)
    return lanes


def count_spooled(connection: sqlite3.Connection, lane: Lane) -> None:
    """
    Count what a lane holds.

    :param connection: the spool
    :param lane: is told
    """
    samples, size = connection.execute(
        f'SELECT coalesce(sum(last-first+1), 0), coalesce(sum(packed+{ROW_BYTES}), 0) '
        'FROM rows WHERE lane=?',
        (lane.key,),
    ).fetchone()
    for (settled,) in connection.execute(
        'SELECT settled FROM rows WHERE lane=? AND settled IS NOT NULL', (lane.key,)
    ):
        samples -= decode_ranges(settled).total
    lane.samples, lane.bytes = samples, size
    lane.oldest_s = oldest(connection, lane.key)


def oldest(connection: sqlite3.Connection, lane: int) -> float | None:
    """
    Find a lane's oldest row.

    :param connection: the spool
    :param lane: the lane's key
    :returns: when it was committed
    """
    found = connection.execute(
        'SELECT added_s FROM rows WHERE lane=? ORDER BY first LIMIT 1', (lane,)
    ).fetchone()
    return None if found is None else float(found[0])


def encode_policy(policy: LanePolicy) -> str:
    """
    Write a policy.

    :param policy: the policy
    :returns: JSON
    """
    return json.dumps(
        {
            'ttl_s': policy.ttl_s,
            'confirm': policy.confirm.value,
            'confirm_by': policy.confirm_by,
            'when_full': policy.when_full.value,
            'backlog_order': policy.backlog_order.value,
            'priority': int(policy.priority),
            'spool_bytes': policy.spool_bytes,
        }
    )


def decode_policy(text: str) -> LanePolicy:
    """
    Undo :func:`encode_policy`.

    :param text: JSON
    :returns: the policy; the defaults when it cannot be read
    """
    try:
        values: dict[str, Any] = json.loads(text)
        return LanePolicy(
            ttl_s=float(values['ttl_s']),
            confirm=Confirm(values['confirm']),
            confirm_by=str(values['confirm_by']),
            when_full=WhenFull(values['when_full']),
            backlog_order=BacklogOrder(values['backlog_order']),
            priority=Priority(values['priority']),
            spool_bytes=int(values['spool_bytes']),
        )
    except (ValueError, KeyError, TypeError):
        return LanePolicy()
