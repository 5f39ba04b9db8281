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
Point clouds at a resolution, as a compact form.

``cloud_quantize/1`` is a form of columns (sensor_columns). Its heads hold the CDR of the cloud up
to its points, and ``is_dense`` as one byte more, with their length in four bytes before them; the
columns of each field follow in the fields' order, of arrays one column for each place. Organised
clouds (height over 1) are pictures to the predictors. A byte before the columns says whether x, y
and z stand together in front of them, as turned steps (cloud_turns).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.cloud_turns import read_turned, turn_points, worth_turning
from ros_cloud_bridge.reducers.clouds_message import (
    check_layout,
    Cloud,
    Field,
    MAX_FIELDS,
    read_cloud,
    TYPE,
)
from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.reducers.sensor_cdr import CdrReader, CdrWriter, Header
from ros_cloud_bridge.reducers.sensor_columns import ColumnReader, ColumnWriter
from ros_cloud_bridge.reducers.sensor_options import check_names, check_type, choice, number

FORM = 'cloud_quantize/1'
_COORDINATES = ('x', 'y', 'z')
_PLAIN, _TURNED = b'\0', b'\1'
# Of the resolution, by level.
_COARSER = {Level.FULL: 1.0, Level.REDUCED: 2.0, Level.MINIMAL: 5.0}
# What depends on the sensor is tried on every 16th cloud: turned steps, another order.
_LOOK_EVERY = 15


class CloudQuantizer:
    """
    Makes the compact form.

    :param resolution: of x, y and z in their unit; the error is half of it
    :param tolerances: of other fields of floats by name: what they may differ by
    :param free: whether points may change their order
    """

    def __init__(self, resolution: float, tolerances: Mapping[str, float], free: bool) -> None:
        self._resolution = resolution
        self._tolerances = dict(tolerances)
        self._free = free
        self._sorts = False
        self._until_look = 0
        self._turns = False
        self._until_turn = 0

    @property
    def output(self) -> Output:
        """What comes out."""
        half = self._resolution / 2.0
        error = f'x, y, z within {half:g} (reduced {2 * half:g}, minimal {5 * half:g})'
        error += ', and the last bit of a float'
        for name, tolerance in self._tolerances.items():
            error += f'; {name} within {tolerance:g}'
        error += '; points in another order' if self._free else ''
        return Output(type_name=TYPE, form=FORM, error=f'{error}; padding is zero')

    def reduce(self, cdr: bytes, level: Level) -> bytes:
        """
        Make the form.

        :param cdr: a cloud
        :param level: how coarse
        :returns: the form
        :raises ProtocolError: when the cloud is malformed
        """
        cloud = read_cloud(cdr)
        resolution = self._resolution * _COARSER[level]
        divisor = 1.0 / resolution
        if not self._free or cloud.height != 1:
            return self._kept(cloud, divisor)
        # A lidar's own order is hard to beat, that of a map or a merged cloud is not.
        looking = self._until_look == 0
        self._until_look = _LOOK_EVERY if looking else self._until_look - 1
        forms = []
        if looking or not self._sorts:
            forms.append(self._kept(cloud, divisor))
        if looking or self._sorts:
            along = cloud.keep(_along_curve(cloud.points(), resolution))
            forms.append(write_form(along, divisor, self._tolerances, False))
            self._sorts = len(forms[-1]) <= len(forms[0])
        return min(forms, key=len)

    def _kept(self, cloud: Cloud, divisor: float) -> bytes:
        if self._until_turn == 0:
            self._turns = _gains_by_turning(cloud, divisor)
        self._until_turn = self._until_turn - 1 if self._until_turn else _LOOK_EVERY
        return write_form(cloud, divisor, self._tolerances, self._turns)


