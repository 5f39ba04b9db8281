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
An operator's process, bare: it signs and sends what it is told to, and keeps every answer.

It decides nothing and forgives nothing, so that tests can send what no real operator would.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
import threading
import time
from types import TracebackType
from typing import Any

from ros_cloud_bridge.command_values import Answer, State, TIME, TIME_CHANNEL
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.mqtt.events import Connected, Outgoing, Received, SessionEvent, SessionFull
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.signing.keys import PrivateKey, PublicKey
from ros_cloud_bridge.signing.messages import open_answer
from ros_cloud_bridge.values import MqttConfig

from .robots import Place
from .signer import Message, Signer

_WAIT_S = 20.0
_AGAIN_S = 0.5


class Commander(Signer):
    """
    A signer with a connection; it knows the robot's time once it has asked (:meth:`learn`).

    :param place: where the broker is
    :param robot_id: the robot
    :param operator: in whose name
    :param key: its private key, or None
    :param robot_key: what the answers must be signed with
    """

    def __init__(
        self,
        place: Place,
        robot_id: str,
        operator: str,
        key: PrivateKey | None,
        robot_key: PublicKey,
    ) -> None:
        super().__init__(robot_id=robot_id, operator=operator, key=key)
        self.now_ms = self._reckon_ms
        self.robot_key = robot_key
        self.answers: list[Answer] = []
        # Monotonic seconds when each of the answers came.
        self.arrivals: list[float] = []
        self.forged: list[bytes] = []
        self._by_id: dict[bytes, list[Answer]] = {}
        self._arrived_at: dict[bytes, float] = {}
        self._origin: float | None = None
        self._news = threading.Condition()
        self._connects = 0
        self.session = Session(
            MqttConfig(host=place.host, port=place.port, protocol='5'),
            client_id=f'{operator}-{self.instance.hex()}',
            subscriptions=[self.topics.answers(operator)],
            on_event=self._on_event,
            quick_ack=True,
            fresh_only=True,
        )
        self.session.start()
        assert self._wait(lambda: self._connects > 0, _WAIT_S), 'the commander does not connect'

    def __enter__(self) -> 'Commander':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.session.stop(0.5)

    def learn(self, timeout_s: float = _WAIT_S, *, epoch_not: bytes = b'') -> Answer:
        """
        Ask for the robot's time until it answers.

        :param timeout_s: when to give up
        :param epoch_not: an epoch that is over
        :returns: the answer
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            asked = self.make(TIME_CHANNEL, TIME)
            self.post(asked)
            answer = self.final(asked, 0.5, needed=False)
            if answer is not None and answer.state is State.SUCCEEDED:
                if answer.epoch == epoch_not:
                    continue
                self.epoch = answer.epoch
                self._origin = self._arrived_at[answer.id] - answer.robot_ms / 1000.0
                return answer
        raise AssertionError(f'{self.robot_id} does not tell {self.operator} the time')

    def post(self, message: Message, expiry_s: float | None = 10.0) -> None:
        """
        Publish a message.

        :param message: signed
        :param expiry_s: MQTT's message expiry interval
        """
        outgoing = Outgoing(topic=message.topic, payload=message.payload, expiry_s=expiry_s)
        deadline = time.monotonic() + _WAIT_S
        while True:
            try:
                self.session.publish(outgoing)
                return
            except SessionFull:
                assert time.monotonic() < deadline, 'the broker acknowledges nothing'
                time.sleep(0.001)

    def send(
        self, channel: str, kind: str, arguments: Any = None, ttl_ms: int = 5000, **other: Any
    ) -> Message:
        """
        Make, sign and publish a command; the arguments are those of :meth:`command`.

        :returns: what was sent
        """
        message = self.make(channel, kind, arguments, ttl_ms, **other)
        self.post(message)
        return message

    def call(
        self, channel: str, kind: str, arguments: Any = None, ttl_ms: int = 5000, **other: Any
    ) -> Answer:
        """
        Send a command once and wait for how it ends; the arguments are those of :meth:`command`.

        :returns: its last answer
        """
        answer = self.final(self.send(channel, kind, arguments, ttl_ms, **other))
        assert answer is not None
        return answer

    def insist(self, message: Message, timeout_s: float = 30.0) -> Answer | None:
        """
        Publish a message again and again until the command has ended.

        :param message: signed
        :param timeout_s: when to give up
        :returns: its last answer, None when there is none
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.post(message)
            if answer := self.final(message, _AGAIN_S, needed=False):
                return answer
        return None

    def of(self, message: Message) -> list[Answer]:
        """
        Select the answers to a command.

        :param message: the command
        :returns: in the order of their arrival
        """
        with self._news:
            return list(self._by_id.get(message.command.id, ()))

    def arrived_at(self, message: Message) -> float:
        """
        Tell when the newest answer to a command came.

        :param message: the command
        :returns: monotonic seconds
        """
        return self._arrived_at[message.command.id]

    def final(
        self, message: Message, timeout_s: float = _WAIT_S, *, needed: bool = True
    ) -> Answer | None:
        """
        Wait until a command has ended.

        :param message: the command
        :param timeout_s: when to give up
        :param needed: whether it is a failure when it does not
        :returns: its last answer, None when there is none
        """
        return self.wait_for(message, lambda answer: answer.state.final, timeout_s, needed=needed)

    def wait_for(
        self,
        message: Message,
        wanted: Callable[[Answer], object],
        timeout_s: float = _WAIT_S,
        *,
        needed: bool = True,
    ) -> Answer | None:
        """
        Wait for an answer to a command.

        :param message: the command
        :param wanted: says whether this is the one
        :param timeout_s: when to give up
        :param needed: whether it is a failure when none comes
        :returns: the first such answer
        """

        def found() -> Answer | None:
            every = self._by_id.get(message.command.id, ())
            return next((answer for answer in every if wanted(answer)), None)

        answer: Answer | None = self._wait(found, timeout_s)
        assert answer is not None or not needed, (
            f'{message.topic} {message.command.type}: no such answer among {self.of(message)}'
        )
        return answer

    def settle(self) -> None:
        """Wait until the robot has dealt with everything that was sent before."""
        deadline = time.monotonic() + _WAIT_S
        while True:
            asked = self.make(TIME_CHANNEL, TIME)
            self.post(asked)
            if self.final(asked, 1.0, needed=False) is not None:
                return
            assert time.monotonic() < deadline, f'{self.robot_id} does not answer'

    def _reckon_ms(self) -> int:
        if self._origin is None:
            return 0
        return int((time.monotonic() - self._origin) * 1000.0)

    def _on_event(self, event: SessionEvent) -> None:
        now = time.monotonic()
        with self._news:
            if isinstance(event, Received):
                self._take(event, now)
            elif isinstance(event, Connected):
                self._connects += 1
            self._news.notify_all()

    def _take(self, message: Received, now: float) -> None:
        try:
            answer = open_answer(self.robot_key, self.robot_id, message.topic, message.payload)
        except ProtocolError:
            self.forged.append(message.payload)
            return
        self.answers.append(answer)
        self.arrivals.append(now)
        if self._origin is not None and answer.epoch == self.epoch:
            # Of several estimates the greatest holds: its answer was the least delayed.
            self._origin = min(self._origin, now - answer.robot_ms / 1000.0)
        self._by_id.setdefault(answer.id, []).append(answer)
        self._arrived_at[answer.id] = now

    def _wait(self, predicate: Callable[[], Any], timeout_s: float) -> Any:
        with self._news:
            self._news.wait_for(predicate, timeout_s)
            return predicate()


