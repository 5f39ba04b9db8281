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
What makes a black box keep its last seconds: triggers as the user writes them.

::

    /odom: twist.twist.linear.x > 1.5
    /battery: percentage < 0.2 for 5s
    /estop: data == true
    /mode: data == "fault"
    /diagnostics: level >= error
    /diagnostics[motor_left]: level >= warn for 2s
    service
    command
    crash
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
import math
import operator
import re
from typing import Any

Value = bool | float | str

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    '<=': operator.le,
    '>=': operator.ge,
    '==': operator.eq,
    '!=': operator.ne,
    '<': operator.lt,
    '>': operator.gt,
}

# diagnostic_msgs/msg/DiagnosticStatus
LEVELS: Mapping[str, int] = {'ok': 0, 'warn': 1, 'error': 2, 'stale': 3}
_LEVEL_NAMES = {level: name for name, level in LEVELS.items()}

_UNITS_S = {'ms': 0.001, 's': 1.0, 'min': 60.0}
MAX_HOLD_S = 3600.0

# Statuses of a diagnostics topic that are followed: their names come out of messages.
_MOST_NAMES = 1000
_MOST_VALUE_CHARACTERS = 200

_TOPIC = r'/?[A-Za-z_][A-Za-z0-9_]*(?:/[A-Za-z_][A-Za-z0-9_]*)*'
_NUMBER = r'[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?'
_PART = r'[A-Za-z][A-Za-z0-9_]*(?:\[[0-9]{1,9}\])?'
_CONDITION = re.compile(
    rf'(?P<topic>{_TOPIC})'
    r'(?:\[(?P<name>.+)\])?'
    rf'\s*:\s*(?P<field>{_PART}(?:\.{_PART})*)'
    rf'\s*(?P<operator>{"|".join(_OPERATORS)})'
    rf'\s*(?P<value>{_NUMBER}|[A-Za-z]+|"[^"]*"|\'[^\']*\')'
    r'(?:\s+for\s+(?P<hold>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(?P<unit>ms|s|min))?'
)
_ALLOWED = (
    "must be a condition as in '/odom: twist.twist.linear.x > 1.5 for 2s' or "
    "'/diagnostics: level >= error', or 'service', 'command' or 'crash'"
)


class TriggerKind(Enum):
    """Where a trigger comes from."""

    FIELD = 'field'
    DIAGNOSTICS = 'diagnostics'
    SERVICE = 'service'
    CRASH = 'crash'
    COMMAND = 'command'


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """
    One trigger.

    ``topic`` stands as the user wrote it, perhaps relative; ``path`` holds field names and
    indices; ``name`` is the diagnostics status that counts, empty for all.
    """

    text: str
    kind: TriggerKind
    topic: str = ''
    name: str = ''
    path: tuple[str | int, ...] = ()
    operator: str = ''
    value: Value = 0.0
    hold_s: float = 0.0


class FieldProblem(ValueError):
    """A message lacks the field of a trigger, or it cannot be compared with its value."""


def parse_trigger(text: str) -> Trigger:
    """
    Read one trigger.

    :param text: what the user wrote
    :returns: the trigger
    :raises ValueError: says what is allowed
    """
    text = text.strip()
    try:
        kind = TriggerKind(text.lower())
    except ValueError:
        return _parse_condition(text)
    if kind in (TriggerKind.FIELD, TriggerKind.DIAGNOSTICS):
        raise ValueError(_ALLOWED)
    return Trigger(text=kind.value, kind=kind)


def trigger_problem(text: str) -> str:
    """
    Say what is wrong with one trigger.

    :param text: what the user wrote
    :returns: one line, empty when nothing is
    """
    try:
        parse_trigger(text)
    except ValueError as error:
        return str(error)
    return ''


def _parse_condition(text: str) -> Trigger:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ValueError(_ALLOWED)
    word, name = found['value'], found['name'] or ''
    hold_s = float(found['hold'] or 0) * _UNITS_S[found['unit'] or 's']
    if not hold_s <= MAX_HOLD_S:
        raise ValueError(f'holds for more than {MAX_HOLD_S:.0f} s')
    diagnostics = bool(name) or word.lower() in LEVELS
    value = _level(word, found['field']) if diagnostics else _value(word)
    if isinstance(value, bool | str) and found['operator'] not in ('==', '!='):
        raise ValueError(f'compares {word} by {found["operator"]}; only == and != do for it')
    return Trigger(
        text=text,
        kind=TriggerKind.DIAGNOSTICS if diagnostics else TriggerKind.FIELD,
        topic=found['topic'],
        name=name,
        path=_path(found['field']),
        operator=found['operator'],
        value=value,
        hold_s=hold_s,
    )


def _value(word: str) -> Value:
    if word[0] in '\'"':
        return word[1:-1]
    if word.lower() in ('true', 'false'):
        return word.lower() == 'true'
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f'compares with {word}; must be a number, true, false or quoted text')
    return value


def _level(word: str, field: str) -> float:
    if field != 'level':
        raise ValueError(f"of diagnostics only the field 'level' can be compared, not '{field}'")
    level = LEVELS.get(word.lower())
    if level is None:
        raise ValueError(f'compares a level with {word}; must be one of {", ".join(LEVELS)}')
    return level


def _path(field: str) -> tuple[str | int, ...]:
    path: list[str | int] = []
    for part in field.split('.'):
        name, _, index = part.partition('[')
        path.append(name)
        if index:
            path.append(int(index[:-1]))
    return tuple(path)


