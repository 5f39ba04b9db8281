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
import os
import threading
import time

from ros_cloud_bridge.command.audit import AuditLog
from ros_cloud_bridge.command.clock import now_s
from ros_cloud_bridge.command.faults import reason_of
from ros_cloud_bridge.command.figures import Figures
from ros_cloud_bridge.command.identity import audit_path, robot_key
from ros_cloud_bridge.command.inbox import Inbox
from ros_cloud_bridge.command.operators import Operators
from ros_cloud_bridge.command.ports import Actuators, Controls
from ros_cloud_bridge.command.session import CommandSession
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
from ros_cloud_bridge.errors import BridgeError, LocalFault, ProtocolError
from ros_cloud_bridge.mqtt.events import (
    Received,
    SessionEvent,
)
from ros_cloud_bridge.signing.messages import sign
from ros_cloud_bridge.store.executed import ExecutedStore
from ros_cloud_bridge.store.usage import state_directory
from ros_cloud_bridge.values import BridgeConfig, ChannelKind
from ros_cloud_bridge.wire.announce import encode_json
from ros_cloud_bridge.wire.command import encode_answer
from ros_cloud_bridge.wire.cose import Context
from ros_cloud_bridge.wire.limits import MAX_COMMAND
from ros_cloud_bridge.wire.topics import parse_topic, RobotTopics

Log = Callable[[str, str], None]

