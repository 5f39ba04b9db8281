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
How a column of numbers stands in a section of layout ``COLUMNS`` (docs/protocol.md, "Numbers").

A table has rows and columns of words. Columns that never change are their first word alone. Every
other has a *form*: how its words become small numbers, and whether those are packed bit by bit
(``bits``, which nothing can compress further) or lie in byte planes among what is compressed.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.limits import MAX_BATCH_RAW, MAX_EXCEPTIONS, MAX_STEPS
from ros_cloud_bridge.wire.varint import read_varint

Words = NDArray[np.unsignedinteger[Any]]
Wide = NDArray[np.uint64]

# Tables with more words are coded as byte planes alone: what else there is takes several times
# their size of memory.
MAX_CODED = 1 << 20
# Of words of one byte (pictures, clouds, maps) there is nothing to gain by numbers.
MAX_CODED_BYTES = 1 << 12
# What one leaf and one column count for in a batch's work.
LEAF_STEPS = 16
COLUMN_STEPS = 8
# Rows that are packed or unpacked at once: each bit takes a byte of memory meanwhile. A multiple
# of eight, so that every part begins on a byte.
CHUNK = 1 << 15

DIVIDED = 64
MULTIPLIED = 96
MAX_EXPONENT = 22


# What is taken off a word before it is stored: lowest two bits of a form. Plain integers, since
# those of an enumeration take ten times as long.
RAW = 0
DELTA = 1
STEP = 2
LAG = 3

# Upper bits of a form.
PLANES = 4
SPARSE = 8
SCALED = 16
EXCEPTIONS = 32
CLOCK = 64


def is_plain(count: int, width: int) -> bool:
    """
    Say whether a table is coded as byte planes alone.

    :param count: its words
    :param width: bytes of each
    :returns: whether it is
    """
    return count > (MAX_CODED_BYTES if width == 1 else MAX_CODED)


class Budget:
    """
    What one batch may still unfold to, so that a small one cannot become a large one.

    :param size: bytes of all samples
    :param steps: what is done one by one to decode them
    """

    def __init__(self, size: int = MAX_BATCH_RAW, steps: int = MAX_STEPS) -> None:
        self._values = size
        self._size = size
        self._steps = steps
        self._exceptions = MAX_EXCEPTIONS

    def values(self, size: int) -> None:
        """
        Take values, before there is memory for them.

        :param size: bytes that they take in samples
        :raises ProtocolError: when that is too much
        """
        self._values -= size
        if self._values < 0:
            raise ProtocolError('samples unfold to more than a batch may hold')

    def foresee(self, size: int) -> None:
        """
        See whether there is room for values that will be taken piece by piece.

        :param size: bytes that they take in samples at least
        :raises ProtocolError: when that is too much
        """
        if size > self._values:
            raise ProtocolError('samples unfold to more than a batch may hold')

    def samples(self, size: int) -> None:
        """
        Take samples, before there is memory for them.

        :param size: bytes
        :raises ProtocolError: when that is too much
        """
        self._size -= size
        if self._size < 0:
            raise ProtocolError('samples unfold to more than a batch may hold')

    def steps(self, count: int) -> None:
        """
        Take work.

        :param count: operations of a program, or parts of a column's head
        :raises ProtocolError: when that is too much
        """
        self._steps -= count
        if self._steps < 0:
            raise ProtocolError('samples take more work than a batch may cause')

    def exceptions(self, count: int) -> None:
        """
        Take exceptions of columns.

        :param count: how many
        :raises ProtocolError: when that is too much
        """
        self._exceptions -= count
        if self._exceptions < 0:
            raise ProtocolError('columns have more exceptions than a batch may')


@dataclass(slots=True)
class Writer:
    """What is written of a section: ``plain`` is to be compressed, ``bits`` are packed numbers."""

    plain: bytearray = field(default_factory=bytearray)
    bits: bytearray = field(default_factory=bytearray)


_NO_BITS = memoryview(b'')


class Reader:
    """
    Reads what a :class:`Writer` has written.

    :param plain: a section's block
    :param bits: the batch's packed numbers; each section reads on where the one before has ended
    """

    def __init__(self, plain: bytes, bits: memoryview = _NO_BITS) -> None:
        self._plain = memoryview(plain)
        self._bits = bits
        self._position = 0

    def begin(self, plain: bytes) -> None:
        """
        Go on with another section.

        :param plain: its block
        """
        self._plain = memoryview(plain)
        self._position = 0

    def take(self, size: int) -> memoryview:
        """
        Read bytes.

        :param size: how many
        :returns: them
        :raises ProtocolError: when there are not that many
        """
        end = self._position + size
        if end > len(self._plain):
            raise ProtocolError('a block is shorter than its columns')
        part = self._plain[self._position : end]
        self._position = end
        return part

    def byte(self) -> int:
        """
        Read one byte.

        :returns: it
        """
        return self.take(1)[0]

    def varint(self) -> int:
        """
        Read a number of variable length.

        :returns: it
        """
        value, self._position = read_varint(self._plain, self._position)
        return value

    def take_bits(self, count: int) -> memoryview:
        """
        Read packed numbers.

        :param count: bits; the next ones begin on a byte
        :returns: bytes that hold them
        :raises ProtocolError: when there are not that many
        """
        size = (count + 7) // 8
        if size > len(self._bits):
            raise ProtocolError('fewer packed numbers than columns')
        part, self._bits = self._bits[:size], self._bits[size:]
        return part

    @property
    def bits_left(self) -> int:
        """Bytes of packed numbers that were not read."""
        return len(self._bits)

    @property
    def left(self) -> int:
        """Bytes of the block that were not read."""
        return len(self._plain) - self._position


