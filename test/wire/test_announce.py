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

"""Schemas, requests and JSON documents on the wire."""

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import Lease
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.announce import (
    Ask,
    decode_ask,
    decode_json,
    decode_schema,
    encode_ask,
    encode_json,
    encode_schema,
    MAX_ASKED_LEASES,
)
from ros_cloud_bridge.wire.limits import MAX_JSON, MAX_SCHEMA_TEXT
from ros_cloud_bridge.wire.schema import Schema

HASH = 'RIHS01_' + '0123456789abcdef' * 4

numbers = st.floats(min_value=0.0, allow_nan=False, allow_infinity=False)
leases = st.builds(
    Lease,
    stream=st.text(st.characters(exclude_categories=['Cs']), min_size=1, max_size=64),
    hz=numbers,
    seconds=numbers,
)
asks = st.builds(
    Ask,
    info=st.booleans(),
    routes=st.booleans(),
    latched=st.booleans(),
    schemas=st.lists(st.binary(min_size=8, max_size=8).map(bytes.hex), max_size=5).map(tuple),
    leases=st.lists(leases, max_size=5).map(tuple),
)


@given(st.text(st.characters(exclude_categories=['Cs']), max_size=300))
def test_schema_round_trip(text: str) -> None:
    schema = Schema(type_name='a/msg/A', definition=text, rihs01=HASH)
    assert decode_schema(encode_schema(schema)) == schema


@pytest.mark.parametrize(
    ('place', 'value'),
    [
        (0, 2),
        (0, True),
        (1, b'a/msg/A'),
        (1, 'a' * 1025),
        (2, 7),
        (3, HASH[:-1]),
        (3, 'RIHS02' + HASH[6:]),
        (4, 3),
        (4, -1),
        (4, True),
        (4, MAX_SCHEMA_TEXT + 1),
        (5, b''),
        (5, 'text'),
        (5, None),
    ],
)
def test_a_schema_with_one_wrong_field_is_refused(place: int, value: object) -> None:
    fields: list[Any] = cbor.loads(
        encode_schema(Schema(type_name='a/msg/A', definition='int8 x\n', rihs01=HASH))
    )
    fields[place] = value
    with pytest.raises(ProtocolError):
        decode_schema(cbor.dumps(fields))


def test_schema_text_must_be_utf8() -> None:
    import zstandard

    fields = [1, 'a/msg/A', 'ros2msg', HASH, 2, zstandard.ZstdCompressor().compress(b'\xff\xfe')]
    with pytest.raises(ProtocolError, match='UTF-8'):
        decode_schema(cbor.dumps(fields))


@given(asks)
def test_ask_round_trip(ask: Ask) -> None:
    assert decode_ask(encode_ask(ask)) == ask


def test_keys_of_later_versions_are_ignored() -> None:
    payload = cbor.dumps([2, {'info': True, 'plan': {'stream': 'lidar'}}])
    assert decode_ask(payload) == Ask(info=True)


def test_an_ask_for_nothing_is_false_and_a_lease_is_something() -> None:
    assert not Ask()
    assert Ask(leases=(Lease(stream='camera'),))


def test_a_lease_is_what_the_protocol_shows() -> None:
    shown = '8201a1656c6561736581836663616d657261fb4014000000000000fb404e000000000000'
    ask = Ask(leases=(Lease(stream='camera', hz=5.0, seconds=60.0),))
    assert encode_ask(ask).hex() == shown
    assert decode_ask(bytes.fromhex(shown)) == ask


def test_numbers_of_a_lease_may_be_integers() -> None:
    payload = cbor.dumps([1, {'lease': [['camera', 5, 60], ['lidar', 0, 2**64 - 1]]}])
    assert decode_ask(payload).leases == (
        Lease(stream='camera', hz=5.0, seconds=60.0),
        Lease(stream='lidar', hz=0.0, seconds=float(2**64 - 1)),
    )


@given(st.lists(leases, min_size=MAX_ASKED_LEASES, max_size=MAX_ASKED_LEASES).map(tuple))
@settings(max_examples=20)
def test_as_many_leases_as_are_allowed_fit(wanted: tuple[Lease, ...]) -> None:
    assert decode_ask(encode_ask(Ask(leases=wanted))).leases == wanted


@given(
    st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-(2**64), 2**64 - 1),
            st.floats(),
            st.text(max_size=70),
            st.binary(max_size=8),
        ),
        lambda inner: st.lists(inner, max_size=4),
    )
)
def test_leases_of_any_form_are_taken_or_refused(entries: object) -> None:
    payload = cbor.dumps([1, {'lease': entries}])
    try:
        ask = decode_ask(payload)
    except ProtocolError:
        return
    for lease in ask.leases:
        assert 1 <= len(lease.stream) <= 64
        assert 0.0 <= lease.hz < math.inf
        assert 0.0 <= lease.seconds < math.inf


@pytest.mark.parametrize(
    'value',
    [
        [],
        {},
        [1],
        [1, []],
        [1, {'schema': b'12345678'}],
        [1, {'schema': ['0123456789abcdef']}],
        [1, {'schema': [b'1234567']}],
        [1, {'schema': [b'12345678'] * 257}],
        [1, {'lease': {}}],
        [1, {'lease': None}],
        [1, {'lease': ['camera']}],
        [1, {'lease': [[]]}],
        [1, {'lease': [['camera', 1.0]]}],
        [1, {'lease': [['camera', 1.0, 60.0, 0]]}],
        [1, {'lease': [['', 1.0, 60.0]]}],
        [1, {'lease': [['c' * 65, 1.0, 60.0]]}],
        [1, {'lease': [[b'camera', 1.0, 60.0]]}],
        [1, {'lease': [['camera', True, 60.0]]}],
        [1, {'lease': [['camera', 1.0, None]]}],
        [1, {'lease': [['camera', -1, 60.0]]}],
        [1, {'lease': [['camera', 1.0, -0.1]]}],
        [1, {'lease': [['camera', float('inf'), 60.0]]}],
        [1, {'lease': [['camera', 1.0, float('nan')]]}],
        [1, {'lease': [['camera', '1', 60.0]]}],
        [1, {'lease': [['camera', 1.0, 60.0]] * 65}],
    ],
)
def test_malformed_requests_are_refused(value: object) -> None:
    with pytest.raises(ProtocolError):
        decode_ask(cbor.dumps(value))


def test_json_round_trip() -> None:
    document = {'robot_id': 'ärm', 'routes': [{'route': 1}], 'uptime_s': 1.5}
    assert decode_json(encode_json(document)) == document


@pytest.mark.parametrize(
    'payload',
    [
        b'',
        b'{',
        b'[]',
        b'null',
        b'"x"',
        b'\xff',
        b'[' * 200_000,
        b'{"a":' * 100_000,
        b'{"a":' + b'9' * 100_000 + b'}',
        b' ' * (MAX_JSON + 1),
    ],
    ids=len,
)
def test_what_is_not_a_document_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_json(payload)
