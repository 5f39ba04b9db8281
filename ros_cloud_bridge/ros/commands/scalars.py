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

"""Single values of ROS fields, checked before a message class gets them."""

from collections.abc import Callable, Mapping, Sequence
import math
import struct
from typing import Any

from ros_cloud_bridge.errors import BadFields

# Takes a value and its path; gives what the message class wants.
Convert = Callable[[Any, str], Any]

SHOWN_CHARACTERS = 40
_FLOAT32_MAX: float = struct.unpack('<f', b'\xff\xff\x7f\x7f')[0]


def bad_field(path: str, problem: str) -> BadFields:
    """
    Make the error for one field.

    :param path: of the field, as in ``twist.linear.x``; empty for the message itself
    :param problem: what was expected and what was given
    :returns: the error
    """
    return BadFields(f'{path}: {problem}' if path else problem)


def check_text(value: Any, path: str, what: str = 'string') -> str:
    """
    Check a text that is to become a ROS string.

    :param value: the text
    :param path: where it stands
    :param what: the type that is expected
    :returns: the text
    :raises BadFields: when it is none, or ROS would cut it or fail on it
    """
    if not isinstance(value, str):
        raise expected(path, what, value)
    if '\0' in value:
        raise bad_field(path, 'a ROS string ends at its first NUL character; this text has one')
    if not value.isascii() and any('\ud800' <= c <= '\udfff' for c in value):
        raise bad_field(path, 'expected valid Unicode, got a lone surrogate')
    return value


def expected(path: str, what: str, value: Any) -> BadFields:
    """
    Make the error for a value of a wrong type.

    :param path: of the field
    :param what: the type that is expected
    :param value: what was given
    :returns: the error
    """
    return bad_field(path, f'expected {what}, got {shown(value)}')


def shown(value: Any) -> str:
    """
    Describe a value and its type in a few words.

    :param value: a plain value
    :returns: as in ``the float 1.0``
    """
    if value is None:
        return 'null'
    if isinstance(value, bool):
        return f'the bool {str(value).lower()}'
    if isinstance(value, int):
        # Not all digits of a number without end.
        return f'the integer {value}' if value.bit_length() < 128 else 'a far larger integer'
    if isinstance(value, float):
        return f'the float {value!r}'
    if isinstance(value, str):
        cut = value[:SHOWN_CHARACTERS]
        return repr(cut) + ('…' if len(cut) < len(value) else '')
    if isinstance(value, (bytes, bytearray)):
        return '1 byte' if len(value) == 1 else f'{len(value)} bytes'
    if isinstance(value, Mapping):
        return 'a map'
    if isinstance(value, Sequence):
        return f'a list of {len(value)}'
    return f'a {type(value).__name__}'


def text_converter(most: int | None, *, wide: bool) -> Convert:
    """
    Make the converter of a string type.

    :param most: its bound, None without one
    :param wide: a wstring
    :returns: the converter
    """
    # As IDL counts: bytes of a string, 16-bit units of a wstring.
    encoding, unit = ('utf-16-le', 2) if wide else ('utf-8', 1)
    what = 'wstring' if wide else 'string'

    def convert(value: Any, path: str) -> str:
        text = check_text(value, path, what)
        if most is not None and len(text.encode(encoding)) // unit > most:
            got = len(text.encode(encoding)) // unit
            raise bad_field(path, f'expected {what}<={most}, got one of length {got}')
        return text

    return convert


def _convert_bool(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise expected(path, 'bool', value)
    return value


def _convert_byte(value: Any, path: str) -> bytes:
    if isinstance(value, bytes) and len(value) == 1:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return bytes((value,))
    raise expected(path, 'byte (one byte, or 0..255)', value)


def _convert_character(most: int, what: str) -> Convert:
    def convert(value: Any, path: str) -> str:
        if not isinstance(value, str) or len(value) != 1 or not 0 < ord(value) <= most:
            raise expected(path, f'{what} (one character)', value)
        return check_text(value, path)

    return convert


def _convert_integer(bits: int, *, signed: bool) -> Convert:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    word = f'{"" if signed else "u"}int{bits}'

    def convert(value: Any, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise expected(path, word, value)
        if not low <= value <= high:
            raise expected(path, f'{word} ({low}..{high})', value)
        return int(value)

    return convert


def _convert_float(word: str, most: float) -> Convert:
    def convert(value: Any, path: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise expected(path, word, value)
        try:
            number = float(value)
        except OverflowError:
            raise expected(path, f'{word} (up to {most:g})', value) from None
        if abs(number) > most and math.isfinite(number):
            raise expected(path, f'{word} (up to {most:g})', value)
        return number

    return convert


# By the names that rosidl_parser has for them.
BASIC: dict[str, Convert] = {
    'boolean': _convert_bool,
    'octet': _convert_byte,
    'float': _convert_float('float32', _FLOAT32_MAX),
    'double': _convert_float('float64', math.inf),
    'long double': _convert_float('float128', math.inf),
    # Of IDL files; the char of a .msg file is uint8.
    'char': _convert_character(0xFF, 'char'),
    'wchar': _convert_character(0xFFFF, 'wchar'),
    **{
        f'{sign}int{bits}': _convert_integer(bits, signed=not sign)
        for sign in ('', 'u')
        for bits in (8, 16, 32, 64)
    },
}
# How a .msg file calls those that it calls otherwise.
WORDS = {
    'boolean': 'bool',
    'octet': 'byte',
    'float': 'float32',
    'double': 'float64',
    'long double': 'float128',
}
