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

"""Draws what ``top`` shows: one robot in full, or many with a line each, as the place allows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ros_cloud_bridge.cli.top_units import amount, byte_count, rate, seconds
from ros_cloud_bridge.cloud.backlogs import BacklogView
from ros_cloud_bridge.cloud.captures import Capture
from ros_cloud_bridge.cloud.consumer import printable
from ros_cloud_bridge.cloud.robot_view import AFTER_ACCEPTANCE, RobotView, RouteView, StreamView

_BAD = 5
_SHOWN_ENTRIES = 3
_SHOWN_REASONS = 6
# Of backlogs, where there is room, and where there is little.
_SHOWN_BACKLOGS = (8, 3)
# Where all is printed, the sickest are in full.
_DETAILED = 50
_HOLE = '-'


def screen(
    views: Sequence[RobotView], top: Text, console: Console, height: int | None
) -> RenderableType:
    """
    Draw everything, in as much detail as the place allows.

    :param views: the robots, the sickest first
    :param top: what stands in the first lines
    :param console: says how wide it is
    :param height: lines that there are; None for as many as it takes
    :returns: a renderable
    """
    if height is None:
        lists = [robot_list(views)] if len(views) > 1 else []
        details = [robot_detail(view) for view in views[:_DETAILED]]
        if len(views) > _DETAILED:
            hidden = len(views) - _DETAILED
            text = f'... {hidden} robots are only in the list; --robot GLOB selects'
            details.append(Text(text, 'dim'))
        return _spaced([top, *lists, *details])
    for topics in (True, False):
        # Beyond that many they do not fit, and need not be drawn to see it.
        if len(views) <= height // 4:
            drawn = _spaced([top, *(robot_detail(view, topics=topics) for view in views)])
            if _lines(drawn, console) <= height:
                return drawn
    if len(views) == 1:
        return _cut(views[0], top, console, height)
    room = height - _lines(top, console) - 2
    if len(views) > room:
        more = Text(f'... and {len(views) - room + 1} more robots; --robot GLOB selects', 'dim')
        return _spaced([top, Group(robot_list(views[: max(0, room - 1)]), more)])
    return _spaced([top, robot_list(views)])


def robot_detail(
    view: RobotView, *, topics: bool = True, streams: int | None = None
) -> RenderableType:
    """
    Draw one robot in full.

    :param view: the robot
    :param topics: whether streams of several topics show each of them
    :param streams: how many streams at most; None for all
    :returns: a renderable
    """
    lines = [_presence(view), *_link(view), *_budget(view), *_spool(view)]
    lines += [*_commands(view), *_wishes(view)]
    lines += _entries('black box', map(_capture, view.captures))
    backlogs = [_backlog(stream) for stream in view.spool.streams] if view.spool else []
    shown = _SHOWN_BACKLOGS[0 if topics else 1]
    lines += _entries('backlog', (text for text in backlogs if text), shown)
    lines += _entries('not bridged', (f'{key}: {text}' for key, text in view.problems.items()))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
    table.add_column('stream / topic', ratio=6, overflow='fold')
    for title, width in (('Hz', 5), ('B/s', 7), ('age p50', 7), ('p95', 6), ('sent', 6)):
        table.add_column(title, justify='right', min_width=width, no_wrap=True)
    table.add_column('dropped since boot', ratio=5)
    for stream in view.streams[:streams]:
        _add_stream(table, stream, topics)
    hidden = len(view.streams) - len(view.streams[:streams])
    if hidden:
        table.add_row(Text(f'... {hidden} more streams', 'dim'))
    if view.routes_total and view.routes_total > sum(len(s.routes) for s in view.streams):
        known = sum(len(stream.routes) for stream in view.streams)
        lines.append(Text(f'{known} of {view.routes_total} topics have been told of', 'dim'))
    return Group(*lines, table) if view.streams else Group(*lines)


def robot_list(views: Iterable[RobotView]) -> RenderableType:
    """
    Draw robots with one line each.

    :param views: the robots
    :returns: a renderable
    """
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
    table.add_column('robot', ratio=3, no_wrap=True)
    table.add_column('state', no_wrap=True)
    for title, width in (('Hz', 5), ('B/s', 7), ('link', 7), ('queue', 6), ('age p95', 7)):
        table.add_column(title, justify='right', min_width=width, no_wrap=True)
    table.add_column('trouble', ratio=4, no_wrap=True)
    for view in views:
        routes = [route for stream in view.streams for route in stream.routes]
        figures = view.link.figures
        table.add_row(
            Text(_clean(view.robot_id, 80)),
            Text(_state_word(view), _style(view)),
            _hz(routes),
            _sent_per_s(routes),
            byte_count(figures.get('rate_bytes_per_s')),
            seconds(figures.get('queue_delay_s')),
            _ages(routes)[1],
            Text(_clean('; '.join(view.troubles), 200), _style(view)),
        )
    return table


def _cut(view: RobotView, top: Text, console: Console, height: int) -> RenderableType:
    first = sorted(view.streams, key=lambda stream: (stream.step == 0, not _losing(stream)))
    view = replace(view, streams=tuple(first))
    for streams in range(min(len(view.streams), height), -1, -1):
        drawn = _spaced([top, robot_detail(view, topics=False, streams=streams)])
        if _lines(drawn, console) <= height:
            return drawn
    return _spaced([top, robot_list([view])])


def _losing(stream: StreamView) -> bool:
    return any(route.losing for route in stream.routes)


def _presence(view: RobotView) -> Text:
    text = Text(_clean(view.robot_id, 80), 'bold')
    text.append(f'  {_state_word(view)}', _style(view))
    if view.reason and view.reason != 'birth':
        text.append(f' ({_clean(view.reason)})', _style(view))
    if view.since_s is not None:
        text.append(f' for {seconds(view.since_s)}')
    elif view.online is False:
        text.append(' since before we came')
    if view.boot_id:
        text.append(f', boot {_clean(view.boot_id)}')
    if view.uptime_s is not None:
        text.append(f', up {seconds(view.uptime_s)}')
    if view.restarts:
        text.append(f', restarts seen: {view.restarts}', 'yellow')
    if view.health_age_s is None:
        text.append(', no health yet', 'dim')
    if view.troubles:
        text.append(f'\n  ! {_clean("; ".join(view.troubles), 400)}', _style(view))
    return text


def _link(view: RobotView) -> list[Text]:
    link, figures = view.link, view.link.figures
    parts = []
    if 'rate_bytes_per_s' in figures:
        by = f' by {_clean(link.algorithm, 20)}' if link.algorithm else ''
        parts.append(f'{byte_count(figures["rate_bytes_per_s"])}/s estimated{by}')
    if link.limited_by:
        parts.append(f'limited by {_clean(link.limited_by, 40)}')
    if 'queue_delay_s' in figures:
        parts.append(f'queue {seconds(figures["queue_delay_s"])}')
    if 'rtt_s' in figures:
        base = f' (base {seconds(figures["base_rtt_s"])})' if 'base_rtt_s' in figures else ''
        parts.append(f'rtt {seconds(figures["rtt_s"])}{base}')
    if 'window_bytes' in figures:
        parts.append(f'window {byte_count(figures["window_bytes"])}')
    if 'in_flight' in figures:
        held = byte_count(figures.get('in_flight_bytes'))
        parts.append(f'in flight {amount(figures["in_flight"])} ({held})')
    if 'retransmitted_segments' in link.tcp:
        parts.append(f'TCP resent {amount(link.tcp["retransmitted_segments"])}')
    return [_labelled('link', ', '.join(parts))] if parts else []


def _budget(view: RobotView) -> list[Text]:
    budget = view.link.budget
    if not budget:
        return []
    text = (
        f'{byte_count(budget.get("used_bytes"))} of {byte_count(budget.get("limit_bytes"))} used'
    )
    if 'rate_bytes_per_s' in budget:
        text += f', allows {byte_count(budget["rate_bytes_per_s"])}/s'
    if 'resets_in_s' in budget:
        text += f', resets in {seconds(budget["resets_in_s"])}'
    return [_labelled('budget', text, 'red' if view.link.exhausted else '')]


def _spool(view: RobotView) -> list[Text]:
    spool = view.spool
    if spool is None or not (spool.state or spool.figures):
        return []
    figures = spool.figures
    parts = [] if spool.state in ('', 'ok') else [_clean(spool.state, 40)]
    if 'samples' in figures:
        parts.append(f'{amount(figures["samples"])} samples')
    if 'bytes' in figures:
        bound = f' of {byte_count(figures["max_bytes"])}' if 'max_bytes' in figures else ''
        parts.append(f'{byte_count(figures["bytes"])}{bound} on disk')
    if 'oldest_age_s' in figures:
        parts.append(f'oldest {seconds(figures["oldest_age_s"])}')
    parts += _change(spool.samples_per_s)
    unconfirmed = sum(stream.unconfirmed for stream in spool.streams)
    if unconfirmed:
        parts.append(f'unconfirmed {amount(unconfirmed)}')
    if figures.get('dead_letters'):
        parts.append(f'dead letters {amount(figures["dead_letters"])}')
    if 'written_bytes_today' in figures:
        parts.append(f'written today {byte_count(figures["written_bytes_today"])}')
    return [_labelled('spool', ', '.join(parts), '' if spool.state in ('', 'ok') else 'red')]


def _commands(view: RobotView) -> list[Text]:
    commands = view.commands
    if commands is None:
        return []
    parts = ['connected' if commands.connected else 'not connected']
    if commands.running:
        parts.append(f'{amount(commands.running)} running')
    for word, counts in (('refused', commands.refused), ('stopped', commands.stops)):
        if counts:
            told = ', '.join(f'{_clean(name, 40)} {amount(n)}' for name, n in counts.items())
            parts.append(f'{word}: {told}')
    return [_labelled('commands', '; '.join(parts), '' if commands.connected else 'red')]


def _backlog(stream: BacklogView) -> str:
    """Word what of a stream waits on the robot's disk and what of it comes in; '' for nothing."""
    coming = stream.arriving is not None and stream.arriving.hz > 0.0
    if not stream.samples and not coming:
        return ''
    text = f'{_clean(stream.stream, 64)} {amount(stream.samples)}'
    if stream.samples:
        text += f' samples ({byte_count(stream.bytes)}), oldest {seconds(stream.oldest_age_s)}'
    parts = [text]
    if stream.earlier_boots:
        parts.append(f'of earlier boots {amount(stream.earlier_boots)}')
    if stream.unconfirmed:
        parts.append(f'unconfirmed {amount(stream.unconfirmed)}')
    parts += _change(stream.samples_per_s)
    if coming and stream.arriving is not None:
        age_s = stream.arriving.age_p50_s
        aged = '' if age_s is None or age_s < 0.0 else f' of {seconds(age_s)} ago'
        parts.append(f'arriving {rate(stream.arriving.hz)}/s{aged}')
    if stream.samples and stream.closes_in_s is not None:
        parts.append(f'gap closes in {seconds(stream.closes_in_s)}')
    return ', '.join(parts)


