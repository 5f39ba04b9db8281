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

"""ROS message classes: found by type name, described as schemas, compared with the graph."""

from collections.abc import Iterable
from functools import cache
import importlib
import re
import sys
from typing import Any

from rosidl_parser import definition as idl

from ros_cloud_bridge.errors import MissingTypeSupport, SchemaMismatch
from ros_cloud_bridge.wire.schema import (
    Constant,
    Field,
    make_schema,
    Message,
    Scalar,
    Schema,
    Shape,
)

# Messages of services and actions (pkg/action/Fibonacci_FeedbackMessage) travel on topics too.
_TYPE_NAME = re.compile(r'[a-z][a-z0-9_]*/(msg|srv|action)/[A-Za-z][A-Za-z0-9_]*')
_RIHS01 = re.compile(r'RIHS01_[0-9a-f]{64}')

_PRIMITIVES = {
    'boolean': 'bool',
    'octet': 'byte',
    'float': 'float32',
    'double': 'float64',
    'long double': 'float128',
    'char': 'char',
    'wchar': 'wchar',
    **{f'{sign}int{bits}': f'{sign}int{bits}' for sign in ('', 'u') for bits in (8, 16, 32, 64)},
}

_INTEGERS = {
    f'{sign}int{bits}': range(-(2 ** (bits - 1)), 2 ** (bits - 1)) if not sign else range(2**bits)
    for bits in (8, 16, 32, 64)
    for sign in ('u', '')
}

MessageClass = type[Any]

_schemas: dict[MessageClass, Schema] = {}


@cache
def load_message(type_name: str) -> MessageClass:
    """
    Find a message class with its compiled type support.

    :param type_name: as in ``sensor_msgs/msg/Imu``
    :returns: the class, ready for rclpy
    :raises MissingTypeSupport: if anything stands in the way, a malformed name included
    """
    if not _TYPE_NAME.fullmatch(type_name):
        raise MissingTypeSupport(type_name, 'not a message type name like std_msgs/msg/String')
    try:
        found = _find_class(type_name)
        if not hasattr(found, 'get_fields_and_field_types'):
            raise MissingTypeSupport(type_name, 'it is a service or an action, not a message')
        metaclass: Any = type(found)
        if metaclass._TYPE_SUPPORT is None:
            metaclass.__import_type_support__()
    except MissingTypeSupport:
        raise
    # Whatever a foreign package's import raises, the other topics must go on.
    except Exception as error:
        raise MissingTypeSupport(type_name, str(error) or type(error).__name__) from error
    if metaclass._TYPE_SUPPORT is None:
        raise MissingTypeSupport(type_name, 'its C type support does not load')
    return found


def _find_class(type_name: str) -> MessageClass:
    package, namespace, name = type_name.split('/')
    module = importlib.import_module(f'{package}.{namespace}')
    if namespace != 'msg':
        # The parts of a service or an action stand beside it in a private module.
        module = sys.modules[getattr(module, name.partition('_')[0]).__module__]
    found: MessageClass = getattr(module, name)
    return found


def schema_of(message_class: MessageClass) -> Schema:
    """
    Describe a message class completely, from nothing but itself.

    :param message_class: as :func:`load_message` gives it
    :returns: its schema; the same one every time
    :raises MissingTypeSupport: if a type that it contains cannot be loaded
    :raises LocalFault: if it has members that ``ros2msg`` text cannot express
    """
    if message_class not in _schemas:
        root = type_name_of(message_class)
        _schemas[message_class] = make_schema(_describe_all(message_class), root)
    return _schemas[message_class]


def type_name_of(message_class: MessageClass) -> str:
    """
    Name a message class as the graph does.

    :param message_class: a generated class
    :returns: as in ``sensor_msgs/msg/Imu``
    """
    package, namespace, _ = message_class.__module__.split('.', 2)
    return f'{package}/{namespace}/{message_class.__name__}'


