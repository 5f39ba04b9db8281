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

"""Frames of zstd (RFC 8878) of reducers and recordings; those of batches are made in codecs."""

import zstandard

from ros_cloud_bridge.errors import ProtocolError

_idle: dict[int, list[zstandard.ZstdCompressor]] = {}


def compress(data: bytes, level: int) -> bytes:
    """
    Compress; the frame states its content's length.

    :param data: anything
    :param level: zstd's, 1 to 19
    :returns: a frame
    """
    # A compressor serves one thread at a time: who compresses takes it out meanwhile.
    idle = _idle.setdefault(level, [])
    try:
        compressor = idle.pop()
    except IndexError:
        compressor = zstandard.ZstdCompressor(level=level)
    frame: bytes = compressor.compress(data)
    idle.append(compressor)
    return frame


def decompress(data: bytes, most: int) -> bytes:
    """
    Decompress a frame of any writer.

    :param data: one frame; it may state its content's length or not
    :param most: more bytes than these are refused before there is memory for them
    :returns: its content
    :raises ProtocolError: when it is broken or too large
    """
    try:
        if zstandard.frame_content_size(data) > most:
            raise ProtocolError('a zstd frame holds more than was announced')
        content: bytes = zstandard.ZstdDecompressor().decompress(data, max_output_size=most)
    except zstandard.ZstdError as error:
        raise ProtocolError(f'broken zstd data: {error}') from error
    return content
