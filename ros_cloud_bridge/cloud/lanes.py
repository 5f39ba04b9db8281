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

"""What one consumer holds of one robot's durable routes, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ros_cloud_bridge.cloud.ledger import LedgerEntry, Span
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.values import Confirm, Keep
from ros_cloud_bridge.wire.batch import Descriptor

_MAX_STREAMS = 4096
_MAX_LANES = 16384

# Boot id and route number.
Place = tuple[bytes, int]


@dataclass(slots=True)
class Lane:
    """
    One route of one boot.

    ``held`` are the samples that the sink holds and ``pending`` those that it has in hand;
    ``gaps`` will never come; ``untold`` are those of ``held`` and ``gaps`` of which the robot has
    not been told.
    """

    descriptor: Descriptor
    committed: int = 0
    closed: bool = False
    held: Ranges = field(default_factory=Ranges)
    gaps: Ranges = field(default_factory=Ranges)
    pending: Ranges = field(default_factory=Ranges)
    untold: Ranges = field(default_factory=Ranges)

    def settled(self) -> Ranges:
        """
        Give what will not come again.

        :returns: what is held and what will never come
        """
        both = Ranges(self.held)
        for first, last in self.gaps:
            both.add(first, last)
        return both

    def in_hand(self) -> Ranges:
        """
        Give what the sink has.

        :returns: what is held and what is pending
        """
        both = Ranges(self.held)
        for first, last in self.pending:
            both.add(first, last)
        return both

    def knows(self, gap: Span) -> bool:
        """
        Say whether a gap is known.

        :param gap: what will never come
        :returns: whether all of it is
        """
        return self.gaps.count(gap.first, gap.last) == gap.last - gap.first + 1

    def news(self, account: LedgerEntry) -> LedgerEntry | None:
        """
        Leave out of an account what is known.

        :param account: what the robot says
        :returns: the rest, or None when there is none
        """
        spans = tuple(span for span in account.spans if not self.knows(span))
        if spans or account.committed > self.committed or account.closed > self.closed:
            return replace(account, spans=spans)
        return None

    def changed(self) -> tuple[tuple[int, int], ...]:
        """
        Give the whole ranges in which something has not been told.

        :returns: ascending, disjoint
        """
        whole = Ranges()
        for first, last in self.untold:
            whole.add(first, last)
            for known in (self.held, self.gaps):
                for number in (first, last):
                    if (found := known.at(number)) is not None:
                        whole.add(*found)
        return tuple(whole)


@dataclass(slots=True)
class RobotLanes:
    """
    A robot: what its streams say of us, its lanes, and what it was told when.

    ``streams`` says by name whether we confirm it, None until its ``info`` has come; ``lanes`` has
    the least recently changed first; ``met`` is the connection of which it was told everything.
    """

    streams: dict[str, bool] | None = None
    lanes: dict[Place, Lane] = field(default_factory=dict)
    changed: dict[Place, None] = field(default_factory=dict)
    met: object = None
    all_due: bool = True
    active: bool = False
    earliest: float = 0.0
    hello_due: float = 0.0

    def concerns(self, stream: str, historical: bool) -> bool:
        """
        Say whether samples of a stream are ours to confirm.

        :param stream: its name
        :param historical: whether one came as backlog: its stream may be none of the robot's now
        :returns: whether they are, or may be as far as is known
        """
        if self.streams is None:
            # What is not noted now could not be confirmed later.
            return True
        return self.streams.get(stream, historical)

    @property
    def wants_hello(self) -> bool:
        """Whether it has, or may have, anything for us; others' links are spared."""
        return self.active or self.streams is None or any(self.streams.values())

    def lane(self, place: Place, descriptor: Descriptor) -> Lane:
        """
        Give a lane.

        :param place: its boot and route
        :param descriptor: what it stands for
        :returns: the lane, made when new; beyond a bound the least recently changed is forgotten
        """
        lane = self.lanes.get(place)
        if lane is None:
            if len(self.lanes) >= _MAX_LANES:
                oldest = next(iter(self.lanes))
                del self.lanes[oldest]
                self.changed.pop(oldest, None)
            lane = self.lanes[place] = Lane(descriptor)
        return lane

    def tell(self, place: Place, first: int, last: int) -> None:
        """
        Note that the robot is to be told of a range.

        :param place: of a lane
        :param first: first sequence number
        :param last: last sequence number
        """
        self.changed[place] = None
        self.lanes[place].untold.add(first, last)

    def told(self) -> None:
        """Note that it was told of everything."""
        for place in self.changed:
            self.lanes[place].untold.clear()
        self.changed.clear()
        self.all_due = False


def read_streams(info: Mapping[str, object], consumer: str) -> dict[str, bool]:
    """
    Find who confirms which stream.

    :param info: a robot's ``info``
    :param consumer: our name
    :returns: by stream whether it names us
    """
    streams = info.get('streams')
    if not isinstance(streams, list):
        return {}
    return {
        str(stream.get('name')): stream.get('keep') == Keep.DURABLE.value
        and stream.get('confirm') == Confirm.CONSUMER.value
        and stream.get('confirm_by') == consumer
        for stream in streams[:_MAX_STREAMS]
        if isinstance(stream, dict)
    }
