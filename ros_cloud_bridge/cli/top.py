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

"""``ros-cloud-bridge top``: links, streams, ages and drops of robots, live in a terminal."""

import argparse
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import asdict
import io
import json
import math
import os
import select
import sys
import threading
import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ros_cloud_bridge.cli.consuming import LinkReporter, log_to_stderr, say, stop_on_signals
from ros_cloud_bridge.cli.mqtt_options import add_mqtt_arguments, mqtt_config
from ros_cloud_bridge.cli.top_screen import screen
from ros_cloud_bridge.cloud.consumer import Consumer, printable
from ros_cloud_bridge.cloud.overview import Overview
from ros_cloud_bridge.cloud.presence import RobotState
from ros_cloud_bridge.cloud.robot_view import RobotView
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.values import MqttConfig

# Longer than the default health_period_s.
_ONCE_S = 12.0
_TURN_S = 0.1
_SHOWN_NOTES = 2
_NOTE_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    parser.description = (
        'Show links, streams, rates, ages, drops and backlogs of robots, live; q or Ctrl-C ends. '
        'Rates and ages are those of what arrives here, over the last 10 s; all else is what '
        "robots say in 'health', every health_period_s of theirs."
    )
    parser.add_argument(
        '--robot', default='*', metavar='GLOB', help='robot id or glob over robot ids (all)'
    )
    parser.add_argument(
        '--once',
        action='store_true',
        help='listen for a while, print once and end; status 1 when there was no robot',
    )
    parser.add_argument('--json', action='store_true', help='with --once: print a JSON document')
    parser.add_argument(
        '--seconds',
        type=_seconds,
        metavar='S',
        help=f'end after S seconds ({_ONCE_S:g} with --once)',
    )
    parser.add_argument(
        '--interval', type=_seconds, default=1.0, metavar='S', help='draw every S seconds (1)'
    )
    add_mqtt_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """
    Show robots until SIGINT, SIGTERM, ``q`` or the end of the time.

    :param args: the parsed arguments
    :returns: exit status; 1 when the broker was never connected, or with ``--once`` no robot came
    :raises ConfigError: when an argument cannot be used
    """
    if args.json and not args.once:
        raise ConfigError('json', 'only together with --once')
    config = mqtt_config(args)
    link = LinkReporter(config)
    # A name from the wire may hold characters that the output's encoding has not.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors='backslashreplace')
    console = Console(highlight=False, markup=False, emoji=False)
    with stop_on_signals() as stop:
        watch = _Watch(args, config, link)
        if args.once:
            return _once(args, console, watch, stop)
        if console.is_terminal and not console.is_dumb_terminal:
            return _live(args, console, watch, stop)
        return _scroll(args, console, watch, stop)


class _Watch:
    """A consumer, and what it has seen; the consumer's thread writes and ours reads."""

    def __init__(self, args: argparse.Namespace, config: MqttConfig, link: LinkReporter) -> None:
        self.place = f'{config.host}:{config.effective_port}'
        self.link = link
        self._overview = Overview()
        self._lock = threading.Lock()
        self._shown: dict[str, dict[str, Any]] = {}
        self.consumer = Consumer(
            config,
            self._sample,
            robots=args.robot,
            root=args.root,
            on_state=self._state,
            on_link=link,
        )

    def look(self) -> None:
        """Take in the ``health`` that has come since."""
        for robot_id, robot in self.consumer.decoder.robots.items():
            # A document is replaced as a whole, never changed.
            document = robot.documents.get('health')
            if document is not None and document is not self._shown.get(robot_id):
                self._shown[robot_id] = document
                with self._lock:
                    now = time.monotonic()
                    self._overview.add_health(robot_id, document, now, time.time_ns())

    def views(self) -> list[RobotView]:
        """Show what is known now, the sickest robot first."""
        with self._lock:
            return self._overview.robots(time.monotonic())

    def _sample(self, sample: Sample) -> None:
        with self._lock:
            self._overview.add_sample(sample, time.monotonic(), time.time_ns())

    def _state(self, state: RobotState) -> None:
        with self._lock:
            self._overview.add_state(state, time.monotonic())


def _once(args: argparse.Namespace, console: Console, watch: _Watch, stop: threading.Event) -> int:
    log_to_stderr()
    with watch.consumer:
        for _ in _turns(stop, args.seconds or _ONCE_S, math.inf):
            watch.look()
    watch.look()
    views = watch.views()
    status = watch.link.exit_status()
    if args.json:
        print(json.dumps({'robots': [_document(view) for view in views]}))
    elif views:
        _print(console, views, watch)
    if not views and not status:
        say(f'no robot was seen at {watch.place}')
    return status or int(not views)


