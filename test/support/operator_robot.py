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

"""A robot that takes commands, without ROS and disk: the real gate over a real broker."""

from collections import deque
from collections.abc import Callable, Sequence
import os
from pathlib import Path
import threading
import time
from types import TracebackType
from typing import Any

from ros_cloud_bridge.command.reader import CommandReader
from ros_cloud_bridge.command_values import Answer, EPOCH_BYTES, State
from ros_cloud_bridge.core.commands.effects import (
    Arrival,
    Cancel,
    Dispatch,
    Effect,
    Ended,
    Finish,
    LogEntry,
    LogKey,
    Progress,
    Record,
    Reply,
    Stop,
)
from ros_cloud_bridge.core.commands.gate import Gate
from ros_cloud_bridge.mqtt.events import Connected, Outgoing, Received, SessionEvent
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.signing.keys import PrivateKey
from ros_cloud_bridge.signing.messages import sign
from ros_cloud_bridge.signing.ring import KeyRing
from ros_cloud_bridge.values import BridgeConfig, ChannelConfig, ChannelKind, MqttConfig
from ros_cloud_bridge.wire.announce import decode_ask, encode_json
from ros_cloud_bridge.wire.command import encode_answer
from ros_cloud_bridge.wire.cose import Context
from ros_cloud_bridge.wire.topics import parse_topic, RobotTopics

from .broker import Broker

ROOT = 'rcb/v1'
_TICK_S = 0.02


def channels(operators: Sequence[str] = ('alice',)) -> tuple[ChannelConfig, ...]:
    """
    Make a channel of each kind.

    :param operators: who may use them
    :returns: drive (lease), say, dock, count, rover, bridge
    """
    own = tuple(operators)
    return (
        ChannelConfig(
            name='drive',
            kind=ChannelKind.TOPIC,
            ros_name='/cmd_vel',
            type_name='geometry_msgs/msg/Twist',
            operators=own,
            max_hz=100.0,
            lease=True,
            scale=('linear.*', 'angular.*'),
        ),
        ChannelConfig(
            name='say',
            kind=ChannelKind.TOPIC,
            ros_name='/say',
            type_name='std_msgs/msg/String',
            operators=own,
            max_hz=100.0,
            limits=('data: at most 8',),
        ),
        ChannelConfig(
            name='dock',
            kind=ChannelKind.SERVICE,
            ros_name='/dock',
            type_name='std_srvs/srv/SetBool',
            operators=own,
        ),
        ChannelConfig(
            name='count',
            kind=ChannelKind.ACTION,
            ros_name='/count',
            type_name='test_msgs/action/Fibonacci',
            operators=own,
            feedback_hz=50.0,
        ),
        ChannelConfig(
            name='rover',
            kind=ChannelKind.PARAMETER,
            ros_name='/rover',
            parameters=('*',),
            operators=own,
        ),
        ChannelConfig(name='bridge', kind=ChannelKind.BRIDGE, operators=own),
        ChannelConfig(
            name='closed',
            kind=ChannelKind.SERVICE,
            ros_name='/closed',
            type_name='std_srvs/srv/SetBool',
        ),
    )


def echo(dispatch: Dispatch) -> Ended | None:
    """Do at once what is asked for, and give the arguments back."""
    return Ended(ticket=dispatch.ticket, state=State.SUCCEEDED, detail=dispatch.arguments)


