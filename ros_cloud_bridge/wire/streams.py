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
Blocks of layout ``STREAMS``: a layout program, times, and the streams that it splits samples into.

For samples whose lengths and counts differ. docs/protocol.md has the format.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.column_form import Habits, pack_forms
from ros_cloud_bridge.wire.forms import Budget, COLUMN_STEPS, LEAF_STEPS, Reader, Words, Writer
from ros_cloud_bridge.wire.joining import join
from ros_cloud_bridge.wire.numbers import encode_table
from ros_cloud_bridge.wire.program import Op, parse_program, Program, Step, WIDE, word_kind
from ros_cloud_bridge.wire.route_layout import RouteLayout
from ros_cloud_bridge.wire.splitting import HEADER, Misfit, split, Streams
from ros_cloud_bridge.wire.tables import decode_table, read_numbers
from ros_cloud_bridge.wire.times import Integers, read_time_heads, time_forms, Times, times_of
from ros_cloud_bridge.wire.varint import write_varint

_PADDING = 1
_TAILS = 2
_NS = 1_000_000_000


def encode_streams(
    layout: RouteLayout,
    samples: Sequence[bytes],
    times: Times,
    budget: Budget,
) -> tuple[bytes, bytes]:
    """
    Write a block.

    :param layout: of the route
    :param samples: their CDR, at least one
    :param times: of the section
    :param budget: what a decoder may still do
    :returns: the block, and packed numbers
    :raises Misfit: when the samples are not laid out as the program says
    :raises ProtocolError: when they are too much work to decode
    """
    budget.steps(len(layout.program.code))
    streams = split(layout.program, samples, budget)
    out = Writer()
    padded = any(streams.padding)
    out.plain.append((_PADDING if padded else 0) | (_TAILS if streams.tails else 0))
    out.plain += write_varint(len(layout.program.code)) + layout.program.code + streams.header
    heads, chosen = time_forms(times)
    out.plain += heads
    out.bits += pack_forms(chosen, len(samples))
    _Encoder(layout, streams, out, times.source_ns, budget).write(
        layout.program.steps, len(samples), True
    )
    if streams.tails:
        out.plain += b''.join(
            part for tail in streams.tails for part in (write_varint(len(tail)), tail)
        )
    if padded:
        out.plain += streams.padding
    return bytes(out.plain), bytes(out.bits)


class _Encoder:
    """Writes the leaves of one section."""

    def __init__(
        self,
        layout: RouteLayout,
        streams: Streams,
        out: Writer,
        source_ns: Integers,
        budget: Budget,
    ) -> None:
        self._budget = budget
        self._layout = layout
        self._streams = streams
        self._out = out
        self._source_ns = source_ns

    def write(self, steps: Sequence[Step], rows: int, outermost: bool) -> None:
        """Write operations that are met ``rows`` times in all."""
        self._budget.steps(len(steps) * LEAF_STEPS)
        for step in steps:
            if step.op is Op.WORDS:
                words = self._words(step.leaf, step.width)
                self._table(step.leaf, words, (rows, step.count), word_kind(step.word))
            elif step.op is Op.STAMP:
                self._stamps(step, outermost)
            elif step.op is Op.ARRAY:
                self.write(step.body, rows * step.count, False)
            else:
                counts = self._streams.counts.get(step.leaf, _NO_INTEGERS)
                self._counts(step.leaf, counts, rows)
                if step.op is Op.LOOP:
                    if total := int(counts.sum()):
                        self.write(step.body, total, False)
                elif step.op is Op.TEXT:
                    self._text(self._streams.data[step.leaf + 1], counts)
                else:
                    words = self._words(step.leaf + 1, step.width)
                    shape = _sequence_shape(counts)
                    self._table(step.leaf + 1, words, shape, word_kind(step.word))

    def _words(self, leaf: int, width: int) -> Words:
        order = '<' if self._streams.little else '>'
        words = np.frombuffer(self._streams.data[leaf], f'{order}u{width}')
        return words.astype(f'u{width}', copy=False)

    def _table(self, leaf: int, words: Words, shape: tuple[int, int], kind: str) -> None:
        if not len(words):
            return
        lag = 0
        if shape[1] > WIDE or shape[1] == 0:
            shape, lag = (len(words), 1), shape[1]
        habits = self._layout.of(leaf)
        self._write_table(words.reshape(shape), kind, habits, lag=lag)

    def _write_table(
        self,
        words: Words,
        kind: str,
        habits: Habits,
        lag: int = 0,
        clock: Integers | None = None,
    ) -> None:
        varying = encode_table(words, kind, habits, self._out, lag=lag, clock=clock)
        self._budget.steps(varying * COLUMN_STEPS)

    def _counts(self, leaf: int, counts: Integers, rows: int) -> None:
        assert len(counts) == rows
        if (counts == counts[0]).all():
            self._out.plain += write_varint(int(counts[0]) + 1)
            return
        self._out.plain.append(0)
        words = counts.astype(np.uint32).reshape(-1, 1)
        self._write_table(words, 'u', self._layout.of(leaf))

    def _text(self, data: bytes, counts: Integers) -> None:
        length = int(counts[0])
        repeated = (counts == length).all() and data == data[:length] * len(counts)
        self._out.plain.append(int(repeated))
        self._out.plain += data[:length] if repeated else data

    def _stamps(self, step: Step, outermost: bool) -> None:
        words = self._words(step.leaf, 4).reshape(-1, 2)
        if (words[:, 1] >= _NS).any():
            raise Misfit
        seconds = words[:, 0].view(np.int32).astype(np.int64)
        times = (seconds * _NS + words[:, 1].astype(np.int64)).view(np.uint64).reshape(-1, 1)
        clock = self._source_ns if outermost else None
        self._write_table(times, 'i', self._layout.of(step.leaf), clock=clock)


