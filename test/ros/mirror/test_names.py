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

"""Names for what comes off the wire."""

import pytest

from ros_cloud_bridge.cloud.topic_names import token
from ros_cloud_bridge.ros.mirror.names import is_topic, namespace_of


@pytest.mark.parametrize(
    ('robot_id', 'namespace'),
    [
        ('amr-07', '/fleet/amr_07'),
        ('7', '/fleet/r_7'),
        ('_x', '/fleet/r_x'),
        ('ü b', '/fleet/r__b'),
        ('', '/fleet/r_'),
    ],
)
def test_a_robot_gets_a_namespace_that_no_tool_hides(robot_id: str, namespace: str) -> None:
    assert namespace_of('fleet/{robot}', robot_id) == namespace
    assert is_topic(f'{namespace}/odom')


def test_the_root_is_a_namespace_too() -> None:
    assert namespace_of('', 'a') == namespace_of('/', 'a') == ''
    assert namespace_of('{robot}', 'a') == '/a'


def test_channels_keep_what_they_can() -> None:
    assert (token('drive-2'), token('2nd')) == ('drive_2', '_2nd')


@pytest.mark.parametrize('topic', ['', 'odom', '/a//b', '/a/', '/1a', '/a b', '/' + 'a' * 200])
def test_what_is_no_topic_is_seen(topic: str) -> None:
    assert not is_topic(topic)
