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

"""Signed messages: good for one robot, topic and use; and against a COSE library of others."""

from typing import Any

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.command_values import Answer, State
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.signing.keys import PrivateKey, PublicKey
from ros_cloud_bridge.signing.messages import open_answer, open_signed, sign, verify
from ros_cloud_bridge.wire.command import encode_answer
from ros_cloud_bridge.wire.cose import (
    Context,
    decode_signed,
    encode_signed,
    external_aad,
    protect,
    to_be_signed,
)
from ros_cloud_bridge.wire.limits import MAX_ANSWER

SEED = bytes(range(32))
KEY, OTHER = PrivateKey.from_seed(SEED), PrivateKey.from_seed(bytes(32))
ROBOT, TOPIC = 'amr-07', 'rcb/v1/amr-07/ack/alice'
ANSWER = Answer(id=bytes(16), epoch=bytes(8), robot_ms=5, state=State.SUCCEEDED, detail={'sum': 3})
SIGNED = sign(KEY, Context.ANSWER, ROBOT, TOPIC, encode_answer(ANSWER))
contexts = st.sampled_from(Context)


def opened(message: bytes, key: PublicKey = KEY.public) -> Answer:
    return open_answer(key, ROBOT, TOPIC, message)


@settings(deadline=None)
@given(contexts, st.text(max_size=20), st.text(max_size=40), st.binary(max_size=100))
def test_what_is_signed_is_opened(
    context: Context, robot: str, topic: str, payload: bytes
) -> None:
    message = sign(KEY, context, robot, topic, payload)
    assert open_signed(KEY.public, context, robot, topic, message, 1000) == payload
    # Ed25519 is deterministic: the same command again is the same message.
    assert sign(KEY, context, robot, topic, payload) == message


@settings(deadline=None)
@given(*[st.tuples(contexts, st.text(max_size=9), st.text(max_size=9))] * 2)
def test_a_message_is_good_for_one_use(
    use: tuple[Context, str, str], other: tuple[Context, str, str]
) -> None:
    signed = decode_signed(sign(KEY, *use, b'x'), 1000)
    assert verify(KEY.public, *other, signed) is (use == other)


def test_answers_are_opened() -> None:
    assert opened(SIGNED) == ANSWER


def test_answers_of_another_key_are_refused() -> None:
    with pytest.raises(ProtocolError, match=f'{KEY.kid.hex()}, not {OTHER.kid.hex()}'):
        opened(SIGNED, OTHER.public)
    # Another key under the pinned one's id.
    protected, payload = protect(KEY.kid), encode_answer(ANSWER)
    aad = external_aad(Context.ANSWER, ROBOT, TOPIC)
    signature = OTHER.sign(to_be_signed(protected, aad, payload))
    with pytest.raises(ProtocolError, match='signature .* is wrong'):
        opened(encode_signed(protected, payload, signature))


@pytest.mark.parametrize(
    ('robot', 'topic'),
    [
        ('amr-08', TOPIC),
        (ROBOT, 'rcb/v1/amr-07/ack/bob'),
        (ROBOT, 'rcb/v1/amr-08/ack/alice'),
        (ROBOT, TOPIC + '/'),
        ('', ''),
        (ROBOT, '\ud800'),
    ],
)
def test_answers_for_another_are_refused(robot: str, topic: str) -> None:
    with pytest.raises(ProtocolError, match='signature .* is wrong'):
        open_answer(KEY.public, robot, topic, SIGNED)


@pytest.mark.parametrize('context', [Context.COMMAND, Context.CONFIRMATION])
def test_what_is_signed_for_another_use_is_no_answer(context: Context) -> None:
    with pytest.raises(ProtocolError, match='signature .* is wrong'):
        opened(sign(KEY, context, ROBOT, TOPIC, encode_answer(ANSWER)))


def test_a_signed_message_that_is_no_answer_is_refused() -> None:
    for payload in (b'', b'\0', encode_answer(ANSWER)[:-1], encode_answer(ANSWER) + b'\0'):
        with pytest.raises(ProtocolError):
            opened(sign(KEY, Context.ANSWER, ROBOT, TOPIC, payload))


def test_large_answers_are_refused_before_their_signature() -> None:
    with pytest.raises(ProtocolError, match='over the limit'):
        opened(sign(KEY, Context.ANSWER, ROBOT, TOPIC, bytes(MAX_ANSWER)))


def test_every_flipped_bit_of_an_answer_is_seen() -> None:
    for place in range(len(SIGNED)):
        for bit in range(8):
            broken = bytearray(SIGNED)
            broken[place] ^= 1 << bit
            with pytest.raises(ProtocolError):
                opened(bytes(broken))


def test_another_encoding_of_the_same_header_does_not_verify() -> None:
    # alg as 0x3807: the same number, in more bytes; so is kid. Only signed bytes are good.
    for header in ('a2013807044800010203040506', 'a204480001020304050607'):
        protected = bytes.fromhex(header)
        broken = encode_signed(
            protected, encode_answer(ANSWER), decode_signed(SIGNED, 999).signature
        )
        with pytest.raises(ProtocolError):
            opened(broken)


def pycose(module: str) -> Any:
    """Give a part of the other library, or skip."""
    return pytest.importorskip(f'pycose.{module}', reason='pycose is missing: pip install pycose')


def pycose_key(secret: bytes = b'') -> Any:
    curve = pycose('keys.curves').Ed25519
    return pycose('keys').OKPKey(crv=curve, x=KEY.public_bytes, d=secret)


def pycose_message(aad: bytes = b'', *, protected: bool = True) -> Any:
    headers, alg = pycose('headers'), pycose('algorithms').EdDSA
    kid = {headers.KID: KEY.kid}
    return pycose('messages').Sign1Message(
        phdr={headers.Algorithm: alg, **(kid if protected else {})},
        uhdr={} if protected else kid,
        payload=encode_answer(ANSWER),
        external_aad=aad,
        key=pycose_key(SEED),
    )


def test_another_library_makes_what_we_open() -> None:
    made = pycose_message(external_aad(Context.ANSWER, ROBOT, TOPIC)).encode(tag=False)
    assert opened(made) == ANSWER
    assert made == SIGNED


@pytest.mark.parametrize('context', Context)
def test_another_library_verifies_what_we_make(context: Context) -> None:
    message = sign(KEY, context, ROBOT, TOPIC, b'payload')
    read = pycose('messages').Sign1Message.from_cose_obj(cbor2.loads(message), False)
    read.key = pycose_key()
    read.external_aad = external_aad(context, ROBOT, TOPIC)
    assert read.payload == b'payload'
    assert read.verify_signature()
    read.external_aad = external_aad(context, ROBOT, TOPIC + 'x')
    assert not read.verify_signature()


def test_what_another_library_makes_otherwise_is_refused() -> None:
    aad = external_aad(Context.ANSWER, ROBOT, TOPIC)
    tagged = pycose_message(aad).encode()
    unprotected = pycose_message(aad, protected=False).encode(tag=False)
    unbound = pycose_message().encode(tag=False)
    for message in (tagged, unprotected, unbound):
        with pytest.raises(ProtocolError):
            opened(message)
