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
How many messages per second the bridge carries without loss, and what each costs.

In one go, at rising rates, for messages of IMU size, 10 KB and 1 MB, through real rclpy and a real
mosquitto: a drained subscription that does nothing (noop), a plain rclpy and paho forwarder, and
the bridge. A rate counts as carried when every message arrived and the last one did so within half
a second of its publication; who lags behind more than that cannot keep the rate up.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
import statistics
import sys
import tempfile
from typing import Any

from payloads import Load, LOADS
from processes import child, Process, start_broker
from tables import machine, number, ratio, table

SUBJECTS = ('noop', 'forwarder', 'bridge')
# A rung sends at most this much, so that memory and time stay bounded.
_MAX_RUNG_BYTES = 256_000_000
_MIN_RUNG_MESSAGES = 20
_LAG_S = 0.5
_WAIT_S = 1.5
_WARM_UP = 20
_WARM_UP_TRIES = 30
# A publisher that reaches less than this of the rate has met its own limit.
_REACHED = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """
    What one subject did at one rate; ages from publication, CPU and bytes per message.

    ``failed`` of ``sent`` messages were refused by the publisher's own middleware.
    """

    load: str
    subject: str
    round: int
    offered_hz: float
    sent_hz: float
    sent: int
    failed: int
    received: int
    lag_s: float
    cpu_us: float
    peak_mb: float
    wire_bytes: float | None
    p50_ms: float | None
    p99_ms: float | None

    @property
    def carried(self) -> bool:
        """Whether the subject keeps this rate up without loss."""
        return self.received == self.sent and self.lag_s <= _LAG_S

    @property
    def reached(self) -> bool:
        """Whether the publisher reached the rate."""
        return self.sent_hz >= _REACHED * self.offered_hz


def start_subject(kind: str, load: Load, port: int, folder: Path) -> Process:
    """
    Start what is measured.

    :param kind: one of ``SUBJECTS``
    :param load: what it takes
    :param port: the broker's
    :param folder: where its files go
    :returns: the process
    """
    log = folder / f'{kind}.log'
    if kind != 'bridge':
        return child('subjects.py', kind, load.name, str(port), log=log)
    stream = {
        'topics': [load.topic],
        'keep': 'fifo',
        'max_samples': 200_000,
        'max_delay_s': 0.1,
        'qos_depth': load.depth,
    }
    parameters = {
        'robot_id': 'benchmark',
        'mqtt': {'host': '127.0.0.1', 'port': port},
        'streams': ['load'],
        'stream': {'load': stream},
    }
    path = folder / 'bridge.yaml'
    # JSON is YAML.
    path.write_text(json.dumps({'/**': {'ros__parameters': parameters}}))
    command = [sys.executable, '-m', 'ros_cloud_bridge', 'run', '--params-file', str(path)]
    return Process(command, log)


