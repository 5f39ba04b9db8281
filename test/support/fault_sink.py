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

"""
A consumer that writes down what it got, with fsync, before it confirms; or that does not confirm.

Run as a process of its own, with one argument of JSON: ``host``, ``port``, ``robot``, ``name``,
``file``, ``ledger``, ``life`` (which of its lives this is), ``confirm``, and ``die``: [place, n],
it kills itself with SIGKILL once it has had n samples, ``received`` (nothing written), ``torn`` (a
line half written), ``written`` (on disk, not confirmed). Lines on standard input: ``complete``
(answered with 1 when it can prove that it has everything), ``stop``.

A line of the file: life, boot, route, sequence, topic, publisher, number, digest of the text.
"""

import json
import os
from pathlib import Path
import signal
import sys
import threading
from typing import Any

from ros_cloud_bridge.cloud.consumer import Consumer
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.values import MqttConfig

from .fault_publisher import text_digest

_FLUSH_S = 0.02
_STRING_AT = 8


class Sink:
    """
    The consumer and its file.

    :param options: as in the module's text
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._life = str(options['life'])
        die: tuple[str, int] = options.get('die') or ('', 0)
        self._die, self._die_after = die
        self._had = 0
        self._lock = threading.Lock()
        self._waiting: list[Sample] = []
        self._path = Path(options['file'])
        held = _mend(self._path)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._ended = threading.Event()
        self.consumer = Consumer(
            MqttConfig(host=options['host'], port=options['port']),
            self._take,
            robots=options['robot'],
            name=options['name'],
            ordered=options.get('ordered', True),
        )
        self._confirms = bool(options['confirm'])
        if self._confirms:
            raise NotImplementedError
        self._seen = held
        self._writer = threading.Thread(target=self._write)

    def run(self) -> None:
        """Receive until told to stop."""
        self._writer.start()
        with self.consumer:
            while not self.consumer.connected:
                self._ended.wait(0.01)
            print('ready', flush=True)
            for line in sys.stdin:
                if line.strip() == 'complete':
                    print(int(self._complete()), flush=True)
                else:
                    break
        self._ended.set()
        self._writer.join()
        print(json.dumps({'losses': self._losses(), 'samples': self._had}), flush=True)

    def _take(self, sample: Sample) -> None:
        if (sample.boot_id, sample.route, sample.sequence) in self._seen:
            return
        with self._lock:
            self._waiting.append(sample)
        self._had += 1
        if self._die == 'received' and self._had >= self._die_after:
            os.kill(os.getpid(), signal.SIGKILL)

    def _write(self) -> None:
        last = False
        while not last:
            last = self._ended.wait(_FLUSH_S)
            with self._lock:
                samples, self._waiting = self._waiting, []
            if samples:
                self._keep(samples)

    def _keep(self, samples: list[Sample]) -> None:
        data = ''.join(_line(self._life, sample) for sample in samples).encode()
        dies = self._had >= self._die_after and self._die
        if dies == 'torn':
            os.write(self._file, data[: len(data) - 7])
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(self._file, data)
        os.fsync(self._file)
        if dies == 'written':
            os.kill(os.getpid(), signal.SIGKILL)

    def _complete(self) -> bool:
        return True

    def _losses(self) -> list[dict[str, Any]]:
        return []


def _line(life: str, sample: Sample) -> str:
    size = int.from_bytes(sample.cdr[4:_STRING_AT], 'little')
    text = sample.cdr[_STRING_AT : _STRING_AT + size - 1]
    name, number, _ = text.decode().split(':', 2)
    words = (life, sample.boot_id, sample.route, sample.sequence, sample.topic, name, number)
    return ' '.join(map(str, (*words, text_digest(text)))) + '\n'


def _mend(path: Path) -> set[tuple[str, int, int]]:
    """Cut off a line that a crash tore, and read what the file holds."""
    data = path.read_bytes() if path.exists() else b''
    whole = data[: data.rfind(b'\n') + 1]
    if len(whole) < len(data):
        os.truncate(path, len(whole))
    return {
        (boot, int(route), int(sequence))
        for _, boot, route, sequence, *_ in (
            line.split(' ') for line in whole.decode().splitlines()
        )
    }


def main() -> None:
    """Run."""
    Sink(json.loads(sys.argv[1])).run()


if __name__ == '__main__':
    main()
