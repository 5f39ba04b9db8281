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

from collections import deque
from collections.abc import Mapping
import math
from typing import Any

from ros_cloud_bridge.cloud.backlogs import spool_view
from ros_cloud_bridge.cloud.boot_figures import BootFigures
from ros_cloud_bridge.cloud.captures import Captures, is_capture
from ros_cloud_bridge.cloud.clock_offset import ClockOffset
from ros_cloud_bridge.cloud.health import read_health, RouteFigures
from ros_cloud_bridge.cloud.presence import RobotState
from ros_cloud_bridge.cloud.robot_view import RobotView, RouteView, StreamView
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.cloud.traffic import Traffic
from ros_cloud_bridge.cloud.troubles import find_troubles

_MAX_ROBOTS = 4096
_MAX_STREAMS = 1024
# A robot whose boots take turns has two bridges; their ids are remembered so long.
_MAX_BOOTS = 8
_TURNS_S = 600.0
_CLOCK_WINDOW_S = 60.0


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
            boot = robot.boot_of_sample(sample.boot_id, now)
            # What stood at the broker tells nothing of the link either.
            if boot is not None and not sample.latched:
                traffic = boot.traffic(sample, robot.since_s, self._window_s)
        if traffic is not None:
            age_s = (wall_ns - sample.receive_time_ns) / 1e9
            traffic.add(age_s, len(sample.cdr), now)
        if is_capture(sample):
            robot.captures.add(sample, wall_ns, now)
        if not (sample.historical or sample.latched):
            robot.clock.add(sample.boot_id, sample.sent_time_ns, wall_ns, now)

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
                robot.tell_boot(state.boot_id, now)

    def add_health(
        self, robot_id: str, document: Mapping[str, Any], now: float, wall_ns: int
    ) -> None:
        """
        Take in figures.

        :param robot_id: the robot whose MQTT topic they stood on
        :param document: any JSON object
        :param now: monotonic seconds
        :param wall_ns: nanoseconds since the Unix epoch
        """
        health = read_health(document)
        robot = self._robot(robot_id, now)
        if robot is not None and health.boot_id:
            robot.tell_boot(health.boot_id, now).add_health(health, now)
            if health.time_ns is not None:
                robot.clock.add(health.boot_id, health.time_ns, wall_ns, now)

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
        self.captures = Captures()
        self.clock = ClockOffset(_CLOCK_WINDOW_S)
        self._robot_id = robot_id
        self._boot: BootFigures | None = None
        # When each earlier boot was there last, and when one of them came back.
        self._left_s: dict[str, float] = {}
        self._came_back_s: deque[float] = deque(maxlen=2)
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

    def tell_boot(self, boot_id: str, now: float) -> BootFigures:
        """Give the figures of the boot that the robot itself has named; a new one starts anew."""
        self._told = True
        return self._switch(boot_id, now)

    def boot_of_sample(self, boot_id: str, now: float) -> BootFigures | None:
        # What a robot says of itself counts more than samples, which may come late.
        if self._told and self._boot is not None and self._boot.boot_id != boot_id:
            return None
        return self._switch(boot_id, now)

    def _switch(self, boot_id: str, now: float) -> BootFigures:
        if self._boot is None or self._boot.boot_id != boot_id:
            if self._boot is not None:
                self._restarts += 1
                self._left_s[self._boot.boot_id] = now
                if self._left_s.pop(boot_id, -math.inf) > now - _TURNS_S:
                    self._came_back_s.append(now)
                if len(self._left_s) > _MAX_BOOTS:
                    del self._left_s[next(iter(self._left_s))]
            self._boot = BootFigures(boot_id)
        return self._boot

    def _doubled(self, now: float) -> bool:
        # Once may be a document that came late.
        came = self._came_back_s
        return len(came) == 2 and came[0] > now - _TURNS_S

    def view(self, now: float) -> RobotView:
        boot = self._boot or BootFigures('')
        health, state = boot.health, self.state
        streams = _streams(boot, now)
        age_s = None if boot.health_s is None else now - boot.health_s
        online = None if state is None else state.online
        offset_ns = self.clock.offset_ns
        clock_offset_s = None if offset_ns is None else offset_ns / 1e9
        captures = self.captures.shown(now)
        troubles = find_troubles(
            boot,
            streams=streams,
            state=state,
            told_s=self.state_s,
            doubled=self._doubled(now),
            captures=captures,
            clock_offset_s=clock_offset_s,
            now=now,
        )
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
            captures=captures,
            clock_offset_s=clock_offset_s,
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
        silence=boot.silence(number),
    )