class Ladder:
    """
    One subject, loaded at rising rates.

    :param load: the messages
    :param subject: one of ``SUBJECTS``
    :param rung_s: how long to publish at each rate
    :param folder: where files go
    """

    def __init__(self, load: Load, subject: str, rung_s: float, folder: Path) -> None:
        self._load = load
        self._kind = subject
        self._rung_s = rung_s
        self._folder = folder
        self._next = 0

    def climb(self, rates: Sequence[float], round_number: int, failures: int) -> Iterator[Rung]:
        """
        Go up the rates.

        :param rates: messages per second, rising
        :param round_number: noted in the results
        :param failures: stop after as many rates in a row that the subject does not carry
        :returns: a result per rate
        """
        with ExitStack() as stack:
            broker, port = start_broker(self._folder)
            stack.enter_context(broker)
            log = self._folder / 'children.log'
            self._publisher = stack.enter_context(child('publisher.py', self._load.name, log=log))
            self._facts = self._publisher.ask('describe')
            sink = stack.enter_context(child('sink.py', str(port), log=log))
            self._subject = stack.enter_context(
                start_subject(self._kind, self._load, port, self._folder)
            )
            self._counter = self._subject if self._kind == 'noop' else sink
            self._warm_up()
            failed = 0
            for rate in rates:
                rung = self._rung(rate, round_number)
                yield rung
                failed = 0 if rung.carried else failed + 1
                if failed >= failures or not rung.reached:
                    return

    def _warm_up(self) -> None:
        # What is published before subscription and connection stand is nobody's loss.
        if not self._publisher.ask('match')['subscriptions']:
            raise SystemExit(f'{self._kind} does not subscribe: {self._read_log()}')
        for _ in range(_WARM_UP_TRIES):
            sent, received = self._publish(_WARM_UP, 100.0)
            if received['received'] == sent['sent']:
                return
        raise SystemExit(f'nothing arrives through {self._kind}: {self._read_log()}')

    def _read_log(self) -> str:
        return (self._folder / f'{self._kind}.log').read_text()[-2000:]

    def _publish(self, count: int, rate: float) -> tuple[dict[str, float], dict[str, float]]:
        first = self._next
        self._next += count
        self._counter.ask('begin')
        sent = self._publisher.ask('publish', 600.0, first=first, count=count, rate=rate)
        received = self._counter.ask(
            'collect',
            600.0,
            first=first,
            count=count,
            timeout_s=_WAIT_S,
            counter_at=self._facts['counter_at'],
        )
        return sent, received

    def _rung(self, rate: float, round_number: int) -> Rung:
        most = max(_MIN_RUNG_MESSAGES, _MAX_RUNG_BYTES // int(self._facts['size']))
        count = max(_MIN_RUNG_MESSAGES, min(most, int(rate * self._rung_s)))
        cpu_s = self._subject.cpu_s()
        sent, received = self._publish(count, rate)
        cpu_s = self._subject.cpu_s() - cpu_s
        arrived = max(1, int(received['received']))
        wire_bytes = received.get('wire_bytes')
        return Rung(
            load=self._load.name,
            subject=self._kind,
            round=round_number,
            offered_hz=rate,
            sent_hz=sent['rate'],
            sent=int(sent['sent']),
            failed=int(sent['failed']),
            received=int(received['received']),
            lag_s=max(0.0, (received['last_ns'] - sent['ended_ns']) / 1e9),
            cpu_us=1e6 * cpu_s / arrived,
            peak_mb=self._subject.peak_mb(),
            wire_bytes=None if wire_bytes is None else wire_bytes / arrived,
            p50_ms=received['p50_ms'],
            p99_ms=received['p99_ms'],
        )


def best_rungs(rungs: Sequence[Rung], load: str, subject: str) -> list[Rung]:
    """
    Pick the fastest rung of each round that was carried.

    :param rungs: all results
    :param load: name of the load
    :param subject: name of the subject
    :returns: one per round that has any
    """
    best: dict[int, Rung] = {}
    for rung in rungs:
        if (rung.load, rung.subject) == (load, subject) and rung.carried:
            if rung.round not in best or rung.sent_hz > best[rung.round].sent_hz:
                best[rung.round] = rung
    return list(best.values())


def common_rungs(rungs: Sequence[Rung], load: str, subjects: Sequence[str]) -> float | None:
    """
    Find the highest offered rate that all subjects carried in every round that tried it.

    :param rungs: all results
    :param load: name of the load
    :param subjects: their names
    :returns: messages per second; None when there is none
    """
    carried = []
    for rate in {rung.offered_hz for rung in rungs if rung.load == load}:
        tried = [rung for rung in rungs if (rung.load, rung.offered_hz) == (load, rate)]
        if {rung.subject for rung in tried} == set(subjects) and all(r.carried for r in tried):
            carried.append(rate)
    return max(carried, default=None)


def summarize(rungs: Sequence[Rung]) -> dict[str, float | None]:
    """
    Take medians over rounds.

    :param rungs: one per round, of one subject
    :returns: medians; None where nothing was measured
    """
    names = ('sent_hz', 'cpu_us', 'peak_mb', 'wire_bytes', 'p50_ms', 'p99_ms')
    columns = {name: [getattr(rung, name) for rung in rungs] for name in names}
    return {
        name: statistics.median(values) if values and None not in values else None
        for name, values in columns.items()
    }


def summary(rungs: Sequence[Rung], load: str, subjects: Sequence[str]) -> dict[str, Any]:
    """
    Sum up one load.

    :param rungs: all results
    :param load: name of the load
    :param subjects: their names
    :returns: each subject at its highest rate, and all of them at the highest common rate
    """
    common = common_rungs(rungs, load, subjects)
    return {
        'best': {name: summarize(best_rungs(rungs, load, name)) for name in subjects},
        'common_hz': common,
        'common': {
            name: summarize(
                [r for r in rungs if (r.load, r.subject, r.offered_hz) == (load, name, common)]
            )
            for name in subjects
        },
    }


def render(title: str, results: dict[str, dict[str, float | None]]) -> str:
    """
    Write one table.

    :param title: its first line
    :param results: medians by subject
    :returns: lines
    """
    heads = ['subject', 'msg/s', 'CPU us/msg', 'peak MB', 'wire B/msg', 'p50 ms', 'p99 ms']
    against = [name for name in ('noop', 'forwarder') if name in results]
    heads += [f'{what}/{name}' for name in against for what in ('rate', 'CPU')]
    rows = []
    for name, values in results.items():
        row = [
            name,
            number(values['sent_hz']),
            number(values['cpu_us'], 1),
            number(values['peak_mb']),
            number(values['wire_bytes'], 1),
            number(values['p50_ms'], 1),
            number(values['p99_ms'], 1),
        ]
        for other in against:
            for column in ('sent_hz', 'cpu_us'):
                row.append(ratio(values[column], results[other][column]))
        rows.append(row)
    return f'{title}\n{table(heads, rows)}\n'


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """
    Read the command line.

    :param argv: arguments; those of the process when None
    :returns: them
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n\n')[0])
    parser.add_argument('--quick', action='store_true', help='one round, within a minute')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every result there')
    parser.add_argument('--loads', default=','.join(LOADS), metavar='NAMES', help='default: all')
    parser.add_argument('--subjects', default=','.join(SUBJECTS), metavar='NAMES')
    parser.add_argument('--rates', metavar='HZ,HZ', help='offered rates, instead of the built-in')
    parser.add_argument('--rounds', type=int, metavar='N', help='default: 3, with --quick 1')
    parser.add_argument('--rung-seconds', type=float, metavar='S', help='default: 2, quick 0.5')
    args = parser.parse_args(argv)
    args.loads = args.loads.split(',')
    args.subjects = args.subjects.split(',')
    for value, known in ((args.loads, LOADS), (args.subjects, SUBJECTS)):
        if unknown := [name for name in value if name not in known]:
            parser.error(f'{unknown[0]!r} is none of {", ".join(known)}')
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.rung_seconds = args.rung_seconds or (0.5 if args.quick else 2.0)
    return args


def measure(args: argparse.Namespace, folder: Path) -> list[Rung]:
    """
    Measure everything that is asked for.

    :param args: the command line
    :param folder: where files go
    :returns: results
    """
    rungs: list[Rung] = []
    for name in args.loads:
        load = LOADS[name]
        rates = load.quick_rates if args.quick else load.rates
        if args.rates:
            rates = tuple(sorted(map(float, args.rates.split(','))))
        # Subjects take turns, so that a slow minute of the machine hits all of them.
        for round_number in range(args.rounds):
            for subject in args.subjects:
                ladder = Ladder(load, subject, args.rung_seconds, folder)
                for rung in ladder.climb(rates, round_number, 1 if args.quick else 2):
                    rungs.append(rung)
                    lost = rung.sent - rung.received
                    print(
                        f'{name} {subject}: {rung.sent_hz:,.0f}/s, lost {lost}, '
                        f'lag {rung.lag_s:.2f} s, {rung.cpu_us:.1f} us',
                        file=sys.stderr,
                    )
    return rungs


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the benchmark.

    :param argv: arguments; those of the process when None
    :returns: exit status
    """
    args = parse(argv)
    # A graph of its own: neither may other robots load this one, nor this load others.
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ.setdefault('ROS_DOMAIN_ID', str(60 + os.getpid() % 42))
    with tempfile.TemporaryDirectory(prefix='benchmark-') as folder:
        rungs = measure(args, Path(folder))
    summaries = {name: summary(rungs, name, args.subjects) for name in args.loads}
    for name, results in summaries.items():
        print(render(f'{name}: each at its highest rate without loss', results['best']))
        common = results['common_hz']
        if common is not None:
            print(render(f'{name}: all at {common:,.0f}/s', results['common']))
    if args.json:
        document = {
            'machine': machine(),
            'rounds': args.rounds,
            'rung_seconds': args.rung_seconds,
            'summary': summaries,
            'rungs': [{**asdict(rung), 'carried': rung.carried} for rung in rungs],
        }
        args.json.write_text(json.dumps(document, indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
