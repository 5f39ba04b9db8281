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
Find the shortest form of columns of words (docs/protocol.md, "Numbers").

What is measured is the number of bits that each form takes. Whether a column's words are decimal
numbers is looked for every now and then only, and remembered (:class:`Habits`).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.wire import forms
from ros_cloud_bridge.wire.decimals import find_scales, to_integers
from ros_cloud_bridge.wire.forms import fold, ordered, pack, Wide, Words, Writer
from ros_cloud_bridge.wire.varint import write_varint, zigzag

# From so many rows on byte planes, which are compressed, may beat packing.
_ROWS_FOR_PLANES = 48
# zstd describes each alphabet: about so many bytes per plane.
_PLANE_COST = 12.0
# A column that changes less often than this may have those rows alone.
_SPARSE_GAIN = 0.8
# Bits that the least number of a column keeps; what is below is stored with each number.
_REFERENCE_BITS = 6


@dataclass(slots=True)
class Habits:
    """What was found out about columns, by their names: the decimal scale, 0 for none."""

    scales: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Form:
    """
    How a column is stored.

    :param reference: its first word, or its least number when it is raw
    :param residuals: one per row; those that ``rows`` leaves out are not stored
    :param size: bits of each, or bytes where they are in planes
    :param rows: None for all, but for the first of other forms than raw ones
    """

    predictor: int
    reference: int
    residuals: Wide
    size: int
    cost: float = 0.0
    shift: int = 0
    scale: int = 0
    base: int = 0
    flags: int = 0
    rows: NDArray[np.bool_] | None = None
    exceptions: bytes = b''

    def head(self) -> bytes:
        """
        Write what stands in the block.

        :returns: flags, sizes, and what is not packed
        """
        scale = self.scale or self.shift
        flags = self.predictor | self.flags
        flags |= (forms.SCALED if scale else 0) | (forms.EXCEPTIONS if self.exceptions else 0)
        parts = [bytes([flags, self.size])]
        if scale:
            parts.append(bytes([scale]))
        if self.predictor == forms.STEP:
            parts.append(write_varint(zigzag(self.base)))
        parts.append(self.exceptions)
        residuals = self.residuals
        if self.rows is not None:
            parts.append(np.packbits(self.rows[1:], bitorder='little').tobytes())
            residuals = residuals[self.rows]
        elif self.predictor != forms.RAW:
            residuals = residuals[1:]
        if self.flags & forms.PLANES:
            planes = residuals.astype('<u8').view(np.uint8).reshape(-1, 8)[:, : self.size]
            parts.append(planes.T.tobytes())
        return b''.join(parts)

    @property
    def packed(self) -> bool:
        """Whether anything of it is packed."""
        return bool(self.size) and not self.flags & forms.PLANES

    def mark(self, rows: NDArray[np.bool_]) -> None:
        """
        Mark the rows that are packed.

        :param rows: all true beforehand
        """
        if self.rows is not None:
            rows[:] = self.rows
        elif self.predictor != forms.RAW:
            rows[0] = False


def pack_forms(chosen: list[Form], count: int) -> bytes:
    """
    Pack the numbers of several columns of one length.

    :param chosen: their forms
    :param count: rows
    :returns: whole bytes
    """
    packed = [form for form in chosen if form.packed]
    if not packed:
        return b''
    rows = np.ones((len(packed), count), dtype=np.bool_)
    numbers = np.empty((len(packed), count), dtype=np.uint64)
    for index, form in enumerate(packed):
        form.mark(rows[index])
        numbers[index] = form.residuals
    return pack(numbers, np.array([form.size for form in packed], dtype=np.int64), rows)


