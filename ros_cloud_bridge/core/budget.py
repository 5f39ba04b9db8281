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

"""A month's data budget: what is left is spread over what is left of the month."""

from ros_cloud_bridge.core.usage import Usage, UsageBook

_DAY_S = 86400.0
# Below this a missing part of a byte is rounding, and a wait too short for clocks to show.
_ROUNDING_BYTES = 1e-3
_SHORTEST_WAIT_S = 1e-3
_SHORTEST_MONTH_S = 1.0


class MonthlyBudget:
    """
    Says when the next message may go so that the month's data lasts until its end.

    A token bucket fills at (bytes left) / (seconds left in the contract month) and holds one day's
    share of that: a robot that was idle at night may be busy at noon. What is not used raises the
    rate of the days that follow. A first start begins with a full bucket, a restart with what the
    last process had saved. ``core/usage`` says what becomes of the count when the clock jumps.

    For one thread. Counting goes on without a limit, so that one can be set at any time.

    :param limit_bytes: bytes a month, 0 for no limit
    :param reset_day: day on which a contract month begins, UTC, 1 to 28
    :param usage: what an earlier process saved; None at a first start
    :param wall_s: seconds since the Unix epoch, right or not
    :param now: monotonic seconds
    """

    def __init__(
        self, limit_bytes: int, reset_day: int, usage: Usage | None, wall_s: float, now: float
    ) -> None:
        self._limit = limit_bytes
        self._book = UsageBook(reset_day, usage, wall_s, now)
        self._updated = now
        self._rate = self._new_rate(now)
        self._tokens = self._capacity()
        if usage is not None:
            since = self._book.wall_s(now), usage.saved_at_s
            gap_s = 0.0 if since[0] is None or since[1] is None else since[0] - since[1]
            saved = usage.spare_bytes + max(0.0, gap_s) * self._rate
            self._tokens = min(self._tokens, saved)

    def set_clock(self, wall_s: float, now: float) -> None:
        """
        Take a reading of the wall clock; call it every few seconds, and it may jump at will.

        :param wall_s: seconds since the Unix epoch
        :param now: monotonic seconds
        """
        self._refill(now)
        self._book.set_clock(wall_s, now)
        self._settle(now)

    def set_limit(self, limit_bytes: int, now: float) -> None:
        """
        Change the limit; what was used stays used.

        :param limit_bytes: bytes a month, 0 for no limit
        :param now: monotonic seconds
        """
        self._refill(now)
        before, self._limit = self._limit, limit_bytes
        if before == 0:
            self._rate = self._new_rate(now)
            self._tokens = self._capacity()
        elif limit_bytes > before:
            # Who raises the limit of a silent robot wants to hear from it.
            self._tokens = max(0.0, self._tokens)
        self._settle(now)

    def spent(self, count: int, now: float) -> None:
        """
        Count what went over the link, whether or not it was asked for.

        :param count: bytes as the carrier counts them, in both directions
        :param now: monotonic seconds
        """
        self._refill(now)
        self._book.add(count, now)
        self._tokens -= count
        self._settle(now)

    def wait_s(self, size: int, now: float) -> float | None:
        """
        Say when a message may go.

        :param size: its bytes on the link; one beyond a day's share waits for a whole day's share
        :param now: monotonic seconds
        :returns: 0 now, seconds until then, or None when nothing is left this month
        """
        if self._limit == 0:
            return 0.0
        self._refill(now)
        if self._left() <= 0:
            return None
        missing = min(size, self._capacity()) - self._tokens
        if missing <= _ROUNDING_BYTES:
            return 0.0
        # The next month forgives what this one cannot pay back.
        return max(_SHORTEST_WAIT_S, min(missing / self._rate, self._book.seconds_left(now)))

    def rate_bytes_per_s(self, now: float) -> float:
        """
        Tell the rate that uses up exactly what is left.

        :param now: monotonic seconds
        :returns: bytes per second; infinite without a limit
        """
        self._refill(now)
        return self._rate

    def exhausted(self, now: float) -> bool:
        """
        Tell whether nothing is left this month.

        :param now: monotonic seconds
        :returns: False as soon as the next month begins or the limit is raised
        """
        self._refill(now)
        return self._limit > 0 and self._left() <= 0

    def usage(self, now: float) -> Usage:
        """
        Make what is to be saved.

        :param now: monotonic seconds
        :returns: for ``MonthlyBudget`` of the next process
        """
        self._refill(now)
        return self._book.usage(self._tokens if self._limit else 0.0, now)

    def document(self, now: float) -> dict[str, object]:
        """
        Make the part of health that tells of the budget.

        :param now: monotonic seconds
        :returns: ``limit_bytes``, ``left_bytes`` and ``rate_bytes_per_s`` are None without a
            limit, ``resets_in_s`` is None while ``clock_set`` is False
        """
        self._refill(now)
        limited = self._limit > 0
        return {
            'limit_bytes': self._limit if limited else None,
            'used_bytes': self._book.used(),
            'left_bytes': self._left() if limited else None,
            'rate_bytes_per_s': self._rate if limited else None,
            'resets_in_s': self._book.seconds_left(now) if self._book.clock_set else None,
            'exhausted': limited and self._left() <= 0,
            'clock_set': self._book.clock_set,
        }

    def _left(self) -> int:
        return max(0, self._limit - self._book.used())

    def _new_rate(self, now: float) -> float:
        if self._limit == 0:
            return float('inf')
        return self._left() / max(_SHORTEST_MONTH_S, self._book.seconds_left(now))

    def _capacity(self) -> float:
        # On the last day all that is left.
        return 0.0 if self._limit == 0 else min(self._left(), self._rate * _DAY_S)

    def _refill(self, now: float) -> None:
        if now <= self._updated:
            return
        if self._limit:
            self._tokens += (now - self._updated) * self._rate
        self._updated = now
        if self._book.advance(now):
            # Last month's debt was paid from last month's budget.
            self._tokens = max(0.0, self._tokens)
        self._settle(now)

    def _settle(self, now: float) -> None:
        self._rate = self._new_rate(now)
        self._tokens = min(self._tokens, self._capacity()) if self._limit else 0.0
