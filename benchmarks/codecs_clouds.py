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

"""
What point clouds, laser scans and maps come to with their reducers, beside other ways.

Clouds: real ones of a lidar with 64 beams; zstd, Draco (with DracoPy; of the fewest bits that hold
the error, intensities as bytes) and Cloudini's way (steps of varints point by point, then zstd;
sizes only, for in Python its speed says nothing). Errors are looked at in what was restored.
Speeds are of raw bytes by CPU time, medians.
"""

from collections.abc import Callable, Sequence
import math
from pathlib import Path
from typing import Any

from codecs_rig import messages, recording, Row, timed, ways_table
import numpy as np
import zstandard

from ros_cloud_bridge.reducers.cloud_forms import FORM, QuantizeKind
from ros_cloud_bridge.reducers.clouds import CropKind, FieldsKind, VoxelKind
from ros_cloud_bridge.reducers.clouds_message import read_cloud, TYPE
from ros_cloud_bridge.reducers.grids import FORM as GRID_FORM
from ros_cloud_bridge.reducers.grids import GridKind
from ros_cloud_bridge.reducers.grids import TYPE as GRID
from ros_cloud_bridge.reducers.interface import Level, Reducer
from ros_cloud_bridge.reducers.laser import FORM as LASER_FORM
from ros_cloud_bridge.reducers.laser import LaserKind, read_scan
from ros_cloud_bridge.reducers.laser import TYPE as SCAN

Encode = Callable[[bytes], bytes]
TOPICS = (('/velodyne_points', 60), ('/velodyne_points_full', 6))
RESOLUTION_M = 0.001
CLOUD_HEADS = {
    'bytes': ('bytes', 0),
    'ratio': ('raw / bytes', 2),
    'bits_per_point': ('bits an original point', 1),
    'encode_mb_per_s': ('encode MB/s', 0),
    'decode_mb_per_s': ('decode MB/s', 0),
    'error_mm': ('error mm', 2),
}
SMALL_HEADS = {
    'bytes': ('bytes', 0),
    'ratio': ('raw / bytes', 1),
    'encode_us': ('encode µs', 0),
    'decode_us': ('decode µs', 0),
    'error_mm': ('error mm', 2),
}
_BATCH = 10


