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


"""The bridge: drives the pump with a broker, the machine's clocks and a thread of its own."""

from collections.abc import Callable, Sequence
import os
import threading
import time

from ros_cloud_bridge.broker_news import BrokerNews
from ros_cloud_bridge.command.identity import key_ring
from ros_cloud_bridge.core.durable_route import DurableRoute
from ros_cloud_bridge.core.presence import Presence
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.core.unreduced import Offered
from ros_cloud_bridge.durable.place import needs_spool
from ros_cloud_bridge.durable.spooling import Spooling
from ros_cloud_bridge.journal import Journal
from ros_cloud_bridge.link import Link, Log
from ros_cloud_bridge.metering import Meter
from ros_cloud_bridge.mqtt.events import SessionEvent
from ros_cloud_bridge.reducers.config_check import reducer_problems
from ros_cloud_bridge.reducers.fitting import FindSchema, fit, Fitted
from ros_cloud_bridge.reducing import Reducing
from ros_cloud_bridge.signing.confirmations import ConfirmationKeys
from ros_cloud_bridge.uplink.batching import Encoding
from ros_cloud_bridge.uplink.outstanding import Shipment
from ros_cloud_bridge.uplink.pump import Pump
from ros_cloud_bridge.uplink.screens import Painting
from ros_cloud_bridge.values import BridgeConfig, Drop, Lease, Received, StreamConfig, Trust
from ros_cloud_bridge.wire.announce import Ask
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.topics import RobotTopics

_IDLE_S = 1.0
_FAILED_S = 0.1
# A message without an answer for so long holds a place in the broker's window for nothing. It may
# be sent again on a new connection only (MQTT 5, 4.4).
_UNANSWERED_S = 60.0
_COMMIT_S = 5.0
# What still waits for a reducer when all else is over has so long.
_REDUCE_S = 2.0


