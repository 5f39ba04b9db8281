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

"""Confirmations between a consumer's decoder, its sink and its robots."""

from collections.abc import Iterable, Mapping

from ros_cloud_bridge.cloud.confirming import Confirmations, MIN_INTERVAL_S
from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.cloud.durable import DurableTracker
from ros_cloud_bridge.cloud.ledger import HELD, Ledger, LedgerEntry, Span
from ros_cloud_bridge.cloud.presence import Presence
from ros_cloud_bridge.cloud.seen import Seen
from ros_cloud_bridge.mqtt.events import Outgoing
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.signing.keys import PrivateKey
from ros_cloud_bridge.signing.messages import sign
from ros_cloud_bridge.wire.account import Account, Gap
from ros_cloud_bridge.wire.confirm import Confirmation, encode_confirmation
from ros_cloud_bridge.wire.cose import Context
from ros_cloud_bridge.wire.topics import RobotTopics

_EXPIRY_S = 30.0


class Confirmer:
    """
    Sifts what the decoder hands on, and says what is to be published.

    All but :attr:`confirmations` is for the consumer's thread.

    :param name: the name that the streams name as ``confirm_by``
    :param root: the fleet's topic root
    :param ledger: what is held, over restarts
    :param key: signs what is confirmed; None where robots trust the broker to know the consumer
    """

    def __init__(
        self, name: str, root: str, ledger: Ledger | None, key: PrivateKey | None = None
    ) -> None:
        self._key = key
        self.confirmations = Confirmations(name, ledger)
        self.name = name
        self._root = root
        self._decoder: Decoder | None = None
        self._next_hold = 0.0

    def attach(self, decoder: Decoder) -> None:
        """
        Let a decoder know what came before it was there.

        :param decoder: fresh; it calls :meth:`account` and :meth:`repeated`
        """
        self._decoder = decoder
        decoder.restore(_seen(entry) for entry in self.confirmations.restored)

    def account(self, robot_id: str, account: Account) -> None:
        """
        Take in what a robot says of its durable routes.

        :param robot_id: the robot
        :param account: its words
        """
        assert self._decoder is not None
        boot = self._decoder.robots[robot_id].boots[account.boot.hex()]
        for route in account.routes:
            descriptor = boot.routes.get(route.route)
            # It is told again until it is confirmed; by then the route may be described.
            if descriptor is not None:
                entry = LedgerEntry(
                    robot_id=robot_id,
                    boot=account.boot,
                    route=route.route,
                    descriptor=descriptor,
                    committed=route.committed,
                    closed=route.closed,
                    spans=tuple(Span(*gap) for gap in route.gaps),
                )
                self.confirmations.account(entry)

    def repeated(self, robot_id: str, boot_id: str, route: int) -> None:
        """
        Take note that samples came again that the decoder does not hand on again.

        :param robot_id: the robot
        :param boot_id: hexadecimal
        :param route: route number
        """
        assert self._decoder is not None
        self.confirmations.again(robot_id, boot_id, route)
        boot = self._decoder.robots[robot_id].boots[boot_id]
        tracker = boot.trackers.get(route)
        if not isinstance(tracker, DurableTracker):
            return
        descriptor = boot.routes.get(route)
        stream = '' if descriptor is None else descriptor.stream
        # What went to no sink, or was declined, or was not ours when it came, has to come again.
        kept = self.confirmations.in_hand(robot_id, boot_id, route, stream)
        if kept is None or all(_within(part, kept) for part in tracker.seen):
            return
        # What waits for its turn has come, though nobody has it in hand yet.
        if route in boot.orderers:
            for sample in boot.orderers[route].waiting:
                kept.add(sample.sequence, sample.sequence)
        if not all(_within(part, kept) for part in tracker.seen):
            tracker.forget_all_but(kept)

    def due(self, presence: Presence, now: float) -> list[tuple[str, Outgoing]]:
        """
        Say what to publish now; what is returned counts as sent.

        :param presence: which robots are there
        :param now: monotonic seconds
        :returns: messages, each with its robot
        :raises LedgerError: when what the robots said cannot be kept
        """
        if self.confirmations.has_accounts and now >= self._next_hold:
            self._next_hold = now + MIN_INTERVAL_S
            self.confirmations.hold(())
        assert self._decoder is not None
        states = presence.states
        present: dict[str, object] = {
            robot_id: (state.boot_id, state.connection)
            for robot_id, state in states.items()
            if state.online
        }
        # Some brokers keep no presence for who comes late.
        present.update((robot, None) for robot in self._decoder.robots if robot not in states)
        return self._encoded(self.confirmations.due(present, now))

    def last_words(self) -> list[Outgoing]:
        """
        Say what is still to be told before the consumer leaves.

        :returns: messages
        """
        return [outgoing for _, outgoing in self._encoded(self.confirmations.untold())]

    def _encoded(self, due: Mapping[str, Iterable[Confirmation]]) -> list[tuple[str, Outgoing]]:
        return [
            (robot_id, self._message(robot_id, confirmation))
            for robot_id, confirmations in due.items()
            for confirmation in confirmations
        ]

    def _message(self, robot_id: str, confirmation: Confirmation) -> Outgoing:
        topic = RobotTopics(self._root, robot_id).confirm(self.name)
        payload = encode_confirmation(confirmation)
        if self._key is not None:
            payload = sign(self._key, Context.CONFIRMATION, robot_id, topic, payload)
        return Outgoing(topic=topic, payload=payload, expiry_s=_EXPIRY_S)


def _within(part: tuple[int, int], ranges: Ranges) -> bool:
    return ranges.count(*part) == part[1] - part[0] + 1


def _seen(entry: LedgerEntry) -> Seen:
    held = tuple((span.first, span.last) for span in entry.spans if span.reason == HELD)
    return Seen(
        robot_id=entry.robot_id,
        boot_id=entry.boot.hex(),
        route=entry.route,
        descriptor=entry.descriptor,
        ranges=held,
        gaps=tuple(
            Gap(span.reason, span.first, span.last) for span in entry.spans if span.reason != HELD
        ),
        committed=entry.committed or None,
        closed=entry.closed,
    )
