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

"""The channels that a robot's ``info`` offers."""

from collections.abc import Mapping
from dataclasses import dataclass
import math
import re
from typing import Any

from ros_cloud_bridge.values import ChannelKind

_MOST = 64
_NAME = re.compile('[A-Za-z0-9_-]{1,64}')
_MOST_TYPE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel, as a robot describes it."""

    name: str
    kind: ChannelKind
    type_name: str
    lease: bool
    max_ttl_s: float


def read_channels(info: Mapping[str, Any] | None) -> tuple[Channel, ...]:
    """
    Read the channels of a robot.

    :param info: its document; hostile
    :returns: those that make sense, at most 64
    """
    entries = None if info is None else info.get('channels')
    found: dict[str, Channel] = {}
    for entry in entries[:_MOST] if isinstance(entries, list) else ():
        channel = _read(entry) if isinstance(entry, Mapping) else None
        if channel is not None:
            found.setdefault(channel.name, channel)
    return tuple(found.values())


def _read(entry: Mapping[str, Any]) -> Channel | None:
    name, kind, type_name = entry.get('name'), entry.get('kind'), entry.get('type', '')
    max_ttl_s = entry.get('max_ttl_s')
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    if not isinstance(type_name, str) or len(type_name) > _MOST_TYPE:
        return None
    if isinstance(max_ttl_s, bool) or not isinstance(max_ttl_s, (int, float)):
        return None
    if not 0 < max_ttl_s < math.inf:
        return None
    try:
        return Channel(
            name=name,
            kind=ChannelKind(kind),
            type_name=type_name,
            lease=entry.get('lease') is True,
            max_ttl_s=float(min(max_ttl_s, 86400)),
        )
    except ValueError:
        return None
