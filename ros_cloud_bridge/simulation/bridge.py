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
from dataclasses import dataclass
from typing import NamedTuple

from ros_cloud_bridge.core.admission import CarrierLimits
from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.core.durable_route import DurableRoute
from ros_cloud_bridge.core.ladder import Change
from ros_cloud_bridge.core.pacing.pacer import link_cost
from ros_cloud_bridge.core.presence import Presence
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.reducers.chain import Chain
from ros_cloud_bridge.reducers.fitting import FindSchema, fit
from ros_cloud_bridge.reducing import keyframes_due, reduce_samples, settle
from ros_cloud_bridge.simulation.journeys import Journey, NotingAssembler
from ros_cloud_bridge.simulation.link import Connection, VirtualLink
from ros_cloud_bridge.uplink.batching import Encoding
from ros_cloud_bridge.uplink.outstanding import Shipment
from ros_cloud_bridge.uplink.parcels import Message
from ros_cloud_bridge.uplink.pump import Pump
from ros_cloud_bridge.uplink.screens import Painting
from ros_cloud_bridge.values import BridgeConfig, Drop, Received, StreamConfig
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.topics import RobotTopics

_NS = 1_000_000_000
# As in bridge.py: the pump looks again after this long, whatever it said.
_IDLE_S = 1.0


class Cost(NamedTuple):
    """
    What a message takes.

    ``link_bytes`` go over the link towards the broker, ``metered_bytes`` are what a carrier
    counts, in both directions.
    """

    link_bytes: int
    metered_bytes: int


