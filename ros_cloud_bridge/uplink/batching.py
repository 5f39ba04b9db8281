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


"""What goes into a batch, of live samples and of latched values, and what is better not begun."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ros_cloud_bridge.core.admission import Admission
from ros_cloud_bridge.core.latched_turns import LatchedTurns
from ros_cloud_bridge.core.outbox import BATCH_BYTES, Outbox, Part, Taken
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.assembler import Assembler
from ros_cloud_bridge.uplink.hopeless import HopelessCases
from ros_cloud_bridge.uplink.parcels import Parcel
from ros_cloud_bridge.values import Priority

# A batch holds what the link sends of its class in this time, and never more fragments than this:
# what is in a batch cannot be replaced any more. Routes share one up to what the link sends in the
# other time.
_BATCH_S = 0.5
_BATCH_FRAGMENTS = 16
_SHARED_BATCH_S = 0.05
# Retained values stand in at most so many fragments.
_LATCHED_FRAGMENTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """A batch to encode, which needs no lock: ``assemble`` makes the parcel."""

    entries: Sequence[Part]
    assemble: Callable[[], Parcel]


class BatchMaker:
    """
    Takes samples out of the outbox, as many as the link can take now.

    ``flushing`` says that whatever waits shall go, as before a shutdown.

    :param assembler: encodes
    :param outbox: the routes
    :param admission: knows what the link takes
    :param wall_ns: gives nanoseconds since the Unix epoch
    """

    def __init__(
        self,
        assembler: Assembler,
        outbox: Outbox,
        admission: Admission,
        wall_ns: Callable[[], int],
    ) -> None:
        self.assembler = assembler
        self.latched = LatchedTurns()
        self.flushing = False
        self._outbox = outbox
        self._admission = admission
        self._wall_ns = wall_ns
        self._hopeless = HopelessCases()

    def ready(self, now: float) -> list[Route]:
        """
        Say which routes have a batch of live samples to form.

        :param now: monotonic seconds
        :returns: routes of the highest class first, within a class those that wait longest
        """
        ready = self._outbox.ready(now, self.flushing)
        for route in ready:
            self._hopeless.spare(route, now)
        return [route for route in ready if len(route)]

    def ready_latched(self, now: float) -> dict[int, Route]:
        """
        Say which routes' latched values are to be published.

        :param now: monotonic seconds
        :returns: routes by number
        """
        return {route.number: route for route in self.latched.due(self._outbox.routes, now)}

    def live(self, lead: Route, share: float, busy: Collection[int], now: float) -> Encoding:
        """
        Form a batch of live samples.

        :param lead: the route whose turn it is
        :param share: its class's share of the link now
        :param busy: numbers of routes that have a batch underway
        :param now: monotonic seconds
        :returns: the batch, to be encoded
        """
        rate = self._admission.capacity(now) or 0.0
        fragment = float(self._admission.fragment_bytes)
        most = max(fragment, min(share * rate * _BATCH_S, _BATCH_FRAGMENTS * fragment))
        taken = self._outbox.take(
            lead,
            float('inf') if self.flushing else now,
            most=BATCH_BYTES if self.flushing else most,
            small=max(fragment, rate * _SHARED_BATCH_S),
            busy=busy,
        )
        priority = lead.stream.priority
        return Encoding(
            entries=[part.part for part in taken],
            assemble=lambda: self._assemble(priority, taken, now),
        )

    def retained(self, route: Route, now: float) -> Encoding:
        """
        Form a batch of a route's latched values.

        :param route: a latched route
        :param now: monotonic seconds
        :returns: the batch, to be encoded
        """
        assert route.latched is not None
        self.latched.taken(route, now)
        covered = len(route.take_if_latched())
        values = route.latched.samples
        size = sum(len(entry.sample.cdr) for entry in values)
        few = round(size * route.wire_ratio / _LATCHED_FRAGMENTS)
        limit = max(self._admission.fragment_bytes, few)
        most = self._admission.max_retained_bytes
        if most:
            limit = min(limit, most)
        return Encoding(
            entries=[Part(route, covered)],
            assemble=lambda: self.assembler.latched(
                route, values, covered, now, self._wall_ns(), limit
            ),
        )

    def expired(self, parcel: Parcel, now: float) -> None:
        """
        Learn from a batch that was given up because of its age.

        :param parcel: the batch
        :param now: monotonic seconds
        """
        self._hopeless.failed(parcel, now)

    def arrived(self, parcel: Parcel) -> None:
        """
        Learn from a batch that arrived.

        :param parcel: the batch
        """
        self._hopeless.arrived(parcel)

    def _assemble(self, priority: Priority, taken: Sequence[Taken], now: float) -> Parcel:
        return self.assembler.batch(priority, taken, now, self._wall_ns())
