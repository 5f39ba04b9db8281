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
Choose for each topic a reducer and a rate, so that all together fit a link.

Each topic has steps, from all of it to as little as is of use: as it is; its reducer at the default
error; lower rates; reducers that give up more; lower rates still; on demand. All topics give up one
sort of step before any gives up the next one, the least important first; then they get back, the
most important first, what turned out to fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
import math

from ros_cloud_bridge.advice.rules import Rule, RULES, Thrift
from ros_cloud_bridge.advice.survey import Option, TopicSurvey

# A reducer that saves less than this share is not worth its error.
_LEAST_SAVING = 0.07
# A stream on demand never goes faster than fits, but something must come when somebody looks.
_LEAST_LEASED_HZ = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """
    What may be sent.

    ``message_bytes`` is what an MQTT message takes besides its payload; ``factor`` what the link
    really carried for each byte that was estimated, in dry runs so far. ``burst_bytes_per_s`` is the
    link's own room where ``bytes_per_s`` is that of a monthly budget.
    """

    bytes_per_s: float
    burst_bytes_per_s: float
    message_bytes: float
    metered: bool = False
    factor: float = 1.0

    def of_lease(self) -> 'Room':
        """Give the room of what flows for a while only: the link's."""
        return replace(self, bytes_per_s=self.burst_bytes_per_s, metered=False)


class Sacrifice(IntEnum):
    """What a step gives up, beyond the one before it; all topics go through these together."""

    NOTHING = 0
    ERROR = 1
    RATE = 2
    COARSE = 3
    SLOW = 4
    DEMAND = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What could be sent of a topic; ``hz`` 0 leaves the rate as it is."""

    sacrifice: Sacrifice
    option: Option
    hz: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is sent of a topic; ``bytes_per_s`` with all headers, while it flows."""

    topic: TopicSurvey
    rule: Rule
    step: Step
    delay_s: float
    bytes_per_s: float

    @property
    def on_demand(self) -> bool:
        """Whether it flows only while somebody looks."""
        return self.step.sacrifice is Sacrifice.DEMAND


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """
    What is recommended.

    ``lossless_bytes_per_s`` and ``bytes_per_s`` are what all would take as it is, and what all that
    flows by itself takes now; ``fits`` is whether that is within the room.
    """

    choices: tuple[Choice, ...]
    room: Room
    thrift: Thrift
    lossless_bytes_per_s: float
    bytes_per_s: float

    @property
    def fits(self) -> bool:
        """Whether all that flows by itself is within the room."""
        return self.bytes_per_s <= self.room.bytes_per_s

    @property
    def gives_up(self) -> bool:
        """Whether anything is given up at all."""
        return any(choice.step.sacrifice for choice in self.choices)


def decide(topics: Sequence[TopicSurvey], room: Room) -> Advice:
    """
    Recommend.

    :param topics: as surveyed
    :param room: what may be sent
    :returns: a choice for each topic, in the same order
    """
    fresh = _Deciding(topics, room, Thrift.FRESH)
    found = fresh
    if not fresh.fits():
        found = _Deciding(topics, room, Thrift.METERED if room.metered else Thrift.THIN)
        found.give_up()
        found.give_back()
    return Advice(
        choices=tuple(found.choice(index) for index in range(len(topics))),
        room=room,
        thrift=found.thrift,
        lossless_bytes_per_s=fresh.lossless(),
        bytes_per_s=found.total(),
    )


def steps_of(topic: TopicSurvey, rule: Rule) -> tuple[Step, ...]:
    """
    List what could be sent of a topic, from all of it to the least.

    :param topic: as surveyed
    :param rule: of its kind
    :returns: at least one step; what nothing fits or saves anything is left out
    """
    whole = topic.options['']
    steps = [Step(sacrifice=Sacrifice.NOTHING, option=whole)]
    usual = whole
    for text in rule.reducers:
        option = topic.options.get(text)
        if option is not None and _saves(option, whole, topic.hz):
            usual = option
            steps.append(Step(sacrifice=Sacrifice.ERROR, option=option))
            break
    slower = [hz for hz in rule.rates if 0 < hz < topic.hz]
    useful = [hz for hz in slower if hz >= rule.useful_hz]
    steps += [Step(sacrifice=Sacrifice.RATE, option=usual, hz=hz) for hz in useful]
    least, least_hz = usual, useful[-1] if useful else 0.0
    for text in rule.coarse:
        option = topic.options.get(text)
        if option is not None and _saves(option, least, least_hz or topic.hz):
            least = option
            steps.append(Step(sacrifice=Sacrifice.COARSE, option=option, hz=least_hz))
    steps += [
        Step(sacrifice=Sacrifice.SLOW, option=least, hz=hz)
        for hz in slower
        if hz < rule.useful_hz
    ]
    return tuple(steps)


