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
from collections.abc import Mapping
from dataclasses import dataclass, field

from ros_cloud_bridge.cloud.losses import RouteLosses, RouteTracker
from ros_cloud_bridge.cloud.ordering import Orderer
from ros_cloud_bridge.wire.batch import Descriptor, Section

_MAX_ROUTES = 4096
# Held beside the samples' bytes, so that many empty samples count too.
_SECTION_OVERHEAD = 1024
_TOTAL_OVERHEAD = 128
_SAMPLE_OVERHEAD = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A section whose route has not been described yet, and when its batch was made."""

    sent_time_ns: int
    section: Section
    latched: bool

    @property
    def size(self) -> int:
        """Bytes that it takes to keep it."""
        section = self.section
        totals = _TOTAL_OVERHEAD * len(section.totals or ())
        samples = sum(len(sample.cdr) + _SAMPLE_OVERHEAD for sample in section.samples)
        return _SECTION_OVERHEAD + totals + samples


@dataclass(slots=True)
class Boot:
    """Routes, sequence numbers and waiting sections of one boot."""

    boot_id: str
    routes: OrderedDict[int, Descriptor] = field(default_factory=OrderedDict)
    trackers: dict[int, RouteTracker] = field(default_factory=dict)
    waiting: deque[Waiting] = field(default_factory=deque)
    orderers: dict[int, Orderer] = field(default_factory=dict)
    waiting_bytes: int = 0

    def describe(self, route: int, descriptor: Descriptor) -> Orderer | None:
        """
        Note what a route number stands for; beyond a bound the oldest route is forgotten.

        :param route: route number
        :param descriptor: its description
        :returns: what held samples of the forgotten route back, if anything did
        """
        orderer = None
        if route not in self.routes and len(self.routes) >= _MAX_ROUTES:
            gone, _ = self.routes.popitem(last=False)
            self.trackers.pop(gone, None)
            orderer = self.orderers.pop(gone, None)
        self.routes[route] = descriptor
        return orderer

    def hear(self, route: int, dropped: Mapping[str, int]) -> None:
        """
        Note what ``health`` says that a route dropped.

        :param route: route number; one of which no sample has come says nothing
        :param dropped: count by reason
        """
        if route in self.trackers:
            self.trackers[route].hear(dropped)

    def tracker(self, route: int) -> RouteTracker:
        """
        Give a route's tracker.

        :param route: number of a described route
        :returns: its tracker, made when new
        """
        return self.trackers.setdefault(route, RouteTracker())

    def wait(self, waiting: Waiting) -> None:
        """
        Keep a section until its route is described.

        :param waiting: the section
        """
        self.waiting.append(waiting)
        self.waiting_bytes += waiting.size

    def give_up_oldest(self) -> int:
        """
        Give up the section that has waited longest.

        :returns: how many samples it had
        """
        oldest = self.waiting.popleft()
        self.waiting_bytes -= oldest.size
        return len(oldest.section.samples)

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

    def held_samples(self) -> int:
        """
        Count the samples that have come in and not been handed on.

        :returns: those whose route is not described, and those that wait for earlier ones
        """
        return sum(len(waiting.section.samples) for waiting in self.waiting) + sum(
            len(orderer) for orderer in self.orderers.values()
        )

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
