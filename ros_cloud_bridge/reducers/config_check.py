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

"""The reducers of a configuration, judged before there is any topic."""

from collections.abc import Iterator

from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.reducers.registry import check
from ros_cloud_bridge.values import BridgeConfig


def reducer_problems(config: BridgeConfig) -> Iterator[ConfigError]:
    """
    Find reducers that do not exist here, and options that they do not have.

    :param config: checked but for that
    :returns: each problem
    """
    for stream in config.streams:
        problem = check(stream.reducer)
        if problem:
            yield ConfigError(f'stream.{stream.name}.reducer', problem)
