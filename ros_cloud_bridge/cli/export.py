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

"""``ros-cloud-bridge export``: recordings as Parquet or CSV tables."""

import argparse
from collections.abc import Callable
import fnmatch
from pathlib import Path
import re

from ros_cloud_bridge.cli.consuming import say, topic_filter
from ros_cloud_bridge.cli.quantities import moment_ns
from ros_cloud_bridge.cloud.consumer import printable
from ros_cloud_bridge.cloud.export import Exported, Exporter, robot_and_topic, TABLES
from ros_cloud_bridge.cloud.format import FieldFilter
from ros_cloud_bridge.cloud.mcap_messages import DamagedFile, read_messages, Source
from ros_cloud_bridge.errors import ConfigError, ProtocolError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    parser.description = (
        'Write a table per robot and topic from MCAP recordings, with a typed column per field. '
        'A recording that was cut off is exported up to there, with status 1.'
    )
    parser.add_argument(
        'files',
        nargs='+',
        type=Path,
        metavar='FILE.mcap',
        help='recordings, or folders of them; messages of one topic go into one table, in order',
    )
    parser.add_argument(
        '-o', '--output', type=Path, required=True, metavar='FOLDER', help='where tables go'
    )
    parser.add_argument('--format', choices=sorted(TABLES), default='parquet', help='(parquet)')
    parser.add_argument('--force', action='store_true', help='replace tables that exist')
    parser.add_argument(
        '--robot', default='*', metavar='GLOB', help='robot id or glob over robot ids (all)'
    )
    parser.add_argument(
        '--topic',
        action='append',
        nargs='+',
        default=[],
        metavar='PATTERN',
        help="ROS topic, glob such as '/camera*', or 're:' and a regular expression (all)",
    )
    parser.add_argument(
        '--fields',
        action='append',
        default=[],
        metavar='PATTERN',
        help="only these fields: dotted paths or globs, as in 'pose.pose.position'; repeatable",
    )
    parser.add_argument(
        '--since',
        type=moment_ns,
        default=0,
        metavar='TIME',
        help='from this time on: ISO 8601 (UTC unless it says otherwise), Unix seconds, or how '
        'long ago (10min, 2h), by when the robot received the message',
    )
    parser.add_argument(
        '--until', type=moment_ns, default=1 << 64, metavar='TIME', help='before this time'
    )


def run(args: argparse.Namespace) -> int:
    """
    Export.

    :param args: the parsed arguments
    :returns: exit status; 1 when something could not be read or written
    :raises ConfigError: when an argument cannot be used
    """
    files = _files(args.files)
    fields = FieldFilter(args.fields)

    def wanted_field(name: str) -> bool:
        path = tuple(name.split('.'))
        # Who names a message gets all its fields.
        return any(fields.takes(path[:length]) for length in range(1, len(path) + 1))

    exporter = Exporter(args.output, TABLES[args.format], wanted_field, replace=args.force)
    choice = _Choice(exporter, topic_filter(args), args.robot)
    status = 0
    try:
        for path in files:
            try:
                for entry in read_messages(path, choice.takes, args.since, args.until):
                    exporter.add(entry)
            except DamagedFile as error:
                say(printable(str(error)))
                status = 1
        tables = exporter.close()
    except OSError as error:
        exporter.discard()
        say(f'{error.filename or args.output}: {error.strerror or error}')
        return 1
    except KeyboardInterrupt:
        exporter.discard()
        raise
    _print_table(tables)
    return max(status, choice.status, int(not tables))


class _Choice:
    """Says which channels are wanted, and why others cannot be had, once each."""

    def __init__(self, exporter: Exporter, wanted: Callable[[str], bool], robots: str) -> None:
        self._exporter = exporter
        self._wanted = wanted
        self._robots = re.compile(fnmatch.translate(robots)).fullmatch
        self._refused: set[str] = set()
        self.status = 0

    def takes(self, source: Source) -> bool:
        robot_id, topic = robot_and_topic(source)
        if not self._wanted(topic) or not self._robots(robot_id):
            return False
        try:
            self._exporter.accept(source)
        except ProtocolError as error:
            if source.topic not in self._refused:
                self._refused.add(source.topic)
                say(printable(f'{source.topic}: {error}'))
            self.status = 1
            return False
        return True


def _files(given: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in given:
        found = sorted(path.rglob('*.mcap')) if path.is_dir() else [path]
        if not found:
            raise ConfigError('files', f'{path} holds no *.mcap')
        files += found
    return files


def _print_table(tables: list[Exported]) -> None:
    rows = [
        (printable(table.robot_id), printable(table.topic), str(table.rows), str(table.path))
        for table in sorted(tables, key=lambda table: str(table.path))
    ]
    heads = ('robot', 'topic', 'rows', 'file')
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(3)]
    for robot, topic, count, path in [heads, *rows]:
        print(f'{robot:<{widths[0]}}  {topic:<{widths[1]}}  {count:>{widths[2]}}  {path}')
    for table in tables:
        if table.misfits:
            say(
                printable(
                    f'{table.robot_id} {table.topic}: {table.misfits} messages left out, for '
                    f'{table.type_name} does not fit them'
                )
            )
