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

"""Clouds come back within the resolution, everything else bit for bit."""

from pathlib import Path
import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.cloud_forms import FORM, QuantizeKind
from ros_cloud_bridge.reducers.clouds_message import DATATYPES, read_cloud
from ros_cloud_bridge.reducers.interface import Level
from support import sensor_messages as make

KIND = QuantizeKind()


def form_of(cdr: bytes, level: Level = Level.FULL, /, **options: str) -> bytes:
    reducer = KIND.make(make.CLOUD, '', options, 1 << 26)
    assert reducer.output.form == FORM
    return reducer.reduce(cdr, level)


def restored(cdr: bytes, level: Level = Level.FULL, /, **options: str) -> bytes:
    return KIND.restore(FORM, form_of(cdr, level, **options))


def differences(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.float64]:
    """Tell how far apart finite numbers are; others must be the same bit for bit."""
    finite = np.isfinite(before)
    word = f'u{before.itemsize}'
    assert (before.view(word)[~finite] == after.view(word)[~finite]).all()
    gone = after[finite].astype(float) - before[finite].astype(float)
    # A float's last bit, by which even the nearest float may miss a multiple of the resolution.
    last = np.abs(before[finite]) * (2.0**-23 if before.itemsize == 4 else 2.0**-52)
    off: NDArray[np.float64] = np.abs(gone) - last
    return off


def check(
    cdr: bytes, after: bytes, resolution: float, tolerances: dict[str, float] | None = None
) -> None:
    old, new = read_cloud(cdr), read_cloud(after)
    assert (old.header, old.height, old.width) == (new.header, new.height, new.width)
    assert (old.fields, old.point_step, old.is_dense) == (
        new.fields, new.point_step, new.is_dense)  # fmt: skip
    assert not new.big
    for field in old.fields:
        for place in range(field.count):
            before, got = old.column(field, place), new.column(field, place)
            bound = resolution / 2.0 if field.name in 'xyz' else 0.0
            bound = (tolerances or {}).get(field.name, bound)
            if field.kind[0] == 'f' and bound:
                assert (differences(before, got) <= bound * (1 + 1e-9)).all()
            else:
                assert before.tobytes() == got.tobytes()


@st.composite
def clouds(draw: st.DrawFn) -> bytes:
    """Draw clouds with fields of all kinds in any order, gaps between, unaligned, organised."""
    fields, offset = [], 0
    names = draw(st.permutations(['x', 'y', 'z', 'intensity', 'ring', 'time', 'rgb']))
    for name in names[: draw(st.integers(0, 7))]:
        datatype = draw(st.sampled_from([7, 8] if name in 'xyz' else list(DATATYPES)))
        offset += draw(st.integers(0, 3))
        count = draw(st.sampled_from([1, 1, 1, 3]))
        fields.append((name, offset, datatype, count))
        offset += int(DATATYPES[datatype][1]) * count
    step = offset + draw(st.integers(0, 3)) or 1
    height, width = draw(st.integers(0, 5)), draw(st.integers(0, 9))
    big = draw(st.booleans())
    raw = np.zeros((height * width, step), np.uint8)
    for name, first, datatype, count in fields:
        kind = np.dtype(DATATYPES[datatype]).newbyteorder('>' if big else '<')
        for place in range(count):
            if kind.kind == 'f' and draw(st.booleans()):
                numbers = st.floats(width=32 if kind.itemsize == 4 else 64) | st.sampled_from(
                    [0.0, -0.0, 1e-9]
                )
                values = draw(st.lists(numbers, min_size=len(raw), max_size=len(raw)))
                column = np.array(values, kind).view(np.uint8)
            else:
                size = kind.itemsize * len(raw)
                column = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
            start = first + place * kind.itemsize
            raw[:, start : start + kind.itemsize] = column.reshape(-1, kind.itemsize)
        del name
    return make.cloud(
        raw.tobytes(),
        width,
        height,
        step=step,
        fields=fields,
        big_points=big,
        big=draw(st.booleans()),
    )


@given(clouds(), st.sampled_from(list(Level)), st.sampled_from([0.001, 0.05, 0.3, 100.0]))
def test_any_cloud_comes_back_within_its_error(
    cdr: bytes, level: Level, resolution: float
) -> None:
    coarser = {Level.FULL: 1, Level.REDUCED: 2, Level.MINIMAL: 5}[level]
    check(cdr, restored(cdr, level, resolution=str(resolution)), resolution * coarser)


