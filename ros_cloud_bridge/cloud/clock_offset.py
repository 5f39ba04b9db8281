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

"""How far a robot's clock is from ours, from the delays of what it sends."""

from collections import deque

_BUCKETS = 12


class ClockOffset:
    """
    Estimates the offset of one robot's clock: ours less the robot's.

    A batch says when it was made, on the robot's clock, and arrives after a delay that is never
    negative. So (arrival - making) is the offset plus the delay, and the least of them within a
    window is the offset plus the least delay. That is the error: the estimate is never below the
    true offset, and above it by what the fastest message of the window took, half a round trip as
    a rule. A drift of the clocks adds what it makes in a window (0.6 ms at 10 ppm in 60 s).

    A step of the robot's clock forwards is followed at once, one backwards within a window.

    :param window_s: over which the least delay is sought
    """

    def __init__(self, window_s: float) -> None:
        self._bucket_s = window_s / _BUCKETS
        # The least of each part of the window: (its end, nanoseconds).
        self._buckets: deque[tuple[float, int]] = deque()
        self._boot = ''
        self._last_sent_ns = 0

    @property
    def offset_ns(self) -> int | None:
        """The estimate; None while nothing has come."""
        return min((least for _, least in self._buckets), default=None)

    def add(self, boot_id: str, sent_time_ns: int, arrival_ns: int, now: float) -> None:
        """
        Take in a live message.

        :param boot_id: whose clock it is; another boot may be another clock
        :param sent_time_ns: when its batch was made, on the robot's clock
        :param arrival_ns: when it arrived, on ours
        :param now: monotonic seconds
        """
        if boot_id != self._boot:
            self._boot = boot_id
            self._buckets.clear()
        elif sent_time_ns == self._last_sent_ns:
            return  # another sample of the same batch
        self._last_sent_ns = sent_time_ns
        delay = arrival_ns - sent_time_ns
        if self._buckets and now < self._buckets[-1][0]:
            end, least = self._buckets[-1]
            self._buckets[-1] = (end, min(least, delay))
        else:
            self._buckets.append((now + self._bucket_s, delay))
        while self._buckets[0][0] <= now - self._bucket_s * (_BUCKETS - 1):
            self._buckets.popleft()
