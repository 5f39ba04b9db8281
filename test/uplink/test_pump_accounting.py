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

"""Whatever happens to a pump in whatever order: every sample is accounted for at every step."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, RuleBasedStateMachine

from ros_cloud_bridge.core.latched import LatchedValues
from ros_cloud_bridge.uplink.batching import Encoding
from ros_cloud_bridge.uplink.outstanding import Shipment
from ros_cloud_bridge.values import DemandConfig, Drop, Keep, Lease, LinkConfig, Priority
from support.pumps import PumpRig, stream

STREAMS = (
    stream('pose', Priority.HIGH, max_delay_s=0.0, keep=Keep.LATEST, min_bytes_per_s=2000.0),
    stream('camera', Priority.LOW, max_delay_s=0.0, max_age_s=1.0, ladder=('5hz', 'pause')),
    stream('scan', Priority.LOW, max_samples=5, max_bytes=20_000, ladder=('1hz',)),
    stream('map', keep=Keep.LATEST),
    stream('lidar', on_demand=True, idle_hz=2.0),
)
LINKS = (
    LinkConfig(),
    LinkConfig(max_bytes_per_s=3000.0, max_queued_bytes=100_000),
    LinkConfig(max_in_flight_bytes=4000),
)


class PumpMachine(RuleBasedStateMachine):
    """Does anything that may happen to a pump."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = PumpRig(*STREAMS, demand=DemandConfig(allow=('*',)), health_period_s=5.0)
        self.rig.routes[3].latched = LatchedValues(merge_frames=False)
        self.connected = False

    @rule(
        number=st.integers(0, len(STREAMS) - 1),
        size=st.sampled_from([1, 50, 700, 5000, 20_000]),
        count=st.integers(1, 8),
        lost=st.integers(0, 2),
    )
    def offer(self, number: int, size: int, count: int, lost: int) -> None:
        drops = [(Drop.LOST_BEFORE_BRIDGE, lost)]
        self.rig.offer(self.rig.routes[number], size, count, drops)

    @rule(number=st.integers(0, len(STREAMS) - 1))
    def new_topic(self, number: int) -> None:
        if len(self.rig.routes) < 10:
            name = f'/t{len(self.rig.routes)}'
            self.rig.routes.append(self.rig.open(STREAMS[number], name))

    @precondition(lambda self: not self.connected)
    @rule(look=st.booleans(), max_in_flight=st.sampled_from([1, 3, 20]))
    def connect(self, look: bool, max_in_flight: int) -> None:
        self.rig.connect(look, max_in_flight=max_in_flight)
        self.connected = True

    @precondition(lambda self: self.connected)
    @rule()
    def disconnect(self) -> None:
        self.rig.disconnect()
        self.connected = False

    @rule(times=st.integers(1, 12), failing=st.sampled_from([False, False, False, True]))
    def go_on(self, times: int, failing: bool) -> None:
        self.rig.failing = failing
        for _ in range(times):
            before = self.rig.pump.admission.in_flight
            step = self.rig.step()
            if isinstance(step, Shipment):
                assert self.connected
                assert before < self.rig.pump.admission.in_flight
            elif not isinstance(step, Encoding):
                # Time must pass, or something happen.
                assert step is None or step > 0.0
                break
        self.rig.failing = False

    @precondition(lambda self: self.rig.flying)
    @rule(
        data=st.data(),
        drop=st.sampled_from([None, None, None, Drop.REFUSED, Drop.ABANDONED, Drop.EXPIRED]),
    )
    def answer(self, data: st.DataObject, drop: Drop | None) -> None:
        index = data.draw(st.integers(0, len(self.rig.flying) - 1))
        self.rig.answer(index, drop, answered=drop in (None, Drop.REFUSED))

    @precondition(lambda self: self.rig.flying)
    @rule()
    def answer_all(self) -> None:
        while self.rig.flying:
            self.rig.answer()

    @rule(seconds=st.sampled_from([0.001, 0.05, 0.3, 1.0, 7.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.rig.now += seconds

    @rule(link=st.sampled_from(LINKS), max_hz=st.sampled_from([0.0, 5.0]))
    def configure(self, link: LinkConfig, max_hz: float) -> None:
        streams = tuple(replace(one, max_hz=max_hz) for one in STREAMS)
        self.rig.pump.configure(replace(self.rig.config, link=link, streams=streams), self.rig.now)

    @rule(seconds=st.sampled_from([0.0, 0.5, 60.0]))
    def lease(self, seconds: float) -> None:
        self.rig.pump.lease('c', [Lease(stream='lidar', hz=5.0, seconds=seconds)], self.rig.now)

    @rule(flowing=st.booleans(), flushing=st.booleans())
    def steer(self, flowing: bool, flushing: bool) -> None:
        self.rig.pump.flowing, self.rig.pump.batches.flushing = flowing, flushing

    @rule()
    def ask_for_latched(self) -> None:
        self.rig.pump.batches.latched.again(self.rig.pump.outbox.routes)

    @invariant()
    def everything_is_accounted_for(self) -> None:
        self.rig.check()

    def teardown(self) -> None:
        """All that still waits can be sent; nothing stays in flight for good."""
        rig, pump = self.rig, self.rig.pump
        if not self.connected:
            rig.connect()
        pump.flowing = pump.batches.flushing = True
        pump.configure(rig.config, rig.now)
        for _ in range(30_000):
            if pump.empty:
                break
            if not isinstance(rig.step(), Shipment | Encoding):
                rig.now += 0.05
                if rig.flying:
                    rig.answer()
        rig.check()
        assert pump.empty
        assert all(parcel.settled for parcel in rig.parcels if parcel.entries)
        while rig.flying:
            rig.answer()
        rig.check()


TestPumpMachine = PumpMachine.TestCase
TestPumpMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