class OperatorRobot:
    """
    Answers commands as a robot does.

    :param broker: running broker
    :param operators: directory of operators' public keys
    :param robot_id: the robot
    :param act: carries out; what it gives None for goes on until :meth:`end`
    """

    def __init__(
        self,
        broker: Broker,
        operators: Path,
        robot_id: str = 'amr-07',
        act: Callable[[Dispatch], Ended | None] = echo,
    ) -> None:
        self.topics = RobotTopics(ROOT, robot_id)
        self.robot_id = robot_id
        self.key = PrivateKey.generate()
        self.act = act
        self.channels = channels()
        self.arrivals: list[Arrival] = []
        self.dispatched: list[Dispatch] = []
        self.cancelled: list[int] = []
        self.stopped: list[str] = []
        # While deaf, what comes is noted and not looked at; while mute, answers are not sent.
        self.deaf = self.mute = False
        self._ring = KeyRing(operators)
        self._outbox: deque[Outgoing] = deque()
        self._log: dict[LogKey, LogEntry] = {}
        self._lock = threading.RLock()
        self._gate = self._new_gate()
        self._connected = threading.Event()
        self._ended = threading.Event()
        self._session = Session(
            MqttConfig(host=broker.host, port=broker.port),
            client_id=f'{robot_id}-command',
            subscriptions=[self.topics.command('+', '+'), self.topics.ask('+')],
            on_event=self._on_event,
        )
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> 'OperatorRobot':
        self._session.start()
        assert self._connected.wait(15.0), 'the robot does not reach the broker'
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._session.stop(2.0)

    @property
    def executed(self) -> list[tuple[str, Any]]:
        """Types and arguments of what was dispatched."""
        return [(dispatch.type, dispatch.arguments) for dispatch in self.dispatched]

    def find(self, key: LogKey) -> LogEntry | None:
        """Look a command up, as the log of executed ones."""
        return self._log.get(key)

    def restart(self) -> None:
        """Begin a new epoch, as after a kill: what ran is left over in the log."""
        with self._lock:
            self._gate = self._new_gate()
            left = [entry for entry in self._log.values() if entry.answer is None]
            self._do(self._gate.left_over(left, time.monotonic()))

    def progress(self, ticket: int, detail: Any) -> None:
        """Give feedback."""
        with self._lock:
            report = Progress(ticket=ticket, detail=detail)
            self._do(self._gate.progress(report, time.monotonic()))

    def end(self, ticket: int, state: State, detail: Any = None, reason: str = '') -> None:
        """End what :attr:`act` has left running."""
        with self._lock:
            report = Ended(ticket=ticket, state=state, reason=reason, detail=detail)
            self._do(self._gate.ended(report, time.monotonic()))

    def announce(self, *, online: bool = True, retain: bool = True) -> None:
        """Say ``state`` and ``info``."""
        boot = {'version': 1, 'robot_id': self.robot_id, 'boot_id': '0123456789abcdef'}
        state = {**boot, 'state': 'online' if online else 'offline', 'connection': 1}
        self.publish(self.topics.state, encode_json(state), retain=retain)
        self.publish(self.topics.info, self._info(boot), retain=retain)

    def answer(self, operator: str, answer: Answer, key: PrivateKey | None = None) -> None:
        """Publish any answer, signed with the robot's key or another one."""
        topic = self.topics.answers(operator)
        payload = encode_answer(answer)
        signed = sign(key or self.key, Context.ANSWER, self.robot_id, topic, payload)
        self.publish(topic, signed)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish anything, as soon as there is room."""
        self._outbox.append(Outgoing(topic=topic, payload=payload, retain=retain))
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            while self._outbox and self._session.room(len(self._outbox[0].payload)):
                self._session.publish(self._outbox.popleft())

    def _info(self, boot: dict[str, object]) -> bytes:
        listed = [
            {
                'name': one.name,
                'kind': one.kind.value,
                'type': one.type_name,
                'lease': one.lease,
                'max_ttl_s': one.max_ttl_s,
            }
            for one in self.channels
        ]
        own = {'key': self.key.public.raw.hex(), 'kid': self.key.kid.hex()}
        return encode_json({**boot, **own, 'channels': listed})

    def _new_gate(self) -> Gate:
        config = BridgeConfig(robot_id=self.robot_id, channels=self.channels)
        return Gate(
            config,
            epoch=os.urandom(EPOCH_BYTES),
            began=time.monotonic(),
            reader=CommandReader(self._ring, self.robot_id),
            log=self,
        )

    def _run(self) -> None:
        while not self._ended.wait(_TICK_S):
            with self._lock:
                self._do(self._gate.look(time.monotonic()))
            self._flush()

    def _on_event(self, event: SessionEvent) -> None:
        if isinstance(event, Connected):
            self._connected.set()
        if not isinstance(event, Received):
            return
        name = parse_topic(event.topic, ROOT)
        assert name is not None
        if name.kind == 'ask':
            if decode_ask(event.payload).info:
                self.announce(retain=False)
            return
        operator, channel = name.rest
        arrival = Arrival(
            operator=operator,
            channel=channel,
            topic=event.topic,
            payload=event.payload,
            retained=event.retain,
        )
        with self._lock:
            self.arrivals.append(arrival)
            self._ring.look(time.monotonic())
            if not self.deaf:
                self._do(self._gate.take(arrival, time.monotonic()))

    def _do(self, effects: Sequence[Effect]) -> None:
        cancelled: list[int] = []
        for effect in effects:
            now = time.monotonic()
            if isinstance(effect, Record):
                self._log[effect.entry.key] = effect.entry
                self._do(self._gate.recorded(effect.entry.key, now))
            elif isinstance(effect, Finish):
                entry = self._log[effect.key]
                self._log[effect.key] = LogEntry(
                    key=entry.key,
                    digest=entry.digest,
                    operator=entry.operator,
                    channel=entry.channel,
                    answer=effect.answer,
                )
            elif isinstance(effect, Reply) and not self.mute:
                self.answer(effect.operator, effect.answer)
            elif isinstance(effect, Dispatch):
                self.dispatched.append(effect)
                ended = self.act(effect)
                if ended is not None:
                    self._do(self._gate.ended(ended, now))
            elif isinstance(effect, Stop):
                self.stopped.append(effect.channel)
            elif isinstance(effect, Cancel):
                self.cancelled.append(effect.ticket)
                cancelled.append(effect.ticket)
        for ticket in cancelled:
            self.end(ticket, State.CANCELLED)
