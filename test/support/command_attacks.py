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
Attacks on the gate: each kind makes hostile messages without end, and none may be carried out.

What an attack is may depend on what honest operators have sent meanwhile, on the time, and on a
restart: the kinds do those things between two of their messages.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
import random
from typing import Any

import cbor2

from ros_cloud_bridge.command_values import Answer, State
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.signing.keys import PrivateKey
from ros_cloud_bridge.signing.messages import open_answer, sign
from ros_cloud_bridge.wire.command import encode_answer, encode_command
from ros_cloud_bridge.wire.cose import (
    Context,
    encode_signed,
    external_aad,
    protect,
    to_be_signed,
)

from .command_arena import Arena, OTHER_ROBOT, ROBOT, Seen
from .signer import Message, ROOT, Signer

Hostile = tuple[str, bytes, bool]
Attack = Callable[[Arena, random.Random], Iterator[Hostile]]

# What honest operators send, by channel: type and arguments.
_GOOD: tuple[tuple[str, str, Any], ...] = (
    ('call', 'call', {'data': True, 'note': 'open the gate'}),
    ('go', 'goal', {'order': 7, 'pose': {'x': 1.0, 'y': -2.5}}),
    ('params', 'get', {'names': ['speed.max']}),
    ('params', 'set', {'values': {'speed.max': 0.5}}),
    ('bridge', 'set', {'values': {'stream.pose.max_hz': 2.0}}),
)


def _good(signer: Signer, rng: random.Random, **other: Any) -> Message:
    channel, kind, arguments = rng.choice(_GOOD)
    return signer.make(channel, kind, arguments, **other)


