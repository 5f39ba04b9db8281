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


"""What the routes' rates are cut down to: by demand, and by the degradation ladder."""

from collections.abc import Iterable, Sequence

from ros_cloud_bridge.core.demand import Demand
from ros_cloud_bridge.core.ladder import Change, Ladder, LinkLoad, StreamLoad
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.values import BridgeConfig, Drop, Lease

PERIOD_S = 1.0
# Drops that a thin link causes.
_BY_LINK = (Drop.SUPERSEDED, Drop.OVERFLOW_SAMPLES, Drop.OVERFLOW_BYTES, Drop.EXPIRED)
# A sample is late when it has waited this much longer than its stream's own delay.
_LATE_S = 1.0


class Steering:
    """
    Keeps every route's limits in step with ladder and leases.

    :param config: the configuration in force
    :param now: monotonic seconds
    """

    def __init__(self, config: BridgeConfig, now: float) -> None:
        self._config = config
        self._ladder = Ladder(config.all_streams)
        self._demand = Demand(config.all_streams, config.demand)
        self._seen: dict[int, tuple[int, int]] = {}
        self._looked_at = now
        self._next_look = now + PERIOD_S
        self._wanted: dict[str, float | None] = {}

    def configure(self, config: BridgeConfig) -> None:
        """
        Follow a change of the configuration.

        :param config: the new one
        """
        self._config = config
        self._ladder.configure(config.all_streams)
        self._demand.configure(config.all_streams, config.demand)

    def demanded_hz(self, stream: str, now: float) -> float | None:
        """
        Tell what rate consumers want of a stream.

        :param stream: its name
        :param now: monotonic seconds
        :returns: Hz, 0 for nothing; None when the stream needs no lease
        """
        return self._demand.hz(stream, now)

    def lease(
        self, consumer: str, leases: Iterable[Lease], now: float, *, vouched: bool = False
    ) -> list[str]:
        """
        Take a consumer's leases.

        :param consumer: its name
        :param leases: what it wants
        :param now: monotonic seconds
        :param vouched: whether a command's signature has shown that the consumer may
        :returns: why each is refused; empty texts for those that are granted
        """
        return [self._demand.lease(consumer, lease, now, vouched=vouched) for lease in leases]

    def limit(self, routes: Iterable[Route], now: float) -> bool:
        """
        Set the routes' limits.

        :param routes: all routes
        :param now: monotonic seconds
        :returns: whether the demand of a stream has changed
        """
        wanted = {s.name: self._demand.hz(s.name, now) for s in self._config.all_streams}
        for route in routes:
            name = route.stream.name
            position = self._ladder.position(name)
            route.limit(wanted.get(name), position.max_hz, position.level)
        changed = wanted != self._wanted
        self._wanted = wanted
        return changed

    def look(self, routes: Sequence[Route], link: LinkLoad, now: float) -> list[Change]:
        """
        Look once a second at what streams ask of the link, and take a step if it must be.

        :param routes: all routes
        :param link: what the link does
        :param now: monotonic seconds
        :returns: steps that were taken
        """
        if now < self._next_look:
            return []
        elapsed = max(1e-3, now - self._looked_at)
        self._looked_at, self._next_look = now, now + PERIOD_S
        loads = {s.name: [0.0, False] for s in self._config.all_streams}
        for route in routes:
            dropped = sum(route.drops[reason] for reason in _BY_LINK)
            accepted, dropped_before = self._seen.get(route.number, (0, 0))
            self._seen[route.number] = (route.bytes_accepted, dropped)
            load = loads[route.stream.name]
            load[0] += (route.bytes_accepted - accepted) * route.wire_ratio / elapsed
            late = route.age_s(now) > route.stream.max_delay_s + _LATE_S
            load[1] = load[1] or late or dropped > dropped_before
        return self._ladder.update(
            link,
            [
                StreamLoad(name=name, offered_bytes_per_s=rate, suffering=bool(suffering))
                for name, (rate, suffering) in loads.items()
            ],
            now,
        )

    def next_at(self, now: float) -> float:
        """
        Say when to look or to limit again.

        :param now: monotonic seconds
        :returns: monotonic seconds
        """
        ends = self._demand.next_change(now)
        return self._next_look if ends is None else min(ends, self._next_look)

    def streams_document(self, now: float) -> list[dict[str, object]]:
        """
        Describe every stream for ``health``.

        :param now: monotonic seconds
        :returns: JSON-able documents
        """
        documents = []
        for stream in self._config.all_streams:
            position = self._ladder.position(stream.name)
            demand = self._demand.hz(stream.name, now)
            documents.append(
                {
                    'stream': stream.name,
                    'priority': stream.priority.name.lower(),
                    'step': position.step,
                    'steps': position.steps,
                    'now': position.text,
                    'max_hz': position.max_hz,
                    # JSON has no infinity: as fast as the stream allows.
                    'demand_hz': None if demand is None else min(demand, stream.max_hz or 1e5),
                }
            )
        return documents

    def demand_document(self, now: float) -> dict[str, object]:
        """
        Describe leases and refusals for ``health``.

        :param now: monotonic seconds
        :returns: JSON-able document
        """
        return {'leases': self._demand.leases(now), 'refused': self._demand.refusals(now)}
