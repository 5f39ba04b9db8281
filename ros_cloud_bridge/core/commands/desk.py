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

"""What the checks look at: one message, and what the gate knows."""

from dataclasses import dataclass
from typing import Any

from ros_cloud_bridge.command_values import Command
from ros_cloud_bridge.core.commands.channels import Channel, channels_of
from ros_cloud_bridge.core.commands.effects import (
    Arrival,
    Envelope,
    ExecutedLog,
    LogEntry,
    LogKey,
    Reader,
)
from ros_cloud_bridge.core.commands.lease import Holder
from ros_cloud_bridge.core.commands.memory import EndedCommand, Memory, Running
from ros_cloud_bridge.core.commands.rates import Operators
from ros_cloud_bridge.core.commands.windows import Windows
from ros_cloud_bridge.values import BridgeConfig


@dataclass(slots=True, kw_only=True, eq=False)
class Case:
    """
    A message on its way through the checks, which add what they find out.

    ``known`` and ``entry`` are the same command of before, in memory and in the log; ``factor`` is
    what a driving message is scaled by.
    """

    arrival: Arrival
    now: float
    now_ms: int
    channel: Channel
    envelope: Envelope
    command: Command
    key: LogKey
    who: Holder
    known: Running | EndedCommand | None = None
    entry: LogEntry | None = None
    factor: float = 1.0

    @property
    def arguments(self) -> Any:
        """The command's arguments."""
        return self.command.arguments

    @property
    def drives(self) -> bool:
        """Whether it is a message of a channel with a lease."""
        return self.channel.driving is not None and self.command.type == 'publish'


class Desk:
    """
    All that the gate knows.

    :param config: the channels
    :param epoch: of this run
    :param began: when that began, monotonic seconds
    :param reader: takes messages apart
    :param log: what was started
    """

    def __init__(
        self, config: BridgeConfig, epoch: bytes, began: float, reader: Reader, log: ExecutedLog
    ) -> None:
        self.epoch = epoch
        self.began = began
        self.reader = reader
        self.log = log
        self.channels = channels_of(config.channels, began)
        self.operators = Operators()
        self.memory = Memory()
        self.windows = Windows()
        self.closed = False

    def ms(self, now: float) -> int:
        """
        Tell the robot's time.

        :param now: monotonic seconds
        :returns: milliseconds since the epoch began
        """
        return max(0, int((now - self.began) * 1000.0))
