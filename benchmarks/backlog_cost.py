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

"""What a durable stream costs beside ``keep: fifo``: processor, flash, delay."""

from pathlib import Path
import tempfile
import time
from typing import Any

from backlog_rig import Rig
from backlog_spool import STREAM, stream_parameters
from link_rig import Member
from payloads import LOADS

KINDS = ('fifo', 'durable')
_LOAD = LOADS['imu']
_WARM_UP, _WARM_UP_HZ = 20, 100.0
_WARM_UP_TRIES = 30
_WAIT_S = 1.5
# What is delivered is deleted from the spool within a second; health says so a second later.
_SETTLED_S = 2.5
_READY_S = 60.0


def cost(
    robot_id: str, kind: str, rates: list[float], seconds: float, max_delay_s: float
) -> list[dict[str, Any]]:
    """
    Send a stream at some rates.

    :param robot_id: the robot
    :param kind: ``fifo`` or ``durable``
    :param rates: messages per second
    :param seconds: for how long each
    :param max_delay_s: the stream's
    :returns: figures of each rate
    """
    policy = stream_parameters(False) if kind == 'durable' else {'keep': 'fifo'}
    stream = {
        **policy,
        'topics': [_LOAD.topic],
        'max_samples': 200_000,
        'max_delay_s': max_delay_s,
        'qos_depth': _LOAD.depth,
    }
    with (
        tempfile.TemporaryDirectory(prefix='benchmark-') as name,
        Rig(Path(name), robot_id) as rig,
    ):
        rig.start_broker()
        rig.start_sink(later=True)
        publisher = rig.start_child('publisher.py', _LOAD.name)
        rig.start_bridge({STREAM: stream})
        rig.await_log('connected to')
        load = _Load(rig, publisher)
        load.warm_up()
        return [
            {'kind': kind, 'max_delay_s': max_delay_s, **load.send(rate, seconds)}
            for rate in rates
        ]


class _Load:
    """
    A publisher whose messages are counted in the cloud.

    :param rig: the robot
    :param publisher: loads it
    """

    def __init__(self, rig: Rig, publisher: Member) -> None:
        self._rig = rig
        self._publisher = publisher
        self._next = 0

    def warm_up(self) -> None:
        """Wait until everything that is published arrives."""
        if not self._publisher.ask('match')['subscriptions']:
            raise SystemExit('the bridge does not subscribe')
        for _ in range(_WARM_UP_TRIES):
            before = self._count()
            self._publish(_WARM_UP, _WARM_UP_HZ)
            if self._arrived(before + _WARM_UP) == before + _WARM_UP:
                # What was written for these is not the next ones'.
                self._settle()
                return
        raise SystemExit('nothing arrives')

    def send(self, rate: float, seconds: float) -> dict[str, Any]:
        """
        Publish, and see what it costs.

        :param rate: messages per second
        :param seconds: for how long
        :returns: figures
        """
        before, count = self._count(), max(1, round(rate * seconds))
        noted, kernel, cpu_s = self._noted(), self._rig.written_bytes(), self._rig.bridge.cpu_s()
        began_ns = time.time_ns()
        sent = self._publish(count, rate)
        arrived = self._arrived(before + count) - before
        self._settle()
        cpu_s = self._rig.bridge.cpu_s() - cpu_s
        window = {'begin_ns': began_ns, 'end_ns': time.time_ns()}
        ages = self._rig.sink.ask('ages', topic=_LOAD.topic, historical=False, **window)
        wire = self._rig.sink.ask('carried', **window)['bytes']
        return {
            'offered_hz': rate,
            'sent_hz': sent['rate'],
            'sent': count,
            'failed': sent['failed'],
            'arrived': arrived,
            'lag_s': max(0.0, (self._last_ns - int(sent['ended_ns'])) / 1e9),
            'cpu_us': 1e6 * cpu_s / max(1, arrived),
            'p50_ms': ages['p50_ms'],
            'p95_ms': ages['p95_ms'],
            'p99_ms': ages['p99_ms'],
            'wire_bytes': sum(size for kind, size in wire.items() if kind[:2] == 'b/') / count,
            'backlog_bytes': wire.get('b/backlog', 0) / count,
            'noted_bytes': (self._noted() - noted) / count,
            'kernel_bytes': (self._rig.written_bytes() - kernel) / count,
            'peak_mb': self._rig.memory()[1],
        }

    def _publish(self, count: int, rate: float) -> dict[str, Any]:
        first, self._next = self._next, self._next + count
        sent = self._publisher.ask('publish', 600.0, first=first, count=count, rate=rate)
        return dict(sent)

    def _count(self) -> int:
        return self._arrived(0)

    def _arrived(self, count: int) -> int:
        answer = self._rig.sink.ask(
            'samples', 600.0, topic=_LOAD.topic, historical=False, count=count, timeout_s=_WAIT_S
        )
        self._last_ns = int(answer['last_ns'])
        return int(answer['count'])

    def _settle(self) -> None:
        """Wait until nothing is spooled and health says so."""
        started = time.monotonic()
        time.sleep(_SETTLED_S)
        while self._rig.spooled():
            if time.monotonic() - started > _READY_S:
                raise SystemExit('the spool does not become empty')
            time.sleep(0.1)

    def _noted(self) -> int:
        """Tell what the spool says that it has written today."""
        spool = self._rig.health().get('spool')
        return 0 if spool is None else int(spool['written_bytes_today'])
