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

"""``ros-cloud-bridge robot``: a simulated rover for those who have no robot at hand."""

import argparse
import math
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    parser.add_argument(
        '--seed', type=_natural, help='chooses the patrol, the noise and the faults (1)'
    )
    parser.add_argument(
        '--duration', type=_positive, metavar='SECONDS', help='end after this time'
    )
    parser.add_argument(
        '--namespace', default='', metavar='NS', help='ROS namespace of the node and its topics'
    )
    parser.add_argument('--no-camera', action='store_true', help='publish no pictures')
    parser.add_argument(
        '--rate', type=_positive, metavar='FACTOR', help='multiply every publishing rate'
    )
    parser.add_argument(
        '--counts', type=Path, metavar='FILE', help='write {topic: published} to FILE at the end'
    )
    parser.add_argument(
        '--ros-args',
        nargs=argparse.REMAINDER,
        default=[],
        metavar='ARGUMENT',
        help='all that follows goes to ROS, as in "-p scan_hz:=5.0"',
    )


def run(args: argparse.Namespace) -> int:
    """
    Drive until SIGINT, SIGTERM or the end of the duration.

    :param args: the parsed arguments
    :returns: exit status
    :raises ConfigError: when the namespace or a ROS parameter cannot be used
    """
    from ros_cloud_bridge.ros.rover.stopping import stop_signals

    # From here on a signal ends the rover cleanly, even while rclpy is still being imported.
    with stop_signals() as stop:
        from ros_cloud_bridge.ros.rover.node import drive

        chosen = {
            'seed': args.seed,
            'duration_s': args.duration,
            'rate_factor': args.rate,
            'camera': False if args.no_camera else None,
            'counts_file': str(args.counts) if args.counts else None,
        }
        chosen = {name: value for name, value in chosen.items() if value is not None}
        ros_arguments = ['--ros-args', *args.ros_args] if args.ros_args else []
        return drive(stop, ros_arguments, args.namespace, chosen)


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f'must be a whole number from 0 on, not {text}')
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value <= 0.0:
        raise argparse.ArgumentTypeError(f'must be a number above 0, not {text}')
    return value
