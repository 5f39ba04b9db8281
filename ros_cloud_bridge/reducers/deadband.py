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

"""Report on change: a message goes out when a field has left its dead band, or after a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.reducers.field_rules import match_rules, positive, read_rules, Rule
from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.reducers.layout import HEADER, Kind, Layout, LOOP, TEXT, Walk, WIDE_TEXT
from ros_cloud_bridge.reducers.levels import FACTORS, SAID
from ros_cloud_bridge.reducers.plain import PlainKind, read_max_s, TimedReducer
from ros_cloud_bridge.reducers.sensor_options import check_names


@dataclass(slots=True, eq=False)
class _Watched:
    """Where a layout has what is watched: numbers by type with their bands, and exact bytes."""

    numbers: list[tuple[str, NDArray[np.int64], NDArray[np.float64]]] = field(default_factory=list)
    exact: list[tuple[int, int]] = field(default_factory=list)


class Deadband(TimedReducer):
    """
    Leaves out messages that say what the last one said.

    :param layout: of the type
    :param bands: by number of field; 0 for any change
    :param max_s: a message goes out after so long in any case
    :param output: what comes out
    """

    def __init__(
        self, layout: Layout, bands: Mapping[int, float], max_s: float, output: Output
    ) -> None:
        super().__init__(max_s, output)
        self._layout = layout
        self._bands = bands
        self._said_at = 0.0
        self._last: bytes | None = None
        self._last_walk: Walk | None = None

    def reduce(self, cdr: bytes, level: Level) -> bytes | None:
        """
        Decide on a message.

        :param cdr: serialized message
        :param level: how much is given up now
        :returns: the message; None when it says nothing new
        :raises ProtocolError: when it does not fit its type
        """
        walk = self._layout.walk(cdr)
        since = self._now - self._said_at
        # A clock that was set back starts anew.
        if 0.0 <= since < self._max_s and not self._changed(cdr, walk, FACTORS[level]):
            return None
        self._last, self._last_walk, self._said_at = cdr, walk, self._now
        return cdr

    def _changed(self, cdr: bytes, walk: Walk, factor: float) -> bool:
        last = self._last
        if last is None or walk is not self._last_walk:
            return last is None or self._structure(walk) or self._values(cdr, last, walk, factor)
        return self._values(cdr, last, walk, factor)

    def _structure(self, walk: Walk) -> bool:
        """Tell whether lengths or counts of what is watched differ from the last message's."""
        assert self._last_walk is not None
        return _shape(walk, self._bands) != _shape(self._last_walk, self._bands)

    def _values(self, cdr: bytes, last: bytes, walk: Walk, factor: float) -> bool:
        assert self._last_walk is not None
        here, there = self._watched(walk), self._watched(self._last_walk)
        for (start, end), (old_start, old_end) in zip(here.exact, there.exact, strict=True):
            if cdr[start:end] != last[old_start:old_end]:
                return True
        for (dtype, index, bands), (_, old_index, _) in zip(
            here.numbers, there.numbers, strict=True
        ):
            new = _read(cdr, walk.order + dtype, index)
            old = _read(last, self._last_walk.order + dtype, old_index)
            with np.errstate(invalid='ignore', over='ignore'):
                apart = np.abs(new.astype(np.float64) - old.astype(np.float64))
                # An integer of eight bytes may differ where its double does not.
                same = (new == old) | ((apart <= factor * bands) & (bands > 0.0))
                same |= (new != new) & (old != old)
            if not same.all():
                return True
        return False

    def _watched(self, walk: Walk) -> _Watched:
        found = walk.memo.get('watched')
        if found is None:
            found = walk.memo['watched'] = self._find(walk)
        assert isinstance(found, _Watched)
        return found

    def _find(self, walk: Walk) -> _Watched:
        watched = _Watched()
        groups: dict[str, list[tuple[NDArray[np.int64], float]]] = {}
        for place in walk.places:
            if place.kind is Kind.TEXT and place.leaf in self._bands:
                start = HEADER + place.start + 4
                watched.exact.append((start, start + place.count))
        for leaf, band in self._bands.items():
            kind = self._layout.leaves[leaf]
            if kind.dtype in (TEXT, WIDE_TEXT, LOOP):
                continue
            index = walk.positions(leaf, kind.size) // kind.size
            if len(index):
                groups.setdefault(kind.dtype, []).append((index, band))
        for dtype, found in groups.items():
            index = np.concatenate([one for one, _ in found])
            bands = np.concatenate([np.full(len(one), band) for one, band in found])
            watched.numbers.append((dtype, index, bands))
        return watched


def _shape(walk: Walk, watched: Mapping[int, float]) -> list[tuple[int, int, int]]:
    return [
        (place.leaf, place.count, place.groups)
        for place in walk.places
        if place.leaf in watched and place.kind is not Kind.END
    ]


def _read(cdr: bytes, dtype: str, index: NDArray[np.int64]) -> NDArray[Any]:
    count = (len(cdr) - HEADER) // int(dtype[-1])
    return np.frombuffer(cdr, dtype, count, HEADER)[index]


class DeadbandKind(PlainKind):
    """Report on change, for any message."""

    name = 'deadband'
    options = ('fields', 'by', 'max_s')

    def check(self, options: Mapping[str, str]) -> None:
        """
        Judge options.

        :param options: ``fields=pose.*:0.05,...``, ``by=0.05``, ``max_s=10``
        :raises ValueError: says what is wrong
        """
        _parse(options)

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> Deadband:
        """
        Make the reducer of a route.

        :param type_name: any
        :param definition: the type's complete ros2msg definition
        :param options: as for :meth:`check`
        :param max_bytes: has no effect
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, or with the type
        """
        rules, by, max_s = _parse(options)
        layout = Layout(type_name, definition)
        candidates = [number for number, leaf in enumerate(layout.leaves) if not leaf.stamp]
        if not candidates:
            raise ValueError(f'{type_name} has nothing but a stamp')
        chosen = match_rules(layout, rules or (Rule(pattern='*'),), candidates, 'field')
        bands = {
            leaf: positive(rule.text, 'fields') if rule.text else by
            for leaf, rule in chosen.items()
        }
        said = ', '.join(
            f'{rule.pattern} by more than {rule.text or format(by, "g")}' for rule in rules
        )
        error = (
            f'sent when {said or f"any field changes by more than {by:g}"} {SAID}, '
            f'else every {max_s:g} s'
        )
        return Deadband(layout, bands, max_s, Output(type_name=type_name, error=error))


def _parse(options: Mapping[str, str]) -> tuple[tuple[Rule, ...], float, float]:
    check_names(options, DeadbandKind.options)
    rules = read_rules(options)
    for rule in rules:
        if rule.text:
            positive(rule.text, 'fields')
    return rules, positive(options.get('by', '0'), 'by'), read_max_s(options, 10.0)
