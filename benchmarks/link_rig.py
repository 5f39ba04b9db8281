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

"""One run: a link, a broker, a robot with one subject on it, and what was seen in the cloud."""

from collections.abc import Iterator
from contextlib import contextmanager, ExitStack
import json
import os
from pathlib import Path
import shutil
import sys
import threading
import time
from typing import Any

from link_load import encode
from link_record import Mark, Run
from link_scenarios import lead_topic, Phase, Scenario
from netns import CLOUD_ADDRESS, Link
from processes import HERE, Process

# The namespaces are this process's own, but a bridge's lock on robot id and broker is the host's.
BROKER_PORT = 10_000 + 3 * (os.getpid() % 15_000)
_PROXY_PORT = BROKER_PORT + 1
_GREEDY_PORT = BROKER_PORT + 2
SETTLE_S = 3.0
_SAMPLE_S = 0.1
_READY_S = 30.0
_FIRST_SAMPLE_S = 60.0
# More than a subject says before its first sample.
_SURELY_DATA_BYTES = 30_000
_QUIET_KBIT = 10_000.0


class Member(Process):
    """A process of a run, with its id."""

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def check(self) -> None:
        """End the benchmark when the process has ended."""
        if self._process.poll() is not None:
            raise SystemExit(f'a process has ended:\n{self._log.read_text()[-2000:]}')


