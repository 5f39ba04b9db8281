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

"""What a robot says that it can be commanded; everything in it counts as hostile."""

from collections.abc import Mapping
from dataclasses import dataclass
import re
from typing import Any

from ros_cloud_bridge.values import ChannelKind

_MOST_CHANNELS = 1_000
_LEAST_TTL_S = 0.1
_LONGEST_TTL_S = 86_400.0
# A name is a level of MQTT topics, and part of names in graphs.
_NAME = re.compile('[A-Za-z0-9_-]{1,64}')
_LONGEST_TYPE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedChannel:
    """
    A channel of a robot, as its ``info`` lists it.

    ``type_name`` is as in ``geometry_msgs/msg/Twist``, or empty; ``max_ttl_s`` is the longest time
    that a command may ask for, None where the robot does not say.
    """

    name: str
    kind: ChannelKind
    type_name: str
    lease: bool
    max_ttl_s: float | None

    def ttl_s(self, wanted_s: float) -> float:
        """
        Say what time a command may ask for.

        :param wanted_s: what it would like
        :returns: that, or less
        """
        return wanted_s if self.max_ttl_s is None else min(wanted_s, self.max_ttl_s)


def offered_channels(info: Mapping[str, Any] | None) -> dict[str, OfferedChannel]:
    """
    Read a robot's channels.

    :param info: the document; None while there is none
    :returns: them by name, the first of each, without those that make no sense
    """
    listed = None if info is None else info.get('channels')
    found: dict[str, OfferedChannel] = {}
    for entry in listed[:_MOST_CHANNELS] if isinstance(listed, list) else ():
        channel = _read(entry) if isinstance(entry, Mapping) else None
        if channel is not None:
            found.setdefault(channel.name, channel)
    return found


def _read(entry: Mapping[str, Any]) -> OfferedChannel | None:
    name, type_name = entry.get('name'), entry.get('type', '')
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    # JSON can name halves of surrogate pairs, on which whoever writes the text out would fail.
    if not isinstance(type_name, str) or not type_name.isascii() or len(type_name) > _LONGEST_TYPE:
        return None
    max_ttl_s = entry.get('max_ttl_s')
    if max_ttl_s is not None:
        if isinstance(max_ttl_s, bool) or not isinstance(max_ttl_s, (int, float)):
            return None
        # No robot has less: what says so would only have commands come too late.
        if not _LEAST_TTL_S <= max_ttl_s < float('inf'):
            return None
        max_ttl_s = float(min(max_ttl_s, _LONGEST_TTL_S))
    try:
        kind = ChannelKind(entry.get('kind'))
    except ValueError:
        return None
    return OfferedChannel(
        name=name,
        kind=kind,
        type_name=type_name,
        lease=entry.get('lease') is True,
        max_ttl_s=max_ttl_s,
    )