_IDLE_S = 1.0
_FAILED_S = 0.1
_MOST_UNFINISHED = 1024
_STOP_S = 2.0
# A turn lets so many messages in before it looks at what the robot has done meanwhile.
_TURN_MESSAGES = 32


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
        self._topics = RobotTopics(config.root, config.robot_id)
        self._key = robot_key(config)
        self._operators = Operators(config, log, now_s())
        self._introduce()
        self._audit = AuditLog(audit_path(config), config.robot_id, config.audit, log)
        self._store = ExecutedStore(state_directory(config), config.robot_id, log)
        self._left = self._store.left_over()
        self._gate = Gate(
            config,
            epoch=os.urandom(EPOCH_BYTES),
            began=now_s(),
            reader=self._operators.reader,
            log=self._store,
        )
        self._actuators: Actuators | None = None
        self._controls: Controls | None = None
        self._watchdog = Watchdog(config.channels, self._publish_stop, log)
        # What other threads bring; never held while something is decided, or a disk waited for.
        self._wake = threading.Condition()
        # The gate, which other threads ask, and close.
        self._deciding = threading.Lock()
        self._inbox = Inbox()
        self._events: deque[SessionEvent] = deque()
        self._reports: deque[Progress | Ended] = deque()
        self._orders: deque[Effect] = deque()
        self._effects: deque[Effect] = deque()
        self._unfinished: deque[Finish] = deque(maxlen=_MOST_UNFINISHED)
        self._finish_at = 0.0
        self._ended = False
        self._failure = ''
        self._session = CommandSession(config, self._on_event, charge, log)
        self._thread = threading.Thread(target=self._run, name='commands', daemon=True)

    def start(self, actuators: Actuators, controls: Controls) -> None:
        """
        Take commands from now on.

        :param actuators: carry them out in ROS
        :param controls: carry out those to the bridge itself
        """
        self._actuators, self._controls = actuators, controls
        with self._deciding:
            self._gate.open()
            effects = self._gate.left_over(self._left, now_s())
            self._left = []
        self._watchdog.release()
        self._order(effects)
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
        self._watchdog.hold(why)
        with self._deciding:
            effects = self._gate.close(now_s())
        self._order(effects)

    def stop(self) -> None:
        """Stop what moves, tell operators what becomes of their commands, and let go."""
        self._watchdog.close('the bridge stops')
        self.pause('the bridge stops')
        with self._wake:
            self._ended = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)
            self._session.stop(_STOP_S)
        self._store.close()
        self._audit.close()

    def _order(self, effects: Sequence[Effect]) -> None:
        with self._wake:
            self._orders.extend(effects)
            self._wake.notify()

    def report(self, report: Progress | Ended) -> None:
        """
        Take what the robot says of a command; from any thread.

        :param report: a feedback, or the end
        """
        with self._wake:
            self._reports.append(report)
            self._wake.notify()

    def awaits(self, ticket: int) -> bool:
        """
        Tell whether what was dispatched is still to be carried out; from any thread.

        :param ticket: of the dispatch
        :returns: False when it was given up
        """
        with self._deciding:
            return self._gate.awaits(ticket)

    def figures(self) -> Figures:
        """
        Describe the station.

        :returns: present figures
        """
        with self._deciding:
            counters, running = self._gate.counters, self._gate.running
        with self._wake:
            dropped = dict(self._inbox.dropped)
        for reason, count in dropped.items():
            counters[reason] = counters.get(reason, 0) + count
        return Figures(
            connected=self._session.connected,
            running=running,
            counters=counters,
            stops=self._watchdog.stops,
            unanswered=self._session.unanswered,
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
        try:
            name = parse_topic(message.topic, self._config.root)
        except ProtocolError:
            self._inbox.dropped[Reason.MALFORMED] += 1
            return None
        if name is None or name.kind != 'cmd' or len(name.rest) != 2:
            return None
        operator, channel = name.rest
        if len(message.payload) > MAX_COMMAND:
            self._inbox.dropped[Reason.TOO_LARGE] += 1
            return None
        if not self._operators.may_be(operator):
            # Whoever may publish here can make up names without end: nothing is kept of them.
            self._inbox.dropped[Reason.UNKNOWN_KEY] += 1
            return None
        if not self._operators.bears(operator, now_s()):
            self._inbox.dropped[Reason.BUSY] += 1
            return None
        return Arrival(
            operator=operator,
            channel=channel,
            topic=message.topic,
            payload=message.payload,
            retained=message.retain,
        )

    def _introduce(self) -> None:
        channels = ', '.join(channel.name for channel in self._config.channels)
        self._log('info', f'commands: channels {channels}; own key {self._key.public.fingerprint}')
        self._operators.introduce()

    def _run(self) -> None:
        while not self._ended or self._orders or self._effects:
            try:
                self._turn()
            except Exception as error:  # whatever it is, the watchdog and the next command go on
                self._fail(error)

    def _turn(self) -> None:
        now = now_s()
        self._operators.look(now)
        self._finish_late(now)
        events, reports = self._brought()
        for event in events:
            self._handle(event, now)
        with self._deciding:
            for report in reports:
                self._hear(report, now)
            self._effects.extend(self._gate.look(now))
        self._perform()
        for _ in range(_TURN_MESSAGES):
            with self._wake:
                arrival = self._inbox.take()
            if arrival is None:
                break
            self._decide(arrival)
            self._perform()
        self._session.send()
        self._rest()

    def _hear(self, report: Progress | Ended, now: float) -> None:
        try:
            if isinstance(report, Ended):
                self._effects.extend(self._gate.ended(report, now))
            else:
                self._effects.extend(self._gate.progress(report, now))
        except Exception as error:  # an error of ours in one command is not the others'
            self._complain(error)

    def _brought(self) -> tuple[list[SessionEvent], list[Progress | Ended]]:
        with self._wake:
            events, reports = list(self._events), list(self._reports)
            self._effects.extend(self._orders)
            self._events.clear()
            self._reports.clear()
            self._orders.clear()
            return events, reports

    def _decide(self, arrival: Arrival) -> None:
        now = now_s()
        with self._deciding:
            self._effects.extend(self._gate.take(arrival, now))
            if self._gate.refused_silently:
                self._operators.suspect(arrival.operator, len(arrival.payload), now)

    def _rest(self) -> None:
        with self._deciding:
            due = self._gate.next_at(now_s())
        with self._wake:
            if not (self._inbox or self._events or self._reports or self._orders or self._ended):
                wait_s = _IDLE_S if due is None else min(_IDLE_S, due - now_s())
                if wait_s > 0:
                    self._wake.wait(wait_s)

    def _complain(self, error: Exception) -> None:
        if repr(error) != self._failure:
            self._failure = repr(error)
            self._log('error', f'commands: {error!r} (said once)')

    def _fail(self, error: Exception) -> None:
        self._complain(error)
        with self._wake:
            if not self._ended:
                self._wake.wait(_FAILED_S)

    def _perform(self) -> None:
        while self._effects:
            more = self._do(self._effects.popleft())
            # Before what was decided later.
            self._effects.extendleft(reversed(more))

    def _do(self, effect: Effect) -> Sequence[Effect]:
        """Carry an effect out; returns what the gate makes of it."""
        if isinstance(effect, Dispatch):
            return self._dispatch(effect)
        if isinstance(effect, Record):
            return self._record(effect)
        if isinstance(effect, Reply):
            self._reply(effect)
        elif isinstance(effect, Finish):
            self._finish(effect)
        elif isinstance(effect, Cancel):
            assert self._actuators is not None
            self._actuators.cancel(effect.ticket)
        elif isinstance(effect, Stop):
            self._watchdog.stop(effect.channel, effect.why)
        else:
            self._note(effect)
        return ()

    def _finish(self, effect: Finish) -> None:
        try:
            self._store.finish(effect.key, effect.answer)
        except LocalFault as fault:
            # Or a later run would not know what the operator is told now.
            self._unfinished.append(effect)
            self._complain(fault)

    def _finish_late(self, now: float) -> None:
        if self._unfinished and now >= self._finish_at:
            self._finish_at = now + _IDLE_S
            for _ in range(len(self._unfinished)):
                self._finish(self._unfinished.popleft())

    def _record(self, effect: Record) -> Sequence[Effect]:
        try:
            self._store.start(effect.entry)
        except LocalFault as fault:
            reason = str(fault)
            with self._deciding:
                return self._gate.not_recorded(effect.entry.key, reason, now_s())
        with self._deciding:
            return self._gate.recorded(effect.entry.key, now_s())

    def _dispatch(self, dispatch: Dispatch) -> Sequence[Effect]:
        kind = dispatch.channel.kind
        if not self.awaits(dispatch.ticket):
            # Given up meanwhile: its operator has been told that it was not carried out.
            return ()
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
                gone = now_s() <= dispatch.deadline
                if gone:
                    publish()
        except BridgeError as error:
            return Ended(ticket=ticket, state=State.FAILED, reason=reason_of(error))
        if gone:
            return Ended(ticket=ticket, state=State.SUCCEEDED)
        return Ended(ticket=ticket, state=State.FAILED, reason=Reason.EXPIRED)

    def _end(self, ended: Ended) -> Sequence[Effect]:
        with self._deciding:
            return self._gate.ended(ended, now_s())

    def _reply(self, reply: Reply) -> None:
        topic = self._topics.answers(reply.operator)
        payload = sign(
            self._key,
            Context.ANSWER,
            self._config.robot_id,
            topic,
            encode_answer(reply.answer),
        )
        self._session.queue(topic, payload)

    def _note(self, audit: Audit) -> None:
        line = self._audit.line(audit, time.time_ns())
        self._audit.write(line)
        if self._config.audit.mqtt:
            self._session.queue(self._topics.audit, encode_json(line))

    def _handle(self, event: SessionEvent, now: float) -> None:
        if self._session.handle(event):
            with self._deciding:
                self._effects.extend(self._gate.lost(now))
        if not self._session.connected:
            # What was sent before must not be carried out after: it is said again if still meant.
            with self._wake:
                self._inbox.clear()
