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

"""Where the rover goes when nobody tells it: from waypoint to waypoint, along known ways."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
import heapq
import math

import numpy as np

from ros_cloud_bridge.ros.rover.drive import Pose, STANDING, Velocity, wrap

_LOOKAHEAD_M = 0.4
_ARRIVED_M = 0.08

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The rover has reached a waypoint and will go to the next one."""

    waypoint: str
    next_waypoint: str
    way_m: float


def shortest_way(
    places: Mapping[str, Point], ways: Iterable[tuple[str, str]], start: str, goal: str
) -> list[str]:
    """
    Find the shortest way between two places (Dijkstra).

    :param places: name to point
    :param ways: pairs of places with a straight free line between them
    :param start: the first place
    :param goal: the last place
    :returns: names from start to goal
    :raises ValueError: when no way leads there
    """
    neighbours: dict[str, list[str]] = {name: [] for name in places}
    for one, other in ways:
        neighbours[one].append(other)
        neighbours[other].append(one)
    queue: list[tuple[float, str, tuple[str, ...]]] = [(0.0, start, (start,))]
    seen: set[str] = set()
    while queue:
        length, place, way = heapq.heappop(queue)
        if place == goal:
            return list(way)
        if place in seen:
            continue
        seen.add(place)
        for other in neighbours[place]:
            step = math.dist(places[place], places[other])
            heapq.heappush(queue, (length + step, other, (*way, other)))
    raise ValueError(f'no way from {start} to {goal}')


class Track:
    """
    A line of points to follow, by the carrot that runs a little ahead on it (pure pursuit).

    :param points: the corners; the rover stands near the first
    """

    def __init__(self, points: Sequence[Point]) -> None:
        lengths = [math.dist(a, b) for a, b in zip(points[:-1], points[1:], strict=True)]
        self._points = points
        self._at = [sum(lengths[:i]) for i in range(len(points))]
        self.length_m = self._at[-1]
        self._carrot_m = 0.0

    def command(self, pose: Pose, fastest: Velocity) -> Velocity:
        """
        Steer.

        :param pose: where the rover is
        :param fastest: forward speed and yaw rate to keep within
        :returns: the velocity that follows the track
        """
        while (
            self._carrot_m < self.length_m
            and math.dist(self._point(self._carrot_m), pose[:2]) < _LOOKAHEAD_M
        ):
            self._carrot_m = min(self.length_m, self._carrot_m + 0.02)
        x, y = self._point(self._carrot_m)
        away = wrap(math.atan2(y - pose.y, x - pose.x) - pose.yaw)
        turn = max(-fastest.angular, min(fastest.angular, 2.2 * away))
        speed = fastest.linear * max(0.0, 1.0 - abs(away) / 0.7)
        if self._carrot_m >= self.length_m:
            speed = min(speed, 0.05 + 0.8 * math.dist((x, y), pose[:2]))
        return Velocity(speed, turn)

    def finished(self, pose: Pose) -> bool:
        """
        Tell whether the end is reached.

        :param pose: where the rover is
        :returns: True at the last point
        """
        return (
            self._carrot_m >= self.length_m and math.dist(self._points[-1], pose[:2]) < _ARRIVED_M
        )

    def _point(self, at_m: float) -> Point:
        i = max(0, min(len(self._points) - 2, sum(at <= at_m for at in self._at) - 1))
        (ax, ay), (bx, by) = self._points[i], self._points[i + 1]
        part = (at_m - self._at[i]) / max(1e-9, self._at[i + 1] - self._at[i])
        return ax + part * (bx - ax), ay + part * (by - ay)


class Patrol:
    """
    Endless rounds over the waypoints in an order drawn anew for each round.

    :param places: name to point
    :param ways: pairs of places with a straight free line between them
    :param waypoints: the places to visit
    :param start: the place where the rover stands
    :param rng: source of the order and of how long it looks around
    """

    def __init__(
        self,
        places: Mapping[str, Point],
        ways: Sequence[tuple[str, str]],
        waypoints: Sequence[str],
        start: str,
        rng: np.random.Generator,
    ) -> None:
        self._places = places
        self._ways = ways
        self._waypoints = tuple(waypoints)
        self._rng = rng
        self._round: list[str] = []
        self._looking_s = 0.0
        self._look = 0.0
        self.goal = self._next(start)
        self._track = self._plan(start, self.goal)

    def step(self, pose: Pose, fastest: Velocity, dt: float) -> tuple[Velocity, Arrival | None]:
        """
        Decide for one step.

        :param pose: where the rover is
        :param fastest: forward speed and yaw rate to keep within
        :param dt: seconds until the next step
        :returns: the wanted velocity, and an arrival in the step in which a waypoint is reached
        """
        if self._looking_s > 0.0:
            self._looking_s -= dt
            return Velocity(0.0, self._look), None
        if not self._track.finished(pose):
            return self._track.command(pose, fastest), None
        reached, self.goal = self.goal, self._next(self.goal)
        self._track = self._plan(reached, self.goal)
        self._looking_s = float(self._rng.uniform(2.0, 5.0))
        self._look = float(self._rng.choice((-0.6, 0.6)))
        return STANDING, Arrival(
            waypoint=reached, next_waypoint=self.goal, way_m=self._track.length_m
        )

    def resume(self, pose: Pose, free: Callable[[Point, Point], bool]) -> None:
        """
        Go on to the goal from wherever the rover has been brought.

        :param pose: where it is
        :param free: tells whether the rover can drive straight from one point to another
        """
        here = (pose.x, pose.y)
        by_distance = sorted(self._places, key=lambda name: math.dist(here, self._places[name]))
        reachable = (name for name in by_distance if free(here, self._places[name]))
        start = next(reachable, by_distance[0])
        names = shortest_way(self._places, self._ways, start, self.goal)
        self._track = Track([here, *(self._places[name] for name in names)])
        self._looking_s = 0.0

    def _next(self, here: str) -> str:
        if not self._round:
            self._round = [str(name) for name in self._rng.permutation(self._waypoints)]
            if self._round[0] == here:
                self._round.append(self._round.pop(0))
        return self._round.pop(0)

    def _plan(self, start: str, goal: str) -> Track:
        names = shortest_way(self._places, self._ways, start, goal)
        return Track([self._places[name] for name in names])
