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

"""``ros-cloud-bridge plan``: what a configuration makes of a recording on a link, beforehand."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
import json
import math
from pathlib import Path
import re
from typing import Any

from ros_cloud_bridge.cli import plan_link
from ros_cloud_bridge.cli.parameter_file import load_file
from ros_cloud_bridge.cli.plan_report import document, text
from ros_cloud_bridge.cli.plan_run import dry_run, Run
from ros_cloud_bridge.core.config import is_foreign, read_config
from ros_cloud_bridge.core.config_fields import name_problem
from ros_cloud_bridge.core.selection import compile_pattern, TopicPattern
from ros_cloud_bridge.errors import ConfigError, LocalFault
from ros_cloud_bridge.simulation.link import LinkProfile
from ros_cloud_bridge.values import Algorithm, BridgeConfig, Lease


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    parser.description = (
        "Send a recording through the bridge's own pump over a link that exists in numbers only: "
        'what goes out, how old it is on arrival, what is dropped and why, and what a month takes.'
    )
    add = parser.add_argument
    add(
        'config',
        metavar='CONFIG',
        type=Path,
        nargs='?',
        help='parameter YAML of the robot; none with --recommend',
    )
    add('recording', metavar='RECORDING', type=Path, help='MCAP file with its topics')
    _add_recommendation(parser.add_argument_group('recommendation'))
    add(
        '--link',
        required=True,
        type=plan_link.rates,
        metavar='RATE',
        help="bits per second, as in '256k' or '2.5M', or several by the second from which each "
        "holds: '0:256k,20:64k,40:1M'",
    )
    add(
        '--delay',
        type=plan_link.seconds,
        default=0.0,
        metavar='TIME',
        help="one way, as in '50ms' (0ms)",
    )
    add(
        '--jitter',
        type=plan_link.seconds,
        default=0.0,
        metavar='TIME',
        help='what is added to the delay at most (0ms)',
    )
    add(
        '--stall',
        type=plan_link.share,
        default=0.0,
        metavar='SHARE',
        help=f"part of the time in which nothing moves, {plan_link.STALL_S:g} s each: '2%%' (0%%)",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        '--loop', type=_count, default=1, metavar='N', help='play the recording N times (1)'
    )
    length.add_argument(
        '--seconds', type=_seconds, metavar='S', help='play so long, again and again'
    )
    add(
        '--topics',
        type=_pattern,
        action='append',
        default=[],
        metavar='PATTERN',
        help="take only these of the recording: name, glob or 're:' and a regular expression; "
        'repeatable',
    )
    add(
        '--lease',
        type=_lease,
        action='append',
        default=[],
        metavar='STREAM[:HZ]',
        help='let a consumer want an on_demand stream all the time, as fast as it may without HZ; '
        'repeatable',
    )
    add(
        '--algorithm',
        choices=[algorithm.value for algorithm in Algorithm],
        help='in place of link.algorithm of the configuration',
    )
    add('--node', default='', help='full name of the node, as in /amr_07/uplink')
    add('--json', type=Path, metavar='FILE', help='write every figure there')
    add('--plot', type=Path, metavar='FILE.png', help='draw ages, rates and queues over time')


def _add_recommendation(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        '--recommend',
        action='store_true',
        help='survey RECORDING, choose policies and reducers that fit the link, and try them',
    )
    add('-o', '--output', type=Path, metavar='FILE.yaml', help='write the configuration there')
    add(
        '--monthly',
        type=_megabytes,
        default=0.0,
        metavar='MB',
        help='megabytes (10^6 bytes) that the contract has a month',
    )
    add('--robot', metavar='ID', help="name of the robot; made of the recording's when left out")


def run(args: argparse.Namespace) -> int:
    """
    Plan.

    :param args: parsed arguments
    :returns: exit status
    :raises ConfigError: for a configuration that cannot be used
    :raises LocalFault: when the recording cannot be read, or a file not be written
    """
    from ros_cloud_bridge.ros.player.recording import Recording

    if args.plot is not None and find_spec('matplotlib') is None:
        raise LocalFault("--plot needs matplotlib: pip install 'ros_cloud_bridge[plan]'")
    _check_shape(args)
    if args.recommend:
        return _recommend(args)
    config = _read_config(args)
    with Recording(args.recording) as recording:
        planned = dry_run(
            config,
            recording,
            _profile(args),
            namespace=args.node.rpartition('/')[0] or '/',
            seconds=args.seconds,
            loops=args.loop,
            leases=_leases(config, args.lease),
            wanted=_wanted(args),
        )
    found = {'config': str(args.config), 'recording': str(args.recording), **document(planned)}
    print(f'{_title(args, found)}\n\n{text(found)}')
    if args.json is not None:
        _write(args.json, json.dumps(found, indent=2) + '\n')
    if args.plot is not None:
        _plot(planned, _title(args, found), args.plot)
    return 0


def _check_shape(args: argparse.Namespace) -> None:
    """Refuse what does not go together."""
    if args.recommend:
        if args.config is not None:
            raise ConfigError('--recommend', 'makes the CONFIG: give it the RECORDING alone')
        if args.lease:
            raise ConfigError('--lease', 'goes with a CONFIG: --recommend tries leases by itself')
        return
    if args.config is None:
        raise ConfigError('CONFIG', 'is missing before RECORDING; --recommend would make one')
    for name in ('output', 'monthly', 'robot'):
        if getattr(args, name):
            raise ConfigError(f'--{name}', 'goes with --recommend')


def _recommend(args: argparse.Namespace) -> int:
    from ros_cloud_bridge.cli.plan_excerpt import Excerpt
    from ros_cloud_bridge.cli.plan_recommend import recommend, Wish
    from ros_cloud_bridge.cli.plan_recommend_text import as_document, as_text
    from ros_cloud_bridge.ros.player.recording import Recording

    robot_id = args.robot or robot_id_of(args.recording)
    if problem := name_problem(robot_id):
        raise ConfigError('--robot', problem)
    wish = Wish(
        link_bytes_per_s=plan_link.lowest(args.link) * (1.0 - args.stall),
        delay_s=args.delay + args.jitter,
        make_profile=_profile(args),
        robot_id=robot_id,
        monthly_mb=args.monthly,
        algorithm=None if args.algorithm is None else Algorithm(args.algorithm),
        seconds=args.seconds,
        loops=args.loop,
        wanted=_wanted(args),
    )
    with Recording(args.recording) as recording:
        found = recommend(Excerpt(recording), wish)
    print(as_text(found))
    if args.output is not None:
        _write(args.output, found.yaml)
        print(f'\n{args.output} is written: name the broker there, then check-config and run it')
    if args.json is not None:
        _write(args.json, json.dumps(as_document(found), indent=2) + '\n')
    if args.plot is not None:
        _plot(found.planned, f'{args.recording.name} as recommended', args.plot)
    return 0


def robot_id_of(recording: Path) -> str:
    """
    Make a robot's name of a recording's.

    :param recording: its file
    :returns: a name that MQTT topics may have
    """
    return re.sub(r'[^A-Za-z0-9_-]+', '-', recording.stem).strip('-')[:64] or 'robot'


def _profile(args: argparse.Namespace) -> Callable[[float], LinkProfile]:
    return lambda seconds: plan_link.profile(
        args.link,
        delay_s=args.delay,
        jitter_s=args.jitter,
        stalled=args.stall,
        seconds=seconds,
    )


def _wanted(args: argparse.Namespace) -> Callable[[str], bool]:
    return lambda topic: not args.topics or any(one.matches(topic) for one in args.topics)


def _read_config(args: argparse.Namespace) -> BridgeConfig:
    try:
        flat = load_file(args.config, args.node)
    except ConfigError as error:
        raise ConfigError(str(args.config), str(error)) from None
    config = read_config({name: value for name, value in flat.items() if not is_foreign(name)})
    if args.algorithm is None:
        return config
    return replace(config, link=replace(config.link, algorithm=Algorithm(args.algorithm)))


def _leases(config: BridgeConfig, wanted: list[tuple[str, float]]) -> list[Lease]:
    on_demand = [stream.name for stream in config.streams if stream.on_demand]
    for name, _ in wanted:
        if name not in on_demand:
            there = ', '.join(on_demand) or 'none'
            raise ConfigError(
                '--lease', f"'{name}' is no stream with on_demand; those are: {there}"
            )
    return [Lease(stream=name, hz=hz, seconds=config.demand.max_lease_s) for name, hz in wanted]


def _title(args: argparse.Namespace, found: dict[str, Any]) -> str:
    rates = ', '.join(
        f'{kbit:g} kbit/s' + (f' from {begin:g} s' if begin else '') for begin, kbit in args.link
    )
    return (
        f'{args.recording.name} as {args.config.name} has it, {found["seconds"]:.1f} s '
        f'on {rates}; {1000 * args.delay:g} ms one way; {found["algorithm"]}'
    )


def _plot(planned: Run, title: str, path: Path) -> None:
    from ros_cloud_bridge.cli.plan_plot import draw

    try:
        draw(planned, title, path)
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise LocalFault(f'{path}: cannot be written: {reason}') from error


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content)
    except OSError as error:
        raise LocalFault(f'{path}: cannot be written: {error.strerror}') from error


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number above 0')
    return int(text)


def _seconds(text: str, what: str = 'number of seconds') -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is no {what} above 0')
    return number


def _megabytes(text: str) -> float:
    return _seconds(text, 'number of megabytes')


def _lease(text: str) -> tuple[str, float]:
    name, separator, hz = text.partition(':')
    return name, _seconds(hz, 'rate in Hz') if separator else 0.0


def _pattern(text: str) -> TopicPattern:
    try:
        return compile_pattern(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text!r} {error}') from error
