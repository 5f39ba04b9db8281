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

from ros_cloud_bridge.cloud.operator.channels import offered_channels, OfferedChannel
from ros_cloud_bridge.values import ChannelKind


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
    drive = OfferedChannel(
        name='drive',
        kind=ChannelKind.TOPIC,
        type_name='geometry_msgs/msg/Twist',
        lease=True,
        max_ttl_s=10.0,
    )
    # What a later bridge adds is ignored, and so is a second of the same name.
    info = {'channels': [entry(new=1), entry(kind='service')]}
    assert offered_channels(info) == {'drive': drive}
    assert (drive.ttl_s(5.0), drive.ttl_s(20.0)) == (5.0, 10.0)
    assert offered_channels(None) == offered_channels({'channels': 7}) == {}
    # A robot need not say how long a command may be under way.
    (free,) = offered_channels({'channels': [entry(max_ttl_s=None)]}).values()
    assert (free.max_ttl_s, free.ttl_s(20.0)) == (None, 20.0)


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
        {'max_ttl_s': 0.01},
        {'type': '\ud800'},
        {'max_ttl_s': '1'},
    ],
)
def test_what_makes_no_sense_is_passed_over(changes: dict[str, object]) -> None:
    good = entry(name='good')
    assert [*offered_channels({'channels': [entry(**changes), 7, good]})] == ['good']


def test_there_are_a_thousand_at_most() -> None:
    info = {'channels': [entry(name=f'c{number}', max_ttl_s=10**400) for number in range(5000)]}
    assert len(offered_channels(info)) == 1000
