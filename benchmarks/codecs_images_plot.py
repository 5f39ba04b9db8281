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

"""Pictures of pictures and depth images before and after their reducers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codecs_images import as_image, depth_images, depth_of, frames, Pixels, psnr, unpacked
from codecs_rig import messages, recording, timed
import matplotlib
import numpy as np

from ros_cloud_bridge.reducers.depth import DepthKind, FORM
from ros_cloud_bridge.reducers.images import JpegKind, WebpKind
from ros_cloud_bridge.reducers.images_messages import IMAGE, read_compressed, read_image
from ros_cloud_bridge.reducers.interface import Level

matplotlib.use('Agg')
from matplotlib import pyplot  # noqa: E402  (after its backend is chosen)

Row = Mapping[str, Any]
_FRAME = 40
# A part of the picture in which blocks show: columns and rows.
_PART = (slice(190, 300), slice(250, 470))


def draw(folder: Path, results: Mapping[str, Sequence[Row]], paths: Sequence[Path]) -> None:
    """
    Draw them all.

    :param folder: where to
    :param results: figures by subject
    :param paths: MCAP files
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (camera := recording('a4_car_camera', paths)) is not None:
        images = frames(camera, _FRAME)
        _pictures(folder / 'reducers_images.png', images[-1])
        packed = messages(camera, '/camera/image_raw/compressed')
        _curves(folder / 'reducers_images_bytes.png', images, packed)
    if (lidar := recording('a5_kitti_lidar', paths)) is not None:
        _depth(folder / 'reducers_depth.png', depth_images(lidar, 1)[0])


def _pictures(path: Path, cdr: bytes) -> None:
    image = read_image(cdr)
    original = image.rows(3).reshape(image.height, image.width, 3)
    panels = [(f'as it was: rgb8, {len(cdr):,} bytes', original)]
    for kind, options in (
        (JpegKind(), {'quality': '75'}),
        (JpegKind(), {'quality': '30'}),
        (JpegKind(), {'bytes': '6000'}),
        (WebpKind(), {'bytes': '6000'}),
        (JpegKind(), {'scale': '0.5'}),
    ):
        reducer = kind.make(IMAGE, '', options, 1 << 26)
        [*_, out], seconds = timed(lambda c, r=reducer: r.reduce(c, Level.FULL), [cdr] * 5)
        assert out is not None
        said = ' '.join(f'{key}={value}' for key, value in options.items())
        size = len(read_compressed(out).data)
        pixels = unpacked(out)
        title = f'{kind.name} {said}: {size:,} bytes,\n{1000.0 * seconds:.1f} ms CPU, '
        title += f'PSNR {psnr(cdr, out):.1f} dB'
        panels.append((title, pixels))
    figure, axes = pyplot.subplots(4, 3, figsize=(14, 10.6), layout='constrained')
    for place, (title, pixels) in enumerate(panels):
        row, column = divmod(place, 3)
        whole, part = axes[2 * row][column], axes[2 * row + 1][column]
        factor = pixels.shape[0] / image.height
        rows, columns = (
            slice(round(factor * cut.start), round(factor * cut.stop)) for cut in _PART
        )
        whole.imshow(pixels)
        part.imshow(pixels[rows, columns], interpolation='nearest')
        whole.set_title(title, fontsize=10)
        for axis in (whole, part):
            axis.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=75)
    pyplot.close(figure)


def _curves(path: Path, images: Sequence[bytes], packed: Sequence[bytes]) -> None:
    figure, (quality, budget) = pyplot.subplots(1, 2, figsize=(12, 4), layout='constrained')
    some = images[::10]
    for kind, colour in ((JpegKind(), '#D55E00'), (WebpKind(), '#0072B2')):
        points = []
        for percent in (15, 30, 45, 60, 75, 85, 92):
            reducer = kind.make(IMAGE, '', {'quality': str(percent)}, 1 << 26)
            outs = [reducer.reduce(cdr, Level.FULL) for cdr in some]
            sizes = [len(read_compressed(out).data) for out in outs if out is not None]
            near = [psnr(*pair) for pair in zip(some, outs, strict=True) if pair[1] is not None]
            points.append((np.mean(sizes) / 1000.0, np.mean(near), percent))
        quality.plot(
            [p[0] for p in points],
            [p[1] for p in points],
            'o-',
            ms=4,
            color=colour,
            label=kind.name,
        )
        for x, y, percent in points:
            quality.annotate(
                f'{percent}', (x, y), (4, -11), textcoords='offset points', fontsize=8
            )
    quality.set(xlabel='kB of a frame (640 x 360)', ylabel='PSNR (dB)', ylim=(30.5, None))
    quality.set_title('quality= (at the points)', fontsize=10)
    quality.legend()
    for target, colour in ((30_000, '#009E73'), (15_000, '#CC79A7'), (6000, '#E69F00')):
        reducer = JpegKind().make(
            'sensor_msgs/msg/CompressedImage', '', {'bytes': str(target)}, 1 << 26
        )
        sizes = [
            len(read_compressed(reducer.reduce(cdr, Level.FULL) or b'').data) for cdr in packed
        ]
        budget.axhspan(0.9 * target, 1.1 * target, color=colour, alpha=0.2, lw=0)
        budget.plot(sizes, color=colour, lw=1, label=f'bytes={target}')
    budget.set(xlabel='frame (960 x 540)', ylabel='bytes', ylim=(0, 36_000))
    budget.set_title('jpeg bytes=, and a tenth to either side', fontsize=10)
    budget.legend(loc='center right', fontsize=9)
    for axis in (quality, budget):
        axis.spines[['top', 'right']].set_visible(False)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _depth(path: Path, picture: Pixels) -> None:
    cdr = as_image(picture, '16UC1')
    kind = DepthKind()
    panels = [(f'as it was: 16UC1, {len(cdr):,} bytes', picture)]
    for options in ({}, {'resolution': '0.05'}):
        reducer = kind.make(IMAGE, '', options, 1 << 26)
        [form, *_], seconds = timed(lambda c, r=reducer: r.reduce(c, Level.FULL), [cdr] * 5)
        back = depth_of(kind.restore(FORM, form))
        said = ' '.join(f'{key}={value}' for key, value in options.items()) or 'without loss'
        off = np.abs(back.astype(int) - picture.astype(int)).max()
        title = f'depth, {said}: {len(form):,} bytes, {1000.0 * seconds:.1f} ms CPU'
        panels.append((f'{title}, error at most {off} mm', back))
    figure, axes = pyplot.subplots(3, 1, figsize=(13, 4.8), layout='constrained')
    for axis, (title, table) in zip(axes, panels, strict=True):
        metres = np.where(table > 0, table / 1000.0, np.nan)[:, 512:1536]
        drawn = axis.imshow(metres, cmap='turbo', vmin=0, vmax=50, aspect='auto',
                            interpolation='nearest')  # fmt: skip
        axis.set_title(title, fontsize=10)
        axis.set(xticks=[], yticks=[])
    figure.colorbar(drawn, ax=axes, label='m', shrink=0.8)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
