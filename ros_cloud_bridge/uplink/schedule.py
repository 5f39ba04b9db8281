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
Whose message goes next: batches underway, routes with a batch to form, and announcements.

1. Presence and what consumers wait for go first, up to a share of the link.
2. A stream that has not had its guaranteed rate yet comes next.
3. The rest is shared fairly by class, and within a class by the streams' weights; a route whose
   samples have waited long counts for more. Announcements, and last of all dashboards, share
   like classes of their own.

A batch that needs several fragments gives way after each of them, to other routes of its class as
well as to other classes.
"""

from collections.abc import Iterable, Sequence

from ros_cloud_bridge.core.fair import FairShare
from ros_cloud_bridge.core.guarantee import Guarantees
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.parcels import Parcel
from ros_cloud_bridge.values import Drop, Priority, StreamConfig

CLASS_WEIGHT = {Priority.HIGH: 16.0, Priority.NORMAL: 4.0, Priority.LOW: 1.0}
# Announcements share like a class of their own.
ANNOUNCEMENTS = 'announcements'
ANNOUNCEMENT_WEIGHT = 4.0
# So do dashboards, behind all else: what they show is sent already.
DASHBOARDS = 'dashboards'
DASHBOARD_WEIGHT = 0.25
# A route that has waited this long counts for twice its weight, up to the most.
_AGE_S = 1.0
_MOST_AGE_WEIGHT = 4.0


class Schedule:
    """
    Picks the next message's origin and charges it.

    :param streams: all streams
    :param now: monotonic seconds
    """

    def __init__(self, streams: Iterable[StreamConfig], now: float) -> None:
        self.guarantees = Guarantees(streams, now)
        self._classes = FairShare()
        self._routes = {priority: FairShare() for priority in Priority}
        # What goes because it was promised is no turn in the shares: charged there, it would be
        # taken from the others of its class, and their own turns would be mixed up.
        self._promised = FairShare()
        self._owed: Route | Parcel | None = None
        self._underway: dict[int, Parcel] = {}
        self._busy: set[int] = set()

    @property
    def busy(self) -> frozenset[int]:
        """Numbers of the routes with a batch underway."""
        return frozenset(self._busy)

    @property
    def underway(self) -> bool:
        """Whether a batch is underway."""
        return bool(self._underway)

    def add(self, parcel: Parcel) -> None:
        """
        Take up a batch.

        :param parcel: has something left to send
        """
        self._underway[parcel.lead.number] = parcel
        self._busy.update(route.number for route, _ in parcel.shares)

    def remove(self, parcel: Parcel) -> None:
        """
        Forget a batch that is sent or given up.

        :param parcel: the batch
        """
        if self._underway.get(parcel.lead.number) is parcel:
            del self._underway[parcel.lead.number]
            self._busy.difference_update(route.number for route, _ in parcel.shares)

    def pick(
        self, ready: Sequence[Route], announcing: bool, now: float, showing: bool = False
    ) -> Route | Parcel | str | None:
        """
        Pick what goes next.

        :param ready: routes with a batch to form, in the order of preference
        :param announcing: whether an announcement waits
        :param now: monotonic seconds
        :param showing: whether a message for dashboards waits
        :returns: a batch underway, a route that shall form one, :data:`ANNOUNCEMENTS`,
            :data:`DASHBOARDS` or None
        """
        if not self.guarantees.excessive:
            promised = self.pick_promised(ready, now)
            if promised is not None:
                return promised
        self._owed = None
        waiting = self._waiting(ready)
        contenders: list[object] = [priority for priority in Priority if priority in waiting]
        if announcing:
            contenders.insert(min(2, len(contenders)), ANNOUNCEMENTS)
        if showing:
            contenders.append(DASHBOARDS)
        chosen = self._classes.pick(contenders)
        if isinstance(chosen, Priority):
            return _turn(self._routes[chosen], waiting[chosen])
        return None if chosen is None else str(chosen)

    def pick_promised(self, ready: Sequence[Route], now: float) -> Route | Parcel | None:
        """
        Pick what goes next of the streams that have not had their guaranteed rate yet.

        :param ready: routes with a batch to form, in the order of preference
        :param now: monotonic seconds
        :returns: a batch underway, a route that shall form one, or None
        """
        owed = self.guarantees.owed(now)
        self._owed = None
        if owed:
            waiting = self._waiting(ready)
            for priority in sorted(waiting):
                few = {n: who for n, who in waiting[priority].items() if _stream(who) in owed}
                if few:
                    self._owed = _turn(self._promised, few)
                    break
        return self._owed

    def share(self, priority: Priority, ready: Iterable[Route]) -> float:
        """
        Say what part of the link a class has now.

        :param priority: the class
        :param ready: routes with a batch to form
        :returns: above 0, up to 1
        """
        classes = {route.stream.priority for route in ready} | {priority}
        classes.update(parcel.priority for parcel in self._underway.values())
        return CLASS_WEIGHT[priority] / sum(CLASS_WEIGHT[name] for name in classes)

    def _waiting(self, ready: Sequence[Route]) -> dict[Priority, dict[int, Route | Parcel]]:
        waiting: dict[Priority, dict[int, Route | Parcel]] = {}
        for number, parcel in self._underway.items():
            waiting.setdefault(parcel.priority, {})[number] = parcel
        for route in ready:
            if route.number not in self._busy:
                waiting.setdefault(route.stream.priority, {})[route.number] = route
        return waiting

    def charge(self, parcel: Parcel, size: int, now: float) -> None:
        """
        Charge a message of a batch.

        :param parcel: the batch
        :param size: bytes on the link
        :param now: monotonic seconds
        """
        priority, shared = parcel.priority, 0.0
        self.guarantees.note(size, parcel is self._owed)
        for route, share in parcel.shares:
            stream, part = route.stream, size * share
            self.guarantees.charge(stream.name, part)
            if parcel is self._owed and stream.min_bytes_per_s > 0:
                self._promised.charge(route.number, part, stream.min_bytes_per_s)
                continue
            shared += part
            age = min(_MOST_AGE_WEIGHT, 1.0 + route.age_s(now) / _AGE_S)
            self._routes[priority].charge(route.number, part, stream.weight * age)
        self._classes.charge(priority, shared, CLASS_WEIGHT[priority])

    def charge_announcement(self, size: int) -> None:
        """
        Charge an announcement.

        :param size: bytes on the link
        """
        self._classes.charge(ANNOUNCEMENTS, size, ANNOUNCEMENT_WEIGHT)

    def charge_dashboard(self, size: int) -> None:
        """
        Charge a message for dashboards.

        :param size: bytes on the link
        """
        self._classes.charge(DASHBOARDS, size, DASHBOARD_WEIGHT)

    def durable(self) -> list[Parcel]:
        """
        Find batches underway whose samples the spool holds.

        :returns: the batches
        """
        return [parcel for parcel in self._underway.values() if parcel.durable]

    def expired(self, now: float) -> list[Parcel]:
        """
        Find batches underway that have become too old to go on with.

        :param now: monotonic seconds
        :returns: the batches
        """
        return [
            parcel
            for parcel in self._underway.values()
            if parcel.expires_at is not None and parcel.expires_at < now
        ]

    def give_up(self, reason: Drop) -> int:
        """
        Give up every batch that is not sent entirely.

        :param reason: why its samples count as dropped
        :returns: how many samples
        """
        parcels = list(self._underway.values())
        self._underway.clear()
        self._busy.clear()
        for parcel in parcels:
            parcel.unanswered = 0
            parcel.give_up(reason)
        return sum(
            part.samples for parcel in parcels if not parcel.durable for part in parcel.entries
        )


def _turn(share: FairShare, waiting: dict[int, Route | Parcel]) -> Route | Parcel:
    number = share.pick(waiting)
    assert isinstance(number, int)
    return waiting[number]


def _stream(who: Route | Parcel) -> str:
    route = who.lead if isinstance(who, Parcel) else who
    return route.stream.name
