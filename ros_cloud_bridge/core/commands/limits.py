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
Limits on the fields of a command, as a channel's ``limits`` has them.

::

    linear.x: -0.5..1.0          a number within bounds, which NaN never is
    mode: in slow, fast, 3       one of these texts or numbers; '' is the empty text
    waypoints: at most 20        length of a text, of bytes or of an array
    waypoints.*.x: -10.0..10.0   * is any field or any index

A field that is absent counts as what ROS makes of it: 0, an empty text or an empty array.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
import math
import re
from typing import Any

ANY = '*'
_PATH = re.compile(r'(\*|[A-Za-z_][A-Za-z0-9_]*)(\.(\*|[A-Za-z_][A-Za-z0-9_]*))*')
_AT_MOST = re.compile(r'at most +([0-9]{1,9})')
_FORMS = "'PATH: LOW..HIGH', 'PATH: in A, B' or 'PATH: at most N'"
_SHOWN = 60


class _Absent:
    def __repr__(self) -> str:
        return 'absent'


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class _Misfit:
    value: object

    def __repr__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, slots=True)
class Limit(ABC):
    """
    What one path has to keep to.

    :param path: field names joined by dots
    :param steps: the same, apart
    """

    path: str
    steps: tuple[str, ...]

    @abstractmethod
    def objection(self, value: object) -> str:
        """
        Say what is wrong with a value.

        :param value: or :data:`ABSENT`
        :returns: as in ``2.5 is outside -0.5..1.0``, or an empty text
        """

    def breach(self, fields: object) -> str:
        """
        Hold a message's fields against the limit.

        :param fields: a map, or None for none
        :returns: as in ``linear.x: 2.5 is outside -0.5..1.0``, or an empty text
        """
        # Nearly always the path leads through maps to a value that fits.
        found = fields
        for step in self.steps:
            if type(found) is not dict or step == ANY:
                break
            found = found.get(step, ABSENT)
        else:
            if not self.objection(found):
                return ''
        for place, value in at(fields, self.steps):
            if problem := self.objection(value):
                return f'{place}: {problem}'
        return ''

    def breach_of_names(self, values: dict[Any, Any]) -> str:
        """
        Hold parameters against the limit: its path is then a parameter's name, or a glob.

        :param values: by name; what is absent is not set
        :returns: like :meth:`breach`
        """
        for name, value in values.items():
            if isinstance(name, str) and fnmatchcase(name, self.path):
                if problem := self.objection(value):
                    return f'{name}: {problem}'
        return ''


@dataclass(frozen=True, slots=True)
class Range(Limit):
    """
    A number within bounds.

    :param path: of the field
    :param steps: the same, apart
    :param low: lowest that is allowed
    :param high: highest
    """

    low: float
    high: float

    def objection(self, value: object) -> str:
        """See :meth:`Limit.objection`."""
        number = 0 if value is ABSENT else value
        if type(number) is not float and type(number) is not int:
            return f'{_shown(value)} is no number'
        if self.low <= number <= self.high:
            return ''
        return f'{_shown(value)} is outside {self.low:g}..{self.high:g}'


@dataclass(frozen=True, slots=True)
class Choice(Limit):
    """
    One of a few values.

    :param path: of the field
    :param steps: the same, apart
    :param texts: as they were written; a number may stand for one
    :param numbers: those of them that are numbers
    """

    texts: tuple[str, ...]
    numbers: tuple[float, ...]

    def objection(self, value: object) -> str:
        """See :meth:`Limit.objection`."""
        if value is ABSENT:
            fits = '' in self.texts or 0.0 in self.numbers
        elif isinstance(value, bool):
            fits = str(value).lower() in self.texts
        elif isinstance(value, str):
            fits = value in self.texts
        else:
            fits = isinstance(value, int | float) and value in self.numbers
        return '' if fits else f'{_shown(value)} is none of {", ".join(self.texts)}'


