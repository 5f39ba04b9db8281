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

"""Recordings as one Parquet or CSV table per robot and topic, with bounded memory."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
import json
import math
from pathlib import Path
import re
from typing import Any

import pyarrow as pa
from pyarrow import csv, parquet

from ros_cloud_bridge.cloud.arrow import TypeColumns
from ros_cloud_bridge.cloud.mcap_messages import Entry, Source
from ros_cloud_bridge.errors import ProtocolError

# A row group; what waits for one in all tables together is at most _MAX_WAITING.
_ROWS = 65536
_GROUP_BYTES = 32 * 1024 * 1024
_MAX_WAITING = 256 * 1024 * 1024
_HEADER = 4
_MAX_TAKEN = 1_000_000


@dataclass(slots=True, kw_only=True)
class Exported:
    """What became of a topic: ``misfits`` are messages that their definition does not fit."""

    robot_id: str
    topic: str
    type_name: str
    path: Path
    rows: int = 0
    misfits: int = 0


class ParquetTable:
    """
    Writes a Parquet file, a row group at a time.

    :param path: of the file
    :param schema: of the table
    """

    suffix = '.parquet'

    def __init__(self, path: Path, schema: Any) -> None:
        self._writer = parquet.ParquetWriter(path, schema, compression='zstd')

    def write(self, batch: Any) -> None:
        """
        Write rows.

        :param batch: a record batch
        """
        self._writer.write_batch(batch)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


class CsvTable:
    """
    Writes a CSV file; lists are JSON in it, binary is base64.

    :param path: of the file
    :param schema: of the table
    """

    suffix = '.csv'

    def __init__(self, path: Path, schema: Any) -> None:
        self._schema = pa.schema(
            [(f.name, pa.string() if _needs_text(f.type) else f.type) for f in schema]
        )
        self._writer = csv.CSVWriter(path, self._schema)

    def write(self, batch: Any) -> None:
        """
        Write rows.

        :param batch: a record batch
        """
        columns = [
            pa.array(map(_cell, column.to_pylist()), pa.string())
            if _needs_text(column.type)
            else column
            for column in batch.columns
        ]
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


TABLES: dict[str, type[ParquetTable] | type[CsvTable]] = {'parquet': ParquetTable, 'csv': CsvTable}


@dataclass(slots=True)
class _Pending:
    exported: Exported
    columns: TypeColumns
    part: Path
    writer: ParquetTable | CsvTable
    messages: list[bytes] = field(default_factory=list)
    own: list[tuple[int, int, int]] = field(default_factory=list)
    # Of a latched topic: what has been taken, for the next file repeats it.
    taken: set[tuple[int, int, int]] | None = None
    bytes: int = 0


class Exporter:
    """
    Writes the messages of recordings into tables.

    A file has another name until :meth:`close`, so that whoever sees it sees all of it.

    :param folder: where they go, as ``{robot}/{topic}.parquet``
    :param table: what they are, of ``TABLES``
    :param fields: says which columns are wanted, by their names
    :param replace: whether files that are there are replaced
    """

    def __init__(
        self,
        folder: Path,
        table: type[ParquetTable] | type[CsvTable],
        fields: Callable[[str], bool],
        *,
        replace: bool = False,
    ) -> None:
        self._folder = folder
        self._table = table
        self._fields = fields
        self._replace = replace
        self._pending: dict[tuple[str, str, str, bytes], _Pending] = {}
        self._paths: set[Path] = set()
        self._waiting_bytes = 0

    def accept(self, source: Source) -> None:
        """
        Make room for a channel's table.

        :param source: the channel
        :raises ProtocolError: when it holds nothing that can be put into one
        :raises OSError: when its file cannot be made
        """
        if source.encoding != 'cdr' or source.schema_encoding != 'ros2msg':
            raise ProtocolError(
                f'is {source.encoding[:40]!r} with {source.schema_encoding[:40]!r}, '
                "and only 'cdr' with 'ros2msg' can be exported"
            )
        key = _key(source)
        if key in self._pending:
            return
        definition = source.definition.decode(errors='replace')
        columns = TypeColumns(definition, source.schema_name, self._fields)
        robot_id, topic = key[:2]
        path = self._free_path(robot_id, topic)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not self._replace:
            raise FileExistsError(0, f'{path} exists; --force replaces it')
        part = path.with_name(f'{path.name}.part')
        exported = Exported(
            robot_id=robot_id, topic=topic, type_name=source.schema_name, path=path
        )
        writer = self._table(part, columns.schema)
        latched = 'transient_local' in source.metadata.get('offered_qos_profiles', '')
        taken: set[tuple[int, int, int]] | None = set() if latched else None
        self._pending[key] = _Pending(exported, columns, part, writer, taken=taken)

    def add(self, entry: Entry) -> None:
        """
        Take in a message.

        :param entry: of a channel that was accepted
        :raises OSError: when it cannot be written
        """
        pending = self._pending[_key(entry.source)]
        if pending.taken is not None:
            mark = entry.publish_time_ns, entry.sequence, hash(entry.data)
            if mark in pending.taken:
                return
            if len(pending.taken) < _MAX_TAKEN:
                pending.taken.add(mark)
        if pending.messages and pending.messages[0][:_HEADER] != entry.data[:_HEADER]:
            self._write(pending)
        pending.messages.append(entry.data)
        pending.own.append((entry.log_time_ns, entry.publish_time_ns, entry.sequence))
        pending.bytes += len(entry.data)
        self._waiting_bytes += len(entry.data)
        if len(pending.messages) >= _ROWS or pending.bytes >= _GROUP_BYTES:
            self._write(pending)
        elif self._waiting_bytes > _MAX_WAITING:
            self._write(max(self._pending.values(), key=lambda other: other.bytes))

    def close(self) -> list[Exported]:
        """
        Finish the tables.

        :returns: what they hold
        :raises OSError: when one cannot be written
        """
        for pending in self._pending.values():
            self._write(pending)
            pending.writer.close()
            pending.part.replace(pending.exported.path)
        return [pending.exported for pending in self._pending.values()]

    def discard(self) -> None:
        """Remove what is not finished."""
        for pending in self._pending.values():
            pending.writer.close()
            pending.part.unlink(missing_ok=True)

    def _write(self, pending: _Pending) -> None:
        messages, own = pending.messages, pending.own
        pending.messages, pending.own = [], []
        self._waiting_bytes -= pending.bytes
        pending.bytes = 0
        self._write_rows(pending, messages, own)

    def _write_rows(
        self, pending: _Pending, messages: list[bytes], own: list[tuple[int, int, int]]
    ) -> None:
        if not messages:
            return
        try:
            rows = pending.columns.rows(messages, own)
        except ProtocolError:
            if len(messages) == 1:
                pending.exported.misfits += 1
                return
            # One of them does not fit: the others are found by halves.
            half = len(messages) // 2
            self._write_rows(pending, messages[:half], own[:half])
            self._write_rows(pending, messages[half:], own[half:])
            return
        pending.writer.write(rows)
        pending.exported.rows += len(messages)

    def _free_path(self, robot_id: str, topic: str) -> Path:
        parts = [_safe(part) for part in topic.split('/') if part] or ['_']
        place = self._folder.joinpath(*([_safe(robot_id)] if robot_id else []), *parts)
        number = 1
        while True:
            # A topic whose type has changed goes on in a second table.
            mark = f'@{number}' if number > 1 else ''
            path = place.with_name(f'{place.name}{mark}{self._table.suffix}')
            if path not in self._paths:
                self._paths.add(path)
                return path
            number += 1


def robot_and_topic(source: Source) -> tuple[str, str]:
    """
    Tell whose channel it is.

    :param source: a channel
    :returns: robot id, '' where the recording does not say; and what the robot calls the topic
    """
    robot_id = source.metadata.get('robot_id', '')
    return robot_id, source.metadata.get('ros_topic', source.topic) if robot_id else source.topic


def _key(source: Source) -> tuple[str, str, str, bytes]:
    return (*robot_and_topic(source), source.schema_name, source.definition)


def _safe(part: str) -> str:
    made = re.sub(r'[^A-Za-z0-9_.-]', '_', part)[:200]
    return f'_{made}' if made.startswith('.') else made


def _needs_text(kind: Any) -> bool:
    return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind))


def _cell(value: Any) -> str | None:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return json.dumps(_jsonable(value), separators=(',', ':'))


def _jsonable(value: Any) -> Any:
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return 'NaN' if math.isnan(value) else 'Infinity' if value > 0 else '-Infinity'
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