class Rig:
    """
    What one run needs; :func:`measure` drives it.

    :param scenario: what happens
    :param subject: ``bridge``, ``bridge:ALGORITHM``, ``plain0`` or ``plain1``
    :param link: stands
    :param folder: where files go
    :param parameters: ``NAME:=VALUE`` for the bridge
    :param recordings: folder of recordings, for the pose
    """

    def __init__(
        self,
        scenario: Scenario,
        subject: str,
        link: Link,
        folder: Path,
        parameters: tuple[str, ...],
        recordings: Path,
    ) -> None:
        self._scenario = scenario
        self._subject = subject
        self._link = link
        self._folder = folder
        self._parameters = parameters
        self._recordings = recordings
        self._port = _PROXY_PORT if scenario.proxied else BROKER_PORT
        self._stack = ExitStack()
        self._publishers: dict[str, Member] = {}
        self._subjects: dict[str, Member] = {}
        self._proxy: Member | None = None
        self._greedy: tuple[Member, Member] | None = None
        self._broker_pid = 0
        self._sink: Member

    @contextmanager
    def up(self) -> Iterator[None]:
        """Start everything but a second robot, and end it all."""
        with self._stack:
            broker = self._member('cloud', self._broker(), 'broker', talks=False)
            _await_listener(broker, BROKER_PORT)
            self._broker_pid = broker.pid
            self._sink = self._child('cloud', 'link_sink.py', '127.0.0.1', str(BROKER_PORT))
            if self._scenario.proxied:
                address = (CLOUD_ADDRESS, str(_PROXY_PORT), '127.0.0.1', str(BROKER_PORT))
                delays = (str(self._scenario.delay_s), str(self._scenario.jitter_s))
                self._proxy = self._child('cloud', 'proxy.py', *address, *delays)
            if any(phase.begin_with == 'greedy' for phase in self._scenario.phases):
                place = (CLOUD_ADDRESS, str(_GREEDY_PORT))
                receiver = self._child('cloud', 'greedy.py', 'receive', *place)
                self._greedy = (receiver, self._child('robot', 'greedy.py', 'send'))
            for index, robot in enumerate(self._scenario.robots):
                if not self._scenario.load.recording:
                    load = (encode(self._scenario.load.published), str(self._recordings))
                    domain = self._domain(index)
                    self._publishers[robot] = self._child(
                        'robot', 'link_load.py', *load, ROS_DOMAIN_ID=domain
                    )
            self.start_robot(0)
            yield
            # Whatever a subject still wants to say should not take minutes.
            self._link.shape(_QUIET_KBIT)

    def start_robot(self, index: int) -> None:
        """
        Start a robot's subject and load, and wait until its pose arrives.

        :param index: in the scenario's robots
        """
        robot = self._scenario.robots[index]
        load = self._scenario.load
        environment = {'ROS_DOMAIN_ID': self._domain(index)}
        self._subjects[robot] = self._start_subject(robot, environment)
        lead = lead_topic(load)
        if load.recording:
            command = [sys.executable, '-m', 'ros_cloud_bridge', 'play', str(load.recording)]
            command += ['--loop', '--wait-for-subscribers', '20']
            for topic, _ in load.topics:
                command += ['--topics', topic]
            self._member('robot', command, 'play', talks=False, **environment)
        else:
            if not self._publishers[robot].ask('match')['matched']:
                raise SystemExit(f'{self._subject} does not subscribe:\n{self._read_log()}')
            # The light part first: who is not connected yet should not begin with a backlog.
            self._publishers[robot].ask('start', names=[lead])
        self._await_sample(robot, lead)
        if not load.recording:
            rest = [topic.name for topic in load.published if topic.name != lead]
            self._publishers[robot].ask('start', names=rest)

    def _await_sample(self, robot: str, topic: str) -> None:
        sent_bytes = self._link.sent().sent_bytes
        deadline = time.monotonic() + _FIRST_SAMPLE_S
        while time.monotonic() < deadline:
            self._subjects[robot].check()
            answer = self._sink.ask('wait', robot_id=robot, topic=topic, timeout_s=0.2)
            if answer['came']:
                return
            # A recording's first message may be larger than the link carries in a minute.
            if self._scenario.load.recording and self._link.sent().sent_bytes >= (
                sent_bytes + _SURELY_DATA_BYTES
            ):
                return
        said = answer['errors'] or self._read_log()
        raise SystemExit(f'nothing arrives through {self._subject}:\n{said}')

    def begin(self, phase: Phase) -> None:
        """
        Start what a phase begins with.

        :param phase: it
        """
        if phase.begin_with == 'second':
            self.start_robot(1)
        elif phase.begin_with == 'greedy' and self._greedy is not None:
            self._greedy[1].ask('start', host=CLOUD_ADDRESS, port=_GREEDY_PORT)

    def stall(self, seconds: float) -> None:
        """
        Let the proxy forward nothing.

        :param seconds: how long
        """
        if self._proxy is not None:
            self._proxy.ask('stall', seconds=seconds)

    def mark(self) -> Mark:
        """
        Read all counters.

        :returns: them
        """
        for subject in self._subjects.values():
            subject.check()
        sent = self._link.sent()
        handed = None
        if self._subject.startswith('plain'):
            handed = sum(s.ask('handed')['bytes'] for s in self._subjects.values())
        return Mark(
            time_ns=time.time_ns(),
            sent_bytes=sent.sent_bytes,
            dropped_packets=sent.dropped_packets,
            cpu_s=sum(subject.cpu_s() for subject in self._subjects.values()),
            handed_bytes=handed,
        )

    def sample(self) -> tuple[int, int, int]:
        """
        Read what can be read often.

        :returns: as in :attr:`Run.usage`
        """
        # Of the namespaces: any process in them will do. What has left the shaper comes in there.
        cloud = Path(f'/proc/{self._broker_pid}/net')
        robot = Path(f'/proc/{next(iter(self._subjects.values())).pid}/net')
        left = 0
        for line in (cloud / 'dev').read_text().splitlines():
            name, _, counters = line.partition(':')
            if name.strip() == 'uplink':
                left = int(counters.split()[0])
        waiting = 0
        for line in (robot / 'tcp').read_text().splitlines()[1:]:
            columns = line.split()
            if int(columns[2].partition(':')[2], 16) == self._port:
                waiting += int(columns[4].partition(':')[0], 16)
        return time.time_ns(), left, waiting

    def collect(self, run: Run) -> None:
        """
        Fetch what was seen.

        :param run: where it goes
        """
        seen = self._sink.ask('collect')
        run.samples = [tuple(sample) for sample in seen['samples']]
        run.messages = [tuple(message) for message in seen['messages']]
        run.health = [tuple(health) for health in seen['health']]
        run.errors = seen['errors']
        if self._greedy is not None:
            run.greedy = [tuple(entry) for entry in self._greedy[0].ask('collect')['arrived']]
        names = [topic.name for topic in self._scenario.load.published]
        if self._publishers:
            run.published = {}
        for robot, publisher in self._publishers.items():
            log = publisher.ask('stop')['published']
            assert run.published is not None
            run.published[robot] = [(names[index], at, size) for index, at, size in log]

    def _start_subject(self, robot: str, environment: dict[str, str]) -> Member:
        load = self._scenario.load
        if self._subject.startswith('plain'):
            spec = {
                'host': CLOUD_ADDRESS,
                'port': self._port,
                'qos': int(self._subject[-1]),
                'robot_id': robot,
                'topics': load.topics,
            }
            return self._child('robot', 'link_peer.py', json.dumps(spec), **environment)
        parameters: dict[str, Any] = {**load.parameters, 'robot_id': robot}
        parameters['mqtt'] = {'host': CLOUD_ADDRESS, 'port': self._port}
        algorithm = self._subject.partition(':')[2]
        link = dict(parameters.pop('link', {}))
        if algorithm:
            link['algorithm'] = algorithm
        # ROS takes no empty section.
        if link:
            parameters['link'] = link
        path = self._folder / f'{robot}.yaml'
        # JSON is YAML.
        path.write_text(json.dumps({'/**': {'ros__parameters': parameters}}))
        command = [sys.executable, '-m', 'ros_cloud_bridge', 'run', '--params-file', str(path)]
        for parameter in self._parameters:
            command += ['--param', parameter]
        return self._member('robot', command, 'subject', talks=False, **environment)

    def _broker(self) -> list[str]:
        path = f'{os.environ.get("PATH", "")}:/usr/sbin:/usr/local/sbin'
        program = shutil.which('mosquitto', path=path)
        if program is None:
            raise SystemExit('mosquitto is not installed')
        lines = [f'listener {BROKER_PORT}', 'allow_anonymous true', 'set_tcp_nodelay true']
        # Else it changes to a user that may not exist.
        lines.append('user root')
        config = self._folder / 'mosquitto.conf'
        config.write_text('\n'.join(lines) + '\n')
        return [program, '-c', str(config)]

    def _child(self, side: str, script: str, *arguments: str, **environment: str) -> Member:
        command = [sys.executable, str(HERE / script), *arguments]
        name = 'subject' if script == 'link_peer.py' else Path(script).stem
        return self._member(side, command, name, talks=True, **environment)

    def _member(
        self, side: str, command: list[str], name: str, talks: bool, **environment: str
    ) -> Member:
        arguments = self._link.inside(side, command, **environment)
        member = Member(arguments, self._folder / f'{name}.log', talks=talks)
        self._stack.enter_context(member)
        return member

    @staticmethod
    def _domain(index: int) -> str:
        return str(int(os.environ['ROS_DOMAIN_ID']) + index)

    def _read_log(self) -> str:
        path = self._folder / 'subject.log'
        return path.read_text()[-2000:] if path.exists() else ''


