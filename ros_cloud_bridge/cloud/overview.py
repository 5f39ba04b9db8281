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
What ``ros-cloud-bridge top`` shows: samples, health and presence, put together per robot.

It is fed, and told the time; it reads no clock and does no I/O. Rates and ages come from the
samples that arrive, everything else from ``health``, whose routes may come in turns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ros_cloud_bridge.cloud.backlogs import spool_troubles, spool_view, SpoolView
from ros_cloud_bridge.cloud.boot_figures import BootFigures
from ros_cloud_bridge.cloud.health import Commands, Lease, Link, read_health, RouteFigures
from ros_cloud_bridge.cloud.presence import RobotState
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.cloud.traffic import Rates, Traffic
from ros_cloud_bridge.command_values import Reason
from ros_cloud_bridge.values import Drop

_MAX_ROBOTS = 4096
# Beyond it health is called silent; it comes every ten seconds unless configured otherwise.
_SILENT_S = 45.0
_MAX_STREAMS = 1024
AFTER_ACCEPTANCE = frozenset(reason.name.lower() for reason in Drop if reason.sequenced)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """
    One topic of a stream.

    ``figures`` are those of ``health``; ``sent_bytes_per_s`` is measured between two of them, or,
    when ``estimated``, from the samples that arrive and how well the route is compressed. The
    rates of ``dropped_per_s`` are None until a second ``health`` tells.
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
    of one, and ``commands`` where it takes none. ``troubles`` are in words, the worst first, and
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
    troubles: tuple[str, ...]
    severity: int


class Overview:
    """
    Puts together what is known of each robot.

    :param window_s: how many last seconds rates and ages are about
    """

    def __init__(self, window_s: float = 10.0) -> None:
        self._window_s = window_s
        self._robots: dict[str, _Robot] = {}

    def add_sample(self, sample: Sample, now: float, wall_ns: int) -> None:
        """
        Take in a sample.

        :param sample: as the decoder gave it
        :param now: monotonic seconds
        :param wall_ns: nanoseconds since the Unix epoch
        """
        robot = self._robot(sample.robot_id, now)
        if robot is None:
            return
        traffic: Traffic | None = None
        if sample.historical:
            # It may be of an earlier boot, and tells nothing of the present one's link.
            traffic = robot.backlog(sample.stream, self._window_s)
        else:
            boot = robot.boot_of_sample(sample.boot_id)
            # What stood at the broker tells nothing of the link either.
            if boot is not None and not sample.latched:
                traffic = boot.traffic(sample, robot.since_s, self._window_s)
        if traffic is not None:
            age_s = (wall_ns - sample.receive_time_ns) / 1e9
            traffic.add(age_s, len(sample.cdr), now)

    def add_state(self, state: RobotState, now: float) -> None:
        """
        Take in that a robot came or went.

        :param state: what has become of it
        :param now: monotonic seconds
        """
        robot = self._robot(state.robot_id, now)
        if robot is not None:
            robot.state, robot.state_s = state, now
            if state.online:
                robot.tell_boot(state.boot_id)

    def add_health(self, robot_id: str, document: Mapping[str, Any], now: float) -> None:
        """
        Take in figures.

        :param robot_id: the robot whose MQTT topic they stood on
        :param document: any JSON object
        :param now: monotonic seconds
        """
        health = read_health(document)
        robot = self._robot(robot_id, now)
        if robot is not None and health.boot_id:
            robot.tell_boot(health.boot_id).add_health(health, now)

    def robots(self, now: float) -> list[RobotView]:
        """
        Show all robots.

        :param now: monotonic seconds
        :returns: the sickest first, then by name
        """
        views = [robot.view(now) for robot in self._robots.values()]
        return sorted(views, key=lambda view: (-view.severity, view.robot_id))

    def _robot(self, robot_id: str, now: float) -> '_Robot | None':
        if robot_id not in self._robots and len(self._robots) < _MAX_ROBOTS:
            self._robots[robot_id] = _Robot(robot_id, now)
        return self._robots.get(robot_id)


class _Robot:
    def __init__(self, robot_id: str, now: float) -> None:
        self.since_s = now
        self.state: RobotState | None = None
        self.state_s = now
        self._robot_id = robot_id
        self._boot: BootFigures | None = None
        self._told = False
        self._restarts = 0
        self._backlogs: dict[str, Traffic] = {}

    def backlog(self, stream: str, window_s: float) -> Traffic | None:
        """Give where a stream's backlog is counted, or None when there are too many streams."""
        if stream not in self._backlogs:
            if len(self._backlogs) >= _MAX_STREAMS:
                return None
            self._backlogs[stream] = Traffic(self.since_s, window_s)
        return self._backlogs[stream]

    def tell_boot(self, boot_id: str) -> BootFigures:
        """Give the figures of the boot that the robot itself has named; a new one starts anew."""
        self._told = True
        return self._switch(boot_id)

    def boot_of_sample(self, boot_id: str) -> BootFigures | None:
        # What a robot says of itself counts more than samples, which may come late.
        if self._told and self._boot is not None and self._boot.boot_id != boot_id:
            return None
        return self._switch(boot_id)

    def _switch(self, boot_id: str) -> BootFigures:
        if self._boot is None or self._boot.boot_id != boot_id:
            self._restarts += self._boot is not None
            self._boot = BootFigures(boot_id)
        return self._boot

    def view(self, now: float) -> RobotView:
        boot = self._boot or BootFigures('')
        health, state = boot.health, self.state
        streams = _streams(boot, now)
        age_s = None if boot.health_s is None else now - boot.health_s
        online = None if state is None else state.online
        troubles = _troubles(boot, streams, state, age_s)
        uptime_s = health.uptime_s
        if uptime_s is not None and age_s is not None and online is not False:
            uptime_s += age_s
        return RobotView(
            robot_id=self._robot_id,
            online=online,
            reason='' if state is None else state.reason,
            since_s=None if state is None or state.retained else now - self.state_s,
            boot_id=boot.boot_id,
            restarts=self._restarts,
            uptime_s=uptime_s,
            health_age_s=age_s,
            link=health.link,
            streams=streams,
            routes_total=health.routes_total,
            leases=health.leases,
            refused=health.refused,
            problems=health.problems,
            spool=spool_view(boot, self._backlogs, now),
            commands=health.commands,
            troubles=tuple(text for _, text in troubles),
            severity=max((severity for severity, _ in troubles), default=0),
        )


