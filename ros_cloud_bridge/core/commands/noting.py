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

"""Refusals in the audit: the first at once, the others together with their number."""

from dataclasses import replace

from ros_cloud_bridge.core.commands.bucket import Bucket
from ros_cloud_bridge.core.commands.driving import AUDIT_S
from ros_cloud_bridge.core.commands.effects import Audit

# Refusals for one reason that are noted one by one, before they are counted.
NOTED_BURST = 10.0


class Noted:
    """
    Refusals for one reason, of one operator: the first are noted at once, then some together.

    :param now: monotonic seconds
    """

    __slots__ = ('_bucket', '_count', '_last')

    def __init__(self, now: float) -> None:
        self._bucket = Bucket(1.0 / AUDIT_S, NOTED_BURST, now)
        self._count = 0
        self._last: Audit | None = None

    def add(self, audit: Audit, now: float) -> Audit | None:
        """
        Count a refusal.

        :param audit: says it
        :param now: monotonic seconds
        :returns: what is to be noted now: this one, with the number of all that were not
        """
        self._count += 1
        self._last = audit
        return self.rest() if self._bucket.take(now) else None

    def due_at(self, now: float) -> float:
        """
        Say when what is not noted is to be.

        :param now: monotonic seconds
        :returns: monotonic seconds
        """
        return now + self._bucket.wait_s(now)

    def tell(self, now: float) -> Audit | None:
        """
        Note what is due.

        :param now: monotonic seconds
        :returns: None when nothing is
        """
        return self.rest() if self._count and self._bucket.take(now) else None

    def rest(self) -> Audit | None:
        """
        Take what has not been noted, whether it is due or not.

        :returns: None when there is nothing
        """
        last, count = self._last, self._count
        self._last, self._count = None, 0
        if last is None or count == 1:
            return last
        return replace(last, facts={**last.facts, 'count': count})


class Notes:
    """Those who have refusals that are counted and not noted yet."""

    def __init__(self) -> None:
        self._untold: dict[int, Noted] = {}

    def add(self, noted: Noted, refused: Audit, now: float) -> list[Audit]:
        """
        Count a refusal.

        :param noted: of its operator and reason
        :param refused: says it
        :param now: monotonic seconds
        :returns: what is to be noted now
        """
        told = noted.add(refused, now)
        if told is None:
            self._untold[id(noted)] = noted
            return []
        self._untold.pop(id(noted), None)
        return [told]

    def look(self, now: float) -> list[Audit]:
        """
        Say what is due.

        :param now: monotonic seconds
        :returns: what is to be noted
        """
        found = []
        for key, noted in list(self._untold.items()):
            if told := noted.tell(now):
                del self._untold[key]
                found.append(told)
        return found

    def next_at(self, now: float) -> float:
        """
        Say when something is due.

        :param now: monotonic seconds
        :returns: monotonic seconds, infinity when nothing is
        """
        return min((noted.due_at(now) for noted in self._untold.values()), default=float('inf'))

    def rest(self) -> list[Audit]:
        """
        Say everything, for it may be the last occasion.

        :returns: what is to be noted
        """
        told = [noted.rest() for noted in self._untold.values()]
        self._untold.clear()
        return [one for one in told if one is not None]
