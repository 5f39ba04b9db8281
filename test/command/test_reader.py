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

"""The gate's reader: whatever is changed in a signed command, it is none any more."""

from collections.abc import Callable, Mapping
from dataclasses import replace
import hashlib
from pathlib import Path

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.command.reader import (
    CommandReader,
    kid_without_key,
    reader_for,
    UnsignedReader,
)
from ros_cloud_bridge.command_values import Command
from ros_cloud_bridge.core.commands.effects import Reader
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.signing.keys import PrivateKey
from ros_cloud_bridge.signing.messages import sign
from ros_cloud_bridge.signing.ring import KeyRing
from ros_cloud_bridge.values import Trust
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.command import encode_command
from ros_cloud_bridge.wire.cose import (
    Context,
    encode_signed,
    external_aad,
    protect,
    to_be_signed,
)
from ros_cloud_bridge.wire.limits import MAX_COMMAND

ROBOT, TOPIC = 'amr-07', 'rcb/v1/amr-07/cmd/alice/drive'
ALICE, BOB = PrivateKey.from_seed(b'alice' * 6 + b'..'), PrivateKey.from_seed(b'bob,' * 8)
COMMAND = Command(
    type='publish',
    id=bytes(range(16)),
    instance=b'instance',
    epoch=b'an epoch',
    sequence=7,
    sent_ms=123456,
    deadline_ms=124456,
    arguments={'linear': {'x': 0.5, 'y': 0.0, 'z': 0.0}, 'note': 'slow'},
)
PAYLOAD = encode_command(COMMAND)
MESSAGE = sign(ALICE, Context.COMMAND, ROBOT, TOPIC, PAYLOAD)


@pytest.fixture(scope='module')
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('operators')
    ALICE.public.save(path / 'alice.pub')
    BOB.public.save(path / 'bob.pub')
    return path


@pytest.fixture(scope='module')
def reader(directory: Path) -> Reader:
    ring = KeyRing(directory)
    ring.look(0.0)
    return reader_for(Trust.SIGNATURES, ring, ROBOT)


def accepts(reader: Reader, message: bytes, operator: str = 'alice', topic: str = TOPIC) -> bool:
    """Do what the gate does, whose order this keeps."""
    try:
        sealed = reader.unwrap(operator, message)
        proven = reader.knows(operator, sealed.kid) and reader.verifies(operator, topic, sealed)
        if proven:
            reader.open(sealed)
    except ProtocolError:
        return False
    return proven


def test_a_good_command_is_read(reader: Reader) -> None:
    assert isinstance(reader, CommandReader)
    sealed = reader.unwrap('alice', MESSAGE)
    assert (sealed.kid, sealed.payload) == (ALICE.kid, PAYLOAD)
    envelope = reader.open(sealed)
    assert (envelope.kid, envelope.command) == (ALICE.kid, COMMAND)
    assert envelope.digest == hashlib.sha256(protect(ALICE.kid) + PAYLOAD).digest()
    assert accepts(reader, MESSAGE)


def test_every_flipped_bit_is_seen(reader: Reader) -> None:
    assert accepts(reader, MESSAGE)
    for place in range(len(MESSAGE)):
        for bit in range(8):
            broken = bytearray(MESSAGE)
            broken[place] ^= 1 << bit
            assert not accepts(reader, bytes(broken)), (place, bit)


def test_every_other_byte_is_seen(reader: Reader) -> None:
    for place in range(len(MESSAGE)):
        for value in (0x00, 0xFF, 0x18, 0x40, 0x5F, 0x7F, 0x80, 0x9F, 0xBF, 0xC0, 0xF6, 0xF7):
            if MESSAGE[place] != value:
                broken = MESSAGE[:place] + bytes([value]) + MESSAGE[place + 1 :]
                assert not accepts(reader, broken), (place, value)


def test_truncations_and_extensions_are_seen(reader: Reader) -> None:
    for size in range(len(MESSAGE)):
        assert not accepts(reader, MESSAGE[:size])
        assert not accepts(reader, MESSAGE[size + 1 :])
        assert not accepts(reader, MESSAGE[:size] + b'\0' + MESSAGE[size:])
        assert not accepts(reader, MESSAGE[:size] + MESSAGE[size + 1 :])
    for rest in (b'\0', b'\xff', b'\xf6', MESSAGE):
        assert not accepts(reader, MESSAGE + rest)
        assert not accepts(reader, rest + MESSAGE)


