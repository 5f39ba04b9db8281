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

"""Depth images come back bit for bit, or within the resolution, and say where there is none."""

import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.depth import DepthKind, FORM
from ros_cloud_bridge.reducers.interface import Level
from support import sensor_messages as make

KIND = DepthKind()
KINDS = {'16UC1': 'u2', 'mono16': 'u2', '16SC1': 'i2', '32SC1': 'i4', '32FC1': 'f4', '64FC1': 'f8'}


def form_of(cdr: bytes, level: Level = Level.FULL, /, **options: str) -> bytes:
    return KIND.make(make.IMAGE, '', options, 1 << 26).reduce(cdr, level)


def values_of(form: bytes) -> NDArray[Any]:
    message = make.read(KIND.restore(FORM, form), make.IMAGE)
    kind = np.dtype(KINDS[message.encoding])
    assert message.step == message.width * kind.itemsize
    assert not message.is_bigendian
    values: NDArray[Any] = message.data.view(kind).reshape(message.height, message.width)
    return values


@st.composite
def pictures(draw: st.DrawFn) -> tuple[bytes, NDArray[Any]]:
    """Draw images of any bits in either byte order, their rows padded, and their numbers."""
    encoding = draw(st.sampled_from(sorted(KINDS)))
    kind = np.dtype(KINDS[encoding])
    height, width, padding = (
        draw(st.integers(1, 6)),
        draw(st.integers(1, 9)),
        draw(st.integers(0, 3)),
    )
    size = height * width * kind.itemsize
    if draw(st.booleans()):
        values: NDArray[Any] = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), kind)
    else:
        small = draw(st.lists(st.integers(0, 9), min_size=height * width, max_size=height * width))
        values = (np.array(small) / (4 if kind.kind == 'f' else 1)).astype(kind)
    values = values.reshape(height, width)
    big = draw(st.booleans())
    ordered = values.astype(kind.newbyteorder('>' if big else '<'))
    rows = [row.tobytes() + b'p' * padding for row in ordered]
    cdr = make.image(
        b''.join(rows), width, height, encoding, big_pixels=big, big=draw(st.booleans())
    )
    return cdr, values


@pytest.mark.parametrize('encoding', ['32FC1', '64FC1'])
def test_no_depth_of_a_float_becomes_0_and_each_0_keeps_its_bits(encoding: str) -> None:
    values = np.array([[0.004, 0.0, -0.0, -0.003, 1e-40, 2.0]], KINDS[encoding])
    cdr = make.image(values.tobytes(), values.shape[1], 1, encoding)
    for level in Level:
        after = values_of(form_of(cdr, level, resolution='0.02'))
        assert after.tobytes() == values.tobytes()


@given(pictures())
def test_without_loss_every_bit_comes_back(drawn: tuple[bytes, NDArray[Any]]) -> None:
    cdr, values = drawn
    assert values_of(form_of(cdr)).tobytes() == values.tobytes()


@given(pictures(), st.sampled_from(list(Level)), st.sampled_from([0.0, 0.001, 0.004, 0.1, 10.0]))
def test_at_a_resolution_every_depth_is_near(
    drawn: tuple[bytes, NDArray[Any]], level: Level, resolution: float
) -> None:
    cdr, values = drawn
    after = values_of(form_of(cdr, level, resolution=str(resolution)))
    least, factor = {Level.FULL: (0, 1), Level.REDUCED: (0.005, 2), Level.MINIMAL: (0.02, 4)}[
        level
    ]
    bound = max(least, factor * resolution) / 2.0
    if values.dtype.kind == 'f':
        finite = np.isfinite(values)
        assert after[~finite].tobytes() == values[~finite].tobytes()
        wide = values[finite].astype(np.longdouble)
        last = np.abs(wide) * (2.0**-23 if values.itemsize == 4 else 2.0**-52)
        assert (np.abs(after[finite] - wide) <= bound * (1 + 1e-9) + last).all()
        assert (after[values == 0.0] == 0.0).all()
    else:
        assert ((after == 0) == (values == 0)).all()  # 0 says that there is none
        off = np.abs(after.astype(np.int64) - values.astype(np.int64))
        assert off.max() <= 1000.0 * bound + 1e-9


def test_what_lies_on_millimetres_is_small() -> None:
    x, y = np.meshgrid(np.arange(320), np.arange(240))
    noise = np.random.default_rng(1).integers(-3, 4, x.shape)
    depth = (1500 + 3 * x + 2 * y + noise).astype(np.uint16)
    depth[50:90, 100:160] = 0
    lossless = form_of(make.image(depth.tobytes(), 320, 240, '16UC1'))
    assert len(lossless) < depth.nbytes / 3.5
    metres = (depth / 1000.0).astype(np.float32)
    metres[depth == 0] = np.nan
    floats = form_of(make.image(metres.tobytes(), 320, 240, '32FC1'))
    assert values_of(floats).tobytes() == metres.tobytes()
    assert len(floats) < 1.1 * len(lossless)
    coarse = form_of(make.image(depth.tobytes(), 320, 240, '16UC1'), resolution='0.01')
    assert len(coarse) < 0.5 * len(lossless)


def test_other_encodings_are_refused_by_name() -> None:
    with pytest.raises(ProtocolError, match='rgb8 is no encoding of depth'):
        form_of(make.image(bytes(12), 2, 2, 'rgb8'))
    for bad in (
        make.image(bytes(6), 2, 2, '16UC1'),
        make.image(b'', 0, 0, '16UC1'),
        make.image(bytes(8), 2, 2, '16UC1', step=3),
        make.image(bytes(8), 2**31, 2**31, '16UC1', step=2**31),
        make.image(bytes(8), 2, 2, '16UC1')[:-4],
    ):
        with pytest.raises(ProtocolError):
            form_of(bad)


def test_what_is_said_of_the_error() -> None:
    said = KIND.make(make.IMAGE, '', {}, 1).output.error
    assert said.startswith('nothing differs (reduced 0.0025 m, minimal 0.01 m)')
    with pytest.raises(ValueError, match='resolution=-1'):
        KIND.make(make.IMAGE, '', {'resolution': '-1'}, 1)
    with pytest.raises(ValueError, match='not for sensor_msgs/msg/CompressedImage'):
        KIND.make(make.COMPRESSED, '', {}, 1)


def test_damaged_forms_are_refused_or_restore_to_something() -> None:
    rng = np.random.default_rng(4)
    metres = rng.uniform(0, 9, 600).astype(np.float32)
    metres[::9] = np.nan
    depth = np.cumsum(rng.integers(-9, 10, 600)).astype(np.uint16)
    forms = [
        form_of(make.image(metres.tobytes(), 30, 20, '32FC1'), resolution='0.001'),
        form_of(make.image(depth.tobytes(), 30, 20, '16UC1'), resolution='0.01'),
        form_of(make.image(bytes(1200), 30, 20, '16UC1')),
    ]
    assert make.stands_damage(lambda form: KIND.restore(FORM, form), forms) > 300
    with pytest.raises(ProtocolError, match='unknown form'):
        KIND.restore('depth/2', forms[0])


def test_small_forms_unfold_to_no_more_than_a_batch() -> None:
    good = form_of(make.image(bytes(1200), 30, 20, '16UC1'))
    place = good.index((20).to_bytes(4, 'little') + (30).to_bytes(4, 'little'))
    bomb = good[:place] + (2**28).to_bytes(4, 'little') + good[place + 4 :]
    tracemalloc.start()
    with pytest.raises(ProtocolError):
        KIND.restore(FORM, bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
