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

"""The robot of a soak: durable, live and latched streams, and topics that come and go."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
import json
import os
from pathlib import Path
from typing import Any

from fault_base import ROOT

from support.bridge_process import BridgeProcess
from support.fault_children import Child, Publisher, Sink
from support.fault_publisher import Load, Tally
from support.fault_rig import Rig, Setup

# In the field; divided by the speed-up.
_TTL_S = 300.0
_FULL_BYTES = 400_000
DURABLE = (
    Load('events', 100.0, 200),
    Load('states', 80.0, 400),
    # Expires during the longer outages.
    Load('brief', 15.0, 300),
    # Has room on disk for some twenty seconds.
    Load('bulky', 6.0, 8000),
)
LIVE = (Load('camera', 20.0, 10_000), Load('scan', 20.0, 10_000))
LATCHED = Load('map', 0.2, 20_000)
VISITS = tuple(Load(f'visit_{number}', 20.0, 300) for number in range(8))
DURABLE_STREAMS = ('events', 'states', 'brief', 'bulky', 'visits')


class LoadPublisher(Publisher):
    """
    Publishes what is live, latched or of passage; see soak_load.py. Begins paused.

    :param folder: where its files go
    :param seed: of the soak
    :param loads: live ones, the latched one and the visits, in this order
    """

    def __init__(self, folder: Path, seed: int, loads: Iterable[Load]) -> None:
        self.name = 'load'
        self.loads = tuple(loads)
        record = folder / 'published-load'
        self._tally = Tally(record)
        arguments = [str(record), str(seed), *map(str, self.loads)]
        program = str(ROOT / 'benchmarks' / 'soak_load.py')
        self.process = Child([program, *arguments], folder / 'publisher-load.log')
        assert self.process.answer() == 'ready'


class SoakSink(Sink):
    """The consumer, see soak_sink.py; may be killed and started again."""

    def start(self, **further: object) -> None:
        """
        Start it, and wait until it is connected.

        :param further: options for this life alone
        """
        options = {
            **self._options,
            'file': str(self.file),
            'ledger': str(self.ledger),
            'life': self.starts,
            'streams': DURABLE_STREAMS,
            **further,
        }
        self.starts += 1
        program = str(ROOT / 'benchmarks' / 'soak_sink.py')
        self.process = Child([program, json.dumps(options)], self._folder / 'sink.log')
        assert self.process.answer() == 'ready', self.log()


class SoakRig(Rig):
    """
    The rig of the fault scenarios, with more streams and a wall clock that can jump.

    :param seed: of the texts
    :param speed_up: divides the time to live
    :param confirm: whose word counts for durable samples
    """

    def __init__(self, seed: int, speed_up: float, confirm: str = 'consumer') -> None:
        streams = {
            'states': {'backlog_order': 'newest_first'},
            'brief': {'ttl_s': _TTL_S / speed_up},
            'bulky': {'spool_bytes': _FULL_BYTES, 'when_full': 'thin'},
        }
        further = {'health_period_s': 1.0, 'spool': {'max_bytes': 256_000_000}}
        setup = Setup(
            seed=seed,
            confirm=confirm,
            loads=DURABLE,
            persistence=True,
            streams=streams,
            further=further,
        )
        super().__init__(setup)
        self.sink = SoakSink(self.folder, self.sink._options)
        self._drained: list[dict[str, Any]] = []
        self._shift = self.folder / 'shift'
        self.shift_clock(0)

    @property
    def running(self) -> BridgeProcess:
        """The bridge."""
        assert self.bridge is not None
        return self.bridge

    def start(self) -> None:
        """Start consumer, bridge and publishers."""
        self.sink.start()
        path = f'{ROOT / "test" / "support" / "fault_clock"}:{os.environ.get("PYTHONPATH", "")}'
        self.start_bridge(
            environment={'PYTHONPATH': f'{ROOT}:{path}', 'RCB_FAULT_CLOCK': str(self._shift)}
        )
        loads = [self._placed(load) for load in (*LIVE, LATCHED, *VISITS)]
        load = LoadPublisher(self.folder, self.setup.seed, loads)
        self.publishers.append(load)
        self.book.expect(load.name, loads)
        load.go()
        self.start_publisher()

    def shift_clock(self, seconds: int) -> None:
        """
        Set the bridge's wall clock.

        :param seconds: how far it is off
        """
        beside = self._shift.with_name('shift-new')
        beside.write_text(str(seconds))
        beside.rename(self._shift)

    def parameters(self, **further: object) -> dict[str, object]:
        """
        Make the bridge's parameters.

        :param further: other keys
        :returns: what stands below ``ros__parameters``
        """
        made = super().parameters(**further)
        streams = made['stream']
        assert isinstance(streams, dict)
        streams['visits'] = {**streams['events'], 'topics': [f're:/{self.tag}/visit_.*']}
        for load in LIVE:
            streams[load.topic] = {'topics': [f'/{self.tag}/{load.topic}'], 'keep': 'latest'}
        streams['map'] = {'topics': [f'/{self.tag}/map'], 'keep': 'latest'}
        made['streams'] = list(streams)
        return made

    def drain(self, timeout_s: float = 90.0) -> None:
        """
        Publish no more, and wait until nothing is in the bridge and its spool.

        :param timeout_s: when to give up
        """
        for publisher in self.publishers:
            if publisher.process.running:
                publisher.pause()
        before: list[object] = []

        def drained(health: Mapping[str, Any]) -> bool:
            routes = health['routes']
            # What the last health said, as well: something may be between two places.
            received = sum(route['received'] for route in routes)
            waiting = sum(
                route['queued'] + route['in_flight'] + route.get('not_yet_committed', 0)
                for route in routes
            )
            before.append((received, waiting, health['spool']['samples']))
            return before[-3:] == [(received, 0, 0)] * 3

        # A bridge that is started after this one, to tell of its end, counts anew.
        self._drained = self.monitor.wait_for_health(drained, timeout_s)['routes']

    def published_durable(self) -> int:
        """
        Count what was published on durable streams.

        :returns: samples
        """
        others = {self._placed(load).topic for load in (*LIVE, LATCHED)}
        return sum(
            begun
            for publisher in self.publishers
            for topic, (begun, _) in publisher.counts().items()
            if topic not in others
        )

    def figure(self, name: str) -> int:
        """
        Sum up what the bridge said of its durable routes when all had drained.

        :param name: as in ``accepted``
        :returns: samples
        """
        return sum(route[name] for route in self._drained if route['stream'] in DURABLE_STREAMS)

    def _placed(self, load: Load) -> Load:
        return replace(load, topic=f'/{self.tag}/{load.topic}')
