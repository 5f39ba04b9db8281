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

"""Arguments of the subcommands that host our nodes, checked before ROS starts."""

import argparse
from collections.abc import Callable, Mapping, Sequence
import json
from pathlib import Path

from ros_cloud_bridge.cli.parameter_file import load_file, parse
from ros_cloud_bridge.core.config import is_foreign
from ros_cloud_bridge.errors import ConfigError


def add_node_arguments(parser: argparse.ArgumentParser, whose: str) -> None:
    """
    Declare the arguments that every such subcommand has.

    :param parser: the subcommand's parser
    :param whose: whose parameter YAML it takes
    """
    parser.add_argument(
        '--params-file',
        action='append',
        default=[],
        metavar='FILE',
        help=f'parameter YAML of {whose}; may be repeated',
    )
    parser.add_argument('--namespace', metavar='NS', help='ROS namespace of the nodes')
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


def ros_arguments(
    args: argparse.Namespace,
    node: str,
    overrides: Sequence[str],
    check: Callable[[Mapping[str, object]], object],
) -> list[str]:
    """
    Make the arguments for rclpy of those that were given.

    :param args: parsed arguments, with those of :func:`add_node_arguments`
    :param node: the node's name
    :param overrides: further ``NAME:=VALUE``, beside ``--param``
    :param check: refuses flat parameters
    :returns: ``--ros-args`` and what follows it; empty when nothing was given
    :raises ConfigError: for what a file or an override has wrong
    """
    namespace = f'/{args.namespace.strip("/")}' if args.namespace else ''
    overrides = [*args.param, *overrides]
    _check(args.params_file, f'{namespace}/{node}', overrides, check)
    made = []
    for name in args.params_file:
        made += ['--params-file', name]
    if namespace:
        made += ['-r', f'__ns:={namespace}']
    if args.log_level:
        made += ['--log-level', args.log_level]
    for override in overrides:
        made += ['-p', override]
    return ['--ros-args', *made] if made else []


def _check(
    files: list[str],
    node: str,
    overrides: Sequence[str],
    check: Callable[[Mapping[str, object]], object],
) -> None:
    """Refuse here, in one line, what rcl would refuse with a traceback or not at all."""
    flat: dict[str, object] = {}
    for name in files:
        try:
            flat.update(load_file(Path(name), node))
        except ConfigError as error:
            raise ConfigError(name, str(error)) from None
    for override in overrides:
        flat.update(_override(override))
    check({name: value for name, value in flat.items() if not is_foreign(name)})


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
