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

"""Scans come back within the resolution; what is no distance, bit for bit."""

from pathlib import Path
import tracemalloc

from hypothesis import example, given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest
import zstandard

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.interface import Level
from ros_cloud_bridge.reducers.laser import FORM, LaserKind
from support import sensor_messages as make

KIND = LaserKind()
FLOATS = st.floats(width=32) | st.sampled_from([0.0, -0.0, 0.05, 30.0, 1.0, 1.0025])
COARSER = {Level.FULL: 1, Level.REDUCED: 2, Level.MINIMAL: 4}


def form_of(cdr: bytes, level: Level = Level.FULL, /, **options: str) -> bytes:
    return KIND.make(make.SCAN, '', options, 1 << 20).reduce(cdr, level)


def check(before: NDArray[np.float32], after: NDArray[np.float32], bound: float) -> None:
    assert len(before) == len(after)
    with np.errstate(invalid='ignore'):
        meant = (before >= np.float32(0.05)) & (before <= np.float32(30.0))
    if meant.any():
        assert after[~meant].tobytes() == before[~meant].tobytes()
    finite = np.isfinite(before)
    assert after[~finite].tobytes() == before[~finite].tobytes()
    off = np.abs(after[finite].astype(float) - before[finite].astype(float))
    assert (off <= bound * (1 + 1e-9) + np.abs(before[finite]).astype(float) * 2.0**-23).all()


@given(
    st.lists(FLOATS, max_size=60),
    st.lists(FLOATS, max_size=60),
    st.booleans(),
    st.sampled_from(list(Level)),
    st.sampled_from([0.001, 0.005, 0.3]),
)
@example([0.0, 0.05], [float('inf')], False, Level.FULL, 0.001)
def test_any_scan_comes_back_within_its_error(
    ranges: list[float], intensities: list[float], big: bool, level: Level, resolution: float
) -> None:
    cdr = make.scan(ranges, intensities, big=big)
    after = KIND.restore(FORM, form_of(cdr, level, resolution=str(resolution)))
    old, new = make.read(cdr, make.SCAN), make.read(after, make.SCAN)
    check(old.ranges, new.ranges, COARSER[level] * resolution / 2.0)
    assert old.intensities.tobytes() == new.intensities.tobytes()
    assert after[:4] == b'\0\1\0\0'
    assert old.header == new.header
    for name in ('angle_min', 'angle_max', 'angle_increment', 'scan_time', 'range_max'):
        assert getattr(old, name) == getattr(new, name)


@pytest.mark.parametrize(
    'ranges',
    [
        pytest.param([30.005] * 8, id='nothing in reach'),
        pytest.param([0.051, 29.996, 29.996, 1.0], id='at the bounds'),
    ],
)
def test_no_range_changes_over_a_bound(ranges: list[float]) -> None:
    low, high = 0.051, 29.996
    cdr = make.scan(ranges, low=low, high=high)
    before = make.read(cdr, make.SCAN).ranges
    for level in Level:
        after = make.read(KIND.restore(FORM, form_of(cdr, level, resolution='0.02')), make.SCAN)
        inside = [(r >= np.float32(low)) & (r <= np.float32(high)) for r in (before, after.ranges)]
        np.testing.assert_array_equal(*inside)
        assert after.ranges[~inside[0]].tobytes() == before[~inside[0]].tobytes()


@pytest.mark.parametrize('run', [1, 254, 255, 256, 510, 511])
@pytest.mark.parametrize('first', [2.0, 0.0])
def test_runs_of_any_length_come_back(run: int, first: float) -> None:
    other = 2.0 - first
    # Steps of up to 3,000,000: more than one byte holds, and more than two.
    ranges = [first] * run + [other] * run + [29.0, 2.0, first]
    after = KIND.restore(FORM, form_of(make.scan(ranges), resolution='1e-5'))
    np.testing.assert_allclose(make.read(after, make.SCAN).ranges, ranges, atol=0.6e-5)


@given(st.lists(FLOATS, max_size=40), st.integers(1, 24))
@example([float('nan')], 1)
def test_intensities_keep_their_bits(values: list[float], bits: int) -> None:
    cdr = make.scan([1.0], values)
    after = make.read(
        KIND.restore(FORM, form_of(cdr, intensity_bits=str(bits))), make.SCAN
    ).intensities
    before = np.asarray(values, np.float32)
    normal = np.isfinite(before) & (np.abs(before) >= np.finfo(np.float32).tiny)
    off = np.abs(after[normal].astype(float) - before[normal].astype(float))
    assert (off <= np.abs(before[normal].astype(float)) * 2.0**-bits).all()
    assert after[~np.isfinite(before)].tobytes() == before[~np.isfinite(before)].tobytes()
    assert len(after) == len(before)


