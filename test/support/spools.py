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

"""Spools for tests: samples whose content follows from their number, and clocks that are told."""

from hashlib import sha256
from pathlib import Path

from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.store.spool import Lane, LanePolicy, Spool
from ros_cloud_bridge.values import Received, SpoolConfig
from ros_cloud_bridge.wire.batch import Descriptor

BOOT = b'boot-one'
NEXT_BOOT = b'boot-two'
MB = 1024 * 1024
EVER = 2**63 - 1
_START_NS = 1_795_000_000_000_000_000


class Clocks:
    """
    A wall clock and a monotonic clock.

    :param wall_s: the wall clock at the beginning
    """

    def __init__(self, wall_s: float = 1_795_000_000.0) -> None:
        self.wall = wall_s
        self.monotonic = 1000.0

    def advance(self, seconds: float) -> None:
        """
        Let time go by.

        :param seconds: on both clocks
        """
        self.wall += seconds
        self.monotonic += seconds


class Lines:
    """What was logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, level: str, text: str) -> None:
        """
        Take a line.

        :param level: of the log
        :param text: of the line
        """
        self.lines.append((level, text))


def open_spool(
    path: Path,
    boot: bytes = BOOT,
    *,
    clocks: Clocks | None = None,
    log: Lines | None = None,
    max_bytes: int = 64 * MB,
    max_writes_mb_per_day: float = 0.0,
) -> Spool:
    """
    Open a spool.

    :param path: the file
    :param boot: the present boot id
    :param clocks: its clocks; new ones when there are none
    :param log: takes what it says
    :param max_bytes: its bound
    :param max_writes_mb_per_day: its budget
    :returns: the spool
    """
    held = clocks or Clocks()
    return Spool(
        path,
        boot,
        SpoolConfig(max_bytes=max_bytes, max_writes_mb_per_day=max_writes_mb_per_day),
        log or Lines(),
        wall_s=lambda: held.wall,
        monotonic_s=lambda: held.monotonic,
    )


def descriptor(stream: str = 'events', topic: str = '') -> Descriptor:
    """
    Describe a route.

    :param stream: its stream
    :param topic: its topic; after the stream by default
    :returns: a descriptor
    """
    return Descriptor(
        stream=stream,
        topic=topic or f'/{stream}',
        type_name='std_msgs/msg/ByteMultiArray',
        schema_id='0123456789abcdef',
    )


def open_lane(
    spool: Spool, route: int = 1, stream: str = 'events', policy: LanePolicy | None = None
) -> Lane:
    """
    Open a lane.

    :param spool: where
    :param route: its route
    :param stream: its stream
    :param policy: its policy
    :returns: the lane
    """
    return spool.open_lane(route, descriptor(stream), None, policy or LanePolicy())


def content(route: int, number: int, size: int = 100) -> bytes:
    """
    Make a sample's bytes, incompressible and its own.

    :param route: its route
    :param number: its sequence number
    :param size: how many
    :returns: bytes
    """
    seed = sha256(f'{route}/{number}'.encode()).digest()
    blocks = (sha256(seed + block.to_bytes(4, 'big')).digest() for block in range(size // 32 + 1))
    return b''.join(blocks)[:size]


def samples(route: int, first: int, last: int, size: int = 100) -> list[Queued]:
    """
    Make samples.

    :param route: their route
    :param first: first sequence number
    :param last: last
    :param size: bytes of each
    :returns: samples
    """
    return [sample(route, number, size) for number in range(first, last + 1)]


def sample(route: int, number: int, size: int = 100) -> Queued:
    """
    Make a sample.

    :param route: its route
    :param number: its sequence number
    :param size: its bytes
    :returns: the sample
    """
    time_ns = _START_NS + number * 1_000_000
    return Queued(number, Received(content(route, number, size), time_ns, time_ns + 500_000), 0.0)


def backlog(spool: Spool, lane: Lane) -> dict[int, Received]:
    """
    Read all that a lane has to be sent.

    :param spool: the spool
    :param lane: the lane
    :returns: samples by sequence number
    """
    found: dict[int, Received] = {}
    at = 0
    while (row := spool.peek(lane, at, EVER, False)) is not None:
        read = spool.read(lane, row[0], 1 * MB, 10_000)
        assert not any(entry.sequence in found for entry in read)
        found.update((entry.sequence, entry.sample) for entry in read)
        at = max([row[1], *(entry.sequence for entry in read)]) + 1
    return found


def spooled_numbers(spool: Spool, lane: Lane) -> set[int]:
    """
    Read the numbers of all that a lane has to be sent, checking what they hold.

    :param spool: the spool
    :param lane: the lane
    :returns: sequence numbers
    """
    held = backlog(spool, lane)
    for number, received in held.items():
        assert received.cdr == content(lane.route, number, len(received.cdr))
        time_ns = _START_NS + number * 1_000_000
        assert received[1:3] == (time_ns, time_ns + 500_000)
    return set(held)
