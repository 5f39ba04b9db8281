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

"""A real mosquitto on a free loopback port."""

from collections.abc import Sequence
import os
from pathlib import Path
import shutil
import signal
import socket
import subprocess
import tempfile
from types import TracebackType

import pytest

from .waiting import wait_until


def find_mosquitto() -> str | None:
    """
    Find the broker's program.

    :returns: its path, or None where it is not installed
    """
    return shutil.which(
        'mosquitto', path=f'{os.environ.get("PATH", "")}:/usr/sbin:/usr/local/sbin'
    )


def free_port() -> int:
    """
    Find a TCP port that nobody listens on.

    :returns: the port; another process may still take it before you do
    """
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port: int = probe.getsockname()[1]
        return port


class Broker:
    """
    One mosquitto process; starts at once, ends with ``stop`` or the ``with`` block.

    Skips the test where mosquitto is not installed.

    :param lines: configuration lines, placed after the one ``listener`` line
    """

    def __init__(self, lines: Sequence[str] = ()) -> None:
        program = find_mosquitto()
        if program is None:
            pytest.skip('mosquitto is not installed')
        self._program: str = program
        self._lines = tuple(lines)
        self._directory = tempfile.TemporaryDirectory(prefix='broker-')
        self._process: subprocess.Popen[bytes] | None = None
        self.host = '127.0.0.1'
        self.port = 0
        # Somebody may take the free port before mosquitto does.
        for _ in range(5):
            self.port = free_port()
            if self._start():
                return
        raise AssertionError(f'mosquitto does not start:\n{self.log()}')

    def __enter__(self) -> 'Broker':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def log(self) -> str:
        """
        Read what the broker has logged since its last start.

        :returns: the text; connections and packets included
        """
        path = self._log_path
        return path.read_text(errors='replace') if path.exists() else ''

    def stop(self) -> None:
        """End the process in an orderly way; ``restart`` brings it back on the same port."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL the process; ``restart`` brings it back on the same port."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start the process again on the same port, ending it first when it runs."""
        self.stop()
        assert self._start(), f'mosquitto does not start again:\n{self.log()}'

    def pause(self) -> None:
        """SIGSTOP the process: connections stay open and nothing is answered."""
        self._running.send_signal(signal.SIGSTOP)
        # The signal takes a moment, in which the broker would still answer.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def resume(self) -> None:
        """SIGCONT the process after ``pause``."""
        self._running.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End the process and remove its files."""
        self.stop()
        self._directory.cleanup()

    @property
    def pid(self) -> int:
        """The process id of the running broker."""
        return self._running.pid

    @property
    def _running(self) -> 'subprocess.Popen[bytes]':
        assert self._process is not None, 'the broker is not running'
        return self._process

    @property
    def _log_path(self) -> Path:
        return Path(self._directory.name) / 'log'

    def _start(self) -> bool:
        config = Path(self._directory.name) / 'mosquitto.conf'
        config.write_text('\n'.join(self._config()) + '\n')
        with self._log_path.open('wb') as log:
            process = subprocess.Popen(
                [self._program, '-v', '-c', str(config)], stdout=log, stderr=log
            )
        wait_until(lambda: process.poll() is not None or self._accepts(), 15.0, 'mosquitto')
        if process.poll() is not None:
            return False
        self._process = process
        return True

    def _config(self) -> list[str]:
        lines = [f'listener {self.port} {self.host}', *self._lines]
        if not any(line.startswith(('allow_anonymous', 'password_file')) for line in lines):
            lines.append('allow_anonymous true')
        if os.geteuid() == 0:
            # Else it becomes the user mosquitto, who may not read a test's private directory.
            lines.append('user root')
        return lines

    def _accepts(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        # A stopped process takes SIGTERM only after it continues.
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(timeout=10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
