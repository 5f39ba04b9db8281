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

"""Numbers: every form gives its words back, and each sort of column finds its own."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import zstandard

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import forms
from ros_cloud_bridge.wire.column_form import Habits
from ros_cloud_bridge.wire.forms import Budget, Reader, Words, Writer
from ros_cloud_bridge.wire.limits import MAX_EXCEPTIONS
from ros_cloud_bridge.wire.numbers import encode_table
from ros_cloud_bridge.wire.tables import decode_table
from ros_cloud_bridge.wire.varint import read_varint, unzigzag, write_varint, zigzag


def there_and_back(words: Words, kind: str, lag: int = 0, clock: object = None) -> tuple[int, int]:
    """Encode and decode a table twice, as habits change what is looked at."""
    habits = Habits()
    assert clock is None or isinstance(clock, np.ndarray)
    for _ in range(2):
        out = Writer()
        encode_table(words, kind, habits, out, lag=lag, clock=clock)
        reader = Reader(bytes(out.plain), memoryview(bytes(out.bits)))
        count, columns = words.shape
        decoded = decode_table(
            reader, count, columns, words.itemsize, kind, Budget(), lag=lag, clock=clock
        )
        assert decoded.tobytes() == words.astype(f'<u{words.itemsize}').tobytes()
        assert (reader.left, reader.bits_left) == (0, 0)
    return len(out.plain), len(out.bits)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Words, str, int]:
    width = draw(st.sampled_from([1, 2, 4, 8]))
    kind = draw(st.sampled_from('uif' if width >= 4 else 'ui'))
    count, columns = draw(st.sampled_from([1, 2, 3, 50, 130])), draw(st.integers(1, 5))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    style = draw(st.sampled_from(['noise', 'walk', 'decimal', 'still', 'steps', 'held', 'odd']))
    if style == 'noise':
        words = random.integers(0, 256, (count, columns * width), dtype=np.uint8)
        return np.ascontiguousarray(words).view(f'<u{width}'), kind, seed % (count + 2)
    walk = np.cumsum(random.normal(0, 0.02, (count, columns)), axis=0)
    if style == 'decimal':
        walk = np.round(walk * 1000) * (1e-3 if seed & 1 else 1) / (1 if seed & 1 else 1000)
    elif style == 'still':
        walk[:] = walk[0]
    elif style == 'steps':
        walk = np.arange(count)[:, None] * 1000.0 + np.zeros((1, columns))
    elif style == 'held':
        walk = walk[np.arange(count) // 7]
    elif style == 'odd':
        chosen = random.random(walk.shape) < 0.1
        walk[chosen] = random.choice([np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324], chosen.sum())
    if kind == 'f':
        words = walk.astype(f'<f{width}').view(f'<u{width}')
    else:
        finite = np.nan_to_num(walk, posinf=2.0**55, neginf=-(2.0**55))
        words = (finite * 100).astype(np.int64).astype(f'<i{width}').view(f'<u{width}')
    return np.ascontiguousarray(words), kind, seed % (count + 2)


@settings(max_examples=300)
@given(tables())
def test_round_trip(table: tuple[Words, str, int]) -> None:
    words, kind, lag = table
    there_and_back(words, kind)
    there_and_back(np.ascontiguousarray(words[:, :1]), kind, lag)


@settings(max_examples=100)
@given(
    st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=2, max_size=60),
    st.integers(-1000, 1000),
)
def test_any_distance_to_a_clock(values: list[int], offset: int) -> None:
    clock = np.array(values, dtype=np.int64)
    words = (clock + np.int64(offset)).view(np.uint64).reshape(-1, 1)
    there_and_back(words, 'i', clock=clock)


def column(values: object, kind: str) -> Words:
    return np.asarray(values, dtype=f'<{kind}').view(f'<u{kind[1]}').reshape(-1, 1)


@pytest.mark.parametrize(
    ('words', 'kind', 'most_bits'),
    [
        (column(np.arange(1000) * 33_320_312, 'i8'), 'i', 0),
        (column(np.round(np.sin(np.arange(1000)), 2), 'f4'), 'f', 8.5),
        (column(np.float32(np.random.default_rng(1).normal(5, 0.1, 1000)), 'f8'), 'f', 25),
        (column(np.random.default_rng(1).integers(100, 103, 1000), 'u4'), 'u', 2.2),
        (column(np.repeat(np.random.default_rng(1).random(20), 50), 'f8'), 'f', 3),
    ],
    ids=['steady steps', 'hundredths', 'singles in doubles', 'a narrow range', 'held values'],
)
def test_columns_cost_what_changes(words: Words, kind: str, most_bits: float) -> None:
    there_and_back(words, kind)
    out = Writer()
    encode_table(words, kind, Habits(), out)
    size = len(zstandard.ZstdCompressor(level=15).compress(bytes(out.plain))) + len(out.bits)
    assert 8 * size <= most_bits * len(words) + 8 * 40


def test_large_tables_are_transposed_only() -> None:
    words = np.random.default_rng(1).integers(0, 9, (forms.MAX_CODED + 1, 1)).astype('<u2')
    plain, bits = there_and_back(words, 'u')
    assert bits == 0 and plain == words.nbytes + 1 + 2 + 2
    picture = np.random.default_rng(1).integers(0, 9, (5000, 1)).astype('<u1')
    assert there_and_back(picture, 'u') == (5000 + 1 + 1 + 2, 0)


@pytest.mark.parametrize(
    'plain',
    [
        b'\2' + bytes(8),  # a column that the table does not have
        b'\1' + bytes(8),  # no form
        b'\1' + bytes(8) + b'\x80\0',  # an unknown flag
        b'\1' + bytes(8) + b'\0\x41',  # 65 bits
        b'\1' + bytes(8) + b'\4\x09',  # nine planes
        b'\1' + bytes(8) + b'\3\0',  # a lag where there is none
        b'\1' + bytes(8) + b'\x40\0',  # a clock where there is none
        b'\1' + bytes(8) + b'\x10\0\x40',  # a decimal of integers
        b'\1' + bytes(8) + b'\x20\0\4',  # four exceptions of three rows
        b'\1' + bytes(8) + b'\x20\0\1\3' + bytes(8),  # an exception behind the end
        b'\1' + bytes(8) + b'\x24\0\2\1\0' + bytes(16),  # two exceptions of one row
        b'\1' + bytes(8) + b'\x09\0\xff',  # changes behind the end
        b'\1' + bytes(8) + b'\0\x10',  # bits that are not there
        b'\1' + bytes(8) + b'\4\1\0\0',  # planes that are not there
    ],
)
def test_broken_tables_are_refused(plain: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_table(Reader(plain), 3, 1, 8, 'u', Budget())


def test_exceptions_of_all_tables_of_a_batch_are_bounded() -> None:
    count = 4096
    head = bytes([forms.EXCEPTIONS | forms.PLANES, 0]) + write_varint(count)
    plain = b'\1\0' + head + b'\0' + b'\1' * (count - 1) + b'\7' * count
    words = decode_table(Reader(plain), count, 1, 1, 'u', Budget())
    assert (words == 7).all()
    budget = Budget()
    budget.exceptions(MAX_EXCEPTIONS - 2 * count)
    for _ in range(2):
        decode_table(Reader(plain), count, 1, 1, 'u', budget)
    with pytest.raises(ProtocolError, match='exceptions'):
        decode_table(Reader(plain), count, 1, 1, 'u', budget)


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_varints(value: int) -> None:
    data = write_varint(zigzag(value))
    number, end = read_varint(data + b'\x05', 0)
    assert (unzigzag(number), end) == (value, len(data))
    with pytest.raises(ProtocolError):
        read_varint(data[:-1], 0)


@pytest.mark.parametrize('data', [b'', b'\x80' * 10 + b'\0', b'\xff' * 9 + b'\x02'])
def test_long_varints_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_varint(data, 0)
