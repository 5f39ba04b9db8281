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

"""Who is let in to the Foxglove server: whose pages, and over what."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
import socket
import ssl
import threading

import pytest

pytest.importorskip('websockets', reason='websockets is missing, with which the client is made')

from websockets.asyncio.server import serve, ServerConnection  # noqa: E402
from websockets.exceptions import InvalidStatus  # noqa: E402
from websockets.sync.client import connect  # noqa: E402
from websockets.typing import Origin, Subprotocol  # noqa: E402

from ros_cloud_bridge.cloud.foxglove.door import Door, inner_host, is_origin  # noqa: E402
from support.certificates import Authority  # noqa: E402

PROTOCOL = Subprotocol('foxglove.sdk.v1')


@pytest.fixture(scope='module')
def inner() -> Iterator[tuple[str, int]]:
    """Serve an echo where no page finds it."""
    host, ready, loop = inner_host(), threading.Event(), asyncio.new_event_loop()
    port = 0

    async def echo(one: ServerConnection) -> None:
        async for message in one:
            await one.send(message)

    async def run() -> None:
        nonlocal port
        async with serve(echo, host, 0, subprotocols=[PROTOCOL], max_size=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            ready.set()
            await ended.wait()

    ended = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(10.0)
    assert host.startswith('127.') and host != '127.0.0.1'
    yield host, port
    loop.call_soon_threadsafe(ended.set)
    thread.join(10.0)


@pytest.fixture(scope='module')
def door(inner: tuple[str, int]) -> Iterator[Door]:
    made = Door('127.0.0.1', 0, lambda: inner, ('https://viewer.example.com', 'file://'))
    yield made
    made.close()


@pytest.mark.parametrize(
    ('origin', 'welcome'),
    [
        (None, True),
        ('https://viewer.example.com', True),
        ('HTTPS://Viewer.Example.com', True),
        ('file://', True),
        ('http://localhost:8080', True),
        ('https://127.0.0.1', True),
        ('http://[::1]:3000', True),
        ('https://evil.example', False),
        ('null', False),
        ('', False),
        ('http://viewer.example.com', False),
        ('https://viewer.example.com.evil.example', False),
        ('https://localhost.evil.example', False),
        ('https://localhost@evil.example', False),
        ('http://[::1', False),
    ],
)
def test_pages_of_others_stay_outside(door: Door, origin: str | None, welcome: bool) -> None:
    url = f'ws://127.0.0.1:{door.port}'
    named = None if origin is None else Origin(origin)
    headers = {'Origin': ''} if origin == '' else {}
    if not welcome:
        with pytest.raises(InvalidStatus, match='403'):
            connect(url, subprotocols=[PROTOCOL], origin=named or None, additional_headers=headers)
        return
    with connect(url, subprotocols=[PROTOCOL], origin=named, max_size=None) as client:
        for size in (1, 10_000_000):
            client.send(bytes(size))
            assert client.recv() == bytes(size)


def test_whoever_hangs_about_holds_up_nobody(door: Door) -> None:
    hangers = [socket.create_connection(('127.0.0.1', door.port)) for _ in range(20)]
    hangers[0].sendall(b'GET / HTTP/1.1\r\n' + b'x: y\r\n' * 10_000)
    hangers[1].sendall(b'\xff' * 1000 + b'\r\n\r\n')
    with connect(f'ws://127.0.0.1:{door.port}', subprotocols=[PROTOCOL]) as client:
        client.send('here')
        assert client.recv() == 'here'
    # One that says too much is shown out.
    hangers[0].settimeout(10.0)
    try:
        assert hangers[0].recv(1) == b''
    except ConnectionResetError:
        pass
    for hanger in hangers:
        hanger.close()


def test_one_who_takes_nothing_is_shown_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('ros_cloud_bridge.cloud.foxglove.door._STUCK_S', 0.3)
    with socket.create_server(('127.0.0.1', 0)) as server:
        server.settimeout(10.0)
        door = Door('127.0.0.1', 0, server.getsockname)
        try:
            with socket.create_connection(('127.0.0.1', door.port)) as sleeper:
                sleeper.sendall(b'GET / HTTP/1.1\r\n\r\n')
                inner, _ = server.accept()
                inner.settimeout(10.0)
                # What waits on this side is let go with it.
                with inner, pytest.raises(ConnectionError):
                    while True:
                        inner.sendall(bytes(1_000_000))
        finally:
            door.close()


def test_over_tls(inner: tuple[str, int], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue('viewer'))
    door = Door('localhost', 0, lambda: inner, tls=context)
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    try:
        url = f'wss://localhost:{door.port}'
        with connect(url, subprotocols=[PROTOCOL], ssl=trusting, max_size=None) as client:
            client.send(bytes(3_000_000))
            assert client.recv() == bytes(3_000_000)
        with pytest.raises(InvalidStatus, match='403'):
            connect(
                url, subprotocols=[PROTOCOL], ssl=trusting, origin=Origin('https://evil.example')
            )
    finally:
        door.close()


def test_origins_are_told_from_other_texts() -> None:
    assert is_origin('https://viewer.example.com:8443')
    assert not any(map(is_origin, ('viewer.example.com', 'https://a/b', '*', '', 'https://a b')))
