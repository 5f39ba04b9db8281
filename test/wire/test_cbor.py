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

"""Strict CBOR: nothing but what the protocol uses, and no memory beyond the payload's size."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.limits import CBOR_MAX_DEPTH, CBOR_MAX_ITEMS

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 64), (1 << 64) - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=40),
    st.text(st.characters(exclude_categories=['Cs']), max_size=20),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 99), inner),
    max_leaves=20,
)


def depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


@given(values)
def test_round_trip(value: object) -> None:
    if depth(value) <= CBOR_MAX_DEPTH:
        assert cbor.loads(cbor.dumps(value)) == value


@given(st.binary(max_size=100))
def test_any_bytes_give_a_value_or_a_protocol_error(data: bytes) -> None:
    try:
        cbor.loads(data)
    except ProtocolError:
        pass


@given(values, st.data())
def test_every_truncation_is_refused(value: object, data: st.DataObject) -> None:
    payload = cbor.dumps(value)
    with pytest.raises(ProtocolError):
        cbor.loads(payload[: data.draw(st.integers(0, len(payload) - 1))])


@pytest.mark.parametrize(
    ('payload', 'why'),
    [
        ('9f01ff', 'indefinite'),
        ('5f4101ff', 'indefinite'),
        ('ff', 'indefinite'),
        ('c11a514b67b0', 'tags'),
        ('c249010000000000000000', 'tags'),
        ('d81c01', 'tags'),
        ('0100', 'behind'),
        ('', 'truncated'),
        ('1a0000', 'truncated'),
        ('44010203', 'truncated'),
        ('1c', 'indefinite'),
        ('a1', 'longer than'),
        ('8201', 'longer than'),
        ('9bffffffffffffffff', 'longer than'),
        ('bb7fffffffffffffff', 'longer than'),
        ('5bffffffffffffffff', 'truncated'),
        ('62c328', 'not CBOR'),
        ('a201020103', 'twice'),
        ('a1010201', 'behind'),
    ],
)
def test_what_the_protocol_leaves_out_is_refused(payload: str, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        cbor.loads(bytes.fromhex(payload))


def test_depth_and_item_count_are_bounded() -> None:
    assert cbor.loads(b'\x81' * CBOR_MAX_DEPTH + b'\x01')
    with pytest.raises(ProtocolError, match='deeper'):
        cbor.loads(b'\x81' * 100_000 + b'\x01')
    too_many = b'\x9a' + (CBOR_MAX_ITEMS + 1).to_bytes(4, 'big') + bytes(CBOR_MAX_ITEMS + 1)
    with pytest.raises(ProtocolError, match='items'):
        cbor.loads(too_many)


def test_payload_size_is_bounded() -> None:
    with pytest.raises(ProtocolError, match='over the limit'):
        cbor.loads(bytes(101), max_bytes=100)


def test_announced_sizes_allocate_nothing() -> None:
    hostile = [
        bytes.fromhex('9b0000000fffffffff') + bytes(1000),
        bytes.fromhex('5b0000000fffffffff') + bytes(1000),
        bytes.fromhex('bb0000000fffffffff') + bytes(1000),
    ]
    tracemalloc.start()
    for payload in hostile:
        with pytest.raises(ProtocolError):
            cbor.loads(payload)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
