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
Layout of a section's block, chosen by measuring, and compression of a batch's body.

A block is the section's column planes followed by the samples' bytes: sample by sample (``ROWS``)
or, for samples of equal length, byte-plane by byte-plane (``PLANES``). Where the type's layout is
known it is split by that: wire/matrices.py (``COLUMNS``) and wire/streams.py (``STREAMS``). All
sections of a batch are then compressed in one frame of zstd (RFC 8878): what they share, as stamps
and frame ids, is paid once.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

import numpy as np
import zstandard

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.limits import MAX_BATCH_RAW


class Codec(IntEnum):
    """How a batch's body is compressed; values stand on the wire and never change meaning."""

    NONE = 0
    ZSTD = 1
    ZSTD_DICTIONARY = 2


class Layout(IntEnum):
    """How a block's samples lie; values stand on the wire and never change meaning."""

    ROWS = 0
    PLANES = 1
    COLUMNS = 2
    STREAMS = 3


class Effort(IntEnum):
    """What smaller batches may cost: much time where the link is scarce, none where time is."""

    CHEAP = 0
    NORMAL = 1
    STRONG = 2


class Measured(Protocol):
    """What an encoder of blocks has learned about its route."""

    # What compression left of the last block that was measured, 0 to 1.
    ratio: float
    # Whether a large block gained from more than the fastest level.
    thorough: bool


# A block that zstd leaves larger than this is not worth its time.
_INCOMPRESSIBLE = 0.97
# zstd's level by the size of the block, largest size first: (more bytes than, level). Small blocks
# come a few per second and gain most from a thorough search, at some 0.1 ms each; large ones are
# what a fast stream is made of. Of small ones level 12 leaves 1 % more than 19 in a fifth of its
# time, 16 one in a thousand more in half of it.
LARGE = 128 * 1024
_LEVELS = {
    Effort.CHEAP: ((0, 1),),
    Effort.NORMAL: ((LARGE, 1), (32 * 1024, 6), (8 * 1024, 9), (0, 12)),
    Effort.STRONG: ((LARGE, 3), (32 * 1024, 12), (0, 16)),
}
# The level that a large block is worth where it leaves clearly less than the fastest.
THOROUGH = 3
WORTH_IT = 0.95


class Dictionary:
    """
    What batches are compressed against.

    :param content: raw bytes; zstd takes no trained dictionary here
    :param name: the first bytes of their SHA-256
    """

    def __init__(self, content: bytes, name: bytes) -> None:
        self.content = content
        self.name = name
        self._data = zstandard.ZstdCompressionDict(content, zstandard.DICT_TYPE_RAWCONTENT)
        self._compressors: dict[int, zstandard.ZstdCompressor] = {}

    def compress(self, data: bytes, level: int) -> bytes:
        """
        Compress against it; not by several threads at once.

        :param data: a body
        :param level: of zstd
        :returns: a frame
        """
        compressor = self._compressors.get(level)
        if compressor is None:
            compressor = zstandard.ZstdCompressor(
                level=level, dict_data=self._data, write_dict_id=False
            )
            self._compressors[level] = compressor
        compressed: bytes = compressor.compress(data)
        return compressed

    def decompressor(self) -> zstandard.ZstdDecompressor:
        """
        Make what undoes :meth:`compress`.

        :returns: a decompressor
        """
        return zstandard.ZstdDecompressor(dict_data=self._data)


def compress_body(
    body: bytes,
    encoders: Sequence[Measured],
    effort: Effort = Effort.NORMAL,
    dictionary: Dictionary | None = None,
) -> tuple[Codec, bytes]:
    """
    Compress a batch's body, if that wins.

    :param body: CBOR of the sections
    :param encoders: those of the routes in it
    :param effort: what it may cost
    :param dictionary: what receivers have; None for nothing
    :returns: codec and encoded body
    """
    if all(encoder.ratio > _INCOMPRESSIBLE for encoder in encoders) and len(body) > _SMALL:
        return Codec.NONE, body
    level = level_for(body, effort)
    if level < THOROUGH and any(encoder.thorough for encoder in encoders):
        level = THOROUGH
    if dictionary is not None:
        compressed = dictionary.compress(body, level)
        if len(compressed) < len(body):
            return Codec.ZSTD_DICTIONARY, compressed
    compressed = compress(body, level)
    return (Codec.ZSTD, compressed) if len(compressed) < len(body) else (Codec.NONE, body)


def level_for(data: bytes, effort: Effort = Effort.NORMAL) -> int:
    """
    Choose zstd's level.

    :param data: what is to be compressed
    :param effort: what it may cost
    :returns: the level
    """
    levels = _LEVELS[effort]
    return next((level for bound, level in levels if len(data) > bound), levels[-1][1])


