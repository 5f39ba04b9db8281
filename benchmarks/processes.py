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

"""The processes of a benchmark: children that answer commands, mosquitto, and what they use."""

import json
import os
from pathlib import Path
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent
_START_S = 60.0
_STOP_S = 15.0


def free_port() -> int:
    """
    Find a TCP port that nobody listens on.

    :returns: the port
    """
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """
    A process that ends with the ``with`` block.

    :param arguments: program and arguments
    :param log: file for its standard error
    :param talks: whether it answers commands, as :func:`commands.serve` does
    """

    def __init__(self, arguments: list[str], log: Path, talks: bool = False) -> None:
        pipe = subprocess.PIPE if talks else subprocess.DEVNULL
        self._log = log
        with log.open('ab') as errors:
            self._process = subprocess.Popen(
                arguments, stdin=pipe, stdout=pipe, stderr=errors, text=True
            )
        self._answers: queue.Queue[str | None] = queue.Queue()
        if talks:
            threading.Thread(target=self._listen, daemon=True).start()
            self._answer()

    def __enter__(self) -> 'Process':
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        else:
            self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ask(self, command: str, answer_s: float = _START_S, /, **fields: object) -> dict[str, Any]:
        """
        Let the child do something.

        :param command: what
        :param answer_s: how long that may take
        :param fields: its arguments
        :returns: the answer
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({'do': command, **fields}) + '\n')
        self._process.stdin.flush()
        return self._answer(answer_s)

    def cpu_s(self) -> float:
        """
        Tell the processor time that the process has used.

        :returns: seconds of all its threads, in user and kernel mode
        """
        # clock_getcpuclockid(3): nanoseconds, where /proc/PID/stat has hundredths of a second.
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def peak_mb(self) -> float:
        """
        Tell the most memory that the process has had.

        :returns: VmHWM, MB
        """
        for line in Path(f'/proc/{self._process.pid}/status').read_text().splitlines():
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) * 1024 / 1e6
        return 0.0

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def _answer(self, timeout_s: float = _START_S) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            line = None
        if line is None:
            raise SystemExit(f'a child does not answer:\n{self._log.read_text()[-2000:]}')
        answer: dict[str, Any] = json.loads(line)
        return answer


def child(script: str, *arguments: str, log: Path) -> Process:
    """
    Start one of the benchmark's children.

    :param script: file in this folder
    :param arguments: its arguments
    :param log: file for its standard error
    :returns: the child, once it is ready
    """
    return Process([sys.executable, str(HERE / script), *arguments], log, talks=True)


def start_broker(folder: Path) -> tuple[Process, int]:
    """
    Start mosquitto on a free loopback port.

    :param folder: where its files go
    :returns: process and port
    """
    program = shutil.which(
        'mosquitto', path=f'{os.environ.get("PATH", "")}:/usr/sbin:/usr/local/sbin'
    )
    if program is None:
        raise SystemExit('mosquitto is not installed')
    port = free_port()
    lines = [f'listener {port} 127.0.0.1', 'allow_anonymous true', 'set_tcp_nodelay true']
    # What waits for the sink is bounded by the benchmark's own counts.
    lines.append('max_queued_messages 0')
    if os.geteuid() == 0:
        lines.append('user root')
    config = folder / 'mosquitto.conf'
    config.write_text('\n'.join(lines) + '\n')
    process = Process([program, '-c', str(config)], folder / 'mosquitto.log')
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(('127.0.0.1', port), timeout=1.0).close()
            return process, port
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f'mosquitto does not start:\n{(folder / "mosquitto.log").read_text()}')
