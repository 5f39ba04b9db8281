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

"""Which fields of a message become which keys of its JSON."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ros_cloud_bridge.dashboard.reading import MessageType, Reading, Value
from ros_cloud_bridge.reducers.layout import Leaf, LOOP, TEXT, WIDE_TEXT
from ros_cloud_bridge.wire.schema import EMPTY_MEMBER

Pairs = Iterable[tuple[str, Value | None]]

# Numbers of an array that are shown without having been asked for, and those that can be.
_FEW = 16
MOST = 64
# Names longer than this say nothing on a dashboard.
MAX_NAME = 100
_HEADER = 'header.'
_STAMP = 'header.stamp'


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """
    Something of a message that a dashboard shows.

    :param name: its key in the JSON; of an array what its elements' keys begin with
    :param path: the field, or the message, that it is made of
    :param make: makes keys and values; None where there is nothing to show
    """

    name: str
    path: str
    make: Callable[[Reading], Pairs]

    def meant_by(self, pattern: str) -> bool:
        """
        Tell whether a pattern means it.

        :param pattern: a glob over keys, or over paths as reducers take them
        :returns: whether it does
        """
        return fnmatchcase(self.name, pattern) or Leaf(self.path, TEXT).matches(pattern)


def single(name: str, path: str, make: Callable[[Reading], Value | None]) -> Field:
    """
    Make a field of one key.

    :param name: the key
    :param path: what it is made of
    :param make: makes the value
    :returns: the field
    """
    return Field(name=name, path=path, make=lambda reading: ((name, make(reading)),))


def number(name: str, path: str) -> Field:
    """
    Make a field of a number as it stands in the message.

    :param name: the key
    :param path: of the number
    :returns: the field
    """
    return single(name, path, lambda reading: reading.number(path))


def text(name: str, path: str) -> Field:
    """
    Make a field of a text as it stands in the message.

    :param name: the key
    :param path: of the text
    :returns: the field
    """
    return single(name, path, lambda reading: reading.text(path))


def count(name: str, path: str) -> Field:
    """
    Make a field of how many elements a sequence has.

    :param name: the key
    :param path: of the sequence
    :returns: the field
    """
    return single(name, path, lambda reading: reading.count(path))


def of_message(message_type: MessageType) -> tuple[list[Field], list[Field]]:
    """
    Make fields of whatever a type has.

    :param message_type: the type
    :returns: those that are shown unless others are asked for, and those that can be asked for
    """
    shown: list[Field] = []
    further: list[Field] = []
    loops = [leaf.path for leaf in message_type.leaves if leaf.dtype == LOOP]
    taken: set[str] = set()
    for leaf in message_type.leaves:
        path = leaf.path.rpartition('.')[0] if leaf.stamp else leaf.path
        name = path.removeprefix(_HEADER).replace('.', '_')
        # A key belongs to one field: where two would share one, to the first.
        if name in taken or len(name) > MAX_NAME or leaf.path == EMPTY_MEMBER:
            continue
        taken.add(name)
        inside = any(path.startswith(f'{loop}.') for loop in loops)
        if leaf.dtype in (LOOP, TEXT):
            plain = count(f'{name}_count', path) if leaf.dtype == LOOP else text(name, path)
            (further if inside else shown).append(plain)
            # What stands in a loop, or texts that are one.
            further.append(_texts(name, path) if inside or leaf.dtype == LOOP else plain)
        elif leaf.stamp:
            # When it was published is said already.
            (further if inside or path == _STAMP else shown).append(_seconds(f'{name}_s', path))
        elif leaf.dtype != WIDE_TEXT:
            if not inside and 'covariance' not in path:
                shown.append(_numbers(name, path, _FEW, inside=False))
            further.append(_numbers(name, path, MOST, inside=inside))
    return shown, further


def choose(
    known: Sequence[Field], message_type: MessageType, patterns: Sequence[str]
) -> list[Field]:
    """
    Choose what is shown of a type.

    A pattern means the fields of the table where it fits any of them, and otherwise those that
    the message has.

    :param known: fields of the table of well-known types; none for other types
    :param message_type: the type
    :param patterns: globs over keys and paths; none for what is shown by default
    :returns: the fields
    """
    shown, further = of_message(message_type)
    if not patterns:
        return list(known) or shown
    chosen: list[Field] = []
    for pattern in patterns:
        for choice in (known, further, shown):
            meant = [field for field in choice if field.meant_by(pattern)]
            if meant:
                chosen += [field for field in meant if field not in chosen]
                break
    return chosen


def _seconds(name: str, path: str) -> Field:
    return single(name, path, lambda reading: reading.seconds(path))


def _texts(name: str, path: str) -> Field:
    def make(reading: Reading) -> Iterator[tuple[str, Value | None]]:
        for index, value in enumerate(reading.texts(path, MOST)):
            yield f'{name}_{index}', value

    return Field(name=name, path=path, make=make)


def _numbers(name: str, path: str, most: int, *, inside: bool) -> Field:
    def make(reading: Reading) -> Iterator[tuple[str, Value | None]]:
        many, counted = reading.many(path), reading.count(path)
        if counted is not None:
            yield f'{name}_count', counted
        elif many == 1 and not inside:
            yield name, reading.number(path)
            return
        if many > most and most < MOST:
            return
        for index, value in enumerate(reading.numbers(path, most)):
            yield f'{name}_{index}', value

    return Field(name=name, path=path, make=make)
