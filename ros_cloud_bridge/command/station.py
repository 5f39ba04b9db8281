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
Where commands come in: the gate with its log, an MQTT session of its own, and a thread.

Everything the gate decides is carried out here in its order; nothing here decides anything.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
import os
import threading
import time

from ros_cloud_bridge.command.audit import AuditLog
from ros_cloud_bridge.command.faults import reason_of
from ros_cloud_bridge.command.identity import audit_path, key_ring, robot_key
from ros_cloud_bridge.command.inbox import Inbox
from ros_cloud_bridge.command.ports import Actuators, Controls
from ros_cloud_bridge.command.reader import reader_for
from ros_cloud_bridge.command.watchdog import Watchdog
from ros_cloud_bridge.command_values import EPOCH_BYTES, Reason, State
from ros_cloud_bridge.core.commands.effects import (
    Arrival,
    Audit,
    Cancel,
    Dispatch,
    Effect,
    Ended,
    Finish,
    Progress,
    Record,
    Reply,
    Stop,
)
from ros_cloud_bridge.core.commands.gate import Gate
from ros_cloud_bridge.errors import BridgeError, ConfigError, LocalFault
from ros_cloud_bridge.mqtt import reasons
from ros_cloud_bridge.mqtt.events import (
    Acknowledged,
    Connected,
    Discarded,
    Disconnected,
    Outgoing,
    Received,
    Refused,
    SessionEvent,
    SessionFull,
    SubscriptionRefused,
    TakenOver,
    Unreachable,
)
from ros_cloud_bridge.mqtt.presets import find_preset
from ros_cloud_bridge.mqtt.protocol_choice import V5, V311
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.signing.messages import sign
from ros_cloud_bridge.store.executed import ExecutedStore
from ros_cloud_bridge.store.usage import state_directory
from ros_cloud_bridge.values import BridgeConfig, ChannelKind, MqttConfig, Trust
from ros_cloud_bridge.wire.announce import encode_json
from ros_cloud_bridge.wire.command import encode_answer
from ros_cloud_bridge.wire.cose import Context
from ros_cloud_bridge.wire.limits import MAX_COMMAND
from ros_cloud_bridge.wire.topics import parse_topic, RobotTopics

Log = Callable[[str, str], None]

_IDLE_S = 1.0
_FAILED_S = 0.1
_STOP_S = 2.0
# A command is of no use to anybody an hour later, nor is its answer.
_ANSWER_EXPIRY_S = 3600.0
_MOST_REPLIES = 1024
# A turn lets so many messages in before it looks at what the robot has done meanwhile.
_TURN_MESSAGES = 32
_NO_MQTT5 = (
    'commands need MQTT 5, for a command that waits at the broker must expire there; {} speaks '
    '3.1.1'
)


