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

"""What the page's benchmark looks at: a robot with fast topics, and a fleet that reports."""

from contextlib import suppress
import json
import math
from pathlib import Path
import struct
import sys
import threading
import time
from types import TracebackType

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test'))

from ros_cloud_bridge.mqtt.events import Connected, Outgoing, SessionEvent  # noqa: E402
from ros_cloud_bridge.mqtt.session import Session  # noqa: E402
from ros_cloud_bridge.values import MqttConfig, Priority, Received  # noqa: E402
from ros_cloud_bridge.wire.batch import Batch, encode_batch, Section  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.waiting import wait_until  # noqa: E402
from support.wire_robot import WireRobot  # noqa: E402

ROBOT = 'bench'
_TOPICS = 20
_HZ = 50
# Batches a second, as a bridge with the default max_delay_s sends them.
_BATCHES_HZ = 10
_TYPE = 'geometry_msgs/msg/Vector3Stamped'
_HEALTH_PERIOD_S = 10.0
_AHEAD = 16

PLOTS = [(f'/signal_{index:02}', ['vector.x']) for index in range(_TOPICS)]


class Plotted:
    """
    A robot whose topics give numbers at a steady rate.

    :param broker: where
    """

    def __init__(self, broker: Broker) -> None:
        self._robot = WireRobot(broker, ROBOT)
        self._routes = [self._robot.route(topic, _TYPE) for topic, _ in PLOTS]
        self._next = 1
        self._number = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> 'Plotted':
        self._robot.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._robot.__exit__(kind, error, trace)

    def announce(self) -> None:
        """Say presence, info and schemas."""
        self._robot.announce()

    def start(self) -> None:
        """Announce, and publish in real time from now on."""
        self.announce()
        self._thread.start()

    def feed(self, ago_s: float, seconds: int) -> None:
        """
        Publish what would have been published before, second by second.

        :param ago_s: when the first of it was
        :param seconds: how much
        """
        first = time.time_ns() - int(ago_s * 1e9)
        for second in range(seconds):
            self._send(first + second * 10**9, _HZ)

    def _run(self) -> None:
        count = _HZ // _BATCHES_HZ
        due = time.monotonic()
        with suppress(AssertionError):
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                self._send(time.time_ns() - (count - 1) * 10**9 // _HZ, count)
                due += 1.0 / _BATCHES_HZ

    def _send(self, first_ns: int, count: int) -> None:
        """Send a batch in which each topic has a section."""
        times = [first_ns + index * 10**9 // _HZ for index in range(count)]
        sequences = range(self._next, self._next + count)
        self._next += count
        self._number += 1
        sections = tuple(
            Section(
                route=number,
                descriptor=self._robot.routes[number].descriptor,
                sequences=sequences,
                samples=[Received(_vector(at, number), at, at) for at in times],
                totals=None,
            )
            for number in self._routes
        )
        batch = Batch(
            boot=self._robot.boot, number=self._number, sent_time_ns=times[-1], sections=sections
        )
        encoders = {number: self._robot.routes[number].encoder for number in self._routes}
        topic = self._robot.topics.batches(Priority.NORMAL)
        self._robot.publish(topic, encode_batch(batch, encoders))


def _vector(at_ns: int, number: int) -> bytes:
    """Serialize a Vector3Stamped whose numbers swing, each topic at a pace of its own."""
    sec, nanosec = divmod(at_ns, 10**9)
    angle = at_ns / 1e9 * (0.5 + 0.2 * number)
    values = (math.sin(angle), math.cos(angle), float(number))
    # Encapsulation; stamp; an empty frame, which is one byte and the padding of what follows.
    return b'\0\1\0\0' + struct.pack('<iII4xddd', sec, nanosec, 1, *values)


class Fleet:
    """
    Robots of which each says now and then how it is.

    :param broker: where
    :param count: how many
    """

    def __init__(self, broker: Broker, count: int) -> None:
        self._connected = threading.Event()
        self._session = Session(
            MqttConfig(host=broker.host, port=broker.port),
            client_id='fleet',
            subscriptions=[],
            on_event=self._on_event,
        )
        self._names = [f'amr-{index:04}' for index in range(count)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> 'Fleet':
        self._session.start()
        wait_until(self._connected.is_set)
        for name in self._names:
            state = {'state': 'online', 'reason': 'birth', 'connection': 1}
            self._say(name, 'state', state, retain=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._session.stop(5.0)

    def start(self) -> None:
        """Report from now on, each robot every ten seconds."""
        self._thread.start()

    def _run(self) -> None:
        turn = 0
        while True:
            for index, name in enumerate(self._names):
                self._say(name, 'health', _health(index, turn))
                if self._stop.wait(_HEALTH_PERIOD_S / len(self._names)):
                    return
            turn += 1

    def _say(
        self, name: str, kind: str, document: dict[str, object], *, retain: bool = False
    ) -> None:
        document = {'version': 1, 'robot_id': name, 'boot_id': '0123456789abcdef', **document}
        payload = json.dumps(document).encode()
        topic = f'rcb/v1/{name}/{kind}'
        wait_until(lambda: self._session.in_flight < _AHEAD)
        self._session.publish(Outgoing(topic=topic, payload=payload, retain=retain))

    def _on_event(self, event: SessionEvent) -> None:
        if isinstance(event, Connected):
            self._connected.set()


def _health(index: int, turn: int) -> dict[str, object]:
    routes = [
        {
            'route': route,
            'stream': f'stream_{route % 6}',
            'topic': f'/topic_{route}',
            'received': 1000 * turn,
            'accepted': 900 * turn,
            'delivered': 900 * turn,
            'queued': 0,
            'in_flight': 0,
            'wire_bytes': 90_000 * turn,
            'dropped': {'rate': 100 * turn, 'superseded': turn * (index % 7 == 0)},
        }
        for route in range(20)
    ]
    link = {
        'connected': True,
        'limited_by': ('application', 'application', 'rate', 'window')[index % 4],
        'rate_bytes_per_s': 20_000.0 + 100 * index,
        'rtt_s': 0.04,
        'sent_bytes': 100_000 * turn,
    }
    return {'uptime_s': 10.0 * turn, 'link': link, 'routes': routes, 'routes_total': 20}
