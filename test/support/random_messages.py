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

"""Random serialized messages of any type, in either byte order, with or without clean padding."""

import math
from random import Random
import struct
from typing import Any

import pytest

typesys = pytest.importorskip('rosbags.typesys', reason='rosbags: install the extra cloud')
STORE = typesys.get_typestore(typesys.Stores.ROS2_KILTED)
TYPES = sorted(name for name in STORE.fielddefs if '/msg/' in name)
SEPARATOR = '=' * 80 + '\n'

_WORDS = {
    'bool': '?',
    'byte': 'B',
    'char': 'B',
    'octet': 'B',
    'uint8': 'B',
    'int8': 'b',
    'uint16': 'H',
    'int16': 'h',
    'uint32': 'I',
    'int32': 'i',
    'uint64': 'Q',
    'int64': 'q',
    'float32': 'f',
    'float64': 'd',
}
_ODD = (0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 0.1, -1e-3)


def definition(type_name: str) -> str:
    """
    Give a type's definition.

    :param type_name: as in ``sensor_msgs/msg/Imu``
    :returns: ``ros2msg`` text
    """
    text, _ = STORE.generate_msgdef(type_name, ros_version=2)
    return str(text)


class Sensor:
    """
    Makes messages that resemble each other, as those of one topic do.

    :param type_name: their type
    :param seed: what they hold
    :param little: whether they are little-endian
    :param ragged: whether texts and sequences change their lengths
    :param dirty: whether padding holds whatever was in the buffer
    """

    def __init__(
        self, type_name: str, seed: int, *, little: bool, ragged: bool, dirty: bool
    ) -> None:
        self._type = type_name
        self._random = Random(seed)
        self._order = '<' if little else '>'
        self._ragged = ragged
        self._dirty = dirty
        self._shape = Random(seed)
        self._values: list[float] = []
        self._next = 0
        self._out = bytearray()

    def message(self) -> bytes:
        """
        Make the next message.

        :returns: CDR
        """
        if not self._ragged:
            self._shape = Random(self._type)
        self._next = 0
        self._out = bytearray(b'\0\1\0\0' if self._order == '<' else b'\0\0\0\0')
        self._write_type(self._type, 0)
        return bytes(self._out)

    def _write_type(self, name: str, depth: int) -> None:
        fields = STORE.fielddefs[name][1]
        if name in ('builtin_interfaces/msg/Time', 'builtin_interfaces/msg/Duration'):
            # Most are what they should be.
            most = 2**32 if self._random.random() < 0.0002 else 10**9
            self._pack('i', self._random.randint(-2, 2) + 10**6)
            self._pack('I', self._random.randrange(most))
            return
        if not fields:
            self._word('uint8')
        for _, description in fields:
            self._write(description, depth)

    def _write(self, description: Any, depth: int) -> None:
        kind, details = description
        if kind.name == 'BASE':
            self._word(details[0])
        elif kind.name == 'NAME':
            self._write_type(details, depth + 1)
        elif kind.name == 'ARRAY':
            for _ in range(details[1]):
                self._write(details[0], depth)
        else:
            bound = details[1] or 5
            count = self._shape.randint(0, min(bound, 5 if depth < 3 else 1))
            if self._shape.random() < 0.02 and details[0][0].name == 'BASE' and bound > 100:
                count = 100
            self._pack('I', count)
            for _ in range(count):
                self._write(details[0], depth)

    def _word(self, name: str) -> None:
        random = self._random
        if name in ('string', 'wstring'):
            text = bytes(random.choices(b'abc', k=self._shape.choice((0, 1, 4, 9))))
            if name == 'wstring':
                self._pack('I', len(text))
                self._out += b''.join(bytes(struct.pack(self._order + 'H', c)) for c in text)
                return
            self._pack('I', len(text) + 1)
            self._out += text + b'\0'
            return
        form = _WORDS[name]
        if self._next >= len(self._values):
            self._values.append(random.gauss(0, 50))
        self._values[self._next] += random.choice((0.0, 0.0, 0.25, random.gauss(0, 1e-3)))
        value = self._values[self._next]
        self._next += 1
        if form in 'fd':
            digits = self._next % 3
            value = round(value, 3) if digits else value
            self._pack(form, random.choice(_ODD[: 7 if form == 'd' else 5]) if
                       random.random() < 0.02 else value)  # fmt: skip
        elif form == '?':
            self._pack(form, value > 0)
        else:
            bits = 8 * struct.calcsize(form)
            number = round(value * 100) if random.random() < 0.95 else random.getrandbits(bits)
            number %= 1 << bits
            signed = form.islower() and number >> (bits - 1)
            self._pack(form, number - (1 << bits) if signed else number)

    def _pack(self, form: str, value: Any) -> None:
        width = struct.calcsize(form)
        gap = -(len(self._out) - 4) % width
        self._out += self._random.randbytes(gap) if self._dirty else bytes(gap)
        self._out += struct.pack(self._order + form, value)
