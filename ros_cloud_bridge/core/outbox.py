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

"""
The outbox: every route's queue, and whose turn it is.

Classes and, within a class, routes share the link by deficit round robin (Shreedhar and Varghese,
1995): each turn adds a quantum in proportion to the weight, and what was sent is charged. No class
and no route starves, and an idle one saves nothing up; what it owes it works off at its own pace,
or is let off once nobody waits.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.values import Drop, Priority

CLASS_WEIGHT = {Priority.HIGH: 16.0, Priority.NORMAL: 4.0, Priority.LOW: 1.0}
_QUANTUM = 4096.0
# Raw bytes and samples that one batch aims at. More would gain little compression and delay the
# next decision.
BATCH_BYTES = 1024 * 1024
BATCH_SAMPLES = 8192
BATCH_ROUTES = 1024


class DeficitRoundRobin:
    """Whose turn it is among weighted contenders, in bytes."""

    def __init__(self) -> None:
        self._deficit: dict[object, float] = {}
        self._weights: dict[object, float] = {}

    def pick(self, ready: Iterable[tuple[object, float]]) -> object | None:
        """
        Pick the next contender.

        :param ready: (contender, weight) of those that have something to send, the preferred first
        :returns: the one to serve, or None when nobody is ready
        """
        contenders = dict(ready)
        if not contenders:
            self._deficit.clear()
            self._weights.clear()
            return None
        self._weights.update(contenders)
        deficit = self._deficit
        for name in [name for name, left in deficit.items() if left >= 0.0]:
            if name not in contenders:
                self._forget(name)
        # As many whole rounds at once as the nearest contender needs, instead of one at a time.
        rounds = min(
            max(0.0, -deficit.get(name, 0.0) // (_QUANTUM * weight))
            for name, weight in contenders.items()
        )
        while True:
            if rounds > 0.0:
                self._advance(rounds, contenders)
            for name in contenders:
                if deficit.get(name, 0.0) > 0.0:
                    return name
            rounds = 1.0

    def _advance(self, rounds: float, contenders: Iterable[object]) -> None:
        deficit = self._deficit
        for name in contenders:
            deficit.setdefault(name, 0.0)
        for name in list(deficit):
            deficit[name] += rounds * _QUANTUM * self._weights[name]
            if deficit[name] >= 0.0 and name not in contenders:
                self._forget(name)

    def _forget(self, name: object) -> None:
        del self._deficit[name]
        del self._weights[name]

    def charge(self, name: object, size: float) -> None:
        """
        Charge what a contender sent.

        :param name: the contender
        :param size: bytes
        """
        self._deficit[name] = self._deficit.get(name, 0.0) - size
        self._weights.setdefault(name, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Samples that a route gave for a batch."""

    route: Route
    samples: list[Queued]


class Outbox:
    """Routes by number, and what of them goes next."""

    def __init__(self) -> None:
        self._routes: dict[int, Route] = {}
        self._turns = {priority: DeficitRoundRobin() for priority in Priority}

    def add(self, route: Route) -> None:
        """
        Add a route.

        :param route: its number must be new
        """
        if route.number in self._routes:
            raise ValueError(f'route {route.number} exists')
        self._routes[route.number] = route

    @property
    def routes(self) -> tuple[Route, ...]:
        """All routes, in the order in which they came."""
        return tuple(self._routes.values())

    def ready(self, now: float, flush: bool = False) -> list[Priority]:
        """
        Say which classes have a batch to send.

        :param now: monotonic seconds
        :param flush: whether whatever waits is ready, as before a shutdown
        :returns: classes, the highest first
        """
        classes = set()
        for route in self._routes.values():
            route.expire(now)
            due = route.due_at()
            if due is not None and (
                flush or due <= now or route.queued_bytes >= BATCH_BYTES
            ):
                classes.add(route.stream.priority)
        return sorted(classes)

    def next_due(self) -> float | None:
        """
        Say when the next batch will be due if nothing else comes in.

        :returns: monotonic seconds, or None when nothing waits
        """
        return min(
            (due for route in self._routes.values() if (due := route.due_at()) is not None),
            default=None,
        )

    def take(self, priority: Priority, now: float, max_bytes: int = BATCH_BYTES) -> list[Taken]:
        """
        Take one batch out of a class.

        Routes that are not due yet ride along once half of their delay is over: their bytes cost
        the same later, and come fresher now.

        :param priority: the class
        :param now: monotonic seconds
        :param max_bytes: raw bytes to aim at; a larger single sample goes alone
        :returns: samples by route; empty when nothing waits
        """
        contenders = {
            route.number: route
            for route in self._routes.values()
            if route.stream.priority is priority and self._rides_along(route, now)
        }
        turns = self._turns[priority]
        taken: dict[int, list[Queued]] = {}
        left, samples_left = max_bytes, BATCH_SAMPLES
        while contenders and samples_left > 0:
            number = turns.pick(
                [(number, route.stream.weight) for number, route in contenders.items()]
            )
            assert isinstance(number, int)
            route = contenders[number]
            if len(route) == 0:
                del contenders[number]
                continue
            if taken and (route.next_size() > left or len(taken) >= BATCH_ROUTES):
                # Its turn has come, so it opens the next batch. Serving others in its place would
                # let them keep a sample that only ever fits an empty batch waiting forever.
                break
            quantum = max(1, int(_QUANTUM * route.stream.weight))
            before = route.queued_bytes
            entries = route.take(
                left if len(contenders) == 1 else min(left, quantum), samples_left
            )
            turns.charge(number, before - route.queued_bytes)
            left -= before - route.queued_bytes
            samples_left -= len(entries)
            taken.setdefault(number, []).extend(entries)
        if not contenders:
            turns.pick([])
        return [
            Taken(route=self._routes[number], samples=entries) for number, entries in taken.items()
        ]

    def enforce(self, max_bytes: int) -> None:
        """
        Drop what all queues together hold beyond a bound, of the least important class first.

        :param max_bytes: most bytes of all queues together
        """
        routes = [route for route in self._routes.values() if route.queued_bytes]
        excess = sum(route.queued_bytes for route in routes) - max_bytes
        while excess > 0 and routes:
            victim = max(routes, key=lambda route: (route.stream.priority, route.queued_bytes))
            before = victim.queued_bytes
            # The newest sample of a route is kept, as with the route's own bound.
            if not victim.drop_oldest(Drop.OVERFLOW_BYTES):
                routes.remove(victim)
            excess -= before - victim.queued_bytes

    @staticmethod
    def _rides_along(route: Route, now: float) -> bool:
        due = route.due_at()
        return due is not None and (
            due - route.stream.max_delay_s / 2 <= now or route.queued_bytes >= BATCH_BYTES
        )
