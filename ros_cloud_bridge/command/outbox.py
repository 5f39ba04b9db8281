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

"""Messages that wait for the broker: bounded, and nobody's answers push out another's."""

from collections import deque

from ros_cloud_bridge.mqtt.events import Outgoing

MOST_EACH = 256
# The largest answer has room, whatever else waits.
MOST_BYTES_EACH = 1024 * 1024
MOST_BYTES = 8 * 1024 * 1024


class _Queue:
    """Messages to one topic."""

    __slots__ = ('bytes', 'messages')

    def __init__(self) -> None:
        self.messages: deque[Outgoing] = deque()
        self.bytes = 0


class Outbox:
    """
    One queue per topic, taken from in turns.

    What does not fit pushes out what is oldest there: the operator asks again, and the gate
    answers again.
    """

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        self._count = 0
        self._bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return self._count

    def put(self, outgoing: Outgoing) -> None:
        """
        Add a message.

        :param outgoing: the message
        """
        queue = self._queues.setdefault(outgoing.topic, _Queue())
        queue.messages.append(outgoing)
        queue.bytes += _size(outgoing)
        self._count += 1
        self._bytes += _size(outgoing)
        while len(queue.messages) > MOST_EACH or queue.bytes > MOST_BYTES_EACH:
            self._drop(outgoing.topic)
        while self._bytes > MOST_BYTES:
            self._drop(max(self._queues, key=lambda topic: self._queues[topic].bytes))

    def next(self) -> Outgoing | None:
        """
        Say whose turn it is.

        :returns: the oldest message of that topic; None when there is none
        """
        queue = next(iter(self._queues.values()), None)
        return None if queue is None else queue.messages[0]

    def take(self) -> None:
        """Take out what :meth:`next` has returned."""
        topic = next(iter(self._queues))
        self._remove(topic)
        queue = self._queues.pop(topic, None)
        if queue is not None:
            # Behind the others: their turns come first.
            self._queues[topic] = queue

    def take_all(self) -> list[Outgoing]:
        """
        Take everything out.

        :returns: messages in their order
        """
        found = []
        while (outgoing := self.next()) is not None:
            found.append(outgoing)
            self.take()
        return found

    def _drop(self, topic: str) -> None:
        self._remove(topic)
        self.dropped += 1

    def _remove(self, topic: str) -> None:
        queue = self._queues[topic]
        size = _size(queue.messages.popleft())
        queue.bytes -= size
        self._bytes -= size
        self._count -= 1
        if not queue.messages:
            del self._queues[topic]


def _size(outgoing: Outgoing) -> int:
    return len(outgoing.topic) + len(outgoing.payload)
