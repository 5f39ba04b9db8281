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
Samples that wait for their route's reducer.

They have passed the rate and have no sequence number yet: a route accepts what comes out of its
reducer. So whatever gives way here leaves no gap, and is counted as ``not_reduced``.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ros_cloud_bridge.core.keys import key_of
from ros_cloud_bridge.values import Drop, Keep, Key, Received, StreamConfig

# As long as a queue may wait beyond its stream's delay before it counts as too slow.
_BUSY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """
    What a route's reducer makes of its samples.

    ``text`` is the chain as the user wrote it, ``type_name`` and ``form`` are what consumers get
    (an empty form is plain CDR), ``error`` says what may differ.
    """

    text: str
    type_name: str
    form: str = ''
    error: str = ''


class Offered(NamedTuple):
    """A sample and when it was offered, monotonic seconds."""

    sample: Received
    at: float


class Unreduced:
    """
    One route's samples before its reducer.

    :param reduction: what the reducer makes of them
    """

    def __init__(self, reduction: Reduction) -> None:
        self.reduction = reduction
        # Bytes that wait, and samples that the reducer has in its hands.
        self.bytes = 0
        self.working = 0
        # Of what came out: bytes before and behind, and CPU seconds of the thread.
        self.bytes_in = 0
        self.bytes_out = 0
        self.cpu_s = 0.0
        self.failed = 0
        # How many samples the route had lost behind the reducer when that one last took some.
        self.lost = 0
        self._waiting: deque[Offered] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + self.working

    @property
    def waiting(self) -> int:
        """How many samples wait for the reducer."""
        return len(self._waiting)

    def add(self, samples: Sequence[Received], now: float) -> None:
        """
        Let samples wait.

        :param samples: in the order of their arrival
        :param now: monotonic seconds
        """
        self._waiting.extend([Offered(sample, now) for sample in samples])
        self.bytes += sum([len(sample.cdr) for sample in samples])

    def trim(self, stream: StreamConfig, now: float, drops: Counter[Drop]) -> None:
        """
        Drop what a reducer that has no time leaves behind: as the queue itself does it.

        :param stream: the policy
        :param now: monotonic seconds
        :param drops: where they are counted
        """
        waiting = self._waiting
        before = len(waiting)
        if (
            waiting
            and stream.keep is Keep.LATEST
            and now - waiting[0].at > 2 * stream.max_delay_s + _BUSY_S
        ):
            self._keep_newest(stream.key)
        while waiting and 0 < stream.max_age_s < now - waiting[0].at:
            self._pop()
        while len(waiting) > stream.max_samples or (
            len(waiting) > 1 and self.bytes > stream.max_bytes
        ):
            self._pop()
        if len(self._waiting) < before:
            drops[Drop.NOT_REDUCED] += before - len(self._waiting)

    def _keep_newest(self, key: Key) -> None:
        newest: dict[object, Offered] = {}
        for entry in reversed(self._waiting):
            newest.setdefault(key_of(entry.sample, key), entry)
        kept = list(reversed(newest.values()))
        self._waiting.clear()
        self._waiting.extend(kept)
        self.bytes = sum(len(entry.sample.cdr) for entry in kept)

    def _pop(self) -> Offered:
        entry = self._waiting.popleft()
        self.bytes -= len(entry.sample.cdr)
        return entry

    def give_way(self, drops: Counter[Drop]) -> bool:
        """
        Drop the oldest that waits.

        :param drops: where it is counted
        :returns: whether there was one
        """
        if not self._waiting:
            return False
        self._pop()
        drops[Drop.NOT_REDUCED] += 1
        return True

    def drop_all(self, drops: Counter[Drop]) -> int:
        """
        Drop whatever waits, and what the reducer has in its hands: it must not give it back.

        :param drops: where it is counted
        :returns: how many samples
        """
        count = len(self)
        while self._waiting:
            self.give_way(drops)
        if self.working:
            drops[Drop.NOT_REDUCED] += self.working
            self.working = 0
        return count

    def take(self, most: int) -> list[Offered]:
        """
        Hand samples to the reducer; :meth:`done` must follow for each.

        :param most: how many at most
        :returns: the oldest, in their order
        """
        taken = [self._pop() for _ in range(min(most, len(self._waiting)))]
        self.working += len(taken)
        return taken

    def give_back(self, entries: Sequence[Offered]) -> None:
        """
        Let samples wait on that the reducer has not looked at.

        :param entries: the last of those that it took, in their order
        """
        self.working -= len(entries)
        self._waiting.extendleft(reversed(entries))
        self.bytes += sum(len(entry.sample.cdr) for entry in entries)

    def done(self, count: int) -> None:
        """
        Note that the reducer is done with samples.

        :param count: how many
        """
        self.working -= count

    def oldest_age_s(self, now: float) -> float:
        """
        Say how long the oldest has waited.

        :param now: monotonic seconds
        :returns: seconds; 0 when none waits
        """
        return now - self._waiting[0].at if self._waiting else 0.0
