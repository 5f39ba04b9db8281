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
What link and streams are like, as the statuses of ROS diagnostics, from the document ``health``.

Nothing here knows ROS: levels and names are those of ``diagnostic_msgs/msg/DiagnosticStatus``, and
names begin with the node's, as diagnostic_updater has them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ros_cloud_bridge.values import Drop

_ERROR_AFTER_S = 10.0
_AFTER_ACCEPTANCE = {reason.name.lower() for reason in Drop if reason.sequenced}
# Of a stream's routes: summed up, and the largest.
_SUMS = (
    'received',
    'accepted',
    'delivered',
    'queued',
    'queued_bytes',
    'in_flight',
    'bytes_accepted',
    'wire_bytes',
)
_STREAM_KEYS = ('priority', 'step', 'steps', 'now', 'max_hz', 'demand_hz')


class Level(IntEnum):
    """Levels of a DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One DiagnosticStatus; ``values`` in the order in which they are shown."""

    name: str
    level: Level
    message: str
    hardware_id: str
    values: tuple[tuple[str, str], ...]


class Diagnosis:
    """
    Judges one document after the other.

    :param node_name: stands before each status's name, as in ``uplink: link``
    """

    def __init__(self, node_name: str) -> None:
        self._node_name = node_name
        self._boot = ''
        self._down_since: float | None = None
        self._dropped: dict[str, dict[str, int]] = {}

    def of(self, document: Mapping[str, Any], now: float) -> list[Status]:
        """
        Judge a document.

        :param document: ``health`` with all routes; what it lacks is not judged
        :param now: monotonic seconds
        :returns: the link first, then each stream
        """
        if document.get('boot_id', '') != self._boot:
            self._boot = document.get('boot_id', '')
            self._dropped = {}
        robot_id = str(document.get('robot_id', ''))
        streams = _streams(document)
        level, message = self._judge_link(document, streams, now)
        statuses = [self._status('link', robot_id, level, message, _link_values(document))]
        for name, (stand, routes) in streams.items():
            dropped = _dropped(routes)
            level, message = self._judge_stream(name, stand, routes, dropped)
            values = _stream_values(stand, routes, dropped)
            statuses.append(self._status(f'stream {name}', robot_id, level, message, values))
            self._dropped[name] = dropped
        return statuses

    def _status(
        self,
        name: str,
        robot_id: str,
        level: Level,
        message: str,
        values: Iterator[tuple[str, str]],
    ) -> Status:
        return Status(
            name=f'{self._node_name}: {name}',
            level=level,
            message=message,
            hardware_id=robot_id,
            values=tuple(values),
        )

    def _judge_link(
        self, document: Mapping[str, Any], streams: Mapping[str, Any], now: float
    ) -> tuple[Level, str]:
        link = document.get('link') or {}
        budget = link.get('budget') or {}
        findings = []
        if link.get('connected') is False:
            if self._down_since is None:
                self._down_since = now
            down_s = now - self._down_since
            level = Level.ERROR if down_s > _ERROR_AFTER_S else Level.WARN
            findings.append((level, f'not connected for {down_s:.0f} s'))
        else:
            self._down_since = None
        if budget.get('exhausted'):
            findings.append((Level.ERROR, 'monthly budget exhausted'))
        elif link.get('limited_by') == 'budget':
            findings.append((Level.WARN, 'limited by the monthly budget'))
        down = [name for name, (stand, _) in streams.items() if stand.get('step')]
        if down:
            findings.append((Level.WARN, f'stepped down: {", ".join(down)}'))
        if findings:
            return max(level for level, _ in findings), '; '.join(text for _, text in findings)
        limit = link.get('limited_by')
        return Level.OK, f'connected, limited by {limit}' if limit else 'connected'

    def _judge_stream(
        self,
        name: str,
        stand: Mapping[str, Any],
        routes: list[Mapping[str, Any]],
        dropped: Mapping[str, int],
    ) -> tuple[Level, str]:
        before = self._dropped.get(name, {})
        lately = {
            reason: count - before.get(reason, 0)
            for reason, count in dropped.items()
            if reason in _AFTER_ACCEPTANCE and count > before.get(reason, 0)
        }
        findings = []
        if stand.get('step'):
            findings.append(f'stepped down to {stand.get("now")}')
        if lately:
            counts = ', '.join(f'{reason} {count}' for reason, count in lately.items())
            findings.append(f'dropped since the last report: {counts}')
        if findings:
            return Level.WARN, '; '.join(findings)
        if stand.get('demand_hz') == 0.0:
            return Level.OK, 'nobody asks for it'
        return Level.OK, 'flowing' if routes else 'no topic'


def _streams(
    document: Mapping[str, Any],
) -> dict[str, tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    """Give each stream's entry, and its routes, in the order of the configuration."""
    streams: dict[str, tuple[Mapping[str, Any], list[Mapping[str, Any]]]] = {
        stand['stream']: (stand, []) for stand in document.get('streams') or ()
    }
    for route in document.get('routes') or ():
        streams.setdefault(route.get('stream', ''), ({}, []))[1].append(route)
    return streams


def _dropped(routes: list[Mapping[str, Any]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for route in routes:
        for reason, count in route.get('dropped', {}).items():
            total[reason] = total.get(reason, 0) + count
    return total


def _link_values(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _flat('', document.get('link') or {})
    if 'uptime_s' in document:
        yield 'uptime_s', _text(document['uptime_s'])
    demand = document.get('demand') or {}
    for lease in demand.get('leases') or ():
        rest = {key: value for key, value in lease.items() if key not in ('stream', 'consumer')}
        yield from _flat(f'lease.{lease.get("consumer")}/{lease.get("stream")}.', rest)
    yield from _flat('lease_refused.', demand.get('refused') or {})
    yield from _flat('not_bridged.', document.get('problems') or {})


def _stream_values(
    stand: Mapping[str, Any], routes: list[Mapping[str, Any]], dropped: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    for key in _STREAM_KEYS:
        if stand.get(key) is not None:
            yield key, _text(stand[key])
    yield 'topics', _text(len(routes))
    for key in _SUMS:
        yield key, _text(sum(route.get(key, 0) for route in routes))
    yield (
        'oldest_age_s',
        _text(max((route.get('oldest_age_s', 0.0) for route in routes), default=0)),
    )
    yield from _flat('dropped.', dropped)


def _flat(prefix: str, entries: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in entries.items():
        if isinstance(value, Mapping):
            yield from _flat(f'{prefix}{key}.', value)
        elif value is not None:
            yield f'{prefix}{key}', _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        # As diagnostic_updater writes it.
        return str(value)
    return f'{value:.6g}' if isinstance(value, float) else str(value)