_NO_INTEGERS = np.zeros(0, dtype=np.int64)


def _sequence_shape(counts: Integers) -> tuple[int, int]:
    """Say as what table a sequence's words stand: 0 columns if they differ in number."""
    first = int(counts[0])
    return (len(counts), first) if (counts == first).all() else (0, 0)


@dataclass(frozen=True, slots=True)
class Pieces:
    """
    A section's columns, decoded and not put together.

    :param program: how the samples are laid out
    :param streams: what else is needed to put them together
    :param words: by leaf, values of the program's words, stamps (in nanoseconds) and sequences
    :param times: sequence numbers and times
    """

    program: Program
    streams: Streams
    words: dict[int, Words]
    times: Times

    def join(self, budget: Budget) -> list[bytes]:
        """
        Put the samples together.

        :param budget: what the batch may still unfold to
        :returns: their CDR
        :raises ProtocolError: when the pieces do not fit together
        """
        streams = self.streams
        order = '<' if streams.little else '>'
        for step in self.program.walk():
            words = self.words.get(step.leaf + (step.op is Op.SEQUENCE))
            if words is None or step.op in (Op.TEXT, Op.LOOP, Op.ARRAY):
                continue
            if step.op is Op.STAMP:
                seconds, rest = np.divmod(words.reshape(-1).view(np.int64), _NS)
                if (seconds != seconds.astype(np.int32)).any():
                    raise ProtocolError('a stamp is out of range')
                stamps = np.stack([seconds, rest], axis=1).astype(np.int32)
                streams.data[step.leaf] = stamps.astype(f'{order}i4').tobytes()
                continue
            leaf = step.leaf + (step.op is Op.SEQUENCE)
            streams.data[leaf] = words.astype(f'{order}u{words.dtype.itemsize}').tobytes()
        return join(self.program, streams, len(self.times.latency_us), budget)


def decode_streams(reader: Reader, count: int, first: tuple[int, int], budget: Budget) -> Pieces:
    """
    Read a block.

    :param reader: at its beginning
    :param count: number of samples
    :param first: sequence number and source time of the first sample
    :param budget: what may still unfold
    :returns: its columns
    :raises ProtocolError: when it is malformed
    """
    flags = reader.byte()
    if flags & ~(_PADDING | _TAILS):
        raise ProtocolError(f'no such block: {flags}')
    code = bytes(reader.take(reader.varint()))
    budget.steps(len(code))
    program = parse_program(code)
    streams = Streams(bytes(reader.take(HEADER)))
    time_heads = read_time_heads(reader, count)
    numbers = read_numbers(reader, [head for head, _ in time_heads], count)
    times = times_of(time_heads, numbers, count, first)
    decoder = _Decoder(reader, streams, times.source_ns, budget)
    decoder.read(program.steps, count, True)
    if flags & _TAILS:
        streams.tails = [bytes(reader.take(reader.varint())) for _ in range(count)]
    if flags & _PADDING:
        streams.padding = bytes(reader.take(reader.left))
    if reader.left:
        raise ProtocolError('a block is longer than its columns')
    return Pieces(program, streams, decoder.words, times)


