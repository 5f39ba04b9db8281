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

"""``ros-cloud-bridge run``: the bridge for those who have no ``ros2`` command."""

import argparse
import json
from pathlib import Path

from ros_cloud_bridge.cli.parameter_file import load_file, NODE, parse
from ros_cloud_bridge.core.config import is_foreign, read_config
from ros_cloud_bridge.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the arguments.

    :param parser: the subcommand's parser
    """
    parser.add_argument(
        '--params-file',
        action='append',
        default=[],
        metavar='FILE',
        help='parameter YAML of the robot; may be repeated',
    )
    parser.add_argument('--namespace', metavar='NS', help='ROS namespace of the nodes')
    parser.add_argument('--robot-id', metavar='ID', help="overrides the file's robot_id")
    parser.add_argument(
        '--log-level', choices=('debug', 'info', 'warn', 'error', 'fatal'), help='what is logged'
    )
    parser.add_argument(
        '--param',
        action='append',
        default=[],
        metavar='NAME:=VALUE',
        help='overrides one parameter; may be repeated',
    )
    parser.add_argument(
        '--journal',
        metavar='FILE',
        type=Path,
        help='note every accepted sample there, to prove what arrives; not for the field',
    )


def run(args: argparse.Namespace) -> int:
    """
    Run the bridge as ``ros2 run ros_cloud_bridge bridge`` does.

    :param args: parsed arguments
    :returns: exit status
    :raises ConfigError: before ROS starts, for what a file or an override has wrong
    """
    namespace = f'/{args.namespace.strip("/")}' if args.namespace else ''
    overrides = [*args.param]
    if args.robot_id:
        # Quoted, or ROS would take a robot named 42 for a number.
        overrides.append(f'robot_id:={json.dumps(args.robot_id)}')
    _check(args.params_file, f'{namespace}/{NODE}', overrides)
    from ros_cloud_bridge.ros.main import main

    ros_args = []
    for name in args.params_file:
        ros_args += ['--params-file', name]
    if namespace:
        ros_args += ['-r', f'__ns:={namespace}']
    if args.log_level:
        ros_args += ['--log-level', args.log_level]
    for override in overrides:
        ros_args += ['-p', override]
    return main(['--ros-args', *ros_args] if ros_args else [], args.journal)


def _check(files: list[str], node: str, overrides: list[str]) -> None:
    """Refuse here, in one line, what rcl would refuse with a traceback or not at all."""
    flat: dict[str, object] = {}
    for name in files:
        try:
            flat.update(load_file(Path(name), node))
        except ConfigError as error:
            raise ConfigError(name, str(error)) from None
    for override in overrides:
        flat.update(_override(override))
    flat = {name: value for name, value in flat.items() if not is_foreign(name)}
    read_config(flat)


def _override(text: str) -> dict[str, object]:
    name, separator, value = text.partition(':=')
    if not name or not separator or not value:
        raise ConfigError(f'--param {text}', 'must be NAME:=VALUE')
    try:
        # Judged as in a file: rcl reads both by the same rules.
        file = parse(f'/**: {{ros__parameters: {{{json.dumps(name)}: {value}}}}}')
        if not file.problems:
            return file.flat()
        problem = file.problems[0]
    except ConfigError as error:
        problem = error
    raise ConfigError(f'--param {text}', problem.problem)
