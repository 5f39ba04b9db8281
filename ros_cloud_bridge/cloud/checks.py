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

"""What a consumer is told to do, checked before anything is connected."""

import math
import re

from ros_cloud_bridge.cloud.leasing import MIN_LEASE_S
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.wire.announce import MAX_STREAM_CHARACTERS
from ros_cloud_bridge.wire.topics import DEFAULT_ROOT

_NAME = re.compile('[A-Za-z0-9_-]{1,64}')


def check_root(root: str) -> None:
    """
    Check a fleet's topic root.

    :param root: as in ``rcb/v1``
    :raises ConfigError: names the argument
    """
    if not root or root.startswith(('/', '$')) or root.endswith('/') or set('#+\0') & set(root):
        raise ConfigError('root', f"{root!r} is no topic prefix such as '{DEFAULT_ROOT}'")


def check_name(name: str) -> None:
    """
    Check a consumer's name.

    :param name: what an allow list may hold
    :raises ConfigError: names the argument
    """
    if not _NAME.fullmatch(name):
        raise ConfigError('name', f'{name!r} must be 1 to 64 characters out of A-Z a-z 0-9 _ -')


def check_robots(robots: str) -> None:
    """
    Check which robots are wanted.

    :param robots: a robot id, or a glob over robot ids
    :raises ConfigError: names the argument
    """
    if not robots or set('#+/\0') & set(robots):
        raise ConfigError('robot', f'{robots!r} is neither a robot id nor a glob over robot ids')


def check_lease(stream: str, hz: float, seconds: float) -> None:
    """
    Check a lease.

    :param stream: the stream's name
    :param hz: wanted rate
    :param seconds: for how long at a time
    :raises ConfigError: names the argument
    """
    if not 1 <= len(stream) <= MAX_STREAM_CHARACTERS:
        raise ConfigError('stream', f'must have 1 to {MAX_STREAM_CHARACTERS} characters')
    if not 0.0 <= hz < math.inf:
        raise ConfigError('hz', f'must be a number from 0 on, not {hz}')
    if not MIN_LEASE_S <= seconds < math.inf:
        raise ConfigError('seconds', f'must be a number from {MIN_LEASE_S:g} on, not {seconds}')
