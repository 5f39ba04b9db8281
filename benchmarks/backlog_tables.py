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

"""The tables of the benchmark of durable streams."""

from collections.abc import Callable
import statistics
from typing import Any

from link_load import POSE
from tables import number, ratio, table


def live(found: dict[str, Any]) -> str:
    """
    Write what live data and backlog got.

    :param found: figures
    :returns: lines
    """
    heads = ['backlog, live', 'pose p50 ms', 'p95', 'x none', 'x none p95', 'scan p95', 'poses']
    heads += ['shaper %', 'MQTT %', 'backlog %', 'of MQTT', 'gap s', 'CPU %']
    rows = []
    for entry in found['cases']:
        pose, scan = entry['ages'][POSE], entry['ages']['/scan']
        name = f'{entry["backlog"]}, {entry["live"]}'
        ages = [found['age_ratios'].get(f'{name}, {rank}') for rank in ('p50', 'p95')]
        row = [name, number(pose['p50_ms'], 1), number(pose['p95_ms'], 1)]
        row += [number(value, 2) for value in ages]
        row += [number(scan['p95_ms'], 0), number(pose['count'])]
        row += [number(100 * entry[key], 1) for key in ('shaper_share', 'payload_share')]
        row += [number(100 * entry[key], 1) for key in ('backlog_share', 'backlog_of_carried')]
        row += [number(entry['backlog_gap_s'], 2), number(100 * entry['cpu_share'], 1)]
        rows.append(row)
    return (
        f'Live beside a backlog at {found["rate_kbit"]:g} kbit/s\n{table(heads, rows)}\n'
        'x none: age against that without a backlog, under the same live load. shaper: all bytes\n'
        'through the shaper; MQTT: PUBLISH packets; backlog: those of b/backlog, / (rate x time)\n'
        'and of all PUBLISH packets. gap: longest time without any of the backlog.\n'
    )


def reconnect(found: dict[str, Any]) -> str:
    """
    Write how soon live data was there again.

    :param found: figures
    :returns: lines
    """
    names = ('attempt_s', 'accepted_s', 'latest_s', 'durable_s', 'backlog_s', 'drained_s')
    heads = ['away s', 'jitter s', 'accepted', 'latest', 'durable', 'backlog', 'drained']
    rows = [
        [number(entry['away_s']), *(number(entry[name], 3) for name in names)]
        for entry in found['rounds']
    ]
    return (
        f'Reconnection\n{table(heads, rows)}\n'
        'jitter: from the broker being back until the bridge tries; the others from there on, s:\n'
        'accepted by the broker; first live sample of `latest` and of a durable stream; first\n'
        'and last of the backlog at the consumer.\n'
    )


def drain(found: dict[str, Any]) -> str:
    """
    Write what draining took.

    :param found: figures
    :returns: lines
    """
    heads = ['load, samples/row, confirmed, order', 'raw MB', 'samples', 'MB before', 'MB growth']
    heads += ['MB/s', 'samples/s', 'CPU us', 'wire/raw', 'written/raw', 'arrived', 'twice']
    rows = []
    for entry in found['runs']:
        per_row = entry['samples_per_row']
        name = f'{entry["load"]}, {per_row:.0f}, {entry["confirm"]}, {entry["order"]}'
        row = [name, number(entry['raw_mb'], 0), number(entry['samples'])]
        row += [number(entry['before_mb'], 1), number(entry['growth_mb'], 1)]
        row += [number(entry['mb_per_s'], 1), number(entry['samples_per_s'])]
        row += [number(entry['cpu_us'], 1), number(entry['wire_per_raw'], 3)]
        row += [number(entry['written_per_raw'], 3), number(entry['arrived'])]
        rows.append([*row, number(entry['duplicates'])])
    return (
        f'Draining over a link without limit\n{table(heads, rows)}\n'
        'before, growth: resident memory of the bridge, and by how much its peak lay above it.\n'
        'CPU, per sample: of all threads of the bridge. written: by the kernel for the bridge.\n'
    )


def cost(found: dict[str, Any]) -> str:
    """
    Write what a durable stream costs beside fifo.

    :param found: figures
    :returns: lines
    """
    heads = ['messages/s, max_delay_s, keep', 'CPU us', 'CPU ratio', 'p50 ms', 'p95 ms', 'p50 +ms']
    heads += ['wire B', 'flash B', 'kernel B', 'peak MB', 'arrived', 'as backlog B']
    medians = _medians(found['runs'])
    rows = []
    for (rate, delay_s, kind), entry in sorted(medians.items(), key=_order):
        fifo = medians[rate, delay_s, 'fifo']
        row = [f'{rate:,.0f}, {delay_s:g}, {kind}', number(entry['cpu_us'], 1)]
        row += [ratio(entry['cpu_us'], fifo['cpu_us'])]
        row += [number(entry['p50_ms'], 1), number(entry['p95_ms'], 1)]
        row += [number(entry['p50_ms'] - fifo['p50_ms'], 1), number(entry['wire_bytes'], 1)]
        row += [number(entry['noted_bytes']), number(entry['kernel_bytes'])]
        row += [number(entry['peak_mb'], 1), f'{entry["arrived"]:.0f}/{entry["sent"]:.0f}']
        rows.append([*row, number(entry['backlog_bytes'], 1)])
    return (
        f'A durable stream beside fifo (messages of 324 bytes)\n{table(heads, rows)}\n'
        'Per message; medians of the runs. CPU: of all threads of the bridge, rclpy included.\n'
        'flash: as health.spool says; kernel: /proc/PID/io. p50, p95: from publication until\n'
        'the live sample is decoded.\n'
    )


def _order(item: tuple[tuple[float, float, str], Any]) -> tuple[float, float, str]:
    (rate, delay_s, kind), _ = item
    # fifo stands before durable.
    return -delay_s, rate, 'a' if kind == 'fifo' else 'b'


def _medians(
    runs: list[dict[str, Any]],
) -> dict[tuple[float, float, str], dict[str, float]]:
    groups: dict[tuple[float, float, str], list[dict[str, Any]]] = {}
    for run in runs:
        key = run['offered_hz'], run['max_delay_s'], run['kind']
        groups.setdefault(key, []).append(run)
    return {
        key: {
            name: statistics.median(run[name] for run in group)
            for name in group[0]
            if name != 'kind'
        }
        for key, group in groups.items()
    }


WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    'live': live,
    'reconnect': reconnect,
    'drain': drain,
    'cost': cost,
}