def _capture(capture: Capture) -> str:
    text = f'{_clean(capture.black_box, 64)}, {seconds(capture.age_s)} ago'
    if capture.trigger:
        text += f', by {_clean(capture.trigger, 100)}'
    if not capture.ended:
        return f'{text}: goes on'
    if capture.samples is not None:
        text += f': {amount(capture.samples)} samples ({byte_count(capture.bytes)})'
    if capture.complete:
        return f'{text}, complete'
    return f'{text}, cut short: {_clean(capture.cut_short)}' if capture.cut_short else text


def _change(samples_per_s: float | None) -> list[str]:
    if not samples_per_s:
        return []
    word = 'growing' if samples_per_s > 0.0 else 'shrinking'
    return [f'{word} by {rate(abs(samples_per_s))}/s']


def _wishes(view: RobotView) -> list[Text]:
    leases = (
        f'{lease.stream} {_leased(lease.hz)} for {lease.consumer}, ends in '
        f'{seconds(lease.ends_in_s)}'
        for lease in view.leases
    )
    refused = (f'{who}: {why}' for who, why in view.refused.items())
    return _entries('lease', leases) + _entries('refused', refused)


def _leased(hz: float | None) -> str:
    # A lease of 0 Hz wants all that max_hz allows.
    return 'at full rate' if hz == 0.0 else f'{_HOLE if hz is None else rate(hz)} Hz'


