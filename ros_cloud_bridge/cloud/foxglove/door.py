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
The door of a Foxglove server: looks at who comes, and lets in.

A browser lets any page that somebody has open connect to this machine's own ports, and tells in
``Origin`` whose page it is (RFC 6455, 10.2). The server of the SDK does not look at it, so it
stands behind this door, on a loopback address that no page can find by trying.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
import logging
import re
import secrets
import socket
import ssl
import threading
from urllib.parse import urlsplit

# Foxglove's own app in a browser; desktop apps are pages of the machine's own files.
USUAL_ORIGINS = ('https://app.foxglove.dev', 'file://')
_LOCAL_HOSTS = ('localhost', '127.0.0.1', '::1')
_PROTOCOL = 'foxglove.sdk.v1'
_MAX_HEAD = 16 * 1024
_HEAD_S = 10.0
_CHUNK = 256 * 1024
# One who takes nothing for so long has gone, or sleeps: what waits for it is let go.
_STUCK_S = 60.0
_MAX_SAID = 32
_ORIGIN = re.compile(r'[a-z][a-z0-9+.-]*://[^/?#\s]*')

_log = logging.getLogger(__name__)


def is_origin(text: str) -> bool:
    """
    Tell whether a text can be an origin.

    :param text: as in ``https://viewer.example.com``
    :returns: whether it can
    """
    return _ORIGIN.fullmatch(text) is not None


def inner_host() -> str:
    """
    Make up a loopback address.

    :returns: one of sixteen million where all of 127/8 is this machine's, else the usual one
    """
    host = '127.' + '.'.join(str(1 + secrets.randbelow(254)) for _ in range(3))
    with suppress(OSError), socket.create_server((host, 0)):
        return host
    return '127.0.0.1'


class Door:
    """
    Listens, and passes on to a server what comes from those who may.

    What names no origin is no page, and is let in; and so are pages that this machine serves.

    :param host: where to listen
    :param port: likewise; 0 for any that is free
    :param server: host and port of the server
    :param origins: whose pages may come besides
    :param tls: for ``wss://``
    :raises OSError: when nothing can listen there
    """

    def __init__(
        self,
        host: str,
        port: int,
        server: Callable[[], tuple[str, int]],
        origins: tuple[str, ...] = USUAL_ORIGINS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._origins = {origin.lower() for origin in origins}
        self._said: set[str] = set()
        self._loop = asyncio.new_event_loop()
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(place[:2], family=family)
        self.port: int = listener.getsockname()[1]
        self._listening = self._loop.run_until_complete(
            asyncio.start_server(self._come, sock=listener, ssl=tls, limit=_MAX_HEAD)
        )
        self._thread = threading.Thread(target=self._run, name='door', daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Show everybody out."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._listening.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            # Once more, for those that were cancelled.
            self._loop.call_later(0.1, self._loop.stop)
            self._loop.run_forever()
            self._loop.close()

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b'\r\n\r\n'), _HEAD_S)
            if self._may_come(head):
                await self._lead_in(head, reader, writer)
            else:
                writer.write(b'HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n')
                await asyncio.wait_for(writer.drain(), _HEAD_S)
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.TimeoutError):
            # Whoever it was has gone, or speaks something else.
            pass
        finally:
            writer.close()

    def _may_come(self, head: bytes) -> bool:
        headers: dict[str, list[str]] = {}
        for line in head.decode('latin-1').split('\r\n')[1:]:
            name, _, value = line.partition(':')
            headers.setdefault(name.strip().lower(), []).append(value.strip())
        offered = ', '.join(headers.get('sec-websocket-protocol', ['none']))
        if _PROTOCOL not in offered:
            self._say(
                f'refused a viewer that speaks {offered[:60]!r}, not {_PROTOCOL}: is it too old?'
            )
        for origin in headers.get('origin', []):
            if not self._is_welcome(origin.lower()):
                self._say(
                    f'refused a page of {origin[:100]!r}: --allow-origin with that lets it in'
                )
                return False
        return True

    def _is_welcome(self, origin: str) -> bool:
        if origin in self._origins:
            return True
        try:
            return urlsplit(origin).hostname in _LOCAL_HOSTS
        except ValueError:
            return False

    def _say(self, text: str) -> None:
        if text not in self._said and len(self._said) < _MAX_SAID:
            self._said.add(text)
            _log.warning('%s (said once)', text.encode('unicode_escape').decode())

    async def _lead_in(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(*self._server())
        try:
            inner_writer.write(head)
            ways = [
                asyncio.ensure_future(_carry(reader, inner_writer)),
                asyncio.ensure_future(_carry(inner_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            inner_writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await asyncio.wait_for(writer.drain(), _STUCK_S)
