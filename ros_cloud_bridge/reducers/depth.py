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
Depth images without loss, or at a resolution, as a compact form.

``depth/1`` is a form of columns (sensor_columns): its heads hold the CDR of the image without
its pixels, whose length is four bytes before it; one column of all pixels follows. Whole numbers
(16UC1, millimetres) have the step's length (four bytes) before it and whether there are holes (a
byte), where there are, a column of bits says which pixels are not 0; at a resolution they are
numbers of steps. Floats (32FC1, metres) keep NaN and infinities bit for bit.
"""

from collections.abc import Mapping
from dataclasses import replace
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.images_messages import check_size, IMAGE, read_image
from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.reducers.sensor_columns import ColumnReader, ColumnWriter, filled
from ros_cloud_bridge.reducers.sensor_options import check_names, check_type, number

FORM = 'depth/1'
_KINDS = {
    '16UC1': 'u2',
    'mono16': 'u2',
    '16SC1': 'i2',
    '32SC1': 'i4',
    '32FC1': 'f4',
    '64FC1': 'f8',
}
# Of whole numbers, REP-118 says millimetres.
_UNITS_PER_M = 1000.0
_MAX_RESOLUTION_M = 10.0
_MAX_STEP = int(4 * _MAX_RESOLUTION_M * _UNITS_PER_M)
# What the lower levels have at least, in metres, and by how much they are coarser.
_LEVELS = {Level.FULL: (0.0, 1.0), Level.REDUCED: (0.005, 2.0), Level.MINIMAL: (0.02, 4.0)}


class DepthReducer:
    """
    Makes the compact form.

    :param resolution_m: in metres; 0 for no loss
    """

    def __init__(self, resolution_m: float) -> None:
        self._resolution_m = resolution_m

    @property
    def output(self) -> Output:
        """What comes out."""
        first, second, third = (self._at(level) / 2.0 for level in Level)
        exact = 'nothing differs' if not first else f'depth within {first:g} m'
        error = f'{exact} (reduced {second:g} m, minimal {third:g} m)'
        return Output(
            type_name=IMAGE, form=FORM, error=f'{error}, and the last bit of a number; no padding'
        )

    def reduce(self, cdr: bytes, level: Level) -> bytes:
        """
        Make the form.

        :param cdr: an image of one number for each pixel
        :param level: how coarse
        :returns: the form
        :raises ProtocolError: when the image is malformed, or of another encoding
        """
        image = read_image(cdr)
        if image.encoding not in _KINDS:
            raise ProtocolError(f'{image.encoding} is no encoding of depth')
        kind = np.dtype(_KINDS[image.encoding])
        raw = np.ascontiguousarray(image.rows(kind.itemsize)).reshape(-1)
        pixels = raw.view(kind.newbyteorder('>' if image.big else '<')).astype(kind, copy=False)
        about = replace(
            image, big=False, step=image.width * kind.itemsize, data=memoryview(b'')
        ).write()
        writer = ColumnWriter()
        writer.head(struct.pack('<I', len(about)) + about)
        resolution_m = self._at(level)
        if kind.kind == 'f':
            divisor = 1.0 / resolution_m if resolution_m else 0.0
            lost = _lost(pixels, divisor) if divisor else None
            writer.floats(pixels, image.width, divisor, lost)
        else:
            step = max(1, int(resolution_m * _UNITS_PER_M + 1e-9))
            numbers, known = _numbered(pixels, step), pixels != 0
            holed = not known.all()
            writer.head(struct.pack('<IB', step, holed))
            if holed:
                # Holes apart: their edges would be the highest steps of the picture.
                writer.words(np.packbits(known))
                numbers = filled(numbers, known)
            writer.words(numbers, image.width)
        return writer.done(len(about) + raw.size)

    def _at(self, level: Level) -> float:
        least, coarser = _LEVELS[level]
        return max(least, self._resolution_m * coarser)


def _lost(pixels: NDArray[Any], divisor: float) -> NDArray[Any]:
    """Tell which depths would become 0, which says "none"; and -0.0, which no step tells."""
    with np.errstate(invalid='ignore', over='ignore'):
        lost: NDArray[Any] = np.rint(pixels.astype(np.float64) * divisor) == 0.0
    lost &= pixels.view(f'u{pixels.itemsize}') != 0
    return lost


def _numbered(pixels: NDArray[Any], step: int) -> NDArray[Any]:
    """Give the step that a pixel lies in, from 1 and -1 on; 0 says "none" and stays alone."""
    if step == 1:
        return pixels
    wide = pixels.astype(np.int64)
    numbers: NDArray[Any] = (np.sign(wide) * ((np.abs(wide) - 1) // step + 1)).astype(pixels.dtype)
    return numbers


def _middles(numbers: NDArray[Any], step: int) -> NDArray[Any]:
    """Undo :func:`_numbered`: give the middle of each step."""
    if step == 1:
        return numbers
    wide = numbers.astype(np.int64)
    limits = np.iinfo(numbers.dtype)
    middles = np.sign(wide) * ((np.abs(wide) - 1) * step + 1 + step // 2)
    restored: NDArray[Any] = np.clip(middles, limits.min, limits.max).astype(numbers.dtype)
    return restored


def read_form(form: bytes) -> bytes:
    """
    Restore an image.

    :param form: what :meth:`DepthReducer.reduce` made
    :returns: CDR, little endian, as are its pixels
    :raises ProtocolError: when the form is malformed
    """
    reader = ColumnReader(form)
    (length,) = struct.unpack('<I', reader.head(4))
    image = read_image(reader.head(length))
    kind = np.dtype(_KINDS.get(image.encoding, 'u1'))
    if (
        image.encoding not in _KINDS
        or image.big
        or len(image.data)
        or image.step != image.width * kind.itemsize
    ):
        raise ProtocolError('a form of another image than it says')
    check_size(image.height, image.width, image.step)
    count = image.height * image.width
    if kind.kind == 'f':
        pixels = reader.floats(count, kind.itemsize, image.width)
    else:
        step, holed = struct.unpack('<IB', reader.head(5))
        if not 0 < step <= _MAX_STEP:
            raise ProtocolError('a resolution out of bounds')
        known = reader.words((count + 7) // 8, 1) if holed else None
        words = reader.words(count, kind.itemsize, image.width)
        pixels = _middles(words.view(kind.str[1:]), step)
        if known is not None:
            pixels = np.where(np.unpackbits(known, count=count), pixels, 0).astype(kind)
    little = pixels.astype(pixels.dtype.newbyteorder('<'), copy=False)
    return reader.end(replace(image, data=little.view(np.uint8).data).write())


class DepthKind:
    """``depth``: pixels of one number, without loss or at a resolution."""

    name = 'depth'
    types = (IMAGE,)

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> DepthReducer:
        """
        Make the reducer of a route.

        :param type_name: Image
        :param definition: of the type
        :param options: ``resolution=`` in metres, 0 (the default) for no loss
        :param max_bytes: the most that a message can have
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, or with the type
        """
        check_type(type_name, IMAGE)
        check_names(options, ('resolution',))
        return DepthReducer(number(options, 'resolution', 0.0, 0.0, _MAX_RESOLUTION_M))

    def restore(self, form: str, data: bytes) -> bytes:
        """
        Restore an image.

        :param form: ``depth/1``
        :param data: the form
        :returns: CDR with its encapsulation header
        :raises ProtocolError: when it is malformed
        """
        if form != FORM:
            raise ProtocolError(f'unknown form {form}')
        return read_form(data)


KINDS = (DepthKind(),)
