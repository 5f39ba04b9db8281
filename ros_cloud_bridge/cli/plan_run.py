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

"""The dry run of ``plan``: a recording through the bridge's own pump, on a link in numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ros_cloud_bridge.cli.plan_feed import Feed, Outlets, Source, TopicRun
from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.core.link_bytes import (
    EXPIRY_BYTES,
    link_bytes,
    SEGMENT_HEADER_BYTES,
    TLS_RECORD_BYTES,
    TOPIC_ALIAS_BYTES,
)
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.core.selection import TopicSelector
from ros_cloud_bridge.mqtt.aliases import TopicAliases
from ros_cloud_bridge.mqtt.limits import negotiate, ServerLimits
from ros_cloud_bridge.mqtt.presets import find_preset
from ros_cloud_bridge.simulation.bridge import Cost, SimulatedBridge
from ros_cloud_bridge.simulation.link import LinkProfile, VirtualLink
from ros_cloud_bridge.uplink.parcels import Message
from ros_cloud_bridge.values import BridgeConfig, Lease

_NS = 1_000_000_000
_MB = 1_000_000
# Ethernet's header comes on top of what a carrier counts; shapers and modems see it.
_FRAME_BYTES = 14
_SEGMENT_BYTES = 1448
_SEGMENT_OPTIONS = 12
_LOOK_S = 0.25
_CONSUMER = 'plan'
# Wall clock for the budget: the first of a month, whenever the recording was made.
_MONTH_BEGIN_S = 1_767_225_600.0


@dataclass(frozen=True, slots=True)
class Look:
    """What stands at a moment: samples queued, and dropped by now, by route number."""

    at: float
    queued: dict[int, int]
    dropped: dict[int, int]


@dataclass(slots=True, kw_only=True)
class Run:
    """
    A finished dry run.

    ``seconds`` is how long it was; ``problems`` says by topic why it is not bridged.
    """

    config: BridgeConfig
    seconds: float
    link: VirtualLink
    bridge: SimulatedBridge
    topics: list[TopicRun]
    problems: dict[str, str]
    looks: list[Look] = field(default_factory=list)


class PublishCosts:
    """
    Bytes of PUBLISH packets on one connection.

    :param aliases: how many topic aliases the connection has; 0 with MQTT 3.1.1
    :param v5: whether it is MQTT 5
    :param tls: whether it is encrypted
    :param segment_bytes: of TCP's payload
    """

    def __init__(self, aliases: int, v5: bool, tls: bool, segment_bytes: int) -> None:
        self._aliases = TopicAliases(aliases)
        self._v5 = v5
        self._tls = tls
        self._segment_bytes = segment_bytes

    def __call__(self, message: Message, expiry_s: float | None) -> Cost:
        """Tell what a message takes, and remember its topic."""
        name, alias = self._aliases.use(message.topic)
        topic, payload = len(name.encode()), len(message.payload)
        properties = None
        if self._v5:
            properties = TOPIC_ALIAS_BYTES if alias is not None else 0
            properties += EXPIRY_BYTES if expiry_s is not None else 0
        metered = link_bytes(
            payload, topic, mss=self._segment_bytes, tls=self._tls, property_bytes=properties
        )
        # Fixed header, topic and packet id, length of the properties (below 128).
        packet = 3 + 2 + topic + 2 + (0 if properties is None else 1 + properties) + payload
        if self._tls:
            packet += TLS_RECORD_BYTES
        segments = -(-packet // self._segment_bytes)
        return Cost(packet + segments * (SEGMENT_HEADER_BYTES + _FRAME_BYTES), metered)


def dry_run(
    config: BridgeConfig,
    recording: Source,
    make_profile: Callable[[float], LinkProfile],
    *,
    namespace: str = '/',
    seconds: float | None = None,
    loops: int = 1,
    wanted: Callable[[str], bool] = lambda topic: True,
    leases: Sequence[Lease] = (),
) -> Run:
    """
    Send a recording over a link in numbers.

    :param config: the robot's
    :param recording: open, or a part of it
    :param make_profile: makes the link for this many seconds
    :param namespace: the node's, for relative topic names
    :param seconds: play for so long, again and again; None for ``loops`` times
    :param loops: how often to play it
    :param wanted: tells which topics take part
    :param leases: what a consumer wants of streams on demand, all the time
    :returns: what happened
    """
    tracks = [track for track in recording.tracks if wanted(track.topic)]
    feed = Feed(recording, tracks, seconds, loops)
    link = VirtualLink(make_profile(feed.seconds))
    # Whoever plans may lease whatever there is.
    demand = replace(config.demand, allow=(*config.demand.allow, _CONSUMER))
    bridge = _bridge(replace(config, demand=demand), link)
    outlets = Outlets(bridge, link, TopicSelector(config, namespace=namespace))
    outlets.open(tracks)
    run = Run(
        config=config,
        seconds=feed.seconds,
        link=link,
        bridge=bridge,
        topics=outlets.topics,
        problems=outlets.problems,
    )
    if leases:
        link.at(0.0, lambda now: _renew(run, leases, now))
    link.at(0.0, bridge.connect)
    outlets.play(feed.messages())
    link.at(0.0, lambda now: _look(run, now))
    link.run_until(feed.seconds)
    return run


def _bridge(config: BridgeConfig, link: VirtualLink) -> SimulatedBridge:
    preset = find_preset(config.mqtt.preset)
    v5 = '3.1.1' not in (config.mqtt.protocol, preset.protocol)
    # A broker says how many aliases it takes; nobody is asked here.
    server = ServerLimits(topic_alias_maximum=preset.topic_aliases if v5 else 0)
    limits = negotiate(config.mqtt, preset, server)
    limit = round(config.link.monthly_budget_mb * _MB)
    budget = None
    if limit:
        reset_day = config.link.budget_reset_day
        budget = MonthlyBudget(limit, reset_day, None, _MONTH_BEGIN_S, 0.0)
    most = config.link.max_segment_bytes
    segment = min(_SEGMENT_BYTES, most - _SEGMENT_OPTIONS) if most else _SEGMENT_BYTES
    tls = config.mqtt.tls is not None
    return SimulatedBridge(
        config,
        link,
        limits,
        costs=lambda: PublishCosts(limits.topic_aliases, v5, tls, segment),
        budget=budget,
        epoch_ns=round(_MONTH_BEGIN_S * _NS),
    )


def _renew(run: Run, leases: Sequence[Lease], now: float) -> None:
    run.bridge.pump.lease(_CONSUMER, leases, now)
    wait_s = min(lease.seconds for lease in leases) / 2
    run.link.at(now + wait_s, lambda at: _renew(run, leases, at))


def _look(run: Run, now: float) -> None:
    routes = run.bridge.pump.outbox.routes
    run.looks.append(
        Look(
            now,
            {route.number: len(route) for route in routes},
            {route.number: _lost(route) for route in routes},
        )
    )
    if now + _LOOK_S <= run.seconds:
        run.link.at(now + _LOOK_S, lambda at: _look(run, at))


def _lost(route: Route) -> int:
    """Count what the link has cost: what policy leaves out is no loss."""
    return sum(count for drop, count in route.drops.items() if drop.sequenced)