def _streams(boot: BootFigures, now: float) -> tuple[StreamView, ...]:
    told = {stream.name: stream for stream in boot.health.streams}
    routes: dict[str, list[RouteView]] = {name: [] for name in told}
    for number in boot.numbers():
        stream, topic = boot.names(number)
        routes.setdefault(stream, []).append(_route(boot, number, topic, now))
    views = []
    for name, members in routes.items():
        stand = told.get(name)
        views.append(
            StreamView(
                name=name,
                priority=stand.priority if stand else '',
                step=stand.step if stand else 0,
                steps=stand.steps if stand else 0,
                now=stand.now if stand else '',
                max_hz=stand.max_hz if stand else None,
                demand_hz=stand.demand_hz if stand else None,
                routes=tuple(sorted(members, key=lambda view: (view.topic, view.route))),
            )
        )
    return tuple(views)


def _route(boot: BootFigures, number: int, topic: str, now: float) -> RouteView:
    traffic: Traffic | None = boot.traffics.get(number)
    told: RouteFigures | None = boot.routes.get(number)
    rates = None if traffic is None else traffic.rates(now)
    figures = {} if told is None else told.figures
    sent = boot.per_s(number, 'wire_bytes', now)
    estimated = False
    if sent is None and rates is not None and figures.get('bytes_accepted'):
        sent = rates.bytes_per_s * figures.get('wire_bytes', 0.0) / figures['bytes_accepted']
        estimated = True
    return RouteView(
        route=number,
        topic=topic,
        samples=0 if traffic is None else traffic.samples,
        rates=rates,
        figures=figures,
        sent_bytes_per_s=sent,
        estimated=estimated,
        dropped={} if told is None else told.dropped,
        dropped_per_s=boot.drops_per_s(number, now),
    )


def _troubles(
    boot: BootFigures,
    streams: Sequence[StreamView],
    state: RobotState | None,
    health_age_s: float | None,
) -> list[tuple[int, str]]:
    """Name what is not as it should be, with a severity, the worst first."""
    if state is not None and not state.online:
        return [(9 if state.reason == 'connection_lost' else 1, f'offline: {state.reason}')]
    link, found = boot.health.link, []
    if health_age_s is not None and health_age_s > max(_SILENT_S, 3.0 * boot.period_s):
        found.append((8, f'no health for {health_age_s:.0f} s'))
    if link.exhausted:
        found.append((7, 'budget exhausted'))
    if state is not None and state.reason == 'deactivated':
        found.append((2, 'deactivated'))
    down = [stream.name for stream in streams if stream.step > 0]
    if down:
        found.append((6, f'stepped down: {", ".join(down)}'))
    losing = [stream.name for stream in streams if any(route.losing for route in stream.routes)]
    if losing:
        found.append((5, f'dropping: {", ".join(losing)}'))
    if link.limited_by not in ('', 'application'):
        found.append((4, f'limited by {link.limited_by}'))
    if boot.health.problems:
        found.append((3, f'topics not bridged: {len(boot.health.problems)}'))
    found += spool_troubles(boot.health.spool)
    commands = boot.health.commands
    if commands is not None and commands.connected is False:
        found.append((6, 'takes no commands: not connected'))
    if commands is not None and commands.refused.get(Reason.BAD_SIGNATURE):
        found.append((3, f'bad signatures: {commands.refused[Reason.BAD_SIGNATURE]}'))
    ahead_s = max((route.ahead_s for stream in streams for route in stream.routes), default=0.0)
    if ahead_s > 0.0:
        found.append((2, f'its clock is ahead of ours by {ahead_s:.3g} s or more'))
    return sorted(found, reverse=True)