def _written(path: Iterable[str | int]) -> str:
    parts = (f'[{part}]' if isinstance(part, int) else f'.{part}' for part in path)
    return ''.join(parts).removeprefix('.')


def read_field(message: Any, path: Iterable[str | int]) -> Value | None:
    """
    Read one field of a message.

    :param message: a ROS message
    :param path: field names and indices
    :returns: number, truth or text; None when a list is too short just now
    :raises FieldProblem: when there is no such field, or it is none of these
    """
    value, where = message, ''
    for part in path:
        if isinstance(part, int):
            if isinstance(value, str | bytes) or not hasattr(value, '__getitem__'):
                raise FieldProblem(f"'{where}' is no list")
            if part >= len(value):
                return None
            value, where = value[part], f'{where}[{part}]'
        else:
            if part not in _fields(value):
                kind = f'{type(value).__name__} has' if not where else f"'{where}' has"
                known = ', '.join(_fields(value)) or 'none'
                raise FieldProblem(f"{kind} no field '{part}'; its fields: {known}")
            value, where = getattr(value, part), f'{where}.{part}' if where else part
    return _plain(value, where)


def _fields(value: Any) -> Iterable[str]:
    read = getattr(value, 'get_fields_and_field_types', None)
    return tuple(read()) if callable(read) else ()


def _plain(value: Any, where: str) -> Value:
    # An octet is bytes of length one to rclpy; numpy's scalars know their Python equal.
    if isinstance(value, bytes) and len(value) == 1:
        return value[0]
    if isinstance(value, bool | int | float | str):
        return value
    if _fields(value):
        raise FieldProblem(f"'{where}' has fields itself: {', '.join(_fields(value))}")
    if hasattr(value, 'item') and not hasattr(value, '__len__'):
        return _plain(value.item(), where)
    raise FieldProblem(f"'{where}' is a list; write one of its elements, as in {where}[0]")


def _kind_of(value: Value) -> str:
    if isinstance(value, bool):
        return 'true or false'
    return 'text' if isinstance(value, str) else 'a number'


def field_problem(trigger: Trigger, message: Any) -> str:
    """
    Say whether a trigger can be told from a type of message at all.

    :param trigger: one of kind field or diagnostics
    :param message: any message of the type, an empty one will do
    :returns: one line, empty when it can
    """
    try:
        list(_measure(trigger, message))
    except FieldProblem as problem:
        return str(problem)
    return ''


def _measure(trigger: Trigger, message: Any) -> Iterable[tuple[str, bool, str]]:
    """Give name, whether the condition holds, and the value in words; of each status, if many."""
    if trigger.kind is TriggerKind.DIAGNOSTICS:
        yield from _measure_levels(trigger, message)
        return
    value = read_field(message, trigger.path)
    if value is None:
        return
    if _kind_of(value) != _kind_of(trigger.value):
        is_not = f'is {_kind_of(value)}, not {_kind_of(trigger.value)}'
        raise FieldProblem(f"'{_written(trigger.path)}' {is_not}")
    yield '', _OPERATORS[trigger.operator](value, trigger.value), str(value)


def _measure_levels(trigger: Trigger, message: Any) -> Iterable[tuple[str, bool, str]]:
    # One status by itself also travels, as on /diagnostics_toplevel_state.
    statuses = [message] if 'level' in _fields(message) else getattr(message, 'status', None)
    if not isinstance(statuses, list):
        raise FieldProblem(f'{type(message).__name__} holds no diagnostics')
    for status in statuses:
        if trigger.name not in ('', status.name):
            continue
        level = read_field(status, ('level',))
        word = _LEVEL_NAMES.get(level, str(level)) if isinstance(level, int) else str(level)
        holds = _OPERATORS[trigger.operator](level, trigger.value)
        yield status.name, holds, f'{word}: {status.name}: {status.message}'


@dataclass(slots=True)
class _Edge:
    """How long a condition has held, and whether that was told."""

    since: float
    value: str
    told: bool = False


class Watch:
    """
    Follows one condition; fires when it becomes true and has stayed so for the trigger's time.

    It fires again only after it has been false. What a message said holds until another says
    otherwise. Of diagnostics each status name is followed by itself.

    :param trigger: one of kind field or diagnostics
    """

    def __init__(self, trigger: Trigger) -> None:
        self.trigger = trigger
        self.problem = ''
        self._true: dict[str, _Edge] = {}

    def feed(self, message: Any, now: float) -> list[str]:
        """
        Look at a message.

        :param message: of the trigger's topic
        :param now: monotonic seconds
        :returns: the values that fire, in words; ``problem`` says what cannot be read
        """
        fired = self.tick(now)
        try:
            for name, holds, value in _measure(self.trigger, message):
                if not holds:
                    self._true.pop(name, None)
                elif name not in self._true and len(self._true) < _MOST_NAMES:
                    self._true[name] = _Edge(now, value[:_MOST_VALUE_CHARACTERS])
            self.problem = ''
        except FieldProblem as problem:
            self.problem = str(problem)
        return fired + self.tick(now)

    def tick(self, now: float) -> list[str]:
        """
        Look at the clock.

        :param now: monotonic seconds
        :returns: the values that fire, in words
        """
        fired = []
        for edge in self._true.values():
            if not edge.told and now - edge.since >= self.trigger.hold_s:
                edge.told = True
                fired.append(edge.value)
        return fired

    @property
    def due_at(self) -> float | None:
        """When :meth:`tick` has something to say, if no message comes before."""
        waiting = [edge.since for edge in self._true.values() if not edge.told]
        return min(waiting) + self.trigger.hold_s if waiting else None
