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

"""The channels of a hostile info."""

from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')

from ros_cloud_bridge.ros.mirror.commands.channel import Channel, read_channels  # noqa: E402
from ros_cloud_bridge.values import ChannelKind  # noqa: E402


def entry(**changes: object) -> dict[str, Any]:
    return {
        'name': 'drive',
        'kind': 'topic',
        'type': 'geometry_msgs/msg/Twist',
        'lease': True,
        'max_ttl_s': 10,
        **changes,
    }


def test_a_channel_is_read_as_the_robot_describes_it() -> None:
    drive = Channel(
        name='drive',
        kind=ChannelKind.TOPIC,
        type_name='geometry_msgs/msg/Twist',
        lease=True,
        max_ttl_s=10.0,
    )
    # What a later bridge adds is ignored, and so is a second of the same name.
    info = {'channels': [entry(new=1), entry(kind='service')]}
    assert read_channels(info) == (drive,)
    assert read_channels(None) == read_channels({}) == read_channels({'channels': {}}) == ()


@pytest.mark.parametrize(
    'changes',
    [
        {'name': '../x'},
        {'name': 7},
        {'name': 'a' * 65},
        {'kind': 'teleport'},
        {'kind': ['topic']},
        {'type': None},
        {'type': 'x' * 257},
        {'max_ttl_s': True},
        {'max_ttl_s': float('nan')},
        {'max_ttl_s': float('inf')},
        {'max_ttl_s': -1},
        {'max_ttl_s': '1'},
    ],
)
def test_what_makes_no_sense_is_passed_over(changes: dict[str, object]) -> None:
    good = entry(name='good')
    found = read_channels({'channels': [entry(**changes), 7, good]})
    assert [channel.name for channel in found] == ['good']


def test_there_are_64_at_most() -> None:
    info = {'channels': [entry(name=f'c{number}', max_ttl_s=10**400) for number in range(1000)]}
    assert len(read_channels(info)) == 64
