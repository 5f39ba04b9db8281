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
Codecs of a section's block, chosen by measuring.

A block is the section's column planes followed by the samples' bytes. ``TRANSPOSED`` writes
samples of equal length byte-plane by byte-plane before zstd (RFC 8878) sees them.
"""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import zstandard

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.limits import MAX_BATCH_RAW


class Codec(IntEnum):
    """Values stand on the wire and never change meaning."""

    NONE = 0
    ZSTD = 1
    TRANSPOSED = 2


# A stream changes its nature slowly: measure all codecs on every 16th block, reuse the winner
# between.
_PROBE_EVERY = 16
# zstd's level by the size of the block, largest size first: (more bytes than, level). Small blocks
# come a few per second and gain most from a thorough search, at some 0.1 ms each; large ones are
# what a fast stream is made of.
_LEVELS = ((128 * 1024, 1), (64 * 1024, 3), (16 * 1024, 9), (0, 15))


class BlockEncoder:
    """
    Encodes the blocks of one route and remembers which codec wins there.

    ``encoded_bytes`` counts what all its blocks came to.
    """

    def __init__(self) -> None:
        self._preferred = Codec.TRANSPOSED
        self._until_probe = 0
        self.encoded_bytes = 0

    def encode(self, planes: bytes, samples: Sequence[bytes]) -> tuple[Codec, int, bytes]:
        """
        Encode one block.

        :param planes: the section's column planes
        :param samples: the samples' bytes, at least one
        :returns: codec, length of the block before compression, encoded block
        """
        raw = b''.join([planes, *samples])
        size = len(samples[0])
        transposable = (
            len(samples) > 1
            and size > 0
            and len(planes) + size * len(samples) == len(raw)
            and set(map(len, samples)) == {size}
        )
        if self._until_probe == 0:
            candidates = [Codec.ZSTD, Codec.TRANSPOSED] if transposable else [Codec.ZSTD]
        elif self._preferred is Codec.TRANSPOSED and not transposable:
            candidates = [Codec.ZSTD]
        else:
            candidates = [self._preferred]
        results = [(codec, self._apply(codec, raw, len(planes), size)) for codec in candidates]
        codec, block = min(results, key=lambda result: len(result[1]))
        if len(block) >= len(raw):
            codec, block = Codec.NONE, raw
        if self._until_probe == 0:
            self._until_probe = _PROBE_EVERY
            self._preferred = codec
        self._until_probe -= 1
        self.encoded_bytes += len(block)
        return codec, len(raw), block

    def _apply(self, codec: Codec, raw: bytes, plane_bytes: int, size: int) -> bytes:
        if codec is Codec.NONE:
            return raw
        level = next((level for bound, level in _LEVELS if len(raw) > bound), _LEVELS[-1][1])
        if codec is Codec.TRANSPOSED:
            raw = raw[:plane_bytes] + _transpose(raw[plane_bytes:], size)
        return _compress(raw, level)


# Compressors at rest, by level. One holds some 0.4 MB, too much for every route to have its own,
# and serves one thread at a time: who compresses takes it out meanwhile.
_idle: dict[int, list[zstandard.ZstdCompressor]] = {level: [] for _, level in _LEVELS}


def _compress(data: bytes, level: int) -> bytes:
    idle = _idle[level]
    try:
        compressor = idle.pop()
    except IndexError:
        compressor = zstandard.ZstdCompressor(level=level)
    compressed: bytes = compressor.compress(data)
    idle.append(compressor)
    return compressed


def _transpose(data: bytes, size: int) -> bytes:
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, size).T.tobytes()


def decode_block(codec: int, raw_bytes: int, block: bytes, plane_bytes: int, count: int) -> bytes:
    """
    Undo :class:`BlockEncoder`.

    :param codec: a :class:`Codec` value
    :param raw_bytes: announced length of the block before compression
    :param block: encoded block
    :param plane_bytes: length of the column planes at the block's head
    :param count: number of samples behind them
    :returns: column planes followed by the samples' bytes, ``raw_bytes`` long
    :raises ProtocolError: when codec, lengths or compressed data are not right
    """
    if not 0 <= raw_bytes <= MAX_BATCH_RAW or plane_bytes > raw_bytes:
        raise ProtocolError(f'block of {raw_bytes} bytes is out of bounds')
    if codec == Codec.NONE:
        raw = bytes(block)
    elif codec in (Codec.ZSTD, Codec.TRANSPOSED):
        raw = decompress(block, raw_bytes)
    else:
        raise ProtocolError(f'unknown codec {codec}')
    if len(raw) != raw_bytes:
        raise ProtocolError(f'block holds {len(raw)} bytes where {raw_bytes} were announced')
    if codec == Codec.TRANSPOSED:
        body = raw_bytes - plane_bytes
        if count == 0 or body == 0 or body % count:
            raise ProtocolError('transposed block is not a whole number of equal samples')
        raw = raw[:plane_bytes] + _transpose(raw[plane_bytes:], count)
    return raw


def decompress(data: bytes, expected: int) -> bytes:
    """
    Decompress one zstd frame whose length is known beforehand.

    :param data: zstd frame
    :param expected: announced length; the frame must itself state exactly this
    :returns: ``expected`` bytes
    :raises ProtocolError: when the frame states or holds anything else
    """
    try:
        # The frame states its content size: a bomb is refused before a byte is allocated for it.
        if zstandard.frame_content_size(data) != expected:
            raise ProtocolError('compressed length differs from the announced one')
        plain: bytes = zstandard.ZstdDecompressor().decompress(data, max_output_size=expected)
    except zstandard.ZstdError as error:
        raise ProtocolError(f'broken zstd data: {error}') from error
    if len(plain) != expected:
        raise ProtocolError('compressed length differs from the announced one')
    return plain
