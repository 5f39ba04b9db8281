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

"""The other processes of a fault test: the publisher and the consumers, each of its own."""

from collections.abc import Mapping, Sequence
import json
import os
from pathlib import Path
import queue
import signal
import subprocess
import sys
import threading
from typing import Any

from .bridge_process import PACKAGE_ROOT
from .fault_publisher import Load, Tally
from .waiting import wait_until

_ANSWER_S = 40.0


class Child:
    """
    A Python process that answers lines on its standard input with lines on its standard output.

    :param arguments: behind ``python3``
    :param log: file for its standard error
    :param environment: further environment variables
    """

    def __init__(
        self, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._log = log
        path = f'{PACKAGE_ROOT / "test"}:{PACKAGE_ROOT}:{os.environ.get("PYTHONPATH", "")}'
        with log.open('ab') as errors:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, 'PYTHONPATH': path, **(environment or {})},
            )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def answer(self) -> str:
        """
        Wait for its next line.

        :returns: the line, without its end
        """
        try:
            line = self._lines.get(timeout=_ANSWER_S)
        except queue.Empty:
            line = None
        assert line is not None, f'a child does not answer:\n{self._log.read_text()[-3000:]}'
        return line.rstrip('\n')

    def ask(self, line: str) -> str:
        """
        Say a line.

        :param line: without its end
        :returns: the answer
        """
        assert self._process.stdin is not None
        self._process.stdin.write(line + '\n')
        self._process.stdin.flush()
        return self.answer()

    def signal(self, number: signal.Signals) -> None:
        """
        Send a signal.

        :param number: which
        """
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL it."""
        self._process.kill()
        self._process.wait()

    def end(self) -> int:
        """
        Close its standard input and wait for its end.

        :returns: exit status
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it was killed
        return self.wait()

    def wait(self) -> int:
        """
        Wait until it has ended.

        :returns: exit status
        """
        try:
            return self._process.wait(_ANSWER_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)


class Publisher:
    """
    Publishes; see :mod:`support.fault_publisher`. Begins paused.

    :param folder: where its files go
    :param seed: of the round
    :param name: of the publisher
    :param loads: topics, rates and lengths
    :param environment: further environment variables
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        name: str,
        loads: Sequence[Load],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.loads = tuple(loads)
        record = folder / f'published-{name}'
        self._tally = Tally(record)
        arguments = [str(record), str(seed), name, *map(str, loads)]
        self.process = Child(
            ['-m', 'support.fault_publisher', *arguments],
            folder / f'publisher-{name}.log',
            environment,
        )
        assert self.process.answer() == 'ready'

    def go(self) -> None:
        """Publish from now on."""
        assert self.process.ask('go') == 'go'

    def pause(self) -> None:
        """Publish no more until :meth:`go`."""
        assert self.process.ask('pause') == 'pause'

    def counts(self) -> dict[str, tuple[int, int]]:
        """
        Tell how much was published.

        :returns: calls of ``publish`` begun, and returned, by topic
        """
        return {load.topic: self._tally.counts(slot) for slot, load in enumerate(self.loads)}

    def published(self) -> int:
        """
        Tell how many samples were published.

        :returns: of all topics, those that a kill interrupted included
        """
        return sum(begun for begun, _ in self.counts().values())

    def close(self) -> None:
        """End it."""
        if self.process.running:
            self.process.end()


class Sink:
    """
    The durable consumer of :mod:`support.fault_sink`; may be killed and started again.

    :param folder: where its files go
    :param options: see there
    """

    def __init__(self, folder: Path, options: Mapping[str, object]) -> None:
        self._folder = folder
        self._options = dict(options)
        self.file = folder / 'sink.txt'
        self.ledger = folder / 'sink.ledger'
        self.process: Child | None = None
        self.starts = 0
        # What each of its lives said in the end; those that were killed say nothing.
        self.summaries: list[dict[str, Any]] = []

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self.process is not None and self.process.running

    def start(self, **further: object) -> None:
        """
        Start it, and wait until it is connected.

        :param further: options for this life alone
        """
        options = {
            **self._options,
            'file': str(self.file),
            'ledger': str(self.ledger),
            'life': self.starts,
            **further,
        }
        self.starts += 1
        self.process = Child(
            ['-m', 'support.fault_sink', json.dumps(options)], self._folder / 'sink.log'
        )
        assert self.process.answer() == 'ready', self.log()

    def kill(self) -> None:
        """SIGKILL it."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def proven(self) -> set[tuple[str, int]]:
        """
        Ask of which routes it can prove that they are over and that it has everything.

        :returns: (boot id, route) of each
        """
        assert self.process is not None
        return {(boot, route) for boot, route in json.loads(self.process.ask('proven'))}

    def wait_until_dead(self, timeout_s: float = 40.0) -> None:
        """
        Wait until it has killed itself, as its option ``die`` says.

        :param timeout_s: when to give up
        """
        wait_until(lambda: not self.running, timeout_s, 'the end of the sink')
        self.process = None

    def stop(self) -> None:
        """End it in good order."""
        if self.process is None:
            return
        self.summaries.append(json.loads(self.process.ask('stop')))
        self.process.end()
        self.process = None

    def log(self) -> str:
        """
        Read what it has said.

        :returns: standard error of all its lives
        """
        path = self._folder / 'sink.log'
        return path.read_text(errors='replace') if path.exists() else ''

    def close(self) -> None:
        """End it whatever its state."""
        self.kill()
