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

"""Pictures of clouds, scans and maps before and after their reducers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codecs_clouds import maps, reducer_of, xyz
from codecs_rig import messages, recording, timed
import matplotlib
import numpy as np

from ros_cloud_bridge.reducers.cloud_forms import FORM, QuantizeKind
from ros_cloud_bridge.reducers.clouds import CropKind, VoxelKind
from ros_cloud_bridge.reducers.grids import GridKind, read_grid
from ros_cloud_bridge.reducers.grids import TYPE as GRID
from ros_cloud_bridge.reducers.laser import FORM as LASER_FORM
from ros_cloud_bridge.reducers.laser import LaserKind, read_scan
from ros_cloud_bridge.reducers.laser import TYPE as SCAN
from ros_cloud_bridge.wire.zstd import compress

matplotlib.use('Agg')
from matplotlib import pyplot  # noqa: E402  (after its backend is chosen)

Row = Mapping[str, Any]
_SIDE_M = 40.0


def draw(folder: Path, results: Mapping[str, Sequence[Row]], paths: Sequence[Path]) -> None:
    """
    Draw them all.

    :param folder: where to
    :param results: figures by topic
    :param paths: MCAP files
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (lidar := recording('a5_kitti_lidar', paths)) is not None:
        [cdr] = messages(lidar, '/velodyne_points_full', 1)
        _clouds(folder / 'reducers_clouds.png', cdr, results['/velodyne_points_full'])
        _sizes(folder / 'reducers_clouds_sizes.png', results['/velodyne_points_full'])
    if (laser := recording('a3_tilt_laser_xsens', paths)) is not None:
        _scan(folder / 'reducers_laser.png', messages(laser, '/scan', 60)[-1])
    _map(folder / 'reducers_grid.png')