def write_form(
    cloud: Cloud, divisor: float, tolerances: Mapping[str, float], turns: bool
) -> bytes:
    """
    Make the form of a cloud.

    :param cloud: the cloud
    :param divisor: one over the resolution of x, y and z
    :param tolerances: of other fields of floats, by name
    :param turns: whether x, y and z go as turned steps, where that can be
    :returns: the form
    """
    writer = ColumnWriter()
    about = _about(cloud)
    writer.head(len(about).to_bytes(4, 'little') + about)
    width = cloud.width if cloud.height > 1 else 0
    turned = _write_turned(writer, cloud, divisor) if turns else ()
    if not turned:
        writer.head(_PLAIN)
    for field in cloud.fields:
        if field in turned:
            continue
        scale = divisor if field.name in _COORDINATES else 0.0
        if field.name in tolerances:
            scale = 0.5 / tolerances[field.name]
        for place in range(field.count):
            column = cloud.column(field, place)
            if field.kind[0] == 'f':
                writer.floats(column, width, scale)
            else:
                writer.words(column, width)
    return writer.done(len(about) + 4 + cloud.rows.size)


def _turnable(fields: Sequence[Field]) -> tuple[Field, ...]:
    """Find x, y and z, if they are such as can be turned: floats, once each."""
    found = tuple(field for name in _COORDINATES for field in fields if field.name == name)
    if [field.name for field in found] != list(_COORDINATES):
        return ()
    return found if all(f.kind in ('f4', 'f8') and f.count == 1 for f in found) else ()


def _gains_by_turning(cloud: Cloud, divisor: float) -> bool:
    fields = _turnable(cloud.fields)
    width = cloud.width if cloud.height > 1 else 0
    points = [cloud.column(field) for field in fields]
    return bool(fields) and worth_turning(points, width, divisor)


def _write_turned(writer: ColumnWriter, cloud: Cloud, divisor: float) -> tuple[Field, ...]:
    fields = _turnable(cloud.fields)
    turned = turn_points([cloud.column(f) for f in fields], divisor) if fields else None
    if turned is None:
        return ()
    writer.head(_TURNED)
    turned.write(writer)
    return fields


def _about(cloud: Cloud) -> bytes:
    writer = CdrWriter()
    cloud.header.write(writer)
    writer.numbers('III', cloud.height, cloud.width, len(cloud.fields))
    for field in cloud.fields:
        writer.text(field.name)
        writer.numbers('IBI', field.offset, field.datatype, field.count)
    writer.numbers('?II', False, cloud.point_step, cloud.point_step * cloud.width)
    # The points' length and is_dense follow in the message.
    return writer.done() + bytes((cloud.is_dense,))


def read_form(form: bytes) -> bytes:
    """
    Restore a cloud.

    :param form: what :func:`write_form` made
    :returns: CDR, little endian, as are its points
    :raises ProtocolError: when the form is malformed
    """
    reader = ColumnReader(form)
    length = int.from_bytes(reader.head(4), 'little')
    cloud = _read_about(reader.head(length))
    count = cloud.height * cloud.width
    rows = np.zeros((count, cloud.point_step), np.uint8)
    width = cloud.width if cloud.height > 1 else 0
    turned = _read_turned(reader, cloud)
    for field in cloud.fields:
        size = int(field.kind[1])
        if field.name in turned:
            _put(rows, field.offset, turned[field.name])
            continue
        for place in range(field.count):
            if field.kind[0] == 'f':
                column = reader.floats(count, size, width)
            else:
                column = reader.words(count, size, width)
            _put(rows, field.offset + place * size, column)
    return reader.end(replace(cloud, rows=rows).write())


def _put(rows: NDArray[np.uint8], first: int, column: NDArray[Any]) -> None:
    little = column.astype(column.dtype.newbyteorder('<'), copy=False)
    raw = np.ascontiguousarray(little).view(np.uint8).reshape(-1, column.itemsize)
    rows[:, first : first + column.itemsize] = raw


