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

"""COSE_Sign1 against published examples, and against what this protocol leaves out of it."""

import cbor2
from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.cose import (
    Context,
    decode_signed,
    encode_signed,
    external_aad,
    protect,
    to_be_signed,
)

MOST = 65536
KID, SIGNATURE = bytes(range(8)), bytes(64)
# RFC 9052, appendix C.2.1 (kept in cose-wg/Examples as RFC8152/Appendix_C_2_1.json), and that
# collection's sign1-tests/sign-pass-02.json, which has external data, and eddsa-sig-01.json.
C_2_1 = (
    'd28443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab0'
    '5aac34cc6b23d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d'
    '3b0916e5a4c345cacb36'
)
C_2_1_SIGNED = '846a5369676e61747572653143a101264054546869732069732074686520636f6e74656e742e'
EXTERNAL = '11aa22bb33cc44dd55006699'
PASS_02 = (
    'd28443a10126a10442313154546869732069732074686520636f6e74656e742e584010729cd711cb3813d8d8'
    'e944a8da7111e7b258c9bdca6135f7ae1adbee9509891267837e1e33bd36c150326ae62755c6bd8e540c3e8f'
    '92d7d225e8db72b8820b'
)
PASS_02_SIGNED = (
    '846a5369676e61747572653143a101264c11aa22bb33cc44dd5500669954546869732069732074686520636f'
    '6e74656e742e'
)
P256 = (
    'bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff',
    '20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e',
)
EDDSA_01 = (
    'd28445a201270300a10442313154546869732069732074686520636f6e74656e742e58407142fd2ff96d56db'
    '85bee905a76ba1d0b7321a95c8c4d3607c5781932b7afb8711497dfa751bf40b58b3bcc32300b1487f3db340'
    '85eef013bf08f4a44d6fef0d'
)
EDDSA_01_SIGNED = (
    '846a5369676e61747572653145a2012703004054546869732069732074686520636f6e74656e742e'
)
EDDSA_01_KEY = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'


def parts_of(message: str) -> tuple[bytes, bytes, bytes]:
    """
    Take a published example apart, by cbor2 alone.

    :param message: hexadecimal, tagged
    :returns: protected header, payload, signature
    """
    protected, _, payload, signature = cbor2.loads(bytes.fromhex(message)).value
    return protected, payload, signature


@pytest.mark.parametrize(
    ('message', 'external', 'signed'),
    [(C_2_1, '', C_2_1_SIGNED), (PASS_02, EXTERNAL, PASS_02_SIGNED)],
)
def test_published_ecdsa_examples_verify_over_our_structure(
    message: str, external: str, signed: str
) -> None:
    pytest.importorskip('cryptography', reason='cryptography is missing')
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    protected, payload, signature = parts_of(message)
    made = to_be_signed(protected, bytes.fromhex(external), payload)
    assert made.hex() == signed
    x, y = (int(text, 16) for text in P256)
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    r, s = (int.from_bytes(signature[at : at + 32], 'big') for at in (0, 32))
    # It raises InvalidSignature.
    key.verify(utils.encode_dss_signature(r, s), made, ec.ECDSA(SHA256()))


def test_published_eddsa_example_verifies_over_our_structure() -> None:
    pytest.importorskip('cryptography', reason='cryptography is missing')
    from ros_cloud_bridge.signing.keys import PublicKey

    protected, payload, signature = parts_of(EDDSA_01)
    made = to_be_signed(protected, b'', payload)
    assert made.hex() == EDDSA_01_SIGNED
    key = PublicKey(bytes.fromhex(EDDSA_01_KEY))
    assert key.verify(signature, made)
    assert not key.verify(signature, to_be_signed(protected, b'x', payload))


@pytest.mark.parametrize('message', [C_2_1, PASS_02, EDDSA_01])
def test_published_examples_are_none_of_this_protocol(message: str) -> None:
    whole = bytes.fromhex(message)
    for hostile in (whole, whole[1:]):  # with its tag, and without
        with pytest.raises(ProtocolError):
            decode_signed(hostile, MOST)


@given(
    st.binary(max_size=200), st.binary(min_size=8, max_size=8), st.binary(min_size=64, max_size=64)
)
def test_what_is_encoded_is_decoded(payload: bytes, kid: bytes, signature: bytes) -> None:
    signed = decode_signed(encode_signed(protect(kid), payload, signature), MOST)
    assert (signed.kid, signed.payload, signed.signature) == (kid, payload, signature)
    assert signed.protected == protect(kid)
    assert signed.algorithm == -8


def test_bytes_stand_as_documented() -> None:
    assert protect(KID).hex() == 'a2012704480001020304050607'
    aad = external_aad(Context.COMMAND, 'amr-07', 'rcb/v1/amr-07/cmd/alice/drive')
    assert cbor2.loads(aad) == ['rcb/1 command', 'amr-07', 'rcb/v1/amr-07/cmd/alice/drive']
    assert aad[0] == 0x83


def test_no_two_uses_have_the_same_bytes_to_sign() -> None:
    # Parts that run on into each other would: 'a', 'bc' and 'ab', 'c'.
    uses = [
        (context, robot, topic)
        for context in Context
        for robot in ('a', 'ab', '', 'abc')
        for topic in ('bc', 'c', 'abc', '')
    ]
    made = {to_be_signed(protect(KID), external_aad(*use), b'') for use in uses}
    assert len(made) == len(uses)


