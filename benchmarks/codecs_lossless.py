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

"""Part ``lossless`` of codecs.py: batches against zstd, MCAP and what an archiver could do."""

from collections.abc import Callable, Sequence
import gc
import io
import lzma
from pathlib import Path
import statistics
import time
from typing import Any

from mcap.writer import CompressionType, Writer
import numpy as np
from offline import Logged, OfflineBridge, publish_bytes, read_recording
from tables import number, ratio, table
import zstandard

from ros_cloud_bridge.cloud.column_reader import ColumnReader
from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.wire.codecs import Effort
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.topics import mangle

_DELAYS_S = (0.1, 1.0, 10.0)
# Of each topic the beginning: of clouds and pictures more says nothing new.
_MOST_BYTES, _QUICK_BYTES = 8_000_000, 800_000
_TELEMETRY = 10_000
_CHUNK = 4 * 1024 * 1024
_ROUNDS = 3
_NS = 1_000_000_000
# The effort that tables of topics show; the figures have all.
_SHOWN = 'normal'

Figures = dict[str, Any]


def run(paths: Sequence[Path], quick: bool) -> tuple[str, Figures]:
    """
    Measure recordings.

    :param paths: MCAP files
    :param quick: whether to do with less of each topic, at 1 s, the processor measured once
    :returns: tables, and every figure
    """
    delays = (1.0,) if quick else _DELAYS_S
    rounds = 1 if quick else _ROUNDS
    text = []
    figures: Figures = {}
    for path in paths:
        messages = read_recording(path, topic_bytes=_QUICK_BYTES if quick else _MOST_BYTES)
        topics: dict[str, list[Logged]] = {}
        for message in messages:
            topics.setdefault(message.topic, []).append(message)
        efforts = (Effort.NORMAL,) if quick else tuple(Effort)
        rows = {
            name: _row(part, delays, efforts, rounds) | _xz(part) for name, part in topics.items()
        }
        # All topics together, as the bridge sends them; the horizon is the sum of the topics'.
        horizon = sum(row['horizon'] for row in rows.values())
        spent_us = sum(row['horizon_us'] * row['samples'] for row in rows.values())
        rows['all'] = _row(messages, delays, tuple(Effort), rounds)
        rows['all'] |= {'horizon': horizon, 'horizon_us': spent_us / len(messages)}
        figures[path.stem] = rows
        text += [_bytes_table(path.stem, rows, delays), _time_table(path.stem, rows, delays)]
    telemetry = {
        name: rows['all'] for name, rows in figures.items() if rows['all']['mean'] < _TELEMETRY
    }
    if telemetry:
        text += [_summary(telemetry, delays), _efforts_table(list(telemetry.values()), delays)]
    return '\n'.join(text), figures


def _row(
    messages: Sequence[Logged], delays: Sequence[float], efforts: Sequence[Effort], rounds: int
) -> Figures:
    count = len(messages)
    raw = sum(len(message.cdr) for message in messages)
    return {
        'samples': count,
        'raw': raw,
        'mean': raw / count,
        **_spent('single_zstd', lambda: _single(messages), count),
        **_spent('mcap', lambda: _mcap(messages), count),
        'delays': {f'{delay_s:g}': _at(messages, delay_s, efforts, rounds) for delay_s in delays},
    }


def _at(
    messages: Sequence[Logged], delay_s: float, efforts: Sequence[Effort], rounds: int
) -> Figures:
    return {
        **_spent('batch_zstd', lambda: _concatenated(messages, delay_s), len(messages)),
        **{
            effort.name.lower(): {
                'alone': _ours(messages, delay_s, False, effort, rounds),
                'context': _ours(messages, delay_s, True, effort, rounds),
            }
            for effort in efforts
        },
    }


def _spent(name: str, work: Callable[[], int], count: int) -> Figures:
    """Measure a size, and what it takes of the processor, microseconds of a sample."""
    sizes: list[int] = []
    seconds = _timed(lambda: sizes.append(work()))
    return {name: sizes[0], f'{name}_us': 1e6 * seconds / count}


