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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ros_cloud_bridge.cloud.durable import DurableTracker
from ros_cloud_bridge.cloud.intervals import Room
from ros_cloud_bridge.cloud.losses import RouteLosses, RouteTracker
from ros_cloud_bridge.cloud.ordering import DurableOrderer, Orderer
from ros_cloud_bridge.cloud.seen import Seen
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
    historical: bool = False

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
    room: Room
    routes: OrderedDict[int, Descriptor] = field(default_factory=OrderedDict)
    trackers: dict[int, RouteTracker] = field(default_factory=dict)
    waiting: deque[Waiting] = field(default_factory=deque)
    orderers: dict[int, Orderer | DurableOrderer] = field(default_factory=dict)
    waiting_bytes: int = 0
    # Streams whose routes are durable, as info says.
    durable_streams: frozenset[str] = frozenset()

    def describe(self, route: int, descriptor: Descriptor) -> Orderer | DurableOrderer | None:
        """
        Note what a route number stands for; beyond a bound the oldest route is forgotten.

        :param route: route number
        :param descriptor: its description
        :returns: what held samples of the forgotten route back, if anything did
        """
        orderer = None
        if route not in self.routes and len(self.routes) >= _MAX_ROUTES:
            gone, _ = self.routes.popitem(last=False)
            tracker = self.trackers.pop(gone, None)
            if isinstance(tracker, DurableTracker):
                tracker.release()
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
        tracker = self.trackers.get(route)
        if tracker is None:
            if self.routes[route].stream in self.durable_streams:
                return self.durable(route)
            tracker = self.trackers[route] = RouteTracker()
        return tracker

    def durable(self, route: int) -> DurableTracker:
        """
        Give a durable route's tracker.

        :param route: its number
        :returns: its tracker, which takes the place of one that was not exact
        """
        tracker = self.trackers.get(route)
        if not isinstance(tracker, DurableTracker):
            tracker = self.trackers[route] = DurableTracker(self.room, tracker)
        return tracker

    @property
    def size(self) -> int:
        """How many routes it remembers, described or not."""
        return max(len(self.routes), len(self.trackers))

    @property
    def full(self) -> bool:
        """Whether a route that is not described cannot be remembered."""
        return self.size >= _MAX_ROUTES

    @property
    def unfinished(self) -> bool:
        """Whether something of a durable route can still come."""
        return any(
            isinstance(tracker, DurableTracker) and not (tracker.closed and tracker.complete)
            for tracker in self.trackers.values()
        )

    def seen(self, robot_id: str) -> list[Seen]:
        """
        Sum up what was handed on of durable routes.

        :param robot_id: the robot
        :returns: one entry per route
        """
        result = []
        for route, tracker in self.trackers.items():
            if not isinstance(tracker, DurableTracker):
                continue
            orderer = self.orderers.get(route)
            held = [] if orderer is None else [sample.sequence for sample in orderer.waiting]
            result.append(
                Seen(
                    robot_id=robot_id,
                    boot_id=self.boot_id,
                    route=route,
                    descriptor=self.routes.get(route),
                    ranges=tuple(without(tracker.seen, sorted(held))),
                    gaps=tracker.gaps,
                    committed=tracker.committed,
                    closed=tracker.closed,
                )
            )
        return result

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
            descriptor = self.routes.get(route)
            if descriptor is None:
                continue
            durable = tracker if isinstance(tracker, DurableTracker) else None
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
                    durable=durable is not None,
                    committed=None if durable is None else durable.committed,
                    closed=durable is not None and durable.closed,
                    complete=durable is not None and durable.complete,
                    outstanding=0 if durable is None else durable.outstanding,
                )
            )
        return result


def without(
    ranges: Iterable[tuple[int, int]], numbers: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """
    Take numbers out of ranges.

    :param ranges: ascending and disjoint
    :param numbers: ascending
    :returns: what is left
    """
    place = 0
    for first, last in ranges:
        while place < len(numbers) and numbers[place] <= last:
            if first < numbers[place]:
                yield first, numbers[place] - 1
            first = max(first, numbers[place] + 1)
            place += 1
        if first <= last:
            yield first, last
