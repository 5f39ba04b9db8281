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
What link, spool and streams are like, as statuses of ROS diagnostics, from ``health``.

Nothing here knows ROS: levels and names are those of ``diagnostic_msgs/msg/DiagnosticStatus``, and
names begin with the node's, as diagnostic_updater has them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ros_cloud_bridge.command_values import Reason
from ros_cloud_bridge.values import Drop

_ERROR_AFTER_S = 10.0
# A commit takes 50 ms; a disk that hangs says nothing of itself.
_STALLED_AFTER_S = 5.0
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
# Of those that are durable, besides.
_DURABLE_SUMS = ('committed', 'spooled', 'not_yet_committed')
# What of a spool that does not take every commit becomes of durable samples.
_FAULTS = {
    'disk_full': 'disk full: durable streams make do with what fits',
    'read_only': 'disk is read-only: durable samples are not committed',
    'write_budget': "the day's writes are used up: durable samples are not committed",
    'failed': 'failed: durable samples are not committed',
}
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
        self._not_committed = 0
        self._committed: int | None = None
        self._committed_at = 0.0
        self._commands_down_since: float | None = None
        self._forged = 0

    def of(self, document: Mapping[str, Any], now: float) -> list[Status]:
        """
        Judge a document.

        :param document: ``health`` with all routes; what it lacks is not judged
        :param now: monotonic seconds
        :returns: the link first, then the spool and commands if there are any, then each stream
        """
        if document.get('boot_id', '') != self._boot:
            self._boot = document.get('boot_id', '')
            self._dropped = {}
            self._not_committed, self._committed = 0, None
            self._forged = 0
        robot_id = str(document.get('robot_id', ''))
        streams = _streams(document)
        level, message = self._judge_link(document, streams, now)
        statuses = [self._status('link', robot_id, level, message, _link_values(document))]
        spool = document.get('spool')
        if spool:
            routes = document.get('routes') or ()
            level, message = self._judge_spool(spool, routes, now)
            values = _spool_values(spool, routes)
            statuses.append(self._status('spool', robot_id, level, message, values))
        commands = document.get('commands')
        if commands:
            level, message = self._judge_commands(commands, now)
            values = _commands_values(commands)
            statuses.append(self._status('commands', robot_id, level, message, values))
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

    def _judge_spool(
        self, spool: Mapping[str, Any], routes: Sequence[Mapping[str, Any]], now: float
    ) -> tuple[Level, str]:
        state = spool.get('state', '')
        findings = []
        if state not in ('', 'ok'):
            level = Level.ERROR if state == 'failed' else Level.WARN
            findings.append((level, _FAULTS.get(state, str(state))))
        if stalled_s := self._stalled_s(routes, now):
            findings.append((Level.WARN, f'nothing was committed for {stalled_s:.0f} s'))
        lost = _not_committed(routes)
        if lost > self._not_committed:
            grown = lost - self._not_committed
            findings.append((Level.WARN, f'not committed since the last report: {grown}'))
        self._not_committed = lost
        if spool.get('dead_letters'):
            findings.append((Level.WARN, f'dead letters: {spool["dead_letters"]}'))
        if spool.get('recovered'):
            findings.append((Level.WARN, str(spool['recovered'])))
        for stream in spool.get('streams', ()):
            if stream.get('waits_for'):
                text = f'{stream["stream"]}: consumer {stream["waits_for"]} is not there'
                findings.append((Level.WARN, text))
        if findings:
            return max(level for level, _ in findings), '; '.join(text for _, text in findings)
        age_s = spool.get('oldest_age_s')
        held = f'{spool.get("samples", 0)} samples spooled'
        return Level.OK, held if age_s is None else f'{held}, the oldest for {age_s:.0f} s'

    def _judge_commands(self, commands: Mapping[str, Any], now: float) -> tuple[Level, str]:
        forged = (commands.get('refused') or {}).get(Reason.BAD_SIGNATURE, 0)
        lately, self._forged = forged - self._forged, forged
        if commands.get('connected') is False:
            if self._commands_down_since is None:
                self._commands_down_since = now
            down_s = now - self._commands_down_since
            level = Level.ERROR if down_s > _ERROR_AFTER_S else Level.WARN
            return level, f'not connected for {down_s:.0f} s: takes no commands'
        self._commands_down_since = None
        if lately > 0:
            return Level.WARN, f'bad signatures since the last report: {lately}'
        running = commands.get('running', 0)
        return Level.OK, f'connected, {running} running' if running else 'connected'

    def _stalled_s(self, routes: Sequence[Mapping[str, Any]], now: float) -> float:
        """Say for how long samples have waited and none was committed; 0 while it goes on."""
        committed = sum(route.get('committed', 0) for route in routes)
        waiting = any(route.get('not_yet_committed') for route in routes)
        if not waiting or committed != self._committed:
            self._committed, self._committed_at = committed, now
        stalled_s = now - self._committed_at
        return stalled_s if stalled_s > _STALLED_AFTER_S else 0.0

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


def _commands_values(commands: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ('connected', 'running', 'answers_waiting'):
        if key in commands:
            yield key, str(commands[key])
    for key in ('refused', 'stops'):
        for name, count in sorted((commands.get(key) or {}).items()):
            yield f'{key}.{name}', str(count)


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


def _not_committed(routes: Sequence[Mapping[str, Any]]) -> int:
    return sum(route.get('dropped', {}).get('not_committed', 0) for route in routes)


def _spool_values(
    spool: Mapping[str, Any], routes: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    yield from _flat('', {key: value for key, value in spool.items() if key != 'streams'})
    waiting = sum(route.get('not_yet_committed', 0) for route in routes)
    yield 'not_yet_committed', _text(waiting)
    yield 'not_committed', _text(_not_committed(routes))
    for stream in spool.get('streams') or ():
        rest = {key: value for key, value in stream.items() if key != 'stream'}
        yield from _flat(f'stream.{stream.get("stream")}.', rest)


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
    if any('committed' in route for route in routes):
        for key in _DURABLE_SUMS:
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
