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

from ros_cloud_bridge.core.reducer_chain import parse_chain
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.reducers.interface import RememberingKind
from ros_cloud_bridge.reducers.registry import check, find
from ros_cloud_bridge.values import BridgeConfig, Keep, StreamConfig


def reducer_problems(config: BridgeConfig) -> Iterator[ConfigError]:
    """
    Find reducers that do not exist here, options that they do not have, and what cannot be kept.

    :param config: checked but for that
    :returns: each problem
    """
    for stream in config.streams:
        problem = check(stream.reducer) or _not_durable(stream)
        if problem:
            yield ConfigError(f'stream.{stream.name}.reducer', problem)


def _not_durable(stream: StreamConfig) -> str:
    """Say why samples could not be restored from the spool; empty when they can."""
    if stream.keep is Keep.DURABLE:
        for step in parse_chain(stream.reducer):
            if isinstance(find(step.name), RememberingKind):
                return (
                    f"{step.name}: not with 'keep: durable', for its samples need others before "
                    "them and one that is lost takes those with it; use 'keep: fifo'"
                )
    return ''
