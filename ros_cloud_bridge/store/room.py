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

"""Room for what is to be committed: who gives up what when the spool is full."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ros_cloud_bridge.store import tables
from ros_cloud_bridge.store.books import Books, dropable
from ros_cloud_bridge.store.database import PAGE_BYTES
from ros_cloud_bridge.store.lanes import Lane, LanePolicy, NEVER
from ros_cloud_bridge.store.rows import Packed
from ros_cloud_bridge.store.tables import ROW_BYTES
from ros_cloud_bridge.store.thinning import thin
from ros_cloud_bridge.values import WhenFull

# Thinning goes over all of a stream's rows: it is to be seldom.
_THIN_SHARE = 4
# Pages that a transaction writes beside its rows: roots, ledger, neighbours.
SPARE_BYTES = 24 * PAGE_BYTES


class New(NamedTuple):
    """A row that is to be committed."""

    lane: Lane
    row: Packed

    @property
    def cost(self) -> int:
        """What it takes on disk, in bytes, with the pages' own overhead."""
        size = len(self.row.data) + ROW_BYTES
        return size + size // 256 + (PAGE_BYTES if size > PAGE_BYTES else 0)


def expected_bytes(incoming: Iterable[New]) -> int:
    """
    Estimate what rows take, in the file and once more in its log.

    :param incoming: the rows
    :returns: bytes, once
    """
    return sum(new.cost for new in incoming)