def test_the_newer_number_of_the_algorithm_is_taken() -> None:
    header = cbor2.dumps({1: -19, 4: KID})
    assert decode_signed(encode_signed(header, b'', SIGNATURE), MOST).algorithm == -19


HEADERS = {
    'no alg': {4: KID},
    'no kid': {1: -8},
    'empty map': {},
    'alg none': {1: None, 4: KID},
    'alg none as text': {1: 'none', 4: KID},
    'alg as text': {1: 'EdDSA', 4: KID},
    'alg 0': {1: 0, 4: KID},
    'ES256': {1: -7, 4: KID},
    'HMAC 256': {1: 5, 4: KID},
    'Ed448': {1: -53, 4: KID},
    'alg a float': {1: -8.0, 4: KID},
    'alg an array': {1: [-8], 4: KID},
    'crit': {1: -8, 2: [4], 4: KID},
    'content type': {1: -8, 3: 0, 4: KID},
    'kid short': {1: -8, 4: KID[:-1]},
    'kid long': {1: -8, 4: KID + b'\0'},
    'kid as text': {1: -8, 4: 'abcdefgh'},
    'keys as text': {'1': -8, '4': KID},
    'keys as floats': {1.0: -8, 4.0: KID},
    'keys as booleans': {True: -8, 4: KID},
    'not a map': [1, -8, 4, KID],
    'null': None,
}


@pytest.mark.parametrize('header', HEADERS.values(), ids=HEADERS)
def test_other_protected_headers_are_refused(header: object) -> None:
    with pytest.raises(ProtocolError):
        decode_signed(encode_signed(cbor2.dumps(header), b'x', SIGNATURE), MOST)


@pytest.mark.parametrize(
    'header',
    [
        b'',
        bytes.fromhex('a3012704480001020304050607') + bytes.fromhex('0126'),
        bytes.fromhex('a301270127') + bytes.fromhex('04480001020304050607'),
        bytes.fromhex('bf012704480001020304050607ff'),
        bytes.fromhex('a2012704480001020304050607') + b'\0',
        bytes.fromhex('a2012704c2480001020304050607'),
        bytes.fromhex('a20127045f480001020304050607ff'),
        bytes.fromhex('a2012704480001020304050607') + bytes(100),
    ],
    ids=['none', 'alg twice', 'alg twice alike', 'indefinite', 'rest', 'tag', 'chunks', 'long'],
)
def test_other_encodings_of_a_protected_header_are_refused(header: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_signed(encode_signed(header, b'x', SIGNATURE), MOST)


@pytest.mark.parametrize(
    'message',
    [
        b'\x84' + 4 * (b'\x98\xff' + b'\xa0' * 255),
        b'\x99\xea\x60' + b'\xa0' * 60_000,
    ],
    ids=['wide', 'long'],
)
def test_no_more_is_walked_through_than_a_message_has(
    message: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = 0
    real = cbor._head

    def head(payload: bytes, position: int, end: int) -> tuple[int, int, int]:
        nonlocal heads
        heads += 1
        return real(payload, position, end)

    monkeypatch.setattr(cbor, '_head', head)
    with pytest.raises(ProtocolError):
        decode_signed(message, MOST)
    assert 0 < heads <= 16


MESSAGES = {
    'kid unprotected': [cbor2.dumps({1: -8}), {4: KID}, b'x', SIGNATURE],
    'kid in both': [protect(KID), {4: KID}, b'x', SIGNATURE],
    'all unprotected': [b'', {1: -8, 4: KID}, b'x', SIGNATURE],
    'unprotected not a map': [protect(KID), [], b'x', SIGNATURE],
    'unprotected null': [protect(KID), None, b'x', SIGNATURE],
    'header not wrapped': [{1: -8, 4: KID}, {}, b'x', SIGNATURE],
    'payload detached': [protect(KID), {}, None, SIGNATURE],
    'payload as text': [protect(KID), {}, 'x', SIGNATURE],
    'signature short': [protect(KID), {}, b'x', SIGNATURE[:-1]],
    'signature long': [protect(KID), {}, b'x', SIGNATURE + b'\0'],
    'signature missing': [protect(KID), {}, b'x', b''],
    'signature null': [protect(KID), {}, b'x', None],
    'three fields': [protect(KID), {}, b'x'],
    'five fields': [protect(KID), {}, b'x', SIGNATURE, b''],
    'COSE_Sign': [protect(KID), {}, b'x', [[protect(KID), {}, SIGNATURE]]],
    'a map': {0: protect(KID), 1: {}, 2: b'x', 3: SIGNATURE},
    'an integer': 4,
}


@pytest.mark.parametrize('message', MESSAGES.values(), ids=MESSAGES)
def test_other_messages_are_refused(message: object) -> None:
    with pytest.raises(ProtocolError):
        decode_signed(cbor2.dumps(message), MOST)


def test_size_is_limited_before_anything_else() -> None:
    message = encode_signed(protect(KID), bytes(1000), SIGNATURE)
    decode_signed(message, len(message))
    with pytest.raises(ProtocolError, match='over the limit'):
        decode_signed(message, len(message) - 1)
