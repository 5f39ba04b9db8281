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
Compare the forms of columns by the bits that they take (docs/protocol.md, "Numbers").

All columns at once: with few rows it is the number of operations that costs time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.wire import forms
from ros_cloud_bridge.wire.column_form import Form, Habits
from ros_cloud_bridge.wire.forms import fold, ordered, Wide
from ros_cloud_bridge.wire.varint import zigzag

# From so many rows on byte planes, which are compressed, may beat packing.
_ROWS_FOR_PLANES = 48
# zstd describes each alphabet: about so many bytes per plane.
_PLANE_COST = 12.0
# A column that changes less often than this may have those rows alone.
_SPARSE_GAIN = 0.8
_PACKED = -1


@dataclass(frozen=True, slots=True)
class Group:
    """
    Columns of one type that all vary.

    :param wide: their words, of shape (columns, rows) and at least two rows
    :param kind: ``u``, ``i`` or ``f``
    :param width: bytes of a word
    :param habits: of these columns
    :param names: their names in there
    :param clock: per row, what each may be the distance to
    """

    wide: Wide
    kind: str
    width: int
    habits: Habits
    names: list[int]
    clock: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """
    Columns that are to be compared.

    :param group: that they are of
    :param wide: their words, or numbers in their place, of shape (columns, rows)
    :param names: by which habits know them
    :param decimal: whether they are integers in the place of floating-point words
    """

    group: Group
    wide: Wide
    names: list[int]
    decimal: bool = False

    @property
    def is_float(self) -> bool:
        """Whether they are floating-point words."""
        return self.group.kind == 'f' and not self.decimal


@dataclass(frozen=True, slots=True)
class _Ready:
    """Columns made ready; arrays have the shape (columns, rows)."""

    # Above the least number of a column, without the zeros at the low end.
    raw: Wide
    low: list[int]
    shift: list[int]
    # What steps are taken of.
    level: NDArray[np.int64]


def _prepare(found: Sequence[Rows]) -> _Ready:
    """Make columns ready, all integers at once and all floating-point words of one size."""
    wide = found[0].wide if len(found) == 1 else np.concatenate([rows.wide for rows in found])
    kinds = [rows.group.width if rows.is_float else 0 for rows in found for _ in rows.names]
    shifts = [not rows.decimal for rows in found for _ in rows.names]
    if not any(kinds):
        raw, low, shift = _above(wide, shifts)
        return _Ready(raw, low, shift, wide.view(np.int64))
    raw, level = np.empty_like(wide), wide.copy()
    low, shift = [0] * len(kinds), [0] * len(kinds)
    for width in set(kinds):
        own = [column for column, kind in enumerate(kinds) if kind == width]
        if width:
            part, lows, zeros = _above_float(wide[own], width)
            level[own] = ordered(wide[own], width)
        else:
            part, lows, zeros = _above(wide[own], [shifts[column] for column in own])
        raw[own] = part
        for column, least, places in zip(own, lows, zeros, strict=True):
            low[column], shift[column] = least, places
    return _Ready(raw, low, shift, level.view(np.int64))


