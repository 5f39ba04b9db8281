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

"""``ros-cloud-bridge param``: parameters of a robot's node."""

import argparse
from collections.abc import Callable
from typing import Any

from ros_cloud_bridge.cli.fields import parse_value
from ros_cloud_bridge.cli.operating import add_operator_arguments, Work
from ros_cloud_bridge.cloud.operator.finding import Found
from ros_cloud_bridge.cloud.operator.operator import Operator
from ros_cloud_bridge.cloud.operator.sent import Sent
from ros_cloud_bridge.errors import ConfigError

_Begin = Callable[[Operator, str, float], Sent]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    for name, text, words in (
        ('get', 'print values', 'NAME'),
        ('set', 'set values, each as JSON or YAML', 'NAME=VALUE'),
        ('list', 'print the names of those that may be read and set', ''),
        ('describe', 'print types and bounds', 'NAME'),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument('channel', metavar='CHANNEL', help='of kind parameter')
        if words:
            action.add_argument('words', metavar=words, nargs='+')
        add_operator_arguments(action)


def run(args: argparse.Namespace) -> int:
    """
    Read or set, and print what came of it.

    :param args: the parsed arguments
    :returns: exit status
    :raises ConfigError: when an argument cannot be used
    """
    begin = _begin(args)

    def act(work: Work, robots: dict[str, Found]) -> None:
        work.wait(work.send(robots, lambda robot: begin(work.operator, robot, work.ttl_s(robot))))

    return Work(args).run(act)


def _begin(args: argparse.Namespace) -> _Begin:
    channel: str = args.channel
    if args.action == 'list':
        return lambda operator, robot, ttl: operator.list_parameters(robot, channel, ttl_s=ttl)
    words: list[str] = args.words
    if args.action == 'get':
        return lambda operator, robot, ttl: operator.get_parameters(
            robot, channel, words, ttl_s=ttl
        )
    if args.action == 'describe':
        return lambda operator, robot, ttl: operator.describe_parameters(
            robot, channel, words, ttl_s=ttl
        )
    values = dict(map(_assignment, words))
    return lambda operator, robot, ttl: operator.set_parameters(robot, channel, values, ttl_s=ttl)


def _assignment(word: str) -> tuple[str, Any]:
    name, equals, text = word.partition('=')
    if not name or not equals:
        raise ConfigError('NAME=VALUE', f'{word!r} must be as in max_speed=1.5')
    return name, parse_value(text, name)
