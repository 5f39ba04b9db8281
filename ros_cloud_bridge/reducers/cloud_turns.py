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
Points of a lidar as steps along and across its beam.

From a point to the next a lidar turns a little, and the distance jumps: x, y and z then change
together. Here the step from point to point is turned about z into the direction in which the
points lie, so that the distance's jump is in one number, the turn in another, and z has what the
beam's rise leaves. Directions and rises stand beside, one byte each for every 16 points. A turn
is three shears of whole numbers, which are undone bit for bit on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.sensor_columns import ColumnReader, ColumnWriter, fitting
from ros_cloud_bridge.reducers.sensor_words import cost, LINEAR, PICTURE

Whole = NDArray[Any]

_BLOCK = 16
# Directions are 256th of a turn; what the quarters leave of it has 64, from -32 on.
_FIXED = 16
_LEFT = np.arange(-32, 32) * (np.pi / 128.0)
_TANGENT = np.rint(np.tan(_LEFT / 2.0) * (1 << _FIXED)).astype(np.int64)
_SINE = np.rint(np.sin(_LEFT) * (1 << _FIXED)).astype(np.int64)
# Of each quarter, the sign of what was x or y before.
_SIGN_X = np.array((1, 1, -1, -1))
_SIGN_Y = np.array((1, -1, -1, 1))
_RISE = 128
# Steps of such numbers stay well within 32 bits, however they are turned.
_MOST = 2.0**27
_LOOKED_AT = 4096
_RUNS = 8
# Points that are worked on at once, so that they stay in the processor's cache meanwhile.
_PART = 512 * _BLOCK
_BYTES_OF_BLOCK = 2


def worth_turning(values: Sequence[NDArray[Any]], width: int, divisor: float) -> bool:
    """
    Judge by a few parts.

    :param values: x, y, z
    :param width: of the picture that they are; 0 when they are none
    :param divisor: one over the resolution
    :returns: whether turned steps take fewer bits
    """
    count = len(values[0])
    if count < 8 * _BLOCK:
        return False
    part = [column[_looked_at(count, width or 1)] for column in values]
    scaled, fits = _scaled(part, divisor)
    if not fits.any() or float(max(np.abs(s[fits]).max() for s in scaled)) >= _MOST:
        return False
    points = [s[fits].astype(np.int32) for s in scaled]
    _, _, turned = _turn(points)
    after = sum(
        min(cost(_words(column), 0, predictor) for predictor in LINEAR) for column in turned
    )
    after += 8.0 * _BYTES_OF_BLOCK * len(points[0]) / _BLOCK
    before = 0.0
    for column in scaled:
        # Whatever does not fit costs a picture next to nothing, as here: it is filled in.
        plain = np.where(fits, column, 0.0).astype(np.int64) if width else column[fits]
        words = _words(plain.astype(np.int64))
        before += min(
            cost(words, width, predictor) for predictor in (PICTURE if width else LINEAR)
        )
    return after < before


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedPoints:
    """Points as turned steps; ``apart`` are those that do not fit, x, y and z bit for bit."""

    divisor: float
    fits: NDArray[np.bool_]
    directions: NDArray[Any]
    rises: NDArray[Any]
    sums: list[Whole]
    apart: list[NDArray[Any]]

    def write(self, writer: ColumnWriter) -> None:
        """
        Write them.

        :param writer: where to
        """
        writer.head(struct.pack('<d', self.divisor))
        writer.words(np.packbits(self.fits))
        writer.words(self.directions)
        writer.words(self.rises)
        for column in self.sums:
            writer.words(_words(column))
        for column in self.apart:
            writer.words(column)


def turn_points(values: Sequence[NDArray[Any]], divisor: float) -> TurnedPoints | None:
    """
    Turn points.

    :param values: x, y, z
    :param divisor: one over the resolution
    :returns: what is to be written; None when the numbers are too large
    """
    scaled, fits = _scaled(values, divisor)
    points = [column[fits] for column in scaled]
    if not len(points[0]) or max(float(np.abs(p).max()) for p in points) >= _MOST:
        return None
    directions, rises, sums = _turn([p.astype(np.int32) for p in points])
    return TurnedPoints(
        divisor=divisor,
        fits=fits,
        directions=directions,
        rises=rises,
        sums=sums,
        apart=[column[~fits] for column in values],
    )


