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

"""Pixels of every encoding are the colours that they were made of, or it is refused by name."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.image_encodings import pixels
from ros_cloud_bridge.reducers.images_messages import read_image
from support import sensor_messages as make

HEIGHT, WIDTH = 12, 16
# All of sensor_msgs/image_encodings.hpp.
TYPES = [f'{bits}{kind}C{channels}' for bits, kind in
         (('8', 'U'), ('8', 'S'), ('16', 'U'), ('16', 'S'), ('32', 'S'), ('32', 'F'), ('64', 'F'))
         for channels in range(1, 5)]  # fmt: skip
BAYER = [f'bayer_{order}{bits}' for order in ('rggb', 'bggr', 'gbrg', 'grbg') for bits in (8, 16)]
COLOURS = [f'{order}{bits}' for order in ('rgb', 'rgba', 'bgr', 'bgra') for bits in (8, 16)]
YUV = ['uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2', 'nv12', 'nv21', 'nv24']
ALL = [*COLOURS, 'mono8', 'mono16', *TYPES, *BAYER, *YUV]
RANGED = ['8SC1', '16UC1', '16SC1', '32SC1', '32FC1', '64FC1']
REFUSED = [name for name in TYPES if name[-1] == '2' or name[-1] in '34' and 'U' not in name]


def scene() -> NDArray[np.uint8]:
    """Make a picture whose colours change slowly, so that halved colours stay near."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack((90 + 4 * x, 150 - 3 * y, 60 + 2 * x + 3 * y), axis=2).astype(np.uint8)


