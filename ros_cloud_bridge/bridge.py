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

"""The pump: takes samples in and sends what the link can take, the most important first."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
import os
import threading
import time

from ros_cloud_bridge.core.latched_turns import LatchedTurns
from ros_cloud_bridge.core.outbox import Outbox
from ros_cloud_bridge.core.presence import Presence, Verdict
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.core.window import SendWindow
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.journal import Journal
from ros_cloud_bridge.link import Link, Log
from ros_cloud_bridge.mqtt.events import (
    Acknowledged,
    Connected,
    Discarded,
    SessionEvent,
)
from ros_cloud_bridge.mqtt.events import (
    Received as MqttReceived,
)
from ros_cloud_bridge.uplink.announcer import Announcer
from ros_cloud_bridge.uplink.assembler import Assembler
from ros_cloud_bridge.uplink.parcels import Message, Parcel, ParcelQueue
from ros_cloud_bridge.uplink.portrait import SelfPortrait
from ros_cloud_bridge.values import BridgeConfig, Drop, Priority, Received, StreamConfig
from ros_cloud_bridge.wire.announce import decode_json
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.topics import RobotTopics

_IDLE_S = 1.0
_FAILED_S = 0.1


class Bridge:
    """
    Moves samples from routes to the broker on a thread of its own.

    :param config: checked configuration
    :param log: takes (level, text); levels are ``info``, ``warning`` and ``error``
    :param journal: notes every accepted sample, if not None
    :raises ConfigError: when a file that the configuration names cannot be used
    """

    def __init__(self, config: BridgeConfig, log: Log, journal: Journal | None = None) -> None:
        self._journal = journal
        self._log = log
        self._boot = os.urandom(8)
        self._started_at = time.monotonic()
        self._topics = RobotTopics(config.root, config.robot_id)
        self._presence = Presence(config.robot_id, self._boot.hex())
        self._outbox = Outbox()
        self._portrait = SelfPortrait(
            config, self._presence, self._topics, lambda: self._outbox.routes, time.time_ns
        )
        self._assembler = Assembler(self._topics, self._boot, config.announce_period_s)
        self._announcer = Announcer(
            self._topics, self._portrait.birth, self._portrait.info, config.announce_period_s
        )
        self._window = SendWindow(config.link.max_in_flight_bytes, self._started_at)
        self._parcels = ParcelQueue()
        self._notices: deque[Message] = deque()
        self._latched = LatchedTurns()
        self._health_at = self._started_at + config.health_period_s
        self._sent_bytes = 0
        self._sent_messages = 0
        self._events: deque[SessionEvent] = deque()
        self._wake = threading.Condition()
        self._wake_at = 0.0
        self._flowing = False
        self._flush_until: float | None = None
        self._ended = False
        self._bad_messages = 0
        self._failure = ''
        self._link = Link(
            config,
            will=self._portrait.will,
            subscriptions=(self._topics.state, self._topics.ask('+')),
            on_event=self._on_event,
            log=log,
        )
        self._thread = threading.Thread(target=self._run, name='pump', daemon=True)

    @property
    def boot_id(self) -> str:
        """The boot id, hexadecimal."""
        return self._boot.hex()

    @property
    def problems(self) -> dict[str, str]:
        """What is not bridged and why, by topic; whoever finds out says so here."""
        return self._portrait.problems

    @problems.setter
    def problems(self, problems: dict[str, str]) -> None:
        self._portrait.problems = problems

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
        :returns: the route; the same as before for a topic that comes back
        """
        with self._wake:
            for route in self._outbox.routes:
                known = (route.stream.name, route.topic, route.type_name)
                if known == (stream.name, topic, type_name):
                    return route
            route = Route(len(self._outbox.routes) + 1, stream, topic, type_name, gated)
            route.schema_id = schema.id if schema is not None else ''
            if self._journal is not None:
                route.on_accept = self._journal.accepted
            self._outbox.add(route)
            self._announcer.route_added(schema, time.monotonic())
            self._wake.notify()
            return route

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
            for reason, count in drops:
                route.drops[reason] += count
            route.offer(samples, now)
            self._outbox.enforce(self._portrait.config.link.max_queued_bytes)
            due = self._outbox.next_due()
            if due is not None and due < self._wake_at:
                self._wake.notify()

    def start(self) -> None:
        """Connect, and send from now on; after :meth:`pause`, send again."""
        with self._wake:
            if not self._portrait.active:
                self._announcer.state_changed(time.monotonic())
            self._portrait.active = True
            self._flowing = True
            self._wake.notify()
        if self._thread.ident is None:
            self._link.start()
            self._thread.start()

    def pause(self) -> None:
        """Stop sending samples; the connection and what waits stay."""
        with self._wake:
            self._flowing = False
            self._portrait.active = False
            self._announcer.state_changed(time.monotonic())
            self._wake.notify()

    def stop(self, flush_s: float = 2.0) -> None:
        """
        Send what still waits, say goodbye and disconnect.

        :param flush_s: how long to go on sending what waits
        """
        with self._wake:
            self._flush_until = time.monotonic() + (flush_s if self._flowing else 0.0)
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join(flush_s + 5.0)
        with self._wake:
            unsent = self._parcels.give_up(Drop.SHUTDOWN)
            unsent += sum(route.drop_all(Drop.SHUTDOWN) for route in self._outbox.routes)
            farewell = [self._health(time.monotonic()), self._portrait.goodbye()]
        unanswered = self._link.stop(farewell)
        if unsent:
            self._log('warning', f'stopped; {unsent} accepted samples were not sent')
        elif unanswered:
            self._log('warning', f'stopped; {unanswered} messages were not acknowledged')
        else:
            self._log('info', 'stopped; everything was sent')

    def apply(self, config: BridgeConfig) -> None:
        """
        Change what can change while running.

        :param config: differs from the present one in such keys alone
        """
        with self._wake:
            self._portrait.config = config
            streams = {stream.name: stream for stream in config.streams}
            for route in self._outbox.routes:
                route.stream = streams[route.stream.name]
            self._assembler.announce_period_s = config.announce_period_s
            self._announcer.period_s = config.announce_period_s
            self._set_rates()
            self._announcer.route_added(None, time.monotonic())
            self._wake.notify()

    def _on_event(self, event: SessionEvent) -> None:
        with self._wake:
            self._events.append(event)
            self._wake.notify()

    def _run(self) -> None:
        while not self._ended:
            try:
                with self._wake:
                    now = time.monotonic()
                    self._handle_events(now)
                    step = self._choose(now)
                    if step is None or isinstance(step, float):
                        wait = _IDLE_S if step is None else min(step, _IDLE_S)
                        self._wake_at = now + wait
                        self._wake.wait(wait)
                        self._wake_at = 0.0
                        continue
                step()
            except Exception as error:  # the robot's bridge outlives one bad batch
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        text = f'pump: {error!r}'
        if text != self._failure:
            self._failure = text
            self._log('error', f'{text} (said once)')
        # What fails for good would otherwise take a processor, and fill the disk with its log.
        with self._wake:
            self._wake.wait(_FAILED_S)

    def _choose(self, now: float) -> Callable[[], None] | float | None:
        """Choose the next step; a number is how long to wait for one, None waits for an event."""
        if self._flush_until is not None and self._flushed(now):
            self._ended = True
            return 0.0
        if not self._link.ready:
            return None
        limits = self._link.limits
        wait = self._window.wait_s(
            self._link.in_flight, self._link.in_flight_bytes, limits.max_in_flight, now
        )
        if wait is None or not self._link.room(limits.max_payload_bytes):
            return None
        if wait > 0.0:
            return wait
        announcement = self._notices.popleft() if self._notices else self._announcer.next(now)
        if announcement is not None:
            return partial(self._send, announcement, None, None)
        if self._health_at <= now:
            period_s = self._portrait.config.health_period_s
            self._health_at = now + period_s
            return partial(self._send, self._health(now), None, 3 * period_s)
        return self._choose_samples(now) if self._flowing else self._wait_s(now)

    def _choose_samples(self, now: float) -> Callable[[], None] | float:
        repeated = self._announcer.next_repetition(
            now, self._sent_bytes, [r.topic for r in self._outbox.routes if r.latched is not None]
        )
        if repeated is not None:
            self._announcer.repeated(self._latched.again(self._outbox.routes, repeated))
        latched = self._latched.due(self._outbox.routes, now)
        flush = self._flush_until is not None
        priority = self._parcels.pick({*latched, *self._outbox.ready(now, flush)})
        if priority is None:
            return self._wait_s(now)
        if self._parcels.holds(priority):
            return partial(self._send_next, priority)
        if priority in latched:
            return self._take_latched(latched[priority], now)
        taken = self._outbox.take(priority, float('inf') if flush else now)
        limit = self._link.limits.max_payload_bytes
        return partial(
            self._start_parcel,
            [(part.route, len(part.samples)) for part in taken],
            lambda: self._assembler.batch(priority, taken, now, time.time_ns(), limit),
        )

    def _wait_s(self, now: float) -> float:
        dues = [self._announcer.next_due(), self._health_at]
        due = self._outbox.next_due()
        if due is not None and self._flowing:
            dues.append(due)
        # Never 0: a repetition that waits for its share is due all the time.
        return max(0.005, min(dues) - now)

    def _take_latched(self, route: Route, now: float) -> Callable[[], None]:
        assert route.latched is not None
        self._latched.taken(route, now)
        covered = len(route.take_if_latched())
        values = route.latched.samples
        limit = self._link.limits.max_payload_bytes
        if self._link.limits.max_retained_bytes:
            limit = min(limit, self._link.limits.max_retained_bytes)
        return partial(
            self._start_parcel,
            [(route, covered)],
            lambda: self._assembler.latched(route, values, covered, now, time.time_ns(), limit),
        )

    def _start_parcel(
        self, entries: Sequence[tuple[Route, int]], assemble: Callable[[], Parcel]
    ) -> None:
        """Encode outside the lock: subscriptions go on meanwhile."""
        try:
            parcel = assemble()
        except Exception as error:
            with self._wake:
                self._assembler.describe_again()
                for route, count in entries:
                    route.settle(count, Drop.ABANDONED)
            names = ', '.join(route.topic for route, _ in entries)
            self._log('error', f'{names}: batch abandoned: {error!r}')
            return
        with self._wake:
            self._parcels.add(parcel)
        self._send_next(parcel.priority)

    def _send_next(self, priority: Priority) -> None:
        with self._wake:
            message, parcel = self._parcels.next(priority)
        self._send(message, parcel, parcel.expiry_s)

    def _send(self, message: Message, token: Parcel | None, expiry_s: float | None) -> None:
        size = len(message.payload) + len(message.topic)
        self._window.sent(size, time.monotonic())
        self._sent_bytes += size
        self._sent_messages += 1
        self._link.publish(message, token, expiry_s)

    def _flushed(self, now: float) -> bool:
        if self._flush_until is None or now >= self._flush_until or not self._link.ready:
            return True
        # A route's own count, not the session's: that one is empty before the answers are here.
        return not any(len(route) or route.in_flight for route in self._outbox.routes)

    def _handle_events(self, now: float) -> None:
        while self._events:
            event = self._events.popleft()
            if isinstance(event, Acknowledged | Discarded):
                self._settle(event)
            elif isinstance(event, MqttReceived):
                self._handle_message(event, now)
            elif isinstance(event, Connected):
                self._presence.connected(event.connection)
                self._assembler.describe_again()
                self._announcer.connected(now, look_first=self._presence.announced)
                self._set_rates()

    def _settle(self, event: Acknowledged | Discarded) -> None:
        parcel = event.token
        if isinstance(event, Acknowledged) and event.refused:
            self._log('error', f'broker refuses a message: reason code 0x{event.code or 0:02x}')
        if not isinstance(parcel, Parcel):
            return
        drop = None
        if isinstance(event, Discarded):
            drop = Drop.EXPIRED if parcel.expiry_s is not None else Drop.ABANDONED
        elif event.refused:
            drop = Drop.REFUSED
        if drop is not None:
            # Its descriptors may not have arrived either.
            self._assembler.describe_again()
        notice = self._parcels.answered(parcel, drop)
        if notice is not None:
            self._notices.append(notice)

    def _handle_message(self, message: MqttReceived, now: float) -> None:
        try:
            if message.topic == self._topics.state:
                self._judge_state(message, now)
            else:
                self._answer(message.topic.rpartition('/')[2], message.payload, now)
        except ProtocolError as error:
            self._bad_messages += 1
            if self._bad_messages == 1:
                self._log('warning', f'{message.topic}: {error} (said once)')

    def _judge_state(self, message: MqttReceived, now: float) -> None:
        if not message.payload:
            return
        document = decode_json(message.payload)
        if not self._presence.plausible(document):
            raise ProtocolError('not a state of this robot')
        verdict = self._presence.seen(document, message.retain)
        if verdict is Verdict.ANNOUNCE_AGAIN:
            self._announcer.state_changed(now)
        elif verdict is Verdict.DUPLICATE:
            self._log(
                'error',
                'duplicate_robot_id: another bridge announces robot '
                f"'{self._topics.robot_id}'; this one leaves and tries again in a minute",
            )
            self._link.yield_robot_id()

    def _answer(self, consumer: str, payload: bytes, now: float) -> None:
        ask = self._announcer.asked(consumer, payload, now)
        if ask.routes:
            self._assembler.describe_again()
        if ask.latched:
            self._latched.again(self._outbox.routes)

    def _set_rates(self) -> None:
        limits = self._link.limits
        chosen = self._portrait.config.link.max_bytes_per_s
        rate = min((rate for rate in (chosen, limits.max_bytes_per_s) if rate), default=0.0)
        self._window.set_rates(rate, limits.max_messages_per_s, time.monotonic())

    def _health(self, now: float) -> Message:
        link = {
            'connected': self._link.ready,
            'in_flight': self._link.in_flight,
            'in_flight_bytes': self._link.in_flight_bytes,
            'sent_bytes': self._sent_bytes,
            'sent_messages': self._sent_messages,
            'bad_messages': self._bad_messages,
            'asks_refused': self._announcer.asks_refused,
        }
        return self._portrait.health(link, now - self._started_at, now)
