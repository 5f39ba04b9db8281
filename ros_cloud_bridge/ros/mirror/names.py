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

"""Names in the graph for robots, topics and channels; they come off the wire."""

import re

from ros_cloud_bridge.cloud.topic_names import token
from ros_cloud_bridge.core.mirror_table import ROBOT

_TOPIC = re.compile(r'(/[A-Za-z_][A-Za-z0-9_]*)+')
_MAX_CHARACTERS = 200


def namespace_of(template: str, robot_id: str) -> str:
    """
    Name a robot's namespace.

    :param template: as in ``fleet/{robot}``; may be empty
    :param robot_id: the robot
    :returns: absolute, as in ``/fleet/amr_07``; empty for the root
    """
    place = template.replace(ROBOT, token(robot_id)).strip('/')
    # '{robot}' alone may come to begin with an underscore, which would hide all its topics.
    place = '/'.join(f'r{part}' if part.startswith('_') else part for part in place.split('/'))
    return f'/{place}' if place else ''


def is_topic(topic: str) -> bool:
    """
    Tell whether a text off the wire can be a topic.

    :param topic: what a robot calls a topic
    :returns: whether it is an absolute ROS name of bearable length
    """
    return len(topic) <= _MAX_CHARACTERS and _TOPIC.fullmatch(topic) is not None
