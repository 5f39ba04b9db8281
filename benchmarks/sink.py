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
A child that receives everything from the broker and counts the samples in it.

It speaks just enough MQTT 3.1.1 to subscribe at QoS 0: a Python client library takes longer per
message than the forwarder that it would have to keep up with. Batches are decoded once the
publisher is silent, so that decoding takes no processor time from what is measured; the time that
decoding a batch takes is added to the age of its samples.
"""

import socket
import struct
import sys
import threading
import time

from children import Answer, percentile, serve
from payloads import FORWARDER_TOPIC, read

from ros_cloud_bridge.cloud.decoder import Decoder

_CHUNK = 1 << 20
_PUBLISH = 3
_FORWARDED_HEAD = 256


class Sink:
    """
    Receives.

    :param port: the broker's
    """

    def __init__(self, port: int) -> None:
        self._decoder = Decoder()
        self._lock = threading.Lock()
        self._arrived: list[tuple[int, str, bytes]] = []
        self._wire_bytes = 0
        self._messages = 0
        self._socket = socket.create_connection(('127.0.0.1', port), timeout=10.0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._buffer = bytearray()
        self._subscribe()
        self._socket.settimeout(None)
        threading.Thread(target=self._receive, daemon=True).start()

    def _subscribe(self) -> None:
        client_id = b'benchmark-sink'
        connect = b'\0\4MQTT\4\2\0\0' + struct.pack('>H', len(client_id)) + client_id
        subscribe = b'\0\1\0\1#\0'
        for kind, body in ((0x10, connect), (0x82, subscribe)):
            self._socket.sendall(bytes((kind, len(body))) + body)
        # CONNACK has 4 bytes and SUBACK 5; retained messages may follow at once.
        while len(self._buffer) < 9:
            self._buffer += self._socket.recv(4096)
        if self._buffer[0] != 0x20 or self._buffer[3] != 0 or self._buffer[8] != 0:
            raise SystemExit('the broker does not take the subscription')
        del self._buffer[:9]

    def _receive(self) -> None:
        buffer = self._buffer
        while True:
            chunk = self._socket.recv(_CHUNK)
            if not chunk:
                return
            now_ns = time.time_ns()
            buffer += chunk
            position = 0
            with self._lock:
                while (end := _packet_end(buffer, position)) is not None:
                    body, stop = end
                    if stop > len(buffer):
                        break
                    if buffer[position] >> 4 == _PUBLISH:
                        self._note(buffer, position, body, stop, now_ns)
                    position = stop
            del buffer[:position]

    def _note(self, buffer: bytearray, start: int, body: int, stop: int, now_ns: int) -> None:
        payload_at = body + 2 + (buffer[body] << 8 | buffer[body + 1])
        topic = buffer[body + 2 : payload_at].decode()
        if topic == FORWARDER_TOPIC:
            payload = bytes(buffer[payload_at : min(stop, payload_at + _FORWARDED_HEAD)])
        else:
            payload = bytes(buffer[payload_at:stop])
        self._arrived.append((now_ns, topic, payload))
        self._wire_bytes += stop - start
        self._messages += 1

    def begin(self) -> Answer:
        """Forget what came before, but let the decoder learn from it."""
        self._samples()
        with self._lock:
            self._wire_bytes = self._messages = 0
        return {}

    def collect(self, first: int, count: int, timeout_s: float, counter_at: int) -> Answer:
        """
        Wait for the samples of a range.

        :param first: the first sample's counter
        :param count: how many were sent
        :param timeout_s: how long to wait for one more
        :param counter_at: position of the counter in a message
        :returns: what came
        """
        seen: set[int] = set()
        ages_ms: list[float] = []
        duplicates = last_ns = 0
        deadline = time.monotonic() + timeout_s
        while len(seen) < count and time.monotonic() < deadline:
            for arrived_ns, cdr in self._samples():
                number, published_ns = read(cdr, counter_at)
                if not first <= number < first + count:
                    continue
                duplicates += number in seen
                seen.add(number)
                ages_ms.append((arrived_ns - published_ns) / 1e6)
                last_ns = max(last_ns, arrived_ns)
                deadline = time.monotonic() + timeout_s
            time.sleep(0.02)
        return {
            'received': len(seen),
            'duplicates': duplicates,
            'last_ns': last_ns,
            'p50_ms': percentile(ages_ms, 0.5),
            'p99_ms': percentile(ages_ms, 0.99),
            'wire_bytes': self._wire_bytes,
            'wire_messages': self._messages,
        }

    def _samples(self) -> list[tuple[int, bytes]]:
        with self._lock:
            arrived, self._arrived = self._arrived, []
        samples = []
        for arrived_ns, topic, payload in arrived:
            if topic == FORWARDER_TOPIC:
                samples.append((arrived_ns, payload))
                continue
            started_ns = time.perf_counter_ns()
            decoded = self._decoder.feed(topic, payload)
            decoded_ns = arrived_ns + time.perf_counter_ns() - started_ns
            samples += [(decoded_ns, sample.cdr) for sample in decoded]
        return samples


def _packet_end(buffer: bytearray, start: int) -> tuple[int, int] | None:
    """Give where a packet's body begins and ends; None when its length has not come yet."""
    length = shift = 0
    for position in range(start + 1, min(start + 5, len(buffer))):
        length |= (buffer[position] & 0x7F) << shift
        if buffer[position] < 0x80:
            return position + 1, position + 1 + length
        shift += 7
    return None


def main() -> None:
    """Serve the parent: ``sink.py PORT``."""
    sink = Sink(int(sys.argv[1]))
    serve({'begin': sink.begin, 'collect': sink.collect})


if __name__ == '__main__':
    main()
