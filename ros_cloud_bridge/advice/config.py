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

"""Write a recommendation as a robot's configuration, and say of each stream why it is so."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
import re

from ros_cloud_bridge.advice.decide import Advice, Choice
from ros_cloud_bridge.advice.rules import Rule, Thrift
from ros_cloud_bridge.advice.steps import Sacrifice
from ros_cloud_bridge.values import (
    Algorithm,
    BridgeConfig,
    DemandConfig,
    Keep,
    LinkConfig,
    Priority,
    StreamConfig,
)

# Who may lease what flows on demand: a name for operators to begin with.
_ALLOWED = ('ops-*',)
# From so many bytes a minute on it is said what looking costs.
_MUCH_A_MINUTE = 50_000
# Characters of a topic's name that make a stream's.
_NAME = 56
# What the bridge says of itself, and how its routes read, each so often; seconds.
_PERIODS_S = {Thrift.FRESH: (10.0, 30.0), Thrift.THIN: (20.0, 60.0), Thrift.METERED: (60.0, 300.0)}
# A step of the ladder, of the rate.
_HALF = 0.5
_TENTH = 0.1
# A sample that takes the link so long is given the time that it takes.
_ITS_OWN = 4.0
_PICTURE_AGE_S = 2.0
# From here on a message is one by itself, and a stream may be paused for others.
_LARGE_BYTES = 4096.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A stream of the recommendation and the topics that it is for."""

    config: StreamConfig
    choices: tuple[Choice, ...]

    @property
    def bytes_per_s(self) -> float:
        """What its topics take together, while they flow."""
        return sum(choice.bytes_per_s for choice in self.choices)


def streams_of(advice: Advice, link_bytes_per_s: float) -> tuple[Stream, ...]:
    """
    Make streams: topics of one kind that are sent alike share one.

    :param advice: the recommendation
    :param link_bytes_per_s: the link's rate
    :returns: streams, the most important first
    """
    groups: dict[tuple[object, ...], list[Choice]] = {}
    for choice in advice.choices:
        # Whoever looks at one camera need not look at all of them.
        alone = choice.topic.topic if choice.on_demand else ''
        key = (choice.rule.kind, choice.step.reducer, _hz(choice), alone)
        groups.setdefault(key, []).append(choice)
    ordered = sorted(groups.values(), key=lambda group: group[0].rule.priority)
    names: set[str] = set()
    streams = []
    for group in ordered:
        name = _name(group[0], names)
        names.add(name)
        streams.append(Stream(config=_stream(name, group, link_bytes_per_s), choices=tuple(group)))
    return tuple(streams)


def _name(choice: Choice, taken: Collection[str]) -> str:
    """Name a stream after its kind; one on demand, which people ask for, after its topic."""
    base = choice.rule.kind
    if choice.on_demand:
        base = re.sub(r'[^A-Za-z0-9]+', '_', choice.topic.topic).strip('_')[-_NAME:] or base
    name, count = base, 1
    while name in taken:
        count += 1
        name = f'{base}_{count}'
    return name


def config_of(
    streams: tuple[Stream, ...],
    robot_id: str,
    thrift: Thrift,
    monthly_budget_mb: float = 0.0,
    algorithm: Algorithm | None = None,
) -> BridgeConfig:
    """
    Make the whole configuration.

    :param streams: of the recommendation
    :param robot_id: the robot's
    :param thrift: of the recommendation
    :param monthly_budget_mb: 10^6 bytes a month; 0 for none
    :param algorithm: of the pacing; the default when None
    :returns: configuration; the broker is still to be named
    """
    health_s, announce_s = _PERIODS_S[thrift]
    on_demand = any(stream.config.on_demand for stream in streams)
    return BridgeConfig(
        robot_id=robot_id,
        link=LinkConfig(
            monthly_budget_mb=monthly_budget_mb, algorithm=algorithm or LinkConfig().algorithm
        ),
        health_period_s=health_s,
        announce_period_s=announce_s,
        demand=DemandConfig(allow=_ALLOWED if on_demand else ()),
        streams=tuple(stream.config for stream in streams),
    )


def _stream(name: str, group: list[Choice], link_bytes_per_s: float) -> StreamConfig:
    first = group[0]
    rule, step = first.rule, first.step
    largest = max(choice.option.sample_bytes for choice in group)
    return StreamConfig(
        name=name,
        topics=tuple(choice.topic.topic for choice in group),
        max_hz=_hz(first),
        keep=rule.keep,
        key=rule.key,
        max_age_s=_max_age_s(rule, largest / link_bytes_per_s),
        max_delay_s=first.delay_s,
        priority=rule.priority,
        reducer=step.reducer,
        ladder=_ladder(group, largest),
        on_demand=first.on_demand,
        ttl_s=rule.ttl_s,
    )


def _hz(choice: Choice) -> float:
    """Give the rate as the file has it: 0 where it is that of the topic."""
    return choice.step.hz if choice.step.hz < choice.topic.hz else 0.0


def _max_age_s(rule: Rule, takes_s: float) -> float:
    if rule.max_age_s:
        return rule.max_age_s
    if rule.priority is Priority.LOW and rule.keep is Keep.LATEST:
        return float(round(max(_PICTURE_AGE_S, _ITS_OWN * takes_s), 1))
    return 0.0


def _ladder(group: list[Choice], largest: float) -> tuple[str, ...]:
    """Say what a stream gives up when the link is worse than the one it was made for."""
    rule = group[0].rule
    steps = list(rule.levels) if group[0].step.reducer else []
    if rule.priority is Priority.HIGH or rule.keep is Keep.DURABLE or not rule.rates:
        return tuple(steps)
    hz = _hz(group[0]) or min(choice.topic.hz for choice in group)
    rates = [hz * _HALF, hz * _TENTH]
    steps += [f'{float(f"{rate:.1g}"):g}hz' for rate in rates if rate >= 0.05]
    if rule.priority is Priority.LOW and largest >= _LARGE_BYTES:
        steps.append('pause')
    return tuple(steps)


_GIVEN_UP: Mapping[Sacrifice, str] = {
    Sacrifice.NOTHING: 'all of it, bit for bit',
    Sacrifice.ERROR: 'reduced at the default error',
    Sacrifice.AMPLE: 'as many of them as anybody needs',
    Sacrifice.RATE: 'fewer of them, for there is no room for more',
    Sacrifice.COARSE: 'a coarser reducer, for lower rates alone do not save enough',
    Sacrifice.SLOW: 'as coarse and as slow as is of use',
}


def reason(stream: Stream, link_bytes_per_s: float, metered: bool = False) -> str:
    """
    Say why a stream is as it is.

    :param stream: one of the recommendation
    :param link_bytes_per_s: the link's rate
    :param metered: whether a month's data are what limits
    :returns: one line
    """
    first = stream.choices[0]
    if first.on_demand:
        takes_s = max(one.option.sample_bytes for one in stream.choices) / link_bytes_per_s
        why = 'on demand, for it does not fit all the time'
        if takes_s >= 0.1:
            why += f'; one takes {takes_s:.1f} s of this link'
        minute = 60 * max(one.bytes_per_s for one in stream.choices)
        if metered and minute >= _MUCH_A_MINUTE:
            why += f'; a minute of it takes {minute / 1e6:.1f} MB'
    else:
        why = _GIVEN_UP[first.step.sacrifice]
    return f'{first.rule.what}; {why}'
