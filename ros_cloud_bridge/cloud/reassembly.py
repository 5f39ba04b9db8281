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

"""Put fragments together, within a quota and a time limit."""

from collections import OrderedDict
from dataclasses import dataclass, field
import zlib

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.fragments import Fragment

DEFAULT_QUOTA = 128 * 1024 * 1024
DEFAULT_TIMEOUT_S = 120.0
_MAX_OPEN = 64
_MAX_FINISHED = 1024
# Held per fragment beside its bytes, so that many small ones count too.
_FRAGMENT_OVERHEAD = 160


@dataclass(slots=True)
class _Partial:
    count: int
    length: int
    crc32: int
    touched: float
    size: int = 0
    held: int = 0
    parts: dict[int, bytes] = field(default_factory=dict)


class Reassembler:
    """
    Reassembles the batches of one robot.

    Memory follows what has arrived, never what a fragment announces.

    :param quota: bytes held in incomplete batches; the least recently continued ones go first
    :param timeout_s: an incomplete batch is given up after this long without a new fragment
    """

    def __init__(self, quota: int = DEFAULT_QUOTA, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._quota = quota
        self._timeout_s = timeout_s
        self._held = 0
        self._partials: OrderedDict[tuple[bytes, int], _Partial] = OrderedDict()
        self._finished: OrderedDict[tuple[bytes, int], None] = OrderedDict()
        self.given_up = 0

    @property
    def held_bytes(self) -> int:
        """Bytes held in incomplete batches, with what it takes to hold them."""
        return self._held

    def add(self, fragment: Fragment, now: float) -> bytes | None:
        """
        Add a fragment.

        :param fragment: checked fragment
        :param now: monotonic seconds
        :returns: the batch's payload once it is complete, else None
        :raises ProtocolError: when fragments of one batch disagree or the checksum is wrong
        """
        self.expire(now)
        identity = (fragment.boot, fragment.number)
        if identity in self._finished:
            return None  # sent again, because its acknowledgement was lost
        facts = (fragment.count, fragment.length, fragment.crc32)
        partial = self._partials.get(identity)
        if partial is None:
            partial = self._partials[identity] = _Partial(*facts, touched=now)
        elif facts != (partial.count, partial.length, partial.crc32):
            self.discard(*identity)
            raise ProtocolError(f'fragments of batch {fragment.number} disagree')
        self._partials.move_to_end(identity)
        partial.touched = now
        if fragment.index in partial.parts:
            return None
        partial.parts[fragment.index] = fragment.data
        partial.size += len(fragment.data)
        partial.held += len(fragment.data) + _FRAGMENT_OVERHEAD
        self._held += len(fragment.data) + _FRAGMENT_OVERHEAD
        if partial.size > partial.length:
            self.discard(*identity)
            raise ProtocolError(f'fragments of batch {fragment.number} exceed its length')
        if len(partial.parts) == partial.count:
            return self._complete(identity, partial)
        self._enforce_quota()
        return None

    def _complete(self, identity: tuple[bytes, int], partial: _Partial) -> bytes:
        self.discard(*identity)
        payload = b''.join(partial.parts[index] for index in range(partial.count))
        if len(payload) != partial.length or zlib.crc32(payload) != partial.crc32:
            raise ProtocolError(f'checksum of batch {identity[1]} is wrong')
        self._finished[identity] = None
        if len(self._finished) > _MAX_FINISHED:
            self._finished.popitem(last=False)
        return payload

    def _enforce_quota(self) -> None:
        while self._held > self._quota or len(self._partials) > _MAX_OPEN:
            self.discard(*next(iter(self._partials)))
            self.given_up += 1

    def discard(self, boot: bytes, number: int) -> None:
        """
        Forget an incomplete batch.

        :param boot: boot id
        :param number: batch number
        """
        partial = self._partials.pop((boot, number), None)
        if partial is not None:
            self._held -= partial.held

    def expire(self, now: float) -> None:
        """
        Give up batches that stopped coming.

        :param now: monotonic seconds
        """
        while self._partials:
            identity, oldest = next(iter(self._partials.items()))
            if now - oldest.touched <= self._timeout_s:
                return
            self.discard(*identity)
            self.given_up += 1
