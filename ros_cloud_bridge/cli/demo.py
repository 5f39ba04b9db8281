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

"""``ros-cloud-bridge demo``: the whole way on one machine, and a proof that everything arrived."""

import argparse
from collections.abc import Callable
from contextlib import ExitStack
import json
from pathlib import Path
import signal
import sys
import tempfile
import threading
import time
from types import FrameType

from ros_cloud_bridge.cli.demo_commands import channel_parameters, how_to, operators_directory
from ros_cloud_bridge.cli.demo_page import DEFAULT_PORT, start_page
from ros_cloud_bridge.cli.demo_parameters import bridge_parameters, REDUCED, usable
from ros_cloud_bridge.cli.demo_processes import (
    command_line,
    free_domain,
    free_port,
    Process,
    start_broker,
)
from ros_cloud_bridge.cli.demo_report import Arrivals, notes, table
from ros_cloud_bridge.cloud.consumer import Consumer
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.errors import ConfigError, LocalFault
from ros_cloud_bridge.journal import read_journal
from ros_cloud_bridge.values import MqttConfig

ROBOT_ID = 'demo'
_START_S = 40.0
_SETTLE_S = 30.0
_DEFAULT_HEADLESS_S = 20.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the arguments.

    :param parser: the subcommand's parser
    """
    parser.add_argument(
        '--headless', action='store_true', help='print the summary alone, end by itself'
    )
    parser.add_argument('--seconds', type=_positive, metavar='N', help='how long the robot runs')
    parser.add_argument(
        '--recording', type=Path, metavar='FILE.mcap', help='play this instead of the rover'
    )
    parser.add_argument(
        '--commands',
        type=Path,
        metavar='DIR',
        help="keep operators' public keys, the robot's key and the audit file in DIR; left out, "
        'the rover can be commanded unless --headless, and forgets it all at the end',
    )
    parser.add_argument(
        '--page-port',
        type=int,
        default=DEFAULT_PORT,
        metavar='N',
        help='where the page is served unless --headless (%(default)s)',
    )
    parser.add_argument(
        '--port', type=int, metavar='N', help="the broker's; a free one when left out"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        '--params-file', type=Path, metavar='FILE', help='bridge with this YAML instead'
    )
    how.add_argument(
        '--raw', action='store_true', help='without reducers: all is sent as it is published'
    )


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f'must be a number above 0, not {text!r}')
    return value


def _check_recording(path: Path) -> None:
    from ros_cloud_bridge.ros.player.recording import Recording

    # Here it costs a moment; the player would say it after the bridge has started.
    with Recording(path) as recording:
        if not recording.tracks:
            raise LocalFault(f'{path}: holds no topic')


def run(args: argparse.Namespace) -> int:
    """
    Run the demonstration.

    :param args: parsed arguments
    :returns: 0 only if every accepted sample arrived byte-identical or was reported as dropped
    :raises LocalFault: when a part of it does not start
    """
    for path in (args.recording, args.params_file):
        if path is not None and not path.is_file():
            raise LocalFault(f'{path}: no such file')
    if args.commands is not None and (args.recording or args.params_file):
        raise ConfigError('--commands', "is for the rover and the demo's own configuration alone")
    if args.recording is not None:
        _check_recording(args.recording)
    interrupted = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupted.set()

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    status = 1
    with tempfile.TemporaryDirectory(prefix='rcb-demo-') as folder, ExitStack() as stack:
        status = _Demo(args, Path(folder), stack, interrupted).run()
    return status


class _Demo:
    def __init__(
        self,
        args: argparse.Namespace,
        folder: Path,
        stack: ExitStack,
        interrupted: threading.Event,
    ) -> None:
        self._args = args
        self._folder = folder
        self._stack = stack
        self._interrupted = interrupted
        self._arrivals = Arrivals()
        self._port = args.port or free_port()
        self._websockets_port = None if args.headless else free_port()
        self._page = ''
        self._commands: Path | None = args.commands
        own = args.recording is None and args.params_file is None
        if self._commands is None and own and not args.headless:
            # For the page: what can be seen there can be driven there.
            self._commands = folder / 'robot'
        self._domain = free_domain()
        self._counts = folder / 'counts.json'
        self._journal = folder / 'journal.jsonl'

    def run(self) -> int:
        broker = start_broker(self._folder, self._port, self._websockets_port)
        self._stack.callback(broker.stop)
        if self._websockets_port is not None:
            page, self._page = start_page(
                self._folder, self._websockets_port, self._args.page_port
            )
            self._stack.callback(page.stop)
        consumer = Consumer(
            MqttConfig(host='127.0.0.1', port=self._port), self._take, robots=ROBOT_ID
        )
        self._stack.enter_context(consumer)
        bridge = self._start_bridge()
        self._wait(lambda: ROBOT_ID in consumer.states, _START_S, 'the bridge to connect', bridge)
        robot = self._start_robot()
        self._say_hello()
        self._run_robot(robot, bridge)
        ended = time.time_ns()
        robot_status = robot.stop()
        settled = self._settle(consumer, bridge, ended)
        documents = consumer.decoder.robots[ROBOT_ID].documents
        bridge_status = bridge.stop()
        consumer.stop()
        self._arrivals.add_health(documents.get('health', {'routes': []}))
        self._arrivals.add_info(documents.get('info', {'routes': []}))
        self._arrivals.add_published(self._published())
        self._arrivals.compare(read_journal(self._journal))
        return self._report(consumer, robot, robot_status, bridge, bridge_status, settled)

    def _take(self, sample: Sample) -> None:
        self._arrivals.add(sample, time.time_ns())

    def _start_bridge(self) -> Process:
        parameters = self._args.params_file
        if parameters is None:
            parameters = self._folder / 'bridge.yaml'
            # What a recording holds is not known here.
            reducers = {} if self._args.raw or self._args.recording else usable(REDUCED)
            text = bridge_parameters(ROBOT_ID, self._port, reducers)
            if self._commands is not None:
                operators_directory(self._commands).mkdir(parents=True, exist_ok=True)
                text += channel_parameters(self._commands)
            parameters.write_text(text)
        overrides = (
            'mqtt.host:=127.0.0.1',
            f'mqtt.port:={self._port}',
            'health_period_s:=1.0',
            # The bridge's own statuses would stand among the robot's.
            'diagnostics_period_s:=0.0',
        )
        arguments = ['--params-file', str(parameters), '--robot-id', ROBOT_ID]
        for override in overrides:
            arguments += ['--param', override]
        arguments += ['--journal', str(self._journal)]
        bridge = Process('bridge', command_line('run', *arguments), self._folder, self._domain)
        self._stack.callback(bridge.stop)
        return bridge

    def _start_robot(self) -> Process:
        recording = self._args.recording
        if recording is None:
            arguments = ['robot', '--counts', str(self._counts)]
        else:
            arguments = ['play', str(recording), '--counts', str(self._counts)]
            arguments += ['--wait-for-subscribers', '20']
            arguments += ['--loop'] if self._args.seconds is not None else []
        robot = Process('robot', command_line(*arguments), self._folder, self._domain)
        self._stack.callback(robot.stop)
        return robot

    def _say_hello(self) -> None:
        what = self._args.recording or 'a simulated rover'
        print(
            f'robot: {what}, ROS_DOMAIN_ID={self._domain}; '
            f'bridge and broker on 127.0.0.1:{self._port}',
            flush=True,
        )
        if not self._args.headless:
            print(
                f'the page: {self._page}#/robots/{ROBOT_ID}\n'
                f'look in from another terminal: ros-cloud-bridge tail --port {self._port}\n'
                'Ctrl-C ends it.',
                flush=True,
            )
            if self._commands is not None:
                print(how_to(self._commands, ROBOT_ID, self._port), flush=True)

    def _run_robot(self, robot: Process, bridge: Process) -> None:
        seconds = self._args.seconds
        if seconds is None and self._args.headless and self._args.recording is None:
            seconds = _DEFAULT_HEADLESS_S
        self._wait(
            lambda: bool(self._arrivals.by_topic) or not robot.running, _START_S, 'samples', bridge
        )
        deadline = None if seconds is None else time.monotonic() + seconds
        while robot.running and not self._interrupted.is_set():
            bridge.check()
            left = 1.0 if deadline is None else deadline - time.monotonic()
            if left <= 0:
                break
            self._interrupted.wait(min(1.0, left))
            if not self._args.headless:
                self._print_progress()

    def _print_progress(self) -> None:
        figures = self._arrivals.by_topic
        samples = sum(entry.delivered for entry in figures.values())
        size = sum(entry.raw_bytes for entry in figures.values())
        print(
            f'\r{len(figures)} topics, {samples} samples, {size / 1e6:.1f} MB decoded',
            end='',
            flush=True,
        )

    def _settle(self, consumer: Consumer, bridge: Process, ended_ns: int) -> bool:
        """Wait until the bridge says that nothing waits any more, and all of it has arrived."""

        def settled() -> bool:
            health = consumer.decoder.robots[ROBOT_ID].documents.get('health', {})
            if health.get('time_ns', 0) <= ended_ns:
                return False
            routes = health['routes']
            delivered = sum(route['delivered'] for route in routes)
            arrived = sum(entry.delivered for entry in self._arrivals.by_topic.values())
            return arrived >= delivered and not any(
                route['queued'] or route['in_flight'] for route in routes
            )

        try:
            self._wait(settled, _SETTLE_S, 'the last samples', bridge)
        except LocalFault as error:
            print(f'\n{error}', file=sys.stderr)
            return False
        return True

    def _wait(
        self, condition: Callable[[], bool], timeout_s: float, what: str, bridge: Process
    ) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            bridge.check()
            if time.monotonic() >= deadline:
                raise LocalFault(f'waited {timeout_s:.0f} s for {what}:\n{bridge.tail()}')
            time.sleep(0.05)

    def _published(self) -> dict[str, int]:
        if not self._counts.exists():
            return {}
        counts = json.loads(self._counts.read_text())
        for topic, reason in counts.get('skipped', {}).items():
            print(f'\nnot played: {topic}: {reason}', end='')
        published: dict[str, int] = counts.get('published', counts)
        # Others log too, the bridge for one: the robot's own lines are not what was published.
        return {topic: count for topic, count in published.items() if topic != '/rosout'}

    def _report(
        self,
        consumer: Consumer,
        robot: Process,
        robot_status: int,
        bridge: Process,
        bridge_status: int,
        settled: bool,
    ) -> int:
        figures = self._arrivals.by_topic
        problems = []
        for process, status in ((robot, robot_status), (bridge, bridge_status)):
            if status != 0:
                problems.append(f'{process.name} ended with status {status}:\n{process.tail()}')
        if figures:
            print(f'\n{table(figures)}\n{notes(figures)}')
        problems += [
            f'{topic}: {entry.accepted} accepted, {entry.delivered} delivered, '
            f'{entry.identical} of them identical'
            for topic, entry in sorted(figures.items())
            if not entry.complete
        ]
        if not any(entry.accepted for entry in figures.values()):
            problems.append('no sample was accepted')
        if not settled:
            problems.append('samples still waited at the end')
        if consumer.counts.errors:
            problems.append(f'{consumer.counts.errors} messages broke the protocol')
        if 'rclpy' in sys.modules:
            problems.append('the decoder ran in a process with ROS')
        for problem in problems:
            print(f'FAILED: {problem}', file=sys.stderr)
        if not problems:
            accepted = sum(entry.accepted for entry in figures.values())
            print(f'OK: all {accepted} accepted samples arrived byte-identical, without ROS.')
        return 1 if problems else 0