def _entries(label: str, entries: Iterable[str], most: int = _SHOWN_ENTRIES) -> list[Text]:
    texts = list(entries)
    shown = [_labelled(label, _clean(text, 240)) for text in texts[:most]]
    if len(texts) > most:
        shown.append(_labelled(label, f'... and {len(texts) - most} more', 'dim'))
    return shown


def _labelled(label: str, text: str, style: str = '') -> Text:
    return Text.assemble((f'{label} ', 'cyan'), (text, style))


def _add_stream(table: Table, stream: StreamView, topics: bool) -> None:
    name = Text(_clean(stream.name, 80), 'bold')
    if stream.step > 0:
        name.append(f' {_clean(stream.now, 40)} ({stream.step}/{stream.steps})', 'yellow')
    if stream.demand_hz == 0.0:
        name.append(' idle', 'dim')
    if len(stream.routes) == 1:
        name.append(f' {_clean(stream.routes[0].topic, 256)}', 'not bold')
        _add_row(table, name, stream.routes)
        return
    if not stream.routes:
        name.append(' no topic', 'dim')
    _add_row(table, name, stream.routes)
    if topics:
        for route in stream.routes:
            _add_row(table, Text(f'  {_clean(route.topic, 256)}'), [route])


def _add_row(table: Table, name: Text, routes: Sequence[RouteView]) -> None:
    delivered = [route.figures['delivered'] for route in routes if 'delivered' in route.figures]
    p50, p95 = _ages(routes)
    table.add_row(
        name,
        _hz(routes),
        _sent_per_s(routes),
        p50,
        p95,
        amount(sum(delivered)) if delivered else _HOLE,
        _drops(routes),
    )


