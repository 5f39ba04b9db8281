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

"""``ros-cloud-bridge spool``: where every durable sample of a robot is, from its disk."""

import argparse
import json
from pathlib import Path
import re
import sys
from urllib.parse import unquote

from ros_cloud_bridge.cli.spool_file import SpoolFile
from ros_cloud_bridge.cli.spool_report import (
    clean,
    dead_letter_document,
    dead_letter_lines,
    report_lines,
    state_document,
)
from ros_cloud_bridge.durable.place import spool_path
from ros_cloud_bridge.errors import ConfigError, LocalFault
from ros_cloud_bridge.store.usage import state_directory
from ros_cloud_bridge.values import BridgeConfig

# What is set aside as damaged, or of a later version, has more behind it.
_NAME = re.compile(r'spool-(.+)\.sqlite3(\..+)?')
_PATTERN = 'spool-*.sqlite3'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    parser.description = (
        "Show where every committed sample of a robot's durable streams is: delivered, given up "
        'for a reason that is told, or still on its disk. Reads the spool only, also while the '
        'bridge runs; status 1 when a sample is unaccounted for, 2 when there is no spool that '
        'can be read. Without a place it looks where the bridge keeps its files by default.'
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument('file', nargs='?', type=Path, metavar='FILE', help='the spool itself')
    place.add_argument(
        '--params-file', type=Path, metavar='FILE', help="parameter YAML of the robot's bridge"
    )
    place.add_argument(
        '--state-dir', metavar='DIR', help="the bridge's state_dir; all spools in it are shown"
    )
    parser.add_argument('--robot', metavar='ID', help='robot id, where there are several')
    parser.add_argument('--json', action='store_true', help='print a JSON document')
    parser.add_argument(
        '--dead-letters', action='store_true', help='list what the broker has refused for good'
    )
    parser.add_argument(
        '--export',
        type=Path,
        metavar='FILE.mcap',
        help='write all that is on the disk, spooled and refused, to an MCAP file; with '
        '--dead-letters only what was refused. The spool stays as it is',
    )
    parser.add_argument(
        '--force', action='store_true', help='with --export: replace the file if it exists'
    )


def run(args: argparse.Namespace) -> int:
    """
    Show, list or export.

    :param args: the parsed arguments
    :returns: exit status; 1 when something is unaccounted for, or could not be exported
    :raises ConfigError: when an argument cannot be used
    :raises LocalFault: when a spool cannot be read
    """
    if args.force and args.export is None:
        raise ConfigError('force', 'only together with --export')
    if args.json and args.export is not None:
        raise ConfigError('json', 'not together with --export')
    spools = _spools(args)
    if args.export is not None:
        return _export(args, spools)
    if args.json:
        return _print_json(spools, dead_letters=args.dead_letters)
    status = 0
    for number, (path, robot_id) in enumerate(spools):
        with SpoolFile(path) as spool:
            if args.dead_letters:
                lines = dead_letter_lines(spool.dead_letters())
            else:
                state = spool.state()
                status |= int(not state.reckoning.adds_up)
                lines = report_lines(state)
            print(f'{chr(10) if number else ""}robot {clean(robot_id)}: {clean(str(path))}')
            for line in lines:
                print(line)
    return status


def _print_json(spools: list[tuple[Path, str]], *, dead_letters: bool) -> int:
    documents = []
    for path, robot_id in spools:
        with SpoolFile(path) as spool:
            document = {
                'robot_id': robot_id,
                'file': str(path),
                **state_document(spool.state()),
            }
            if dead_letters:
                document['dead'] = [dead_letter_document(b) for b in spool.dead_letters()]
            documents.append(document)
    print(json.dumps({'spools': documents}))
    return int(not all(document['adds_up'] for document in documents))


def _export(args: argparse.Namespace, spools: list[tuple[Path, str]]) -> int:
    # It alone needs the mcap library, which a robot need not have.
    from ros_cloud_bridge.cli.spool_export import export

    if len(spools) > 1:
        robots = ', '.join(clean(robot_id) for _, robot_id in spools)
        raise ConfigError('robot', f'must say which one to export of: {robots}')
    ((path, robot_id),) = spools
    with SpoolFile(path) as spool:
        summary, problems = export(
            spool, robot_id, args.export, dead_only=args.dead_letters, force=args.force
        )
    if summary:
        print(summary)
    for problem in problems:
        print(f'ros-cloud-bridge: {problem}', file=sys.stderr)
    return int(bool(problems))


def _spools(args: argparse.Namespace) -> list[tuple[Path, str]]:
    """Find the files that are meant, each with its robot's id."""
    if args.file is not None:
        return [(args.file, args.robot or _robot_of(args.file))]
    if args.params_file is not None:
        config = _config(args.params_file, args.robot)
        return [(spool_path(config), config.robot_id)]
    config = BridgeConfig(robot_id=args.robot or '', state_dir=args.state_dir or '')
    if args.robot:
        return [(spool_path(config), args.robot)]
    directory = state_directory(config)
    found = sorted(directory.glob(_PATTERN)) if directory.is_dir() else []
    if not found:
        raise LocalFault(f'{directory}: there is no {_PATTERN}; name a FILE or --state-dir')
    return [(path, _robot_of(path)) for path in found]


def _robot_of(path: Path) -> str:
    named = _NAME.fullmatch(path.name)
    return unquote(named.group(1)) if named else path.stem


def _config(path: Path, robot_id: str | None) -> BridgeConfig:
    from ros_cloud_bridge.cli.parameter_file import load_file
    from ros_cloud_bridge.core.config import is_foreign, read_config

    try:
        flat = {key: value for key, value in load_file(path).items() if not is_foreign(key)}
        if robot_id is not None:
            flat['robot_id'] = robot_id
        return read_config(flat)
    except ConfigError as error:
        raise ConfigError(str(path), str(error)) from None
