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

"""A TCP proxy before a broker that cuts, refuses, goes silent, delays and answers PUBLISHes."""

import asyncio
from collections.abc import Callable, Coroutine
import socket
import struct
import threading
from types import TracebackType
from typing import Any, TypeVar

from .mqtt_packets import Aliases, Packet, puback, read_packet

# Says with which reason code the proxy itself answers a PUBLISH; None forwards it.
Rule = Callable[[str, bytes], int | None]
T = TypeVar('T')

_CONNECT_S = 5.0
_CALL_S = 10.0
_QUEUED_PACKETS = 64
_RESET = struct.pack('ii', 1, 0)


class FaultProxy:
    """
    Forwards connections to a broker until the ``with`` block ends; whole MQTT packets at a time.

    All methods may be called from any thread and have taken effect when they return. What waits
    is bounded: 64 packets a direction.

    :param target: host and port of the broker
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.host = '127.0.0.1'
        self.port = 0
        self.delay_s = 0.0
        self.refusing = False
        self.swallowing = False
        self.rule: Rule | None = None
        # How many connections were made through to the broker, and PUBLISHes answered here.
        self.connections = 0
        self.answered = 0
        self.published = 0
        self._pairs: set[_Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(self._listen())

    def __enter__(self) -> 'FaultProxy':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all connections, and listen no more."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_S)
        self._loop.close()

    def cut(self) -> int:
        """
        Reset every connection that stands; new ones work.

        :returns: how many they were
        """
        return self._call(self._cut())

    def refuse(self) -> None:
        """Reset every connection that stands, and every new one, until :meth:`heal`."""
        self.refusing = True
        self.cut()

    def silence(self) -> int:
        """
        Make every connection that stands half-open: nothing comes through and nothing closes.

        New ones work, as behind a router that has forgotten a connection.

        :returns: how many they were
        """
        return self._call(self._silence())

    def swallow(self) -> None:
        """Let nothing through on any connection, also of new ones, until :meth:`heal`."""
        self.swallowing = True
        self.silence()

    def heal(self) -> None:
        """Let new connections work again; what was made silent stays so until it is closed."""
        self.refusing = self.swallowing = False
        self.rule = None
        self._call(self._close_silent())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_S)

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut(self) -> int:
        pairs = list(self._pairs)
        for pair in pairs:
            pair.reset()
        return len(pairs)

    async def _silence(self) -> int:
        pairs = [pair for pair in self._pairs if not pair.silent]
        for pair in pairs:
            pair.silent = True
        return len(pairs)

    async def _close_silent(self) -> None:
        for pair in [pair for pair in self._pairs if pair.silent]:
            pair.reset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            _reset(writer)
            return
        pair = _Pair(self, writer)
        pair.silent = self.swallowing
        self._pairs.add(pair)
        try:
            await pair.run(reader)
        except asyncio.CancelledError:
            pass  # we are closing, and the server of asyncio would print it
        finally:
            self._pairs.discard(pair)
            pair.reset()


class _Pair:
    """The two connections of a client and its way to the broker."""

    def __init__(self, proxy: FaultProxy, client: asyncio.StreamWriter) -> None:
        self.silent = False
        self._proxy = proxy
        self._client = client
        self._broker: asyncio.StreamWriter | None = None
        self._aliases = Aliases()

    def reset(self) -> None:
        """End both with RST, as a link that broke does not say goodbye either."""
        for writer in (self._client, self._broker):
            if writer is not None:
                _reset(writer)

    async def run(self, reader: asyncio.StreamReader) -> None:
        """
        Forward until one end closes.

        :param reader: what the client says
        """
        try:
            answers, broker = await asyncio.wait_for(
                asyncio.open_connection(*self._proxy.target), _CONNECT_S
            )
        except (OSError, asyncio.TimeoutError):
            return
        self._broker = broker
        self._proxy.connections += 1
        for writer in (self._client, broker):
            writer.get_extra_info('socket').setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        out, back = _Direction(broker), _Direction(self._client)
        work = [
            asyncio.ensure_future(job)
            for job in (
                self._read(reader, out, back),
                self._read(answers, back, None),
                out.write(),
                back.write(),
            )
        ]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            # A half-open connection tells neither side that the other has gone.
            while self.silent and not self._client.is_closing():
                await asyncio.sleep(0.05)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _read(
        self,
        reader: asyncio.StreamReader,
        onwards: '_Direction',
        answers: '_Direction | None',
    ) -> None:
        try:
            while True:
                packet = await read_packet(reader)
                if self.silent:
                    continue
                if answers is not None and packet.is_publish:
                    packet = self._aliases.resolved(packet)
                    code = self._judge(packet)
                    if code is not None:
                        await answers.put(puback(packet.packet_id, code), self._proxy.delay_s)
                        continue
                    packet = self._aliases.forwarded(packet)
                await onwards.put(packet.encode(), self._proxy.delay_s)
        except (OSError, EOFError, ValueError):
            return

    def _judge(self, packet: Packet) -> int | None:
        self._proxy.published += 1
        rule = self._proxy.rule
        if rule is None or not packet.packet_id:
            return None
        code = rule(packet.topic, packet.payload)
        self._proxy.answered += code is not None
        return code


class _Direction:
    """What waits for its delay, in order."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED_PACKETS)

    async def put(self, data: bytes, delay_s: float) -> None:
        await self._queue.put((asyncio.get_running_loop().time() + delay_s, data))

    async def write(self) -> None:
        try:
            while True:
                due, data = await self._queue.get()
                wait_s = due - asyncio.get_running_loop().time()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                self._writer.write(data)
                await self._writer.drain()
        except OSError:
            return


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info('socket')
    if sock is not None and not writer.is_closing():
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except OSError:
            pass  # the other side was faster
    writer.transport.abort()
