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

"""Telling consumers how far lanes are committed and what of them will never come."""

from collections.abc import Iterable
from dataclasses import dataclass
import os

from ros_cloud_bridge.durable.standing import Standing
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.store.lanes import Lane
from ros_cloud_bridge.store.spool import Spool
from ros_cloud_bridge.uplink.backlog import Outcome, Stocked
from ros_cloud_bridge.values import Confirm
from ros_cloud_bridge.wire.account import Account, encode_account, Gap, RouteAccount

_MOST_GAPS = 512
_MOST_ROUTES = 64
_NUMBER_BYTES = 7
_OPEN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A stocked account: of which lanes, and which of their gaps it tells."""

    told: tuple[tuple[Lane, tuple[Gap, ...]], ...]


class Accounts:
    """
    Makes the accounts of a spool's lanes, each as often as needed.

    :param spool: the spool
    :param standing: of its lanes
    """

    def __init__(self, spool: Spool, standing: Standing) -> None:
        self._spool = spool
        self._standing = standing
        self._opened: set[Lane] = set()
        self._open_at = 0.0

    def look(self, now: float) -> None:
        """
        Tell once a minute how far lanes have come, so that consumers know what they have not got.

        :param now: monotonic seconds
        """
        if now < self._open_at:
            return
        self._open_at = now + _OPEN_S
        for lane in self._spool.lanes.values():
            progress = self._standing.of(lane)
            if lane.committed > progress.committed_told:
                progress.tell_committed, progress.accounted = True, False

    def confirmed(self, lane: Lane, ranges: Iterable[tuple[int, int]]) -> None:
        """
        Take in what a consumer has kept, samples and gaps alike.

        :param lane: the lane
        :param ranges: first and last sequence numbers
        """
        held = Ranges(ranges)
        known = [
            gap
            for gap in self._spool.gaps(lane)
            if held.count(gap.first, gap.last) == gap.last - gap.first + 1
        ]
        if known:
            self._spool.gaps_told(lane, known)
            # So many as it shows at a time were told; now it shows others.
            progress = self._standing.of(lane)
            if any(gap.last > progress.told_to for gap in self._spool.gaps(lane)):
                progress.accounted = False
        self.forget(lane)

    def next(self, now: float) -> Stocked | None:
        """
        Make the next account.

        :param now: monotonic seconds
        :returns: lanes of one boot, or None when everything is told
        """
        told: list[tuple[Lane, tuple[Gap, ...]]] = []
        left = _MOST_GAPS
        for lane in self._spool.lanes.values():
            progress = self._standing.of(lane)
            if progress.accounting or progress.accounted or not self._standing.due(lane, now):
                continue
            if told and lane.boot != told[0][0].boot:
                continue
            untold = [gap for gap in self._spool.gaps(lane) if gap.last > progress.told_to]
            gaps = tuple(untold[:left])
            if not gaps and not lane.closed and not progress.tell_committed:
                progress.accounted = True
                continue
            told.append((lane, gaps))
            left -= len(gaps)
            if left <= 0 or len(told) >= _MOST_ROUTES:
                break
        if not told:
            return None
        for lane, _ in told:
            progress = self._standing.of(lane)
            progress.accounting, progress.stale = True, False
            progress.committed_told, progress.tell_committed = lane.committed, False
        number, boot = batch_number(), told[0][0].boot
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
        key = Told(told=tuple(told))
        return Stocked(key=key, boot=boot, number=number, payload=encode_account(account))

    def outcome(self, key: Told, outcome: Outcome, now: float) -> None:
        """
        Take in what became of an account.

        :param key: the account's
        :param outcome: what became of it
        :param now: monotonic seconds
        """
        for lane, gaps in key.told:
            progress = self._standing.of(lane)
            progress.accounting = False
            if outcome is Outcome.ACCEPTED:
                if lane.policy.confirm is Confirm.BROKER and gaps:
                    self._spool.gaps_told(lane, gaps)
                # A closed lane whose gaps did not fit goes round once more, with the rest.
                to = gaps[-1].last if gaps else progress.told_to
                progress.told(to, all(gap.last <= to for gap in self._spool.gaps(lane)))
                self.forget(lane)
                continue
            # Not told yet how far it is, which the next look finds.
            progress.committed_told = 0
            if outcome is not Outcome.LOST:
                self._standing.put_off(lane.descriptor.stream, now)

    def gap_opened(self, lane: Lane) -> None:
        """
        Tell consumers of a lane's gaps, once the new one is on disk.

        :param lane: has a new one
        """
        self._opened.add(lane)

    def written(self) -> None:
        """Learn that everything up to now is on disk: the gaps, too."""
        for lane in self._opened:
            self._standing.of(lane).tell_again()
        self._opened.clear()

    def forget(self, lane: Lane) -> None:
        """
        Let go of a lane of an earlier boot that has reached its end, once that was told.

        :param lane: the lane
        """
        progress = self._standing.of(lane)
        if lane.closed and not lane.samples and progress.accounted and not self._spool.gaps(lane):
            self._spool.forget(lane)
            self._standing.forget(lane)


def batch_number() -> int:
    """
    Draw a number for a batch or an account.

    :returns: below 2**62
    """
    # No two encodings share a number, not even those of another process for the same boot.
    return int.from_bytes(os.urandom(_NUMBER_BYTES), 'big') | 1 << (8 * _NUMBER_BYTES)
