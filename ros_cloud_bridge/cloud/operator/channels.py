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
from typing import Any

_MOST_CHANNELS = 1_000
_LEAST_TTL_S = 0.1
_LONGEST_TEXT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedChannel:
    """
    A channel of a robot, as its ``info`` lists it.

    ``type_name`` is as in ``geometry_msgs/msg/Twist``, or empty; ``max_ttl_s`` is the longest time
    that a command may ask for, None where the robot does not say.
    """

    name: str
    kind: str
    type_name: str
    lease: bool
    max_ttl_s: float | None


def offered_channels(info: Mapping[str, Any]) -> dict[str, OfferedChannel]:
    """
    Read a robot's channels.

    :param info: the document
    :returns: them by name, without those that are malformed
    """
    listed = info.get('channels')
    found = {}
    for one in listed[:_MOST_CHANNELS] if isinstance(listed, list) else ():
        if isinstance(one, dict) and _is_text(one.get('name')) and _is_text(one.get('kind')):
            found[one['name']] = OfferedChannel(
                name=one['name'],
                kind=one['kind'],
                type_name=one['type'] if _is_text(one.get('type')) else '',
                lease=one.get('lease') is True,
                max_ttl_s=_ttl_s(one.get('max_ttl_s')),
            )
    return found


def _is_text(value: object) -> bool:
    # JSON can name halves of surrogate pairs, on which whoever writes the text out would fail.
    return (
        isinstance(value, str)
        and len(value) <= _LONGEST_TEXT
        and not any('\ud800' <= letter <= '\udfff' for letter in value)
    )


def _ttl_s(value: object) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    # No robot has less: what says so would only have commands come too late.
    return float(value) if _LEAST_TTL_S <= value < float('inf') else None