# Below this even a hopeless attempt costs nothing, and the envelopes alone may gain.
_SMALL = 4096

# Compressors at rest, by level. One holds some 0.4 MB, too much for every route to have its own,
# and serves one thread at a time: who compresses takes it out meanwhile.
_idle: dict[int, list[zstandard.ZstdCompressor]] = {
    level: [] for levels in _LEVELS.values() for _, level in levels
}
_idle_decompressors: list[zstandard.ZstdDecompressor] = []


def compress(data: bytes, level: int) -> bytes:
    """
    Compress data by itself.

    :param data: any
    :param level: one of those that are used here
    :returns: a zstd frame
    """
    idle = _idle[level]
    try:
        compressor = idle.pop()
    except IndexError:
        compressor = zstandard.ZstdCompressor(level=level)
    compressed: bytes = compressor.compress(data)
    idle.append(compressor)
    return compressed


def transpose(data: bytes, size: int) -> bytes:
    """
    Write rows column by column.

    :param data: rows of one length
    :param size: that length
    :returns: byte 0 of every row, then byte 1 of every row, and so on
    """
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, size).T.tobytes()


def decode_body(
    codec: int, raw_bytes: int, body: bytes, dictionary: Dictionary | None = None
) -> bytes:
    """
    Undo :func:`compress_body`.

    :param codec: a :class:`Codec` value
    :param raw_bytes: announced length before compression
    :param body: encoded body
    :param dictionary: the one that the batch names
    :returns: ``raw_bytes`` bytes
    :raises ProtocolError: when codec, lengths or compressed data are not right
    """
    if not 0 <= raw_bytes <= MAX_BATCH_RAW:
        raise ProtocolError(f'body of {raw_bytes} bytes is out of bounds')
    if codec == Codec.ZSTD:
        return decompress(body, raw_bytes)
    if codec == Codec.ZSTD_DICTIONARY and dictionary is not None:
        return decompress(body, raw_bytes, dictionary)
    if codec != Codec.NONE:
        raise ProtocolError(f'unknown codec {codec}')
    if len(body) != raw_bytes:
        raise ProtocolError(f'body holds {len(body)} bytes where {raw_bytes} were announced')
    return body


def decode_block(layout: int, block: bytes, plane_bytes: int, count: int) -> bytes:
    """
    Undo what a ``BlockEncoder`` does by ``ROWS`` or ``PLANES``.

    :param layout: a :class:`Layout` value
    :param block: the block
    :param plane_bytes: length of the column planes at its head
    :param count: number of samples behind them
    :returns: column planes followed by the samples, one after the other
    :raises ProtocolError: when layout and lengths do not fit together
    """
    samples_bytes = len(block) - plane_bytes
    if samples_bytes < 0:
        raise ProtocolError('block is shorter than its columns')
    if layout == Layout.ROWS:
        return block
    if layout != Layout.PLANES:
        raise ProtocolError(f'unknown layout {layout}')
    if count == 0 or samples_bytes == 0 or samples_bytes % count:
        raise ProtocolError('transposed block is not a whole number of equal samples')
    return block[:plane_bytes] + transpose(block[plane_bytes:], count)


def decompress(data: bytes, expected: int, dictionary: Dictionary | None = None) -> bytes:
    """
    Decompress one zstd frame whose length is known beforehand.

    :param data: zstd frame
    :param expected: announced length; the frame must itself state exactly this
    :param dictionary: what it was compressed against
    :returns: ``expected`` bytes
    :raises ProtocolError: when the frame states or holds anything else
    """
    try:
        # The frame states its content size: a bomb is refused before a byte is allocated for it.
        if zstandard.frame_content_size(data) != expected:
            raise ProtocolError('compressed length differs from the announced one')
        plain = _decompress(data, expected, dictionary)
    except zstandard.ZstdError as error:
        raise ProtocolError(f'broken zstd data: {error}') from error
    if len(plain) != expected:
        raise ProtocolError('compressed length differs from the announced one')
    return plain


def _decompress(data: bytes, expected: int, dictionary: Dictionary | None) -> bytes:
    if dictionary is not None:
        plain: bytes = dictionary.decompressor().decompress(data, max_output_size=expected)
        return plain
    try:
        decompressor = _idle_decompressors.pop()
    except IndexError:
        decompressor = zstandard.ZstdDecompressor()
    plain = decompressor.decompress(data, max_output_size=expected)
    _idle_decompressors.append(decompressor)
    return plain
