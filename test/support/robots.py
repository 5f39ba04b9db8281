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

"""Parameters for the bridges of tests."""

from collections.abc import Mapping
from typing import Protocol


class Place(Protocol):
    """Where a broker is."""

    host: str
    port: int


def parameters(
    broker: Place,
    robot_id: str,
    streams: Mapping[str, Mapping[str, object]],
    **further: object,
) -> dict[str, object]:
    """
    Make a bridge's parameters, quick in discovery and health.

    :param broker: where to connect
    :param robot_id: the robot
    :param streams: policy by name, in order
    :param further: other keys; dictionaries are merged into what stands here
    :returns: what stands below ``ros__parameters``
    """
    made: dict[str, object] = {
        'robot_id': robot_id,
        'mqtt': {'host': broker.host, 'port': broker.port},
        'discovery': {'period_s': 0.1},
        'health_period_s': 0.3,
        'streams': list(streams),
        'stream': {name: dict(policy) for name, policy in streams.items()},
    }
    for key, value in further.items():
        known = made.get(key)
        if isinstance(known, dict) and isinstance(value, Mapping):
            made[key] = {**known, **value}
        else:
            made[key] = value
    return made