def _scroll(
    args: argparse.Namespace, console: Console, watch: _Watch, stop: threading.Event
) -> int:
    """Print again and again, for a file or a pipe."""
    log_to_stderr()
    with watch.consumer:
        for due in _turns(stop, args.seconds, args.interval):
            watch.look()
            if due:
                _print(console, watch.views(), watch)
                print(flush=True)
    return watch.link.exit_status()


def _live(args: argparse.Namespace, console: Console, watch: _Watch, stop: threading.Event) -> int:
    notes = _Notes()
    # Whatever is said meanwhile would break the picture; it is shown in it instead.
    with redirect_stderr(notes):
        log_to_stderr()
        with watch.consumer, _keys() as keys, _canvas(console) as live:
            for due in _turns(stop, args.seconds, args.interval, keys):
                watch.look()
                if due:
                    views = watch.views()
                    top = _top_line(views, watch, notes.latest())
                    # The last line stays free: some terminals scroll when it is written to.
                    live.update(screen(views, top, console, console.height - 1), refresh=True)
        status = watch.link.exit_status()
    for line in notes.lines:
        print(line, file=sys.stderr)
    return status


def _print(console: Console, views: list[RobotView], watch: _Watch) -> None:
    with console.capture() as captured:
        console.print(screen(views, _top_line(views, watch), console, None))
    for line in captured.get().splitlines():
        # Tables fill their lines with blanks, of no use in a file.
        print(line.rstrip())


def _canvas(console: Console) -> Live:
    return Live(
        console=console,
        screen=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _turns(
    stop: threading.Event,
    limit_s: float | None,
    interval_s: float,
    keys: int | None = None,
) -> Iterator[bool]:
    """Come back ten times a second until the end, saying whether it is time to draw."""
    deadline = time.monotonic() + (math.inf if limit_s is None else limit_s)
    draw_at = -math.inf
    while not stop.is_set() and time.monotonic() < deadline:
        due = time.monotonic() >= draw_at
        if due:
            draw_at = time.monotonic() + interval_s
        yield due
        if keys is None:
            stop.wait(_TURN_S)
        elif select.select([keys], [], [], _TURN_S)[0]:
            # An empty read is the end of the terminal itself.
            if os.read(keys, 64)[:1] in (b'q', b'Q', b'\x04', b''):
                stop.set()


@contextmanager
def _keys() -> Iterator[int | None]:
    """Read single keys from the terminal while it is ours; gives its descriptor, or None."""
    import termios
    import tty

    try:
        keyboard = sys.stdin.fileno()
        ours = sys.stdin.isatty() and os.tcgetpgrp(keyboard) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        yield None
        return
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard)
    try:
        yield keyboard
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


class _Notes(io.StringIO):
    """Takes the place of stderr while the terminal shows a picture; keeps the last lines alone."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[tuple[float, str]] = deque(maxlen=20)

    @property
    def lines(self) -> list[str]:
        return [line for _, line in self._lines]

    def latest(self) -> list[str]:
        since = time.monotonic() - _NOTE_S
        return [line for said, line in self._lines if said >= since][-_SHOWN_NOTES:]

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                self._lines.append((time.monotonic(), line))
        return len(text)


def _top_line(views: list[RobotView], watch: _Watch, notes: list[str] | None = None) -> Text:
    connected = watch.consumer.connected
    online = sum(view.online is True for view in views)
    text = Text.assemble(
        (time.strftime('%H:%M:%S  '), ''),
        (printable(watch.place), 'bold'),
        f'  {online} of {len(views)} robots online',
    )
    if notes is not None and not connected:
        text.append('  not connected', 'red')
    for note in notes or ():
        text.append(f'\n{printable(note)}', 'yellow')
    return text


def _document(view: RobotView) -> dict[str, Any]:
    document = asdict(view)
    for stream, shown in zip(view.streams, document['streams'], strict=True):
        for route, entry in zip(stream.routes, shown['routes'], strict=True):
            entry['clock_differs'] = route.clock_differs
    if view.spool is not None:
        for backlog, entry in zip(view.spool.streams, document['spool']['streams'], strict=True):
            entry['closes_in_s'] = backlog.closes_in_s
    return document


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0.1:
        raise argparse.ArgumentTypeError(f'must be a number from 0.1 on, not {text!r}')
    return value
