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
Split samples into the streams of a layout program, and put them together again.

Samples that all have the same lengths and counts, as most topics' have, are cut as one matrix;
others one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
import struct

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.forms import Budget
from ros_cloud_bridge.wire.program import Op, Program, Step

HEADER = 4
_COUNTS = {True: struct.Struct('<I'), False: struct.Struct('>I')}
# Encapsulations from here on (XCDR2) align to 4 bytes at most.
_XCDR2 = 6


class Misfit(Exception):
    """Samples are not laid out as the program says."""


@dataclass(slots=True)
class Streams:
    """
    Samples in pieces.

    :param header: encapsulation header, the same in all samples
    :param counts: lengths and counts by the leaf that has them
    :param data: bytes by the leaf that has values
    :param padding: all bytes between values, as they stand
    :param tails: what stands behind each sample's last value
    """

    header: bytes
    counts: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)
    padding: bytes = b''
    tails: list[bytes] = field(default_factory=list)

    @property
    def little(self) -> bool:
        """Whether words are little-endian."""
        return bool(self.header[1] & 1)

    @property
    def alignment(self) -> int:
        """Most that a word is aligned to."""
        return 4 if self.header[1] >= _XCDR2 else 8


@dataclass(slots=True)
class Spans:
    """Where a sample's pieces are: positions of their first bytes and of those behind them."""

    values: list[list[tuple[int, int]]]
    counts: list[list[int]]
    counts_at: list[int] = field(default_factory=list)
    padding: list[tuple[int, int]] = field(default_factory=list)


def split(program: Program, samples: Sequence[bytes], budget: Budget) -> Streams:
    """
    Split samples.

    :param program: how they are laid out
    :param samples: at least one
    :param budget: what a decoder may still do
    :returns: their streams
    :raises Misfit: when they are laid out otherwise
    :raises ProtocolError: when they are too much work to decode
    """
    streams = Streams(samples[0][:HEADER])
    if len(streams.header) < HEADER:
        raise Misfit
    size = len(samples[0])
    walker = Walker(program, streams, budget)
    if len(samples) > 1 and all(len(sample) == size for sample in samples):
        matrix = np.frombuffer(b''.join(samples), np.uint8).reshape(len(samples), size)
        spans, end = walker.walk(samples[0])
        same = [position + index for position in spans.counts_at for index in range(4)]
        same += range(HEADER)
        kept = matrix[:, same]
        if (kept == kept[0]).all():
            _cut(program, matrix, spans, end, streams)
            return streams
    _cut_each(program, walker, samples, streams)
    return streams


def _cut(
    program: Program,
    matrix: NDArray[np.uint8],
    spans: Spans,
    end: int,
    streams: Streams,
) -> None:
    for leaf in range(program.leaves):
        if spans.counts[leaf]:
            streams.counts[leaf] = np.tile(np.array(spans.counts[leaf], np.int64), len(matrix))
        streams.data[leaf] = _columns(matrix, spans.values[leaf])
    streams.padding = _columns(matrix, spans.padding)
    if end < matrix.shape[1]:
        streams.tails = [row.tobytes() for row in matrix[:, end:]]


def _columns(matrix: NDArray[np.uint8], spans: Sequence[tuple[int, int]]) -> bytes:
    if not spans:
        return b''
    if len(spans) == 1:
        return matrix[:, spans[0][0] : spans[0][1]].tobytes()
    return np.concatenate([matrix[:, first:end] for first, end in spans], axis=1).tobytes()


def _cut_each(
    program: Program, walker: 'Walker', samples: Sequence[bytes], streams: Streams
) -> None:
    values: list[list[bytes]] = [[] for _ in range(program.leaves)]
    counts: list[list[int]] = [[] for _ in range(program.leaves)]
    padding = []
    tails = []
    for sample in samples:
        if sample[:HEADER] != streams.header:
            raise Misfit
        spans, end = walker.walk(sample)
        for leaf in range(program.leaves):
            counts[leaf] += spans.counts[leaf]
            values[leaf] += [sample[first:last] for first, last in spans.values[leaf]]
        padding += [sample[first:last] for first, last in spans.padding]
        tails.append(sample[end:])
    for leaf in range(program.leaves):
        if counts[leaf]:
            streams.counts[leaf] = np.array(counts[leaf], np.int64)
        streams.data[leaf] = b''.join(values[leaf])
    streams.padding = b''.join(padding)
    if any(tails):
        streams.tails = tails


