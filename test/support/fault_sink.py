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
it kills itself with SIGKILL once it has had n samples: ``received`` (nothing written), ``torn`` (a
line half written), ``written`` (on disk, not confirmed). Lines on standard input: ``proven``
(answered with the places of all routes that it can prove complete and over), ``stop``.

A line of the file: life, boot, route, sequence, topic, publisher, number, digest of the text, and
stream and schema, so that whoever comes after a crash can confirm what the file holds.
"""

import json
import os
from pathlib import Path
import signal
import sys
import threading
from typing import Any

from ros_cloud_bridge.cloud.consumer import Consumer
from ros_cloud_bridge.cloud.ledger import HELD, Ledger, LedgerEntry, Span
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.values import MqttConfig
from ros_cloud_bridge.wire.batch import Descriptor

from .fault_publisher import text_digest

_FLUSH_S = 0.02
_STRING_AT = 8
_TYPE = 'std_msgs/msg/String'


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
        path = Path(options['file'])
        entries = _mend(path, options['robot'])
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._ended = threading.Event()
        self._ledger: Ledger | None = None
        if options['confirm']:
            self._ledger = Ledger(Path(options['ledger']), options['name'])
            # What a crash kept from being confirmed is durable all the same.
            self._ledger.commit(entries)
        self.consumer = Consumer(
            MqttConfig(host=options['host'], port=options['port']),
            self._take,
            robots=options['robot'],
            name=options['name'],
            ordered=options.get('ordered', True),
            confirms=self._ledger is not None,
            ledger=self._ledger,
        )
        self._writer = threading.Thread(target=self._write)

    def run(self) -> None:
        """Receive until told to stop."""
        self._writer.start()
        with self.consumer:
            while not self.consumer.connected:
                self._ended.wait(0.01)
            print('ready', flush=True)
            for line in sys.stdin:
                if line.strip() == 'proven':
                    print(json.dumps(self._proven()), flush=True)
                else:
                    break
            # All that has come is written and confirmed before it leaves.
            self._ended.set()
            self._writer.join()
        self._keep(self._waiting)
        losses = [describe(entry) for entry in self._entries()]
        print(json.dumps({'losses': losses, 'routes': self._routes()}), flush=True)

    def _take(self, sample: Sample) -> None:
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
            self._keep(samples)

    def _keep(self, samples: list[Sample]) -> None:
        if not samples:
            return
        data = ''.join(map(self._line, samples)).encode()
        dies = self._had >= self._die_after and self._die
        if dies == 'torn':
            os.write(self._file, data[: len(data) - 7])
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(self._file, data)
        os.fsync(self._file)
        if dies == 'written':
            os.kill(os.getpid(), signal.SIGKILL)
        self.consumer.confirm(samples)

    def _line(self, sample: Sample) -> str:
        return line_of(
            self._life,
            sample.boot_id,
            sample.route,
            sample.sequence,
            sample.topic,
            sample.cdr,
            sample.stream,
            sample.schema_id,
        )

    def _entries(self) -> list[LedgerEntry]:
        return [] if self._ledger is None else self._ledger.entries()

    def _proven(self) -> list[tuple[str, int]]:
        described = map(describe, self._entries())
        return [(e['boot'], e['route']) for e in described if e['closed'] and e['complete']]

    def _routes(self) -> list[dict[str, Any]]:
        """Give what the decoder of this life says."""
        return [
            {
                'boot': entry.boot_id,
                'route': entry.route,
                'committed': entry.committed,
                'closed': entry.closed,
                'complete': entry.complete,
                'duplicates': entry.duplicates,
            }
            for entry in self.consumer.decoder.losses()
        ]


def describe(entry: LedgerEntry) -> dict[str, Any]:
    """
    Say what a ledger knows of a route.

    :param entry: its entry
    :returns: boot, route, committed, closed, complete and gaps
    """
    known = Ranges((span.first, span.last) for span in entry.spans)
    last = entry.committed
    return {
        'boot': entry.boot.hex(),
        'route': entry.route,
        'committed': last,
        'closed': entry.closed,
        'complete': entry.closed and (not last or known.count(1, last) == last),
        'gaps': [list(span_of) for span_of in map(_gap, entry.spans) if span_of],
    }


def _gap(span: Span) -> tuple[int, int, int] | tuple[()]:
    return () if span.reason == HELD else (span.reason, span.first, span.last)


def line_of(
    life: str,
    boot: str,
    route: int,
    sequence: int,
    topic: str,
    cdr: bytes,
    stream: str,
    schema: str,
) -> str:
    """
    Write a sample down.

    :param life: of the consumer
    :param boot: boot id, hexadecimal
    :param route: route number
    :param sequence: sequence number
    :param topic: ROS topic
    :param cdr: the serialized std_msgs/String
    :param stream: the stream's name
    :param schema: the schema's id
    :returns: a line with its end
    """
    size = int.from_bytes(cdr[4:_STRING_AT], 'little')
    text = cdr[_STRING_AT : _STRING_AT + size - 1]
    name, number, _ = text.decode().split(':', 2)
    words = (life, boot, route, sequence, topic, name, number, text_digest(text))
    return ' '.join(map(str, (*words, stream, schema or '-'))) + '\n'


def _mend(path: Path, robot_id: str) -> list[LedgerEntry]:
    """Cut off a line that a crash tore, and read what the file holds."""
    data = path.read_bytes() if path.exists() else b''
    whole = data[: data.rfind(b'\n') + 1]
    if len(whole) < len(data):
        os.truncate(path, len(whole))
    held: dict[tuple[str, int, Descriptor], Ranges] = {}
    for line in whole.decode().splitlines():
        _, boot, route, sequence, topic, _, _, _, stream, schema = line.split(' ')
        descriptor = Descriptor(
            stream=stream, topic=topic, type_name=_TYPE, schema_id=schema.replace('-', '')
        )
        ranges = held.setdefault((boot, int(route), descriptor), Ranges())
        ranges.add(int(sequence), int(sequence))
    return [
        LedgerEntry(
            robot_id=robot_id,
            boot=bytes.fromhex(boot),
            route=route,
            descriptor=descriptor,
            spans=tuple(Span(HELD, first, last) for first, last in ranges),
        )
        for (boot, route, descriptor), ranges in held.items()
    ]


def main() -> None:
    """Run."""
    Sink(json.loads(sys.argv[1])).run()


if __name__ == '__main__':
    main()
