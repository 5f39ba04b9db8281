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

"""The spool's clock: seconds that no jump of the wall clock moves."""

from collections.abc import Callable

# 2020-01-01 to 2100-01-01: a board without a battery wakes up in 1970.
_PLAUSIBLE_S = (1_577_836_800.0, 4_102_444_800.0)


def plausible(wall_s: float) -> bool:
    """
    Judge a reading of the wall clock.

    :param wall_s: seconds since the Unix epoch
    :returns: whether it can be the time
    """
    return _PLAUSIBLE_S[0] <= wall_s <= _PLAUSIBLE_S[1]


class SpoolClock:
    """
    Advances with the monotonic clock, and over a restart by the wall clock's difference.

    :param wall_s: reads the wall clock
    :param monotonic_s: reads the monotonic clock
    """

    def __init__(self, wall_s: Callable[[], float], monotonic_s: Callable[[], float]) -> None:
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s
        self._base_s = 0.0
        self._started_s = monotonic_s()

    @property
    def now_s(self) -> float:
        """The time."""
        return self._base_s + max(0.0, self._monotonic_s() - self._started_s)

    def wall_s(self) -> float:
        """
        Read the wall clock, to be kept beside the time.

        :returns: seconds since the Unix epoch, plausible or not
        """
        return self._wall_s()

    def resume(self, clock_s: float, wall_s: float | None, newest_s: float) -> None:
        """
        Go on where the last process stopped.

        :param clock_s: the time when it was last kept
        :param wall_s: the wall clock then, if known
        :param newest_s: time of the newest row: the clock never stands before it
        """
        base_s = clock_s
        wall_now_s = self._wall_s()
        if wall_s is not None and plausible(wall_s) and plausible(wall_now_s):
            base_s += max(0.0, wall_now_s - wall_s)
        self._started_s = self._monotonic_s()
        self._base_s = max(base_s, newest_s, self._base_s)
