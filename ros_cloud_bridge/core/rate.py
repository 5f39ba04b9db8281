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

"""Rate limits: exact average rates whatever the input rate, and token buckets."""

_NS = 1_000_000_000
# A sample this much of a period early still counts as on time, so that an input at the wanted rate
# passes whole despite its jitter. The due time moves by whole periods, so the average stays exact.
_EARLY = 0.25
_ROUNDING = 1e-6


class RateLimiter:
    """
    Accepts samples at an average of ``max_hz``, as evenly as the input allows.

    The due time advances by one period per accepted sample instead of restarting at the sample,
    the mistake that turns 10 Hz asked for 8 into 5 (ros_comm#560).

    :param max_hz: wanted rate, above 0
    """

    def __init__(self, max_hz: float) -> None:
        self._due_ns: int | None = None
        self.max_hz = max_hz

    @property
    def max_hz(self) -> float:
        """The wanted rate; setting it keeps the phase."""
        return self._max_hz

    @max_hz.setter
    def max_hz(self, value: float) -> None:
        self._max_hz = value
        self._period_ns = round(_NS / value)
        self._early_ns = round(_EARLY * self._period_ns)

    @property
    def due_ns(self) -> int | None:
        """When the next sample is due, in the time of :meth:`accept`; None before the first."""
        return self._due_ns

    def accept(self, time_ns: int) -> bool:
        """
        Decide on the sample of this time.

        :param time_ns: the sample's arrival; a clock that jumps restarts the phase
        :returns: whether it passes
        """
        period = self._period_ns
        due = self._due_ns
        if due is not None and due - time_ns <= period + self._early_ns:
            if time_ns < due - self._early_ns:
                return False
            if time_ns - due < period:
                self._due_ns = due + period
                return True
        self._due_ns = time_ns + period
        return True


class TokenBucket:
    """
    A token bucket that fills continuously.

    :param rate: tokens per second, above 0
    :param burst: most tokens that it holds
    :param now: seconds, monotonic
    """

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._updated = now

    def wait_s(self, now: float) -> float:
        """
        Say how long until something may be taken.

        :param now: seconds, monotonic
        :returns: seconds; 0 when the bucket is not in debt
        """
        self._refill(now)
        # A debt from rounding alone would be a wait so short that no clock shows it passing.
        return 0.0 if self._tokens >= -_ROUNDING else -self._tokens / self.rate

    def take(self, tokens: float, now: float) -> None:
        """
        Take tokens; the bucket may go into debt, which the next taker waits out.

        :param tokens: how many
        :param now: seconds, monotonic
        """
        self._refill(now)
        self._tokens -= tokens

    def _refill(self, now: float) -> None:
        # Added, not assigned: what is left over from before is kept, up to the burst.
        self._tokens = min(self.burst, self._tokens + max(0.0, now - self._updated) * self.rate)
        self._updated = max(now, self._updated)
