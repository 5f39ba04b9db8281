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

"""The newest values by key, each at most once a period; what is in between is replaced."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
import heapq
import math
from typing import Generic, TypeVar

T = TypeVar('T')

# Keys whose last turn is remembered: a fleet of a thousand robots with some topics each.
_MAX_KEYS = 65536


def _no_bytes(value: object) -> int:
    return 0


class Turns(Generic[T]):
    """
    Lets values wait for their turn.

    The last value of a key always gets one, so that a dashboard ends up with what holds.

    :param most: keys that wait at most; those without a new value for longest give way
    :param most_bytes: likewise of what waits together, but for a single one
    :param size: gives a value's bytes
    """

    def __init__(
        self,
        most: int = _MAX_KEYS,
        *,
        most_bytes: float = math.inf,
        size: Callable[[T], int] = _no_bytes,
    ) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._size = size
        self._bytes = 0
        self._waiting: OrderedDict[Hashable, tuple[T, float]] = OrderedDict()
        self._next_at: OrderedDict[Hashable, float] = OrderedDict()
        self._heap: list[tuple[float, int, Hashable]] = []
        self._number = 0
        # Values that gave way to others.
        self.given_up = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, key: Hashable, value: T, period_s: float, now: float) -> None:
        """
        Let a value wait, in the place of one that waits already.

        :param key: whose value it is
        :param value: anything
        :param period_s: from one turn of the key to the next, seconds
        :param now: monotonic seconds
        """
        if key in self._waiting:
            self._bytes += self._size(value) - self._size(self._waiting[key][0])
            self._waiting[key] = (value, period_s)
            self._waiting.move_to_end(key)
            self._give_way()
        else:
            self.put_back(key, value, period_s, now)

    def put_back(self, key: Hashable, value: T, period_s: float, at: float) -> None:
        """
        Let a value wait once more, unless a newer one of its key waits.

        :param key: whose value it is
        :param value: anything
        :param period_s: from one turn of the key to the next, seconds
        :param at: not before then, monotonic seconds
        """
        if key in self._waiting:
            return
        self._waiting[key] = (value, period_s)
        self._number += 1
        heapq.heappush(self._heap, (max(at, self._next_at.get(key, at)), self._number, key))
        self._bytes += self._size(value)
        self._give_way()

    def _give_way(self) -> None:
        while len(self._waiting) > self._most or (
            self._bytes > self._most_bytes and len(self._waiting) > 1
        ):
            _, (value, _) = self._waiting.popitem(last=False)
            self._bytes -= self._size(value)
            self.given_up += 1

    def take(self, now: float) -> tuple[Hashable, T] | None:
        """
        Take the value whose turn came first.

        :param now: monotonic seconds
        :returns: key and value; None when it is nobody's turn
        """
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            entry = self._waiting.pop(key, None)
            if entry is not None:
                value, period_s = entry
                self._bytes -= self._size(value)
                # Added to the turn, not to now: else each delay would lower the rate.
                self._next_at[key] = (due if now - due < period_s else now) + period_s
                self._next_at.move_to_end(key)
                if len(self._next_at) > _MAX_KEYS:
                    self._next_at.popitem(last=False)
                return key, value
        return None

    def next_due(self) -> float | None:
        """
        Say when it is the next one's turn.

        :returns: monotonic seconds; None when nothing waits
        """
        while self._heap and self._heap[0][2] not in self._waiting:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def hasten(self, now: float, period_s: Callable[[T], float | None]) -> None:
        """
        Give all that waits its turn at once, for periods have changed.

        :param now: monotonic seconds
        :param period_s: of a value; None for one that waits no more
        """
        self._next_at.clear()
        for key, (value, _) in list(self._waiting.items()):
            period = period_s(value)
            if period is None:
                del self._waiting[key]
                self._bytes -= self._size(value)
            else:
                self._waiting[key] = (value, period)
        self._heap = [(now, number, key) for number, key in enumerate(self._waiting)]
        self._number = len(self._heap)

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._heap.clear()
        self._bytes = 0
