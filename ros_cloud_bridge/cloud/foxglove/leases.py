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

"""Streams on demand are leased for as long as a client has subscribed to one of their topics."""

from collections import Counter
from collections.abc import Callable
import logging
import threading

from ros_cloud_bridge.errors import ConfigError

_log = logging.getLogger(__name__)

_Place = tuple[str, str]


class Leases:
    """
    Counts who wants which stream; usable from several threads.

    :param lease: takes robot id and stream, and has the stream leased
    :param release: takes them, and gives the lease back
    """

    def __init__(
        self, lease: Callable[[str, str], None], release: Callable[[str, str], None]
    ) -> None:
        self._lease = lease
        self._release = release
        self._lock = threading.Lock()
        self._wanted: Counter[_Place] = Counter()
        self._on_demand: set[_Place] = set()
        self._held: set[_Place] = set()

    def on_demand(self, robot_id: str, streams: set[str]) -> None:
        """
        Note which streams of a robot need a lease.

        :param robot_id: the robot
        :param streams: their names
        """
        with self._lock:
            others = {place for place in self._on_demand if place[0] != robot_id}
            self._on_demand = others | {(robot_id, stream) for stream in streams}
            self._settle()

    def want(self, place: _Place) -> None:
        """
        Count one more who wants a stream.

        :param place: robot id and stream
        """
        with self._lock:
            self._wanted[place] += 1
            self._settle()

    def leave(self, place: _Place) -> None:
        """
        Count one less.

        :param place: robot id and stream
        """
        with self._lock:
            self._wanted[place] -= 1
            if self._wanted[place] <= 0:
                del self._wanted[place]
            self._settle()

    def _settle(self) -> None:
        due = self._on_demand & self._wanted.keys()
        for place in self._held - due:
            self._release(*place)
        for place in due - self._held:
            try:
                self._lease(*place)
            except ConfigError as error:
                _log.warning('no lease of %s at %s: %s', place[1], place[0], error)
        self._held = due
