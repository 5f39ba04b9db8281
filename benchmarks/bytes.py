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
What recordings cost on the wire, per topic.

The recordings run through the bridge's own core and wire code on their own clock, at several
delays, and every batch is decoded again and compared. Beside that: one MQTT message per sample,
the same with zstd for each, and how small zstd and xz make a whole topic at once, which no live
link can reach.
"""

import argparse
from collections.abc import Sequence
import json
import lzma
import os
from pathlib import Path
import sys

import numpy as np
from offline import Logged, OfflineBridge, publish_bytes, read_recording
from tables import number, ratio, table
import zstandard

from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.wire.topics import mangle

DELAYS_S = (0.1, 1.0, 10.0)
_QUICK_BYTES = 4_000_000
_QUICK_MESSAGES = 2000
# Recordings whose mean message is below this are telemetry: the bytes-per-sample goals are theirs,
# for images and clouds come compressed or need a reducer.
_TELEMETRY_BYTES = 10_000

Row = dict[str, float | None]


def recordings(folder: Path) -> list[Path]:
    """
    Find the recordings.

    :param folder: where they are
    :returns: MCAP files
    """
    found = sorted(folder.glob('*.mcap'))
    if not found:
        raise SystemExit(f'no recordings in {folder}: set RCB_RECORDINGS')
    return found


def transposed(samples: Sequence[bytes]) -> bytes | None:
    """
    Write samples byte plane by byte plane.

    :param samples: serialized messages
    :returns: None when they differ in length
    """
    if len({len(sample) for sample in samples}) != 1:
        return None
    data = np.frombuffer(b''.join(samples), dtype=np.uint8)
    return data.reshape(len(samples), -1).T.tobytes()


def references(topic: str, samples: Sequence[bytes], horizon: bool) -> Row:
    """
    Measure what a topic comes to in other ways.

    :param topic: ROS topic
    :param samples: its serialized messages
    :param horizon: whether to run xz too, which takes seconds per megabyte
    :returns: bytes by name
    """
    zstd = zstandard.ZstdCompressor(level=3)
    plain = b''.join(samples)
    planes = transposed(samples)
    name = mangle(topic)
    row: Row = {
        'raw': float(len(plain)),
        'per_sample': float(sum(publish_bytes(name, len(sample)) for sample in samples)),
        'per_sample_zstd': float(
            sum(publish_bytes(name, len(zstd.compress(sample))) for sample in samples)
        ),
        'zstd_topic': float(len(zstd.compress(plain))),
        'zstd_transposed': None if planes is None else float(len(zstd.compress(planes))),
        'horizon': None,
    }
    if horizon:
        row['horizon'] = float(
            min(len(lzma.compress(data, preset=9)) for data in (plain, planes) if data is not None)
        )
    return row


def ours(messages: Sequence[Logged], delay_s: float) -> dict[str, int]:
    """
    Send a recording through the bridge's code, and prove that it can be decoded.

    :param messages: the recording
    :param delay_s: the stream's ``max_delay_s``
    :returns: bytes of PUBLISH packets by topic
    """
    bridge = OfflineBridge(delay_s, context=True)
    bridge.run(messages)
    decoder = Decoder()
    decoded: dict[str, list[bytes]] = {}
    for topic, payload in bridge.sent:
        for sample in decoder.feed(topic, payload):
            decoded.setdefault(sample.topic, []).append(sample.cdr)
    if decoded != _by_topic(messages):
        raise SystemExit('what was decoded is not what was recorded')
    return bridge.wire_bytes


def _by_topic(messages: Sequence[Logged]) -> dict[str, list[bytes]]:
    topics: dict[str, list[bytes]] = {}
    for message in messages:
        topics.setdefault(message.topic, []).append(message.cdr)
    return topics


def measure(path: Path, delays: Sequence[float], quick: bool) -> dict[str, Row]:
    """
    Measure a recording.

    :param path: MCAP file
    :param delays: seconds
    :param quick: whether to look at its beginning only
    :returns: bytes by topic and name; our own as ``ours_DELAY``
    """
    messages = read_recording(path, _QUICK_MESSAGES if quick else None)
    rows = {
        topic: {'messages': float(len(samples)), **references(topic, samples, horizon=True)}
        for topic, samples in _by_topic(messages).items()
    }
    for delay_s in delays:
        for topic, size in ours(messages, delay_s).items():
            rows[topic][f'ours_{delay_s:g}'] = float(size)
    return rows


def total(rows: Sequence[Row]) -> Row:
    """
    Add up topics or recordings.

    :param rows: theirs
    :returns: sums; the plain topic stands in where there is no transposed one
    """
    sums: Row = {}
    for row in rows:
        for name, value in row.items():
            if name == 'zstd_transposed' and value is None:
                value = row['zstd_topic']
            sums[name] = (sums.get(name) or 0.0) + (value or 0.0)
    return sums


def is_telemetry(rows: dict[str, Row]) -> bool:
    """
    Tell telemetry from images and clouds.

    :param rows: a recording's topics
    :returns: whether its mean message is small
    """
    sums = total(list(rows.values()))
    return (sums['raw'] or 0.0) < _TELEMETRY_BYTES * (sums['messages'] or 1.0)


def render(title: str, rows: dict[str, Row], delays: Sequence[float]) -> str:
    """
    Write one table.

    :param title: its first line
    :param rows: bytes by topic and name
    :param delays: seconds
    :returns: lines
    """
    names = [f'ours_{delay_s:g}' for delay_s in delays]
    heads = ['topic', 'samples', 'raw', '1 msg each', '+ zstd', 'zstd topic', 'transposed', 'xz']
    heads += [f'ours {delay_s:g} s' for delay_s in delays]
    heads += [f'{delay_s:g} s: fewer than 1 msg each' for delay_s in delays]
    heads += [f'{delay_s:g} s/xz' for delay_s in delays]
    fixed = ('messages', 'raw', 'per_sample', 'per_sample_zstd', 'zstd_topic', 'zstd_transposed')
    lines = []
    for topic, row in rows.items():
        cells = [topic, *(number(row[name]) for name in (*fixed, 'horizon', *names))]
        cells += [ratio(row['per_sample'], row[name]) for name in names]
        cells += [ratio(row[name], row['horizon']) for name in names]
        lines.append(cells)
    return f'{title}\n{table(heads, lines)}\n'


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """
    Read the command line.

    :param argv: arguments; those of the process when None
    :returns: them
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n\n')[0])
    parser.add_argument(
        '--quick', action='store_true', help='small recordings, their first 2,000 messages'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every figure there')
    parser.add_argument('--delay', type=float, nargs='+', metavar='S', help='default: 0.1 1 10')
    parser.add_argument(
        'files', type=Path, nargs='*', help='MCAP files; default: those in RCB_RECORDINGS'
    )
    args = parser.parse_args(argv)
    args.delay = args.delay or ([1.0] if args.quick else list(DELAYS_S))
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the benchmark.

    :param argv: arguments; those of the process when None
    :returns: exit status
    """
    args = parse(argv)
    beside = Path(__file__).resolve().parents[2] / 'shared' / 'data'
    paths = args.files or recordings(Path(os.environ.get('RCB_RECORDINGS', beside)))
    if args.quick:
        paths = [path for path in paths if path.stat().st_size <= _QUICK_BYTES]
    results: dict[str, dict[str, Row]] = {}
    for path in paths:
        rows = measure(path, args.delay, args.quick)
        results[path.stem] = rows
        sums = total(list(rows.values()))
        title = f'{path.stem}: bytes (the file, zstd by chunk, has {path.stat().st_size:,})'
        print(render(title, {**rows, 'all': sums}, args.delay))
    telemetry = {
        name: total(list(rows.values())) for name, rows in results.items() if is_telemetry(rows)
    }
    if telemetry:
        telemetry['all'] = total(list(telemetry.values()))
        print(render('telemetry recordings: bytes', telemetry, args.delay))
    if args.json:
        files = {path.stem: path.stat().st_size for path in paths}
        document = {'quick': args.quick, 'files': files, 'topics': results, 'telemetry': telemetry}
        args.json.write_text(json.dumps(document, indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
