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

"""The plot of a scenario: age of the lead topic and rate over time, all subjects in one."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Okabe and Ito's colours, which everybody can tell apart.
_COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9')
_PEER_COLOURS = {'plain0': '#999999', 'plain1': '#8C510A'}
_NAMES = {'plain0': 'rclpy + paho, QoS 0', 'plain1': 'rclpy + paho, QoS 1'}


def missing() -> str | None:
    """
    Say why there can be no plot.

    :returns: one line; None when there can be
    """
    if find_spec('matplotlib') is None:
        return '--plot needs matplotlib: pip install matplotlib'
    return None


def draw(title: str, results: Sequence[dict[str, Any]], path: Path) -> None:
    """
    Draw a scenario.

    :param title: its name and what was sent, in lines
    :param results: of its subjects, with ``subject`` and ``timeline``
    :param path: PNG file
    """
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, (ages, rates) = pyplot.subplots(
        2, 1, figsize=(11, 7), sharex=True, height_ratios=(3, 2), layout='constrained'
    )
    first = results[0]['timeline']
    _phases(ages, rates, first['phases'])
    colours = iter(_COLOURS)
    # Peers first: the bridge's points must not be hidden.
    for result in sorted(results, key=lambda result: not result['subject'].startswith('plain')):
        subject = result['subject']
        colour = _PEER_COLOURS.get(subject) or next(colours)
        line = result['timeline']
        name = _NAMES.get(subject, subject)
        rates.plot(*_columns(line['rates_kbit']), lw=1.4, color=colour, label=name)
        for index, (robot, points) in enumerate(line['ages_ms'].items()):
            several = len(line['ages_ms']) > 1
            if index:
                colour = next(colours)
            label = f'{name} {robot}' if several else name
            ages.plot(*_columns(points), '.', ms=3.5, color=colour, label=label)
            ages.plot(*_columns(line['stale_ms'][robot]), lw=1.0, alpha=0.6, color=colour)
    _finish(ages, rates, first)
    head, *rest = title.split('\n')
    figure.suptitle(head)
    ages.set_title('\n'.join(rest), fontsize=8, color='#444444')
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _phases(ages: Any, rates: Any, phases: Sequence[dict[str, Any]]) -> None:
    times: list[float] = []
    values: list[float] = []
    for index, phase in enumerate(phases):
        start, end = phase['start_s'], phase['end_s']
        times += [start, end]
        values += [phase['rate_kbit']] * 2
        for axes in (ages, rates):
            if index % 2:
                axes.axvspan(start, end, color='#000000', alpha=0.06, lw=0)
        ages.annotate(
            phase['label'],
            ((start + end) / 2, 1.0),
            xycoords=('data', 'axes fraction'),
            xytext=(0, -14),
            textcoords='offset points',
            ha='center',
            color='#444444',
        )
    rates.plot(times, values, color='black', lw=1.2, ls='--', label='the link')


def _finish(ages: Any, rates: Any, line: dict[str, Any]) -> None:
    from matplotlib.ticker import FuncFormatter

    ages.set_yscale('log')
    ages.yaxis.set_major_formatter(FuncFormatter(_milliseconds))
    low, high = ages.get_ylim()
    # Room for the phases' names.
    ages.set_ylim(low, high * 3)
    ages.set_ylabel(f'age of {line["lead"]}')
    rates.set_ylabel('bytes through the shaper, kbit/s')
    rates.set_xlabel('s')
    rates.set_ylim(bottom=0)
    end_s = line['phases'][-1]['end_s']
    rates.set_xlim(-0.01 * end_s, 1.01 * end_s)
    for axes in (ages, rates):
        axes.grid(True, which='major', color='#DDDDDD', lw=0.6)
        for side in ('top', 'right'):
            axes.spines[side].set_visible(False)
    legend = ages.legend(loc='upper left', bbox_to_anchor=(1.0, 1.0), frameon=False)
    legend.set_title('dots: on arrival\nline: of the newest in the\ncloud, worst of each 0.5 s')
    legend.get_title().set(fontsize=8, color='#444444')
    rates.legend(loc='upper left', bbox_to_anchor=(1.0, 1.0), frameon=False)


def _milliseconds(value: float, _: object) -> str:
    return f'{value / 1000:g} s' if value >= 1000 else f'{value:g} ms'