def xyz(cdr: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
    """
    Give a cloud's points.

    :param cdr: the message
    :returns: shape (points, 4): x, y, z, intensity
    """
    cloud = read_cloud(cdr)
    return np.stack([cloud.column(field) for field in cloud.fields[:4]], axis=1)


def row(name: str, encode: Encode, decode: Encode | None, clouds: Sequence[bytes]) -> Row:
    """
    Measure one way.

    :param name: of the way
    :param encode: makes fewer bytes of a message
    :param decode: makes a message again; None where that is not asked for
    :param clouds: the messages
    :returns: figures
    """
    raw = sum(map(len, clouds)) / len(clouds)
    made, encode_s = timed(encode, clouds)
    size = sum(map(len, made)) / len(made)
    points = sum(len(xyz(cdr)) for cdr in clouds) / len(clouds)
    figures: Row = {
        'name': name,
        'bytes': size,
        'ratio': raw / size,
        'bits_per_point': 8.0 * size / points,
        'encode_mb_per_s': raw / encode_s / 1e6,
        'decode_mb_per_s': None,
        'error_mm': None,
    }
    if decode is not None:
        back, decode_s = timed(decode, made)
        figures['decode_mb_per_s'] = raw / decode_s / 1e6
        figures['error_mm'] = _error_mm(clouds, back)
    return figures


def _error_mm(clouds: Sequence[bytes], back: Sequence[bytes]) -> float | None:
    worst = 0.0
    for before, after in zip(clouds, back, strict=True):
        old, new = xyz(before).astype(float), xyz(after).astype(float)
        if old.shape != new.shape:
            return None
        worst = max(worst, float(np.abs(old[:, :3] - new[:, :3]).max()))
    return 1000.0 * worst


def reducer_of(kind: Any, type_name: str = TYPE, **options: str) -> Encode:
    """
    Make a reducer's work a function.

    :param kind: of reducer
    :param type_name: of the messages
    :param options: as in the configuration
    :returns: the function
    """
    reducer: Reducer = kind.make(type_name, '', options, 1 << 26)

    def encode(cdr: bytes) -> bytes:
        out = reducer.reduce(cdr, Level.FULL)
        assert out is not None
        return out

    return encode


def cloudini_like(cdr: bytes) -> bytes:
    """
    Encode as Cloudini does with zstd: each point's steps, as varints, one after the other.

    :param cdr: a cloud
    :returns: bytes
    """
    steps = np.diff(np.rint(xyz(cdr).astype(float) / RESOLUTION_M).astype(np.int64), axis=0)
    folded = ((steps << 1) ^ (steps >> 63)).reshape(-1).astype(np.uint64)
    places = np.arange(5, dtype=np.uint64)
    parts = (folded[:, None] >> (np.uint64(7) * places)) & np.uint64(0x7F)
    more = (folded[:, None] >> (np.uint64(7) * (places + np.uint64(1)))) > 0
    wanted = np.ones_like(more)
    wanted[:, 1:] = more[:, :-1]
    varints = (parts | (more.astype(np.uint64) << np.uint64(7))).astype(np.uint8)[wanted]
    return zstandard.ZstdCompressor(level=1).compress(varints.tobytes())


def draco(ordered: bool, level: int) -> Encode | None:
    """
    Encode with Draco.

    :param ordered: whether points keep their order
    :param level: of compression, 0 to 10
    :returns: the function; None without DracoPy
    """
    try:
        import DracoPy
    except ImportError:
        return None

    def encode(cdr: bytes) -> bytes:
        points = xyz(cdr)
        span = float(np.ptp(points[:, :3], axis=0).max())
        made: bytes = DracoPy.encode(
            points[:, :3],
            quantization_bits=math.ceil(math.log2(span / RESOLUTION_M + 1.0)),
            compression_level=level,
            preserve_order=ordered,
            generic_attributes={'intensity': np.rint(points[:, 3:] * 100.0).astype(np.uint8)},
        )
        return made

    return encode


def clouds_table(clouds: Sequence[bytes]) -> list[Row]:
    """
    Measure all ways on one topic.

    :param clouds: its messages
    :returns: figures of each way
    """
    kind = QuantizeKind()

    def restore(form: bytes) -> bytes:
        return kind.restore(FORM, form)

    rows = [
        row('zstd -3', zstandard.ZstdCompressor(level=3).compress, None, clouds),
        {**row('Cloudini-like, 1 mm', cloudini_like, None, clouds), 'encode_mb_per_s': None},
    ]
    for ordered, level in ((True, 7), (False, 1), (False, 7)):
        encode = draco(ordered, level)
        if encode is not None:
            order = 'order kept' if ordered else 'any order'
            rows.append(row(f'Draco {level}, 1 mm, {order}', encode, None, clouds))
    for options in ({}, {'order': 'free'}, {'resolution': '0.01'}):
        name = 'cloud_quantize ' + ' '.join(f'{key}={value}' for key, value in options.items())
        rows.append(row(name.strip(), reducer_of(kind, **options), restore, clouds))
    for name, thin in (
        ('cloud_fields drop=intensity', reducer_of(FieldsKind(), drop='intensity')),
        ('cloud_crop range=2,40', reducer_of(CropKind(), range='2,40')),
        ('cloud_voxel leaf=0.1', reducer_of(VoxelKind(), leaf='0.1')),
        ('cloud_voxel leaf=0.2 point=first', reducer_of(VoxelKind(), leaf='0.2', point='first')),
    ):
        rows.append(row(name, thin, None, clouds))
        quantize = reducer_of(kind)
        rows.append(
            row('  … and cloud_quantize', lambda c, t=thin, q=quantize: q(t(c)), None, clouds)
        )
    return rows


def scans_table(scans: Sequence[bytes]) -> list[Row]:
    """
    Measure laser scans, in batches of ten as they are at 10 Hz and 1 s.

    :param scans: the messages
    :returns: figures of each way
    """
    zstd = zstandard.ZstdCompressor(level=15)
    raw = sum(map(len, scans))

    def batched(made: Sequence[bytes]) -> int:
        parts = (b''.join(made[first : first + _BATCH]) for first in range(0, len(made), _BATCH))
        return sum(len(zstd.compress(part)) for part in parts)

    rows: list[Row] = [{'name': 'as it is, zstd -15', 'bytes': batched(scans), 'error_mm': 0.0}]
    for options in ({'resolution': '0.001'}, {'resolution': '0.005'}, {}, {'resolution': 'auto'}):
        made, encode_s = timed(reducer_of(LaserKind(), SCAN, **options), scans)
        back, decode_s = timed(lambda form: LaserKind().restore(LASER_FORM, form), made)
        worst = 0.0
        for before, after in zip(scans, back, strict=True):
            old, new = read_scan(before).ranges, read_scan(after).ranges
            worst = max(worst, float(np.nanmax(np.abs(old.astype(float) - new))))
        name = 'laser_quantize ' + ' '.join(f'{key}={value}' for key, value in options.items())
        rows.append(
            {
                'name': name.strip(),
                'bytes': batched(made),
                'encode_us': 1e6 * encode_s,
                'decode_us': 1e6 * decode_s,
                'error_mm': 1000.0 * worst,
            }
        )
    for one in rows:
        one['ratio'] = raw / one['bytes']
    return rows


def maps(count: int = 60) -> list[bytes]:
    """
    Let the simulated rover drive along its corridor and map what it sees.

    :param count: of maps
    :returns: OccupancyGrids, each with more known cells than the one before
    """
    from ros_cloud_bridge.reducers.grids import Grid
    from ros_cloud_bridge.reducers.sensor_cdr import Header
    from ros_cloud_bridge.ros.rover.building import default_world

    grid = default_world().grid()
    rng = np.random.default_rng(1)
    height, width = grid.cells.shape
    y, x = np.mgrid[0:height, 0:width]
    known = np.zeros(grid.cells.shape, np.bool_)
    doubt = rng.integers(0, 20, grid.cells.shape)
    made = []
    for step in range(count):
        centre = width * step / count, height / 2.0
        near = np.hypot(x - centre[0], y - centre[1]) < 60.0
        known |= near
        # What is in sight is measured again, and is a little less doubtful.
        doubt = np.where(near & (doubt > 0) & (rng.random(near.shape) < 0.2), doubt - 1, doubt)
        cells = np.where(grid.cells > 50, 100 - doubt, doubt)
        cells = np.where(known & (grid.cells >= 0), cells, -1).astype(np.int8)
        message = Grid(
            header=Header(sec=step, nanosec=0, frame_id='map'),
            loaded=(0, 0),
            resolution=grid.resolution_m,
            width=width,
            height=height,
            origin=(grid.origin_x, grid.origin_y, 0.0, 0.0, 0.0, 0.0, 1.0),
            cells=cells.view(np.uint8),
        )
        made.append(message.write())
    return made


def maps_table() -> list[Row]:
    """
    Measure maps.

    :returns: figures of each way
    """
    grids = maps()
    zstd = zstandard.ZstdCompressor(level=9)
    raw = sum(map(len, grids))
    made, encode_s = timed(zstd.compress, grids)
    rows: list[Row] = [
        {'name': 'zstd -9', 'bytes': sum(map(len, made)), 'encode_us': 1e6 * encode_s}
    ]
    for every in (1, 30):
        restorer = GridKind().restorer()
        made, encode_s = timed(reducer_of(GridKind(), GRID, every=str(every)), grids)
        back, decode_s = timed(lambda form, r=restorer: r.restore(GRID_FORM, form), made)
        if back != grids:
            raise SystemExit('a map did not come back')
        rows.append(
            {
                'name': f'grid_diff every={every}',
                'bytes': sum(map(len, made)),
                'encode_us': 1e6 * encode_s,
                'decode_us': 1e6 * decode_s,
                'error_mm': 0.0,
            }
        )
    for one in rows:
        one['ratio'] = raw / one['bytes']
    return rows


def run(paths: Sequence[Path], quick: bool) -> tuple[str, dict[str, list[Row]]]:
    """
    Measure clouds, scans and maps.

    :param paths: MCAP files; what is not among them is left out
    :param quick: whether a few clouds do
    :returns: tables, and every figure
    """
    results: dict[str, list[Row]] = {}
    text = []
    lidar, laser = recording('a5_kitti_lidar', paths), recording('a3_tilt_laser_xsens', paths)
    for topic, count in TOPICS if lidar else ():
        assert lidar is not None
        results[topic] = clouds_table(messages(lidar, topic, min(count, 3) if quick else count))
        text.append(ways_table(f'{topic}: mean of a cloud', results[topic], CLOUD_HEADS))
    if laser is not None:
        results['/scan'] = scans_table(messages(laser, '/scan'))
        title = '/scan: all, in batches of 10, zstd -15'
        text.append(ways_table(title, results['/scan'], SMALL_HEADS))
    results['/map'] = maps_table()
    title = '/map: a map that the simulated rover drives along, 60 of them'
    text.append(ways_table(title, results['/map'], SMALL_HEADS))
    return '\n'.join(text), results
