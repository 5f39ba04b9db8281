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

"""Dispatch ``ros-cloud-bridge SUBCOMMAND``; each subcommand is a module that loads when asked."""

import argparse
from collections.abc import Sequence
from importlib import import_module
import sys

from ros_cloud_bridge import __version__
from ros_cloud_bridge.cli.intermixed import IntermixedParser
from ros_cloud_bridge.errors import BridgeError

# name -> (module with add_arguments(parser) and run(args) -> exit status, one line of help)
SUBCOMMANDS = {
    'run': ('ros_cloud_bridge.cli.run', 'run the bridge on a robot (needs ROS 2)'),
    'mirror': ('ros_cloud_bridge.cli.mirror', "robots' streams into a ROS graph (needs ROS 2)"),
    'play': ('ros_cloud_bridge.cli.play', 'publish an MCAP recording into ROS (needs ROS 2)'),
    'robot': ('ros_cloud_bridge.cli.robot', 'a simulated rover to try things on (needs ROS 2)'),
    'demo': ('ros_cloud_bridge.cli.demo', 'robot, bridge, broker and decoder on this machine'),
    'tail': ('ros_cloud_bridge.cli.tail', "print robots' live samples"),
    'record': ('ros_cloud_bridge.cli.record', "write robots' samples to an MCAP file"),
    'export': ('ros_cloud_bridge.cli.export', 'write recordings as Parquet or CSV tables'),
    'top': ('ros_cloud_bridge.cli.top', "show robots' links, streams, ages and drops, live"),
    'dashboard': (
        'ros_cloud_bridge.cli.dashboard',
        "republish robots' samples as flat JSON for dashboards",
    ),
    'foxglove': (
        'ros_cloud_bridge.cli.foxglove',
        "serve robots' streams to Foxglove and Lichtblick",
    ),
    'web': ('ros_cloud_bridge.cli.web', 'serve the page that shows and drives robots'),
    'spool': ('ros_cloud_bridge.cli.spool', "account for a robot's durable samples"),
    'plan': ('ros_cloud_bridge.cli.plan', 'predict what a link makes of a recording'),
    'keys': ('ros_cloud_bridge.cli.keys', "make, grant and revoke keys; trust robots' keys"),
    'pub': ('ros_cloud_bridge.cli.pub', "publish on a robot's topic, or drive it"),
    'call': ('ros_cloud_bridge.cli.call', "call a robot's service"),
    'goal': ('ros_cloud_bridge.cli.goal', "send a goal to a robot's action"),
    'param': ('ros_cloud_bridge.cli.param', "read and set parameters of a robot's nodes"),
    'check-config': ('ros_cloud_bridge.cli.check_config', 'check a parameter YAML'),
}


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """
    Build the argument parser.

    :param only: the one subcommand whose arguments are wanted; its module alone is imported
    :returns: parser that sets ``subcommand`` and the subcommand's own arguments
    """
    parser = argparse.ArgumentParser(
        prog='ros-cloud-bridge', description='Join ROS 2 robots to the cloud over MQTT.'
    )
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    commands = parser.add_subparsers(
        dest='subcommand', metavar='SUBCOMMAND', required=True, parser_class=IntermixedParser
    )
    for name, (module, text) in SUBCOMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == only:
            import_module(module).add_arguments(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    :param argv: arguments without the program's name; those of the process when left out
    :returns: exit status; 2 for bad usage or configuration, 1 for another failure
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    only = next((word for word in arguments if not word.startswith('-')), None)
    try:
        args = build_parser(only).parse_args(arguments)
        module, _ = SUBCOMMANDS[args.subcommand]
        status: int = import_module(module).run(args)
        return status
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition('.')[0] == 'ros_cloud_bridge':
            raise
        print(f'ros-cloud-bridge: {_missing(error.name)}', file=sys.stderr)
        return 1
    except BridgeError as error:
        print(f'ros-cloud-bridge: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output (head, grep -m) has gone: not an error of ours.
        sys.stderr.close()
        return 0


def _missing(module: str) -> str:
    if module.startswith('rclpy') or module.endswith(('_msgs', '_interfaces')):
        return f"this command needs ROS 2: module '{module}' is not installed or not sourced"
    extra = 'export' if module.startswith('pyarrow') else 'cloud'
    return f"module '{module}' is missing: pip install 'ros_cloud_bridge[{extra}]'"
