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

"""Parcels on their way: which message goes next, and what becomes of the samples in them."""

from collections import deque
from dataclasses import dataclass

from ros_cloud_bridge.core.outbox import CLASS_WEIGHT, DeficitRoundRobin
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.values import Drop, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One MQTT message to publish."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(slots=True, kw_only=True)
class Parcel:
    """
    A batch on its way: messages yet to send, and samples to settle once all are answered.

    ``on_abandon`` tells consumers that the rest of a fragmented batch will not come.
    """

    number: int
    priority: Priority
    messages: deque[Message]
    entries: list[tuple[Route, int]]
    on_abandon: Message
    expiry_s: float | None = None
    unanswered: int = 0
    sent: int = 0
    drop: Drop | None = None

    def settle(self) -> None:
        """Tell the routes what became of the samples."""
        for route, count in self.entries:
            route.settle(count, self.drop)


class ParcelQueue:
    """Parcels by priority class; the classes share the link by their weights."""

    def __init__(self) -> None:
        self._turns = DeficitRoundRobin()
        self._waiting: dict[Priority, deque[Parcel]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def pick(self, others: set[Priority]) -> Priority | None:
        """
        Pick the class whose turn it is.

        :param others: classes that have samples but no parcel yet
        :returns: the class, or None when there is none
        """
        ready = sorted({*self._waiting, *others})
        turn = self._turns.pick([(priority, CLASS_WEIGHT[priority]) for priority in ready])
        assert turn is None or isinstance(turn, Priority)
        return turn

    def holds(self, priority: Priority) -> bool:
        """
        Tell whether a class has a parcel that is not sent entirely.

        :param priority: the class
        :returns: whether :meth:`next` has a message for it
        """
        return priority in self._waiting

    def add(self, parcel: Parcel) -> None:
        """
        Add a parcel behind those of its class.

        :param parcel: has at least one message
        """
        self._waiting.setdefault(parcel.priority, deque()).append(parcel)

    def next(self, priority: Priority) -> tuple[Message, Parcel]:
        """
        Take the next message of a class.

        :param priority: a class that :meth:`holds` one
        :returns: the message and the parcel that it belongs to
        """
        parcel = self._waiting[priority][0]
        message = parcel.messages.popleft()
        parcel.sent += 1
        parcel.unanswered += 1
        if not parcel.messages:
            self._remove(parcel)
        self._turns.charge(priority, len(message.payload))
        return message, parcel

    def answered(self, parcel: Parcel, drop: Drop | None) -> Message | None:
        """
        Note what became of one of a parcel's messages.

        :param parcel: the parcel
        :param drop: why the message was lost, or None when the broker has it
        :returns: what to tell consumers when the parcel is given up half sent
        """
        parcel.unanswered -= 1
        notice = None
        if drop is not None:
            if parcel.drop is None and parcel.sent + len(parcel.messages) > 1:
                notice = parcel.on_abandon
            parcel.drop = drop
            if parcel.messages:
                parcel.messages.clear()
                self._remove(parcel)
        if not parcel.messages and not parcel.unanswered:
            parcel.settle()
        return notice

    def give_up(self, reason: Drop) -> int:
        """
        Give up every parcel that is not sent entirely.

        :param reason: why its samples count as dropped
        :returns: how many samples
        """
        parcels = [parcel for waiting in self._waiting.values() for parcel in waiting]
        self._waiting.clear()
        for parcel in parcels:
            parcel.drop = reason
            parcel.settle()
        return sum(count for parcel in parcels for _, count in parcel.entries)

    def _remove(self, parcel: Parcel) -> None:
        waiting = self._waiting[parcel.priority]
        waiting.remove(parcel)
        if not waiting:
            del self._waiting[parcel.priority]