def pack(numbers: Wide, widths: NDArray[np.int64], rows: NDArray[np.bool_] | None) -> bytes:
    """
    Pack numbers bit by bit, the lowest first, column after column.

    :param numbers: shape (columns, rows)
    :param widths: bits of each column
    :param rows: which are packed; None for all
    :returns: whole bytes
    """
    columns, count = numbers.shape
    if columns * count <= CHUNK:
        grid = np.unpackbits(
            numbers.astype('<u8').view(np.uint8).reshape(columns, count, 8), axis=2,
            bitorder='little',
        )  # fmt: skip
        chosen = _chosen(widths, rows, count)
        return np.packbits(grid[chosen], bitorder='little').tobytes()
    parts = []
    for column in range(columns):
        row = numbers[column] if rows is None else numbers[column][rows[column]]
        width = int(widths[column])
        for first in range(0, len(row), CHUNK):
            part = row[first : first + CHUNK].astype('<u8').view(np.uint8).reshape(-1, 8)
            bits = np.unpackbits(part, axis=1, bitorder='little')[:, :width]
            parts.append(np.packbits(bits, bitorder='little').tobytes())
    return b''.join(parts)


def packed_bits(
    widths: NDArray[np.int64], rows: NDArray[np.bool_] | None, columns: int, count: int
) -> list[int]:
    """
    Say in how many bits :func:`pack` puts each run that begins on a byte.

    :param widths: bits of each column
    :param rows: which are packed; None for all
    :param columns: how many there are
    :param count: rows of each
    :returns: one number for a small table, else one per column
    """
    lengths = [count] * columns if rows is None else [int(n) for n in rows.sum(axis=1)]
    bits = [int(width) * length for width, length in zip(widths, lengths, strict=True)]
    return [sum(bits)] if columns * count <= CHUNK else bits


def unpack(
    reader: Reader, widths: NDArray[np.int64], rows: NDArray[np.bool_] | None, count: int
) -> Wide:
    """
    Undo :func:`pack`.

    :param reader: where the bits are
    :param widths: bits of each column, 0 to 64
    :param rows: which were packed; None for all
    :param count: rows
    :returns: shape (columns, rows), 0 where nothing was packed
    :raises ProtocolError: when there are too few bits
    """
    columns = len(widths)
    sizes = packed_bits(widths, rows, columns, count)
    data = [reader.take_bits(size) for size in sizes]
    if columns * count <= CHUNK:
        grid = np.zeros((columns, count, 64), dtype=np.uint8)
        bits = np.unpackbits(np.frombuffer(data[0], np.uint8), bitorder='little')
        grid[_chosen(widths, rows, count)] = bits[: sizes[0]]
        packed = np.packbits(grid, axis=2, bitorder='little')
        return packed.view('<u8').reshape(columns, count).astype(np.uint64)
    numbers = np.zeros((columns, count), dtype=np.uint64)
    for column in range(columns):
        width = int(widths[column])
        if width == 0:
            continue
        length = count if rows is None else int(rows[column].sum())
        values = _unpack_column(data[column], width, length)
        if rows is None:
            numbers[column] = values
        else:
            numbers[column][rows[column]] = values
    return numbers


def _unpack_column(data: memoryview, width: int, length: int) -> Wide:
    values = np.zeros(length, dtype=np.uint64)
    for first in range(0, length, CHUNK):
        part = min(CHUNK, length - first)
        begin = first * width // 8
        piece = np.frombuffer(data[begin : begin + (part * width + 7) // 8], np.uint8)
        grid = np.zeros((part, 64), dtype=np.uint8)
        bits = np.unpackbits(piece, bitorder='little')[: part * width]
        grid[:, :width] = bits.reshape(part, width)
        values[first : first + part] = (
            np.packbits(grid, axis=1, bitorder='little').view('<u8').reshape(part)
        )
    return values


def _chosen(
    widths: NDArray[np.int64], rows: NDArray[np.bool_] | None, count: int
) -> NDArray[np.bool_]:
    chosen = np.arange(64)[None, None, :] < widths[:, None, None]
    if rows is None:
        return np.broadcast_to(chosen, (len(widths), count, 64))
    return chosen & rows[:, :, None]


def ordered(bits: Wide, width: int) -> Wide:
    """
    Map floating-point words so that close values have close numbers.

    :param bits: words of ``width`` bytes
    :param width: 4 or 8
    :returns: numbers that rise with the values
    """
    sign = np.uint64(1 << (8 * width - 1))
    mask = np.uint64((1 << (8 * width)) - 1)
    return np.where(bits & sign, ~bits & mask, bits | sign)


def unordered(numbers: Wide, width: int) -> Wide:
    """
    Undo :func:`ordered`.

    :param numbers: as it gave them; bits above the word are left out
    :param width: 4 or 8
    :returns: words
    """
    sign = np.uint64(1 << (8 * width - 1))
    mask = np.uint64((1 << (8 * width)) - 1)
    numbers = numbers & mask
    return np.where(numbers & sign, numbers ^ sign, ~numbers & mask)


def fold(values: NDArray[np.int64]) -> Wide:
    """
    Fold signed numbers: 0, -1, 1, -2 become 0, 1, 2, 3.

    :param values: any
    :returns: as many
    """
    return ((values << 1) ^ (values >> 63)).view(np.uint64)


def unfold(numbers: Wide) -> NDArray[np.int64]:
    """
    Undo :func:`fold`.

    :param numbers: folded
    :returns: signed
    """
    return ((numbers >> np.uint64(1)) ^ -(numbers & np.uint64(1))).view(np.int64)
