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

"""``record -o FOLDER/``: when the next file begins, and what the folder may hold."""

import argparse
from pathlib import Path
import resource

from ros_cloud_bridge.cli.consuming import say
from ros_cloud_bridge.cli.quantities import BYTES, quantity, SECONDS
from ros_cloud_bridge.cloud.archive import mend_folder, Rotation
from ros_cloud_bridge.cloud.mending import MendError
from ros_cloud_bridge.errors import ConfigError

_BY_ROBOT = 'robot'


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add how a recording is split into files.

    :param parser: the subcommand's parser
    """
    parser.add_argument(
        '--split',
        action='append',
        default=[],
        metavar='WHEN',
        help='record into FOLDER/{robot}/{robot}_{UTC start}.mcap, a file per robot, and begin '
        "another after a time (30s, 10min, 1h, 1d) or size (500MB), or with 'robot' only when the "
        'recording begins again; repeatable. A folder as -o, or one that ends in /, means robot',
    )
    parser.add_argument(
        '--keep',
        metavar='SIZE',
        help='delete the oldest finished files of the folder when it holds more than this (50GB), '
        'confirmed or not; by default nothing is deleted',
    )


def in_folder(args: argparse.Namespace) -> bool:
    """
    Say whether a recording goes into a folder.

    :param args: parsed arguments
    :returns: whether it does
    """
    return bool(args.split or args.output.is_dir() or args.to_folder)


def rotation(args: argparse.Namespace) -> Rotation:
    """
    Read the arguments.

    :param args: parsed arguments
    :returns: when files change
    :raises ConfigError: when they cannot be used
    """
    seconds: float | None = None
    size: int | None = None
    for text in args.split:
        if text == _BY_ROBOT:
            continue
        value = quantity(text, SECONDS) or quantity(text, BYTES)
        if value is None:
            raise ConfigError(
                '--split', f"{text!r} is neither a time (10min) nor a size (500MB), nor 'robot'"
            )
        if quantity(text, SECONDS) is not None:
            seconds = value
        else:
            size = int(value)
    keep = None if args.keep is None else quantity(args.keep, BYTES)
    if args.keep is not None and keep is None:
        raise ConfigError('--keep', f'{args.keep!r} is no size such as 50GB')
    if args.keep is not None and not in_folder(args):
        raise ConfigError('--keep', 'is for a folder of recordings (-o FOLDER/)')
    if in_folder(args) and args.output.exists() and not args.output.is_dir():
        raise ConfigError('output', f'{args.output} is a file, not a folder')
    return Rotation(seconds=seconds, bytes=size, keep_bytes=None if keep is None else int(keep))


def make_folder(folder: Path) -> None:
    """
    Make the folder, and room for a file per robot.

    :param folder: where recordings go
    :raises ConfigError: when it cannot be made
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError('output', f'{folder}: {error.strerror}') from error
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def finish_earlier(folder: Path) -> None:
    """
    Finish the files of a recorder that was killed.

    :param folder: where recordings go
    """
    for path, found in mend_folder(folder):
        if isinstance(found, MendError):
            say(str(found))
        else:
            say_finished(path, found)


def say_finished(path: Path, messages: int) -> None:
    """
    Say that an earlier file has got its end.

    :param path: of the file
    :param messages: how many it holds
    """
    say(f'{path}: finished, with {messages} samples; its recorder had not come to that')
