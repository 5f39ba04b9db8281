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

"""Messages that wait for the gate: bounded, and no operator's flood holds up another's."""

from collections import Counter, deque

from ros_cloud_bridge.command_values import Reason
from ros_cloud_bridge.core.commands.effects import Arrival

MOST_OPERATORS = 64
MOST_EACH = 64
# With the largest messages: what a flood can make us hold.
MOST_BYTES = 8 * 1024 * 1024


class Inbox:
    """
    One queue per operator, taken from in turns.

    What does not fit is dropped and counted: the operator says it again, and the gate answers a
    repetition without running it twice.
    """

    def __init__(self) -> None:
        self._queues: dict[str, deque[Arrival]] = {}
        self._bytes = 0
        self.dropped: Counter[str] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def put(self, arrival: Arrival) -> bool:
        """
        Add a message.

        :param arrival: the message
        :returns: whether there was room
        """
        queue = self._queues.get(arrival.operator)
        full = (
            len(self._queues) >= MOST_OPERATORS if queue is None else len(queue) >= MOST_EACH
        ) or self._bytes + len(arrival.payload) > MOST_BYTES
        if full:
            self.dropped[Reason.BUSY] += 1
            return False
        self._queues.setdefault(arrival.operator, deque()).append(arrival)
        self._bytes += len(arrival.payload)
        return True

    def take(self) -> Arrival | None:
        """
        Take the next message.

        :returns: the oldest of the operator whose turn it is; None when there is none
        """
        operator = next(iter(self._queues), None)
        if operator is None:
            return None
        # Taken out and put back behind the others: their turns come first.
        queue = self._queues.pop(operator)
        arrival = queue.popleft()
        self._bytes -= len(arrival.payload)
        if queue:
            self._queues[operator] = queue
        return arrival

    def clear(self) -> None:
        """Forget everything, as when the connection that brought it is gone."""
        self._queues.clear()
        self._bytes = 0
