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

"""Which samples travel in which parcel, and how much of it has arrived."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ros_cloud_bridge.core.outbox import Taken
from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.assembler import Assembler
from ros_cloud_bridge.uplink.outstanding import Shipment
from ros_cloud_bridge.uplink.parcels import Parcel
from ros_cloud_bridge.values import Priority, Received
from ros_cloud_bridge.wire.topics import RobotTopics


@dataclass(slots=True, eq=False)
class Journey:
    """A batch on its way: who is in it, and which of its messages have arrived."""

    samples: list[tuple[Route, Received]]
    shipped: int = 0
    arrived: set[Shipment] = field(default_factory=set)


class NotingAssembler(Assembler):
    """
    Notes which samples stand in which parcel.

    :param topics: the robot's MQTT topics
    :param boot: boot id
    :param announce_period_s: as of the assembler
    """

    def __init__(self, topics: RobotTopics, boot: bytes, announce_period_s: float) -> None:
        super().__init__(topics, boot, announce_period_s)
        self.journeys: dict[Parcel, Journey] = {}

    def batch(
        self, priority: Priority, taken: Sequence[Taken], now: float, wall_ns: int
    ) -> Parcel:
        """Make a parcel of live samples."""
        parcel = super().batch(priority, taken, now, wall_ns)
        self.journeys[parcel] = Journey(
            [(part.route, entry.sample) for part in taken for entry in part.samples]
        )
        return parcel

    def latched(
        self,
        route: Route,
        values: Sequence[Queued],
        covered: int,
        now: float,
        wall_ns: int,
        limit: int,
    ) -> Parcel:
        """Make a parcel of latched values; only those that left the queue count as samples."""
        parcel = super().latched(route, values, covered, now, wall_ns, limit)
        fresh = values[len(values) - covered :]
        self.journeys[parcel] = Journey([(route, entry.sample) for entry in fresh])
        return parcel
