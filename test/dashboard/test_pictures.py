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

"""Pictures for dashboards: JPEG in any case, or nothing and why."""

import io
import json

import numpy as np
import pytest

pytest.importorskip('rosbags', reason='rosbags: install the extra cloud')
PIL = pytest.importorskip('PIL.Image', reason='Pillow: install the extra images')

from ros_cloud_bridge.dashboard.painter import Painter, Settings, Shown  # noqa: E402
from ros_cloud_bridge.errors import ProtocolError  # noqa: E402
from support.random_messages import definition  # noqa: E402
from support.sensor_messages import COMPRESSED, compressed, IMAGE, image  # noqa: E402


def file(form: str, width: int = 800) -> bytes:
    made = io.BytesIO()
    PIL.fromarray(np.full((60, width, 3), 128, np.uint8)).save(made, form)
    return made.getvalue()


def paint(type_name: str, cdr: bytes, settings: Settings | None = None) -> list[Shown]:
    settings = settings or Settings()
    return list(Painter('/camera', type_name, definition(type_name), settings).paint(cdr, 0))


def size(shown: Shown) -> tuple[int, int]:
    assert shown.part == 'jpeg'
    opened = PIL.open(io.BytesIO(shown.payload))
    assert opened.format == 'JPEG'
    return tuple(opened.size)


def test_raw_pictures_become_small_jpegs() -> None:
    raw = image(bytes(3 * 1280 * 720), 1280, 720, 'rgb8')
    words, picture = paint(IMAGE, raw)
    assert json.loads(words.payload)['width'] == 1280
    assert size(picture) == (640, 360)
    assert size(paint(IMAGE, raw, Settings(width=320))[1]) == (320, 180)


def test_a_jpeg_stays_as_it_is_unless_a_width_is_asked_for() -> None:
    data = file('JPEG')
    assert paint(COMPRESSED, compressed(data))[1].payload == data
    assert size(paint(COMPRESSED, compressed(data), Settings(width=400))[1]) == (400, 30)


def test_another_format_becomes_a_jpeg_only_where_there_is_an_encoder() -> None:
    png = compressed(file('PNG'), 'png')
    assert size(paint(COMPRESSED, png)[1]) == (640, 48)
    assert [made.part for made in paint(COMPRESSED, png, Settings(converts=False))] == ['']
    raw = image(bytes(24), 4, 2, 'rgb8')
    assert [made.part for made in paint(IMAGE, raw, Settings(converts=False))] == ['']


def test_what_is_no_picture_is_refused_after_its_words() -> None:
    depth = image(bytes(16), 4, 2, '16UC1')
    made = Painter('/depth', IMAGE, definition(IMAGE), Settings()).paint(depth, 0)
    assert json.loads(next(made).payload)['encoding'] == '16UC1'
    with pytest.raises(ProtocolError, match='no fixed brightness'):
        next(made)
    with pytest.raises(ProtocolError, match='no picture'):
        paint(COMPRESSED, compressed(b'hello'))
