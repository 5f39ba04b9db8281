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

"""Hand samples out of a ring to durable routes, no faster than the spool commits them."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from ros_cloud_bridge.core.durable_route import DurableRoute
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.errors import BridgeError
from ros_cloud_bridge.store.ring_records import Kept
from ros_cloud_bridge.values import Received
from ros_cloud_bridge.wire.batch import Descriptor

# Of one topic at a time: well below what a route holds in memory, and no long wait for others.
MOST_SAMPLES = 256
MOST_BYTES = 1024 * 1024
# Of all topics together, on their way from the ring.
MOST_WAITING_SAMPLES = 4096
MOST_WAITING_BYTES = 2 * MOST_BYTES


class Port(Protocol):
    """What of the bridge a black box needs."""

    @property
    def boot_id(self) -> str:
        """The boot id, hexadecimal."""

    def offer(self, route: Route, samples: Sequence[Received]) -> None:
        """
        Take in samples.

        :param route: their route
        :param samples: in order
        """


class Feeder:
    """
    Feeds routes.

    :param port: the bridge
    :param open_route: gives the route of a topic; raises BridgeError when there can be none
    """

    def __init__(self, port: Port, open_route: Callable[[Descriptor], Route]) -> None:
        self.problems: dict[str, str] = {}
        self._port = port
        self._open_route = open_route
        self._routes: dict[Descriptor, Route] = {}
        self._waiting: dict[Route, deque[Received]] = {}
        self._waiting_bytes = 0

    def knows(self, topic: Descriptor, route: Route) -> None:
        """
        Note the route of a topic.

        :param topic: the topic
        :param route: its route
        """
        self._routes[topic] = route

    def route_of(self, topic: Descriptor) -> Route | None:
        """
        Find the route of a topic.

        :param topic: the topic, perhaps of an earlier boot
        :returns: None when there can be none; ``problems`` says why
        """
        route = self._routes.get(topic)
        if route is None and topic.topic not in self.problems:
            try:
                route = self._routes[topic] = self._open_route(topic)
            except BridgeError as error:
                self.problems[topic.topic] = str(error)
        return route

    def put(self, samples: Iterable[tuple[Route, Kept]]) -> None:
        """
        Take in what is to be offered.

        :param samples: in the order of time
        """
        for route, kept in samples:
            self._waiting.setdefault(route, deque()).append(kept.sample)
            self._waiting_bytes += len(kept.sample.cdr)

    @property
    def hungry(self) -> bool:
        """Whether more may be put in."""
        waiting = sum(map(len, self._waiting.values()))
        return waiting < MOST_WAITING_SAMPLES and self._waiting_bytes < MOST_WAITING_BYTES

    @property
    def empty(self) -> bool:
        """Whether everything was offered."""
        return not self._waiting

    @property
    def committed(self) -> bool:
        """Whether everything that was offered is on disk, or known not to get there."""
        return not self._waiting and not any(map(_uncommitted, tuple(self._routes.values())))

    def offer(self) -> bool:
        """
        Offer what the routes have room for.

        :returns: whether anything was offered
        """
        # One chunk of a topic at a time, so that a route never has to choose what to drop.
        ready = [route for route in self._waiting if not _uncommitted(route)]
        for route in ready:
            chunk = self._chunk(self._waiting[route])
            if not self._waiting[route]:
                del self._waiting[route]
            self._port.offer(route, chunk)
        return bool(ready)

    def _chunk(self, waiting: deque[Received]) -> list[Received]:
        chunk: list[Received] = []
        size = 0
        while waiting and len(chunk) < MOST_SAMPLES:
            size += len(waiting[0].cdr)
            if chunk and size > MOST_BYTES:
                break
            chunk.append(waiting.popleft())
            self._waiting_bytes -= len(chunk[-1].cdr)
        return chunk


def _uncommitted(route: Route) -> int:
    return route.not_yet_committed if isinstance(route, DurableRoute) else 0
