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

"""Thins point clouds: by region, by a grid of voxels, by field. Out come point clouds again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.clouds_message import Cloud, Field, read_cloud, TYPE
from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.reducers.sensor_options import (
    check_names,
    check_type,
    choice,
    number,
    numbers,
)

_FAR = 1e9
_COARSER = {Level.FULL: 1.0, Level.REDUCED: 2.0, Level.MINIMAL: 4.0}
# Cells along an axis: three of them in 63 bits.
_MOST_CELLS = 1 << 21


class CloudCrop:
    """
    Keeps the points of a region.

    :param ranges: least and most distance from the sensor
    :param box: lowest x, y, z, then highest; None for everywhere
    :param outside: whether it is the box's inside that goes (as a robot's own body)
    """

    def __init__(
        self, ranges: tuple[float, ...], box: tuple[float, ...] | None, outside: bool
    ) -> None:
        self._low, self._high = ranges
        self._box = box
        self._outside = outside

    @property
    def output(self) -> Output:
        """What comes out."""
        said = []
        if self._low > 0.0 or self._high < _FAR:
            said.append(f'closer than {self._low:g} or farther than {self._high:g}')
        if self._box is not None:
            side = 'in' if self._outside else 'out of'
            said.append(f'{side} the box {",".join(f"{v:g}" for v in self._box)}')
        return Output(
            type_name=TYPE, error=f'without points that are {" or ".join(said)}, or not finite'
        )

    def reduce(self, cdr: bytes, level: Level) -> bytes:
        """
        Crop a cloud.

        :param cdr: a cloud
        :param level: changes nothing
        :returns: a cloud, of height 1 unless all its points stay
        :raises ProtocolError: when the cloud is malformed
        """
        cloud = read_cloud(cdr)
        columns = [column.astype(np.float64, copy=False) for column in cloud.points()]
        with np.errstate(all='ignore'):
            square = columns[0] ** 2 + columns[1] ** 2 + columns[2] ** 2
            # NaN compares as false, so that it goes.
            kept = (square >= self._low**2) & (square <= self._high**2)
            if self._box is not None:
                inside = np.ones(len(kept), np.bool_)
                for column, low, high in zip(columns, self._box[:3], self._box[3:], strict=True):
                    inside &= (column >= low) & (column <= high)
                kept &= ~inside if self._outside else inside
        if kept.all():
            return cdr
        return replace(cloud.keep(kept), is_dense=True).write()


class CloudVoxels:
    """
    Keeps one point of each cell of a grid.

    :param leaf: edge of a cell
    :param centroid: whether that is the mean of the cell's points, or the first of them
    """

    def __init__(self, leaf: float, centroid: bool) -> None:
        self._leaf = leaf
        self._centroid = centroid

    @property
    def output(self) -> Output:
        """What comes out."""
        way = 'the mean of its points' if self._centroid else 'its first point'
        return Output(
            type_name=TYPE,
            error=f'one point for each cube of {self._leaf:g} '
            f'(reduced {2 * self._leaf:g}, minimal {4 * self._leaf:g}): {way}',
        )

    def reduce(self, cdr: bytes, level: Level) -> bytes:
        """
        Thin a cloud.

        :param cdr: a cloud
        :param level: larger cells
        :returns: a cloud of height 1, in the order of the cells' first points
        :raises ProtocolError: when the cloud is malformed, or has too many cells along an axis
        """
        cloud = read_cloud(cdr)
        columns = cloud.points()
        finite = np.isfinite(columns[0]) & np.isfinite(columns[1]) & np.isfinite(columns[2])
        if not finite.all():
            cloud = cloud.keep(finite)
            columns = [column[finite] for column in columns]
        if not len(columns[0]):
            return replace(cloud, is_dense=True, height=1, width=0).write()
        cells = _cells(columns, self._leaf * _COARSER[level])
        order = np.argsort(cells, kind='stable')
        sorted_cells = cells[order]
        starts = np.flatnonzero(np.concatenate(([True], sorted_cells[1:] != sorted_cells[:-1])))
        # A stable sort: the first of each cell is the first of the cloud, too.
        firsts = order[starts]
        turn = np.argsort(firsts)
        thinned = replace(cloud.keep(firsts[turn]), is_dense=True)
        if not self._centroid:
            return thinned.write()
        counts = np.diff(np.append(starts, len(order)))
        rows = thinned.rows.copy()
        for field in cloud.fields:
            if field.kind[0] != 'f':
                continue  # A ring or a colour has no mean: that of the first point stays.
            for place in range(field.count):
                column = cloud.column(field, place).astype(np.float64)
                with np.errstate(all='ignore'):  # intensities can be anything
                    means = np.add.reduceat(column[order], starts) / counts
                    _put(rows, cloud, field, place, means[turn])
        return replace(thinned, rows=rows).write()


def _cells(columns: list[NDArray[Any]], leaf: float) -> NDArray[Any]:
    cells: NDArray[Any] = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        places = np.floor(column.astype(np.float64) / leaf)
        places -= places.min()
        if places.max() >= _MOST_CELLS:
            raise ProtocolError('a cloud spans too many cells')
        cells = cells * _MOST_CELLS + places.astype(np.int64)
    return cells


def _put(
    rows: NDArray[np.uint8], cloud: Cloud, field: Field, place: int, values: NDArray[Any]
) -> None:
    kind = np.dtype(field.kind).newbyteorder('>' if cloud.big else '<')
    first = field.offset + place * kind.itemsize
    raw = values.astype(kind).view(np.uint8).reshape(-1, kind.itemsize)
    rows[:, first : first + kind.itemsize] = raw


class CloudFields:
    """
    Keeps some of a cloud's fields.

    :param names: those that stay, or go
    :param drop: whether it is those that go
    """

    def __init__(self, names: tuple[str, ...], drop: bool) -> None:
        self._names = names
        self._drop = drop

    @property
    def output(self) -> Output:
        """What comes out."""
        way = 'without' if self._drop else 'nothing but'
        return Output(type_name=TYPE, error=f'{way} the fields {", ".join(self._names)}')

    def reduce(self, cdr: bytes, level: Level) -> bytes:
        """
        Cut fields out of a cloud.

        :param cdr: a cloud
        :param level: changes nothing
        :returns: a cloud, its shape kept
        :raises ProtocolError: when the cloud is malformed, or lacks one of the fields
        """
        cloud = read_cloud(cdr)
        named = [cloud.field(name) for name in self._names]
        kept = [field for field in cloud.fields if (field in named) != self._drop]
        if not kept:
            raise ProtocolError('no field of the cloud would be left')
        return cloud.select(kept).write()


class CropKind:
    """``cloud_crop``: by distance, and by a box."""

    name = 'cloud_crop'
    types = (TYPE,)

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> CloudCrop:
        """
        Make the reducer of a route.

        :param type_name: PointCloud2
        :param definition: of the type
        :param options: ``range=LOW,HIGH``, ``box=X,Y,Z,X,Y,Z``, ``keep=inside`` or ``outside``
        :param max_bytes: the most that a message can have
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, or with the type
        """
        check_type(type_name, TYPE)
        check_names(options, ('range', 'box', 'keep'))
        if not options.keys() & {'range', 'box'}:
            raise ValueError('range=LOW,HIGH or box=X,Y,Z,X,Y,Z is needed')
        ranges = numbers(options, 'range', 0.0, _FAR, 2, (0.0, _FAR))
        box = numbers(options, 'box', -_FAR, _FAR, 6, ()) or None
        outside = choice(options, 'keep', ('inside', 'outside')) == 'outside'
        if ranges[0] > ranges[1]:
            raise ValueError(f'range={options["range"]}: the first is more than the second')
        if box is not None and any(low > high for low, high in zip(box[:3], box[3:], strict=True)):
            raise ValueError(f'box={options["box"]}: the lowest corner first, then the highest')
        return CloudCrop(ranges, box, outside)

    def restore(self, form: str, data: bytes) -> bytes:
        """
        Refuse: there are no forms.

        :param form: any
        :param data: any
        :returns: nothing
        :raises ProtocolError: always
        """
        raise ProtocolError(f'unknown form {form}')


class VoxelKind(CropKind):
    """``cloud_voxel``: one point for each cell of a grid."""

    name = 'cloud_voxel'

    def make(  # type: ignore[override]
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> CloudVoxels:
        """
        Make the reducer of a route.

        :param type_name: PointCloud2
        :param definition: of the type
        :param options: ``leaf=0.1``, ``point=centroid`` or ``first``
        :param max_bytes: the most that a message can have
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, or with the type
        """
        check_type(type_name, TYPE)
        check_names(options, ('leaf', 'point'))
        leaf = number(options, 'leaf', 0.1, 1e-4, 1e4)
        return CloudVoxels(leaf, choice(options, 'point', ('centroid', 'first')) == 'centroid')


class FieldsKind(CropKind):
    """``cloud_fields``: some of the fields."""

    name = 'cloud_fields'

    def make(  # type: ignore[override]
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> CloudFields:
        """
        Make the reducer of a route.

        :param type_name: PointCloud2
        :param definition: of the type
        :param options: ``keep=x,y,z`` or ``drop=ring,time``
        :param max_bytes: the most that a message can have
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, or with the type
        """
        check_type(type_name, TYPE)
        check_names(options, ('keep', 'drop'))
        if len(options) != 1:
            raise ValueError('keep=x,y,z or drop=ring,time is needed, one of them')
        [(way, names)] = options.items()
        fields = tuple(name.strip() for name in names.split(',') if name.strip())
        if not fields:
            raise ValueError(f'{way}= names no field')
        return CloudFields(fields, way == 'drop')


KINDS = (CropKind(), VoxelKind(), FieldsKind())
