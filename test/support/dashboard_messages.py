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

"""Messages of the well-known types as docs/dashboards.md shows them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from support.random_messages import STORE
from support.sensor_messages import compressed, image

_DEFAULTS: dict[str, Any] = {'string': '', 'bool': False, 'float32': 0.0, 'float64': 0.0}


def message(type_name: str, **values: Any) -> Any:
    """
    Make a message of which just some fields are given.

    :param type_name: as in ``nav_msgs/msg/Odometry``
    :param values: by path, with ``__`` for a dot
    :returns: an object of the type store
    """
    given: dict[str, Any] = {}
    for name, description in STORE.fielddefs[type_name][1]:
        below = {
            key.partition('__')[2]: value
            for key, value in values.items()
            if key.partition('__')[0] == name
        }
        given[name] = below[''] if '' in below else _default(description, below)
    return STORE.types[type_name](**given)


def _default(description: Any, below: dict[str, Any]) -> Any:
    kind, details = description
    if kind.name == 'NAME':
        return message(details, **below)
    if kind.name == 'BASE':
        return _DEFAULTS.get(details[0], 0)
    (inner, name), count = details
    if inner.name == 'NAME' or name[0] == 'string':
        return [_default(details[0], {}) for _ in range(count if kind.name == 'ARRAY' else 0)]
    dtype = {'octet': 'u1', 'byte': 'u1', 'char': 'u1'}.get(name[0], name[0])
    return np.zeros(count if kind.name == 'ARRAY' else 0, dtype)


def cdr(type_name: str, little: bool = True, **values: Any) -> bytes:
    """
    Serialize a message of which just some fields are given.

    :param type_name: as in ``nav_msgs/msg/Odometry``
    :param little: whether it is little-endian
    :param values: see :func:`message`
    :returns: with its encapsulation header
    """
    made = message(type_name, **values)
    return bytes(STORE.serialize_cdr(made, type_name, little_endian=little))


_QUARTER = {'z': 0.5**0.5, 'w': 0.5**0.5}
_MAP = {'header__frame_id': 'map'}
_POSE = {
    'position__x': 1.5,
    'position__y': -2.25,
    **{f'orientation__{k}': v for k, v in _QUARTER.items()},
}
_TWIST = {'linear__x': 0.3, 'linear__y': 0.4, 'angular__z': 0.1}


def _under(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f'{prefix}__{key}': value for key, value in values.items()}


def _floats(*values: float) -> Any:
    return np.array(values, np.float32)


def _doubles(*values: float) -> Any:
    return np.array(values, np.float64)


def _status(name: str, level: int, text: str, **values: str) -> Any:
    pairs = [message('diagnostic_msgs/msg/KeyValue', key=k, value=v) for k, v in values.items()]
    return message(
        'diagnostic_msgs/msg/DiagnosticStatus',
        level=level,
        name=name,
        message=text,
        hardware_id='base',
        values=pairs,
    )


def _poses(*places: tuple[float, float]) -> list[Any]:
    return [
        message('geometry_msgs/msg/PoseStamped', pose__position__x=x, pose__position__y=y)
        for x, y in places
    ]


GOLDEN: dict[str, dict[str, Any]] = {
    'diagnostic_msgs/msg/DiagnosticArray': {
        'status': [
            _status('motor: left', 1, 'warm', **{'Temperature (C)': '61.5', 'Mode': 'idle'}),
        ]
    },
    'geometry_msgs/msg/PointStamped': {**_MAP, 'point__x': 1.0, 'point__z': 0.5},
    'geometry_msgs/msg/PoseStamped': {**_MAP, **_under('pose', _POSE)},
    'geometry_msgs/msg/PoseWithCovarianceStamped': {**_MAP, **_under('pose__pose', _POSE)},
    'geometry_msgs/msg/TransformStamped': {
        **_MAP,
        'child_frame_id': 'odom',
        'transform__translation__x': 1.5,
        **_under('transform__rotation', _QUARTER),
    },
    'geometry_msgs/msg/Twist': _TWIST,
    'geometry_msgs/msg/Vector3Stamped': {**_MAP, 'vector__y': 2.0},
    'nav_msgs/msg/OccupancyGrid': {
        **_MAP,
        'info__width': 2,
        'info__height': 2,
        'info__resolution': 0.05,
        'data': np.array([-1, 0, 100, 0], np.int8),
    },
    'nav_msgs/msg/Odometry': {
        'header__frame_id': 'odom',
        'child_frame_id': 'base_link',
        **_under('pose__pose', _POSE),
        **_under('twist__twist', _TWIST),
    },
    'nav_msgs/msg/Path': {**_MAP, 'poses': _poses((0.0, 0.0), (3.0, 4.0), (3.0, 5.0))},
    'rcl_interfaces/msg/Log': {'level': 30, 'name': 'planner', 'msg': 'no way through'},
    'sensor_msgs/msg/BatteryState': {
        'percentage': 0.625,
        'voltage': 24.5,
        'current': -2.5,
        'temperature': float('nan'),
        'charge': 12.5,
        'capacity': 20.0,
        'present': True,
        'power_supply_status': 2,
        'power_supply_health': 1,
    },
    'sensor_msgs/msg/Imu': {
        'header__frame_id': 'imu',
        **_under('orientation', _QUARTER),
        'angular_velocity__z': 0.1,
        'linear_acceleration__z': 9.81,
    },
    'sensor_msgs/msg/JointState': {
        'name': ['arm_lift', 'wheel/left'],
        'position': _doubles(0.25, 1.5),
        'velocity': _doubles(0.0, 6.5),
    },
    'sensor_msgs/msg/LaserScan': {
        'header__frame_id': 'laser',
        'angle_min': -0.5,
        'angle_increment': 0.25,
        'range_min': 0.1,
        'range_max': 10.0,
        'ranges': _floats(float('inf'), 4.5, 0.75, float('nan'), 2.0),
    },
    'sensor_msgs/msg/NavSatFix': {
        'header__frame_id': 'gps',
        'latitude': 48.1371079,
        'longitude': 11.5753822,
        'altitude': 519.5,
        'position_covariance': _doubles(2.25, 0, 0, 0, 1.0, 0, 0, 0, 4.0),
        'position_covariance_type': 2,
    },
    'sensor_msgs/msg/Range': {
        'header__frame_id': 'sonar',
        'range': 0.8,
        'min_range': 0.2,
        'max_range': 4.0,
    },
    'sensor_msgs/msg/Temperature': {'header__frame_id': 'cpu', 'temperature': 61.5},
    'std_msgs/msg/Float32': {'data': 0.1},
}


def golden(little: bool = True) -> Iterator[tuple[str, bytes]]:
    """
    Make the messages of the table.

    :param little: whether they are little-endian
    :returns: types and messages
    """
    for type_name, values in GOLDEN.items():
        yield type_name, cdr(type_name, little, **values)
    yield (
        'sensor_msgs/msg/PointCloud2',
        cdr(
            'sensor_msgs/msg/PointCloud2',
            little,
            header__frame_id='lidar',
            width=4,
            height=2,
            is_dense=True,
            data=np.zeros(96, np.uint8),
        ),
    )
    yield 'sensor_msgs/msg/Image', image(bytes(24), 4, 2, 'rgb8', big=not little)
    yield 'sensor_msgs/msg/CompressedImage', compressed(b'\xff\xd8\xff', big=not little)
