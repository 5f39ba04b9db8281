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
Driving by messages: what is carried out many times a second under a lease, told now and then.

Such messages are neither logged nor remembered one by one: the epoch, an increasing sequence and
the lease are what keeps them from being replayed.
"""

from ros_cloud_bridge.core.commands.lease import Holder, Lease
from ros_cloud_bridge.values import ChannelConfig

ANSWER_S = 0.5
REFUSAL_ANSWER_S = 0.1
AUDIT_S = 10.0
_MOST_REFUSALS = 256


class Tally:
    """
    Counts what is said only now and then.

    :param every_s: seconds between two times that it is said
    """

    __slots__ = ('_at', '_count', '_every_s')

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._at = float('-inf')
        self._count = 0

    def add(self, now: float) -> int:
        """
        Count one.

        :param now: monotonic seconds
        :returns: how many there were since it was last said, 0 when it is not to be said now
        """
        self._count += 1
        if now < self._at:
            return 0
        self._at = now + self._every_s
        return self.rest()

    def rest(self) -> int:
        """
        Take what was counted since it was last said.

        :returns: how many
        """
        count, self._count = self._count, 0
        return count


class Driving:
    """
    A channel with a lease: who holds it, and what has been carried out since it was last told.

    ``last`` is the (kid, id, digest) of the message that was accepted last.

    :param config: the channel
    """

    def __init__(self, config: ChannelConfig) -> None:
        self.config = config
        self.lease = Lease(config.lease_s)
        self.scale = tuple(tuple(path.split('.')) for path in config.scale)
        self.last: tuple[bytes, bytes, bytes] | None = None
        self.since: float | None = None
        self.by: Holder | None = None
        self.count = 0
        self.pending = 0
        self._last_at = 0.0
        self._newest: tuple[str, bytes, float] | None = None
        self._untold = 0
        self._answer_at = float('-inf')
        self._refusals: dict[tuple[str, str], tuple[Tally, Tally]] = {}
        self._untold_refusals: dict[tuple[str, str], tuple[bytes, str]] = {}

    def begin(self, who: Holder, now: float) -> bool:
        """
        Note that a message is accepted.

        :param who: drives
        :param now: monotonic seconds
        :returns: whether the robot stood before, as far as the channel knows
        """
        self.lease.renew(now)
        self._last_at = now
        self.count += 1
        if self.since is not None:
            return False
        self.since = now
        self.by = who
        self.count = 1
        return True

    def end(self) -> None:
        """Note that the robot is to stand."""
        self.since = None

    def carried_out(self, operator: str, identity: bytes, factor: float) -> None:
        """
        Note that a message was carried out.

        :param operator: whose it was
        :param identity: its id
        :param factor: what it was scaled by
        """
        self._newest = (operator, identity, factor)
        self._untold += 1

    def answer_due_at(self) -> float | None:
        """
        Say when the messages carried out are told.

        :returns: monotonic seconds, None when all are told
        """
        return None if self._newest is None else self._answer_at

    def stops_at(self) -> float | None:
        """
        Say when driving has ended for want of messages.

        :returns: monotonic seconds, None when nobody drives
        """
        return None if self.since is None else self._last_at + self.config.watchdog_s

    def newest(self, now: float) -> tuple[str, bytes, dict[str, object]] | None:
        """
        Take what there is to tell.

        :param now: monotonic seconds
        :returns: operator, id and detail, None when nothing is untold
        """
        if self._newest is None:
            return None
        operator, identity, factor = self._newest
        detail: dict[str, object] = {'count': self._untold, 'scale': factor}
        self._newest = None
        self._untold = 0
        self._answer_at = now + ANSWER_S
        return operator, identity, detail

    def refused(self, operator: str, reason: str, identity: bytes, now: float) -> int:
        """
        Count a message that was refused.

        :param operator: whose it was
        :param reason: as an answer has it
        :param identity: the message's id
        :param now: monotonic seconds
        :returns: how many are to be told now, this one included; 0 for none yet
        """
        word = reason.partition(':')[0]
        answered, _ = self.refusal(operator, word)
        told = answered.add(now)
        if told:
            self._untold_refusals.pop((operator, word), None)
        else:
            self._untold_refusals[operator, word] = (identity, reason)
        return told

    def untold_refusals(self) -> list[tuple[str, bytes, str, int]]:
        """
        Take what was refused and is not told yet.

        :returns: operator, id and reason of the last of each, and how many there were
        """
        untold = self._untold_refusals
        self._untold_refusals = {}
        return [
            (operator, identity, reason, self.refusal(operator, word)[0].rest())
            for (operator, word), (identity, reason) in untold.items()
        ]

    def refusal(self, operator: str, reason: str) -> tuple[Tally, Tally]:
        """
        Find how often something was refused.

        :param operator: to whom
        :param reason: one of :class:`Reason`
        :returns: when that is answered, and when it is noted
        """
        key = (operator, reason)
        found = self._refusals.get(key)
        if found is None:
            if len(self._refusals) >= _MOST_REFUSALS:
                oldest = next(iter(self._refusals))
                del self._refusals[oldest]
                self._untold_refusals.pop(oldest, None)
            found = self._refusals[key] = (Tally(REFUSAL_ANSWER_S), Tally(AUDIT_S))
        return found
