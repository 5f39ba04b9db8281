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

"""A limit or a scale that leads nowhere is a fault of the channel: it would limit nothing."""

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')

from ros_cloud_bridge.errors import BadFields  # noqa: E402
from ros_cloud_bridge.ros.commands.paths import check_paths  # noqa: E402
from ros_cloud_bridge.values import ChannelConfig, ChannelKind  # noqa: E402

TWIST = 'geometry_msgs/msg/Twist'


def channel(
    type_name: str, *, limits: tuple[str, ...] = (), scale: tuple[str, ...] = ()
) -> ChannelConfig:
    """Make a channel of the kind that its type has."""
    kind = {'msg': ChannelKind.TOPIC, 'srv': ChannelKind.SERVICE, 'action': ChannelKind.ACTION}
    return ChannelConfig(
        name='c',
        kind=kind[type_name.split('/')[1]],
        ros_name='/c',
        type_name=type_name,
        limits=limits,
        scale=scale,
    )


@pytest.mark.parametrize(
    ('type_name', 'limit'),
    [
        (TWIST, 'linear.x: -0.5..1.0'),
        (TWIST, 'linear.*: 0..0'),
        (TWIST, '*.x: 0..1'),
        ('geometry_msgs/msg/PoseArray', 'poses.*.position.x: 0..1'),
        ('geometry_msgs/msg/PoseArray', 'poses.*.*.x: 0..1'),
        ('geometry_msgs/msg/PoseArray', 'poses: at most 3'),
        ('std_srvs/srv/SetBool', 'data: 0..1'),
        ('test_msgs/action/Fibonacci', 'order: 0..10'),
    ],
)
def test_paths_that_lead_to_fields(type_name: str, limit: str) -> None:
    check_paths(channel(type_name, limits=(limit,)))


@pytest.mark.parametrize(
    ('type_name', 'limit', 'problem'),
    [
        (TWIST, 'linear.X: -0.5..1.0', "no such field; did you mean 'x'? its fields: x, y, z"),
        (TWIST, 'lineal.x: 0..1', "no such field; did you mean 'linear'?"),
        (TWIST, 'linear.x.y: 0..1', "'y' in what has no fields"),
        (TWIST, '*.w: 0..1', "no field has 'w'"),
        ('geometry_msgs/msg/PoseArray', 'poses.position.x: 0..1', "'position' in an array"),
        ('std_srvs/srv/SetBool', 'date: 0..1', "did you mean 'data'?"),
        ('test_msgs/action/Fibonacci', 'sequence: at most 3', 'no such field'),
    ],
)
def test_paths_that_lead_nowhere(type_name: str, limit: str, problem: str) -> None:
    with pytest.raises(BadFields) as told:
        check_paths(channel(type_name, limits=(limit,)))
    assert str(told.value).startswith(f"limits: '{limit}': ")
    assert problem in str(told.value)


def test_a_scale_is_a_path_too() -> None:
    check_paths(channel(TWIST, scale=('linear.*', 'angular.z')))
    with pytest.raises(BadFields, match="scale: 'twist.linear.*': no such field"):
        check_paths(channel(TWIST, scale=('twist.linear.*',)))
