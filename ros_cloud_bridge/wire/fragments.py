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

"""Split a batch beyond the payload limit into fragments; putting together is the cloud's part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
import zlib

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.batch import BOOT_BYTES, Kind, VERSION
from ros_cloud_bridge.wire.limits import MAX_BATCH, MAX_FRAGMENTS

# Array head, kind, boot id, six integers of at most nine bytes, byte string head.
FRAGMENT_OVERHEAD = 3 + 1 + BOOT_BYTES + 6 * 9 + 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """
    One part of a batch message.

    ``length`` and ``crc32`` (IEEE 802.3, as zlib computes it) are those of the whole batch.
    """

    boot: bytes
    number: int
    index: int
    count: int
    length: int
    crc32: int
    data: bytes


def split(payload: bytes, boot: bytes, number: int, max_payload: int) -> list[bytes]:
    """
    Split an encoded batch where it exceeds the payload limit.

    :param payload: encoded batch
    :param boot: boot id in it
    :param number: batch number in it
    :param max_payload: largest MQTT payload, bytes
    :returns: the payload itself when it fits, otherwise the fragments' payloads in order
    :raises ValueError: when the limit leaves no room for data, or needs too many fragments
    """
    if len(payload) <= max_payload:
        return [payload]
    room = max_payload - FRAGMENT_OVERHEAD
    if room < 1:
        raise ValueError(f'a payload limit of {max_payload} bytes has no room for a fragment')
    count = -(-len(payload) // room)
    if count > MAX_FRAGMENTS:
        raise ValueError(f'{len(payload)} bytes are more than {MAX_FRAGMENTS} fragments')
    checksum = zlib.crc32(payload)
    return [
        cbor.dumps(
            [
                VERSION,
                int(Kind.FRAGMENT),
                boot,
                number,
                index,
                count,
                len(payload),
                checksum,
                payload[index * room : (index + 1) * room],
            ]
        )
        for index in range(count)
    ]


def abandoned(boot: bytes, number: int) -> bytes:
    """
    Announce that the rest of a fragmented batch will not come.

    :param boot: boot id
    :param number: batch number
    :returns: payload
    """
    return cbor.dumps([VERSION, int(Kind.ABANDONED), boot, number])


def decode_fragment(message: Sequence[Any]) -> Fragment:
    """
    Check the fields of a fragment message.

    :param message: what ``decode_message`` returned, of kind ``FRAGMENT``
    :returns: the fragment
    :raises ProtocolError: when a field is malformed or over a limit
    """
    _, _, boot, number, index, count, length, crc32, data = message
    numbers = (index, count, length, crc32)
    if any(type(value) is not int or value < 0 for value in numbers) or type(data) is not bytes:
        raise ProtocolError('a fragment has index, count, length, checksum and data')
    if not 2 <= count <= MAX_FRAGMENTS or index >= count:
        raise ProtocolError(f'fragment {index} of {count}')
    if not count <= length <= MAX_BATCH or not 1 <= len(data) <= length:
        raise ProtocolError(f'fragment of {len(data)} bytes in a batch of {length}')
    return Fragment(
        boot=boot,
        number=number,
        index=index,
        count=count,
        length=length,
        crc32=crc32,
        data=data,
    )
