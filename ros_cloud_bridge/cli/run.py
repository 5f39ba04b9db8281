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
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the arguments.

    :param parser: the subcommand's parser
    """
    parser.add_argument('--params-file', metavar='FILE', help='parameter YAML of the robot')
    parser.add_argument('--namespace', metavar='NS', help='ROS namespace of the nodes')
    parser.add_argument('--robot-id', metavar='ID', help="overrides the file's robot_id")
    parser.add_argument('--log-level', metavar='LEVEL', help='debug, info, warn, error or fatal')
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
    """
    from ros_cloud_bridge.ros.main import main

    ros_args = []
    if args.params_file:
        ros_args += ['--params-file', args.params_file]
    if args.namespace:
        ros_args += ['-r', f'__ns:={args.namespace}']
    if args.log_level:
        ros_args += ['--log-level', args.log_level]
    if args.robot_id:
        ros_args += ['-p', f'robot_id:={args.robot_id}']
    for parameter in args.param:
        ros_args += ['-p', parameter]
    return main(['--ros-args', *ros_args] if ros_args else [], args.journal)
