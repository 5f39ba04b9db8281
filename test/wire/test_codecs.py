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

"""Codecs: every block survives, the smallest one is chosen, and no block makes memory."""

from random import Random
import struct
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
import zstandard

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.blocks import Block, BlockEncoder
from ros_cloud_bridge.wire.codecs import (
    Codec,
    compress_body,
    decode_block,
    decode_body,
    decompress,
    Layout,
)
from ros_cloud_bridge.wire.forms import Budget
from ros_cloud_bridge.wire.open_blocks import BlockReader
from ros_cloud_bridge.wire.times import Times

any_sizes = st.lists(st.binary(max_size=60), min_size=1, max_size=20)
one_size = st.integers(0, 20).flatmap(
    lambda size: st.lists(st.binary(min_size=size, max_size=size), min_size=1, max_size=20)
)


def times(count: int) -> Times:
    """Make times of a regular stream."""
    rows = np.arange(count, dtype=np.int64)
    return Times(rows + 1, rows * 10_000_000 + 7, rows % 3 + 100)


def lay_out(encoder: BlockEncoder, samples: list[bytes]) -> Block:
    return encoder.encode(samples, times(len(samples)), Budget())


def read(block: Block, count: int) -> list[bytes]:
    reader = BlockReader(block.bits)
    opened = reader.read(int(block.layout), block.data, list(block.columns), count, (1, 7))
    reader.finish()
    for read_times, written in zip(
        (opened.times.sequences, opened.times.source_ns, opened.times.latency_us),
        (times(count).sequences, times(count).source_ns, times(count).latency_us),
        strict=True,
    ):
        assert read_times.tolist() == written.tolist()
    return opened.join(reader.budget)


@given(st.lists(one_size | any_sizes, min_size=1, max_size=20), st.booleans())
def test_round_trip(sequence: list[list[bytes]], columns: bool) -> None:
    encoder = BlockEncoder(columns=columns)
    for samples in sequence:
        block = lay_out(encoder, samples)
        assert read(block, len(samples)) == samples


@given(st.binary(max_size=3000))
def test_body_round_trip(body: bytes) -> None:
    codec, encoded = compress_body(body, [BlockEncoder()])
    assert len(encoded) <= len(body)
    assert decode_body(int(codec), len(body), encoded) == body


def structured(count: int, seed: int = 1) -> list[bytes]:
    """Make samples with slowly moving doubles, as odometry has them."""
    random = Random(seed)
    state = [random.uniform(-100, 100) for _ in range(20)]
    samples = []
    for _ in range(count):
        state = [value + random.gauss(0, 1e-3) for value in state]
        samples.append(struct.pack('<20d', *state))
    return samples


def test_planes_win_where_samples_resemble_each_other() -> None:
    samples = structured(200)
    block = lay_out(BlockEncoder(), samples)
    compress = zstandard.ZstdCompressor(level=3).compress
    assert block.layout is Layout.PLANES
    assert len(compress(block.data)) < 0.9 * len(compress(b''.join(samples)))


def test_noise_goes_uncompressed() -> None:
    encoder = BlockEncoder()
    noise = Random(1).randbytes(10_000)
    block = lay_out(encoder, [noise]).data
    assert block.endswith(noise)
    assert compress_body(block, [encoder]) == (Codec.NONE, block)


def test_a_large_block_gets_the_level_that_it_is_worth() -> None:
    # Points as a lidar gives them: 32-bit floats of few distinct values in each field.
    random = Random(1)
    cloud = b''.join(
        struct.pack(
            '<3fI', *(round(random.gauss(0, 10), 2) for _ in range(3)), random.randrange(16)
        )
        for _ in range(20_000)
    )
    encoder = BlockEncoder()
    block = lay_out(encoder, [cloud]).data
    assert encoder.thorough
    codec, body = compress_body(block, [encoder])
    fastest = zstandard.ZstdCompressor(level=1).compress(cloud)
    assert codec is Codec.ZSTD and len(body) < 0.95 * len(fastest)
    assert decode_body(codec, len(block), body) == block


def test_choice_follows_the_stream() -> None:
    encoder = BlockEncoder()
    text = [b'every sample a text of its own %06d' % number for number in range(50)]
    assert lay_out(encoder, [b'%d' % n * (n + 1) for n in range(9)]).layout is Layout.ROWS
    chosen = {lay_out(encoder, structured(50)).layout for _ in range(40)}
    assert Layout.PLANES in chosen
    for samples in (text, structured(50)):
        assert read(lay_out(encoder, samples), 50) == samples


def test_an_unknown_type_is_split_into_words() -> None:
    samples = [b'\0\1\0\0' + sample for sample in structured(30)]
    block = lay_out(BlockEncoder(columns=True), samples)
    assert block.layout is Layout.COLUMNS
    plain = lay_out(BlockEncoder(), samples)
    compress = zstandard.ZstdCompressor(level=15).compress
    assert len(compress(block.data)) + len(block.bits) < len(compress(plain.data))
    assert read(block, 30) == samples


def test_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = zstandard.ZstdCompressor(level=3).compress(bytes(500_000_000))
    tracemalloc.start()
    with pytest.raises(ProtocolError):
        decode_body(Codec.ZSTD, 1000, bomb)
    with pytest.raises(ProtocolError, match='out of bounds'):
        decode_body(Codec.ZSTD, 500_000_000, bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_frame_that_hides_its_size_is_refused() -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=False)
    with pytest.raises(ProtocolError, match='differs'):
        decompress(compressor.compress(b'x' * 100), 100)


def test_empty_text_survives() -> None:
    assert decompress(zstandard.ZstdCompressor().compress(b''), 0) == b''


@pytest.mark.parametrize(
    ('codec', 'raw_bytes', 'body'),
    [
        (2, 4, b'abcd'),
        (3, 4, b'abcd'),
        (-1, 4, b'abcd'),
        (0, 5, b'abcd'),
        (0, 3, b'abcd'),
        (0, -1, b''),
        (1, 4, b''),
        (1, 4, b'abcd'),
        (1, 1 << 40, b'abcd'),
    ],
)
def test_broken_bodies_are_refused(codec: int, raw_bytes: int, body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_body(codec, raw_bytes, body)


@pytest.mark.parametrize(
    ('layout', 'block', 'planes', 'count'),
    [
        (2, b'abcd', 0, 1),
        (-1, b'abcd', 0, 1),
        (0, b'abcd', 5, 1),
        (1, b'abcde', 0, 2),
        (1, b'abcde', 5, 2),
        (1, b'abcde', 0, 0),
    ],
)
def test_broken_blocks_are_refused(layout: int, block: bytes, planes: int, count: int) -> None:
    with pytest.raises(ProtocolError):
        decode_block(layout, block, planes, count)


@given(st.data())
def test_truncated_and_damaged_frames_give_a_protocol_error_or_the_right_length(
    data: st.DataObject,
) -> None:
    frame = bytearray(zstandard.ZstdCompressor().compress(b''.join(structured(5))))
    place = data.draw(st.integers(0, len(frame) - 1))
    if data.draw(st.booleans()):
        del frame[place:]
    else:
        frame[place] ^= data.draw(st.integers(1, 255))
    try:
        assert len(decompress(bytes(frame), 800)) == 800
    except ProtocolError:
        pass
