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

"""Thinning: dropping rows so that what stays is spread evenly over the time that it spans."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
import math

from ros_cloud_bridge.store.books import Books, dropable
from ros_cloud_bridge.store.lanes import Lane
from ros_cloud_bridge.store.tables import Row

_MOST_PASSES = 64
# What was committed in one moment, as a black box's span, is told apart by its numbers.
_NUMBER_S = 1e-6


def thin(books: Books, lanes: Sequence[Lane], goal: int) -> int:
    """
    Drop every second row where rows lie densest, until enough is free.

    A pass goes over the whole time that is spooled: rows are dropped whose neighbours are closest
    together, never two neighbours, never a lane's first or last. So what was thinned before is
    left alone until the rest is as thin, and no part of the past is cut off.

    :param books: the spool, within a transaction
    :param lanes: those of one stream
    :param goal: bytes to free
    :returns: bytes that are free now
    """
    freed = 0
    for _ in range(_MOST_PASSES):
        bound_s = _bound(books, lanes, goal - freed)
        if bound_s is None:
            break
        freed += sum(_thin_lane(books, lane, bound_s) for lane in lanes)
        if freed >= goal:
            break
    return freed


def _bound(books: Books, lanes: Sequence[Lane], goal: int) -> float | None:
    """
    Find how close a row's neighbours must be for it to go.

    :param books: the spool
    :param lanes: those of one stream
    :param goal: bytes to free
    :returns: seconds, or None when no row has two neighbours
    """
    sizes: defaultdict[int, int] = defaultdict(int)
    for lane in lanes:
        for before, row, behind in _triples(books, lane):
            sizes[_octave(_distance(before, behind))] += row.cost
    candidates = 0
    octave = None
    for octave in sorted(sizes):
        candidates += sizes[octave]
        # Of them every second one goes.
        if candidates >= 2 * goal:
            break
    return None if octave is None else math.ldexp(1.0, octave)


def _distance(before: Row, behind: Row) -> float:
    return behind.added_s - before.added_s + _NUMBER_S * (behind.first - before.first)


def _octave(seconds: float) -> int:
    return math.frexp(seconds)[1]


def _triples(books: Books, lane: Lane) -> Iterator[tuple[Row, Row, Row]]:
    before: Row | None = None
    row: Row | None = None
    for behind in dropable(books.connection, lane):
        if before is not None and row is not None:
            yield before, row, behind
        before, row = row, behind


def _thin_lane(books: Books, lane: Lane, bound_s: float) -> int:
    freed = 0
    dropped: Row | None = None
    for before, row, behind in _triples(books, lane):
        if before is not dropped and _distance(before, behind) <= bound_s:
            books.drop(lane, row)
            dropped = row
            freed += row.cost
    return freed
