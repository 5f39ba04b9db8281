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
How many bytes went over the link in which contract month, whatever the wall clock says.

A robot's clock may stand at 1970 until NTP answers, may be weeks slow after storage, or jump years
ahead by mistake. So:

- A clock before 2024 or from 2100 on is not set. Once known, the time goes on by the monotonic
  clock and such a reading is ignored. Before that nobody knows the month: bytes are kept as
  undated, come on top of the fullest month on record, and go to the first month that a set clock
  names.
- Months are kept on record, so a clock that was years ahead finds its month again as it was. What
  this process has sent since a month's begin counts in it, whatever date it was sent under.
- A clock that goes back finds the later months on record: the fuller one counts, and both are
  charged, for either may be the true one. Only as the month next advances do still later ones go:
  by then the clock has shown them to be a mistake.
- A clock that goes forward is believed. NTP moves clocks forward after storage, and a budget that
  did not believe it would keep a robot silent.
- A record whose month overlaps the present one, as when the reset day was changed, counts whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
import math
from typing import NamedTuple

# No clock is right that says it is earlier than this program, or so late.
_EARLIEST_S = datetime(2024, 1, 1, tzinfo=timezone.utc).timestamp()
_LATEST_S = datetime(2100, 1, 1, tzinfo=timezone.utc).timestamp()
# A smaller step is the slewing and rounding of a clock that is right.
_STEP_S = 1.0
_HOUR_S = 3600.0
LONGEST_MONTH_S = 31 * 86400.0
MOST_MONTHS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """
    What outlives a restart.

    ``months`` maps the first day of contract months (``2026-11-15``) to their bytes, ``month`` is
    the one that was current, empty while the clock was never set. ``undated`` bytes belong to a
    month that is not known yet. ``spare_bytes`` could be sent at once at ``saved_at_s`` (seconds
    since the Unix epoch; None when the clock was not set).
    """

    months: Mapping[str, int] = field(default_factory=dict)
    month: str = ''
    undated: int = 0
    spare_bytes: float = 0.0
    saved_at_s: float | None = None


class Month(NamedTuple):
    """A contract month: its first day, and begin and end in seconds since the Unix epoch."""

    key: str
    begin_s: float
    end_s: float


def clock_is_set(wall_s: float) -> bool:
    """
    Tell whether a wall clock can be right.

    :param wall_s: seconds since the Unix epoch
    :returns: False for the 1970 of a robot without a battery-backed clock, and for nonsense
    """
    return _EARLIEST_S <= wall_s < _LATEST_S


def month_at(wall_s: float, reset_day: int) -> Month:
    """
    Find the contract month of a time.

    :param wall_s: seconds since the Unix epoch, of a clock that is set
    :param reset_day: day on which the month begins at 00:00 UTC, 1 to 28
    :returns: the month
    """
    # Whole seconds: datetime rounds to microseconds, perhaps up into the next day.
    day = datetime.fromtimestamp(math.floor(wall_s), timezone.utc).date()
    begin = day.replace(day=reset_day)
    if day < begin:
        begin = _shifted(begin, -1)
    return Month(begin.isoformat(), _seconds(begin), _seconds(_shifted(begin, 1)))


