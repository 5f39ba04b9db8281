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
Field selection: what nobody needs goes out as zeros and empties.

The message keeps its type, so that whoever reads it needs nothing new: numbers are 0, strings and
sequences empty. Zeros in the same places of each message cost next to nothing in a batch.
"""

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.reducers.field_rules import match_rules, read_patterns, Rule
from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.reducers.layout import HEADER, Kind, Layout, LOOP, Place, Walk, WIDE_TEXT
from ros_cloud_bridge.reducers.plain import PlainKind, PlainReducer
from ros_cloud_bridge.reducers.sensor_options import check_names

# Where a byte of the new message comes from, if not from the old one.
_ZERO = -1
_ONE = -2


class Select(PlainReducer):
    """
    Empties fields.

    :param layout: of the type
    :param dropped: numbers of the fields that are emptied, by level
    :param output: what comes out
    """

    def __init__(
        self, layout: Layout, dropped: Mapping[Level, Collection[int]], output: Output
    ) -> None:
        super().__init__(output)
        self._layout = layout
        self._dropped = dropped

    def reduce(self, cdr: bytes, level: Level) -> bytes | None:
        """
        Empty a message's fields.

        :param cdr: serialized message
        :param level: how much is given up now
        :returns: a message of the same type
        :raises ProtocolError: when it does not fit its type
        """
        walk = self._layout.walk(cdr)
        sources = walk.memo.get(level)
        if sources is None:
            sources = walk.memo[level] = self._sources(walk, self._dropped[level])
        # Two bytes behind the message stand for what is in none: index -1 and -2.
        bytes_in = np.frombuffer(cdr + b'\x01\x00', np.uint8)
        made: bytes = bytes_in[sources].tobytes()
        return made

    def _sources(self, walk: Walk, dropped: Collection[int]) -> NDArray[np.int64]:
        writer = _Writer(self._layout, walk, dropped)
        return writer.sources()


class _Writer:
    """Lays a message out anew: says for each byte where it comes from."""

    def __init__(self, layout: Layout, walk: Walk, dropped: Collection[int]) -> None:
        self._layout = layout
        self._walk = walk
        self._dropped = dropped
        self._parts: list[NDArray[np.int64]] = [np.arange(HEADER, dtype=np.int64)]
        self._position = 0
        # The block of a loop that was copied last, and where it stood.
        self._block = np.zeros(0, np.int64)
        self._block_start = 0
        self._emptied = -1

    def sources(self) -> NDArray[np.int64]:
        """
        Lay it out.

        :returns: for each byte of the new message its place in the old one, -1 for a zero and -2
            for a one
        """
        # Depth of loops that are gone with all that they hold.
        gone = 0
        for place in self._walk.places:
            if gone:
                gone += (place.kind is Kind.LOOP) - (place.kind is Kind.END)
            elif place.kind is Kind.LOOP and place.start >= 0 and place.leaf in self._dropped:
                self._count(place)
                gone = 1
            else:
                self._place(place)
        return np.concatenate(self._parts)

    def _place(self, place: Place) -> None:
        if place.kind is Kind.NUMBERS:
            self._numbers(place)
        elif place.kind is Kind.TEXT:
            self._text(place)
        elif place.kind is Kind.BLOCK:
            self._align(place.stride)
            self._copy(place.start, place.count)
            self._block, self._block_start = self._parts[-1], place.start
        elif place.kind is Kind.COUNT or (place.kind is Kind.LOOP and place.start >= 0):
            self._count(place)

    def _align(self, size: int) -> None:
        self._zeros(-self._position % size)

    def _zeros(self, count: int) -> None:
        if count:
            self._parts.append(np.full(count, _ZERO, np.int64))
            self._position += count

    def _copy(self, start: int, count: int) -> None:
        self._parts.append(np.arange(HEADER + start, HEADER + start + count, dtype=np.int64))
        self._position += count

    def _count(self, place: Place) -> None:
        self._align(4)
        if place.leaf in self._dropped:
            self._zeros(4)
            self._emptied = place.leaf
        else:
            self._copy(place.start, 4)

    def _text(self, place: Place) -> None:
        self._align(4)
        if place.leaf not in self._dropped:
            self._copy(place.start, 4 + place.count)
            return
        if self._layout.leaves[place.leaf].dtype == WIDE_TEXT:
            self._zeros(4)
            return
        # An empty string is its terminating zero, of length 1.
        one = [_ONE, _ZERO, _ZERO, _ZERO] if self._walk.little else [_ZERO, _ZERO, _ZERO, _ONE]
        self._parts.append(np.array([*one, _ZERO], np.int64))
        self._position += 5

    def _numbers(self, place: Place) -> None:
        dropped = place.leaf in self._dropped
        size = self._layout.leaves[place.leaf].size
        if place.stride:
            if dropped:
                starts = place.start - self._block_start + place.stride * np.arange(place.groups)
                width = np.arange(place.count * size)
                self._block[(starts[:, None] + width[None, :]).ravel()] = _ZERO
            return
        if dropped and self._emptied == place.leaf:
            # What the count of a sequence counted.
            self._emptied = -1
            return
        self._align(size)
        if dropped:
            self._zeros(place.count * size)
        else:
            self._copy(place.start, place.count * size)


class SelectKind(PlainKind):
    """Field selection, for any message."""

    name = 'select'
    options = ('keep', 'drop', 'reduced_drop', 'minimal_drop')

    def check(self, options: Mapping[str, str]) -> None:
        """
        Judge options.

        :param options: ``keep=header,pose.*`` or ``drop=*covariance``, and what goes beyond it
        :raises ValueError: says what is wrong
        """
        _parse(options)

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> Select:
        """
        Make the reducer of a route.

        :param type_name: any
        :param definition: the type's complete ros2msg definition
        :param options: as for :meth:`check`
        :param max_bytes: has no effect
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, or with the type
        """
        rules = _parse(options)
        layout = Layout(type_name, definition)
        fields = range(len(layout.leaves))
        dropped = set(match_rules(layout, rules.get('drop', ()), fields, 'field'))
        if 'keep' in rules:
            kept = match_rules(layout, rules['keep'], fields, 'field')
            # A sequence of messages of which anything is kept has to be there.
            paths = tuple(layout.leaves[leaf].path for leaf in kept)
            dropped = {
                leaf
                for leaf in fields
                if leaf not in kept
                if layout.leaves[leaf].dtype != LOOP
                or not any(path.startswith(f'{layout.leaves[leaf].path}.') for path in paths)
            }
        if not dropped:
            raise ValueError('keeps every field')
        by_level = {Level.FULL: dropped}
        for level in (Level.REDUCED, Level.MINIMAL):
            more = rules.get(f'{level.name.lower()}_drop', ())
            by_level[level] = by_level[Level(level - 1)] | set(
                match_rules(layout, more, fields, 'field')
            )
        error = _error(options)
        return Select(layout, by_level, Output(type_name=type_name, error=error))


def _error(options: Mapping[str, str]) -> str:
    if 'keep' in options:
        said = f'zero or empty but for {options["keep"]}'
    else:
        said = f'zero or empty: {options["drop"]}'
    for name in ('reduced', 'minimal'):
        if f'{name}_drop' in options:
            said += f'; {name}: {options[f"{name}_drop"]}, too'
    return said


def _parse(options: Mapping[str, str]) -> dict[str, tuple[Rule, ...]]:
    check_names(options, SelectKind.options)
    if ('keep' in options) == ('drop' in options):
        raise ValueError('needs keep or drop, and takes one of them')
    return {name: read_patterns(options, name) for name in options}