class _Decoder:
    """Reads the leaves of one section."""

    def __init__(self, reader: Reader, streams: Streams, clock: Integers, budget: Budget) -> None:
        self._reader = reader
        self._streams = streams
        self._clock = clock
        self._budget = budget
        self.words: dict[int, Words] = {}

    def read(self, steps: Sequence[Step], rows: int, outermost: bool) -> None:
        """Read operations that are met ``rows`` times in all."""
        self._budget.steps(len(steps) * LEAF_STEPS)
        for step in steps:
            self._streams.data[step.leaf] = b''
            if step.op is Op.WORDS:
                self._table(step.leaf, (rows, step.count), step)
            elif step.op is Op.STAMP:
                self._reserve(rows, 8)
                clock = self._clock if outermost else None
                self.words[step.leaf] = self._read_table(rows, 1, 8, 'i', clock=clock)
            elif step.op is Op.ARRAY:
                self.read(step.body, rows * step.count, False)
            else:
                counts = self._counts(rows)
                self._streams.counts[step.leaf] = counts
                self._counted(step, counts)

    def _counted(self, step: Step, counts: Integers) -> None:
        total = int(counts.sum())
        if step.op is Op.LOOP:
            if total:
                self.read(step.body, total, False)
            else:
                self._leave_out(step.body)
            return
        self._streams.data[step.leaf + 1] = b''
        if step.op is Op.TEXT:
            self._reserve(total, 1)
            if self._reader.byte():
                data = bytes(self._reader.take(int(counts[0]))) * len(counts)
                if len(data) != total:
                    raise ProtocolError('a repeated text has one length')
            else:
                data = bytes(self._reader.take(total))
            self._streams.data[step.leaf + 1] = data
        elif total:
            shape = _sequence_shape(counts)
            self._table(step.leaf + 1, shape if shape[1] else (total, 0), step)

    def _leave_out(self, steps: Sequence[Step]) -> None:
        """Note that operations are never met."""
        for step in steps:
            self._streams.data[step.leaf] = b''
            if step.op in (Op.TEXT, Op.SEQUENCE):
                self._streams.data[step.leaf + 1] = b''
            if step.op in (Op.TEXT, Op.SEQUENCE, Op.LOOP):
                self._streams.counts[step.leaf] = _NO_INTEGERS
            self._leave_out(step.body)

    def _table(self, leaf: int, shape: tuple[int, int], step: Step) -> None:
        rows, columns = shape
        total = rows * max(1, columns)
        self._reserve(total, step.width)
        lag = 0
        if columns > WIDE or columns == 0:
            rows, columns, lag = total, 1, columns
        kind = word_kind(step.word)
        self.words[leaf] = self._read_table(rows, columns, step.width, kind, lag=lag)

    def _read_table(
        self,
        rows: int,
        columns: int,
        width: int,
        kind: str,
        lag: int = 0,
        clock: Integers | None = None,
    ) -> Words:
        return decode_table(
            self._reader, rows, columns, width, kind, self._budget, lag=lag, clock=clock
        )

    def _counts(self, rows: int) -> Integers:
        self._reserve(rows, 4)
        first = self._reader.varint()
        if first:
            if first > 1 << 32:
                raise ProtocolError('a count has 32 bits')
            # Whatever is counted takes a byte each at least.
            self._budget.foresee(rows * (first - 1))
            return np.full(rows, first - 1, dtype=np.int64)
        return self._read_table(rows, 1, 4, 'u')[:, 0].astype(np.int64)

    def _reserve(self, count: int, width: int) -> None:
        self._budget.values(count * width)
