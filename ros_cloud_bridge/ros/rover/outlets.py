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

"""The rover's publishers, and the exact count of what each of them took."""

from collections.abc import Mapping
import json
import os
from pathlib import Path
import time
from typing import Any

from rclpy._rclpy_pybind11 import RCLError
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from ros_cloud_bridge.errors import ConfigError

LATCHED = QoSProfile(
    depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE
)
# Reliable, so that what was published can be compared with what arrived.
STREAMING = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)
PICTURES = QoSProfile(depth=3, reliability=ReliabilityPolicy.RELIABLE)
_ROSOUT = '/rosout'


class Outlet:
    """
    One topic that the rover publishes.

    :param node: the node
    :param message_type: message class
    :param name: topic, relative to the node's namespace
    :param qos: its QoS
    """

    def __init__(self, node: Node, message_type: Any, name: str, qos: QoSProfile) -> None:
        self._node = node
        self.publisher: Publisher[Any] = node.create_publisher(message_type, name, qos)
        self.topic: str = self.publisher.topic_name
        self.published = 0
        self.failed = 0

    def publish(self, message: Any) -> None:
        """
        Publish and count; a failure (a stuck reliable reader can cause one) is counted apart.

        :param message: of the outlet's type
        """
        try:
            self.publisher.publish(message)
        except RCLError as error:
            if not self.failed:
                self._node.get_logger().warning(f'{self.topic}: cannot publish: {error}')
            self.failed += 1
        else:
            self.published += 1


class Outlets:
    """
    All topics of the rover.

    :param node: the node that publishes
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._outlets: list[Outlet] = []
        self._said = 0

    def add(self, message_type: Any, name: str, qos: QoSProfile = STREAMING) -> Outlet:
        """
        Make a publisher.

        :param message_type: message class
        :param name: topic, relative to the node's namespace
        :param qos: its QoS
        :returns: where to publish
        """
        outlet = Outlet(self._node, message_type, name, qos)
        self._outlets.append(outlet)
        return outlet

    def say(self, text: str) -> None:
        """
        Log on level info, which publishes on /rosout.

        :param text: what to say
        """
        if self._node.get_logger().info(text):
            self._said += 1

    def counts(self) -> dict[str, int]:
        """
        Tell how many messages each topic got.

        :returns: resolved topic name to count, sorted
        """
        counts = {outlet.topic: outlet.published for outlet in self._outlets}
        counts[_ROSOUT] = self._said
        return dict(sorted(counts.items()))

    def wait_until_taken(self, at_most_s: float) -> None:
        """
        Wait until the reliable readers have everything, so that an end loses nothing.

        :param at_most_s: for how long, over all topics
        """
        deadline = time.monotonic() + at_most_s
        for outlet in self._outlets:
            left = max(0.0, deadline - time.monotonic())
            outlet.publisher.wait_for_all_acked(Duration(nanoseconds=int(left * 1e9)))


def check_counts_file(path: Path) -> None:
    """
    Find out before the drive whether its counts can be written after it.

    :param path: the file to be
    :raises ConfigError: when its folder is missing or not writable
    """
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise ConfigError('counts_file', f'cannot write {path}')


def write_counts(path: Path, counts: Mapping[str, int]) -> None:
    """
    Write the counts as a JSON object; the file appears complete or not at all.

    :param path: the file
    :param counts: topic to count
    """
    partial = path.with_name(f'{path.name}.{os.getpid()}.part')
    partial.write_text(json.dumps(counts, indent=2) + '\n', encoding='utf-8')
    os.replace(partial, path)
