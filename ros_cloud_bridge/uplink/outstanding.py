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


"""What is published and not answered for."""

from dataclasses import dataclass

from ros_cloud_bridge.core.admission import Admission
from ros_cloud_bridge.core.pacing.flight import Packet
from ros_cloud_bridge.uplink.backlog import Shipped
from ros_cloud_bridge.uplink.parcels import Message, Parcel


@dataclass(slots=True, kw_only=True, eq=False)
class Shipment:
    """A message that is to be published now; given back with the broker's answer."""

    message: Message
    parcel: Parcel | None
    expiry_s: float | None
    packet: Packet
    backlog: Shipped | None = None
    fleeting: bool = False

    @property
    def again(self) -> bool:
        """Whether the session shall send it again after a reconnect; the spool does so itself."""
        if self.fleeting or self.backlog is not None:
            return False
        return self.parcel is None or not self.parcel.durable

    @property
    def size(self) -> int:
        """Bytes of payload and topic."""
        return len(self.message.payload) + len(self.message.topic.encode())


class Outstanding:
    """
    What was handed to the session, oldest first, and what that took of the link.

    :param admission: is told of every message and its answer
    """

    def __init__(self, admission: Admission) -> None:
        self.sent_bytes = 0
        self.sent_messages = 0
        self._admission = admission
        self._shipments: dict[Shipment, None] = {}

    def ship(
        self, message: Message, parcel: Parcel | None, expiry_s: float | None, now: float
    ) -> Shipment:
        """
        Make a shipment of a message, which counts as sent from here on.

        :param message: the message
        :param parcel: the batch that it is of; None for none
        :param expiry_s: when it is of no use any more, from now; None for never
        :param now: monotonic seconds
        :returns: the shipment
        """
        topic = len(message.topic.encode())
        packet = self._admission.sent(len(message.payload), topic, now)
        shipment = Shipment(message=message, parcel=parcel, expiry_s=expiry_s, packet=packet)
        self._shipments[shipment] = None
        self.sent_bytes += shipment.size
        self.sent_messages += 1
        return shipment

    def repeated(self, now: float) -> None:
        """
        Note that the session sends everything again, on a new connection.

        :param now: monotonic seconds
        """
        for shipment in self._shipments:
            message = shipment.message
            self._admission.spent(len(message.payload), len(message.topic), now)
            shipment.packet = self._admission.pacer.sent(shipment.size, now)

    def settle(self, shipment: Shipment, at: float | None, sent_at: float | None) -> bool:
        """
        Note the broker's answer.

        :param shipment: the message
        :param at: monotonic seconds when the broker answered; None when it never did
        :param sent_at: when the message really left; None for when it was handed over
        :returns: whether it was still waited for
        """
        if shipment not in self._shipments:
            return False
        del self._shipments[shipment]
        self._admission.settled(shipment.size)
        if at is None:
            self._admission.pacer.gave_up(shipment.packet)
        else:
            self._admission.pacer.answered(shipment.packet, at, sent_at)
        return True

    def unanswered_s(self, now: float) -> float:
        """
        Say how long the broker has not answered for the oldest message.

        :param now: monotonic seconds
        :returns: seconds; 0 when nothing waits for an answer
        """
        oldest = next(iter(self._shipments), None)
        return 0.0 if oldest is None else max(0.0, now - oldest.packet.sent_at)
