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

from ros_cloud_bridge.cli.node_arguments import add_node_arguments, ros_arguments
from ros_cloud_bridge.cli.parameter_file import NODE
from ros_cloud_bridge.core.config import read_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the arguments.

    :param parser: the subcommand's parser
    """
    add_node_arguments(parser, 'the robot')
    parser.add_argument('--robot-id', metavar='ID', help="overrides the file's robot_id")
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
    # Quoted, or ROS would take a robot named 42 for a number.
    overrides = [f'robot_id:={json.dumps(args.robot_id)}'] if args.robot_id else []
    arguments = ros_arguments(args, NODE, overrides, read_config)
    from ros_cloud_bridge.ros.main import main

    return main(arguments, args.journal)
