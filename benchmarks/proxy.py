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
A TCP proxy that delays, stalls and goes silent: what a far or a bad link does to a connection.

Bytes wait for their delay in a queue, in order, each direction by itself. A stall forwards nothing
for some seconds: so loss looks through TCP, which holds everything back until the lost
segment has come again. A half-open connection forwards nothing ever again and is never closed.

The proxy ends TCP: acknowledgements of TCP come from it, those of MQTT from the broker. Both its
socket's buffer and its queue are bounded, and while it stalls it does not read, so that what the
link cannot take stays with the sender.
"""

from collections import deque
from collections.abc import Callable
import random
import socket
import sys
import threading
import time
from types import TracebackType

from children import Answer, serve

BUFFER_BYTES = 32 * 1024
QUEUE_BYTES = 256 * 1024
_CHUNK = 4096
_CONNECT_S = 10.0


class Proxy:
    """
    Forwards connections until the ``with`` block ends.

    :param target: host and port to connect to
    :param host: address to listen on
    :param port: 0 for a free one
    :param delay_s: one way
    :param jitter_s: it varies by as much up and down; the order stays
    :param buffer_bytes: ``SO_RCVBUF`` of both sockets; the kernel doubles it
    :param queue_bytes: most bytes that wait for their delay, per direction
    :param seed: of the jitter
    """

    def __init__(
        self,
        target: tuple[str, int],
        *,
        host: str = '127.0.0.1',
        port: int = 0,
        delay_s: float = 0.0,
        jitter_s: float = 0.0,
        buffer_bytes: int = BUFFER_BYTES,
        queue_bytes: int = QUEUE_BYTES,
        seed: int = 1,
    ) -> None:
        self._target = target
        self._delay_s = delay_s
        self._jitter_s = jitter_s
        self._buffer_bytes = buffer_bytes
        self.queue_bytes = queue_bytes
        self._random = random.Random(seed)
        # Guards what follows, and wakes whoever waits for the time to forward.
        self.changed = threading.Condition()
        self.stalled_until = 0.0
        self.closed = False
        self._pairs: list[_Pair] = []
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self._listener.bind((host, port))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> 'Proxy':
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
            pairs = list(self._pairs)
        # shutdown wakes the thread in accept(); close alone does not.
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for pair in pairs:
            pair.close()

    def stall(self, seconds: float) -> None:
        """
        Forward nothing for a while.

        :param seconds: from now
        """
        with self.changed:
            self.stalled_until = time.monotonic() + seconds
            self.changed.notify_all()

    def set_delay(self, delay_s: float, jitter_s: float = 0.0) -> None:
        """
        Change the delay of what comes in from now on.

        :param delay_s: one way
        :param jitter_s: as much up and down
        """
        with self.changed:
            self._delay_s, self._jitter_s = delay_s, jitter_s

    def half_open(self) -> int:
        """
        Go silent on all connections that stand now; new ones work.

        :returns: how many they are
        """
        with self.changed:
            alive = [pair for pair in self._pairs if not pair.silent]
            for pair in alive:
                pair.silent = True
            self.changed.notify_all()
        return len(alive)

    def draw_delay(self) -> float:
        """
        Draw one chunk's delay.

        :returns: seconds
        """
        jitter_s = self._random.uniform(-self._jitter_s, self._jitter_s)
        return max(0.0, self._delay_s + jitter_s)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer_bytes)
        server.settimeout(_CONNECT_S)
        try:
            server.connect(self._target)
        except OSError:
            client.close()
            server.close()
            return
        server.settimeout(None)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = _Pair(self, client, server)
        with self.changed:
            if not self.closed:
                self._pairs.append(pair)
                pair.start()
                return
        pair.close()


class _Pair:
    """The two sockets of a connection."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.silent = False
        self.ended = False
        self._ends = (client, server)
        self._directions = (
            _Direction(proxy, self, client, server),
            _Direction(proxy, self, server, client),
        )

    def start(self) -> None:
        for direction in self._directions:
            for work in (direction.read, direction.write):
                threading.Thread(target=work, daemon=True).start()

    def close(self) -> None:
        self.ended = True
        for end in self._ends:
            # As above: a thread may be in recv().
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()


class _Direction:
    """Bytes from one socket to the other; one thread reads, one writes."""

    def __init__(
        self, proxy: Proxy, pair: _Pair, source: socket.socket, sink: socket.socket
    ) -> None:
        self._proxy = proxy
        self._pair = pair
        self._source = source
        self._sink = sink
        self._queue: deque[tuple[float, bytes]] = deque()
        self._queued_bytes = 0

    def read(self) -> None:
        proxy = self._proxy
        due = 0.0
        while self._wait(lambda: self._queued_bytes < proxy.queue_bytes):
            try:
                data = self._source.recv(_CHUNK)
            except OSError:
                # A reset reaches the other side as an end, after what came before it.
                data = b''
            with proxy.changed:
                due = max(due, time.monotonic() + proxy.draw_delay())
                self._queue.append((due, data))
                self._queued_bytes += len(data)
                proxy.changed.notify_all()
            if not data:
                return

    def write(self) -> None:
        proxy = self._proxy
        while self._wait(lambda: bool(self._queue), due=lambda: self._queue[0][0]):
            with proxy.changed:
                _, data = self._queue.popleft()
                self._queued_bytes -= len(data)
                proxy.changed.notify_all()
            try:
                if data:
                    self._sink.sendall(data)
                else:
                    self._sink.shutdown(socket.SHUT_WR)
            except OSError:
                self._pair.close()
            if not data:
                return

    def _wait(self, ready: Callable[[], bool], due: Callable[[], float] | None = None) -> bool:
        """Wait until there is something to do and it may be done; False when all has ended."""
        proxy = self._proxy
        with proxy.changed:
            while not (proxy.closed or self._pair.ended):
                now = time.monotonic()
                if self._pair.silent or not ready():
                    proxy.changed.wait()
                    continue
                at = max(proxy.stalled_until, due() if due is not None else 0.0)
                if now >= at:
                    return True
                proxy.changed.wait(at - now)
        return False


def main() -> None:
    """Serve the parent: ``proxy.py HOST PORT TARGET_HOST TARGET_PORT DELAY_S JITTER_S``."""
    host, port, target_host, target_port, delay_s, jitter_s = sys.argv[1:]
    proxy = Proxy(
        (target_host, int(target_port)),
        host=host,
        port=int(port),
        delay_s=float(delay_s),
        jitter_s=float(jitter_s),
    )

    def stall(seconds: float) -> Answer:
        proxy.stall(seconds)
        return {}

    with proxy:
        serve({'stall': stall, 'half_open': lambda: {'connections': proxy.half_open()}})


if __name__ == '__main__':
    main()
