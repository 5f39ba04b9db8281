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

"""A spool's reckoning and dead letters as text and as JSON."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ros_cloud_bridge.cli.spool_file import Block, LaneState, SpoolState
from ros_cloud_bridge.cli.top_units import byte_count, seconds
from ros_cloud_bridge.store.lanes import LEDGER
from ros_cloud_bridge.store.reckoning import LaneReckoning, Reckoning

_COUNTS = (*LEDGER, 'spooled')
_HEADER = ('stream', 'topic', 'boot', *_COUNTS, 'oldest', 'not told')
_WORDS = 3
_MAX_TEXT = 256


def report_lines(state: SpoolState) -> Iterator[str]:
    """
    Word a spool's reckoning.

    :param state: the spool
    :returns: lines, the last of which says whether it adds up
    """
    total = state.reckoning.total
    ages = [lane.oldest_age_s for lane in state.lanes if lane.oldest_age_s is not None]
    oldest = f', the oldest for {seconds(max(ages))}' if ages else ''
    yield f'{byte_count(state.bytes)} on disk, {total.spooled} samples spooled{oldest}'
    if state.dead_letters:
        yield f'{state.dead_letters} dead letters (--dead-letters lists them)'
    yield from _table(_rows(state))
    wrong = [lane for lane in (*_lanes(state), state.reckoning.forgotten) if not lane.adds_up]
    for lane in wrong:
        yield f'does not add up: {_place(lane)}: {_difference(lane)}'
    if not wrong:
        yield (
            'adds up: committed = delivered + expired + refused + spool_full + damaged + spooled'
        )


def dead_letter_lines(blocks: Iterable[Block]) -> Iterator[str]:
    """
    Word what was refused.

    :param blocks: as the file has them
    :returns: lines
    """
    rows = [('topic', 'boot', 'route', 'numbers', 'received', 'committed', 'reason')]
    count = 0
    for block in blocks:
        count += block.count
        first, last = block.ranges[0]
        begin, end = _times(block)
        rows.append(
            (
                clean(block.descriptor.topic),
                block.boot.hex(),
                str(block.route),
                str(first) if first == last else f'{first}-{last}',
                'cannot be read' if begin is None else _when(begin, end),
                f'{seconds(block.age_s)} ago',
                'refused',
            )
        )
    if count:
        yield from _table(rows, words=len(rows[0]))
    yield f'{count} dead letters: samples that the broker refused for good'


def state_document(state: SpoolState) -> dict[str, Any]:
    """
    Put a spool's reckoning into JSON.

    :param state: the spool
    :returns: JSON-able
    """
    ages = [lane.oldest_age_s for lane in state.lanes if lane.oldest_age_s is not None]
    return {
        'adds_up': state.reckoning.adds_up,
        'bytes': state.bytes,
        'oldest_age_s': max(ages, default=None),
        'dead_letters': state.dead_letters,
        'total': _counts(state.reckoning.total),
        'forgotten': _counts(state.reckoning.forgotten),
        'streams': [
            {'stream': name, 'lanes': len(lanes), **_sums(lanes)}
            for name, lanes in _by_stream(state).items()
        ],
        'lanes': [
            {
                'stream': lane.reckoning.stream,
                'topic': lane.reckoning.topic,
                'boot_id': lane.reckoning.boot.hex(),
                'route': lane.reckoning.route,
                **_sums([lane]),
            }
            for lane in state.lanes
        ],
    }


def dead_letter_document(block: Block) -> dict[str, Any]:
    """
    Put refused samples into JSON.

    :param block: as the file has them
    :returns: JSON-able; times are those of the robot's clock
    """
    first, last = block.ranges[0]
    begin, end = _times(block)
    return {
        'stream': block.descriptor.stream,
        'topic': block.descriptor.topic,
        'type': block.descriptor.type_name,
        'boot_id': block.boot.hex(),
        'route': block.route,
        'first': first,
        'last': last,
        'first_receive_time_ns': begin,
        'last_receive_time_ns': end,
        'committed_age_s': round(block.age_s, 3),
        'reason': 'refused',
    }


def clean(text: str) -> str:
    """
    Make text from a file fit for a terminal.

    :param text: anything
    :returns: one line without control characters
    """
    short = text[:_MAX_TEXT]
    return ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in short)


def _rows(state: SpoolState) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [_HEADER]
    for name, lanes in _by_stream(state).items():
        if len(lanes) > 1:
            sums = _sums(lanes)
            rows.append((clean(name), f'{len(lanes)} routes', '', *_cells(sums)))
        for lane in lanes:
            shown = '' if len(lanes) > 1 else clean(name)
            names = (shown, clean(lane.reckoning.topic), lane.reckoning.boot.hex())
            rows.append((*names, *_cells(_sums([lane]))))
    forgotten = state.reckoning.forgotten
    if forgotten.committed or not forgotten.adds_up:
        rows.append(('earlier boots', 'over', '', *_cells(_counts(forgotten))))
    rows.append(('total', '', '', *_cells(_counts(state.reckoning.total))))
    return rows


def _cells(sums: Mapping[str, Any]) -> tuple[str, ...]:
    told = sums.get('gaps', {}).items()
    gaps = ', '.join(f'{clean(reason)} {count}' for reason, count in told)
    age_s = sums.get('oldest_age_s')
    return (*(str(sums[name]) for name in _COUNTS), '' if age_s is None else seconds(age_s), gaps)


def _table(rows: Sequence[Sequence[str]], words: int = _WORDS) -> Iterator[str]:
    """Align columns: so many words to the left, then numbers to the right, then words again."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    numbers = range(words, words + len(_COUNTS) + 1)
    for row in rows:
        cells = (
            text.rjust(width) if column in numbers else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield '  '.join(cells).rstrip()


def _lanes(state: SpoolState) -> list[LaneReckoning]:
    return [lane.reckoning for lane in state.lanes]


def _by_stream(state: SpoolState) -> dict[str, list[LaneState]]:
    streams: dict[str, list[LaneState]] = {}
    for lane in sorted(state.lanes, key=lambda lane: lane.reckoning.stream):
        streams.setdefault(lane.reckoning.stream, []).append(lane)
    return streams


def _counts(lane: LaneReckoning) -> dict[str, Any]:
    return {**{name: getattr(lane, name) for name in _COUNTS}, 'adds_up': lane.adds_up}


def _sums(lanes: Sequence[LaneState]) -> dict[str, Any]:
    reckonings = tuple(lane.reckoning for lane in lanes)
    counted = Reckoning(lanes=reckonings, forgotten=LaneReckoning())
    gaps: dict[str, int] = {}
    for lane in lanes:
        for reason, count in lane.gaps.items():
            gaps[reason] = gaps.get(reason, 0) + count
    ages = [lane.oldest_age_s for lane in lanes if lane.oldest_age_s is not None]
    return {
        **_counts(counted.total),
        'adds_up': counted.adds_up,
        'oldest_age_s': max(ages, default=None),
        'gaps': gaps,
    }


def _place(lane: LaneReckoning) -> str:
    if not lane.boot:
        return 'earlier boots'
    return f'{clean(lane.stream)} {clean(lane.topic)} of boot {lane.boot.hex()}'


def _difference(lane: LaneReckoning) -> str:
    missing = lane.committed - sum(getattr(lane, name) for name in _COUNTS[1:])
    if missing > 0:
        return f'{missing} of {lane.committed} committed samples are nowhere'
    return f'{-missing} samples more than the {lane.committed} that were committed'


def _times(block: Block) -> tuple[int, int] | tuple[None, None]:
    """Give when the first and the last of the samples came in; None when they are damaged."""
    found = block.samples()
    if not found:
        return None, None
    return found[0].sample.receive_time_ns, found[-1].sample.receive_time_ns


def _when(begin_ns: int, end_ns: int | None) -> str:
    begin = _time(begin_ns)
    end = begin if end_ns is None else _time(end_ns)
    return begin if begin == end else f'{begin} to {end}'


def _time(nanoseconds: int) -> str:
    try:
        moment = datetime.fromtimestamp(nanoseconds // 10**9, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return f'{nanoseconds} ns'
    return moment.strftime('%Y-%m-%dT%H:%M:%SZ')
