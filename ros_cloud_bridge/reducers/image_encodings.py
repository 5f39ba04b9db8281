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
Pixels of every encoding in ``sensor_msgs/image_encodings.hpp``, for an encoder of pictures.

Out come planes of eight bits: grey ``L``, ``RGB`` or ``YCbCr`` in the full range, as Pillow calls
them. What has no fixed brightness (``32FC1``, ``16UC1``, …) needs a range from the user, for a
guess would differ from picture to picture.
"""

import re

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.images_messages import Image

Pixels = NDArray[np.uint8]
Range = tuple[float, float]

# Of colours with fixed places: where red, green and blue are among how many channels of 8 bits.
_COLOURS = {
    'rgb8': (0, 1, 2, 3),
    'bgr8': (2, 1, 0, 3),
    'rgba8': (0, 1, 2, 4),
    'bgra8': (2, 1, 0, 4),
    # OpenCV's order, in which such images are made.
    '8UC3': (2, 1, 0, 3),
    '8UC4': (2, 1, 0, 4),
}
_DEEP_COLOURS = {
    'rgb16': (0, 1, 2, 3),
    'bgr16': (2, 1, 0, 3),
    'rgba16': (0, 1, 2, 4),
    'bgra16': (2, 1, 0, 4),
    '16UC3': (2, 1, 0, 3),
    '16UC4': (2, 1, 0, 4),
}
_GREYS = {'mono8', '8UC1', '8UC'}
# Places of u, first y and v in a pair of pixels.
_PAIRS = {
    'uyvy': (0, 1, 2),
    'yuv422': (0, 1, 2),
    'yuyv': (1, 0, 3),
    'yuv422_yuy2': (1, 0, 3),
}
_PLANAR = {'nv12', 'nv21', 'nv24'}
_BAYER = re.compile(r'bayer_(rggb|bggr|gbrg|grbg)(8|16)')
_TYPE = re.compile(r'(8|16|32|64)([USF])C(\d*)')
_KINDS = {'U': 'u', 'S': 'i', 'F': 'f'}
# Video levels (ITU-R BT.601: 16 to 235, colours 16 to 240) to full ones, as JPEG has them.
_LEVELS = np.arange(256, dtype=np.float64)
_LUMA = np.clip(np.rint((_LEVELS - 16.0) * 255.0 / 219.0), 0, 255).astype(np.uint8)
_CHROMA = np.clip(np.rint((_LEVELS - 128.0) * 255.0 / 224.0 + 128.0), 0, 255).astype(np.uint8)

# Those whose name a picture keeps, since its decoder makes them again.
KEPT = {'mono8', 'rgb8', 'bgr8', 'rgba8', 'bgra8'}


def pixels(image: Image, brightness: Range | None) -> tuple[str, Pixels]:
    """
    Convert a picture.

    :param image: of any encoding
    :param brightness: what is black and what is white, for those that do not say
    :returns: Pillow's mode, and pixels of shape (height, width) or (height, width, 3)
    :raises ProtocolError: names the encoding, and what is missing
    """
    encoding = image.encoding
    if encoding in _GREYS and brightness is None:
        return 'L', image.rows(1)
    if encoding in _COLOURS:
        return 'RGB', _colours(image, _COLOURS[encoding], 1)
    if encoding in _DEEP_COLOURS:
        return 'RGB', _colours(image, _DEEP_COLOURS[encoding], 2)
    if encoding == 'mono16' and brightness is None:
        return 'L', _high_bytes(image, 1)[:, :, 0]
    if encoding in _PAIRS:
        return 'YCbCr', _paired(image, _PAIRS[encoding])
    if encoding in _PLANAR:
        return 'YCbCr', _planar(image)
    bayer = _BAYER.fullmatch(encoding)
    if bayer:
        mosaic = image.rows(1) if bayer[2] == '8' else _high_bytes(image, 1)[:, :, 0]
        return 'RGB', _demosaiced(mosaic, bayer[1])
    if encoding == 'mono16':
        return 'L', _between(image, 'u', 16, brightness)
    known = _TYPE.fullmatch(encoding)
    if known is None or known[2] == 'F' and known[1] not in ('32', '64'):
        raise ProtocolError(f'unknown encoding {encoding!r}')
    if known[3] not in ('', '1'):
        raise ProtocolError(f'{encoding}: its channels are no colours')
    return 'L', _between(image, _KINDS[known[2]], int(known[1]), brightness)


def _high_bytes(image: Image, channels: int) -> Pixels:
    words = image.rows(2 * channels).reshape(image.height, image.width, channels, 2)
    # 16 bits hold a picture of 8 in their upper half.
    return words[:, :, :, 0 if image.big else 1]


def _colours(image: Image, places: tuple[int, int, int, int], size: int) -> Pixels:
    *order, channels = places
    if size == 2:
        picture = _high_bytes(image, channels)
    else:
        picture = image.rows(channels).reshape(image.height, image.width, channels)
    return picture if order == [0, 1, 2] and channels == 3 else picture[:, :, order]


def _paired(image: Image, places: tuple[int, int, int]) -> Pixels:
    if image.width % 2:
        raise ProtocolError(f'{image.encoding} of an odd width')
    pairs = image.rows(2).reshape(image.height, image.width // 2, 4)
    u, y, v = places
    picture = np.empty((image.height, image.width, 3), np.uint8)
    picture[:, 0::2, 0] = _LUMA[pairs[:, :, y]]
    picture[:, 1::2, 0] = _LUMA[pairs[:, :, y + 2]]
    for place, channel in ((u, 1), (v, 2)):
        picture[:, :, channel] = np.repeat(_CHROMA[pairs[:, :, place]], 2, axis=1)
    return picture


def _planar(image: Image) -> Pixels:
    height, width = image.height, image.width
    halves = image.encoding != 'nv24'
    if halves and (height % 2 or width % 2):
        raise ProtocolError(f'{image.encoding} of an odd size')
    # Drivers differ in whether step counts the colours; the planes are dense in all of them.
    size = height * width * 3 // (2 if halves else 1)
    if len(image.data) != size:
        raise ProtocolError(f'{image.encoding} of {len(image.data)} bytes where {size} belong')
    flat = np.frombuffer(image.data, np.uint8)
    picture = np.empty((height, width, 3), np.uint8)
    picture[:, :, 0] = _LUMA[flat[: height * width].reshape(height, width)]
    scale = 2 if halves else 1
    colours = _CHROMA[flat[height * width :].reshape(height // scale, width // scale, 2)]
    if image.encoding == 'nv21':
        colours = colours[:, :, ::-1]
    if halves:
        colours = colours.repeat(2, axis=0).repeat(2, axis=1)
    picture[:, :, 1:] = colours
    return picture


def _demosaiced(mosaic: Pixels, pattern: str) -> Pixels:
    """Fill each colour in from its neighbours, bilinearly; edges see themselves mirrored."""
    height, width = mosaic.shape
    if height < 2 or width < 2:
        raise ProtocolError('a mosaic without colours')
    padded = np.pad(mosaic, 1, mode='reflect').astype(np.uint16)
    centre = padded[1:-1, 1:-1]
    beside = padded[1:-1, :-2] + padded[1:-1, 2:]
    above = padded[:-2, 1:-1] + padded[2:, 1:-1]
    corners = padded[:-2, :-2] + padded[:-2, 2:] + padded[2:, :-2] + padded[2:, 2:]
    cross = beside + above
    picture = np.empty((height, width, 3), np.uint8)
    for row in (0, 1):
        for column in (0, 1):
            here = np.s_[row::2, column::2]
            own = pattern[2 * row + column]
            if own == 'g':
                across = pattern[2 * row + 1 - column]
                level, upright = (0, 2) if across == 'r' else (2, 0)
                picture[(*here, 1)] = centre[here]
                picture[(*here, level)] = beside[here] >> 1
                picture[(*here, upright)] = above[here] >> 1
            else:
                own_place, other = (0, 2) if own == 'r' else (2, 0)
                picture[(*here, own_place)] = centre[here]
                picture[(*here, 1)] = cross[here] >> 2
                picture[(*here, other)] = corners[here] >> 2
    return picture


def _between(image: Image, kind: str, bits: int, brightness: Range | None) -> Pixels:
    if brightness is None:
        raise ProtocolError(
            f'{image.encoding} has no fixed brightness: give range=BLACK,WHITE, or use depth'
        )
    number = np.dtype(f'{kind}{bits // 8}').newbyteorder('>' if image.big else '<')
    rows = np.ascontiguousarray(image.rows(number.itemsize))
    black, white = brightness
    with np.errstate(all='ignore'):
        values = rows.view(number).astype(np.float32)
        scaled = (values - np.float32(black)) * np.float32(255.0 / (white - black))
        levels: NDArray[np.float32] = np.clip(np.nan_to_num(np.rint(scaled), nan=0.0), 0.0, 255.0)
        return levels.astype(np.uint8)
