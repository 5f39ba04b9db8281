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

"""What a lane has settled since the last transaction."""

from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire.account import Gap


class Pending:
    """
    Settled ranges of one lane that are not on disk yet.

    ``gone`` are all of them, ``dropped`` those that were not delivered, by reason; ``told`` are
    gaps that need not be told again.
    """

    def __init__(self) -> None:
        self.gone = Ranges()
        self.dropped: dict[Drop, Ranges] = {}
        self.told: list[Gap] = []

    def fresh(self, ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """
        Leave out what is settled here.

        :param ranges: of what is spooled on disk
        :returns: what of it is still to be settled
        """
        if not any(self.gone.count(first, last) for first, last in ranges):
            return ranges
        rest = Ranges(ranges)
        for first, last in ranges:
            at = first
            while at <= last:
                held = self.gone.at(at)
                if held is None:
                    at = self._next(at, last)
                    continue
                rest.remove(*held)
                at = held[1] + 1
        return list(rest)

    def _next(self, at: int, last: int) -> int:
        # By halving: the first number from here on that is settled.
        if not self.gone.count(at, last):
            return last + 1
        low, high = at, last
        while low < high:
            middle = (low + high) // 2
            if self.gone.count(at, middle):
                high = middle
            else:
                low = middle + 1
        return low

    def settle(self, first: int, last: int, reason: Drop | None) -> None:
        """
        Settle what is spooled and not settled yet.

        :param first: first sequence number
        :param last: last
        :param reason: None for delivered
        """
        self.gone.add(first, last)
        if reason is not None:
            self.dropped.setdefault(reason, Ranges()).add(first, last)