class Walker:
    """Goes through samples by the program, and notes where their pieces are."""

    def __init__(self, program: Program, streams: Streams, budget: Budget) -> None:
        self._program = program
        self._count = _COUNTS[streams.little]
        self._alignment = streams.alignment
        self._budget = budget
        self._sample = b''
        self._spans = Spans([], [])

    def walk(self, sample: bytes) -> tuple[Spans, int]:
        """Give a sample's spans, and the position behind the last."""
        leaves = self._program.leaves
        self._sample = sample
        self._spans = Spans([[] for _ in range(leaves)], [[] for _ in range(leaves)])
        self._budget.steps(len(self._program.steps))
        end = self._steps(self._program.steps, HEADER)
        if end > len(sample):
            raise Misfit
        return self._spans, end

    def _steps(self, steps: Sequence[Step], position: int) -> int:
        values = self._spans.values
        for step in steps:
            op, leaf = step.op, step.leaf
            if op is Op.WORDS:
                first = self._aligned(position, step.width)
                position = first + step.count * step.width
                values[leaf].append((first, position))
            elif op is Op.TEXT:
                length, first = self._read_count(position, leaf)
                position = first + length
                values[leaf + 1].append((first, position))
            elif op is Op.STAMP:
                first = self._aligned(position, 4)
                position = first + 8
                values[leaf].append((first, position))
            elif op is Op.SEQUENCE:
                count, position = self._read_count(position, leaf)
                if count:
                    position = self._aligned(position, step.width)
                first = position
                position = first + count * step.width
                values[leaf + 1].append((first, position))
            else:
                position = self._repeat(step, position)
            if position > len(self._sample):
                raise Misfit
        return position

    def _repeat(self, step: Step, position: int) -> int:
        count = step.count
        if step.op is Op.LOOP:
            count, position = self._read_count(position, step.leaf)
            if count > len(self._sample):
                raise Misfit
        self._budget.steps(count * len(step.body))
        for _ in range(count):
            position = self._steps(step.body, position)
        return position

    def _aligned(self, position: int, width: int) -> int:
        """Give the position of a word of ``width`` bytes; what is left out is padding."""
        first = position + (HEADER - position) % min(width, self._alignment)
        if first > position:
            self._spans.padding.append((position, first))
        return first

    def _read_count(self, position: int, leaf: int) -> tuple[int, int]:
        """Give a length and the position behind it."""
        first = self._aligned(position, 4)
        if first + 4 > len(self._sample):
            raise Misfit
        (count,) = self._count.unpack_from(self._sample, first)
        self._spans.counts_at.append(first)
        self._spans.counts[leaf].append(count)
        return count, first + 4


def join(program: Program, streams: Streams, count: int, budget: Budget) -> list[bytes]:
    """
    Undo :func:`split`.

    :param program: how the samples are laid out
    :param streams: their pieces, as many as the program needs but for padding
    :param count: number of samples
    :param budget: what may still unfold; all values are taken from it already
    :returns: the samples
    :raises ProtocolError: when the pieces do not fit together
    """
    joiner = _Joiner(program, streams, budget)
    alike = _alike(program, streams, count)
    if alike is not None:
        return joiner.together(alike, count)
    return [joiner.sample() for _ in range(count)]


def _alike(program: Program, streams: Streams, count: int) -> dict[int, list[int]] | None:
    """Give each leaf's counts in one sample if they are the same in all."""
    if count == 1 or (streams.tails and len({len(tail) for tail in streams.tails}) > 1):
        return None
    alike = {}
    for leaf, counts in streams.counts.items():
        if len(counts) % count:
            return None
        rows = counts.reshape(count, -1)
        if rows.shape[1] and (rows != rows[0]).any():
            return None
        alike[leaf] = rows[0].tolist()
    return alike