def _xz(messages: Sequence[Logged]) -> Figures:
    samples = [message.cdr for message in messages]
    return _spent('horizon', lambda: _horizon(samples), len(samples))


def _single(messages: Sequence[Logged]) -> int:
    zstd = zstandard.ZstdCompressor(level=3)
    return sum(
        publish_bytes(mangle(message.topic), len(zstd.compress(message.cdr)))
        for message in messages
    )


def _horizon(samples: Sequence[bytes]) -> int:
    plain = b''.join(samples)
    candidates = [plain]
    if len(set(map(len, samples))) == 1:
        planes = np.frombuffer(plain, np.uint8).reshape(len(samples), -1).T
        candidates.append(planes.tobytes())
    return min(len(lzma.compress(data, preset=9)) for data in candidates)


def _mcap(messages: Sequence[Logged]) -> int:
    """Write an MCAP file of zstd chunks of 4 MB."""
    stream = io.BytesIO()
    writer = Writer(stream, chunk_size=_CHUNK, compression=CompressionType.ZSTD)
    writer.start(profile='ros2')
    channels: dict[str, int] = {}
    for message in messages:
        if message.topic not in channels:
            schema = writer.register_schema(
                message.type_name, 'ros2msg', message.definition.encode()
            )
            channels[message.topic] = writer.register_channel(message.topic, 'cdr', schema)
        writer.add_message(channels[message.topic], message.time_ns, message.cdr, message.time_ns)
    writer.finish()
    return len(stream.getvalue())


def _concatenated(messages: Sequence[Logged], delay_s: float) -> int:
    """Send what came within a delay as one message of one zstd frame, by topic."""
    zstd = zstandard.ZstdCompressor(level=3)
    size = 0
    open_batches: dict[str, tuple[int, list[bytes]]] = {}

    def close(topic: str) -> int:
        _, samples = open_batches.pop(topic)
        return publish_bytes(mangle(topic), len(zstd.compress(b''.join(samples))))

    for message in messages:
        began = open_batches.get(message.topic)
        if began is not None and message.time_ns - began[0] >= delay_s * _NS:
            size += close(message.topic)
        open_batches.setdefault(message.topic, (message.time_ns, []))[1].append(message.cdr)
    return size + sum(close(topic) for topic in list(open_batches))


def _ours(
    messages: Sequence[Logged], delay_s: float, context: bool, effort: Effort, rounds: int
) -> Figures:
    encode, decode, columns = [], [], []
    for _ in range(rounds):
        bridge = OfflineBridge(delay_s, context=context, effort=effort)
        bridge.run(messages)
        encode.append(bridge.encode_s)
        decode.append(_timed(lambda sent=bridge.sent: _decode(sent, messages)))
        columns.append(_timed(_columns(bridge.sent, bridge.schemas)))
    count = len(messages)
    return {
        'bytes': sum(bridge.wire_bytes.values()),
        'dictionary_bytes': bridge.dictionary_bytes,
        'encode_us': 1e6 * statistics.median(encode) / count,
        'decode_us': 1e6 * statistics.median(decode) / count,
        'columns_us': 1e6 * statistics.median(columns) / count,
    }


def _timed(work: Callable[[], object]) -> float:
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def _decode(sent: Sequence[tuple[str, bytes]], messages: Sequence[Logged]) -> None:
    decoder = Decoder()
    decoded: dict[str, list[bytes]] = {}
    for topic, payload in sent:
        for sample in decoder.feed(topic, payload):
            decoded.setdefault(sample.topic, []).append(sample.cdr)
    if sum(map(len, decoded.values())) != len(messages):
        raise SystemExit('what was decoded is not what was recorded')
    for message in reversed(messages):
        if decoded[message.topic].pop() != message.cdr:
            raise SystemExit('what was decoded is not what was recorded')


def _columns(sent: Sequence[tuple[str, bytes]], schemas: Sequence[Schema]) -> Callable[[], None]:
    reader = ColumnReader()
    for schema in schemas:
        reader.trust(schema)

    def work() -> None:
        for topic, payload in sent:
            for part in reader.feed(topic, payload):
                len(part.columns)

    return work