@dataclass(frozen=True, slots=True)
class Length(Limit):
    """
    A text, bytes or an array of no more than some length.

    :param path: of the field
    :param steps: the same, apart
    :param most: greatest length
    """

    most: int

    def objection(self, value: object) -> str:
        """See :meth:`Limit.objection`."""
        if value is ABSENT:
            return ''
        if not isinstance(value, str | bytes | list):
            return f'{_shown(value)} has no length'
        if len(value) <= self.most:
            return ''
        return f'length {len(value)} is more than {self.most}'


def parse(text: str) -> Limit:
    """
    Read a limit.

    :param text: as in ``linear.x: -0.5..1.0``
    :returns: the limit
    :raises ValueError: says what is wrong with it, on one line
    """
    path, colon, rule = (part.strip() for part in text.partition(':'))
    if not colon or not rule:
        raise ValueError(f'has none of the forms {_FORMS}')
    if _PATH.fullmatch(path) is None:
        raise ValueError(f"{path!r} is no path: field names or '*', joined by '.'")
    steps = tuple(path.split('.'))
    if found := _AT_MOST.fullmatch(rule):
        return Length(path, steps, int(found[1]))
    if rule.startswith('in '):
        return _choice(path, steps, rule[3:])
    low, dots, high = rule.partition('..')
    if not dots:
        raise ValueError(f'{rule!r} is no rule; write {_FORMS}')
    return _range(path, steps, low.strip(), high.strip())


def problem(text: str) -> str:
    """
    Say what is wrong with a limit, for the configuration's checks.

    :param text: as it stands there
    :returns: an empty text when nothing is
    """
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return ''


def at(value: object, steps: tuple[str, ...], place: str = '') -> Iterator[tuple[str, object]]:
    """
    Find what stands at a path.

    :param value: fields, or an array
    :param steps: the path
    :param place: what led here
    :returns: pairs of the path without ``*`` and the value there, which may be :data:`ABSENT`;
        a value in the midst of the path that has no fields comes as one that fits no limit
    """
    if not steps:
        yield place, value
        return
    step, rest = steps[0], steps[1:]
    if value is None and not place:
        value = {}
    if step == ANY:
        if value is not ABSENT:
            for name, item in _items(value):
                yield from at(item, rest, _join(place, name))
    elif isinstance(value, dict):
        yield from at(value.get(step, ABSENT), rest, _join(place, step))
    elif value is ABSENT:
        yield from at(ABSENT, rest, _join(place, step))
    else:
        yield place, _Misfit(value)


def all_finite(value: object) -> bool:
    """
    Look for NaN and infinities.

    :param value: a command's arguments
    :returns: whether there are none
    """
    if type(value) is float:
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(all_finite, value.values()))
    return all(map(all_finite, value)) if isinstance(value, list) else True


def _items(value: object) -> Iterator[tuple[object, object]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list | bytes):
        yield from enumerate(value)
    else:
        yield ANY, _Misfit(value)


def _range(path: str, steps: tuple[str, ...], low: str, high: str) -> Range:
    try:
        bounds = float(low), float(high)
    except ValueError:
        raise ValueError(f"{low!r} and {high!r} are no numbers, as in '-0.5..1.0'") from None
    if not bounds[0] <= bounds[1]:
        raise ValueError(f'{low}..{high} holds no number')
    return Range(path, steps, *bounds)


def _choice(path: str, steps: tuple[str, ...], texts: str) -> Choice:
    written = [text.strip() for text in texts.split(',')]
    if '' in written:
        raise ValueError("a choice is empty; write '' for the empty text")
    choices = tuple('' if text == "''" else text for text in written)
    return Choice(path, steps, choices, tuple(_numbers(choices)))


def _numbers(texts: tuple[str, ...]) -> Iterator[float]:
    for text in texts:
        try:
            number = float(text)
        except ValueError:
            continue
        yield number


def _join(place: str, step: object) -> str:
    name = str(step)[:_SHOWN]
    return f'{place}.{name}' if place else name


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + '…'
