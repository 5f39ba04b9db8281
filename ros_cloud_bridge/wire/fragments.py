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
Cut a batch beyond the payload limit into fragments; putting together is the cloud's part.

A fragment says at which byte it begins, so that the sender may change its mind about the size
between two of them: a link that slows down gets smaller ones from the next on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
import zlib

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.batch import BOOT_BYTES, Kind, VERSION
from ros_cloud_bridge.wire.limits import MAX_BATCH, MAX_FRAGMENTS

# Heads of array and boot id, version and kind; the number; offset, length and checksum; data head.
FRAGMENT_OVERHEAD = 4 + BOOT_BYTES + 9 + 3 * 5 + 5
_UINT32_MAX = (1 << 32) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """
    One part of a batch message: its bytes from ``offset`` on.

    ``length`` and ``crc32`` (IEEE 802.3, as zlib computes it) are those of the whole batch.
    """

    boot: bytes
    number: int
    offset: int
    length: int
    crc32: int
    data: bytes


class Cutter:
    """
    Cuts one encoded batch into MQTT payloads, each of the size that suits when it is cut.

    :param payload: encoded batch
    :param boot: boot id in it
    :param number: batch number in it
    :raises ValueError: when the batch is larger than any receiver takes
    """

    def __init__(self, payload: bytes, boot: bytes, number: int) -> None:
        if not 1 <= len(payload) <= MAX_BATCH:
            raise ValueError(f'a batch has 1 to {MAX_BATCH} bytes, not {len(payload)}')
        self._payload = payload
        self._boot = boot
        self._number = number
        self._crc32 = zlib.crc32(payload)
        self._sent = 0
        self._made = 0

    @property
    def sent(self) -> int:
        """Bytes of the batch that have been cut off."""
        return self._sent

    @property
    def left(self) -> int:
        """Bytes of the batch that are still to be cut."""
        return len(self._payload) - self._sent

    @property
    def made(self) -> int:
        """How many MQTT payloads have been made."""
        return self._made

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self._sent == len(self._payload)

    def next(self, max_payload: int) -> bytes:
        """
        Make the next MQTT payload.

        :param max_payload: its largest size, bytes; a fragment is larger only where the rest
            would otherwise take more fragments than a batch may have (then it holds at most
            ``MAX_BATCH / MAX_FRAGMENTS``, 1 KiB, of data)
        :returns: the batch as it is when nothing was cut yet and it fits, otherwise a fragment
        :raises ValueError: when the limit leaves no room for data, or nothing is left
        """
        if self.done:
            raise ValueError('nothing is left to cut')
        if not self._sent and len(self._payload) <= max_payload:
            size, message = len(self._payload), self._payload
        else:
            size = self._size(max_payload)
            message = self._fragment(size)
        self._sent += size
        self._made += 1
        return message

    def _size(self, max_payload: int) -> int:
        left = self.left
        # No cut is below this, so that it never rises and the last fragment can take the rest.
        least = -(-left // (MAX_FRAGMENTS - self._made))
        room = max(_room(max_payload), least)
        if left >= 2 * room:
            return room
        # Two halves are no more fragments than a full one and a crumb.
        return left if left <= room else -(-left // 2)

    def _fragment(self, size: int) -> bytes:
        return cbor.dumps(
            [
                VERSION,
                int(Kind.FRAGMENT),
                self._boot,
                self._number,
                self._sent,
                len(self._payload),
                self._crc32,
                self._payload[self._sent : self._sent + size],
            ]
        )


def _room(max_payload: int) -> int:
    if max_payload <= FRAGMENT_OVERHEAD:
        raise ValueError(f'a payload limit of {max_payload} bytes has no room for a fragment')
    return max_payload - FRAGMENT_OVERHEAD


def split(payload: bytes, boot: bytes, number: int, max_payload: int) -> list[bytes]:
    """
    Cut an encoded batch at once where it exceeds the payload limit.

    :param payload: encoded batch
    :param boot: boot id in it
    :param number: batch number in it
    :param max_payload: largest MQTT payload, bytes; never exceeded
    :returns: the payload itself when it fits, otherwise the fragments' payloads in order
    :raises ValueError: when the limit leaves no room for data or needs too many fragments, or
        the batch is larger than any receiver takes
    """
    cutter = Cutter(payload, boot, number)
    if len(payload) > max_payload and len(payload) > MAX_FRAGMENTS * _room(max_payload):
        raise ValueError(f'{len(payload)} bytes are more than {MAX_FRAGMENTS} fragments')
    parts = []
    while not cutter.done:
        parts.append(cutter.next(max_payload))
    return parts


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
    Check the fields of a fragment message, each for itself.

    Whether it lies within its batch is checked where batches are put together, since a fragment
    that does not spoils its batch.

    :param message: what ``decode_message`` returned, of kind ``FRAGMENT``
    :returns: the fragment
    :raises ProtocolError: when a field is malformed or over a limit
    """
    _, _, boot, number, offset, length, crc32, data = message
    numbers = (offset, length, crc32)
    if any(type(value) is not int or value < 0 for value in numbers) or type(data) is not bytes:
        raise ProtocolError('a fragment has offset, length, checksum and data')
    if length > MAX_BATCH or crc32 > _UINT32_MAX:
        raise ProtocolError(f'fragment of a batch of {length} bytes with checksum {crc32}')
    if not 1 <= len(data) < length:
        raise ProtocolError(f'fragment of {len(data)} bytes in a batch of {length}')
    return Fragment(boot=boot, number=number, offset=offset, length=length, crc32=crc32, data=data)
