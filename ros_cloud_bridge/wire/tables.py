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

"""Read columns of words that :mod:`ros_cloud_bridge.wire.numbers` has written."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import forms
from ros_cloud_bridge.wire.decimals import to_words
from ros_cloud_bridge.wire.forms import Budget, Reader, unfold, unordered, unpack, Wide, Words
from ros_cloud_bridge.wire.varint import unzigzag

TYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype('<u1'),
    2: np.dtype('<u2'),
    4: np.dtype('<u4'),
    8: np.dtype('<u8'),
}
_FLAGS = 3 | forms.PLANES | forms.SPARSE | forms.SCALED | forms.EXCEPTIONS | forms.CLOCK

Integers = NDArray[np.int64]


@dataclass(slots=True)
class Head:
    """A column's form as it was read; ``planes`` are its residuals if they are not packed."""

    predictor: int
    flags: int
    size: int
    scale: int
    base: int
    wrong: Integers | None
    words: Wide | None
    rows: NDArray[np.bool_] | None
    planes: Wide | None

    @property
    def packed(self) -> bool:
        """Whether anything of it is packed."""
        return bool(self.size) and self.planes is None


def decode_table(
    reader: Reader,
    count: int,
    columns: int,
    width: int,
    kind: str,
    budget: Budget,
    *,
    lag: int = 0,
    clock: Integers | None = None,
) -> Words:
    """
    Read a table.

    :param reader: where it stands
    :param count: rows, at least one
    :param columns: at least one
    :param width: bytes of a word
    :param kind: ``u``, ``i`` or ``f``
    :param budget: what may still be done
    :param lag: as it was written with
    :param clock: as it was written with
    :returns: shape (rows, columns), little-endian words; not to be written to where no column
        varies
    :raises ProtocolError: when it is malformed
    """
    mask = np.frombuffer(reader.take((columns + 7) // 8), np.uint8)
    bits = np.unpackbits(mask, bitorder='little')
    if bits[columns:].any():
        raise ProtocolError('a table has fewer columns than its mask')
    varying = np.flatnonzero(bits)
    kept = np.frombuffer(reader.take(columns * width), TYPES[width])
    if not len(varying):
        same: Words = np.broadcast_to(kept, (count, columns))
        return same
    budget.steps(len(varying) * forms.COLUMN_STEPS)
    table: Words = np.empty((count, columns), dtype=TYPES[width])
    table[:] = kept
    if forms.is_plain(count * columns, width):
        for column in varying:
            if reader.take(2) != bytes([forms.RAW | forms.PLANES, width]) or kept[column]:
                raise ProtocolError('a large table has byte planes alone')
            planes = np.frombuffer(reader.take(count * width), np.uint8)
            table[:, column] = planes.reshape(width, count).T.copy().view(TYPES[width])[:, 0]
        return table
    heads = [read_head(reader, count, width, kind, lag, clock, budget) for _ in varying]
    numbers = read_numbers(reader, heads, count)
    references = kept[varying].tolist()
    values = undo(numbers, heads, references, width, kind, lag, clock)
    table[:, varying] = values.T
    return table


def read_head(
    reader: Reader,
    count: int,
    width: int,
    kind: str,
    lag: int,
    clock: Integers | None,
    budget: Budget,
) -> Head:
    """
    Read a column's form, and what of it is not packed.

    :param reader: where it stands
    :param count: rows
    :param width: bytes of a word
    :param kind: ``u``, ``i`` or ``f``
    :param lag: as for :func:`decode_table`
    :param clock: as for :func:`decode_table`
    :param budget: what may still be done
    :returns: the form
    :raises ProtocolError: when it is malformed
    """
    form, size = reader.take(2)
    predictor = form & 3
    if form & ~_FLAGS or (form & forms.CLOCK and clock is None):
        raise ProtocolError(f'no such form of a column: {form}')
    if predictor == forms.LAG and not 1 < lag < count:
        raise ProtocolError('a column refers to rows that it does not have')
    if size > (8 if form & forms.PLANES else 64):
        raise ProtocolError('a column of more than 64 bits')
    scale = reader.byte() if form & forms.SCALED else 0
    if scale >= forms.DIVIDED and (
        kind != 'f' or scale % 32 > forms.MAX_EXPONENT or scale >= forms.MULTIPLIED + 32
    ):
        raise ProtocolError(f'no such scale of a column: {scale}')
    base = unzigzag(reader.varint()) if predictor == forms.STEP else 0
    wrong, words = None, None
    if form & forms.EXCEPTIONS:
        wrong, words = _exceptions(reader, count, width, budget)
    stored = count if predictor == forms.RAW else count - 1
    rows = None
    if form & forms.SPARSE:
        mask = np.frombuffer(reader.take((count + 6) // 8), np.uint8)
        bits = np.unpackbits(mask, bitorder='little')
        if bits[count - 1 :].any():
            raise ProtocolError('a sparse column has more changes than rows')
        rows = np.concatenate([[predictor == forms.RAW], bits[: count - 1].astype(np.bool_)])
        stored = int(np.count_nonzero(rows))
    planes = None
    if form & forms.PLANES:
        wide = np.zeros((stored, 8), dtype=np.uint8)
        if size:
            data = np.frombuffer(reader.take(stored * size), np.uint8)
            wide[:, :size] = data.reshape(size, stored).T
        planes = wide.view('<u8').reshape(stored).astype(np.uint64)
    return Head(predictor, form, size, scale, base, wrong, words, rows, planes)


def _exceptions(reader: Reader, count: int, width: int, budget: Budget) -> tuple[Integers, Wide]:
    number = reader.varint()
    if not 1 <= number <= count:
        raise ProtocolError('a column has fewer exceptions than rows')
    budget.exceptions(number)
    position = 0
    positions: list[int] = []
    for _ in range(number):
        step = reader.varint()
        position += step
        if position >= count:
            raise ProtocolError('an exception lies behind its column')
        if positions and not step:
            raise ProtocolError('two exceptions of one row')
        positions.append(position)
    words = np.frombuffer(reader.take(number * width), TYPES[width]).astype(np.uint64)
    return np.array(positions, dtype=np.int64), words


def read_numbers(reader: Reader, heads: list[Head], count: int) -> Wide:
    """
    Read the residuals of several columns.

    :param reader: where the packed ones stand
    :param heads: the columns
    :param count: rows
    :returns: shape (columns, rows), 0 where a row has none
    :raises ProtocolError: when there are too few
    """
    packed = [index for index, head in enumerate(heads) if head.packed]
    rows = np.ones((len(packed), count), dtype=np.bool_)
    widths = np.zeros(len(packed), dtype=np.int64)
    for row, index in enumerate(packed):
        _mark(heads[index], rows[row])
        widths[row] = heads[index].size
    numbers = unpack(reader, widths, rows, count) if packed else np.zeros((0, count), np.uint64)
    if len(packed) == len(heads):
        return numbers
    residuals = np.zeros((len(heads), count), dtype=np.uint64)
    residuals[packed] = numbers
    for index, head in enumerate(heads):
        if head.planes is not None:
            stored = np.ones(count, dtype=np.bool_)
            _mark(head, stored)
            residuals[index, stored] = head.planes
    return residuals


def _mark(head: Head, rows: NDArray[np.bool_]) -> None:
    if head.rows is not None:
        rows[:] = head.rows
    elif head.predictor != forms.RAW:
        rows[0] = False


def undo(
    numbers: Wide,
    heads: list[Head],
    references: list[int],
    width: int,
    kind: str,
    lag: int = 0,
    clock: Integers | None = None,
) -> Wide:
    """
    Make words of residuals.

    :param numbers: shape (columns, rows)
    :param heads: the columns' forms
    :param references: the columns' references, as unsigned words
    :param width: bytes of a word
    :param kind: ``u``, ``i`` or ``f``
    :param lag: as for :func:`decode_table`
    :param clock: as for :func:`decode_table`
    :returns: shape (columns, rows), whose lowest ``width`` bytes are the words
    """
    alike: dict[tuple[int, int, int], list[int]] = {}
    for index, head in enumerate(heads):
        key = (head.predictor, head.flags & forms.SPARSE, max(0, head.scale - forms.DIVIDED + 1))
        alike.setdefault(key, []).append(index)
    words = np.empty_like(numbers)
    for (predictor, sparse, decimal), columns in alike.items():
        group = [heads[column] for column in columns]
        is_float = kind == 'f' and not decimal
        signed = kind == 'i' or bool(decimal)
        kept = [_extended(references[column], width, signed) for column in columns]
        shift = np.array([0 if decimal else head.scale for head in group], dtype=np.uint64)
        part = numbers[columns]
        if sparse and predictor == forms.RAW:
            last = np.arange(part.shape[1]) * np.array([head.rows for head in group])
            part = np.take_along_axis(part, np.maximum.accumulate(last, axis=1), axis=1)
        if predictor == forms.RAW:
            base = np.array(kept, dtype=np.uint64)[:, None]
            values = (
                _join_sign(part + base, shift[:, None], width)
                if is_float
                else (part << shift[:, None]) + base
            )
        else:
            values = _add_up(part, group, kept, shift, width, is_float, lag)
        if decimal:
            values = to_words(values.view(np.int64), decimal - 1 + forms.DIVIDED, width)
        words[columns] = values
    for row, head in zip(words, heads, strict=True):
        if head.flags & forms.CLOCK and clock is not None:
            row[:] = (clock - row.view(np.int64)).view(np.uint64)
        if head.wrong is not None and head.words is not None:
            row[head.wrong] = head.words
    return words


def _extended(word: int, width: int, signed: bool) -> int:
    if signed and width < 8 and word >> (8 * width - 1):
        return word + (1 << 64) - (1 << (8 * width))
    return word


def _join_sign(numbers: Wide, shift: Wide, width: int) -> Wide:
    one = np.uint64(1)
    top = np.uint64(8 * width - 1)
    return (numbers >> one) << shift | (numbers & one) << top


def _add_up(
    numbers: Wide,
    heads: list[Head],
    kept: list[int],
    shift: Wide,
    width: int,
    is_float: bool,
    lag: int,
) -> Wide:
    predictor = heads[0].predictor
    places = shift.view(np.int64)[:, None]
    if predictor == forms.STEP:
        bases = np.array([head.base for head in heads], dtype=np.int64)[:, None]
        steps = (numbers.view(np.int64) << places) + bases
    else:
        steps = unfold(numbers) << places
    first = np.array(kept, dtype=np.uint64)
    if is_float:
        sign = np.uint64(1 << (8 * width - 1))
        mask = np.uint64((1 << (8 * width)) - 1)
        first = np.where(first & sign, ~first & mask, first | sign)
    steps[:, 0] = first.view(np.int64)
    if predictor == forms.LAG:
        values = np.stack([_add_up_lagging(row, lag) for row in steps])
    else:
        values = np.cumsum(steps, axis=1)
    return unordered(values.view(np.uint64), width) if is_float else values.view(np.uint64)


def _add_up_lagging(steps: Integers, lag: int) -> Integers:
    padded = np.zeros(-(-len(steps) // lag) * lag, dtype=np.int64)
    padded[: len(steps)] = steps
    padded[:lag] = np.cumsum(steps[:lag])
    added: Integers = np.cumsum(padded.reshape(-1, lag), axis=0).reshape(-1)[: len(steps)]
    return added
