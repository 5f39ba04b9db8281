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

"""Pictures as JPEG or WebP, smaller, cut out, every n-th, or with so many bytes each."""

from collections.abc import Mapping
from dataclasses import dataclass
import io
from typing import Any

import numpy as np

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers import sensor_options as parse
from ros_cloud_bridge.reducers.image_encodings import KEPT, pixels
from ros_cloud_bridge.reducers.images_budget import BytesBudget
from ros_cloud_bridge.reducers.images_messages import (
    check_size,
    COMPRESSED,
    CompressedImage,
    IMAGE,
    read_compressed,
    read_image,
)
from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.wire.limits import MAX_BATCH_RAW

# By level: of the quality, of each edge, of the bytes.
_LEVELS = {
    Level.FULL: (1.0, 1.0, 1.0),
    Level.REDUCED: (0.7, 1.0, 0.5),
    Level.MINIMAL: (0.5, 0.5, 0.2),
}
_LONGEST_EDGE = {'jpeg': 65_500, 'webp': 16_383}
_MAGIC = {b'\xff\xd8\xff': 'jpeg', b'\x89PNG': 'png', b'RIFF': 'webp'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """
    What is made of pictures.

    ``format`` is ``jpeg`` or ``webp``; ``bytes`` takes the place of ``quality`` unless 0;
    ``width`` (0: any) is the most that a picture has; ``region`` (x, y, width, height) is cut out
    first; ``brightness`` is what is black and white of encodings that do not say; ``effort`` is
    how long WebP searches.
    """

    format: str
    quality: int
    bytes: int
    width: int
    scale: float
    region: tuple[int, ...] | None
    every: int
    brightness: tuple[float, float] | None
    effort: int


class ImageReducer:
    """
    Makes CompressedImages of Images, or of CompressedImages.

    :param options: what is made of them
    :param pillow: the module PIL.Image
    :param compressed: whether they come compressed
    """

    def __init__(self, options: Options, pillow: Any, compressed: bool) -> None:
        self._options = options
        self._pillow = pillow
        self._compressed = compressed
        self._budget = BytesBudget()
        self._seen = 0

    @property
    def output(self) -> Output:
        """What comes out."""
        options = self._options
        if options.bytes:
            said = f'{options.bytes} bytes each (reduced a half, minimal a fifth)'
        else:
            reduced, minimal = (
                round(options.quality * _LEVELS[level][0])
                for level in (Level.REDUCED, Level.MINIMAL)
            )
            said = f'quality {options.quality} (reduced {reduced}, minimal {minimal})'
        said = f'{options.format.upper()}, {said}, minimal at half the width'
        if options.region:
            said += f'; region {",".join(map(str, options.region))}'
        if options.scale < 1.0:
            said += f'; scaled by {options.scale:g}'
        if options.width:
            said += f'; at most {options.width} pixels wide'
        if options.every > 1:
            said += f'; one of {options.every}'
        return Output(type_name=COMPRESSED, error=said)

    def reduce(self, cdr: bytes, level: Level) -> bytes | None:
        """
        Make a picture.

        :param cdr: an Image, or CompressedImage
        :param level: how much smaller
        :returns: a CompressedImage; None for those between every n-th
        :raises ProtocolError: when it is malformed, or of an encoding that is no picture
        """
        self._seen += 1
        if (self._seen - 1) % self._options.every:
            return None
        quality_part, edge_part, bytes_part = _LEVELS[level]
        if self._compressed:
            message = read_compressed(cdr)
            header, encoding = message.header, message.format.partition(';')[0].strip()
            picture, size = self._opened(message.data, edge_part)
        else:
            image = read_image(cdr)
            header, encoding = image.header, image.encoding
            mode, values = pixels(image, self._options.brightness)
            flat = np.ascontiguousarray(values).reshape(-1)
            size = image.width, image.height
            picture = self._pillow.frombytes(mode, size, flat.data)
        if self._options.region:
            picture = self._cut(picture)
            size = picture.size
        picture = self._resized(picture, size, self._edge(size[0]) * edge_part)
        if self._options.bytes:
            data = self._fitted(picture, round(self._options.bytes * bytes_part))
        else:
            data = self._encoded(picture, max(1, round(self._options.quality * quality_part)))
        return CompressedImage(
            header=header, format=self._format(encoding, picture.mode), data=data
        ).write()

    def _format(self, encoding: str, mode: str) -> str:
        # As compressed_image_transport: what it was; what is in the file, in OpenCV's order.
        if mode == 'L':
            return f'mono8; {self._options.format} compressed '
        kept = encoding if encoding in KEPT - {'mono8'} else 'bgr8'
        return f'{kept}; {self._options.format} compressed bgr8'

    def _edge(self, width: int) -> float:
        scale = self._options.scale
        if self._options.width:
            scale = min(scale, self._options.width / width)
        return scale

    def _opened(self, data: bytes | memoryview, edge_part: float) -> tuple[Any, tuple[int, int]]:
        start = bytes(data[:4])
        kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
        if kind is None:
            raise ProtocolError('a compressed image that is no JPEG, PNG or WebP')
        try:
            picture = self._pillow.open(io.BytesIO(data), formats=(kind.upper(),))
            # Known from its head: what would be too large is not unpacked.
            check_size(picture.height, picture.width, 3 * picture.width)
            grey = picture.mode in ('L', '1', 'LA', 'I;16', 'I')
            size = picture.size
            scale = self._edge(size[0]) * edge_part
            if kind == 'jpeg' and scale <= 0.5 and not self._options.region:
                # A JPEG unpacks to a half or a quarter of its size for a fraction of the time.
                picture.draft(picture.mode, (int(size[0] * scale), 1))
            return picture.convert('L' if grey else 'RGB'), size
        except ProtocolError:
            raise
        except Exception as error:  # Pillow raises whatever its decoders run into.
            raise ProtocolError(f'a broken {kind}: {error}') from error

    def _cut(self, picture: Any) -> Any:
        x, y, w, h = self._options.region or (0, 0, 0, 0)
        right, bottom = min(x + w, picture.width), min(y + h, picture.height)
        if x >= right or y >= bottom:
            raise ProtocolError('the region lies beside the image')
        return picture.crop((x, y, right, bottom))

    def _resized(self, picture: Any, size: tuple[int, int], scale: float) -> Any:
        wanted = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        if picture.size == wanted:
            return picture
        return picture.resize(wanted, self._pillow.BOX if scale <= 0.5 else self._pillow.BILINEAR)

    def _fitted(self, picture: Any, target: int) -> bytes:
        sizes = {1.0: picture}

        def encode(quality: int, scale: float) -> bytes:
            if scale not in sizes:
                sizes[scale] = self._resized(picture, picture.size, scale)
            return self._encoded(sizes[scale], quality)

        return self._budget.fit(encode, target)

    def _encoded(self, picture: Any, quality: int) -> bytes:
        options = self._options
        if max(picture.size) > _LONGEST_EDGE[options.format]:
            raise ProtocolError(f'{picture.width} x {picture.height} is too large for its format')
        file = io.BytesIO()
        if options.format == 'jpeg':
            picture.save(file, 'JPEG', quality=quality, optimize=True)
        else:
            if picture.mode == 'YCbCr':
                picture = picture.convert('RGB')
            picture.save(file, 'WEBP', quality=quality, method=options.effort)
        return file.getvalue()


class JpegKind:
    """``jpeg``: pictures as JPEG."""

    name = 'jpeg'
    types = (IMAGE, COMPRESSED)
    _QUALITY = 75

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> ImageReducer:
        """
        Make the reducer of a route.

        :param type_name: Image or CompressedImage
        :param definition: of the type
        :param options: ``quality=75`` or ``bytes=N``; ``width=``, ``scale=``, ``region=X,Y,W,H``,
            ``every=1``, ``range=BLACK,WHITE``; of WebP ``effort=2``, 0 to 6
        :param max_bytes: the most that a message can have
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, with the type, or what is missing
        """
        parse.check_type(type_name, IMAGE, COMPRESSED)
        known = {'quality', 'bytes', 'width', 'scale', 'region', 'every', 'range'}
        parse.check_names(options, known | ({'effort'} if self.name == 'webp' else set()))
        if options.keys() >= {'quality', 'bytes'}:
            raise ValueError('quality= or bytes=, not both')
        brightness = parse.numbers(options, 'range', -1e12, 1e12, 2, ())
        if brightness and brightness[0] == brightness[1]:
            raise ValueError(f'range={options["range"]}: black and white are the same')
        region = tuple(map(int, parse.numbers(options, 'region', 0, 1e6, 4, ())))
        if region and not region[2] * region[3]:
            raise ValueError(f'region={options["region"]}: empty')
        return ImageReducer(
            Options(
                format=self.name,
                quality=parse.whole(options, 'quality', self._QUALITY, 1, 100),
                bytes=parse.whole(options, 'bytes', 0, 500, MAX_BATCH_RAW),
                width=parse.whole(options, 'width', 0, 1, 65_500),
                scale=parse.number(options, 'scale', 1.0, 0.01, 1.0),
                region=region or None,
                every=parse.whole(options, 'every', 1, 1, 1_000_000),
                brightness=(brightness[0], brightness[1]) if brightness else None,
                effort=parse.whole(options, 'effort', 2, 0, 6),
            ),
            _pillow(self.name),
            type_name == COMPRESSED,
        )

    def restore(self, form: str, data: bytes) -> bytes:
        """
        Refuse: there are no forms.

        :param form: any
        :param data: any
        :returns: nothing
        :raises ProtocolError: always
        """
        raise ProtocolError(f'unknown form {form}')


class WebpKind(JpegKind):
    """``webp``: pictures as WebP, a third smaller than JPEG and some times as slow to make."""

    name = 'webp'


def _pillow(name: str) -> Any:
    try:
        from PIL import features, Image
    except ImportError as error:
        raise ValueError(f'needs Pillow (python3-pil): {error}') from error
    if name == 'webp' and not features.check('webp'):
        raise ValueError('this Pillow has no WebP')
    return Image


KINDS = (JpegKind(), WebpKind())
