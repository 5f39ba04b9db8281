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

"""The real bridge in a process of its own."""

from collections.abc import Mapping, Sequence
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
from types import TracebackType

from .waiting import wait_until

PACKAGE_ROOT = Path(__file__).resolve().parents[2]


class BridgeProcess:
    """
    ``python3 -m ros_cloud_bridge run`` on a parameter file; starts at once.

    :param parameters: what stands below ``ros__parameters``
    :param command: what to run in the place of ``-m ros_cloud_bridge run``
    :param environment: further environment variables
    :param arguments: further arguments
    """

    def __init__(
        self,
        parameters: Mapping[str, object],
        *,
        command: Sequence[str] = ('-m', 'ros_cloud_bridge', 'run'),
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix='bridge-')
        folder = Path(self._directory.name)
        params = folder / 'bridge.yaml'
        # JSON is YAML, and its quotes keep text that looks like a number text.
        params.write_text(json.dumps({'/**': {'ros__parameters': dict(parameters)}}))
        self._log_path = folder / 'log'
        with self._log_path.open('wb') as log:
            self._process = subprocess.Popen(
                [sys.executable, *command, '--params-file', str(params), *arguments],
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    'PYTHONPATH': f'{PACKAGE_ROOT}:{os.environ.get("PYTHONPATH", "")}',
                    'PYTHONUNBUFFERED': '1',
                    'ROS_LOG_DIR': str(folder),
                    **(environment or {}),
                },
            )

    def __enter__(self) -> 'BridgeProcess':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            print(f'--- the bridge said:\n{self.log()}')
        self.close()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def log(self) -> str:
        """
        Read what it has said.

        :returns: stdout and stderr
        """
        return self._log_path.read_text(errors='replace')

    def wait_for_log(self, text: str, count: int = 1) -> None:
        """
        Wait until it has said something.

        :param text: part of a line
        :param count: how often
        """

        def said() -> bool:
            return self.log().count(text) >= count

        try:
            wait_until(lambda: said() or not self.running, 20.0)
        except AssertionError:
            pass
        assert said(), f'{text!r} is not among:\n{self.log()}'

    def rss_kb(self) -> int:
        """
        Measure its resident memory.

        :returns: KiB
        """
        status = Path(f'/proc/{self.pid}/status').read_text()
        line = next(line for line in status.splitlines() if line.startswith('VmRSS'))
        return int(line.split()[1])

    def pause(self) -> None:
        """SIGSTOP it."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def resume(self) -> None:
        """SIGCONT it."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL it: the broker publishes its will."""
        self._process.kill()
        self._process.wait()

    def wait(self, timeout_s: float = 20.0) -> int:
        """
        Wait until it ends by itself.

        :param timeout_s: when to give up
        :returns: exit status
        """
        return self._process.wait(timeout_s)

    def stop(self) -> int:
        """
        End it as Ctrl-C does.

        :returns: exit status
        """
        if self.running:
            self._process.send_signal(signal.SIGINT)
        return self.wait()

    def close(self) -> None:
        """End it whatever its state, and remove its files."""
        if self.running:
            self._process.send_signal(signal.SIGCONT)
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        self._directory.cleanup()