def encode_table(
    words: Words,
    kind: str,
    habits: Habits,
    out: Writer,
    *,
    lag: int = 0,
    clock: NDArray[np.int64] | None = None,
) -> int:
    """
    Write a table.

    :param words: shape (rows, columns), at least one of each, unsigned and in the machine's order
    :param kind: ``u``, ``i`` or ``f``
    :param habits: of this table
    :param out: takes it
    :param lag: with one column, how many rows before lies what is alike; 0 for none
    :param clock: per row, what the only column may be the distance to
    :returns: how many columns vary
    """
    width = words.dtype.itemsize
    count, columns = words.shape
    varying = np.flatnonzero((words != words[0]).any(axis=0)) if count > 1 else _NONE
    mask = np.zeros(columns, dtype=np.uint8)
    mask[varying] = 1
    out.plain += np.packbits(mask, bitorder='little').tobytes()
    references = words[0].copy()
    if not len(varying):
        out.plain += _little(references)
        return 0
    if count * columns > forms.MAX_CODED:
        references[varying] = 0
        out.plain += _little(references)
        for column in varying:
            out.plain += bytes([forms.RAW | forms.PLANES, width])
            planes = np.frombuffer(_little(words[:, column]), np.uint8)
            out.plain += planes.reshape(-1, width).T.tobytes()
        return len(varying)
    wide = widen(words[:, varying].T, kind)
    chosen = choose(wide, kind, width, habits, varying.tolist(), lag=lag, clock=clock)
    top = (1 << 8 * width) - 1
    references[varying] = [form.reference & top for form in chosen]
    out.plain += _little(references)
    for form in chosen:
        out.plain += form.head()
    out.bits += pack_forms(chosen, count)
    return len(varying)


_NONE = np.zeros(0, dtype=np.int64)


def _little(words: Words) -> bytes:
    return words.astype(words.dtype.newbyteorder('<')).tobytes()


def widen(words: Words, kind: str) -> Wide:
    """
    Make words 64 bits wide.

    :param words: of any shape
    :param kind: ``i`` keeps their sign
    :returns: as many
    """
    width = words.dtype.itemsize
    if kind == 'i' and width < 8:
        return words.view(f'i{width}').astype(np.int64).view(np.uint64)
    return np.ascontiguousarray(words.astype(np.uint64))


def choose(
    wide: Wide,
    kind: str,
    width: int,
    habits: Habits,
    names: list[int],
    *,
    lag: int = 0,
    clock: NDArray[np.int64] | None = None,
) -> list[Form]:
    """
    Choose the form of each of several columns, none of which is constant.

    :param wide: their words, of shape (columns, rows) and at least two rows
    :param kind: ``u``, ``i`` or ``f``
    :param width: bytes of a word
    :param habits: of these columns
    :param names: their names in there
    :param lag: as for :func:`encode_table`
    :param clock: as for :func:`encode_table`
    :returns: their forms
    """
    if kind != 'f':
        chosen = _shortest(wide, width, False, kind != 'u', True, lag)
        if clock is not None:
            other = _against(clock, wide[0])
            if other.cost < chosen[0].cost:
                return [other]
        return chosen
    unknown = [index for index, name in enumerate(names) if name not in habits.scales]
    if unknown:
        found = find_scales(wide[unknown], width)
        habits.scales.update(zip([names[index] for index in unknown], found, strict=True))
    decimal: dict[int, Form] = {}
    for index, name in enumerate(names):
        scale = habits.scales[name]
        if scale and (form := _decimal(wide[index], scale, width, lag)) is not None:
            decimal[index] = form
    rest = [index for index in range(len(names)) if index not in decimal]
    if len(rest) == len(names):
        return _shortest(wide, width, True, False, True, lag)
    others = iter(_shortest(wide[rest], width, True, False, True, lag) if rest else ())
    return [decimal[index] if index in decimal else next(others) for index in range(len(names))]


def _decimal(words: Wide, scale: int, width: int, lag: int) -> Form | None:
    found = to_integers(words, scale, width)
    if found is None:
        return None
    integers, wrong = found
    (form,) = _shortest(integers.view(np.uint64)[None], width, False, True, False, lag)
    form.scale = scale
    if len(wrong):
        steps = np.diff(wrong, prepend=0).tolist()
        kept = words[wrong].astype(f'<u{width}').tobytes()
        form.exceptions = write_varint(len(wrong)) + b''.join(map(write_varint, steps)) + kept
    return form


