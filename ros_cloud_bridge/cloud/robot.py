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

"""What a decoder remembers of one robot, within one quota for all of its boots."""

from collections import OrderedDict
from typing import Any

from ros_cloud_bridge.cloud.boot import Boot, Waiting
from ros_cloud_bridge.cloud.ordering import Orderer
from ros_cloud_bridge.cloud.reassembly import Reassembler
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.wire.batch import Descriptor

_MAX_BOOTS = 8
# In all boots together; beyond it whole boots are forgotten, the least recently used first.
_MAX_ROUTES = 8192
_MAX_WANTED = 256


class Robot:
    """
    What a decoder knows of one robot; the documents are the newest that came in.

    :param robot_id: its id
    :param quota: bytes that it may hold in incomplete batches, and again in waiting samples
    """

    def __init__(self, robot_id: str, quota: int) -> None:
        self.robot_id = robot_id
        self.documents: dict[str, dict[str, Any]] = {}
        self.reassembler = Reassembler(quota)
        self.boots: OrderedDict[str, Boot] = OrderedDict()
        self.wanted: OrderedDict[str, None] = OrderedDict()
        self.wants_routes = False
        self.given_up_samples = 0
        self._quota = quota
        self._ordered_bytes = 0

    def boot(self, boot_id: str) -> Boot:
        """
        Give a boot's memory.

        :param boot_id: hexadecimal
        :returns: the memory, made when new; the least recently used boot is forgotten
        """
        boot = self.boots.setdefault(boot_id, Boot(boot_id))
        self.boots.move_to_end(boot_id)
        while len(self.boots) > 1 and (
            len(self.boots) > _MAX_BOOTS
            or sum(len(known.routes) for known in self.boots.values()) > _MAX_ROUTES
        ):
            _, gone = self.boots.popitem(last=False)
            self._forget(gone)
        return boot

    def _forget(self, boot: Boot) -> None:
        self.given_up_samples += boot.held_samples()
        self._ordered_bytes -= sum(orderer.held_bytes for orderer in boot.orderers.values())

    def describe(self, boot: Boot, route: int, descriptor: Descriptor) -> None:
        """
        Note what a route number stands for.

        :param boot: its boot
        :param route: route number
        :param descriptor: its description
        """
        orderer = boot.describe(route, descriptor)
        if orderer is not None:
            self.given_up_samples += len(orderer)
            self._ordered_bytes -= orderer.held_bytes

    def wait(self, boot: Boot, waiting: Waiting) -> None:
        """
        Keep a section until its route is described; the longest waiting go beyond the quota.

        :param boot: its boot
        :param waiting: the section
        """
        self.wants_routes = True
        boot.wait(waiting)
        while sum(known.waiting_bytes for known in self.boots.values()) > self._quota:
            oldest = next(known for known in self.boots.values() if known.waiting)
            self.given_up_samples += oldest.give_up_oldest()

    def want(self, schema_id: str) -> None:
        """
        Note that a schema is needed.

        :param schema_id: 16 hexadecimal digits
        """
        self.wanted[schema_id] = None
        if len(self.wanted) > _MAX_WANTED:
            self.wanted.popitem(last=False)

    def order(self, orderer: Orderer, samples: list[Sample], unexplained: int) -> list[Sample]:
        """
        Put samples of a route in order, as far as the quota allows.

        :param orderer: the route's
        :param samples: new samples of the route
        :param unexplained: missing sequence numbers of the route that no report explains
        :returns: samples that may be handed on
        """
        before = orderer.held_bytes
        released = orderer.push(samples, unexplained)
        self._ordered_bytes += orderer.held_bytes - before
        if self._ordered_bytes > self._quota:
            self._ordered_bytes -= orderer.held_bytes
            released += orderer.flush()
        return released

    def flush(self) -> list[Sample]:
        """
        Hand on the samples that wait for earlier ones.

        :returns: samples, per route in order
        """
        self._ordered_bytes = 0
        return [
            sample
            for boot in self.boots.values()
            for orderer in boot.orderers.values()
            for sample in orderer.flush()
        ]
