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
or, for samples of equal length, byte-plane by byte-plane (``PLANES``). All sections of a batch are
then compressed in one frame of zstd (RFC 8878): what they share, as stamps and frame ids, is paid
once.
"""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import zstandard

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.limits import MAX_BATCH_RAW


class Codec(IntEnum):
    """How a batch's body is compressed; values stand on the wire and never change meaning."""

    NONE = 0
    ZSTD = 1


class Layout(IntEnum):
    """How a block's samples lie; values stand on the wire and never change meaning."""

    ROWS = 0
    PLANES = 1


# A stream changes its nature slowly: measure on every 16th block, reuse the winner between.
_PROBE_EVERY = 16
# A block that zstd leaves larger than this is not worth its time.
_INCOMPRESSIBLE = 0.97
# zstd's level by the size of the block, largest size first: (more bytes than, level). Small blocks
# come a few per second and gain most from a thorough search, at some 0.1 ms each; large ones are
# what a fast stream is made of.
_LARGE = 128 * 1024
_LEVELS = ((_LARGE, 1), (32 * 1024, 6), (8 * 1024, 9), (0, 15))
# The level that a large block is worth where it leaves clearly less than the fastest.
_THOROUGH = 3
_WORTH_IT = 0.95


class BlockEncoder:
    """
    Lays out the blocks of one route and remembers which layout compresses best there.

    ``ratio`` is what compression left of the last block that was measured, 0 to 1; ``thorough``
    says whether a large block gained from more than the fastest level (a point cloud does by a
    fifth, an IMU hardly).
    """

    def __init__(self) -> None:
        self._preferred = Layout.PLANES
        self._until_probe = 0
        self.ratio = 1.0
        self.thorough = False

    def encode(self, planes: bytes, samples: Sequence[bytes]) -> tuple[Layout, bytes]:
        """
        Lay out one block.

        :param planes: the section's column planes
        :param samples: the samples' bytes, at least one
        :returns: layout and block
        """
        rows = b''.join([planes, *samples])
        size = len(samples[0])
        transposable = (
            len(samples) > 1
            and size > 0
            and len(planes) + size * len(samples) == len(rows)
            and set(map(len, samples)) == {size}
        )
        candidates = [Layout.ROWS]
        if transposable:
            candidates = [Layout.PLANES, Layout.ROWS]
            if self._until_probe > 0:
                candidates = [self._preferred]
        blocks = {
            layout: rows
            if layout is Layout.ROWS
            else b''.join([planes, _transpose(rows[len(planes) :], size)])
            for layout in candidates
        }
        if self._until_probe == 0:
            sizes = {
                layout: len(_compress(block, _level(block))) for layout, block in blocks.items()
            }
            best = min(candidates, key=lambda layout: sizes[layout])
            self.ratio = min(1.0, sizes[best] / len(rows)) if rows else 1.0
            if len(rows) > _LARGE:
                better = len(_compress(blocks[best], _THOROUGH))
                self.thorough = better < _WORTH_IT * sizes[best]
                self.ratio = min(self.ratio, better / len(rows))
            if transposable:
                self._preferred = best
            self._until_probe = _PROBE_EVERY
        else:
            best = candidates[0]
        self._until_probe -= 1
        return best, blocks[best]


def compress_body(body: bytes, encoders: Sequence[BlockEncoder]) -> tuple[Codec, bytes]:
    """
    Compress a batch's body, if that wins.

    :param body: CBOR of the sections
    :param encoders: those of the routes in it
    :returns: codec and encoded body
    """
    if all(encoder.ratio > _INCOMPRESSIBLE for encoder in encoders) and len(body) > _SMALL:
        return Codec.NONE, body
    level = _level(body)
    if level < _THOROUGH and any(encoder.thorough for encoder in encoders):
        level = _THOROUGH
    compressed = _compress(body, level)
    return (Codec.ZSTD, compressed) if len(compressed) < len(body) else (Codec.NONE, body)


def _level(data: bytes) -> int:
    return next((level for bound, level in _LEVELS if len(data) > bound), _LEVELS[-1][1])


# Below this even a hopeless attempt costs nothing, and the envelopes alone may gain.
_SMALL = 4096

# Compressors at rest, by level. One holds some 0.4 MB, too much for every route to have its own,
# and serves one thread at a time: who compresses takes it out meanwhile.
_idle: dict[int, list[zstandard.ZstdCompressor]] = {
    level: [] for level in (_THOROUGH, *(level for _, level in _LEVELS))
}


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


def decode_body(codec: int, raw_bytes: int, body: bytes) -> bytes:
    """
    Undo :func:`compress_body`.

    :param codec: a :class:`Codec` value
    :param raw_bytes: announced length before compression
    :param body: encoded body
    :returns: ``raw_bytes`` bytes
    :raises ProtocolError: when codec, lengths or compressed data are not right
    """
    if not 0 <= raw_bytes <= MAX_BATCH_RAW:
        raise ProtocolError(f'body of {raw_bytes} bytes is out of bounds')
    if codec == Codec.ZSTD:
        return decompress(body, raw_bytes)
    if codec != Codec.NONE:
        raise ProtocolError(f'unknown codec {codec}')
    if len(body) != raw_bytes:
        raise ProtocolError(f'body holds {len(body)} bytes where {raw_bytes} were announced')
    return body


def decode_block(layout: int, block: bytes, plane_bytes: int, count: int) -> bytes:
    """
    Undo :class:`BlockEncoder`.

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
    return block[:plane_bytes] + _transpose(block[plane_bytes:], count)


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