class _Joiner:
    """Lays out one sample after the other."""

    def __init__(self, program: Program, streams: Streams, budget: Budget) -> None:
        self._program = program
        self._budget = budget
        self._streams = streams
        self._count = _COUNTS[streams.little]
        self._alignment = streams.alignment
        self._counts = {leaf: iter(counts.tolist()) for leaf, counts in streams.counts.items()}
        self._used = [0] * program.leaves
        self._used_padding = 0
        self._tails = iter(streams.tails)
        # What the sample at hand has, piece by piece: from which leaf (None: padding; -1: a count
        # or the header, whose bytes stand beside it), and how many bytes.
        self._pieces: list[tuple[int | None, int, bytes]] = []

    def sample(self) -> bytes:
        """Put the next sample together."""
        size = self._lay_out()
        tail = next(self._tails, b'')
        self._budget.samples(size + len(tail))
        parts = []
        for leaf, length, data in self._pieces:
            if leaf is None:
                parts.append(self._padding(length))
            elif leaf < 0:
                parts.append(data)
            else:
                first = self._used[leaf]
                self._used[leaf] = first + length
                parts.append(self._streams.data[leaf][first : first + length])
        sample = b''.join([*parts, tail])
        if len(sample) != size + len(tail):
            raise ProtocolError('samples need more bytes than their columns have')
        return sample

    def together(self, alike: dict[int, list[int]], count: int) -> list[bytes]:
        """Put samples together whose pieces have the same places in all of them."""
        self._counts = {leaf: iter(counts) for leaf, counts in alike.items()}
        size = self._lay_out()
        tails = self._streams.tails
        whole = size + (len(tails[0]) if tails else 0)
        self._budget.samples(whole * count)
        matrix = np.empty((count, whole), dtype=np.uint8)
        sizes = [0] * self._program.leaves
        pads = 0
        for leaf, length, _ in self._pieces:
            if leaf is None:
                pads += length
            elif leaf >= 0:
                sizes[leaf] += length
        sources = [
            self._source(self._streams.data[leaf], count, sizes[leaf]) if sizes[leaf] else None
            for leaf in range(self._program.leaves)
        ]
        stored = self._streams.padding
        padding = self._source(stored, count, pads) if stored and pads else None
        used = [0] * self._program.leaves
        position = used_padding = 0
        for leaf, length, data in self._pieces:
            place = matrix[:, position : position + length]
            position += length
            if leaf is None:
                part = slice(used_padding, used_padding + length)
                used_padding += length
                place[:] = 0 if padding is None else padding[:, part]
            elif leaf < 0:
                place[:] = np.frombuffer(data, np.uint8)
            else:
                source = sources[leaf]
                if source is not None:
                    place[:] = source[:, used[leaf] : used[leaf] + length]
                used[leaf] += length
        if tails:
            matrix[:, size:] = self._source(b''.join(tails), count, whole - size)
        joined = matrix.tobytes()
        bounds = accumulate([whole] * count, initial=0)
        return [joined[first:end] for first, end in pairwise(bounds)]

    def _source(self, data: bytes, count: int, size: int) -> NDArray[np.uint8]:
        if len(data) != count * size:
            raise ProtocolError('samples need another number of bytes than their columns have')
        return np.frombuffer(data, np.uint8).reshape(count, size)

    def _padding(self, length: int) -> bytes:
        stored = self._streams.padding
        if not stored:
            return bytes(length)
        first = self._used_padding
        self._used_padding = first + length
        return stored[first : first + length]

    def _lay_out(self) -> int:
        self._pieces = [(-1, HEADER, self._streams.header)]
        self._budget.steps(len(self._program.steps))
        return self._steps(self._program.steps, HEADER)

    def _steps(self, steps: Sequence[Step], position: int) -> int:
        pieces = self._pieces
        for step in steps:
            op, leaf = step.op, step.leaf
            length = step.count * step.width
            if op is Op.WORDS or op is Op.STAMP:
                position = self._align(position, step.width if op is Op.WORDS else 4)
                length = length if op is Op.WORDS else 8
            elif op is Op.TEXT or op is Op.SEQUENCE:
                number, position = self._write_count(position, leaf)
                leaf += 1
                length = number * step.width
                if number and op is Op.SEQUENCE:
                    position = self._align(position, step.width)
            else:
                number = step.count
                if op is Op.LOOP:
                    number, position = self._write_count(position, leaf)
                self._budget.steps(number * len(step.body))
                for _ in range(number):
                    position = self._steps(step.body, position)
                continue
            pieces.append((leaf, length, b''))
            position += length
        return position

    def _align(self, position: int, width: int) -> int:
        gap = (HEADER - position) % min(width, self._alignment)
        if gap:
            self._pieces.append((None, gap, b''))
        return position + gap

    def _write_count(self, position: int, leaf: int) -> tuple[int, int]:
        position = self._align(position, 4)
        number = next(self._counts[leaf], None)
        if number is None:
            raise ProtocolError('samples have more loops than their columns')
        self._pieces.append((-1, 4, self._count.pack(number)))
        return number, position + 4
