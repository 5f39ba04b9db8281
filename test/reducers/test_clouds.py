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

"""Clouds are cropped, thinned and cut to fields; what is left is as it was."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.clouds import CropKind, FieldsKind, KINDS, VoxelKind
from ros_cloud_bridge.reducers.interface import Level, ReducerKind
from support import sensor_messages as make

FLOATS = st.floats(width=32)
ROWS = st.lists(st.tuples(FLOATS, FLOATS, FLOATS, FLOATS), max_size=40)
NEAR = st.floats(-50, 50, width=32)
NEAR_ROWS = st.lists(st.tuples(NEAR, NEAR, NEAR, FLOATS), max_size=60)


def reduce(kind: ReducerKind, cdr: bytes, level: Level = Level.FULL, /, **options: str) -> bytes:
    out = kind.make(make.CLOUD, '', options, 1 << 20).reduce(cdr, level)
    assert out is not None
    return out


def rows(cdr: bytes) -> NDArray[np.float32]:
    message = make.read(cdr, make.CLOUD)
    assert message.row_step == message.width * message.point_step
    assert len(message.data) == message.row_step * message.height
    return message.data.view('<f4').reshape(-1, 4)  # type: ignore[no-any-return]


@given(ROWS, st.booleans())
def test_crop_keeps_the_region_and_nothing_else(
    points: list[tuple[float, ...]], outside: bool
) -> None:
    keep = 'outside' if outside else 'inside'
    out = reduce(CropKind(), make.xyzi(points), range='1,100', box='-5,-5,-5,5,5,5', keep=keep)
    table = np.asarray(points, np.float32).reshape(-1, 4)
    with np.errstate(all='ignore'):
        distance = np.sqrt((table[:, :3].astype(float) ** 2).sum(axis=1))
        kept = (distance >= 1.0) & (distance <= 100.0)
        inside = (np.abs(table[:, :3]) <= 5.0).all(axis=1)
    expected = table[kept & (inside != outside)]
    assert rows(out).tobytes() == expected.tobytes()


def test_crop_leaves_alone_what_needs_none() -> None:
    cdr = make.cloud(np.ones(16, '<f4').tobytes(), 2, 2)
    assert reduce(CropKind(), cdr, range='0,10') is cdr


@given(NEAR_ROWS)
def test_first_point_of_each_cell_stays(points: list[tuple[float, ...]]) -> None:
    out = reduce(VoxelKind(), make.xyzi(points), leaf='2', point='first')
    table = np.asarray(points, np.float32).reshape(-1, 4)
    seen: dict[tuple[int, ...], int] = {}
    for place, row in enumerate(table):
        seen.setdefault(tuple(np.floor(row[:3].astype(float) / 2.0).astype(int)), place)
    assert rows(out).tobytes() == table[sorted(seen.values())].tobytes()


@given(NEAR_ROWS)
def test_centroid_lies_in_its_cell_and_is_the_mean(points: list[tuple[float, ...]]) -> None:
    table = np.asarray(points, np.float32).reshape(-1, 4)
    out = rows(reduce(VoxelKind(), make.xyzi(points), leaf='4'))
    cells: dict[tuple[int, ...], list[NDArray[np.float64]]] = {}
    for row in table.astype(float):
        cells.setdefault(tuple(np.floor(row[:3] / 4.0).astype(int)), []).append(row)
    assert len(out) == len(cells)
    with np.errstate(all='ignore'):
        for mean, members in zip(out, cells.values(), strict=True):
            np.testing.assert_allclose(
                mean[:3], np.mean(members, axis=0)[:3], rtol=1e-5, atol=1e-5
            )


def test_lower_levels_have_larger_cells() -> None:
    points = [(0.05 + 0.1 * place, 0.0, 0.0, 0.0) for place in range(8)]
    counts = [len(rows(reduce(VoxelKind(), make.xyzi(points), level))) for level in Level]
    assert counts == [8, 4, 2]


def test_points_that_are_nowhere_go() -> None:
    points = [(np.nan, 0, 0, 1), (np.inf, 0, 0, 2), (1, 1, 1, 3)]
    for kind, options in ((CropKind(), {'range': '0,9'}), (VoxelKind(), {})):
        assert rows(reduce(kind, make.xyzi(points), **options))[:, 3].tolist() == [3]
    nowhere = make.read(reduce(VoxelKind(), make.xyzi(points[:2])), make.CLOUD)
    assert (nowhere.width, nowhere.height, len(nowhere.data)) == (0, 1, 0)


def test_whole_numbers_are_those_of_the_first_point() -> None:
    fields = (*make.XYZI[:3], ('ring', 12, 4, 1))
    kind = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('ring', '<u2')])
    points = np.array([(0.1, 0, 0, 5), (0.3, 0, 0, 9)], kind)
    cdr = make.cloud(points.tobytes(), 2, step=14, fields=fields)
    out = make.read(reduce(VoxelKind(), cdr, leaf='1'), make.CLOUD)
    [point] = out.data.view(kind)
    assert point['ring'] == 5
    assert point['x'] == pytest.approx(0.2)


def test_cells_are_not_too_many() -> None:
    with pytest.raises(ProtocolError, match='cells'):
        reduce(VoxelKind(), make.xyzi([(0, 0, 0, 0), (3e38, 0, 0, 0)]))


def test_big_endian_points() -> None:
    table = np.array([(1, 2, 3, 4), (1.01, 2.01, 3.01, 8), (9, 9, 9, 9)], '>f4')
    cdr = make.cloud(table.tobytes(), 3, big_points=True, big=True)
    out = make.read(reduce(VoxelKind(), cdr, leaf='1'), make.CLOUD)
    assert out.is_bigendian
    np.testing.assert_allclose(
        out.data.view('>f4').reshape(-1, 4), [(1.005, 2.005, 3.005, 6), (9, 9, 9, 9)]
    )
    out = make.read(reduce(CropKind(), cdr, range='0,5'), make.CLOUD)
    assert out.data.tobytes() == table[:2].tobytes()


def test_fields_keep_a_clouds_shape() -> None:
    cdr = make.cloud(np.arange(16, dtype='<f4').tobytes(), 2, 2)
    for options in ({'keep': 'x,y,z'}, {'drop': 'intensity'}):
        out = make.read(reduce(FieldsKind(), cdr, **options), make.CLOUD)
        assert (out.width, out.height, out.point_step) == (2, 2, 12)
        assert [field.name for field in out.fields] == ['x', 'y', 'z']
        assert out.data.view('<f4').reshape(-1, 3)[:, 0].tolist() == [0, 4, 8, 12]


def test_fields_that_are_not_there() -> None:
    with pytest.raises(ProtocolError, match='no field ring'):
        reduce(FieldsKind(), make.xyzi([]), drop='ring')
    with pytest.raises(ProtocolError, match='left'):
        reduce(FieldsKind(), make.xyzi([]), drop='x,y,z,intensity')


@pytest.mark.parametrize(
    ('kind', 'options', 'said'),
    [
        (CropKind(), {}, 'needed'),
        (CropKind(), {'range': '5,1'}, 'more than'),
        (CropKind(), {'range': '5'}, '2 numbers'),
        (CropKind(), {'range': '0,nan'}, 'allowed'),
        (CropKind(), {'box': '1,1,1,0,0,0'}, 'lowest corner'),
        (CropKind(), {'range': '0,1', 'keep': 'both'}, 'inside, outside'),
        (CropKind(), {'rang': '0,1'}, 'did you mean range'),
        (VoxelKind(), {'leaf': '0'}, 'allowed'),
        (VoxelKind(), {'leaf': 'big'}, '1 number wanted'),
        (FieldsKind(), {}, 'needed'),
        (FieldsKind(), {'keep': ' , '}, 'no field'),
    ],
)
def test_wrong_options(kind: ReducerKind, options: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        kind.make(make.CLOUD, '', options, 1 << 20)


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
def test_wrong_types_and_forms(kind: ReducerKind) -> None:
    with pytest.raises(ValueError, match='PointCloud2'):
        kind.make(make.SCAN, '', {}, 1 << 20)
    with pytest.raises(ProtocolError):
        kind.restore('cloud_quantize/1', b'')


def test_real_cloud(recordings: Path) -> None:
    [cdr] = make.recorded(recordings, 'a5_kitti_lidar', '/velodyne_points', 1)
    before = rows(cdr)
    out = rows(reduce(CropKind(), cdr, range='2,40'))
    distance = np.linalg.norm(out[:, :3].astype(float), axis=1)
    assert distance.min() >= 2.0
    assert distance.max() <= 40.0
    assert 0.5 < len(out) / len(before) < 1.0
    thinned = rows(reduce(VoxelKind(), cdr, leaf='0.2', point='first'))
    assert 0.2 < len(thinned) / len(before) < 0.8
    assert set(map(bytes, thinned)) <= set(map(bytes, before))