@given(clouds())
def test_restored_again_it_is_the_same(cdr: bytes) -> None:
    # What lies on the grid stays there: reducers in a row do not add up.
    once = restored(cdr)
    np.testing.assert_equal(read_cloud(restored(once)).rows, read_cloud(once).rows)


def test_large_clouds_with_every_kind_of_trouble() -> None:
    rng = np.random.default_rng(1)
    points = np.cumsum(rng.normal(0, 0.05, (30_000, 4)), axis=0).astype(np.float32)
    points[::7, :3] = np.nan
    points[5::1000, 1] = np.inf
    points[6::1000, 2] = 3e38
    points[7::999, 0] = -0.0
    for shape in ({'width': 30_000}, {'width': 300, 'height': 100}):
        cdr = make.xyzi(points, **shape)
        form = form_of(cdr)
        check(cdr, KIND.restore(FORM, form), 0.001)
        assert len(form) < len(cdr) / 2


def test_tolerance_of_another_field() -> None:
    rng = np.random.default_rng(2)
    cdr = make.xyzi(rng.normal(0, 10, (1000, 4)))
    after = restored(cdr, tolerance='intensity:0.25')
    check(cdr, after, 0.001, {'intensity': 0.25})
    assert read_cloud(after).rows[:, 12:].tobytes() != read_cloud(cdr).rows[:, 12:].tobytes()


def test_order_may_be_free() -> None:
    rng = np.random.default_rng(3)
    table = np.round(rng.uniform(-50, 50, (20_000, 4)), 2).astype(np.float32)
    cdr = make.xyzi(table)
    free = form_of(cdr, order='free')
    assert len(free) < 0.9 * len(form_of(cdr))
    after = read_cloud(KIND.restore(FORM, free))
    got = np.stack([after.column(field) for field in after.fields], axis=1)
    np.testing.assert_allclose(
        got[np.lexsort(got.T)], table[np.lexsort(table.T)], rtol=0, atol=1e-5
    )


def test_what_is_said_of_the_error() -> None:
    output = KIND.make(make.CLOUD, '', {'resolution': '0.01', 'tolerance': 'i:2'}, 1).output
    assert output.error.startswith('x, y, z within 0.005 (reduced 0.01, minimal 0.025)')
    assert 'i within 2' in output.error


@pytest.mark.parametrize(
    ('option', 'value', 'said'),
    [
        ('resolution', '0', 'resolution=0: allowed'),
        ('resolution', 'inf', 'resolution=inf: allowed'),
        ('order', 'any', 'order=any: allowed is keep, free'),
        ('tolerance', 'x:-1', 'tolerance=-1: allowed'),
        ('tolerance', '0.5', 'write FIELD:BOUND'),
        ('tolerance', 'x:', '1 number wanted'),
        ('resolutoin', '1', 'did you mean resolution'),
    ],
)
def test_wrong_options(option: str, value: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        KIND.make(make.CLOUD, '', {option: value}, 1)


def test_damaged_forms_are_refused_or_restore_to_something() -> None:
    rng = np.random.default_rng(4)
    table = np.cumsum(rng.normal(0, 0.1, (600, 4)), axis=0)
    table[::9, :3] = np.nan
    forms = [
        form_of(make.xyzi(table)),
        form_of(make.xyzi(table, width=30, height=20)),
        form_of(make.xyzi([])),
        form_of(make.xyzi(np.round(table, 1))),
    ]
    assert make.stands_damage(lambda form: KIND.restore(FORM, form), forms) > 400
    with pytest.raises(ProtocolError, match='unknown form'):
        KIND.restore('cloud_quantize/2', forms[0])


def test_small_forms_unfold_to_no_more_than_a_batch() -> None:
    # A constant column takes no bytes: a cloud of 4 GB in a hundred.
    good = form_of(make.xyzi(np.ones((5, 4))))
    place = good.index((5).to_bytes(4, 'little'))
    bomb = good[:place] + (2**28).to_bytes(4, 'little') + good[place + 4 :]
    tracemalloc.start()
    with pytest.raises(ProtocolError):
        KIND.restore(FORM, bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_real_clouds(recordings: Path) -> None:
    for topic, factor in (('/velodyne_points', 3.9), ('/velodyne_points_full', 4.7)):
        [cdr] = make.recorded(recordings, 'a5_kitti_lidar', topic, 1)
        form = form_of(cdr)
        check(cdr, KIND.restore(FORM, form), 0.001)
        assert len(cdr) / len(form) > factor
