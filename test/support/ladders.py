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

"""What tests of the degradation ladder share: streams with ladders, and loads."""

from ros_cloud_bridge.core.ladder import LinkLoad, StreamLoad
from ros_cloud_bridge.values import Priority, StreamConfig

LADDER = ('5hz', '1hz', 'pause')


def stream(
    name: str,
    priority: Priority = Priority.NORMAL,
    ladder: tuple[str, ...] = LADDER,
    weight: float = 1.0,
    max_hz: float = 10.0,
) -> StreamConfig:
    return StreamConfig(
        name=name,
        topics=(f'/{name}',),
        priority=priority,
        ladder=ladder,
        weight=weight,
        max_hz=max_hz,
    )


def link(rate: float | None = None, limited: bool = True, connected: bool = True) -> LinkLoad:
    return LinkLoad(rate_bytes_per_s=rate, limited=limited, connected=connected)


def load(name: str, offered: float = 1000.0, suffering: bool = True) -> StreamLoad:
    return StreamLoad(name=name, offered_bytes_per_s=offered, suffering=suffering)