def _hz(routes: Sequence[RouteView]) -> str:
    rates = [route.rates.hz for route in routes if route.rates is not None]
    return rate(sum(rates)) if rates else _HOLE


def _sent_per_s(routes: Sequence[RouteView]) -> str:
    rates = [r.sent_bytes_per_s for r in routes if r.sent_bytes_per_s is not None]
    mark = '~' if any(route.estimated for route in routes) else ''
    return mark + byte_count(sum(rates)) if rates else _HOLE


def _ages(routes: Sequence[RouteView]) -> tuple[Text, Text]:
    """Word the ages of the worst of the routes."""
    if any(route.clock_differs for route in routes):
        return Text('clock', 'yellow'), Text('differs', 'yellow')
    p50 = [r.rates.age_p50_s for r in routes if r.rates and r.rates.age_p50_s is not None]
    p95 = [r.rates.age_p95_s for r in routes if r.rates and r.rates.age_p95_s is not None]
    return Text(seconds(max(p50, default=None))), Text(seconds(max(p95, default=None)))


def _drops(routes: Sequence[RouteView]) -> Text:
    totals = _sum(route.dropped for route in routes)
    rates = _sum(route.dropped_per_s or {} for route in routes)
    # What was lost after acceptance stands before what was thinned on purpose.
    reasons = sorted(totals, key=lambda reason: (reason not in AFTER_ACCEPTANCE, reason))
    text = Text()
    for reason in islice(reasons, _SHOWN_REASONS):
        now = f' ({rate(rates[reason])}/s)' if reason in rates else ''
        style = 'yellow' if reason in AFTER_ACCEPTANCE else ''
        text.append(', ' if text else '')
        text.append(f'{_clean(reason, 40)} {amount(totals[reason])}{now}', style)
    if len(reasons) > _SHOWN_REASONS:
        text.append(f', {len(reasons) - _SHOWN_REASONS} more reasons')
    return text


def _sum(counts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for entries in counts:
        for reason, count in entries.items():
            total[reason] = total.get(reason, 0) + count
    return total


def _state_word(view: RobotView) -> str:
    return {True: 'online', False: 'offline', None: 'unknown'}[view.online]


def _style(view: RobotView) -> str:
    return 'red' if view.severity >= _BAD else 'yellow' if view.severity else 'green'


def _clean(text: str, limit: int = 80) -> str:
    return printable(text, limit)


def _spaced(parts: Sequence[RenderableType]) -> Group:
    spaced = [item for part in parts for item in (part, Text())]
    return Group(*spaced[:-1])


def _lines(drawn: RenderableType, console: Console) -> int:
    return len(console.render_lines(drawn, pad=False))
