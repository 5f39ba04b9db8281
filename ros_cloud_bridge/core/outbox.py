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


"""The outbox: every route's queue, and what of them makes a batch."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.values import Drop

# Raw bytes and samples that one batch has at most. More would gain little compression and delay
# the next decision.
BATCH_BYTES = 1024 * 1024
BATCH_SAMPLES = 8192
BATCH_ROUTES = 1024


class Part(NamedTuple):
    """What of a batch is a route's: how many samples, and the first and last of their numbers."""

    route: Route
    samples: int
    span: tuple[int, int] = (1, 0)

    def settle(self, reason: Drop | None) -> None:
        """
        Say what became of the samples.

        :param reason: why they were dropped; None when they were delivered
        """
        self.route.settle(self.samples, reason, self.span)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Samples that a route gave for a batch, at least one."""

    route: Route
    samples: list[Queued]

    @property
    def part(self) -> Part:
        """What is left to know of them once they are encoded."""
        samples = self.samples
        return Part(self.route, len(samples), (samples[0].sequence, samples[-1].sequence))


class Outbox:
    """Routes by number, and what of them goes next."""

    def __init__(self) -> None:
        self._routes: dict[int, Route] = {}

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

    def ready(self, now: float, flush: bool = False) -> list[Route]:
        """
        Say which routes have a batch to send; drops what has become worthless on the way.

        :param now: monotonic seconds
        :param flush: whether whatever waits is ready, as before a shutdown
        :returns: routes of the highest class first, within a class those that wait longest
        """
        ready = []
        for route in self._routes.values():
            route.expire(now)
            due = route.due_at()
            if due is not None and (flush or due <= now or route.queued_bytes >= BATCH_BYTES):
                ready.append((route.stream.priority, due, route.number, route))
        return [entry[-1] for entry in sorted(ready, key=lambda entry: entry[:3])]

    def next_due(self) -> float | None:
        """
        Say when the next batch will be due if nothing else comes in.

        :returns: monotonic seconds, or None when nothing waits
        """
        return min(
            (due for route in self._routes.values() if (due := route.due_at()) is not None),
            default=None,
        )

    def take(
        self,
        lead: Route,
        now: float,
        *,
        most: float = BATCH_BYTES,
        small: float = BATCH_BYTES,
        busy: Collection[int] = (),
    ) -> list[Taken]:
        """
        Take a batch for the route whose turn it is, and what of its class may ride along.

        Routes that are not due yet ride along once half of their delay is over: their bytes cost
        the same later, and come fresher now. Those whose delay is no longer than that of a lead
        that is due ride at once, so that all of one delay keep in step and make one batch instead
        of several. But none rides in a batch that needs more than one fragment: it would arrive
        with the last.

        :param lead: the route; it has something waiting
        :param now: monotonic seconds
        :param most: bytes on the wire to aim at; a larger single sample goes alone
        :param small: bytes on the wire up to which others ride along
        :param busy: numbers of routes that have a batch underway
        :returns: samples by route, the lead's first
        """
        due = lead.due_at()
        in_step_s = lead.stream.max_delay_s if due is not None and due <= now else 0.0
        taken = [self._take(lead, most, BATCH_SAMPLES)]
        wire = _raw_bytes(taken[0]) * lead.wire_ratio
        samples_left = BATCH_SAMPLES - len(taken[0].samples)
        small = min(small, most)
        for route in self._riders(lead, now, busy, in_step_s):
            left = small - wire
            if samples_left <= 0 or len(taken) >= BATCH_ROUTES or left <= 0:
                break
            if route.next_size() * route.wire_ratio > left:
                continue
            part = self._take(route, left, samples_left)
            wire += _raw_bytes(part) * route.wire_ratio
            samples_left -= len(part.samples)
            taken.append(part)
        return taken

    def enforce(self, max_bytes: int) -> int:
        """
        Drop what all queues together hold beyond a bound, of the least important class first.

        :param max_bytes: most bytes of all queues together
        :returns: bytes that wait now
        """
        routes = [route for route in self._routes.values() if route.waiting_bytes]
        excess = sum(route.waiting_bytes for route in routes) - max_bytes
        while excess > 0 and routes:
            victim = max(routes, key=lambda route: (route.stream.priority, route.waiting_bytes))
            before = victim.waiting_bytes
            # The newest sample of a route is kept, as with the route's own bound.
            if not victim.drop_oldest(Drop.OVERFLOW_BYTES):
                routes.remove(victim)
            excess -= before - victim.waiting_bytes
        return max_bytes + excess

    @staticmethod
    def _take(route: Route, wire_bytes: float, samples: int) -> Taken:
        raw = min(BATCH_BYTES, int(wire_bytes / route.wire_ratio))
        return Taken(route=route, samples=route.take(raw, samples))

    def _riders(
        self, lead: Route, now: float, busy: Collection[int], in_step_s: float
    ) -> list[Route]:
        riders = []
        for route in self._routes.values():
            if route is lead or route.stream.priority is not lead.stream.priority:
                continue
            # What is promised is sent again by rules of its own.
            if route.durable is not lead.durable:
                continue
            due = route.due_at()
            if due is None or route.number in busy:
                continue
            delay_s = route.stream.max_delay_s
            if delay_s <= in_step_s or due - delay_s / 2 <= now:
                riders.append((due, route.number, route))
        return [route for _, _, route in sorted(riders, key=lambda entry: entry[:2])]


def _raw_bytes(taken: Taken) -> int:
    return sum([len(entry.sample.cdr) for entry in taken.samples])
