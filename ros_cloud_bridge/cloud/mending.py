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

"""Give an MCAP file whose writer was killed the end that every reader wants."""

from collections import Counter
from collections.abc import Iterator
import io
import os
from pathlib import Path
import struct
from typing import Any, BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, ChunkIndex, Message, Metadata, MetadataIndex, Schema
from mcap.stream_reader import breakup_chunk

from ros_cloud_bridge.cloud.mcap_file import Content, FOOTER_BYTES, HEAD, MAGIC, write_end
from ros_cloud_bridge.errors import LocalFault

_MAX_RECORD = 1024 * 1024 * 1024


class MendError(LocalFault):
    """A recording cannot be finished; it is as it was."""


class _Part:
    """A chunk and the indexes behind it; whole once each of its channels has one."""

    def __init__(self, chunk: Any, offset: int, length: int) -> None:
        self.chunk = chunk
        self.offset = offset
        self.length = length
        self.records = breakup_chunk(chunk, validate_crc=True)
        self.indexes: dict[int, int] = {}
        self.index_length = 0
        self._missing = {
            record.channel_id for record in self.records if isinstance(record, Message)
        }

    def add_index(self, channel: int, offset: int, length: int) -> bool:
        """Add an index; returns whether the part is whole now."""
        self.indexes[channel] = offset
        self.index_length += length
        self._missing.discard(channel)
        return not self._missing


def _add(content: Content, part: _Part) -> None:
    counts: Counter[int] = Counter()
    for record in part.records:
        if isinstance(record, Schema):
            content.schemas[record.id] = record
        elif isinstance(record, Channel):
            content.channels[record.id] = record
        elif isinstance(record, Message):
            counts[record.channel_id] += 1
    index = ChunkIndex(
        chunk_length=part.length,
        chunk_start_offset=part.offset,
        compression=part.chunk.compression,
        compressed_size=len(part.chunk.data),
        message_end_time=part.chunk.message_end_time,
        message_index_length=part.index_length,
        message_index_offsets=part.indexes,
        message_start_time=part.chunk.message_start_time,
        uncompressed_size=part.chunk.uncompressed_size,
    )
    content.add_chunk(index, counts)


def mend(path: Path, size: int | None = None) -> int | None:
    """
    Finish a recording in place, behind its last whole chunk.

    :param path: a file of :class:`~ros_cloud_bridge.cloud.recorder.Recorder`
    :param size: how much of it is to be kept; what is behind goes. Without, all that is whole
    :returns: how many messages it holds; None when it had been finished before
    :raises MendError: when it is no such file, is broken before ``size``, or cannot be written
    """
    try:
        with path.open('r+b') as stream:
            if _finished(stream):
                return None
            content, end = _scan(stream, size)
            if size is not None and end != size:
                raise MendError(f'{path}: is whole up to byte {end} only, of {size} confirmed')
            if end == 0:
                raise MendError(f'{path}: is no MCAP file')
            stream.truncate(end)
            stream.seek(end)
            write_end(stream, content, end)
            stream.flush()
            os.fsync(stream.fileno())
            return content.messages
    except OSError as error:
        raise MendError(f'{path}: {error.strerror or error}') from error


def _finished(stream: BinaryIO) -> bool:
    length = stream.seek(0, os.SEEK_END)
    if length < 2 * len(MAGIC) + FOOTER_BYTES:
        return False
    stream.seek(-len(MAGIC) - FOOTER_BYTES, os.SEEK_END)
    tail = stream.read()
    return tail.endswith(MAGIC) and tail[0] == Opcode.FOOTER


def _records(stream: BinaryIO, limit: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield the whole records as (opcode, offset, content)."""
    offset = stream.seek(len(MAGIC))
    while offset + HEAD.size <= limit:
        opcode, length = HEAD.unpack(stream.read(HEAD.size))
        if length > min(_MAX_RECORD, limit - offset - HEAD.size):
            return
        yield opcode, offset, stream.read(length)
        offset += HEAD.size + length


def _scan(stream: BinaryIO, size: int | None) -> tuple[Content, int]:
    """Read what is whole; returns it and where it ends, 0 for what is no MCAP file."""
    content = Content()
    limit = stream.seek(0, os.SEEK_END)
    limit = limit if size is None else min(limit, size)
    stream.seek(0)
    if stream.read(len(MAGIC)) != MAGIC:
        return content, 0
    end = 0
    part: _Part | None = None
    for opcode, offset, body in _records(stream, limit):
        length = HEAD.size + len(body)
        data = ReadDataStream(io.BytesIO(body))
        if opcode == Opcode.CHUNK and part is None:
            try:
                part = _Part(Chunk.read(data), offset, length)
            except Exception:  # reader and decompressor raise many kinds on what is damaged
                break
            continue
        if opcode == Opcode.MESSAGE_INDEX and part is not None:
            if not part.add_index(struct.unpack_from('<H', body)[0], offset, length):
                continue
            _add(content, part)
            part = None
        elif part is not None or opcode not in (Opcode.HEADER, Opcode.METADATA):
            break
        elif opcode == Opcode.METADATA:
            name = Metadata.read(data).name
            content.metadata.append(MetadataIndex(offset=offset, length=length, name=name))
        end = offset + length
    return content, end
