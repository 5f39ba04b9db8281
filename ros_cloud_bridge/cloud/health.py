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
The document ``health``, read with nothing taken on trust.

Whatever is missing, of another kind or beyond a bound is left out; nothing here raises.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
import math
from typing import Any

_MAX_TEXT = 256
_MAX_NUMBER = 1e18
_MAX_ROUTES = 4096
_MAX_STREAMS = 1024
_MAX_ENTRIES = 256
_MAX_REASONS = 64
_BUDGET_KEYS = ('limit_bytes', 'used_bytes', 'left_bytes', 'rate_bytes_per_s', 'resets_in_s')
_SPOOL_KEYS = (
    'bytes',
    'max_bytes',
    'samples',
    'oldest_age_s',
    'written_bytes_today',
    'dead_letters',
)
_TCP_KEYS = ('rtt_s', 'not_sent_bytes', 'retransmitted_segments', 'max_segment_bytes')
_LINK_KEYS = (
    'connection',
    'in_flight',
    'in_flight_bytes',
    'sent_bytes',
    'sent_messages',
    'rate_bytes_per_s',
    'base_rtt_s',
    'rtt_s',
    'queue_delay_s',
    'window_bytes',
    'fragment_bytes',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """
    What the robot's bridge says of its link.

    ``figures`` holds the numbers that the document has, by its own names; ``budget`` and ``tcp``
    likewise, and are empty when there are none.
    """

    connected: bool | None = None
    algorithm: str = ''
    limited_by: str = ''
    figures: Mapping[str, float] = field(default_factory=dict)
    budget: Mapping[str, float] = field(default_factory=dict)
    exhausted: bool = False
    tcp: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Where a stream stands on its ladder; ``step`` 0 is the top, ``demand_hz`` 0 nobody asks."""

    name: str
    priority: str = ''
    step: int = 0
    steps: int = 0
    now: str = ''
    max_hz: float | None = None
    demand_hz: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A consumer's wish for a stream."""

    stream: str
    consumer: str
    hz: float | None = None
    ends_in_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledStream:
    """
    What of a durable stream is on the robot's disk.

    ``unconfirmed`` samples have been sent and wait for who is to confirm them; ``earlier_boots``
    says how many are from before the bridge's last start; ``waits_for`` names the consumer that
    is to confirm them and is not there.
    """

    name: str
    samples: int = 0
    bytes: float = 0.0
    oldest_age_s: float | None = None
    earlier_boots: int = 0
    unconfirmed: int = 0
    waits_for: str = ''


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool:
    """The robot's spool; ``figures`` holds numbers that the document has, by its own names."""

    state: str = ''
    recovered: str = ''
    figures: Mapping[str, float] = field(default_factory=dict)
    streams: tuple[SpooledStream, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Where commands come in; ``refused`` counts by reason, ``stops`` by channel, since boot."""

    connected: bool | None = None
    running: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    stops: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFigures:
    """Figures of one route since boot, by the document's own names; ``dropped`` by reason."""

    route: int
    stream: str
    topic: str
    figures: Mapping[str, float] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """
    What could be read of one document.

    ``routes`` may be but some of ``routes_total``; ``spool`` and ``commands`` are None where there
    are none.
    """

    boot_id: str
    uptime_s: float | None = None
    time_ns: int | None = None
    link: Link = Link()
    streams: tuple[Stream, ...] = ()
    leases: tuple[Lease, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    routes: tuple[RouteFigures, ...] = ()
    routes_total: int | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    spool: Spool | None = None
    commands: Commands | None = None


def read_health(document: Mapping[str, Any]) -> Health:
    """
    Read a document.

    :param document: any JSON object
    :returns: what it says that can be understood
    """
    demand = _map(document.get('demand'))
    return Health(
        boot_id=_text(document.get('boot_id'))[:32],
        uptime_s=_amount(document.get('uptime_s')),
        time_ns=whole_number(document.get('time_ns')),
        link=_link(_map(document.get('link'))),
        streams=tuple(_streams(document.get('streams'))),
        leases=tuple(_leases(demand.get('leases'))),
        refused=_texts(demand.get('refused')),
        routes=tuple(_routes(document.get('routes'))),
        routes_total=_count(document.get('routes_total')),
        problems=_texts(document.get('problems')),
        spool=_spool(_map(document.get('spool'))),
        commands=_commands(_map(document.get('commands'))),
    )


def _link(link: Mapping[str, Any]) -> Link:
    connected = link.get('connected')
    budget = _map(link.get('budget'))
    return Link(
        connected=connected if isinstance(connected, bool) else None,
        algorithm=_text(link.get('algorithm')),
        limited_by=_text(link.get('limited_by')),
        figures=_figures(link, _LINK_KEYS),
        budget=_figures(budget, _BUDGET_KEYS),
        exhausted=budget.get('exhausted') is True,
        tcp=_figures(_map(link.get('tcp')), _TCP_KEYS),
    )


def _streams(entries: object) -> Iterator[Stream]:
    for entry in _maps(entries, _MAX_STREAMS):
        name = _text(entry.get('stream'))
        if name:
            yield Stream(
                name=name,
                priority=_text(entry.get('priority')),
                step=_count(entry.get('step')) or 0,
                steps=_count(entry.get('steps')) or 0,
                now=_text(entry.get('now')),
                max_hz=_amount(entry.get('max_hz')),
                demand_hz=_amount(entry.get('demand_hz')),
            )


def _leases(entries: object) -> Iterator[Lease]:
    for entry in _maps(entries, _MAX_ENTRIES):
        stream, consumer = _text(entry.get('stream')), _text(entry.get('consumer'))
        if stream and consumer:
            yield Lease(
                stream=stream,
                consumer=consumer,
                hz=_amount(entry.get('hz')),
                ends_in_s=_amount(entry.get('ends_in_s')),
            )


def _spool(spool: Mapping[str, Any]) -> Spool | None:
    if not spool:
        return None
    return Spool(
        state=_text(spool.get('state')),
        recovered=_text(spool.get('recovered')),
        figures=_figures(spool, _SPOOL_KEYS),
        streams=tuple(_spooled(spool.get('streams'))),
    )


def _commands(commands: Mapping[str, Any]) -> Commands | None:
    if not commands:
        return None
    connected = commands.get('connected')
    return Commands(
        connected=connected if isinstance(connected, bool) else None,
        running=_count(commands.get('running')) or 0,
        refused=_counts(commands.get('refused')),
        stops=_counts(commands.get('stops')),
    )


def _spooled(entries: object) -> Iterator[SpooledStream]:
    for entry in _maps(entries, _MAX_STREAMS):
        name = _text(entry.get('stream'))
        if name:
            yield SpooledStream(
                name=name,
                samples=_count(entry.get('samples')) or 0,
                bytes=_amount(entry.get('bytes')) or 0.0,
                oldest_age_s=_amount(entry.get('oldest_age_s')),
                earlier_boots=_count(entry.get('earlier_boots')) or 0,
                unconfirmed=_count(entry.get('unconfirmed')) or 0,
                waits_for=_text(entry.get('waits_for')),
            )


def _routes(entries: object) -> Iterator[RouteFigures]:
    for entry in _maps(entries, _MAX_ROUTES):
        number = _count(entry.get('route'))
        if number is None:
            continue
        others = ('route', 'stream', 'topic', 'dropped')
        names = [name for name in islice(entry, _MAX_REASONS) if name not in others]
        figures = _figures(entry, names)
        if failed := _count(_map(entry.get('reducer')).get('failed')):
            figures['reducer_failed'] = failed
        yield RouteFigures(
            route=number,
            stream=_text(entry.get('stream')),
            topic=_text(entry.get('topic')),
            figures=figures,
            dropped=_counts(entry.get('dropped')),
        )


def _counts(entries: object) -> dict[str, int]:
    """Take what was counted, by name."""
    return {
        name[:_MAX_TEXT]: count
        for name, value in islice(_map(entries).items(), _MAX_REASONS)
        if (count := _count(value))
    }


def _figures(entry: Mapping[str, Any], names: Any) -> dict[str, float]:
    read = ((name, _amount(entry.get(name))) for name in names)
    return {name[:_MAX_TEXT]: value for name, value in read if value is not None}


def _amount(value: object) -> float | None:
    """Read a quantity; none of the document's is negative, and some may be beyond any float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # Compared before any conversion: a whole number of JSON's may be too large for a float.
    if not 0 <= value <= _MAX_NUMBER:
        return None
    return float(value)


def whole_number(value: object) -> int | None:
    """
    Read a number that no float could hold, such as of nanoseconds.

    :param value: as JSON gave it
    :returns: the number; None when it is none, negative or beyond 63 bits
    """
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 1 << 63 else None


def _count(value: object) -> int | None:
    amount = _amount(value)
    return int(amount) if amount is not None and math.floor(amount) == amount else None


def _text(value: object) -> str:
    return value[:_MAX_TEXT] if isinstance(value, str) else ''


def _texts(entries: object) -> dict[str, str]:
    return {
        name[:_MAX_TEXT]: _text(text) for name, text in islice(_map(entries).items(), _MAX_ENTRIES)
    }


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _maps(entries: object, limit: int) -> Iterator[Mapping[str, Any]]:
    if isinstance(entries, list):
        yield from (entry for entry in entries[:limit] if isinstance(entry, dict))
