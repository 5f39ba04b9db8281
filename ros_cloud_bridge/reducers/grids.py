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
Occupancy grids as differences from the last full one, without loss.

``grid_diff/1`` is a form of columns (sensor_columns). Its heads hold a byte for its kind, and the
CDR of the grid up to its cells, whose length is four bytes before it. There are two kinds:

- *full*: one column follows, all cells.
- *difference*: eight bytes in the heads name the full grid that it is told by (a hash of that
  one's message, as restored), four and four say by how many cells that lies to the right and
  above; the column holds what must be added to its cells, those that it lacks counting as unknown.

A difference needs its full grid and nothing else: what is lost between them does no harm.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
import hashlib
import math
import struct

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.reducers.sensor_cdr import CdrReader, CdrWriter, Header
from ros_cloud_bridge.reducers.sensor_columns import ColumnReader, ColumnWriter
from ros_cloud_bridge.reducers.sensor_options import check_names, check_type, whole
from ros_cloud_bridge.wire.limits import MAX_BATCH_RAW

TYPE = 'nav_msgs/msg/OccupancyGrid'
FORM = 'grid_diff/1'
# What a restorer keeps for each route: as many full grids, and bytes of them.
KEPT = 4
KEPT_BYTES = MAX_BATCH_RAW

_FULL, _DIFFERENCE = 0, 1
_HASH_BYTES = 8
_UNKNOWN = np.uint8(0xFF)  # -1
# Of a full one's bytes: a difference that takes more is not worth that it needs another.
_WORTH_IT = 0.7


class MissingKeyframe(ProtocolError):
    """
    A difference came whose full grid has not, or was too long ago; the next full one ends it.

    :param name: of the full grid
    """

    def __init__(self, name: bytes) -> None:
        super().__init__(f'the full grid {name.hex()} that a difference needs is not here')
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """An occupancy grid; ``origin`` is position and orientation, ``cells`` are as unsigned."""

    header: Header
    loaded: tuple[int, int]
    resolution: float
    width: int
    height: int
    origin: tuple[float, ...]
    cells: NDArray[np.uint8]

    def about(self) -> bytes:
        """
        Serialize all but the cells.

        :returns: the beginning of the message
        """
        writer = CdrWriter()
        self.header.write(writer)
        writer.numbers('iI', *self.loaded)
        writer.numbers('fII', self.resolution, self.width, self.height)
        writer.numbers('ddddddd', *self.origin)
        return writer.done()

    def write(self) -> bytes:
        """
        Serialize.

        :returns: CDR, little endian
        """
        return b''.join((self.about(), struct.pack('<I', self.cells.size), self.cells.tobytes()))


def read_grid(cdr: bytes) -> Grid:
    """
    Read a grid.

    :param cdr: the message, either byte order
    :returns: the grid
    :raises ProtocolError: when it is malformed, or has not as many cells as it says
    """
    reader = CdrReader(cdr)
    about = _read_about(reader)
    data = reader.sequence(1)
    reader.end()
    if len(data) != about.width * about.height:
        raise ProtocolError(f'a grid of {about.width} x {about.height} with {len(data)} cells')
    cells = np.frombuffer(data, np.uint8).reshape(about.height, about.width)
    return _with_cells(about, cells)


def _read_about(reader: CdrReader) -> Grid:
    header = Header.read(reader)
    loaded = reader.whole('i'), reader.whole()
    (resolution,) = reader.numbers('f')
    width, height = reader.whole(), reader.whole()
    origin = reader.numbers('ddddddd')
    if width * height > MAX_BATCH_RAW:
        raise ProtocolError(f'a grid of {width} x {height} cells')
    return Grid(
        header=header,
        loaded=loaded,
        resolution=resolution,
        width=width,
        height=height,
        origin=origin,
        cells=np.zeros((0, 0), np.uint8),
    )


def _with_cells(about: Grid, cells: NDArray[np.uint8]) -> Grid:
    return Grid(
        header=about.header,
        loaded=about.loaded,
        resolution=about.resolution,
        width=about.width,
        height=about.height,
        origin=about.origin,
        cells=cells,
    )


class GridDifferences:
    """
    Makes the forms of one route.

    :param every: a full grid at least so often
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._since = 0
        self._key: tuple[bytes, Grid] | None = None
        self._key_bytes = 0
        self._least = 0
        self._excess = 0

    @property
    def output(self) -> Output:
        """What comes out."""
        return Output(type_name=TYPE, form=FORM, error='nothing differs')

    def keyframe(self) -> None:
        """Let the next one be full."""
        self._key = None

    def reduce(self, cdr: bytes, level: Level) -> bytes:
        """
        Make a form.

        :param cdr: a grid
        :param level: changes nothing
        :returns: the form
        :raises ProtocolError: when the grid is malformed
        """
        grid = read_grid(cdr)
        if self._key is not None and self._since < self._every - 1:
            difference = _difference(grid, *self._key)
            if difference is not None and self._is_worth_it(len(difference), grid):
                self._since += 1
                return difference
        form = _full(grid)
        self._key, self._key_bytes = (_name(grid.write()), grid), len(form)
        self._since, self._least, self._excess = 0, len(form), 0
        return form

    def _is_worth_it(self, length: int, grid: Grid) -> bool:
        # Differences grow with the time since the full one. Once what they have grown by comes to
        # a full one, that is due: so neither takes more than half of what both take.
        self._least = min(self._least, length)
        self._excess += length - self._least
        if self._excess > self._key_bytes:
            return False
        if length < _WORTH_IT / 2.0 * self._key_bytes:
            return True
        # A map that grows has more to tell either way.
        return length < _WORTH_IT * len(_full(grid))


def _name(message: bytes) -> bytes:
    return hashlib.blake2s(message, digest_size=_HASH_BYTES).digest()


def _begin(kind: int, grid: Grid) -> tuple[ColumnWriter, int]:
    about = grid.about()
    writer = ColumnWriter()
    writer.head(struct.pack('<BI', kind, len(about)) + about)
    return writer, len(about) + 4 + grid.cells.size


def _full(grid: Grid) -> bytes:
    writer, length = _begin(_FULL, grid)
    writer.words(grid.cells.reshape(-1), grid.width)
    return writer.done(length)


def _difference(grid: Grid, name: bytes, key: Grid) -> bytes | None:
    if grid.resolution != key.resolution or grid.origin[2:] != key.origin[2:]:
        return None
    # Where the map has grown, its origin has moved. Of a turned one the guess is wrong: that
    # costs bytes, no cell.
    moved = [(key.origin[axis] - grid.origin[axis]) / (key.resolution or 1.0) for axis in (0, 1)]
    if not all(math.isfinite(cells) and abs(cells) < 2**31 - 1 for cells in moved):
        return None
    right, up = (round(cells) for cells in moved)
    writer, length = _begin(_DIFFERENCE, grid)
    writer.head(name + struct.pack('<ii', right, up))
    expected = _expected(key, grid.width, grid.height, right, up)
    writer.words((grid.cells - expected).reshape(-1))
    return writer.done(length)


def _expected(key: Grid, width: int, height: int, right: int, up: int) -> NDArray[np.uint8]:
    """Lay a full grid's cells where they belong in another grid."""
    if (width, height, right, up) == (key.width, key.height, 0, 0):
        return key.cells
    cells = np.full((height, width), _UNKNOWN)
    x0, x1 = max(0, right), min(width, right + key.width)
    y0, y1 = max(0, up), min(height, up + key.height)
    if x0 < x1 and y0 < y1:
        cells[y0:y1, x0:x1] = key.cells[y0 - up : y1 - up, x0 - right : x1 - right]
    return cells


class GridRestorer:
    """Restores the grids of one route; keeps its last full grids, as many as ``KEPT``."""

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, Grid] = OrderedDict()

    def restore(self, form: str, data: bytes) -> bytes:
        """
        Restore a grid.

        :param form: ``grid_diff/1``
        :param data: the form
        :returns: CDR with its encapsulation header
        :raises MissingKeyframe: when it is a difference from a full grid that is not here
        :raises ProtocolError: when it is malformed
        """
        if form != FORM:
            raise ProtocolError(f'unknown form {form}')
        reader = ColumnReader(data)
        kind, length = struct.unpack('<BI', reader.head(5))
        check = CdrReader(reader.head(length))
        about = _read_about(check)
        check.end()
        count = about.width * about.height
        shape = about.height, about.width
        if kind == _FULL:
            grid = _with_cells(about, reader.words(count, 1, about.width).reshape(shape))
            message = reader.end(grid.write())
            self._keep(_name(message), grid)
            return message
        if kind != _DIFFERENCE:
            raise ProtocolError(f'unknown kind of grid {kind}')
        name = reader.head(_HASH_BYTES)
        right, up = struct.unpack('<ii', reader.head(8))
        key = self._keys.get(name)
        if key is None:
            raise MissingKeyframe(name)
        added = reader.words(count, 1).reshape(shape)
        cells = _expected(key, about.width, about.height, right, up) + added
        return reader.end(_with_cells(about, cells).write())

    @property
    def kept_bytes(self) -> int:
        """What its full grids take."""
        return sum(key.cells.size for key in self._keys.values())

    def _keep(self, name: bytes, grid: Grid) -> None:
        self._keys[name] = grid
        self._keys.move_to_end(name)
        while len(self._keys) > KEPT or self.kept_bytes > KEPT_BYTES:
            self._keys.popitem(last=False)


class GridKind:
    """``grid_diff``: grids as differences from the last full one."""

    name = 'grid_diff'
    types = (TYPE,)

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> GridDifferences:
        """
        Make the reducer of a route.

        :param type_name: OccupancyGrid
        :param definition: of the type
        :param options: ``every=30``: a full grid at least so often
        :param max_bytes: the most that a message can have
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, or with the type
        """
        check_type(type_name, TYPE)
        check_names(options, ('every',))
        return GridDifferences(whole(options, 'every', 30, 1, 10_000))

    def restorer(self) -> GridRestorer:
        """
        Make what restores the grids of one route, in any order.

        :returns: it; a restorer is for one route, and one thread
        """
        return GridRestorer()

    def restore(self, form: str, data: bytes) -> bytes:
        """
        Restore a full grid; for differences there is :meth:`restorer`.

        :param form: ``grid_diff/1``
        :param data: the form
        :returns: CDR with its encapsulation header
        :raises MissingKeyframe: when it is a difference
        :raises ProtocolError: when it is malformed
        """
        return GridRestorer().restore(form, data)


KINDS = (GridKind(),)