def too_large(new: New, usable: int) -> bool:
    """
    Say whether a row has no room however much is dropped for it.

    :param new: the row
    :param usable: bytes that the file and a transaction's log together may have
    :returns: whether it has none
    """
    # It stands in the log and in the file.
    return new.cost > min(new.lane.policy.spool_bytes or NEVER, usable // 2 - SPARE_BYTES)


class Room:
    """
    Makes room within one transaction.

    :param books: the spool
    :param incoming: what is to be committed; what is rejected is taken out
    :param usable: bytes that the file and a transaction's log together may have
    :param reserve: what of them is kept for the log at least
    """

    def __init__(self, books: Books, incoming: list[New], usable: int, reserve: int) -> None:
        self._books = books
        self._incoming = incoming
        self._usable = usable
        self._reserve = reserve
        self._rejects = True
        self._thins = True
        # Bytes that are left when all is in; 0 when something had to go for want of them.
        self.spare = 0

    def make_before(self, step: int) -> None:
        """
        Drop only what is spooled, in a transaction before that of the incoming rows.

        :param step: bytes to drop, on a disk that has no room for a larger transaction, and so
            none for thinning either: the oldest go; 0 for all that is missing
        """
        self._rejects = False
        if not step:
            self._fit_all()
            return
        self._thins = False
        missing = min(step, self.missing())
        any(missing > 0 and self._pay(stream, missing, self._usable) for stream in self._payers())

    def make(self) -> None:
        """Drop and reject what must go."""
        for new in list(self._incoming):
            if too_large(new, self._usable):
                self._reject(new)
        for stream in {new.lane.descriptor.stream for new in self._incoming}:
            self._fit_stream(stream)
        self._fit_all()
        self._fit_file()

    def _fit_stream(self, stream: str) -> None:
        lanes = self._lanes(stream)
        policy = self._policy(stream, lanes)
        bound = policy.spool_bytes
        while bound:
            used = sum(lane.bytes for lane in lanes) + self._new_bytes(stream)
            if used <= bound or not self._pay(stream, used - bound, bound):
                return

    def _fit_all(self) -> None:
        self.spare = max(0, -self.missing())
        while (missing := self.missing()) > 0:
            if not any(self._pay(stream, missing, self._usable) for stream in self._payers()):
                return

    def _fit_file(self) -> None:
        """Reject what the log cannot hold beside a file that is too large already."""
        ((pages,),) = self._books.connection.execute('PRAGMA page_count').fetchall()
        room = self._usable - pages * PAGE_BYTES - SPARE_BYTES
        while self._incoming and expected_bytes(self._incoming) > max(room, SPARE_BYTES):
            self.spare = 0
            if not any(map(self._reject_newest, self._payers())):
                return

    def missing(self) -> int:
        """
        Find how much there is too much.

        :returns: bytes; none or less than none when everything fits
        """
        ((pages,),) = self._books.connection.execute('PRAGMA page_count').fetchall()
        ((free,),) = self._books.connection.execute('PRAGMA freelist_count').fetchall()
        new = expected_bytes(self._incoming)
        new += SPARE_BYTES if new else 0
        log = max(new, self._reserve if new else 0)
        return int((pages - free) * PAGE_BYTES + new + log - self._usable)

    def _payers(self) -> list[str]:
        """Streams, the least important first; of equal ones the largest."""
        sizes: dict[str, tuple[int, int]] = {}
        for lane in self._books.lanes.values():
            stream = lane.descriptor.stream
            _, size = sizes.get(stream, (0, 0))
            sizes[stream] = (int(lane.policy.priority), size + lane.bytes)
        for new in self._incoming:
            priority, size = sizes[new.lane.descriptor.stream]
            sizes[new.lane.descriptor.stream] = (priority, size + new.cost)
        return sorted(
            (stream for stream, (_, size) in sizes.items() if size),
            key=lambda stream: sizes[stream],
            reverse=True,
        )

    def _pay(self, stream: str, missing: int, bound: int) -> bool:
        """
        Free something of a stream, as its policy says.

        :param stream: its name
        :param missing: bytes
        :param bound: the bytes that it, or all together, may have
        :returns: whether anything was freed
        """
        lanes = self._lanes(stream)
        when_full = self._policy(stream, lanes).when_full
        if when_full is WhenFull.DROP_NEWEST:
            if not self._rejects and self._of(stream):
                return False
            return self._reject_newest(stream) or self._drop_newest(lanes, missing) > 0
        if when_full is WhenFull.THIN and self._thins:
            size = sum(lane.bytes for lane in lanes)
            if thin(self._books, lanes, max(missing, min(size, bound) // _THIN_SHARE)):
                return True
        return self._drop_oldest(lanes, missing) > 0 or self._reject_oldest(stream)

    def _drop_oldest(self, lanes: Sequence[Lane], missing: int) -> int:
        freed = 0
        waiting = [lane for lane in lanes if lane.oldest_s is not None]
        waiting.sort(key=lambda lane: lane.oldest_s or 0.0)
        while waiting and freed < missing:
            lane = waiting.pop(0)
            until_s = (waiting[0].oldest_s or 0.0) if waiting else float('inf')
            for row in dropable(self._books.connection, lane, chunk=16):
                if freed >= missing:
                    break
                if row.added_s > until_s:
                    lane.oldest_s = row.added_s
                    waiting.append(lane)
                    waiting.sort(key=lambda lane: lane.oldest_s or 0.0)
                    break
                self._books.drop(lane, row)
                freed += row.cost
        return freed

    def _drop_newest(self, lanes: Sequence[Lane], missing: int) -> int:
        freed = 0
        # Boots follow each other: the highest key is the latest lane.
        for lane in sorted(lanes, key=lambda lane: lane.key, reverse=True):
            connection = self._books.connection
            for row in tables.rows_down(connection, lane.key, lane.live_from, chunk=16):
                if freed >= missing:
                    return freed
                if row.last < lane.live_from:
                    self._books.drop(lane, row)
                    freed += row.cost
        return freed

    def _reject_newest(self, stream: str) -> bool:
        mine = self._of(stream) if self._rejects else []
        if mine:
            self._reject(mine[-1])
        return bool(mine)

    def _reject_oldest(self, stream: str) -> bool:
        mine = self._of(stream) if self._rejects else []
        if mine:
            self._reject(mine[0])
        return bool(mine)

    def _reject(self, new: New) -> None:
        self._incoming.remove(new)
        self._books.reject(new.lane, new.row)

    def _of(self, stream: str) -> list[New]:
        return [new for new in self._incoming if new.lane.descriptor.stream == stream]

    def _lanes(self, stream: str) -> list[Lane]:
        return [lane for lane in self._books.lanes.values() if lane.descriptor.stream == stream]

    def _new_bytes(self, stream: str) -> int:
        return sum(new.cost for new in self._of(stream))

    @staticmethod
    def _policy(stream: str, lanes: Sequence[Lane]) -> LanePolicy:
        # The latest lane has the present policy; set_policy gives it to all.
        return lanes[-1].policy
