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

"""Put samples together of the streams of a layout program: all at once where they are alike."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.forms import Budget
from ros_cloud_bridge.wire.program import Op, Program, Step
from ros_cloud_bridge.wire.splitting import COUNTS, HEADER, Streams


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
        self._count = COUNTS[streams.little]
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
