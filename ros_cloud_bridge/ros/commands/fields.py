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

"""Messages from plain values (CBOR, JSON, YAML) and back; each mismatch is named by its path."""

from array import array
from collections.abc import Mapping
import difflib
from typing import Any

from rosidl_parser import definition as idl

from ros_cloud_bridge.ros.commands.scalars import (
    bad_field,
    BASIC,
    Convert,
    expected,
    shown,
    SHOWN_CHARACTERS,
    text_converter,
    WORDS,
)
from ros_cloud_bridge.ros.interfaces import load_message, MessageClass, type_name_of

# With its signature this fits an answer that every broker takes (wire.limits.PORTABLE_PAYLOAD),
# and no more items than a decoder takes (wire.limits.COMMAND_MAX_ITEMS).
MAX_BYTES = 96 * 1024
MAX_ITEMS = 12_288

# What a generated class of an empty message has, for C knows no empty structure.
_FILLER = 'structure_needs_at_least_one_member'


def build(
    message_class: MessageClass, fields: Mapping[Any, Any], path: str = '', message: Any = None
) -> Any:
    """
    Make a message.

    Since Jazzy message classes do not look at what they are given, and what does not fit brings
    the process down once it is published: nothing unchecked gets into them here.

    :param message_class: of a message, or of a part of a service or an action
    :param fields: name to value; what is left out keeps its default. Arrays are lists, those of
        8-bit integers may be bytes, messages are mappings
    :param path: put in front of the path that an error names
    :param message: to be filled instead of a new one
    :returns: the message
    :raises BadFields: with the path and what was expected there
    :raises MissingTypeSupport: when a type that it contains cannot be loaded
    """
    if not isinstance(fields, Mapping):
        raise expected(path, type_name_of(message_class), fields)
    plan = _plan(message_class)
    message = message_class() if message is None else message
    for name, value in fields.items():
        convert = plan.get(name) if isinstance(name, str) else None
        if convert is None:
            raise bad_field(_joined(path, _word_of(name)), no_such_field(name, plan))
        at = _joined(path, name)
        converted = convert(value, at)
        try:
            setattr(message, name, converted)
        except (AssertionError, TypeError, ValueError, OverflowError) as error:
            # The class's own checks, where it makes any (Humble, ROS_PYTHON_CHECK_FIELDS=1).
            raise bad_field(at, ' '.join(str(error).split())) from error
    return message


def to_fields(
    message: Any, *, max_bytes: int = MAX_BYTES, max_items: int = MAX_ITEMS
) -> dict[str, Any]:
    """
    Take a message apart into what CBOR can tell.

    :param message: a message, or a part of a service or an action
    :param max_bytes: largest encoding, reckoned a little too large
    :param max_items: most values and names in it
    :returns: its fields in order; arrays as lists, those of uint8 and byte as bytes
    :raises BadFields: when it is larger than that
    """
    return _Teller(max_bytes, max_items).message(message, '')


def check_size(value: Any) -> Any:
    """
    Check that an answer can hold a value.

    :param value: plain values
    :returns: the value
    :raises BadFields: when it is larger than a message's fields may be
    """
    _Teller(MAX_BYTES, MAX_ITEMS).value(value, '')
    return value


def _joined(path: str, name: str) -> str:
    return f'{path}.{name}' if path else name


def _word_of(name: Any) -> str:
    # What an operator calls a field that does not exist may hold anything, of any length.
    if isinstance(name, str) and name.isidentifier() and len(name) <= SHOWN_CHARACTERS:
        return name
    return shown(name)


def no_such_field(name: Any, plan: Mapping[str, Any]) -> str:
    """
    Say that a type lacks a field, and what it has.

    :param name: of the field
    :param plan: its fields by name
    :returns: one line
    """
    if not isinstance(name, str):
        return 'names of fields are texts'
    if not plan:
        return 'no such field; the message has none'
    near = difflib.get_close_matches(name.lower(), plan, n=1)
    meant = f" did you mean '{near[0]}'?" if near else ''
    return f'no such field;{meant} its fields: {", ".join(plan)}'


_plans: dict[MessageClass, dict[str, Convert]] = {}


def _plan(message_class: MessageClass) -> dict[str, Convert]:
    if message_class not in _plans:
        names = message_class.get_fields_and_field_types()
        _plans[message_class] = {
            name: _convert_any(slot)
            for name, slot in zip(names, message_class.SLOT_TYPES, strict=True)
            if name != _FILLER
        }
    return _plans[message_class]


