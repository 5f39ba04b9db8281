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

"""How often things are done, answered and noted: per channel, and per operator."""

from collections import OrderedDict

from ros_cloud_bridge.core.commands.bucket import Bucket
from ros_cloud_bridge.core.commands.driving import AUDIT_S, Tally
from ros_cloud_bridge.core.commands.noting import Noted
from ros_cloud_bridge.core.rate import TokenBucket
from ros_cloud_bridge.values import ChannelConfig

CONTROL_HZ = 5.0
CONTROL_BURST = 10.0
TIME_HZ = 2.0
TIME_BURST = 4.0
# Answers to what anybody could bring about who heard an operator: replays.
REPEAT_HZ = 20.0
REPEAT_BURST = 40.0
# What such answers may hold beyond state and reason.
REPEAT_BYTES_PER_S = 4096.0
REPEAT_BURST_BYTES = 64 * 1024.0
# Answers to what an operator's own key alone can bring about.
REFUSAL_HZ = 20.0
REFUSAL_BURST = 40.0
# For so long an operator has a part in a channel's rate after it has asked.
SHARING_S = 1.0
MOST_OPERATORS = 1024
MOST_ASKS = 256


class Shared:
    """
    A rate for several operators together: all of it for one alone, else equal parts.

    Who has not asked lately need not wait behind who takes all there is: it gets its first one
    ahead of time, and the others that much later.

    :param hz: how many a second, of all; 0 for any number
    :param now: monotonic seconds
    """

    __slots__ = ('_ahead_s', '_all', '_asked', '_hz', '_parts', '_sharing_s')

    def __init__(self, hz: float, now: float) -> None:
        self._hz = hz
        self._all = TokenBucket(hz, _burst(hz), now) if hz > 0 else None
        # Where less than one a second is given, who waits for it must not be forgotten.
        self._sharing_s = max(SHARING_S, 2.0 / hz) if hz > 0 else 0.0
        self._ahead_s = max(0.5, 1.0 / hz) if hz > 0 else 0.0
        self._parts: dict[str, TokenBucket] = {}
        # When each has asked last, the longest ago first.
        self._asked: OrderedDict[str, float] = OrderedDict()

    def take(self, operator: str, now: float) -> bool:
        """
        Take one.

        :param operator: whose signature has been checked
        :param now: monotonic seconds
        :returns: whether there is one for it
        """
        if self._all is None:
            return True
        part, ahead_s = self._part(operator, now)
        if part.wait_s(now) > 0.0 or self._all.wait_s(now) > ahead_s:
            return False
        part.take(1.0, now)
        self._all.take(1.0, now)
        return True

    def _part(self, operator: str, now: float) -> tuple[TokenBucket, float]:
        """Find an operator's part, and how far ahead of time it may take from all."""
        before = len(self._parts)
        while self._asked and now - next(iter(self._asked.values())) > self._sharing_s:
            gone, _ = self._asked.popitem(last=False)
            del self._parts[gone]
        self._asked[operator] = now
        self._asked.move_to_end(operator)
        part = self._parts.get(operator)
        ahead_s = 0.0
        if part is None:
            part = self._parts[operator] = TokenBucket(self._hz, _burst(self._hz), now)
            ahead_s = self._ahead_s
        if len(self._parts) != before or ahead_s:
            hz = self._hz / len(self._parts)
            for one in self._parts.values():
                one.wait_s(now)  # what it had until now it had at the rate of before
                one.rate, one.burst = hz, _burst(hz)
        return part, ahead_s


def _burst(hz: float) -> float:
    # The last of a burst is what a bucket owes.
    return max(1.0, hz / 2) - 1.0


class Operator:
    """
    The rates of one operator who has proven who it is.

    :param now: monotonic seconds
    """

    __slots__ = (
        '_asks',
        '_control',
        '_drive',
        '_noted',
        '_repeat_bytes',
        'refusals',
        'repeated',
        'repeats',
        'time',
        'time_refused',
    )

    def __init__(self, now: float) -> None:
        self.repeated = Tally(AUDIT_S)
        self.time_refused = Tally(AUDIT_S)
        self.time = Bucket(TIME_HZ, TIME_BURST, now)
        self.repeats = Bucket(REPEAT_HZ, REPEAT_BURST, now)
        self.refusals = Bucket(REFUSAL_HZ, REFUSAL_BURST, now)
        self._repeat_bytes = TokenBucket(REPEAT_BYTES_PER_S, REPEAT_BURST_BYTES, now)
        self._noted: dict[str, Noted] = {}
        self._control: dict[str, Bucket] = {}
        self._drive: dict[str, Bucket] = {}
        self._asks: OrderedDict[bytes, None] = OrderedDict()

    def ask(self, identity: bytes) -> Bucket:
        """
        Find the rate of an ask for the time.

        An ask has neither epoch nor deadline, so that anybody can say an old one again: that must
        not use up what new ones have.

        :param identity: of the ask
        :returns: the bucket that it draws on
        """
        if identity in self._asks:
            return self.repeats
        self._asks[identity] = None
        if len(self._asks) > MOST_ASKS:
            self._asks.popitem(last=False)
        return self.time

    def noted(self, reason: str, now: float) -> Noted:
        """
        Find what is noted of its refusals for a reason.

        :param reason: one of :class:`Reason`
        :param now: monotonic seconds
        :returns: of this reason
        """
        found = self._noted.get(reason)
        if found is None:
            found = self._noted[reason] = Noted(now)
        return found

    def bears(self, size: int, now: float) -> bool:
        """
        Tell whether a repeated answer may hold what the first one held.

        :param size: of that, bytes
        :param now: monotonic seconds
        :returns: False while too many bytes were repeated
        """
        if self._repeat_bytes.wait_s(now) > 0.0:
            return False
        self._repeat_bytes.take(size, now)
        return True

    def control(self, channel: str, now: float) -> Bucket:
        """Find the rate of cancel, acquire and the like on a channel."""
        bucket = self._control.get(channel)
        if bucket is None:
            bucket = self._control[channel] = Bucket(CONTROL_HZ, CONTROL_BURST, now)
        return bucket

    def drive(self, config: ChannelConfig, now: float) -> Bucket:
        """Find the rate of messages on a channel with a lease: who lacks it delays no holder."""
        bucket = self._drive.get(config.name)
        if bucket is None:
            bucket = self._drive[config.name] = Bucket(config.max_hz, config.max_hz / 2, now)
        return bucket


class Operators:
    """Those who have passed a signature lately, a bounded number."""

    def __init__(self) -> None:
        self._operators: OrderedDict[str, Operator] = OrderedDict()

    def __len__(self) -> int:
        return len(self._operators)

    def find(self, name: str, now: float) -> Operator:
        """
        Find an operator whose signature has been checked.

        :param name: of the operator
        :param now: monotonic seconds
        :returns: its rates
        """
        operator = self._operators.get(name)
        if operator is None:
            operator = self._operators[name] = Operator(now)
            if len(self._operators) > MOST_OPERATORS:
                self._operators.popitem(last=False)
        self._operators.move_to_end(name)
        return operator
