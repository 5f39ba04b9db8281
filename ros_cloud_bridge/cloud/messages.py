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

"""Message fields from CDR by the rosbags library's type stores, from schemas off the wire."""

from collections import OrderedDict
from functools import cache
import re
from typing import Any

from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore

from ros_cloud_bridge.cloud.wide_text import hash_with_wide_text, narrow
from ros_cloud_bridge.errors import ProtocolError, UnknownSchema
from ros_cloud_bridge.wire.schema import RIHS01_PREFIX, Schema

_SEPARATOR = re.compile(r'^={80}\n', re.MULTILINE)
_TYPE_NAME = re.compile(r'[a-z][a-z0-9_]*/msg/[A-Za-z][A-Za-z0-9_]*')
# All held texts together, bytes; what is made of a text takes up to 300 times as much memory.
_MAX_TEXTS = 4 * 1024 * 1024
_MAX_MEMBERS = 4096
_MAX_ARRAY = 1 << 20
# A message claims no sequence longer than the largest batch could hold.
_MAX_SEQUENCE = 1 << 26


class MessageDecoder:
    """
    Decodes messages by schema id.

    A schema is used only if its text hashes to its id (REP-2016), so that no consumer can be made
    to read a robot's bytes with a forged definition.
    """

    def __init__(self) -> None:
        self._schemas: OrderedDict[str, Schema] = OrderedDict()
        # None for a type with wide strings: its schema is known, its fields cannot be decoded.
        self._stores: dict[str, Typestore | None] = {}
        self._text_bytes = 0

    def __contains__(self, schema_id: str) -> bool:
        return schema_id in self._schemas

    def add(self, schema: Schema) -> None:
        """
        Take in a schema.

        :param schema: as it was announced
        :raises ProtocolError: when its text is malformed or does not hash to its id
        """
        if schema.id in self._schemas:
            return
        self._stores[schema.id] = _build_store(schema)
        self._schemas[schema.id] = schema
        self._text_bytes += _held(schema)
        while self._text_bytes > _MAX_TEXTS:
            gone, oldest = self._schemas.popitem(last=False)
            del self._stores[gone]
            self._text_bytes -= _held(oldest)

    def knows(self, schema_id: str, type_name: str) -> bool:
        """
        Say whether messages of a schema can be decoded.

        :param schema_id: 16 hexadecimal digits, or empty when the bridge could not tell
        :param type_name: as in ``sensor_msgs/msg/Imu``
        :returns: whether :meth:`schema` has it
        """
        if schema_id not in self._schemas:
            self._add_well_known(schema_id, type_name)
        return schema_id in self._schemas

    def schema(self, schema_id: str, type_name: str) -> Schema:
        """
        Give a schema.

        :param schema_id: 16 hexadecimal digits
        :param type_name: as in ``sensor_msgs/msg/Imu``
        :returns: the schema
        :raises UnknownSchema: while it has not arrived
        """
        if not self.knows(schema_id, type_name):
            raise UnknownSchema(type_name)
        return self._schemas[schema_id]

    def decode(self, schema_id: str, type_name: str, cdr: bytes) -> Any:
        """
        Decode a message.

        :param schema_id: 16 hexadecimal digits
        :param type_name: as in ``sensor_msgs/msg/Imu``
        :param cdr: serialized message with its encapsulation header
        :returns: object with the message's fields
        :raises UnknownSchema: while the schema has not arrived
        :raises ProtocolError: when the bytes do not fit the schema, or its type has wide strings
        """
        if self.schema(schema_id, type_name).type_name != type_name:
            raise ProtocolError(f'schema {schema_id} is not that of {type_name[:80]}')
        store = self._stores[schema_id]
        if store is None:
            raise ProtocolError(f'{type_name} has wstring members, whose fields cannot be decoded')
        try:
            return store.deserialize_cdr(cdr, type_name)
        except Exception as error:  # rosbags raises many kinds on bytes that do not fit
            raise ProtocolError(f'{type_name}: bytes do not fit the schema: {error!r}') from error

    def _add_well_known(self, schema_id: str, type_name: str) -> None:
        for store in _well_known_stores():
            if type_name in store.fielddefs:
                rihs01 = _well_known_hash(store, type_name)
                if rihs01.removeprefix(RIHS01_PREFIX)[:16] == schema_id:
                    text, _ = store.generate_msgdef(type_name, ros_version=2)
                    self.add(Schema(type_name=type_name, definition=text, rihs01=rihs01))
                    return


