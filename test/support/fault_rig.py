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

"""A robot with a bridge whose broker, link, disk and consumer fail as told."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
import itertools
import os
from pathlib import Path
import tempfile
import threading
import time
from types import TracebackType
from typing import Any

from .bridge_process import BridgeProcess
from .broker import Broker
from .fault_children import Publisher, Sink
from .fault_monitor import Monitor
from .fault_proxy import FaultProxy
from .fault_publisher import Load
from .fault_reckoning import Book, Reckoning
from .fault_recorder import RecorderSink
from .robots import parameters
from .waiting import wait_until

SINK = 'sink'
LOADS = (Load('events', 60.0, 300), Load('images', 4.0, 20_000))
PERSISTENCE = ('persistence true', 'autosave_on_changes true', 'autosave_interval 1')
# So that the broker itself drops nothing for a consumer that is slow.
_BROKER = ('max_queued_messages 0',)
_QUIET_S = 1.0
# Processes that are killed would leave their shared memory behind.
_DDS = {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4'}
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """
    What a scenario stands on.

    ``streams`` are merged into the policies of the durable streams, one per load and of the last
    part of its topic's name; ``further`` into the bridge's other parameters. With ``record``
    the consumer is ``record --confirm``.
    """

    seed: int = 1
    confirm: str = 'consumer'
    loads: tuple[Load, ...] = LOADS
    broker_lines: tuple[str, ...] = ()
    persistence: bool = False
    streams: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    further: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    keepalive_s: int = 5
    sink: Mapping[str, object] = field(default_factory=dict)
    record: bool = False


class Rig:
    """
    Broker, proxy, publisher, consumer and bridge, each a process but for the proxy.

    Starts all but the bridge. In the end everything is ended, and :meth:`reckon` has said what
    became of each sample.

    :param setup: what it is made of
    :param state_dir: where the bridge keeps its spool; a folder of the rig's own when left out
    """

    def __init__(self, setup: Setup, state_dir: Path | None = None) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix='faults-')
        self.folder = Path(self._directory.name)
        self.setup = setup
        self.tag = f'faults_{os.getpid()}_{next(_numbers)}'
        self.robot_id = self.tag.replace('_', '-')
        self.state_dir = state_dir or self.folder / 'state'
        self.loads = tuple(
            replace(load, topic=f'/{self.tag}/{load.topic}') for load in setup.loads
        )
        self.book = Book(setup.seed)
        self.book.ordered = not setup.record
        self.bridge: BridgeProcess | None = None
        self.boots = 0
        self._logs: list[str] = []
        self.publishers: list[Publisher] = []
        lines = [*_BROKER, *setup.broker_lines]
        if setup.persistence:
            (self.folder / 'broker').mkdir()
            lines += [*PERSISTENCE, f'persistence_location {self.folder / "broker"}/']
        self.broker = Broker(lines)
        self.proxy = FaultProxy((self.broker.host, self.broker.port))
        self.monitor = Monitor(self.broker, self.robot_id)
        options = {
            'host': self.broker.host,
            'port': self.broker.port,
            'robot': self.robot_id,
            'name': SINK,
            'confirm': setup.confirm == 'consumer',
            **setup.sink,
        }
        self.sink: Sink | RecorderSink = (
            RecorderSink(self.folder, options) if setup.record else Sink(self.folder, options)
        )

    def __enter__(self) -> 'Rig':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            print(f'--- the bridge said:\n{self.log()[-6000:]}')
            print(f'--- the consumer said:\n{self.sink.log()[-3000:]}')
        self.close()

    def close(self) -> None:
        """End every process, and remove all files."""
        self._end_bridge()
        self.sink.close()
        for publisher in self.publishers:
            publisher.close()
        self.monitor.close()
        self.proxy.close()
        self.broker.close()
        self._directory.cleanup()

    @property
    def publisher(self) -> Publisher:
        """The newest publisher."""
        return self.publishers[-1]

    @property
    def spool(self) -> Path:
        """The spool's file."""
        return self.state_dir / f'spool-{self.robot_id}.sqlite3'

    def log(self) -> str:
        """
        Read what the bridges have said.

        :returns: those of all boots, one after the other
        """
        now = self.bridge.log() if self.bridge is not None else ''
        return ''.join([*self._logs, now])

    def start_publisher(self) -> Publisher:
        """
        Start a publisher, beside those that run; it begins at once.

        :returns: the publisher
        """
        name = f'p{len(self.publishers)}'
        publisher = Publisher(self.folder, self.setup.seed, name, self.loads, _DDS)
        self.publishers.append(publisher)
        self.book.expect(name, self.loads)
        publisher.go()
        return publisher

    def parameters(self, **further: object) -> dict[str, object]:
        """
        Make the bridge's parameters.

        :param further: other keys
        :returns: what stands below ``ros__parameters``
        """
        streams: dict[str, dict[str, object]] = {}
        for load in self.loads:
            name = load.topic.rpartition('/')[2]
            policy: dict[str, object] = {
                'topics': [load.topic],
                'keep': 'durable',
                'confirm': self.setup.confirm,
                'qos_depth': 1000,
            }
            if self.setup.confirm == 'consumer':
                policy['confirm_by'] = SINK
            streams[name] = {**policy, **self.setup.streams.get(name, {})}
        made = parameters(
            self.proxy,
            self.robot_id,
            streams,
            mqtt={'keepalive_s': self.setup.keepalive_s, 'connect_timeout_s': 3.0},
            state_dir=str(self.state_dir),
            health_period_s=0.2,
        )
        for key, value in {**self.setup.further, **further}.items():
            known = made.get(key)
            if isinstance(known, dict) and isinstance(value, Mapping):
                made[key] = {**known, **value}
            else:
                made[key] = value
        return made

    def start_bridge(
        self, wait: bool = True, environment: Mapping[str, str] | None = None, **further: object
    ) -> BridgeProcess:
        """
        Start the bridge; the one before must have ended.

        :param wait: until it is connected
        :param environment: further environment variables
        :param further: other parameters
        :returns: the bridge
        """
        assert self.bridge is None
        self.boots += 1
        self.bridge = BridgeProcess(
            self.parameters(**further),
            environment={**_DDS, **self.setup.environment, **(environment or {})},
        )
        if wait:
            self.bridge.wait_for_log('connected to')
        return self.bridge

    def kill_bridge(self) -> None:
        """SIGKILL the bridge, and read what the spool holds."""
        assert self.bridge is not None
        self.bridge.kill()
        self._end_bridge()
        self.look()

    def stop_bridge(self) -> None:
        """End the bridge in good order, and read what the spool holds."""
        assert self.bridge is not None
        status = self.bridge.stop()
        log = self.bridge.log()
        self._end_bridge()
        assert status == 0, f'the bridge ended with {status}:\n{log[-3000:]}'
        self.look()

    def look(self) -> None:
        """Read the spool of a bridge that has ended, and what the consumer has."""
        if self.spool.exists():
            self.book.read_spool(self.spool)
        self.book.read_sink(self.sink.file)

    def published(self) -> int:
        """
        Count what all publishers have published.

        :returns: samples
        """
        return sum(publisher.published() for publisher in self.publishers)

    def figures(self, name: str) -> int:
        """
        Sum up what the bridges last said of their routes.

        :param name: as in ``accepted``
        :returns: over all boots, durable routes alone
        """
        return sum(
            int(route.get(name, 0))
            for health in list(self.monitor.health_of.values())
            for route in health['routes']
        )

    def wait_for_more(self) -> None:
        """Wait until the bridge says that it has received more; it must be connected."""
        before = self.figures('received')
        wait_until(lambda: self.figures('received') > before, 60.0, 'samples at the bridge')

    def drain(self, timeout_s: float = 90.0) -> None:
        """
        Publish no more, and wait until nothing is in the bridge and its spool.

        :param timeout_s: when to give up
        """
        for publisher in self.publishers:
            if publisher.process.running:
                publisher.pause()
        seen = [-1]

        def drained(health: Mapping[str, Any]) -> bool:
            received = sum(route['received'] for route in health['routes'])
            still, seen[0] = received == seen[0], received
            waiting = sum(
                route['queued'] + route['in_flight'] + route['not_yet_committed']
                for route in health['routes']
            )
            spool = health['spool']
            return still and not waiting and not spool['samples']

        self.monitor.wait_for_health(drained, timeout_s)

    def finish(self, drain: bool = True, timeout_s: float = 90.0) -> Reckoning:
        """
        Let everything drain, end everything, and reckon.

        :param drain: whether it can
        :param timeout_s: for draining
        :returns: the row
        """
        if drain:
            self.drain(timeout_s)
        if self.bridge is not None:
            self.stop_bridge()
        if drain and self.setup.confirm == 'consumer':
            self._wait_for_proof(timeout_s)
        else:
            self._wait_for_quiet()
        self.sink.stop()
        return self.reckon()

    def _wait_for_proof(self, timeout_s: float) -> None:
        """Start the bridge once more: it says of all boots before it that they are over."""
        self.start_bridge()

        def proven() -> bool:
            return set(self.book.settled_lanes()) <= self.sink.proven()

        try:
            wait_until(proven, timeout_s)
        except AssertionError:
            pass  # what is not proven is counted
        self.stop_bridge()

    def _wait_for_quiet(self) -> None:
        """Wait until the consumer has written what was on its way to it."""
        size, since = -1, time.monotonic()
        while time.monotonic() - since < _QUIET_S:
            now = self.sink.file.stat().st_size if self.sink.file.exists() else 0
            if now != size:
                size, since = now, time.monotonic()
            threading.Event().wait(0.05)

    def reckon(self) -> Reckoning:
        """
        Reckon; bridge and consumer have ended.

        :returns: the row
        """
        if isinstance(self.sink, RecorderSink):
            lanes = self.book.lanes.items()
            self.sink.convert({lane.stream: place for place, lane in lanes if lane.committed})
        self.look()
        incomplete = 0
        # Whoever does not confirm keeps no account of what is over.
        if self.sink.summaries and self.setup.confirm == 'consumer':
            losses = self.sink.summaries[-1]['losses']
            incomplete = self.book.hear(losses)
        return self.book.reckon(
            published=self.published(),
            received=self.figures('received'),
            accepted=self.figures('accepted'),
            incomplete=incomplete,
        )

    def _end_bridge(self) -> None:
        if self.bridge is not None:
            if not self.bridge.running:
                self._logs.append(self.bridge.log())
            self.bridge.close()
            self.bridge = None