def _convert_any(slot: Any) -> Convert:
    if isinstance(slot, idl.Array):
        return _convert_list(slot.value_type, least=slot.size, most=slot.size)
    if isinstance(slot, idl.BoundedSequence):
        return _convert_list(slot.value_type, most=slot.maximum_size)
    if isinstance(slot, idl.UnboundedSequence):
        return _convert_list(slot.value_type)
    if isinstance(slot, idl.NamespacedType):
        nested = load_message('/'.join(slot.namespaced_name()))
        return lambda value, path: build(nested, value, path)
    if isinstance(slot, idl.AbstractGenericString):
        wide = isinstance(slot, idl.AbstractWString)
        return text_converter(getattr(slot, 'maximum_size', None), wide=wide)
    return BASIC[slot.typename]


def _word(slot: Any) -> str:
    if isinstance(slot, idl.NamespacedType):
        return '/'.join(slot.namespaced_name())
    if isinstance(slot, idl.AbstractGenericString):
        return 'wstring' if isinstance(slot, idl.AbstractWString) else 'string'
    name: str = slot.typename
    return WORDS.get(name, name)


def _convert_list(slot: Any, *, least: int = 0, most: int | None = None) -> Convert:
    item = _convert_any(slot)
    basic = slot.typename if isinstance(slot, idl.BasicType) else ''
    size = f'{least}' if most == least else '' if most is None else f'<={most}'
    what = f'{_word(slot)}[{size}]'

    def convert(value: Any, path: str) -> Any:
        packed = isinstance(value, (bytes, bytearray)) and basic in _PACKED
        if not packed and not isinstance(value, (list, tuple)):
            raise expected(path, what, value)
        if len(value) < least or (most is not None and len(value) > most):
            raise bad_field(path, f'expected {what}, got {len(value)} elements')
        if packed:
            return _unpack(basic, bytes(value), fixed=most == least)
        return [item(element, f'{path}[{index}]') for index, element in enumerate(value)]

    return convert


_PACKED = {'uint8': 'B', 'int8': 'b', 'octet': ''}


def _unpack(basic: str, value: bytes, *, fixed: bool) -> Any:
    if basic == 'octet':
        return [value[i : i + 1] for i in range(len(value))]
    numbers = array(_PACKED[basic], value)
    # Fixed arrays are numpy's, which takes a list; sequences are array's.
    return numbers.tolist() if fixed else numbers


def _is_octet(slot: Any) -> bool:
    return isinstance(slot, idl.BasicType) and slot.typename == 'octet'


class _Teller:
    """Makes plain values, and stops when they become too many."""

    def __init__(self, max_bytes: int, max_items: int) -> None:
        self._limit = f'more than {max_bytes} bytes or {max_items} values'
        self._bytes = max_bytes
        self._items = max_items

    def message(self, message: Any, path: str) -> dict[str, Any]:
        fields = {}
        names = message.get_fields_and_field_types()
        for name, slot in zip(names, message.SLOT_TYPES, strict=True):
            if name != _FILLER:
                at = _joined(path, name)
                self._count(at, len(name) + 3)
                value = getattr(message, name)
                if isinstance(slot, idl.AbstractNestedType) and _is_octet(slot.value_type):
                    value = b''.join(value)
                fields[name] = self.value(value, at)
        self._count(path, 5)
        return fields

    def value(self, value: Any, path: str) -> Any:
        # The most frequent first; bool is an int.
        if value is None or isinstance(value, (int, float)):
            self._count(path, 9)
            return value
        if isinstance(value, str):
            self._count(path, 5 + (len(value) if value.isascii() else 4 * len(value)))
            return value
        if isinstance(value, bytes):
            self._count(path, 5 + len(value))
            return value
        if isinstance(value, Mapping):
            return {self.value(key, path): self.value(held, path) for key, held in value.items()}
        if hasattr(value, 'get_fields_and_field_types'):
            return self.message(value, path)
        return self._list(value, path)

    def _list(self, values: Any, path: str) -> Any:
        if isinstance(values, (list, tuple)):
            self._count(path, 5)
            return [self.value(value, path) for value in values]
        # array's or numpy's; uint8 alone is told as bytes, for int8 has signs.
        if getattr(values, 'typecode', '') == 'B' or str(getattr(values, 'dtype', '')) == 'uint8':
            return self.value(values.tobytes(), path)
        self._count(path, 5, items=1)
        self._count(path, 9 * len(values), items=len(values))
        return values.tolist()

    def _count(self, path: str, size: int, items: int = 1) -> None:
        self._bytes -= size
        self._items -= items
        if self._bytes < 0 or self._items < 0:
            raise bad_field(path, f'{self._limit}, too large for an answer')
