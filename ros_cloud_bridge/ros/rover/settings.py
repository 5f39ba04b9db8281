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

"""The rover's ROS parameters, checked."""

from dataclasses import dataclass, fields
import math
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from ros_cloud_bridge.errors import ConfigError

_FASTEST_HZ = 1000.0
_PICTURES = ('camera', 'depth', 'points')


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What may be chosen; each field is a ROS parameter of this name, read once at the start."""

    seed: int = 1
    duration_s: float = 0.0  # 0: until stopped
    rate_factor: float = 1.0  # multiplies every rate below
    camera: bool = True
    counts_file: str = ''  # where to write how many messages were published; '': nowhere
    imu_hz: float = 50.0
    odom_hz: float = 20.0
    scan_hz: float = 10.0
    localization_hz: float = 10.0
    camera_hz: float = 5.0
    depth_hz: float = 2.0
    points_hz: float = 1.0
    explored_hz: float = 1.0
    battery_hz: float = 1.0
    diagnostics_hz: float = 1.0
    fix_hz: float = 1.0

    def rate_hz(self, name: str) -> float:
        """
        Give a publishing rate.

        :param name: the field, without its ``_hz``
        :returns: times per second, the factor applied; 0 for never
        """
        if name in _PICTURES and not self.camera:
            return 0.0
        rate: float = getattr(self, f'{name}_hz')
        return rate * self.rate_factor

    @property
    def step_hz(self) -> float:
        """How often the simulation steps: with the fastest rate, at least 50 times per second."""
        rates = (self.rate_hz(field.name[:-3]) for field in fields(self) if _is_rate(field.name))
        return max(50.0, *rates)

    @property
    def counts_path(self) -> Path | None:
        """Where the counts go."""
        return Path(self.counts_file) if self.counts_file else None


def declare(node: Node) -> Settings:
    """
    Declare the parameters and read them.

    :param node: the node whose parameters they are
    :returns: the settings
    :raises ConfigError: when a value is of a wrong type or out of range
    """
    read = {}
    for field in fields(Settings):
        # rclpy's own check would end a YAML's "imu_hz: 20" (an integer) with a traceback.
        loose = ParameterDescriptor(name=field.name, read_only=True, dynamic_typing=True)
        value = node.declare_parameter(field.name, field.default, loose).value
        read[field.name] = _checked(field.name, value, field.default)
    settings = Settings(**read)
    if not 0.0 < settings.rate_factor <= 100.0:
        raise ConfigError('rate_factor', 'must be above 0 and at most 100')
    for name in filter(_is_rate, read):
        if settings.rate_hz(name[:-3]) > _FASTEST_HZ:
            raise ConfigError(name, f'times rate_factor may be at most {_FASTEST_HZ:g}')
    return settings


def _is_rate(name: str) -> bool:
    return name.endswith('_hz')


def _checked(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, float):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(name, f'must be a number, not {value!r}')
        if not math.isfinite(value) or value < 0.0:
            raise ConfigError(name, f'must be 0 or more, not {value!r}')
        return float(value)
    if type(value) is not type(default):
        raise ConfigError(name, f'must be of type {type(default).__name__}, not {value!r}')
    if name == 'seed' and value < 0:
        raise ConfigError(name, f'must be 0 or more, not {value!r}')
    return value
