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

"""Figures of one boot of a robot's bridge, from documents that tell of its routes in turns."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from ros_cloud_bridge.cloud.health import Health, RouteFigures, Spool
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.cloud.traffic import Traffic

_MAX_ROUTES = 4096
# A rate between two documents is shown for a few times as long as lay between them.
_STALE_S = 30.0
# A topic is silent when so many samples are missing, for longer than so many of its pauses so far.
_MISSING = 10.0
_PAUSES = 1.5
_RECONNECTS_S = 300.0
_MAX_CONNECTIONS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A topic of which the bridge got ``hz`` samples a second, and then none ``for_s`` seconds."""

    for_s: float
    hz: float


@dataclass(slots=True, kw_only=True)
class _Inflow:
    """When a route's ``received`` rose last, on the robot's time, and how it rises as a rule."""

    received: float
    rose_at_s: float
    told_at_s: float
    hz: float
    seen_hz: float | None = None
    longest_pause_s: float = 0.0

    def tell(self, received: float, at_s: float, uptime_s: float) -> None:
        if received > self.received:
            pause_s = self.told_at_s - self.rose_at_s
            self.longest_pause_s = max(self.longest_pause_s, pause_s)
            self.seen_hz = (received - self.received) / (at_s - self.told_at_s)
            self.received, self.rose_at_s = received, at_s
            self.hz = received / max(1.0, uptime_s)
        self.told_at_s = at_s

    @property
    def silence(self) -> Silence | None:
        for_s = self.told_at_s - self.rose_at_s
        # So long that ten samples are missing, and longer than it has paused before.
        if for_s * self.hz < _MISSING or for_s <= _PAUSES * self.longest_pause_s:
            return None
        return Silence(for_s=for_s, hz=self.hz if self.seen_hz is None else self.seen_hz)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """Two tellings of one route: what rose between them, and over how long."""

    before: RouteFigures
    after: RouteFigures
    span_s: float
    told_s: float

    def fresh(self, now: float) -> bool:
        return now - self.told_s <= max(_STALE_S, 3.0 * self.span_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trend:
    """How many samples were spooled at the last telling, and how fast that changed before it."""

    samples: Mapping[str | None, float]
    per_s: Mapping[str | None, float]
    at_s: float
    fresh_until_s: float


class BootFigures:
    """
    What is known of one boot.

    :param boot_id: hexadecimal
    """

    def __init__(self, boot_id: str) -> None:
        self.boot_id = boot_id
        self.health = Health(boot_id=boot_id)
        self.health_s: float | None = None
        self.period_s = 0.0
        self.routes: dict[int, RouteFigures] = {}
        self.traffics: dict[int, Traffic] = {}
        self._names: dict[int, tuple[str, str]] = {}
        self._told_s: dict[int, float] = {}
        self._differences: dict[int, _Difference] = {}
        self._trend: _Trend | None = None
        self._inflows: dict[int, _Inflow] = {}
        # When the bridge told which number its connection has.
        self._connections: deque[tuple[float, float]] = deque(maxlen=_MAX_CONNECTIONS)

    def add_health(self, health: Health, now: float) -> None:
        """
        Take in a document of this boot; routes that it does not tell of stay as they were.

        :param health: what it says
        :param now: monotonic seconds
        """
        if self.health_s is not None:
            self.period_s = now - self.health_s
        self.health, self.health_s = health, now
        # The robot's own time: what lies between two arrivals says more of the link.
        at_s = now if health.uptime_s is None else health.uptime_s
        if health.spool is not None:
            self._follow(health.spool, at_s, now)
        connection = health.link.figures.get('connection')
        if connection is not None:
            self._connections.append((now, connection))
        for route in health.routes:
            if self._note(route.route, route.stream, route.topic):
                self._tell(route, at_s, now)

    def traffic(self, sample: Sample, since_s: float, window_s: float) -> Traffic | None:
        """
        Give where a route's samples are counted.

        :param sample: one of the route's
        :param since_s: since when we listen, monotonic
        :param window_s: how many last seconds count
        :returns: None when there are too many routes
        """
        if not self._note(sample.route, sample.stream, sample.topic):
            return None
        if sample.route not in self.traffics:
            self.traffics[sample.route] = Traffic(since_s, window_s)
        return self.traffics[sample.route]

    def numbers(self) -> list[int]:
        """
        Name all routes.

        :returns: their numbers, rising
        """
        return sorted(self._names)

    def names(self, route: int) -> tuple[str, str]:
        """
        Say what a route stands for.

        :param route: a known number
        :returns: stream and topic
        """
        return self._names[route]

    def per_s(self, route: int, figure: str, now: float) -> float | None:
        """
        Say how fast a figure rises.

        :param route: number
        :param figure: as in ``wire_bytes``
        :param now: monotonic seconds
        :returns: None unless told twice, and lately
        """
        pair = self._differences.get(route)
        if pair is None or not pair.fresh(now):
            return None
        before, after = pair.before.figures.get(figure), pair.after.figures.get(figure)
        if before is None or after is None:
            return None
        return max(0.0, after - before) / pair.span_s

    def drops_per_s(self, route: int, now: float) -> Mapping[str, float] | None:
        """
        Say how fast samples are dropped.

        :param route: number
        :param now: monotonic seconds
        :returns: rates above zero by reason; None unless told twice, and lately
        """
        pair = self._differences.get(route)
        if pair is None or not pair.fresh(now):
            return None
        return {
            reason: (count - pair.before.dropped.get(reason, 0)) / pair.span_s
            for reason, count in pair.after.dropped.items()
            if count > pair.before.dropped.get(reason, 0)
        }

    def silence(self, route: int) -> Silence | None:
        """
        Tell whether the bridge gets nothing of a route any more.

        :param route: number
        :returns: for how long, when it was told last; None while all is well, or unknown
        """
        inflow = self._inflows.get(route)
        return None if inflow is None else inflow.silence

    def uncommitted(self, route: int) -> float:
        """
        Tell how many samples of a durable route wait for a disk that takes none.

        :param route: number
        :returns: samples, when it was told last; 0 while all is well
        """
        pair = self._differences.get(route)
        if pair is None:
            return 0.0
        before, after = pair.before.figures, pair.after.figures
        waited = min(before.get('not_yet_committed', 0.0), after.get('not_yet_committed', 0.0))
        return waited if after.get('committed') == before.get('committed') else 0.0

    def reconnects(self, now: float) -> tuple[int, float]:
        """
        Count reconnects of the last five minutes.

        :param now: monotonic seconds
        :returns: how often, and over how many seconds that was told
        """
        told = [entry for entry in self._connections if entry[0] > now - _RECONNECTS_S]
        if len(told) < 2:
            return 0, 0.0
        return max(0, int(told[-1][1] - told[0][1])), told[-1][0] - told[0][0]

    def backlog_per_s(self, stream: str | None, now: float) -> float | None:
        """
        Say how fast a backlog grows.

        :param stream: its name; None for all of the spool
        :param now: monotonic seconds
        :returns: samples a second, negative where it shrinks; None unless told twice, and lately
        """
        if self._trend is None or now > self._trend.fresh_until_s:
            return None
        return self._trend.per_s.get(stream)

    def _follow(self, spool: Spool, at_s: float, now: float) -> None:
        samples: dict[str | None, float] = {
            stream.name: float(stream.samples) for stream in spool.streams
        }
        if 'samples' in spool.figures:
            samples[None] = spool.figures['samples']
        per_s: dict[str | None, float] = {}
        fresh_until_s = now
        before = self._trend
        if before is not None:
            span_s = at_s - before.at_s
            # A document that comes twice, or late, says nothing new.
            if span_s <= 0.0:
                return
            fresh_until_s += max(_STALE_S, 3.0 * span_s)
            per_s = {
                name: (count - before.samples[name]) / span_s
                for name, count in samples.items()
                if name in before.samples
            }
        self._trend = _Trend(samples=samples, per_s=per_s, at_s=at_s, fresh_until_s=fresh_until_s)

    def _note(self, route: int, stream: str, topic: str) -> bool:
        if route not in self._names and len(self._names) >= _MAX_ROUTES:
            return False
        known = self._names.get(route, ('', ''))
        self._names[route] = (stream or known[0], topic or known[1])
        return True

    def _tell(self, route: RouteFigures, at_s: float, now: float) -> None:
        before = self.routes.get(route.route)
        span_s = at_s - self._told_s.get(route.route, at_s)
        # A document that comes twice, or late, says nothing new.
        if before is not None and span_s <= 0.0:
            return
        if before is not None:
            self._differences[route.route] = _Difference(
                before=before, after=route, span_s=span_s, told_s=now
            )
        self.routes[route.route], self._told_s[route.route] = route, at_s
        received = route.figures.get('received')
        if received is None:
            return
        uptime_s = self.health.uptime_s or 0.0
        inflow = self._inflows.get(route.route)
        if inflow is None:
            hz = received / max(1.0, uptime_s) if uptime_s else 0.0
            self._inflows[route.route] = _Inflow(
                received=received, rose_at_s=at_s, told_at_s=at_s, hz=hz
            )
        else:
            inflow.tell(received, at_s, uptime_s)