def _shifted(day: date, months: int) -> date:
    # No day is beyond 28, so each month has it.
    count = day.year * 12 + day.month - 1 + months
    return day.replace(year=count // 12, month=count % 12 + 1)


def _end(key: str) -> str:
    return _shifted(date.fromisoformat(key), 1).isoformat()


def _seconds(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp()


class UsageBook:
    """
    Keeps the bytes of each month; for one thread.

    :param reset_day: day on which a contract month begins, UTC, 1 to 28
    :param usage: what an earlier process kept
    :param wall_s: seconds since the Unix epoch, right or not
    :param now: monotonic seconds
    """

    def __init__(self, reset_day: int, usage: Usage | None, wall_s: float, now: float) -> None:
        usage = usage or Usage()
        self._reset_day = reset_day
        self._months = dict(usage.months)
        self._last = usage.month
        self._undated = usage.undated
        self._own_undated = 0
        # What of each month's bytes this process has sent, and all of it by monotonic hour.
        self._own: dict[str, int] = {}
        self._hours: dict[int, int] = {}
        self._offset_s: float | None = None
        self._month: Month | None = None
        self._counting: list[str] = []
        self.set_clock(wall_s, now)

    @property
    def clock_set(self) -> bool:
        """Whether the wall clock has ever been right in the life of this process."""
        return self._month is not None

    def wall_s(self, now: float) -> float | None:
        """
        Tell the time.

        :param now: monotonic seconds
        :returns: seconds since the Unix epoch; None while the clock was never set
        """
        return None if self._offset_s is None else now + self._offset_s

    def set_clock(self, wall_s: float, now: float) -> None:
        """
        Take a reading of the wall clock.

        :param wall_s: seconds since the Unix epoch, right or not
        :param now: monotonic seconds
        """
        if not clock_is_set(wall_s):
            return
        self.advance(now)
        before = self._offset_s
        self._offset_s = wall_s - now
        month = month_at(wall_s, self._reset_day)
        if month != self._month:
            self._enter(month)
            if before is None:
                self._date_undated()
            elif abs(before - self._offset_s) > _STEP_S:
                self._recount(month, now - (wall_s - month.begin_s))

    def advance(self, now: float) -> bool:
        """
        Let time pass.

        :param now: monotonic seconds
        :returns: whether a new month has begun
        """
        wall_s = self.wall_s(now)
        if wall_s is None or self._month is None or wall_s < self._month.end_s:
            return False
        self._enter(month_at(wall_s, self._reset_day))
        return True

    def add(self, count: int, now: float) -> None:
        """
        Count bytes.

        :param count: bytes on the link
        :param now: monotonic seconds
        """
        self.advance(now)
        hour = int(now // _HOUR_S)
        if hour not in self._hours:
            oldest = hour - int(LONGEST_MONTH_S // _HOUR_S) - 1
            self._hours = {at: sent for at, sent in self._hours.items() if at >= oldest}
        self._hours[hour] = self._hours.get(hour, 0) + count
        if self._month is None:
            self._undated += count
            self._own_undated += count
        else:
            self._book(count, count)

    def used(self) -> int:
        """
        Tell what counts against the present month's budget.

        :returns: bytes
        """
        if self._month is None:
            return max(self._months.values(), default=0) + self._undated
        return max(self._months[key] for key in self._counting)

    def seconds_left(self, now: float) -> float:
        """
        Tell how long the present month goes on.

        :param now: monotonic seconds
        :returns: seconds; a whole month while nobody knows the date
        """
        wall_s = self.wall_s(now)
        if wall_s is None or self._month is None:
            return LONGEST_MONTH_S
        return max(0.0, self._month.end_s - wall_s)

    def usage(self, spare_bytes: float, now: float) -> Usage:
        """
        Make what is to be saved.

        :param spare_bytes: what could be sent at once
        :param now: monotonic seconds
        :returns: a value that later changes do not touch
        """
        return Usage(
            months=dict(self._months),
            month=self._last,
            undated=self._undated,
            spare_bytes=spare_bytes,
            saved_at_s=self.wall_s(now),
        )

    def _enter(self, month: Month) -> None:
        if month.key > self._last:
            for key in [key for key in self._months if self._last and key > month.key]:
                del self._months[key]
        self._month, self._last = month, month.key
        self._months.setdefault(month.key, 0)
        while len(self._months) > MOST_MONTHS:
            oldest = min(self._months)
            del self._months[oldest if oldest != month.key else max(self._months)]
        self._own = {key: own for key, own in self._own.items() if key in self._months}
        # The present month, later ones, and one that reaches into it by another reset day.
        self._counting = [key for key in self._months if _end(key) > month.key]

    def _book(self, count: int, own: int) -> None:
        for key in self._counting:
            self._months[key] += count
            self._own[key] = self._own.get(key, 0) + own

    def _date_undated(self) -> None:
        self._book(self._undated, self._own_undated)
        self._undated = self._own_undated = 0

    def _recount(self, month: Month, begin: float) -> None:
        """Charge a month with what this process sent since it began, which other dates got."""
        first = begin // _HOUR_S
        sent = sum(count for hour, count in self._hours.items() if hour >= first)
        missing = sent - self._own.get(month.key, 0)
        if missing > 0:
            self._months[month.key] += missing
            self._own[month.key] = sent
