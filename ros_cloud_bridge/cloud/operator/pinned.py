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

"""The robots' public keys that an operator has pinned."""

from collections.abc import Mapping
import os
from pathlib import Path
import re

from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.signing.keys import PublicKey
from ros_cloud_bridge.signing.places import load_pinned, pinned_path

_ROBOT = re.compile('[A-Za-z0-9_-]{1,64}')


class PinnedKeys:
    """
    Finds a robot's key.

    :param robots: keys by robot id, or a directory of ``{robot}.pub``
    """

    def __init__(self, robots: Mapping[str, PublicKey] | str | Path) -> None:
        self._keys = robots if isinstance(robots, Mapping) else None
        self._directory = None if isinstance(robots, Mapping) else Path(robots)

    def names(self) -> list[str]:
        """
        List the robots whose keys are pinned, good ones or not.

        :returns: robot ids; none when the directory cannot be read
        """
        if self._directory is None:
            return sorted(self._keys or ())
        try:
            files = os.listdir(self._directory)
        except OSError:
            return []
        names = [file.removesuffix('.pub') for file in files if file.endswith('.pub')]
        return sorted(name for name in names if _ROBOT.fullmatch(name))

    def key_of(self, robot_id: str) -> PublicKey:
        """
        Find a robot's key.

        :param robot_id: the robot
        :returns: its key
        :raises ConfigError: when it is not pinned, or no robot can have that id
        :raises KeyFileError: when its file cannot be used
        """
        if not _ROBOT.fullmatch(robot_id):
            raise ConfigError('robot', f'{robot_id!r} is no robot id')
        if self._keys is not None:
            key = self._keys.get(robot_id)
            if key is not None:
                return key
        elif self._directory is not None:
            if os.path.lexists(pinned_path(self._directory, robot_id)):
                return load_pinned(self._directory, robot_id)
        raise ConfigError(
            'robot', f"no key of {robot_id} is trusted; see 'ros-cloud-bridge keys trust'"
        )
