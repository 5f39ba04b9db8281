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

"""
Measure the spool against plain SQLite inserts on this machine's disk, in the same run.

Small samples are IMU messages as CDR, large ones incompressible megabytes. They are committed in
groups of what comes within 50 ms at the rate that is reached, each group in one transaction that
is on the disk when it returns. ``plain`` inserts one row per sample, grouped in the same way and
with the same synchronous=FULL.
"""

import argparse
from collections.abc import Callable, Sequence
import json
import math
from pathlib import Path
import random
import shutil
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from typing import Any

from tables import machine, number, ratio, table

from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.store.spool import Lane, LanePolicy, Spool
from ros_cloud_bridge.values import Received, SpoolConfig
from ros_cloud_bridge.wire.batch import Descriptor

BOOT = b'spoolmrk'
GROUP_S = 0.05
TARGETS = {'small': 20_000.0, 'large': 100.0}
_SMALL_BYTES = 324
_LARGE_BYTES = 1_000_000
_MAX_BYTES = 16 * 2**30
_EVER = 2**63 - 1
_NS = 1_000_000_000
_START_NS = 1_795_000_000 * _NS


class Small:
    """IMU messages: 16-bit counts times a scale, as sensors give them."""

    name = 'small'

    def __init__(self) -> None:
        rng = random.Random(1)
        self._bodies = [self._body(rng) for _ in range(5000)]
        self.size = len(self.make(0))

    @staticmethod
    def _body(rng: random.Random) -> bytes:
        yaw = rng.uniform(-math.pi, math.pi)
        orientation = (0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))
        angular = [round(rng.gauss(0, 40)) / 938.7 for _ in range(3)]
        linear = [round(rng.gauss(0, 40)) * 9.80665 / 16384 for _ in range(3)]
        diagonals = [[v, 0, 0, 0, v, 0, 0, 0, v] for v in (1e-6, 4e-8, 1.7e-4)]
        values = (*orientation, *diagonals[0], *angular, *diagonals[1], *linear, *diagonals[2])
        return struct.pack('<37d', *values)

    def make(self, index: int) -> bytes:
        """
        Make a message.

        :param index: its number
        :returns: CDR
        """
        stamp = struct.pack('<iI', *divmod(_START_NS + index * 2_500_000, _NS))
        body = self._bodies[index % len(self._bodies)]
        return b'\x00\x01\x00\x00' + stamp + b'\x09\x00\x00\x00imu_link\x00\x00\x00\x00' + body


class Large:
    """Megabytes that do not compress, as JPEG pictures do not."""

    name = 'large'

    def __init__(self) -> None:
        rng = random.Random(2)
        self._bodies = [rng.randbytes(_LARGE_BYTES) for _ in range(16)]
        self.size = _LARGE_BYTES

    def make(self, index: int) -> bytes:
        """
        Make a message.

        :param index: its number
        :returns: bytes
        """
        return self._bodies[index % len(self._bodies)]


def samples(load: Small | Large, first: int, count: int) -> list[Queued]:
    """
    Make samples.

    :param load: of what kind
    :param first: the first sequence number
    :param count: how many
    :returns: samples
    """
    made = []
    for index in range(first, first + count):
        time_ns = _START_NS + index * 2_500_000
        made.append(Queued(index, Received(load.make(index), time_ns, time_ns + 300_000), 0.0))
    return made


def open_spool(folder: Path) -> tuple[Spool, Lane]:
    """
    Open a spool with a lane.

    :param folder: where
    :returns: both
    """
    spool = Spool(folder / 'spool', BOOT, SpoolConfig(max_bytes=_MAX_BYTES), print)
    described = Descriptor(stream='bench', topic='/bench', type_name='x/msg/X', schema_id='')
    return spool, spool.open_lane(1, described, None, LanePolicy())


def open_plain(folder: Path) -> sqlite3.Connection:
    """
    Open a plain database.

    :param folder: where
    :returns: its connection
    """
    connection = sqlite3.connect(folder / 'plain', isolation_level=None)
    connection.execute('PRAGMA journal_mode=WAL')
    connection.execute('PRAGMA synchronous=FULL')
    connection.execute(
        'CREATE TABLE samples(route INTEGER, sequence INTEGER, source INTEGER, receive INTEGER, '
        'cdr BLOB, PRIMARY KEY(route, sequence))'
    )
    return connection


