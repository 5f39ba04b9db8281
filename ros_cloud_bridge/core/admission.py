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


"""Whether the next message may go now, and if not, what holds it up."""

from enum import Enum
from typing import Protocol

from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.core.link_bytes import connect_bytes, link_bytes, TOPIC_ALIAS_BYTES
from ros_cloud_bridge.core.pacing.flight import Packet
from ros_cloud_bridge.core.pacing.pacer import Pacer
from ros_cloud_bridge.core.rate import TokenBucket
from ros_cloud_bridge.values import LinkConfig

# A bucket holds this many seconds of its rate: enough to fill the gap between two wake-ups.
_BURST_S = 0.25


class Limit(Enum):
    """What limits the bridge now; the values stand in ``health``."""

    APPLICATION = 'application'
    WINDOW = 'window'
    RATE = 'rate'
    BUDGET = 'budget'
    BROKER = 'broker'
    DISCONNECTED = 'disconnected'


class CarrierLimits(Protocol):
    """What a connection may carry; zero means no limit for the rates."""

    @property
    def max_in_flight(self) -> int:
        """Most messages without an answer."""

    @property
    def max_in_flight_bytes(self) -> int:
        """Most bytes of those."""

    @property
    def max_payload_bytes(self) -> int:
        """Largest payload."""

    @property
    def max_retained_bytes(self) -> int:
        """Largest retained payload; 0 as large as any."""

    @property
    def topic_aliases(self) -> int:
        """How many topics an alias may stand for."""

    @property
    def max_messages_per_s(self) -> float:
        """Messages per second."""

    @property
    def max_bytes_per_s(self) -> float:
        """Bytes per second."""


