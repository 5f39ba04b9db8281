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


"""A durable route: what it accepts is committed to the spool before it is sent."""

from collections import deque
from collections.abc import Callable, Sequence

from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.values import Drop, Received, StreamConfig

# What has waited longer than this is no news any more: it is read from the spool, as backlog.
FRESH_S = 10.0
_MOST_UNCOMMITTED = 100_000

Settled = Callable[[int, int, Drop | None], None]


class DurableRoute(Route):
    """
    One durable route; whoever owns the spool moves it on.

    At any time ``accepted == delivered + sum of sequenced drops + queued + in_flight + spooled``,
    where ``spooled`` are those that are on disk alone. ``on_settled`` is told of each range that
    was in flight and that the spool holds: the broker has it (None), refused it for good
    (``REFUSED``), or does not have it. ``on_gap`` is told of each range that will never come.

    :param number: as for :class:`Route`
    :param stream: as for :class:`Route`
    :param topic: as for :class:`Route`
    :param type_name: as for :class:`Route`
    :param fresh_s: how long a sample is news; 0 for what was not even when it came
    """

    durable = True

    def __init__(
        self,
        number: int,
        stream: StreamConfig,
        topic: str,
        type_name: str,
        fresh_s: float = FRESH_S,
    ) -> None:
        super().__init__(number, stream, topic, type_name)
        self._fresh_s = fresh_s
        self.spooled = 0
        self.committed = 0
        self.not_yet_committed = 0
        self.on_settled: Settled | None = None
        self.on_gap: Callable[[int, int, Drop], None] | None = None
        # The spool is at work on everything up to here, and has decided on everything up to there.
        self._committing = 0
        self._decided = 0
        # In memory and not on disk, because the disk failed.
        self._volatile = Ranges()
        self._flying = Ranges()

    @property
    def live_from(self) -> int:
        """The lowest sequence number that is in memory or on its way from there."""
        flying = next(iter(self._flying), None)
        queued = self._queue[0].sequence if self._queue else self._next_sequence
        return queued if flying is None else min(queued, flying[0])

    def accept(self, passed: Sequence[Received], now: float) -> int:
        """Give samples numbers and let them wait to be committed; see :class:`Route`."""
        accepted = super().accept(passed, now)
        self.not_yet_committed += accepted
        return accepted

    def _enforce_bounds(self) -> None:
        stream = self._stream
        # What is not committed yet is nowhere else: only memory itself bounds it.
        most = max(stream.max_samples, _MOST_UNCOMMITTED)
        while len(self._queue) > stream.max_samples and self._queue[0].sequence <= self._decided:
            self._release(self._queue.popleft())
        while len(self._queue) > 1 and (
            len(self._queue) > most or self.queued_bytes > stream.max_bytes
        ):
            if not self._give_way():
                break

    def drop_oldest(self, reason: Drop) -> bool:
        """Let go of a sample in memory, unless it is the only one; see :class:`Route`."""
        if self.unreduced is not None and self.unreduced.give_way(self.drops):
            return True
        return len(self._queue) > 1 and self._give_way()

    def _give_way(self) -> bool:
        """Let the oldest sample go to the spool alone, or the newest to nowhere."""
        if self._queue[0].sequence <= self._decided:
            self._release(self._queue.popleft())
            return True
        if self._queue[-1].sequence <= self._committing:
            return False
        entry = self._queue.pop()
        self.not_yet_committed -= 1
        self._lose(entry)
        return True

    def _release(self, entry: Queued) -> None:
        if self._volatile.remove(entry.sequence, entry.sequence):
            self._lose(entry)
        else:
            self.queued_bytes -= len(entry.sample.cdr)
            self.spooled += 1

    def _lose(self, entry: Queued) -> None:
        self._drop(entry, Drop.NOT_COMMITTED)
        self._gap(entry.sequence, entry.sequence)

    def _gap(self, first: int, last: int) -> None:
        if self.on_gap is not None:
            self.on_gap(first, last, Drop.NOT_COMMITTED)

    def drop_all(self, reason: Drop) -> int:
        """
        Let go of whatever waits, but for what the spool is at work on: it may be committed yet.

        :param reason: has no effect
        :returns: how many samples are lost; what is committed stays in the spool
        """
        unreduced = self.drop_unreduced()
        lost = self.drops[Drop.NOT_COMMITTED]
        while self._queue and self._queue[0].sequence <= self._decided:
            self._release(self._queue.popleft())
        waiting, self._queue = self._queue, deque()
        for entry in waiting:
            if entry.sequence <= self._committing:
                self._queue.append(entry)
            else:
                self.not_yet_committed -= 1
                self._lose(entry)
        return self.drops[Drop.NOT_COMMITTED] - lost + unreduced

    def expire(self, now: float) -> None:
        """
        Leave to the spool what is no news any more.

        :param now: monotonic seconds
        """
        fresh_s = min(self._fresh_s, self._stream.ttl_s or self._fresh_s)
        while self._queue and now - self._queue[0].offered_at > fresh_s:
            if self._queue[0].sequence > self._decided:
                break
            self._release(self._queue.popleft())

    def due_at(self) -> float | None:
        """Say when the oldest committed sample has waited long enough; see :class:`Route`."""
        if not self._queue or self._queue[0].sequence > self._decided:
            return None
        return super().due_at()

    def take_if_latched(self) -> list[Queued]:
        """Take nothing: what is promised travels as samples, too."""
        return []

    def next_size(self) -> int:
        """Give the size of the sample that :meth:`take` gives next; see :class:`Route`."""
        return 0 if self.due_at() is None else super().next_size()

    def take(self, max_bytes: int, max_samples: int) -> list[Queued]:
        """Take the oldest committed samples out of the queue; see :class:`Route`."""
        ready = len(self._queue) - self.not_yet_committed
        taken = super().take(max_bytes, min(ready, max_samples)) if ready > 0 else []
        if taken:
            self._flying.add(taken[0].sequence, taken[-1].sequence)
        return taken

    def settle(
        self, count: int, reason: Drop | None = None, span: tuple[int, int] = (1, 0)
    ) -> None:
        """
        Say what became of samples that were in flight.

        :param count: how many
        :param reason: why they did not arrive; None when the broker has them
        :param span: sequence number of the first and of the last
        """
        first, last = span
        if last < first:
            return
        self._flying.remove(first, last)
        self.in_flight -= count
        # Of these alone: whoever is told of a gap says that it needs none of it, and what the
        # spool has of it would be deleted.
        gone = self._volatile.within(first, last)
        volatile = self._volatile.remove(first, last)
        self.spooled += count - volatile
        if reason is None:
            self.delivered += volatile
        else:
            self.drops[Drop.NOT_COMMITTED] += volatile
            for low, high in gone:
                self._gap(low, high)
        if volatile < count and self.on_settled is not None:
            self.on_settled(first, last, reason)

    def to_commit(self) -> list[Queued]:
        """
        Give what is to be committed; :meth:`committed` or :meth:`not_committed` must follow.

        :returns: in the order of their sequence numbers
        """
        found: list[Queued] = []
        for entry in reversed(self._queue):
            if entry.sequence <= self._committing:
                break
            found.append(entry)
        found.reverse()
        if found:
            self._committing = found[-1].sequence
        return found

    def was_committed(self, count: int) -> None:
        """
        Note that what :meth:`to_commit` gave is on disk.

        :param count: how many samples
        """
        self._decided = self._committing
        self.not_yet_committed -= count
        self.committed += count

    def was_dropped(self, first: int, last: int, reason: Drop) -> None:
        """
        Note that the spool had no room for what it just committed.

        :param first: first sequence number
        :param last: last sequence number
        :param reason: why
        """
        kept = [entry for entry in self._queue if not first <= entry.sequence <= last]
        for entry in self._queue:
            if first <= entry.sequence <= last:
                self._drop(entry, reason)
        self._queue = deque(kept)

    def was_not_committed(self, spans: Sequence[tuple[int, int]]) -> None:
        """
        Note that what :meth:`to_commit` gave could not be written: it is sent out of memory.

        :param spans: first and last sequence numbers
        """
        self._decided = self._committing
        for first, last in spans:
            self.not_yet_committed -= last - first + 1
            self._volatile.add(first, last)

    def left_spool(self, count: int, reason: Drop | None) -> None:
        """
        Note that samples have left the spool.

        :param count: how many
        :param reason: why they were given up; None when they are where they were promised to
        """
        self.spooled -= count
        if reason is None:
            self.delivered += count
        else:
            self.drops[reason] += count

    def totals(self) -> dict[int, int]:
        """
        Give the cumulative drops since boot that left no gap; gaps are told by range.

        :returns: count by :class:`Drop` value, zero counts left out
        """
        return {
            int(reason): count
            for reason, count in self.drops.items()
            if count and not reason.sequenced
        }