def _against(clock: NDArray[np.int64], words: Wide) -> Form:
    offset = (clock - words.view(np.int64)).view(np.uint64)
    if (offset == offset[0]).all():
        return Form(forms.RAW, int(offset[0]), offset - offset[0], 0, flags=forms.CLOCK)
    (form,) = _shortest(offset[None], 8, False, True, True, 0)
    form.flags |= forms.CLOCK
    return form


def _shortest(
    wide: Wide, width: int, is_float: bool, signed: bool, shifts: bool, lag: int
) -> list[Form]:
    """Compare forms by the bits that they take."""
    count = wide.shape[1]
    raw, low, shift = _raw(wide, width, is_float, signed, shifts)
    raw_size = _bits(raw.max(axis=1))
    level = (ordered(wide, width) if is_float else wide).view(np.int64)
    steps = np.diff(level, axis=1)
    step_shift = _zeros(np.bitwise_or.reduce(steps, axis=1).tolist()) if shifts else [0] * len(low)
    folded = fold(steps)
    delta_size = _bits(folded.max(axis=1))
    least = steps.min(axis=1).tolist()
    most = steps.max(axis=1).tolist()
    changes = np.count_nonzero(steps, axis=1).tolist()
    references = wide[:, 0].tolist()
    chosen = []
    for column, size in enumerate(raw_size):
        raw_form = _raw_form(raw[column], low[column], size, shift[column])
        form = raw_form
        places = step_shift[column]
        reference = references[column]
        size = max(0, delta_size[column] - places)
        best = form.cost
        if size * (count - 1) < best:
            best = float(size * (count - 1))
            form = Form(forms.DELTA, reference, _NO_WIDE, size, best, places)
        spread = most[column] - least[column]
        size = spread.bit_length()
        cost = size * (count - 1) + 4.0 + zigzag(least[column]).bit_length()
        if cost < best and spread < 1 << 63:
            form = Form(forms.STEP, reference, _NO_WIDE, size, cost, base=least[column])
        row = steps[column]
        if form.predictor == forms.DELTA:
            form.residuals = _behind(fold(row >> places) if places else folded[column])
        elif form.predictor == forms.STEP:
            form.residuals = _behind((row - least[column]).view(np.uint64))
        changed = changes[column]
        if changed < _SPARSE_GAIN * (count - 1):
            delta = Form(forms.DELTA, reference, _NO_WIDE, 0, shift=places)
            form = _sparse(form, raw_form, delta, row, changed)
        if count >= _ROWS_FOR_PLANES:
            residuals = _behind(fold(row >> places))
            candidates = [form, Form(forms.DELTA, reference, residuals, 0, shift=places)]
            if 1 < lag < count:
                candidates.append(_lagging(level[column], row, lag, reference, shifts))
            form = _planes(form, candidates)
        chosen.append(form)
    return chosen


_NO_WIDE = np.zeros(0, dtype=np.uint64)


def _raw(
    wide: Wide, width: int, is_float: bool, signed: bool, shifts: bool
) -> tuple[Wide, list[int], list[int]]:
    """Give numbers above the least one of each column, these, and how many bits are left out."""
    one = np.uint64(1)
    if not is_float:
        low = wide.view(np.int64).min(axis=1) if signed else wide.min(axis=1)
        raw = wide - low.view(np.uint64)[:, None]
        shift = _zeros(np.bitwise_or.reduce(raw, axis=1).tolist()) if shifts else [0] * len(low)
        if any(shift):
            raw >>= np.array(shift, dtype=np.uint64)[:, None]
        return raw, low.tolist(), shift
    # The sign at the low end: what changes it does not change all bits.
    sign = wide >> np.uint64(8 * width - 1)
    magnitude = wide & np.uint64((1 << (8 * width - 1)) - 1)
    shift = _zeros(np.bitwise_or.reduce(magnitude, axis=1).tolist())
    if any(shift):
        magnitude >>= np.array(shift, dtype=np.uint64)[:, None]
    raw = magnitude << one | sign
    low = raw.min(axis=1)
    return raw - low[:, None], low.tolist(), shift


