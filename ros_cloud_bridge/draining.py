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

No thread and no clock of its own: whoever owns the spool (:mod:`ros_cloud_bridge.spooling`) tells
it the time and what happened.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
import os

from ros_cloud_bridge.core.fair import FairShare
from ros_cloud_bridge.core.outbox import BATCH_SAMPLES
from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.store.lanes import Lane, NEVER
from ros_cloud_bridge.store.spool import Spool
from ros_cloud_bridge.uplink.backlog import Outcome, Stocked
from ros_cloud_bridge.uplink.schedule import CLASS_WEIGHT
from ros_cloud_bridge.values import BacklogOrder, Confirm, Drop
from ros_cloud_bridge.wire.account import Account, encode_account, Gap, RouteAccount
from ros_cloud_bridge.wire.batch import Batch, encode_batch, Section
from ros_cloud_bridge.wire.codecs import BlockEncoder
from ros_cloud_bridge.wire.confirm import Confirmation

# A consumer says that it is there at least every 20 s.
_PRESENT_S = 60.0
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 60.0
_FIRST_RESEND_S, _LAST_RESEND_S = 30.0, 600.0
# Rows shrink on the wire; batches hold about this much more than was asked for.
_RAW_PER_WIRE = 4
_MOST_RAW_BYTES = 1024 * 1024
_MOST_GAPS = 512
_MOST_ROUTES = 64
_NUMBER_BYTES = 7


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accounts:
    """A stocked account: of which lanes, and which of their gaps it tells."""

    told: tuple[tuple[Lane, tuple[Gap, ...]], ...]


@dataclass(slots=True)
class _Progress:
    """
    How far the sending of a lane has come.

    ``away`` are the numbers on their way as backlog, ``sent`` those that wait for their consumer.
    ``accounting`` while an account is on its way, ``accounted`` once everything is told; gaps are
    told up to ``told_to``.
    """

    away: Ranges = field(default_factory=Ranges)
    sent: Ranges = field(default_factory=Ranges)
    resend_at: float = NEVER
    resend_s: float = _FIRST_RESEND_S
    accounting: bool = False
    accounted: bool = False
    told_to: int = -1


@dataclass(slots=True)
class _Retry:
    at: float = 0.0
    delay_s: float = _FIRST_RETRY_S


@dataclass(slots=True)
class _Consumer:
    instance: bytes
    heard_at: float


