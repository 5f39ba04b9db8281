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

"""What the link and the broker take now: messages and bytes in flight, and their rates."""

from ros_cloud_bridge.core.rate import TokenBucket

# A bucket holds this many seconds of its rate: enough to fill the gap between two wake-ups.
_BURST_S = 0.25


class SendWindow:
    """
    Limits of what may be sent.

    :param max_in_flight_bytes: unacknowledged bytes; one message always fits into an empty window
    :param now: monotonic seconds
    """

    def __init__(self, max_in_flight_bytes: int, now: float) -> None:
        self.max_in_flight_bytes = max_in_flight_bytes
        self._now = now
        self._bytes: TokenBucket | None = None
        self._messages: TokenBucket | None = None

    def set_rates(self, bytes_per_s: float, messages_per_s: float, now: float) -> None:
        """
        Set the rates; zero means none.

        :param bytes_per_s: MQTT payload and topic bytes
        :param messages_per_s: PUBLISH packets
        :param now: monotonic seconds
        """
        self._bytes = _bucket(self._bytes, bytes_per_s, now)
        self._messages = _bucket(self._messages, messages_per_s, now)

    def wait_s(self, in_flight: int, in_flight_bytes: int, limit: int, now: float) -> float | None:
        """
        Say when the next message may go.

        :param in_flight: unacknowledged messages
        :param in_flight_bytes: unacknowledged bytes
        :param limit: most messages in flight
        :param now: monotonic seconds
        :returns: 0 now, seconds until then, or None when an acknowledgement must come first
        """
        if in_flight >= limit or (in_flight and in_flight_bytes >= self.max_in_flight_bytes):
            return None
        return max(
            (bucket.wait_s(now) for bucket in (self._bytes, self._messages) if bucket is not None),
            default=0.0,
        )

    def sent(self, size: int, now: float) -> None:
        """
        Charge a message.

        :param size: its bytes
        :param now: monotonic seconds
        """
        if self._bytes is not None:
            self._bytes.take(size, now)
        if self._messages is not None:
            self._messages.take(1, now)


def _bucket(old: TokenBucket | None, rate: float, now: float) -> TokenBucket | None:
    if rate <= 0:
        return None
    if old is not None and old.rate == rate:
        return old
    return TokenBucket(rate, max(1.0, rate * _BURST_S), now)
