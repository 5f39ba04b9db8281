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
A bridge on a virtual link: drives the pump as ``bridge.py`` does, without a thread or a clock.

What threads, encoders and brokers dally is in :class:`Dallying`, so that ages come out as they do
in reality. What happens to each sample and message is noted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ros_cloud_bridge.core.admission import CarrierLimits
from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.core.ladder import Change
from ros_cloud_bridge.core.outbox import Taken
from ros_cloud_bridge.core.pacing.pacer import link_cost
from ros_cloud_bridge.core.presence import Presence
from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.simulation.link import Connection, VirtualLink
from ros_cloud_bridge.uplink.assembler import Assembler
from ros_cloud_bridge.uplink.parcels import Message, Parcel
from ros_cloud_bridge.uplink.pump import Encoding, Pump, Shipment
from ros_cloud_bridge.values import BridgeConfig, Drop, Priority, Received
from ros_cloud_bridge.wire.topics import RobotTopics

_NS = 1_000_000_000
# As in bridge.py: the pump looks again after this long, whatever it said.
_IDLE_S = 1.0

# Bytes on the link of a message with this many seconds to live, on a connection of its own.
Cost = Callable[[Message, float | None], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dallying:
    """
    What machines take, in seconds.

    ``take_s`` from the publisher to the pump, ``hand_over_s`` from thread to thread, ``encode_s``
    for a batch, ``deliver_s`` from the broker's socket to the consumer's decoded sample.
    """

    take_s: float = 0.001
    hand_over_s: float = 0.0005
    encode_s: float = 0.0005
    deliver_s: float = 0.001


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was handed to the link; ``repeated`` on a new connection."""

    at: float
    topic: str
    payload_bytes: int
    link_bytes: int
    live: bool
    repeated: bool


@dataclass(slots=True, eq=False)
class _Journey:
    """A batch on its way: who is in it, and which of its messages have arrived."""

    samples: list[tuple[int, float]]
    shipped: int = 0
    arrived: set[Shipment] = field(default_factory=set)


class _NotingAssembler(Assembler):
    """Notes which samples stand in which parcel."""

    def __init__(self, topics: RobotTopics, boot: bytes, announce_period_s: float) -> None:
        super().__init__(topics, boot, announce_period_s)
        self.journeys: dict[Parcel, _Journey] = {}

    def batch(
        self, priority: Priority, taken: Sequence[Taken], now: float, wall_ns: int
    ) -> Parcel:
        parcel = super().batch(priority, taken, now, wall_ns)
        self.journeys[parcel] = _Journey(
            [(part.route.number, entry.offered_at) for part in taken for entry in part.samples]
        )
        return parcel

    def latched(
        self,
        route: Route,
        values: Sequence[Queued],
        covered: int,
        now: float,
        wall_ns: int,
        limit: int,
    ) -> Parcel:
        parcel = super().latched(route, values, covered, now, wall_ns, limit)
        fresh = values[len(values) - covered :]
        self.journeys[parcel] = _Journey([(route.number, entry.offered_at) for entry in fresh])
        return parcel


class SimulatedBridge:
    """
    One robot's bridge on a link.

    :param config: checked configuration
    :param link: what it sends over, shared or its own
    :param limits: those of the broker
    :param costs: makes the cost of messages for each new connection; the pacer's own estimate
        when left out
    :param budget: the month's data; None without one
    :param dallying: what the machines take
    :param epoch_ns: wall clock at virtual time 0
    """

    def __init__(
        self,
        config: BridgeConfig,
        link: VirtualLink,
        limits: CarrierLimits,
        *,
        costs: Callable[[], Cost] | None = None,
        budget: MonthlyBudget | None = None,
        dallying: Dallying | None = None,
        epoch_ns: int = 0,
        now: float = 0.0,
    ) -> None:
        self._link = link
        self._limits = limits
        self._costs = costs or (lambda: _estimated)
        self._dallying = dallying or Dallying()
        self._epoch_ns = epoch_ns
        self._now = now
        boot = (config.robot_id.encode() + bytes(8))[:8]
        topics = RobotTopics(config.root, config.robot_id)
        self._state_topic = topics.state
        self._presence = Presence(config.robot_id, boot.hex())
        self.pump = Pump(
            config,
            boot=boot,
            topics=topics,
            presence=self._presence,
            wall_ns=lambda: self.wall_ns(self._now),
            budget=budget,
            now=now,
        )
        self._noting = _NotingAssembler(topics, boot, config.announce_period_s)
        self.pump.assembler = self._noting
        self.pump.flowing = True
        self._connection: Connection | None = None
        self._cost: Cost = _estimated
        # Unanswered shipments in their order, and when each expires.
        self._outstanding: dict[Shipment, float | None] = {}
        self._wake_at = float('inf')
        self._busy_until = now
        self._connections = 0
        self._limit_since = now
        self.sent: list[Sent] = []
        self.arrivals: dict[int, list[tuple[float, float]]] = {}
        self.steps: list[tuple[float, Change]] = []
        self.limited_s: dict[str, float] = {}

    def wall_ns(self, now: float) -> int:
        """
        Give the wall clock.

        :param now: virtual seconds
        :returns: nanoseconds since the Unix epoch
        """
        return self._epoch_ns + round(now * _NS)

    def connect(self, now: float) -> None:
        """
        Begin with a new connection; what was not answered goes again, in its order.

        :param now: virtual seconds
        """
        self._connection = Connection(self._link)
        self._cost = self._costs()
        self._connections += 1
        self._presence.connected(self._connections)
        self.pump.portrait.connected = True
        for shipment, due in list(self._outstanding.items()):
            if due is not None and due <= now:
                self._expire(shipment)
        self.pump.connected(self._limits, self._presence.announced, now)
        for shipment in self._outstanding:
            self._send(shipment, now, repeated=True)
        self._turn(now)

    def disconnect(self, now: float) -> None:
        """
        Lose the connection, and what is on its way over it.

        :param now: virtual seconds
        """
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.pump.portrait.connected = False
        self.pump.disconnected()
        self._turn(now)

    def publish(self, at: float, route: Route, cdr: bytes) -> None:
        """
        Let a publisher publish a message.

        :param at: virtual seconds, not in the past
        :param route: of the topic
        :param cdr: the message
        """
        taken_at = at + self._dallying.take_s
        sample = Received(cdr, self.wall_ns(at), self.wall_ns(taken_at))
        self._link.at(taken_at, lambda now: self.offer(route, [sample], now))

    def offer(self, route: Route, samples: Sequence[Received], now: float) -> None:
        """
        Take in what a subscription received.

        :param route: their route
        :param samples: in the order of their arrival
        :param now: virtual seconds
        """
        self._now = now
        self.pump.offer(route, samples, (), now)
        due = self.pump.outbox.next_due()
        if due is not None and due < self._wake_at:
            self._turn(now)

    def imbalances(self) -> list[str]:
        """
        Hold each route's counts against each other.

        :returns: what does not add up: of what came in, and of what got a number
        """
        found = []
        for route in self.pump.outbox.routes:
            before = sum(n for drop, n in route.drops.items() if not drop.sequenced)
            after = sum(n for drop, n in route.drops.items() if drop.sequenced)
            if route.received != route.accepted + before:
                found.append(f'{route.topic}: {route.received} in, {route.accepted} + {before}')
            settled = route.delivered + after + len(route) + route.in_flight
            if route.accepted != settled:
                found.append(f'{route.topic}: {route.accepted} accepted, {settled} accounted for')
        return found

    def ages(self, route: Route, begin: float = 0.0, end: float = float('inf')) -> list[float]:
        """
        List how old samples were when they arrived.

        :param route: their route
        :param begin: of the arrivals' span, virtual seconds
        :param end: its end
        :returns: seconds, in the order of the arrivals
        """
        arrivals = self.arrivals.get(route.number, ())
        return [age for at, age in arrivals if begin <= at < end]

    def sent_bytes(self, begin: float = 0.0, end: float = float('inf')) -> int:
        """
        Say how many bytes were handed to the link.

        :param begin: of the span, virtual seconds
        :param end: its end
        :returns: bytes with all headers
        """
        return sum(sent.link_bytes for sent in self.sent if begin <= sent.at < end)

    def _turn(self, now: float) -> None:
        """Do whatever the pump says, until it waits."""
        if now < self._busy_until:
            return
        self._now = now
        self._note_limit(now)
        while True:
            step = self.pump.next(now)
            self._note_changes(now)
            if isinstance(step, Shipment):
                due = None if step.expiry_s is None else now + step.expiry_s
                self._outstanding[step] = due
                self._send(step, now + self._dallying.hand_over_s)
            elif isinstance(step, Encoding):
                self.pump.start(step.assemble())
                if self._dallying.encode_s > 0:
                    self._busy_until = now + self._dallying.encode_s
                    self._wake(self._busy_until)
                    return
            else:
                self._wake(now + (_IDLE_S if step is None else min(step, _IDLE_S)))
                return

    def _wake(self, at: float) -> None:
        self._wake_at = at

        def turn(now: float) -> None:
            # Whoever has turned meanwhile has set another time.
            if self._wake_at == at:
                self._turn(now)

        self._link.at(at, turn)

    def _send(self, shipment: Shipment, now: float, repeated: bool = False) -> None:
        connection = self._connection
        assert connection is not None
        due = self._outstanding[shipment]
        message = shipment.message
        size = self._cost(message, None if due is None else due - now)
        journey = self._journey(shipment)
        if journey is not None and not repeated:
            journey.shipped += 1
        live = shipment.parcel is not None
        self.sent.append(Sent(now, message.topic, len(message.payload), size, live, repeated))
        connection.send(
            size,
            now,
            lambda at: self._arrived(shipment, at),
            lambda at: self._link.at(
                at + self._dallying.hand_over_s,
                lambda done: self._answered(shipment, at, now, done),
            ),
        )

    def _journey(self, shipment: Shipment) -> _Journey | None:
        parcel = shipment.parcel
        return None if parcel is None else self._noting.journeys.get(parcel)

    def _arrived(self, shipment: Shipment, at: float) -> None:
        if shipment.message.topic == self._state_topic:
            self._presence.announced = True
        journey, parcel = self._journey(shipment), shipment.parcel
        if journey is None or parcel is None:
            return
        journey.arrived.add(shipment)
        if not parcel.contents.done or len(journey.arrived) < journey.shipped:
            return
        del self._noting.journeys[parcel]
        at += self._dallying.deliver_s
        for number, offered_at in journey.samples:
            age = at - offered_at + self._dallying.take_s
            self.arrivals.setdefault(number, []).append((at, age))

    def _answered(self, shipment: Shipment, at: float, sent_at: float, now: float) -> None:
        if shipment not in self._outstanding:
            return
        del self._outstanding[shipment]
        self._now = now
        self.pump.answered(shipment, None, at, sent_at)
        self._turn(now)

    def _expire(self, shipment: Shipment) -> None:
        del self._outstanding[shipment]
        self.pump.answered(shipment, Drop.EXPIRED)

    def _note_limit(self, now: float) -> None:
        limit = self.pump.admission.limit.value
        self.limited_s[limit] = self.limited_s.get(limit, 0.0) + now - self._limit_since
        self._limit_since = now

    def _note_changes(self, now: float) -> None:
        while self.pump.changes:
            self.steps.append((now, self.pump.changes.popleft()))
            self.pump.health.soon(now)


def _estimated(message: Message, expiry_s: float | None) -> int:
    return link_cost(len(message.payload) + len(message.topic))