class Bridge:
    """
    Moves samples from routes to the broker on a thread of its own.

    :param config: checked configuration
    :param log: takes (level, text); levels are ``info``, ``warning`` and ``error``
    :param journal: notes every accepted sample, if not None
    :raises ConfigError: when a file or a reducer that the configuration names cannot be used
    """

    def __init__(self, config: BridgeConfig, log: Log, journal: Journal | None = None) -> None:
        for problem in reducer_problems(config):
            raise problem
        self._journal = journal
        self._log = log
        self._boot = os.urandom(8)
        self._topics = RobotTopics(config.root, config.robot_id)
        self._presence = Presence(config.robot_id, self._boot.hex())
        self._meter = Meter(config, log)
        now = time.monotonic()
        self._pump = Pump(
            config,
            boot=self._boot,
            topics=self._topics,
            presence=self._presence,
            wall_ns=time.time_ns,
            budget=self._meter.budget,
            now=now,
        )
        lock = threading.RLock()
        self._wake = threading.Condition(lock)
        self._wake_at = 0.0
        self._flush_until: float | None = None
        self._ended = False
        self._failure = ''
        self.on_demand_changed: Callable[[], None] | None = None
        # Gives the definition of a type that a reducer makes.
        self.find_schema: FindSchema | None = None
        # Gives what ``health`` says of commands.
        self.commands: Callable[[], dict[str, object]] | None = None
        keys: ConfirmationKeys | None = None
        ring = key_ring(config)
        if config.confirm_trust is Trust.SIGNATURES and ring is not None:
            keys = ConfirmationKeys(ring, config.robot_id)
        self._link = Link(
            config,
            will=self._pump.portrait.will,
            subscriptions=self._subscriptions(config),
            on_event=self._on_event,
            segment_bytes=lambda: self._pump.admission.pacer.segment_bytes,
            log=log,
        )
        self._spooling: Spooling | None = None
        if needs_spool(config):
            self._spooling = Spooling(
                config,
                boot=self._boot,
                pump=self._pump,
                work_came=threading.Condition(lock),
                news=self._wake.notify,
                log=log,
            )
        self._news = BrokerNews(
            self._topics,
            pump=self._pump,
            presence=self._presence,
            link=self._link,
            spooling=self._spooling,
            keys=keys,
            log=log,
        )
        self._reducing = Reducing(
            work_came=threading.Condition(lock), accept=self._reduced, log=log
        )
        self._thread = threading.Thread(target=self._run, name='pump', daemon=True)

    def _subscriptions(self, config: BridgeConfig) -> tuple[str, ...]:
        topics = self._topics.state, self._topics.ask('+')
        return (*topics, self._topics.confirm('+')) if needs_spool(config) else topics

    @property
    def boot_id(self) -> str:
        """The boot id, hexadecimal."""
        return self._boot.hex()

    @property
    def problems(self) -> dict[str, str]:
        """What is not bridged and why, by topic; whoever finds out says so here."""
        return self._pump.portrait.problems

    @problems.setter
    def problems(self, problems: dict[str, str]) -> None:
        self._pump.portrait.problems = problems

    def demanded_hz(self, stream: str) -> float | None:
        """
        Tell what rate consumers want of a stream.

        :param stream: its name
        :returns: Hz, 0 for nothing; None when the stream needs no lease
        """
        with self._wake:
            return self._pump.steering.demanded_hz(stream, time.monotonic())

    def identify(self, identity: dict[str, str]) -> None:
        """
        Tell in ``info`` whose answers to commands are to be believed.

        :param identity: ``key`` and ``kid``, hexadecimal
        """
        with self._wake:
            self._pump.portrait.identity = identity

    def passed(self, payload: int, topic: int) -> None:
        """
        Take into account what another session has sent over the same link.

        :param payload: its bytes
        :param topic: bytes of its topic
        """
        with self._wake:
            self._pump.passed(payload, topic, time.monotonic())

    def lease(self, consumer: str, lease: Lease) -> str:
        """
        Lease a stream for somebody who has the right to by a command.

        :param consumer: who wants it
        :param lease: what is wanted
        :returns: why not; empty when it is so
        """
        with self._wake:
            (refused,) = self._pump.lease(consumer, [lease], time.monotonic(), vouched=True)
            self._wake.notify()
            return refused

    def announce(self) -> None:
        """Say schemas, routes, latched values and ``info`` again."""
        with self._wake:
            self._pump.announcer.say_again(time.monotonic())
            self._news.tell_again(Ask(info=True, routes=True, latched=True))
            self._wake.notify()

    def report(self) -> dict[str, object]:
        """
        Describe link, streams and routes; what ``health`` says, with all routes.

        :returns: JSON-able document
        """
        with self._wake:
            return self._pump.portrait.report(self._pump.health.document(time.monotonic()))

    def open_route(
        self,
        stream: StreamConfig,
        topic: str,
        type_name: str,
        *,
        schema: Schema | None,
        gated: bool,
    ) -> Route:
        """
        Give the route of a topic, made when new.

        :param stream: the stream that gets the topic
        :param topic: ROS topic
        :param type_name: as in ``sensor_msgs/msg/Imu``
        :param schema: the type's definition, or None when it has none
        :param gated: whether the subscription itself keeps the rate
        :returns: the route; the same as before for a topic that comes back. With a reducer that
            does not fit the type it goes out as it is, and ``reducer_problem`` of it says why
        """
        fitted, problem = None, ''
        if stream.reducer:
            try:
                fitted = fit(stream, type_name, schema, self.find_schema)
            except ValueError as error:
                problem = str(error)
        with self._wake:
            route = self._open(stream, topic, type_name, schema, gated, fitted)
            route.reducer_problem = problem
            self._pump.screens.show(route, schema if fitted is None else fitted.schema)
            if fitted is not None:
                self._reducing.opened(
                    route,
                    fitted.chain,
                    lambda: self._open_beside(route, stream, schema, gated),
                )
            self._wake.notify()
            return route

    def _open(
        self,
        stream: StreamConfig,
        topic: str,
        type_name: str,
        schema: Schema | None,
        gated: bool,
        fitted: Fitted | None,
    ) -> Route:
        """Open a route, or give the one that there is; called with the lock held."""
        schema = schema if fitted is None else fitted.schema
        route = self._pump.intake.open_route(
            stream,
            topic,
            type_name,
            schema=schema,
            gated=gated,
            now=time.monotonic(),
            reduction=None if fitted is None else fitted.reduction,
        )
        if self._journal is not None:
            route.on_accept = self._journal.accepted
        if isinstance(route, DurableRoute) and self._spooling is not None:
            self._spooling.opened(route, schema)
        return route

    def _open_beside(
        self, route: Route, stream: StreamConfig, schema: Schema | None, gated: bool
    ) -> Route:
        """Open the route of what a reducer could not take; called with the lock held."""
        beside = self._open(stream, route.topic, route.source_type, schema, gated, None)
        if route.latched is not None and beside.latched is None:
            beside.latched = route.latched.anew()
        beside.publishers, beside.publisher_count = route.publishers, route.publisher_count
        return beside

    def _reduced(self, route: Route, entries: Sequence[Offered]) -> None:
        """Take in what came out of a reducer; called with the lock held."""
        now = time.monotonic()
        self._pump.intake.accept(route, entries, now)
        self._came(route, now)

    def offer(
        self, route: Route, samples: Sequence[Received], drops: Sequence[tuple[Drop, int]] = ()
    ) -> None:
        """
        Take in what a subscription received; never blocks for the link.

        :param route: their route
        :param samples: in the order of their arrival
        :param drops: what was lost or left out before them, by reason
        """
        with self._wake:
            now = time.monotonic()
            self._pump.intake.offer(route, samples, drops, now)
            self._reducing.offered(route)
            self._came(route, now)

    def _came(self, route: Route, now: float) -> None:
        if isinstance(route, DurableRoute) and self._spooling is not None:
            self._spooling.offered(route, now)
        for due in (self._pump.outbox.next_due(), self._pump.screens.next_due()):
            if due is not None and due < self._wake_at:
                self._wake.notify()
                return

    def start(self) -> None:
        """Connect, and send from now on; after :meth:`pause`, send again."""
        with self._wake:
            if not self._pump.portrait.active:
                self._pump.announcer.state_changed(time.monotonic())
            self._pump.portrait.active = self._pump.flowing = True
            self._wake.notify()
        if self._thread.ident is None:
            self._reducing.start()
            if self._spooling is not None:
                self._spooling.start()
            self._link.start()
            self._thread.start()

    def pause(self) -> None:
        """Stop sending samples; the connection and what waits stay."""
        with self._wake:
            self._pump.portrait.active = self._pump.flowing = False
            self._pump.announcer.state_changed(time.monotonic())
            self._wake.notify()

    def stop(self, flush_s: float = 2.0) -> None:
        """
        Send what still waits, say goodbye and disconnect.

        :param flush_s: how long to go on sending what waits
        """
        with self._wake:
            self._flush_until = time.monotonic() + (flush_s if self._pump.flowing else 0.0)
            self._pump.batches.flushing = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join(flush_s + 5.0)
        self._reducing.finish(_REDUCE_S)
        self._reducing.stop()
        if self._spooling is not None:
            self._spooling.commit_all(_COMMIT_S)
        with self._wake:
            unsent = self._pump.give_up(Drop.SHUTDOWN)
            farewell = [
                self._pump.health.message(time.monotonic()),
                self._pump.portrait.goodbye(),
            ]
        unanswered = self._link.stop(farewell)
        self._meter.save()
        if self._spooling is not None:
            with self._wake:
                self._news.handle(time.monotonic())
            self._spooling.stop()
        self._say_goodbye(unsent, unanswered)

    def _say_goodbye(self, unsent: int, unanswered: int) -> None:
        left = 0 if self._spooling is None else self._spooling.left
        if left:
            self._log('info', f'{left} durable samples stay in the spool, for the next start')
        if unsent:
            self._log('warning', f'stopped; {unsent} accepted samples were not sent')
        elif unanswered:
            self._log('warning', f'stopped; {unanswered} messages were not acknowledged')
        else:
            self._log('info', f'stopped; {"all else" if left else "everything"} was sent')

    def apply(self, config: BridgeConfig) -> None:
        """
        Change what can change while running.

        :param config: differs from the present one in such keys alone
        """
        with self._wake:
            now = time.monotonic()
            self._meter.configure(config, now)
            self._pump.configure(config, now)
            if self._spooling is not None:
                self._spooling.configure(config)
            self._wake.notify()

    def _on_event(self, event: SessionEvent) -> None:
        with self._wake:
            self._news.events.append(event)
            self._wake.notify()

    def _run(self) -> None:
        while not self._ended:
            try:
                self._turn()
            except Exception as error:  # the robot's bridge outlives one bad batch
                self._fail(error)

    def _turn(self) -> None:
        with self._wake:
            now = time.monotonic()
            self._news.handle(now)
            self._housekeep(now)
            if self._flush_until is not None and self._flushed(now):
                self._ended = True
                return
            step = self._pump.next(now)
            rates_changed, self._pump.rates_changed = self._pump.rates_changed, False
            if not rates_changed and (step is None or isinstance(step, float)):
                wait = _IDLE_S if step is None else min(step, _IDLE_S)
                self._wake_at = now + wait
                self._wake.wait(wait)
                self._wake_at = 0.0
        if rates_changed and self.on_demand_changed is not None:
            self.on_demand_changed()
        if isinstance(step, Shipment):
            self._link.publish(step.message, step, step.expiry_s, step.again)
        elif isinstance(step, Encoding):
            self._encode(step)
        elif isinstance(step, Painting):
            self._paint(step)

    def _encode(self, encoding: Encoding) -> None:
        """Encode outside the lock: subscriptions go on meanwhile."""
        began = time.thread_time()
        try:
            parcel = encoding.assemble()
        except Exception as error:
            with self._wake:
                self._pump.failed(encoding)
            names = ', '.join(part.route.topic for part in encoding.entries)
            self._log('error', f'{names}: batch abandoned: {error!r}')
            return
        spent = time.thread_time() - began
        with self._wake:
            self._pump.effort.encoded(spent, time.monotonic())
            self._pump.start(parcel)

    def _paint(self, painting: Painting) -> None:
        """Make messages for dashboards outside the lock, too."""
        painting.paint()
        route = painting.screen.route
        with self._wake:
            self._pump.screens.painted(painting, time.monotonic())
            new = bool(painting.problem) and not route.dashboard_problem
            if new:
                route.dashboard_problem = painting.problem
        if new:
            self._log(
                'warning',
                f"stream '{route.stream.name}': {route.topic}: no dashboard of some samples: "
                f'{painting.problem} (said once)',
            )

    def _fail(self, error: Exception) -> None:
        text = f'pump: {error!r}'
        if text != self._failure:
            self._failure = text
            self._log('error', f'{text} (said once)')
        # What fails for good would otherwise take a processor, and fill the disk with its log.
        with self._wake:
            self._wake.wait(_FAILED_S)

    def _flushed(self, now: float) -> bool:
        if self._flush_until is None or now >= self._flush_until or not self._link.ready:
            return True
        # A route's own count, not the session's: that one is empty before the answers are here.
        return self._pump.empty

    def _housekeep(self, now: float) -> None:
        self._meter.look(now)
        self._pump.health.tcp = self._link.tcp
        if self.commands is not None:
            self._pump.health.commands = self.commands()
        if self._spooling is not None:
            self._pump.health.spool = self._spooling.document
        silent_s = self._pump.outstanding.unanswered_s(now)
        if self._pump.portrait.connected and silent_s > _UNANSWERED_S:
            self._pump.portrait.connected = False
            self._link.cut(f'no acknowledgement within {_UNANSWERED_S:.0f} s')
        while self._pump.changes:
            change = self._pump.changes.popleft()
            self._log('warning' if change.step_to > change.step_from else 'info', change.text)
            self._pump.health.soon(now)
