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

"""Reading the backlog: which row comes next, and its samples."""

from collections.abc import Iterator

from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.store import tables
from ros_cloud_bridge.store.books import Books
from ros_cloud_bridge.store.lanes import Lane
from ros_cloud_bridge.store.rows import unpack
from ros_cloud_bridge.store.tables import Row
from ros_cloud_bridge.values import Drop

_CHUNK = 16


def peek(
    books: Books, lane: Lane, start: int, stop: int, *, newest_first: bool
) -> tuple[int, int, int] | None:
    """
    Find the next row of a lane that has anything left.

    :param books: the spool
    :param lane: the lane
    :param start: the row begins here or above
    :param stop: it ends below this number, and below what the sender holds in memory
    :param newest_first: the highest such row, else the lowest
    :returns: its first and last number and the bytes of its block, or None
    """
    stop = min(stop, lane.live_from)
    walk = _down(books, lane, start, stop) if newest_first else _up(books, lane, start, stop)
    for row in walk:
        if books.left(row):
            return row.first, row.last, row.packed
    return None


def _up(books: Books, lane: Lane, start: int, stop: int) -> Iterator[Row]:
    for row in tables.rows_within(books.connection, lane.key, start, stop - 1, chunk=_CHUNK):
        if row.first >= start and row.last < stop:
            yield row


def _down(books: Books, lane: Lane, start: int, stop: int) -> Iterator[Row]:
    for row in tables.rows_down(books.connection, lane.key, stop, chunk=_CHUNK):
        if row.first < start:
            return
        if row.last < stop:
            yield row


def read(books: Books, lane: Lane, first: int, max_bytes: int, max_samples: int) -> list[Queued]:
    """
    Read rows from the one that begins at a number on.

    :param books: the spool
    :param lane: the lane
    :param first: where the first row begins
    :param max_bytes: of the samples together, but for the first row
    :param max_samples: of all rows together, but for the first
    :returns: what of them is still spooled
    """
    samples: list[Queued] = []
    size = 0
    for row in _up(books, lane, first, lane.live_from):
        left = books.left(row)
        if not left:
            continue
        if samples and (
            size + row.raw > max_bytes or len(samples) + row.last - row.first >= max_samples
        ):
            break
        found = _read_row(books, lane, row)
        if found is None:
            for low, high in left:
                books.damaged.append((lane, books.settle(lane, low, high, Drop.DAMAGED)))
            continue
        size += row.raw
        samples += _only(found, left)
    return samples


def _read_row(books: Books, lane: Lane, row: Row) -> list[Queued] | None:
    block = tables.block_of(books.connection, row)
    return None if block is None else unpack(lane.boot, lane.route, (row.first, row.last), *block)


def _only(samples: list[Queued], left: list[tuple[int, int]]) -> list[Queued]:
    base = samples[0].sequence
    if left == [(base, samples[-1].sequence)]:
        return samples
    return [entry for first, last in left for entry in samples[first - base : last - base + 1]]
