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
What is in flight, and what each answer tells: the round trip and a sample of the delivery rate.

The rate samples follow draft-cheng-iccrg-delivery-rate-estimation: what was delivered between the
sending of a message and its answer, over the longer of the two intervals in which it was sent and
answered for. So neither a burst of sends nor a burst of answers makes the link look faster.
"""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True, eq=False)
class Packet:
    """
    One message on its way.

    ``cost`` are the bytes that it takes on the link, headers included. The other fields are what
    a rate sample needs to know of the moment of sending.
    """

    cost: int
    sent_at: float
    delivered: int
    delivered_at: float
    first_sent_at: float
    application_limited: bool
    alone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    What the answer for one message says.

    ``rate`` is None where the interval was too short to tell. ``after_pause`` says that it was
    measured on what had been in flight while no answers came: as an upper bound it means nothing.
    ``alone`` says that nothing else was on its way when it was sent: the rate is a lower bound.
    ``in_flight`` are the bytes still on their way.
    """

    cost: int
    at: float
    round_trip_s: float
    rate: float | None
    application_limited: bool
    after_pause: bool
    alone: bool
    in_flight: int
    new_round: bool


class Flight:
    """The ledger of messages between their sending and the broker's answer."""

    def __init__(self) -> None:
        self._packets: OrderedDict[Packet, None] = OrderedDict()
        self._bytes = 0
        self._delivered = 0
        self._delivered_at = 0.0
        self._first_sent_at = 0.0
        self._resumed_at = float('-inf')
        self._resumed_with = 0
        self._paused = False
        self._latest_answered = float('-inf')
        self._limited_until = 0
        self._round_ends_at = 0

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def bytes(self) -> int:
        """Bytes on their way, headers included."""
        return self._bytes

    @property
    def delivered(self) -> int:
        """Bytes answered for since the start."""
        return self._delivered

    @property
    def packets(self) -> tuple[Packet, ...]:
        """What is on its way, the oldest first."""
        return tuple(self._packets)

    @property
    def oldest(self) -> Packet | None:
        """What has waited longest for its answer."""
        return next(iter(self._packets), None)

    @property
    def skipped(self) -> Packet | None:
        """The oldest one on its way, if one that was sent later was answered for already."""
        oldest = self.oldest
        return oldest if oldest is not None and oldest.sent_at < self._latest_answered else None

    def idle(self) -> None:
        """Note that the link could take more than there is: rates are a lower bound until then."""
        self._limited_until = self._delivered + self._bytes + 1

    def sent(self, cost: int, now: float) -> Packet:
        """
        Note a message that leaves.

        :param cost: bytes on the link
        :param now: monotonic seconds
        :returns: to be given back with its answer
        """
        if not self._packets:
            self._first_sent_at = self._delivered_at = now
        packet = Packet(
            cost=cost,
            sent_at=now,
            delivered=self._delivered,
            delivered_at=self._delivered_at,
            first_sent_at=self._first_sent_at,
            application_limited=self._limited_until > self._delivered,
            alone=not self._packets,
        )
        self._packets[packet] = None
        self._bytes += cost
        return packet

    def answered(self, packet: Packet, now: float, pause_s: float) -> Answer | None:
        """
        Take the answer for a message.

        After a pause the rate is that of the answers since its end: a link that stood still gives
        them all at once, one that became slower gives them slowly.

        :param packet: the message
        :param now: monotonic seconds, when the answer came
        :param pause_s: no answer for so long is a pause
        :returns: what it tells; None for a message that was given up before
        """
        if not self.forget(packet):
            return None
        paused = now - self._delivered_at > pause_s
        if paused and not self._paused:
            self._resumed_at, self._resumed_with = now, self._delivered + packet.cost
        # Two pauses in a row are no pauses but a slow link.
        self._paused = paused
        self._delivered += packet.cost
        self._delivered_at = now
        self._latest_answered = max(self._latest_answered, packet.sent_at)
        send_s = packet.sent_at - packet.first_sent_at
        interval, delivered = max(send_s, now - packet.delivered_at), packet.delivered
        after_pause = packet.sent_at < self._resumed_at
        if after_pause:
            interval, delivered = now - self._resumed_at, self._resumed_with
        self._first_sent_at = max(self._first_sent_at, packet.sent_at)
        new_round = packet.delivered >= self._round_ends_at
        if new_round:
            self._round_ends_at = self._delivered
        return Answer(
            cost=packet.cost,
            at=now,
            round_trip_s=max(0.0, now - packet.sent_at),
            rate=(self._delivered - delivered) / interval if interval > 1e-4 else None,
            application_limited=packet.application_limited,
            after_pause=after_pause,
            alone=packet.alone,
            in_flight=self._bytes,
            new_round=new_round,
        )

    def forget(self, packet: Packet) -> bool:
        """
        Take a message out without an answer.

        :param packet: the message
        :returns: whether it was in flight
        """
        if packet not in self._packets:
            return False
        del self._packets[packet]
        self._bytes -= packet.cost
        return True

    def clear(self) -> None:
        """Forget whatever was in flight, as when the connection is gone."""
        self._packets.clear()
        self._bytes = 0
