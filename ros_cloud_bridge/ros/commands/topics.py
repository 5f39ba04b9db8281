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

"""Messages that commands publish, and the one that means standing still."""

from collections.abc import Mapping
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
import yaml

from ros_cloud_bridge.errors import BadFields, LocalFault
from ros_cloud_bridge.ros.commands.fields import build
from ros_cloud_bridge.ros.interfaces import load_message
from ros_cloud_bridge.values import ChannelConfig


class TopicReach:
    """
    A channel that reaches a topic; publishing may happen on any thread.

    The publisher is made at once, so that its readers are found before the first command comes.

    :param node: ours
    :param config: the channel
    :raises MissingTypeSupport: when the type is not installed
    :raises BadFields: when the stop message does not fit the type
    """

    def __init__(self, node: Node, config: ChannelConfig) -> None:
        self._class = load_message(config.type_name)
        self._stop = build(self._class, _stop_fields(config.stop), 'stop')
        self._node = node
        self._publisher = node.create_publisher(self._class, config.ros_name, profile_of(config))

    def publish(self, arguments: Mapping[str, Any]) -> None:
        """
        Publish a message.

        :param arguments: its fields
        :raises BadFields: when they do not fit the type
        :raises LocalFault: when the middleware does not take it
        """
        self._send(build(self._class, arguments))

    def stop(self) -> None:
        """
        Publish the stop message.

        :raises LocalFault: when the middleware does not take it
        """
        self._send(self._stop)

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)

    def _send(self, message: Any) -> None:
        try:
            self._publisher.publish(message)
        # RCLError while the middleware fails, InvalidHandle once it is closed: rclpy's own.
        except Exception as error:
            raise LocalFault(f'{self._publisher.topic}: cannot publish: {error}') from error


def profile_of(config: ChannelConfig) -> QoSProfile:
    """
    Tell the QoS of a channel.

    :param config: the channel
    :returns: the profile to publish with
    """
    return QoSProfile(
        depth=config.qos_depth,
        reliability=ReliabilityPolicy.RELIABLE
        if config.reliable
        else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL
        if config.transient_local
        else DurabilityPolicy.VOLATILE,
    )


def _stop_fields(text: str) -> Mapping[str, Any]:
    try:
        fields = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadFields(f'stop: not YAML: {" ".join(str(error).split())}') from error
    if not isinstance(fields, Mapping | None):
        raise BadFields(f'stop: expected fields as in {{linear: {{x: 0.0}}}}, got {fields!r:.40}')
    return fields or {}
