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

"""The page of a demonstration."""

from pathlib import Path
import socket
import time

from ros_cloud_bridge.cli.demo_processes import command_line, free_port, Process
from ros_cloud_bridge.errors import LocalFault

DEFAULT_PORT = 8080
_START_S = 20.0


def start_page(folder: Path, websockets_port: int, port: int) -> tuple[Process, str]:
    """
    Serve the page on the loopback interface.

    :param folder: for its log
    :param websockets_port: the broker's, for browsers
    :param port: where it is served; if that is taken, on a free one
    :returns: the process, once it answers, and the page's URL
    :raises LocalFault: when it does not start
    """
    port = port if _is_free(port) else free_port()
    arguments = ['web', '--listen', f'127.0.0.1:{port}', '--port', str(websockets_port)]
    page = Process('page', command_line(*arguments), folder)
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        page.check()
        try:
            with socket.create_connection(('127.0.0.1', port), 1.0):
                return page, f'http://127.0.0.1:{port}/'
        except OSError:
            time.sleep(0.05)
    raise LocalFault(f'the page is not served on port {port}:\n{page.tail()}')


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('127.0.0.1', port))
        except OSError:
            return False
        return True
