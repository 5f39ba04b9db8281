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
Read the messages of an MCAP file in the order in which they stand in it.

It needs no end of the file and no index, so that recordings that were cut off are read up to
there, and goes through a file once with one chunk in memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import io
import os
from pathlib import Path
import struct
from typing import Any, BinaryIO
import zlib

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Schema
from mcap.stream_reader import get_chunk_data_stream

from ros_cloud_bridge.cloud.mcap_file import HEAD, MAGIC
from ros_cloud_bridge.errors import LocalFault, ProtocolError
from ros_cloud_bridge.wire.zstd import decompress

_MAX_RECORD = 1024 * 1024 * 1024
_MESSAGE = struct.Struct('<HIQQ')
_ENDS = (Opcode.DATA_END, Opcode.FOOTER)


class DamagedFile(LocalFault):
    """A recording cannot be read on; what came before was handed out."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """
    A channel with its schema.

    :param topic: as it is recorded
    :param encoding: of the messages
    :param metadata: of the channel
    :param schema_name: of the type; '' for none
    :param schema_encoding: of the definition
    :param definition: of the type
    """

    topic: str
    encoding: str
    metadata: dict[str, str]
    schema_name: str
    schema_encoding: str
    definition: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A message; times are nanoseconds since the Unix epoch."""

    source: Source
    sequence: int
    log_time_ns: int
    publish_time_ns: int
    data: bytes


def read_messages(
    path: Path,
    wanted: Callable[[Source], bool],
    start_ns: int = 0,
    end_ns: int = 1 << 64,
) -> Iterator[Entry]:
    """
    Read messages.

    :param path: an MCAP file
    :param wanted: asked once per channel
    :param start_ns: the earliest log time
    :param end_ns: log times from here on are left out
    :returns: messages in the file's order
    :raises DamagedFile: behind the last message that can be read, when there is more or no end
    """
    reader = _Reader(wanted, start_ns, end_ns)
    try:
        with path.open('rb') as stream:
            yield from reader.read(stream)
    except DamagedFile as error:
        raise DamagedFile(f'{path}: {error}') from None
    except OSError as error:
        raise DamagedFile(f'{path}: {error.strerror or error}') from error


class _Reader:
    def __init__(self, wanted: Callable[[Source], bool], start_ns: int, end_ns: int) -> None:
        self._wanted = wanted
        self._start_ns = start_ns
        self._end_ns = end_ns
        self._schemas: dict[int, Any] = {}
        # None for a channel that is not wanted.
        self._sources: dict[int, Source | None] = {}

    def read(self, stream: BinaryIO) -> Iterator[Entry]:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        if stream.read(len(MAGIC)) != MAGIC:
            raise DamagedFile('is no MCAP file')
        position = len(MAGIC)
        while position + HEAD.size <= size:
            opcode, length = HEAD.unpack(stream.read(HEAD.size))
            if opcode in _ENDS:
                return
            if length > min(_MAX_RECORD, size - position - HEAD.size):
                break
            position += HEAD.size + length
            if opcode == Opcode.CHUNK:
                yield from self._chunk(stream.read(length), position)
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE):
                yield from self._take(opcode, stream.read(length), position)
            else:
                stream.seek(position)
        raise DamagedFile(f'is cut off at byte {position}; record --repair gives it an end')

    def _chunk(self, body: bytes, position: int) -> Iterator[Entry]:
        try:
            chunk = Chunk.read(ReadDataStream(io.BytesIO(body)))
            data = _unpacked(chunk)
        except Exception as error:  # the library raises many kinds on what is damaged
            raise DamagedFile(f'a chunk before byte {position} is damaged: {error}') from error
        at, size = 0, len(data)
        while at < size:
            if at + HEAD.size > size:
                raise DamagedFile(f'a chunk before byte {position} is damaged')
            opcode, length = HEAD.unpack_from(data, at)
            at += HEAD.size
            if length > size - at:
                raise DamagedFile(f'a chunk before byte {position} is damaged')
            yield from self._take(opcode, data[at : at + length], position)
            at += length

    def _take(self, opcode: int, body: bytes, position: int) -> Iterator[Entry]:
        if opcode == Opcode.MESSAGE:
            if len(body) < _MESSAGE.size:
                raise DamagedFile(f'a message before byte {position} is damaged')
            channel, sequence, log_time, publish_time = _MESSAGE.unpack_from(body)
            if channel not in self._sources:
                raise DamagedFile(f'a message before byte {position} has no channel')
            source = self._sources[channel]
            if source is not None and self._start_ns <= log_time < self._end_ns:
                data = body[_MESSAGE.size :]
                yield Entry(source, sequence, log_time, publish_time, data)
            return
        try:
            stream = ReadDataStream(io.BytesIO(body))
            if opcode == Opcode.SCHEMA:
                schema = Schema.read(stream)
                self._schemas[schema.id] = schema
            elif opcode == Opcode.CHANNEL:
                self._meet(Channel.read(stream))
        except Exception as error:  # as above
            raise DamagedFile(f'a record before byte {position} is damaged: {error}') from error

    def _meet(self, channel: Any) -> None:
        if channel.id in self._sources:
            return
        schema = self._schemas.get(channel.schema_id)
        source = Source(
            channel.topic,
            channel.message_encoding,
            channel.metadata,
            '' if schema is None else schema.name,
            '' if schema is None else schema.encoding,
            b'' if schema is None else schema.data,
        )
        self._sources[channel.id] = source if self._wanted(source) else None


def _unpacked(chunk: Any) -> bytes:
    if chunk.uncompressed_size > _MAX_RECORD:
        raise ProtocolError('it is larger than a gigabyte')
    if chunk.compression == 'zstd':
        data = decompress(chunk.data, chunk.uncompressed_size)
    else:
        stream, size = get_chunk_data_stream(chunk)
        data = stream.read(size)
    if chunk.uncompressed_crc and zlib.crc32(data) != chunk.uncompressed_crc:
        raise ProtocolError('its checksum differs')
    return data
