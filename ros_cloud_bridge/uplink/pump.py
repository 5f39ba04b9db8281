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
The pump without thread and clock: what goes next over the link, and when.

The bridge drives it with a broker and the machine's clocks, the simulation with a virtual link
and virtual time; what it decides is the same.
"""

from collections import deque
from collections.abc import Callable, Sequence

from ros_cloud_bridge.core.admission import Admission, CarrierLimits, Limit
from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.core.ladder import Change, LinkLoad
from ros_cloud_bridge.core.outbox import Outbox
from ros_cloud_bridge.core.pacing.pacer import link_cost, Pacer
from ros_cloud_bridge.core.presence import Presence
from ros_cloud_bridge.core.rate import TokenBucket
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.announcer import Announcer
from ros_cloud_bridge.uplink.assembler import Assembler
from ros_cloud_bridge.uplink.backlog import Backlog, LONGEST_BREAK_S, Outcome
from ros_cloud_bridge.uplink.batching import BatchMaker, Encoding
from ros_cloud_bridge.uplink.effort import EffortGauge
from ros_cloud_bridge.uplink.health import HealthReporter
from ros_cloud_bridge.uplink.intake import Intake
from ros_cloud_bridge.uplink.outstanding import Outstanding, Shipment
from ros_cloud_bridge.uplink.parcels import Message, Parcel
from ros_cloud_bridge.uplink.portrait import MOST_INFO_BYTES, SelfPortrait
from ros_cloud_bridge.uplink.schedule import ANNOUNCEMENTS, DASHBOARDS, Schedule
from ros_cloud_bridge.uplink.screens import Painting, Screens
from ros_cloud_bridge.uplink.steering import Steering
from ros_cloud_bridge.values import BridgeConfig, Drop, Lease
from ros_cloud_bridge.wire.topics import RobotTopics

# Presence and notices go before everything else up to this share of the link.
_STRICT_SHARE = 0.2
_STRICT_BURST = 4096.0
_SHORTEST_WAIT_S = 0.005
# ``info`` leaves its routes out where it would hold the link for longer: batches describe them.
_INFO_S = 0.5
_LEAST_INFO_BYTES = 4096
# No message for dashboards holds the link for longer, nor waits longer for an answer.
_SHOW_S = 0.25
_LEAST_SHOWN_BYTES = 1024
_SHOWN_EXPIRY_S = 5.0
# What the log calls a shortage that is not the link's.
_SHORTAGES = {
    Limit.RATE: 'link.max_bytes_per_s is reached',
    Limit.BUDGET: 'the monthly budget must last',
    Limit.BROKER: "the broker's limits are reached",
}


class Pump:
    """
    Everything between subscriptions and MQTT session that decides.

    :param config: checked configuration
    :param boot: boot id
    :param topics: the robot's MQTT topics
    :param presence: knows the connection
    :param wall_ns: gives nanoseconds since the Unix epoch
    :param budget: the month's data; None without one
    :param now: monotonic seconds
    """

    def __init__(
        self,
        config: BridgeConfig,
        *,
        boot: bytes,
        topics: RobotTopics,
        presence: Presence,
        wall_ns: Callable[[], int],
        budget: MonthlyBudget | None,
        now: float,
    ) -> None:
        self.outbox = Outbox()
        self.portrait = SelfPortrait(config, presence, topics, lambda: self.outbox.routes, wall_ns)
        self.announcer = Announcer(
            topics, self.portrait.birth, self.portrait.info, config.announce_period_s
        )
        self.schedule = Schedule(config.all_streams, now)
        self.steering = Steering(config, now)
        pacer = Pacer(config.link.algorithm, self.schedule.guarantees.total)
        self.admission = Admission(config.link, pacer, budget, config.mqtt.tls is not None)
        assembler = Assembler(topics, boot, config.announce_period_s)
        assembler.with_context = config.link.dictionaries
        self.effort = EffortGauge(config.link.encode, now)
        self.outstanding = Outstanding(self.admission)
        self.batches = BatchMaker(assembler, self.outbox, self.admission, wall_ns)
        self.intake = Intake(
            self.outbox, self.portrait, self.announcer, self.steering, assembler.learn
        )
        self.backlog = Backlog(topics.backlog)
        self.screens = Screens(topics)
        self.health = HealthReporter(self, now)
        self.changes: deque[Change] = deque()
        self.rates_changed = False
        self.flowing = False
        self._notices: deque[Message] = deque()
        self._strict = TokenBucket(1.0, _STRICT_BURST, now)
        self._connected = False

    @property
    def config(self) -> BridgeConfig:
        """The configuration in force."""
        return self.portrait.config

    @property
    def link_rate(self) -> float | None:
        """Bytes per second that the link takes; None while unknown."""
        return self.admission.pacer.rate_bytes_per_s

    def configure(self, config: BridgeConfig, now: float) -> None:
        """
        Change what can change while running.

        :param config: differs from the present one in such keys alone
        :param now: monotonic seconds
        """
        self.portrait.config = config
        streams = {stream.name: stream for stream in config.all_streams}
        for route in self.outbox.routes:
            route.stream = streams[route.stream.name]
        self.screens.configure(now)
        self.batches.assembler.announce_period_s = config.announce_period_s
        self.announcer.period_s = config.announce_period_s
        self.schedule.guarantees.configure(config.all_streams)
        self.steering.configure(config)
        self.admission.configure(config.link, now)
        self._limit_routes(now)
        self.announcer.route_added(None, now)

    def lease(
        self, consumer: str, leases: Sequence[Lease], now: float, *, vouched: bool = False
    ) -> list[str]:
        """
        Take a consumer's leases; ``health`` tells at once what became of them.

        :param consumer: its name
        :param leases: what it wants
        :param now: monotonic seconds
        :param vouched: whether a command's signature has shown that the consumer may
        :returns: why each is refused; empty texts for those that are granted
        """
        refused = self.steering.lease(consumer, leases, now, vouched=vouched)
        self._limit_routes(now)
        self.health.soon(now)
        return refused

    def passed(self, payload: int, topic: int, now: float) -> None:
        """
        Take into account what another session has sent over the same link.

        :param payload: its bytes
        :param topic: bytes of its topic
        :param now: monotonic seconds
        """
        self.admission.passed(payload, topic, now)

    def connected(self, limits: CarrierLimits, look_first: bool, now: float) -> None:
        """
        Begin with a new connection, on which the session repeats what was not answered for.

        :param limits: those of the broker
        :param look_first: whether to wait for what stands at ``state``
        :param now: monotonic seconds
        """
        self._connected = True
        self.admission.connected(limits, now)
        self.outstanding.repeated(now)
        self.batches.assembler.describe_again()
        self.announcer.connected(now, look_first=look_first)

    def disconnected(self) -> None:
        """Send nothing until the next connection."""
        self._connected = False
        self.admission.disconnected()
        # When there is a connection again it is no news any more: it is read from the spool.
        for parcel in self.schedule.durable():
            self._abandon(parcel, Drop.ABANDONED)
        self.backlog.give_up()

    def next(self, now: float) -> Shipment | Encoding | Painting | float | None:
        """
        Say what to do next.

        :param now: monotonic seconds
        :returns: a message to publish, a batch to encode, a sample to paint, how many seconds to
            wait, or None when only an event changes anything
        """
        self._steer(now)
        if not self._connected:
            return max(_SHORTEST_WAIT_S, self.steering.next_at(now) - now)
        self._give_up_interrupted(now)
        painting = self.screens.painting(now) if self.flowing else None
        if painting is not None:
            return painting
        wait = self.admission.wait_s(now)
        if wait == 0.0:
            return self._next_message(now)
        if self.admission.limit is Limit.BUDGET:
            # Whoever is connected says so, whatever it costs.
            presence = self._next_strict(now)
            if presence is not None:
                return presence
        promised = self._next_promised(now)
        return wait if promised is None else promised

    def _give_up_interrupted(self, now: float) -> None:
        """Begin durable batches anew that stood still: by the month's budget, or by a pause."""
        notice = self.backlog.interrupted(now)
        if notice is not None:
            self._notices.append(notice)
        for parcel in self.schedule.durable():
            if parcel.sent_at is not None and now - parcel.sent_at > LONGEST_BREAK_S:
                self._abandon(parcel, Drop.ABANDONED)

    def _next_promised(self, now: float) -> Shipment | Encoding | None:
        guarantees = self.schedule.guarantees
        if not (self.flowing and guarantees.total and self.admission.guaranteed_open(now)):
            return None
        chosen = self.schedule.pick_promised(self.batches.ready(now), now)
        if isinstance(chosen, Parcel):
            return self._ship_parcel(chosen, now)
        return None if chosen is None else self._form(chosen, 0.0, now)

    def _next_message(self, now: float) -> Shipment | Encoding | float | None:
        strict = self._next_strict(now)
        if strict is not None:
            return strict
        for parcel in self.schedule.expired(now):
            self.batches.expired(parcel, now)
            self._abandon(parcel, Drop.EXPIRED)
        latched: dict[int, Route] = {}
        ready: list[Route] = []
        self._repeat(now)
        if self.flowing:
            latched = self.batches.ready_latched(now)
            ready = self.batches.ready(now)
            ready += [route for route in latched.values() if route not in ready]
        announcing = self._announcing(now)
        showing = self.flowing and self.screens.waits(now)
        live = bool(ready) or announcing or showing or self.schedule.underway
        if self.flowing and self.backlog.waits and self.backlog.turn(live):
            return self._ship_backlog(now)
        chosen = self.schedule.pick(ready, announcing, now, showing)
        if isinstance(chosen, Parcel):
            return self._ship_parcel(chosen, now)
        if isinstance(chosen, Route):
            if chosen.number in latched:
                return self.batches.retained(chosen, now)
            return self._form(chosen, self.schedule.share(chosen.stream.priority, ready), now)
        if chosen == ANNOUNCEMENTS:
            return self._announce(now)
        if chosen == DASHBOARDS:
            return self._show(now)
        self.admission.idle()
        return self._wait_s(now)

    def _form(self, lead: Route, share: float, now: float) -> Encoding:
        scarce = self.admission.limit not in (Limit.APPLICATION, Limit.DISCONNECTED)
        self.batches.assembler.effort = self.effort.level(scarce, now)
        return self.batches.live(lead, share, self.schedule.busy, now)

    def start(self, parcel: Parcel) -> None:
        """
        Take up an encoded batch.

        :param parcel: as its ``Encoding`` made it
        """
        self.schedule.add(parcel)
        if parcel.durable and not self._connected:
            self._abandon(parcel, Drop.ABANDONED)

    def failed(self, encoding: Encoding) -> None:
        """
        Give a batch up that could not be encoded.

        :param encoding: the batch
        """
        self.batches.assembler.describe_again()
        for part in encoding.entries:
            part.settle(Drop.ABANDONED)

    def answered(
        self,
        shipment: Shipment,
        drop: Drop | None,
        at: float | None = None,
        sent_at: float | None = None,
        *,
        later: bool = False,
    ) -> None:
        """
        Note what became of a message.

        :param shipment: the message
        :param drop: why it was lost, or None when the broker has it
        :param later: whether durable samples shall be tried again: nobody listens, or the broker
            refuses for now
        :param at: monotonic seconds when the broker answered; None when it never did
        :param sent_at: when the message really left; None for when it was handed over
        """
        if not self.outstanding.settle(shipment, at, sent_at):
            return
        if drop is not None:
            # Its descriptors may not have arrived either.
            self.batches.assembler.describe_again()
        notice = None
        if shipment.backlog is not None:
            notice = self.backlog.answered(shipment.backlog, _outcome(drop, later))
        elif shipment.parcel is not None:
            notice = self._answered_parcel(shipment.parcel, drop, later)
        else:
            for context in self.batches.assembler.contexts.values():
                context.settled(shipment.message.payload, drop is None)
        if notice is not None:
            self._notices.append(notice)

    def _answered_parcel(self, parcel: Parcel, drop: Drop | None, later: bool) -> Message | None:
        if later and parcel.durable:
            drop = Drop.ABANDONED
        notice = parcel.answered(drop)
        if parcel.done:
            self.schedule.remove(parcel)
        if parcel.settled and parcel.drop is None:
            self.batches.arrived(parcel)
        return notice

    def give_up(self, reason: Drop) -> int:
        """
        Give up whatever is not sent.

        :param reason: why
        :returns: how many samples
        """
        count = self.schedule.give_up(reason)
        return count + sum(route.drop_all(reason) for route in self.outbox.routes)

    @property
    def empty(self) -> bool:
        """Whether no sample waits or is on its way."""
        return not any(
            len(route) or route.in_flight or (route.unreduced is not None and len(route.unreduced))
            for route in self.outbox.routes
        )

    def _steer(self, now: float) -> None:
        if now < self.steering.next_at(now):
            return
        room = round((self.admission.capacity(now) or 0.0) * _INFO_S)
        self.portrait.most_info_bytes = min(MOST_INFO_BYTES, max(_LEAST_INFO_BYTES, room))
        limit = self.admission.limit
        load = LinkLoad(
            rate_bytes_per_s=self.admission.capacity(now),
            limited=limit not in (Limit.APPLICATION, Limit.DISCONNECTED),
            connected=self._connected,
            reason=_SHORTAGES.get(limit, 'the link is too thin'),
        )
        changes = self.steering.look(self.outbox.routes, load, now)
        self.changes.extend(changes)
        self._limit_routes(now)
        self.rates_changed = self.rates_changed or bool(changes)

    def _limit_routes(self, now: float) -> None:
        if self.steering.limit(self.outbox.routes, now):
            self.rates_changed = True

    def _next_strict(self, now: float) -> Shipment | None:
        self._strict.rate = _STRICT_SHARE * (self.admission.capacity(now) or _STRICT_BURST)
        if self._strict.wait_s(now) > 0.0:
            return None
        message = self._notices.popleft() if self._notices else self.announcer.next_state(now)
        if message is None:
            return None
        self._strict.take(link_cost(len(message.payload) + len(message.topic)), now)
        return self.outstanding.ship(message, None, None, now)

    def _announcing(self, now: float) -> bool:
        return bool(self._notices) or self.announcer.waits(now) or self.health.due(now)

    def _announce(self, now: float) -> Shipment | float:
        expiry_s = None
        message = self._notices.popleft() if self._notices else self.announcer.next(now)
        if message is None:
            message = self.health.message(now)
            expiry_s = 3 * self.config.health_period_s
        size = link_cost(len(message.payload) + len(message.topic))
        self.schedule.charge_announcement(size)
        self.backlog.charge_live(size)
        return self.outstanding.ship(message, None, expiry_s, now)

    def _show(self, now: float) -> Shipment | float:
        room = max(_LEAST_SHOWN_BYTES, round((self.admission.capacity(now) or 0.0) * _SHOW_S))
        message = self.screens.take(now, min(room, self.admission.max_payload_bytes))
        if message is None:
            return _SHORTEST_WAIT_S
        size = link_cost(len(message.payload) + len(message.topic))
        self.schedule.charge_dashboard(size)
        self.backlog.charge_live(size)
        shipment = self.outstanding.ship(message, None, _SHOWN_EXPIRY_S, now)
        shipment.fleeting = True
        return shipment

    def _repeat(self, now: float) -> None:
        for context in self.batches.assembler.contexts.values():
            fresh = context.take_fresh()
            if fresh is not None:
                self.announcer.dictionary(context.topic, *fresh, now)
        topics = [route.topic for route in self.outbox.routes if route.latched is not None]
        repeated = self.announcer.next_repetition(now, self.outstanding.sent_bytes, topics)
        if repeated is not None:
            self.announcer.repeated(self.batches.latched.again(self.outbox.routes, repeated))

    def _ship_parcel(self, parcel: Parcel, now: float) -> Shipment:
        message = parcel.next(self.admission.fragment_bytes)
        if parcel.began_at is None:
            parcel.began_at = now
        parcel.sent_at = now
        if parcel.done:
            self.schedule.remove(parcel)
        size = link_cost(len(message.payload) + len(message.topic))
        self.schedule.charge(parcel, size, now)
        self.backlog.charge_live(size)
        expiry_s = None if parcel.expires_at is None else parcel.expires_at - now
        return self.outstanding.ship(message, parcel, expiry_s, now)

    def _ship_backlog(self, now: float) -> Shipment:
        shipped, message = self.backlog.next(self.admission.fragment_bytes, now)
        shipment = self.outstanding.ship(message, None, None, now)
        shipment.backlog = shipped
        self.backlog.charge(link_cost(shipment.size))
        return shipment

    def _abandon(self, parcel: Parcel, reason: Drop) -> None:
        notice = parcel.give_up(reason)
        self.schedule.remove(parcel)
        if notice is not None:
            self._notices.append(notice)

    def _wait_s(self, now: float) -> float:
        dues = [self.announcer.next_due(), self.health.next_at, self.steering.next_at(now)]
        if self.flowing:
            flowing = (self.outbox.next_due(), self.screens.next_due())
            dues += [due for due in flowing if due is not None]
        return max(_SHORTEST_WAIT_S, min(dues) - now)


def _outcome(drop: Drop | None, later: bool) -> Outcome:
    if later:
        return Outcome.LATER
    if drop is None:
        return Outcome.ACCEPTED
    return Outcome.REFUSED if drop is Drop.REFUSED else Outcome.LOST
