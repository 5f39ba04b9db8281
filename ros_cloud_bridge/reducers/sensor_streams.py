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
The streams of bytes that a compact form is made of, and their compression.

A form is, in this order, with every number a varint::

    length of the message that it restores to
    number of streams
    of each stream: its length, and that of its zstd frame (0: stands as it is)
    the streams, one after the other

Long streams have a frame each, so that each has its own statistics; short ones need none, for a
batch is compressed as a whole anyway.
"""

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.codecs import decompress
from ros_cloud_bridge.wire.limits import MAX_BATCH_RAW
from ros_cloud_bridge.wire.varint import read_varint, write_varint
from ros_cloud_bridge.wire.zstd import compress

# Most streams of a form; that of a cloud has some ten for each field.
MAX_STREAMS = 4096
# zstd's level by a stream's length: (longer than, level).
_LEVELS = ((64 * 1024, 1), (16 * 1024, 3), (0, 9))


class StreamWriter:
    """
    Collects streams.

    :param least: a shorter stream is not compressed
    """

    def __init__(self, least: int = 256) -> None:
        self._least = least
        self._streams: list[bytes] = []

    def add(self, stream: bytes) -> None:
        """
        Add a stream.

        :param stream: its bytes
        """
        self._streams.append(stream)

    def done(self, restored_bytes: int) -> bytes:
        """
        Compress and join.

        :param restored_bytes: length of the message that it restores to
        :returns: the form
        """
        heads = [write_varint(restored_bytes), write_varint(len(self._streams))]
        bodies = []
        for stream in self._streams:
            body, framed = stream, 0
            if len(stream) >= self._least:
                level = next(level for bound, level in _LEVELS if len(stream) > bound)
                frame = compress(stream, level)
                if len(frame) < len(stream):
                    body, framed = frame, len(frame)
            heads += [write_varint(len(stream)), write_varint(framed)]
            bodies.append(body)
        return b''.join(heads + bodies)


class StreamReader:
    """
    Gives the streams of a form back, in order.

    ``restored_bytes`` is the length of the message that the form says it restores to.

    :param form: what :class:`StreamWriter` made
    :param most: bytes that all streams together may have
    :raises ProtocolError: when it is malformed, or would unfold to more than a batch may hold
    """

    def __init__(self, form: bytes, most: int = MAX_BATCH_RAW) -> None:
        self.restored_bytes, position = read_varint(form, 0)
        if self.restored_bytes > MAX_BATCH_RAW:
            raise ProtocolError('a form restores to more than a batch may hold')
        count, position = read_varint(form, position)
        if count > MAX_STREAMS:
            raise ProtocolError(f'a form of {count} streams')
        self._lengths: list[tuple[int, int]] = []
        for _ in range(count):
            length, position = read_varint(form, position)
            framed, position = read_varint(form, position)
            most -= length
            if most < 0:
                raise ProtocolError('the streams of a form are too long')
            self._lengths.append((length, framed))
        self._form = form
        self._position = position
        self._next = 0
        if position + sum(framed or length for length, framed in self._lengths) != len(form):
            raise ProtocolError('a form is cut off, or too long')

    def take(self, length: int | None = None) -> bytes:
        """
        Give the next stream.

        :param length: that it must have; any when None
        :returns: its bytes
        :raises ProtocolError: when there is none, or its length is another
        """
        if self._next == len(self._lengths):
            raise ProtocolError('a form lacks a stream')
        plain, framed = self._lengths[self._next]
        if length is not None and plain != length:
            raise ProtocolError(f'a stream of {plain} bytes where {length} belong')
        self._next += 1
        stored = self._form[self._position : self._position + (framed or plain)]
        self._position += len(stored)
        return decompress(stored, plain) if framed else stored

    def end(self, message: bytes) -> bytes:
        """
        Be done.

        :param message: what was restored
        :returns: it
        :raises ProtocolError: when streams are left, or its length is not what was said
        """
        if self._next != len(self._lengths):
            raise ProtocolError('a form has too many streams')
        if len(message) != self.restored_bytes:
            raise ProtocolError('a form restores to another length than it says')
        return message
