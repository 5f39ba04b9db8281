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
Floating-point words that are decimal numbers: found, and written as integers.

After ALP (Afroozeh, Kuffó, Boncz: "ALP: Adaptive Lossless Floating-Point Compression", 2023).
Sensors give millimetres or 1e-7 degrees; drivers divide or multiply, which round differently, so
both are tried, and each word is compared bit by bit.
"""

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.wire.forms import DIVIDED, MAX_EXPONENT, MULTIPLIED, Wide

_PROBED = 48
_MOST_EXPONENT = 9
_SCALES = tuple(
    [DIVIDED + exponent for exponent in range(_MOST_EXPONENT + 1)]
    + [MULTIPLIED + exponent for exponent in range(1, _MOST_EXPONENT + 1)]
)
_FACTORS = np.array([10.0 ** (scale % 32) for scale in _SCALES])[:, None, None]
_STEPS = np.array([float(f'1e-{scale % 32}') for scale in _SCALES])[:, None, None]
_DIVIDES = np.array([scale < MULTIPLIED for scale in _SCALES])[:, None, None]
# Where more than every eighth word is an exception, nothing is gained.
_LEAST_SHARE = 0.875
_MOST = {4: float(1 << 31), 8: float(1 << 53)}


def floats(words: Wide, width: int) -> NDArray[np.float64]:
    """
    Read words as floating-point numbers.

    :param words: of any shape
    :param width: 4 or 8
    :returns: their values
    """
    if width == 4:
        with np.errstate(all='ignore'):
            return words.astype(np.uint32).view(np.float32).astype(np.float64)
    return words.view(np.float64)


def to_words(integers: NDArray[np.int64], scale: int, width: int) -> Wide:
    """
    Write integers as the words that they stand for.

    :param integers: of any shape
    :param scale: ``DIVIDED`` or ``MULTIPLIED`` plus the power of ten, 0 to 22
    :param width: 4 or 8
    :returns: words
    """
    exponent = scale % 32
    assert exponent <= MAX_EXPONENT
    with np.errstate(all='ignore'):
        if scale < MULTIPLIED:
            values = integers.astype(np.float64) / 10.0**exponent
        else:
            values = integers.astype(np.float64) * float(f'1e-{exponent}')
        if width == 4:
            return values.astype(np.float32).view(np.uint32).astype(np.uint64)
    return values.view(np.uint64)


def to_integers(
    words: Wide, scale: int, width: int
) -> tuple[NDArray[np.int64], list[NDArray[np.int64] | None]]:
    """
    Write words as integers.

    :param words: shape (columns, rows)
    :param scale: as in :func:`to_words`
    :param width: 4 or 8
    :returns: integers, and for each column the positions of words that are none, whose integers
        repeat the one before; None where that would gain nothing
    """
    with np.errstate(all='ignore'):
        scaled = np.rint(floats(words, width) * 10.0 ** (scale % 32))
        usable = np.abs(scaled) < _MOST[width]
        integers = np.where(usable, scaled, 0.0).astype(np.int64)
    good = (to_words(integers, scale, width) == words) & usable
    count = words.shape[1]
    bad = (count - np.count_nonzero(good, axis=1)).tolist()
    wrong: list[NDArray[np.int64] | None] = []
    for column, number in enumerate(bad):
        if not number:
            wrong.append(_NONE)
        elif number > (1.0 - _LEAST_SHARE) * count:
            wrong.append(None)
        else:
            fits = good[column]
            wrong.append(np.flatnonzero(~fits))
            index = np.maximum.accumulate(np.where(fits, np.arange(count), 0))
            index[: np.argmax(fits)] = np.argmax(fits)
            integers[column] = integers[column][index]
    return integers, wrong


_NONE = np.zeros(0, dtype=np.int64)


def find_scales(words: Wide, width: int) -> list[int]:
    """
    Look at some words of each column for what they are multiples of.

    :param words: shape (columns, rows)
    :param width: 4 or 8
    :returns: a scale per column, 0 for none
    """
    step = max(1, words.shape[1] // _PROBED)
    probed = words[:, ::step][:, :_PROBED]
    values = floats(probed.copy(), width)[None]
    with np.errstate(all='ignore'):
        scaled = np.rint(values * _FACTORS)
        usable = np.abs(scaled) < _MOST[width]
        integers = np.where(usable, scaled, 0.0)
        back = np.where(_DIVIDES, integers / _FACTORS, integers * _STEPS)
        if width == 4:
            bits = back.astype(np.float32).view(np.uint32).astype(np.uint64)
        else:
            bits = back.view(np.uint64)
    share = ((bits == probed[None]) & usable).mean(axis=2)
    best = np.argmax(share, axis=0)
    return [
        _SCALES[index] if share[index, column] >= _LEAST_SHARE else 0
        for column, index in enumerate(best.tolist())
    ]