def _flip(message: Message, place: int) -> Hostile:
    broken = bytearray(message.payload)
    broken[place // 8] ^= 1 << place % 8
    return message.topic, bytes(broken), False


def flipped_bits(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Flip every bit of one command after the other, all kinds of commands in turn."""
    alice = arena.signer('alice')
    arena.honest(alice.make('drive', 'acquire'))
    while True:
        for channel, kind, arguments in (*_GOOD, ('drive', 'publish', {'linear': {'x': 0.5}})):
            message = alice.make(channel, kind, arguments)
            for place in range(8 * len(message.payload)):
                yield _flip(message, place)
            # It would have been good: what was refused was the change.
            arena.honest(message)


def mutations(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Set bytes, take them out, put them in, move them; cut ends off and add some."""
    alice = arena.signer('alice')
    while True:
        message = _good(alice, rng)
        whole = message.payload
        for _ in range(200):
            a, b = sorted(rng.sample(range(len(whole)), 2))
            piece = rng.randbytes(rng.randint(1, 4))
            changed = rng.choice(
                (
                    whole[:a] + piece + whole[a + len(piece) :],
                    whole[:a] + whole[b:],
                    whole[:a] + piece + whole[a:],
                    whole[:b] + whole[a:],
                    whole[:a] + bytes(b - a) + whole[b:],
                    whole[a:],
                    whole[:b],
                    whole + piece,
                )
            )
            if changed != whole:
                yield message.topic, changed, False
        arena.honest(message)


def spliced(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Mix header, content and signature of two good commands."""
    alice, bob = arena.signer('alice'), arena.signer('bob')
    while True:
        one, other = _good(alice, rng), bob.make('bobs', 'call', {'data': True})
        first, second = cbor2.loads(one.payload), cbor2.loads(other.payload)
        for choice in range(1, 7):
            parts = [(second if choice >> n & 1 else first) for n in range(3)]
            mixed = [parts[0][0], {}, parts[1][2], parts[2][3]]
            for topic in (one.topic, other.topic):
                yield topic, cbor2.dumps(mixed), False


def replayed(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Repeat commands that were carried out, soon after and long after."""
    alice = arena.signer('alice')
    done: list[Message] = []
    while True:
        message = _good(alice, rng)
        arena.honest(message)
        done = [*done[-200:], message]
        for _ in range(50):
            again = rng.choice((message, rng.choice(done)))
            yield again.topic, again.payload, False
        arena.now += rng.uniform(0.0, 1.0)


def replayed_after_restart(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Repeat commands of an earlier run: those carried out, and those that never came."""
    while True:
        alice = arena.signer('alice')
        done = [_good(alice, rng) for _ in range(10)]
        for message in done:
            arena.honest(message)
        kept = [_good(alice, rng) for _ in range(10)]
        arena.restart()
        for _ in range(10):
            for message in (*done, *kept):
                yield message.topic, message.payload, False


def duplicated(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Deliver the same bytes fifty times, as a broker does that lost its memory."""
    alice = arena.signer('alice')
    while True:
        message = _good(alice, rng)
        arena.honest(message)
        for _ in range(50):
            yield message.topic, message.payload, False


def written_otherwise(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Repeat commands in another CBOR encoding around the same signed bytes."""
    alice = arena.signer('alice')
    while True:
        message = _good(alice, rng)
        arena.honest(message)
        body = message.payload[1:]
        yield message.topic, b'\x98\x04' + body, False
        yield message.topic, b'\x99\x00\x04' + body, False
        yield message.topic, b'\x9a\x00\x00\x00\x04' + body, False
        yield message.topic, b'\xd2' + message.payload, False
        yield message.topic, b'\x9f' + body + b'\xff', False


def other_robot(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Deliver on this robot's topic what an operator has signed for another one."""
    alice = arena.signer('alice', OTHER_ROBOT)
    while True:
        message = _good(alice, rng)
        yield message.topic.replace(OTHER_ROBOT, ROBOT), message.payload, False


def other_topic(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Deliver a good command on another channel's or operator's topic."""
    alice, bob = arena.signer('alice'), arena.signer('bob')
    while True:
        message = rng.choice((_good(alice, rng), bob.make('bobs', 'call', {'data': True})))
        for channel in ('call', 'bobs', 'go', 'params', 'bridge', 'drive', 'nothing'):
            for operator in ('alice', 'bob', 'eve', 'mallory'):
                topic = f'{ROOT}/{ROBOT}/cmd/{operator}/{channel}'
                if topic != message.topic:
                    yield topic, message.payload, False


def wrong_epoch(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Sign for a run of the robot that is not this one."""
    alice = arena.signer('alice')
    while True:
        message = _good(alice, rng, epoch=rng.choice((b'', rng.randbytes(8))))
        yield message.topic, message.payload, False


def deadline_too_far(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Sign for longer than the channel allows, or in the future."""
    alice = arena.signer('alice')
    while True:
        ahead = 1001 + rng.randrange(1 << rng.randint(1, 60))
        message = _good(alice, rng, ttl_ms=10_000 + ahead)
        yield message.topic, message.payload, False
        now_ms = arena.now_ms()
        message = _good(alice, rng, sent_ms=now_ms + ahead, deadline_ms=now_ms + 5000)
        yield message.topic, message.payload, False


def held_back(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Hold good commands back until their deadline is past."""
    alice = arena.signer('alice')
    while True:
        held = [_good(alice, rng, ttl_ms=rng.randint(1, 5000)) for _ in range(50)]
        arena.now += 5.002 + rng.expovariate(0.1)
        rng.shuffle(held)
        for message in held:
            yield message.topic, message.payload, False


def id_reused(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Sign another command under the id of one that was carried out."""
    alice = arena.signer('alice')
    while True:
        message = alice.make('call', 'call', {'data': True})
        arena.honest(message)
        for _ in range(20):
            other = _good(alice, rng, id=message.command.id)
            if other.command.type not in ('get', 'list', 'describe'):
                yield other.topic, other.payload, False


def number_reused(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Sign another command under a number of before, or one so old that nobody can tell."""
    alice = arena.signer('alice')
    for _ in range(100):
        arena.honest(alice.make('call', 'call', {'data': True}))
    while True:
        newest = alice.sequences['call']
        number = rng.randint(0, newest)
        message = alice.make('call', 'call', {'data': False}, sequence=number)
        alice.sequences['call'] = newest
        yield message.topic, message.payload, False


def driven_out_of_order(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Drive twice with each message, or with those that a later one has overtaken."""
    alice = arena.signer('alice')
    arena.honest(alice.make('drive', 'acquire'))
    while True:
        made = [alice.make('drive', 'publish', {'linear': {'x': 0.1}}) for _ in range(10)]
        arena.now += 0.05
        arena.honest(made[-1])
        for message in rng.choices(made, k=20):
            yield message.topic, message.payload, False


def driven_late(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Hold back messages that drive for longer than they may be old."""
    alice = arena.signer('alice')
    while True:
        arena.honest(alice.make('drive', 'acquire'))
        held = [alice.make('drive', 'publish', {'linear': {'x': 1.0}}) for _ in range(20)]
        arena.now += rng.uniform(1.002, 4.9)
        for message in held:
            yield message.topic, message.payload, False


def driven_without_lease(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Drive, take the lease and give it away as another operator, or as another process."""
    alice, bob, twin = arena.signer('alice'), arena.signer('bob'), arena.signer('alice')
    while True:
        arena.honest(alice.make('drive', 'acquire'))
        arena.now += 1.0
        for signer in (bob, twin):
            for kind, arguments in (
                ('publish', {'linear': {'x': 1.0}}),
                ('acquire', None),
                ('release', None),
                ('hand_over', {'to': 'bob'}),
            ):
                message = signer.make('drive', kind, arguments)
                yield message.topic, message.payload, False


def out_of_bounds(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Ask for more than the channel allows, as the holder of the lease."""
    alice = arena.signer('alice')
    arena.honest(alice.make('drive', 'acquire'))
    while True:
        for x in (1.0000001, -5, 1e308, float('inf'), float('nan'), 10**30, '1', True, None, [0]):
            for arguments in ({'linear': {'x': x}}, {'linear': {'x': 0.1, 'y': float('nan')}}):
                arena.now += 0.01
                message = alice.make('drive', 'publish', arguments)
                yield message.topic, message.payload, False
        message = alice.make('params', 'set', {'values': {'robot_id': 'mine', 'speed.max': 1.0}})
        yield message.topic, message.payload, False
        message = alice.make('params', 'get', {'names': ['speed.max', 'secret']})
        yield message.topic, message.payload, False


def retained(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Deliver good commands as retained."""
    alice = arena.signer('alice')
    while True:
        message = _good(alice, rng)
        yield message.topic, message.payload, True


def oversized(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Sign, rightly, what is larger than the channel allows."""
    alice = arena.signer('alice')
    for size in (16 * 1024, 64 * 1024, 1024 * 1024):
        message = alice.make('call', 'call', {'note': 'x' * size})
        for _ in range(400):
            yield message.topic, message.payload, False
    while True:
        message = alice.make('call', 'call', {'note': 'x' * rng.randint(16 * 1024, 100_000)})
        yield message.topic, message.payload, False


def bombs(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Send CBOR that is deep, huge, endless or ambiguous; bare, and rightly signed."""
    alice = arena.signer('alice')
    topic = alice.topics.command('alice', 'call')
    good = encode_command(alice.command('call', 'call', {'data': True}))
    head = good[: -len(cbor2.dumps({'data': True}))]
    while True:
        deep = rng.randint(30, 8000)
        large = rng.choice((b'\xff' * 8, b'\x00' * 4 + b'\xff' * 4, b'\x7f' + b'\xff' * 7))
        inner = (
            b'\x81' * deep + b'\xf6',
            b'\xa1\x61a' * deep + b'\xf6',
            b'\x9b' + large,
            b'\xbb' + large,
            b'\x5b' + large,
            b'\x7b' + large,
            b'\x9f' * deep,
            b'\xbf\x61a\x01\xff',
            b'\x5f\x41a\xff',
            b'\xa2\x61a\x01\x61a\x02',
            b'\xc2\x58\x40' + rng.randbytes(64),
            b'\xd9\x01\x00' * deep + b'\x80',
            b'\xd8\x1d\x00',
            b'\xf7',
            b'\xe5',
            b'\xa1\x01\x02',
            b'\xa1\xf9\x7e\x00\x01',
            b'\x98' + bytes([200]) + b'\x80' * 200,
            b'\x61\xff',
        )
        for bomb in inner:
            yield topic, bomb, False
            yield topic, _signed(alice, topic, head + bomb), False


def _signed(signer: Signer, topic: str, payload: bytes) -> bytes:
    assert signer.key is not None
    return sign(signer.key, Context.COMMAND, ROBOT, topic, payload)


def strangers(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Sign with keys that nobody has granted, in every operator's name, and under a good id."""
    alice = arena.signer('alice')
    known = arena.keys.operators['alice'].kid
    while True:
        key = PrivateKey.from_seed(rng.randbytes(32))
        for operator in ('alice', 'bob', 'mallory', 'eve'):
            message = _good(alice, rng)
            topic = f'{ROOT}/{ROBOT}/cmd/{operator}/{message.topic.rpartition("/")[2]}'
            payload = encode_command(message.command)
            yield topic, sign(key, Context.COMMAND, ROBOT, topic, payload), False
            header = protect(known)
            aad = external_aad(Context.COMMAND, ROBOT, topic)
            signature = key.sign(to_be_signed(header, aad, payload))
            yield topic, encode_signed(header, payload, signature), False


def revoked(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Sign with a key that was good once."""
    eve = arena.signer('eve')
    while True:
        message = eve.make('params', 'set', {'values': {'speed.max': 9.0}})
        yield message.topic, message.payload, False


def not_permitted(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Sign with a good key for channels that are another operator's or do not exist."""
    alice, bob = arena.signer('alice'), arena.signer('bob')
    while True:
        for signer, channels in (
            (alice, ('bobs', 'nothing', 'state', '')),
            (bob, ('call', 'go', 'params', 'bridge', 'cmd')),
        ):
            for channel in channels:
                topic = f'{ROOT}/{ROBOT}/cmd/{signer.operator}/{channel}'
                payload = encode_command(signer.command('call', 'call', {'data': True}))
                yield topic, _signed(signer, topic, payload), False


def other_use(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Send answers and confirmations as commands; use other algorithms, or no signature."""
    alice = arena.signer('alice')
    robot = arena.keys.robot
    while True:
        message = _good(alice, rng)
        payload = encode_command(message.command)
        answer = encode_answer(
            Answer(id=message.command.id, epoch=arena.epoch, robot_ms=1, state=State.SUCCEEDED)
        )
        assert alice.key is not None
        for context in (Context.ANSWER, Context.CONFIRMATION):
            yield message.topic, sign(alice.key, context, ROBOT, message.topic, payload), False
        for content in (payload, answer):
            yield message.topic, sign(robot, Context.COMMAND, ROBOT, message.topic, content), False
            yield message.topic, content, False
        algorithm: object
        for algorithm in (None, 5, -7, -8.0, 'EdDSA', [], -65535):
            header = cbor2.dumps({1: algorithm, 4: alice.key.kid})
            aad = external_aad(Context.COMMAND, ROBOT, message.topic)
            signature = alice.key.sign(to_be_signed(header, aad, payload))
            yield message.topic, encode_signed(header, payload, signature), False
        yield message.topic, encode_signed(protect(alice.key.kid), payload, bytes(64)), False


def noise(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    """Send any bytes, and any CBOR in the shape of a signed message."""
    topic = f'{ROOT}/{ROBOT}/cmd/alice/call'
    kid = arena.keys.operators['alice'].kid
    while True:
        yield topic, rng.randbytes(rng.randint(0, 400)), False
        content = cbor2.dumps([1, 'call', *(rng.randbytes(rng.choice((8, 16))) for _ in range(7))])
        yield topic, encode_signed(protect(kid), content, rng.randbytes(64)), False


# How large a share of all messages each kind has.
ATTACKS: Mapping[str, tuple[Attack, float]] = {
    'a bit flipped': (flipped_bits, 0.30),
    'bytes changed, cut, moved': (mutations, 0.12),
    'parts of two commands mixed': (spliced, 0.03),
    'repeated': (replayed, 0.10),
    'repeated after a restart': (replayed_after_restart, 0.04),
    'the same bytes 50 times': (duplicated, 0.03),
    'the same, encoded otherwise': (written_otherwise, 0.01),
    'for another robot': (other_robot, 0.03),
    'on another topic': (other_topic, 0.05),
    'of another epoch': (wrong_epoch, 0.02),
    'deadline too far': (deadline_too_far, 0.02),
    'held back': (held_back, 0.03),
    'id used again': (id_reused, 0.02),
    'number used again': (number_reused, 0.02),
    'driving: repeated, overtaken': (driven_out_of_order, 0.02),
    'driving: too late': (driven_late, 0.01),
    'driving: without the lease': (driven_without_lease, 0.01),
    'beyond the limits': (out_of_bounds, 0.01),
    'retained': (retained, 0.01),
    'too large': (oversized, 0.01),
    'CBOR bombs': (bombs, 0.02),
    'unknown keys': (strangers, 0.03),
    'a revoked key': (revoked, 0.01),
    'not permitted': (not_permitted, 0.01),
    'signed for another use': (other_use, 0.02),
    'noise': (noise, 0.02),
}


def attack(folder: Path, name: str, inputs: int, seed: int = 1) -> Seen:
    """
    Put one kind of attack through a gate.

    :param folder: for keys and log; empty
    :param name: the kind
    :param inputs: how many messages
    :param seed: of what is random
    :returns: what they have brought about
    """
    arena = Arena(folder)
    seen = Seen()
    made = ATTACKS[name][0](arena, random.Random(f'{name} {seed}'))
    try:
        for _ in range(inputs):
            topic, payload, kept = next(made)
            arena.attack(seen, topic, payload, retained=kept)
    finally:
        arena.close()
    return seen


def attack_answers(folder: Path, inputs: int, seed: int = 1) -> Seen:
    """
    Forge answers: every bit flipped, and those for other topics, robots and uses.

    :param folder: for keys; empty
    :param inputs: how many
    :param seed: of what is random
    :returns: ``accepted`` counts those that an operator would take for the robot's
    """
    arena = Arena(folder)
    rng = random.Random(f'answers {seed}')
    seen = Seen()
    made = _answers(arena, rng)
    for _ in range(inputs):
        topic, payload, _ = next(made)
        seen.inputs += 1
        try:
            open_answer(arena.keys.robot.public, ROBOT, topic, payload)
            seen.accepted += 1
        except ProtocolError as error:
            words = str(error)
            seen.reasons['signature' if 'signature' in words else 'malformed'] += 1
    arena.close()
    return seen


def _answers(arena: Arena, rng: random.Random) -> Iterator[Hostile]:
    robot, alice = arena.keys.robot, arena.keys.operators['alice']
    topic = f'{ROOT}/{ROBOT}/ack/alice'
    while True:
        answer = Answer(
            id=rng.randbytes(16),
            epoch=rng.randbytes(8),
            robot_ms=rng.randrange(1 << 30),
            state=State.SUCCEEDED,
            detail={'success': True, 'message': 'on'},
        )
        content = encode_answer(answer)
        whole = sign(robot, Context.ANSWER, ROBOT, topic, content)
        for place in range(8 * len(whole)):
            broken = bytearray(whole)
            broken[place // 8] ^= 1 << place % 8
            yield topic, bytes(broken), False
        yield f'{ROOT}/{ROBOT}/ack/bob', whole, False
        yield topic, sign(robot, Context.ANSWER, OTHER_ROBOT, topic, content), False
        yield topic, sign(robot, Context.COMMAND, ROBOT, topic, content), False
        yield topic, sign(alice, Context.ANSWER, ROBOT, topic, content), False
        yield topic, content, False