def read_turned(reader: ColumnReader, count: int, sizes: Sequence[int]) -> list[NDArray[Any]]:
    """
    Read what :meth:`TurnedPoints.write` wrote.

    :param reader: where it stands
    :param count: of the points; the caller has bounded it
    :param sizes: bytes of each of x, y, z
    :returns: x, y, z as floats of those sizes
    :raises ProtocolError: when it is malformed
    """
    (divisor,) = struct.unpack('<d', reader.head(8))
    if not np.isfinite(divisor) or divisor <= 0.0:
        raise ProtocolError('a resolution out of bounds')
    fits = np.unpackbits(reader.words((count + 7) // 8, 1), count=count).view(np.bool_)
    kept = int(fits.sum())
    blocks = -(-kept // _BLOCK)
    directions, rises = (reader.words(blocks, 1) for _ in range(2))
    turned = [reader.words(kept, 4).view(np.int32) for _ in range(3)]
    points = _turn_back(directions, rises, turned)
    restored = []
    for size, column in zip(sizes, points, strict=True):
        values = np.empty(count, f'f{size}')
        with np.errstate(all='ignore'):
            values[fits] = column / divisor
        values[~fits] = reader.words(count - kept, size).view(f'f{size}')
        restored.append(values)
    return restored


def _looked_at(count: int, row: int) -> NDArray[np.int64]:
    """Choose a few runs of whole rows, spread over the cloud."""
    length = max(2, _LOOKED_AT // row // _RUNS) * row
    if count <= _RUNS * length:
        return np.arange(count)
    starts = np.arange(_RUNS) * (count // row // _RUNS) * row
    return (starts[:, None] + np.arange(length)).reshape(-1)


def _scaled(
    values: Sequence[NDArray[Any]], divisor: float
) -> tuple[list[NDArray[Any]], NDArray[np.bool_]]:
    """Scale to whole numbers; a point fits when all three of its coordinates do."""
    fitted = [fitting(column, divisor, False) for column in values]
    fits: NDArray[np.bool_] = fitted[0][1] & fitted[1][1] & fitted[2][1]
    return [scaled for scaled, _ in fitted], fits


def _words(column: Whole) -> NDArray[Any]:
    return column.astype(np.int32, copy=False).view(np.uint32)


def _turn(points: Sequence[Whole]) -> tuple[NDArray[Any], NDArray[Any], list[Whole]]:
    x, y, z = points
    count = len(x)
    middles = np.minimum(np.arange(0, count, _BLOCK) + _BLOCK // 2, count - 1)
    ahead, left, up = (column[middles].astype(np.float64) for column in points)
    directions = np.rint(np.arctan2(left, ahead) * (128.0 / np.pi)).astype(np.int64) & 255
    rise = up / np.maximum(np.hypot(ahead, left), 1.0)
    rises = np.clip(np.rint(rise * _RISE), -127, 127).astype(np.int8)
    steps = [np.diff(column, prepend=np.int32(0)) for column in points]
    turned = [np.empty(count, np.int32) for _ in range(3)]
    for first in range(0, count, _PART):
        part, blocks = slice(first, first + _PART), slice(first // _BLOCK, None)
        dx, dy, dz = (column[part].astype(np.int64) for column in steps)
        swap, sign_x, sign_y, tangent, sine = _shears(directions[blocks], len(dx))
        a, b = np.where(swap, dy, dx) * sign_x, np.where(swap, dx, dy) * sign_y
        a += _times(tangent, b)
        b -= _times(sine, a)
        a += _times(tangent, b)
        dz -= _risen(rises[blocks], a)
        for column, step in zip(turned, (a, b, dz), strict=True):
            column[part] = step
    sums = [np.cumsum(step, dtype=np.int32) for step in turned]
    return directions.astype(np.uint8), rises, sums


def _turn_back(
    directions: NDArray[Any], rises: NDArray[Any], turned: Sequence[Whole]
) -> list[Whole]:
    # Sums have wrapped at 32 bits, steps have not: so they are what 32 bits say.
    steps = [np.diff(column, prepend=np.int32(0)) for column in turned]
    count = len(steps[0])
    wide, signed = directions.astype(np.int64), rises.view(np.int8)
    back = [np.empty(count, np.int32) for _ in range(3)]
    for first in range(0, count, _PART):
        part, blocks = slice(first, first + _PART), slice(first // _BLOCK, None)
        a, b, dz = (column[part].astype(np.int64) for column in steps)
        swap, sign_x, sign_y, tangent, sine = _shears(wide[blocks], len(a))
        dz += _risen(signed[blocks], a)
        a -= _times(tangent, b)
        b += _times(sine, a)
        a -= _times(tangent, b)
        a *= sign_x
        b *= sign_y
        # Of a hostile form they may be larger; then they are nonsense, but no harm.
        for column, step in zip(
            back, (np.where(swap, b, a), np.where(swap, a, b), dz), strict=True
        ):
            column[part] = step
    return [np.cumsum(step, dtype=np.int32) for step in back]


def _shears(directions: Whole, count: int) -> tuple[NDArray[Any], ...]:
    """Give for each point whether x and y change places, their signs, and the shears."""
    directions = directions[: -(-count // _BLOCK)]
    quarters = (directions + 32 >> 6) & 3
    left = (directions - (quarters << 6) + 32) & 255
    tables = (quarters & 1 == 1, _SIGN_X[quarters], _SIGN_Y[quarters], _TANGENT[left], _SINE[left])
    return tuple(np.repeat(table, _BLOCK)[:count] for table in tables)


def _times(factor: Whole, steps: Whole) -> Whole:
    product: Whole = factor * steps + (1 << _FIXED - 1) >> _FIXED
    return product


def _risen(rises: NDArray[Any], along: Whole) -> Whole:
    blocks = -(-len(along) // _BLOCK)
    slopes = np.repeat(rises[:blocks].astype(np.int64), _BLOCK)[: len(along)]
    return slopes * along + _RISE // 2 >> 7
