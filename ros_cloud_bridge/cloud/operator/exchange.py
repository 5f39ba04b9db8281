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

"""What an operator has with a broker: a session, the robots' answers, and the time to repeat."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
import logging
import os
from pathlib import Path
import secrets
import threading
import time
from typing import Any

from ros_cloud_bridge.cloud.checks import check_name, check_root
from ros_cloud_bridge.cloud.operator.dialogue import Dialogue
from ros_cloud_bridge.cloud.operator.driven import Driver
from ros_cloud_bridge.cloud.operator.flight import Flight, Packet, Token
from ros_cloud_bridge.cloud.operator.pinned import PinnedKeys
from ros_cloud_bridge.cloud.operator.sealing import Sealer
from ros_cloud_bridge.cloud.operator.sent import Sent
from ros_cloud_bridge.command_values import Answer, INSTANCE_BYTES
from ros_cloud_bridge.errors import ConfigError, LocalFault, ProtocolError
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
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.signing.keys import PrivateKey, PublicKey
from ros_cloud_bridge.signing.messages import open_signed
from ros_cloud_bridge.values import MqttConfig
from ros_cloud_bridge.wire.command import decode_answer
from ros_cloud_bridge.wire.cose import Context
from ros_cloud_bridge.wire.limits import MAX_ANSWER
from ros_cloud_bridge.wire.topics import RobotTopics

OnAnswer = Callable[[Answer], None]
OnLink = Callable[[SessionEvent], None]

_V311 = '3.1.1'
_NO_MQTT5 = (
    'commands need MQTT 5: with 3.1.1 a broker knows no message expiry and would hand them on '
    'however late'
)
_MAX_TTL_S = 3600.0
_IDLE_S = 1.0
_MOST_CALLS = 10_000

_log = logging.getLogger(__name__)


class Exchange:
    """
    Brings commands to robots and their answers back; may be used from any thread.

    :param mqtt: how to reach the broker, with MQTT 5
    :param name: the operator's
    :param key: private key, or None to send unsigned
    :param robots: keys by robot id, or a directory of them
    :param root: the fleet's topic root
    :param on_link: takes the broker connection's ups and downs
    :raises ConfigError: names what cannot be used
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        *,
        name: str,
        key: PrivateKey | None,
        robots: Mapping[str, PublicKey] | str | Path,
        root: str,
        on_link: OnLink | None,
    ) -> None:
        check_root(root)
        check_name(name)
        if mqtt.protocol == _V311:
            raise ConfigError('mqtt.protocol', _NO_MQTT5)
        if mqtt.protocol == 'auto' and find_preset(mqtt.preset).protocol == _V311:
            raise ConfigError('mqtt.preset', _NO_MQTT5)
        self.refused: Counter[str] = Counter()
        self._name = name
        self._root = root
        self._on_link = on_link
        self._sealer = Sealer(key)
        self._pinned = PinnedKeys(robots)
        self._instance = os.urandom(INSTANCE_BYTES)
        self._changed = threading.Condition()
        self._keys: dict[str, PublicKey] = {}
        self._dialogues: dict[str, Dialogue] = {}
        self._calls: deque[tuple[OnAnswer, Answer]] = deque(maxlen=_MOST_CALLS)
        self._connected = False
        self._trouble = 'no answer of the broker'
        self._failure = ''
        self._stopping = False
        self._session = Session(
            mqtt,
            client_id=mqtt.client_id or f'rcb-{secrets.token_hex(6)}',
            on_event=self._receive,
            max_receive_bytes=2 * MAX_ANSWER,
            fresh_only=True,
            quick_ack=True,
        )
        self._thread = threading.Thread(target=self._run, name='operator', daemon=True)

    def start(self) -> None:
        """
        Connect in the background, until :meth:`stop`.

        :raises LocalFault: when it was started before
        """
        self._session.start()
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """
        Leave the broker; commands under way end without an answer, but go on at the robot.

        :param timeout_s: for the farewell
        """
        with self._changed:
            self._stopping = True
            for dialogue in self._dialogues.values():
                dialogue.fail('the operator has stopped')
            self._changed.notify_all()
        self._session.stop(timeout_s)
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us."""
        return self._connected

    def wait_connected(self, timeout_s: float = 10.0) -> None:
        """
        Wait for the broker.

        :param timeout_s: for how long
        :raises LocalFault: says why there is no connection
        """
        with self._changed:
            self._changed.wait_for(lambda: self._connected or self._failure, timeout_s)
            if self._failure:
                raise LocalFault(self._failure)
            if not self._connected:
                raise LocalFault(f'broker not reachable: {self._trouble}')

    def drop(self, sent: Sent) -> bool:
        """
        Give up a command that was never published.

        :param sent: its handle
        :returns: whether there is nothing left of it to be cancelled
        """
        with self._changed:
            dialogue = self._dialogues.get(sent.robot_id)
            return sent.done or (dialogue is not None and dialogue.drop(sent))

    def send_driving(
        self, driver: Driver, robot_id: str, channel: str, fields: Any, ttl_s: float
    ) -> bool:
        """
        Send one message that drives.

        :param driver: hears of it
        :param robot_id: the robot
        :param channel: with a lease
        :param fields: of the message
        :param ttl_s: for how long it may be carried out
        :returns: whether it was sent
        """
        with self._changed:
            if not self._connected:
                return False
            dialogue = self._dialogue(robot_id)
            packet = dialogue.drive(driver, channel, fields, ttl_s, time.monotonic())
            return packet is not None and self._publish(packet)

    def submit(self, sent: Sent, arguments: Callable[[], Any], ttl_s: float) -> Sent:
        """
        Send a command.

        :param sent: its handle
        :param arguments: gives its checked arguments when it is signed
        :param ttl_s: within this time the robot may begin
        :returns: the handle
        :raises ConfigError: when the robot's key is not known, or the time is no good
        :raises LocalFault: when the operator has stopped, or the broker is none for commands
        """
        if not 0.0 < ttl_s <= _MAX_TTL_S:
            raise ConfigError('ttl_s', f'{ttl_s:g} must be above 0 and at most {_MAX_TTL_S:g}')
        with self._changed:
            if self._failure or self._stopping:
                raise LocalFault(self._failure or 'the operator has stopped')
            dialogue = self._dialogue(sent.robot_id)
            topics = RobotTopics(self._root, sent.robot_id)
            dialogue.submit(
                Flight(
                    sent=sent,
                    arguments=arguments,
                    expires_at=time.monotonic() + ttl_s,
                    topic=topics.command(self._name, sent.channel),
                )
            )
            self._pump(dialogue)
            self._changed.notify_all()
        return sent

    def _dialogue(self, robot_id: str) -> Dialogue:
        """Find the talk with a robot, or begin it; its answers are subscribed to first."""
        dialogue = self._dialogues.get(robot_id)
        if dialogue is None:
            self._keys[robot_id] = self._pinned.key_of(robot_id)
            topics = RobotTopics(self._root, robot_id)
            self._session.subscribe(topics.answers(self._name))
            dialogue = self._dialogues[robot_id] = Dialogue(
                robot_id,
                topic=lambda channel: topics.command(self._name, channel),
                instance=self._instance,
                seal=lambda command, topic: self._sealer.seal(robot_id, topic, command),
                hint=lambda channel: (
                    f'the robot is there, but does not answer to this: is there a channel '
                    f'{channel}, and may {self._name} use it?'
                ),
            )
        return dialogue

    def _pump(self, dialogue: Dialogue) -> None:
        now = time.monotonic()
        for packet in dialogue.due(now, self._connected):
            if not self._publish(packet):
                dialogue.unsent(packet, now)

    def _publish(self, packet: Packet) -> bool:
        outgoing = Outgoing(
            topic=packet.topic,
            payload=packet.payload,
            token=packet.token,
            expiry_s=packet.expiry_s,
            again=False,
        )
        try:
            self._session.publish(outgoing)
        except SessionFull:
            return False
        return True

    def _receive(self, event: SessionEvent) -> None:
        """Take an event; runs on the session's thread."""
        at = time.monotonic()
        with self._changed:
            if isinstance(event, Received):
                self._hear(event, at)
            elif isinstance(event, Acknowledged):
                self._acknowledged(event)
            else:
                self._linked(event)
            self._changed.notify_all()
        if self._on_link is not None and not isinstance(
            event, (Received, Acknowledged, Discarded)
        ):
            self._on_link(event)

    def _linked(self, event: SessionEvent) -> None:
        if isinstance(event, Connected):
            if event.protocol == _V311:
                self._failure = f'{_NO_MQTT5}; this broker speaks 3.1.1 only'
                for dialogue in self._dialogues.values():
                    dialogue.fail(self._failure)
                return
            self._connected = True
            for dialogue in self._dialogues.values():
                dialogue.again()
        elif isinstance(event, (Disconnected, TakenOver, Unreachable, Refused)):
            # Refused may concern a connection that goes on.
            self._connected = self._session.connected
            self._trouble = getattr(event, 'reason', 'another client has our client id')
        elif isinstance(event, SubscriptionRefused):
            robot_id = event.topic_filter[len(self._root) + 1 :].partition('/')[0]
            refused = self._dialogues.get(robot_id)
            if refused is not None:
                reason = reasons.describe(event.code)
                refused.fail(f'the broker refuses {event.topic_filter}: {reason}')

    def _acknowledged(self, event: Acknowledged) -> None:
        token = event.token
        if not isinstance(token, Token) or token.robot_id not in self._dialogues:
            return
        dialogue = self._dialogues[token.robot_id]
        if event.refused and event.permanent and event.code is not None:
            dialogue.refused(token.id, reasons.describe(event.code))
        else:
            dialogue.told_nobody(token.id, event.for_nobody)

    def _hear(self, message: Received, at: float) -> None:
        robot_id, _, rest = message.topic[len(self._root) + 1 :].partition('/')
        dialogue = self._dialogues.get(robot_id)
        if dialogue is None or rest != f'ack/{self._name}':
            self.refused['unknown_robot'] += 1
            return
        if message.retain:
            self.refused['retained'] += 1
            return
        try:
            payload = open_signed(
                self._keys[robot_id],
                Context.ANSWER,
                robot_id,
                message.topic,
                message.payload,
                2 * MAX_ANSWER,
            )
        except ProtocolError:
            self.refused['bad_signature'] += 1
            return
        try:
            answer = decode_answer(payload)
        except ProtocolError:
            self.refused['malformed'] += 1
            return
        flight, dropped = dialogue.take(answer, at)
        if dropped:
            self.refused[dropped] += 1
        on_answer = flight.sent.on_answer if flight is not None else None
        if on_answer is not None:
            self._calls.append((on_answer, answer))
        self._pump(dialogue)

    def _run(self) -> None:
        while True:
            with self._changed:
                for dialogue in self._dialogues.values():
                    self._pump(dialogue)
                if self._stopping and not self._calls:
                    return
                if not self._calls:
                    self._changed.wait(self._patience_s())
                calls = list(self._calls)
                self._calls.clear()
            for on_answer, answer in calls:
                try:
                    on_answer(answer)
                except Exception:  # the caller's code: not ours to end for
                    _log.exception('on_answer fails')

    def _patience_s(self) -> float:
        connected = self._connected
        due = (dialogue.next_at(connected) for dialogue in self._dialogues.values())
        return min(max(0.0, min(due, default=float('inf')) - time.monotonic()), _IDLE_S)
