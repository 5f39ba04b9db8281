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

"""The plot of a dry run: ages, rate and queues over time, a colour per stream."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ros_cloud_bridge.cli.plan_run import Run
from ros_cloud_bridge.core.route import Route

# Okabe and Ito's colours, which everybody can tell apart.
_COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#8C510A')
_SAID = '#999999'
_BIN_S = 0.5
_MOST_LOOKS = 120


def draw(run: Run, title: str, path: Path) -> None:
    """
    Draw a dry run.

    :param run: it
    :param title: what it was
    :param path: PNG file
    """
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, (ages, rates, queues) = pyplot.subplots(
        3, 1, figsize=(11, 9), sharex=True, height_ratios=(4, 3, 2), layout='constrained'
    )
    streams = _streams(run)
    colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(streams)}
    for name, routes in streams.items():
        points = [
            (one.at, one.age_s)
            for route in routes
            for one in run.bridge.arrivals.get(route.number, ())
        ]
        label = f'{name} ({routes[0].stream.priority.name.lower()})'
        ages.plot(*_columns(points), '.', ms=3.5, color=colours[name], label=label)
    _draw_rates(rates, run, streams, colours)
    _draw_queues(queues, run, streams, colours)
    _draw_steps(ages, run)
    _finish(figure, (ages, rates, queues), run, title)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _streams(run: Run) -> dict[str, list[Route]]:
    """Give the streams that take something, in the configuration's order, with their routes."""
    found: dict[str, list[Route]] = {}
    for stream in run.config.streams:
        routes = [topic.route for topic in run.topics if topic.route.stream.name == stream.name]
        if routes:
            found[stream.name] = routes
    return found


def _draw_rates(
    axes: Any, run: Run, streams: dict[str, list[Route]], colours: dict[str, str]
) -> None:
    count = max(1, int(run.seconds / _BIN_S))
    edges = [index * run.seconds / count for index in range(count + 1)]
    owner = {route.number: name for name, routes in streams.items() for route in routes}
    kbit = {name: [0.0] * count for name in (*streams, '')}
    scale = 8 / 1000 / (run.seconds / count)
    for sent in run.bridge.sent:
        index = min(count - 1, int(sent.at / run.seconds * count))
        size = sent.cost.link_bytes * scale
        for route, share in sent.shares:
            kbit[owner[route.number]][index] += size * share
        if not sent.shares:
            kbit[''][index] += size
    axes.stackplot(
        edges,
        # The last bin ends where the next one would begin.
        *(kbit[name] + kbit[name][-1:] for name in (*streams, '')),
        colors=[*(colours[name] for name in streams), _SAID],
        labels=[*('_' for _ in streams), 'announcements, health'],
        step='post',
        alpha=0.8,
        lw=0,
    )
    steps = [(begin, rate / 125) for begin, rate in run.link.profile.rates if begin < run.seconds]
    steps.append((run.seconds, steps[-1][1]))
    axes.step(*_columns(steps), where='post', color='black', lw=1.2, ls='--', label='the link')
    # Where the link is far wider than what is sent, the latter is what counts.
    most = max((sum(column) for column in zip(*kbit.values(), strict=True)), default=0.0)
    highest = max(rate for _, rate in steps)
    axes.set_ylim(0, 1.1 * (highest if highest < 4 * most else 1.5 * most))
    axes.set_ylabel('sent, kbit/s')


def _draw_queues(
    axes: Any, run: Run, streams: dict[str, list[Route]], colours: dict[str, str]
) -> None:
    # The most of a few looks, or queues that fill and empty would be one broad band.
    step = max(1, len(run.looks) // _MOST_LOOKS)
    groups = [run.looks[index : index + step] for index in range(0, len(run.looks), step)]
    times = [group[0].at for group in groups]
    for name, routes in streams.items():
        numbers = [route.number for route in routes]
        queued = [max(_sum(look.queued, numbers) for look in group) for group in groups]
        lost = [_sum(group[-1].dropped, numbers) for group in groups]
        axes.plot(times, queued, drawstyle='steps-post', lw=1.2, color=colours[name])
        if any(lost):
            axes.plot(times, lost, drawstyle='steps-post', lw=1.2, ls=':', color=colours[name])
    axes.plot([], [], color='black', lw=1.2, label='queued')
    axes.plot([], [], color='black', lw=1.2, ls=':', label='dropped for the link, total')
    axes.set_yscale('symlog', linthresh=10)
    axes.set_ylim(bottom=0)
    axes.set_ylabel('samples')
    axes.set_xlabel('s')


def _sum(counts: dict[int, int], numbers: Sequence[int]) -> int:
    return sum(counts.get(number, 0) for number in numbers)


def _draw_steps(axes: Any, run: Run) -> None:
    for at, change in run.bridge.steps:
        worse = change.step_to > change.step_from
        axes.axvline(at, color='#AA0000' if worse else '#007700', lw=0.8, alpha=0.6)
    if run.bridge.steps:
        axes.plot([], [], color='#AA0000', lw=0.8, label='ladder: a step down')
        axes.plot([], [], color='#007700', lw=0.8, label='ladder: a step up')


def _finish(figure: Any, panels: Sequence[Any], run: Run, title: str) -> None:
    from matplotlib.ticker import FuncFormatter

    ages = panels[0]
    ages.set_yscale('log')
    ages.yaxis.set_major_formatter(FuncFormatter(_milliseconds))
    ages.set_ylabel('age on arrival')
    ages.set_xlim(0, run.seconds)
    for axes in panels:
        axes.grid(True, which='major', color='#DDDDDD', lw=0.6)
        axes.set_axisbelow(True)
        for side in ('top', 'right'):
            axes.spines[side].set_visible(False)
        axes.legend(loc='upper left', bbox_to_anchor=(1.0, 1.0), frameon=False, markerscale=3)
    figure.align_ylabels(panels)
    figure.suptitle(title, fontsize=10)


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _milliseconds(value: float, _: int) -> str:
    return f'{value:g} s' if value >= 1 else f'{1000 * value:g} ms'
