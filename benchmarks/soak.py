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
Let one bridge live through everything that breaks, for hours, and see whether it grows.

Durable, live and latched streams, topics that come and go, a consumer that confirms; a schedule
of faults drawn from a seed breaks link, broker, consumer, publisher and clock, often several at
a time. The same bridge process lives through all of it. Prints what it takes over time, fits
slopes, and ends with an exact reckoning. Exits with 1 when a sample is unaccounted for.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from importlib.util import find_spec
import json
from pathlib import Path
import sqlite3
import sys
import traceback
from typing import Any

from fault_base import wait
from soak_faults import Breaker, draw, Fault
from soak_rig import SoakRig
from soak_watch import Slope, slopes, Watch
from tables import machine, number, table

from ros_cloud_bridge.store.lanes import LEDGER
from support.broker import find_mosquitto

_TOLD = (
    'published',
    'received',
    'committed',
    'delivered',
    'expired',
    'refused',
    'spool_full',
    'damaged',
    'spooled',
    'unbalanced',
    'unaccounted',
    'twice',
    'disorder',
    'corrupt',
    'incomplete',
)
_TURN_S = 0.05
_TOLD_EVERY_S = 60.0
_DRAIN_S = 300.0


class Soak:
    """
    One soak.

    :param args: the command line
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self.done: list[Fault] = []
        self.watch: Watch | None = None
        self.reckoning: dict[str, Any] = {}
        self.findings: list[str] = []
        self.problem = ''

    def run(self) -> None:
        """Run it to its end, or to what stops it."""
        with SoakRig(self._args.seed, self._args.speed_up, self._args.confirm) as rig:
            rig.start()
            try:
                self._break(rig)
                self._finish(rig)
            except (Exception, KeyboardInterrupt) as error:  # an hour's figures are not lost
                traceback.print_exc()
                self.problem = f'{type(error).__name__}: {error}'[:2000]
                print(f'--- the bridge said:\n{rig.log()[-6000:]}', flush=True)
            finally:
                if self.watch is not None:
                    self.watch.close()

    def _break(self, rig: SoakRig) -> None:
        args = self._args
        period_s = min(5.0, max(0.2, args.seconds / 100))
        spooled = _Spooled(rig.spool)
        watch = self.watch = Watch(rig.running.pid, rig.spool, period_s, spooled)
        breaker = Breaker(rig, args.seed)
        waiting = draw(args.seed, args.seconds, args.speed_up)
        present: dict[str, Fault] = {}
        told_s = 0.0
        while watch.now_s < args.seconds or present:
            for fault in [fault for fault in present.values() if watch.now_s >= fault.end_s]:
                breaker.end(fault)
                self.done.append(replace(fault, end_s=watch.now_s))
                del present[fault.track]
            due = [
                fault
                for fault in waiting[:20]
                if fault.begin_s <= watch.now_s and fault.track not in present
            ]
            for fault in due[:1]:
                waiting.remove(fault)
                lasts_s = fault.end_s - fault.begin_s
                begin_s = watch.now_s
                breaker.begin(fault)
                present[fault.track] = replace(fault, begin_s=begin_s, end_s=watch.now_s + lasts_s)
            assert rig.running.running, 'the bridge has ended'
            if watch.now_s >= told_s:
                told_s += min(_TOLD_EVERY_S, args.seconds / 10)
                self._tell(rig, present)
            wait(_TURN_S)

    def _tell(self, rig: SoakRig, present: dict[str, Fault]) -> None:
        rig.book.read_sink(rig.sink.file)
        readings = self.watch.readings if self.watch is not None else []
        if not readings:
            return
        now = readings[-1]
        broken = ', '.join(fault.name for fault in present.values()) or 'nothing'
        print(
            f'{now.at_s:6.0f} s  {now.memory / 1e6:6.1f} MB  {now.descriptors:3} fds  '
            f'{now.threads:2} threads  spool {now.spool / 1e6:5.1f} MB + '
            f'{now.log / 1e6:4.1f} MB WAL  {now.spooled:6} spooled  '
            f'{len(self.done):4} faults  now broken: {broken}',
            flush=True,
        )

    def _finish(self, rig: SoakRig) -> None:
        rig.proxy.heal()
        rig.shift_clock(0)
        log = rig.log
        found = rig.finish(timeout_s=_DRAIN_S)
        self.reckoning = {
            **found.as_json(),
            'published': rig.published_durable(),
            'received': rig.figure('received'),
            'accepted': rig.figure('accepted'),
            'connections': rig.proxy.connections,
            'consumer_lives': rig.sink.starts,
        }
        self.reckoning.pop('published_minus_committed', None)
        self.findings = list(rig.book.findings)
        for name, text in (('bridge', log()), ('consumer', rig.sink.log())):
            traces = text.count('Traceback (most recent call last)')
            if traces:
                self.findings.append(f'{traces} tracebacks in the log of the {name}')


class _Spooled:
    """How many samples are in the spool, as its own ledger has it; health is silent offline."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = 0

    def __call__(self) -> int:
        ends = '+'.join(LEDGER[1:])
        try:
            with closing(sqlite3.connect(f'{self._path.as_uri()}?mode=ro', uri=True)) as reader:
                rows = reader.execute(f'SELECT coalesce(sum(committed-({ends})), 0) FROM ledger')
                (self._last,) = rows.fetchone()
        except sqlite3.Error:
            pass  # not there yet, or busy
        return self._last


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a soak, and print what it comes to.

    :param argv: arguments; those of the process when left out
    :returns: 1 when a sample is unaccounted for or the soak was stopped, 2 when something is
        missing
    """
    args = _arguments(argv)
    lacking = _missing(args)
    if lacking:
        print(f'soak.py: {lacking}', file=sys.stderr)
        return 2
    print(
        f'seed {args.seed}, {args.seconds:g} s, faults {args.speed_up:g} times as often as in '
        f'the field: {args.seconds * args.speed_up / 3600:.1f} h of them\n',
        flush=True,
    )
    soak = Soak(args)
    soak.run()
    readings = soak.watch.readings if soak.watch is not None else []
    windows = {
        'after warm-up': (args.warm_up, args.seconds),
        'second half': (args.seconds / 2, args.seconds),
    }
    fitted = {name: slopes(readings, *window) for name, window in windows.items()}
    _print(soak, fitted)
    if args.json is not None:
        args.json.write_text(json.dumps(_document(args, soak, fitted), indent=1))
    if args.plot is not None and readings:
        from soak_plot import draw as plot

        window, slope = windows['after warm-up'], fitted['after warm-up']
        plot(_title(args, soak), readings, soak.done, slope, window, args.plot)
    return 0 if soak.reckoning.get('sound') and not soak.problem else 1


def _title(args: argparse.Namespace, soak: Soak) -> str:
    lost = soak.reckoning.get('unaccounted', '?')
    committed = number(soak.reckoning.get('committed'))
    return (
        f'{args.seconds / 60:.0f} minutes, {len(soak.done)} faults (seed {args.seed}), '
        f'{committed} committed samples, {lost} unaccounted for'
    )


def _print(soak: Soak, fitted: dict[str, dict[str, Slope]]) -> None:
    faults = Counter(fault.name for fault in soak.done)
    told = ', '.join(f'{count} {name}' for name, count in faults.most_common())
    print(f'\n{len(soak.done)} faults: {told or "none"}')
    if soak.problem:
        print(f'\nstopped: {soak.problem}')
    for finding in soak.findings[:20]:
        print(f'  {finding}')
    for name, part in fitted.items():
        if part:
            print(f'\n{name}, 95 % confidence:\n{slope_table(part)}')
    if soak.reckoning:
        rows = [[name, number(soak.reckoning[name])] for name in _TOLD]
        print(f'\n{table(["samples", ""], rows)}')


def slope_table(part: dict[str, Slope]) -> str:
    """
    Lay out slopes.

    :param part: by name
    :returns: lines
    """
    rows = [
        [
            name,
            *(
                number(value, 2)
                for value in (slope.first, slope.last, slope.lowest, slope.highest)
            ),
            f'{slope.per_hour:+,.3f}',
            f'{slope.margin:,.3f}',
            slope.verdict,
        ]
        for name, slope in part.items()
    ]
    heads = ['', 'first block', 'last block', 'lowest', 'highest', 'slope/h', '+-', 'verdict']
    return table(heads, rows)


def _document(
    args: argparse.Namespace, soak: Soak, fitted: dict[str, dict[str, Slope]]
) -> dict[str, object]:
    return {
        'machine': machine(),
        'seed': args.seed,
        'seconds': args.seconds,
        'speed_up': args.speed_up,
        'warm_up': args.warm_up,
        'confirm': args.confirm,
        'problem': soak.problem,
        'faults': [asdict(fault) for fault in soak.done],
        'reckoning': soak.reckoning,
        'findings': soak.findings,
        'slopes': {
            name: {key: slope.as_json() for key, slope in part.items()}
            for name, part in fitted.items()
        },
        'readings': [asdict(reading) for reading in (soak.watch.readings if soak.watch else [])],
    }


def _missing(args: argparse.Namespace) -> str:
    if find_mosquitto() is None:
        return 'mosquitto is not installed'
    if find_spec('rclpy') is None:
        return 'ROS 2 (rclpy) is neither installed nor sourced'
    if args.plot is not None and find_spec('matplotlib') is None:
        return '--plot needs matplotlib: pip install matplotlib'
    return ''


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n\n')[0].strip())
    parser.add_argument('--quick', action='store_true', help='half a minute, for trying')
    parser.add_argument('--seconds', type=float, help='how long; by default 3600')
    parser.add_argument(
        '--speed-up',
        type=float,
        help='faults come so many times as often as in the field, and pass as much faster; '
        'by default 20',
    )
    parser.add_argument('--warm-up', type=float, help='seconds that slopes leave out')
    parser.add_argument('--confirm', choices=('broker', 'consumer'), default='consumer')
    parser.add_argument('--seed', type=int, default=1, help='of all that is random')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every figure')
    parser.add_argument('--plot', type=Path, metavar='FILE.png', help='draw it')
    args = parser.parse_args(argv)
    if args.seconds is None:
        args.seconds = 30.0 if args.quick else 3600.0
    if args.speed_up is None:
        args.speed_up = 60.0 if args.quick else 20.0
    if args.warm_up is None:
        args.warm_up = min(900.0, args.seconds / 4)
    return args


if __name__ == '__main__':
    sys.exit(main())