def _saves(option: Option, other: Option, hz: float) -> bool:
    now, then = (one.bytes_per_s(hz, 1.0, 0.0) for one in (other, option))
    return then <= (1.0 - _LEAST_SAVING) * now


class _Deciding:
    """Where each topic stands on its steps."""

    def __init__(self, topics: Sequence[TopicSurvey], room: Room, thrift: Thrift) -> None:
        self.thrift = thrift
        self._topics = topics
        self._room = room
        self._rules = [RULES[topic.kind] for topic in topics]
        self._steps = [
            steps_of(topic, rule) for topic, rule in zip(topics, self._rules, strict=True)
        ]
        self._at = [0] * len(topics)
        self._demanded: set[int] = set()

    def lossless(self) -> float:
        """Tell what all topics take as they are, bytes per second."""
        return sum(self._cost(index, steps[0]) for index, steps in enumerate(self._steps))

    def total(self) -> float:
        """Tell what all that flows by itself takes, bytes per second."""
        return sum(self._now(index) for index in range(len(self._topics)))

    def fits(self) -> bool:
        """Tell whether that is within the room."""
        return self.total() <= self._room.bytes_per_s

    def give_up(self) -> None:
        """Take steps until it fits, or none is left."""
        for sacrifice in Sacrifice:
            while not self.fits():
                going = [index for index in self._least_first() if self._may(index, sacrifice)]
                if not going:
                    break
                index = going[0]
                if sacrifice is Sacrifice.DEMAND:
                    self._demanded.add(index)
                else:
                    self._at[index] += 1

    def give_back(self) -> None:
        """Take steps back while it still fits, the most important topic first."""
        for index in reversed(self._least_first()):
            if index in self._demanded:
                self._demanded.discard(index)
                if not self.fits():
                    self._demanded.add(index)
                    continue
            while self._at[index] > 0 and self._back(index):
                pass

    def _back(self, index: int) -> bool:
        """Go up to the best step that fits; one in between need not be the smaller one."""
        at = self._at[index]
        for better in range(at):
            self._at[index] = better
            if self.fits():
                return True
        self._at[index] = at
        return False

    def choice(self, index: int) -> Choice:
        """Say where a topic stands."""
        step = self._steps[index][self._at[index]]
        if index in self._demanded:
            step = self._leased(index)
        return Choice(
            topic=self._topics[index],
            rule=self._rules[index],
            step=step,
            delay_s=self._delay(index),
            bytes_per_s=self._cost(index, step),
        )

    def _leased(self, index: int) -> Step:
        """Choose what flows while somebody looks: the best that the rest of the link takes."""
        room = self._room.of_lease()
        alike = sum(self._rules[other] is self._rules[index] for other in self._demanded)
        left = max(0.0, room.bytes_per_s - self.total()) / alike
        steps = self._steps[index]
        for step in steps:
            if self._cost(index, step) <= left:
                return replace(step, sacrifice=Sacrifice.DEMAND)
        last = steps[-1]
        once = self._cost(index, replace(last, hz=1.0))
        fitting = max(_LEAST_LEASED_HZ, _rounded_down(left / once) if once else 1.0)
        hz = min(fitting, last.hz or self._topics[index].hz)
        return replace(last, sacrifice=Sacrifice.DEMAND, hz=hz)

    def _may(self, index: int, sacrifice: Sacrifice) -> bool:
        if index in self._demanded:
            return False
        if sacrifice is Sacrifice.DEMAND:
            return self._rules[index].on_demand
        steps, at = self._steps[index], self._at[index]
        return at + 1 < len(steps) and steps[at + 1].sacrifice <= sacrifice

    def _least_first(self) -> list[int]:
        """Order topics: the lowest class first, and within it what takes most now."""
        return sorted(
            range(len(self._topics)),
            key=lambda index: (-self._rules[index].priority, -self._now(index), index),
        )

    def _now(self, index: int) -> float:
        if index in self._demanded:
            return 0.0
        return self._cost(index, self._steps[index][self._at[index]])

    def _cost(self, index: int, step: Step) -> float:
        topic = self._topics[index]
        hz = min(step.hz or topic.hz, topic.hz)
        room = self._room
        cost = step.option.bytes_per_s(hz, self._delay(index), room.message_bytes)
        return cost * room.factor

    def _delay(self, index: int) -> float:
        return self._rules[index].delays_s[self.thrift]


def _rounded_down(hz: float) -> float:
    """Round to one significant digit."""
    if hz <= 0:
        return 0.0
    unit = 10.0 ** math.floor(math.log10(hz))
    return float(f'{math.floor(hz / unit) * unit:.3g}')