def shortest(ready: Sequence[Rows], lag: int) -> list[Form]:
    """
    Find the shortest form of each column.

    :param ready: columns of one number of rows
    :param lag: how many rows before lies what is alike; 0 for none
    :returns: their forms, in order
    """
    columns = _prepare(ready)
    raw, low, shift, level = columns.raw, columns.low, columns.shift, columns.level
    count = raw.shape[1]
    rest = count - 1
    references = [value for rows in ready for value in rows.wide[:, 0].tolist()]
    shifts = [not rows.decimal for rows in ready for _ in rows.names]
    habits = [(rows.group.habits.planes, name) for rows in ready for name in rows.names]
    most_raw = raw.max(axis=1).tolist()
    steps = level[:, 1:] - level[:, :-1]
    folded = fold(steps)
    step_bits = np.bitwise_or.reduce(steps, axis=1).tolist()
    most_folded = folded.max(axis=1).tolist()
    least = steps.min(axis=1).tolist()
    most = steps.max(axis=1).tolist()
    changes = np.count_nonzero(steps, axis=1).tolist()
    chosen = []
    for column, largest in enumerate(most_raw):
        size = largest.bit_length()
        raw_cost = best = float(size * count)
        predictor = forms.RAW
        bits = step_bits[column]
        places = (bits & -bits).bit_length() - 1 if bits and shifts[column] else 0
        delta_size = max(0, most_folded[column].bit_length() - places)
        if delta_size * rest < best:
            best, predictor = float(delta_size * rest), forms.DELTA
        lowest = least[column]
        spread = most[column] - lowest
        step_size = spread.bit_length()
        lowest = round_down(lowest, spread, step_size)
        cost = step_size * rest + 4.0 + zigzag(lowest).bit_length()
        if cost < best and spread < 1 << 63:
            best, predictor = cost, forms.STEP
        reference = references[column]
        row = steps[column]
        if predictor == forms.RAW:
            form = _raw_form(raw[column], low[column], size, shift[column], largest)
        elif predictor == forms.DELTA:
            residuals = _behind(fold(row >> places) if places else folded[column])
            form = Form(predictor, reference, residuals, delta_size, best, places)
        else:
            residuals = _behind((row - lowest).view(np.uint64))
            form = Form(predictor, reference, residuals, step_size, best, base=lowest)
        if changes[column] < _SPARSE_GAIN * rest:
            raw_form = Form(
                forms.RAW, low[column], raw[column], size, raw_cost, shift[column]
            )  # fmt: skip
            delta = Form(forms.DELTA, reference, _NO_WIDE, 0, shift=places)
            form = _sparse(form, raw_form, delta, row, changes[column])
        planes, name = habits[column]
        known = planes.get(name)
        if count >= _ROWS_FOR_PLANES and known != _PACKED:
            residuals = _behind(fold(row >> places))
            candidates = [form, Form(forms.DELTA, reference, residuals, 0, shift=places)]
            if 1 < lag < count:
                candidates.append(_lagging(level[column], row, lag, reference, shifts[column]))
            if known is not None:
                candidates = [other for other in candidates if other.predictor == known]
            if len(candidates) == 1 and known is not None and not form.flags:
                form = _in_planes(candidates[0])
            else:
                form = _planes(form, candidates or [form])
                planes[name] = form.predictor if form.flags & forms.PLANES else _PACKED
        chosen.append(form)
    return chosen


_NO_WIDE = np.zeros(0, dtype=np.uint64)


def _above(wide: Wide, shifts: list[bool]) -> tuple[Wide, list[int], list[int]]:
    """Give numbers above the least one of each column, these, and how many bits are left out."""
    # Unsigned ones are taken as signed, too: modulo 2**64 nothing is lost by that.
    low = wide.view(np.int64).min(axis=1)
    raw = wide - low.view(np.uint64)[:, None]
    zeros = _zeros(np.bitwise_or.reduce(raw, axis=1).tolist())
    shift = [places if may else 0 for places, may in zip(zeros, shifts, strict=True)]
    if any(shift):
        raw >>= np.array(shift, dtype=np.uint64)[:, None]
    return raw, low.tolist(), shift


def _above_float(wide: Wide, width: int) -> tuple[Wide, list[int], list[int]]:
    # The sign at the low end: what changes it does not change all bits.
    sign = wide >> np.uint64(8 * width - 1)
    magnitude = wide & np.uint64((1 << (8 * width - 1)) - 1)
    shift = _zeros(np.bitwise_or.reduce(magnitude, axis=1).tolist())
    if any(shift):
        magnitude >>= np.array(shift, dtype=np.uint64)[:, None]
    raw = magnitude << np.uint64(1) | sign
    low = raw.min(axis=1)
    return raw - low[:, None], low.tolist(), shift


def round_down(low: int, spread: int, size: int) -> int:
    """
    Take a number below the least one that has more zeros at its end, or is that of other blocks.

    :param low: the least number
    :param spread: the greatest less the least
    :param size: bits of the distances to it, which stay as many
    :returns: a number that is compressed better
    """
    room = (1 << size) - 1 - spread
    zeros = size
    while low - (low >> zeros << zeros) > room:
        zeros -= 1
    return low >> zeros << zeros


def _raw_form(raw: Wide, low: int, size: int, shift: int, largest: int) -> Form:
    if not shift:
        rounded = round_down(low, largest, size)
        if rounded != low:
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


def _in_planes(form: Form) -> Form:
    residuals = form.residuals if form.predictor == forms.RAW else form.residuals[1:]
    form.size = (int(residuals.max()).bit_length() + 7) // 8
    form.cost = 8.0 * form.size * len(residuals)
    form.flags |= forms.PLANES
    return form


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
