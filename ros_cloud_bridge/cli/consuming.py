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

"""What ``tail`` and ``record`` share: selection, ends, and what they say on stderr."""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import logging
import math
import signal
import sys
import threading
import time

from ros_cloud_bridge.cloud.consumer import Consumer, printable
from ros_cloud_bridge.cloud.link_story import LinkStory
from ros_cloud_bridge.cloud.presence import RobotState
from ros_cloud_bridge.core.selection import compile_pattern
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.values import MqttConfig

_POLL_S = 0.5


def add_selection_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add which samples are wanted, and how many.

    :param parser: a subcommand's parser
    """
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
    parser.add_argument('-n', '--count', type=_count, metavar='N', help='end after N samples')
    parser.add_argument('--seconds', type=_seconds, metavar='S', help='end after S seconds')


def topic_filter(args: argparse.Namespace) -> Callable[[str], bool]:
    """
    Make a predicate of the ``--topic`` arguments.

    :param args: parsed arguments
    :returns: says whether a ROS topic is wanted
    :raises ConfigError: for an invalid pattern
    """
    patterns = []
    for text in (text for group in args.topic for text in group):
        try:
            patterns.append(compile_pattern(text))
        except ValueError as error:
            raise ConfigError('topic', f'{text!r} {error}') from None
    return lambda topic: not patterns or any(pattern.matches(topic) for pattern in patterns)


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """
    Turn SIGINT and SIGTERM into an event.

    :yields: the event
    """
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait(
    stop: threading.Event, seconds: float | None, each_turn: Callable[[], None] | None = None
) -> None:
    """
    Wait for the end.

    :param stop: set by a signal, or when enough has come
    :param seconds: end after this long; None for no limit
    :param each_turn: called about twice a second
    """
    deadline = time.monotonic() + (math.inf if seconds is None else seconds)
    while not stop.is_set():
        left = deadline - time.monotonic()
        if left <= 0:
            return
        # In turns also without anything to do: some platforms deliver no signal while one waits.
        stop.wait(min(_POLL_S, left))
        if each_turn is not None:
            each_turn()


def log_to_stderr() -> None:
    """Let what this package logs look like all else that is said to the user."""
    logging.basicConfig(format='ros-cloud-bridge: %(message)s', level=logging.WARNING)


def say(text: str) -> None:
    """
    Say something to the user, beside the output.

    :param text: one line
    """
    print(f'ros-cloud-bridge: {text}', file=sys.stderr, flush=True)


def state_text(state: RobotState) -> str:
    """
    Word a robot's coming or going.

    :param state: what has become of it
    :returns: as in ``rover is online (birth)``
    """
    word = 'online' if state.online else 'offline'
    return printable(f'{state.robot_id} is {word} ({state.reason})')


class LinkReporter(LinkStory):
    """
    Says what becomes of the broker connection, once per change.

    :param config: names the broker
    """

    def __init__(self, config: MqttConfig) -> None:
        super().__init__(config, say)

    def exit_status(self) -> int:
        """
        Say so if the broker was never reached; call it after the consumer's end.

        :returns: 0 if the broker has accepted us at least once, else 1
        """
        if self.was_connected:
            return 0
        say(f'was never connected to {self._place}')
        return 1


def report_losses(
    consumer: Consumer, wanted: Callable[[str], bool], *, durable_too: bool = True
) -> None:
    """
    Say what did not arrive, per route, and what was dropped on this side.

    :param consumer: a stopped consumer
    :param wanted: says whether a ROS topic was asked for
    :param durable_too: say as well what is missing of durable routes
    """
    losses = consumer.decoder.losses()
    boots = Counter(robot_id for robot_id, _ in {(e.robot_id, e.boot_id) for e in losses})
    for entry in losses:
        if not wanted(entry.topic):
            continue
        reported = ', '.join(f'{name} {count}' for name, count in entry.reported.items() if count)
        which = f' (boot {entry.boot_id})' if boots[entry.robot_id] > 1 else ''
        if reported or (entry.missing and (durable_too or not entry.durable)):
            say(
                printable(
                    f'{entry.robot_id} {entry.topic}{which}: {entry.received} received, '
                    f'{entry.missing} missing ({entry.unexplained} unexplained), '
                    f'dropped on the robot: {reported or "none"}'
                )
            )
    counts = consumer.counts
    if counts.overflow_messages:
        say(f'{counts.overflow_messages} messages came faster than they could be handled')
    if counts.errors:
        say(f'{counts.errors} messages broke the protocol and were ignored')


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'must be a whole number from 1 on, not {text!r}')
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value <= 0.0:
        raise argparse.ArgumentTypeError(f'must be a number above 0, not {text!r}')
    return value
