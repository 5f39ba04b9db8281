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


"""A real Chromium without a window, in which the project's page is open."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import shutil
from typing import Any

import pytest

_PROGRAMS = ('chromium', 'chromium-browser', 'google-chrome')
_ARGUMENTS = (
    '--no-sandbox',
    '--disable-gpu',
    # WebGL by the processor.
    '--use-gl=angle',
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
    # It is to talk to the page and its broker alone.
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
)


def find_chromium() -> str | None:
    """
    Find the browser's program.

    :returns: its path, or None where it is not installed
    """
    return next((found for name in _PROGRAMS if (found := shutil.which(name))), None)


@contextmanager
def chromium(arguments: Sequence[str] = ()) -> Iterator[Any]:
    """
    Run the browser; skips the test where it, or what drives it, is not installed.

    :param arguments: further ones
    :yields: Playwright's ``Browser``
    """
    reason = 'playwright is not installed: pip install playwright'
    playwright = pytest.importorskip('playwright.sync_api', reason=reason)
    program = find_chromium()
    if program is None:
        pytest.skip('Chromium is not installed (apt-get install chromium)')
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=[*_ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            browser.close()


class Errors:
    """
    What went wrong in a page: exceptions, and what its policy forbade.

    :param page: Playwright's ``Page``
    """

    def __init__(self, page: Any) -> None:
        self.said: list[str] = []
        page.on('pageerror', lambda error: self.said.append(str(error)))
        page.on('dialog', lambda dialog: self.said.append(f'dialog: {dialog.message}'))
        page.on('console', self._console)

    def _console(self, message: Any) -> None:
        # A broker that is away is told by the browser itself.
        if message.type == 'error' and 'WebSocket connection' not in message.text:
            self.said.append(message.text)