class Admission:
    """
    Every limit between the outbox and the link, asked in one place.

    :param link: what the user limits
    :param pacer: what the link takes
    :param budget: what the month has left; None without a budget
    :param tls: whether the connection is encrypted, for the bytes that the budget counts
    """

    def __init__(
        self, link: LinkConfig, pacer: Pacer, budget: MonthlyBudget | None, tls: bool
    ) -> None:
        self.pacer = pacer
        self.budget = budget
        self._link = link
        self._tls = tls
        self._limits: CarrierLimits | None = None
        self._user: TokenBucket | None = None
        self._broker: TokenBucket | None = None
        self._messages: TokenBucket | None = None
        self._in_flight = 0
        self._in_flight_bytes = 0
        self.limit = Limit.DISCONNECTED

    @property
    def algorithm(self) -> str:
        """The name of the congestion control."""
        return self._link.algorithm.value

    @property
    def max_retained_bytes(self) -> int:
        """Largest retained payload; 0 as large as any."""
        return 0 if self._limits is None else self._limits.max_retained_bytes

    @property
    def max_payload_bytes(self) -> int:
        """The largest payload that the broker takes; 0 while there is none."""
        return 0 if self._limits is None else self._limits.max_payload_bytes

    @property
    def in_flight(self) -> int:
        """Messages without an answer."""
        return self._in_flight

    @property
    def in_flight_bytes(self) -> int:
        """Bytes of those: payloads and topics."""
        return self._in_flight_bytes

    def connected(self, limits: CarrierLimits, now: float) -> None:
        """
        Work with the limits of a new connection.

        :param limits: those of the broker
        :param now: monotonic seconds
        """
        self._limits = limits
        self.limit = Limit.APPLICATION
        self.pacer.connected(now)
        if self.budget is not None:
            self.budget.spent(connect_bytes(tls=self._tls), now)
        self.pacer.max_in_flight = limits.max_in_flight
        self.configure(self._link, now)

    def disconnected(self) -> None:
        """Let nothing through until the next connection."""
        self._limits = None
        self.limit = Limit.DISCONNECTED

    def configure(self, link: LinkConfig, now: float) -> None:
        """
        Follow a change of the configuration.

        :param link: what the user limits
        :param now: monotonic seconds
        """
        self._link = link
        self._user = _bucket(self._user, link.max_bytes_per_s, now)
        if self._limits is not None:
            self._broker = _bucket(self._broker, self._limits.max_bytes_per_s, now)
            self._messages = _bucket(self._messages, self._limits.max_messages_per_s, now)
        rates = [bucket.rate for bucket in (self._user, self._broker) if bucket is not None]
        self.pacer.rate_limit = min(rates, default=None)

    def wait_s(self, now: float) -> float | None:
        """
        Say when the next message may go; :attr:`limit` then says what holds it up.

        :param now: monotonic seconds
        :returns: 0 now, seconds until then, or None when an event must come first
        """
        limits = self._limits
        if limits is None:
            self.limit = Limit.DISCONNECTED
            return None
        if self._in_flight >= limits.max_in_flight:
            self.limit = Limit.BROKER
            # The broker counts a message until it has answered, even one that the pacer gives up.
            self.pacer.overdue(now)
            return None
        most = min(limits.max_in_flight_bytes, self._link.max_in_flight_bytes)
        if self._in_flight and self._in_flight_bytes + self.fragment_bytes > most:
            self.limit = Limit.WINDOW
            self.pacer.overdue(now)
            return None
        # The longest wait is the one that limits.
        limit, wait = Limit.APPLICATION, 0.0
        for candidate, needed in self._waits(now):
            if needed is None:
                self.limit = candidate
                return None
            if needed > wait:
                limit, wait = candidate, needed
        if wait > 0.0:
            self.limit = limit
        return wait

    def guaranteed_open(self, now: float) -> bool:
        """
        Tell whether promised streams may go although the window is full.

        :param now: monotonic seconds
        :returns: whether nothing else is in the way
        """
        if self._limits is None or self.limit is not Limit.WINDOW:
            return False
        others = [wait for limit, wait in self._waits(now) if limit is not Limit.WINDOW]
        free = self._in_flight < self._limits.max_in_flight
        return free and self.pacer.guaranteed_room and not any(wait != 0.0 for wait in others)

    def _waits(self, now: float) -> list[tuple[Limit, float | None]]:
        waits = [
            (limit, bucket.wait_s(now))
            for limit, bucket in (
                (Limit.RATE, self._user),
                (Limit.BROKER, self._broker),
                (Limit.BROKER, self._messages),
            )
            if bucket is not None
        ]
        budget = None if self.budget is None else self.budget.wait_s(self.fragment_bytes, now)
        if self.budget is None:
            budget = 0.0
        return [(Limit.WINDOW, self.pacer.wait_s(now)), (Limit.BUDGET, budget), *waits]

    def capacity(self, now: float) -> float | None:
        """
        Say what may go out in the long run, whatever limits it.

        :param now: monotonic seconds
        :returns: bytes per second; None while unknown
        """
        rates = [bucket.rate for bucket in (self._user, self._broker) if bucket is not None]
        if self.pacer.rate_bytes_per_s is not None:
            rates.append(self.pacer.rate_bytes_per_s)
        if self.budget is not None and self.limit is Limit.BUDGET:
            rates.append(self.budget.rate_bytes_per_s(now))
        return min(rates, default=None)

    @property
    def fragment_bytes(self) -> int:
        """The largest payload that a sample's message should have now."""
        most = self.pacer.fragment_bytes
        return most if self._limits is None else min(most, self._limits.max_payload_bytes)

    def idle(self) -> None:
        """Note that the link could take more than there is to send."""
        self.limit = Limit.APPLICATION
        self.pacer.idle()

    def sent(self, payload: int, topic: int, now: float) -> Packet:
        """
        Charge a message.

        :param payload: its bytes
        :param topic: bytes of its topic
        :param now: monotonic seconds
        :returns: to be given back with its answer
        """
        size = payload + topic
        self._in_flight += 1
        self._in_flight_bytes += size
        for bucket in (self._user, self._broker):
            if bucket is not None:
                bucket.take(size, now)
        if self._messages is not None:
            self._messages.take(1, now)
        self.spent(payload, topic, now)
        return self.pacer.sent(size, now)

    def passed(self, payload: int, topic: int, now: float) -> None:
        """
        Charge a message that another session has sent over the same link.

        Limits per connection are not touched, for the broker counts it for the other one.

        :param payload: its bytes
        :param topic: bytes of its topic
        :param now: monotonic seconds
        """
        if self._user is not None:
            self._user.take(payload + topic, now)
        self.spent(payload, topic, now)
        self.pacer.passed(payload + topic, now)

    def spent(self, payload: int, topic: int, now: float) -> None:
        """
        Count a message against the budget, as when a new connection repeats it.

        :param payload: its bytes
        :param topic: bytes of its topic
        :param now: monotonic seconds
        """
        if self.budget is None:
            return
        alias = self._limits is not None and self._limits.topic_aliases > 0
        cost = link_bytes(
            payload,
            0 if alias else topic,
            property_bytes=TOPIC_ALIAS_BYTES if alias else 0,
            tls=self._tls,
            alone=self._in_flight == 0,
        )
        self.budget.spent(cost, now)

    def settled(self, size: int) -> None:
        """
        Note that a message is no longer in flight.

        :param size: bytes of payload and topic
        """
        self._in_flight -= 1
        self._in_flight_bytes -= size


def _bucket(old: TokenBucket | None, rate: float, now: float) -> TokenBucket | None:
    if rate <= 0:
        return None
    if old is not None and old.rate == rate:
        return old
    return TokenBucket(rate, max(1.0, rate * _BURST_S), now)
