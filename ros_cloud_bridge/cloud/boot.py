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

"""What a decoder remembers of one boot of one robot's bridge."""

from collections import deque, OrderedDict
from dataclasses import dataclass, field

from ros_cloud_bridge.cloud.losses import RouteLosses, RouteTracker
from ros_cloud_bridge.wire.batch import Batch, Descriptor, Section

_MAX_ROUTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A section whose route has not been described yet, and the batch that it came in."""

    batch: Batch
    section: Section
    latched: bool
    size: int


@dataclass(slots=True)
class Boot:
    """Routes, sequence numbers and waiting sections of one boot."""

    boot_id: str
    routes: OrderedDict[int, Descriptor] = field(default_factory=OrderedDict)
    trackers: dict[int, RouteTracker] = field(default_factory=dict)
    waiting: deque[Waiting] = field(default_factory=deque)
    waiting_bytes: int = 0

    def describe(self, route: int, descriptor: Descriptor) -> None:
        """
        Note what a route number stands for.

        :param route: route number
        :param descriptor: its description
        """
        if route not in self.routes and len(self.routes) >= _MAX_ROUTES:
            gone, _ = self.routes.popitem(last=False)
            self.trackers.pop(gone, None)
        self.routes[route] = descriptor

    def tracker(self, route: int) -> RouteTracker:
        """
        Give a route's tracker.

        :param route: number of a described route
        :returns: its tracker, made when new
        """
        return self.trackers.setdefault(route, RouteTracker())

    def wait(self, waiting: Waiting, quota: int) -> int:
        """
        Keep a section until its route is described.

        :param waiting: the section
        :param quota: most bytes kept
        :returns: how many samples had to be given up for it
        """
        self.waiting.append(waiting)
        self.waiting_bytes += waiting.size
        given_up = 0
        while self.waiting_bytes > quota:
            oldest = self.waiting.popleft()
            self.waiting_bytes -= oldest.size
            given_up += len(oldest.section.samples)
        return given_up

    def described(self) -> list[Waiting]:
        """
        Take out the sections whose routes are described by now.

        :returns: in the order in which they came
        """
        ready = [entry for entry in self.waiting if entry.section.route in self.routes]
        if ready:
            self.waiting = deque(
                entry for entry in self.waiting if entry.section.route not in self.routes
            )
            self.waiting_bytes = sum(entry.size for entry in self.waiting)
        return ready

    def losses(self, robot_id: str) -> list[RouteLosses]:
        """
        Sum up the losses.

        :param robot_id: the robot
        :returns: one entry per route
        """
        result = []
        for route, tracker in self.trackers.items():
            descriptor = self.routes[route]
            missing, unexplained = tracker.missing()
            result.append(
                RouteLosses(
                    robot_id=robot_id,
                    boot_id=self.boot_id,
                    route=route,
                    stream=descriptor.stream,
                    topic=descriptor.topic,
                    received=tracker.received,
                    duplicates=tracker.duplicates,
                    reported=tracker.reported(),
                    missing=missing,
                    unexplained=unexplained,
                )
            )
        return result
