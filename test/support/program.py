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

"""Run ``ros-cloud-bridge`` as a user does: a process, its output and its exit status."""

from collections.abc import Sequence
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
from types import TracebackType

from .waiting import wait_until

PROJECT = Path(__file__).resolve().parents[2]


class Program:
    """
    One process; it ends with the ``with`` block at the latest.

    :param arguments: of ``ros-cloud-bridge``
    :param read: whether its output is read; else its pipe's reading end is closed at once
    """

    def __init__(self, arguments: Sequence[str], *, read: bool = True) -> None:
        path = os.pathsep.join([str(PROJECT), os.environ.get('PYTHONPATH', '')])
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'ros_cloud_bridge', *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding='utf-8',
            env={**os.environ, 'PYTHONPATH': path, 'PYTHONIOENCODING': 'utf-8'},
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [threading.Thread(target=self._read, args=(self.err, False), daemon=True)]
        if read:
            reader = threading.Thread(target=self._read, args=(self.out, True), daemon=True)
            self._readers.append(reader)
        else:
            assert self._process.stdout is not None
            self._process.stdout.close()
        for thread in self._readers:
            thread.start()

    def __enter__(self) -> 'Program':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()

    def send(self, number: signal.Signals) -> None:
        """
        Send a signal.

        :param number: which
        """
        self._process.send_signal(number)

    def wait(self) -> int:
        """
        Wait for the end.

        :returns: exit status
        """
        status = self._process.wait(timeout=30.0)
        for thread in self._readers:
            thread.join(10.0)
        return status

    def wait_for_error(self, text: str) -> None:
        """
        Wait until something has been said on stderr.

        :param text: part of it
        """
        try:
            wait_until(lambda: text in ''.join(self.err), 20.0)
        except AssertionError:
            raise AssertionError(f'no {text!r} in {self.err}') from None

    def _read(self, lines: list[str], out: bool) -> None:
        stream = self._process.stdout if out else self._process.stderr
        assert stream is not None
        for line in stream:
            lines.append(line)
