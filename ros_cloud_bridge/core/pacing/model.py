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


"""What answers tell of the link: its delivery rate and the round trip without a queue."""

from ros_cloud_bridge.core.pacing.filters import WindowedExtreme
from ros_cloud_bridge.core.pacing.flight import Answer

# Before the first answer: an early guess, soon replaced.
INITIAL_RATE = 16_000.0
_RATE_WINDOW_S = 0.5
_RATE_ROUNDS = 4
# With more than this in the queue the link was never idle: its latest rate is its rate.
_BUSY_S = 0.02
_BUSY_SHARE = 0.5
_BASE_WINDOW_S = 60.0
_PAUSE_S = 0.1
_PAUSE_SHARE = 0.25
# As long as so many messages of this size take.
_PAUSE_TURNS = 3
_PAUSE_BYTES = 1000
_MINIMUM_RATE = 50.0


class LinkModel:
    """
    Delivery rate (maximum filter) and base round trip (minimum filter).

    Messages differ in size, so the base is kept with the size of the message that showed it; the
    time that a message itself takes on the link is taken out with the present rate.
    """

    def __init__(self) -> None:
        self._rates: WindowedExtreme[None] = WindowedExtreme(_RATE_WINDOW_S)
        self._trips: WindowedExtreme[int] = WindowedExtreme(_BASE_WINDOW_S, sign=-1)
        self.rate = INITIAL_RATE
        self.smoothed_trip_s = 0.0
        self.variation_s = 0.0
        self.queue_s = 0.0
        self.known = False

    def reset(self) -> None:
        """Forget the path, as on a new connection; the rate stays as a first guess."""
        self._rates.clear()
        self._trips.clear()
        self.smoothed_trip_s = self.variation_s = self.queue_s = 0.0
        self.known = False

    @property
    def base_s(self) -> float:
        """Round trip of an empty message on an empty link, seconds."""
        best = self._trips.best
        return 0.0 if best is None else max(0.0, best[0] - best[1] / self.rate)

    def answered(self, answer: Answer) -> None:
        """
        Learn from an answer.

        :param answer: in the order in which they come
        """
        trip = answer.round_trip_s
        self._trips.add(trip, answer.at, answer.cost)
        if self.known:
            self.variation_s += (abs(trip - self.smoothed_trip_s) - self.variation_s) / 4
            self.smoothed_trip_s += (trip - self.smoothed_trip_s) / 8
        else:
            self.smoothed_trip_s, self.variation_s, self.known = trip, trip / 2, True
        if answer.rate is not None and self._tells(answer, answer.rate):
            self._rates.window_s = max(_RATE_WINDOW_S, _RATE_ROUNDS * self.smoothed_trip_s)
            if self._busy(answer):
                self._rates.clear()
            self._rates.add(answer.rate, answer.at, None)
            best = self._rates.best
            assert best is not None
            self.rate = max(_MINIMUM_RATE, best[0])
        self.queue_s = max(0.0, trip - self.base_s - answer.cost / self.rate)

    def forget_base(self) -> None:
        """Begin anew with the base round trip: the path has become longer."""
        self._trips.clear()

    def _tells(self, answer: Answer, rate: float) -> bool:
        """Whether a rate is more than a lower bound, or raises the estimate as such."""
        if answer.after_pause:
            return rate < self.rate
        lower_bound = answer.application_limited or answer.alone
        return not lower_bound or rate >= self.rate

    @property
    def pause_s(self) -> float:
        """After this long without an answer to what is in flight the link has paused, seconds."""
        return max(_PAUSE_S, _PAUSE_SHARE * self.base_s, _PAUSE_TURNS * _PAUSE_BYTES / self.rate)

    def _busy(self, answer: Answer) -> bool:
        queue_s = answer.round_trip_s - self.base_s - 2 * answer.cost / self.rate
        return queue_s > _BUSY_S + _BUSY_SHARE * self.base_s

    @property
    def time_out_s(self) -> float:
        """After this long without an answer something is wrong (RFC 6298, at least 1 s)."""
        return max(1.0, self.smoothed_trip_s + 4 * self.variation_s)
