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


"""Tables of what ``commands.py`` has measured."""

from collections.abc import Callable
from typing import Any

from tables import number, table

_PERCENTILES = ('p50_ms', 'p95_ms', 'p99_ms', 'max_ms')
_HEADS = ('count', 'p50 ms', 'p95 ms', 'p99 ms', 'max ms')
_NAMES = {
    'topic': 'topic: signed, logged, published',
    'service': 'service: signed, logged, called',
    'parameter': 'parameter get: signed',
    'echo': 'floor: plain paho echo',
    'rclpy': 'floor: rclpy call on the robot',
}


def _cells(found: dict[str, Any]) -> list[str]:
    return [number(found['count']), *(number(found[name], 1) for name in _PERCENTILES)]


def _trips(kinds: dict[str, Any]) -> str:
    rows = [[_NAMES[kind], *_cells(found)] for kind, found in kinds.items()]
    return table(('round trip', *_HEADS), rows)


def _failures(found: dict[str, int]) -> str:
    return ''.join(f'\n  {count} x {why}' for why, count in found.items())


def idle(found: dict[str, Any]) -> str:
    """
    Write the round trips on loopback.

    :param found: figures
    :returns: text
    """
    return (
        f'\nOn loopback, idle; a command costs the bridge {found["cpu_ms_per_command"]:.1f} ms of '
        'CPU\n\n' + _trips(found['kinds']) + _failures(found['failed'])
    )


def link(found: dict[str, Any]) -> str:
    """
    Write the round trips over a thin link.

    :param found: figures
    :returns: text
    """
    text = ''
    for phase, what in (('alone', 'alone'), ('filled', 'while telemetry asks for 4 x the link')):
        part = found[phase]
        text += (
            f'\n{found["rate_kbit"]:g} kbit/s, {what} ({part["shaper_share"]:.0%} used)\n\n'
            + _trips(part['kinds'])
            + _failures(part['failed'])
            + '\n'
        )
    return text


def teleop(found: dict[str, Any]) -> str:
    """
    Write ages and stops.

    :param found: figures
    :returns: text
    """
    rows = [
        ['age of a Twist at its subscriber', *_cells(found['ages'])],
        ['last Twist to the stop, link cut', *_cells(found['stop'])],
    ]
    refused = ', '.join(f'{count} {why}' for why, count in found['refused'].items()) or 'none'
    return (
        f'\nDriving at {found["hz"]:g} Hz over the filled link; watchdog '
        f'{found["watchdog_ms"]:g} ms\n\n'
        + table(('', *_HEADS), rows)
        + f'\n\n{found["arrived_share"]:.1%} arrived before the first cut, with '
        f'{found["unasked_stops"]} stops; the oldest that moved the robot in all was '
        f'{found["oldest_ms"]:.0f} ms old; answers that say refused: {refused}\n'
    )


def verify(found: dict[str, Any]) -> str:
    """
    Write how fast commands are checked.

    :param found: figures
    :returns: text
    """
    rows = [[kind, number(one['per_s']), number(one['us'], 1)] for kind, one in found.items()]
    return '\nOne core\n\n' + table(('gate', 'per s', 'us each'), rows) + '\n'


def attacks(found: dict[str, Any]) -> str:
    """
    Write what became of attacks.

    :param found: figures
    :returns: text
    """
    rows = []
    for kind, one in found['gate'].items():
        why = [word for word in one['reasons'] if word not in ('rejected', 'withheld')]
        cells = (number(one['inputs']), number(one['accepted']), number(one['answered']))
        rows.append([kind, *cells, ', '.join(why[:3])])
    inputs = sum(one['inputs'] for one in found['gate'].values())
    accepted = sum(one['accepted'] for one in found['gate'].values())
    answered = sum(one['answered'] for one in found['gate'].values())
    rows.append(['all', number(inputs), number(accepted), number(answered), ''])
    storm = found['storm']
    goods = [
        [f'good commands of {who}', number(storm[key]['succeeded']), *_cells(storm[key])]
        for who, key in (('another operator', 'other'), ('the one they name', 'same'))
    ]
    return (
        '\nThrough the gate with real keys and log\n\n'
        + table(('attack', 'inputs', 'accepted', 'answered', 'refused as'), rows)
        + f'\n\n{storm["inputs"]:,} bad commands at {storm["per_s"]:,.0f} /s over MQTT: '
        f'telemetry {storm["telemetry_arrived"]:,} of {storm["telemetry_published"]:,}, '
        f'CPU {storm["cpu_share"]:.0%} of a core, memory {storm["rss_mb_before"]:.0f} MB '
        f'and {storm["rss_mb_grown"]:+.1f}\n\n'
        + table(('beside the flood', 'succeeded', *_HEADS), goods)
        + '\n'
    )


def kills(found: dict[str, Any]) -> str:
    """
    Write what became of commands around kills.

    :param found: figures
    :returns: text
    """
    names = ('rounds', 'commands', 'once', 'never', 'twice', 'unanswered', 'contradicted', 'wrong')
    rows = [[name, number(found[name])] for name in names]
    rows.append(['unknown after a restart, had run', number(found['unknown_ran'])])
    rows.append(['unknown after a restart, had not', number(found['unknown_did_not'])])
    rows += [[f'told: {end}', number(count)] for end, count in found['ends'].items()]
    return f'\nSIGKILL, seed {found["seed"]}\n\n' + table(('', 'count'), rows) + '\n'


WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    'idle': idle,
    'link': link,
    'teleop': teleop,
    'verify': verify,
    'attacks': attacks,
    'kills': kills,
}
