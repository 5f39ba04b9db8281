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

"""Gates without a network, a key or a disk: who signs, who reads, and who does what they want."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
import hashlib
import hmac
from itertools import count
from typing import Any, Protocol

from ros_cloud_bridge.command_values import Answer, Command, State
from ros_cloud_bridge.core.commands.effects import (
    Arrival,
    Audit,
    Cancel,
    Dispatch,
    Effect,
    Ended,
    Envelope,
    Finish,
    LogEntry,
    LogKey,
    Progress,
    Record,
    Reply,
    Sealed,
    Stop,
)
from ros_cloud_bridge.core.commands.gate import Gate
from ros_cloud_bridge.errors import LocalFault, ProtocolError
from ros_cloud_bridge.values import BridgeConfig, ChannelConfig, ChannelKind
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.command import decode_command, encode_command

EPOCH = b'epoch--1'
BEGAN = 100.0
_MAC_BYTES = 32
_ids = count(1)


def kid_of(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()[:8]


@dataclass
class Signer:
    """One process of an operator, that signs with a shared secret."""

    operator: str
    secret: bytes = b''
    instance: bytes = b'instance'
    epoch: bytes = EPOCH
    sequences: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.secret = self.secret or f'secret of {self.operator}'.encode()

    @property
    def kid(self) -> bytes:
        return kid_of(self.secret)

    def command(
        self, channel: str, kind: str, arguments: Any = None, *, at: float = BEGAN, **other: Any
    ) -> Command:
        """Make a command that is signed at a time and good for 5 s."""
        sequence = self.sequences[channel] = self.sequences.get(channel, 0) + 1
        sent_ms = int((at - BEGAN) * 1000)
        command = Command(
            type=kind,
            id=next(_ids).to_bytes(16, 'big'),
            instance=self.instance,
            epoch=self.epoch,
            sequence=sequence,
            sent_ms=sent_ms,
            deadline_ms=sent_ms + 5000,
            arguments=arguments,
        )
        return replace(command, **other)

    def sign(self, channel: str, command: Command) -> Arrival:
        """Put a signed command on the topic of a channel."""
        return self.seal(channel, encode_command(command))

    def seal(self, channel: str, payload: bytes) -> Arrival:
        """Put anything, signed, on the topic of a channel."""
        topic = f'rcb/v1/r/cmd/{self.operator}/{channel}'
        mac = hmac.digest(self.secret, topic.encode() + payload, 'sha256')
        return Arrival(
            operator=self.operator,
            channel=channel,
            topic=topic,
            payload=cbor.dumps([self.kid, payload, mac]),
        )

    def send(
        self, channel: str, kind: str, arguments: Any = None, *, at: float = BEGAN, **other: Any
    ) -> Arrival:
        return self.sign(channel, self.command(channel, kind, arguments, at=at, **other))


class HmacReader:
    """Knows the secrets of signers."""

    def __init__(self, *signers: Signer) -> None:
        self.secrets = {(s.operator, s.kid): s.secret for s in signers}

    def unwrap(self, operator: str, message: bytes) -> Sealed:
        fields = cbor.loads(message)
        if not isinstance(fields, list) or len(fields) != 3:
            raise ProtocolError('not three fields')
        kid, inner, mac = fields
        return Sealed(kid=kid, payload=inner, signed=mac)

    def knows(self, operator: str, kid: bytes) -> bool:
        return (operator, kid) in self.secrets

    def verifies(self, operator: str, topic: str, sealed: Sealed) -> bool:
        secret = self.secrets.get((operator, sealed.kid), b'nobody knows')
        mac = hmac.digest(secret, topic.encode() + sealed.payload, 'sha256')
        return hmac.compare_digest(mac, sealed.signed)

    def open(self, sealed: Sealed) -> Envelope:
        return Envelope(
            kid=sealed.kid,
            digest=hashlib.sha256(sealed.kid + sealed.payload).digest(),
            command=decode_command(sealed.payload),
        )


class Log(Protocol):
    """What the gate's driver uses of the log of executed commands."""

    def find(self, key: LogKey) -> LogEntry | None: ...

    def start(self, entry: LogEntry) -> None: ...

    def finish(self, key: LogKey, answer: Answer) -> None: ...

    def left_over(self) -> list[LogEntry]: ...


