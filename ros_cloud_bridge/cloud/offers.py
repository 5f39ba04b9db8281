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

"""With what QoS robots' topics are published, as ``info`` says it."""

from collections.abc import Mapping
from typing import Any

from ros_cloud_bridge.values import OfferedQos

_MOST_DEPTH = 256
_MOST_LIFESPAN_S = 1e6

# A reliable publisher suits every subscription.
DEFAULT = OfferedQos(reliable=True, transient_local=False)
LATCHED = OfferedQos(reliable=True, transient_local=True, depth=1)


class Offers:
    """
    What ``info`` says of a robot's topics.

    :param info: a robot's document; hostile
    """

    def __init__(self, info: Mapping[str, Any] | None) -> None:
        routes = None if info is None else info.get('routes')
        entries = routes if isinstance(routes, list) else []
        self._known = {
            (entry.get('topic'), entry.get('type')): _read(entry)
            for entry in entries
            if isinstance(entry, Mapping)
        }
        # On a thin link it lists no routes at all, and nothing more is to be expected.
        self._whole = info is None or info.get('routes_total') == len(entries)

    def find(self, topic: str, type_name: str) -> OfferedQos | None:
        """
        Find a topic.

        :param topic: ROS topic
        :param type_name: its type
        :returns: the QoS, by default what suits every subscription; None while a later ``info`` is
            expected to tell more
        """
        known = self._known.get((topic, type_name))
        return DEFAULT if known is None and not self._whole else known


def _read(entry: Mapping[str, Any]) -> OfferedQos:
    qos = entry.get('qos')
    if not isinstance(qos, Mapping):
        # A bridge that does not tell it yet.
        return LATCHED if entry.get('latched') is True else DEFAULT
    depth = qos.get('depth')
    lasting = qos.get('durability') == 'transient_local'
    return OfferedQos(
        reliable=qos.get('reliability') != 'best_effort',
        transient_local=lasting,
        depth=min(depth, _MOST_DEPTH) if type(depth) is int and depth > 0 else 0,
        lifespan_s=_lifespan_s(qos.get('lifespan_s')) if lasting else 0.0,
    )


def _lifespan_s(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        return 0.0
    return float(min(value, _MOST_LIFESPAN_S))