@cache
def _well_known_stores() -> tuple[Typestore, ...]:
    names = (Stores.ROS2_KILTED, Stores.ROS2_JAZZY, Stores.ROS2_HUMBLE)
    return tuple(get_typestore(name) for name in names)


@cache
def _well_known_hash(store: Typestore, type_name: str) -> str:
    rihs01: str = store.hash_rihs01(type_name)
    return rihs01


def _held(schema: Schema) -> int:
    return len(schema.definition) + len(schema.type_name)


def _build_store(schema: Schema) -> Typestore | None:
    if schema.encoding != 'ros2msg':
        raise ProtocolError(f'schema encoding {schema.encoding[:40]!r} is not ros2msg')
    store: Typestore | None = None
    try:
        types, wide = _parse(schema)
        _check_types(types, schema.type_name)
        if any(wide.values()):
            actual = hash_with_wide_text(types, wide, schema.type_name)
        else:
            store = Typestore(max_sequence_length=_MAX_SEQUENCE)
            store.register(types)
            actual = store.hash_rihs01(schema.type_name)
    except ProtocolError:
        raise
    except Exception as error:  # the parser raises many kinds on hostile text
        raise ProtocolError(f'schema of {schema.type_name[:80]}: {error!r}') from error
    if actual != schema.rihs01:
        raise ProtocolError(f'schema of {schema.type_name} does not hash to its id')
    return store


def _parse(schema: Schema) -> tuple[dict[str, Any], dict[str, frozenset[str]]]:
    """Parse a schema's text; the second result names each type's members with wide strings."""
    types: dict[str, Any] = {}
    wide: dict[str, frozenset[str]] = {}
    root, *rest = _SEPARATOR.split(schema.definition)
    parts = [(_checked_name(schema.type_name), root)]
    for part in rest:
        line, _, text = part.partition('\n')
        parts.append((_full_name(line), text))
    for name, text in parts:
        narrowed, wide[name] = narrow(text)
        types.update(get_types_from_msg(narrowed, name))
    return types, wide


def _full_name(line: str) -> str:
    if not line.startswith('MSG: '):
        raise ProtocolError('a further type in a schema begins with "MSG: package/Name"')
    name = line.removeprefix('MSG: ').strip()
    package, _, short = name.rpartition('/')
    return _checked_name(name if package.endswith('/msg') else f'{package}/msg/{short}')


def _checked_name(name: str) -> str:
    if not _TYPE_NAME.fullmatch(name):
        raise ProtocolError(f'not a message type: {name[:80]!r}')
    return name


def _check_types(types: dict[str, Any], root: str) -> None:
    """Refuse types that contain themselves, or more than any message has."""
    if sum(len(constants) + len(fields) for constants, fields in types.values()) > _MAX_MEMBERS:
        raise ProtocolError(f'{root} has more than {_MAX_MEMBERS} members')
    finished: set[str] = set()
    path: list[str] = []

    def visit(name: str) -> None:
        if name in path or len(path) > 32:
            raise ProtocolError(f'{name} contains itself or is nested too deeply')
        if name in finished:
            return
        path.append(name)
        for _, description in types[name][1]:
            inner, count = _unwrap(description)
            if count > _MAX_ARRAY:
                raise ProtocolError(f'{name} has an array of {count} elements')
            if inner is not None:
                visit(inner)
        finished.add(path.pop())

    visit(root)


def _unwrap(description: Any) -> tuple[str | None, int]:
    kind, details = description
    count = 0
    if kind.name in ('ARRAY', 'SEQUENCE'):
        (kind, details), count = details[0], details[1] if kind.name == 'ARRAY' else 0
    return (details if kind.name == 'NAME' else None), count
