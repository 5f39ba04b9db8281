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

"""Vectors of signed commands and answers, good and bad ones (``commands.json``)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ros_cloud_bridge.command_values import Answer, Command, State
from ros_cloud_bridge.signing.keys import PrivateKey
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.command import encode_answer, encode_command
from ros_cloud_bridge.wire.cose import (
    Context,
    encode_signed,
    external_aad,
    protect,
    to_be_signed,
)

ROBOT = 'amr-07'
COMMANDS, ANSWERS = f'rcb/v1/{ROBOT}/cmd/alice/drive', f'rcb/v1/{ROBOT}/ack/alice'
TIME = f'rcb/v1/{ROBOT}/cmd/alice/time'
# Not random, and so nobody's: 32 bytes 'a', and 32 bytes 'r'.
ALICE, OWN = PrivateKey.from_seed(b'a' * 32), PrivateKey.from_seed(b'r' * 32)
MALLORY = PrivateKey.from_seed(b'm' * 32)
ORDER = 2**252 + 27742317777372353535851937790883648493
EPOCH = bytes.fromhex('c0ffee0012345678')
COMMAND = Command(
    type='publish',
    id=bytes(range(16)),
    instance=b'instance',
    epoch=EPOCH,
    sequence=7,
    sent_ms=120_000,
    deadline_ms=120_500,
    arguments={'linear': {'x': 0.5, 'y': 0.0, 'z': 0.0}, 'angular': {'z': -0.25}},
)
ANSWER = Answer(
    id=COMMAND.id, epoch=EPOCH, robot_ms=120_042, state=State.SUCCEEDED, detail={'count': 3}
)


@dataclass
class CommandCase:
    """One vector: a message on its topic, whose key signs it, and what stands in it."""

    name: str
    about: str
    topic: str = COMMANDS
    key: PrivateKey | None = ALICE
    robot: str = ROBOT
    value: Command | Answer = field(default_factory=lambda: COMMAND)
    header: bytes | None = None
    context: Context | None = None
    # Each makes a vector wrong at one place: what is signed, the signature, the whole message.
    payload: bytes | None = None
    signature: Callable[[bytes], bytes] = bytes
    message: Callable[[bytes], bytes] = bytes
    signer: PrivateKey | None = None
    signed_for: tuple[str, str] | None = None
    refused: str = ''

    @property
    def encoded(self) -> bytes:
        """The command or answer alone."""
        if self.payload is not None:
            return self.payload
        if isinstance(self.value, Command):
            return encode_command(self.value)
        return encode_answer(self.value)

    @property
    def covered(self) -> bytes:
        """What the signature is made of."""
        what = Context.COMMAND if isinstance(self.value, Command) else Context.ANSWER
        robot, topic = self.signed_for or (self.robot, self.topic)
        aad = external_aad(self.context or what, robot, topic)
        return to_be_signed(self.protected, aad, self.encoded)

    @property
    def protected(self) -> bytes:
        """The protected header."""
        assert self.key is not None
        return protect(self.key.kid) if self.header is None else self.header

    @property
    def whole(self) -> bytes:
        """The MQTT payload."""
        if self.key is None:
            return self.message(self.encoded)
        signature = self.signature((self.signer or self.key).sign(self.covered))
        return self.message(encode_signed(self.protected, self.encoded, signature))

    def document(self) -> dict[str, Any]:
        """
        Write the case as it stands in the file.

        :returns: JSON-able
        """
        written: dict[str, Any] = {
            'name': self.name,
            'about': self.about,
            'messages': [{'topic': self.topic, 'payload': self.whole.hex()}],
            'kind': 'command' if isinstance(self.value, Command) else 'answer',
            'robot': self.robot,
        }
        if self.key is not None:
            written['public_key'] = self.key.public_bytes.hex()
            written['kid'] = self.key.kid.hex()
        if self.refused:
            return {**written, 'expect': 'error', 'reason': self.refused}
        if self.key is not None:
            seed = {key.kid: letter for key, letter in ((ALICE, b'a'), (OWN, b'r'))}
            written['private_key'] = (seed[self.key.kid] * 32).hex()
            written['protected'] = self.protected.hex()
            written['to_be_signed'] = self.covered.hex()
        return {**written, 'encoded': self.encoded.hex(), 'fields': fields_of(self.value)}


def fields_of(value: Command | Answer) -> dict[str, Any]:
    """
    Write a command or an answer.

    :param value: the value
    :returns: JSON-able: bytes are hexadecimal, times and numbers decimal strings
    """
    if isinstance(value, Command):
        return {
            'type': value.type,
            'id': value.id.hex(),
            'instance': value.instance.hex(),
            'epoch': value.epoch.hex(),
            'sequence': str(value.sequence),
            'sent_ms': str(value.sent_ms),
            'deadline_ms': str(value.deadline_ms),
            'arguments': cbor.dumps(value.arguments).hex(),
        }
    return {
        'id': value.id.hex(),
        'epoch': value.epoch.hex(),
        'robot_ms': str(value.robot_ms),
        'state': int(value.state),
        'number': str(value.number),
        'reason': value.reason,
        'detail': cbor.dumps(value.detail).hex(),
    }


def good() -> list[CommandCase]:
    """
    Make what is accepted.

    :returns: cases
    """
    asked = Command(type='time', id=bytes(15) + b'\1', instance=b'instance')
    kinds = {
        'text': 'Grüße, 你好',
        'bytes': b'\0\xff',
        'numbers': [0, 23, 24, 255, 256, 65536, 2**32, 2**63, -1, -(2**63), 1.5, -0.0],
        'flags': [True, False, None],
        'nested': {'a': [{'b': {'c': []}}]},
        '': {},
    }
    extremes = replace(
        COMMAND, type='x' * 32, sequence=2**63 - 1, sent_ms=2**53 + 1, deadline_ms=2**62
    )
    answer = replace(ANSWER, state=State.REJECTED, number=1, reason='expired: 3 s late')
    return [
        CommandCase('time', 'Asking for the time: no epoch, no arguments', TIME, value=asked),
        CommandCase('publish', 'A message for a topic'),
        CommandCase(
            'arguments',
            'Every kind of value that arguments may hold',
            value=replace(COMMAND, type='call', arguments=kinds),
        ),
        CommandCase('extremes', 'The largest numbers and the longest type', value=extremes),
        CommandCase(
            'another root',
            'A fleet with a topic root of its own',
            'acme/fleet/amr-07/cmd/alice/drive',
        ),
        CommandCase(
            'ed25519',
            'The algorithm by its newer number (RFC 9864)',
            header=cbor.dumps({1: -19, 4: ALICE.kid}),
        ),
        CommandCase(
            'header in another order',
            'What is signed is the header as it came',
            header=cbor.dumps({4: ALICE.kid, 1: -8}),
        ),
        CommandCase('unsigned', 'What a robot takes with trust: transport alone', key=None),
        CommandCase('succeeded', 'The last answer to a command', ANSWERS, OWN, value=ANSWER),
        CommandCase(
            'rejected', 'An answer with a reason', ANSWERS, OWN, value=replace(answer, detail=None)
        ),
        *[
            CommandCase(
                f'state {int(state)}',
                f'An answer with the state {state.name.lower()}',
                ANSWERS,
                OWN,
                value=replace(ANSWER, state=state, number=int(state), detail=None),
            )
            for state in State
        ],
    ]


def bad() -> list[CommandCase]:
    """
    Make what is refused.

    :returns: cases
    """
    return [*_unsigned_for_this(), *_malformed_around(), *_malformed_within()]


def _unsigned_for_this() -> list[CommandCase]:
    """Well-formed, but not signed by that key for that use."""

    def flip(signature: bytes) -> bytes:
        return signature[:-1] + bytes([signature[-1] ^ 1])

    def other_form(signature: bytes) -> bytes:
        scalar = int.from_bytes(signature[32:], 'little') + ORDER
        return signature[:32] + scalar.to_bytes(32, 'little')

    wrong = 'bad_signature'
    return [
        CommandCase('flipped bit', 'In the signature', signature=flip, refused=wrong),
        CommandCase(
            'signature + L',
            'The same signature in a form that RFC 8032, 5.1.7 refuses',
            signature=other_form,
            refused=wrong,
        ),
        CommandCase('no signature', '64 zeros', signature=lambda s: bytes(64), refused=wrong),
        CommandCase(
            'changed command',
            'Another speed behind the same signature',
            message=lambda m: m.replace(bytes.fromhex('fb3fe0'), bytes.fromhex('fb3ff0')),
            refused=wrong,
        ),
        CommandCase(
            'another channel',
            'Signed for another topic',
            signed_for=(ROBOT, COMMANDS.replace('drive', 'dock')),
            refused=wrong,
        ),
        CommandCase(
            'another robot',
            'Signed for another robot',
            signed_for=('amr-08', COMMANDS),
            refused=wrong,
        ),
        CommandCase(
            'an answer as a command',
            'Signed in the context of answers',
            context=Context.ANSWER,
            refused=wrong,
        ),
        CommandCase(
            'another key', "Signed by another, with this one's kid", signer=MALLORY, refused=wrong
        ),
        CommandCase(
            'another kid', "With another's kid", header=protect(MALLORY.kid), refused='unknown_key'
        ),
        CommandCase(
            'answer of another',
            'Not by the robot',
            ANSWERS,
            OWN,
            value=ANSWER,
            signer=MALLORY,
            refused=wrong,
        ),
        CommandCase(
            'answer to another',
            'To another operator',
            ANSWERS,
            OWN,
            value=ANSWER,
            signed_for=(ROBOT, ANSWERS.replace('alice', 'bob')),
            refused=wrong,
        ),
        CommandCase(
            'a command as an answer',
            'Signed in the context of commands',
            ANSWERS,
            OWN,
            value=ANSWER,
            context=Context.COMMAND,
            refused=wrong,
        ),
    ]


def _malformed_around() -> list[CommandCase]:
    """No COSE_Sign1 as this protocol has it, signed rightly as far as it can be."""
    kid = ALICE.kid
    headers = {
        'alg none': ('alg null', cbor.dumps({1: None, 4: kid})),
        'es256': ('alg -7', cbor.dumps({1: -7, 4: kid})),
        'hs256': ('alg 5', cbor.dumps({1: 5, 4: kid})),
        'alg a float': ('alg -8.0', cbor.dumps({1: -8.0, 4: kid})),
        'alg a text': ('alg "EdDSA"', cbor.dumps({1: 'EdDSA', 4: kid})),
        'no alg': ('kid alone', cbor.dumps({4: kid})),
        'no kid': ('alg alone', cbor.dumps({1: -8})),
        'more in the header': ('A content type', cbor.dumps({1: -8, 3: 0, 4: kid})),
        'crit': ('A critical header', cbor.dumps({1: -8, 2: [4], 4: kid})),
        'alg twice': ('A key twice in a map', b'\xa3\x01\x27\x01\x27\x04\x48' + kid),
        'kid of 7 bytes': ('kid of another length', cbor.dumps({1: -8, 4: kid[:7]})),
        'indefinite header': ('Indefinite length', b'\xbf\x01\x27\x04\x48' + kid + b'\xff'),
        'empty header': ('A header of no bytes', b''),
    }
    cases = [
        CommandCase(name, about, header=wrong, refused='malformed')
        for name, (about, wrong) in headers.items()
    ]
    header, unprotected = protect(kid), cbor.dumps({4: kid})
    messages: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
        'tagged': ('COSE_Sign1 with its tag 18', lambda m: b'\xd2' + m),
        'indefinite': ('An array of indefinite length', lambda m: b'\x9f' + m[1:] + b'\xff'),
        'kid unprotected': (
            'kid in both headers',
            lambda m: m.replace(header + b'\xa0', header + unprotected),
        ),
        'rest': ('A byte behind the message', lambda m: m + b'\0'),
        'truncated': ('The last byte is missing', lambda m: m[:-1]),
        'three fields': ('No signature at all', lambda m: b'\x83' + m[1:-66]),
        'length of 2^64': ('A string longer than memory', lambda m: b'\x84\x5b' + b'\xff' * 8),
        'nested': ('Arrays in arrays', lambda m: b'\x81' * 2000),
        'nothing': ('An empty message', lambda m: b''),
        'bare command': ('A command without a signature', lambda m: encode_command(COMMAND)),
    }
    cases += [
        CommandCase(name, about, message=message, refused='malformed')
        for name, (about, message) in messages.items()
    ]
    return cases


def _malformed_within() -> list[CommandCase]:
    """Signed rightly, but no command or answer."""
    command = [1, 'publish', COMMAND.id, COMMAND.instance, EPOCH, 7, 1000, 2000, None]
    answer = [1, ANSWER.id, EPOCH, 1000, 3, 0, '', None]

    def changed(fields: list[Any], place: int, value: object) -> bytes:
        return cbor.dumps([*fields[:place], value, *fields[place + 1 :]])

    commands = {
        'version 2': changed(command, 0, 2),
        'version true': changed(command, 0, True),
        'type of 33 characters': changed(command, 1, 'x' * 33),
        'empty type': changed(command, 1, ''),
        'id of 15 bytes': changed(command, 2, bytes(15)),
        'instance as text': changed(command, 3, 'instance'),
        'epoch of 7 bytes': changed(command, 4, bytes(7)),
        'sequence -1': changed(command, 5, -1),
        'time as a float': changed(command, 6, 1000.0),
        'deadline of 2^63': changed(command, 7, 2**63),
        'key that is no text': changed(command, 8, {1: 2}),
        'undefined': cbor.dumps(command)[:-1] + b'\xf7',
        'simple value': cbor.dumps(command)[:-1] + b'\xf8\x63',
        'bignum': cbor.dumps(command)[:-1] + b'\xc2\x41\x01',
        'field twice': cbor.dumps(command)[:-1] + b'\xa2\x61a\x01\x61a\x02',
        'invalid utf-8': cbor.dumps(command)[:-1] + b'\x62\xc3\x28',
        'chunked text': cbor.dumps(command)[:-1] + b'\x7f\x61a\xff',
        'nested 24 deep': cbor.dumps(command)[:-1] + b'\x81' * 24 + b'\x01',
        'eight fields': cbor.dumps(command[:-1]),
        'ten fields': cbor.dumps([*command, None]),
        'rest in the command': cbor.dumps(command) + b'\0',
    }
    answers = {
        'state 9': changed(answer, 4, 9),
        'state as text': changed(answer, 4, 'succeeded'),
        'answer without epoch': changed(answer, 2, b''),
        'reason of 1025 characters': changed(answer, 6, 'x' * 1025),
        'seven fields': cbor.dumps(answer[:-1]),
    }
    return [
        *[
            CommandCase(name, 'Signed, but no command', payload=payload, refused='malformed')
            for name, payload in commands.items()
        ],
        *[
            CommandCase(
                name,
                'Signed, but no answer',
                ANSWERS,
                OWN,
                value=ANSWER,
                payload=payload,
                refused='malformed',
            )
            for name, payload in answers.items()
        ],
    ]


def commands() -> list[CommandCase]:
    """
    Make all cases.

    :returns: good and bad ones
    """
    return [*good(), *bad()]
