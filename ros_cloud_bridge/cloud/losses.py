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

from collections.abc import Mapping
from dataclasses import dataclass

from ros_cloud_bridge.cloud.intervals import IntervalSet
from ros_cloud_bridge.values import Drop


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLosses:
    """
    Losses of one route since its bridge started.

    ``reported`` counts what the robot says it dropped, by reason. ``missing`` are sequence numbers
    between the first and the last sample that came in which did not; ``unexplained`` are those of
    them that no reported drop accounts for (a batch on its way, or lost behind the bridge).
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


class RouteTracker:
    """Sequence numbers and reported drops of one route of one boot."""

    def __init__(self) -> None:
        self._seen = IntervalSet()
        self._first: int | None = None
        self._baseline: int | None = None
        self._totals: dict[int, int] = {}
        self.received = 0
        self.duplicates = 0

    def accept(self, sequence: int) -> bool:
        """
        Note a sample.

        :param sequence: its sequence number
        :returns: whether it is new
        """
        if not self._seen.add(sequence):
            self.duplicates += 1
            return False
        if self._first is None or sequence < self._first:
            self._first = sequence
        self.received += 1
        return True

    def report(self, totals: Mapping[int, int]) -> None:
        """
        Note what the robot says it dropped.

        :param totals: cumulative since boot; older reports than the last one change nothing
        """
        for reason, count in totals.items():
            self._totals[reason] = max(count, self._totals.get(reason, 0))
        if self._baseline is None:
            self._baseline = self._sequenced()

    def _sequenced(self) -> int:
        return sum(count for reason, count in self._totals.items() if reason >= Drop.SUPERSEDED)

    def reported(self) -> dict[str, int]:
        """
        Name what the robot reported.

        :returns: count by reason; reasons of later versions appear by number
        """
        names = {int(reason): reason.name.lower() for reason in Drop}
        return {
            names.get(reason, f'reason_{reason}'): count for reason, count in self._totals.items()
        }

    def missing(self) -> tuple[int, int]:
        """
        Count the gaps.

        :returns: missing sequence numbers, and those that no report explains
        """
        if self._first is None or self._seen.last is None:
            return 0, 0
        missing = self._seen.last - self._first + 1 - self.received
        explained = self._sequenced() - (self._baseline or 0)
        return missing, max(0, missing - explained)
