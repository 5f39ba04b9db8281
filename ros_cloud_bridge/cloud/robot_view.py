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

"""What is known of a robot, as ``top`` shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ros_cloud_bridge.cloud.backlogs import SpoolView
from ros_cloud_bridge.cloud.boot_figures import Silence
from ros_cloud_bridge.cloud.captures import Capture
from ros_cloud_bridge.cloud.health import Commands, Lease, Link
from ros_cloud_bridge.cloud.traffic import Rates
from ros_cloud_bridge.values import Drop

AFTER_ACCEPTANCE = frozenset(reason.name.lower() for reason in Drop if reason.sequenced)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """
    One topic of a stream.

    ``figures`` are those of ``health``; ``sent_bytes_per_s`` is measured between two of them, or,
    when ``estimated``, from the samples that arrive and how well the route is compressed. The
    rates of ``dropped_per_s`` are None until a second ``health`` tells. ``silence`` is there where
    the robot's bridge gets nothing any more, though it did so far.
    """

    route: int
    topic: str
    samples: int
    rates: Rates | None
    figures: Mapping[str, float]
    sent_bytes_per_s: float | None
    estimated: bool
    dropped: Mapping[str, int]
    dropped_per_s: Mapping[str, float] | None
    silence: Silence | None = None

    @property
    def clock_differs(self) -> bool:
        """Whether samples seem to come from the future, so that their ages say nothing."""
        return self.ahead_s > 0.0

    @property
    def ahead_s(self) -> float:
        """By how much the robot's clock is at least ahead of ours, seconds."""
        lowest = self.rates.lowest_age_s if self.rates is not None else None
        return max(0.0, -lowest) if lowest is not None else 0.0

    @property
    def failed(self) -> int:
        """On how many samples its reducer failed since boot; they went out as they were."""
        return int(self.figures.get('reducer_failed', 0.0))

    @property
    def losing(self) -> bool:
        """Whether samples were lately dropped after they had been accepted."""
        rates = self.dropped_per_s or {}
        return any(rates.get(reason, 0.0) > 0.0 for reason in AFTER_ACCEPTANCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamView:
    """A stream, where it stands on its ladder, and its topics."""

    name: str
    priority: str
    step: int
    steps: int
    now: str
    max_hz: float | None
    demand_hz: float | None
    routes: tuple[RouteView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotView:
    """
    One robot.

    ``online`` is None when it has not said; ``since_s`` is None when that was before we came.
    ``health_age_s`` is None before the first ``health``. ``spool`` is None when nothing is known
    of one, and ``commands`` where it takes none. ``captures`` are those of its black boxes, the
    newest first. ``clock_offset_s`` is our clock less the robot's, too large by what its fastest
    message took; None until something came. ``troubles`` are in words, the worst first, and
    ``severity`` sorts robots: 0 is fine.
    """

    robot_id: str
    online: bool | None
    reason: str
    since_s: float | None
    boot_id: str
    restarts: int
    uptime_s: float | None
    health_age_s: float | None
    link: Link
    streams: tuple[StreamView, ...]
    routes_total: int | None
    leases: tuple[Lease, ...]
    refused: Mapping[str, str]
    problems: Mapping[str, str]
    spool: SpoolView | None
    commands: Commands | None
    captures: tuple[Capture, ...]
    clock_offset_s: float | None
    troubles: tuple[str, ...]
    severity: int
