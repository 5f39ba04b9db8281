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

from ros_cloud_bridge.cloud import reassembly
from ros_cloud_bridge.cloud.reassembly import Reassembler
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.batch import decode_message
from ros_cloud_bridge.wire.fragments import Cutter, decode_fragment, Fragment, split
from ros_cloud_bridge.wire.limits import MAX_BATCH

BOOT = bytes(8)
OVERHEAD = 160


def fragments(payload: bytes, number: int = 1, limit: int = 120) -> list[Fragment]:
    parts = split(payload, BOOT, number, limit)
    return [decode_fragment(decode_message(part)) for part in parts]


def fragment(**changes: Any) -> Fragment:
    whole = Fragment(boot=BOOT, number=1, offset=0, length=2, crc32=0, data=b'a')
    return replace(whole, **changes)


def cuts(payload: bytes, *ranges: tuple[int, int]) -> list[Fragment]:
    facts = {'length': len(payload), 'crc32': zlib.crc32(payload)}
    return [fragment(offset=begin, data=payload[begin:end], **facts) for begin, end in ranges]


def put_together(parts: list[Fragment]) -> list[bytes]:
    reassembler = Reassembler()
    found = [reassembler.add(part, 0.0) for part in parts]
    assert reassembler.held_bytes == 0
    return [payload for payload in found if payload is not None]


@given(st.binary(min_size=130, max_size=2000), st.data())
def test_any_order_with_repeats(payload: bytes, data: st.DataObject) -> None:
    parts = fragments(payload)
    order = data.draw(st.permutations(parts))
    repeats = data.draw(st.lists(st.sampled_from(parts), max_size=5))
    assert put_together([*repeats, *order, *repeats]) == [payload]


@given(st.binary(min_size=130, max_size=2000), st.data())
def test_sizes_that_change_on_the_way(payload: bytes, data: st.DataObject) -> None:
    cutter = Cutter(payload, BOOT, 1)
    parts = []
    while not cutter.done:
        limit = data.draw(st.integers(50, 129 if cutter.made == 0 else 600))
        parts.append(decode_fragment(decode_message(cutter.next(limit))))
    order = data.draw(st.permutations(parts))
    repeats = data.draw(st.lists(st.sampled_from(parts), max_size=5))
    assert put_together([*repeats, *order, *repeats]) == [payload]


@given(st.binary(min_size=2, max_size=80), st.data())
def test_any_overlaps_with_the_same_bytes(payload: bytes, data: st.DataObject) -> None:
    size = len(payload)
    places = st.integers(0, size)
    pairs = st.tuples(places, places).filter(lambda pair: 0 < pair[1] - pair[0] < size)
    ranges = data.draw(st.lists(pairs, max_size=20))
    reassembler = Reassembler()
    come: set[int] = set()
    for begin, end in ranges:
        (part,) = cuts(payload, (begin, end))
        whole = reassembler.add(part, 0.0)
        before, come = come, come | set(range(begin, end))
        if len(come) == size:
            assert whole == (payload if len(before) < size else None)
            assert reassembler.held_bytes == 0
        else:
            assert whole is None
            # Each byte is held once, in at most as many parts as have come.
            parts, held = divmod(reassembler.held_bytes, OVERHEAD)
            assert held == len(come)
            assert 1 <= parts <= len(ranges)


@given(st.binary(min_size=3, max_size=60), st.data())
def test_an_overlap_with_other_bytes_discards_the_batch(
    payload: bytes, data: st.DataObject
) -> None:
    size = len(payload)
    begin = data.draw(st.integers(0, size - 2))
    end = data.draw(st.integers(begin + 1, size if begin else size - 1))
    place = data.draw(st.integers(begin, end - 1))
    forged = bytearray(payload)
    forged[place] ^= data.draw(st.integers(1, 255))
    start = data.draw(st.integers(1 if place == size - 1 else 0, place))
    stop = data.draw(st.integers(place + 1, size if start else size - 1))
    first, second = cuts(payload, (begin, end), (start, stop))
    reassembler = Reassembler()
    assert reassembler.add(first, 0.0) is None
    with pytest.raises(ProtocolError, match='differ'):
        reassembler.add(replace(second, data=bytes(forged[start:stop])), 0.0)
    assert reassembler.held_bytes == 0
    # Nothing of it is left in the way of an honest one.
    assert [reassembler.add(part, 0.0) for part in cuts(payload, (0, 1), (1, size))][-1] == payload


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
    for change in ({'length': 3}, {'crc32': 1}):
        reassembler = Reassembler()
        reassembler.add(fragment(), 0.0)
        with pytest.raises(ProtocolError, match='disagree'):
            reassembler.add(fragment(offset=1, **change), 0.0)
        assert reassembler.held_bytes == 0


def test_a_wrong_checksum_is_refused() -> None:
    reassembler = Reassembler()
    reassembler.add(fragment(), 0.0)
    with pytest.raises(ProtocolError, match='checksum'):
        reassembler.add(fragment(offset=1), 0.0)
    assert reassembler.held_bytes == 0


@pytest.mark.parametrize('offset', [2, 3, 4, 1 << 62])
def test_a_fragment_beyond_the_end_discards_the_batch(offset: int) -> None:
    reassembler = Reassembler()
    reassembler.add(fragment(length=3), 0.0)
    with pytest.raises(ProtocolError, match='outside'):
        reassembler.add(fragment(length=3, offset=offset, data=b'bb'), 0.0)
    assert reassembler.held_bytes == 0
    with pytest.raises(ProtocolError, match='outside'):
        reassembler.add(fragment(length=3, offset=offset, data=b'bb'), 0.0)
    assert reassembler.held_bytes == 0


def test_too_many_fragments_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reassembly, 'MAX_FRAGMENTS', 4)
    payload = bytes(range(11))
    reassembler = Reassembler()
    for part in cuts(payload, *((place, place + 1) for place in (0, 2, 4, 6))) * 2:
        reassembler.add(part, 0.0)
    with pytest.raises(ProtocolError, match='more than 4 fragments'):
        reassembler.add(cuts(payload, (8, 9))[0], 0.0)
    assert reassembler.held_bytes == 0


def test_a_length_that_is_announced_takes_no_memory() -> None:
    reassembler = Reassembler()
    tracemalloc.start()
    reassembler.add(fragment(length=MAX_BATCH, offset=MAX_BATCH - 1), 0.0)
    current, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert current <= peak < 100_000
    assert reassembler.held_bytes == 1 + OVERHEAD


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
        # From behind and with gaps: nothing can be joined.
        for offset in range(1000, 0, -2):
            reassembler.add(
                fragment(
                    number=number,
                    offset=offset,
                    length=60_000,
                    data=bytes([offset % 256, 1])[:1],
                ),
                0.0,
            )
    current, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert current < 2 * quota
    assert reassembler.held_bytes <= quota
