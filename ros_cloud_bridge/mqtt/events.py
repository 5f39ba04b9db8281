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

"""What goes into a session and what comes out of it."""

from dataclasses import dataclass

from ros_cloud_bridge.errors import LocalFault
from ros_cloud_bridge.mqtt.limits import SessionLimits

# Time does not mend these: not authorized, topic name invalid, packet too large, quota exceeded,
# payload format invalid (MQTT 5, 3.4.2.1).
NO_MATCHING_SUBSCRIBERS = 0x10
PERMANENT_REFUSALS = frozenset({0x87, 0x90, 0x95, 0x99})


class SessionFull(LocalFault):
    """A message was handed to a session that has no room for it, or is stopping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker says for us when the connection ends without a farewell."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """
    One message to publish.

    ``token`` comes back with the event that says what became of it. ``expiry_s`` counts from the
    hand-over; a message that outlives it here is discarded, and the broker is told the rest. One
    that is not to go ``again`` is discarded as the connection ends without an answer.
    """

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    token: object = None
    expiry_s: float | None = None
    content_type: str = ''
    again: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The broker has accepted us; ``connection`` is the number that ``will_for`` was given."""

    limits: SessionLimits
    connection: int
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """A connection has ended; ``code`` is the broker's reason, where it gave one."""

    reason: str
    code: int | None
    retry_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The broker said no, at connecting or later; ``code`` is an MQTT 5 reason code."""

    reason: str
    code: int
    retry_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """No broker answered: unknown host, nobody listens, TLS failed, or no CONNACK in time."""

    reason: str
    retry_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """Another client has connected with our client id (0x8E)."""

    retry_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """
    The broker has answered for a message; it is no longer ours.

    ``code`` is the PUBACK's reason code; None where there is none (MQTT 3.1.1; QoS 0, which means
    no more than that it went into the socket).

    ``sent_at`` and ``answered_at`` are monotonic seconds: when the PUBLISH was handed to the
    connection that brought the answer (None for one that was not, being too large for the broker),
    and when that answer was read. With ``resent`` an earlier connection had it too: what passed
    between the two then says little about the link.
    """

    token: object
    code: int | None
    sent_at: float | None
    answered_at: float
    resent: bool = False

    @property
    def refused(self) -> bool:
        """Whether the broker did not take the message."""
        return self.code is not None and self.code >= 0x80

    @property
    def permanent(self) -> bool:
        """Whether to send it again would end the same way."""
        return self.code in PERMANENT_REFUSALS

    @property
    def for_nobody(self) -> bool:
        """Whether the broker took the message and had nobody to give it to."""
        return self.code == NO_MATCHING_SUBSCRIBERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """The session gave a message up: it expired, or it was not to go again after a reconnect."""

    token: object
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRefused:
    """The broker does not let us subscribe to a filter."""

    topic_filter: str
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message from the broker."""

    topic: str
    payload: bytes
    retain: bool
    qos: int


SessionEvent = (
    Connected
    | Disconnected
    | Refused
    | Unreachable
    | TakenOver
    | Acknowledged
    | Discarded
    | SubscriptionRefused
    | Received
)