@pytest.mark.parametrize(
    ('operator', 'topic'),
    [
        ('bob', TOPIC),
        ('bob', 'rcb/v1/amr-07/cmd/bob/drive'),
        ('carol', TOPIC),
        ('', TOPIC),
        ('alice', 'rcb/v1/amr-07/cmd/alice/dock'),
        ('alice', 'rcb/v1/amr-08/cmd/alice/drive'),
        ('alice', 'other/amr-07/cmd/alice/drive'),
        ('alice', ''),
        ('alice', '\udcff'),
    ],
)
def test_it_is_good_for_one_operator_and_topic(reader: Reader, operator: str, topic: str) -> None:
    assert not accepts(reader, MESSAGE, operator, topic)


def test_it_is_good_for_one_robot(directory: Path) -> None:
    ring = KeyRing(directory)
    ring.look(0.0)
    assert accepts(CommandReader(ring, ROBOT), MESSAGE)
    assert not accepts(CommandReader(ring, 'amr-08'), MESSAGE)


@pytest.mark.parametrize('context', [Context.ANSWER, Context.CONFIRMATION])
def test_what_is_signed_for_another_use_is_no_command(reader: Reader, context: Context) -> None:
    assert not accepts(reader, sign(ALICE, context, ROBOT, TOPIC, PAYLOAD))


def signed_with(
    header: bytes, key: PrivateKey = ALICE, context: str = 'Signature1', payload: bytes = PAYLOAD
) -> bytes:
    """Sign, rightly, what is otherwise wrong."""
    aad = external_aad(Context.COMMAND, ROBOT, TOPIC)
    made = to_be_signed(header, aad, payload).replace(b'Signature1', context.encode())
    return encode_signed(header, payload, key.sign(made))


def test_the_hand_made_command_would_be_good(reader: Reader) -> None:
    assert signed_with(protect(ALICE.kid)) == MESSAGE
    assert accepts(reader, signed_with(cbor2.dumps({1: -19, 4: ALICE.kid})))
    assert accepts(reader, signed_with(cbor2.dumps({4: ALICE.kid, 1: -8})))


SIGNED_WRONG: Mapping[str, Callable[[], bytes]] = {
    'alg none': lambda: signed_with(cbor2.dumps({1: None, 4: ALICE.kid})),
    'HS256': lambda: signed_with(cbor2.dumps({1: 5, 4: ALICE.kid})),
    'ES256': lambda: signed_with(cbor2.dumps({1: -7, 4: ALICE.kid})),
    'alg as text': lambda: signed_with(cbor2.dumps({1: 'EdDSA', 4: ALICE.kid})),
    'no alg': lambda: signed_with(cbor2.dumps({4: ALICE.kid})),
    'no kid': lambda: signed_with(cbor2.dumps({1: -8})),
    'crit': lambda: signed_with(cbor2.dumps({1: -8, 2: [99], 4: ALICE.kid, 99: 1})),
    'alg twice': lambda: signed_with(b'\xa3\x01\x27\x01\x27\x04\x48' + ALICE.kid),
    'kid twice': lambda: signed_with(b'\xa3\x01\x27\x04\x48' + BOB.kid + b'\x04\x48' + ALICE.kid),
    'indefinite header': lambda: signed_with(b'\xbf\x01\x27\x04\x48' + ALICE.kid + b'\xff'),
    'kid of another': lambda: signed_with(protect(BOB.kid)),
    'key of another': lambda: signed_with(protect(ALICE.kid), BOB),
    'both of another': lambda: signed_with(protect(BOB.kid), BOB),
    'COSE_Sign': lambda: signed_with(protect(ALICE.kid), context='Signature'),
    'countersignature': lambda: signed_with(protect(ALICE.kid), context='CounterSignature'),
    'no payload': lambda: signed_with(protect(ALICE.kid), payload=b''),
    'payload with a rest': lambda: signed_with(protect(ALICE.kid), payload=PAYLOAD + b'\0'),
    'too large': lambda: signed_with(
        protect(ALICE.kid), payload=encode_command(COMMAND) + bytes(MAX_COMMAND)
    ),
    'signature all zeros': lambda: encode_signed(protect(ALICE.kid), PAYLOAD, bytes(64)),
    'small order R': lambda: encode_signed(
        protect(ALICE.kid), PAYLOAD, b'\1' + bytes(31) + bytes(32)
    ),
    'unsigned': lambda: PAYLOAD,
    'tagged': lambda: b'\xd2' + MESSAGE,
    'tagged as COSE_Sign': lambda: b'\xd8\x62' + MESSAGE,
    'tagged as CWT': lambda: b'\xd8\x3d\xd2' + MESSAGE,
    'indefinite': lambda: b'\x9f' + MESSAGE[1:] + b'\xff',
    'within a string': lambda: cbor2.dumps(MESSAGE),
    'within an array': lambda: cbor2.dumps([cbor2.loads(MESSAGE)]),
    'kid unprotected': lambda: cbor2.dumps(
        [cbor2.dumps({1: -8}), {4: ALICE.kid}, *cbor2.loads(MESSAGE)[2:]]
    ),
    'nested deeply': lambda: b'\x81' * 100_000,
    'length of 2^64': lambda: b'\x84\x5b' + b'\xff' * 8,
    'items of 2^64': lambda: b'\x9b' + b'\xff' * 8,
    'empty': lambda: b'',
}


