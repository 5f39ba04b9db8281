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

"""When latched values are published again."""

from collections.abc import Iterable

from ros_cloud_bridge.core.route import Route

# A changed value waits this long after the last one for further changes.
_REST_S = 1.0


class LatchedTurns:
    """Which routes' latched values are due."""

    def __init__(self) -> None:
        self._taken_at: dict[int, float] = {}

    def due(self, routes: Iterable[Route], now: float) -> list[Route]:
        """
        Find what has changed and rested.

        :param routes: all routes
        :param now: monotonic seconds
        :returns: the routes
        """
        due = []
        for route in routes:
            if route.latched is None or not (route.latched.changed and route.latched.samples):
                continue
            if now - self._taken_at.get(route.number, float('-inf')) >= _REST_S:
                due.append(route)
        return due

    def taken(self, route: Route, now: float) -> None:
        """
        Note that a route's latched values are being published.

        :param route: a latched route
        :param now: monotonic seconds
        """
        assert route.latched is not None
        route.latched.changed = False
        self._taken_at[route.number] = now

    def again(self, routes: Iterable[Route], topic: str | None = None) -> int:
        """
        Have latched values published once more.

        :param routes: all routes
        :param topic: the one that is meant; all when left out
        :returns: bytes of the values
        """
        size = 0
        for route in routes:
            if route.latched is not None and topic in (None, route.topic):
                route.latched.changed = True
                size += sum(len(entry.sample.cdr) for entry in route.latched.samples)
        return size
