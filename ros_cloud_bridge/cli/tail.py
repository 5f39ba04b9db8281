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

"""``ros-cloud-bridge tail``: live samples as text or JSON lines."""

import argparse
from collections.abc import Callable
import json
import math
import os
import sys
import threading
import time

from ros_cloud_bridge.cli.consuming import (
    add_selection_arguments,
    LinkReporter,
    log_to_stderr,
    report_losses,
    say,
    state_text,
    stop_on_signals,
    topic_filter,
    wait,
)
from ros_cloud_bridge.cli.leasing import add_lease_arguments, Leasing
from ros_cloud_bridge.cli.mqtt_options import add_mqtt_arguments, mqtt_config
from ros_cloud_bridge.cli.quantities import moment_ns
from ros_cloud_bridge.cli.tail_lines import Chooser, json_lines, Render, ShortLines, text_lines
from ros_cloud_bridge.cli.tail_silence import Patience
from ros_cloud_bridge.cloud.consumer import Consumer
from ros_cloud_bridge.cloud.presence import RobotState
from ros_cloud_bridge.cloud.sample import Sample


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    add_selection_arguments(parser)
    parser.add_argument(
        '--since',
        type=moment_ns,
        default=0,
        metavar='TIME',
        help='leave out what was published before: how long ago (10min), ISO 8601 (UTC unless it '
        'says otherwise) or Unix seconds; by default latched values and backlogs are of any time',
    )
    parser.add_argument(
        '--max-hz',
        type=_rate,
        metavar='HZ',
        help='print at most so many samples a second of each topic, and say how many more came',
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        '--short',
        action='store_true',
        help='a line per sample, with what a dashboard would show of it, or with --fields',
    )
    shape.add_argument(
        '--json',
        action='store_true',
        help='one JSON object per line, complete; byte arrays are base64, '
        'and "NaN", "Infinity", "-Infinity" are strings',
    )
    parser.add_argument(
        '--cdr', action='store_true', help='with --json: add the serialized message, base64'
    )
    parser.add_argument(
        '--fields',
        action='append',
        default=[],
        metavar='PATTERN',
        help="show only these fields: dotted paths or globs, as in 'pose.pose.position'; "
        'repeatable',
    )
    parser.add_argument(
        '--state',
        action='store_true',
        help='print the coming and going of robots among the samples, not on stderr',
    )
    add_lease_arguments(parser)
    add_mqtt_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """
    Print samples until SIGINT, SIGTERM, enough of them, or the end of the time.

    :param args: the parsed arguments
    :returns: exit status; 1 when the broker was never connected
    :raises ConfigError: when an argument cannot be used
    """
    config = mqtt_config(args)
    wanted = topic_filter(args)
    link = LinkReporter(config)
    leasing = Leasing(args)
    log_to_stderr()
    with stop_on_signals() as stop:
        printer = _Printer(args, wanted, stop)
        patterns = [text for group in args.topic for text in group]
        patience = Patience(args.robot, patterns, wanted)

        def state(state: RobotState) -> None:
            leasing.state(state)
            printer.state(state)

        def sample(sample: Sample) -> None:
            if printer.sample(sample):
                patience.came()

        consumer = Consumer(
            config,
            sample,
            robots=args.robot,
            root=args.root,
            name=args.name,
            on_state=state,
            on_link=link,
        )
        leasing.begin(consumer)

        def look() -> None:
            leasing.tell()
            patience.tell(consumer)

        with consumer:
            wait(stop, args.seconds, look)
    if printer.broken:
        # Whoever read our output has gone; Python would complain as it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    report_losses(consumer, wanted)
    return link.exit_status()


class _Printer:
    """Writes lines until enough have been written or nobody reads them any more."""

    def __init__(
        self, args: argparse.Namespace, wanted: Callable[[str], bool], stop: threading.Event
    ) -> None:
        self._args = args
        self._chooser = Chooser(wanted, args.since, args.max_hz)
        self._stop = stop
        self._render: Render
        if args.json:
            self._render = json_lines(args.fields, cdr=args.cdr)
        elif args.short:
            self._render = ShortLines(args.fields)
        else:
            self._render = text_lines(args.fields)
        self._left = args.count
        self.broken = False

    def sample(self, sample: Sample) -> bool:
        """Print a sample if it is wanted; returns whether it is."""
        notes = None if self._stop.is_set() else self._chooser.notes(sample, time.monotonic())
        if notes is None:
            return False
        self._print(self._render(sample, time.time_ns(), notes))
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._stop.set()
        return True

    def state(self, state: RobotState) -> None:
        if not self._args.state:
            say(state_text(state))
        elif self._args.json:
            document = {
                'kind': 'state',
                'robot': state.robot_id,
                'state': 'online' if state.online else 'offline',
                'reason': state.reason,
                'boot_id': state.boot_id,
                'connection': state.connection,
                'retained': state.retained,
            }
            self._print(json.dumps(document, separators=(',', ':')))
        else:
            self._print(state_text(state))

    def _print(self, text: str) -> None:
        try:
            # A robot's text may hold characters that the terminal's encoding has not.
            encoding = sys.stdout.encoding or 'utf-8'
            print(text.encode(encoding, 'backslashreplace').decode(encoding), flush=True)
        except BrokenPipeError:
            self.broken = True
            self._stop.set()


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.001 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f'must be a rate from 0.001 Hz on, not {text!r}')
    return value
