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

"""What a sink keeps of a decoder, so that the one after it drops the same duplicates."""

from collections.abc import Iterable
from dataclasses import dataclass
import json
from typing import Any

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.account import Gap
from ros_cloud_bridge.wire.batch import decode_descriptor, Descriptor, encode_descriptor

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """
    What a decoder has handed on of a durable route of one boot, and what was told of it.

    ``ranges`` are first and last sequence numbers, ascending and disjoint, without those that
    still wait for earlier ones; ``gaps`` will never come. ``descriptor`` is None while unknown.
    """

    robot_id: str
    boot_id: str
    route: int
    descriptor: Descriptor | None = None
    ranges: tuple[tuple[int, int], ...] = ()
    gaps: tuple[Gap, ...] = ()
    committed: int | None = None
    closed: bool = False


def dump_seen(seen: Iterable[Seen]) -> bytes:
    """
    Write it as JSON.

    :param seen: what :meth:`Decoder.seen` gave
    :returns: UTF-8
    """
    entries = []
    for entry in seen:
        known = entry.descriptor
        described = None
        if known is not None:
            stream, topic, type_name, _, *form = encode_descriptor(known)
            described = [stream, topic, type_name, known.schema_id, *form]
        entries.append(
            [
                entry.robot_id,
                entry.boot_id,
                entry.route,
                described,
                entry.ranges,
                entry.gaps,
                entry.committed,
                entry.closed,
            ]
        )
    document = {'version': _VERSION, 'seen': entries}
    return json.dumps(document, separators=(',', ':')).encode()


def load_seen(payload: bytes) -> list[Seen]:
    """
    Read what :func:`dump_seen` wrote.

    :param payload: UTF-8
    :returns: for :meth:`Decoder.restore`
    :raises ProtocolError: when it is anything else
    """
    try:
        document = json.loads(payload)
        if document['version'] != _VERSION:
            raise ProtocolError(f'kept by another version than {_VERSION}')
        return [_entry(*fields) for fields in document['seen']]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ProtocolError(f'not what a decoder kept: {error!r}') from error


def _entry(
    robot_id: Any,
    boot_id: Any,
    route: Any,
    described: Any,
    ranges: Any,
    gaps: Any,
    committed: Any,
    closed: Any,
) -> Seen:
    descriptor = None
    if described is not None:
        stream, topic, type_name, schema_id, *form = described
        fields = [stream, topic, type_name, bytes.fromhex(schema_id), *form]
        descriptor = decode_descriptor(fields)
    numbers = [route, committed or 0, *(n for part in ranges for n in part)]
    numbers += [n for gap in gaps for n in gap]
    if not all(type(number) is int and 0 <= number < 1 << 63 for number in numbers):
        raise ProtocolError('numbers that no decoder keeps')
    if len(bytes.fromhex(boot_id)) != 8 or not isinstance(robot_id, str):
        raise ProtocolError('a route without its robot or boot')
    if any(first > last for *_, first, last in (*ranges, *gaps)):
        raise ProtocolError('ranges that end before they begin')
    return Seen(
        robot_id=robot_id,
        boot_id=boot_id,
        route=route,
        descriptor=descriptor,
        ranges=tuple((first, last) for first, last in ranges),
        gaps=tuple(Gap(reason, first, last) for reason, first, last in gaps),
        committed=committed,
        closed=bool(closed),
    )
