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

"""The rover's shape: its URDF, and where its sensors sit."""

import math
from typing import NamedTuple

from ros_cloud_bridge.ros.rover.camera import CAMERA_X_M, CAMERA_Z_M
from ros_cloud_bridge.ros.rover.drive import WHEEL_RADIUS_M, WHEEL_SEPARATION_M
from ros_cloud_bridge.ros.rover.sensors import LIDAR_X_M, LIDAR_Z_M

MAP, ODOM, BASE = 'map', 'odom', 'base_link'
IMU, LIDAR, CAMERA, OPTICAL, GNSS = (
    'imu_link',
    'lidar_link',
    'camera_link',
    'camera_optical_frame',
    'gnss_link',
)


class Mount(NamedTuple):
    """A frame fixed to another one: offset in metres, rotation as roll, pitch, yaw."""

    frame: str
    parent: str
    xyz: tuple[float, float, float]
    rpy: tuple[float, float, float] = (0.0, 0.0, 0.0)


MOUNTS = (
    Mount(IMU, BASE, (0.0, 0.0, 0.12)),
    Mount(LIDAR, BASE, (LIDAR_X_M, 0.0, LIDAR_Z_M)),
    Mount(CAMERA, BASE, (CAMERA_X_M, 0.0, CAMERA_Z_M)),
    # REP-103: an optical frame looks along z, x to the right and y down.
    Mount(OPTICAL, CAMERA, (0.0, 0.0, 0.0), (-math.pi / 2, 0.0, -math.pi / 2)),
    Mount(GNSS, BASE, (-0.12, 0.0, 0.34)),
    # The wheels are fixed joints: nobody needs joint states to see the rover.
    Mount('wheel_left_link', BASE, (0.0, WHEEL_SEPARATION_M / 2, WHEEL_RADIUS_M)),
    Mount('wheel_right_link', BASE, (0.0, -WHEEL_SEPARATION_M / 2, WHEEL_RADIUS_M)),
)

_ORANGE, _DARK, _GREY, _BLUE = (
    '0.95 0.45 0.1 1',
    '0.12 0.13 0.15 1',
    '0.6 0.62 0.65 1',
    '0.1 0.35 0.7 1',
)
_WHEEL = f'<cylinder radius="{WHEEL_RADIUS_M}" length="0.03"/>'
# link -> (geometry, position, roll pitch yaw, colour)
_VISUALS: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    BASE: (
        ('<box size="0.34 0.26 0.10"/>', '0 0 0.13', '0 0 0', _ORANGE),
        ('<box size="0.26 0.22 0.03"/>', '0 0 0.195', '0 0 0', _DARK),
        ('<sphere radius="0.03"/>', '-0.14 0 0.03', '0 0 0', _GREY),
        ('<box size="0.02 0.02 0.26"/>', '0.15 0 0.31', '0 0 0', _GREY),
        ('<cylinder radius="0.006" length="0.13"/>', '-0.12 0 0.275', '0 0 0', _GREY),
    ),
    LIDAR: (('<cylinder radius="0.045" length="0.06"/>', '0 0 0', '0 0 0', _DARK),),
    CAMERA: (('<box size="0.03 0.10 0.04"/>', '-0.01 0 0', '0 0 0', _BLUE),),
    GNSS: (('<cylinder radius="0.035" length="0.015"/>', '0 0 0', '0 0 0', _GREY),),
    'wheel_left_link': ((_WHEEL, '0 0 0', f'{math.pi / 2:.6f} 0 0', _DARK),),
    'wheel_right_link': ((_WHEEL, '0 0 0', f'{math.pi / 2:.6f} 0 0', _DARK),),
}


def urdf() -> str:
    """
    Describe the rover.

    :returns: URDF whose joints are all fixed
    """
    lines = ['<?xml version="1.0"?>', '<robot name="rover">']
    for link in (BASE, *(mount.frame for mount in MOUNTS)):
        lines.append(f'  <link name="{link}">')
        for number, (geometry, xyz, rpy, colour) in enumerate(_VISUALS.get(link, ())):
            lines += [
                '    <visual>',
                f'      <origin xyz="{xyz}" rpy="{rpy}"/>',
                f'      <geometry>{geometry}</geometry>',
                f'      <material name="{link}_{number}"><color rgba="{colour}"/></material>',
                '    </visual>',
            ]
        lines.append('  </link>')
    for mount in MOUNTS:
        xyz = ' '.join(f'{value:g}' for value in mount.xyz)
        rpy = ' '.join(f'{value:.9g}' for value in mount.rpy)
        lines += [
            f'  <joint name="{mount.frame}_joint" type="fixed">',
            f'    <parent link="{mount.parent}"/>',
            f'    <child link="{mount.frame}"/>',
            f'    <origin xyz="{xyz}" rpy="{rpy}"/>',
            '  </joint>',
        ]
    return '\n'.join([*lines, '</robot>', ''])
