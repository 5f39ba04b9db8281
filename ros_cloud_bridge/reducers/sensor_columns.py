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
Columns of a sensor message: floats at a resolution, floats and whole numbers bit for bit.

A column says in the form's first stream, the *heads*, how it stands: one byte for its kind and its
predictor, one for its planes or what else it has. ``NaN``, infinities, and whatever a resolution
cannot tell closely enough are *exceptions*: a bit mask says where they are, and they stand apart,
bit for bit. So the bound holds by construction: it was looked at for each value.
"""

from enum import IntEnum
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.sensor_streams import StreamReader, StreamWriter
from ros_cloud_bridge.reducers.sensor_words import (
    choose,
    join_planes,
    LINEAR,
    PICTURE,
    planes,
    residuals,
    restore,
)

Column = NDArray[Any]


class _Kind(IntEnum):
    CONSTANT = 0
    WORDS = 1
    PALETTE = 2
    SCALED = 3


_KIND_SHIFT = 4
# Of the second byte of a scaled column.
_MASKED, _SAME_MASK, _FILLED, _WIDE = 1, 2, 4, 8
# Divisors that floats with few decimals are whole multiples of the inverse of.
_DECIMALS = (1.0, 10.0, 100.0, 1000.0, 10000.0)
_SAMPLE = 512
# Numbers that are worked on at once, so that they stay in the processor's cache meanwhile.
_PART = 8192
_MOST_COLOURS = 256
# Bits that a float keeps beside the resolution's half: half its last one, and no less.
_ROUNDING = {4: 2.0**-23, 8: 2.0**-52}


class ColumnWriter:
    """
    Writes the columns of one form.

    :param least: a shorter stream is not compressed
    """

    def __init__(self, least: int = 256) -> None:
        self._streams = StreamWriter(least)
        self._heads = bytearray()
        self._bodies: list[bytes] = []
        self._mask: tuple[int, bytes] | None = None

    def head(self, raw: bytes) -> None:
        """
        Write bytes of the form's own.

        :param raw: them; the reader knows how many
        """
        self._heads += raw

    def body(self, raw: bytes) -> None:
        """
        Write a stream of the form's own.

        :param raw: its bytes
        """
        self._bodies.append(raw)

    def words(self, words: Column, width: int = 0) -> None:
        """
        Write whole numbers, or anything else, bit for bit.

        :param words: of 1, 2, 4 or 8 bytes, one dimension; floats and signed ones are viewed
        :param width: of the picture that they are; 0 when they are none
        """
        plain = np.ascontiguousarray(words).view(f'u{words.itemsize}')
        if len(plain) and (plain[0] == plain).all():
            self._heads.append(_Kind.CONSTANT << _KIND_SHIFT)
            self._heads += int(plain[0]).to_bytes(plain.itemsize, 'little')
            return
        palette = _palette(plain)
        if palette is not None:
            colours, places = palette
            self._heads += bytes((_Kind.PALETTE << _KIND_SHIFT, len(colours) - 1))
            self._heads += colours.astype(f'<u{plain.itemsize}').tobytes()
            plain = places
        self._planes(_Kind.WORDS, plain, width)

    def floats(
        self,
        values: Column,
        width: int = 0,
        divisor: float = 0.0,
        apart: Column | None = None,
    ) -> None:
        """
        Write floats.

        :param values: of 4 or 8 bytes, one dimension
        :param width: of the picture that they are; 0 when they are none
        :param divisor: one over the resolution; 0 for bit for bit
        :param apart: mask of those that are exceptions anyway, where there is a resolution
        """
        if divisor:
            self._scaled(values, width, divisor, False, apart)
            return
        sample = values[:: max(1, len(values) // _SAMPLE)]
        for decimals in _DECIMALS:
            if len(sample) and _mostly(sample, fitting(sample, decimals, True)[1]):
                if self._scaled(values, width, decimals, True):
                    return
                break
        self.words(values, width)

    def done(self, restored_bytes: int) -> bytes:
        """
        End the form.

        :param restored_bytes: length of the message that it restores to
        :returns: the form
        """
        self._streams.add(bytes(self._heads))
        for body in self._bodies:
            self._streams.add(body)
        return self._streams.done(restored_bytes)

    def _scaled(
        self,
        values: Column,
        width: int,
        divisor: float,
        exact: bool,
        apart: Column | None = None,
    ) -> bool:
        scaled, fits = fitting(values, divisor, exact)
        if apart is not None:
            fits &= ~apart
        everywhere = bool(fits.all())
        if exact and not _mostly(values, fits):
            return False
        flags, mask = 0, None
        if not everywhere:
            mask = np.packbits(~fits).tobytes()
            flags = _SAME_MASK if (len(fits), mask) == self._mask else _MASKED
            if width:
                flags |= _FILLED
                scaled = filled(scaled, fits)
            else:
                scaled = scaled[fits]
        wide = bool(len(scaled)) and float(np.abs(scaled).max()) >= 2.0**31 - 1.0
        flags |= _WIDE * wide
        self._heads += bytes((_Kind.SCALED << _KIND_SHIFT, flags))
        self._heads += struct.pack('<d', divisor)
        if flags & _MASKED and mask is not None:
            self._bodies.append(mask)
            self._mask = len(fits), mask
        whole = scaled.astype(np.int64 if wide else np.int32)
        self._planes(_Kind.WORDS, whole.view(f'u{whole.itemsize}'), width)
        if not everywhere:
            self.words(np.ascontiguousarray(values[~fits]))
        return True

    def _planes(self, kind: _Kind, words: Column, width: int) -> None:
        predictor = choose(words, width, PICTURE if width else LINEAR)
        parts = planes(residuals(words, width, predictor))
        self._heads += bytes((kind << _KIND_SHIFT | predictor, len(parts)))
        self._bodies += parts


def _palette(words: Column) -> tuple[Column, Column] | None:
    if words.itemsize == 1 or len(words) < 2 * _MOST_COLOURS:
        return None
    colours = np.unique(words[:: max(1, len(words) // _SAMPLE)])
    if len(colours) > _SAMPLE // 4:
        return None
    # Who is not in the sample makes itself known by not being found.
    for _ in range(2):
        places = np.searchsorted(colours, words)
        places[places == len(colours)] = 0
        missing = words[colours[places] != words]
        if not len(missing):
            return colours, places.astype(np.uint8)
        colours = np.unique(np.concatenate((colours, missing)))
        if len(colours) > _MOST_COLOURS:
            break
    return None


def fitting(values: Column, divisor: float, exact: bool) -> tuple[Column, Column]:
    """
    Scale to whole numbers, and say which of them tell their value well enough.

    :param values: floats
    :param divisor: one over the resolution
    :param exact: whether well enough is bit for bit
    :returns: whole numbers as floats of 8 bytes, any where they do not fit, and a mask
    """
    scaled = np.empty(len(values), np.float64)
    fits = np.empty(len(values), np.bool_)
    for first in range(0, len(values), _PART):
        part = slice(first, first + _PART)
        _fit(values[part], divisor, exact, scaled[part], fits[part])
    return scaled, fits


def _fit(values: Column, divisor: float, exact: bool, scaled: Column, fits: Column) -> None:
    with np.errstate(all='ignore'):
        wide = values.astype(np.float64)
        np.multiply(wide, divisor, out=scaled)
        np.rint(scaled, out=scaled)
        back = (scaled / divisor).astype(values.dtype)
        if exact:
            word = f'u{values.itemsize}'
            np.equal(back.view(word), np.ascontiguousarray(values).view(word), out=fits)
            # No whole number is -0.0.
            fits &= (scaled != 0.0) | ~np.signbit(scaled)
        else:
            off = np.abs(back - wide)
            bound = np.abs(wide, out=wide)
            bound *= _ROUNDING[values.itemsize]
            bound += 0.5 / divisor
            np.less_equal(off, bound, out=fits)
        # Floats tell whole numbers up to here only; NaN and infinities fail, too.
        most = 2.0**31 - 1.0 if values.itemsize == 4 else 2.0**53
        fits &= np.abs(scaled) < most


def _mostly(values: Column, fits: Column) -> bool:
    """Tell whether few numbers are exceptions; what is no number is one either way."""
    finite = np.isfinite(values)
    return int((finite & ~fits).sum()) <= 0.02 * int(finite.sum())


def filled(values: Column, fits: Column) -> Column:
    """
    Let exceptions repeat what stands before them, so that they disturb no neighbour.

    :param values: all of them
    :param fits: mask of those that are none
    :returns: values; 0 before the first that is none
    """
    places = np.where(fits, np.arange(len(fits)), 0)
    np.maximum.accumulate(places, out=places)
    repeated: Column = values[places]
    repeated[~fits[places]] = 0
    return repeated


class ColumnReader:
    """
    Reads the columns of a form in the order in which they were written.

    :param form: what :class:`ColumnWriter` made
    :raises ProtocolError: when it is malformed
    """

    def __init__(self, form: bytes) -> None:
        self._streams = StreamReader(form)
        self._heads = self._streams.take()
        self._position = 0
        self._mask: Column | None = None

    @property
    def restored_bytes(self) -> int:
        """Length of the message that the form says it restores to."""
        return self._streams.restored_bytes

    def head(self, length: int) -> bytes:
        """
        Read bytes of the form's own.

        :param length: how many
        :returns: them
        :raises ProtocolError: when there are fewer
        """
        part = self._heads[self._position : self._position + length]
        if len(part) < length:
            raise ProtocolError('the heads of a form are cut off')
        self._position += length
        return part

    def body(self) -> bytes:
        """
        Read a stream of the form's own.

        :returns: its bytes
        :raises ProtocolError: when there is none
        """
        return self._streams.take()

    def words(self, count: int, size: int, width: int = 0) -> Column:
        """
        Read what :meth:`ColumnWriter.words` wrote.

        :param count: of the words; the caller has bounded it
        :param size: bytes of a word
        :param width: of the picture that they are; 0 when they are none
        :returns: unsigned words
        :raises ProtocolError: when the column is malformed
        """
        head = self.head(1)[0]
        if head == _Kind.CONSTANT << _KIND_SHIFT:
            return np.full(count, int.from_bytes(self.head(size), 'little'), f'u{size}')
        if head != _Kind.PALETTE << _KIND_SHIFT:
            return self._planes(head, count, size, width)
        colours = np.frombuffer(self.head(size * (self.head(1)[0] + 1)), f'<u{size}')
        places = self._planes(self.head(1)[0], count, 1, width)
        if count and int(places.max()) >= len(colours):
            raise ProtocolError('a column names more than its palette has')
        words: Column = colours.astype(f'u{size}')[places]
        return words

    def floats(self, count: int, size: int, width: int = 0) -> Column:
        """
        Read what :meth:`ColumnWriter.floats` wrote.

        :param count: of the floats; the caller has bounded it
        :param size: bytes of a float
        :param width: of the picture that they are; 0 when they are none
        :returns: floats of that size
        :raises ProtocolError: when the column is malformed
        """
        if self._heads[self._position : self._position + 1] != bytes(
            (_Kind.SCALED << _KIND_SHIFT,)
        ):
            return self.words(count, size, width).view(f'f{size}')
        flags = self.head(2)[1]
        (divisor,) = struct.unpack('<d', self.head(8))
        if not np.isfinite(divisor) or divisor <= 0.0:
            raise ProtocolError('a resolution out of bounds')
        mask = self._read_mask(flags, count)
        kept = count if mask is None or flags & _FILLED else count - int(mask.sum())
        word = 8 if flags & _WIDE else 4
        whole = self._planes(self.head(1)[0], kept, word, width).view(f'i{word}')
        with np.errstate(all='ignore'):
            values: Column = (whole / divisor).astype(f'f{size}')
        if mask is None:
            return values
        restored: Column = values if flags & _FILLED else np.empty(count, f'f{size}')
        if not flags & _FILLED:
            restored[~mask] = values
        restored[mask] = self.words(int(mask.sum()), size).view(f'f{size}')
        return restored

    def end(self, message: bytes) -> bytes:
        """
        Be done.

        :param message: what was restored
        :returns: it
        :raises ProtocolError: when something is left, or its length is not what was said
        """
        if self._position != len(self._heads):
            raise ProtocolError('the heads of a form are too long')
        return self._streams.end(message)

    def _read_mask(self, flags: int, count: int) -> Column | None:
        if flags & _MASKED:
            raw = np.frombuffer(self._streams.take((count + 7) // 8), np.uint8)
            self._mask = np.unpackbits(raw, count=count).view(np.bool_)
        elif not flags & _SAME_MASK:
            return None
        if self._mask is None or len(self._mask) != count:
            raise ProtocolError('a column lacks its mask')
        return self._mask

    def _planes(self, head: int, count: int, size: int, width: int) -> Column:
        if head >> _KIND_SHIFT != _Kind.WORDS:
            raise ProtocolError(f'unknown kind of column {head:#x}')
        places = self.head(1)[0]
        if places > size:
            raise ProtocolError('a column has more planes than its words')
        parts = [self._streams.take(count) for _ in range(places)]
        predictor = head & (1 << _KIND_SHIFT) - 1
        return restore(join_planes(parts, count, size), width, predictor)
