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


"""What the session tells of the broker and of consumers, on its way to whom it concerns."""

from collections import deque

from ros_cloud_bridge.core.presence import Presence, Verdict
from ros_cloud_bridge.durable.spooling import Spooling
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.link import Link, Log
from ros_cloud_bridge.mqtt.events import (
    Acknowledged,
    Connected,
    Discarded,
    Disconnected,
    Received,
    Refused,
    SessionEvent,
    TakenOver,
    Unreachable,
)
from ros_cloud_bridge.mqtt.reasons import describe
from ros_cloud_bridge.signing.confirmations import ConfirmationKeys
from ros_cloud_bridge.uplink.outstanding import Shipment
from ros_cloud_bridge.uplink.pump import Pump
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire.announce import Ask, decode_json
from ros_cloud_bridge.wire.confirm import decode_confirmation
from ros_cloud_bridge.wire.topics import RobotTopics


class BrokerNews:
    """
    Keeps the session's events until the pump's thread has time for them.

    :param topics: the robot's MQTT topics
    :param pump: gets answers, asks and connections
    :param presence: judges what stands at ``state``
    :param link: leaves when another bridge has this robot's id
    :param spooling: gets confirmations; None without durable streams
    :param keys: opens those that have to be signed; None where they have not
    :param log: takes (level, text)
    """

    def __init__(
        self,
        topics: RobotTopics,
        *,
        pump: Pump,
        presence: Presence,
        link: Link,
        spooling: Spooling | None,
        keys: ConfirmationKeys | None,
        log: Log,
    ) -> None:
        self.events: deque[SessionEvent] = deque()
        self._topics = topics
        self._pump = pump
        self._presence = presence
        self._link = link
        self._spooling = spooling
        self._keys = keys
        self._log = log
        self._refusals: set[int] = set()

    def handle(self, now: float) -> None:
        """
        Hand on what has come.

        :param now: monotonic seconds
        """
        if self._keys is not None:
            for problem in self._keys.ring.look(now):
                self._log('error', f'confirmations: {problem}')
        while self.events:
            event = self.events.popleft()
            if isinstance(event, Acknowledged | Discarded):
                self._settle(event)
            elif isinstance(event, Received):
                self._handle_message(event, now)
            elif isinstance(event, Connected):
                self._refusals.clear()
                self._presence.connected(event.connection)
                self._pump.portrait.connected = True
                self._pump.connected(event.limits, self._presence.announced, now)
                self._tell_spooling(True)
            elif isinstance(event, Disconnected | Refused | TakenOver | Unreachable):
                self._pump.portrait.connected = False
                self._pump.disconnected()
                self._tell_spooling(False)

    def _tell_spooling(self, connected: bool) -> None:
        if self._spooling is not None:
            self._spooling.connection(connected)

    def _settle(self, event: Acknowledged | Discarded) -> None:
        shipment = event.token
        if isinstance(event, Acknowledged) and event.refused:
            self._note_refusal(event)
        if not isinstance(shipment, Shipment):
            return
        if isinstance(event, Discarded):
            expired = shipment.expiry_s is not None
            self._pump.answered(shipment, Drop.EXPIRED if expired else Drop.ABANDONED)
        elif event.sent_at is None:
            self._pump.answered(shipment, Drop.REFUSED)
        else:
            self._pump.answered(
                shipment,
                Drop.REFUSED if event.refused else None,
                event.answered_at,
                event.sent_at,
                later=event.for_nobody or (event.refused and not event.permanent),
            )

    def _note_refusal(self, event: Acknowledged) -> None:
        code = event.code or 0
        if code not in self._refusals:
            self._refusals.add(code)
            again = 'dead-lettered if durable' if event.permanent else 'tried again if durable'
            self._log(
                'error',
                f'the broker refuses messages: {describe(code)}; they are dropped, or {again} '
                '(said once a connection)',
            )

    def _handle_message(self, message: Received, now: float) -> None:
        try:
            if message.topic == self._topics.state:
                self._judge_state(message, now)
            else:
                rest, _, consumer = message.topic.rpartition('/')
                if rest.endswith('/confirm'):
                    self._confirm(consumer, message)
                else:
                    self._answer(consumer, message.payload, now)
        except ProtocolError as error:
            self._pump.health.bad_messages += 1
            if self._pump.health.bad_messages == 1:
                self._log('warning', f'{message.topic}: {error} (said once)')

    def tell_again(self, ask: Ask) -> None:
        """
        Say once more what a consumer lacks.

        :param ask: what that is
        """
        if ask.routes:
            self._pump.batches.assembler.describe_again()
        if ask.latched:
            self._pump.batches.latched.again(self._pump.outbox.routes)

    def _confirm(self, consumer: str, message: Received) -> None:
        # A retained one is of a time that nobody knows.
        if self._spooling is None or not message.payload or message.retain:
            return
        payload = message.payload
        if self._keys is not None:
            payload = self._keys.open(consumer, message.topic, payload)
        self._spooling.confirmed(consumer, decode_confirmation(payload))

    def _judge_state(self, message: Received, now: float) -> None:
        if not message.payload:
            return
        document = decode_json(message.payload)
        if not self._presence.plausible(document):
            raise ProtocolError('not a state of this robot')
        verdict = self._presence.seen(document, message.retain)
        if verdict is Verdict.ANNOUNCE_AGAIN:
            self._pump.announcer.state_changed(now)
        elif verdict is Verdict.DUPLICATE:
            self._log(
                'error',
                'duplicate_robot_id: another bridge announces robot '
                f"'{self._topics.robot_id}'; this one leaves and tries again in a minute",
            )
            self._link.yield_robot_id()

    def _answer(self, consumer: str, payload: bytes, now: float) -> None:
        ask = self._pump.announcer.asked(consumer, payload, now)
        self.tell_again(ask)
        if ask.leases:
            self._pump.lease(consumer, ask.leases, now)
