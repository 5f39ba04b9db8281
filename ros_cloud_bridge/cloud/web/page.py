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
The built page, held in memory: what each path answers with, and under which rules.

It is told what a request says and does no I/O, but for reading the assets once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
import gzip
import hashlib
from importlib.resources import files
import json
import re

from ros_cloud_bridge.errors import LocalFault
from ros_cloud_bridge.mqtt.credentials import Login

_TYPES = {
    'css': 'text/css; charset=utf-8',
    'html': 'text/html; charset=utf-8',
    'js': 'text/javascript; charset=utf-8',
    'json': 'application/json',
    'svg': 'image/svg+xml',
}
# Below it a compressed answer is hardly smaller.
_WORTH_GZIP = 1024
# A browser asks before each use; an ETag makes the answer short.
_ASK = 'no-cache'
# Names there hold a hash of their content (web/vite.config.ts).
_KEPT = '/immutable/'
_FOR_EVER = 'public, max-age=31536000, immutable'
_HOST = re.compile(r'(?P<name>[A-Za-z0-9.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?')
_ALWAYS = {
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """
    How browsers reach the broker.

    :param url: of its WebSocket listener; ``{host}`` stands for the name by which the page itself
        was reached
    :param root: the fleet's topic root
    :param login: handed to every browser that asks; None: users type their own
    """

    url: str
    root: str
    login: Login | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request is answered with: HTTP status, headers and content."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b''


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asset:
    kind: str
    body: bytes
    zipped: bytes | None
    etag: str
    caching: str


class Page:
    """
    The page and its configuration.

    :param broker: what the page connects to
    :raises LocalFault: when the package holds no built page
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        root = files('ros_cloud_bridge.cloud.web').joinpath('assets')
        self._assets: dict[str, _Asset] = {}
        # It may be a zip file's, so nothing here takes it for a path.
        for folder, prefix, caching in ((root, '/', _ASK), (root / 'immutable', _KEPT, _FOR_EVER)):
            for entry in folder.iterdir() if folder.is_dir() else ():
                if entry.name.rpartition('.')[2] in _TYPES:
                    asset = _asset(entry.name, entry.read_bytes(), caching)
                    self._assets[prefix + entry.name] = asset
        if '/index.html' not in self._assets:
            raise LocalFault('the page is not built: cd web && npm ci && npm run build')
        self._assets['/'] = self._assets.pop('/index.html')

    def answer(self, path: str, headers: Message) -> Answer:
        """
        Answer a GET request.

        :param path: of the URL, with or without a query
        :param headers: of the request
        :returns: the answer
        """
        host = _HOST.fullmatch(headers.get('Host', ''))
        if host is None:
            return self._refuse(400, 'the request names no host')
        url = self._broker.url.replace('{host}', host['name'])
        path = path.partition('?')[0]
        if path == '/config.json':
            # Never kept: it may hold a password.
            return self._give(self._configuration(url), headers, url)
        asset = self._assets.get(path)
        if asset is None:
            return self._refuse(404, 'there is no such page')
        return self._give(asset, headers, url)

    def _give(self, asset: _Asset, headers: Message, url: str) -> Answer:
        said = {
            **_ALWAYS,
            'Content-Type': asset.kind,
            'Cache-Control': asset.caching,
            'Content-Security-Policy': _policy(url),
            'ETag': asset.etag,
            'Vary': 'Accept-Encoding',
        }
        if asset.etag in headers.get('If-None-Match', ''):
            return Answer(status=304, headers=said)
        if asset.zipped is not None and 'gzip' in headers.get('Accept-Encoding', ''):
            return Answer(
                status=200, headers={**said, 'Content-Encoding': 'gzip'}, body=asset.zipped
            )
        return Answer(status=200, headers=said, body=asset.body)

    def _configuration(self, url: str) -> _Asset:
        known = {'url': url, 'root': self._broker.root}
        if (login := self._broker.login) is not None:
            known |= {'username': login.username, 'password': login.password or ''}
        return _asset('config.json', json.dumps(known).encode(), 'no-store')

    @staticmethod
    def _refuse(status: int, text: str) -> Answer:
        said = {**_ALWAYS, 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': _ASK}
        return Answer(status=status, headers=said, body=f'{text}\n'.encode())


def _asset(name: str, body: bytes, caching: str) -> _Asset:
    # mtime=0: the same bytes at each start, so that one ETag holds for both.
    zipped = gzip.compress(body, mtime=0) if len(body) > _WORTH_GZIP else None
    return _Asset(
        kind=_TYPES[name.rpartition('.')[2]],
        body=body,
        zipped=zipped,
        etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        caching=caching,
    )


def _policy(url: str) -> str:
    """Forbid the page everything that it does not need; ``url`` is the broker's."""
    origin = '/'.join(url.split('/')[:3])
    return '; '.join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob:",
            "worker-src 'self'",
            f"connect-src 'self' {origin}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            # No text can become markup, whatever is overlooked: innerHTML and its like throw.
            "require-trusted-types-for 'script'",
            'trusted-types page',
        )
    )
