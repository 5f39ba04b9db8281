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


"""Durable routes and backlog in the pump: what is sent where, again, and instead of what."""

import pytest

from ros_cloud_bridge.core.durable_route import DurableRoute
from ros_cloud_bridge.uplink.backlog import LONGEST_BREAK_S, Outcome, Stocked
from ros_cloud_bridge.uplink.batching import Encoding
from ros_cloud_bridge.uplink.outstanding import Shipment
from ros_cloud_bridge.values import Drop, Keep, Priority
from ros_cloud_bridge.wire.batch import decode_message, Kind
from support.pumps import PumpRig, stream

DURABLE = stream('events', max_delay_s=0.0, keep=Keep.DURABLE)
LIVE = stream('pose', Priority.HIGH, max_delay_s=0.0)


class DurableRig(PumpRig):
    """A pump whose durable route is committed at once; notes what the spool is told."""

    def __init__(self) -> None:
        super().__init__(DURABLE, LIVE)
        (route, self.live) = self.routes
        assert isinstance(route, DurableRoute)
        self.durable = route
        self.told: list[tuple[int, int, Drop | None]] = []
        route.on_settled = lambda *told: self.told.append(told)

    def begin(self) -> None:
        """Connect, and say what is said at the beginning."""
        self.connect()
        self.go(3.0)
        assert not self.flying

    def accept(self, count: int, size: int = 100) -> None:
        """Offer samples to the durable route and commit them."""
        self.offer(self.durable, size, count)
        self.durable.was_committed(len(self.durable.to_commit()))

    def stock(self, number: int, size: int) -> None:
        """Put a batch of the spool into the pump."""
        self.pump.backlog.put(
            Stocked(key=number, boot=bytes(8), number=number, payload=bytes(size))
        )

    def sent_samples(self) -> list[Shipment]:
        """Step until there is nothing to send; returns the batches that went out."""
        begin = len(self.flying)
        while isinstance(self.step(), Shipment | Encoding):
            pass
        return [one for one in self.flying[begin:] if '/b/' in one.message.topic]


def test_what_is_not_committed_is_not_sent() -> None:
    rig = DurableRig()
    rig.begin()
    rig.offer(rig.durable, 100, 3)
    assert rig.sent_samples() == []
    rig.durable.was_committed(len(rig.durable.to_commit()))
    (shipment,) = rig.sent_samples()
    assert shipment.message.topic.endswith('/b/normal') and not shipment.again
    rig.pump.answered(shipment, None, rig.now)
    assert rig.told == [(1, 3, None)] and rig.durable.spooled == 3


def test_live_samples_do_not_ride_with_promised_ones() -> None:
    rig = DurableRig()
    rig.begin()
    rig.offer(rig.live, 100, 3)
    rig.accept(3)
    shipments = rig.sent_samples()
    assert [one.again for one in shipments] == [True, False], 'the session repeats the first'


def test_nobody_and_for_now_leave_it_in_the_spool() -> None:
    rig = DurableRig()
    rig.begin()
    rig.accept(3)
    (shipment,) = rig.sent_samples()
    rig.pump.answered(shipment, None, rig.now, later=True)
    rig.accept(2)
    (shipment,) = rig.sent_samples()
    rig.pump.answered(shipment, Drop.REFUSED, rig.now, later=True)
    rig.accept(1)
    (shipment,) = rig.sent_samples()
    rig.pump.answered(shipment, Drop.REFUSED, rig.now)
    assert rig.told == [(1, 3, Drop.ABANDONED), (4, 5, Drop.ABANDONED), (6, 6, Drop.REFUSED)]
    assert rig.durable.spooled == 6 and not +rig.durable.drops


def test_a_lost_connection_leaves_everything_to_the_spool() -> None:
    rig = DurableRig()
    rig.begin()
    rig.accept(1, size=200_000)
    rig.stock(7, 100_000)
    shipments = rig.sent_samples()
    assert shipments and rig.durable.in_flight == 1
    rig.disconnect()
    for shipment in shipments:
        # The session gives back what is not to go again.
        rig.pump.answered(shipment, Drop.ABANDONED)
    rig.flying.clear()
    assert (rig.durable.in_flight, rig.durable.spooled) == (0, 1)
    assert rig.told == [(1, 1, Drop.ABANDONED)]
    assert list(rig.pump.backlog.outcomes) == [(7, Outcome.LOST)]
    # Nothing of it is sent as live afterwards.
    rig.now += 3600.0
    rig.connect()
    after = [decode_message(m.payload)[1] for m in rig.go(3.0) if '/b/' in m.topic]
    assert set(after) == {Kind.ABANDONED}, 'only that the rest of both will not come'


def test_a_batch_that_was_being_encoded_meanwhile_is_not_sent_as_live_later() -> None:
    rig = DurableRig()
    rig.begin()
    rig.accept(4)
    step = rig.pump.next(rig.now)
    assert isinstance(step, Encoding)
    rig.disconnect()
    rig.pump.start(step.assemble())
    assert (rig.durable.in_flight, rig.durable.spooled) == (0, 4)
    rig.connect()
    assert [m.topic for m in rig.go(3.0) if '/b/' in m.topic] == []


def test_backlog_goes_to_a_topic_of_its_own_and_counts_as_historical() -> None:
    rig = DurableRig()
    rig.connect()
    rig.stock(7, 50_000)
    assert rig.pump.backlog.wish(None)
    sent = [message for message in rig.go(2.0) if message.topic.endswith('/b/backlog')]
    assert sum(len(message.payload) for message in sent) > 50_000
    assert {decode_message(message.payload)[1] for message in sent} == {Kind.FRAGMENT}
    assert list(rig.pump.backlog.outcomes) == [(7, Outcome.ACCEPTED)]


def test_live_data_keeps_nine_tenths_beside_a_backlog() -> None:
    rig = DurableRig()
    rig.connect()
    number = 1

    def busy() -> None:
        nonlocal number
        if not rig.pump.backlog.waits:
            number += 1
            rig.stock(number, 30_000)
        if len(rig.live) < 20:
            rig.offer(rig.live, 1000, 20)

    rig.go(10.0, 32_000, each=busy)
    sent = rig.go(60.0, 32_000, each=busy)
    backlog = sum(len(m.payload) for m in sent if m.topic.endswith('/b/backlog'))
    live = sum(len(m.payload) for m in sent if m.topic.endswith('/b/high'))
    assert 0.08 < backlog / (backlog + live) < 0.15


@pytest.mark.parametrize('live', [True, False])
def test_a_batch_that_stood_still_is_not_gone_on_with(live: bool) -> None:
    # Receivers have given its fragments up by then; the broker takes the others all the same.
    rig = DurableRig()
    rig.begin()
    if live:
        rig.accept(1, size=200_000)
    else:
        rig.stock(7, 200_000)
    assert rig.sent_samples()
    while rig.flying:
        rig.answer()
    rig.pump.flowing = False
    rig.now += LONGEST_BREAK_S + 1.0
    before = len(rig.sent)
    rig.pump.flowing = True
    rig.go(30.0)
    kinds = [decode_message(m.payload)[1] for m in rig.sent[before:] if '/b/' in m.topic]
    assert kinds == [Kind.ABANDONED]
    if live:
        assert rig.told == [(1, 1, Drop.ABANDONED)] and rig.durable.spooled == 1
    else:
        assert list(rig.pump.backlog.outcomes) == [(7, Outcome.LOST)]