def _read_turned(reader: ColumnReader, cloud: Cloud) -> dict[str, NDArray[Any]]:
    flag = reader.head(1)
    if flag == _PLAIN:
        return {}
    fields = _turnable(cloud.fields)
    if flag != _TURNED or not fields:
        raise ProtocolError('a form of points that are none')
    sizes = [int(field.kind[1]) for field in fields]
    columns = read_turned(reader, cloud.height * cloud.width, sizes)
    return {field.name: column for field, column in zip(fields, columns, strict=True)}


def _read_about(about: bytes) -> Cloud:
    if not about:
        raise ProtocolError('a form without a cloud')
    reader = CdrReader(about[:-1])
    header = Header.read(reader)
    height, width, count = (reader.whole() for _ in range(3))
    if count > MAX_FIELDS:
        raise ProtocolError(f'a cloud of {count} fields')
    fields = []
    for _ in range(count):
        name = reader.text()
        offset, datatype, number_ = reader.whole(), reader.whole('B'), reader.whole()
        fields.append(Field(name=name, offset=offset, datatype=datatype, count=number_))
    big, step, _ = reader.whole('B'), reader.whole(), reader.whole()
    reader.end()
    check_layout(height, width, step, fields)
    if big:
        raise ProtocolError('a form of big endian points')
    return Cloud(
        header=header,
        height=height,
        width=width,
        fields=tuple(fields),
        big=False,
        rows=np.zeros((0, step), np.uint8),
        is_dense=bool(about[-1]),
    )


def _along_curve(points: list[NDArray[Any]], resolution: float) -> NDArray[Any]:
    """Order points along a Morton curve, so that neighbours in space stand close together."""
    code: NDArray[Any] = np.zeros(len(points[0]), np.uint64)
    for place, column in enumerate(points):
        with np.errstate(all='ignore'):
            cells = np.rint(column.astype(np.float64) / resolution)
        finite = np.isfinite(cells)
        low = float(cells[finite].min()) if finite.any() else 0.0
        cells = np.clip(np.where(finite, cells - low, 0.0), 0.0, 2.0**21 - 1.0)
        code |= _spread(cells.astype(np.uint64)) << np.uint64(place)
    return np.argsort(code, kind='stable')


def _spread(cells: NDArray[Any]) -> NDArray[Any]:
    # 21 bits, two zeros between each and the next.
    for shift, mask in (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        cells = (cells | cells << np.uint64(shift)) & np.uint64(mask)
    return cells


def _tolerances(text: str) -> dict[str, float]:
    found = {}
    for part in filter(None, text.split(',')):
        name, _, bound = part.rpartition(':')
        if not name:
            raise ValueError(f'tolerance={text}: write FIELD:BOUND, commas between')
        found[name] = number({'tolerance': bound}, 'tolerance', 0.0, 1e-12, 1e12)
    return found


class QuantizeKind:
    """``cloud_quantize``: points at a resolution, other fields bit for bit or at a tolerance."""

    name = 'cloud_quantize'
    types = (TYPE,)

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> CloudQuantizer:
        """
        Make the reducer of a route.

        :param type_name: PointCloud2
        :param definition: of the type
        :param options: ``resolution=0.001``, ``order=keep`` or ``free``,
            ``tolerance=FIELD:BOUND,...``
        :param max_bytes: the most that a message can have
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, or with the type
        """
        check_type(type_name, TYPE)
        resolution = number(options, 'resolution', 0.001, 1e-6, 1e3)
        free = choice(options, 'order', ('keep', 'free')) == 'free'
        check_names(options, ('resolution', 'order', 'tolerance'))
        return CloudQuantizer(resolution, _tolerances(options.get('tolerance', '')), free)

    def restore(self, form: str, data: bytes) -> bytes:
        """
        Restore a cloud.

        :param form: ``cloud_quantize/1``
        :param data: the form
        :returns: CDR with its encapsulation header
        :raises ProtocolError: when it is malformed
        """
        if form != FORM:
            raise ProtocolError(f'unknown form {form}')
        return read_form(data)


KINDS = (QuantizeKind(),)
