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
Message definitions as values: their ``ros2msg`` text and their RIHS01 hash.

The hash is that of REP-2016 (as computed by ``rosidl_generator_type_description``): SHA-256 over
the JSON of a ``type_description_interfaces/msg/TypeDescription`` without default values. The text
is MCAP's ``ros2msg`` encoding: the root's definition, then each type that it needs behind a line
of 80 ``=`` and a line ``MSG: package/Name``. Neither needs an installed ``.msg`` file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
import hashlib
import json
import re

from ros_cloud_bridge.errors import LocalFault

RIHS01_PREFIX = 'RIHS01_'

# IDL forbids empty structures, so rosidl gives empty messages this member. It is on the wire and
# in the hash, but no .msg file has it and every reader of ros2msg text adds it by itself.
EMPTY_MEMBER = 'structure_needs_at_least_one_member'

_SEPARATOR = '=' * 80

# type_description_interfaces/msg/FieldType; bounded strings have ids of their own.
_TYPE_IDS = {
    'int8': 2,
    'uint8': 3,
    'int16': 4,
    'uint16': 5,
    'int32': 6,
    'uint32': 7,
    'int64': 8,
    'uint64': 9,
    'float32': 10,
    'float64': 11,
    'float128': 12,
    'char': 13,
    'wchar': 14,
    'bool': 15,
    'byte': 16,
    'string': 17,
    'wstring': 18,
}
_NESTED_ID = 1
_BOUNDED_STRING_IDS = {'string': 21, 'wstring': 22}

# Primitives of IDL that .msg text has no word for; IDL's char is not .msg's char (a uint8).
_NOT_IN_TEXT = frozenset({'float128', 'char', 'wchar'})

_CONSTANT_NAME = re.compile(r'[A-Z](_?[A-Z0-9]+)*')

Scalar = bool | int | float | str