# Of a message with this many seconds to live; one per connection, for aliases live as long.
Costs = Callable[[Message, float | None], Cost]


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
    cost: Cost
    # Whose bytes these are, by route and share; empty for announcements.
    shares: Sequence[tuple[Route, float]]
    repeated: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """A sample at the consumer: when, how old, and its bytes of CDR."""

    at: float
    age_s: float
    size: int


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
        costs: Callable[[], Costs] | None = None,
        budget: MonthlyBudget | None = None,
        dallying: Dallying | None = None,
        epoch_ns: int = 0,
        now: float = 0.0,
    ) -> None:
        self._link = link
        self._limits = limits
        self._costs = costs or (lambda: _estimated)
        self.dallying = dallying or Dallying()
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
        self._noting = NotingAssembler(topics, boot, config.announce_period_s)
        self.pump.batches.assembler = self._noting
        self.pump.flowing = True
        self._connection: Connection | None = None
        self._cost: Costs = _estimated
        # Unanswered shipments in their order, and when each expires.
        self._outstanding: dict[Shipment, float | None] = {}
        self._wake_at = float('inf')
        self._busy_until = now
        self._connections = 0
        self._limit_since = now
        self.sent: list[Sent] = []
        self.arrivals: dict[int, list[Arrival]] = {}
        self.steps: list[tuple[float, Change]] = []
        self.limited_s: dict[str, float] = {}
        self._chains: dict[int, tuple[Chain, Callable[[], Route]]] = {}

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
        taken_at = at + self.dallying.take_s
        sample = Received(cdr, self.wall_ns(at), self.wall_ns(taken_at))
        self._link.at(taken_at, lambda now: self.offer(route, [sample], (), now))

    def offer(
        self,
        route: Route,
        samples: Sequence[Received],
        drops: Sequence[tuple[Drop, int]],
        now: float,
    ) -> None:
        """
        Take in what a subscription received.

        :param route: their route
        :param samples: in the order of their arrival
        :param drops: what was left out before them, by reason
        :param now: virtual seconds
        """
        self._now = now
        self.pump.intake.offer(route, samples, drops, now)
        for reached in (route, *self._reduce(route, now)):
            if isinstance(reached, DurableRoute):
                _commit(reached)
        due = self.pump.outbox.next_due()
        if due is not None and due < self._wake_at:
            self._turn(now)

    def open_route(
        self,
        stream: StreamConfig,
        topic: str,
        type_name: str,
        *,
        schema: Schema | None,
        gated: bool,
        find_schema: FindSchema | None = None,
    ) -> Route:
        """
        Give the route of a topic, with its stream's reducer if that fits; see ``Bridge``.

        :param stream: the stream that gets the topic
        :param topic: ROS topic
        :param type_name: its type
        :param schema: the type's definition
        :param gated: whether the subscription itself keeps the rate
        :param find_schema: gives the definition of a type that a reducer makes
        :returns: the route
        """

        def plain() -> Route:
            route = self.pump.intake.open_route(
                stream, topic, type_name, schema=schema, gated=gated, now=self._now
            )
            self.pump.screens.show(route, schema)
            return route

        if not stream.reducer:
            return plain()
        try:
            fitted = fit(stream, type_name, schema, find_schema)
        except ValueError as error:
            route = plain()
            route.reducer_problem = str(error)
            return route
        route = self.pump.intake.open_route(
            stream,
            topic,
            type_name,
            schema=fitted.schema,
            gated=gated,
            now=self._now,
            reduction=fitted.reduction,
        )
        self.pump.screens.show(route, fitted.schema)
        self._chains[route.number] = (fitted.chain, plain)
        return route

    def _reduce(self, route: Route, now: float) -> list[Route]:
        """Reduce at once what waits; returns other routes that got something."""
        unreduced = route.unreduced
        if unreduced is None or not unreduced.waiting:
            return []
        chain, plain = self._chains[route.number]
        entries = unreduced.take(unreduced.waiting)
        reduction = unreduced.reduction
        same = not reduction.form and reduction.type_name == route.source_type
        done = reduce_samples(
            chain,
            entries,
            route.level,
            keeps_form=same,
            keyframes=keyframes_due(route, unreduced),
        )
        settle(route, unreduced, len(entries), done)
        if done.accepted:
            self.pump.intake.accept(route, done.accepted, now)
        if not done.plain:
            return []
        other = plain()
        other.received += len(done.plain)
        self.pump.intake.accept(other, done.plain, now)
        return [other]

    def imbalances(self) -> list[str]:
        """
        Hold each route's counts against each other.

        :returns: what does not add up: of what came in, and of what got a number
        """
        found = []
        for route in self.pump.outbox.routes:
            before = sum(n for drop, n in route.drops.items() if not drop.sequenced)
            after = sum(n for drop, n in route.drops.items() if drop.sequenced)
            # A gated subscription does not even take what it passes over.
            before += 0 if route.unreduced is None else len(route.unreduced)
            if route.received != route.accepted + before and not route.gated:
                found.append(f'{route.topic}: {route.received} in, {route.accepted} + {before}')
            settled = route.delivered + after + len(route) + route.in_flight
            settled += route.spooled if isinstance(route, DurableRoute) else 0
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
        return [one.age_s for one in arrivals if begin <= one.at < end]

    def sent_bytes(self, begin: float = 0.0, end: float = float('inf')) -> int:
        """
        Say how many bytes were handed to the link.

        :param begin: of the span, virtual seconds
        :param end: its end
        :returns: bytes with all headers
        """
        return sum(sent.cost.link_bytes for sent in self.sent if begin <= sent.at < end)

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
                self._send(step, now + self.dallying.hand_over_s)
            elif isinstance(step, Encoding):
                self.pump.start(step.assemble())
                if self.dallying.encode_s > 0:
                    self._busy_until = now + self.dallying.encode_s
                    self._wake(self._busy_until)
                    return
            elif isinstance(step, Painting):
                step.paint()
                self.pump.screens.painted(step, now)
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
        cost = self._cost(message, None if due is None else due - now)
        journey = self._journey(shipment)
        if journey is not None and not repeated:
            journey.shipped += 1
        shares = () if shipment.parcel is None else shipment.parcel.shares
        self.sent.append(Sent(now, message.topic, len(message.payload), cost, shares, repeated))
        connection.send(
            cost.link_bytes,
            now,
            lambda at: self._arrived(shipment, at),
            lambda at: self._link.at(
                at + self.dallying.hand_over_s,
                lambda done: self._answered(shipment, at, now, done),
            ),
        )

    def _journey(self, shipment: Shipment) -> Journey | None:
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
        at += self.dallying.deliver_s
        wall_ns = self.wall_ns(at)
        for route, sample in journey.samples:
            age_s = (wall_ns - sample.source_time_ns) / _NS
            arrival = Arrival(at, age_s, len(sample.cdr))
            self.arrivals.setdefault(route.number, []).append(arrival)

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


def _commit(route: DurableRoute) -> None:
    """Commit at once, to a disk that is not there: what is not sent live just stays there."""

    def settled(first: int, last: int, reason: Drop | None) -> None:
        if reason is None:
            route.left_spool(last - first + 1, None)

    route.on_settled = settled
    route.was_committed(len(route.to_commit()))


def _estimated(message: Message, expiry_s: float | None) -> Cost:
    size = link_cost(len(message.payload) + len(message.topic))
    return Cost(size, size)
