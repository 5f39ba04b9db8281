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
What durable streams cost, and what their backlog costs others.

With the real bridge, a real mosquitto and real publishers: the age of live data beside a backlog
on a thin link, and how much of the link the backlog gets (``live``); how soon live data arrives
after a broker is back (``reconnect``); memory and speed of draining a large backlog (``drain``);
and processor, flash and delay of a durable stream beside ``keep: fifo`` (``cost``). ``live`` needs
root, iproute2 and ``tc``.
"""

import argparse
from collections.abc import Callable, Sequence
import json
import os
from pathlib import Path
import signal
import sys
import time
from typing import Any

from backlog_cost import cost, KINDS
from backlog_drain import drain
from backlog_live import beside, Case, RATE_KBIT, ratios
from backlog_reconnect import reconnect
from backlog_spool import Filling
import backlog_tables as tables
from link import recordings_folder
import netns
from tables import machine

PARTS = ('live', 'reconnect', 'drain', 'cost')
ROBOT = f'backlog-{os.getpid()}'
_MB = 1_000_000


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """
    Read the command line.

    :param argv: arguments; those of the process when None
    :returns: them
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n\n')[0])
    add = parser.add_argument
    add('--quick', action='store_true', help='little of everything, within a minute: for trying')
    add('--full', action='store_true', help='drain 2 GB as well')
    add('--json', type=Path, metavar='FILE', help='write every figure there')
    add('--part', action='append', choices=PARTS, help='may be repeated; default: all')
    return parser.parse_args(argv)


def measure_live(args: argparse.Namespace) -> dict[str, Any]:
    """
    Measure live data beside a backlog.

    :param args: the command line
    :returns: figures
    """
    results = []
    for backlog in ('none', 'broker') if args.quick else ('none', 'broker', 'consumer'):
        _say(f'live beside backlog: {backlog}')
        case = Case(
            backlog=backlog,
            raw_bytes=(4 if args.quick else 25) * _MB,
            settle_s=0.5 if args.quick else 4.0,
            seconds=2.5 if args.quick else 20.0,
        )
        results += beside(ROBOT, case, recordings_folder())
    return {'rate_kbit': RATE_KBIT, 'cases': results, 'age_ratios': ratios(results)}


def measure_reconnect(args: argparse.Namespace) -> dict[str, Any]:
    """
    Measure reconnection.

    :param args: the command line
    :returns: figures
    """
    _say('reconnect')
    if args.quick:
        return {'rounds': reconnect(ROBOT, [1.5], 0.5)}
    return {'rounds': reconnect(ROBOT, [20.0, 30.0, 45.0, 60.0])}


def measure_drain(args: argparse.Namespace) -> dict[str, Any]:
    """
    Measure draining.

    :param args: the command line
    :returns: figures
    """
    full_row = 1_000_000
    # Load, MB, samples a row, confirmed by a consumer, order.
    plan: list[tuple[str, float, int, bool, str]] = [
        ('10k', 50, full_row, False, 'oldest_first'),
        ('10k', 300, full_row, False, 'oldest_first'),
        ('10k', 300, full_row, True, 'oldest_first'),
        ('10k', 300, full_row, False, 'newest_first'),
        ('imu', 50, full_row, False, 'oldest_first'),
        ('imu', 300, full_row, False, 'oldest_first'),
        ('imu', 5, 1, False, 'oldest_first'),
        ('imu', 30, 1, False, 'oldest_first'),
        ('imu', 30, 1, True, 'newest_first'),
    ]
    if args.full:
        plan.insert(2, ('10k', 2000, full_row, False, 'oldest_first'))
    if args.quick:
        plan = [('10k', size, full_row, False, 'oldest_first') for size in (4, 20)]
    results = []
    for load, size, row, consumer, order in plan:
        _say(f'drain {size} MB of {load}, {order}')
        filling = Filling(load=load, raw_bytes=round(size * _MB), row_samples=row)
        results.append(drain(ROBOT, filling, consumer, order))
    return {'runs': results}


def measure_cost(args: argparse.Namespace) -> dict[str, Any]:
    """
    Measure what a durable stream costs.

    :param args: the command line
    :returns: figures
    """
    busy = [2000.0] if args.quick else [2000.0, 5000.0, 10_000.0]
    calm = [20.0] if args.quick else [20.0, 100.0]
    results = []
    for rates, seconds, max_delay_s in ((busy, 4.0, 0.1), (calm, 8.0, 0.0)):
        if args.quick and rates is calm:
            continue
        # In turns, so that a slow minute of the machine hits both.
        for turn in range(1 if args.quick else 2):
            for kind in KINDS if turn % 2 == 0 else KINDS[::-1]:
                _say(f'cost: {kind}, {rates[0]:g} to {rates[-1]:g} /s')
                length = 1.0 if args.quick else seconds
                results += cost(ROBOT, kind, rates, length, max_delay_s)
    return {'runs': results}


MEASURE: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    'live': measure_live,
    'reconnect': measure_reconnect,
    'drain': measure_drain,
    'cost': measure_cost,
}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the benchmark.

    :param argv: arguments; those of the process when None
    :returns: exit status; 2 when this machine cannot run it
    """
    args = parse(argv)
    parts = list(args.part or PARTS)
    if 'live' in parts and (reason := netns.missing()) is not None:
        print(f'backlog.py: without live: {reason}', file=sys.stderr)
        parts.remove('live')
        if not parts:
            return 2
    # Else neither namespaces nor children would be removed.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    # A graph of its own: neither may other robots load this one, nor this load others.
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ.setdefault('ROS_DOMAIN_ID', str(60 + os.getpid() % 41))
    started = time.monotonic()
    document: dict[str, Any] = {'machine': machine()}
    for part in PARTS:
        if part in parts:
            document[part] = MEASURE[part](args)
            print(tables.WRITERS[part](document[part]), flush=True)
    document['seconds'] = time.monotonic() - started
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + '\n')
    return 0


def _say(text: str) -> None:
    print(f'{text} ...', file=sys.stderr, flush=True)


if __name__ == '__main__':
    sys.exit(main())
