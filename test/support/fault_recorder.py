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

"""``record --confirm`` in the place of the durable consumer of a fault test."""

from collections.abc import Mapping
from pathlib import Path
import shutil
import signal
import tempfile
from typing import Any

from mcap.reader import make_reader

from ros_cloud_bridge.cloud.ledger import Ledger

from .fault_children import Child
from .fault_sink import describe, line_of
from .waiting import wait_until

Place = tuple[str, int]


class RecorderSink:
    """
    Records into one file per life, all under one ledger; may be killed and started again.

    A recording holds no boot ids: only one boot of the bridge may have samples.

    :param folder: where its files go
    :param options: as :class:`support.fault_children.Sink` takes them
    """

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self._folder = folder
        self._options = dict(options)
        self.file = folder / 'sink.txt'
        self.ledger = folder / 'sink.ledger'
        self.process: Child | None = None
        self.starts = 0
        self.summaries: list[dict[str, Any]] = []

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self.process is not None and self.process.running

    def start(self) -> None:
        """Start it, and wait until its file has begun."""
        self.starts += 1
        output = self._path(self.starts)
        options = self._options
        arguments = ['record', '--output', str(output), '--robot', str(options['robot'])]
        arguments += ['--name', str(options['name']), '--confirm', '--ledger', str(self.ledger)]
        arguments += ['--host', str(options['host']), '--port', str(options['port'])]
        self.process = Child(
            ['-m', 'ros_cloud_bridge', *arguments], self._folder / 'sink.log', {'LANG': 'C'}
        )
        wait_until(output.exists, 30.0, 'the recording')

    def kill(self) -> None:
        """SIGKILL it."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self.process is None:
            return
        self.process.signal(signal.SIGINT)
        status = self.process.wait()
        assert status == 0, f'record ended with {status}:\n{self.log()[-3000:]}'
        self.process = None
        self.summaries.append({'losses': self._described(), 'routes': []})

    def proven(self) -> set[Place]:
        """
        Look into its ledger.

        :returns: the routes that it can prove to be over and complete
        """
        described = self._described()
        return {(e['boot'], e['route']) for e in described if e['closed'] and e['complete']}

    def convert(self, places: Mapping[str, Place]) -> None:
        """
        Write down what the recordings hold as the other consumer does.

        :param places: boot and route by stream
        """
        with self.file.open('w', encoding='utf-8') as lines:
            for life in range(1, self.starts + 1):
                with self._path(life).open('rb') as stream:
                    for _, channel, message in make_reader(stream).iter_messages(
                        log_time_order=False
                    ):
                        name = channel.topic.rpartition('/')[2]
                        if name in places:
                            place = (*places[name], message.sequence, channel.topic)
                            lines.write(line_of(str(life), *place, message.data, name, ''))

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

    def _path(self, life: int) -> Path:
        return self._folder / f'recording-{life}.mcap'

    def _described(self) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder:
            # The one that it writes is its own.
            for suffix in ('', '-wal'):
                beside = self.ledger.with_name(self.ledger.name + suffix)
                if beside.exists():
                    shutil.copy(beside, Path(folder) / beside.name)
            ledger = Ledger(Path(folder) / self.ledger.name, str(self._options['name']))
            try:
                return [describe(entry) for entry in ledger.entries()]
            finally:
                ledger.close()
