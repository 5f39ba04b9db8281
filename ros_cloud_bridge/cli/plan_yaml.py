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

"""A recommended configuration as a parameter file, with its reasons as comments."""

from collections.abc import Iterator, Sequence
import json
import re
import textwrap

from ros_cloud_bridge.advice.config import Stream
from ros_cloud_bridge.core.config import flatten
from ros_cloud_bridge.core.config_stream_table import STREAM_FIELDS
from ros_cloud_bridge.core.config_table import BY_KEY
from ros_cloud_bridge.values import BridgeConfig

_WIDTH = 99
# What needs no quotes in YAML, nor in rcl's reading of it.
_PLAIN = re.compile(r'[A-Za-z/][A-Za-z0-9_/.-]*')
_WORDS = frozenset('y yes n no true false on off null'.split())


def write(
    config: BridgeConfig, streams: Sequence[Stream], reasons: Sequence[str], about: Sequence[str]
) -> str:
    """
    Write a configuration.

    :param config: it
    :param streams: the recommended ones, in its order
    :param reasons: one for each of them
    :param about: lines that stand above all
    :returns: YAML
    """
    lines = [line for text in about for line in _comment(text, '')]
    lines += ['/**:', '  ros__parameters:']
    lines += ['    # Name of the robot, unique in the fleet.', f'    robot_id: {config.robot_id}']
    lines += [
        '    # Name the broker, and what proves who the robot is (docs/configuration.md).',
        '    mqtt: {host: localhost}',
    ]
    flat = flatten(config)
    link = {
        key: flat[key]
        for key in ('link.algorithm', 'link.monthly_budget_mb')
        if flat[key] != BY_KEY[key].default
    }
    if link:
        pairs = (f'{key.partition(".")[2]}: {_value(value)}' for key, value in link.items())
        lines.append(f'    link: {{{", ".join(pairs)}}}')
    lines += [
        f'    {key}: {_value(flat[key])}'
        for key in ('health_period_s', 'announce_period_s')
        if flat[key] != BY_KEY[key].default
    ]
    if config.demand.allow:
        lines += [
            '    # Who may look at what flows on demand: tail --name ops-desk --lease STREAM.',
            f'    demand: {{allow: {_value(config.demand.allow)}}}',
        ]
    lines += list(_list('    streams: ', [stream.config.name for stream in streams]))
    lines.append('    stream:')
    for stream, reason in zip(streams, reasons, strict=True):
        lines += _comment(reason, '      ')
        lines += _comment(_figures(stream), '      ')
        lines.append(f'      {stream.config.name}:')
        for field in STREAM_FIELDS:
            value = flat[f'stream.{stream.config.name}.{field.key}']
            if value != field.default:
                lines += _list(f'        {field.key}: ', value)
    return '\n'.join(lines) + '\n'


def _figures(stream: Stream) -> str:
    parts = []
    for choice in stream.choices:
        hz = choice.step.hz
        rate = f'{hz:g} of {choice.topic.hz:.1f} Hz' if stream.config.max_hz else ''
        rate = rate or f'{choice.topic.hz:.1f} Hz'
        parts.append(f'{choice.topic.topic} {rate}, about {choice.bytes_per_s:.0f} B/s')
    error = stream.choices[0].option.error
    return '; '.join(parts) + (f'. Error: {error}' if error else '')


def _comment(text: str, indent: str) -> list[str]:
    lead = f'{indent}# '
    return textwrap.wrap(
        text, _WIDTH, initial_indent=lead, subsequent_indent=lead, break_on_hyphens=False
    )


def _list(lead: str, value: object) -> Iterator[str]:
    """Write a key; a list that is too long for a line goes on below."""
    line = lead + _value(value)
    if len(line) <= _WIDTH or not isinstance(value, (list, tuple)):
        yield line
        return
    indent = ' ' * (len(lead) - len(lead.lstrip()) + 2)
    yield lead.rstrip()
    for one in value:
        yield f'{indent}- {_value(one)}'


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f'[{", ".join(map(_value, value))}]'
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return value if plain else json.dumps(value, ensure_ascii=False)
    return repr(value)
