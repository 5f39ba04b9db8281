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
What of the spool goes next, and what its addressees have said of it.

No thread and no clock of its own: whoever owns the spool
(:mod:`ros_cloud_bridge.durable.spooling`) tells it the time and what happened.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ros_cloud_bridge.core.fair import FairShare
from ros_cloud_bridge.core.outbox import BATCH_SAMPLES
from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.durable.accounts import Accounts, batch_number, Told
from ros_cloud_bridge.durable.standing import addressee, busy_range, Progress, Standing
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.store.lanes import Lane
from ros_cloud_bridge.store.spool import Spool
from ros_cloud_bridge.uplink.backlog import Outcome, Stocked
from ros_cloud_bridge.uplink.schedule import CLASS_WEIGHT
from ros_cloud_bridge.values import BacklogOrder, Confirm, Drop
from ros_cloud_bridge.wire.batch import Batch, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.confirm import Confirmation

# Rows shrink on the wire; batches hold about this much more than was asked for.
_RAW_PER_WIRE = 4
_MOST_RAW_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Samples that have left the spool; ``reason`` is None when they are where they belong."""

    lane: Lane
    samples: int
    reason: Drop | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Samples:
    """A stocked batch: a range of a lane."""

    lane: Lane
    first: int
    last: int


class BacklogReader:
    """
    Reads batches out of a spool in the order that their streams ask for.

    :param spool: the spool
    :param wall_ns: gives nanoseconds since the Unix epoch
    """

    def __init__(self, spool: Spool, wall_ns: Callable[[], int]) -> None:
        self._spool = spool
        self._wall_ns = wall_ns
        self._standing = Standing()
        self.accounts = Accounts(spool, self._standing)
        self._turns = FairShare()
        self._encoder = BlockEncoder()
        self._connected = False

    def connected(self, now: float) -> None:
        """
        Begin with a new connection: nobody knows what the broker still had.

        :param now: monotonic seconds
        """
        self._connected = True
        self._standing.connected(now)

    def disconnected(self) -> None:
        """Read nothing until the next connection."""
        self._connected = False

    def absent(self, now: float) -> dict[str, str]:
        """
        Name the consumers that are waited for in vain.

        :param now: monotonic seconds
        :returns: their names by stream
        """
        if not self._connected:
            return {}
        found = (
            (lane.descriptor.stream, self._standing.absent(lane, now))
            for lane in self._spool.lanes.values()
            if lane.samples
        )
        return {stream: consumer for stream, consumer in found if consumer is not None}

    def rivals(self, now: float) -> list[str]:
        """
        Name the consumers whose name several processes use.

        :param now: monotonic seconds
        :returns: their names
        """
        return self._standing.rivals(now)

    def awaited(self, stream: str) -> int:
        """
        Count what was sent and is not confirmed yet.

        :param stream: its name
        :returns: numbers of samples
        """
        return sum(
            self._standing.of(lane).sent.total
            for lane in self._spool.lanes.values()
            if lane.descriptor.stream == stream
        )

    def heard(self, consumer: str, confirmation: Confirmation, now: float) -> list[Departure]:
        """
        Take in what a consumer holds.

        :param consumer: its name
        :param confirmation: what it says
        :param now: monotonic seconds
        :returns: what it has got now
        """
        own = [lane for lane in self._spool.lanes.values() if addressee(lane) == consumer]
        if self._standing.heard(consumer, confirmation.instance, now):
            # What it had received and not confirmed is gone with the process that had it.
            for lane in own:
                self._standing.of(lane).begin_again()
        lanes = {(lane.boot, lane.route): lane for lane in own}
        departures: list[Departure] = []
        for held in confirmation.held:
            confirmed = lanes.get((held.boot, held.route))
            if confirmed is not None:
                departures += self._confirmed(confirmed, held.ranges, now)
        return departures

    def _confirmed(
        self, lane: Lane, ranges: Iterable[tuple[int, int]], now: float
    ) -> Iterator[Departure]:
        confirmed = Ranges(ranges)
        samples = sum(self._spool.settle(lane, first, last, None) for first, last in confirmed)
        self._standing.of(lane).confirmed(confirmed, samples > 0, now)
        if not lane.samples:
            self._standing.of(lane).sent.clear()
        if samples:
            yield Departure(lane=lane, samples=samples, reason=None)
        self.accounts.confirmed(lane, confirmed)

    def live(
        self, lane: Lane, first: int, last: int, reason: Drop | None, now: float
    ) -> Iterator[Departure]:
        """
        Take in what became of samples that were sent live.

        :param lane: their lane
        :param first: first sequence number
        :param last: last sequence number
        :param reason: None when the broker has them, ``REFUSED`` when it never will
        :param now: monotonic seconds
        :returns: what has left the spool
        """
        if reason is None:
            self._standing.got_through(lane.descriptor.stream)
            yield from self._accepted(lane, first, last, now)
        elif reason is Drop.REFUSED:
            yield from self._refused(lane, first, last)

    def outcome(self, key: object, outcome: Outcome, now: float) -> Iterator[Departure]:
        """
        Take in what became of a batch.

        :param key: the batch's
        :param outcome: what became of it
        :param now: monotonic seconds
        :returns: what has left the spool
        """
        if isinstance(key, Told):
            self.accounts.outcome(key, outcome, now)
            return
        assert isinstance(key, _Samples)
        lane = key.lane
        self._standing.of(lane).away.remove(key.first, key.last)
        if outcome is Outcome.ACCEPTED:
            self._standing.got_through(lane.descriptor.stream)
            yield from self._accepted(lane, key.first, key.last, now)
        elif outcome is Outcome.REFUSED:
            yield from self._refused(lane, key.first, key.last)
        elif outcome is Outcome.LATER:
            self._standing.put_off(lane.descriptor.stream, now)

    def _accepted(self, lane: Lane, first: int, last: int, now: float) -> Iterator[Departure]:
        if lane.policy.confirm is Confirm.BROKER:
            samples = self._spool.settle(lane, first, last, None)
            if samples:
                yield Departure(lane=lane, samples=samples, reason=None)
            self.accounts.forget(lane)
            return
        # Of what is still there: the consumer can be quicker than the broker's answer.
        for low, high in self._spool.left(lane, first, last) if lane.samples else ():
            self._standing.of(lane).wait_for_consumer(low, high, now)

    def _refused(self, lane: Lane, first: int, last: int) -> Iterator[Departure]:
        samples = self._spool.settle(lane, first, last, Drop.REFUSED)
        if samples:
            self.accounts.gap_opened(lane)
            yield Departure(lane=lane, samples=samples, reason=Drop.REFUSED)

    def next(self, wire_bytes: int, now: float) -> tuple[Stocked | None, list[Departure]]:
        """
        Read the next batch.

        :param wire_bytes: about how large it should be on the wire
        :param now: monotonic seconds
        :returns: the batch, or None when nothing is due; and what turned out unreadable
        """
        if not self._connected:
            return None, []
        account = self.accounts.next(now)
        if account is not None:
            return account, []
        heads: dict[str, tuple[Lane, int, int]] = {}
        for stream, lanes in self._by_stream(now).items():
            head = self._head(lanes)
            if head is not None:
                heads[stream] = head
        chosen = self._turns.pick(heads)
        if chosen is None:
            return None, []
        lane, first, stop = heads[str(chosen)]
        return self._read(lane, first, stop, wire_bytes)

    def damaged(self) -> list[Departure]:
        """
        Take note of what turned out damaged, wherever that was.

        :returns: what has left the spool
        """
        damaged = self._spool.take_damaged()
        for lane, _ in damaged:
            self.accounts.gap_opened(lane)
        return [
            Departure(lane=lane, samples=samples, reason=Drop.DAMAGED) for lane, samples in damaged
        ]

    def _read(
        self, lane: Lane, first: int, stop: int, wire_bytes: int
    ) -> tuple[Stocked | None, list[Departure]]:
        raw = min(_MOST_RAW_BYTES, _RAW_PER_WIRE * wire_bytes)
        if lane.policy.backlog_order is BacklogOrder.NEWEST_FIRST:
            found = self._read_down(lane, first, stop - 1, raw)
        else:
            found = self._spool.read(lane, first, raw, BATCH_SAMPLES)
        found = [entry for entry in found if entry.sequence < stop]
        departures = self.damaged()
        if not found:
            return None, departures
        first, last = min(first, found[0].sequence), found[-1].sequence
        number = batch_number()
        section = Section(
            route=lane.route,
            descriptor=lane.descriptor,
            sequences=[entry.sequence for entry in found],
            samples=[entry.sample for entry in found],
            totals=None,
        )
        batch = Batch(
            boot=lane.boot,
            number=number,
            sent_time_ns=max(0, self._wall_ns()),
            sections=(section,),
        )
        try:
            payload = encode_batch(batch, {lane.route: self._encoder})
        except ValueError:  # more than any receiver takes: it would stand in the way for ever
            return None, [*departures, *self._refused(lane, first, last)]
        self._turns.charge(
            lane.descriptor.stream, len(payload), CLASS_WEIGHT[lane.policy.priority]
        )
        self._standing.of(lane).away.add(first, last)
        key = _Samples(lane=lane, first=first, last=last)
        return Stocked(key=key, boot=lane.boot, number=number, payload=payload), departures

    def _read_down(self, lane: Lane, first: int, last: int, max_bytes: int) -> list[Queued]:
        """Read the row that lies here, and rows before it as far as they go on."""
        progress, size = self._standing.of(lane), 0
        found: list[Queued] = []
        while size < max_bytes and len(found) < BATCH_SAMPLES:
            # In place of a damaged row comes the one behind it, which was read before.
            row = [e for e in self._spool.read(lane, first, 1, 1) if e.sequence <= last]
            found[:0] = row
            size += sum(len(entry.sample.cdr) for entry in row)
            before = self._spool.peek(lane, 0, first, True)
            if before is None or busy_range(progress, before[0], before[1]):
                break
            first, last, _ = before
        return found

    def _by_stream(self, now: float) -> dict[str, list[Lane]]:
        found: dict[str, list[Lane]] = {}
        for lane in self._spool.lanes.values():
            if not lane.samples or not self._standing.due(lane, now):
                continue
            found.setdefault(lane.descriptor.stream, []).append(lane)
        return dict(sorted(found.items(), key=lambda item: item[1][0].policy.priority))

    def _head(self, lanes: list[Lane]) -> tuple[Lane, int, int] | None:
        """Find the row that goes first; returns its lane, its first number, and where to stop."""
        newest_first = lanes[0].policy.backlog_order is BacklogOrder.NEWEST_FIRST

        def age(lane: Lane) -> tuple[bool, float, int]:
            # What an earlier boot left is older than anything of this one.
            return not lane.closed, lane.oldest_s or 0.0, lane.key

        for lane in sorted(lanes, key=age, reverse=newest_first):
            row = self._free_row(lane, newest_first)
            if row is not None:
                return lane, *row
        return None

    def _free_row(self, lane: Lane, newest_first: bool) -> tuple[int, int] | None:
        progress = self._standing.of(lane)
        low, high = 0, lane.live_from
        while low < high:
            row = self._spool.peek(lane, low, high, newest_first)
            if row is None:
                return None
            first, last, _ = row
            busy = busy_range(progress, first, last)
            if busy is None:
                stop = self._stop(progress, first, lane.live_from)
                # Its ends are free, yet all that is left of it may wait for an answer.
                if stop > last or self._spool.left(lane, first, stop - 1):
                    return first, stop
                busy = first, last
            if newest_first:
                high = min(first, busy[0])
            else:
                low = max(last, busy[1]) + 1
        return None

    @staticmethod
    def _stop(progress: Progress, first: int, live_from: int) -> int:
        starts = [low for ranges in (progress.away, progress.sent) for low, _ in ranges]
        return min([low for low in starts if low > first] + [live_from])
