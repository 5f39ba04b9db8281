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
Reads and writes the parts that the layouts of sensor messages are made of.

CDR (OMG DDSI-RTPS, 10.2): an encapsulation header of four bytes, then numbers aligned to their
size. Both byte orders are read, little endian is written. What is read is untrusted.
"""

from dataclasses import dataclass
import struct

from ros_cloud_bridge.errors import ProtocolError

_BIG, _LITTLE = 0, 1
_HEAD = b'\x00\x01\x00\x00'
# A frame id, a field's name, an encoding: none is longer in earnest.
MAX_STRING = 1024


class CdrReader:
    """
    Reads a serialized message.

    :param cdr: with its encapsulation header
    :raises ProtocolError: when it is not plain CDR
    """

    def __init__(self, cdr: bytes) -> None:
        if len(cdr) < 4 or cdr[0] != 0 or cdr[1] not in (_BIG, _LITTLE):
            raise ProtocolError('not a message in plain CDR')
        self.big = cdr[1] == _BIG
        self._order = '>' if self.big else '<'
        self._data = memoryview(cdr)
        self._position = 4

    def numbers(self, kinds: str) -> tuple[int | float, ...]:
        """
        Read numbers one after the other.

        :param kinds: of :mod:`struct`, one letter each
        :returns: as many numbers
        :raises ProtocolError: when the message ends before
        """
        return tuple(self._number(kind) for kind in kinds)

    def whole(self, kind: str = 'I') -> int:
        """
        Read one whole number.

        :param kind: of :mod:`struct`
        :returns: the number
        :raises ProtocolError: when the message ends before
        """
        return int(self._number(kind))

    def text(self) -> str:
        """
        Read a string.

        :returns: it, without its terminating zero
        :raises ProtocolError: when it is too long or no UTF-8
        """
        length = self.whole()
        if length > MAX_STRING:
            raise ProtocolError(f'a string of {length} bytes')
        raw = bytes(self.take(length))
        try:
            return raw.removesuffix(b'\0').decode()
        except UnicodeDecodeError as error:
            raise ProtocolError('a string that is no UTF-8') from error

    def sequence(self, size: int, alignment: int = 1) -> memoryview:
        """
        Read the elements of a sequence, without a copy.

        :param size: bytes of an element
        :param alignment: of an element
        :returns: their bytes
        :raises ProtocolError: when there are fewer than it says
        """
        count = self.whole()
        if count:
            self._align(alignment)
        return self.take(count * size)

    def take(self, length: int) -> memoryview:
        """
        Read bytes.

        :param length: how many
        :returns: them
        :raises ProtocolError: when the message ends before
        """
        end = self._position + length
        if end > len(self._data):
            raise ProtocolError('the message ends too early')
        part = self._data[self._position : end]
        self._position = end
        return part

    def end(self) -> None:
        """
        Be at the end, but for padding.

        :raises ProtocolError: when more follows
        """
        if len(self._data) - self._position > 3:
            raise ProtocolError(f'{len(self._data) - self._position} bytes follow the message')

    def _number(self, kind: str) -> int | float:
        size = struct.calcsize(f'<{kind}')
        self._align(size)
        value: int | float = struct.unpack(f'{self._order}{kind}', self.take(size))[0]
        return value

    def _align(self, size: int) -> None:
        # Counted from behind the encapsulation header.
        self._position += -(self._position - 4) % size


class CdrWriter:
    """Writes a message in little endian CDR."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = [_HEAD]
        self._length = 4

    def numbers(self, kinds: str, *values: int | float) -> None:
        """
        Write numbers one after the other.

        :param kinds: of :mod:`struct`, one letter each
        :param values: as many numbers
        """
        for kind, value in zip(kinds, values, strict=True):
            self._align(struct.calcsize(f'<{kind}'))
            self.raw(struct.pack(f'<{kind}', value))

    def text(self, text: str) -> None:
        """
        Write a string.

        :param text: it
        """
        raw = text.encode() + b'\0'
        self.numbers('I', len(raw))
        self.raw(raw)

    def sequence(self, raw: bytes | memoryview, size: int, alignment: int = 1) -> None:
        """
        Write a sequence.

        :param raw: its elements, little endian
        :param size: bytes of an element
        :param alignment: of an element
        """
        self.numbers('I', len(raw) // size)
        if len(raw):
            self._align(alignment)
        self.raw(raw)

    def raw(self, part: bytes | memoryview) -> None:
        """
        Write bytes.

        :param part: them
        """
        self._parts.append(part)
        self._length += len(part)

    def done(self) -> bytes:
        """
        End the message.

        :returns: with its encapsulation header
        """
        return b''.join(self._parts)

    def _align(self, size: int) -> None:
        padding = -(self._length - 4) % size
        if padding:
            self.raw(bytes(padding))


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """``std_msgs/msg/Header``."""

    sec: int
    nanosec: int
    frame_id: str

    @staticmethod
    def read(reader: CdrReader) -> 'Header':
        """
        Read a header.

        :param reader: where it stands
        :returns: it
        :raises ProtocolError: when it is malformed
        """
        sec, nanosec = reader.whole('i'), reader.whole()
        return Header(sec=sec, nanosec=nanosec, frame_id=reader.text())

    def write(self, writer: CdrWriter) -> None:
        """
        Write the header.

        :param writer: where it goes
        """
        writer.numbers('iI', self.sec, self.nanosec)
        writer.text(self.frame_id)
