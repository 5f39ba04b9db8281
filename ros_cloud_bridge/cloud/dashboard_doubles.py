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

"""Find out that somebody else publishes the same dashboards: each value would come twice."""

from collections import OrderedDict
from collections.abc import Callable
import threading

DOUBLE = (
    'another dashboard publishes there, too: everything comes twice; end one, share robots out by '
    '--robot, or give one a --prefix'
)
# Longer ago somebody else may have taken over.
_RECENT_S = 60.0
_MAX_TOPICS = 65536


class Doubles:
    """
    Compares what others publish with what we do; usable from several threads.

    :param tell: takes an MQTT topic that has two publishers, once
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told = False
        self._lock = threading.Lock()
        self._ours: OrderedDict[str, float] = OrderedDict()
        self._others: dict[str, float] = {}

    def ours(self, topic: str, now: float) -> None:
        """
        Note that we published.

        :param topic: MQTT topic
        :param now: monotonic seconds
        """
        with self._lock:
            self._ours[topic] = now
            self._ours.move_to_end(topic)
            if len(self._ours) > _MAX_TOPICS:
                gone, _ = self._ours.popitem(last=False)
                self._others.pop(gone, None)

    def others(self, topic: str, now: float) -> None:
        """
        Note that somebody else did.

        :param topic: MQTT topic
        :param now: monotonic seconds
        """
        with self._lock:
            ours = self._ours.get(topic)
            if self._told or ours is None or now - ours > _RECENT_S:
                return
            # In turns: a robot that begins to make its own is left alone from then on.
            first = self._others.setdefault(topic, now)
            if not first < ours:
                return
            if now - first > _RECENT_S:
                self._others[topic] = now
                return
            self._told = True
        self._tell(topic)
