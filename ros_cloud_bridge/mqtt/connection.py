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

"""One connection's life: CONNACK, resends, publications and answers, until its end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
import math
import time

from ros_cloud_bridge.mqtt import reasons
from ros_cloud_bridge.mqtt.aliases import TopicAliases
from ros_cloud_bridge.mqtt.events import (
    Acknowledged,
    Discarded,
    Outgoing,
    Received,
    SessionEvent,
    SubscriptionRefused,
)
from ros_cloud_bridge.mqtt.limits import ServerLimits, SessionLimits
from ros_cloud_bridge.mqtt.outstanding import Entry, Outstanding
from ros_cloud_bridge.mqtt.paho_link import PahoLink

# Keepalive is checked at least this often.
LONGEST_TURN_S = 1.0


class Ending(Enum):
    """How a connection ended."""

    UNANSWERED = 'no CONNACK came'
    REFUSED = 'the CONNACK said no'
    LOST = 'it was accepted and ended later'
    LEFT = 'we left as asked'


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end of a connection: how, why, the broker's code, and how long it had held."""

    how: Ending
    reason: str = ''
    code: int | None = None
    lasted_s: float = 0.0


class Connection:
    """
    Drives one link until it ends; all of it on the session's thread.

    :param outstanding: messages to publish, and those that wait for an answer
    :param emit: takes events
    :param negotiate: makes limits of what the broker says
    :param subscriptions: topic filters, of which there may come more; the QoS that is wanted for
        them, and how many go into one packet
    :param leave_by: monotonic time by which to have left; None while nobody wants to leave
    :param cut: why to end the connection at once; empty while nobody wants that
    :param fresh_only: whether to subscribe without what is retained
    :param others_only: whether to subscribe without what we publish ourselves
    """

    def __init__(
        self,
        outstanding: Outstanding,
        emit: Callable[[SessionEvent], None],
        negotiate: Callable[[ServerLimits], SessionLimits],
        subscriptions: tuple[Sequence[str], int, int],
        leave_by: Callable[[], float | None],
        cut: Callable[[], str] = lambda: '',
        fresh_only: bool = False,
        others_only: bool = False,
    ) -> None:
        self._outstanding = outstanding
        self._emit = emit
        self._negotiate = negotiate
        self._filters, self._subscription_qos, self._filters_per_packet = subscriptions
        self._leave_by = leave_by
        self._cut = cut
        self._manner = {'fresh_only': fresh_only, 'others_only': others_only}
        self._connack: tuple[int, ServerLimits] | None = None
        self._closed: tuple[str, int | None] | None = None
        self._limits: SessionLimits | None = None
        self._aliases = TopicAliases(0)
        self._asked: dict[int, Sequence[str]] = {}
        self._subscribed = 0

    def await_connack(self, link: PahoLink, timeout_s: float) -> Ended | SessionLimits:
        """
        Wait for the broker's answer to CONNECT.

        :param link: on which CONNECT has been sent
        :param timeout_s: how long to wait
        :returns: limits of the connection, or how it ended
        """
        deadline = time.monotonic() + timeout_s
        while self._connack is None:
            left = min(deadline, self._leave_by() or math.inf) - time.monotonic()
            if left <= 0:
                return Ended(how=Ending.UNANSWERED, reason=f'no CONNACK within {timeout_s:g} s')
            if not link.turn(min(left, LONGEST_TURN_S)) and self._connack is None:
                reason, _ = self._closed or ('closed', None)
                return Ended(how=Ending.UNANSWERED, reason=f'{reason}, before any CONNACK')
        code, server = self._connack
        if code != reasons.SUCCESS:
            return Ended(how=Ending.REFUSED, reason=reasons.describe(code), code=code)
        self._limits = self._negotiate(server)
        link.set_keepalive(self._limits.keepalive_s)
        self._aliases = TopicAliases(self._limits.topic_aliases)
        self._outstanding.set_limits(self._limits)
        return self._limits

    def run(self, link: PahoLink) -> Ended:
        """
        Subscribe, publish and receive until the connection ends or we are to leave.

        :param link: on which the broker has accepted us
        :returns: how it ended
        """
        began = time.monotonic()
        self._subscribe(link)
        leaving = False
        while True:
            self._send(link)
            leave_by = self._leave_by()
            if leave_by is not None and not leaving:
                if self._outstanding.count == 0:
                    leaving = True
                    link.disconnect()
                elif time.monotonic() >= leave_by:
                    # The farewell did not arrive: no DISCONNECT, so that the will speaks for us.
                    return Ended(how=Ending.LEFT, reason='not everything was acknowledged')
            if leaving and leave_by is not None and time.monotonic() >= leave_by:
                return Ended(how=Ending.LEFT, reason='DISCONNECT could not be written')
            if self._cut():
                self._closed = (self._cut(), None)
                break
            if not link.turn(self._longest_turn(leave_by)):
                break
        if leaving:
            return Ended(how=Ending.LEFT)
        reason, code = self._closed or ('connection lost', None)
        return Ended(how=Ending.LOST, reason=reason, code=code, lasted_s=time.monotonic() - began)

    def release(self) -> None:
        """Let unanswered messages wait for the next connection; call however this one ended."""
        _, code = self._closed or ('', None)
        if code == reasons.PACKET_TOO_LARGE:
            # Sent again, it would end every connection to come.
            packet_id = self._outstanding.largest_sent()
            if packet_id is not None:
                self.on_answered(packet_id, reasons.PACKET_TOO_LARGE, time.monotonic())
        for entry in self._outstanding.connection_lost():
            self._emit(Discarded(token=entry.outgoing.token, reason='connection lost'))

    def on_connack(self, code: int, limits: ServerLimits) -> None:
        """Take the broker's answer to CONNECT."""
        self._connack = (code, limits)

    def on_answered(self, packet_id: int, code: int | None, at: float) -> None:
        """Take the answer for a message."""
        entry = self._outstanding.answered(packet_id)
        if entry is not None:
            self._acknowledge(entry, code if entry.outgoing.qos > 0 else None, at)

    def on_suback(self, packet_id: int, codes: list[int]) -> None:
        """Report the filters that the broker refuses."""
        for topic_filter, code in zip(self._asked.pop(packet_id, ()), codes, strict=False):
            if code >= 0x80:
                self._emit(SubscriptionRefused(topic_filter=topic_filter, code=code))

    def on_message(self, topic: str, payload: bytes, *, retain: bool, qos: int) -> None:
        """Pass a message on."""
        self._emit(Received(topic=topic, payload=payload, retain=retain, qos=qos))

    def on_closed(self, reason: str, code: int | None) -> None:
        """Note why the connection ended."""
        self._closed = (reason, code)

    def _acknowledge(self, entry: Entry, code: int | None, at: float) -> None:
        self._emit(
            Acknowledged(
                token=entry.outgoing.token,
                code=code,
                sent_at=entry.sent_at,
                answered_at=at,
                resent=entry.resent,
            )
        )

    def _longest_turn(self, leave_by: float | None) -> float:
        if leave_by is None:
            return LONGEST_TURN_S
        return min(LONGEST_TURN_S, max(0.0, leave_by - time.monotonic()))

    def _subscribe(self, link: PahoLink) -> None:
        while self._subscribed < len(self._filters):
            chunk = self._filters[self._subscribed :][: self._filters_per_packet]
            self._subscribed += len(chunk)
            packet_id = link.subscribe(chunk, self._subscription_qos, **self._manner)
            if packet_id is not None:
                self._asked[packet_id] = chunk

    def _send(self, link: PahoLink) -> None:
        while self._closed is None:
            entry = self._outstanding.next_to_send()
            # Behind the message that was taken: what was asked for before it goes before it.
            self._subscribe(link)
            if entry is None or not self._send_one(link, entry):
                return

    def _send_one(self, link: PahoLink, entry: Entry) -> bool:
        outgoing, limits = entry.outgoing, self._limits
        assert limits is not None
        now = time.monotonic()
        expiry_s: int | None = None
        if entry.due is not None:
            remaining = entry.due - now
            if remaining <= 0:
                self._outstanding.settle(entry)
                self._emit(Discarded(token=outgoing.token, reason='expired'))
                return True
            expiry_s = math.ceil(remaining)
        if limits.max_packet_bytes and packet_bytes(outgoing) > limits.max_packet_bytes:
            # The broker would close the connection on it, and again after each resend.
            self._outstanding.settle(entry)
            self._acknowledge(entry, reasons.PACKET_TOO_LARGE, now)
            return True
        topic, alias = self._aliases.use(outgoing.topic)
        written = link.publish(
            topic,
            outgoing.payload,
            qos=min(outgoing.qos, limits.max_qos),
            retain=outgoing.retain and limits.retain_available,
            alias=alias,
            expiry_s=expiry_s,
            content_type=outgoing.content_type,
        )
        if written is None:
            self._outstanding.put_back(entry)
            return False
        packet_id, done = written
        self._outstanding.sent(packet_id, entry, now)
        if done:
            self.on_answered(packet_id, None, time.monotonic())
        return True


def packet_bytes(outgoing: Outgoing) -> int:
    """
    Count the bytes of a message's PUBLISH packet.

    :param outgoing: the message
    :returns: its size at most, with topic, alias and expiry all written
    """
    content_type = outgoing.content_type.encode()
    properties = 3 + (5 if outgoing.expiry_s is not None else 0)
    properties += 3 + len(content_type) if content_type else 0
    body = 2 + len(outgoing.topic.encode()) + 2 + 2 + properties + len(outgoing.payload)
    return body + 5