def _bytes_table(title: str, rows: dict[str, Figures], delays: Sequence[float]) -> str:
    heads = ['topic', 'samples', 'raw', 'zstd each', 'MCAP', 'xz']
    for delay_s in delays:
        heads += [f'{delay_s:g} s: zstd', 'alone', 'context', 'alone/xz', 'context/xz']
    lines = []
    for name, row in rows.items():
        cells = [name, *(number(row[key]) for key in ('samples', 'raw', 'single_zstd', 'mcap'))]
        cells.append(number(row['horizon']))
        for found in row['delays'].values():
            alone, context = (found[_SHOWN][kind]['bytes'] for kind in ('alone', 'context'))
            cells += [number(found['batch_zstd']), number(alone), number(context)]
            cells += [ratio(alone, row['horizon']), ratio(context, row['horizon'])]
        lines.append(cells)
    return f'{title}: bytes\n{table(heads, lines)}\n'


def _time_table(title: str, rows: dict[str, Figures], delays: Sequence[float]) -> str:
    heads = ['topic', 'zstd each', 'MCAP', 'xz']
    for delay_s in delays:
        heads += [f'{delay_s:g} s: zstd', 'encode', 'decode', 'columns']
    lines = []
    for name, row in rows.items():
        cells = [
            name,
            *(number(row[f'{key}_us'], 1) for key in ('single_zstd', 'mcap', 'horizon')),
        ]
        for found in row['delays'].values():
            cells.append(number(found['batch_zstd_us'], 1))
            cells += [
                number(found[_SHOWN]['context'][key], 1)
                for key in ('encode_us', 'decode_us', 'columns_us')
            ]
        lines.append(cells)
    return f'{title}: processor time with context, us per sample\n{table(heads, lines)}\n'


def _summary(telemetry: dict[str, Figures], delays: Sequence[float]) -> str:
    heads = ['telemetry', 'raw', 'MCAP', 'xz']
    heads += [f'{delay_s:g} s {kind}' for delay_s in delays for kind in ('alone/xz', 'context/xz')]
    lines = []
    for name, rows in [*((name, [row]) for name, row in telemetry.items()),
                       ('all', list(telemetry.values()))]:  # fmt: skip
        raw, mcap, horizon = (sum(row[k] for row in rows) for k in ('raw', 'mcap', 'horizon'))
        cells = [name, number(raw), number(mcap), number(horizon)]
        for delay_s in delays:
            for kind in ('alone', 'context'):
                size, _ = _together(rows, delay_s, _SHOWN, kind)
                cells.append(ratio(size, horizon))
        lines.append(cells)
    return f'{table(heads, lines)}\n'


def _efforts_table(rows: Sequence[Figures], delays: Sequence[float]) -> str:
    horizon = sum(row['horizon'] for row in rows)
    lines = []
    for delay_s in delays:
        for effort in Effort:
            cells = [f'{delay_s:g} s, {effort.name.lower()}']
            for kind in ('alone', 'context'):
                size, times = _together(rows, delay_s, effort.name.lower(), kind)
                cells += [number(size), ratio(size, horizon)]
            lines.append([*cells, *(number(spent_us, 1) for spent_us in times)])
    heads = ['telemetry', 'alone', '/xz', 'context', '/xz', 'encode, us', 'decode', 'columns']
    return table(heads, lines) + '\n'


def _together(
    rows: Sequence[Figures], delay_s: float, effort: str, kind: str
) -> tuple[int, list[float]]:
    """Add up bytes, and give the mean times of a sample."""
    found = [(row['delays'][f'{delay_s:g}'][effort][kind], row['samples']) for row in rows]
    count = sum(samples for _, samples in found)
    times = [
        sum(part[key] * samples for part, samples in found) / count
        for key in ('encode_us', 'decode_us', 'columns_us')
    ]
    return sum(part['bytes'] for part, _ in found), times
