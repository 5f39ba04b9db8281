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
What the cloud side costs: decoding, recording into MCAP, exporting; and its memory.

IMU messages of 324 bytes come in batches of a second at 100 Hz, as a bridge encodes them. Beside
it a plain peer: each message published by itself, and its bytes written by the ``mcap`` library's
writer as they came, without decoding, removing duplicates or counting losses. Rates are messages
per second of processor time, so that what else the machine does changes them little.
"""

import argparse
from collections.abc import Callable, Iterator
import json
from pathlib import Path
import random
import resource
import statistics
import struct
import sys
import tempfile
import time
from typing import Any, BinaryIO

from mcap.writer import CompressionType, Writer
from tables import machine, number, ratio, table

from ros_cloud_bridge.cloud import ColumnReader, Decoder
from ros_cloud_bridge.cloud.export import Exporter, TABLES
from ros_cloud_bridge.cloud.mcap_messages import read_messages
from ros_cloud_bridge.cloud.messages import MessageDecoder
from ros_cloud_bridge.cloud.recorder import Recorder
from ros_cloud_bridge.values import Received
from ros_cloud_bridge.wire.announce import encode_schema
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.schema import Schema

_TYPE = 'sensor_msgs/msg/Imu'
_HZ = 100
_START_NS = 1_700_000_000 * 10**9
_ROUTES = 10


def well_known(type_name: str) -> Schema:
    """
    Give the schema of a common type.

    :param type_name: as in ``sensor_msgs/msg/Imu``
    :returns: its schema
    """
    from rosbags.typesys import get_typestore, Stores

    store = get_typestore(Stores.ROS2_KILTED)
    text, _ = store.generate_msgdef(type_name, ros_version=2)
    return Schema(type_name=type_name, definition=text, rihs01=store.hash_rihs01(type_name))


def messages() -> Iterator[Received]:
    """
    Make messages of an IMU: a stamp, a frame, and numbers of which some vary.

    :returns: without end
    """
    chance = random.Random(1)
    frame = b'imu_link\0\0\0\0'
    count = 0
    while True:
        stamp_ns = _START_NS + count * 10**9 // _HZ
        head = struct.pack('<4BiIi', 0, 1, 0, 0, stamp_ns // 10**9, stamp_ns % 10**9, 9) + frame
        values = [chance.gauss(0.0, 0.1) for _ in range(10)]
        fixed = [0.0] * 9
        body = struct.pack('<37d', *values[:4], *fixed, *values[4:7], *fixed, *values[7:], *fixed)
        yield Received(head + body, stamp_ns, stamp_ns + 400_000)
        count += 1


def batches(seconds: int, schema: Schema) -> list[bytes]:
    """
    Encode what ``_ROUTES`` IMUs send.

    :param seconds: a batch each, for each of the routes
    :param schema: of the messages
    :returns: MQTT payloads
    """
    source = messages()
    encoders = {route: BlockEncoder() for route in range(_ROUTES)}
    payloads = []
    for second in range(seconds):
        for route in range(_ROUTES):
            descriptor = Descriptor(
                stream='imu', topic=f'/imu{route}', type_name=_TYPE, schema_id=schema.id
            )
            section = Section(
                route=route,
                descriptor=descriptor if second % 10 == 0 else None,
                sequences=range(1 + second * _HZ, 1 + (second + 1) * _HZ),
                samples=[next(source) for _ in range(_HZ)],
                totals=None,
            )
            batch = Batch(
                boot=bytes(8),
                number=second * _ROUTES + route + 1,
                sent_time_ns=_START_NS + second * 10**9,
                sections=(section,),
            )
            payloads.append(encode_batch(batch, encoders))
    return payloads


class Subjects:
    """
    What is measured.

    :param payloads: MQTT payloads
    :param schema: of their messages
    :param folder: for files
    """

    def __init__(self, payloads: list[bytes], schema: Schema, folder: Path) -> None:
        self._payloads = payloads
        self._schema = schema
        self._folder = folder
        self.recording = folder / 'recording.mcap'
        decoder = self._decoder()
        self._plain = [
            (sample.cdr, sample.receive_time_ns, sample.source_time_ns)
            for payload in payloads
            for sample in decoder.feed('rcb/v1/r/b/normal', payload)
        ]
        self.count = len(self._plain)

    def decode(self) -> int:
        """
        Decode into samples.

        :returns: how many
        """
        decoder = self._decoder()
        feed = decoder.feed
        return sum(len(feed('rcb/v1/r/b/normal', payload)) for payload in self._payloads)

    def columns(self) -> int:
        """
        Decode into numpy columns.

        :returns: how many samples
        """
        reader = ColumnReader()
        reader.feed(f'rcb/v1/r/schema/{self._schema.id}', encode_schema(self._schema))
        total = 0
        for payload in self._payloads:
            for found in reader.feed('rcb/v1/r/b/normal', payload):
                total += len(found) if len(found.columns) > 1 else 0
        return total

    def record(self) -> int:
        """
        Decode and record.

        :returns: how many samples
        """
        decoder = self._decoder()
        with self.recording.open('wb') as stream:
            recorder = Recorder(stream)
            for payload in self._payloads:
                for sample in decoder.feed('rcb/v1/r/b/normal', payload):
                    recorder.add(sample)
            recorder.close(decoder.losses())
        return recorder.samples

    def peer(self) -> int:
        """
        Write messages as they come with the library's writer.

        :returns: how many
        """
        with (self._folder / 'peer.mcap').open('wb') as stream:
            return self._write_plain(stream)

    def export(self, kind: str) -> int:
        """
        Export the recording.

        :param kind: of the table
        :returns: how many rows
        """
        exporter = Exporter(self._folder / kind, TABLES[kind], lambda name: True, replace=True)

        def wanted(source: Any) -> bool:
            exporter.accept(source)
            return True

        for entry in read_messages(self.recording, wanted):
            exporter.add(entry)
        return sum(entry.rows for entry in exporter.close())

    def objects(self) -> int:
        """
        Read the recording as the usual way does: message by message, into objects.

        :returns: how many
        """
        decoder = MessageDecoder()
        decoder.add(self._schema)
        count = 0
        for entry in read_messages(self.recording, lambda source: True):
            decoder.decode(self._schema.id, _TYPE, entry.data)
            count += 1
        return count

    def _decoder(self) -> Decoder:
        decoder = Decoder()
        decoder.feed(f'rcb/v1/r/schema/{self._schema.id}', encode_schema(self._schema))
        return decoder

    def _write_plain(self, stream: BinaryIO) -> int:
        writer = Writer(stream, 1024 * 1024, CompressionType.ZSTD)
        writer.start('ros2', 'benchmark')
        text = self._schema.definition.encode()
        schema = writer.register_schema(_TYPE, 'ros2msg', text)
        channel = writer.register_channel('/imu', 'cdr', schema)
        for sequence, (data, log_time, publish_time) in enumerate(self._plain):
            writer.add_message(
                channel_id=channel,
                log_time=log_time,
                data=data,
                publish_time=publish_time,
                sequence=sequence,
            )
        writer.finish()
        return len(self._plain)


def cpu_rate(work: Callable[[], int], expected: int) -> float:
    """
    Measure messages per second of processor time.

    :param work: returns how many messages it had
    :param expected: how many those must be
    :returns: the rate
    """
    start = time.process_time()
    count = work()
    seconds = time.process_time() - start
    if count != expected:
        raise SystemExit(f'{work}: {count} messages instead of {expected}')
    return count / seconds


def measure_memory(seconds: int, schema: Schema) -> dict[str, float]:
    """
    Decode and record as much as an hour brings, and look at the memory.

    :param seconds: of traffic, a batch for each route
    :param schema: of the messages
    :returns: resident bytes after the first minute's worth and at the end, and samples
    """
    payloads = batches(60, schema)
    decoder = Decoder()
    decoder.feed(f'rcb/v1/r/schema/{schema.id}', encode_schema(schema))
    first = 0.0
    with tempfile.TemporaryFile() as stream:
        recorder = Recorder(stream)
        for minute in range(max(2, seconds // 60)):
            # Another minute is another boot: numbers begin anew, and books are kept of each.
            boot = minute.to_bytes(8, 'big')
            for payload in payloads:
                renamed = payload.replace(bytes(8), boot, 1)
                for sample in decoder.feed('rcb/v1/r/b/normal', renamed):
                    recorder.add(sample)
            recorder.flush()
            first = first or _resident_bytes()
        recorder.close()
    return {
        'samples': recorder.samples,
        'first_minute_bytes': first,
        'end_bytes': _resident_bytes(),
        'peak_bytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _resident_bytes() -> float:
    pages = int(Path('/proc/self/statm').read_text(encoding='ascii').split()[1])
    return float(pages * resource.getpagesize())


def main() -> int:
    """
    Measure, print, and write figures.

    :returns: exit status
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='fewer messages and rounds')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every figure')
    args = parser.parse_args()
    schema = well_known(_TYPE)
    rounds, seconds = (3, 20) if args.quick else (7, 60)
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        subjects = Subjects(batches(seconds, schema), schema, Path(folder))
        works = {
            'mcap writer alone (peer)': subjects.peer,
            'decode': subjects.decode,
            'decode into columns': subjects.columns,
            'decode and record': subjects.record,
            'read a recording into objects': subjects.objects,
            'export to Parquet': lambda: subjects.export('parquet'),
            'export to CSV': lambda: subjects.export('csv'),
        }
        # Round by round, so that a slow moment meets all of them.
        for _ in range(rounds):
            for name, work in works.items():
                rates.setdefault(name, []).append(cpu_rate(work, subjects.count))
        bytes_per_sample = subjects.recording.stat().st_size / subjects.count
    memory = measure_memory(300 if args.quick else 3600, schema)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    peer = medians['mcap writer alone (peer)']
    rows = [
        [name, number(rate), number(1e6 / rate, 1), ratio(rate, peer)]
        for name, rate in medians.items()
    ]
    print(table(['324-byte messages', 'per s of CPU', 'us each', 'of the peer'], rows))
    print(
        f'\n{memory["samples"]:,.0f} samples recorded: '
        f'{memory["first_minute_bytes"] / 1e6:.0f} MB resident after the first minute, '
        f'{memory["end_bytes"] / 1e6:.0f} MB at the end; '
        f'{bytes_per_sample:.1f} bytes a sample in the file'
    )
    if args.json is not None:
        figures = {
            'machine': machine(),
            'rates': rates,
            'memory': memory,
            'file_bytes_per_sample': bytes_per_sample,
        }
        args.json.write_text(json.dumps(figures, indent=1), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
