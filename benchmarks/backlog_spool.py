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

"""A spool as an earlier boot has left it: filled beforehand through the store's own Spool."""

from collections.abc import Iterator
from dataclasses import dataclass
import os
from pathlib import Path
import time

from payloads import LOADS, Payloads

from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.durable.place import spool_path
from ros_cloud_bridge.store.lanes import Lane, LanePolicy
from ros_cloud_bridge.store.rows import MAX_ROW_BYTES, MAX_ROW_SAMPLES
from ros_cloud_bridge.store.spool import Spool
from ros_cloud_bridge.values import (
    BridgeConfig,
    Confirm,
    Keep,
    Received,
    SpoolConfig,
    StreamConfig,
)
from ros_cloud_bridge.wire.batch import Descriptor

MAX_BYTES = 8_000_000_000
STREAM = 'kept'
CONSUMER = 'archive'
# So much is given to one commit.
_COMMIT_BYTES = 4_000_000
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """
    What an earlier boot has left.

    :param load: of ``payloads.LOADS``
    :param raw_bytes: of CDR
    :param row_samples: how many samples a row has, unless a row takes fewer
    :param hz: how far the samples lie apart
    """

    load: str
    raw_bytes: int
    row_samples: int
    hz: float = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What stands in the spool now."""

    samples: int
    rows: int
    raw_bytes: int
    disk_bytes: int
    seconds: float
    topic: str


def stream_parameters(consumer: bool, **more: object) -> dict[str, object]:
    """
    Write the durable stream's part of a configuration.

    :param consumer: whether the consumer has to confirm
    :param more: other keys
    :returns: parameters
    """
    confirm = {'confirm': 'consumer', 'confirm_by': CONSUMER} if consumer else {}
    return {'keep': 'durable', **confirm, **more}


def fill(robot_id: str, folder: Path, filling: Filling, consumer: bool = False) -> Filled:
    """
    Fill a robot's spool.

    :param robot_id: the robot
    :param folder: its ``state_dir``
    :param filling: with what
    :param consumer: whether the consumer has to confirm
    :returns: what stands there
    """
    load = LOADS[filling.load]
    payloads = Payloads(load)
    topic = f'/kept/of_{load.name}'
    stream = StreamConfig(
        name=STREAM,
        topics=(topic,),
        keep=Keep.DURABLE,
        confirm=Confirm.CONSUMER if consumer else Confirm.BROKER,
        confirm_by=CONSUMER if consumer else '',
    )
    config = BridgeConfig(robot_id=robot_id, state_dir=str(folder))
    path = spool_path(config)
    spool = Spool(path, os.urandom(8), SpoolConfig(max_bytes=MAX_BYTES), _complain)
    started = time.monotonic()
    kind = payloads.message_class
    type_name = f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'
    descriptor = Descriptor(stream=STREAM, topic=topic, type_name=type_name, schema_id='')
    lane = spool.open_lane(1, descriptor, None, LanePolicy.of(stream))
    count = max(1, filling.raw_bytes // payloads.size)
    block: list[tuple[Lane, list[Queued]]] = []
    size = rows = 0
    for row in _rows(payloads, count, filling):
        block.append((lane, row))
        rows += 1
        size += len(row) * payloads.size
        if size >= _COMMIT_BYTES:
            spool.commit(block)
            block, size = [], 0
    spool.commit(block)
    spool.close()
    return Filled(
        samples=count,
        rows=rows,
        raw_bytes=count * payloads.size,
        disk_bytes=sum(p.stat().st_size for p in folder.glob(f'{path.name}*')),
        seconds=time.monotonic() - started,
        topic=topic,
    )


def _rows(payloads: Payloads, count: int, filling: Filling) -> Iterator[list[Queued]]:
    gap_ns = round(_NS / filling.hz)
    zero_ns = time.time_ns() - count * gap_ns
    fit = min(MAX_ROW_SAMPLES, MAX_ROW_BYTES // payloads.size)
    step = max(1, min(filling.row_samples, fit))
    for first in range(0, count, step):
        row = []
        for index in range(first, min(count, first + step)):
            at_ns = zero_ns + index * gap_ns
            cdr = payloads.make(index, at_ns)
            row.append(Queued(index + 1, Received(cdr, at_ns, at_ns + 50_000), 0.0))
        yield row


def _complain(level: str, text: str) -> None:
    if level != 'info':
        raise SystemExit(f'the spool: {text}')
