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

"""Bridges on a virtual link: loads like those of ``benchmarks/link.py``, and figures of a run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.simulation.bridge import Dallying, SimulatedBridge
from ros_cloud_bridge.simulation.link import LinkProfile, prompt, VirtualLink
from ros_cloud_bridge.values import (
    Algorithm,
    BridgeConfig,
    Keep,
    LinkConfig,
    Priority,
    StreamConfig,
)

POSE_BYTES = 720
# What zstd leaves of a real one.
_POSE_NEWS = 100


@dataclass(frozen=True, kw_only=True)
class Limits:
    """A broker's limits; those of mosquitto unless said otherwise."""

    max_in_flight: int = 20
    max_in_flight_bytes: int = 512 * 1024
    max_payload_bytes: int = 120 * 1024
    max_retained_bytes: int = 0
    topic_aliases: int = 5
    max_messages_per_s: float = 0.0
    max_bytes_per_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Source:
    """A topic and its stream: ``size`` bytes at ``hz``, of which ``news`` cannot be compressed."""

    stream: StreamConfig
    hz: float
    size: int
    news: int | None = None


def stream(name: str, priority: Priority, **policy: object) -> StreamConfig:
    """
    Make a stream of one topic.

    :param name: of the stream and the topic
    :param priority: its class
    :param policy: further fields
    :returns: the stream
    """
    base = StreamConfig(name=name, topics=(f'/{name}',), keep=Keep.LATEST, priority=priority)
    return replace(base, **policy)  # type: ignore[arg-type]


def robot(demand_bytes_per_s: float) -> list[Source]:
    """
    Make the load of ``benchmarks/link.py``: a pose, small messages, a scan and a camera.

    :param demand_bytes_per_s: sum of all messages
    :returns: sources, the pose first
    """
    pose = Source(
        stream=stream('pose', Priority.HIGH, max_delay_s=0.0),
        hz=10.0,
        size=POSE_BYTES,
        news=_POSE_NEWS,
    )
    imu = Source(stream=stream('imu', Priority.NORMAL), hz=20.0, size=200)
    left = max(0.0, demand_bytes_per_s - pose.hz * pose.size - imu.hz * imu.size)
    scan = Source(
        stream=stream('scan', Priority.NORMAL), hz=10.0, size=max(64, round(left / 14.0))
    )
    camera = Source(stream=stream('camera', Priority.LOW), hz=2.0, size=max(64, round(left / 7.0)))
    return [pose, imu, scan, camera]


def kbit(rate: float) -> float:
    """
    Convert a rate.

    :param rate: kbit/s
    :returns: bytes per second
    """
    return rate * 125.0


class World:
    """
    Bridges with their loads on one link; the accounts are held against each other all the time.

    :param rates_kbit: (from this second on, kbit/s)
    :param profile: further fields of the link's profile
    """

    def __init__(
        self,
        rates_kbit: Sequence[tuple[float, float]],
        *,
        delay_s: float = 0.0005,
        jitter_s: float = 0.0,
        stalls: Sequence[tuple[float, float]] = (),
        answer: Callable[[float], float | None] = prompt,
        seed: int = 1,
    ) -> None:
        self.link = VirtualLink(
            LinkProfile(
                rates=[(at, kbit(rate)) for at, rate in rates_kbit],
                delay_s=delay_s,
                jitter_s=jitter_s,
                stalls=stalls,
                answer=answer,
                seed=seed,
            )
        )
        self.bridges: list[SimulatedBridge] = []
        self._random = Random(seed)
        self.after: list[Callable[[float], None]] = [self._check]

    def add(
        self,
        sources: Sequence[Source],
        *,
        algorithm: Algorithm = Algorithm.BBR,
        link: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        now: float = 0.0,
        until: float = float('inf'),
        dallying: Dallying | None = None,
        budget: MonthlyBudget | None = None,
    ) -> SimulatedBridge:
        """
        Add a robot.

        :param sources: what it publishes
        :param algorithm: of its pacing
        :param link: fields of its ``LinkConfig``
        :param limits: of its broker
        :param now: when it begins
        :param until: when its publishers end
        :param dallying: what its machine takes
        :param budget: its month's data
        :returns: its bridge, connected
        """
        config = BridgeConfig(
            robot_id=f'robot-{len(self.bridges)}',
            streams=tuple(source.stream for source in sources),
            link=replace(LinkConfig(algorithm=algorithm), **(link or {})),
        )
        bridge = SimulatedBridge(
            config,
            self.link,
            limits or Limits(),
            epoch_ns=1_700_000_000_000_000_000,
            dallying=dallying,
            budget=budget,
            now=now,
        )
        self.bridges.append(bridge)
        for source in sources:
            topic = source.stream.topics[0]
            route = bridge.pump.intake.open_route(
                source.stream, topic, 'test_msgs/msg/Blob', schema=None, gated=False, now=now
            )
            self._publish(bridge, route, source, now + self._random.random() / source.hz, until)
        bridge.connect(now)
        return bridge

    def run(self, until: float) -> 'World':
        """
        Let time pass.

        :param until: virtual seconds
        :returns: itself
        """
        self.link.run_until(until, self._after)
        return self

    def use(self, begin: float, end: float) -> float:
        """
        Say what part of the link's bytes was used.

        :param begin: virtual seconds
        :param end: virtual seconds
        :returns: 1 for all
        """
        return self.link.carried_bytes(begin, end) / self.link.capacity(begin, end)

    def _publish(
        self, bridge: SimulatedBridge, route: Route, source: Source, begin: float, until: float
    ) -> None:
        messages = self._messages(source)
        period = 1.0 / source.hz

        def publish(now: float) -> None:
            bridge.publish(now, route, next(messages))
            if now + period < until:
                self.link.at(now + period, publish)

        self.link.at(begin, publish)

    def _messages(self, source: Source) -> Iterator[bytes]:
        news = source.size if source.news is None else source.news
        rest = bytes(source.size - news)
        while True:
            yield b'\0\1\0\0' + self._random.randbytes(news) + rest

    def _after(self, now: float) -> None:
        for call in self.after:
            call(now)

    def _check(self, now: float) -> None:
        wrong = [text for bridge in self.bridges for text in bridge.imbalances()]
        assert not wrong, f'at {now:.3f} s: {wrong}'


def route_of(bridge: SimulatedBridge, name: str) -> Route:
    """
    Find the route of a stream.

    :param bridge: whose
    :param name: of the stream
    :returns: its route
    """
    return next(route for route in bridge.pump.outbox.routes if route.stream.name == name)


def age_ms(bridge: SimulatedBridge, name: str, share: float, begin: float, end: float) -> float:
    """
    Say how old a stream's samples were when they arrived.

    :param bridge: whose
    :param name: of the stream
    :param share: 0.5 for the median
    :param begin: of the span of arrivals, virtual seconds
    :param end: its end
    :returns: milliseconds
    """
    ages = sorted(bridge.ages(route_of(bridge, name), begin, end))
    assert ages, f'nothing of {name} has arrived'
    return 1000 * ages[min(len(ages) - 1, int(share * len(ages)))]
