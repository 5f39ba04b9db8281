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

"""Where a robot's spool is, and whether it has one."""

from pathlib import Path
from urllib.parse import quote

from ros_cloud_bridge.store.usage import state_directory
from ros_cloud_bridge.values import BridgeConfig, Keep


def spool_path(config: BridgeConfig) -> Path:
    """
    Say where a robot's spool is.

    :param config: checked configuration
    :returns: the database
    """
    name = f'spool-{quote(config.robot_id, safe="")}.sqlite3'
    return state_directory(config) / name


def needs_spool(config: BridgeConfig) -> bool:
    """
    Tell whether a bridge has a spool: for durable streams, or for what an earlier boot left there.

    :param config: checked configuration
    :returns: whether it has
    """
    durable = any(stream.keep is Keep.DURABLE for stream in config.all_streams)
    try:
        return durable or spool_path(config).exists()
    except OSError:
        return durable
