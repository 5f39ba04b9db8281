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
Strict CBOR (RFC 8949) for the wire: definite lengths, no tags, bounded depth and item count.

A walk over the heads alone proves the payload well-formed before cbor2 allocates anything for
it, so that no payload makes the decoder recurse deeply, run a tag's code or reserve memory that
the payload does not itself contain.
"""

from typing import Any

import cbor2

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.limits import CBOR_MAX_DEPTH, CBOR_MAX_ITEMS, MAX_PAYLOAD

_ARGUMENT_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}
_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = 2, 3, 4, 5, 6, 7


def dumps(value: object) -> bytes:
    """
    Encode a value.

    :param value: ints, floats, bytes, str, lists, dicts, None and booleans
    :returns: its CBOR encoding
    """
    encoded: bytes = cbor2.dumps(value)
    return encoded


def array_head(count: int) -> bytes:
    """
    Encode the beginning of an array, behind which its encoded items are put.

    :param count: how many, below 65536
    :returns: its head
    """
    if count < 24:
        return bytes([0x80 | count])
    return b'\x98' + bytes([count]) if count < 256 else b'\x99' + count.to_bytes(2, 'big')


def loads(
    payload: bytes,
    max_bytes: int = MAX_PAYLOAD,
    *,
    max_depth: int = CBOR_MAX_DEPTH,
    max_items: int = CBOR_MAX_ITEMS,
) -> Any:
    """
    Decode one value that fills the payload exactly.

    :param payload: bytes from the wire
    :param max_bytes: largest payload that is looked at
    :param max_depth: most collections within each other
    :param max_items: most items in all
    :returns: the decoded value
    :raises ProtocolError: when the payload is not well-formed, uses what the protocol leaves out,
        or passes a limit
    """
    if len(payload) > max_bytes:
        raise ProtocolError(f'payload of {len(payload)} bytes is over the limit of {max_bytes}')
    pairs = _check_heads(payload, max_depth, max_items)
    try:
        value = cbor2.loads(payload)
    except Exception as error:  # whatever cbor2 of any version makes of hostile bytes
        raise ProtocolError(f'not CBOR: {error}') from error
    if pairs and pairs != _count_pairs(value):
        raise ProtocolError('a CBOR map has a key twice')
    return value


def _count_pairs(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_count_pairs, value.values()))
    return sum(map(_count_pairs, value)) if isinstance(value, list) else 0


def _check_heads(payload: bytes, max_depth: int, max_items: int) -> int:
    end = len(payload)
    pairs = 0
    position = 0
    items = 0
    remaining = [1]
    while remaining:
        if remaining[-1] == 0:
            remaining.pop()
            continue
        remaining[-1] -= 1
        items += 1
        if items > max_items:
            raise ProtocolError(f'more than {max_items} CBOR items')
        major, argument, position = _head(payload, position, end)
        if major in (_BYTES, _TEXT):
            position += argument
            if position > end:
                raise ProtocolError('truncated CBOR string')
        elif major in (_ARRAY, _MAP):
            children = argument
            if major == _MAP:
                children *= 2
                pairs += argument
            if children > end - position:
                raise ProtocolError('CBOR collection longer than its payload')
            if len(remaining) > max_depth:
                raise ProtocolError(f'CBOR nested deeper than {max_depth}')
            remaining.append(children)
    if position != end:
        raise ProtocolError(f'{end - position} bytes behind the CBOR value')
    return pairs


def _head(payload: bytes, position: int, end: int) -> tuple[int, int, int]:
    if position >= end:
        raise ProtocolError('truncated CBOR')
    major, information = payload[position] >> 5, payload[position] & 0x1F
    position += 1
    if information < 24:
        argument = information
    elif information in _ARGUMENT_BYTES:
        width = _ARGUMENT_BYTES[information]
        if position + width > end:
            raise ProtocolError('truncated CBOR')
        argument = int.from_bytes(payload[position : position + width], 'big')
        position += width
    else:
        raise ProtocolError('CBOR of indefinite length is not part of the protocol')
    if major == _TAG:
        raise ProtocolError('CBOR tags are not part of the protocol')
    return major, argument, position
