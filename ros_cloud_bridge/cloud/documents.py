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

"""Read what the decoder needs of the JSON documents; everything in them counts as hostile."""

from collections.abc import Mapping
import re
from typing import Any

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import Keep
from ros_cloud_bridge.wire.batch import Descriptor, MAX_FORM
from ros_cloud_bridge.wire.limits import MAX_TEXT

DOCUMENTS = ('state', 'info', 'health')
_MAX_ROUTES = 4096
_MAX_STREAMS = 4096
_BOOT_ID = re.compile(r'[0-9a-f]{16}')
_SCHEMA_ID = re.compile(r'([0-9a-f]{16})?')
_INT64_MAX = (1 << 63) - 1


def boot_of(kind: str, document: Mapping[str, Any]) -> str:
    """
    Read whose boot a document is of.

    :param kind: its kind
    :param document: the document
    :returns: boot id, 16 hexadecimal digits
    :raises ProtocolError: when it has none
    """
    boot_id = document.get('boot_id')
    if not isinstance(boot_id, str) or not _BOOT_ID.fullmatch(boot_id):
        raise ProtocolError(f'{kind} has a boot_id of 16 hexadecimal digits')
    return boot_id


def health_entries(document: Mapping[str, Any]) -> list[tuple[int, dict[str, int]]]:
    """
    Read what ``health`` says that routes dropped.

    :param document: the document
    :returns: route numbers, and counts by reason
    :raises ProtocolError: when it is malformed or over a limit
    """
    routes = document.get('routes', [])
    if not isinstance(routes, list) or len(routes) > _MAX_ROUTES:
        raise ProtocolError(f'health has at most {_MAX_ROUTES} routes')
    entries = []
    for route in routes:
        number = route.get('route') if isinstance(route, dict) else None
        dropped = route.get('dropped', {}) if isinstance(route, dict) else None
        if type(number) is not int or not isinstance(dropped, dict) or len(dropped) > 64:
            raise ProtocolError('a route in health has its number and what was dropped')
        if any(type(count) is not int or len(reason) > 64 for reason, count in dropped.items()):
            raise ProtocolError('drops in health are counts by reason')
        entries.append((number, dropped))
    return entries


def info_routes(document: Mapping[str, Any]) -> list[tuple[int, Descriptor]]:
    """
    Read the routes of ``info``.

    :param document: the document
    :returns: route numbers and what they stand for
    :raises ProtocolError: when it is malformed or over a limit
    """
    routes = document.get('routes', [])
    if not isinstance(routes, list) or len(routes) > _MAX_ROUTES:
        raise ProtocolError(f'info has at most {_MAX_ROUTES} routes')
    return [_route_entry(route) for route in routes]


def durable_streams(document: Mapping[str, Any]) -> dict[str, str]:
    """
    Find the durable streams of ``info``.

    :param document: the document; what it does not say in a form that we know is not durable
    :returns: who confirms them, by name; empty where the broker does
    """
    streams = document.get('streams')
    found = {}
    for stream in streams[:_MAX_STREAMS] if isinstance(streams, list) else ():
        if isinstance(stream, dict) and stream.get('keep') == Keep.DURABLE.value:
            name, consumer = stream.get('name'), stream.get('confirm_by')
            if isinstance(name, str) and len(name) <= MAX_TEXT:
                found[name] = consumer if isinstance(consumer, str) else ''
    return found


def dashboard_streams(document: Mapping[str, Any]) -> frozenset[str]:
    """
    Find the streams of ``info`` that the robot itself makes dashboards of.

    :param document: the document
    :returns: their names
    """
    streams = document.get('streams')
    return frozenset(
        stream['name']
        for stream in (streams[:_MAX_STREAMS] if isinstance(streams, list) else ())
        if isinstance(stream, dict) and stream.get('dashboard') and _is_name(stream.get('name'))
    )


def _is_name(name: object) -> bool:
    return isinstance(name, str) and len(name) <= MAX_TEXT


def _route_entry(entry: object) -> tuple[int, Descriptor]:
    if isinstance(entry, dict):
        number = entry.get('route')
        texts = [entry.get(key) for key in ('stream', 'topic', 'type', 'schema')]
        texts.append(entry.get('form', ''))
        if (
            type(number) is int
            and 0 <= number <= _INT64_MAX
            and all(isinstance(text, str) and _is_text(text) for text in texts)
            and _SCHEMA_ID.fullmatch(str(texts[3]))
            and len(str(texts[4])) <= MAX_FORM
        ):
            stream, topic, type_name, schema_id, form = map(str, texts)
            return number, Descriptor(
                stream=stream,
                topic=topic,
                type_name=type_name,
                schema_id=schema_id,
                form=form,
            )
    raise ProtocolError('a route in info has route, stream, topic, type and schema')


def _is_text(text: str) -> bool:
    # JSON can name halves of surrogate pairs, on which whoever writes the text out would fail.
    return len(text) <= MAX_TEXT and not any('\ud800' <= letter <= '\udfff' for letter in text)
