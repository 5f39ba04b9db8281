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

"""A recommendation as people read it, and as a program does."""

from typing import Any

from ros_cloud_bridge.advice.config import Stream
from ros_cloud_bridge.advice.decide import Advice, Choice
from ros_cloud_bridge.cli.plan_excerpt import Excerpt
from ros_cloud_bridge.cli.plan_recommend import Leased, Recommendation
from ros_cloud_bridge.cli.plan_report import table, text

_HEADS = (
    'topic', 'type', 'Hz', 'raw', 'lossless', 'stream', 'sent Hz', 'reducer', 'then',
)  # fmt: skip
_LEFT = (0, 1, 5, 7)
_LARGE_CPU = 0.05


def as_text(found: Recommendation) -> str:
    """
    Write a recommendation.

    :param found: it
    :returns: lines: the survey with what is recommended, why, and the dry run
    """
    measured = _measured(found)
    rows = [
        _row(stream, choice, measured) for stream in found.streams for choice in stream.choices
    ]
    lines = [
        _surveyed(found.excerpt),
        _room(found.advice),
        '',
        *table(_HEADS, rows, _LEFT),
        '',
        'B/s raw: CDR; lossless: payload of batches of 1 s, each topic by itself; then: on the '
        'link with all headers, as tried below; ~ while somebody looks',
        '',
    ]
    for stream, reason in zip(found.streams, found.reasons, strict=True):
        lines += _why(stream, reason)
    lines += [f'{topic}: left out: {why}' for topic, why in found.survey.left_out.items()]
    lines += ['', _tried(found), '', text(found.found), '']
    lines += [_lease_line(found, leased) for leased in found.leased]
    return '\n'.join([*lines, *_verdict(found)])


def as_document(found: Recommendation) -> dict[str, Any]:
    """
    Write a recommendation for a program.

    :param found: it
    :returns: JSON-able
    """
    measured = _measured(found)
    advice = found.advice
    return {
        'surveyed_s': round(found.survey.seconds, 3),
        'recording_s': round(found.excerpt.of_seconds, 3),
        'room_bytes_per_s': round(advice.room.bytes_per_s),
        'metered': advice.room.metered,
        'lossless_bytes_per_s': round(advice.lossless_bytes_per_s),
        'planned_bytes_per_s': round(advice.bytes_per_s),
        'fits': advice.fits,
        'topics': [
            {
                'topic': choice.topic.topic,
                'type': choice.topic.type_name,
                'kind': choice.topic.kind,
                'hz': choice.topic.hz,
                'raw_bytes_per_s': choice.topic.raw_bytes_per_s,
                'options': {
                    text: {
                        'bytes_per_s': option.bytes_per_s(choice.topic.hz),
                        'kept': option.kept,
                        'cpu_s': option.cpu_s,
                        'error': option.error,
                    }
                    for text, option in choice.topic.options.items()
                },
                'refused': dict(choice.topic.refused),
                'stream': stream.config.name,
                'reducer': choice.step.reducer,
                'max_hz': stream.config.max_hz,
                'on_demand': choice.on_demand,
                'gives_up': choice.step.sacrifice.name.lower(),
                'planned_bytes_per_s': choice.bytes_per_s,
                'measured_bytes_per_s': measured.get(choice.topic.topic),
                'why': reason,
            }
            for stream, reason in zip(found.streams, found.reasons, strict=True)
            for choice in stream.choices
        ],
        'left_out': found.survey.left_out,
        'troubles': list(found.troubles),
        'rounds': found.rounds,
        'dry_run': found.found,
        'leased': {leased.stream: leased.found for leased in found.leased},
    }


def _measured(found: Recommendation) -> dict[str, float]:
    seconds = max(found.planned.seconds, 1e-9)
    return {one['topic']: one['wire_bytes'] / seconds for one in found.found['topics']}


def _surveyed(excerpt: Excerpt) -> str:
    if excerpt.whole:
        return f'{excerpt.name}: {excerpt.seconds:.1f} s surveyed, all of it'
    return (
        f'{excerpt.name}: {excerpt.seconds:.0f} s of {excerpt.of_seconds:.0f} s surveyed, in '
        f'{len(excerpt.parts)} parts from its beginning to its end'
    )


def _room(advice: Advice) -> str:
    room = advice.room
    what = 'of the monthly budget, day and night' if room.metered else 'of the link'
    return (
        f'{room.bytes_per_s:.0f} B/s {what} are planned with; as it is all of it would take about '
        f'{advice.lossless_bytes_per_s:.0f}, as recommended about {advice.bytes_per_s:.0f}'
    )


def _row(stream: Stream, choice: Choice, measured: dict[str, float]) -> list[str]:
    topic, config = choice.topic, stream.config
    policy = [config.priority.name.lower(), config.keep.value]
    if choice.on_demand:
        policy.append('on demand')
        then = f'~{_bytes(choice.bytes_per_s)}'
    else:
        then = _bytes(measured.get(topic.topic, 0.0))
    return [
        topic.topic,
        topic.type_name.rpartition('/')[2],
        f'{topic.hz:.1f}',
        _bytes(topic.raw_bytes_per_s),
        _bytes(topic.options[''].bytes_per_s(topic.hz)),
        f'{config.name} ({", ".join(policy)})',
        f'{config.max_hz:g}' if config.max_hz else 'all',
        choice.step.reducer or '-',
        then,
    ]


def _bytes(number: float) -> str:
    return f'{number:.0f}'


def _why(stream: Stream, reason: str) -> list[str]:
    option = stream.choices[0].option
    lines = [f'{stream.config.name}: {reason}']
    if option.error:
        lines.append(f'    at most off by: {option.error}')
    cpu = sum(
        choice.option.cpu_s * (choice.step.hz or choice.topic.hz) for choice in stream.choices
    )
    if cpu >= _LARGE_CPU:
        lines.append(f'    reducing takes {100 * cpu:.0f} % of a core of this machine')
    return lines


def _tried(found: Recommendation) -> str:
    times = '' if found.rounds == 1 else f', round {found.rounds}'
    return f'tried on the link for {found.planned.seconds:.1f} s{times}:'


def _lease_line(found: Recommendation, leased: Leased) -> str:
    topics = leased.found['topics']
    own = [one for one in topics if one['stream'] == leased.stream]
    seconds = max(leased.found['seconds'], 1e-9)
    arrived = sum(one['sent'] for one in own)
    late = max((one['age_ms']['p95'] or 0.0 for one in own), default=0.0)
    urgent = [
        one['age_ms']['p95'] or 0.0
        for one in topics
        if one['priority'] == 'high' and one['stream'] != leased.stream
    ]
    said = f'{leased.stream} while somebody looks: {arrived / seconds:.2g} messages/s arrive'
    if arrived:
        said += f', p95 {late / 1000:.1f} s old'
    if urgent:
        said += f'; those of high priority are then at most {max(urgent) / 1000:.1f} s old (p95)'
    return said


def _verdict(found: Recommendation) -> list[str]:
    advice = found.advice
    if not found.troubles:
        return ['holds: nothing of it is late or dropped beyond what its streams allow']
    lines = []
    if not advice.fits:
        lines.append(
            f'does not fit: the least that is of use takes {advice.bytes_per_s:.0f} B/s, planned '
            f'with are {advice.room.bytes_per_s:.0f} B/s; what is most important goes first'
        )
    return [*lines, *(f'does not hold: {trouble}' for trouble in found.troubles)]
