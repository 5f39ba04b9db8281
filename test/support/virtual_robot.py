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

"""A robot's core and wire without ROS, MQTT or a clock: the test says what happens to it when."""

from collections.abc import Sequence
from random import Random

from ros_cloud_bridge.core.outbox import Outbox, Taken
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.assembler import Assembler
from ros_cloud_bridge.uplink.parcels import Parcel
from ros_cloud_bridge.values import Priority, Received, StreamConfig
from ros_cloud_bridge.wire.batch import Batch, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.topics import RobotTopics

EPOCH_NS = 1_700_000_000_000_000_000
BOOT = bytes.fromhex('00112233445566aa')
Wire = tuple[str, bytes]


class VirtualRobot:
    """
    Routes, outbox and assembler of one boot.

    :param robot_id: its id
    :param boot: boot id
    :param limit: largest payload, bytes
    """

    def __init__(
        self, robot_id: str = 'amr-07', boot: bytes = BOOT, limit: int = 128 * 1024
    ) -> None:
        self.robot_id = robot_id
        self.limit = limit
        self.now = 0.0
        self.outbox = Outbox()
        self.assembler = Assembler(RobotTopics('rcb/v1', robot_id), boot, 1e9)
        self._count = 0

    def add(self, stream: StreamConfig, topic: str, type_name: str = 'a/msg/A') -> Route:
        """
        Add a route.

        :param stream: its policy
        :param topic: ROS topic
        :param type_name: as in ``sensor_msgs/msg/Imu``
        :returns: the route
        """
        route = Route(len(self.outbox.routes) + 1, stream, topic, type_name)
        self.outbox.add(route)
        return route

    def offer(self, route: Route, count: int = 1, size: int = 20) -> None:
        """
        Offer samples, each with content of its own.

        :param route: their route
        :param count: how many
        :param size: bytes of each
        """
        samples = []
        for _ in range(count):
            self._count += 1
            time_ns = EPOCH_NS + round(self.now * 1e9) + self._count
            cdr = b'\0\1\0\0' + self._count.to_bytes(8, 'little')
            # Noise: so that sizes on the wire are those that a test asks for.
            cdr += Random(self._count).randbytes(size)
            samples.append(Received(cdr, time_ns, time_ns + 1000, None, b'%d' % (self._count % 3)))
        route.offer(samples, self.now)

    def take(
        self, priority: Priority = Priority.NORMAL, max_bytes: int = 1 << 20
    ) -> Parcel | None:
        """
        Take whatever waits in a class.

        :param priority: the class
        :param max_bytes: bytes to aim at
        :returns: the parcel, or None when nothing waits
        """
        taken = self.taken(priority, max_bytes)
        if not taken:
            return None
        wall_ns = EPOCH_NS + round(self.now * 1e9)
        return self.assembler.batch(priority, taken, self.now, wall_ns)

    def taken(self, priority: Priority, max_bytes: int = 1 << 20) -> list[Taken]:
        """
        Take the samples of a batch.

        :param priority: the class
        :param max_bytes: bytes to aim at
        :returns: samples by route; empty when nothing waits
        """
        for lead in self.outbox.ready(self.now, flush=True):
            if lead.stream.priority is priority:
                return self.outbox.take(lead, float('inf'), most=max_bytes)
        return []

    def send(self, priority: Priority = Priority.NORMAL) -> list[Wire]:
        """
        Take whatever waits in a class and have it delivered.

        :param priority: the class
        :returns: MQTT messages
        """
        parcel = self.take(priority)
        if parcel is None:
            return []
        return deliver(parcel, self.limit)


def messages(parcel: Parcel, limit: int = 128 * 1024) -> list[Wire]:
    """
    Take a parcel's MQTT messages, without an answer to any.

    :param parcel: not sent yet
    :param limit: largest payload, bytes
    :returns: topics and payloads
    """
    wire = []
    while not parcel.done:
        message = parcel.next(limit)
        wire.append((message.topic, message.payload))
    return wire


def deliver(parcel: Parcel, limit: int = 128 * 1024) -> list[Wire]:
    """
    Take a parcel's MQTT messages and have all of them answered.

    :param parcel: not sent yet
    :param limit: largest payload, bytes
    :returns: topics and payloads
    """
    wire = messages(parcel, limit)
    for _ in wire:
        parcel.answered(None)
    return wire


def batch_payload(*sections: Section, number: int = 1, boot: bytes = BOOT) -> bytes:
    """
    Encode a batch of any sections.

    :param sections: its sections
    :param number: its number
    :param boot: its boot id
    :returns: the payload
    """
    batch = Batch(boot=boot, number=number, sent_time_ns=EPOCH_NS, sections=sections)
    return encode_batch(batch, {section.route: BlockEncoder() for section in sections})


def samples(*contents: bytes) -> Sequence[Received]:
    """
    Make samples.

    :param contents: their bytes
    :returns: samples with rising times
    """
    return [Received(cdr, EPOCH_NS + i, EPOCH_NS + i) for i, cdr in enumerate(contents)]
