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
from collections.abc import Callable
import time
from typing import Any

from ros_cloud_bridge.cloud.boot import Boot, Waiting
from ros_cloud_bridge.cloud.dictionaries import Dictionaries
from ros_cloud_bridge.cloud.durable import DurableTracker
from ros_cloud_bridge.cloud.intervals import Room
from ros_cloud_bridge.cloud.ordering import DurableOrderer, Orderer
from ros_cloud_bridge.cloud.reassembly import Reassembler
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.reducers.restoring import RouteRestorers
from ros_cloud_bridge.wire.batch import Descriptor

DEFAULT_MAX_BOOTS = 64
# In all boots together; beyond it whole boots are forgotten.
_MAX_ROUTES = 8192
# Of the exact sets of all durable routes together; 16 bytes each.
_MAX_RANGES = 1_048_576
_MAX_WANTED = 256


class Robot:
    """
    What a decoder knows of one robot; the documents are the newest that came in.

    :param robot_id: its id
    :param quota: bytes that it may hold in incomplete batches, and again in waiting samples
    :param max_boots: how many boots are remembered
    :param clock: monotonic seconds
    """

    def __init__(
        self,
        robot_id: str,
        quota: int,
        max_boots: int = DEFAULT_MAX_BOOTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.robot_id = robot_id
        self.documents: dict[str, dict[str, Any]] = {}
        self.reassembler = Reassembler(quota)
        self.dictionaries = Dictionaries(quota, clock)
        self.restorers = RouteRestorers()
        self.boots: OrderedDict[str, Boot] = OrderedDict()
        self.wanted: OrderedDict[str, None] = OrderedDict()
        self.wants_routes = False
        self.given_up_samples = 0
        self._quota = quota
        self._ordered_bytes = 0
        self._max_boots = max_boots
        self._room = Room(_MAX_RANGES)
        # Durable streams, and who confirms them.
        self.confirmed_by: dict[str, str] = {}

    def boot(self, boot_id: str) -> Boot:
        """
        Give a boot's memory.

        :param boot_id: hexadecimal
        :returns: the memory, made when new; beyond the bounds the least recently used boot is
            forgotten, of those first of which nothing durable is still to come
        """
        boot = self.boots.get(boot_id)
        if boot is None:
            boot = self.boots[boot_id] = Boot(boot_id, self._room)
        self.boots.move_to_end(boot_id)
        while len(self.boots) > 1 and (
            len(self.boots) > self._max_boots
            or sum(known.size for known in self.boots.values()) > _MAX_ROUTES
        ):
            *others, _ = self.boots
            gone = next((known for known in others if not self.boots[known].unfinished), others[0])
            self._forget(self.boots.pop(gone))
        return boot

    def _forget(self, boot: Boot) -> None:
        self.given_up_samples += boot.held_samples()
        self._ordered_bytes -= sum(orderer.held_bytes for orderer in boot.orderers.values())
        for tracker in boot.trackers.values():
            if isinstance(tracker, DurableTracker):
                tracker.release()

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

    def order(
        self, orderer: Orderer | DurableOrderer, push: Callable[[], list[Sample]]
    ) -> list[Sample]:
        """
        Put samples of a route in order, as far as the quota allows.

        :param orderer: the route's
        :param push: hands it what is new
        :returns: samples that may be handed on
        """
        before = orderer.held_bytes
        released = push()
        self._ordered_bytes += orderer.held_bytes - before
        if self._ordered_bytes > self._quota:
            self._ordered_bytes -= orderer.held_bytes
            released += orderer.flush()
        return released

    def take_back(self, orderer: Orderer) -> list[Sample]:
        """
        Take the samples out of an orderer that is not used any more.

        :param orderer: a route's
        :returns: what waited, in no order
        """
        self._ordered_bytes -= orderer.held_bytes
        return orderer.waiting

    def overdue(self, now: float) -> list[Sample]:
        """
        Hand on samples of durable routes that have waited for too long.

        :param now: seconds
        :returns: samples, per route in order
        """
        released = []
        for boot in self.boots.values():
            for orderer in boot.orderers.values():
                if isinstance(orderer, DurableOrderer) and len(orderer):
                    held = orderer.held_bytes
                    released += orderer.push([], now)
                    self._ordered_bytes += orderer.held_bytes - held
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
