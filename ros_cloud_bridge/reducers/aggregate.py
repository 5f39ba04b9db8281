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

"""Decimation with aggregates: of n messages one, whose fields are their mean, least, greatest."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.reducers.field_rules import match_rules, read_patterns, Rule
from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.reducers.layout import HEADER, Layout, Walk
from ros_cloud_bridge.reducers.levels import FACTORS, SAID
from ros_cloud_bridge.reducers.plain import PlainKind, read_max_s, TimedReducer
from ros_cloud_bridge.reducers.sensor_options import check_names, choice, whole

_WAYS = ('mean', 'min', 'max', 'last')
# A group holds no more bytes than this, for messages may be large.
_MAX_GROUP_BYTES = 64 * 1024 * 1024


class Aggregate(TimedReducer):
    """
    Makes one message of several.

    :param layout: of the type
    :param fields: numbers of the fields that are aggregated; the others are those of the last
    :param count: how many messages make one
    :param way: ``mean``, ``min``, ``max`` or ``last``
    :param max_s: a group ends after so long in any case
    :param output: what comes out
    """

    def __init__(
        self,
        layout: Layout,
        fields: Sequence[int],
        *,
        count: int,
        way: str,
        max_s: float,
        output: Output,
    ) -> None:
        super().__init__(max_s, output)
        self._layout = layout
        self._fields = fields
        self._count = count
        self._way = way
        self._began = 0.0
        self._group: list[bytes] = []
        self._walk: Walk | None = None
        self._bytes = 0

    def reduce(self, cdr: bytes, level: Level) -> bytes | None:
        """
        Take a message in.

        :param cdr: serialized message
        :param level: how much is given up now
        :returns: the aggregate when a group is complete, or one of another layout begins
        :raises ProtocolError: when it does not fit its type
        """
        walk = self._layout.walk(cdr)
        done = None
        # Whoever takes the last one needs no other like it.
        if self._group and walk is not self._walk and self._way != 'last':
            done = self._finish()
        if not self._group:
            self._walk, self._began = walk, self._now
        self._group.append(cdr)
        self._bytes += len(cdr)
        late = not 0.0 <= self._now - self._began < self._max_s
        full = len(self._group) >= self._count * FACTORS[level]
        if done is None and (late or full or self._bytes > _MAX_GROUP_BYTES):
            done = self._finish()
        return done

    def _finish(self) -> bytes:
        group, self._group, self._bytes = self._group, [], 0
        walk = self._walk
        assert walk is not None
        if self._way == 'last' or len(group) == 1:
            return group[-1]
        made = bytearray(group[-1])
        for dtype, index in self._numbers(walk):
            count = (len(made) - HEADER) // int(dtype[-1])
            rows = np.stack([np.frombuffer(one, dtype, count, HEADER)[index] for one in group])
            np.frombuffer(made, dtype, count, HEADER)[index] = _together(rows, self._way)
        return bytes(made)

    def _numbers(self, walk: Walk) -> list[tuple[str, NDArray[np.int64]]]:
        found = walk.memo.get('numbers')
        if found is None:
            groups: dict[str, list[NDArray[np.int64]]] = {}
            for leaf in self._fields:
                kind = self._layout.leaves[leaf]
                index = walk.positions(leaf, kind.size) // kind.size
                groups.setdefault(walk.order + kind.dtype, []).append(index)
            found = [(dtype, np.concatenate(parts)) for dtype, parts in groups.items()]
            walk.memo['numbers'] = found
        assert isinstance(found, list)
        return found


def _together(rows: NDArray[Any], way: str) -> NDArray[Any]:
    """Aggregate each column; NaN counts only where there is nothing else."""
    if way == 'min':
        return np.asarray(np.fmin.reduce(rows, axis=0))
    if way == 'max':
        return np.asarray(np.fmax.reduce(rows, axis=0))
    wide = rows.astype(np.float64)
    counted = ~np.isnan(wide)
    numbers = np.maximum(counted.sum(axis=0), 1)
    with np.errstate(invalid='ignore', over='ignore'):
        # Each part by itself: the sum of the greatest numbers would be infinite.
        mean = np.where(counted, wide / numbers, 0.0).sum(axis=0)
        low, high = np.fmin.reduce(wide, axis=0), np.fmax.reduce(wide, axis=0)
        # Rounding must not lead out of the group; infinities of both signs have no mean.
        mean = np.clip(mean, low, high)
    mean = np.where(counted.any(axis=0), mean, np.nan)
    if rows.dtype.kind in 'iu':
        mean = np.rint(mean)
    told: NDArray[Any] = mean.astype(rows.dtype)
    return told


class AggregateKind(PlainKind):
    """Decimation with aggregates, for any message."""

    name = 'aggregate'
    options = ('n', 'of', 'fields', 'max_s')

    def check(self, options: Mapping[str, str]) -> None:
        """
        Judge options.

        :param options: ``n=10``, ``of=mean``, ``fields=pose.*,twist.*``, ``max_s=10``
        :raises ValueError: says what is wrong
        """
        _parse(options)

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> Aggregate:
        """
        Make the reducer of a route.

        :param type_name: any
        :param definition: the type's complete ros2msg definition
        :param options: as for :meth:`check`
        :param max_bytes: has no effect
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, or with the type
        """
        count, way, max_s, rules = _parse(options)
        layout = Layout(type_name, definition)
        floats = [number for number, leaf in enumerate(layout.leaves) if leaf.is_float]
        fields = floats
        if rules:
            # Integers of eight bytes have no exact mean, and bytes are no numbers more often.
            candidates = [
                number
                for number, leaf in enumerate(layout.leaves)
                if leaf.is_float or (leaf.dtype[0] in 'iu' and leaf.dtype[1] in '24')
                if not leaf.stamp
            ]
            fields = list(match_rules(layout, rules, candidates, 'number'))
        elif not floats and way != 'last':
            raise ValueError(f'{type_name} has no floating-point field; take of=last, or fields')
        said = '' if way == 'last' else f'{way} of each number in '
        error = f'one message for {count} {SAID}: {said or "the last of "}them'
        output = Output(type_name=type_name, error=error)
        return Aggregate(layout, fields, count=count, way=way, max_s=max_s, output=output)


def _parse(options: Mapping[str, str]) -> tuple[int, str, float, tuple[Rule, ...]]:
    check_names(options, AggregateKind.options)
    return (
        whole(options, 'n', 10, 2, 10000),
        choice(options, 'of', _WAYS),
        read_max_s(options, 10.0),
        read_patterns(options, 'fields'),
    )