def mqtt_of_commands(config: BridgeConfig) -> MqttConfig:
    """
    Derive how the second session reaches the broker.

    :param config: checked configuration
    :returns: the bridge's own, with MQTT 5
    :raises ConfigError: when it cannot be MQTT 5
    """
    mqtt = config.mqtt
    if mqtt.protocol == V311:
        raise ConfigError('mqtt.protocol', _NO_MQTT5.format('this bridge'))
    if mqtt.protocol == 'auto' and find_preset(mqtt.preset).protocol == V311:
        raise ConfigError('mqtt.preset', _NO_MQTT5.format(mqtt.preset))
    return replace(mqtt, protocol=V5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the station says of itself in ``health``."""

    connected: bool
    running: int
    counters: dict[str, int]
    stops: dict[str, int]
    unanswered: int

    def document(self) -> dict[str, object]:
        """Write it for JSON."""
        return {
            'connected': self.connected,
            'running': self.running,
            'refused': self.counters,
            'stops': self.stops,
            'answers_waiting': self.unanswered,
        }


class Station:
    """
    Takes commands, has them carried out, and answers.

    :param config: checked configuration with at least one channel
    :param log: takes (level, text)
    :param charge: is told (payload bytes, topic bytes) of what this session sends, for the pacer
    :raises BridgeError: when a file that it needs cannot be used, or MQTT 5 cannot be had
    """

    def __init__(
        self,
        config: BridgeConfig,
        log: Log,
        charge: Callable[[int, int], None] = lambda payload, topic: None,
    ) -> None:
        self._config = config
        self._log = log
        self._charge = charge
        self._topics = RobotTopics(config.root, config.robot_id)
        self._key = robot_key(config)
        self._ring = key_ring(config)
        self._tell_of_keys(time.monotonic())
        self._introduce()
        self._audit = AuditLog(audit_path(config), config.robot_id, config.audit, log)
        self._store = ExecutedStore(state_directory(config), config.robot_id, log)
        self._left = self._store.left_over()
        self._gate = Gate(
            config,
            epoch=os.urandom(EPOCH_BYTES),
            began=time.monotonic(),
            reader=reader_for(config.trust, self._ring, config.robot_id),
            log=self._store,
        )
        self._actuators: Actuators | None = None
        self._controls: Controls | None = None
        self._watchdog = Watchdog(config.channels, self._publish_stop, log)
        self._wake = threading.Condition()
        self._inbox = Inbox()
        self._events: deque[SessionEvent] = deque()
        self._reports: deque[Progress | Ended] = deque()
        self._replies: deque[Outgoing] = deque()
        self._forgotten = 0
        self._effects: deque[Effect] = deque()
        self._connected = False
        self._ended = False
        self._failure = ''
        self._said = ''
        self.problem = ''
        client_id = config.mqtt.client_id or f'rcb-{config.robot_id}'
        self._session = Session(
            mqtt_of_commands(config),
            client_id=f'{client_id}-command',
            subscriptions=(self._topics.command('+', '+'),),
            on_event=self._on_event,
            max_receive_bytes=2 * MAX_COMMAND,
            fresh_only=True,
            quick_ack=True,
        )
        self._thread = threading.Thread(target=self._run, name='commands', daemon=True)

    def start(self, actuators: Actuators, controls: Controls) -> None:
        """
        Take commands from now on.

        :param actuators: carry them out in ROS
        :param controls: carry out those to the bridge itself
        """
        with self._wake:
            self._actuators, self._controls = actuators, controls
            self._gate.open()
            if self._left:
                self._effects.extend(self._gate.left_over(self._left, time.monotonic()))
                self._left = []
            self._wake.notify()
        if self._thread.ident is None:
            self._watchdog.start()
            self._session.start()
            self._thread.start()

    def pause(self, why: str = 'deactivated') -> None:
        """
        Stop what moves, give up what runs, and refuse what comes until the next :meth:`start`.

        The connection stays, so that whoever commands something learns that.

        :param why: for the log
        """
        self._watchdog.stop_all(why)
        with self._wake:
            self._effects.extend(self._gate.close(time.monotonic()))
            self._wake.notify()

    def stop(self) -> None:
        """Stop what moves, tell operators what becomes of their commands, and let go."""
        self._watchdog.close('the bridge stops')
        self.pause('the bridge stops')
        with self._wake:
            self._ended = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)
            self._session.stop(_STOP_S, list(self._replies))
        self._store.close()
        self._audit.close()

    def report(self, report: Progress | Ended) -> None:
        """
        Take what the robot says of a command; from any thread.

        :param report: a feedback, or the end
        """
        with self._wake:
            self._reports.append(report)
            self._wake.notify()

    def figures(self) -> Figures:
        """
        Describe the station.

        :returns: present figures
        """
        with self._wake:
            counters = dict(self._gate.counters)
            for reason, count in self._inbox.dropped.items():
                counters[reason] = counters.get(reason, 0) + count
            return Figures(
                connected=self._connected,
                running=self._gate.running,
                counters=counters,
                stops=self._watchdog.stops,
                unanswered=len(self._replies) + self._session.in_flight,
            )

    def _publish_stop(self, channel: str) -> None:
        if self._actuators is not None:
            self._actuators.stop_message(channel)

    def _on_event(self, event: SessionEvent) -> None:
        with self._wake:
            if isinstance(event, Received):
                arrival = self._arrival(event)
                if arrival is not None and not self._inbox.put(arrival):
                    return
            else:
                self._events.append(event)
            self._wake.notify()

    def _arrival(self, message: Received) -> Arrival | None:
        """Make an arrival of a message of somebody who may be an operator."""
        name = parse_topic(message.topic, self._config.root)
        if name is None or name.kind != 'cmd' or len(name.rest) != 2:
            return None
        operator, channel = name.rest
        if len(message.payload) > MAX_COMMAND:
            self._inbox.dropped[Reason.TOO_LARGE] += 1
            return None
        if not self._may_be_operator(operator):
            # Whoever may publish here can make up names without end: nothing is kept of them.
            self._inbox.dropped[Reason.UNKNOWN_KEY] += 1
            return None
        return Arrival(
            operator=operator,
            channel=channel,
            topic=message.topic,
            payload=message.payload,
            retained=message.retain,
        )

    def _introduce(self) -> None:
        """Say whose commands are taken, and by which key answers are known."""
        channels = ', '.join(channel.name for channel in self._config.channels)
        self._log('info', f'commands: channels {channels}; own key {self._key.public.fingerprint}')
        if self._config.trust is Trust.TRANSPORT:
            text = "trust: transport: whoever may publish to an operator's topic is believed"
            self._log('warning', f'commands: {text}')
        elif self._ring is None:
            self._log('warning', 'commands: operator_keys names no directory: all are refused')
        else:
            known = ', '.join(self._ring.operators) or 'none yet, all are refused'
            self._log('info', f'commands: operators with a key: {known}')

    def _may_be_operator(self, name: str) -> bool:
        if self._config.trust is Trust.SIGNATURES:
            return self._ring is not None and bool(self._ring.keys_of(name))
        globs = (glob for channel in self._config.channels for glob in channel.operators)
        return any(fnmatchcase(name, glob) for glob in globs)

    def _tell_of_keys(self, now: float) -> None:
        if self._ring is not None:
            for problem in self._ring.look(now):
                self._log('error', f'commands: {problem}')

    def _run(self) -> None:
        while not self._ended or self._effects:
            try:
                self._turn()
            except Exception as error:  # whatever it is, the watchdog and the next command go on
                self._fail(error)

    def _turn(self) -> None:
        with self._wake:
            now = time.monotonic()
            self._tell_of_keys(now)
            self._handle_events(now)
            self._handle_reports(now)
            self._effects.extend(self._gate.look(now))
        self._perform()
        for _ in range(_TURN_MESSAGES):
            with self._wake:
                arrival = self._inbox.take()
                if arrival is None:
                    break
                self._effects.extend(self._gate.take(arrival, time.monotonic()))
            self._perform()
        self._send()
        with self._wake:
            if self._idle() and not self._ended:
                due = self._gate.next_at(time.monotonic())
                wait_s = _IDLE_S if due is None else min(_IDLE_S, due - time.monotonic())
                if wait_s > 0:
                    self._wake.wait(wait_s)

    def _idle(self) -> bool:
        return not (self._inbox or self._events or self._reports or self._effects)

    def _fail(self, error: Exception) -> None:
        if repr(error) != self._failure:
            self._failure = repr(error)
            self._log('error', f'commands: {error!r} (said once)')
        with self._wake:
            if not self._ended:
                self._wake.wait(_FAILED_S)

    def _perform(self) -> None:
        while True:
            with self._wake:
                if not self._effects:
                    return
                effect = self._effects.popleft()
            more = self._do(effect)
            if more:
                with self._wake:
                    # Before what was decided later.
                    self._effects.extendleft(reversed(more))

    def _do(self, effect: Effect) -> Sequence[Effect]:
        """Carry an effect out, outside of the lock; returns what the gate makes of it."""
        if isinstance(effect, Dispatch):
            return self._dispatch(effect)
        if isinstance(effect, Record):
            return self._record(effect)
        if isinstance(effect, Reply):
            self._reply(effect)
        elif isinstance(effect, Finish):
            self._store.finish(effect.key, effect.answer)
        elif isinstance(effect, Cancel):
            assert self._actuators is not None
            self._actuators.cancel(effect.ticket)
        elif isinstance(effect, Stop):
            self._watchdog.stop(effect.channel, effect.why)
        else:
            self._note(effect)
        return ()

    def _record(self, effect: Record) -> Sequence[Effect]:
        try:
            self._store.start(effect.entry)
        except LocalFault as fault:
            reason = f'{Reason.LOG_FAILED}: {fault}'
            with self._wake:
                return self._gate.not_recorded(effect.entry.key, reason, time.monotonic())
        with self._wake:
            return self._gate.recorded(effect.entry.key, time.monotonic())

    def _dispatch(self, dispatch: Dispatch) -> Sequence[Effect]:
        kind = dispatch.channel.kind
        try:
            if kind is ChannelKind.TOPIC:
                return self._end(self._publish(dispatch))
            if kind is ChannelKind.BRIDGE:
                assert self._controls is not None
                self._controls.start(dispatch)
            else:
                assert self._actuators is not None
                self._actuators.start(dispatch)
        except Exception as error:
            reason = f'{Reason.INTERNAL}: {error!r}'
            return self._end(Ended(ticket=dispatch.ticket, state=State.FAILED, reason=reason))
        return ()

    def _publish(self, dispatch: Dispatch) -> Ended:
        actuators = self._actuators
        assert actuators is not None
        name, ticket = dispatch.channel.name, dispatch.ticket

        def publish() -> None:
            actuators.publish(name, dispatch.arguments or {})

        try:
            if dispatch.drives:
                gone = self._watchdog.drive(name, publish, dispatch.deadline)
            else:
                gone = time.monotonic() <= dispatch.deadline
                if gone:
                    publish()
        except BridgeError as error:
            return Ended(ticket=ticket, state=State.FAILED, reason=reason_of(error))
        if gone:
            return Ended(ticket=ticket, state=State.SUCCEEDED)
        return Ended(ticket=ticket, state=State.FAILED, reason=Reason.EXPIRED)

    def _end(self, ended: Ended) -> Sequence[Effect]:
        with self._wake:
            return self._gate.ended(ended, time.monotonic())

    def _reply(self, reply: Reply) -> None:
        topic = self._topics.answers(reply.operator)
        payload = sign(
            self._key,
            Context.ANSWER,
            self._config.robot_id,
            topic,
            encode_answer(reply.answer),
        )
        self._queue(Outgoing(topic=topic, payload=payload, expiry_s=_ANSWER_EXPIRY_S))

    def _note(self, audit: Audit) -> None:
        line = self._audit.line(audit, time.time_ns())
        self._audit.write(line)
        if self._config.audit.mqtt:
            self._queue(
                Outgoing(
                    topic=self._topics.audit, payload=encode_json(line), expiry_s=_ANSWER_EXPIRY_S
                )
            )

    def _queue(self, outgoing: Outgoing) -> None:
        if len(self._replies) >= _MOST_REPLIES:
            # The operator asks again, and the gate answers again.
            self._replies.popleft()
            self._forgotten += 1
        self._replies.append(outgoing)

    def _send(self) -> None:
        while self._replies and self._session.room(len(self._replies[0].payload)):
            outgoing = self._replies[0]
            try:
                self._session.publish(outgoing)
            except SessionFull:
                return
            self._replies.popleft()
            self._charge(len(outgoing.payload), len(outgoing.topic))

    def _handle_reports(self, now: float) -> None:
        while self._reports:
            report = self._reports.popleft()
            if isinstance(report, Progress):
                self._effects.extend(self._gate.progress(report, now))
            else:
                self._effects.extend(self._gate.ended(report, now))

    def _handle_events(self, now: float) -> None:
        while self._events:
            event = self._events.popleft()
            if isinstance(event, Connected):
                self._connected = True
                self._say('info', f'commands: connected (MQTT {event.protocol})')
            elif isinstance(event, Disconnected | Refused | TakenOver | Unreachable):
                self._lose(event, now)
            elif isinstance(event, SubscriptionRefused):
                self._say('error', f'commands: {event.topic_filter} is refused by the broker')
            elif isinstance(event, Acknowledged) and event.refused:
                self._say(
                    'warning',
                    f'commands: answers are refused: {reasons.describe(event.code or 0)}',
                )
            elif isinstance(event, Discarded):
                self._forgotten += 1

    def _lose(self, event: Disconnected | Refused | TakenOver | Unreachable, now: float) -> None:
        if self._connected:
            self._effects.extend(self._gate.lost(now))
        self._connected = False
        # Nothing that was sent before may be carried out after: it is said again if still meant.
        self._inbox.clear()
        if isinstance(event, TakenOver):
            self._say('error', 'commands: another client has taken the session over')
        elif isinstance(event, Refused):
            text = event.reason
            if event.code == reasons.UNSUPPORTED_PROTOCOL_VERSION:
                text = _NO_MQTT5.format('this broker')
                self.problem = text
            self._say('error', f'commands: {text}')
        else:
            self._say('warning', f'commands: no connection: {event.reason}')

    def _say(self, level: str, text: str) -> None:
        if text != self._said:
            self._said = text
            self._log(level, text)
