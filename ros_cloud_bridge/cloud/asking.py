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

"""When to ask which bridge for what; told the time, and does nothing but decide."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
import re

from ros_cloud_bridge.wire.announce import Ask

# What a bridge that has something to say sends by itself on connecting, or leaves retained.
JOIN_PATIENCE_S = 1.0
MIN_INTERVAL_S = 2.0
MAX_INTERVAL_S = 60.0
_MAX_NEEDS_PER_ROBOT = 256
_JOINING = ('info', 'routes', 'latched')
_MAX_DICTIONARIES_PER_ASK = 16
_SCHEMA_ID = re.compile('[0-9a-f]{16}')
# Before the name of a dictionary, lest it meet a schema's id.
_DICTIONARY = 'dict:'


@dataclass(slots=True)
class _Need:
    due: float
    times: int = 0


@dataclass(slots=True)
class _Robot:
    first_seen: float
    earliest: float = 0.0
    needs: dict[str, _Need] = field(default_factory=dict)


class Asker:
    """
    Paces what one consumer asks of each robot.

    A robot is asked at most every two seconds; a need that stays unmet is asked for ever more
    seldom, up to once a minute. A robot that is heard and whose ``info`` has not come within a
    second is asked for all that a late consumer lacks.
    """

    def __init__(self) -> None:
        self._robots: dict[str, _Robot] = {}

    def reconnected(self) -> None:
        """Forget how often was asked in vain: the answers may have come while we were away."""
        for robot in self._robots.values():
            robot.needs.clear()

    def due(
        self, wanted: Mapping[str, Ask], uninformed: Iterable[str], now: float
    ) -> dict[str, Ask]:
        """
        Say what to ask now; what is returned counts as asked.

        :param wanted: what the decoder lacks, by robot
        :param uninformed: robots that are there and whose ``info`` is not
        :param now: monotonic seconds
        :returns: requests by robot
        """
        lacking = self._lacking(wanted, uninformed, now)
        asks = {}
        for robot_id, names in lacking.items():
            robot = self._robots[robot_id]
            robot.needs = {name: robot.needs.get(name, _Need(now)) for name in names}
            pending = [name for name, need in robot.needs.items() if need.due <= now]
            if not pending or now < robot.earliest:
                continue
            robot.earliest = now + MIN_INTERVAL_S
            for name in pending:
                need = robot.needs[name]
                need.due = now + min(MIN_INTERVAL_S * float(2**need.times), MAX_INTERVAL_S)
                need.times = min(need.times + 1, 8)
            asks[robot_id] = _make_ask(pending)
        for robot_id, robot in self._robots.items():
            if robot_id not in lacking:
                robot.needs.clear()
        return asks

    def _lacking(
        self, wanted: Mapping[str, Ask], uninformed: Iterable[str], now: float
    ) -> dict[str, list[str]]:
        lacking: dict[str, list[str]] = {}
        for robot_id, ask in wanted.items():
            self._robots.setdefault(robot_id, _Robot(now))
            # A schema id in an info document is any text.
            names = [schema for schema in ask.schemas if _SCHEMA_ID.fullmatch(schema)]
            lacking[robot_id] = (['routes'] if ask.routes else []) + names[:_MAX_NEEDS_PER_ROBOT]
            dictionaries = ask.dictionaries[:_MAX_DICTIONARIES_PER_ASK]
            lacking[robot_id] += [_DICTIONARY + name for name in dictionaries]
        for robot_id in uninformed:
            robot = self._robots.setdefault(robot_id, _Robot(now))
            if now - robot.first_seen >= JOIN_PATIENCE_S:
                names = lacking.setdefault(robot_id, [])
                names += [name for name in _JOINING if name not in names]
        return {robot_id: names for robot_id, names in lacking.items() if names}


def _make_ask(names: list[str]) -> Ask:
    dictionaries = [name for name in names if name.startswith(_DICTIONARY)]
    return Ask(
        info='info' in names,
        routes='routes' in names,
        latched='latched' in names,
        schemas=tuple(name for name in names if name not in (*_JOINING, *dictionaries)),
        dictionaries=tuple(name.removeprefix(_DICTIONARY) for name in dictionaries),
    )
