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
What is shown of the well-known types.

Units are SI's (REP 103), but for angles that people read: those end in ``_deg``.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.dashboard.fields import count, Field, number, single, text
from ros_cloud_bridge.dashboard.reading import Reading
from ros_cloud_bridge.dashboard.sensors import SENSORS

_FRAME = text('frame_id', 'header.frame_id')
_CHILD = text('child_frame_id', 'child_frame_id')
_LEVELS = {10: 'debug', 20: 'info', 30: 'warn', 40: 'error', 50: 'fatal'}
# As nav2_map_server has it: from this on a cell is occupied.
_OCCUPIED = 65


def _xyz(path: str, prefix: str = '') -> tuple[Field, ...]:
    return tuple(number(prefix + axis, f'{path}.{axis}' if path else axis) for axis in 'xyz')


def attitude(path: str) -> tuple[Field, ...]:
    """
    Make fields of a quaternion: roll, pitch and yaw about fixed axes (REP 103), degrees.

    :param path: of the quaternion
    :returns: the fields
    """

    def part(index: int) -> Field:
        name = ('roll_deg', 'pitch_deg', 'yaw_deg')[index]
        return single(name, path, lambda reading: _angles(reading, path)[index])

    return part(0), part(1), part(2)


def _angles(reading: Reading, path: str) -> tuple[float, float, float]:
    prefix = f'{path}.' if path else ''
    x, y, z, w = (reading.real(prefix + axis) for axis in 'xyzw')
    size = math.hypot(x, y, z, w)
    if not 0.0 < size < math.inf:
        # A message that was never filled in has no direction.
        return math.nan, math.nan, math.nan
    x, y, z, w = x / size, y / size, z / size, w / size
    roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x))))
    yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return math.degrees(roll), math.degrees(pitch), math.degrees(yaw)


def _pose(path: str) -> tuple[Field, ...]:
    prefix = f'{path}.' if path else ''
    return *_xyz(f'{prefix}position'), *attitude(f'{prefix}orientation')


def _transform(path: str) -> tuple[Field, ...]:
    prefix = f'{path}.' if path else ''
    return *_xyz(f'{prefix}translation'), *attitude(f'{prefix}rotation')


def _twist(path: str) -> tuple[Field, ...]:
    prefix = f'{path}.' if path else ''
    linear, angular = f'{prefix}linear', f'{prefix}angular'

    def speed(reading: Reading) -> float:
        return math.hypot(*(reading.real(f'{linear}.{axis}') for axis in 'xyz'))

    return (
        single('speed', linear, speed),
        *_xyz(linear, 'linear_'),
        *_xyz(angular, 'angular_'),
    )


def _percent(reading: Reading, least: float) -> float:
    cells = reading.array('data')
    return 100.0 * float(np.count_nonzero(cells >= least)) / len(cells) if len(cells) else math.nan


_GRID = (
    _FRAME,
    number('width', 'info.width'),
    number('height', 'info.height'),
    number('resolution', 'info.resolution'),
    single('known_percent', 'data', lambda reading: _percent(reading, 0)),
    single('occupied_percent', 'data', lambda reading: _percent(reading, _OCCUPIED)),
)


def _track(reading: Reading) -> NDArray[Any]:
    axes = [reading.array(f'poses.pose.position.{axis}') for axis in 'xyz']
    return np.stack(axes, axis=1) if len({len(axis) for axis in axes}) == 1 else np.zeros((0, 3))


def _length(reading: Reading) -> float:
    track = _track(reading)
    with np.errstate(all='ignore'):
        return float(np.sum(np.linalg.norm(np.diff(track, axis=0), axis=1)))


def _goal(index: int) -> Field:
    def make(reading: Reading) -> float | None:
        track = _track(reading)
        return float(track[-1, index]) if len(track) else None

    return single(f'goal_{"xyz"[index]}', 'poses.pose.position', make)


_PATH = (
    _FRAME,
    count('poses', 'poses'),
    single('length', 'poses.pose.position', _length),
    _goal(0),
    _goal(1),
    _goal(2),
)


def _level_name(reading: Reading) -> str | None:
    return _LEVELS.get(int(reading.number('level') or 0))


_LOG = (
    number('level', 'level'),
    single('level_name', 'level', _level_name),
    text('name', 'name'),
    text('message', 'msg'),
)

KNOWN: dict[str, tuple[Field, ...]] = {
    'geometry_msgs/msg/Point': _xyz(''),
    'geometry_msgs/msg/PointStamped': (_FRAME, *_xyz('point')),
    'geometry_msgs/msg/Pose': _pose(''),
    'geometry_msgs/msg/PoseStamped': (_FRAME, *_pose('pose')),
    'geometry_msgs/msg/PoseWithCovariance': _pose('pose'),
    'geometry_msgs/msg/PoseWithCovarianceStamped': (_FRAME, *_pose('pose.pose')),
    'geometry_msgs/msg/Quaternion': attitude(''),
    'geometry_msgs/msg/QuaternionStamped': (_FRAME, *attitude('quaternion')),
    'geometry_msgs/msg/Transform': _transform(''),
    'geometry_msgs/msg/TransformStamped': (_FRAME, _CHILD, *_transform('transform')),
    'geometry_msgs/msg/Twist': _twist(''),
    'geometry_msgs/msg/TwistStamped': (_FRAME, *_twist('twist')),
    'geometry_msgs/msg/TwistWithCovariance': _twist('twist'),
    'geometry_msgs/msg/TwistWithCovarianceStamped': (_FRAME, *_twist('twist.twist')),
    'geometry_msgs/msg/Vector3': _xyz(''),
    'geometry_msgs/msg/Vector3Stamped': (_FRAME, *_xyz('vector')),
    'nav_msgs/msg/OccupancyGrid': _GRID,
    'nav_msgs/msg/Odometry': (_FRAME, _CHILD, *_pose('pose.pose'), *_twist('twist.twist')),
    'nav_msgs/msg/Path': _PATH,
    'rcl_interfaces/msg/Log': _LOG,
    'sensor_msgs/msg/Imu': (
        _FRAME,
        *attitude('orientation'),
        *_xyz('angular_velocity', 'angular_velocity_'),
        *_xyz('linear_acceleration', 'linear_acceleration_'),
    ),
    **SENSORS,
}
