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
What pictures and depth images come to with their reducers, beside other ways.

Pictures: frames of a car's camera, unpacked and made smaller, so that they enter as a driver's
``rgb8`` would.
Beside them JPEG as compressed_image_transport makes it: OpenCV with quality 80 where it is
installed, else Pillow with the same settings. The error is the peak signal-to-noise ratio, of
smaller pictures after they are made as large as they were. Depth: range images of a lidar with 64
beams. CPU time by message, medians.
"""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
import io
from pathlib import Path
from typing import Any

from codecs_rig import messages, recording, Row, timed, ways_table
import numpy as np
from PIL import Image as Pillow
import zstandard

from ros_cloud_bridge.reducers.clouds_message import read_cloud
from ros_cloud_bridge.reducers.depth import DepthKind, FORM
from ros_cloud_bridge.reducers.images import JpegKind, WebpKind
from ros_cloud_bridge.reducers.images_messages import (
    COMPRESSED,
    CompressedImage,
    IMAGE,
    Image,
    read_compressed,
    read_image,
)
from ros_cloud_bridge.reducers.interface import Level
from ros_cloud_bridge.reducers.sensor_cdr import Header

Pixels = np.ndarray[Any, np.dtype[Any]]
PICTURE_HEADS = {
    'bytes': ('bytes', 0),
    'least': ('least', 0),
    'most': ('most', 0),
    'ratio': ('raw / bytes', 1),
    'encode_ms': ('encode ms', 1),
    'psnr_db': ('PSNR dB', 1),
}
DEPTH_HEADS = {
    'bytes': ('bytes', 0),
    'ratio': ('raw / bytes', 2),
    'encode_ms': ('encode ms', 1),
    'decode_ms': ('decode ms', 1),
    'error_mm': ('error mm', 2),
}
_SIZE = (640, 360)
_HEADER = Header(sec=0, nanosec=0, frame_id='camera')


def as_image(pixels: Pixels, encoding: str) -> bytes:
    """
    Make a message of pixels.

    :param pixels: rows first
    :param encoding: of them
    :returns: an Image
    """
    height, width = pixels.shape[:2]
    return Image(
        header=_HEADER,
        height=height,
        width=width,
        encoding=encoding,
        big=False,
        step=pixels.nbytes // height,
        data=memoryview(pixels.tobytes()),
    ).write()


def frames(path: Path, count: int) -> list[bytes]:
    """
    Unpack the car's frames, and make them smaller, so that no traces of their JPEG are left.

    :param path: of the recording a4
    :param count: how many
    :returns: Images of rgb8, 640 x 360
    """
    found = messages(path, '/camera/image_raw/compressed', count)
    smaller = (Pillow.fromarray(unpacked(cdr)).resize(_SIZE, Pillow.LANCZOS) for cdr in found)
    return [as_image(np.asarray(picture), 'rgb8') for picture in smaller]


def unpacked(cdr: bytes) -> Pixels:
    """
    Unpack a picture.

    :param cdr: a CompressedImage
    :returns: red, green, blue
    """
    file = io.BytesIO(read_compressed(cdr).data)
    return np.asarray(Pillow.open(file).convert('RGB'))


def psnr(before: bytes, after: bytes) -> float:
    """
    Tell how near a picture is.

    :param before: an Image of rgb8
    :param after: a CompressedImage
    :returns: decibels
    """
    image = read_image(before)
    old = image.rows(3).reshape(image.height, image.width, 3).astype(float)
    new = Pillow.fromarray(unpacked(after)).resize((image.width, image.height), Pillow.BICUBIC)
    return float(10.0 * np.log10(255.0**2 / ((old - np.asarray(new, float)) ** 2).mean()))


def transport() -> tuple[str, Callable[[bytes], bytes]]:
    """
    Encode as compressed_image_transport does.

    :returns: its name, and a function from an Image to a file's bytes
    """
    if find_spec('cv2') is not None:
        import cv2

        def by_opencv(cdr: bytes) -> bytes:
            image = read_image(cdr)
            pixels = image.rows(3).reshape(image.height, image.width, 3)
            turned = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
            done, file = cv2.imencode('.jpg', turned, [cv2.IMWRITE_JPEG_QUALITY, 80])
            assert done
            return bytes(file)

        return 'compressed_image_transport, OpenCV, quality 80', by_opencv

    def by_pillow(cdr: bytes) -> bytes:
        image = read_image(cdr)
        size = image.width, image.height
        picture = Pillow.frombytes('RGB', size, image.rows(3).reshape(-1).data)
        file = io.BytesIO()
        picture.save(file, 'JPEG', quality=80)
        return file.getvalue()

    return 'compressed_image_transport (Pillow), quality 80', by_pillow


def pictures_table(images: Sequence[bytes]) -> list[Row]:
    """
    Measure pictures.

    :param images: of rgb8
    :returns: figures of each way
    """
    raw = sum(map(len, images)) / len(images)
    name, encode = transport()
    made, seconds = timed(encode, images)
    packed = [CompressedImage(header=_HEADER, format='', data=file).write() for file in made]
    rows = [_row(name, raw, seconds, images, packed)]
    jpeg, webp = JpegKind(), WebpKind()
    for kind, options, inputs in (
        (jpeg, {'quality': '80'}, images),
        (jpeg, {}, images),
        (jpeg, {'quality': '50'}, images),
        (jpeg, {'quality': '30'}, images),
        (jpeg, {'scale': '0.5'}, images),
        (jpeg, {'bytes': '15000'}, images),
        (jpeg, {'bytes': '6000'}, images),
        (webp, {}, images),
        (webp, {'quality': '50'}, images),
        (webp, {'quality': '50', 'effort': '4'}, images),
        (webp, {'bytes': '6000'}, images),
        (jpeg, {'quality': '50'}, packed),
        (jpeg, {'scale': '0.5'}, packed),
    ):
        type_name = IMAGE if inputs is images else COMPRESSED
        reducer = kind.make(type_name, '', options, 1 << 26)
        outs, seconds = timed(lambda cdr, r=reducer: r.reduce(cdr, Level.FULL), inputs)
        said = ' '.join(f'{key}={value}' for key, value in options.items())
        name = f'{kind.name} {said}'.strip() + (' of these JPEGs' if inputs is packed else '')
        rows.append(_row(name, raw, seconds, images, [out for out in outs if out is not None]))
    return rows


def _row(
    name: str, raw: float, seconds: float, images: Sequence[bytes], made: Sequence[bytes]
) -> Row:
    sizes = [len(read_compressed(cdr).data) for cdr in made]
    return {
        'name': name,
        'bytes': sum(sizes) / len(sizes),
        'least': min(sizes),
        'most': max(sizes),
        'ratio': raw * len(sizes) / sum(sizes),
        'encode_ms': 1000.0 * seconds,
        'psnr_db': float(np.median([psnr(*pair) for pair in zip(images, made, strict=True)])),
    }


def depth_images(path: Path, count: int) -> list[Pixels]:
    """
    Lay a lidar's points out as range images.

    :param path: of the recording a5
    :param count: how many
    :returns: millimetres, shape (64, 2048), 0 where there is none
    """
    made = []
    for cdr in messages(path, '/velodyne_points_full', count):
        x, y, z = (column.astype(float) for column in read_cloud(cdr).points())
        distance = np.maximum(np.sqrt(x * x + y * y + z * z), 1e-9)
        rise = np.degrees(np.arcsin(z / distance))
        row = np.clip(((2.0 - rise) / 26.9 * 64).astype(int), 0, 63)
        column = np.clip(((np.pi - np.arctan2(y, x)) / (2 * np.pi) * 2048).astype(int), 0, 2047)
        picture = np.zeros((64, 2048), np.uint16)
        picture[row, column] = np.rint(1000.0 * distance).clip(0, 65_535)
        made.append(picture)
    return made


def depth_table(pictures: Sequence[Pixels]) -> list[Row]:
    """
    Measure depth images.

    :param pictures: millimetres
    :returns: figures of each way
    """
    deep = [as_image(picture, '16UC1') for picture in pictures]
    metres = [np.where(p > 0, p / 1000.0, np.nan).astype(np.float32) for p in pictures]
    floats = [as_image(picture, '32FC1') for picture in metres]
    rows = []

    def png(cdr: bytes) -> bytes:
        image = read_image(cdr)
        pixels = image.rows(2).reshape(-1).view(np.uint16).reshape(image.height, image.width)
        file = io.BytesIO()
        Pillow.fromarray(pixels).save(file, 'PNG')
        return file.getvalue()

    for name, inputs, encode in (
        ('16UC1 zstd -3', deep, zstandard.ZstdCompressor(level=3).compress),
        ('16UC1 PNG (compressedDepth)', deep, png),
        ('32FC1 zstd -3', floats, zstandard.ZstdCompressor(level=3).compress),
    ):
        made, seconds = timed(encode, inputs)
        rows.append(_depth_row(name, inputs, made, seconds))
    kind = DepthKind()
    for encoding, inputs in (('16UC1', deep), ('32FC1', floats)):
        for options in ({}, {'resolution': '0.01'}, {'resolution': '0.05'}):
            reducer = kind.make(IMAGE, '', options, 1 << 26)
            made, seconds = timed(lambda cdr, r=reducer: r.reduce(cdr, Level.FULL), inputs)
            back, decode_s = timed(lambda form: kind.restore(FORM, form), made)
            said = ' '.join(f'{key}={value}' for key, value in options.items())
            one = _depth_row(f'{encoding} depth {said}'.strip(), inputs, made, seconds)
            one['decode_ms'] = 1000.0 * decode_s
            one['error_mm'] = max(
                _off_mm(before, after) for before, after in zip(inputs, back, strict=True)
            )
            rows.append(one)
    return rows


def _depth_row(name: str, inputs: Sequence[bytes], made: Sequence[bytes], seconds: float) -> Row:
    size = sum(map(len, made)) / len(made)
    return {
        'name': name,
        'bytes': size,
        'ratio': len(inputs[0]) / size,
        'encode_ms': 1000.0 * seconds,
    }


def depth_of(cdr: bytes) -> Pixels:
    """
    Give a depth image's numbers.

    :param cdr: an Image of 16UC1 or 32FC1
    :returns: millimetres, or metres
    """
    image = read_image(cdr)
    kind = np.dtype('<u2' if image.encoding == '16UC1' else '<f4')
    flat = np.ascontiguousarray(image.rows(kind.itemsize)).reshape(-1).view(kind)
    return flat.reshape(image.height, image.width)


def _off_mm(before: bytes, after: bytes) -> float:
    old, new = depth_of(before).astype(float), depth_of(after).astype(float)
    unit = 1.0 if read_image(before).encoding == '16UC1' else 1000.0
    return unit * float(np.nanmax(np.abs(old - new)))


def run(paths: Sequence[Path], quick: bool) -> tuple[str, dict[str, list[Row]]]:
    """
    Measure pictures and depth images.

    :param paths: MCAP files; what is not among them is left out
    :param quick: whether a few pictures do
    :returns: tables, and every figure
    """
    results: dict[str, list[Row]] = {}
    text = []
    camera, lidar = recording('a4_car_camera', paths), recording('a5_kitti_lidar', paths)
    if camera is not None:
        results['images'] = pictures_table(frames(camera, 5 if quick else 60))
        title = '640 x 360 rgb8 (691 kB), mean of a frame'
        text.append(ways_table(title, results['images'], PICTURE_HEADS))
    if lidar is not None:
        results['depth'] = depth_table(depth_images(lidar, 2 if quick else 6))
        title = '2048 x 64 range image, mean of an image'
        text.append(ways_table(title, results['depth'], DEPTH_HEADS))
    return '\n'.join(text), results
