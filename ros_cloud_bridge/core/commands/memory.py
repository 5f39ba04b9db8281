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

"""The commands that the gate remembers: all that run, and those that ended lately."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from ros_cloud_bridge.command_values import Answer, Command, State
from ros_cloud_bridge.core.commands.channels import Channel
from ros_cloud_bridge.core.commands.effects import LogKey

MOST_ENDED = 4096
MOST_ENDED_BYTES = 16 * 1024 * 1024
_ANSWER_BYTES = 256


@dataclass(slots=True, kw_only=True, eq=False)
class Running:
    """
    A command that has not ended; ``ticket`` is 0 until it is dispatched.

    ``feedback`` is what waits to be told, at ``feedback_at`` at the earliest.
    """

    key: LogKey
    digest: bytes
    operator: str
    channel: Channel
    command: Command
    recorded: bool
    began: float
    deadline: float
    state: State = State.RECEIVED
    ticket: int = 0
    number: int = 0
    answer: Answer | None = None
    times_out_at: float = float('inf')
    feedback: Any = None
    feedback_at: float = field(default=float('-inf'))


@dataclass(frozen=True, slots=True)
class EndedCommand:
    """
    A command that has ended.

    :param digest: of what was signed
    :param answer: the last one
    :param weight: about how many bytes it takes
    """

    digest: bytes
    answer: Answer
    weight: int


class Memory:
    """
    Commands by key and the running ones by ticket too.

    :param most: ended ones that are kept
    :param most_bytes: that they take together, about
    """

    def __init__(self, most: int = MOST_ENDED, most_bytes: int = MOST_ENDED_BYTES) -> None:
        self.running: dict[LogKey, Running] = {}
        self.tickets: dict[int, Running] = {}
        self._ended: OrderedDict[LogKey, EndedCommand] = OrderedDict()
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0

    def find(self, key: LogKey) -> Running | EndedCommand | None:
        """
        Look a command up.

        :param key: of the command
        :returns: None when it is not known, or forgotten
        """
        return self.running.get(key) or self._ended.get(key)

    def add(self, running: Running) -> None:
        """Remember a command that has been accepted for recording or dispatch."""
        self.running[running.key] = running
        if running.command.type != 'cancel':
            running.channel.running += 1

    def end(self, running: Running, answer: Answer) -> None:
        """
        Turn a running command into one that has ended.

        :param running: the command
        :param answer: its last
        """
        del self.running[running.key]
        self.tickets.pop(running.ticket, None)
        if running.command.type != 'cancel':
            running.channel.running -= 1
        self.keep(running.key, running.digest, answer)

    def keep(self, key: LogKey, digest: bytes, answer: Answer) -> None:
        """
        Remember how a command ended; what is oldest goes.

        :param key: of the command
        :param digest: of what was signed
        :param answer: its last
        """
        weight = _ANSWER_BYTES + weigh(answer.detail)
        replaced = self._ended.pop(key, None)
        self._bytes += weight - (replaced.weight if replaced else 0)
        self._ended[key] = EndedCommand(digest, answer, weight)
        while len(self._ended) > self._most or self._bytes > self._most_bytes:
            _, gone = self._ended.popitem(last=False)
            self._bytes -= gone.weight


def weigh(value: object) -> int:
    """
    Estimate what a value takes in memory.

    :param value: as CBOR has them
    :returns: bytes
    """
    if isinstance(value, dict):
        return 64 + sum(weigh(name) + weigh(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return 64 + sum(map(weigh, value))
    return 64 + len(value) if isinstance(value, str | bytes) else 32
