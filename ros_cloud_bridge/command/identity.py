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

"""Which files commands need, and what a robot says of its key."""

import os
from pathlib import Path
from urllib.parse import quote

from ros_cloud_bridge.signing.keys import PrivateKey
from ros_cloud_bridge.signing.ring import KeyRing
from ros_cloud_bridge.signing.robot_key import load_or_make
from ros_cloud_bridge.store.usage import state_directory
from ros_cloud_bridge.values import BridgeConfig


def robot_key(config: BridgeConfig) -> PrivateKey:
    """
    Give the key that answers are signed with, made when there is none.

    :param config: checked configuration
    :returns: the key
    :raises BridgeError: when its file can be neither read nor made
    """
    return load_or_make(config, state_directory(config))


def identity(key: PrivateKey) -> dict[str, str]:
    """
    Write what stands in ``info`` of a robot's key.

    :param key: the robot's
    :returns: ``key`` and ``kid``, hexadecimal
    """
    return {'key': key.public_bytes.hex(), 'kid': key.kid.hex()}


def key_ring(config: BridgeConfig) -> KeyRing | None:
    """
    Open the directory of operators' public keys.

    :param config: checked configuration
    :returns: None when it names none
    """
    if not config.operator_keys:
        return None
    return KeyRing(Path(os.path.expanduser(config.operator_keys)).absolute())


def audit_path(config: BridgeConfig) -> Path:
    """
    Say where decisions on commands are noted.

    :param config: checked configuration
    :returns: the newest file
    """
    if config.audit.file:
        return Path(os.path.expanduser(config.audit.file)).absolute()
    return state_directory(config) / f'audit-{quote(config.robot_id, safe="")}.jsonl'
