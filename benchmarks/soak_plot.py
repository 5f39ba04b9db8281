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

"""The plot of a soak: what the bridge takes over time, above what was broken when."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from soak_faults import Fault, TRACKS
from soak_watch import columns, Reading, Slope

# Okabe and Ito's colours, which everybody can tell apart.
_COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00')
_PANELS = (
    ('memory', 'memory, MB', 1.0),
    ('file descriptors', 'descriptors', 1.0),
    ('threads', 'threads', 1.0),
    ('spool file', 'spool file, MB', 1.0),
    ('samples spooled', 'samples spooled', 1.0),
)


def draw(
    title: str,
    readings: Sequence[Reading],
    faults: Sequence[Fault],
    fitted: Mapping[str, Slope],
    window_s: tuple[float, float],
    path: Path,
) -> None:
    """
    Draw a soak.

    :param title: of the figure
    :param readings: in order
    :param faults: as they were done
    :param fitted: slopes by name
    :param window_s: where they were fitted
    :param path: PNG file
    """
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        len(_PANELS) + 1,
        1,
        figsize=(11, 11),
        sharex=True,
        height_ratios=(3, 1.4, 1.2, 1.6, 1.6, 1.1),
        layout='constrained',
    )
    minutes = [reading.at_s / 60 for reading in readings]
    values = columns(readings)
    for axis, colour, (name, label, _) in zip(axes, _COLOURS, _PANELS, strict=False):
        axis.plot(minutes, values[name][0], lw=0.9, color=colour)
        axis.set_ylabel(label)
        axis.grid(alpha=0.25, lw=0.5)
        if name in fitted and name != 'samples spooled':
            _line(axis, fitted[name], values[name][1], window_s)
    _broken(axes[-1], faults)
    axes[-1].set_xlabel('minutes')
    axes[-1].set_xlim(0, minutes[-1])
    figure.suptitle(title)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _line(axis: Any, slope: Slope, unit: str, window_s: tuple[float, float]) -> None:
    begin, end = window_s
    half = slope.per_hour * (end - begin) / 7200
    text = f'{slope.per_hour:+.2f} ± {slope.margin:.2f} {unit}/h'.replace(' /h', '/h')
    points = [begin / 60, end / 60], [slope.mean - half, slope.mean + half]
    axis.plot(*points, color='black', lw=1.0, ls='--', label=text)
    axis.legend(loc='lower right', fontsize=8)


def _broken(axis: Any, faults: Sequence[Fault]) -> None:
    for row, track in enumerate(TRACKS):
        spans = [
            (fault.begin_s / 60, max(0.05, (fault.end_s - fault.begin_s) / 60))
            for fault in faults
            if fault.track == track
        ]
        axis.broken_barh(spans, (row - 0.35, 0.7), facecolors='#444444', lw=0)
    axis.set_yticks(range(len(TRACKS)), list(TRACKS))
    axis.set_ylabel('broken')
    axis.invert_yaxis()
