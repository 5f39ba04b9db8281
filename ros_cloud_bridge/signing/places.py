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

"""Where an operator's own keys and the robots' pinned keys stand."""

import os
from pathlib import Path

from ros_cloud_bridge.signing.keys import PublicKey


def keys_directory() -> Path:
    """
    Find the user's directory of keys; it need not exist.

    :returns: as the XDG base directories have it
    """
    # The specification ignores a path that is relative.
    base = Path(os.environ.get('XDG_CONFIG_HOME', ''))
    if not base.is_absolute():
        base = Path(os.path.expanduser('~')) / '.config'
    return base / 'ros_cloud_bridge' / 'keys'


def operator_key_path(directory: Path, name: str) -> Path:
    """
    Tell where an operator's private key stands.

    :param directory: of keys
    :param name: the operator, with a label or without
    :returns: the file
    """
    return directory / f'{name}.key'


def robots_directory(directory: Path) -> Path:
    """
    Tell where the robots' keys are pinned.

    :param directory: of keys
    :returns: a directory of ``{robot}.pub``
    """
    return directory / 'robots'


def pinned_path(robots: Path, robot_id: str) -> Path:
    """
    Tell where a robot's key is pinned.

    :param robots: directory of ``{robot}.pub``
    :param robot_id: the robot
    :returns: the file
    """
    return robots / f'{robot_id}.pub'


def load_pinned(robots: Path, robot_id: str) -> PublicKey:
    """
    Read a robot's pinned key.

    :param robots: directory of ``{robot}.pub``
    :param robot_id: the robot
    :returns: its key
    :raises KeyFileError: when it is not pinned, or the file can't be used
    """
    return PublicKey.load(pinned_path(robots, robot_id))