def published_hash(endpoint: object) -> str | None:
    """
    Read the RIHS01 that a publisher announces.

    :param endpoint: rclpy's TopicEndpointInfo
    :returns: the hash as text; None where there is none (Humble) or it is invalid
    """
    text = str(getattr(endpoint, 'topic_type_hash', ''))
    return text if _RIHS01.fullmatch(text) else None


def check_hash(schema: Schema, published: str | None) -> None:
    """
    Check that the installed class is the one that a publisher uses.

    :param schema: of the installed class
    :param published: the hash that the graph reports; None, ``INVALID`` and hashes of another
        version of the standard say nothing and pass
    :raises SchemaMismatch: if they differ
    """
    if published and _RIHS01.fullmatch(published) and published != schema.rihs01:
        raise SchemaMismatch(schema.type_name, schema.rihs01, published)


def _describe_all(message_class: MessageClass) -> dict[str, Message]:
    root = type_name_of(message_class)
    messages = {root: _describe(message_class)}
    pending = [root]
    while pending:
        for field in messages[pending.pop()].fields:
            if field.nested and field.type_name not in messages:
                messages[field.type_name] = _describe(load_message(field.type_name))
                pending.append(field.type_name)
    return messages


def _describe(message_class: MessageClass) -> Message:
    # Generated metaclasses give constants and defaults as the class's initial namespace.
    values: dict[str, Any] = dict(type(message_class).__prepare__('', ()))
    names = message_class.get_fields_and_field_types()
    fields = (
        _field(name, slot, values.get(f'{name.upper()}__DEFAULT'))
        for name, slot in zip(names, message_class.SLOT_TYPES, strict=True)
    )
    constants = (
        _constant(name, value) for name, value in values.items() if not name.endswith('__DEFAULT')
    )
    return Message(
        name=type_name_of(message_class), fields=tuple(fields), constants=tuple(constants)
    )


def _field(name: str, slot: idl.AbstractType, default: Any) -> Field:
    shape, size, value = _shape(slot)
    type_name, string_bound = _value_type(value)
    return Field(
        name=name,
        type_name=type_name,
        shape=shape,
        size=size,
        string_bound=string_bound,
        default=_plain(default),
    )


def _shape(slot: idl.AbstractType) -> tuple[Shape, int, Any]:
    if isinstance(slot, idl.Array):
        return Shape.ARRAY, slot.size, slot.value_type
    if isinstance(slot, idl.BoundedSequence):
        return Shape.BOUNDED_SEQUENCE, slot.maximum_size, slot.value_type
    if isinstance(slot, idl.UnboundedSequence):
        return Shape.UNBOUNDED_SEQUENCE, 0, slot.value_type
    return Shape.SINGLE, 0, slot


def _value_type(value: Any) -> tuple[str, int]:
    if isinstance(value, idl.NamespacedType):
        return '/'.join(value.namespaced_name()), 0
    if isinstance(value, idl.AbstractGenericString):
        word = 'wstring' if isinstance(value, idl.AbstractWString) else 'string'
        return word, getattr(value, 'maximum_size', 0)
    return _PRIMITIVES[value.typename], 0


def _plain(value: Any) -> Scalar | tuple[Scalar, ...] | None:
    # Arrays are numpy's or array's, whose elements print as what they are; octets are bytes.
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return value[0]
    if hasattr(value, 'tolist'):
        return tuple(value.tolist())
    return tuple(_scalars(value))


def _scalars(values: Iterable[Any]) -> Iterable[Scalar]:
    return (value[0] if isinstance(value, bytes) else value for value in values)


def _constant(name: str, value: Any) -> Constant:
    # The class keeps a constant's value but not its width: the narrowest that holds it is told.
    if isinstance(value, bool):
        return Constant(name=name, type_name='bool', value=value)
    if isinstance(value, bytes):
        return Constant(name=name, type_name='byte', value=value[0])
    if isinstance(value, int):
        width = next(word for word, held in _INTEGERS.items() if value in held)
        return Constant(name=name, type_name=width, value=value)
    word = 'float64' if isinstance(value, float) else 'string'
    return Constant(name=name, type_name=word, value=value)
