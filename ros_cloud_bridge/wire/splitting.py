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
Split samples into the streams of a layout program.

Samples that all have the same lengths and counts, as most topics' have, are cut as one matrix;
others one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
import struct

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.wire.forms import Budget
from ros_cloud_bridge.wire.program import Op, Program, Step

HEADER = 4
COUNTS = {True: struct.Struct('<I'), False: struct.Struct('>I')}
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
    chosen: NDArray[np.uint8] = np.concatenate([matrix[:, a:b] for a, b in spans], axis=1)
    return chosen.tobytes()


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
        self._count = COUNTS[streams.little]
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
