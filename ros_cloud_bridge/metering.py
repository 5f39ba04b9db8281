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


"""The month's data: counted, and kept over restarts."""

import time

from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.link import Log
from ros_cloud_bridge.store.usage import state_directory, UsageFile
from ros_cloud_bridge.values import BridgeConfig

_MB = 1_000_000
_CLOCK_S = 5.0
_SAVE_S = 60.0


class Meter:
    """
    The monthly budget of one robot, if it has one.

    :param config: checked configuration
    :param log: takes (level, text)
    """

    def __init__(self, config: BridgeConfig, log: Log) -> None:
        self._log = log
        self._file: UsageFile | None = None
        self._looked_at = self._saved_at = time.monotonic()
        self._exhausted = False
        self.budget: MonthlyBudget | None = None
        self.configure(config, self._looked_at)

    def configure(self, config: BridgeConfig, now: float) -> None:
        """
        Follow a change of the configuration.

        :param config: the new one
        :param now: monotonic seconds
        """
        limit = round(config.link.monthly_budget_mb * _MB)
        if self.budget is not None:
            self.budget.set_limit(limit, now)
        elif limit:
            self._file = UsageFile(state_directory(config), config.robot_id, self._log)
            self.budget = MonthlyBudget(
                limit, config.link.budget_reset_day, self._file.load(), time.time(), now
            )
            # A directory that cannot be written is better known now than in a minute.
            self.save()
        self._tell(now)

    def look(self, now: float) -> None:
        """
        Follow the wall clock and save what was used, each in its time.

        :param now: monotonic seconds
        """
        if self.budget is None or now - self._looked_at < _CLOCK_S:
            return
        self._looked_at = now
        self.budget.set_clock(time.time(), now)
        self._tell(now)
        if now - self._saved_at >= _SAVE_S:
            self.save()

    def _tell(self, now: float) -> None:
        if self.budget is None or self.budget.exhausted(now) is self._exhausted:
            return
        self._exhausted = not self._exhausted
        if self._exhausted:
            days = self.budget.document(now)['resets_in_s']
            assert isinstance(days, (int, float))
            self._log(
                'error',
                'the monthly budget is used up: nothing but presence is sent for '
                f'{days / 86400:.1f} days; link.monthly_budget_mb can be raised at run time',
            )
        else:
            self._log('info', 'the monthly budget has room again')

    def save(self) -> None:
        """Save what was used."""
        if self.budget is not None and self._file is not None:
            self._saved_at = time.monotonic()
            self._file.save(self.budget.usage(self._saved_at))