class MemoryLog:
    """A log that outlives a gate, but no process."""

    def __init__(self) -> None:
        self.entries: dict[LogKey, LogEntry] = {}
        self.fault = ''

    def find(self, key: LogKey) -> LogEntry | None:
        if self.fault:
            raise LocalFault(self.fault)
        return self.entries.get(key)

    def start(self, entry: LogEntry) -> None:
        if self.fault:
            raise LocalFault(self.fault)
        if entry.key in self.entries:
            raise LocalFault('it stands there already')
        self.entries[entry.key] = entry

    def finish(self, key: LogKey, answer: Answer) -> None:
        if key in self.entries:
            self.entries[key] = replace(self.entries[key], answer=answer)

    def left_over(self) -> list[LogEntry]:
        return [entry for entry in self.entries.values() if entry.answer is None]


CHANNELS = (
    ChannelConfig(
        name='call',
        kind=ChannelKind.SERVICE,
        operators=('ann', 'bob'),
        max_hz=1000.0,
        limits=('x: -1..1',),
    ),
    ChannelConfig(name='go', kind=ChannelKind.ACTION, operators=('ann', 'bob'), max_hz=1000.0),
    ChannelConfig(
        name='tune',
        kind=ChannelKind.PARAMETER,
        operators=('ann',),
        max_hz=1000.0,
        parameters=('speed.*',),
        limits=('speed.most: 0..2',),
    ),
    ChannelConfig(
        name='drive',
        kind=ChannelKind.TOPIC,
        operators=('ann', 'bob'),
        max_hz=1000.0,
        lease=True,
        limits=('linear.x: -1..1',),
        scale=('linear.x', 'angular'),
    ),
)


class Rig:
    """A gate and one who drives it; ``now`` only moves when it is set."""

    def __init__(
        self,
        *signers: Signer,
        channels: Sequence[ChannelConfig] = CHANNELS,
        log: Log | None = None,
        epoch: bytes = EPOCH,
    ) -> None:
        self.log: Log = MemoryLog() if log is None else log
        self.now = BEGAN
        self.reader = HmacReader(*signers)
        self.gate = Gate(
            BridgeConfig(robot_id='r', channels=tuple(channels)),
            epoch=epoch,
            began=BEGAN,
            reader=self.reader,
            log=self.log,
        )
        self.effects: list[Effect] = []

    def take(self, arrival: Arrival) -> list[Effect]:
        return self.do(self.gate.take(arrival, self.now))

    def look(self) -> list[Effect]:
        return self.do(self.gate.look(self.now))

    def end(
        self,
        dispatch: Dispatch,
        state: State = State.SUCCEEDED,
        reason: str = '',
        detail: Any = None,
    ) -> list[Effect]:
        ended = Ended(ticket=dispatch.ticket, state=state, reason=reason, detail=detail)
        return self.do(self.gate.ended(ended, self.now))

    def progress(self, dispatch: Dispatch, detail: Any = None) -> list[Effect]:
        progress = Progress(ticket=dispatch.ticket, detail=detail)
        return self.do(self.gate.progress(progress, self.now))

    def do(self, effects: list[Effect]) -> list[Effect]:
        """Do effects and what follows from them; all of them are returned, in order."""
        done: list[Effect] = []
        for effect in effects:
            self.tick()
            done.append(effect)
            self.effects.append(effect)
            if isinstance(effect, Record):
                done += self.do(self._record(effect))
            elif isinstance(effect, Finish):
                self.log.finish(effect.key, effect.answer)
        return done

    def tick(self) -> None:
        """Be asked between any two effects whether the process lives on."""

    def _record(self, record: Record) -> list[Effect]:
        try:
            self.log.start(record.entry)
        except LocalFault as error:
            return self.gate.not_recorded(record.entry.key, str(error), self.now)
        self.tick()
        return self.gate.recorded(record.entry.key, self.now)


def answers(effects: Sequence[Effect]) -> list[Answer]:
    return [effect.answer for effect in effects if isinstance(effect, Reply)]


def states(effects: Sequence[Effect]) -> list[State]:
    return [answer.state for answer in answers(effects)]


def dispatches(effects: Sequence[Effect]) -> list[Dispatch]:
    return [effect for effect in effects if isinstance(effect, Dispatch)]


def audits(effects: Sequence[Effect]) -> list[Audit]:
    return [effect for effect in effects if isinstance(effect, Audit)]


def verdicts(effects: Sequence[Effect]) -> list[str]:
    return [audit.verdict for audit in audits(effects)]


def stops(effects: Sequence[Effect]) -> list[Stop]:
    return [effect for effect in effects if isinstance(effect, Stop)]


def cancels(effects: Sequence[Effect]) -> list[int]:
    return [effect.ticket for effect in effects if isinstance(effect, Cancel)]


def reason(effects: Sequence[Effect]) -> str:
    """Tell the reason's word of the only answer."""
    (answer,) = answers(effects)
    assert answer.state is State.REJECTED
    return answer.reason.partition(':')[0]
