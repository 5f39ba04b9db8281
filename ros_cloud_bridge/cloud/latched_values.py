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

"""The last values of latched topics, for files that begin later than those came."""

from collections import OrderedDict

from ros_cloud_bridge.cloud.sample import Sample

# Each static transform may be a message of its own; others are few.
_MOST_VALUES = 256
_MOST_BYTES = 16 * 1024 * 1024
_MOST_BYTES_OF_ALL = 256 * 1024 * 1024


class LatchedValues:
    """Keeps the newest within bounds; beyond them the oldest go, robot by robot and over all."""

    def __init__(self) -> None:
        # By robot: samples by route and number, in the order in which they came.
        self._held: OrderedDict[str, OrderedDict[tuple[str, int, int], Sample]] = OrderedDict()
        self._bytes: dict[str, int] = {}

    def add(self, sample: Sample, depth: int) -> None:
        """
        Keep a value.

        :param sample: of a latched topic
        :param depth: how many of the topic's values are kept
        """
        robot_id = sample.robot_id
        held = self._held.setdefault(robot_id, OrderedDict())
        self._held.move_to_end(robot_id)
        held[sample.boot_id, sample.route, sample.sequence] = sample
        self._bytes[robot_id] = self._bytes.get(robot_id, 0) + len(sample.cdr)
        same = [key for key, other in held.items() if other.topic == sample.topic]
        for key in same[: max(0, len(same) - min(max(1, depth), _MOST_VALUES))]:
            self._drop(robot_id, key)
        while len(held) > 1 and self._bytes[robot_id] > _MOST_BYTES:
            self._drop(robot_id, next(iter(held)))
        while len(self._held) > 1 and sum(self._bytes.values()) > _MOST_BYTES_OF_ALL:
            gone, _ = self._held.popitem(last=False)
            del self._bytes[gone]

    def of(self, robot_id: str) -> list[Sample]:
        """
        Give a robot's values.

        :param robot_id: the robot
        :returns: in the order in which they came
        """
        return list(self._held.get(robot_id, {}).values())

    def _drop(self, robot_id: str, key: tuple[str, int, int]) -> None:
        self._bytes[robot_id] -= len(self._held[robot_id].pop(key).cdr)
