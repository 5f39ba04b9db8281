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

Topics of one kind that are alike are decided together. Each has steps, from all of it to as little
as is of use. The order in which they are taken is a table, :data:`PHASES`; what turns out not to
have been necessary is taken back in the reverse order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
import math

from ros_cloud_bridge.advice.cost import Load, total_bytes_per_s
from ros_cloud_bridge.advice.rules import Rule, RULES, Thrift
from ros_cloud_bridge.advice.steps import Sacrifice, Step, steps_of
from ros_cloud_bridge.advice.survey import Option, TopicSurvey
from ros_cloud_bridge.values import Priority

# What is given up by which class, in this order.
PHASES = (
    (Sacrifice.ERROR, (Priority.LOW, Priority.NORMAL, Priority.HIGH)),
    (Sacrifice.AMPLE, (Priority.LOW, Priority.NORMAL, Priority.HIGH)),
    (Sacrifice.RATE, (Priority.LOW,)),
    (Sacrifice.RATE, (Priority.NORMAL,)),
    (Sacrifice.COARSE, (Priority.LOW,)),
    (Sacrifice.COARSE, (Priority.NORMAL,)),
    (Sacrifice.DEMAND, (Priority.LOW,)),
    (Sacrifice.RATE, (Priority.HIGH,)),
    (Sacrifice.COARSE, (Priority.HIGH,)),
    (Sacrifice.DEMAND, (Priority.NORMAL,)),
    (Sacrifice.SLOW, (Priority.LOW, Priority.NORMAL, Priority.HIGH)),
)
# A stream on demand never goes faster than fits, but something must come when somebody looks.
_LEAST_LEASED_HZ = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """
    What may be sent.

    ``besides_bytes_per_s`` is what the bridge says of itself, ``message_bytes`` what an MQTT
    message takes besides its payload. ``factor`` is what dry runs so far have sent for each byte
    that was estimated. ``burst_bytes_per_s`` is the link's own room where ``bytes_per_s`` is that
    of a budget.
    """

    bytes_per_s: float
    burst_bytes_per_s: float
    message_bytes: float
    besides_bytes_per_s: float = 0.0
    metered: bool = False
    factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """
    What is sent of a topic.

    ``bytes_per_s`` is with all headers, while it flows.
    """

    topic: TopicSurvey
    rule: Rule
    step: Step
    delay_s: float
    bytes_per_s: float

    @property
    def option(self) -> Option:
        """What its reducer makes of it."""
        return self.topic.options[self.step.reducer]

    @property
    def on_demand(self) -> bool:
        """Whether it flows only while somebody looks."""
        return self.step.sacrifice is Sacrifice.DEMAND


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """
    What is recommended.

    ``lossless_bytes_per_s`` and ``bytes_per_s`` are what all would take as it is, and what all
    that flows by itself takes now, both with what the bridge says of itself.
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
    # What dry runs of reduced samples have taught does not hold for whole ones.
    lossless = _Deciding(topics, replace(room, factor=1.0), Thrift.FRESH).total()
    found = fresh
    if not fresh.fits():
        found = _Deciding(topics, room, Thrift.METERED if room.metered else Thrift.THIN)
        found.give_up()
        found.take_back()
    choices = sorted(found.choices(), key=lambda pair: pair[0])
    return Advice(
        choices=tuple(choice for _, choice in choices),
        room=room,
        thrift=found.thrift,
        lossless_bytes_per_s=lossless,
        bytes_per_s=found.total(),
    )


@dataclass(slots=True, kw_only=True)
class _Unit:
    """Topics that are decided together, and where they stand on their steps."""

    rule: Rule
    members: dict[int, TopicSurvey]
    steps: tuple[Step, ...]
    delay_s: float
    at: int = 0
    demanded: bool = False

    @property
    def step(self) -> Step:
        """The present one."""
        return self.steps[self.at]

    def loads(self, step: Step) -> Iterator[Load]:
        """Tell what a step puts on the link."""
        for topic in self.members.values():
            yield Load(
                option=topic.options[step.reducer],
                hz=min(step.hz or topic.hz, topic.hz),
                delay_s=self.delay_s,
                priority=self.rule.priority,
            )

    def may(self, sacrifice: Sacrifice) -> bool:
        """Tell whether a step of this sort can be taken."""
        if self.demanded:
            return False
        if sacrifice is Sacrifice.DEMAND:
            return self.rule.on_demand
        following = self.steps[self.at + 1 : self.at + 2]
        # What is of little use anyway waits for somebody to look at it instead.
        if sacrifice is Sacrifice.SLOW and self.rule.on_demand:
            return False
        return any(step.sacrifice <= sacrifice for step in following)


class _Deciding:
    """Where everything stands."""

    def __init__(self, topics: Sequence[TopicSurvey], room: Room, thrift: Thrift) -> None:
        self.thrift = thrift
        self._room = room
        self._units = [
            _Unit(
                rule=RULES[kind],
                members=members,
                steps=steps_of(tuple(members.values()), RULES[kind]),
                delay_s=RULES[kind].delays_s[thrift],
            )
            for kind, members in _alike(topics)
        ]

    def total(self) -> float:
        """Tell what all that flows by itself takes, bytes per second."""
        flowing = [unit for unit in self._units if not unit.demanded]
        return self._cost([load for unit in flowing for load in unit.loads(unit.step)]) + (
            self._room.besides_bytes_per_s
        )

    def fits(self) -> bool:
        """Tell whether that is within the room."""
        return self.total() <= self._room.bytes_per_s

    def give_up(self) -> None:
        """Take steps until it fits, or none is left."""
        for sacrifice, classes in PHASES:
            for priority in classes:
                self._give_up(sacrifice, priority)

    def _give_up(self, sacrifice: Sacrifice, priority: Priority) -> None:
        while not self.fits():
            going = [
                unit
                for unit in self._units
                if unit.rule.priority is priority and unit.may(sacrifice)
            ]
            if not going:
                return
            # What takes most gives up first; of equals the one named last.
            unit = max(reversed(going), key=lambda one: self._cost(list(one.loads(one.step))))
            if sacrifice is Sacrifice.DEMAND:
                unit.demanded = True
            else:
                unit.at += 1

    def take_back(self) -> None:
        """Take steps back while it still fits."""
        for sacrifice, classes in reversed(PHASES):
            # Nobody gets luxuries back while others still lack what is of use.
            if sacrifice <= Sacrifice.AMPLE and self._lacking(sacrifice):
                return
            for priority in reversed(classes):
                for unit in self._units:
                    if unit.rule.priority is priority:
                        self._take_back(unit, sacrifice)

    def _lacking(self, sacrifice: Sacrifice) -> bool:
        return any(unit.step.sacrifice > sacrifice for unit in self._units if not unit.demanded)

    def _take_back(self, unit: _Unit, sacrifice: Sacrifice) -> None:
        if sacrifice is Sacrifice.DEMAND:
            before, unit.demanded = unit.demanded, False
            unit.demanded = before and not self.fits()
            return
        while not unit.demanded and unit.at and unit.step.sacrifice is sacrifice:
            unit.at -= 1
            if not self.fits():
                unit.at += 1
                return

    def choices(self) -> Iterator[tuple[int, Choice]]:
        """Say where each topic stands, with its place among them."""
        for unit in self._units:
            step = self._leased(unit) if unit.demanded else unit.step
            costs = [self._cost([load]) for load in unit.loads(step)]
            for (place, topic), cost in zip(unit.members.items(), costs, strict=True):
                yield (
                    place,
                    Choice(
                        topic=topic,
                        rule=unit.rule,
                        step=step,
                        delay_s=_delay_s(unit, self.thrift),
                        bytes_per_s=cost,
                    ),
                )

    def _leased(self, unit: _Unit) -> Step:
        """Choose what flows of one topic while somebody looks: the best that the link takes."""
        left = max(0.0, self._room.burst_bytes_per_s - self.total())

        def cost(step: Step) -> float:
            return max(self._cost([load]) for load in unit.loads(step))

        for step in self._offered(unit):
            if cost(step) <= left:
                return replace(step, sacrifice=Sacrifice.DEMAND)
        last = unit.steps[-1]
        once = cost(replace(last, hz=1.0))
        fitting = max(_LEAST_LEASED_HZ, _rounded_down(left / once) if once else 1.0)
        hz = min(fitting, last.hz or min(topic.hz for topic in unit.members.values()))
        return replace(last, sacrifice=Sacrifice.DEMAND, hz=hz)

    def _offered(self, unit: _Unit) -> Sequence[Step]:
        """List what may flow while somebody looks: where bytes are money, the least of use."""
        if not self._room.metered:
            return unit.steps
        useful = [step for step in unit.steps if step.sacrifice < Sacrifice.SLOW]
        return (useful[-1], *unit.steps[len(useful) :])

    def _cost(self, loads: Sequence[Load]) -> float:
        return self._room.factor * total_bytes_per_s(loads, self._room.message_bytes)


def _delay_s(unit: _Unit, thrift: Thrift) -> float:
    # Whoever looks does not want to wait.
    return unit.rule.delays_s[min(thrift, Thrift.THIN) if unit.demanded else thrift]


def _alike(topics: Sequence[TopicSurvey]) -> Iterator[tuple[str, dict[int, TopicSurvey]]]:
    """Put topics of a kind and a rate together; the rate's octave is near enough."""
    groups: dict[tuple[object, ...], dict[int, TopicSurvey]] = {}
    for place, topic in enumerate(topics):
        octave = round(math.log2(topic.hz)) if topic.hz > 0 else None
        key: tuple[object, ...] = (topic.kind, octave, tuple(sorted(topic.options)))
        groups.setdefault(key, {})[place] = topic
    for key, members in groups.items():
        yield str(key[0]), members


def _rounded_down(hz: float) -> float:
    """Round to one significant digit."""
    if hz <= 0:
        return 0.0
    unit = 10.0 ** math.floor(math.log10(hz))
    return float(f'{math.floor(hz / unit) * unit:.3g}')
