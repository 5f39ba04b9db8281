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

"""Fragments: they fit the limit and hold the payload; malformed ones are refused."""

from typing import Any
import zlib

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.batch import decode_message, Kind
from ros_cloud_bridge.wire.fragments import (
    abandoned,
    decode_fragment,
    FRAGMENT_OVERHEAD,
    split,
)

BOOT = bytes(range(8))


@given(
    payload=st.binary(min_size=1, max_size=3000),
    limit=st.integers(FRAGMENT_OVERHEAD + 1, 4000),
    number=st.integers(0, (1 << 63) - 1),
)
def test_fragments_fit_and_hold_the_payload(payload: bytes, limit: int, number: int) -> None:
    parts = split(payload, BOOT, number, limit)
    assert all(len(part) <= limit for part in parts)
    if len(payload) <= limit:
        assert parts == [payload]
        return
    fragments = [decode_fragment(decode_message(part)) for part in parts]
    assert b''.join(fragment.data for fragment in fragments) == payload
    for index, fragment in enumerate(fragments):
        assert (fragment.boot, fragment.number) == (BOOT, number)
        assert (fragment.index, fragment.count) == (index, len(parts))
        assert (fragment.length, fragment.crc32) == (len(payload), zlib.crc32(payload))


def test_limits_that_no_fragment_fits_are_refused() -> None:
    with pytest.raises(ValueError, match='no room'):
        split(bytes(100), BOOT, 1, FRAGMENT_OVERHEAD)
    with pytest.raises(ValueError, match='more than 65536 fragments'):
        split(bytes(70_000), BOOT, 1, FRAGMENT_OVERHEAD + 1)


def test_abandoned() -> None:
    assert decode_message(abandoned(BOOT, 7)) == [1, Kind.ABANDONED, BOOT, 7]


@pytest.mark.parametrize(
    ('place', 'value'),
    [
        (4, -1),
        (4, 3),
        (4, True),
        (5, 1),
        (5, 0),
        (5, 65537),
        (6, 2),
        (6, 1 << 40),
        (7, -1),
        (7, None),
        (8, b''),
        (8, 'text'),
        (8, bytes(101)),
    ],
)
def test_a_fragment_with_one_wrong_field_is_refused(place: int, value: object) -> None:
    fields: list[Any] = [1, 1, BOOT, 7, 0, 3, 100, 12345, bytes(40)]
    assert decode_fragment(decode_message(cbor.dumps(fields))).count == 3
    fields[place] = value
    with pytest.raises(ProtocolError):
        decode_fragment(decode_message(cbor.dumps(fields)))
