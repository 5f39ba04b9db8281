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

"""
A child in the cloud for the benchmark of durable streams.

It speaks just enough MQTT 3.1.1 to take everything at QoS 0, connects again within milliseconds,
and with ``CONSUMER`` confirms what it has decoded, as a consumer that keeps the data would. With
``later`` it decodes only when asked, so that decoding takes no processor time from what is
measured; the time that decoding a message takes is added to the age of its samples.
"""

from array import array
from collections import deque
from dataclasses import dataclass, field
import json
import os
import socket
import struct
import sys
import threading
import time
from typing import Any

from children import Answer, percentile, serve

from ros_cloud_bridge.cloud import BridgeError, Decoder
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.wire.confirm import Confirmation, encode_confirmation, Held

_CHUNK = 1 << 20
_PUBLISH = 3
_CONFIRM_S = 0.5
_AGAIN_S = 0.01
_ROOT = 'rcb/v1'


@dataclass(slots=True)
class _Arrived:
    """The samples of a ROS topic, live or historical: arrival, age in ns, bytes of CDR."""

    at: 'array[int]' = field(default_factory=lambda: array('q'))
    age: 'array[int]' = field(default_factory=lambda: array('q'))
    size: 'array[int]' = field(default_factory=lambda: array('q'))


class Sink:
    """
    Receives, decodes, confirms.

    :param host: the broker's
    :param port: the broker's
    :param consumer: the name to confirm by; empty for none
    :param later: whether to decode only when asked
    """

    def __init__(self, host: str, port: int, consumer: str, later: bool) -> None:
        self._address = (host, port)
        self._consumer = consumer
        self._later = later
        self._instance = os.urandom(8)
        self._decoder = Decoder()
        self._lock = threading.Condition()
        self._socket: socket.socket | None = None
        self._waiting: deque[tuple[int, str, bytes]] = deque()
        # Arrival, kind of MQTT topic, bytes of the packet.
        self._packets: list[tuple[int, str, int]] = []
        self._samples: dict[tuple[str, bool], _Arrived] = {}
        self._held: dict[str, dict[tuple[bytes, int], Ranges]] = {}
        self._connected_ns: list[int] = []
        self._health: dict[str, Any] = {}
        self._errors: list[str] = []
        threading.Thread(target=self._receive, daemon=True).start()
        if not later:
            threading.Thread(target=self._decode_for_ever, daemon=True).start()
        if consumer:
            threading.Thread(target=self._confirm_for_ever, daemon=True).start()

    def connected(self, since_ns: int, timeout_s: float) -> Answer:
        """
        Wait for a connection.

        :param since_ns: made after this time
        :param timeout_s: how long
        :returns: when it was made, None if it was not
        """
        with self._lock:
            self._lock.wait_for(lambda: self._connected_ns[-1:] > [since_ns], timeout_s)
            times = [at for at in self._connected_ns if at > since_ns]
            return {'at_ns': times[0] if times else None, 'errors': self._errors}

    def health(self) -> Answer:
        """
        Hand over the last health document.

        :returns: it, empty before the first
        """
        return {'health': self._health}

    def samples(self, topic: str, historical: bool, count: int, timeout_s: float) -> Answer:
        """
        Wait for a number of samples.

        :param topic: ROS topic
        :param historical: backlog, or live samples
        :param count: how many
        :param timeout_s: how long to wait for one more
        :returns: how many there are, and when the last one came
        """
        deadline, seen = time.monotonic() + timeout_s, -1
        while seen < count and time.monotonic() < deadline:
            if self._later:
                self._decode()
            arrived = self._samples.get((topic, historical), _Arrived())
            if len(arrived.at) > seen:
                seen, deadline = len(arrived.at), time.monotonic() + timeout_s
            time.sleep(0.02)
        arrived = self._samples.get((topic, historical), _Arrived())
        return {'count': len(arrived.at), 'last_ns': max(arrived.at, default=0)}

    def ages(self, topic: str, historical: bool, begin_ns: int, end_ns: int) -> Answer:
        """
        Sum a time up.

        :param topic: ROS topic
        :param historical: backlog, or live samples
        :param begin_ns: from here
        :param end_ns: to here
        :returns: count, bytes, ages in ms, and when the first came
        """
        arrived = self._samples.get((topic, historical), _Arrived())
        picked = [i for i, at in enumerate(arrived.at) if begin_ns <= at < end_ns]
        ages = [arrived.age[i] / 1e6 for i in picked]
        return {
            'count': len(picked),
            'cdr_bytes': sum(arrived.size[i] for i in picked),
            'p50_ms': percentile(ages, 0.5),
            'p95_ms': percentile(ages, 0.95),
            'p99_ms': percentile(ages, 0.99),
            'max_ms': max(ages, default=None),
            'first_ns': min((arrived.at[i] for i in picked), default=None),
        }

    def carried(self, begin_ns: int, end_ns: int) -> Answer:
        """
        Sum the packets of a time up.

        :param begin_ns: from here
        :param end_ns: to here
        :returns: bytes of PUBLISH packets by kind of MQTT topic, when the first and the last came
        """
        sums: dict[str, int] = {}
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        with self._lock:
            for at, kind, size in self._packets:
                if begin_ns <= at < end_ns:
                    sums[kind] = sums.get(kind, 0) + size
                    first.setdefault(kind, at)
                    last[kind] = at
        return {'bytes': sums, 'first_ns': first, 'last_ns': last}

    def gap(self, kind: str, begin_ns: int, end_ns: int) -> Answer:
        """
        Find the longest time in which nothing of a kind came.

        :param kind: of MQTT topic
        :param begin_ns: from here
        :param end_ns: to here
        :returns: seconds
        """
        with self._lock:
            times = [at for at, name, _ in self._packets if name == kind]
        times = [begin_ns, *(at for at in times if begin_ns <= at < end_ns), end_ns]
        longest = max(b - a for a, b in zip(times, times[1:], strict=False))
        return {'gap_s': longest / 1e9}

    def losses(self) -> Answer:
        """
        Say how complete it is.

        :returns: errors, duplicates on the wire, and numbers without an explanation
        """
        losses = self._decoder.losses()
        return {
            'errors': self._errors,
            'duplicates': sum(entry.duplicates for entry in losses),
            'unexplained': sum(entry.unexplained for entry in losses),
        }

    def _receive(self) -> None:
        while True:
            try:
                with socket.create_connection(self._address, timeout=10.0) as connection:
                    self._listen(connection)
            except OSError:
                pass
            self._socket = None
            time.sleep(_AGAIN_S)

    def _listen(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client_id = b'backlog-sink'
        connect = b'\0\4MQTT\4\2\0\0' + struct.pack('>H', len(client_id)) + client_id
        for kind, content in ((0x10, connect), (0x82, b'\0\1\0\1#\0')):
            connection.sendall(bytes((kind, len(content))) + content)
        buffer = bytearray()
        # CONNACK has 4 bytes and SUBACK 5; retained messages may follow at once.
        while len(buffer) < 9:
            buffer += _more(connection)
        del buffer[:9]
        connection.settimeout(None)
        self._socket = connection
        with self._lock:
            self._connected_ns.append(time.time_ns())
            self._lock.notify_all()
        while True:
            buffer += _more(connection)
            now_ns, position = time.time_ns(), 0
            with self._lock:
                while (packet := _packet(buffer, position)) is not None:
                    body, stop = packet
                    if buffer[position] >> 4 == _PUBLISH:
                        self._note(buffer, position, body, stop, now_ns)
                    position = stop
                self._lock.notify_all()
            del buffer[:position]

    def _note(self, buffer: bytearray, start: int, body: int, stop: int, now_ns: int) -> None:
        payload_at = body + 2 + (buffer[body] << 8 | buffer[body + 1])
        topic = buffer[body + 2 : payload_at].decode()
        payload = bytes(buffer[payload_at:stop])
        levels = topic.split('/')
        kind = '/'.join(levels[3:5]) if levels[3] == 'b' else levels[3]
        self._packets.append((now_ns, kind, stop - start))
        if kind == 'health':
            self._health = json.loads(payload)
        if kind != 'confirm':
            self._waiting.append((now_ns, topic, payload))

    def _decode_for_ever(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: bool(self._waiting))
            self._decode()

    def _decode(self) -> None:
        while self._waiting:
            at_ns, topic, payload = self._waiting.popleft()
            started_ns = time.perf_counter_ns()
            try:
                samples = self._decoder.feed(topic, payload)
            except (BridgeError, ValueError) as error:
                self._errors.append(f'{topic}: {error}')
                continue
            at_ns += time.perf_counter_ns() - started_ns
            for sample in samples:
                arrived = self._samples.setdefault((sample.topic, sample.historical), _Arrived())
                arrived.at.append(at_ns)
                arrived.age.append(at_ns - sample.source_time_ns)
                arrived.size.append(len(sample.cdr))
                if self._consumer:
                    self._hold(sample)

    def _hold(self, sample: Any) -> None:
        routes = self._held.setdefault(sample.robot_id, {})
        key = bytes.fromhex(sample.boot_id), sample.route
        with self._lock:
            routes.setdefault(key, Ranges()).add(sample.sequence, sample.sequence)

    def _confirm_for_ever(self) -> None:
        """Confirm twice a second; the decoder's robots are those to tell."""
        while True:
            time.sleep(_CONFIRM_S)
            with self._lock:
                robots = list(self._decoder.robots)
                messages = [
                    (robot, [(*key, tuple(ranges)) for key, ranges in self._held_of(robot)])
                    for robot in robots
                ]
            for robot, held in messages:
                confirmation = Confirmation(
                    instance=self._instance,
                    held=tuple(Held(boot=b, route=r, ranges=ranges) for b, r, ranges in held),
                )
                self._publish(robot, encode_confirmation(confirmation))

    def _held_of(self, robot: str) -> Any:
        return self._held.get(robot, {}).items()

    def _publish(self, robot: str, payload: bytes) -> None:
        topic = f'{_ROOT}/{robot}/confirm/{self._consumer}'.encode()
        body = struct.pack('>H', len(topic)) + topic + payload
        try:
            if self._socket is not None:
                self._socket.sendall(b'\x30' + _length(len(body)) + body)
        except OSError:
            # It connects again by itself.
            pass


def _more(connection: socket.socket) -> bytes:
    chunk = connection.recv(_CHUNK)
    if not chunk:
        raise ConnectionResetError('the broker has gone')
    return chunk


def _packet(buffer: bytearray, start: int) -> tuple[int, int] | None:
    """Give where a packet's body begins and ends; None when it is not complete."""
    length = shift = 0
    for position in range(start + 1, min(start + 5, len(buffer))):
        length |= (buffer[position] & 0x7F) << shift
        if buffer[position] < 0x80:
            stop = position + 1 + length
            return (position + 1, stop) if stop <= len(buffer) else None
        shift += 7
    return None


def _length(value: int) -> bytes:
    """Write a remaining length (MQTT, 1.5.5)."""
    result = bytearray()
    while True:
        value, digit = value >> 7, value & 0x7F
        result.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(result)


def main() -> None:
    """Serve the parent: ``backlog_sink.py HOST PORT CONSUMER now|later``."""
    host, port, consumer, when = sys.argv[1:5]
    sink = Sink(host, int(port), consumer, when == 'later')
    names = ('connected', 'health', 'samples', 'ages', 'carried', 'gap', 'losses')
    serve({name: getattr(sink, name) for name in names})


if __name__ == '__main__':
    main()
