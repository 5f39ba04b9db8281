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

"""Pictures become CompressedImages of the size, the quality and the bytes that were asked for."""

import io
from pathlib import Path
import struct
from typing import Any
import zlib

import numpy as np
from numpy.typing import NDArray
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.images import ImageReducer, JpegKind, KINDS, WebpKind
from ros_cloud_bridge.reducers.interface import Level, ReducerKind
from ros_cloud_bridge.ros.rover.building import default_world, PLACES, START
from ros_cloud_bridge.ros.rover.camera import Camera
from ros_cloud_bridge.ros.rover.drive import Pose
from support import sensor_messages as make

PIL = pytest.importorskip('PIL.Image', reason='Pillow is not installed')
JPEG, WEBP = JpegKind(), WebpKind()
DOCK = Pose(*PLACES[START], 0.0)


def reducer(kind: JpegKind = JPEG, type_name: str = make.IMAGE, /, **options: str) -> ImageReducer:
    return kind.make(type_name, '', options, 1 << 26)


def reduced(cdr: bytes, level: Level = Level.FULL, /, **options: str) -> Any:
    out = reducer(**options).reduce(cdr, level)
    assert out is not None
    return make.read(out, make.COMPRESSED)


def opened(message: Any) -> Any:
    return PIL.open(io.BytesIO(message.data.tobytes()))


def picture() -> NDArray[np.uint8]:
    return Camera(default_world(), 320, 240).picture(DOCK)


def as_image(rgb: NDArray[np.uint8], encoding: str = 'rgb8') -> bytes:
    return make.image(rgb.tobytes(), rgb.shape[1], rgb.shape[0], encoding)


def psnr(first: NDArray[Any], second: NDArray[Any]) -> float:
    error = ((first.astype(float) - second.astype(float)) ** 2).mean()
    return float(10.0 * np.log10(255.0**2 / error))


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
def test_a_picture_is_what_it_was(kind: JpegKind) -> None:
    rgb = picture()
    out = reducer(kind).reduce(as_image(rgb), Level.FULL)
    assert out is not None
    assert out[:4] == b'\0\1\0\0'
    message = make.read(out, make.COMPRESSED)
    assert message.header == make.header('camera')
    assert message.format == f'rgb8; {kind.name} compressed bgr8'
    file = opened(message)
    assert (file.format.lower(), file.size) == (kind.name, (320, 240))
    assert psnr(np.asarray(file.convert('RGB')), rgb) > 30.0
    assert len(message.data) < rgb.nbytes / 10
    assert reducer(kind).output.type_name == make.COMPRESSED
    with pytest.raises(ProtocolError):
        kind.restore('', out)


@pytest.mark.parametrize(
    ('encoding', 'said'),
    [
        ('bgr8', 'bgr8; jpeg compressed bgr8'),
        ('8UC3', 'bgr8; jpeg compressed bgr8'),
        ('mono8', 'mono8; jpeg compressed '),
        ('yuv422', 'bgr8; jpeg compressed bgr8'),
        ('bayer_rggb8', 'bgr8; jpeg compressed bgr8'),
    ],
)
def test_format_says_what_a_decoder_gets(encoding: str, said: str) -> None:
    channels = {'mono8': 1, 'bayer_rggb8': 1, 'yuv422': 2}.get(encoding, 3)
    cdr = make.image(bytes(16 * 16 * channels), 16, 16, encoding)
    assert reduced(cdr).format == said


def test_blue_stays_blue() -> None:
    blue = np.zeros((16, 16, 3), np.uint8)
    blue[:, :, 2] = 255
    for encoding, table in (('rgb8', blue), ('bgr8', blue[:, :, ::-1])):
        out = np.asarray(opened(reduced(as_image(table, encoding))))
        assert out[8, 8, 2] > 240
        assert out[8, 8, :2].max() < 20


def test_quality_is_that_of_the_level() -> None:
    def tables(quality: int) -> Any:
        file = io.BytesIO()
        PIL.fromarray(picture()).save(file, 'JPEG', quality=quality)
        return PIL.open(file).quantization

    for level, quality in ((Level.FULL, 80), (Level.REDUCED, 56), (Level.MINIMAL, 40)):
        file = opened(reduced(as_image(picture()), level, quality='80'))
        assert file.quantization == tables(quality)
        assert file.size == ((160, 120) if level is Level.MINIMAL else (320, 240))
    said = reducer(quality='80').output.error
    assert said == 'JPEG, quality 80 (reduced 56, minimal 40), minimal at half the width'


def test_sizes() -> None:
    cdr = as_image(picture())
    for options, size in (
        ({'scale': '0.5'}, (160, 120)),
        ({'width': '100'}, (100, 75)),
        ({'width': '1000'}, (320, 240)),
        ({'region': '300,200,100,20'}, (20, 20)),
        ({'region': '0,0,200,100', 'width': '50'}, (50, 25)),
        ({'scale': '0.01'}, (3, 2)),
    ):
        assert opened(reduced(cdr, **options)).size == size


