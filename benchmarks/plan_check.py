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
What ``plan`` predicts, against what the real bridge does on a real shaped link, by recording.

The same configuration, recording and rate go through ``ros-cloud-bridge plan`` and through
``link.py``'s rig (scenario ``recording``); both leave out the same first seconds. Needs what
``link.py`` needs.
"""

import argparse
from collections.abc import Sequence
import json
import os
from pathlib import Path
import signal
import sys
import tempfile
from typing import Any

import link as link_program
from link_record import Run as Measured
from link_rig import measure, SETTLE_S
import link_scenarios as scenarios
from link_scenarios import Scenario
import netns
from tables import number, table

from ros_cloud_bridge.cli.parameter_file import parse
from ros_cloud_bridge.cli.plan_report import percentile
from ros_cloud_bridge.cli.plan_run import dry_run
from ros_cloud_bridge.cli.plan_run import Run as Planned
from ros_cloud_bridge.core.config import read_config
from ros_cloud_bridge.ros.player.recording import Recording
from ros_cloud_bridge.simulation.link import LinkProfile

_RECORDINGS = ('a1_husky_outdoor', 'a3_tilt_laser_xsens')
_TOLERANCE = 0.2
# One way through a veth pair, two stacks and mosquitto's loop.
_DELAY_S = 0.0003
_NS = 1e9


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """
    Read the command line.

    :param argv: arguments; those of the process when None
    :returns: them
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n\n')[0])
    add = parser.add_argument
    add('--recording', action='append', type=Path, metavar='FILE', help='default: a1 and a3')
    add('--rates', default='256', metavar='KBIT,KBIT', help='default: 256')
    add('--seconds', type=float, default=30.0, metavar='S', help='of each (30)')
    add('--quick', action='store_true', help='one recording, 12 s')
    add('--json', type=Path, metavar='FILE', help='write every figure there')
    add('--modem', action='store_true', help='shape in a router')
    args = parser.parse_args(argv)
    args.names = _RECORDINGS[:1] if args.quick else _RECORDINGS
    args.seconds = min(args.seconds, 12.0) if args.quick else args.seconds
    try:
        args.rates = [float(text) for text in args.rates.split(',')]
    except ValueError:
        parser.error(f'--rates: {args.rates!r} is not a list of numbers')
    return args


def compare(path: Path, kbit: float, seconds: float, modem: bool) -> dict[str, Any]:
    """
    Plan and measure.

    :param path: recording, whose configuration stands in ``config/``
    :param kbit: rate of the link
    :param seconds: how long
    :param modem: whether a router shapes
    :returns: figures of both
    """
    folder = link_program.ROOT / 'config'
    scenario = scenarios.recorded(seconds, kbit, path, folder)
    planned = _plan(scenario, kbit, seconds)
    with (
        tempfile.TemporaryDirectory(prefix='benchmark-') as place,
        netns.Link(kbit, modem=modem) as shaped,
    ):
        measured = measure(scenario, 'bridge', shaped, Path(place))
    return {
        'recording': path.stem,
        'rate_kbit': kbit,
        'seconds': seconds,
        'rows': list(_rows(scenario, planned, measured)),
        'errors': measured.errors,
    }


def _plan(scenario: Scenario, kbit: float, seconds: float) -> Planned:
    load = scenario.load
    assert load.recording is not None
    parameters = {**load.parameters, 'robot_id': scenario.robots[0]}
    # JSON is YAML; through the file's parser, as the bridge gets it.
    config = read_config(parse(json.dumps({'/**': {'ros__parameters': parameters}})).flat())
    topics = {topic for topic, _ in load.topics}
    with Recording(load.recording) as recording:
        return dry_run(
            config,
            recording,
            lambda _: LinkProfile(
                rates=[(0.0, kbit * 125)], delay_s=_DELAY_S, burst_bytes=netns.BURST_BYTES
            ),
            seconds=seconds,
            wanted=topics.__contains__,
        )


def _rows(scenario: Scenario, planned: Planned, measured: Measured) -> Any:
    first, settled, last = measured.marks[0]
    settle_s = (settled.time_ns - first.time_ns) / _NS
    span_s = (last.time_ns - settled.time_ns) / _NS
    window = (settle_s, settle_s + span_s)
    ages: dict[str, tuple[list[float], list[float]]] = {}
    for topic in planned.topics:
        route = topic.route
        ages[route.topic] = ([1000 * age for age in planned.bridge.ages(route, *window)], [])
    for _, name, at, age, _ in measured.samples:
        if settled.time_ns <= at < last.time_ns and name in ages:
            ages[name][1].append(age / 1e6)
    for name, (predicted, seen) in ages.items():
        counts = (float(len(predicted)), float(len(seen)))
        yield {'what': f'{name} samples', 'predicted': counts[0], 'measured': counts[1]}
        for share in (0.5, 0.95):
            yield _row(
                f'{name} p{100 * share:.0f} ms',
                percentile(predicted, share),
                percentile(seen, share),
            )
    together = tuple([age for pair in ages.values() for age in pair[side]] for side in (0, 1))
    yield _row('all topics p95 ms', *(percentile(side, 0.95) for side in together))
    sent = (last.sent_bytes - settled.sent_bytes) / span_s
    yield _row('link bytes/s', planned.link.carried_bytes(*window) / span_s, sent)
    payload = sum(size for _, at, size in measured.messages if _within(at, settled, last))
    said = sum(s.payload_bytes for s in planned.bridge.sent if window[0] <= s.at < window[1])
    yield _row('MQTT payload bytes/s', said / span_s, payload / span_s)


def _within(at: int, begin: Any, end: Any) -> bool:
    return bool(begin.time_ns <= at < end.time_ns)


def _row(what: str, predicted: float | None, measured: float | None) -> dict[str, Any]:
    return {'what': what, 'predicted': predicted, 'measured': measured}


def report(found: dict[str, Any]) -> str:
    """
    Write the table of one comparison.

    :param found: as :func:`compare` gives it
    :returns: lines; a star where the prediction is off by more than a fifth
    """
    rows = []
    for row in found['rows']:
        predicted, measured = row['predicted'], row['measured']
        off = predicted / measured if predicted is not None and measured else None
        star = '' if off is None or abs(off - 1) <= _TOLERANCE else ' *'
        rows.append([row['what'], number(predicted), number(measured), number(off, 2) + star])
    title = f'{found["recording"]}, {found["rate_kbit"]:g} kbit/s, {found["seconds"]:g} s'
    return f'{title}\n\n{table(["", "predicted", "measured", "ratio"], rows)}\n'


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the comparison.

    :param argv: arguments; those of the process when None
    :returns: exit status; 2 when this machine cannot run it
    """
    args = parse_arguments(argv)
    reason = netns.missing()
    if reason is not None:
        print(f'plan_check.py: {reason}', file=sys.stderr)
        return 2
    # Else neither namespaces nor children would be removed.
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda caught, _: sys.exit(128 + caught))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ.setdefault('ROS_DOMAIN_ID', str(60 + os.getpid() % 41))
    folder = link_program.recordings_folder()
    results = []
    print(f'Both leave out the first {SETTLE_S:g} s; * is off by more than a fifth.\n')
    for path in args.recording or [folder / f'{name}.mcap' for name in args.names]:
        for kbit in args.rates:
            found = compare(path, kbit, args.seconds, args.modem)
            results.append(found)
            print(report(found), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
