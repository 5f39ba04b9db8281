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


"""What the gate takes for a command, and what it makes of attacks; without ROS and MQTT."""

from collections.abc import Callable
from pathlib import Path
import tempfile
import time
from typing import Any

from command_operator import ROOT  # first, for it makes the tests' helpers known

from ros_cloud_bridge.command_values import Answer, State
from ros_cloud_bridge.core.commands.effects import Arrival, Effect
from ros_cloud_bridge.signing.messages import sign
from ros_cloud_bridge.wire.command import encode_answer
from ros_cloud_bridge.wire.cose import Context
from support.command_arena import Arena, ROBOT
from support.command_attacks import attack, attack_answers, ATTACKS
from support.signer import Message

_TURN = 32
_ANSWER_SHARE = 0.05

assert ROOT


def verify(count: int) -> dict[str, Any]:
    """
    Measure how many commands a core checks in a second.

    :param count: of each kind
    :returns: rates and microseconds by kind
    """
    found = {}
    for name, make in _KINDS.items():
        with tempfile.TemporaryDirectory(prefix='benchmark-') as folder:
            arena = Arena(Path(folder))
            try:
                found[name] = _rate(arena, make(arena, count))
            finally:
                arena.close()
    found['answer: made and signed'] = _signing(count)
    return found


def attacks(inputs: int, seed: int) -> dict[str, Any]:
    """
    Put every kind of attack through the gate.

    :param inputs: how many messages in all
    :param seed: of what is random
    :returns: by kind: how many, how many were carried out, how many answered, and why not
    """
    found = {}
    for name, (_, share) in ATTACKS.items():
        with tempfile.TemporaryDirectory(prefix='benchmark-') as folder:
            seen = attack(Path(folder), name, max(50, round(inputs * share)), seed)
        found[name] = seen
    with tempfile.TemporaryDirectory(prefix='benchmark-') as folder:
        found['forged answers'] = attack_answers(
            Path(folder), max(50, round(inputs * _ANSWER_SHARE)), seed
        )
    return {
        name: {
            'inputs': seen.inputs,
            'accepted': seen.accepted,
            'answered': seen.answered,
            'reasons': dict(seen.reasons.most_common()),
        }
        for name, seen in found.items()
    }


def _driven(arena: Arena, count: int) -> list[Message]:
    alice = arena.signer('alice')
    arena.honest(alice.make('drive', 'acquire'))
    fields = {'linear': {'x': 0.5}, 'angular': {'z': 0.1}}
    return [alice.make('drive', 'publish', fields) for _ in range(count)]


def _read(arena: Arena, count: int) -> list[Message]:
    alice = arena.signer('alice')
    return [alice.make('params', 'get', {'names': ['speed.max']}) for _ in range(count)]


def _called(arena: Arena, count: int) -> list[Message]:
    alice = arena.signer('alice')
    return [alice.make('call', 'call', {'data': True}) for _ in range(count)]


def _forged(arena: Arena, count: int) -> list[Message]:
    return [
        Message(
            topic=message.topic,
            payload=message.payload[:-1] + bytes([message.payload[-1] ^ 1]),
            command=message.command,
        )
        for message in _called(arena, count)
    ]


_KINDS: dict[str, Callable[[Arena, int], list[Message]]] = {
    'drive': _driven,
    'parameter get': _read,
    'service call, before the disk': _called,
    'bad signature': _forged,
}


def _rate(arena: Arena, messages: list[Message]) -> dict[str, float]:
    taken_s = 0.0
    for start in range(0, len(messages), _TURN):
        arrivals = []
        for message in messages[start : start + _TURN]:
            operator, channel = message.topic.split('/')[-2:]
            arrivals.append(
                Arrival(
                    operator=operator,
                    channel=channel,
                    topic=message.topic,
                    payload=message.payload,
                )
            )
        effects: list[Effect] = []
        began = time.thread_time()
        for arrival in arrivals:
            effects += arena.gate.take(arrival, arena.now)
        taken_s += time.thread_time() - began
        # What they would have done is not part of it.
        arena.do(effects)
    return {'per_s': len(messages) / taken_s, 'us': taken_s / len(messages) * 1e6}


def _signing(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix='benchmark-') as folder:
        arena = Arena(Path(folder))
        topic = arena.signer('alice').topics.answers('alice')
        answer = Answer(
            id=bytes(16), epoch=bytes(8), robot_ms=1000, state=State.SUCCEEDED, detail={'ok': True}
        )
        began = time.thread_time()
        for _ in range(count):
            sign(arena.keys.robot, Context.ANSWER, ROBOT, topic, encode_answer(answer))
        taken_s = time.thread_time() - began
        arena.close()
    return {'per_s': count / taken_s, 'us': taken_s / count * 1e6}
