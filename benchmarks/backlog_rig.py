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

"""A robot with a spool, a broker that comes and goes, a consumer; on a thin link or without."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Any

from backlog_spool import CONSUMER, MAX_BYTES
from link_rig import Member
from netns import CLOUD_ADDRESS, Link
from processes import free_port, HERE

_READY_S = 60.0
_POLL_S = 0.02


class Broker:
    """
    A mosquitto whose log is read line by line, each with the time when it was written.

    :param command: program and arguments
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.lines: list[tuple[int, str]] = []
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        self.running_ns = self.wait_for(' running', 0)

    def wait_for(self, text: str, since_ns: int) -> int:
        """
        Wait for a line.

        :param text: stands in it
        :param since_ns: written after this
        :returns: when it was written
        """
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            for at_ns, line in list(self.lines):
                if text in line and at_ns >= since_ns:
                    return at_ns
            if self._process.poll() is not None:
                break
            time.sleep(_POLL_S)
        raise SystemExit(f'mosquitto does not say {text!r}: {self.lines[-5:]}')

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append((time.time_ns(), line.rstrip()))


class Rig:
    """
    What a measurement needs; it ends with the ``with`` block.

    :param folder: where files go, the spool too
    :param robot_id: the robot
    :param link: between robot and cloud, if it is to be thin
    """

    def __init__(self, folder: Path, robot_id: str, link: Link | None = None) -> None:
        self.folder = folder
        self.robot_id = robot_id
        self.port = free_port()
        self._link = link
        self._stack = ExitStack()
        self.broker: Broker
        self.sink: Member
        self.bridge: Member

    def __enter__(self) -> 'Rig':
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all processes."""
        self._stack.close()

    def start_broker(self) -> None:
        """Start a broker that remembers nothing."""
        config = self.folder / 'mosquitto.conf'
        address = '' if self._link is not None else ' 127.0.0.1'
        lines = [f'listener {self.port}{address}', 'allow_anonymous true', 'set_tcp_nodelay true']
        # What waits for the sink is bounded by the benchmark's own counts.
        lines += ['max_queued_messages 0', 'log_dest stderr', 'log_type all']
        if os.geteuid() == 0:
            lines.append('user root')
        config.write_text('\n'.join(lines) + '\n')
        self.broker = Broker(self._inside('cloud', [_mosquitto(), '-c', str(config)]))
        self._stack.callback(self.broker.kill)

    def start_sink(self, *, consumer: bool = False, later: bool = False) -> None:
        """
        Start who receives.

        :param consumer: whether it confirms
        :param later: whether it decodes only when asked
        """
        command = [sys.executable, str(HERE / 'backlog_sink.py'), '127.0.0.1', str(self.port)]
        command += [CONSUMER if consumer else '', 'later' if later else 'now']
        self.sink = self._member('cloud', command, 'sink', talks=True)

    def start_bridge(self, streams: Mapping[str, Mapping[str, object]]) -> None:
        """
        Start the bridge.

        :param streams: by name, in the order of their precedence
        """
        parameters: dict[str, Any] = {
            'robot_id': self.robot_id,
            'mqtt': {
                'host': '127.0.0.1' if self._link is None else CLOUD_ADDRESS,
                'port': self.port,
            },
            'state_dir': str(self.folder),
            'spool': {'max_bytes': MAX_BYTES},
            'health_period_s': 1.0,
            'streams': list(streams),
            'stream': streams,
        }
        path = self.folder / 'bridge.yaml'
        # JSON is YAML.
        path.write_text(json.dumps({'/**': {'ros__parameters': parameters}}))
        command = [sys.executable, '-m', 'ros_cloud_bridge', 'run', '--params-file', str(path)]
        self.bridge = self._member('robot', command, 'bridge', talks=False)

    def stop_bridge(self) -> None:
        """End the bridge."""
        self.bridge.__exit__(None, None, None)

    def start_child(self, script: str, *arguments: str) -> Member:
        """
        Start a publisher on the robot.

        :param script: file in this folder
        :param arguments: its arguments
        :returns: the child
        """
        command = [sys.executable, str(HERE / script), *arguments]
        return self._member('robot', command, Path(script).stem, talks=True)

    def await_log(self, text: str) -> None:
        """
        Wait until the bridge has said something.

        :param text: stands in its log
        """
        deadline = time.monotonic() + _READY_S
        path = self.folder / 'bridge.log'
        while text not in path.read_text():
            self.bridge.check()
            if time.monotonic() > deadline:
                raise SystemExit(f'the bridge does not say {text!r}:\n{path.read_text()[-2000:]}')
            time.sleep(_POLL_S)

    def health(self) -> dict[str, Any]:
        """
        Give the last health document.

        :returns: it, empty before the first
        """
        document: dict[str, Any] = self.sink.ask('health')['health']
        return document

    def spooled(self) -> int | None:
        """
        Tell what waits in the spool.

        :returns: samples, by the last health document; None before the first
        """
        spool = self.health().get('spool')
        return None if spool is None else int(spool['samples'])

    def memory(self) -> tuple[float, float]:
        """
        Tell the bridge's memory.

        :returns: resident now and at most since :meth:`forget_peak`, MB
        """
        found = {}
        for line in self._proc('status').splitlines():
            name, _, value = line.partition(':')
            if name in ('VmRSS', 'VmHWM'):
                found[name] = int(value.split()[0]) * 1024 / 1e6
        return found['VmRSS'], found['VmHWM']

    def forget_peak(self) -> None:
        """Let the peak begin at what is resident now (proc(5), clear_refs)."""
        Path(f'/proc/{self.bridge.pid}/clear_refs').write_text('5')

    def written_bytes(self) -> int:
        """
        Tell what the bridge has had written to disk.

        :returns: as the kernel counts it (proc(5), io)
        """
        for line in self._proc('io').splitlines():
            if line.startswith('write_bytes:'):
                return int(line.split()[1])
        return 0

    def _proc(self, name: str) -> str:
        self.bridge.check()
        return Path(f'/proc/{self.bridge.pid}/{name}').read_text()

    def _inside(self, side: str, command: list[str]) -> list[str]:
        return command if self._link is None else self._link.inside(side, command)

    def _member(self, side: str, command: list[str], name: str, talks: bool) -> Member:
        log = self.folder / f'{name}.log'
        member = Member(self._inside(side, command), log, talks=talks)
        self._stack.enter_context(member)
        return member


def _mosquitto() -> str:
    path = f'{os.environ.get("PATH", "")}:/usr/sbin:/usr/local/sbin'
    program = shutil.which('mosquitto', path=path)
    if program is None:
        raise SystemExit('mosquitto is not installed')
    return program
