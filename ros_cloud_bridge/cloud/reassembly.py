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

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
import zlib

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.fragments import Fragment
from ros_cloud_bridge.wire.limits import MAX_FRAGMENTS

DEFAULT_QUOTA = 128 * 1024 * 1024
DEFAULT_TIMEOUT_S = 120.0
_MAX_OPEN = 64
_MAX_FINISHED = 1024
# Held per fragment beside its bytes, so that many small ones count too.
_FRAGMENT_OVERHEAD = 160


@dataclass(slots=True)
class _Partial:
    length: int
    crc32: int
    touched: float
    size: int = 0
    # Where each part begins, ascending, and its bytes; parts never overlap.
    starts: list[int] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)

    @property
    def held(self) -> int:
        """Bytes that it takes to keep it."""
        return self.size + _FRAGMENT_OVERHEAD * len(self.parts)

    def put(self, offset: int, data: bytes) -> None:
        """
        Put bytes in their place; those that came before must be the same.

        Parts that lie within them are replaced, parts that reach beyond them stay and shorten
        them: so every fragment adds one part at most, however the batch was cut.
        """
        first = bisect_right(self.starts, offset)
        if first and self._end(first - 1) > offset:
            first -= 1
        last = bisect_left(self.starts, offset + len(data))
        begin, end = offset, offset + len(data)
        for place in range(first, last):
            self._compare(place, offset, data)
        if first < last and self.starts[first] < begin:
            begin = self._end(first)
            first += 1
        if first < last and self._end(last - 1) > end:
            end = self.starts[last - 1]
            last -= 1
        if begin >= end:
            return
        self.size += end - begin - sum(map(len, self.parts[first:last]))
        self.starts[first:last] = [begin]
        self.parts[first:last] = [data[begin - offset : end - offset]]

    def _end(self, place: int) -> int:
        return self.starts[place] + len(self.parts[place])

    def _compare(self, place: int, offset: int, data: bytes) -> None:
        start, part = self.starts[place], self.parts[place]
        begin, end = max(start, offset), min(self._end(place), offset + len(data))
        if part[begin - start : end - start] != data[begin - offset : end - offset]:
            raise ProtocolError(f'fragments differ from byte {begin} to {end}')


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
        :raises ProtocolError: when fragments of one batch disagree, lie outside it or are too
            many, or its checksum is wrong; what came of the batch is discarded
        """
        self.expire(now)
        identity = (fragment.boot, fragment.number)
        if identity in self._finished:
            return None  # sent again, because its acknowledgement was lost
        partial = self._partials.get(identity)
        if partial is None:
            partial = _Partial(fragment.length, fragment.crc32, touched=now)
            self._partials[identity] = partial
        self._partials.move_to_end(identity)
        partial.touched = now
        try:
            self._put(partial, fragment)
        except ProtocolError:
            self.discard(*identity)
            raise
        if partial.size == partial.length:
            return self._complete(identity, partial)
        self._enforce_quota()
        return None

    def _put(self, partial: _Partial, fragment: Fragment) -> None:
        if (fragment.length, fragment.crc32) != (partial.length, partial.crc32):
            raise ProtocolError(f'fragments of batch {fragment.number} disagree')
        if fragment.offset + len(fragment.data) > partial.length:
            raise ProtocolError(f'a fragment of batch {fragment.number} lies outside it')
        before = partial.held
        partial.put(fragment.offset, fragment.data)
        self._held += partial.held - before
        if len(partial.parts) > MAX_FRAGMENTS:
            raise ProtocolError(f'batch {fragment.number} has more than {MAX_FRAGMENTS} fragments')

    def _complete(self, identity: tuple[bytes, int], partial: _Partial) -> bytes:
        self.discard(*identity)
        payload = b''.join(partial.parts)
        if zlib.crc32(payload) != partial.crc32:
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