class Shape(Enum):
    """How many values a field holds; the value is its offset in FieldType's ids."""

    SINGLE = 0
    ARRAY = 48
    BOUNDED_SEQUENCE = 96
    UNBOUNDED_SEQUENCE = 144


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """
    A member of a message.

    ``type_name`` is a ``.msg`` primitive (``float64``) or a full name (``std_msgs/msg/Header``);
    ``size`` the length of an array or the bound of a sequence; ``string_bound`` 0 for none.
    """

    name: str
    type_name: str
    shape: Shape = Shape.SINGLE
    size: int = 0
    string_bound: int = 0
    default: Scalar | tuple[Scalar, ...] | None = None

    @property
    def nested(self) -> bool:
        """Whether the field holds messages."""
        return '/' in self.type_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A named value of a message; ``type_name`` is a ``.msg`` primitive."""

    name: str
    type_name: str
    value: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message type's own members; ``name`` is full, as in ``sensor_msgs/msg/Imu``."""

    name: str
    fields: tuple[Field, ...] = ()
    constants: tuple[Constant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A message type as it is announced: enough to decode it where ROS is not installed."""

    type_name: str
    definition: str
    rihs01: str
    encoding: str = 'ros2msg'

    @property
    def id(self) -> str:
        """The first 16 hexadecimal digits of the RIHS01 digest."""
        return self.rihs01.removeprefix(RIHS01_PREFIX)[:16]


def make_schema(messages: Mapping[str, Message], root: str) -> Schema:
    """
    Describe a type completely.

    :param messages: the root and all that it needs, by full name
    :param root: full name of the type
    :returns: its schema
    :raises LocalFault: if the type cannot be written as ``ros2msg`` text
    """
    return Schema(
        type_name=root, definition=to_ros2msg(messages, root), rihs01=rihs01(messages, root)
    )


def rihs01(messages: Mapping[str, Message], root: str) -> str:
    """
    Compute a type's hash as REP-2016 defines it.

    :param messages: the root and all that it needs, by full name; others are left out
    :param root: full name of the type
    :returns: ``RIHS01_`` and 64 hexadecimal digits
    """
    description = {
        'type_description': _describe(messages[root]),
        'referenced_type_descriptions': [
            _describe(messages[name]) for name in sorted(_dependencies(messages, root))
        ],
    }
    # The separators are those of libyaml's flow style, with which rcl computes the same hash in C.
    text = json.dumps(description, separators=(', ', ': '))
    return RIHS01_PREFIX + hashlib.sha256(text.encode()).hexdigest()


def to_ros2msg(messages: Mapping[str, Message], root: str) -> str:
    """
    Write a type and all that it needs as one ``ros2msg`` text.

    :param messages: the root and all that it needs, by full name; others are left out
    :param root: full name of the type
    :returns: the text, dependencies in the order in which they are first met
    :raises LocalFault: if a member has a type that such text cannot express
    """
    parts = [_definition(messages[root])]
    for name in _dependencies(messages, root):
        parts.append(f'{_SEPARATOR}\nMSG: {_short(name)}\n{_definition(messages[name])}')
    return ''.join(parts)


def _dependencies(messages: Mapping[str, Message], root: str) -> list[str]:
    found = [root]
    for name in found:
        for field in messages[name].fields:
            if field.nested and field.type_name not in found:
                found.append(field.type_name)
    return found[1:]


def _describe(message: Message) -> dict[str, object]:
    fields = message.fields or (Field(name=EMPTY_MEMBER, type_name='uint8'),)
    return {
        'type_name': message.name,
        'fields': [
            {
                'name': field.name,
                'type': {
                    'type_id': _type_id(field),
                    'capacity': field.size,
                    'string_capacity': field.string_bound,
                    'nested_type_name': field.type_name if field.nested else '',
                },
            }
            for field in fields
        ],
    }


def _type_id(field: Field) -> int:
    if field.nested:
        number = _NESTED_ID
    elif field.string_bound:
        number = _BOUNDED_STRING_IDS[field.type_name]
    else:
        number = _TYPE_IDS[field.type_name]
    return number + field.shape.value


def _definition(message: Message) -> str:
    lines = []
    for constant in message.constants:
        value = _literal(constant.value)
        # A name or value that .msg text cannot hold (it came from an .idl file) is left out:
        # constants have no part in decoding, and one bad line would make the text unreadable.
        if value is not None and _CONSTANT_NAME.fullmatch(constant.name):
            lines.append(f'{constant.type_name} {constant.name}={value}\n')
    for field in message.fields:
        if field.name != EMPTY_MEMBER:
            lines.append(_field_line(message, field))
    return ''.join(lines)


def _field_line(message: Message, field: Field) -> str:
    if field.type_name in _NOT_IN_TEXT:
        raise LocalFault(
            f'{message.name}: the type {field.type_name} of its member {field.name} has no word '
            'in ros2msg text; such types cannot be bridged'
        )
    text = _short(field.type_name)
    if field.string_bound:
        text += f'<={field.string_bound}'
    if field.shape is Shape.ARRAY:
        text += f'[{field.size}]'
    elif field.shape is Shape.BOUNDED_SEQUENCE:
        text += f'[<={field.size}]'
    elif field.shape is Shape.UNBOUNDED_SEQUENCE:
        text += '[]'
    default = _default(field)
    return f'{text} {field.name}\n' if default is None else f'{text} {field.name} {default}\n'


def _default(field: Field) -> str | None:
    if field.default is None:
        return None
    if isinstance(field.default, tuple):
        literals = _literals(field.default)
        text = None if literals is None else '[' + ', '.join(literals) + ']'
    else:
        text = _literal(field.default)
    # A "=" would make readers take the line for a constant's.
    return None if text is None or '=' in text else text


def _literals(values: Sequence[Scalar]) -> list[str] | None:
    literals = [text for text in map(_literal, values) if text is not None]
    return literals if literals and len(literals) == len(values) else None


def _literal(value: Scalar) -> str | None:
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, str):
        # Readers differ in what they unescape, and all cut at "#".
        if not value.isprintable() or '\\' in value or '#' in value:
            return None
        quote = "'" if '"' in value else '"'
        return None if quote in value else f'{quote}{value}{quote}'
    return repr(value)


def _short(name: str) -> str:
    package, namespace, rest = name.split('/') if name.count('/') == 2 else ('', '', name)
    return f'{package}/{rest}' if namespace == 'msg' else name
