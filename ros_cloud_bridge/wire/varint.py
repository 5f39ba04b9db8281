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

"""Integers of variable length (LEB128), and their signed form (zigzag)."""

from ros_cloud_bridge.errors import ProtocolError

_MOST = 1 << 64


def write_varint(value: int) -> bytes:
    """
    Write a natural number.

    :param value: below 2**64
    :returns: seven bits per byte, the lowest first; all but the last have their highest bit set
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """
    Read a natural number.

    :param data: where it stands
    :param position: of its first byte
    :returns: the number, and the position behind it
    :raises ProtocolError: when it is cut off or 2**64 or more
    """
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= _MOST:
                break
            return value, position
    raise ProtocolError('a varint is cut off or too long')


def zigzag(value: int) -> int:
    """
    Fold a signed number.

    :param value: -2**63 to 2**63 - 1
    :returns: 0, -1, 1, -2 as 0, 1, 2, 3
    """
    return value << 1 if value >= 0 else ~value << 1 | 1


def unzigzag(value: int) -> int:
    """
    Undo :func:`zigzag`.

    :param value: folded
    :returns: signed
    """
    return ~(value >> 1) if value & 1 else value >> 1
