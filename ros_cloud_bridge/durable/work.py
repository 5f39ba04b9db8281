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

"""What there is to do for the spool's thread."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ros_cloud_bridge.core.durable_route import DurableRoute
from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.uplink.backlog import Outcome
from ros_cloud_bridge.values import BridgeConfig, Drop
from ros_cloud_bridge.wire.account import Gap
from ros_cloud_bridge.wire.confirm import Confirmation
from ros_cloud_bridge.wire.schema import Schema


@dataclass(slots=True)
class Work:
    """What has come up since the last turn; taken as a whole, under the lock."""

    opened: list[tuple[DurableRoute, Schema | None]] = field(default_factory=list)
    settled: deque[tuple[DurableRoute, int, int, Drop | None]] = field(default_factory=deque)
    gaps: list[tuple[DurableRoute, Gap]] = field(default_factory=list)
    confirmations: deque[tuple[str, Confirmation]] = field(default_factory=deque)
    outcomes: deque[tuple[object, Outcome]] = field(default_factory=deque)
    connected: bool | None = None
    config: BridgeConfig | None = None
    commits: list[tuple[DurableRoute, list[Queued]]] = field(default_factory=list)
    live_from: dict[int, int] = field(default_factory=dict)
    wish: int | None = None

    @property
    def pressing(self) -> bool:
        """Whether there is something to do beside commits and reading."""
        return bool(self.opened or self.settled or self.confirmations) or (
            self.connected is not None or self.config is not None
        )


def runs(entries: Sequence[Queued]) -> Iterator[Sequence[Queued]]:
    """
    Split entries where their sequence numbers leave some out.

    :param entries: by rising sequence number
    :returns: consecutive ones
    """
    begin = 0
    for place in range(1, len(entries) + 1):
        if place == len(entries) or entries[place].sequence != entries[place - 1].sequence + 1:
            yield entries[begin:place]
            begin = place


def span(entries: Sequence[Queued]) -> tuple[int, int]:
    """
    Give the numbers of consecutive entries.

    :param entries: at least one
    :returns: first and last sequence number
    """
    return entries[0].sequence, entries[-1].sequence
