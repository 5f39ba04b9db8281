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
Choose the layout of a route's blocks by measuring, without flapping.

A stream changes its nature slowly: every 16th block of about one number of samples is laid out in
all ways that are possible, and the one that compresses best is used until the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.codecs import (
    compress,
    Effort,
    LARGE,
    Layout,
    level_for,
    THOROUGH,
    transpose,
    WORTH_IT,
)
from ros_cloud_bridge.wire.columns import encode_column
from ros_cloud_bridge.wire.forms import Budget
from ros_cloud_bridge.wire.matrices import encode_matrix
from ros_cloud_bridge.wire.program import Definition, parse_program, plain_program
from ros_cloud_bridge.wire.route_layout import RouteLayout
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.splitting import Misfit
from ros_cloud_bridge.wire.streams import encode_streams
from ros_cloud_bridge.wire.times import Times

_PROBE_EVERY = 16
# Where the one in use was found to be the best again, and by far.
_PROBE_SELDOM = 64
_FAR = 0.85
# Columns of few samples take as long as those of many: they must save this much to be worth it.
_FEW = 8
_WORTH_FOR_FEW = 1.15
# A larger block is compared at a fast level: what is measured are differences.
_LARGE_PROBE = 8 * 1024
# Another layout must be better by this to take the place of the one in use.
_CLEARLY = 0.98
# What a column's least number and width take beside the block.
_COLUMN_HEAD = 4
_MOST_LAYOUTS = 16
_LARGEST_GUESS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Block:
    """A section's block; ``columns`` are least number and width of the columns at its head."""

    layout: Layout
    columns: Sequence[int]
    data: bytes
    bits: bytes = b''


class BlockEncoder:
    """
    Lays out the blocks of one route and remembers which layout compresses best there.

    ``ratio`` is what compression left of the last block that was measured, 0 to 1; ``thorough``
    says whether a large block gained from more than the fastest level (a point cloud does by a
    fifth, an IMU hardly).

    :param schema: the type's definition, by which samples are split into columns; None if it is
        unknown
    :param columns: whether to split samples at all
    """

    def __init__(self, schema: Schema | None = None, *, columns: bool = False) -> None:
        self.ratio = 1.0
        self.thorough = False
        self._columns = columns or schema is not None
        self._preferred: dict[int, Layout] = {}
        self._until_probe: dict[int, int] = {}
        self._layouts: dict[int, RouteLayout] = {}
        self._layout: RouteLayout | None = None
        if schema is not None:
            try:
                code, _ = Definition(schema.definition, schema.type_name).program()
                self._layout = RouteLayout(parse_program(code))
            except (ValueError, ProtocolError):
                # Then its samples are split like those of an unknown type.
                pass

    def encode(
        self,
        samples: Sequence[bytes],
        times: Times,
        budget: Budget,
        effort: Effort = Effort.NORMAL,
    ) -> Block:
        """
        Lay out one block.

        :param samples: CDR, at least one
        :param times: theirs
        :param budget: what the receiver of the batch may still do
        :param effort: what it may cost
        :returns: the block
        """
        kind = min(len(samples).bit_length(), 8)
        candidates = self._candidates(samples, effort)
        left = self._until_probe.get(kind, 0)
        preferred = self._preferred.get(kind)
        if left > 0 and preferred in candidates:
            self._until_probe[kind] = left - 1
            block = self._lay_out(preferred, samples, times, budget)
            if block is not None:
                return block
        self._until_probe[kind] = _PROBE_EVERY - 1
        for layout in (self._layout, *self._layouts.values()):
            if layout is not None:
                layout.forget()
        return self._probe(candidates, samples, times, budget, effort)

    def _candidates(self, samples: Sequence[bytes], effort: Effort) -> list[Layout]:
        alike = len(samples) > 1 and len(samples[0]) > 0 and len(set(map(len, samples))) == 1
        candidates = [Layout.PLANES, Layout.ROWS] if alike else [Layout.ROWS]
        if len(samples) > 1 and self._columns and effort is not Effort.CHEAP:
            if alike:
                candidates.append(Layout.COLUMNS)
            if self._layout is not None:
                candidates.append(Layout.STREAMS)
        return candidates

    def _probe(
        self,
        candidates: Sequence[Layout],
        samples: Sequence[bytes],
        times: Times,
        budget: Budget,
        effort: Effort,
    ) -> Block:
        kind = min(len(samples).bit_length(), 8)
        best: Block | None = None
        least = 0.0
        second = math.inf
        for layout in candidates:
            if layout is Layout.STREAMS and best is not None and best.layout is Layout.COLUMNS:
                # What fits into a matrix has no differing lengths to gain by.
                continue
            block = self._lay_out(layout, samples, times, budget)
            if block is None:
                continue
            size = float(len(compress(block.data, _probe_level(block.data, effort))))
            size += len(block.bits) + _COLUMN_HEAD * len(block.columns) / 2
            if self._preferred.get(kind) is layout:
                size *= _CLEARLY
            if layout >= Layout.COLUMNS and len(samples) < _FEW and effort is Effort.NORMAL:
                size *= _WORTH_FOR_FEW
            second = min(second, size if best is None or size >= least else least)
            if best is None or size < least:
                best, least = block, size
        assert best is not None
        if self._preferred.get(kind) is best.layout and least < _FAR * second:
            self._until_probe[kind] = _PROBE_SELDOM - 1
        self._preferred[kind] = best.layout
        raw = sum(map(len, samples))
        self.ratio = min(1.0, least / raw) if raw else 1.0
        if len(best.data) > LARGE:
            better = len(compress(best.data, THOROUGH))
            fast = len(compress(best.data, level_for(best.data)))
            self.thorough = better < WORTH_IT * fast
            self.ratio = min(self.ratio, (better + len(best.bits)) / raw)
        return best

    def _lay_out(
        self, layout: Layout, samples: Sequence[bytes], times: Times, budget: Budget
    ) -> Block | None:
        if layout in (Layout.ROWS, Layout.PLANES):
            return _plain(layout, samples, times)
        try:
            if layout is Layout.COLUMNS:
                route_layout = self._layout or self._guess(len(samples[0]))
                data, bits = encode_matrix(route_layout, samples, times, budget)
            else:
                assert self._layout is not None
                data, bits = encode_streams(self._layout, samples, times, budget)
        except (Misfit, ProtocolError):
            return None
        return Block(layout, (), data, bits)

    def _guess(self, size: int) -> RouteLayout:
        if not 4 < size <= _LARGEST_GUESS:
            raise Misfit
        layout = self._layouts.get(size)
        if layout is None:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[size] = RouteLayout(parse_program(plain_program(size)))
        return layout


def _probe_level(data: bytes, effort: Effort) -> int:
    return level_for(data, effort) if len(data) <= _LARGE_PROBE else THOROUGH


def _plain(layout: Layout, samples: Sequence[bytes], times: Times) -> Block:
    lengths = np.fromiter(map(len, samples), dtype=np.int64, count=len(samples))
    steps = []
    if len(samples) > 1:
        # Not numpy's diff, which takes ten times as long where there are few.
        steps = [values[1:] - values[:-1] for values in (times.sequences, times.source_ns)]
    columns: list[int] = []
    planes = []
    for values in (*steps, times.latency_us, lengths):
        low, width, data = encode_column(values)
        columns += [low, width]
        planes.append(data)
    joined = b''.join(samples)
    if layout is Layout.PLANES:
        joined = transpose(joined, len(samples[0]))
    return Block(layout, columns, b''.join([*planes, joined]))
