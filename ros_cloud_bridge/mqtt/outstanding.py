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

"""The session's own bounded table of messages that the broker has not answered for."""

from collections import deque
from dataclasses import dataclass
import threading
import time

from ros_cloud_bridge.mqtt.events import Outgoing, SessionFull
from ros_cloud_bridge.mqtt.limits import SessionLimits


@dataclass(slots=True)
class Entry:
    """
    A message that is ours until the broker answers.

    Times are monotonic: it expires at ``due``; the present connection was given it at ``sent_at``.
    ``resent`` once a connection was lost with it.
    """

    outgoing: Outgoing
    due: float | None
    sent_at: float | None = None
    resent: bool = False

    @property
    def goes_again(self) -> bool:
        """Whether the next connection is to send it again."""
        return _goes_again(self.outgoing)

    @property
    def size(self) -> int:
        """Bytes that it counts against the byte limit."""
        return len(self.outgoing.payload) + len(self.outgoing.topic)


class Outstanding:
    """
    Messages from their hand-over to the broker's answer, in the order of their hand-over.

    Filled by any thread, worked by the session's. paho holds none of them beyond a connection.

    :param limits: those that hold before the first connection
    """

    def __init__(self, limits: SessionLimits) -> None:
        self._lock = threading.Lock()
        self._limits = limits
        self._waiting: deque[Entry] = deque()
        self._sent: dict[int, Entry] = {}
        self._bytes = 0
        self._closed = False

    def set_limits(self, limits: SessionLimits) -> None:
        """
        Work with other limits from now on; what is already here stays.

        :param limits: those of the connection that has just been made
        """
        with self._lock:
            self._limits = limits

    def room(self, size: int) -> bool:
        """
        Tell whether one more message fits.

        :param size: bytes of its payload
        :returns: True also for a message beyond the byte limit when there is no other
        """
        with self._lock:
            return self._room(size)

    def add(self, outgoing: Outgoing, *, connected: bool) -> None:
        """
        Take a message over.

        :param outgoing: the message
        :param connected: whether there is a connection, without which is not taken what another
            one would not send again
        :raises SessionFull: when it has no room, or after ``close``
        """
        with self._lock:
            if self._closed:
                raise SessionFull('the session is stopping')
            if not connected and not _goes_again(outgoing):
                raise SessionFull('what is not to go again is taken only while connected')
            if not self._room(len(outgoing.payload)):
                raise SessionFull(f'{self._count()} messages, {self._bytes} bytes in flight')
            self._append(outgoing)

    def close(self, farewell: tuple[Outgoing, ...]) -> None:
        """
        Take the last messages, whether or not there is room, and none after them.

        :param farewell: what is to be said before leaving
        """
        with self._lock:
            self._closed = True
            for outgoing in farewell:
                self._append(outgoing)

    def next_to_send(self) -> Entry | None:
        """
        Take the oldest message that waits, while the broker may have one more unanswered.

        :returns: None when there is none or the broker's window is full
        """
        with self._lock:
            if not self._waiting or len(self._sent) >= self._limits.max_in_flight:
                return None
            return self._waiting.popleft()

    def sent(self, packet_id: int, entry: Entry, sent_at: float) -> None:
        """
        Note that a message is on its way.

        :param packet_id: under which the answer will come
        :param entry: as taken by ``next_to_send``
        :param sent_at: when it was handed to the connection
        """
        entry.sent_at = sent_at
        with self._lock:
            self._sent[packet_id] = entry

    def put_back(self, entry: Entry) -> None:
        """
        Let a message wait again, before all others.

        :param entry: as taken by ``next_to_send`` and not sent
        """
        with self._lock:
            self._waiting.appendleft(entry)

    def settle(self, entry: Entry) -> None:
        """
        Forget a message that ``next_to_send`` gave and that will not be answered for.

        :param entry: the message
        """
        with self._lock:
            self._bytes -= entry.size

    def answered(self, packet_id: int) -> Entry | None:
        """
        Forget a message that the broker has answered for.

        :param packet_id: of the answer
        :returns: the message; None for an answer that belongs to none
        """
        with self._lock:
            entry = self._sent.pop(packet_id, None)
            if entry is not None:
                self._bytes -= entry.size
            return entry

    def connection_lost(self) -> list[Entry]:
        """
        Let everything that was on its way wait again, in its order and before the rest.

        :returns: those that are not to go again, with QoS 0 in any case: forgotten
        """
        with self._lock:
            entries = [*self._sent.values(), *self._waiting]
            for entry in self._sent.values():
                entry.sent_at, entry.resent = None, True
            self._sent.clear()
            lost = [entry for entry in entries if not entry.goes_again]
            self._waiting = deque(entry for entry in entries if entry.goes_again)
            self._bytes -= sum(entry.size for entry in lost)
            return lost

    def largest_sent(self) -> int | None:
        """
        Find the message to blame when the broker calls a packet too large.

        :returns: its packet id; None when none is on its way
        """
        with self._lock:
            largest = max(self._sent.items(), key=lambda sent: sent[1].size, default=None)
            return None if largest is None else largest[0]

    def tokens(self) -> list[object]:
        """
        List what has not been answered for.

        :returns: the messages' tokens, oldest first
        """
        with self._lock:
            return [entry.outgoing.token for entry in (*self._sent.values(), *self._waiting)]

    @property
    def count(self) -> int:
        """How many messages have not been answered for."""
        with self._lock:
            return self._count()

    @property
    def bytes(self) -> int:
        """Bytes of those messages: payloads and topics."""
        with self._lock:
            return self._bytes

    def _count(self) -> int:
        return len(self._sent) + len(self._waiting)

    def _room(self, size: int) -> bool:
        count = self._count()
        if self._closed or count >= self._limits.max_in_flight:
            return False
        return count == 0 or self._bytes + size <= self._limits.max_in_flight_bytes

    def _append(self, outgoing: Outgoing) -> None:
        due = None if outgoing.expiry_s is None else time.monotonic() + outgoing.expiry_s
        entry = Entry(outgoing, due)
        self._waiting.append(entry)
        self._bytes += entry.size


def _goes_again(outgoing: Outgoing) -> bool:
    # MQTT 5, 4.4: only what the broker answers for can be sent again.
    return outgoing.qos > 0 and outgoing.again
