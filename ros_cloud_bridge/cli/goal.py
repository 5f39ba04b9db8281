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

"""``ros-cloud-bridge goal``: send a goal to an action of a robot, or of many."""

import argparse

from ros_cloud_bridge.cli.fields import read_fields
from ros_cloud_bridge.cli.operating import add_operator_arguments, Work
from ros_cloud_bridge.cloud.operator.finding import Found
from ros_cloud_bridge.cloud.operator.sent import Sent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    parser.add_argument('channel', metavar='CHANNEL', help='of kind action')
    parser.add_argument(
        'fields',
        metavar='FIELDS',
        nargs='?',
        default='',
        help="of the goal: JSON or YAML, @FILE, or '-' for standard input",
    )
    add_operator_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """
    Send the goal and wait for its end; Ctrl-C cancels it.

    :param args: the parsed arguments
    :returns: exit status
    :raises ConfigError: when an argument cannot be used
    """
    fields = read_fields(args.fields)

    def act(work: Work, robots: dict[str, Found]) -> None:
        def begin(robot: str) -> Sent:
            return work.operator.goal(
                robot,
                args.channel,
                fields,
                ttl_s=work.ttl_s(robot),
                on_answer=lambda answer: work.progress(robot, answer),
            )

        work.wait(work.send(robots, begin))

    return Work(args).run(act)
