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

"""What a route lost: what the robot says, what the decoder sees, and what nobody explains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ros_cloud_bridge.cloud.intervals import IntervalSet
from ros_cloud_bridge.values import Drop

_NAMES = {int(reason): reason.name.lower() for reason in Drop}
_MAX_REASONS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLosses:
    """
    Losses of one route since its bridge started.

    ``reported`` counts what the robot says it dropped, by reason. ``missing`` are sequence numbers
    between the first and the last sample that came in live which did not; ``unexplained`` are
    those of them that no reported drop accounts for (a batch on its way, or lost behind the
    bridge).

    A ``durable`` route proves more: the robot says up to which number it has ``committed`` (None
    while it has not said so) and, by range, which of them will never come. ``outstanding`` are
    those up to it that have neither come nor been told of as a gap; at 0 the route is
    ``complete``. ``closed`` says that the boot is over, so that it will stay so. Its ``missing``
    are the numbers told as gaps that have not come, and its ``unexplained``: those without either
    between the first that came and the last, or ``committed``.
    """

    robot_id: str
    boot_id: str
    route: int
    stream: str
    topic: str
    received: int
    duplicates: int
    reported: Mapping[str, int]
    missing: int
    unexplained: int
    durable: bool = False
    committed: int | None = None
    closed: bool = False
    complete: bool = False
    outstanding: int = 0


class RouteTracker:
    """
    Sequence numbers and reported drops of one route of one boot.

    What is missing is counted between the first and the last sample that came in live, so that a
    latched sample from long before opens no gap. What the robot had dropped before that first
    sample is the baseline: later reports explain only what they say beyond it.
    """

    def __init__(self) -> None:
        self._seen = IntervalSet()
        self._first: int | None = None
        self._last = 0
        self._present = 0
        self._baseline: int | None = None
        self._totals: dict[int, int] = {}
        self._health: dict[str, int] = {}
        self.received = 0
        self.duplicates = 0

    def take(
        self, sequences: Sequence[int], totals: Mapping[int, int] | None, latched: bool
    ) -> list[bool]:
        """
        Note a section.

        :param sequences: its sequence numbers, rising
        :param totals: its drops, cumulative since boot, or None
        :param latched: whether its samples may be from any time before
        :returns: for each sample whether it is new
        """
        first, last, missing = self._first, self._last, self._missing()
        fresh = [self._accept(sequence, latched) for sequence in sequences]
        self._hear_totals(totals or {})
        if self._first is None:
            return fresh
        revealed = self._missing() - missing
        opened = first is None or self._first < first
        if totals is not None and opened:
            # A section leaves out what was dropped between its samples and nothing else; all
            # other drops that it reports lie before it.
            inside = sequences[-1] - sequences[0] + 1 - len(sequences)
            self._baseline = max(0, _sequenced(totals) - inside)
        elif totals is not None and self._baseline is None and self._last > last:
            self._baseline = max(0, _sequenced(totals) - max(0, revealed))
        elif opened and self._baseline is not None:
            self._baseline = max(0, self._baseline - max(0, revealed))
        return fresh

    def _hear_totals(self, totals: Mapping[int, int]) -> None:
        for reason, count in totals.items():
            if reason in self._totals or len(self._totals) < _MAX_REASONS:
                self._totals[reason] = max(count, self._totals.get(reason, 0))

    def _accept(self, sequence: int, latched: bool) -> bool:
        new = self._seen.add(sequence)
        if self._first is None:
            if not latched:
                self._first = self._last = sequence
                self._present = 1
        elif sequence > self._last:
            self._present += self._seen.count(self._last + 1, sequence)
            self._last = sequence
        elif sequence >= self._first:
            self._present += new
        elif not latched:
            self._present += self._seen.count(sequence, self._first - 1)
            self._first = sequence
        self.received += new
        self.duplicates += not new
        return new

    def _missing(self) -> int:
        return 0 if self._first is None else self._last - self._first + 1 - self._present

    def reported(self) -> dict[str, int]:
        """
        Name what the robot reported.

        :returns: count by reason; reasons of later versions appear by number
        """
        reported = {reason_name(reason): count for reason, count in self._totals.items()}
        for name, count in self._health.items():
            reported[name] = max(count, reported.get(name, 0))
        return reported

    def hear(self, dropped: Mapping[str, int]) -> None:
        """
        Note what ``health`` says, which also tells of drops that no later sample reports.

        :param dropped: count by reason, cumulative since boot
        """
        self._health = dict(dropped)

    def known(self) -> list[tuple[int, int]]:
        """
        Give the numbers that have surely come.

        :returns: ranges
        """
        ranges = list(self._seen.ranges)
        # Beyond its bound the lowest range has swallowed gaps.
        return ranges[1:] if self._seen.closed else ranges

    def missing(self) -> tuple[int, int]:
        """
        Count the gaps.

        :returns: missing sequence numbers, and those that no report explains
        """
        missing = self._missing()
        if self._baseline is None:
            return missing, missing
        return missing, max(0, missing - (_sequenced(self._totals) - self._baseline))


def reason_name(reason: int) -> str:
    """
    Name a reason.

    :param reason: its number
    :returns: its name; one of a later version is named by number
    """
    return _NAMES.get(reason, f'reason_{reason}')


def _sequenced(totals: Mapping[int, int]) -> int:
    return sum(count for reason, count in totals.items() if reason >= Drop.SUPERSEDED)
