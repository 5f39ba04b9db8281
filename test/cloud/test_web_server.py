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

"""``ros-cloud-bridge web``: what a browser is given, over real HTTP, and under which rules."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
import json
from pathlib import Path
import re
import socket
import ssl
import threading
from urllib.parse import urlsplit

import pytest

from ros_cloud_bridge.cli.main import main
from ros_cloud_bridge.cloud.web import server
from ros_cloud_bridge.cloud.web.page import Broker, Page
from ros_cloud_bridge.cloud.web.server import PageServer
from ros_cloud_bridge.mqtt.credentials import Login
from support.certificates import Authority

URL = 'ws://{host}:9001/mqtt'


@contextmanager
def served(broker: Broker, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    with PageServer(Page(broker), host='127.0.0.1', port=0, tls=tls) as serving:
        yield serving.url


def get(url: str, path: str, *, method: str = 'GET', **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=10.0)
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    connection.request(method, path, headers=named)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def policy(answer: HTTPResponse) -> dict[str, list[str]]:
    rules = (answer.headers['Content-Security-Policy'] or '').split('; ')
    return {name: values for name, *values in map(str.split, rules)}


def test_the_page_may_reach_the_broker_and_nothing_else() -> None:
    with served(Broker(url=URL, root='rcb/v1')) as url:
        answer, body = get(url, '/')
    assert answer.status == 200
    assert b'<div id="app">' in body
    rules = policy(answer)
    assert rules['default-src'] == ["'none'"]
    assert rules['script-src'] == rules['style-src'] == ["'self'"]
    assert rules['connect-src'] == ["'self'", 'ws://127.0.0.1:9001']
    assert rules['require-trusted-types-for'] == ["'script'"]
    assert rules['frame-ancestors'] == ["'none'"]
    assert answer.headers['X-Content-Type-Options'] == 'nosniff'


def test_the_broker_is_where_the_page_was_reached() -> None:
    with served(Broker(url=URL, root='fleet/x')) as url:
        _, body = get(url, '/config.json', Host='desk.example:8080')
        assert json.loads(body) == {'url': 'ws://desk.example:9001/mqtt', 'root': 'fleet/x'}
        for host in ('', 'a b', "x;script-src 'unsafe-inline'", 'x/y', 'a' * 300):
            answer, _ = get(url, '/config.json', Host=host)
            assert answer.status == 400, host


def test_no_login_is_told_unless_it_was_given() -> None:
    with served(Broker(url=URL, root='rcb/v1', login=Login('ops', 'secret'))) as url:
        answer, body = get(url, '/config.json')
    assert json.loads(body)['password'] == 'secret'
    assert answer.headers['Cache-Control'] == 'no-store'
    assert 'secret' not in repr(Broker(url=URL, root='rcb/v1', login=Login('ops', 'secret')))


def test_what_has_its_hash_in_its_name_is_kept_and_the_rest_asked_for() -> None:
    with served(Broker(url=URL, root='rcb/v1')) as url:
        page, body = get(url, '/')
        assert page.headers['Cache-Control'] == 'no-cache'
        again, nothing = get(url, '/', If_None_Match=page.headers['ETag'] or '')
        assert (again.status, nothing) == (304, b'')
        found = re.search(rb'src="\.(/immutable/[^"]+\.js)"', body)
        assert found is not None
        script, plain = get(url, found[1].decode())
        assert 'immutable' in (script.headers['Cache-Control'] or '')
        zipped, fewer = get(url, found[1].decode(), Accept_Encoding='br, gzip')
        assert zipped.headers['Content-Encoding'] == 'gzip'
        assert len(fewer) < len(plain) / 2
        head, nothing = get(url, '/', method='HEAD')
        assert (head.headers['Content-Length'], nothing) == (str(len(body)), b'')


@pytest.mark.parametrize(
    'path', ['/../setup.py', '/immutable/../../page.py', '/%2e%2e/page.py', '//etc/passwd', '/x']
)
def test_nothing_but_the_page_is_handed_out(path: str) -> None:
    with served(Broker(url=URL, root='rcb/v1')) as url:
        assert get(url, path)[0].status == 404
        assert get(url, '/', method='POST')[0].status == 501


def test_a_browser_that_hangs_or_talks_nonsense_holds_up_nobody() -> None:
    with served(Broker(url=URL, root='rcb/v1')) as url:
        place = (urlsplit(url).hostname or '', urlsplit(url).port or 0)
        silent = [socket.create_connection(place, 10.0) for _ in range(20)]
        silent[0].sendall(b'\x16\x03\x01\x00' + b'\xff' * 2000)
        assert get(url, '/')[0].status == 200
        for browser in silent:
            browser.close()


def test_whoever_sends_a_byte_now_and_then_keeps_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, '_IDLE_S', 0.5)
    with served(Broker(url=URL, root='rcb/v1')) as url:
        place = (urlsplit(url).hostname or '', urlsplit(url).port or 0)
        slow = [socket.create_connection(place, 10.0) for _ in range(64)]
        over = threading.Event()

        def drip() -> None:
            while not over.wait(0.1):
                for browser in slow:
                    with suppress(OSError):
                        browser.sendall(b'G')

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert get(url, '/')[0].status == 200
        finally:
            over.set()
            dripping.join()
            for browser in slow:
                browser.close()


def test_https(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue('localhost')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with served(Broker(url=URL, root='rcb/v1'), context) as url:
        assert url.startswith('https://')
        place = (urlsplit(url).hostname or '', urlsplit(url).port or 0)
        trusting = ssl.create_default_context(cafile=str(authority.certificate))
        with (
            socket.create_connection(place, 10.0) as plain,
            trusting.wrap_socket(plain, server_hostname='localhost') as browser,
        ):
            browser.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
            assert browser.recv(64).startswith(b'HTTP/1.1 200')


@pytest.mark.parametrize(
    ('arguments', 'named'),
    [
        (['--listen', '8080'], '--listen'),
        (['--listen', '127.0.0.1:99999'], '--listen'),
        (['--port', '0'], '--port'),
        (['--host', 'a b'], '--host'),
        (['--ws-url', 'http://broker'], '--ws-url'),
        (['--ws-url', "ws://broker/'; x"], '--ws-url'),
        (['--https-key', 'x.key'], '--https-key'),
        (['--https-cert', 'missing.pem'], 'missing.pem'),
        (['--root', '#'], 'root'),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else None,
)
def test_a_wrong_argument_is_named(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['web', *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line


def test_a_port_that_is_taken_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(['web', '--listen', f'127.0.0.1:{port}']) == 2
    assert f'127.0.0.1:{port}' in capsys.readouterr().err