def test_region_is_that_part() -> None:
    rgb = picture()
    out = np.asarray(opened(reduced(as_image(rgb), region='40,60,64,32', quality='95')))
    assert psnr(out, rgb[60:92, 40:104]) > 30.0
    with pytest.raises(ProtocolError, match='beside'):
        reduced(as_image(rgb), region='320,0,10,10')


def test_every_third() -> None:
    thinned = reducer(every='3')
    kept = [thinned.reduce(as_image(picture()), Level.FULL) is not None for _ in range(7)]
    assert kept == [True, False, False, True, False, False, True]


def test_compressed_images_are_made_again() -> None:
    rgb = picture()
    for kind in ('JPEG', 'PNG', 'WEBP'):
        file = io.BytesIO()
        PIL.fromarray(rgb).save(file, kind)
        cdr = make.compressed(file.getvalue(), f'rgb8; {kind.lower()} compressed bgr8', big=True)
        for scale, size in (('1', (320, 240)), ('0.5', (160, 120)), ('0.3', (96, 72))):
            out = reducer(JPEG, make.COMPRESSED, scale=scale).reduce(cdr, Level.FULL)
            assert out is not None
            message = make.read(out, make.COMPRESSED)
            assert message.format == 'rgb8; jpeg compressed bgr8'
            assert opened(message).size == size
        small = np.asarray(PIL.fromarray(rgb).resize((96, 72)))
        assert psnr(np.asarray(opened(message)), small) > 24.0


def test_grey_stays_grey() -> None:
    file = io.BytesIO()
    PIL.fromarray(picture()).convert('L').save(file, 'PNG')
    out = reducer(JPEG, make.COMPRESSED).reduce(make.compressed(file.getvalue()), Level.FULL)
    assert out is not None
    assert opened(make.read(out, make.COMPRESSED)).mode == 'L'


def _png(width: int, height: int) -> bytes:
    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    check = struct.pack('>I', zlib.crc32(b'IHDR' + head))
    return b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + b'IHDR' + head + check


def test_broken_and_hostile_files() -> None:
    file = io.BytesIO()
    PIL.fromarray(picture()).save(file, 'JPEG')
    good = file.getvalue()
    for bad in (
        b'',
        b'GIF89a',
        b'%!PS-Adobe-3.0 EPSF-3.0\n',  # which Pillow would hand to ghostscript
        good[:10],
        good[:200],
        b'RIFF' + bytes(40),
        _png(60_000, 60_000),
        _png(5_000, 5_000),
        _png(0, 0),
    ):
        with pytest.raises(ProtocolError):
            reducer(JPEG, make.COMPRESSED).reduce(make.compressed(bad), Level.FULL)
    with pytest.raises(ProtocolError):
        reducer().reduce(make.compressed(good), Level.FULL)


def test_too_large_for_webp() -> None:
    cdr = make.image(bytes(20_000), 20_000, 1, 'mono8')
    with pytest.raises(ProtocolError, match='too large'):
        reducer(WEBP).reduce(cdr, Level.FULL)
    assert opened(reduced(cdr)).size == (20_000, 1)


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize('target', [2000, 4000, 6000])
def test_bytes_of_the_rover(kind: JpegKind, target: int) -> None:
    camera, fitted = Camera(default_world(), 320, 240), reducer(kind, bytes=str(target))
    for step in range(12):
        rgb = camera.picture(DOCK._replace(yaw=0.2 * step))
        out = fitted.reduce(as_image(rgb), Level.FULL)
        assert out is not None
        assert 0.9 * target <= len(make.read(out, make.COMPRESSED).data) <= 1.1 * target
    assert fitted.output.error.startswith(f'{kind.name.upper()}, {target} bytes each')


def test_bytes_of_a_real_camera(recordings: Path) -> None:
    frames = make.recorded(recordings, 'a4_car_camera', '/camera/image_raw/compressed', 40)
    for level, part in ((Level.FULL, 1.0), (Level.REDUCED, 0.5), (Level.MINIMAL, 0.2)):
        fitted = reducer(JPEG, make.COMPRESSED, bytes='15000')
        for cdr in frames:
            out = fitted.reduce(cdr, level)
            assert out is not None
            size = len(make.read(out, make.COMPRESSED).data)
            assert 0.9 * 15_000 * part <= size <= 1.1 * 15_000 * part


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'quality': '80', 'bytes': '9000'}, 'not both'),
        ({'quality': '0'}, 'quality=0: allowed is 1 to 100'),
        ({'bytes': '10'}, 'bytes=10: allowed'),
        ({'scale': '2'}, 'scale=2: allowed'),
        ({'region': '1,2,3'}, '4 numbers'),
        ({'region': '1,2,0,3'}, 'empty'),
        ({'range': '3,3'}, 'the same'),
        ({'effort': '3'}, 'unknown option effort'),
        ({'qualty': '3'}, 'did you mean quality'),
    ],
)
def test_wrong_options(options: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        reducer(**options)


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
def test_wrong_types(kind: ReducerKind) -> None:
    with pytest.raises(ValueError, match='Image and sensor_msgs/msg/CompressedImage'):
        kind.make(make.SCAN, '', {}, 1)
