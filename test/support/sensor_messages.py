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

"""Sensor messages serialized by another implementation (rosbags), in either byte order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
import random
from typing import Any

import numpy as np
import pytest

from ros_cloud_bridge.errors import ProtocolError

typesys = pytest.importorskip('rosbags.typesys', reason='rosbags: install the extra cloud')
STORE = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
CLOUD = 'sensor_msgs/msg/PointCloud2'
IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
SCAN = 'sensor_msgs/msg/LaserScan'
GRID = 'nav_msgs/msg/OccupancyGrid'

Field = tuple[str, int, int, int]  # name, offset, datatype, count
XYZI: tuple[Field, ...] = (('x', 0, 7, 1), ('y', 4, 7, 1), ('z', 8, 7, 1), ('intensity', 12, 7, 1))


def _new(type_name: str, /, **fields: Any) -> Any:
    return STORE.types[type_name](**fields)


def header(frame_id: str = 'lidar', sec: int = 7, nanosec: int = 9) -> Any:
    stamp = _new('builtin_interfaces/msg/Time', sec=sec, nanosec=nanosec)
    return _new('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)


def _bytes(message: Any, name: str, big: bool) -> bytes:
    return bytes(STORE.serialize_cdr(message, name, little_endian=not big))


def read(cdr: bytes, name: str) -> Any:
    """
    Read a message with the other implementation.

    :param cdr: serialized
    :param name: its type
    :returns: the message
    """
    return STORE.deserialize_cdr(cdr, name)


def cloud(
    data: bytes,
    width: int,
    height: int = 1,
    step: int = 16,
    fields: Iterable[Field] = XYZI,
    row_step: int | None = None,
    big_points: bool = False,
    big: bool = False,
    frame_id: str = 'lidar',
) -> bytes:
    points = [
        _new('sensor_msgs/msg/PointField', name=n, offset=o, datatype=d, count=c)
        for n, o, d, c in fields
    ]
    message = _new(
        CLOUD,
        header=header(frame_id),
        height=height,
        width=width,
        fields=points,
        is_bigendian=big_points,
        point_step=step,
        row_step=step * width if row_step is None else row_step,
        data=np.frombuffer(data, np.uint8),
        is_dense=False,
    )
    return _bytes(message, CLOUD, big)


def xyzi(values: Any, **options: Any) -> bytes:
    """
    Make the usual cloud.

    :param values: rows of x, y, z, intensity
    :param options: of :func:`cloud`
    :returns: the message
    """
    table = np.asarray(values, np.float32).reshape(-1, 4)
    return cloud(table.astype('<f4').tobytes(), **{'width': len(table), **options})


def image(
    data: bytes,
    width: int,
    height: int,
    encoding: str,
    step: int | None = None,
    big_pixels: bool = False,
    big: bool = False,
) -> bytes:
    message = _new(
        IMAGE,
        header=header('camera'),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(big_pixels),
        step=len(data) // height if step is None and height else step or 0,
        data=np.frombuffer(data, np.uint8),
    )
    return _bytes(message, IMAGE, big)


def compressed(data: bytes, text: str = 'jpeg', big: bool = False) -> bytes:
    message = _new(
        COMPRESSED, header=header('camera'), format=text, data=np.frombuffer(data, np.uint8)
    )
    return _bytes(message, COMPRESSED, big)


def scan(
    ranges: Any,
    intensities: Any = (),
    low: float = 0.05,
    high: float = 30.0,
    big: bool = False,
) -> bytes:
    message = _new(
        SCAN,
        header=header('laser'),
        angle_min=-1.5,
        angle_max=1.5,
        angle_increment=0.01,
        time_increment=0.0,
        scan_time=0.1,
        range_min=low,
        range_max=high,
        ranges=np.asarray(ranges, np.float32),
        intensities=np.asarray(intensities, np.float32),
    )
    return _bytes(message, SCAN, big)


def grid(
    cells: Any,
    origin: tuple[float, float] = (0.0, 0.0),
    resolution: float = 0.05,
    big: bool = False,
    sec: int = 7,
) -> bytes:
    table = np.asarray(cells, np.int8)
    stamp = _new('builtin_interfaces/msg/Time', sec=sec, nanosec=0)
    point = _new('geometry_msgs/msg/Point', x=origin[0], y=origin[1], z=0.0)
    turn = _new('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0)
    info = _new(
        'nav_msgs/msg/MapMetaData',
        map_load_time=stamp,
        resolution=resolution,
        width=table.shape[1],
        height=table.shape[0],
        origin=_new('geometry_msgs/msg/Pose', position=point, orientation=turn),
    )
    message = _new(GRID, header=header('map', sec), info=info, data=table.reshape(-1))
    return _bytes(message, GRID, big)


def recorded(folder: Path, name: str, topic: str, most: int = 10**6) -> list[bytes]:
    """
    Read a topic of a recording.

    :param folder: of recordings
    :param name: of the file, without its ending
    :param topic: of the messages
    :param most: how many
    :returns: messages
    """
    reader = pytest.importorskip('mcap.reader')
    path = folder / f'{name}.mcap'
    if not path.exists():
        pytest.skip(f'no recording {name}')
    found: list[bytes] = []
    with path.open('rb') as file:
        for _, _, message in reader.make_reader(file).iter_messages(topics=[topic]):
            found.append(message.data)
            if len(found) == most:
                break
    return found


def damaged(form: bytes, seed: int = 1, count: int = 400) -> Iterator[bytes]:
    """
    Damage a form: cut off, lengthened, bytes changed, taken out and put in.

    :param form: a good one
    :param seed: of what is changed
    :param count: how many changed ones
    :returns: damaged ones, and those that happen to be as good
    """
    rng = random.Random(seed)
    yield from (form[:length] for length in range(0, len(form), max(1, len(form) // 60)))
    yield form + b'\0'
    yield form + form
    for _ in range(count):
        changed = bytearray(form)
        for _ in range(rng.choice((1, 1, 2, 8))):
            # The heads are what decides most, and stand in front.
            place = rng.randrange(min(len(changed), rng.choice((16, 160, len(changed)))))
            way = rng.randrange(4)
            if way == 0:
                changed[place] = rng.randrange(256)
            elif way == 1:
                changed[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            elif way == 2:
                changed.insert(place, rng.randrange(256))
            else:
                del changed[place]
        yield bytes(changed)


def stands_damage(restore: Callable[[bytes], bytes], forms: Sequence[bytes]) -> int:
    """
    Let a restorer see damaged forms: all it may do is refuse, or restore to something.

    :param restore: what restores
    :param forms: good ones
    :returns: how many it refused
    """
    refused = 0
    for place, form in enumerate(forms):
        for bad in damaged(form, place):
            try:
                assert isinstance(restore(bad), bytes)
            except ProtocolError:
                refused += 1
    return refused
