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
A robot's gate with real keys, the real reader and the real log, without ROS and MQTT.

So cheap that a hundred thousand hostile messages can be put through it; what it dispatches is
counted per command, which is what the attacks are held against.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ros_cloud_bridge.command.reader import CommandReader
from ros_cloud_bridge.command_values import State
from ros_cloud_bridge.core.commands.effects import (
    Arrival,
    Audit,
    Dispatch,
    Effect,
    Ended,
    Finish,
    Record,
    Reply,
)
from ros_cloud_bridge.core.commands.gate import Gate
from ros_cloud_bridge.signing.ring import KeyRing
from ros_cloud_bridge.store.executed import ExecutedStore
from ros_cloud_bridge.values import BridgeConfig, ChannelConfig, ChannelKind

from .commander import Keys
from .signer import Message, Signer

ROBOT = 'amr-07'
OTHER_ROBOT = 'amr-08'
_BEGAN = 1000.0
_OPERATORS = ('alice', 'bob', 'eve')
_LEASE_TYPES = ('acquire', 'release', 'hand_over')

CHANNELS = (
    ChannelConfig(
        name='call', kind=ChannelKind.SERVICE, operators=('alice',), max_hz=0.0, max_running=64
    ),
    ChannelConfig(
        name='bobs', kind=ChannelKind.SERVICE, operators=('bob',), max_hz=0.0, max_running=64
    ),
    ChannelConfig(
        name='go', kind=ChannelKind.ACTION, operators=('alice',), max_hz=0.0, max_running=64
    ),
    ChannelConfig(
        name='params',
        kind=ChannelKind.PARAMETER,
        operators=('alice', 'eve'),
        parameters=('speed.*',),
        max_hz=0.0,
        max_running=64,
    ),
    ChannelConfig(
        name='bridge', kind=ChannelKind.BRIDGE, operators=('alice',), max_hz=0.0, max_running=64
    ),
    ChannelConfig(
        name='drive',
        kind=ChannelKind.TOPIC,
        operators=('alice', 'bob'),
        limits=('linear.x: -1..1',),
        max_hz=0.0,
        lease=True,
        max_running=64,
    ),
)


@dataclass(slots=True)
class Seen:
    """What hostile messages of one kind have brought about."""

    inputs: int = 0
    accepted: int = 0
    answered: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class Arena:
    """
    The gate, what drives it, and who speaks to it.

    ``eve``'s key is revoked, ``mallory``'s is nobody's.

    :param folder: for keys and log; empty
    """

    def __init__(self, folder: Path) -> None:
        self.now = _BEGAN
        self._folder = folder
        self.keys = Keys.make(folder, ROBOT, *_OPERATORS)
        self.keys.revoke(self.keys.operators['eve'])
        self.ring = KeyRing(self.keys.directory)
        self.ring.look(0.0)
        assert self.ring.operators == ('alice', 'bob'), self.ring.problems
        self._epochs = 0
        self.epoch = b''
        self._store: ExecutedStore
        self.gate: Gate
        self.restart()

    def close(self) -> None:
        """Let go of the log."""
        self._store.close()

    def restart(self) -> None:
        """Be a new process on the same disk."""
        if self._epochs:
            self._store.close()
        self._epochs += 1
        self.epoch = self._epochs.to_bytes(8, 'big')
        self._began = self.now
        self._store = ExecutedStore(self._folder, ROBOT, lambda level, text: None)
        self.gate = Gate(
            BridgeConfig(robot_id=ROBOT, channels=CHANNELS),
            epoch=self.epoch,
            began=self.now,
            reader=CommandReader(self.ring, ROBOT),
            log=self._store,
        )
        self.do(self.gate.left_over(self._store.left_over(), self.now))

    def now_ms(self) -> int:
        """
        Tell the robot's time.

        :returns: milliseconds since the epoch began
        """
        return int((self.now - self._began) * 1000.0)

    def signer(self, operator: str, robot_id: str = ROBOT) -> Signer:
        """
        Start a process of an operator that knows the present epoch.

        :param operator: its name
        :param robot_id: whom it means
        :returns: the signer
        """
        return Signer(
            robot_id=robot_id,
            operator=operator,
            key=self.keys.operators[operator],
            epoch=self.epoch,
            now_ms=self.now_ms,
        )

    def take(self, topic: str, payload: bytes, *, retained: bool = False) -> list[Effect]:
        """
        Take a message and do all that follows from it.

        :param topic: that it comes on
        :param payload: what MQTT carries
        :param retained: whether it stood at the broker
        :returns: effects, those that followed too
        """
        operator, channel = topic.split('/')[-2:]
        arrival = Arrival(
            operator=operator, channel=channel, topic=topic, payload=payload, retained=retained
        )
        return self.do(self.gate.take(arrival, self.now))

    def honest(self, message: Message) -> list[Effect]:
        """
        Take a good command; it must be carried out.

        :param message: signed
        :returns: effects
        """
        effects = self.take(message.topic, message.payload)
        assert carried_out(effects) == 1, effects
        return effects

    def attack(self, seen: Seen, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """
        Take a hostile message, and count what it brings about.

        :param seen: where it is counted
        :param topic: that it comes on
        :param payload: what MQTT carries
        :param retained: whether it stood at the broker
        """
        before = self.gate.counters
        effects = self.take(topic, payload, retained=retained)
        seen.inputs += 1
        seen.accepted += carried_out(effects)
        replies = [effect.answer for effect in effects if isinstance(effect, Reply)]
        seen.answered += bool(replies)
        after = self.gate.counters
        seen.reasons.update(
            {key: more for key in after if (more := after[key] - before.get(key, 0))}
        )

    def do(self, effects: Sequence[Effect]) -> list[Effect]:
        """
        Do effects and what follows from them.

        :param effects: as the gate wants them
        :returns: all of them
        """
        done: list[Effect] = []
        for effect in effects:
            done.append(effect)
            if isinstance(effect, Record):
                self._store.start(effect.entry)
                done += self.do(self.gate.recorded(effect.entry.key, self.now))
            elif isinstance(effect, Finish):
                self._store.finish(effect.key, effect.answer)
            elif isinstance(effect, Dispatch):
                ended = Ended(ticket=effect.ticket, state=State.SUCCEEDED)
                done += self.do(self.gate.ended(ended, self.now))
        return done


def carried_out(effects: Sequence[Effect]) -> int:
    """
    Count what was done.

    :param effects: what a message has brought about
    :returns: how many commands were dispatched, or settled in the gate itself
    """
    return sum(
        isinstance(effect, Dispatch)
        or (
            isinstance(effect, Audit)
            and effect.verdict == 'succeeded'
            and effect.type in _LEASE_TYPES
        )
        for effect in effects
    )
