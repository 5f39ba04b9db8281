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

"""The robot's own key, which signs its answers."""

import os
from pathlib import Path
from urllib.parse import quote

from ros_cloud_bridge.signing.files import KeyFileError
from ros_cloud_bridge.signing.keys import PrivateKey
from ros_cloud_bridge.values import BridgeConfig


def robot_key_path(config: BridgeConfig, state_directory: Path) -> Path:
    """
    Tell where the robot's key stands.

    :param config: with ``robot_key_file``, or without
    :param state_directory: where the robot keeps what outlives a restart
    :returns: the file
    """
    if config.robot_key_file:
        return Path(os.path.expanduser(config.robot_key_file)).absolute()
    return state_directory / f'robot-{quote(config.robot_id, safe="")}.key'


def load_or_make(config: BridgeConfig, state_directory: Path) -> PrivateKey:
    """
    Read the robot's key, or make it at the first start.

    One that stands there and can't be used is not replaced: operators have pinned it.

    :param config: names the robot, and the file if it is not the usual one
    :param state_directory: where the robot keeps what outlives a restart
    :returns: the key
    :raises KeyFileError: when it can be neither read nor made
    """
    path = robot_key_path(config, state_directory)
    if not os.path.lexists(path):
        made = PrivateKey.generate()
        try:
            made.save(path)
            return made
        except KeyFileError:
            # Unless somebody made it meanwhile.
            if not os.path.lexists(path):
                raise
    return PrivateKey.load(path)
