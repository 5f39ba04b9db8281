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
Confirmations: what a consumer holds durably of durable routes (docs/protocol.md, "Confirm").

::

    confirmation = [version, instance, [[boot, route, [first, last, first, last, ...]], ...]]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.batch import BOOT_BYTES, natural, VERSION
from ros_cloud_bridge.wire.limits import MAX_CONFIRMATION, MAX_CONFIRMED_RANGES

INSTANCE_BYTES = 8
# The longest encodings: of a message's own fields, of one entry without its ranges, of a range.
_HEAD, _ENTRY, _RANGE = 32, 24, 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """
    What a consumer holds of one route of one boot.

    ``ranges`` are first and last numbers, ascending and disjoint, received or told as gaps.
    """

    boot: bytes
    route: int
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """
    One message on ``confirm/{consumer}``; an empty one says that the consumer is there.

    ``instance`` are 8 random bytes per process of the consumer.
    """

    instance: bytes
    held: tuple[Held, ...] = ()


def encode_confirmation(confirmation: Confirmation) -> bytes:
    """
    Encode a confirmation.

    :param confirmation: what is held; entries without ranges are left out
    :returns: CBOR payload
    :raises ValueError: when it holds more than any receiver takes (:func:`split_confirmation`)
    """
    held = [entry for entry in confirmation.held if entry.ranges]
    payload = cbor.dumps(
        [
            VERSION,
            confirmation.instance,
            [
                [entry.boot, entry.route, [number for part in entry.ranges for number in part]]
                for entry in held
            ],
        ]
    )
    ranges = sum(len(entry.ranges) for entry in held)
    if len(payload) > MAX_CONFIRMATION or ranges > MAX_CONFIRMED_RANGES:
        raise ValueError(
            f'{len(payload)} bytes and {ranges} ranges in one confirmation; the protocol takes '
            f'{MAX_CONFIRMATION} and {MAX_CONFIRMED_RANGES}'
        )
    return payload


def split_confirmation(confirmation: Confirmation) -> list[Confirmation]:
    """
    Share out what one message cannot hold.

    :param confirmation: any number of ranges
    :returns: confirmations that can be encoded, at least one
    """
    parts: list[list[Held]] = [[]]
    size = _HEAD
    for entry in confirmation.held:
        rest = entry.ranges
        while rest:
            fits = (MAX_CONFIRMATION - size - _ENTRY) // _RANGE
            if fits < 1:
                parts.append([])
                size = _HEAD
                continue
            now, rest = rest[:fits], rest[fits:]
            parts[-1].append(Held(boot=entry.boot, route=entry.route, ranges=now))
            size += _ENTRY + _RANGE * len(now)
    return [Confirmation(instance=confirmation.instance, held=tuple(part)) for part in parts]


def decode_confirmation(payload: bytes) -> Confirmation:
    """
    Decode a confirmation.

    :param payload: MQTT payload
    :returns: what the consumer holds
    :raises ProtocolError: when it is malformed, hostile or of another version
    """
    fields = cbor.loads(payload, MAX_CONFIRMATION)
    if not isinstance(fields, list) or len(fields) != 3:
        raise ProtocolError('a confirmation has three fields')
    version, instance, entries = fields
    if type(version) is not int or version != VERSION:
        raise ProtocolError(f'confirmation of another protocol version than {VERSION}')
    if not isinstance(instance, bytes) or len(instance) != INSTANCE_BYTES:
        raise ProtocolError(f'an instance has {INSTANCE_BYTES} bytes')
    if not isinstance(entries, list):
        raise ProtocolError('a confirmation lists what is held')
    left = MAX_CONFIRMED_RANGES
    held = []
    for entry in entries:
        held.append(_held(entry, left))
        left -= len(held[-1].ranges)
    return Confirmation(instance=instance, held=tuple(held))


def _held(entry: object, most_ranges: int) -> Held:
    if not isinstance(entry, list) or len(entry) != 3:
        raise ProtocolError('what is held has boot, route and ranges')
    boot, route, numbers = entry
    if not isinstance(boot, bytes) or len(boot) != BOOT_BYTES:
        raise ProtocolError(f'a boot id has {BOOT_BYTES} bytes')
    if not isinstance(numbers, list) or len(numbers) % 2 or not numbers:
        raise ProtocolError('ranges are pairs of a first and a last number, at least one')
    if len(numbers) > 2 * most_ranges:
        raise ProtocolError(f'a confirmation has at most {MAX_CONFIRMED_RANGES} ranges')
    return Held(boot=boot, route=natural(route, 'route'), ranges=_ranges(numbers))


def _ranges(numbers: Sequence[Any]) -> tuple[tuple[int, int], ...]:
    ranges = []
    below = 1
    for first, last in zip(numbers[::2], numbers[1::2], strict=True):
        if not below <= natural(first, 'range') <= natural(last, 'range'):
            raise ProtocolError('ranges rise from 1 on and do not overlap')
        below = last + 1
        ranges.append((first, last))
    return tuple(ranges)