def measure(
    scenario: Scenario,
    subject: str,
    link: Link,
    folder: Path,
    parameters: tuple[str, ...] = (),
    recordings: Path = Path(),
) -> Run:
    """
    Let one subject go through one scenario.

    :param scenario: it
    :param subject: what is measured
    :param link: stands, at the rate of the first phase
    :param folder: where files go
    :param parameters: ``NAME:=VALUE`` for the bridge
    :param recordings: folder of recordings, for the pose
    :returns: what was seen
    """
    rig = Rig(scenario, subject, link, folder, parameters, recordings)
    run = Run(scenario=scenario, subject=subject, offloads_left=link.offloads_left)
    with rig.up():
        stopped = threading.Event()

        def watch() -> None:
            while not stopped.wait(_SAMPLE_S):
                try:
                    run.usage.append(rig.sample())
                except OSError:
                    # The subject has ended, which the next mark says.
                    return

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            for phase in scenario.phases:
                run.marks.append(_go_through(rig, link, phase))
        finally:
            stopped.set()
            watcher.join()
        rig.collect(run)
    return run


def _go_through(rig: Rig, link: Link, phase: Phase) -> tuple[Mark, Mark, Mark]:
    link.shape(phase.rate_kbit)
    rig.begin(phase)
    start = time.monotonic()
    first = rig.mark()
    settle_s = min(SETTLE_S, phase.seconds / 2)
    settled: list[Mark] = []
    # What to do when, in the order of time.
    plan: list[tuple[float, Any]] = [(settle_s, lambda: settled.append(rig.mark()))]
    plan += [(at, lambda length=length: rig.stall(length)) for at, length in phase.stalls]
    for at, act in sorted(plan, key=lambda entry: entry[0]):
        time.sleep(max(0.0, start + at - time.monotonic()))
        act()
    time.sleep(max(0.0, start + phase.seconds - time.monotonic()))
    return first, settled[0], rig.mark()


def _await_listener(process: Member, port: int) -> None:
    deadline = time.monotonic() + _READY_S
    wanted = f':{port:04X}'
    while time.monotonic() < deadline:
        process.check()
        lines = Path(f'/proc/{process.pid}/net/tcp').read_text().splitlines()[1:]
        # 0A: listening. Asked so, no connection disturbs what is measured.
        if any(line.split()[1].endswith(wanted) and line.split()[3] == '0A' for line in lines):
            return
        time.sleep(0.02)
    raise SystemExit('mosquitto does not listen')
