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

"""Samples of one route as numpy columns by field name, without making messages of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.forms import Budget
from ros_cloud_bridge.wire.matrices import Matrix
from ros_cloud_bridge.wire.open_blocks import OpenBlock
from ros_cloud_bridge.wire.places import leaf_types, STAMP
from ros_cloud_bridge.wire.program import Op, parse_program, Program, Step, WIDE
from ros_cloud_bridge.wire.splitting import Misfit, split, Streams
from ros_cloud_bridge.wire.streams import Pieces

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Ragged:
    """A field that has another number of values in each sample, one sample after the other."""

    values: NDArray[np.generic]
    lengths: NDArray[np.int64]


Column = NDArray[np.generic] | Ragged


@dataclass(frozen=True, slots=True)
class TypeLayout:
    """
    Where a type's fields are.

    :param program: its layout
    :param names: of its fields, in the order of the program
    """

    program: Program
    names: tuple[str, ...]

    @classmethod
    def of(cls, code: bytes, names: list[str]) -> 'TypeLayout':
        """
        Make it of what :meth:`~ros_cloud_bridge.wire.program.Definition.program` gives.

        :param code: a program
        :param names: of its fields
        :returns: the layout
        """
        return cls(parse_program(code), tuple(names))

    def by_leaf(self) -> dict[int, tuple[Step, tuple[str, ...]]]:
        """
        Give the fields of each leaf that has values.

        :returns: operation and names by leaf
        """
        found = {}
        names = iter(self.names)
        for step in self.program.walk():
            if step.op in (Op.LOOP, Op.ARRAY):
                continue
            count = step.count if step.op is Op.WORDS and step.count <= WIDE else 1
            leaf = step.leaf + (step.op in (Op.TEXT, Op.SEQUENCE))
            found[leaf] = (step, tuple(next(names) for _ in range(count)))
        return found


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """
    Samples of one route.

    ``table['linear_acceleration.x']`` is a field's column: one value per sample, or one row where
    a sample has several; numbers have their type, stamps are nanoseconds (int64), texts ``str``.
    A field that has another number of values in each sample is a :class:`Ragged`.
    """

    robot_id: str
    boot_id: str
    route: int
    stream: str
    topic: str
    type_name: str
    historical: bool
    sent_time_ns: int
    sequences: NDArray[np.int64]
    source_time_ns: NDArray[np.int64]
    receive_time_ns: NDArray[np.int64]
    block: OpenBlock
    layout: TypeLayout

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    @cached_property
    def columns(self) -> dict[str, Column]:
        """All fields by name, as in ``pose.pose.position.x``."""
        block = self.block
        same = getattr(block, 'program', None) == self.layout.program
        if isinstance(block, Matrix) and same and _flat(self.layout.program):
            return dict(_matrix_columns(block, self.layout))
        if isinstance(block, Pieces) and same:
            words = dict(block.words)
            return dict(_stream_columns(block.streams, words, self.layout, len(self)))
        try:
            streams = split(self.layout.program, block.join(Budget()), Budget())
        except Misfit:
            raise ProtocolError(f'{self.type_name}: bytes do not fit the schema') from None
        return dict(_stream_columns(streams, {}, self.layout, len(self)))


def _flat(program: Program) -> bool:
    """Say whether texts and sequences stand outside of loops alone."""
    inner = [step for outer in program.walk() for step in outer.body]
    return all(step.op in (Op.WORDS, Op.STAMP) for step in inner)


def _matrix_columns(block: Matrix, layout: TypeLayout) -> Iterator[tuple[str, Column]]:
    places = block.places
    parts: dict[int, list[int]] = {}
    for part, leaf in enumerate(places.leaves):
        parts.setdefault(leaf, []).append(part)
    count = len(block.times.latency_us)
    for leaf, (step, names) in layout.by_leaf().items():
        own = parts.get(leaf, [])
        if step.op is Op.TEXT:
            yield names[0], _matrix_texts(block, own, count)
        elif step.op is Op.WORDS:
            for index, name in enumerate(names):
                yield name, _joined(block, own[index :: len(names)], count, False)
        else:
            yield names[0], _joined(block, own, count, step.op is Op.SEQUENCE)


def _joined(block: Matrix, parts: list[int], count: int, listed: bool) -> Column:
    columns = [_part(block, part, count) for part in parts]
    if len(columns) == 1 and (columns[0].shape[1] > 1 or not listed):
        return columns[0] if columns[0].shape[1] > 1 else columns[0][:, 0]
    if not columns:
        return np.zeros((count, 0))
    return np.concatenate(columns, axis=1)


def _part(block: Matrix, part: int, count: int) -> NDArray[np.generic]:
    places = block.places
    kind, width, length = places.kinds[part], places.widths[part], places.lengths[part]
    varying = block.columns.get(part)
    if varying is not None:
        # What varies is little-endian, and a stamp is nanoseconds already.
        return varying.view('<i8' if kind == STAMP else f'<{kind}{width}')
    start = places.positions[part]
    data = block.template[start : start + width * length]
    order = '<' if block.template[1] & 1 else '>'
    if kind == STAMP:
        stamp = raw_words(data, order, 8, kind).view(np.int64)
        return np.full((count, 1), stamp[0])
    words = np.frombuffer(data, f'{order}{kind}{width}').astype(f'<{kind}{width}')
    if length == 1:
        return np.full((count, 1), words[0])
    return np.broadcast_to(words, (count, length))


def _matrix_texts(block: Matrix, parts: list[int], count: int) -> Column:
    if not parts:
        return np.full(count, '')
    if not any(part in block.columns for part in parts):
        first, last = parts[0], parts[-1]
        end = block.places.positions[last] + block.places.lengths[last]
        return np.full(count, _text(block.template[block.places.positions[first] : end]))
    rows = np.concatenate([_part(block, part, count) for part in parts], axis=1)
    return np.array([_text(row.astype(np.uint8).tobytes()) for row in rows])


def _text(data: bytes) -> str:
    return data.removesuffix(b'\0').decode(errors='replace')


def _stream_columns(
    streams: Streams,
    words: dict[int, NDArray[np.unsignedinteger[Any]]],
    layout: TypeLayout,
    count: int,
) -> Iterator[tuple[str, Column]]:
    types = leaf_types(layout.program)
    fields = layout.by_leaf()
    order = '<' if streams.little else '>'

    def go(steps: tuple[Step, ...], met: NDArray[np.int64]) -> Iterator[tuple[str, Column]]:
        # ``met`` is how often each sample meets these operations.
        for step in steps:
            if step.op is Op.ARRAY:
                yield from go(step.body, met * step.count)
                continue
            if step.op is Op.LOOP:
                yield from go(step.body, _per_sample(streams.counts.get(step.leaf), met))
                continue
            leaf = step.leaf + (step.op in (Op.TEXT, Op.SEQUENCE))
            names = fields[leaf][1]
            if step.op is Op.TEXT:
                yield names[0], _shaped(_texts(streams, step.leaf), met)
                continue
            width, kind = types[leaf]
            values = words.get(leaf)
            if values is None:
                values = raw_words(streams.data.get(leaf, b''), order, width, kind)
            typed = values.reshape(-1).view('<i8' if kind == STAMP else f'<{kind}{width}')
            if step.op is Op.SEQUENCE:
                yield names[0], _shaped(typed, _per_sample(streams.counts.get(step.leaf), met), 2)
            elif step.op is Op.WORDS and step.count > WIDE:
                yield names[0], _shaped(typed, met * step.count, 2)
            else:
                for index, name in enumerate(names):
                    yield name, _shaped(typed[index :: len(names)], met)

    return go(layout.program.steps, np.ones(count, dtype=np.int64))


def raw_words(data: bytes, order: str, width: int, kind: str) -> NDArray[np.unsignedinteger[Any]]:
    """
    Read words as they stand in a message.

    :param data: one word behind the other
    :param order: ``<`` or ``>``
    :param width: bytes of a word
    :param kind: ``u``, ``i``, ``f``, or that of stamps, which become nanoseconds
    :returns: little-endian words, to be viewed as what they are
    """
    if kind != STAMP:
        words: NDArray[np.unsignedinteger[Any]] = np.frombuffer(data, f'{order}u{width}').astype(
            f'<u{width}'
        )
        return words
    pairs = np.frombuffer(data, f'{order}u4').astype('<u4').reshape(-1, 2)
    seconds = pairs[:, 0].view(np.int32).astype(np.int64)
    stamps: NDArray[np.int64] = seconds * _NS + pairs[:, 1]
    return stamps.view(np.uint64)


def _per_sample(counts: NDArray[np.int64] | None, met: NDArray[np.int64]) -> NDArray[np.int64]:
    if counts is None:
        return np.zeros_like(met)
    sums = np.concatenate([[0], np.cumsum(counts)])
    ends = np.cumsum(met)
    total: NDArray[np.int64] = sums[ends] - sums[ends - met]
    return total


def _texts(streams: Streams, leaf: int) -> NDArray[np.generic]:
    data = streams.data.get(leaf + 1, b'')
    ends = np.cumsum(streams.counts.get(leaf, np.zeros(0, np.int64))).tolist()
    return np.array(
        [_text(data[first:end]) for first, end in zip([0, *ends[:-1]], ends, strict=True)],
        dtype=np.str_,
    )


def _shaped(values: NDArray[np.generic], lengths: NDArray[np.int64], least: int = 1) -> Column:
    """Make one row per sample where all have as many values."""
    if (lengths != lengths[0]).any():
        return Ragged(values, lengths)
    if lengths[0] == 1 and least == 1:
        return values
    return values.reshape(len(lengths), int(lengths[0]))
