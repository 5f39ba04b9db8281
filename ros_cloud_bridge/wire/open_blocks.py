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

"""Read blocks of all layouts: times at once, samples when they are wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.codecs import decode_block, Layout
from ros_cloud_bridge.wire.columns import decode_column
from ros_cloud_bridge.wire.forms import Budget, Reader
from ros_cloud_bridge.wire.matrices import decode_matrix
from ros_cloud_bridge.wire.places import PlacesCache
from ros_cloud_bridge.wire.streams import decode_streams
from ros_cloud_bridge.wire.times import add_up, Integers, Times


class OpenBlock(Protocol):
    """A block whose samples are not put together yet."""

    @property
    def times(self) -> Times:
        """Sequence numbers and times."""

    def join(self, budget: Budget) -> list[bytes]:
        """
        Put the samples together.

        :param budget: what the batch may still unfold to
        :returns: their CDR
        :raises ProtocolError: when their parts do not fit together
        """


@dataclass(frozen=True, slots=True)
class PlainBlock:
    """Samples that stand whole: ``lengths`` of each from ``position`` of ``raw`` on."""

    times: Times
    raw: bytes
    position: int
    lengths: list[int]

    def join(self, budget: Budget) -> list[bytes]:
        """
        Cut the samples out.

        :param budget: what the batch may still unfold to
        :returns: their CDR
        :raises ProtocolError: when they are too large
        """
        budget.samples(len(self.raw) - self.position)
        bounds = accumulate(self.lengths, initial=self.position)
        return [self.raw[first:end] for first, end in pairwise(bounds)]


class BlockReader:
    """
    Reads the blocks of one batch in their order.

    :param bits: the batch's packed numbers
    """

    # Layouts are the same in batch after batch.
    _cache = PlacesCache()

    def __init__(self, bits: bytes) -> None:
        self.budget = Budget()
        self._reader = Reader(b'', memoryview(bits))

    def read(
        self,
        layout: int,
        block: bytes,
        columns: object,
        count: int,
        first: tuple[int, int],
    ) -> OpenBlock:
        """
        Read a section's block.

        :param layout: a :class:`Layout` value
        :param block: the block
        :param columns: least number and width of the columns at its head
        :param count: number of samples
        :param first: sequence number and source time of the first sample
        :returns: the block
        :raises ProtocolError: when it is malformed
        """
        if layout in (Layout.ROWS, Layout.PLANES):
            return _read_plain(layout, block, columns, count, first)
        if columns != []:
            raise ProtocolError('a block of this layout has no columns at its head')
        self._reader.begin(block)
        if layout == Layout.COLUMNS:
            if count < 2:
                raise ProtocolError('a matrix has at least two samples')
            return decode_matrix(self._reader, count, first, self._cache, self.budget)
        if layout == Layout.STREAMS:
            return decode_streams(self._reader, count, first, self.budget)
        raise ProtocolError(f'unknown layout {layout}')

    def finish(self) -> None:
        """
        See that everything was read.

        :raises ProtocolError: when there are packed numbers left
        """
        if self._reader.bits_left:
            raise ProtocolError('more packed numbers than sections have')


def _read_plain(
    layout: int, block: bytes, columns: object, count: int, first: tuple[int, int]
) -> PlainBlock:
    counts = (count - 1, count - 1, count, count) if count > 1 else (count, count)
    headers = _column_headers(columns, len(counts))
    sizes = [width * entries for (_, width), entries in zip(headers, counts, strict=True)]
    raw = decode_block(layout, block, sum(sizes), count)
    view = memoryview(raw)
    decoded: list[Integers] = [_NONE] * (4 - len(counts))
    position = 0
    for (low, width), entries, size in zip(headers, counts, sizes, strict=True):
        decoded.append(decode_column(low, width, view[position : position + size], entries))
        position += size
    steps, source_steps, latency_us, lengths = decoded
    if (lengths < 0).any() or position + sum(lengths.tolist()) != len(raw):
        raise ProtocolError('lengths of the samples do not add up to the block')
    if layout == Layout.PLANES and (lengths != lengths[0]).any():
        raise ProtocolError('transposed samples are of one length')
    if (steps < 1).any():
        raise ProtocolError('sequence numbers of a section must rise')
    times = Times(
        add_up(first[0], steps, 'sequence numbers'),
        add_up(first[1], source_steps, 'source times'),
        latency_us,
    )
    return PlainBlock(times, raw, position, lengths.tolist())


_NONE = np.zeros(0, dtype=np.int64)


def _column_headers(columns: object, count: int) -> list[tuple[int, int]]:
    if not isinstance(columns, list) or len(columns) != 2 * count:
        raise ProtocolError(f'a section has {count} columns, each a minimum and a width')
    if any(type(entry) is not int for entry in columns):
        raise ProtocolError('the minimum and the width of a column are integers')
    headers: Sequence[tuple[int, int]] = list(zip(columns[::2], columns[1::2], strict=True))
    if not all(0 <= width <= 8 for _, width in headers):
        raise ProtocolError('a column is 0 to 8 bytes wide')
    return list(headers)
