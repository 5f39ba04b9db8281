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
Columns of whole numbers as byte planes of what a predictor leaves of them.

All arithmetic wraps around, so that every column comes back bit for bit.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError

Words = NDArray[Any]

# Words that a predictor is chosen by.
_LOOKED_AT = 8192


class Predictor(IntEnum):
    """What is taken off a word; values stand in forms and never change meaning."""

    RAW = 0
    DELTA = 1  # the word before
    SECOND = 2  # the word before, and as much as that one has changed
    ABOVE = 3  # in a picture, the word above
    PLANE = 4  # in a picture: left + above - above left


LINEAR = (Predictor.RAW, Predictor.DELTA, Predictor.SECOND)
PICTURE = (Predictor.RAW, Predictor.DELTA, Predictor.ABOVE, Predictor.PLANE)


def choose(words: Words, width: int, candidates: Sequence[Predictor]) -> Predictor:
    """
    Choose by measuring a part from the middle.

    :param words: unsigned, one dimension
    :param width: of the picture that they are; 0 when they are none
    :param candidates: predictors
    :returns: the one that leaves the fewest bits
    """
    part = words
    if len(words) > _LOOKED_AT:
        row = width or 1
        rows = max(2, _LOOKED_AT // row)
        first = (len(words) // row - rows) // 2 * row
        part = words[max(0, first) : max(0, first) + rows * row]
    costs = {predictor: cost(part, width, predictor) for predictor in candidates}
    return min(candidates, key=lambda predictor: costs[predictor])


def cost(words: Words, width: int, predictor: Predictor) -> float:
    """
    Estimate bits.

    :param words: unsigned, one dimension
    :param width: of the picture that they are; 0 when they are none
    :param predictor: which
    :returns: bits that all numbers have, without what says how many
    """
    left = residuals(words, width, predictor)
    return float(np.log2(left.astype(np.float64) + 1.0).sum())


def residuals(words: Words, width: int, predictor: Predictor) -> Words:
    """
    Take the prediction off.

    :param words: unsigned, one dimension
    :param width: of the picture; 0 when they are none
    :param predictor: which
    :returns: what is left, folded so that small numbers of either sign are small
    """
    if predictor == Predictor.RAW:
        return words
    if predictor == Predictor.DELTA:
        left = _differences(words, 1)
    elif predictor == Predictor.SECOND:
        left = _differences(_differences(words, 1), 1)
    elif predictor == Predictor.ABOVE:
        left = _differences(words, width)
    else:
        left = _differences(words.reshape(-1, width), width).reshape(-1)
        picture = left.reshape(-1, width)
        picture[:, 1:] -= picture[:, :-1].copy()
    signed = left.view(f'i{left.itemsize}')
    folded: Words = (left << left.dtype.type(1)) ^ (signed >> (8 * left.itemsize - 1)).view(
        left.dtype
    )
    return folded


def _differences(words: Words, step: int) -> Words:
    flat = words.reshape(-1)
    left = flat.copy()
    left[step:] -= flat[:-step] if step else flat
    return left


def restore(left: Words, width: int, predictor: int) -> Words:
    """
    Undo :func:`residuals`.

    :param left: folded
    :param width: of the picture; 0 when they are none
    :param predictor: a :class:`Predictor` value
    :returns: the words
    :raises ProtocolError: when there is no such predictor, or the picture has no such width
    """
    if predictor == Predictor.RAW:
        return left
    one = left.dtype.type(1)
    plain: Words = (left >> one) ^ (~(left & one) + one)
    if predictor == Predictor.DELTA:
        return np.cumsum(plain, dtype=left.dtype)
    if predictor == Predictor.SECOND:
        return np.cumsum(np.cumsum(plain, dtype=left.dtype), dtype=left.dtype)
    if predictor not in (Predictor.ABOVE, Predictor.PLANE):
        raise ProtocolError(f'unknown predictor {predictor}')
    if width <= 0 or len(left) % width:
        raise ProtocolError('a predictor of pictures for what is none')
    picture = plain.reshape(-1, width)
    if predictor == Predictor.PLANE:
        picture = np.cumsum(picture, axis=1, dtype=left.dtype)
    return np.cumsum(picture, axis=0, dtype=left.dtype).reshape(-1)


def planes(words: Words) -> list[bytes]:
    """
    Cut words into byte planes, the lowest first.

    :param words: unsigned
    :returns: planes up to the highest that is not zero
    """
    size = words.itemsize
    top = int(words.max()) if len(words) else 0
    little = words.astype(words.dtype.newbyteorder('<'), copy=False)
    table = np.ascontiguousarray(little).view(np.uint8).reshape(-1, size)
    return [table[:, place].tobytes() for place in range((top.bit_length() + 7) // 8)]


def join_planes(parts: Sequence[bytes], count: int, size: int) -> Words:
    """
    Undo :func:`planes`.

    :param parts: the planes, of ``count`` bytes each
    :param count: of the words
    :param size: bytes of a word
    :returns: the words
    """
    table = np.zeros((count, size), np.uint8)
    for place, part in enumerate(parts):
        table[:, place] = np.frombuffer(part, np.uint8)
    return table.reshape(-1).view(f'<u{size}').astype(f'u{size}', copy=False)
