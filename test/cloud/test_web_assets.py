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

"""The built page is that of the sources beside it; needs neither npm nor a browser."""

import hashlib
from pathlib import Path
import re

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / 'web'
ASSETS = ROOT / 'ros_cloud_bridge' / 'cloud' / 'web' / 'assets'
# As web/vite.config.ts has it, which writes the stamp.
BESIDE = (
    'index.html',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'vite.config.ts',
    'vite.protocol.config.ts',
)

pytestmark = pytest.mark.skipif(not SOURCES.is_dir(), reason='no sources of the page here')


def sources() -> list[str]:
    """
    Name what the page is built from.

    :returns: paths relative to ``web/``, sorted
    """
    inside = (path for path in (SOURCES / 'src').rglob('*') if path.is_file())
    names = [path.relative_to(SOURCES).as_posix() for path in inside]
    return sorted([*(name for name in names if not name.endswith('.test.ts')), *BESIDE])


def test_assets_were_built_from_these_sources() -> None:
    digest = hashlib.sha256()
    for name in sources():
        content = (SOURCES / name).read_bytes()
        digest.update(f'{name}\0{len(content)}\0'.encode())
        digest.update(content)
    built = (ASSETS / 'sources.sha256').read_text().strip()
    assert built == digest.hexdigest(), 'build the page anew: cd web && npm ci && npm run build'


def test_the_page_names_what_is_there_and_nothing_elsewhere() -> None:
    page = (ASSETS / 'index.html').read_text()
    named = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert named
    for name in named:
        assert name.startswith('./immutable/'), f'{name} is not of the page itself'
        assert (ASSETS / name).is_file()


def test_the_lock_file_names_no_registry() -> None:
    lock = (SOURCES / 'package-lock.json').read_text()
    assert '"integrity"' in lock
    assert '"resolved"' not in lock
