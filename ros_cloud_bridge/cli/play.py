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

"""``ros-cloud-bridge play``: publish an MCAP recording into ROS."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
import json
import math
import os
from pathlib import Path
import select
import signal
import sys
from typing import TYPE_CHECKING

from ros_cloud_bridge.core.selection import compile_pattern, TopicPattern
from ros_cloud_bridge.errors import LocalFault

if TYPE_CHECKING:
    from ros_cloud_bridge.ros.player.player import Player


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add what ``play`` understands.

    :param parser: the subcommand's parser
    """
    parser.add_argument('file', metavar='FILE.mcap', type=Path, help='recording to publish')
    parser.add_argument(
        '--rate', type=_factor, default=1.0, metavar='FACTOR', help='speed; 2 is twice as fast'
    )
    parser.add_argument(
        '--loop',
        type=_count,
        nargs='?',
        const=0,
        default=1,
        metavar='N',
        help='play N times; for ever without N',
    )
    parser.add_argument(
        '--topics',
        type=_pattern,
        action='append',
        default=[],
        metavar='PATTERN',
        help="publish only these topics: name, glob or 're:' and a regular expression; repeatable",
    )
    parser.add_argument(
        '--wait-for-subscribers',
        type=_seconds,
        default=0.0,
        metavar='SECONDS',
        help='begin when every topic has a subscriber, or after that time',
    )
    parser.add_argument(
        '--start-delay',
        type=_seconds,
        default=0.0,
        metavar='SECONDS',
        help='wait so long before the first message',
    )
    parser.add_argument(
        '--counts', type=Path, metavar='FILE', help='write what was published there as JSON'
    )


def run(args: argparse.Namespace) -> int:
    """
    Publish the recording.

    :param args: what :func:`add_arguments` has parsed
    :returns: 0, also after SIGINT or SIGTERM and when topics had to be skipped
    :raises LocalFault: if the recording is damaged or the counts cannot be written
    """
    import rclpy
    from rclpy.context import Context
    from rclpy.signals import SignalHandlerOptions

    from ros_cloud_bridge.ros.player.player import Player, PlayOptions
    from ros_cloud_bridge.ros.player.recording import Recording

    options = PlayOptions(
        rate=args.rate,
        loops=args.loop,
        topics=tuple(args.topics),
        wait_for_subscribers_s=args.wait_for_subscribers,
        start_delay_s=args.start_delay,
    )
    context = Context()
    with _Interruption() as interruption, Recording(args.file) as recording:
        rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
        try:
            node = rclpy.create_node(
                'ros_cloud_bridge_player',
                context=context,
                enable_rosout=False,
                start_parameter_services=False,
            )
            player = Player(recording, node, options, wait=interruption.wait, warn=_warn)
            with _reporting(player, args.counts):
                player.play()
            node.destroy_node()
        finally:
            context.try_shutdown()
    return 0


class _Interruption:
    """
    SIGINT and SIGTERM as something to wait for.

    A pipe wakes the waiting ``select`` at once. An Event must not be set by a handler: that may
    interrupt its own ``wait`` while it holds the Event's lock.
    """

    def __enter__(self) -> '_Interruption':
        self._read, self._write = os.pipe()
        self._before = {
            number: signal.signal(number, lambda *_: os.write(self._write, b'!') and None)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)

    def wait(self, timeout_s: float) -> bool:
        """
        Sleep.

        :param timeout_s: how long at most
        :returns: whether a signal has come, now or before
        """
        return bool(select.select([self._read], [], [], timeout_s)[0])


@contextmanager
def _reporting(player: 'Player', counts: Path | None) -> Iterator[None]:
    """Tell what was published, also when playing fails."""
    try:
        yield
    finally:
        for topic, played in player.played.items():
            print(
                f'{topic}  {played.published} messages  {played.hz:.2f} Hz  {played.bytes} bytes'
            )
        if counts is not None:
            _write_counts(player, counts)


def _write_counts(player: 'Player', path: Path) -> None:
    report = {
        'published': {topic: played.published for topic, played in player.played.items()},
        'bytes': {topic: played.bytes for topic, played in player.played.items()},
        'skipped': player.skipped,
    }
    try:
        path.write_text(json.dumps(report, indent=2) + '\n')
    except OSError as error:
        raise LocalFault(f'{path}: cannot be written: {error.strerror}') from error


def _warn(line: str) -> None:
    print(f'ros-cloud-bridge play: {line}', file=sys.stderr, flush=True)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f'{text!r} is no number')
    return number


def _factor(text: str) -> float:
    number = _number(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not above 0')
    return number


def _seconds(text: str) -> float:
    number = _number(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f'{text!r} is below 0')
    return number


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number above 0')
    return int(text)


def _pattern(text: str) -> TopicPattern:
    try:
        return compile_pattern(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text!r} {error}') from error