def _raw_form(raw: Wide, low: int, size: int, shift: int) -> Form:
    # A reference that ends in zeros is compressed better.
    cut = size + shift - _REFERENCE_BITS
    if cut > 8 and not shift:
        rounded = low >> cut << cut
        if (int(raw.max()) + low - rounded).bit_length() <= size:
            raw = raw + np.uint64(low - rounded)
            low = rounded
    return Form(forms.RAW, low, raw, size, float(size * len(raw)), shift)


def _sparse(form: Form, raw: Form, delta: Form, row: NDArray[np.int64], changed: int) -> Form:
    """See whether rows that do not change are better left out."""
    changes = row != 0
    mask_cost = len(row) // 2
    size = raw.size
    rows = None
    if size * (changed + 1) + mask_cost < form.cost:
        rows = np.concatenate([[True], changes])
        cost = float(size * (changed + 1) + mask_cost)
        form = Form(
            forms.RAW, raw.reference, raw.residuals, size, cost, raw.shift,
            flags=forms.SPARSE, rows=rows,
        )  # fmt: skip
    residuals = fold(row >> delta.shift)
    size = int(residuals.max()).bit_length()
    if size * changed + mask_cost < form.cost:
        delta.rows = np.concatenate([[False], changes])
        delta.residuals, delta.size = _behind(residuals), size
        delta.cost = float(size * changed + mask_cost)
        delta.flags = forms.SPARSE
        form = delta
    return form


def _lagging(
    level: NDArray[np.int64], row: NDArray[np.int64], lag: int, reference: int, shifts: bool
) -> Form:
    behind = np.concatenate([row[: lag - 1], level[lag:] - level[:-lag]])
    (places,) = _zeros([int(np.bitwise_or.reduce(behind))]) if shifts else (0,)
    return Form(forms.LAG, reference, _behind(fold(behind >> places)), 0, shift=places)


def _planes(form: Form, candidates: list[Form]) -> Form:
    """See whether byte planes, compressed, are shorter than packing."""
    best, best_cost, best_size = form, form.cost, -1
    for candidate in candidates:
        residuals = candidate.residuals
        cost = 0.0
        if candidate.rows is not None:
            residuals = residuals[candidate.rows]
            cost = len(candidate.rows) / 2
        elif candidate.predictor != forms.RAW:
            residuals = residuals[1:]
        size = (int(residuals.max()).bit_length() + 7) // 8
        cost += 8.0 * _entropy(residuals, size)
        if cost < best_cost:
            best, best_cost, best_size = candidate, cost, size
    if best_size >= 0:
        best.flags |= forms.PLANES
        best.cost, best.size = best_cost, best_size
    return best


def _behind(residuals: Wide) -> Wide:
    """Put residuals that begin with the second row in their places."""
    return np.concatenate([_ZERO, residuals])


_ZERO = np.zeros(1, dtype=np.uint64)


def _zeros(values: list[int]) -> list[int]:
    """Count the zeros at the low end of numbers."""
    return [(value & -value).bit_length() - 1 if value else 0 for value in values]


def _bits(values: Wide) -> list[int]:
    return [value.bit_length() for value in values.tolist()]


def _entropy(residuals: Wide, size: int) -> float:
    """Estimate what byte planes are compressed to, in bytes."""
    planes = residuals.astype('<u8').view(np.uint8).reshape(-1, 8)
    count = len(residuals)
    total = 0.0
    for plane in range(size):
        counts = np.bincount(planes[:, plane])
        counts = counts[counts > 0]
        bits = count * np.log2(count) - float((counts * np.log2(counts)).sum())
        total += min(count, bits / 8 + min(_PLANE_COST, len(counts)))
    return total
