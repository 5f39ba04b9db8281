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

"""What has come from the network and waits to be decoded, within bounds."""

from collections import deque
from collections.abc import Callable
import threading
from typing import NamedTuple

from ros_cloud_bridge.mqtt.events import Received, SessionEvent

DEFAULT_MAX_BYTES = 64 * 1024 * 1024
# Small messages count too: about what Python holds beside the payload.
_OVERHEAD = 512
# Presence and schemas are worth more than samples: they alone may use this much beyond the limit.
_RESERVE = 8 * 1024 * 1024


class Overflow(NamedTuple):
    """Messages that did not fit since the start."""

    messages: int = 0
    bytes: int = 0


class Inbox:
    """
    A bounded queue between the network's thread and the decoder's.

    :param expendable: says whether an MQTT topic carries samples, which go first when it is full
    :param max_bytes: most bytes that wait
    """

    def __init__(
        self, expendable: Callable[[str], bool], max_bytes: int = DEFAULT_MAX_BYTES
    ) -> None:
        self._expendable = expendable
        self._max_bytes = max_bytes
        self._condition = threading.Condition()
        self._events: deque[SessionEvent] = deque()
        self._bytes = 0
        self._overflow = Overflow()
        self._woken = False

    @property
    def overflow(self) -> Overflow:
        """What did not fit."""
        with self._condition:
            return self._overflow

    def put(self, event: SessionEvent) -> None:
        """
        Queue an event; never blocks.

        :param event: what the session reported; a message that does not fit is counted and dropped
        """
        with self._condition:
            if isinstance(event, Received):
                size = len(event.payload) + _OVERHEAD
                reserve = 0 if self._expendable(event.topic) else _RESERVE
                if self._bytes and self._bytes + size > self._max_bytes + reserve:
                    messages, total = self._overflow
                    self._overflow = Overflow(messages + 1, total + len(event.payload))
                    return
                self._bytes += size
            self._events.append(event)
            self._condition.notify()

    def take(self, timeout_s: float) -> SessionEvent | None:
        """
        Take the oldest event.

        :param timeout_s: how long to wait for one
        :returns: the event, or None when none came in time or :meth:`wake` was called
        """
        with self._condition:
            self._condition.wait_for(lambda: self._events or self._woken, timeout_s)
            self._woken = False
            if not self._events:
                return None
            event = self._events.popleft()
            if isinstance(event, Received):
                self._bytes -= len(event.payload) + _OVERHEAD
            return event

    def wake(self) -> None:
        """Let a waiting :meth:`take` return."""
        with self._condition:
            self._woken = True
            self._condition.notify()
