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

"""Turned steps come back bit for bit, and take fewer bytes where a lidar has looked around."""

import hashlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers import cloud_turns
from ros_cloud_bridge.reducers.cloud_forms import FORM, QuantizeKind
from ros_cloud_bridge.reducers.cloud_turns import read_turned, turn_points, worth_turning
from ros_cloud_bridge.reducers.interface import Level
from ros_cloud_bridge.reducers.sensor_columns import ColumnReader, ColumnWriter
from ros_cloud_bridge.wire.varint import write_varint
from support import sensor_messages as make

KIND = QuantizeKind()
DOUBLES = (('intensity', 0, 7, 1), ('z', 4, 8, 1), ('x', 12, 8, 1), ('y', 20, 8, 1))


def rings(count: int, noise: float = 0.01, seed: int = 1) -> NDArray[np.float64]:
    """Look around with 8 beams at walls and what stands before them."""
    rng = np.random.default_rng(seed)
    angle = np.arange(count) * (2 * np.pi * 8 / count)
    rise = np.radians(-12.0 + 3.0 * (np.arange(count) * 8 // count))
    distance = 9.0 + 3.0 * np.sin(3 * angle) + 4.0 * (np.sin(40 * angle) > 0.7)
    distance += rng.normal(0, noise, count)
    flat = distance * np.cos(rise)
    return np.stack((flat * np.cos(angle), flat * np.sin(angle), distance * np.sin(rise)), axis=1)


def there_and_back(values: list[NDArray[Any]], divisor: float) -> list[NDArray[Any]]:
    turned = turn_points(values, divisor)
    assert turned is not None
    writer = ColumnWriter()
    turned.write(writer)
    reader = ColumnReader(writer.done(7))
    back = read_turned(reader, len(values[0]), [column.itemsize for column in values])
    reader.end(bytes(7))
    return back


@given(
    st.integers(1, 700),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.02, 3.0, 1e4]),
    st.sampled_from([1.0, 1000.0, 317.3]),
    st.sampled_from(['f4', 'f8']),
    st.sampled_from([0.0, 0.1, 0.9]),
)
def test_every_number_comes_back_within_the_bound(
    count: int, seed: int, noise: float, divisor: float, kind: str, holes: float
) -> None:
    points = rings(count, noise, seed)
    points = (points % 60_000.0).astype(kind)
    rng = np.random.default_rng(seed)
    points[rng.random(count) < holes, rng.integers(0, 3)] = rng.choice([np.nan, np.inf, 3e38])
    values = [np.ascontiguousarray(points[:, axis]) for axis in range(3)]
    if turn_points(values, divisor) is None:
        fits = np.isfinite(points).all(axis=1) & (np.abs(points) < 1e30).all(axis=1)
        assert not fits.any() or np.abs(points[fits]).max() * divisor > 1e8
        return
    last = 2.0**-23 if kind == 'f4' else 2.0**-52
    for before, after in zip(values, there_and_back(values, divisor), strict=True):
        assert before.dtype == after.dtype
        sane = np.isfinite(before) & (np.abs(before) < 1e30)
        assert before[~sane].tobytes() == after[~sane].tobytes()
        off = np.abs(before[sane].astype(float) - after[sane].astype(float))
        assert (off <= 0.5 / divisor + np.abs(before[sane]) * last).all()


@given(st.lists(st.tuples(*[st.integers(-(2**27) + 1, 2**27 - 1)] * 3), min_size=1, max_size=80))
def test_largest_steps_come_back(points: list[tuple[int, int, int]]) -> None:
    values = [np.array(column, np.float64) for column in zip(*points, strict=True)]
    for before, after in zip(values, there_and_back(values, 1.0), strict=True):
        assert before.tolist() == after.tolist()


def test_too_large_numbers_are_left_to_others() -> None:
    values = [np.array([1.0, 2.0**27]) for _ in range(3)]
    assert turn_points(values, 1.0) is None
    assert turn_points([np.array([np.nan])] * 3, 1.0) is None
    assert turn_points([np.zeros(0)] * 3, 1.0) is None


def test_tables_are_the_same_on_every_machine() -> None:
    # Whole numbers far enough from a half that no library's sine makes others of them.
    for table, exact in (
        (cloud_turns._TANGENT, np.tan(cloud_turns._LEFT / 2.0) * 65_536),
        (cloud_turns._SINE, np.sin(cloud_turns._LEFT) * 65_536),
    ):
        assert (np.abs(np.abs(exact - np.floor(exact)) - 0.5) > 1e-6).all()
        assert len(table) == 64
    digest = hashlib.sha256(
        cloud_turns._TANGENT.astype('<i8').tobytes() + cloud_turns._SINE.astype('<i8').tobytes()
    )
    assert digest.hexdigest()[:16] == 'ff7b34d7599530ab'


@pytest.mark.parametrize('shape', [(1, 4000), (8, 500)])
@pytest.mark.parametrize('doubles', [False, True])
def test_lidars_take_fewer_bytes(shape: tuple[int, int], doubles: bool) -> None:
    points = np.round(rings(4000), 3)
    points[::97] = np.nan
    height, width = shape
    if doubles:
        kind = np.dtype([('i', '<f4'), ('z', '<f8'), ('x', '<f8'), ('y', '<f8')])
        table = np.zeros(4000, kind)
        table['x'], table['y'], table['z'] = points.T
        cdr = make.cloud(table.tobytes(), width, height, step=28, fields=DOUBLES)
    else:
        cdr = make.xyzi(np.column_stack((points, np.ones(4000))), width=width, height=height)
    form = KIND.make(make.CLOUD, '', {}, 1 << 20).reduce(cdr, Level.FULL)
    assert len(form) < 4000 * 2.9
    after = make.read(KIND.restore(FORM, form), make.CLOUD)
    assert (after.height, after.width) == shape
    got = after.data.view(kind if doubles else np.dtype('<f4'))
    x = got['x'] if doubles else got.reshape(-1, 4)[:, 0]
    np.testing.assert_allclose(x, points[:, 0], rtol=1e-6, atol=1e-9)


def test_what_gains_nothing_is_not_turned() -> None:
    rng = np.random.default_rng(1)
    anywhere = [rng.uniform(-50, 50, 4000) for _ in range(3)]
    assert not worth_turning(anywhere, 0, 1000.0)
    around = [np.ascontiguousarray(column) for column in rings(4000).T]
    assert worth_turning(around, 0, 1000.0)
    assert not worth_turning([column[:20] for column in around], 0, 1000.0)


def test_damaged_forms_are_refused_or_restore_to_something() -> None:
    points = np.column_stack((rings(900), np.ones(900)))
    points[::97, :3] = np.nan
    reducer = KIND.make(make.CLOUD, '', {}, 1 << 20)
    form = reducer.reduce(make.xyzi(points), Level.FULL)
    assert make.stands_damage(lambda bad: KIND.restore(FORM, bad), [form, form]) > 150


def test_turned_points_of_a_cloud_without_points() -> None:
    cdr = make.cloud(bytes(10), 10, step=1, fields=[('w', 0, 2, 1)])
    form = KIND.make(make.CLOUD, '', {}, 1 << 20).reduce(cdr, Level.FULL)
    # The flag stands in front of the only column, a constant one, at the heads' end.
    assert form[-3:] == bytes(3)
    with pytest.raises(ProtocolError, match='points that are none'):
        KIND.restore(FORM, form[:-3] + b'\1' + form[-2:])
    assert write_varint(len(cdr)) == form[: len(write_varint(len(cdr)))]