def insert_plain(connection: sqlite3.Connection, group: Sequence[Queued]) -> None:
    """
    Insert one row per sample in one transaction.

    :param connection: the database
    :param group: the samples
    """
    connection.execute('BEGIN IMMEDIATE')
    connection.executemany(
        'INSERT INTO samples VALUES(1, ?, ?, ?, ?)',
        [
            (e.sequence, e.sample.source_time_ns, e.sample.receive_time_ns, e.sample.cdr)
            for e in group
        ],
    )
    connection.execute('COMMIT')


def saturate(load: Small | Large, commit: Callable[[list[Queued]], object], seconds: float) -> Any:
    """
    Commit groups of what comes within 50 ms at the rate that is reached.

    Making the samples is not counted.

    :param load: of what kind
    :param commit: takes a group
    :param seconds: how long, of commits
    :returns: samples and seconds
    """
    spent, done, count = 0.0, 0, max(1, 200_000 // load.size)
    rate = 0.0
    while spent < seconds:
        group = samples(load, done + 1, count)
        started = time.perf_counter()
        commit(group)
        taken = time.perf_counter() - started
        spent += taken
        done += count
        rate = count / taken if not rate else 0.7 * rate + 0.3 * count / taken
        count = max(1, min(round(rate * GROUP_S), 64_000_000 // load.size))
    return {'samples': done, 'seconds': spent, 'group': count}


def measure(load: Small | Large, subject: str, folder: Path, seconds: float) -> dict[str, Any]:
    """
    Measure one subject.

    :param load: of what kind
    :param subject: ``spool`` or ``plain``
    :param folder: where
    :param seconds: how long
    :returns: figures
    """
    where = Path(tempfile.mkdtemp(prefix='spool-', dir=folder))
    try:
        if subject == 'plain':
            connection = open_plain(where)
            figures = saturate(load, lambda group: insert_plain(connection, group), seconds)
            figures['disk_bytes'] = sum(path.stat().st_size for path in where.glob('plain*'))
            connection.close()
        else:
            spool, lane = open_spool(where)
            figures = saturate(load, lambda group: spool.commit([(lane, group)]), seconds)
            found = spool.figures()
            figures['disk_bytes'] = lane.bytes
            figures['written_bytes'] = found.written_bytes_today
            figures |= drain(spool, lane)
            spool.close()
    finally:
        shutil.rmtree(where)
    figures['per_s'] = figures['samples'] / figures['seconds']
    figures['mb_per_s'] = figures['per_s'] * load.size / 1e6
    figures['raw_bytes'] = figures['samples'] * load.size
    return figures


def drain(spool: Spool, lane: Lane) -> dict[str, Any]:
    """
    Read and settle everything, as the backlog does.

    :param spool: the spool
    :param lane: its lane
    :returns: samples and seconds
    """
    started = time.perf_counter()
    at = count = size = turns = 0
    while (row := spool.peek(lane, at, _EVER, False)) is not None:
        read = spool.read(lane, row[0], 512 * 1024, 8192)
        at = read[-1].sequence + 1
        count += len(read)
        size += sum(len(entry.sample.cdr) for entry in read)
        spool.settle(lane, read[0].sequence, read[-1].sequence, None)
        turns += 1
        if turns % 10 == 0:
            spool.flush()
    spool.flush()
    seconds = time.perf_counter() - started
    return {'drain_per_s': count / seconds, 'drain_mb_per_s': size / seconds / 1e6}


def memory(folder: Path, backlog_mb: int) -> dict[str, Any]:
    """
    Drain a backlog in a process of its own, and see how its memory grows.

    :param folder: where
    :param backlog_mb: megabytes of raw samples
    :returns: figures
    """
    where = Path(tempfile.mkdtemp(prefix='spool-', dir=folder))
    try:
        command = [sys.executable, str(Path(__file__).resolve()), '--child', str(where)]
        fill = subprocess.run([*command, str(backlog_mb)], check=True, capture_output=True)
        done = subprocess.run([*command, '0'], check=True, capture_output=True)
        filled: dict[str, Any] = json.loads(fill.stdout)
        return {**filled, **json.loads(done.stdout)}
    finally:
        shutil.rmtree(where)


def child(folder: Path, backlog_mb: int) -> dict[str, Any]:
    """
    Fill, or else drain.

    :param folder: where
    :param backlog_mb: what to fill it with; 0 to drain
    :returns: figures
    """
    spool, lane = open_spool(folder)
    load = Small()
    before = _peak_mib()
    if backlog_mb:
        per_group = 2000
        for first in range(1, backlog_mb * 1_000_000 // load.size, per_group):
            spool.commit([(lane, samples(load, first, per_group))])
        spool.close()
        return {
            'backlog_mb': lane.samples * load.size / 1e6,
            'fill_growth_mib': _peak_mib() - before,
        }
    found = drain(spool, lane)
    spool.close()
    return {**found, 'drain_growth_mib': _peak_mib() - before}


def _peak_mib() -> float:
    # Not getrusage: its maximum is handed down from the parent.
    status = Path('/proc/self/status').read_text(encoding='utf-8')
    return int(status.partition('VmHWM:')[2].split()[0]) / 1024.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='shorter runs, a smaller backlog')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every figure')
    parser.add_argument(
        '--folder', type=Path, default=Path(), help='on the disk to be measured (default: here)'
    )
    parser.add_argument('--child', nargs=2, metavar=('FOLDER', 'MB'), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(child(Path(args.child[0]), int(args.child[1]))))
        return
    rounds, seconds = (3, 1.0) if args.quick else (5, 4.0)
    runs: list[dict[str, Any]] = []
    for load in (Small(), Large()):
        for turn in range(rounds):
            # By turns, so that a busy moment of the machine meets both.
            for subject in ('plain', 'spool')[:: 1 if turn % 2 else -1]:
                figures = measure(load, subject, args.folder, seconds)
                runs.append({'load': load.name, 'subject': subject, **figures})
    grown = memory(args.folder, 60 if args.quick else 300)
    medians = {
        (load, subject): _medians(
            [r for r in runs if (r['load'], r['subject']) == (load, subject)]
        )
        for load in ('small', 'large')
        for subject in ('plain', 'spool')
    }
    print(_report(medians, grown))
    if args.json:
        document = {
            'machine': machine(),
            'medians': {'/'.join(key): value for key, value in medians.items()},
            'memory': grown,
            'runs': runs,
        }
        args.json.write_text(json.dumps(document, indent=1) + '\n', encoding='utf-8')


def _medians(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    figures = {
        name: statistics.median(run[name] for run in runs)
        for name in runs[0]
        if isinstance(runs[0][name], (int, float))
    }
    figures['disk_per_raw'] = figures['disk_bytes'] / figures['raw_bytes']
    if 'written_bytes' in figures:
        figures['written_per_raw'] = figures['written_bytes'] / figures['raw_bytes']
    return figures


def _report(medians: dict[tuple[str, str], dict[str, float]], grown: dict[str, Any]) -> str:
    heads = (
        'median',
        'samples/s',
        'MB/s',
        'vs plain',
        'group',
        'on disk/raw',
        'written/raw',
        'drained/s',
        'MB/s',
    )
    rows = []
    for (load, subject), figures in medians.items():
        plain = medians[load, 'plain']['per_s']
        rows.append(
            (
                f'{load}, {subject}',
                number(figures['per_s']),
                number(figures['mb_per_s'], 1),
                ratio(figures['per_s'], plain),
                number(figures['group']),
                number(figures['disk_per_raw'], 2),
                number(figures.get('written_per_raw'), 2),
                number(figures.get('drain_per_s')),
                number(figures.get('drain_mb_per_s'), 1),
            )
        )
    small, large = medians['small', 'spool']['per_s'], medians['large', 'spool']['mb_per_s']
    return '\n'.join(
        (
            table(heads, rows),
            '',
            f'targets: {small:,.0f} of {TARGETS["small"]:,.0f} small samples/s, '
            f'{large:,.0f} of {TARGETS["large"]:,.0f} MB/s',
            f'memory: a backlog of {grown["backlog_mb"]:,.0f} MB raw made the peak grow by '
            f'{grown["fill_growth_mib"]:.1f} MiB when it was committed, and by '
            f'{grown["drain_growth_mib"]:.1f} MiB when it was drained',
        )
    )


if __name__ == '__main__':
    main()
