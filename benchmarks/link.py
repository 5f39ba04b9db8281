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
How fresh the pose is on a link slower than the robot's demand, and how much of the link is used.

A real mosquitto and a real robot's topics, in two network namespaces joined by a veth pair that
``tc tbf`` shapes; side by side, in turn: plain rclpy and paho at QoS 0 and at QoS 1, and the
bridge. Ages are from DDS's source time stamp to the decoded sample in the cloud, on one clock.
Needs root, iproute2, mosquitto and ROS 2.
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

from link_figures import figures, summary_table, timeline, topics_table
import link_plot
from link_rig import measure, SETTLE_S
import link_scenarios as scenarios
from link_scenarios import Scenario
import netns
from tables import machine

ROOT = Path(__file__).resolve().parents[1]
PEERS = ('plain0', 'plain1')
# Starting and ending one subject, roughly, for the announced length.
_AROUND_S = 7.0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """
    Read the command line.

    :param argv: arguments; those of the process when None
    :returns: them
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n\n')[0])
    add = parser.add_argument
    add('--quick', action='store_true', help='short phases, plain0 and the bridge: for trying')
    add('--json', type=Path, metavar='FILE', help='write every figure there')
    add('--plot', type=Path, metavar='FILE.png', help='draw ages and rates (needs matplotlib)')
    add(
        '--scenario',
        action='append',
        choices=scenarios.SCENARIOS,
        help='may be repeated; default: steps, and steady at 256 kbit/s with 4 x overload',
    )
    add('--seconds', type=float, metavar='S', help='length of each phase; default: by scenario')
    add('--rates', metavar='KBIT,KBIT', help='of steps and steady; default: all that they have')
    add('--overload', metavar='F,F', help='demand / link; steps: / 256 kbit/s; default: 4,16 or 8')
    add('--subjects', metavar='NAMES', help=f'default: {",".join(PEERS)},bridge')
    add('--algorithm', action='append', default=[], metavar='NAME', help='link.algorithm; repeat')
    add('--param', action='append', default=[], metavar='NAME:=VALUE', help='for the bridge')
    add('--recording', action='append', type=Path, metavar='FILE', help='default: all')
    add('--limit', type=int, default=netns.LIMIT_BYTES, help="the shaper's queue, bytes")
    add('--burst', type=int, default=netns.BURST_BYTES, help="the shaper's bucket, bytes")
    add('--reverse', type=float, default=netns.REVERSE_KBIT, help='rate back, kbit/s')
    add('--modem', action='store_true', help="shape in a router, not on the robot's own device")
    args = parser.parse_args(argv)
    bridges = [f'bridge:{name}' for name in args.algorithm] or ['bridge']
    if args.subjects:
        named = args.subjects.split(',')
        if unknown := [name for name in named if name not in (*PEERS, 'bridge')]:
            parser.error(f'{unknown[0]!r} is none of {", ".join(PEERS)}, bridge')
        peers = [name for name in named if name in PEERS]
        args.subjects = peers + (bridges if 'bridge' in named else [])
    else:
        args.subjects = [*PEERS[: 1 if args.quick else 2], *bridges]
    for name in ('rates', 'overload'):
        value = getattr(args, name)
        try:
            setattr(args, name, [float(text) for text in value.split(',')] if value else None)
        except ValueError:
            parser.error(f'--{name}: {value!r} is not a list of numbers')
    return args


def recordings_folder() -> Path:
    """
    Find the recordings.

    :returns: the folder, whether it is there or not
    """
    return Path(os.environ.get('RCB_RECORDINGS', ROOT.parent / 'shared' / 'data')).resolve()


def plan(args: argparse.Namespace) -> list[Scenario]:
    """
    List what is to be run.

    :param args: the command line
    :returns: scenarios
    """
    chosen = args.scenario or (['steps'] if args.quick else ['steps', 'steady'])
    result: list[Scenario] = []
    for name in chosen:
        result += _scenarios(name, args, bool(args.scenario))
    return result


def _scenarios(name: str, args: argparse.Namespace, asked: bool) -> list[Scenario]:
    quick = args.quick

    def seconds(full: float, short: float) -> float:
        value: float = args.seconds or (short if quick else full)
        return value

    def overloads(*default: float) -> list[float]:
        return list(args.overload or default)

    if name == 'steps':
        rates = args.rates or scenarios.STEPS_KBIT
        return [scenarios.steps(seconds(20, 5), load, rates) for load in overloads(8)]
    if name == 'steady':
        rates = args.rates or ((64.0, 256.0, 1000.0) if asked and not quick else (256.0,))
        loads = overloads(4, 16) if asked and not quick else overloads(4)
        return [scenarios.steady(seconds(30, 8), rate, load) for rate in rates for load in loads]
    if name == 'open':
        return [scenarios.opened(seconds(10, 6), overloads(4)[0], 1 if quick else 3)]
    kbit = args.rates[0] if args.rates else 256.0
    if name == 'fairness':
        orders = (False,) if quick else (False, True)
        both_s, load = seconds(60, 15), overloads(4)[0]
        return [scenarios.fairness(both_s, kbit, load, swapped) for swapped in orders]
    if name == 'tcp':
        return [scenarios.beside_tcp(seconds(30, 8), kbit, overloads(4)[0])]
    if name == 'recording':
        paths = args.recording or sorted(recordings_folder().glob('*.mcap'))
        if not paths:
            raise SystemExit(f'no recordings in {recordings_folder()}: set RCB_RECORDINGS')
        return [scenarios.recorded(seconds(20, 8), kbit, p, ROOT / 'config') for p in paths]
    return [scenarios.far(name, seconds(60, 12), overloads(4)[0])]


def run_scenario(scenario: Scenario, args: argparse.Namespace) -> list[dict[str, Any]]:
    """
    Let every subject go through a scenario.

    :param scenario: it
    :param args: the command line
    :returns: figures and timeline of each subject
    """
    results = []
    for subject in args.subjects:
        print(f'{scenario.name}: {subject} ...', file=sys.stderr, flush=True)
        link = netns.Link(
            scenario.phases[0].rate_kbit,
            limit_bytes=args.limit,
            burst_bytes=args.burst,
            reverse_kbit=args.reverse,
            modem=args.modem,
        )
        with tempfile.TemporaryDirectory(prefix='benchmark-') as folder, link:
            place = (Path(folder), tuple(args.param), recordings_folder())
            run = measure(scenario, subject, link, *place)
        for error in run.errors[:3]:
            print(f'{subject}: {error}', file=sys.stderr)
        results.append(
            {
                'scenario': scenario.name,
                'load': scenario.load.name,
                'subject': subject,
                'lead': scenarios.lead_topic(scenario.load),
                'phases': figures(run),
                'errors': run.errors,
                'offloads_left': run.offloads_left,
                'timeline': timeline(run),
            }
        )
    return results


def describe(scenario: Scenario, results: Sequence[dict[str, Any]]) -> str:
    """
    Say what was run.

    :param scenario: it
    :param results: of its subjects
    :returns: lines
    """
    load = scenario.load
    lines = [f'{scenario.name}: {load.name}']
    if load.published:
        parts = [f'{topic.name} {topic.hz:g} Hz x {topic.size:,} B' for topic in load.published]
        lines.append(f'  published: {", ".join(parts)}')
        overloads = [f'{p["label"]} {p["overload"]:.1f} x' for p in results[0]['phases']]
        lines.append(f'  demand / link: {", ".join(overloads)}')
    if scenario.proxied:
        stalls = scenario.phases[0].stalls
        lines.append(
            f'  round trip {2000 * scenario.delay_s:g} +- {2000 * scenario.jitter_s:g} ms, '
            f'stalls: {", ".join(f"{length:g} s at {at:g} s" for at, length in stalls) or "none"}'
        )
    return '\n'.join(lines)


def explain(args: argparse.Namespace) -> str:
    """
    Say what the figures mean.

    :param args: the command line
    :returns: lines
    """
    place = 'in a router' if args.modem else "on the robot's device"
    return (
        f'shaper: tbf {place}, burst {args.burst:,} B, limit {args.limit:,} B, no offloads; '
        f'back {args.reverse:g} kbit/s.\n'
        f'Figures leave out the first {SETTLE_S:g} s of each phase, but for "p95 all".\n'
        'p50 p95 p99: age of the lead topic on arrival; stale: age of the newest one in the\n'
        'cloud, all the time. shaper, payload: bytes through the shaper, bytes of MQTT payload\n'
        'in the cloud / (rate x time). socket: median of what waits in the socket to the broker.\n'
        'behind: what the MQTT client has got and the cloud has not, at the end. dropped:\n'
        "packets, by the shaper's queue.\n"
    )


def _path_for(path: Path, scenario: Scenario, several: bool) -> Path:
    return path.with_name(f'{path.stem}-{scenario.name}{path.suffix}') if several else path


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the benchmark.

    :param argv: arguments; those of the process when None
    :returns: exit status; 2 when this machine cannot run it
    """
    args = parse(argv)
    reason = netns.missing() or (link_plot.missing() if args.plot else None)
    if reason is not None:
        print(f'link.py: {reason}', file=sys.stderr)
        return 2
    # Else neither namespaces nor children would be removed.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    # A graph of its own: neither may other robots load this one, nor this load others.
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ.setdefault('ROS_DOMAIN_ID', str(60 + os.getpid() % 41))
    planned = plan(args)
    total_s = sum(s.seconds + _AROUND_S for s in planned) * len(args.subjects)
    print(f'{len(planned)} x {len(args.subjects)} runs, {total_s:.0f} s', file=sys.stderr)
    results: list[dict[str, Any]] = []
    print(explain(args))
    for scenario in planned:
        done = run_scenario(scenario, args)
        results += done
        print(describe(scenario, done))
        print(f'\n{summary_table(done)}\n\n{topics_table(done)}\n', flush=True)
        if args.plot:
            path = _path_for(args.plot, scenario, len(planned) > 1)
            link_plot.draw(describe(scenario, done).replace('\n  ', '\n'), done, path)
    if args.json:
        document = {
            'machine': machine(),
            'shaper': {
                name: getattr(args, name) for name in ('limit', 'burst', 'reverse', 'modem')
            },
            'settle_s': SETTLE_S,
            'results': results,
        }
        args.json.write_text(json.dumps(document) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