def test_no_intensities_when_nobody_wants_them() -> None:
    after = KIND.restore(FORM, form_of(make.scan([1.0], [2.0]), intensity_bits='0'))
    assert len(make.read(after, make.SCAN).intensities) == 0


def test_resolution_follows_the_noise() -> None:
    rng = np.random.default_rng(1)
    smooth = 5.0 + np.sin(np.linspace(0, 3, 2000))
    lengths = []
    for noise, bound in ((0.0005, 0.0005), (0.004, 0.0025), (0.2, 0.01)):
        cdr = make.scan(smooth + rng.normal(0, noise, 2000))
        form = form_of(cdr, resolution='auto')
        after = make.read(KIND.restore(FORM, form), make.SCAN)
        check(make.read(cdr, make.SCAN).ranges, after.ranges, bound)
        lengths.append(len(zstandard.compress(form)))
    assert lengths[1] < 1.6 * lengths[0]


def test_bounds_that_are_mixed_up_harm_nothing() -> None:
    cdr = make.scan([1.0, 2.0, 3.0] * 50, low=0.0, high=0.0)
    after = make.read(KIND.restore(FORM, form_of(cdr)), make.SCAN)
    np.testing.assert_allclose(after.ranges, [1.0, 2.0, 3.0] * 50)


def test_broken_messages_and_options() -> None:
    good = make.scan([1.0, 2.0])
    for bad in (b'', good[:-9], good + bytes(4), good[:-16] + b'\xff\xff\xff\xff' + good[-12:]):
        with pytest.raises(ProtocolError):
            form_of(bad)
    for options, said in (
        ({'resolution': '0'}, 'resolution=0: allowed'),
        ({'resolution': 'fine'}, '1 number wanted'),
        ({'intensity_bits': '1.5'}, 'not a whole number'),
        ({'intensity_bits': '25'}, 'allowed is 0 to 24'),
    ):
        with pytest.raises(ValueError, match=said):
            KIND.make(make.SCAN, '', options, 1)
    with pytest.raises(ValueError, match='LaserScan'):
        KIND.make(make.CLOUD, '', {}, 1)


def test_what_is_said_of_the_error() -> None:
    said = KIND.make(make.SCAN, '', {'intensity_bits': '8'}, 1).output.error
    assert said == (
        'ranges within 0.01 m (reduced 0.02, minimal 0.04) and the last bit of a float; '
        'intensities within 1/256 of their value'
    )


def test_damaged_forms_are_refused_or_restore_to_something() -> None:
    rng = np.random.default_rng(4)
    ranges = np.cumsum(rng.normal(0, 0.1, 700)).astype(np.float32) + 9
    ranges[::9] = np.inf
    forms = [
        form_of(make.scan(ranges, ranges)),
        form_of(make.scan([])),
        form_of(make.scan([1] * 9)),
    ]
    assert make.stands_damage(lambda form: KIND.restore(FORM, form), forms) > 300
    with pytest.raises(ProtocolError, match='unknown form'):
        KIND.restore('laser_quantize/9', forms[0])


def test_small_forms_unfold_to_no_more_than_a_batch() -> None:
    good = form_of(make.scan([1.0], [4.0] * 77))
    place = good.index((77).to_bytes(4, 'little'))
    bomb = good[:place] + (2**28).to_bytes(4, 'little') + good[place + 4 :]
    tracemalloc.start()
    with pytest.raises(ProtocolError):
        KIND.restore(FORM, bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_real_scans(recordings: Path) -> None:
    scans = make.recorded(recordings, 'a3_tilt_laser_xsens', '/scan', 40)
    forms = [form_of(cdr) for cdr in scans]
    for cdr, form in zip(scans, forms, strict=True):
        old = make.read(cdr, make.SCAN)
        new = make.read(KIND.restore(FORM, form), make.SCAN)
        off = np.abs(old.ranges.astype(float) - new.ranges.astype(float))
        assert off.max() <= 0.01 + 60 * 2.0**-23
    batches = [b''.join(forms[first : first + 10]) for first in range(0, 40, 10)]
    packed = sum(len(zstandard.compress(batch, 15)) for batch in batches)
    assert sum(map(len, scans)) / packed > 13
