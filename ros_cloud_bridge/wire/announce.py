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
Schema announcements, consumers' requests, and the JSON documents (docs/protocol.md).

::

    schema = [version, type name, encoding, RIHS01, text length, zstd of the text]
    ask    = [version, {"info": true, "routes": true, "latched": true, "schema": [id, ...],
                        "dict": [name, ...], "lease": [[stream, hz, seconds], ...]}]
"""

from collections.abc import Mapping
from dataclasses import dataclass
import json
import math
from typing import Any

import zstandard

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import Lease
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.batch import DICTIONARY_BYTES, VERSION
from ros_cloud_bridge.wire.codecs import decompress
from ros_cloud_bridge.wire.limits import MAX_JSON, MAX_SCHEMA_TEXT, MAX_TEXT
from ros_cloud_bridge.wire.schema import RIHS01_PREFIX, Schema

MAX_ASKED_LEASES = 64
MAX_STREAM_CHARACTERS = 64
_MAX_ASKED_SCHEMAS = 256
_MAX_ASKED_DICTIONARIES = 16
_RIHS01_CHARACTERS = len(RIHS01_PREFIX) + 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """
    What a consumer asks of a bridge.

    ``routes`` asks for descriptors in the next batches, ``schemas`` for definitions by id,
    ``dictionaries`` for dictionaries by name, in hexadecimal, ``leases`` for streams on demand.
    """

    info: bool = False
    routes: bool = False
    latched: bool = False
    schemas: tuple[str, ...] = ()
    leases: tuple[Lease, ...] = ()
    dictionaries: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return (
            self.info
            or self.routes
            or self.latched
            or bool(self.schemas or self.leases or self.dictionaries)
        )


def encode_schema(schema: Schema) -> bytes:
    """
    Encode a definition.

    :param schema: a type's schema
    :returns: CBOR payload
    """
    text = schema.definition.encode()
    compressed = zstandard.ZstdCompressor(level=19).compress(text)
    return cbor.dumps(
        [VERSION, schema.type_name, schema.encoding, schema.rihs01, len(text), compressed]
    )


def decode_schema(payload: bytes) -> Schema:
    """
    Decode a definition.

    :param payload: MQTT payload
    :returns: the schema; its text is not parsed here
    :raises ProtocolError: when it is malformed, too long or of another version
    """
    fields = cbor.loads(payload)
    if not isinstance(fields, list) or len(fields) != 6:
        raise ProtocolError('a schema has six fields')
    if type(fields[0]) is not int or fields[0] != VERSION:
        raise ProtocolError(f'schema of another protocol version than {VERSION}')
    _, type_name, encoding, rihs01, length, compressed = fields
    if not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in fields[1:4]):
        raise ProtocolError('a schema names type, encoding and hash')
    if not rihs01.startswith(RIHS01_PREFIX) or len(rihs01) != _RIHS01_CHARACTERS:
        raise ProtocolError(f'not a RIHS01 hash: {rihs01[:80]!r}')
    if (
        type(length) is not int
        or not 0 <= length <= MAX_SCHEMA_TEXT
        or type(compressed) is not bytes
    ):
        raise ProtocolError(f'a schema text has at most {MAX_SCHEMA_TEXT} bytes')
    try:
        definition = decompress(compressed, length).decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f'schema text is not UTF-8: {error}') from error
    return Schema(type_name=type_name, definition=definition, rihs01=rihs01, encoding=encoding)


def encode_ask(ask: Ask) -> bytes:
    """
    Encode a request.

    :param ask: what is wanted
    :returns: CBOR payload
    """
    wanted: dict[str, object] = {
        name: True for name in ('info', 'routes', 'latched') if getattr(ask, name)
    }
    if ask.schemas:
        wanted['schema'] = [bytes.fromhex(schema_id) for schema_id in ask.schemas]
    if ask.dictionaries:
        wanted['dict'] = [bytes.fromhex(name) for name in ask.dictionaries]
    if ask.leases:
        wanted['lease'] = [
            [lease.stream, float(lease.hz), float(lease.seconds)] for lease in ask.leases
        ]
    return cbor.dumps([VERSION, wanted])


def decode_ask(payload: bytes) -> Ask:
    """
    Decode a request; keys of later versions are ignored.

    :param payload: MQTT payload
    :returns: what is wanted
    :raises ProtocolError: when it is malformed
    """
    fields = cbor.loads(payload, 16 * 1024)
    if not isinstance(fields, list) or len(fields) != 2 or not isinstance(fields[1], dict):
        raise ProtocolError('a request is a version and a map')
    wanted = fields[1]
    schemas = wanted.get('schema', [])
    if not isinstance(schemas, list) or len(schemas) > _MAX_ASKED_SCHEMAS:
        raise ProtocolError(f'a request names at most {_MAX_ASKED_SCHEMAS} schemas')
    if not all(isinstance(schema, bytes) and len(schema) == 8 for schema in schemas):
        raise ProtocolError('a schema id has eight bytes')
    names = wanted.get('dict', [])
    if not isinstance(names, list) or len(names) > _MAX_ASKED_DICTIONARIES:
        raise ProtocolError(f'a request names at most {_MAX_ASKED_DICTIONARIES} dictionaries')
    if not all(isinstance(name, bytes) and len(name) == DICTIONARY_BYTES for name in names):
        raise ProtocolError(f'the name of a dictionary has {DICTIONARY_BYTES} bytes')
    return Ask(
        info=wanted.get('info') is True,
        routes=wanted.get('routes') is True,
        latched=wanted.get('latched') is True,
        schemas=tuple(schema.hex() for schema in schemas),
        leases=_leases(wanted.get('lease', [])),
        dictionaries=tuple(name.hex() for name in names),
    )


def _leases(entries: object) -> tuple[Lease, ...]:
    if not isinstance(entries, list) or len(entries) > MAX_ASKED_LEASES:
        raise ProtocolError(f'a request has at most {MAX_ASKED_LEASES} leases')
    return tuple(map(_lease, entries))


def _lease(entry: object) -> Lease:
    if not isinstance(entry, list) or len(entry) != 3:
        raise ProtocolError('a lease has stream, rate and seconds')
    stream, hz, seconds = entry
    if not isinstance(stream, str) or not 1 <= len(stream) <= MAX_STREAM_CHARACTERS:
        raise ProtocolError(f'a lease names a stream of 1 to {MAX_STREAM_CHARACTERS} characters')
    return Lease(stream=stream, hz=_not_negative(hz), seconds=_not_negative(seconds))


def _not_negative(value: object) -> float:
    # By type, for a CBOR true is an int to Python. CBOR's integers all fit into a float's range.
    if (type(value) is not int and type(value) is not float) or not 0 <= value < math.inf:
        raise ProtocolError('rate and seconds of a lease are finite numbers from 0 on')
    return float(value)


def encode_json(document: Mapping[str, object]) -> bytes:
    """
    Encode a document.

    :param document: JSON-able
    :returns: compact UTF-8 JSON
    """
    return json.dumps(document, separators=(',', ':'), ensure_ascii=False).encode()


def decode_json(payload: bytes) -> dict[str, Any]:
    """
    Decode a document.

    :param payload: MQTT payload
    :returns: the JSON object
    :raises ProtocolError: when it is too long, not JSON or not an object
    """
    if len(payload) > MAX_JSON:
        raise ProtocolError(f'document of {len(payload)} bytes is over the limit of {MAX_JSON}')
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f'not JSON: {error}') from error
    if not isinstance(document, dict):
        raise ProtocolError('a document is a JSON object')
    return document
