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
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
import pytest
import zstandard

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.codecs import BlockEncoder, Codec, decode_block, decompress

blocks = st.lists(st.tuples(st.binary(max_size=30), st.lists(st.binary(max_size=60), min_size=1)))
equal = st.integers(0, 20).flatmap(
    lambda size: st.lists(st.binary(min_size=size, max_size=size), min_size=1, max_size=20)
)


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=30),
            equal | blocks.map(lambda found: found[0][1] if found else [b'']),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_round_trip(sequence: list[tuple[bytes, list[bytes]]]) -> None:
    encoder = BlockEncoder()
    for planes, samples in sequence:
        codec, length, block = encoder.encode(planes, samples)
        raw = planes + b''.join(samples)
        assert length == len(raw)
        assert len(block) <= len(raw)
        assert decode_block(int(codec), length, block, len(planes), len(samples)) == raw


def structured(count: int, seed: int = 1) -> list[bytes]:
    """Make samples with slowly moving doubles, as odometry has them."""
    import struct

    random = Random(seed)
    state = [random.uniform(-100, 100) for _ in range(20)]
    samples = []
    for _ in range(count):
        state = [value + random.gauss(0, 1e-3) for value in state]
        samples.append(struct.pack('<20d', *state))
    return samples


def test_transposing_wins_where_samples_resemble_each_other() -> None:
    encoder = BlockEncoder()
    samples = structured(200)
    codec, length, block = encoder.encode(b'', samples)
    plain = zstandard.ZstdCompressor(level=3).compress(b''.join(samples))
    assert codec is Codec.TRANSPOSED
    assert len(block) < 0.9 * len(plain)


def test_noise_goes_uncompressed() -> None:
    codec, length, block = BlockEncoder().encode(b'', [Random(1).randbytes(1000)])
    assert (codec, len(block)) == (Codec.NONE, length)


def test_choice_follows_the_stream() -> None:
    encoder = BlockEncoder()
    noise = [Random(1).randbytes(1000)]
    assert encoder.encode(b'', noise)[0] is Codec.NONE
    chosen = {encoder.encode(b'', structured(50))[0] for _ in range(40)}
    assert Codec.TRANSPOSED in chosen


def test_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = zstandard.ZstdCompressor(level=3).compress(bytes(500_000_000))
    tracemalloc.start()
    with pytest.raises(ProtocolError):
        decode_block(Codec.ZSTD, 1000, bomb, 0, 1)
    with pytest.raises(ProtocolError, match='out of bounds'):
        decode_block(Codec.ZSTD, 500_000_000, bomb, 0, 1)
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
    ('codec', 'raw_bytes', 'block', 'planes', 'count'),
    [
        (3, 4, b'abcd', 0, 1),
        (-1, 4, b'abcd', 0, 1),
        (0, 5, b'abcd', 0, 1),
        (0, 3, b'abcd', 0, 1),
        (0, 4, b'abcd', 5, 1),
        (0, -1, b'', 0, 1),
        (1, 4, b'', 0, 1),
        (1, 4, b'abcd', 0, 1),
        (2, 5, zstandard.ZstdCompressor().compress(b'abcde'), 0, 2),
        (2, 5, zstandard.ZstdCompressor().compress(b'abcde'), 5, 2),
    ],
)
def test_broken_blocks_are_refused(
    codec: int, raw_bytes: int, block: bytes, planes: int, count: int
) -> None:
    with pytest.raises(ProtocolError):
        decode_block(codec, raw_bytes, block, planes, count)


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
