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

"""Hands out the page over HTTP or HTTPS: reading alone, a thread per connection."""

from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import socket
import ssl
import threading
import time
from types import TracebackType

from ros_cloud_bridge.cloud.web.page import Page
from ros_cloud_bridge.errors import LocalFault

# A browser keeps a few connections; whoever opens more waits.
_MOST_CONNECTIONS = 64
_IDLE_S = 30.0
# How long an end may take.
_POLL_S = 0.1


class PageServer:
    """
    Serves a page until it is closed.

    :param page: what it hands out
    :param host: address to listen on
    :param port: TCP port, 0 for a free one
    :param tls: of HTTPS; None is HTTP
    :raises LocalFault: when it cannot listen there
    """

    def __init__(
        self, page: Page, *, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        try:
            self._server = _Server(page, host, port, tls)
        except OSError as error:
            raise LocalFault(
                f'cannot listen on {host}:{port}: {error.strerror or error}'
            ) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name='page', daemon=True
        )
        self._thread.start()
        scheme = 'http' if tls is None else 'https'
        shown = f'[{host}]' if ':' in host else host
        self.url = f'{scheme}://{shown}:{self._server.server_address[1]}/'

    def close(self) -> None:
        """Stop to listen; what is being answered may end."""
        self._server.leaving.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> 'PageServer':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A thread that waits for a browser must not hold up the end.
    block_on_close = False

    def __init__(self, page: Page, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self.page = page
        self.address_family = socket.AF_INET6 if ':' in host else socket.AF_INET
        self._room = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._tls = tls
        self._deadlines: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self.leaving = threading.Event()
        super().__init__((host, port), _Handler)

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        # The thread that accepts waits here while there is no room.
        end = time.monotonic() + 2 * _IDLE_S
        while not self._room.acquire(timeout=_POLL_S):
            self.service_actions()
            if self.leaving.is_set() or time.monotonic() > end:
                self.shutdown_request(request)
                return
        super().process_request(request, client_address)

    def renew(self, connection: socket.socket) -> None:
        """Give a connection its time for the next request, or for the answer to this one."""
        with self._lock:
            self._deadlines[connection] = time.monotonic() + _IDLE_S

    def service_actions(self) -> None:
        # A timeout of the socket begins anew with each byte: whoever sends a byte now and then
        # would keep a place for ever.
        with self._lock:
            now = time.monotonic()
            for connection, deadline in self._deadlines.items():
                if now > deadline:
                    with suppress(OSError):
                        # Not that of TLS, which its own thread may be using.
                        socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        try:
            assert isinstance(request, socket.socket)
            request.settimeout(_IDLE_S)
            if self._tls is not None:
                # Here and not when accepting: a handshake that stalls holds up nobody else.
                request = self._tls.wrap_socket(
                    request, server_side=True, do_handshake_on_connect=False
                )
                self.renew(request)
                request.do_handshake()
            self.renew(request)
            super().process_request_thread(request, client_address)
        except OSError:
            self.shutdown_request(request)
        finally:
            with self._lock:
                self._deadlines.pop(request, None)  # type: ignore[arg-type]
            self._room.release()

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        # A browser that goes away in the middle is no news.
        pass


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = 'HTTP/1.1'
    server_version = 'ros-cloud-bridge'
    sys_version = ''
    timeout = _IDLE_S

    def do_GET(self) -> None:
        self.server.renew(self.connection)
        answer = self.server.page.answer(self.path, self.headers)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 304:
            self.send_header('Content-Length', str(len(answer.body)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(answer.body)
        self.server.renew(self.connection)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        # Who looks at the page is nobody's business; what is wrong says the browser.
        pass