class BacklogReader:
    """
    Reads batches out of a spool in the order that their streams ask for.

    :param spool: the spool
    :param wall_ns: gives nanoseconds since the Unix epoch
    """

    def __init__(self, spool: Spool, wall_ns: Callable[[], int]) -> None:
        self._spool = spool
        self._wall_ns = wall_ns
        self._progress: dict[tuple[bytes, int], _Progress] = {}
        self._retries: dict[str, _Retry] = {}
        self._consumers: dict[str, _Consumer] = {}
        self._turns = FairShare()
        self._encoder = BlockEncoder()
        self._opened: set[Lane] = set()
        self._connected = False

    def connected(self) -> None:
        """Begin with a new connection: nobody knows what the broker still had."""
        self._connected = True
        self._consumers.clear()
        self._retries.clear()
        for progress in self._progress.values():
            progress.sent.clear()
            progress.away.clear()
            progress.accounting = progress.accounted = False
            progress.told_to = -1

    def disconnected(self) -> None:
        """Read nothing until the next connection."""
        self._connected = False

    def awaited(self, stream: str) -> int:
        """
        Count what was sent and is not confirmed yet.

        :param stream: its name
        :returns: numbers of samples
        """
        return sum(
            self._of(lane).sent.total
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
        known = self._consumers.get(consumer)
        own = [lane for lane in self._spool.lanes.values() if _addressee(lane) == consumer]
        if known is None or known.instance != confirmation.instance:
            # What it had received and not confirmed is gone with the process that had it.
            for lane in own:
                self._send_again(lane)
        self._consumers[consumer] = _Consumer(confirmation.instance, now)
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
        progress = self._of(lane)
        confirmed = Ranges(ranges)
        samples = sum(self._spool.settle(lane, first, last, None) for first, last in confirmed)
        for first, last in confirmed:
            progress.sent.remove(first, last)
        if samples:
            progress.resend_s = _FIRST_RESEND_S
            progress.resend_at = now + _FIRST_RESEND_S
            yield Departure(lane=lane, samples=samples, reason=None)
        known = [gap for gap in self._spool.gaps(lane) if _covers(confirmed, gap)]
        if known:
            self._spool.gaps_told(lane, known)
        self._forget(lane)

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
            self._retries.pop(lane.descriptor.stream, None)
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
        if isinstance(key, _Accounts):
            self._told(key, outcome, now)
            return
        assert isinstance(key, _Samples)
        lane = key.lane
        self._of(lane).away.remove(key.first, key.last)
        if outcome is Outcome.ACCEPTED:
            self._retries.pop(lane.descriptor.stream, None)
            yield from self._accepted(lane, key.first, key.last, now)
        elif outcome is Outcome.REFUSED:
            yield from self._refused(lane, key.first, key.last)
        elif outcome is Outcome.LATER:
            self._put_off(lane, now)

    def _accepted(self, lane: Lane, first: int, last: int, now: float) -> Iterator[Departure]:
        if lane.policy.confirm is Confirm.BROKER:
            samples = self._spool.settle(lane, first, last, None)
            if samples:
                yield Departure(lane=lane, samples=samples, reason=None)
            self._forget(lane)
            return
        progress = self._of(lane)
        if not progress.sent:
            progress.resend_at = now + progress.resend_s
        progress.sent.add(first, last)

    def _refused(self, lane: Lane, first: int, last: int) -> Iterator[Departure]:
        samples = self._spool.settle(lane, first, last, Drop.REFUSED)
        if samples:
            self.gap_opened(lane)
            yield Departure(lane=lane, samples=samples, reason=Drop.REFUSED)

    def _put_off(self, lane: Lane, now: float) -> None:
        retry = self._retries.setdefault(lane.descriptor.stream, _Retry())
        if retry.at <= now:
            retry.at = now + retry.delay_s
            retry.delay_s = min(_LAST_RETRY_S, 2 * retry.delay_s)

    def next(self, wire_bytes: int, now: float) -> tuple[Stocked | None, list[Departure]]:
        """
        Read the next batch.

        :param wire_bytes: about how large it should be on the wire
        :param now: monotonic seconds
        :returns: the batch, or None when nothing is due; and what turned out unreadable
        """
        if not self._connected:
            return None, []
        account = self._account(now)
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

    def _read(
        self, lane: Lane, first: int, stop: int, wire_bytes: int
    ) -> tuple[Stocked | None, list[Departure]]:
        before = lane.samples
        raw = min(_MOST_RAW_BYTES, _RAW_PER_WIRE * wire_bytes)
        if lane.policy.backlog_order is BacklogOrder.NEWEST_FIRST:
            found = self._read_down(lane, first, raw)
        else:
            found = self._spool.read(lane, first, raw, BATCH_SAMPLES)
        found = [entry for entry in found if entry.sequence < stop]
        departures: list[Departure] = []
        if lane.samples < before:
            gone = before - lane.samples
            departures.append(Departure(lane=lane, samples=gone, reason=Drop.DAMAGED))
            self.gap_opened(lane)
        if not found:
            return None, departures
        first, last = min(first, found[0].sequence), found[-1].sequence
        number = _number()
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
        self._of(lane).away.add(first, last)
        key = _Samples(lane=lane, first=first, last=last)
        return Stocked(key=key, boot=lane.boot, number=number, payload=payload), departures

    def _read_down(self, lane: Lane, first: int, max_bytes: int) -> list[Queued]:
        """Read the row that begins here, and rows before it as far as they go on."""
        progress, size = self._of(lane), 0
        found: list[Queued] = []
        while size < max_bytes and len(found) < BATCH_SAMPLES:
            row = self._spool.read(lane, first, 1, 1)
            found[:0] = row
            size += sum(len(entry.sample.cdr) for entry in row)
            before = self._spool.peek(lane, 0, first, True)
            if before is None or _busy(progress, before[0], before[1]):
                break
            first = before[0]
        return found

    def _by_stream(self, now: float) -> dict[str, list[Lane]]:
        found: dict[str, list[Lane]] = {}
        for lane in self._spool.lanes.values():
            if not lane.samples or not self._due(lane, now):
                continue
            found.setdefault(lane.descriptor.stream, []).append(lane)
        return dict(sorted(found.items(), key=lambda item: item[1][0].policy.priority))

    def _due(self, lane: Lane, now: float) -> bool:
        retry = self._retries.get(lane.descriptor.stream)
        if retry is not None and retry.at > now:
            return False
        consumer = _addressee(lane)
        if consumer is None:
            return True
        if not self._present(consumer, now):
            return False
        progress = self._of(lane)
        if progress.sent and progress.resend_at <= now:
            progress.sent.clear()
            progress.resend_s = min(_LAST_RESEND_S, 2 * progress.resend_s)
        return True

    def _present(self, consumer: str, now: float) -> bool:
        known = self._consumers.get(consumer)
        return known is not None and now - known.heard_at <= _PRESENT_S

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
        progress = self._of(lane)
        low, high = 0, lane.live_from
        while low < high:
            row = self._spool.peek(lane, low, high, newest_first)
            if row is None:
                return None
            first, last, _ = row
            busy = _busy(progress, first, last)
            if busy is None:
                return first, self._stop(progress, first, lane.live_from)
            if newest_first:
                high = min(first, busy[0])
            else:
                low = max(last, busy[1]) + 1
        return None

    @staticmethod
    def _stop(progress: _Progress, first: int, live_from: int) -> int:
        starts = [low for ranges in (progress.away, progress.sent) for low, _ in ranges]
        return min([low for low in starts if low > first] + [live_from])

    def _account(self, now: float) -> Stocked | None:
        told: list[tuple[Lane, tuple[Gap, ...]]] = []
        left = _MOST_GAPS
        for lane in self._spool.lanes.values():
            progress = self._of(lane)
            if progress.accounting or progress.accounted or not self._due(lane, now):
                continue
            if told and lane.boot != told[0][0].boot:
                continue
            untold = [gap for gap in self._spool.gaps(lane) if gap.last > progress.told_to]
            gaps = tuple(untold[:left])
            if not gaps and not lane.closed:
                progress.accounted = True
                continue
            told.append((lane, gaps))
            left -= len(gaps)
            if left <= 0 or len(told) >= _MOST_ROUTES:
                break
        if not told:
            return None
        for lane, _ in told:
            self._of(lane).accounting = True
        number, boot = _number(), told[0][0].boot
        account = Account(
            boot=boot,
            number=number,
            routes=tuple(
                RouteAccount(
                    route=lane.route,
                    descriptor=lane.descriptor,
                    committed=lane.committed,
                    closed=lane.closed,
                    gaps=gaps,
                )
                for lane, gaps in told
            ),
        )
        key = _Accounts(told=tuple(told))
        return Stocked(key=key, boot=boot, number=number, payload=encode_account(account))

    def _told(self, key: _Accounts, outcome: Outcome, now: float) -> None:
        for lane, gaps in key.told:
            progress = self._of(lane)
            progress.accounting = False
            if outcome is Outcome.ACCEPTED:
                progress.told_to = gaps[-1].last if gaps else progress.told_to
                if lane.policy.confirm is Confirm.BROKER and gaps:
                    self._spool.gaps_told(lane, gaps)
                # A closed lane whose gaps did not fit goes round once more, with the rest.
                progress.accounted = all(
                    gap.last <= progress.told_to for gap in self._spool.gaps(lane)
                )
                self._forget(lane)
            elif outcome is not Outcome.LOST:
                self._put_off(lane, now)

    def gap_opened(self, lane: Lane) -> None:
        """
        Tell consumers of a lane's gaps, once the new one is on disk.

        :param lane: has a new one
        """
        self._opened.add(lane)

    def written(self) -> None:
        """Learn that everything up to now is on disk: the gaps, too."""
        for lane in self._opened:
            progress = self._of(lane)
            progress.accounted, progress.told_to = False, -1
        self._opened.clear()

    def _forget(self, lane: Lane) -> None:
        """Let go of a lane of an earlier boot that has reached its end, once that was told."""
        progress = self._of(lane)
        if lane.closed and not lane.samples and progress.accounted and not self._spool.gaps(lane):
            self._spool.forget(lane)
            self._progress.pop((lane.boot, lane.route), None)

    def _send_again(self, lane: Lane) -> None:
        progress = self._of(lane)
        progress.sent.clear()
        progress.accounted, progress.told_to = False, -1

    def _of(self, lane: Lane) -> _Progress:
        return self._progress.setdefault((lane.boot, lane.route), _Progress())


def _addressee(lane: Lane) -> str | None:
    return lane.policy.confirm_by if lane.policy.confirm is Confirm.CONSUMER else None


def _busy(progress: _Progress, first: int, last: int) -> tuple[int, int] | None:
    """Find what of a row is on its way or waits for its consumer; a part of it is enough."""
    for ranges in (progress.away, progress.sent):
        found = ranges.at(first) or ranges.at(last)
        if found is not None:
            return found
    return None


def _covers(ranges: Ranges, gap: Gap) -> bool:
    return ranges.count(gap.first, gap.last) == gap.last - gap.first + 1


def _number() -> int:
    # No two encodings share a number, not even those of another process for the same boot.
    return int.from_bytes(os.urandom(_NUMBER_BYTES), 'big') | 1 << (8 * _NUMBER_BYTES)
