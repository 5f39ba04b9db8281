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
What the mirror adds to a sample's way, and how many small samples it publishes per core.

The same samples are heard twice in one process: decoded off the broker there, and from the topic
that the mirror publishes. The difference is what the mirror adds: it decodes in a process of its
own, looks at the message, publishes it, DDS carries it, and rclpy takes it. Everything stays on
loopback.
"""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
import json
import os
from pathlib import Path
import sys
import tempfile
import time
from typing import Any

from children import percentile
from processes import child, Process, start_broker
from tables import machine, number, table

ROOT = Path(__file__).resolve().parents[1]
ROBOT = 'mirrored'
# name -> (load, samples per second, samples per batch)
PACED = {
    'imu, 100 Hz, one a batch': ('imu', 100.0, 1),
    'imu, 1 kHz, 50 ms a batch': ('imu', 1000.0, 50),
    '1 MB image, 10 Hz': ('1m', 10.0, 1),
}
_FLOOD_BATCH = 500
_MATCH_S = 60.0
_WARM_UP = 20


class Rig:
    """
    A broker, a source, a mirror and who watches both ways.

    :param stack: ends them
    :param load: what is published
    """

    def __init__(self, stack: ExitStack, load: str) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='benchmark-')))
        broker, port = start_broker(folder)
        stack.enter_context(broker)
        arguments = (str(port), ROBOT, load)
        self.watch = stack.enter_context(
            child('mirror_watch.py', *arguments, log=folder / 'watch.log')
        )
        self.mirror = stack.enter_context(
            Process(
                [
                    *(sys.executable, '-m', 'ros_cloud_bridge', 'mirror'),
                    *('--host', '127.0.0.1', '--port', str(port), '--robot', ROBOT),
                    *('--param', 'qos_depth:=10000'),
                ],
                folder / 'mirror.log',
            )
        )
        self.source = stack.enter_context(
            child('mirror_source.py', *arguments, log=folder / 'source.log')
        )
        self._next = 0
        self._match()

    def run(self, count: int, rate: float, per_batch: int) -> dict[str, Any]:
        """
        Publish samples and hear them.

        :param count: how many
        :param rate: per second; 0 as fast as the broker takes them
        :param per_batch: how many a batch has
        :returns: what the watch has heard, and what it cost the mirror
        """
        first, cpu_s, began = self._next, self.mirror.cpu_s(), time.monotonic()
        self._next += count
        self.source.ask(
            'publish', 600.0, first=first, count=count, rate=rate, per_batch=per_batch
        )
        heard = self.watch.ask('figures', 600.0, first=first, count=count, timeout_s=60.0)
        return {
            **heard,
            'seconds': time.monotonic() - began,
            'cpu_s': self.mirror.cpu_s() - cpu_s,
            'peak_mb': self.mirror.peak_mb(),
        }

    def _match(self) -> None:
        deadline = time.monotonic() + _MATCH_S
        while time.monotonic() < deadline:
            sent = self._next
            self.source.ask('publish', first=sent, count=1, rate=0.0, per_batch=1)
            self._next += 1
            time.sleep(0.1)
            heard = self.watch.ask('heard', number=sent)
            if heard['direct'] and heard['mirrored']:
                return
        raise SystemExit('the mirror publishes nothing')


def paced(load: str, rate: float, per_batch: int, seconds: float) -> dict[str, Any]:
    """
    Measure latencies at a rate.

    :param load: what is published
    :param rate: samples per second
    :param per_batch: samples of a batch
    :param seconds: for how long
    :returns: figures
    """
    with ExitStack() as stack:
        rig = Rig(stack, load)
        rig.run(_WARM_UP, rate, per_batch)
        count = max(per_batch, int(rate * seconds))
        heard = rig.run(count, rate, per_batch)
    figures = {
        name: {
            'p50': percentile(heard[f'{name}_ms'], 0.5),
            'p95': percentile(heard[f'{name}_ms'], 0.95),
            'p99': percentile(heard[f'{name}_ms'], 0.99),
        }
        for name in ('added', 'direct', 'mirrored')
    }
    return {
        'count': count,
        'heard_direct': heard['direct'],
        'heard_mirrored': heard['mirrored'],
        'cpu_share': heard['cpu_s'] / heard['seconds'],
        **figures,
    }


def flood(count: int) -> dict[str, Any]:
    """
    Measure how many small samples the mirror takes.

    :param count: how many are published as fast as the broker takes them
    :returns: figures
    """
    with ExitStack() as stack:
        rig = Rig(stack, 'imu')
        heard = rig.run(count, 0.0, _FLOOD_BATCH)
    return {
        'count': count,
        'heard_mirrored': heard['mirrored'],
        'seconds': heard['seconds'],
        'per_s': heard['mirrored'] / heard['seconds'],
        'cpu_us_per_sample': heard['cpu_s'] * 1e6 / count,
        'per_core_s': count / heard['cpu_s'],
        'peak_mb': heard['peak_mb'],
    }


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """
    Read the command line.

    :param argv: arguments; those of the process when None
    :returns: the arguments
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--quick', action='store_true', help='a try: a few seconds a row')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every figure there')
    parser.add_argument('--seconds', type=float, help='of each row with a rate (30; quick: 3)')
    parser.add_argument('--count', type=int, help='samples of the flood (500,000; quick: 20,000)')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the benchmark.

    :param argv: arguments; those of the process when None
    :returns: exit status
    """
    args = parse(argv)
    seconds = args.seconds or (3.0 if args.quick else 30.0)
    count = args.count or (20_000 if args.quick else 500_000)
    # A graph of its own: neither may other robots load this one, nor this load others.
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ.setdefault('ROS_DOMAIN_ID', str(60 + os.getpid() % 41))
    os.environ['PYTHONPATH'] = os.pathsep.join(
        filter(None, (str(ROOT), os.environ.get('PYTHONPATH', '')))
    )
    document: dict[str, Any] = {'machine': machine(), 'paced': {}}
    rows = []
    for name, (load, rate, per_batch) in PACED.items():
        print(f'{name} ...', file=sys.stderr, flush=True)
        row = document['paced'][name] = paced(load, rate, per_batch, seconds)
        cells = [row[part][at] for part in ('added', 'direct') for at in ('p50', 'p95', 'p99')]
        rows.append(
            [
                name,
                *(number(cell, 2) for cell in cells),
                f'{row["heard_mirrored"]} of {row["count"]}',
                f'{100 * row["cpu_share"]:.0f} %',
            ]
        )
    heads = ['added by the mirror, ms', 'p50', 'p95', 'p99']
    heads += ['decoded p50', 'p95', 'p99', 'heard', 'CPU']
    print(table(heads, rows))
    print('flood ...', file=sys.stderr, flush=True)
    row = document['flood'] = flood(count)
    print(
        f'\nflood of {row["count"]:,} imu samples: {number(row["per_s"])} samples/s, '
        f'{number(row["cpu_us_per_sample"], 1)} us of processor time each '
        f'({number(row["per_core_s"])} samples/s and core), '
        f'{row["heard_mirrored"]} heard, {number(row["peak_mb"])} MB at most'
    )
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