def _clouds(path: Path, cdr: bytes, rows: Sequence[Row]) -> None:
    quantize = QuantizeKind()

    crop = reducer_of(CropKind(), range='2,40')
    voxel = reducer_of(VoxelKind(), leaf='0.2', point='first')
    panels = [('as it was', cdr, f'{len(cdr):,} bytes')]
    for name, thin, options, error in (
        ('cloud_quantize', None, {}, 'error ≤ 0.5 mm'),
        ('cloud_quantize resolution=0.05', None, {'resolution': '0.05'}, 'error ≤ 25 mm'),
        (
            'cloud_crop range=2,40; cloud_voxel\nleaf=0.2 point=first; cloud_quantize',
            lambda c: voxel(crop(c)),
            {},
            'error ≤ 0.5 mm',
        ),
    ):
        encode = reducer_of(quantize, **options)
        chain = encode if thin is None else lambda c, e=encode, t=thin: e(t(c))
        [form, *_], seconds = timed(chain, [cdr] * 5)
        said = f'{len(form):,} bytes, {1000.0 * seconds:.0f} ms CPU\n{error}'
        panels.append((name, quantize.restore(FORM, form), said))
    figure, axes = pyplot.subplots(
        2, 4, figsize=(15, 6.8), layout='constrained', height_ratios=(1.8, 1)
    )
    for (name, cloud, said), above, below in zip(panels, *axes, strict=True):
        points = xyz(cloud)
        order = np.argsort(points[:, 2])
        shown = points[order]
        above.scatter(shown[:, 0], shown[:, 1], s=0.3, c=shown[:, 2], cmap='viridis', vmin=-2,
                      vmax=2, linewidths=0)  # fmt: skip
        above.set(xlim=(-_SIDE_M, _SIDE_M), ylim=(-_SIDE_M, _SIDE_M), aspect='equal')
        above.set_title(f'{name}\n{len(points):,} points, {said}', fontsize=10)
        # A closer look, where a resolution would show: a sign, a car's side and the road.
        near = shown[(np.abs(shown[:, 0] - 9.5) < 3) & (np.abs(shown[:, 1] - 5.0) < 3)]
        below.scatter(near[:, 0], near[:, 2], s=4, c=near[:, 1], cmap='plasma', linewidths=0)
        below.set(xlim=(6.5, 12.5), ylim=(-2.2, 1.2), aspect='equal')
        below.set_xlabel('x (m)')
        above.set_xlabel('x (m)')
    axes[0][0].set_ylabel('y (m)')
    axes[1][0].set_ylabel('z (m), from the side')
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _sizes(path: Path, rows: Sequence[Row]) -> None:
    named = [row for row in rows if not row['name'].startswith(('  …', 'cloud_v', 'cloud_c'))]
    named = [row for row in named if 'fields' not in row['name'] and 'free' not in row['name']]
    figure, (sizes, speeds) = pyplot.subplots(
        1, 2, figsize=(11, 3.4), sharey=True, layout='constrained'
    )
    names = [row['name'] for row in named]
    colours = ['#0072B2' if name.startswith('cloud_') else '#999999' for name in names]
    for axis, figure_name, label, digits in (
        (sizes, 'bits_per_point', 'bits of a point (x, y, z, intensity; raw 128)', 1),
        (speeds, 'encode_mb_per_s', 'MB of raw cloud encoded in a second of CPU', 0),
    ):
        values = [row[figure_name] or 0.0 for row in named]
        bars = axis.barh(names, values, color=colours)
        labels = [f'{value:.{digits}f}' if value else 'not measured' for value in values]
        axis.bar_label(bars, labels, padding=3, fontsize=9)
        axis.set_xlabel(label)
        axis.set_xlim(0, max(values) * 1.18)
        axis.spines[['top', 'right']].set_visible(False)
    sizes.invert_yaxis()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _scan(path: Path, cdr: bytes) -> None:
    before = read_scan(cdr)
    angles = before.numbers[0] + before.numbers[2] * np.arange(len(before.ranges))
    low, high = before.numbers[5:]
    meant = (before.ranges >= low) & (before.ranges <= high)
    figure, axes = pyplot.subplots(2, 3, figsize=(14, 6.6), layout='constrained')
    for column, resolution in enumerate(('0.005', '0.02', '0.1')):
        [form, *_], seconds = timed(
            reducer_of(LaserKind(), SCAN, resolution=resolution), [cdr] * 20
        )
        packed = len(compress(form, 15))
        after = read_scan(LaserKind().restore(LASER_FORM, form))
        above, below = axes[0][column], axes[1][column]
        for scan, size, colour, name in (
            (before, 14, '#D55E00', 'as it was'),
            (after, 3, '#0072B2', 'restored'),
        ):
            x = scan.ranges[meant] * np.cos(angles[meant])
            y = scan.ranges[meant] * np.sin(angles[meant])
            above.scatter(y, x, s=size, c=colour, linewidths=0, label=name)
        # Ahead is up, and y to the left.
        above.set(aspect='equal', xlabel='y (m)', ylabel='x (m)', xlim=(14, -14), ylim=(-3, 13.5))
        above.legend(loc='upper right', markerscale=2, fontsize=9)
        above.set_title(
            f'laser_quantize resolution={resolution}: {len(cdr):,} to {packed:,} bytes\n'
            f'(one scan alone, with zstd), {1e6 * seconds:.0f} µs CPU',
            fontsize=10,
        )
        off = 1000.0 * (after.ranges.astype(float) - before.ranges)[meant]
        below.scatter(np.degrees(angles[meant]), off, s=3, c='#0072B2', linewidths=0)
        bound = 500.0 * float(resolution)
        below.axhline(bound, color='#D55E00', lw=1)
        below.axhline(-bound, color='#D55E00', lw=1)
        below.set(xlabel='angle (°)', ylabel='error (mm)', ylim=(-1.3 * bound, 1.3 * bound))
        below.set_title('error of each range, and the bound that is promised', fontsize=10)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _map(path: Path) -> None:
    grids = maps()
    shown = (0, 15, 35)
    sizes, full = [], []
    sender = reducer_of(GridKind(), GRID)
    for cdr in grids:
        sizes.append(len(sender(cdr)))
        full.append(len(reducer_of(GridKind(), GRID, every='1')(cdr)))
    figure, axes = pyplot.subplots(
        1, 4, figsize=(15, 3.6), layout='constrained', width_ratios=(1, 1, 1, 1.5)
    )
    for axis, place in zip(axes, shown, strict=False):
        cells = read_grid(grids[place]).cells.view(np.int8).astype(float)
        picture = np.where(cells < 0, 128.0, 255.0 - 2.55 * cells)
        axis.imshow(picture, cmap='gray', vmin=0, vmax=255, origin='lower')
        axis.set(xticks=[], yticks=[])
        axis.set_title(
            f'map {place}: {full[place]:,} bytes full,\n{sizes[place]:,} sent', fontsize=10
        )
    last = axes[-1]
    last.plot(full, color='#999999', label='each one full')
    last.step(range(len(sizes)), sizes, where='mid', color='#0072B2', label='grid_diff every=30')
    last.set(xlabel='map', ylabel='bytes', ylim=(0, None))
    last.legend(loc='upper left', fontsize=9)
    last.spines[['top', 'right']].set_visible(False)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