@dataclass(frozen=True, kw_only=True)
class Keys:
    """
    Keys of a robot and its operators, as they lie on the robot.

    :param folder: the robot's ``state_dir``; ``operators`` lies below it
    """

    folder: Path
    robot: PrivateKey
    operators: dict[str, PrivateKey]

    @classmethod
    def make(cls, folder: Path, robot_id: str, *operators: str) -> 'Keys':
        """
        Make keys and write them.

        :param folder: where
        :param robot_id: the robot
        :param operators: those who get a key
        :returns: the keys
        """
        robot = PrivateKey.generate()
        robot.save(folder / f'robot-{robot_id}.key')
        made = cls(folder=folder, robot=robot, operators={})
        made.directory.mkdir(exist_ok=True)
        for name in operators:
            made.grant(name)
        return made

    @property
    def directory(self) -> Path:
        """Where operators' public keys are."""
        return self.folder / 'operators'

    def grant(self, operator: str, label: str = '') -> PrivateKey:
        """
        Make an operator's key, or another one.

        :param operator: whose
        :param label: of a further key
        :returns: the private key, which is the operator's from now on
        """
        key = PrivateKey.generate()
        key.public.save(self.directory / f'{operator}{f".{label}" if label else ""}.pub')
        self.operators[operator] = key
        return key

    def revoke(self, key: PrivateKey) -> None:
        """
        Revoke a key.

        :param key: which
        """
        with (self.directory / 'revoked').open('a') as file:
            file.write(f'{key.kid.hex()}  # by a test\n')

    def commander(self, place: Place, robot_id: str, operator: str) -> Commander:
        """
        Connect an operator.

        :param place: where the broker is
        :param robot_id: the robot
        :param operator: who
        :returns: the commander, which has not asked for the time yet
        """
        key = self.operators[operator]
        return Commander(place, robot_id, operator, key, self.robot.public)
