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

"""``plan --recommend``: survey a recording, decide, and try the decision on the link."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ros_cloud_bridge.advice.config import config_of, reason, Stream, streams_of
from ros_cloud_bridge.advice.decide import Advice, decide, Room
from ros_cloud_bridge.advice.review import complaints, learn, Outcome, Sent, worth_another
from ros_cloud_bridge.cli.parameter_file import parse
from ros_cloud_bridge.cli.plan_excerpt import Excerpt
from ros_cloud_bridge.cli.plan_report import document, MONTH_S, percentile
from ros_cloud_bridge.cli.plan_run import dry_run, PublishCosts, Run
from ros_cloud_bridge.cli.plan_survey import Survey, survey
from ros_cloud_bridge.cli.plan_yaml import write
from ros_cloud_bridge.core.config import read_config
from ros_cloud_bridge.errors import LocalFault
from ros_cloud_bridge.reducers.config_check import reducer_problems
from ros_cloud_bridge.simulation.link import ACK_BYTES, LinkProfile
from ros_cloud_bridge.uplink.parcels import Message
from ros_cloud_bridge.values import Algorithm, BridgeConfig, Lease

# What of a link, or of a budget, is planned with.
_OF_LINK = 0.8
_OF_BUDGET = 0.9
_MB = 1e6
_ROUNDS = 5
_LESS = 1.1
# Health, until a dry run has told.
_FIRST_BESIDES = 100.0
# A dry run shorter than this would say more of its beginning than of the rest.
_LEAST_RUN_S = 30.0
# Until then a bridge introduces itself, and finds what the link carries.
_SETTLE_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a recommendation is for; ``monthly_mb`` 0 is no budget."""

    link_bytes_per_s: float
    delay_s: float
    make_profile: Callable[[float], LinkProfile]
    robot_id: str
    monthly_mb: float = 0.0
    algorithm: Algorithm | None = None
    seconds: float | None = None
    loops: int = 1
    wanted: Callable[[str], bool] = lambda topic: True


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A stream on demand while somebody looks: what arrives of it, and what that costs others."""

    stream: str
    found: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """
    What came out.

    ``found`` is the dry run's document, ``troubles`` what is to complain of it, ``yaml`` the file,
    ``rounds`` how often it was tried.
    """

    survey: Survey
    excerpt: Excerpt
    advice: Advice
    streams: tuple[Stream, ...]
    reasons: tuple[str, ...]
    yaml: str
    config: BridgeConfig
    planned: Run
    found: dict[str, Any]
    troubles: tuple[str, ...]
    rounds: int
    leased: tuple[Leased, ...] = ()


def recommend(excerpt: Excerpt, wish: Wish) -> Recommendation:
    """
    Recommend a configuration.

    :param excerpt: of an open recording
    :param wish: what for
    :returns: the best that held, or the last that was tried
    :raises LocalFault: when there is nothing in the recording to be sent
    """
    surveyed = survey(excerpt, wish.wanted)
    if not surveyed.topics:
        reasons = '; '.join(f'{name}: {why}' for name, why in surveyed.left_out.items())
        raise LocalFault(
            f'nothing of the recording can be bridged{": " if reasons else ""}{reasons}'
        )
    room = _room(wish)
    held: Recommendation | None = None
    tried: Recommendation | None = None
    advice = decide(surveyed.topics, room)
    for count in range(1, _ROUNDS + 1):
        tried = _try(surveyed, excerpt, wish, advice, count)
        sent = _sent(tried.found, room)
        after = learn(room, advice, sent, not tried.troubles)
        if not tried.troubles:
            held = tried
            if not worth_another(advice, room, after):
                break
        elif held is not None or not advice.fits:
            # More than what held was too much; or there is nothing left to give up.
            break
        advice, room = _other(surveyed, advice, after)
    found = held or tried
    assert found is not None
    return replace(found, rounds=count, leased=tuple(_leased(found, wish)))


def _other(surveyed: Survey, before: Advice, room: Room) -> tuple[Advice, Room]:
    """Decide anew, with ever less room until something else comes out."""
    steps = [choice.step for choice in before.choices]
    advice = decide(surveyed.topics, room)
    while advice.fits and [choice.step for choice in advice.choices] == steps:
        room = replace(room, factor=_LESS * room.factor)
        advice = decide(surveyed.topics, room)
    return advice, room


def _room(wish: Wish) -> Room:
    costs = PublishCosts(aliases=8, v5=True, tls=False, segment_bytes=1448)
    empty = Message(topic='', payload=b'')
    costs(empty, None)
    cost = costs(empty, None)
    link = _OF_LINK * wish.link_bytes_per_s
    budget = _OF_BUDGET * wish.monthly_mb * _MB / MONTH_S if wish.monthly_mb else float('inf')
    metered = budget < link
    return Room(
        bytes_per_s=min(link, budget),
        burst_bytes_per_s=link,
        message_bytes=float((cost.metered_bytes if metered else cost.link_bytes) + ACK_BYTES),
        metered=metered,
        besides_bytes_per_s=_FIRST_BESIDES,
    )


def _try(
    surveyed: Survey, excerpt: Excerpt, wish: Wish, advice: Advice, count: int
) -> Recommendation:
    streams = streams_of(advice, wish.link_bytes_per_s)
    reasons = tuple(
        reason(stream, wish.link_bytes_per_s, advice.room.metered) for stream in streams
    )
    made = config_of(streams, wish.robot_id, advice.thrift, wish.monthly_mb, wish.algorithm)
    yaml = write(made, streams, reasons, _about(excerpt, wish, advice))
    # What is tried is what the file says.
    config = read_config(parse(yaml).flat())
    for problem in reducer_problems(config):
        raise problem
    planned = _run(config, excerpt, wish)
    found = document(planned)
    troubles = complaints(
        advice,
        _outcomes(planned),
        _sent(found, advice.room),
        delay_s=wish.delay_s,
        link_bytes_per_s=wish.link_bytes_per_s,
    )
    month = found['month']
    if month['budget_bytes'] and month['bytes'] > month['budget_bytes']:
        troubles += (
            f'a month, day and night, takes {month["bytes"] / _MB:.0f} of {wish.monthly_mb:g} MB',
        )
    return Recommendation(
        survey=surveyed,
        excerpt=excerpt,
        advice=advice,
        streams=streams,
        reasons=reasons,
        yaml=yaml,
        config=config,
        planned=planned,
        found=found,
        troubles=troubles,
        rounds=count,
    )


def _run(config: BridgeConfig, excerpt: Excerpt, wish: Wish, leases: Sequence[Lease] = ()) -> Run:
    return dry_run(
        config,
        excerpt,
        wish.make_profile,
        seconds=wish.seconds or max(_LEAST_RUN_S, excerpt.seconds * wish.loops),
        wanted=wish.wanted,
        leases=leases,
    )


def _outcomes(planned: Run) -> list[Outcome]:
    """Tell what became of each topic once the bridge had introduced itself."""
    settled_s = min(_SETTLE_S, planned.seconds / 4)
    before = next((look for look in planned.looks if look.at >= settled_s), None)
    outcomes = []
    for topic in planned.topics:
        route = topic.route
        ages = planned.bridge.ages(route, settled_s, planned.seconds)
        dropped = sum(count for drop, count in route.drops.items() if drop.sequenced)
        outcomes.append(
            Outcome(
                topic=route.topic,
                accepted=route.accepted,
                dropped=dropped - (before.dropped.get(route.number, 0) if before else 0),
                waiting=len(route) + route.in_flight,
                p95_s=percentile(ages, 0.95),
            )
        )
    return outcomes


def _sent(found: dict[str, Any], room: Room) -> Sent:
    besides = found['besides_bytes_per_s']['metered' if room.metered else 'link']
    if room.metered:
        return Sent(
            samples_bytes_per_s=found['month']['bytes'] / MONTH_S - besides,
            besides_bytes_per_s=besides,
        )
    seconds = max(found['seconds'], 1e-9)
    samples = sum(entry['wire_bytes'] for entry in found['topics'])
    samples += found['link']['acknowledgement_bytes']
    return Sent(samples_bytes_per_s=samples / seconds, besides_bytes_per_s=besides)


def _leased(found: Recommendation, wish: Wish) -> Iterator[Leased]:
    """Try each stream on demand while somebody looks at it."""
    for stream in found.streams:
        if stream.config.on_demand:
            lease = Lease(stream=stream.config.name, seconds=found.config.demand.max_lease_s)
            planned = _run(found.config, found.excerpt, wish, [lease])
            yield Leased(stream=stream.config.name, found=document(planned))


def _about(excerpt: Excerpt, wish: Wish, advice: Advice) -> tuple[str, ...]:
    """Say above the file what it was made for."""
    kbit = wish.link_bytes_per_s / 125
    made_for = f'a link of {kbit:g} kbit/s'
    if wish.monthly_mb:
        made_for += f' and {wish.monthly_mb:g} MB a month'
    name = excerpt.name
    return (
        f"Recommended by 'ros-cloud-bridge plan --recommend' for {name} and {made_for}: a "
        'beginning. Look whether each error suits, change what you know better, and try it: '
        f'ros-cloud-bridge plan THIS.yaml {name} --link {kbit:g}k',
        f'As it is all of it would take about {advice.lossless_bytes_per_s:.0f} B/s with all '
        f'headers; {advice.room.bytes_per_s:.0f} B/s are planned with, and '
        f'{advice.bytes_per_s:.0f} B/s taken.',
    )