def yuv(rgb: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert to video levels (ITU-R BT.601)."""
    matrix = [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]
    planes: NDArray[np.uint8] = np.rint(rgb / 255.0 @ np.array(matrix).T + (16, 128, 128)).astype(
        np.uint8
    )
    return planes


def encoded(rgb: NDArray[np.uint8], encoding: str, big: bool) -> bytes:
    """Make an image's data by the definition of its encoding."""
    grey = rgb[:, :, 1]
    order = '>' if big else '<'
    if encoding in ('mono8', '8UC1'):
        return grey.tobytes()
    if encoding == 'mono16':
        return (grey.astype(f'{order}u2') * 257).tobytes()
    if encoding in COLOURS or encoding in TYPES and 'U' in encoding:
        named = encoding if encoding in COLOURS else f'bgr{"a" * (encoding[-1] == "4")}8'
        channels = [
            rgb[:, :, 'rgb'.index(c)] if c in 'rgb' else grey for c in named.rstrip('0123456789')
        ]
        table = np.stack(channels, axis=2)
        deep = '16' in encoding
        return (table.astype(f'{order}u2') * 257 if deep else table).tobytes()
    if encoding.startswith('bayer'):
        mosaic = np.empty((HEIGHT, WIDTH), np.uint8)
        for place, colour in enumerate(encoding[6:10]):
            row, column = divmod(place, 2)
            mosaic[row::2, column::2] = rgb[row::2, column::2, 'rgb'.index(colour)]
        return (
            mosaic.tobytes()
            if encoding[10:] == '8'
            else (mosaic.astype(f'{order}u2') * 257).tobytes()
        )
    planes = yuv(rgb)
    y, u, v = (planes[:, :, place] for place in range(3))
    if encoding in ('nv12', 'nv21'):
        pair = (u, v) if encoding == 'nv12' else (v, u)
        return y.tobytes() + np.stack([p[::2, ::2] for p in pair], axis=2).tobytes()
    if encoding == 'nv24':
        return y.tobytes() + np.stack((u, v), axis=2).tobytes()
    packed = np.empty((HEIGHT, WIDTH, 2), np.uint8)
    luma = 0 if 'yuy' in encoding else 1
    packed[:, :, luma] = y
    packed[:, ::2, 1 - luma], packed[:, 1::2, 1 - luma] = u[:, ::2], v[:, ::2]
    return packed.tobytes()


def to_rgb(mode: str, table: NDArray[np.uint8]) -> NDArray[np.float64]:
    if mode == 'L':
        return np.repeat(table[:, :, None], 3, axis=2).astype(float)
    if mode == 'RGB':
        return table.astype(float)
    y, u, v = (table[:, :, place].astype(float) for place in range(3))
    u, v = u - 128.0, v - 128.0
    return np.stack((y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u), axis=2)


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('encoding', [name for name in ALL if name not in REFUSED + RANGED])
def test_colours_are_those_of_the_scene(encoding: str, big: bool) -> None:
    rgb = scene()
    data = encoded(rgb, encoding, big)
    step = WIDTH if encoding.startswith('nv') else None
    image = read_image(make.image(data, WIDTH, HEIGHT, encoding, step, big_pixels=big))
    mode, table = pixels(image, None)
    got = to_rgb(mode, table)
    expected = rgb.astype(float) if mode != 'L' else np.repeat(rgb[:, :, 1:2], 3, axis=2)
    # Colours of neighbours, and rounding there and back.
    near = 0 if mode == 'L' or encoding in COLOURS or encoding in TYPES else 7
    inner = np.s_[1:-1, 1:-1] if 'bayer' in encoding else np.s_[:, :]
    assert np.abs(got[inner] - expected[inner]).max() <= near


@pytest.mark.parametrize('encoding', REFUSED)
def test_what_is_no_picture_is_refused_by_name(encoding: str) -> None:
    size = HEIGHT * WIDTH * int(encoding[-1]) * int(encoding[: encoding.index('C') - 1]) // 8
    image = read_image(make.image(bytes(size), WIDTH, HEIGHT, encoding))
    with pytest.raises(ProtocolError, match=f'{encoding}: its channels are no colours'):
        pixels(image, (0.0, 1.0))


@pytest.mark.parametrize('encoding', RANGED)
def test_numbers_need_a_range(encoding: str) -> None:
    number = {'U': 'u', 'S': 'i', 'F': 'f'}[encoding[-3]]
    kind = np.dtype(f'>{number}{int(encoding[:-3]) // 8}')
    values = np.array([[0, 10, 20, 30, 60, 110]], kind)
    image = read_image(make.image(values.tobytes(), 6, 1, encoding, big_pixels=True))
    with pytest.raises(ProtocolError, match=f'{encoding} has no fixed brightness: give range='):
        pixels(image, None)
    assert pixels(image, (10.0, 60.0))[1].tolist() == [[0, 0, 51, 102, 255, 255]]
    assert pixels(image, (60.0, 10.0))[1].tolist() == [[255, 255, 204, 153, 0, 0]]


def test_what_is_no_number_is_black() -> None:
    values = np.array([[np.nan, np.inf, -np.inf, 1.0]], '<f4')
    image = read_image(make.image(values.tobytes(), 4, 1, '32FC1'))
    assert pixels(image, (0.0, 2.0))[1].tolist() == [[0, 255, 0, 128]]


@pytest.mark.parametrize('encoding', ['', 'rgb', 'h264', 'RGB8', '12UC1', '8FC1', 'bayer_rgbg8'])
def test_unknown_encodings(encoding: str) -> None:
    image = read_image(make.image(bytes(100), 2, 2, encoding))
    with pytest.raises(ProtocolError, match='unknown encoding'):
        pixels(image, (0.0, 1.0))


@given(
    st.sampled_from(ALL),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 60),
    st.binary(max_size=300),
    st.booleans(),
)
def test_any_bytes_are_a_picture_or_refused(
    encoding: str, width: int, height: int, step: int, data: bytes, big: bool
) -> None:
    image = read_image(make.image(data, width, height, encoding, step, big_pixels=big))
    try:
        mode, table = pixels(image, (0.0, 9.0))
    except ProtocolError:
        return
    assert table.dtype == np.uint8
    assert table.shape == ((height, width) if mode == 'L' else (height, width, 3))


def test_rows_may_be_padded() -> None:
    rows = b'abc..def..'
    for data in (rows, rows[:-2]):
        image = read_image(make.image(data, 3, 2, 'mono8', 5))
        assert pixels(image, None)[1].tobytes() == b'abcdef'
