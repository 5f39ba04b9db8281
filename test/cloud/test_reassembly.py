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

"""Fragments in any order, repeated, lost and hostile."""

from dataclasses import replace
import tracemalloc
from typing import Any
import zlib

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.cloud.reassembly import Reassembler
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.batch import decode_message
from ros_cloud_bridge.wire.fragments import decode_fragment, Fragment, split

BOOT = bytes(8)


def fragments(payload: bytes, number: int = 1, limit: int = 120) -> list[Fragment]:
    parts = split(payload, BOOT, number, limit)
    return [decode_fragment(decode_message(part)) for part in parts]


def fragment(**changes: Any) -> Fragment:
    whole = Fragment(boot=BOOT, number=1, index=0, count=2, length=2, crc32=0, data=b'a')
    return replace(whole, **changes)


@given(st.binary(min_size=130, max_size=2000), st.data())
def test_any_order_with_repeats(payload: bytes, data: st.DataObject) -> None:
    parts = fragments(payload)
    order = data.draw(st.permutations(parts))
    repeats = data.draw(st.lists(st.sampled_from(parts), max_size=5))
    reassembler = Reassembler()
    whole = [
        found
        for part in [*repeats, *order, *repeats]
        if (found := reassembler.add(part, 0.0)) is not None
    ]
    assert whole == [payload]
    assert reassembler.held_bytes == 0


@given(st.binary(min_size=130, max_size=2000), st.data())
def test_incomplete_gives_nothing_and_is_given_up(payload: bytes, data: st.DataObject) -> None:
    parts = fragments(payload)
    parts.remove(data.draw(st.sampled_from(parts)))
    reassembler = Reassembler(timeout_s=10.0)
    for part in parts:
        assert reassembler.add(part, 0.0) is None
    reassembler.expire(10.0)
    assert reassembler.held_bytes > 0
    reassembler.expire(10.1)
    assert (reassembler.held_bytes, reassembler.given_up) == (0, 1)


def test_batches_interleave() -> None:
    payloads = [bytes([number]) * 500 for number in range(5)]
    split_up = [fragments(payload, number) for number, payload in enumerate(payloads)]
    reassembler = Reassembler()
    whole = [
        found
        for row in zip(*split_up, strict=True)
        for part in row
        if (found := reassembler.add(part, 0.0))
    ]
    assert whole == payloads


def test_discarded_batch_starts_anew() -> None:
    parts = fragments(bytes(500))
    reassembler = Reassembler()
    for part in parts[:-1]:
        reassembler.add(part, 0.0)
    reassembler.discard(BOOT, 1)
    assert reassembler.held_bytes == 0
    assert reassembler.add(parts[-1], 0.0) is None


def test_disagreeing_fragments_are_refused() -> None:
    for change in ({'count': 3, 'length': 3}, {'length': 3}, {'crc32': 1}):
        reassembler = Reassembler()
        reassembler.add(fragment(), 0.0)
        with pytest.raises(ProtocolError, match='disagree'):
            reassembler.add(fragment(index=1, **change), 0.0)
        assert reassembler.held_bytes == 0


def test_wrong_checksum_and_wrong_length_are_refused() -> None:
    reassembler = Reassembler()
    reassembler.add(fragment(), 0.0)
    with pytest.raises(ProtocolError, match='checksum'):
        reassembler.add(fragment(index=1), 0.0)
    crc32 = zlib.crc32(b'ab')
    reassembler.add(fragment(number=2, length=3, crc32=crc32), 0.0)
    with pytest.raises(ProtocolError, match='checksum'):
        reassembler.add(fragment(number=2, length=3, crc32=crc32, index=1, data=b'b'), 0.0)
    reassembler.add(fragment(number=3), 0.0)
    with pytest.raises(ProtocolError, match='exceed'):
        reassembler.add(fragment(number=3, index=1, data=b'bb'), 0.0)
    assert reassembler.held_bytes == 0


def test_quota_gives_up_the_least_recently_continued() -> None:
    reassembler = Reassembler(quota=3000)
    for number in range(1, 4):
        reassembler.add(fragment(number=number, length=2000, data=bytes(1000)), 0.0)
    assert reassembler.given_up == 1
    assert reassembler.held_bytes <= 3000


def test_many_tiny_fragments_take_no_more_than_the_quota() -> None:
    quota = 1_000_000
    reassembler = Reassembler(quota=quota)
    tracemalloc.start()
    for number in range(100):
        for index in range(500):
            reassembler.add(
                fragment(
                    number=number,
                    index=index,
                    count=60_000,
                    length=60_000,
                    data=bytes([index % 256]),
                ),
                0.0,
            )
    current, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert current < 2 * quota
    assert reassembler.held_bytes <= quota