@pytest.mark.parametrize('make', SIGNED_WRONG.values(), ids=SIGNED_WRONG)
def test_other_messages_are_refused(reader: Reader, make: Callable[[], bytes]) -> None:
    assert not accepts(reader, make())


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(reader: Reader, message: bytes) -> None:
    assert not accepts(reader, message)


def test_another_way_to_write_the_same_message_is_the_same_command(reader: Reader) -> None:
    # Around what is signed CBOR leaves a choice: nothing is run twice, for the digest is the same.
    longer = b'\x98\x04' + MESSAGE[1:]
    assert accepts(reader, longer)
    digests = {
        reader.open(reader.unwrap('alice', message)).digest for message in (longer, MESSAGE)
    }
    assert len(digests) == 1


def test_little_is_looked_at_before_a_key_is_known(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is inside is nothing that is ever decoded, and what is around it is not walked through.
    inside = encode_signed(protect(BOB.kid), b'\x81' * 60_000, bytes(64))
    assert reader.unwrap('alice', inside).kid == BOB.kid
    heads = 0
    real = cbor._head

    def head(payload: bytes, position: int, end: int) -> tuple[int, int, int]:
        nonlocal heads
        heads += 1
        return real(payload, position, end)

    monkeypatch.setattr(cbor, '_head', head)
    maps = b'\x99' + (15_000).to_bytes(2, 'big') + b'\xa1\x01\x02' * 15_000
    for message in (maps, b'\x84' + maps, b'\x81' * 60_000, bytes(60_000)):
        heads = 0
        with pytest.raises(ProtocolError):
            reader.unwrap('alice', message)
        assert heads <= 32


def test_a_revoked_key_does_not_verify_what_was_read_before(tmp_path: Path) -> None:
    ALICE.public.save(tmp_path / 'alice.pub')
    ring = KeyRing(tmp_path)
    ring.look(0.0)
    reader = CommandReader(ring, ROBOT)
    sealed = reader.unwrap('alice', MESSAGE)
    assert reader.verifies('alice', TOPIC, sealed)
    (tmp_path / 'revoked').write_text(ALICE.kid.hex())
    ring.look(1.0)
    assert not reader.knows('alice', ALICE.kid)
    assert not reader.verifies('alice', TOPIC, sealed)


def test_without_signatures_the_topic_is_believed(directory: Path) -> None:
    reader = reader_for(Trust.TRANSPORT, KeyRing(directory), ROBOT)
    assert isinstance(reader, UnsignedReader)
    envelope = reader.open(reader.unwrap('anybody', PAYLOAD))
    assert envelope.command == COMMAND
    assert envelope.kid == hashlib.sha256(b'anybody').digest()[:8]
    assert envelope.digest == hashlib.sha256(PAYLOAD).digest()
    assert accepts(reader, PAYLOAD, 'anybody', 'any/topic')
    for message in (MESSAGE, b'', PAYLOAD[:-1], PAYLOAD + b'\0'):
        assert not accepts(reader, message)


def test_without_signatures_nothing_signed_is_taken_and_the_reverse(
    reader: Reader, directory: Path
) -> None:
    unsigned = UnsignedReader()
    signed, plain = reader.unwrap('alice', MESSAGE), unsigned.unwrap('alice', PAYLOAD)
    assert not unsigned.verifies('alice', TOPIC, signed)
    assert not unsigned.verifies('alice', TOPIC, replace(signed, kid=plain.kid))
    assert not reader.knows('alice', plain.kid)
    assert not reader.verifies('alice', TOPIC, plain)
    assert not reader.verifies('alice', TOPIC, replace(plain, kid=ALICE.kid))


def test_without_signatures_operators_are_told_apart() -> None:
    unsigned = UnsignedReader()
    alices = unsigned.unwrap('alice', PAYLOAD)
    assert alices.kid != unsigned.unwrap('bob', PAYLOAD).kid
    assert unsigned.verifies('alice', TOPIC, alices)
    assert not unsigned.knows('bob', alices.kid)
    assert len(kid_without_key('\udcff')) == len(alices.kid) == 8
