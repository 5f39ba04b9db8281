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
The backlog: batches that were read from the spool, on their way in what the link has left.

Nothing here touches the disk. Whoever does asks :meth:`Backlog.wish` how much is wanted, puts it
in with :meth:`Backlog.put`, and learns from ``outcomes`` what became of it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from ros_cloud_bridge.core.fair import FairShare
from ros_cloud_bridge.uplink.parcels import Fragments, Message
from ros_cloud_bridge.wire.fragments import abandoned

# Receivers give an incomplete batch up after 120 s without a fragment: what came of it would count
# as with the broker, and be nowhere.
LONGEST_BREAK_S = 60.0
# The floor: so much of the link the backlog has whatever else there is.
_FLOOR = 0.1
_LIVE, _BACKLOG = 'live', 'backlog'
_STOCK = 2
_BATCH_S = 0.5
_LEAST_BYTES = 4096
_MOST_BYTES = 1024 * 1024


class Outcome(Enum):
    """What became of samples that the spool holds."""

    ACCEPTED = 'accepted'
    LATER = 'later'
    REFUSED = 'refused'
    LOST = 'lost'


@dataclass(frozen=True, slots=True, kw_only=True)
class Stocked:
    """
    A batch out of the spool, encoded; ``key`` says to its maker what it is.

    ``boot`` is the one that accepted the samples, ``number`` the batch's.
    """

    key: object
    boot: bytes
    number: int
    payload: bytes


@dataclass(slots=True, kw_only=True, eq=False)
class Shipped:
    """A stocked batch on its way; the broker's worst answer to any of its messages counts."""

    batch: Stocked
    contents: Fragments
    abandonment: Message
    unanswered: int = 0
    sent: int = 0
    sent_at: float = 0.0
    outcome: Outcome = Outcome.ACCEPTED

    @property
    def over(self) -> bool:
        """Whether there is nothing left to send of it."""
        return self.contents.done or self.outcome is not Outcome.ACCEPTED


@dataclass(slots=True)
class Backlog:
    """
    What is read and not answered for.

    :param topic: MQTT topic
    :param wake: called when there is something to do for whoever reads the spool
    """

    topic: str
    wake: Callable[[], None] = lambda: None
    outcomes: deque[tuple[object, Outcome]] = field(default_factory=deque)
    _stock: deque[Shipped] = field(default_factory=deque)
    _flying: dict[Shipped, None] = field(default_factory=dict)
    _turns: FairShare = field(default_factory=FairShare)

    def wish(self, rate_bytes_per_s: float | None) -> int | None:
        """
        Say whether one more batch is wanted.

        :param rate_bytes_per_s: what the link takes; None while unknown
        :returns: how many bytes on the wire it should have; None for no batch
        """
        if len(self._stock) >= _STOCK or len(self._flying) >= 2 * _STOCK:
            return None
        wanted = round((rate_bytes_per_s or 0.0) * _BATCH_S)
        return min(_MOST_BYTES, max(_LEAST_BYTES, wanted))

    def put(self, batch: Stocked) -> None:
        """
        Take a batch up.

        :param batch: it counts as on its way from here on
        """
        self._stock.append(
            Shipped(
                batch=batch,
                contents=Fragments(self.topic, batch.payload, batch.boot, batch.number),
                abandonment=Message(topic=self.topic, payload=abandoned(batch.boot, batch.number)),
            )
        )

    @property
    def waits(self) -> bool:
        """Whether there is something to send."""
        return bool(self._stock)

    def turn(self, live: bool) -> bool:
        """
        Tell whether it is the backlog's turn.

        :param live: whether anything else waits
        :returns: whether the next message should be of the backlog
        """
        contenders = [name for name, has in ((_LIVE, live), (_BACKLOG, self.waits)) if has]
        return self._turns.pick(contenders) == _BACKLOG

    def charge_live(self, size: int) -> None:
        """
        Note what else was sent.

        :param size: bytes on the link
        """
        self._turns.charge(_LIVE, size, 1.0 - _FLOOR)

    def interrupted(self, now: float) -> Message | None:
        """
        Give up a batch whose last fragment was sent so long ago that receivers may have done so.

        :param now: monotonic seconds
        :returns: what to tell consumers then
        """
        begun = next((shipped for shipped in self._stock if shipped.sent), None)
        if begun is None or now - begun.sent_at <= LONGEST_BREAK_S:
            return None
        begun.outcome = Outcome.LOST
        self._stock.remove(begun)
        self._over(begun)
        return begun.abandonment

    def next(self, max_payload: int, now: float) -> tuple[Shipped, Message]:
        """
        Take the next message; there is one.

        :param max_payload: its largest payload, bytes
        :param now: monotonic seconds
        :returns: the batch that it is of, and the message
        """
        shipped = self._stock[0]
        message = shipped.contents.next(max_payload)
        shipped.sent += 1
        shipped.sent_at = now
        shipped.unanswered += 1
        self._flying[shipped] = None
        if shipped.contents.done:
            self._stock.popleft()
            self.wake()
        return shipped, message

    def charge(self, size: int) -> None:
        """
        Note what was sent of the backlog.

        :param size: bytes on the link
        """
        self._turns.charge(_BACKLOG, size, _FLOOR)

    def answered(self, shipped: Shipped, outcome: Outcome) -> Message | None:
        """
        Note what became of a message.

        :param shipped: the batch that it was of
        :param outcome: what became of it
        :returns: what to tell consumers when the batch is given up half sent
        """
        shipped.unanswered -= 1
        notice = None
        if outcome is not Outcome.ACCEPTED and shipped.outcome is Outcome.ACCEPTED:
            shipped.outcome = outcome
            if not shipped.contents.done or shipped.sent > 1:
                notice = shipped.abandonment
            if shipped in self._stock:
                self._stock.remove(shipped)
        self._over(shipped)
        return notice

    def _over(self, shipped: Shipped) -> None:
        if shipped.over and not shipped.unanswered:
            self._flying.pop(shipped, None)
            self.outcomes.append((shipped.batch.key, shipped.outcome))
            self.wake()

    def give_up(self) -> None:
        """Forget what is not on its way, so that it is read again."""
        for shipped in [entry for entry in self._stock if not entry.unanswered]:
            self._stock.remove(shipped)
            self._flying.pop(shipped, None)
            self.outcomes.append((shipped.batch.key, Outcome.LOST))
        self.wake()
