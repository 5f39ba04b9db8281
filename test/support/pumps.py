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

"""A pump without bridge, broker and clock: the test says what happens to it when."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.core.pacing.pacer import link_cost
from ros_cloud_bridge.core.presence import Presence
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.mqtt.limits import negotiate, ServerLimits, SessionLimits
from ros_cloud_bridge.mqtt.presets import PRESETS
from ros_cloud_bridge.uplink.batching import Encoding
from ros_cloud_bridge.uplink.outstanding import Shipment
from ros_cloud_bridge.uplink.parcels import Message, Parcel
from ros_cloud_bridge.uplink.pump import Pump
from ros_cloud_bridge.uplink.screens import Painting
from ros_cloud_bridge.values import (
    BridgeConfig,
    Drop,
    Keep,
    MqttConfig,
    Priority,
    Received,
    StreamConfig,
)
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.topics import RobotTopics

EPOCH_NS = 1_780_300_000_000_000_000
SCHEMA = Schema(type_name='a_msgs/msg/A', definition='int32 a\n', rihs01='RIHS01_' + 'ab' * 32)


def broker_limits(**mqtt: Any) -> SessionLimits:
    """
    Work out the limits of a connection to mosquitto.

    :param mqtt: what the user limits
    :returns: the limits
    """
    return negotiate(MqttConfig(**mqtt), PRESETS['mosquitto'], ServerLimits())


def stream(name: str, priority: Priority = Priority.NORMAL, **policy: Any) -> StreamConfig:
    """
    Make a stream that keeps all.

    :param name: also of its topic
    :param priority: its class
    :param policy: the rest
    :returns: the stream
    """
    policy.setdefault('keep', Keep.FIFO)
    return StreamConfig(name=name, topics=(f'/{name}',), priority=priority, **policy)


class PumpRig:
    """
    A pump with a route per stream.

    :param streams: its streams
    :param budget: the month's data
    :param config: the rest of the configuration
    """

    def __init__(
        self, *streams: StreamConfig, budget: MonthlyBudget | None = None, **config: Any
    ) -> None:
        self.now = 100.0
        self.config = BridgeConfig(robot_id='r', streams=streams, **config)
        self.presence = Presence('r', '00' * 8)
        self.pump = Pump(
            self.config,
            boot=bytes(8),
            topics=RobotTopics('rcb/v1', 'r'),
            presence=self.presence,
            wall_ns=lambda: EPOCH_NS + round(self.now * 1e9),
            budget=budget,
            now=self.now,
        )
        self.pump.flowing = True
        self.flying: list[Shipment] = []
        self.sent: list[Message] = []
        self.parcels: list[Parcel] = []
        self.failing = False
        self._random = Random(1)
        self._samples = 0
        self._free_at = 0.0
        self._due: list[float] = []
        self.routes = [self.open(one) for one in streams]

    def open(self, one: StreamConfig, topic: str = '') -> Route:
        """Open a route of a stream."""
        return self.pump.intake.open_route(
            one, topic or f'/{one.name}', 'a_msgs/msg/A', schema=SCHEMA, gated=False, now=self.now
        )

    def offer(
        self,
        route: Route,
        size: int = 100,
        count: int = 1,
        drops: Sequence[tuple[Drop, int]] = (),
    ) -> None:
        """Offer samples of noise, so that sizes on the wire are those that the test asks for."""
        samples = []
        for _ in range(count):
            self._samples += 1
            time_ns = EPOCH_NS + round(self.now * 1e9) + self._samples
            samples.append(Received(self._random.randbytes(size), time_ns, time_ns))
        self.pump.intake.offer(route, samples, drops, self.now)

    def connect(self, look_first: bool = False, **mqtt: Any) -> None:
        """Connect; what is on its way is sent again."""
        self.presence.connected(self.presence.connection + 1)
        self.pump.portrait.connected = True
        self.pump.connected(broker_limits(**mqtt), look_first, self.now)
        self._free_at, self._due = self.now, [self.now + 0.05] * len(self.flying)

    def disconnect(self) -> None:
        """Lose the connection."""
        self.pump.portrait.connected = False
        self.pump.disconnected()

    def step(self) -> Shipment | Encoding | float | None:
        """Do what the pump says next."""
        step = self.pump.next(self.now)
        if isinstance(step, Shipment):
            self.flying.append(step)
            self.sent.append(step.message)
        elif isinstance(step, Encoding):
            if self.failing:
                self.pump.failed(step)
            else:
                parcel = step.assemble()
                self.parcels.append(parcel)
                self.pump.start(parcel)
        assert not isinstance(step, Painting), 'no stream here has dashboards'
        return step

    def answer(self, index: int = 0, drop: Drop | None = None, answered: bool = True) -> None:
        """Answer one of the messages on their way."""
        shipment = self.flying.pop(index)
        self.pump.answered(shipment, drop, self.now if answered else None)

    def go(
        self,
        seconds: float,
        rate: float = 1e6,
        *,
        each: Callable[[], None] | None = None,
        delay_s: float = 0.02,
    ) -> list[Message]:
        """
        Carry what the pump sends over a link and answer it.

        :param seconds: how long
        :param rate: bytes per second
        :param each: is called after each step
        :param delay_s: round trip of an empty link
        :returns: what was sent
        """
        begin, until = len(self.sent), self.now + seconds
        while self.now < until:
            while self._due and self._due[0] <= self.now:
                self._due.pop(0)
                self.answer()
            step = self.step()
            if isinstance(step, Shipment):
                self._free_at = max(self._free_at, self.now) + link_cost(step.size) / rate
                self._due.append(self._free_at + delay_s)
            elif not isinstance(step, Encoding):
                wait = 0.25 if step is None else min(0.25, max(1e-4, step))
                after = min(until, self.now + wait)
                self.now = min(after, max(self.now, self._due[0])) if self._due else after
            if each is not None:
                each()
        return self.sent[begin:]

    def check(self) -> None:
        """Assert that every sample is accounted for, and every message."""
        flying: dict[int, int] = {}
        for parcel in self.parcels:
            for route, count, _ in [] if parcel.settled else parcel.entries:
                flying[route.number] = flying.get(route.number, 0) + count
        for route in self.pump.outbox.routes:
            dropped = sum(count for reason, count in route.drops.items() if reason.sequenced)
            assert route.in_flight == flying.get(route.number, 0)
            assert route.accepted == route.delivered + dropped + len(route) + route.in_flight
        admission = self.pump.admission
        assert admission.in_flight == len(self.flying)
        assert admission.in_flight_bytes == sum(shipment.size for shipment in self.flying)
        assert admission.pacer.state(self.now).in_flight_bytes <= sum(
            shipment.packet.cost for shipment in self.flying
        )


def topics(messages: Sequence[Message]) -> list[str]:
    """
    Give the topics below the robot's.

    :param messages: what was sent
    :returns: in the same order
    """
    return [message.topic.removeprefix('rcb/v1/r/') for message in messages]
