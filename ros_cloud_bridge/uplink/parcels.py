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


"""Parcels on their way: the messages of one batch, and what becomes of the samples in them."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ros_cloud_bridge.core.outbox import Part
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.values import Drop, Priority
from ros_cloud_bridge.wire.fragments import Cutter


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One MQTT message to publish."""

    topic: str
    payload: bytes
    retain: bool = False


class Contents(Protocol):
    """The messages of a parcel, made one by one."""

    @property
    def done(self) -> bool:
        """Whether no message is left."""

    def next(self, max_payload: int) -> Message:
        """
        Make the next message.

        :param max_payload: its largest payload, bytes
        :returns: the message
        """


class Fragments:
    """
    A batch that is cut where the link's speed asks for it.

    :param topic: MQTT topic
    :param payload: encoded batch
    :param boot: boot id
    :param number: batch number
    """

    def __init__(self, topic: str, payload: bytes, boot: bytes, number: int) -> None:
        self._topic = topic
        self._cutter = Cutter(payload, boot, number)

    @property
    def done(self) -> bool:
        """Whether no message is left."""
        return self._cutter.done

    def next(self, max_payload: int) -> Message:
        """
        Make the next message.

        :param max_payload: its largest payload, bytes
        :returns: the batch itself or a fragment of it
        """
        return Message(topic=self._topic, payload=self._cutter.next(max_payload))


class Prepared:
    """
    Messages that are made already.

    :param messages: at least one
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = deque(messages)

    @property
    def done(self) -> bool:
        """Whether no message is left."""
        return not self._messages

    def next(self, max_payload: int) -> Message:
        """
        Give the next message.

        :param max_payload: has no effect
        :returns: the message
        """
        return self._messages.popleft()


@dataclass(slots=True, kw_only=True, eq=False)
class Parcel:
    """
    A batch on its way: messages yet to send, and samples to settle once all are answered.

    ``shares`` says what part of its bytes is which route's. ``on_abandon`` tells consumers that
    the rest of a fragmented batch will not come. ``expires_at``, ``began_at`` and ``sent_at`` (its
    last message) are monotonic.
    """

    number: int
    priority: Priority
    contents: Contents
    entries: list[Part]
    shares: list[tuple[Route, float]]
    on_abandon: Message
    expires_at: float | None = None
    unanswered: int = 0
    sent: int = 0
    sent_bytes: int = 0
    began_at: float | None = None
    sent_at: float | None = None
    drop: Drop | None = None
    settled: bool = False

    @property
    def durable(self) -> bool:
        """Whether its samples are in the spool, from where they go again if need be."""
        return any(part.route.durable for part in self.entries)

    @property
    def lead(self) -> Route:
        """The route whose turn made the batch."""
        return self.shares[0][0]

    @property
    def done(self) -> bool:
        """Whether all messages were sent, or the rest was given up."""
        return self.drop is not None or self.contents.done

    def next(self, max_payload: int) -> Message:
        """
        Take the next message.

        :param max_payload: its largest payload, bytes
        :returns: the message
        """
        message = self.contents.next(max_payload)
        self.sent += 1
        self.sent_bytes += len(message.payload)
        self.unanswered += 1
        return message

    def answered(self, drop: Drop | None) -> Message | None:
        """
        Note what became of one of the messages.

        :param drop: why the message was lost, or None when the broker has it
        :returns: what to tell consumers when the parcel is given up half sent
        """
        self.unanswered -= 1
        notice = None if drop is None else self.give_up(drop)
        self._settle_if_over()
        return notice

    def give_up(self, reason: Drop) -> Message | None:
        """
        Send no more of it.

        :param reason: why its samples count as dropped
        :returns: what to tell consumers when fragments of it were sent
        """
        first = self.drop is None
        whole = self.contents.done and self.sent == 1
        self.drop = reason
        self._settle_if_over()
        return self.on_abandon if first and self.sent and not whole else None

    def _settle_if_over(self) -> None:
        if self.done and not self.unanswered and not self.settled:
            self.settled = True
            for part in self.entries:
                part.settle(self.drop)
