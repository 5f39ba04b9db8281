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

"""``ros-cloud-bridge mirror``: robots' streams into a ROS graph, without a ``ros2`` command."""

import argparse
import json

from ros_cloud_bridge.cli.node_arguments import add_node_arguments, ros_arguments
from ros_cloud_bridge.core.mirror_config import read_mirror_config

_NODE = 'mirror'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the arguments.

    :param parser: the subcommand's parser
    """
    add_node_arguments(parser, 'the mirror')
    parser.add_argument('--host', metavar='HOST', help="overrides the file's mqtt.host")
    parser.add_argument('--port', type=int, metavar='PORT', help="overrides the file's mqtt.port")
    parser.add_argument(
        '--robot', metavar='GLOB', help="robot id or glob; overrides the file's robots"
    )


def run(args: argparse.Namespace) -> int:
    """
    Run the mirror as ``ros2 run ros_cloud_bridge mirror`` does.

    :param args: parsed arguments
    :returns: exit status
    :raises ConfigError: before ROS starts, for what a file or an override has wrong
    """
    given = {'mqtt.host': args.host, 'mqtt.port': args.port, 'robots': args.robot}
    # Quoted texts, or ROS would take a robot named 42 for a number.
    overrides = [
        f'{key}:={json.dumps(value)}' for key, value in given.items() if value is not None
    ]
    arguments = ros_arguments(args, _NODE, overrides, read_mirror_config)
    from ros_cloud_bridge.ros.mirror.main import main

    return main(arguments)
