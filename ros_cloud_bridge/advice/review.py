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

"""Hold a dry run against what it was to show: that all is fresh, and nothing dropped."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ros_cloud_bridge.advice.decide import Advice, Room
from ros_cloud_bridge.values import Priority

# Of what was accepted so much may be dropped, as while the link's rate is still being found.
_FEW = 0.05
# What a sample may take beyond its stream's delay and the link's: high, normal, low.
_PATIENCE_S = {Priority.HIGH: 0.5, Priority.NORMAL: 2.0, Priority.LOW: 10.0}
# A large message may take so often its own time on the link.
_ITS_OWN = 3.0
# After a dry run that does not hold, the estimate is taken for so much too low, at least.
_STRICTER = 1.25
# More than was planned with, by this share, leaves no headroom.
_OVER = 1.05
# An estimate too high by more than this is worth another round.
_SLACK = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    What became of a topic.

    ``dropped`` counts what the link has cost, ``waiting`` what had not arrived at the end; ages
    are in seconds.
    """

    topic: str
    accepted: int
    dropped: int
    waiting: int
    p95_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a dry run sent, of samples and of what the bridge says of itself again and again."""

    samples_bytes_per_s: float
    besides_bytes_per_s: float


def complaints(
    advice: Advice,
    outcomes: Sequence[Outcome],
    sent: Sent,
    *,
    delay_s: float,
    link_bytes_per_s: float,
) -> tuple[str, ...]:
    """
    Say what is wrong with how a recommendation did.

    :param advice: the recommendation
    :param outcomes: of its dry run
    :param sent: in it
    :param delay_s: the link's, one way
    :param link_bytes_per_s: the link's rate
    :returns: one line each; empty when it did well
    """
    by_topic = {outcome.topic: outcome for outcome in outcomes}
    found = []
    for choice in advice.choices:
        outcome = by_topic.get(choice.topic.topic)
        if outcome is None or choice.on_demand:
            continue
        if outcome.dropped > max(2.0, _FEW * outcome.accepted):
            found.append(
                f'{outcome.topic}: {outcome.dropped} of {outcome.accepted} samples were dropped'
            )
        patience_s = choice.delay_s + _PATIENCE_S[choice.rule.priority]
        if outcome.waiting > 5 + 2 * choice.topic.hz * patience_s:
            found.append(f'{outcome.topic}: {outcome.waiting} samples wait at the end')
        most_s = choice.delay_s + 2 * delay_s + _PATIENCE_S[choice.rule.priority]
        most_s += _ITS_OWN * choice.option.sample_bytes / link_bytes_per_s
        if outcome.p95_s is not None and outcome.p95_s > most_s:
            found.append(
                f'{outcome.topic}: p95 of its age is {outcome.p95_s:.1f} s, above {most_s:.1f} s'
            )
    total = sent.samples_bytes_per_s + sent.besides_bytes_per_s
    if total > _OVER * advice.room.bytes_per_s:
        found.append(
            f'it takes {total:.0f} B/s, {advice.room.bytes_per_s:.0f} B/s were planned with'
        )
    return tuple(found)


def learn(room: Room, advice: Advice, sent: Sent, held: bool) -> Room:
    """
    Correct the estimate by what a dry run sent.

    :param room: the one that the recommendation was made for
    :param advice: the recommendation
    :param sent: over the link, or over the meter
    :param held: whether nothing was to complain of
    :returns: the room for the next round
    """
    estimated = max(1.0, advice.bytes_per_s - room.besides_bytes_per_s)
    seen = room.factor * max(1.0, sent.samples_bytes_per_s) / estimated
    strict = held or seen > _STRICTER * room.factor
    factor = seen if strict else _STRICTER * room.factor
    return replace(room, factor=factor, besides_bytes_per_s=sent.besides_bytes_per_s)


def worth_another(advice: Advice, before: Room, after: Room) -> bool:
    """
    Say whether more could be sent than was dared.

    :param advice: the recommendation, which did well
    :param before: the room that it was made for
    :param after: as a dry run corrected it
    :returns: whether to decide anew
    """
    saved = before.besides_bytes_per_s - after.besides_bytes_per_s
    slack = saved > (1.0 - _SLACK) * before.bytes_per_s
    return advice.gives_up and (slack or after.factor < _SLACK * before.factor)
