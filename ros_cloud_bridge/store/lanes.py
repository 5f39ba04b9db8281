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

"""What the spool says: its lanes, its faults and its figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ros_cloud_bridge.errors import LocalFault
from ros_cloud_bridge.values import BacklogOrder, Confirm, Priority, StreamConfig, WhenFull
from ros_cloud_bridge.wire.batch import Descriptor

# Above every sequence number.
NEVER = 2**63 - 1
# How a committed sample ends, in the order of the ledger's columns; 'committed' comes first.
LEDGER = ('committed', 'delivered', 'expired', 'refused', 'spool_full', 'damaged')


class SpoolFault(Enum):
    """Why the spool does not take a commit."""

    FULL = 'disk_full'
    READ_ONLY = 'read_only'
    BUDGET = 'write_budget'
    FAILED = 'failed'


class SpoolError(LocalFault):
    """
    A transaction that did not happen; the spool is as before it, and stays usable.

    :param kind: why
    :param text: what the system said
    """

    def __init__(self, kind: SpoolFault, text: str) -> None:
        super().__init__(f'spool: {text}')
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePolicy:
    """What the spool must know of a stream's configuration."""

    ttl_s: float = 0.0
    confirm: Confirm = Confirm.BROKER
    confirm_by: str = ''
    when_full: WhenFull = WhenFull.DROP_OLDEST
    backlog_order: BacklogOrder = BacklogOrder.OLDEST_FIRST
    priority: Priority = Priority.NORMAL
    spool_bytes: int = 0

    @classmethod
    def of(cls, stream: StreamConfig) -> 'LanePolicy':
        """
        Take the policy out of a stream's configuration.

        :param stream: a durable stream
        :returns: its policy
        """
        return cls(
            ttl_s=stream.ttl_s,
            confirm=stream.confirm,
            confirm_by=stream.confirm_by,
            when_full=stream.when_full,
            backlog_order=stream.backlog_order,
            priority=stream.priority,
            spool_bytes=stream.spool_bytes,
        )


def empty_totals() -> dict[str, int]:
    """
    Open a ledger.

    :returns: nothing of everything
    """
    return dict.fromkeys(LEDGER, 0)


@dataclass(slots=True, kw_only=True, eq=False)
class Lane:
    """
    One (boot, route) in the spool.

    ``committed`` is the highest committed sequence number, ``samples`` and ``bytes`` (on disk)
    what is spooled now, ``oldest_s`` when the oldest of it was committed, on the spool's clock.
    Rows that reach ``live_from`` or above are held in memory by the sender, who sets it: they are
    neither dropped nor expired nor read. ``totals`` count samples, by the names in ``LEDGER``.
    """

    key: int
    boot: bytes
    route: int
    descriptor: Descriptor
    policy: LanePolicy
    committed: int = 0
    closed: bool = False
    samples: int = 0
    bytes: int = 0
    oldest_s: float | None = None
    live_from: int = NEVER
    totals: dict[str, int] = field(default_factory=empty_totals)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFigures:
    """What of one stream is spooled."""

    samples: int
    bytes: int
    oldest_age_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFigures:
    """
    The spool at a glance.

    ``bytes`` is its size on disk; ``max_bytes`` what it may have now: what is configured, or less
    on a disk that is full. ``dead_letters`` and ``samples`` count samples.
    """

    state: str
    bytes: int
    max_bytes: int
    samples: int
    oldest_age_s: float | None
    written_bytes_today: int
    dead_letters: int
    streams: Mapping[str, StreamFigures]
