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
Serialized messages of one type as Arrow arrays, without making messages of them.

A field is a column by its dotted name. Within sequences of messages, as ``transforms[]``, each
field is a column of lists; fixed arrays are lists of fixed size, ``uint8[]`` is binary, times are
timestamps in UTC.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pyarrow as pa

from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.cloud.table import raw_words
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.grids import MissingKeyframe
from ros_cloud_bridge.wire.forms import Budget
from ros_cloud_bridge.wire.places import leaf_types, STAMP
from ros_cloud_bridge.wire.program import Definition, Op, parse_program, Step, WIDE
from ros_cloud_bridge.wire.splitting import Misfit, split, Streams

_ELEMENT = re.compile(r'(.*)\[\d+\]')
_DURATION = 'builtin_interfaces/Duration'
_UNLIMITED = 1 << 62
_TIME = pa.timestamp('ns', 'UTC')
_HEADER = 4
# When a message was received and published, and its number; no field of a message begins with _.
OWN_FIELDS = (('_log_time', _TIME), ('_publish_time', _TIME), ('_sequence', pa.uint32()))

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its name and its array."""

    name: str
    array: Any


class TypeColumns:
    """
    Makes columns of a type's messages.

    :param definition: ``ros2msg`` text
    :param type_name: as in ``sensor_msgs/msg/Imu``
    :param wanted: says which columns, by their names
    :raises ProtocolError: when the definition cannot be used
    """

    def __init__(
        self, definition: str, type_name: str, wanted: Callable[[str], bool] = lambda name: True
    ) -> None:
        try:
            described = Definition(definition, type_name)
            code, self._names = described.program()
            self._types = described.types()
            self._program = parse_program(code)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f'definition of {type_name[:80]}: {error}') from error
        self._leaf_types = leaf_types(self._program)
        self._wanted = wanted
        empty = Streams(b'\0\1\0\0')
        fields = [(field.name, field.array.type) for field in self._fields(empty, 0)]
        self.schema: Any = pa.schema([*OWN_FIELDS, *fields])

    def rows(self, messages: Sequence[bytes], own: Sequence[tuple[int, int, int]]) -> Any:
        """
        Make rows.

        :param messages: serialized, at least one, with the same encapsulation header
        :param own: of each what stands in ``OWN_FIELDS``, times in nanoseconds
        :returns: a record batch of ``schema``
        :raises ProtocolError: when one does not fit the definition
        """
        columns = self._columns(messages)
        log, publish, sequence = zip(*own, strict=True)
        times = [pa.array(map(_time, at), pa.int64()).view(_TIME) for at in (log, publish)]
        numbers = pa.array(sequence, pa.uint32())
        return pa.record_batch([*times, numbers, *columns], schema=self.schema)

    def _columns(self, messages: Sequence[bytes]) -> list[Any]:
        try:
            streams = split(self._program, messages, Budget(_UNLIMITED, _UNLIMITED))
        except Misfit:
            raise ProtocolError('bytes do not fit the schema') from None
        return [field.array for field in self._fields(streams, len(messages))]

    def _fields(self, streams: Streams, count: int) -> list[Field]:
        fields = self._walk(self._program.steps, iter(self._names), streams, count)
        return [field for field in fields if self._wanted(field.name)]

    def _walk(
        self, steps: Sequence[Step], names: Iterator[str], streams: Streams, met: int
    ) -> Iterator[Field]:
        """Give the fields of operations that are met so often in all, one entry for each time."""
        for step in steps:
            if step.op is Op.ARRAY:
                for field in self._walk(step.body, names, streams, met * step.count):
                    yield Field(field.name, _fixed(field.array, step.count))
            elif step.op is Op.LOOP:
                counts = streams.counts.get(step.leaf, np.zeros(met, np.int64))
                for field in self._walk(step.body, names, streams, int(counts.sum())):
                    yield Field(field.name, _lists(field.array, counts))
            elif step.op is Op.WORDS and step.count <= WIDE:
                own = [next(names) for _ in range(step.count)]
                yield from self._words(step, own, streams, met)
            else:
                name = next(names)
                yield Field(_plain(name), self._single(step, name, streams, met))

    def _words(self, step: Step, names: list[str], streams: Streams, met: int) -> Iterator[Field]:
        matrix = self._values(step.leaf, streams).reshape(met, step.count)
        first = 0
        while first < len(names):
            name = names[first]
            element = _ELEMENT.fullmatch(name)
            if element is None:
                yield Field(_plain(name), self._typed(matrix[:, first], name))
                first += 1
                continue
            end = first + 1
            while end < len(names) and names[end] == f'{element[1]}[{end - first}]':
                end += 1
            values = self._typed(matrix[:, first:end].reshape(-1), name)
            yield Field(_plain(element[1]), _fixed(values, end - first))
            first = end

    def _single(self, step: Step, name: str, streams: Streams, met: int) -> Any:
        if step.op is Op.TEXT:
            counts = streams.counts.get(step.leaf, np.zeros(met, np.int64))
            return _texts(streams.data.get(step.leaf + 1, b''), counts)
        if step.op is Op.SEQUENCE:
            counts = streams.counts.get(step.leaf, np.zeros(met, np.int64))
            values = self._values(step.leaf + 1, streams)
            if self._types[name] == 'wstring':
                return _wide_texts(values, counts)
            if values.dtype == np.uint8 and self._types[name] != 'bool':
                return _binary(values, counts)
            return _lists(self._typed(values, name), counts)
        values = self._values(step.leaf, streams)
        if step.op is Op.STAMP:
            kind = pa.duration('ns') if self._is_duration(name) else pa.timestamp('ns', 'UTC')
            return pa.array(values, pa.int64()).view(kind)
        return _fixed(self._typed(values, name), step.count)

    def _is_duration(self, name: str) -> bool:
        return self._types[name].replace('/msg/', '/').endswith(_DURATION.partition('/')[2])

    def _values(self, leaf: int, streams: Streams) -> NDArray[Any]:
        width, kind = self._leaf_types[leaf]
        order = '<' if streams.little else '>'
        words = raw_words(streams.data.get(leaf, b''), order, width, kind).reshape(-1)
        values: NDArray[Any] = words.view('<i8' if kind == STAMP else f'<{kind}{width}')
        return values

    def _typed(self, values: NDArray[Any], name: str) -> Any:
        if self._types[name] == 'bool':
            return pa.array(values != 0)
        return pa.array(np.ascontiguousarray(values))


def arrow_table(samples: Iterable[Sample]) -> Any:
    """
    Make a table of samples, as ``export`` makes it of a recording.

    A grid's differences from a full one that came before the first of these are left out.

    :param samples: at least one, all of one type, as those of a topic; in their order
    :returns: ``pyarrow.Table`` of fields by their dotted names, beside ``_log_time`` (when the
        bridge received it), ``_publish_time`` and ``_sequence``
    :raises ValueError: when there is none, or two types
    :raises UnknownForm: when one is in a form that nothing here knows
    :raises UnknownSchema: while the type's definition has not arrived
    :raises ProtocolError: when the bytes do not fit the definition
    """
    taken = list(samples)
    types = sorted({(sample.type_name, sample.schema_id) for sample in taken})
    if len(types) != 1:
        named = ', '.join(sorted({name for name, _ in types})) or 'none'
        raise ValueError(f'samples of one type are wanted, and these are of: {named}')
    columns = TypeColumns(taken[0].schema().definition, taken[0].type_name)
    batches = []
    for _, same in groupby(_restored(taken), lambda pair: pair[0][:_HEADER]):
        messages, whose = zip(*same, strict=True)
        own = [(one.receive_time_ns, one.source_time_ns, one.sequence) for one in whose]
        batches.append(columns.rows(messages, own))
    return pa.Table.from_batches(batches, columns.schema)


def _restored(samples: Iterable[Sample]) -> Iterator[tuple[bytes, Sample]]:
    for sample in samples:
        with suppress(MissingKeyframe):
            yield sample.plain(), sample


def _time(nanoseconds: int) -> int:
    return min(nanoseconds, (1 << 63) - 1)


def _plain(name: str) -> str:
    return name.replace('[]', '')


def _offsets(counts: Counts) -> NDArray[np.int32]:
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _lists(values: Any, counts: Counts) -> Any:
    return pa.ListArray.from_arrays(pa.array(_offsets(counts)), values)


def _fixed(values: Any, size: int) -> Any:
    return pa.FixedSizeListArray.from_arrays(values, size)


def _binary(values: NDArray[np.uint8], counts: Counts) -> Any:
    buffers = [None, pa.py_buffer(_offsets(counts)), pa.py_buffer(values.tobytes())]
    return pa.Array.from_buffers(pa.binary(), len(counts), buffers)


def _texts(data: bytes, lengths: Counts) -> Any:
    """Make strings of texts that end in a zero byte each, as CDR has them."""
    ends = np.cumsum(lengths)
    some = lengths > 0
    raw = np.frombuffer(data, np.uint8)
    last = ends[some] - 1
    zeros = raw[last] == 0
    kept = np.ones(len(raw), bool)
    kept[last[zeros]] = False
    trimmed = lengths.copy()
    trimmed[some] -= zeros
    texts = raw[kept].tobytes()
    try:
        texts.decode()
    except UnicodeDecodeError:
        bounds = np.concatenate([[0], ends]).tolist()
        pairs = zip(bounds[:-1], bounds[1:], strict=True)
        return pa.array(
            [data[a:b].removesuffix(b'\0').decode(errors='replace') for a, b in pairs], pa.string()
        )
    buffers = [None, pa.py_buffer(_offsets(trimmed)), pa.py_buffer(texts)]
    made = pa.Array.from_buffers(pa.string(), len(lengths), buffers)
    made.validate(full=True)
    return made


def _wide_texts(values: NDArray[Any], counts: Counts) -> Any:
    ends = np.cumsum(counts).tolist()
    bounds = zip([0, *ends[:-1]], ends, strict=True)
    return pa.array(
        [values[a:b].tobytes().decode('utf-16-le', 'replace') for a, b in bounds], pa.string()
    )
