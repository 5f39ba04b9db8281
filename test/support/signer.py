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


"""Signed commands, made as told; nothing is sent."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
import os
from typing import Any

from ros_cloud_bridge.command_values import Command, TIME_CHANNEL
from ros_cloud_bridge.signing.keys import PrivateKey
from ros_cloud_bridge.signing.messages import sign
from ros_cloud_bridge.wire.command import encode_command
from ros_cloud_bridge.wire.cose import Context
from ros_cloud_bridge.wire.topics import RobotTopics

ROOT = 'rcb/v1'


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A command as it goes over MQTT."""

    topic: str
    payload: bytes
    command: Command


@dataclass(kw_only=True)
class Signer:
    """
    Makes signed commands; without a key unsigned ones, as for ``trust: transport``.

    ``now_ms`` is the robot's time as this process reckons it.
    """

    robot_id: str
    operator: str
    key: PrivateKey | None
    instance: bytes = field(default_factory=lambda: os.urandom(8))
    epoch: bytes = b''
    now_ms: Callable[[], int] = lambda: 0
    sequences: dict[str, int] = field(default_factory=dict)

    @property
    def topics(self) -> RobotTopics:
        """The robot's topics."""
        return RobotTopics(ROOT, self.robot_id)

    def command(
        self,
        channel: str,
        kind: str,
        arguments: Any = None,
        ttl_ms: int = 5000,
        **other: Any,
    ) -> Command:
        """
        Make a command.

        :param channel: where it goes
        :param kind: its type
        :param arguments: its arguments
        :param ttl_ms: its deadline, from now
        :param other: fields that are to be otherwise
        :returns: the command
        """
        if channel == TIME_CHANNEL:
            made = Command(type=kind, id=os.urandom(16), instance=self.instance)
            return replace(made, arguments=arguments, **other)
        sequence = self.sequences[channel] = self.sequences.get(channel, 0) + 1
        now_ms = self.now_ms()
        made = Command(
            type=kind,
            id=os.urandom(16),
            instance=self.instance,
            epoch=self.epoch,
            sequence=sequence,
            sent_ms=now_ms,
            deadline_ms=now_ms + ttl_ms,
            arguments=arguments,
        )
        return replace(made, **other)

    def sign(self, channel: str, command: Command) -> Message:
        """
        Put a command on the topic of a channel.

        :param channel: where it goes
        :param command: the command
        :returns: the message
        """
        topic = self.topics.command(self.operator, channel)
        payload = encode_command(command)
        if self.key is not None:
            payload = sign(self.key, Context.COMMAND, self.robot_id, topic, payload)
        return Message(topic=topic, payload=payload, command=command)

    def make(
        self, channel: str, kind: str, arguments: Any = None, ttl_ms: int = 5000, **other: Any
    ) -> Message:
        """
        Make a command and sign it; the arguments are those of :meth:`command`.

        :returns: the message
        """
        return self.sign(channel, self.command(channel, kind, arguments, ttl_ms, **other))
