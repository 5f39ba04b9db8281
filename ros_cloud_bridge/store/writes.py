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

"""The day's writes, so that a spool does not wear out a flash."""

from ros_cloud_bridge.core.wear import WriteBudget

_DAY_S = 86400.0
_MB = 1_000_000
# Beyond the budget, what is settled is written so seldom.
_SPARING_S = 60.0
WAL_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24


class SpoolBudget(WriteBudget):
    """
    Counts the bytes written per day of the spool's clock.

    Counted is what SQLite hands to the file system: the log's frames, the pages that are written
    back from it, and the ballast. What the flash itself writes for that is more; a factor of two
    to four is usual.

    :param max_mb_per_day: megabytes (10^6 bytes); 0 for no limit
    """

    def __init__(self, max_mb_per_day: float) -> None:
        super().__init__(max_mb_per_day * _MB)
        self._sparing_until_s = 0.0

    @property
    def max_mb_per_day(self) -> float:
        """Megabytes (10^6 bytes) a day; 0 for no limit."""
        return self.max_bytes / _MB

    @max_mb_per_day.setter
    def max_mb_per_day(self, value: float) -> None:
        self.max_bytes = value * _MB

    def add(self, size: int, now_s: float) -> None:
        """
        Count.

        :param size: bytes
        :param now_s: the spool's clock
        """
        self.wrote(size, _day(now_s))

    def today(self, now_s: float) -> int:
        """
        Say what was written.

        :param now_s: the spool's clock
        :returns: bytes since the day began
        """
        self.wrote(0, _day(now_s))
        return self.written

    def exceeded(self, now_s: float) -> bool:
        """
        Say whether the day's budget is used up.

        :param now_s: the spool's clock
        :returns: whether no more samples are to be written
        """
        return 0 < self.max_bytes <= self.today(now_s)

    def may_settle(self, now_s: float) -> bool:
        """
        Say whether what is settled may be written, and remember that it is.

        :param now_s: the spool's clock
        :returns: always, but beyond the budget once a minute
        """
        if not self.exceeded(now_s):
            return True
        if now_s < self._sparing_until_s:
            return False
        self._sparing_until_s = now_s + _SPARING_S
        return True


def _day(now_s: float) -> int:
    return int(now_s // _DAY_S)
