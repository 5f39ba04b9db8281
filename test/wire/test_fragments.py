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
    Cutter,
    decode_fragment,
    Fragment,
    FRAGMENT_OVERHEAD,
    split,
)
from ros_cloud_bridge.wire.limits import MAX_BATCH, MAX_FRAGMENTS

BOOT = bytes(range(8))
LIMITS = st.integers(FRAGMENT_OVERHEAD + 1, 4000)
NUMBERS = st.integers(0, (1 << 63) - 1)


def fragment(part: bytes) -> Fragment:
    return decode_fragment(decode_message(part))


def check(parts: list[bytes], payload: bytes, number: int) -> None:
    offset = 0
    for part in map(fragment, parts):
        assert (part.boot, part.number) == (BOOT, number)
        assert (part.length, part.crc32) == (len(payload), zlib.crc32(payload))
        assert part.offset == offset
        assert part.data == payload[offset : offset + len(part.data)]
        offset += len(part.data)
    assert offset == len(payload)


@given(payload=st.binary(min_size=1, max_size=3000), limit=LIMITS, number=NUMBERS)
def test_fragments_fit_and_hold_the_payload(payload: bytes, limit: int, number: int) -> None:
    parts = split(payload, BOOT, number, limit)
    assert all(len(part) <= limit for part in parts)
    if len(payload) <= limit:
        assert parts == [payload]
        return
    check(parts, payload, number)
    assert len(parts) == -(-len(payload) // (limit - FRAGMENT_OVERHEAD))


@given(payload=st.binary(min_size=1, max_size=3000), number=NUMBERS, data=st.data())
def test_the_size_may_change_at_every_cut(
    payload: bytes, number: int, data: st.DataObject
) -> None:
    cutter = Cutter(payload, BOOT, number)
    parts: list[bytes] = []
    while not cutter.done:
        assert (cutter.made, cutter.sent + cutter.left) == (len(parts), len(payload))
        limit, left = data.draw(LIMITS), cutter.left
        parts.append(cutter.next(limit))
        assert len(parts[-1]) <= limit
        assert cutter.left < left
    assert (cutter.left, cutter.sent, cutter.made) == (0, len(payload), len(parts))
    if parts != [payload]:
        check(parts, payload, number)


def test_slower_means_smaller_from_the_next_cut_on() -> None:
    cutter = Cutter(bytes(100_000), BOOT, 1)
    sizes = [len(fragment(cutter.next(limit)).data) for limit in (50_000, 1000, 1000, 60_000)]
    large, small = 50_000 - FRAGMENT_OVERHEAD, 1000 - FRAGMENT_OVERHEAD
    assert sizes == [large, small, small, 100_000 - large - 2 * small]
    assert cutter.done


def test_a_batch_once_cut_goes_on_in_fragments() -> None:
    cutter = Cutter(bytes(1000), BOOT, 1)
    cutter.next(200)
    assert fragment(cutter.next(10_000)).offset == 200 - FRAGMENT_OVERHEAD
    assert cutter.done


@pytest.mark.parametrize(
    ('over', 'sizes'), [(0, [400, 400]), (1, [400, 201, 200]), (399, [400, 400, 399])]
)
def test_a_crumb_is_shared_with_the_part_before_it(over: int, sizes: list[int]) -> None:
    parts = split(bytes(800 + over), BOOT, 1, 400 + FRAGMENT_OVERHEAD)
    assert [len(fragment(part).data) for part in parts] == sizes


def test_the_overhead_is_what_the_largest_head_takes() -> None:
    # From 65,536 on an integer takes the five bytes of the largest.
    cutter = Cutter(bytes(300_000), BOOT, (1 << 63) - 1)
    cutter.next(70_000)
    part = cutter.next(70_000)
    assert len(part) == len(fragment(part).data) + FRAGMENT_OVERHEAD == 70_000


def test_never_more_fragments_than_a_receiver_takes() -> None:
    cutter = Cutter(bytes(3 * MAX_FRAGMENTS), BOOT, 1)
    least = FRAGMENT_OVERHEAD + 1
    # One byte each is too little: what the first takes more than its share, others may take less.
    assert len(fragment(cutter.next(FRAGMENT_OVERHEAD + 1000)).data) == 1000
    sizes = set()
    while not cutter.done:
        sizes.add(len(fragment(cutter.next(least)).data))
    assert cutter.made <= MAX_FRAGMENTS
    assert max(sizes) == 3


def test_limits_that_no_fragment_fits_are_refused() -> None:
    with pytest.raises(ValueError, match='no room'):
        split(bytes(100), BOOT, 1, FRAGMENT_OVERHEAD)
    with pytest.raises(ValueError, match='more than 65536 fragments'):
        split(bytes(70_000), BOOT, 1, FRAGMENT_OVERHEAD + 1)
    cutter = Cutter(bytes(100), BOOT, 1)
    with pytest.raises(ValueError, match='no room'):
        cutter.next(FRAGMENT_OVERHEAD)
    assert (cutter.sent, cutter.made) == (0, 0)
    assert cutter.next(100) == bytes(100)
    with pytest.raises(ValueError, match='nothing is left'):
        cutter.next(100)


@pytest.mark.parametrize('size', [0, MAX_BATCH + 1])
def test_a_batch_that_no_receiver_takes_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match='a batch has 1 to'):
        Cutter(bytes(size), BOOT, 1)


def test_abandoned() -> None:
    assert decode_message(abandoned(BOOT, 7)) == [1, Kind.ABANDONED, BOOT, 7]


@pytest.mark.parametrize(
    ('place', 'value'),
    [
        (4, -1),
        (4, True),
        (4, 1.0),
        (5, -1),
        (5, 0),
        (5, 40),
        (5, MAX_BATCH + 1),
        (5, 1 << 63),
        (6, -1),
        (6, None),
        (6, 1 << 32),
        (7, b''),
        (7, 'text'),
        (7, bytes(100)),
        (7, bytes(101)),
    ],
)
def test_a_fragment_with_one_wrong_field_is_refused(place: int, value: object) -> None:
    fields: list[Any] = [1, 1, BOOT, 7, 20, 100, 12345, bytes(40)]
    assert fragment(cbor.dumps(fields)).offset == 20
    fields[place] = value
    with pytest.raises(ProtocolError):
        fragment(cbor.dumps(fields))
