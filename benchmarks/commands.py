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
What commands cost and what they withstand.

With the real bridge, a real mosquitto and real servers: round trips on loopback (``idle``) and
over a 256 kbit/s link that telemetry fills (``link``), driving over that link and its end
(``teleop``), what a core verifies (``verify``), a hundred thousand attacks and a flood
(``attacks``), and kills around commands that must not run twice (``kills``). ``link`` and
``teleop`` need root, iproute2 and ``tc``. Exits with 1 when an attack was carried out or a command
ran twice.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
import json
import os
from pathlib import Path
import signal
import sys
import tempfile
import time
from typing import Any

from command_operator import ROOT  # first, for it makes the tests' helpers known
import command_tables as tables
import netns
from tables import machine

PARTS = ('idle', 'verify', 'link', 'teleop', 'attacks', 'kills')
LINKED = ('link', 'teleop')
ROBOT = f'commands-{os.getpid()}'


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """
    Read the command line.

    :param argv: arguments; those of the process when None
    :returns: them
    """
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n\n')[0])
    add = parser.add_argument
    add('--quick', action='store_true', help='little of everything, within a minute: for trying')
    add('--json', type=Path, metavar='FILE', help='write every figure there')
    add('--part', action='append', choices=PARTS, help='may be repeated; default: all')
    add('--seed', type=int, default=1, help='of attacks and kills')
    add('--rounds', type=int, default=0, help='of kills; default: 200')
    return parser.parse_args(argv)


def measure_idle(args: argparse.Namespace) -> dict[str, Any]:
    """
    Measure round trips on loopback.

    :param args: the command line
    :returns: figures
    """
    from command_trips import idle

    return idle(ROBOT, 20 if args.quick else 500)


def measure_link(args: argparse.Namespace) -> dict[str, Any]:
    """
    Measure round trips over a thin link.

    :param args: the command line
    :returns: figures
    """
    from command_trips import over_link

    return over_link(ROBOT, 4.0 if args.quick else 120.0)


def measure_teleop(args: argparse.Namespace) -> dict[str, Any]:
    """
    Measure driving over a thin link, and its end.

    :param args: the command line
    :returns: figures
    """
    from command_trips import teleop

    return teleop(ROBOT, 3.0 if args.quick else 60.0, 1 if args.quick else 25)


def measure_verify(args: argparse.Namespace) -> dict[str, Any]:
    """
    Measure how many commands a core verifies.

    :param args: the command line
    :returns: figures
    """
    from command_gate import verify

    return verify(256 if args.quick else 4096)


def measure_attacks(args: argparse.Namespace) -> dict[str, Any]:
    """
    Attack the gate, and flood a bridge.

    :param args: the command line
    :returns: figures
    """
    from command_gate import attacks
    from command_storm import storm

    return {
        'gate': attacks(3000 if args.quick else 110_000, args.seed),
        'storm': storm(ROBOT, 1000 if args.quick else 10_000, 500.0),
    }


def measure_kills(args: argparse.Namespace) -> dict[str, Any]:
    """
    Kill the bridge around commands.

    :param args: the command line
    :returns: figures
    """
    from support.command_kills import Kills

    rounds = args.rounds or (1 if args.quick else 200)
    with tempfile.TemporaryDirectory(prefix='benchmark-') as name:
        with Kills(Path(name), seed=args.seed) as kills:
            reckoning = kills.run(rounds, lambda done: _tick(done, rounds))
    # asdict makes something else of a Counter.
    ends = dict(reckoning.ends.most_common())
    return {**asdict(reckoning), 'ends': ends, 'good': reckoning.good, 'seed': args.seed}


MEASURE: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    'idle': measure_idle,
    'link': measure_link,
    'teleop': measure_teleop,
    'verify': measure_verify,
    'attacks': measure_attacks,
    'kills': measure_kills,
}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the benchmark.

    :param argv: arguments; those of the process when None
    :returns: exit status; 1 when a promise was broken, 2 when this machine cannot run it
    """
    args = parse(argv)
    parts = list(args.part or PARTS)
    if set(parts) & set(LINKED) and (reason := netns.missing()) is not None:
        print(f'commands.py: without {" and ".join(LINKED)}: {reason}', file=sys.stderr)
        parts = [part for part in parts if part not in LINKED]
        if not parts:
            return 2
    # Else neither namespaces nor children would be removed.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    # A graph of its own: neither may other robots load this one, nor this load others.
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ.setdefault('ROS_DOMAIN_ID', str(60 + os.getpid() % 41))
    os.environ['PYTHONPATH'] = os.pathsep.join(
        filter(None, (str(ROOT), os.environ.get('PYTHONPATH', '')))
    )
    started = time.monotonic()
    document: dict[str, Any] = {'machine': machine()}
    for part in PARTS:
        if part in parts:
            print(f'{part} ...', file=sys.stderr, flush=True)
            document[part] = MEASURE[part](args)
            print(tables.WRITERS[part](document[part]), flush=True)
    document['seconds'] = time.monotonic() - started
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + '\n')
    return int(_broken(document))


def _broken(document: dict[str, Any]) -> bool:
    gate = document.get('attacks', {}).get('gate', {})
    return any(one['accepted'] for one in gate.values()) or not document.get('kills', {}).get(
        'good', True
    )


def _tick(done: int, rounds: int) -> None:
    if done % 10 == 0:
        print(f'  {done} of {rounds}', file=sys.stderr, flush=True)


if __name__ == '__main__':
    sys.exit(main())
