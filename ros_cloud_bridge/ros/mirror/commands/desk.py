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

"""Where a mirror's graph can command robots from: an endpoint for each channel of theirs."""

from collections import Counter
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, Protocol

from rclpy.node import Node

from ros_cloud_bridge.cloud.link_story import LinkStory
from ros_cloud_bridge.cloud.operator import Operator
from ros_cloud_bridge.cloud.operator.channels import offered_channels, OfferedChannel
from ros_cloud_bridge.cloud.operator.pinned import PinnedKeys
from ros_cloud_bridge.cloud.topic_names import token
from ros_cloud_bridge.core.mirror_table import MirrorConfig
from ros_cloud_bridge.errors import BridgeError
from ros_cloud_bridge.ros.mirror.commands.actions import ActionEndpoint
from ros_cloud_bridge.ros.mirror.commands.parameters import ParameterEndpoint
from ros_cloud_bridge.ros.mirror.commands.sending import Sending
from ros_cloud_bridge.ros.mirror.commands.services import ServiceEndpoint
from ros_cloud_bridge.ros.mirror.commands.topics import DriveEndpoint, TopicEndpoint
from ros_cloud_bridge.ros.mirror.robot import MirroredRobot, Say
from ros_cloud_bridge.values import ChannelKind

_MOST_CHANNELS = 64


class Endpoint(Protocol):
    """What a channel is in the graph here."""

    def close(self) -> None:
        """Take it out of the graph."""


def make_operator(config: MirrorConfig, say: Say) -> Operator:
    """
    Make the operator as whom the mirror commands.

    :param config: with an operator's name
    :param say: takes (level, text)
    :returns: one that is not connected yet
    :raises ConfigError: names what cannot be used
    :raises KeyFileError: when the key cannot be read
    """
    story = LinkStory(config.mqtt, lambda text: say('warning', f'commands: {text}'))
    return Operator(
        config.mqtt,
        name=config.operator.name,
        key=config.operator.key_file or None,
        robots=config.operator.robot_keys,
        root=config.root,
        on_link=story,
    )


class Desk:
    """
    Offers the channels of robots in the graph; on the executor's thread.

    :param node: with the endpoints
    :param config: with an operator's name
    :param say: takes (level, text)
    """

    def __init__(self, node: Node, config: MirrorConfig, say: Say) -> None:
        self._node = node
        self._config = config.operator
        self._say = say
        self._pinned = PinnedKeys(config.operator.robot_keys)
        self._operator = make_operator(config, say)
        # By robot: what its info said, and its endpoints.
        self._channels: dict[str, tuple[OfferedChannel, ...]] = {}
        self._open: dict[str, list[tuple[Sending, Endpoint]]] = {}
        self.problems: dict[str, str] = {}

    def start(self) -> None:
        """Connect."""
        self._operator.start()

    def stop(self) -> None:
        """Give leases back, take the endpoints out of the graph, and leave."""
        for robot_id in list(self._open):
            self._close(robot_id)
        self._operator.stop()

    def look(self, robots: list[MirroredRobot], infos: Mapping[str, Any]) -> None:
        """
        Follow what robots say of their channels.

        :param robots: those that are mirrored
        :param infos: their newest ``info`` by id
        """
        trusted = set(self._pinned.names())
        there = {robot.robot_id for robot in robots}
        for robot_id in set(self._open) - there:
            self._close(robot_id)
        for robot in robots:
            offered = offered_channels(infos.get(robot.robot_id)).values()
            channels = tuple(filter(self._offered, islice(offered, _MOST_CHANNELS)))
            if channels and robot.robot_id not in trusted:
                problem = "no key of it is trusted; see 'ros-cloud-bridge keys trust'"
                if self.problems.get(robot.robot_id) != problem:
                    self._say('warning', f'{robot.robot_id}: cannot be commanded: {problem}')
                    self.problems[robot.robot_id] = problem
                channels = ()
            elif robot.robot_id in self.problems:
                del self.problems[robot.robot_id]
            if channels != self._channels.get(robot.robot_id, ()):
                self._close(robot.robot_id)
                self._channels[robot.robot_id] = channels
                self._open[robot.robot_id] = self._make(robot, channels)

    def values(self, robot_id: str) -> list[tuple[str, str]]:
        """
        Tell of a robot's channels.

        :param robot_id: the robot
        :returns: key and value, as in diagnostics
        """
        told = [('commands', problem)] if (problem := self.problems.get(robot_id)) else []
        for sending, _ in self._open.get(robot_id, ()):
            counts: Counter[str] = Counter(sending.counts)
            words = [f'{count} {what}' for what, count in counts.items()]
            text = ', '.join([*words, sending.problem] if sending.problem else words)
            told.append((f'channel: {sending.channel.name}', text or 'unused'))
        return told

    def _offered(self, channel: OfferedChannel) -> bool:
        patterns = self._config.channels
        return channel.kind is not ChannelKind.BRIDGE and (
            not patterns or any(fnmatchcase(channel.name, pattern) for pattern in patterns)
        )

    def _make(
        self, robot: MirroredRobot, channels: tuple[OfferedChannel, ...]
    ) -> list[tuple[Sending, Endpoint]]:
        made: list[tuple[Sending, Endpoint]] = []
        names: dict[str, str] = {}
        for channel in channels:
            name = f'{robot.namespace}/cmd/{token(channel.name)}'
            sending = Sending(
                self._node,
                self._operator,
                robot.robot_id,
                channel,
                self._config.ttl_s,
                name,
                self._say,
            )
            try:
                if name in names:
                    raise BridgeError(f"{name} is that of channel '{names[name]}'")
                made.append((sending, self._endpoint(sending)))
            except Exception as error:  # one channel's trouble is not the others'
                text = str(error) if isinstance(error, BridgeError) else repr(error)
                self._say('warning', f"{robot.robot_id}: channel '{channel.name}': {text}")
                continue
            names[name] = channel.name
            self._say('info', f'{robot.robot_id}: commands by {name} [{channel.kind.value}]')
        return made

    def _endpoint(self, sending: Sending) -> Endpoint:
        if sending.channel.lease:
            return DriveEndpoint(sending, self._config.drive_hz, self._config.drive_idle_s)
        return _KINDS[sending.channel.kind](sending)

    def _close(self, robot_id: str) -> None:
        self._channels.pop(robot_id, None)
        for _, endpoint in self._open.pop(robot_id, ()):
            endpoint.close()


_KINDS: dict[ChannelKind, Callable[[Sending], Endpoint]] = {
    ChannelKind.TOPIC: TopicEndpoint,
    ChannelKind.SERVICE: ServiceEndpoint,
    ChannelKind.ACTION: ActionEndpoint,
    ChannelKind.PARAMETER: ParameterEndpoint,
}
