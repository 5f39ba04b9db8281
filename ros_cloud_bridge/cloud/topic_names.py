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

"""Names under which the topics of several robots stand beside each other."""

import itertools
import re


def token(word: str) -> str:
    """
    Write a robot's id, or a channel's name, as a token of a ROS name.

    :param word: as in ``amr-07``
    :returns: as in ``amr_07``; two may get the same
    """
    made = re.sub('[^A-Za-z0-9_]', '_', word) or '_'
    return f'_{made}' if made[0].isdigit() else made


class TopicNames:
    """
    Says which topic name a robot's samples get.

    :param prefix: whether names begin with ``/{robot}``; a robot whose token another has already
        got gets ``_2``, ``_3`` … behind it
    """

    def __init__(self, *, prefix: bool) -> None:
        self._prefix = prefix
        self._tokens: dict[str, str] = {}

    def name(self, robot_id: str, topic: str) -> str:
        """
        Name a topic.

        :param robot_id: whose it is
        :param topic: what the robot calls it
        :returns: its name here
        """
        if not self._prefix:
            return topic
        if robot_id not in self._tokens:
            self._tokens[robot_id] = self._free_token(robot_id)
        return f'/{self._tokens[robot_id]}/{topic.lstrip("/")}'

    def _free_token(self, robot_id: str) -> str:
        """Keep robots apart whose ids are alike but for what a ROS name cannot hold."""
        made = token(robot_id)
        taken = set(self._tokens.values())
        numbered = (f'{made}_{number}' for number in itertools.count(2))
        return made if made not in taken else next(n for n in numbered if n not in taken)
