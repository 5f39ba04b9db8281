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

"""
Blocks of layout ``COLUMNS``: samples whose words are at the same places (docs/protocol.md).

The first sample stands as it is and says what never changes; only words that vary are columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import forms
from ros_cloud_bridge.wire.column_form import Form, pack_forms
from ros_cloud_bridge.wire.forms import Budget, Reader, Wide, Words, Writer
from ros_cloud_bridge.wire.numbers import choose, encode_table, widen
from ros_cloud_bridge.wire.places import Places, PlacesCache, STAMP
from ros_cloud_bridge.wire.program import parse_program, Program
from ros_cloud_bridge.wire.route_layout import RouteLayout
from ros_cloud_bridge.wire.shortest import Group
from ros_cloud_bridge.wire.splitting import Misfit
from ros_cloud_bridge.wire.tables import decode_table, Head, read_head, read_numbers, TYPES, undo
from ros_cloud_bridge.wire.times import Integers, read_time_heads, time_forms, Times, times_of
from ros_cloud_bridge.wire.varint import write_varint

_NS = 1_000_000_000
# Words of a matrix that vary, arrays aside; they take 8 bytes each meanwhile.
MAX_MATRIX = 1 << 22


def encode_matrix(
    layout: RouteLayout, samples: Sequence[bytes], times: Times, budget: Budget
) -> tuple[bytes, bytes]:
    """
    Write a block.

    :param layout: of the route
    :param samples: their CDR, at least two, all of one length
    :param times: of the section
    :param budget: what a decoder may still do
    :returns: the block, and packed numbers
    :raises Misfit: when the samples are not laid out as the program says, or not alike
    :raises ProtocolError: when they are too much work to decode
    """
    code = layout.program.code
    size = len(samples[0])
    matrix = np.frombuffer(b''.join(samples), np.uint8).reshape(len(samples), size)
    budget.steps(len(code))
    places = layout.cache.of(layout.program, samples[0], budget)
    differs = (matrix[1:] != matrix[0]).any(axis=0)
    if differs[places.counts].any():
        raise Misfit
    varies = np.logical_or.reduceat(differs, places.starts)
    varying = np.flatnonzero(varies).tolist()
    budget.steps(len(varying) * forms.COLUMN_STEPS)
    if len(samples) * len(varying) > MAX_MATRIX:
        raise Misfit
    out = Writer()
    out.plain += write_varint(len(code)) + code + write_varint(size)
    heads, chosen = time_forms(times)
    out.plain += heads
    template = bytearray(samples[0])
    narrow = _narrow(layout, matrix, places, varying, times)
    for part, form in narrow.items():
        start, width = places.positions[part], places.widths[part]
        reference = form.reference & ((1 << 8 * width) - 1)
        template[start : start + width] = reference.to_bytes(width, 'little')
    wide = [part for part in varying if places.lengths[part] > 1]
    for part in wide:
        start, length = places.positions[part], places.lengths[part] * places.widths[part]
        template[start : start + length] = bytes(length)
    out.plain += template + np.packbits(varies, bitorder='little').tobytes()
    for part in sorted(narrow):
        out.plain += narrow[part].head()
    chosen += [narrow[part] for part in sorted(narrow)]
    out.bits += pack_forms(chosen, len(samples))
    for part in wide:
        words = _gather(matrix, places, [part])[:, 0]
        kind, lag = places.kinds[part], places.lengths[part]
        encode_table(words.reshape(-1, 1), kind, layout.of(part), out, lag=lag)
    return bytes(out.plain), bytes(out.bits)


def _narrow(
    layout: RouteLayout,
    matrix: NDArray[np.uint8],
    places: Places,
    varying: list[int],
    times: Times,
) -> dict[int, Form]:
    alike: dict[tuple[int, str], list[int]] = {}
    for part in varying:
        if places.lengths[part] == 1:
            alike.setdefault((places.widths[part], places.kinds[part]), []).append(part)
    if not alike:
        return {}
    groups = []
    for (width, kind), parts in alike.items():
        words = _gather(matrix, places, parts)[:, :, 0]
        if kind == STAMP:
            stamps = np.ascontiguousarray(_to_stamps(words).T).view(np.uint64)
            groups.append(Group(stamps, 'i', 8, layout.of(kind), parts, times.source_ns))
        else:
            groups.append(Group(widen(words.T, kind), kind, width, layout.of(kind), parts))
    return {
        part: form
        for group, chosen in zip(groups, choose(groups), strict=True)
        for part, form in zip(group.names, chosen, strict=True)
    }


def _gather(matrix: NDArray[np.uint8], places: Places, parts: list[int]) -> Words:
    """Give the words of parts of one width and length: shape (samples, parts, length)."""
    width, length = places.widths[parts[0]], places.lengths[parts[0]]
    size = width * length
    if length > 1:
        start = places.positions[parts[0]]
        data = matrix[:, start : start + size].reshape(len(matrix), 1, size)
    else:
        data = matrix[:, places.starts[parts][:, None] + np.arange(size)]
    words = np.ascontiguousarray(data).view(f'<u{width}')
    if not matrix[0, 1] & 1 and places.kinds[parts[0]] != STAMP:
        words = words.byteswap()
    elif places.kinds[parts[0]] == STAMP:
        words = np.ascontiguousarray(data).view('<u4' if matrix[0, 1] & 1 else '>u4')
        return words.astype('<u4').view('<u8').reshape(len(matrix), len(parts), 1)
    return words


def _to_stamps(words: Words) -> Integers:
    """Make nanoseconds of seconds (lower half) and nanoseconds (upper half)."""
    rest = words >> np.uint64(32)
    if (rest >= _NS).any():
        raise Misfit
    seconds = words.astype(np.uint32).view(np.int32).astype(np.int64)
    stamps: Integers = seconds * _NS + rest.astype(np.int64)
    return stamps


def _from_stamps(stamps: Wide) -> Words:
    seconds, rest = np.divmod(stamps.view(np.int64), _NS)
    if (seconds != seconds.astype(np.int32)).any():
        raise ProtocolError('a stamp is out of range')
    low = seconds.view(np.uint64) & np.uint64(0xFFFFFFFF)
    return low | rest.view(np.uint64) << np.uint64(32)


@dataclass(frozen=True, slots=True)
class Matrix:
    """
    A section's columns, decoded and not put together.

    :param program: how the samples are laid out
    :param template: the first sample, but for what varies
    :param places: its parts
    :param times: of the section
    :param columns: words of the parts that vary, shape (samples, length), little-endian
    """

    program: Program
    template: bytes
    places: Places
    times: Times
    columns: dict[int, Words]

    def join(self, budget: Budget) -> list[bytes]:
        """
        Put the samples together.

        :param budget: what may still unfold
        :returns: their CDR
        :raises ProtocolError: when a stamp is out of range
        """
        count, size = len(self.times.latency_us), len(self.template)
        budget.samples(count * size)
        matrix = np.empty((count, size), dtype=np.uint8)
        matrix[:] = np.frombuffer(self.template, np.uint8)
        little = bool(self.template[1] & 1)
        alike: dict[tuple[int, int, str], list[int]] = {}
        for part in self.columns:
            key = (self.places.widths[part], self.places.lengths[part], self.places.kinds[part])
            alike.setdefault(key, []).append(part)
        for (width, length, kind), parts in alike.items():
            for some in [parts] if length == 1 else [[part] for part in parts]:
                words = np.concatenate([self.columns[part] for part in some], axis=1)
                if kind == STAMP:
                    words = _from_stamps(words.view(np.uint64)).astype('<u8').view('<u4')
                if not little:
                    words = words.byteswap()
                data = np.ascontiguousarray(words).view(np.uint8)
                starts = self.places.starts[some]
                if length == 1:
                    matrix[:, starts[:, None] + np.arange(width)] = data.reshape(count, -1, width)
                else:
                    matrix[:, starts[0] : starts[0] + width * length] = data
        joined = matrix.tobytes()
        return [joined[first : first + size] for first in range(0, count * size, size)]


def decode_matrix(
    reader: Reader, count: int, first: tuple[int, int], cache: PlacesCache, budget: Budget
) -> Matrix:
    """
    Read a block.

    :param reader: at its beginning
    :param count: number of samples, at least two
    :param first: sequence number and source time of the first sample
    :param cache: of places
    :param budget: what may still unfold
    :returns: its columns
    :raises ProtocolError: when it is malformed
    """
    code = bytes(reader.take(reader.varint()))
    budget.steps(len(code))
    program = parse_program(code)
    size = reader.varint()
    time_heads = read_time_heads(reader, count)
    template = bytes(reader.take(size))
    try:
        places = cache.of(program, template, budget)
    except Misfit:
        raise ProtocolError('a template does not fit its layout program') from None
    mask = np.frombuffer(reader.take((len(places) + 7) // 8), np.uint8)
    bits = np.unpackbits(mask, bitorder='little')
    if bits[len(places) :].any():
        raise ProtocolError('a mask has more bits than a sample has parts')
    varying = np.flatnonzero(bits).tolist()
    budget.steps(len(varying) * forms.COLUMN_STEPS)
    for part in varying:
        if places.kinds[part] == 'c':
            raise ProtocolError('lengths and counts do not vary in a matrix')
        budget.values(count * places.widths[part] * places.lengths[part])
    narrow = [part for part in varying if places.lengths[part] == 1]
    if count * len(narrow) > MAX_MATRIX:
        raise ProtocolError(f'a matrix has at most {MAX_MATRIX} words')
    heads = [_narrow_head(reader, count, places, part, budget) for part in narrow]
    numbers = read_numbers(reader, [*(head for head, _ in time_heads), *heads], count)
    times = times_of(time_heads, numbers, count, first)
    columns = _columns(
        numbers[len(time_heads) :], heads, narrow, template, places, times.source_ns
    )
    for part in varying:
        width, length = places.widths[part], places.lengths[part]
        if length > 1:
            start = places.positions[part]
            if any(template[start : start + width * length]):
                raise ProtocolError('an array that varies has nothing in the template')
            words = decode_table(
                reader, count * length, 1, width, places.kinds[part], budget, lag=length
            )
            columns[part] = words.reshape(count, length)
    if reader.left:
        raise ProtocolError('a block is longer than its columns')
    return Matrix(program, template, places, times, columns)


_CLOCK = np.zeros(0, dtype=np.int64)


def _narrow_head(reader: Reader, count: int, places: Places, part: int, budget: Budget) -> Head:
    kind = places.kinds[part]
    clock = _CLOCK if kind == STAMP else None
    return read_head(reader, count, places.widths[part], kind, 0, clock, budget)


def _columns(
    numbers: Wide,
    heads: list[Head],
    parts: list[int],
    template: bytes,
    places: Places,
    source_ns: Integers,
) -> dict[int, Words]:
    alike: dict[tuple[int, str], list[int]] = {}
    for index, part in enumerate(parts):
        alike.setdefault((places.widths[part], places.kinds[part]), []).append(index)
    columns = {}
    for (width, kind), indices in alike.items():
        references = []
        for index in indices:
            start = places.positions[parts[index]]
            references.append(int.from_bytes(template[start : start + width], 'little'))
        words = undo(
            numbers[indices],
            [heads[index] for index in indices],
            references,
            width,
            'i' if kind == STAMP else kind,
            clock=source_ns if kind == STAMP else None,
        ).astype(TYPES[width])
        columns.update(
            {parts[index]: row[:, None] for index, row in zip(indices, words, strict=True)}
        )
    return columns
