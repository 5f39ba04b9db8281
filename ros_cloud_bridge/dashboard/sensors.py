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

"""What is shown of sensors: batteries, satellites, ranges, joints, clouds and pictures."""

from collections.abc import Iterator
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.dashboard.fields import count, Field, number, single, text
from ros_cloud_bridge.dashboard.reading import Reading, Value

_FRAME = text('frame_id', 'header.frame_id')
_MOST_JOINTS = 32
_POWER = ('unknown', 'charging', 'discharging', 'not_charging', 'full')
_HEALTH = (
    'unknown',
    'good',
    'overheat',
    'dead',
    'overvoltage',
    'unspecified_failure',
    'cold',
    'watchdog_timer_expire',
    'safety_timer_expire',
)


def _worded(name: str, path: str, words: tuple[str, ...]) -> Field:
    def make(reading: Reading) -> str | None:
        value = int(reading.number(path) or 0)
        return words[value] if 0 <= value < len(words) else str(value)

    return single(name, path, make)


_BATTERY = (
    single('percent', 'percentage', lambda reading: 100.0 * reading.real('percentage')),
    number('voltage', 'voltage'),
    number('current', 'current'),
    number('temperature', 'temperature'),
    number('charge', 'charge'),
    number('capacity', 'capacity'),
    number('present', 'present'),
    _worded('status', 'power_supply_status', _POWER),
    _worded('health', 'power_supply_health', _HEALTH),
)


def _accuracy(reading: Reading) -> float | None:
    """Give the larger standard deviation of east and north, as the receiver states it."""
    if not reading.number('position_covariance_type'):
        return None
    covariance = list(reading.numbers('position_covariance', 9))
    if len(covariance) < 9 or not (covariance[0] >= 0 and covariance[4] >= 0):
        return None
    return math.sqrt(max(covariance[0], covariance[4]))


_SATELLITES = (
    _FRAME,
    number('latitude', 'latitude'),
    number('longitude', 'longitude'),
    number('altitude', 'altitude'),
    single('fix', 'status.status', lambda reading: reading.real('status.status') >= 0),
    number('status', 'status.status'),
    single('accuracy', 'position_covariance', _accuracy),
)


def _valid(reading: Reading) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    ranges = reading.array('ranges')
    low, high = reading.real('range_min'), reading.real('range_max')
    with np.errstate(invalid='ignore'):
        return ranges, np.isfinite(ranges) & (ranges >= low) & (ranges <= high)


def _decimal(value: np.floating[Any]) -> float:
    """Give the shortest decimal that means it: 1.8, not 1.799999952."""
    return float(str(value))


def _nearest(reading: Reading) -> float | None:
    ranges, valid = _valid(reading)
    return _decimal(np.min(ranges[valid])) if valid.any() else None


def _bearing(reading: Reading) -> float | None:
    ranges, valid = _valid(reading)
    if not valid.any():
        return None
    index = int(np.argmin(np.where(valid, ranges, np.inf)))
    return math.degrees(reading.real('angle_min') + index * reading.real('angle_increment'))


def _farthest(reading: Reading) -> float | None:
    ranges, valid = _valid(reading)
    return _decimal(np.max(ranges[valid])) if valid.any() else None


_LASER = (
    _FRAME,
    single('nearest', 'ranges', _nearest),
    single('nearest_deg', 'ranges', _bearing),
    single('farthest', 'ranges', _farthest),
    single('valid', 'ranges', lambda reading: int(np.count_nonzero(_valid(reading)[1]))),
    count('total', 'ranges'),
)


def _detected(reading: Reading) -> bool:
    return reading.real('min_range') <= reading.real('range') <= reading.real('max_range')


_RANGE = (
    _FRAME,
    number('range', 'range'),
    single('detected', 'range', _detected),
    number('min_range', 'min_range'),
    number('max_range', 'max_range'),
)


def _points(reading: Reading) -> int:
    return int(reading.number('width') or 0) * int(reading.number('height') or 0)


_CLOUD = (
    _FRAME,
    single('points', 'width', _points),
    number('width', 'width'),
    number('height', 'height'),
    number('is_dense', 'is_dense'),
    count('bytes', 'data'),
)


def key_of(name: str) -> str:
    """
    Write a name that a robot has made up as a part of a key.

    :param name: as in ``Battery (left)``
    :returns: as in ``battery_left``
    """
    words = ''.join(letter if letter.isalnum() else ' ' for letter in name[:200])
    return '_'.join(words.lower().split())


def _joints(quantity: str) -> Field:
    def make(reading: Reading) -> Iterator[tuple[str, Value | None]]:
        names = reading.texts('name', _MOST_JOINTS)
        for name, value in zip(names, reading.numbers(quantity, _MOST_JOINTS), strict=False):
            yield f'{quantity}_{key_of(name)}', value

    return Field(name=quantity, path=quantity, make=make)


SENSORS: dict[str, tuple[Field, ...]] = {
    'sensor_msgs/msg/BatteryState': _BATTERY,
    'sensor_msgs/msg/CompressedImage': (_FRAME, text('format', 'format'), count('bytes', 'data')),
    'sensor_msgs/msg/Image': (
        _FRAME,
        number('width', 'width'),
        number('height', 'height'),
        text('encoding', 'encoding'),
    ),
    'sensor_msgs/msg/JointState': tuple(map(_joints, ('position', 'velocity', 'effort'))),
    'sensor_msgs/msg/LaserScan': _LASER,
    'sensor_msgs/msg/NavSatFix': _SATELLITES,
    'sensor_msgs/msg/PointCloud2': _CLOUD,
    'sensor_msgs/msg/Range': _RANGE,
}
