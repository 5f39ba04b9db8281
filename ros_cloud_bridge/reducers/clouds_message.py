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

"""``sensor_msgs/msg/PointCloud2``, read in place: its points are a view of the message."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.sensor_cdr import CdrReader, CdrWriter, Header
from ros_cloud_bridge.wire.limits import MAX_BATCH_RAW

TYPE = 'sensor_msgs/msg/PointCloud2'
MAX_FIELDS = 64
# Of an array in a field; 64 counts are known of descriptors, thousands of none.
MAX_COUNT = 4096

# By sensor_msgs/msg/PointField's constants.
DATATYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """``sensor_msgs/msg/PointField``."""

    name: str
    offset: int
    datatype: int
    count: int

    @property
    def kind(self) -> str:
        """Of numpy, without its byte order."""
        return DATATYPES[self.datatype]

    @property
    def size(self) -> int:
        """Bytes in a point."""
        return int(self.kind[1]) * self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """
    A point cloud.

    ``rows`` are its points' bytes, shape (height × width, point_step); ``big`` says in which byte
    order the numbers in them are.
    """

    header: Header
    height: int
    width: int
    fields: tuple[Field, ...]
    big: bool
    rows: NDArray[np.uint8]
    is_dense: bool

    @property
    def point_step(self) -> int:
        """Bytes of a point."""
        return int(self.rows.shape[1])

    def field(self, name: str) -> Field:
        """
        Find a field.

        :param name: its name
        :returns: the field
        :raises ProtocolError: when there is none
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise ProtocolError(f'the cloud has no field {name}')

    def column(self, field: Field, place: int = 0) -> NDArray[Any]:
        """
        Give a field's numbers, as this machine has them.

        :param field: which
        :param place: in the field, if that is an array
        :returns: one number for each point, contiguous
        """
        kind = np.dtype(field.kind)
        first = field.offset + place * kind.itemsize
        raw = np.ascontiguousarray(self.rows[:, first : first + kind.itemsize])
        return raw.reshape(-1).view(ordered(kind, self.big)).astype(kind, copy=False)

    def points(self) -> list[NDArray[Any]]:
        """
        Give x, y and z.

        :returns: their columns
        :raises ProtocolError: when the cloud has none, or they are no floats
        """
        fields = [self.field(name) for name in 'xyz']
        if any(field.kind not in ('f4', 'f8') for field in fields):
            raise ProtocolError('x, y and z are no floats')
        return [self.column(field) for field in fields]

    def keep(self, kept: NDArray[Any]) -> 'Cloud':
        """
        Keep some of the points, as a cloud without order.

        :param kept: a mask, or indices
        :returns: the cloud
        """
        rows = self.rows[kept]
        return replace(self, rows=rows, height=1, width=len(rows))

    def select(self, fields: Sequence[Field]) -> 'Cloud':
        """
        Keep some of the fields, close together and in this order.

        :param fields: of this cloud
        :returns: the cloud
        """
        packed, offset = [], 0
        for field in fields:
            # Aligned, as PCL and most readers like it.
            offset += -offset % int(field.kind[1])
            packed.append(replace(field, offset=offset))
            offset += field.size
        widest = max((int(field.kind[1]) for field in fields), default=1)
        rows = np.zeros((len(self.rows), offset + -offset % widest), np.uint8)
        for old, new in zip(fields, packed, strict=True):
            rows[:, new.offset : new.offset + new.size] = self.rows[
                :, old.offset : old.offset + old.size
            ]
        return replace(self, fields=tuple(packed), rows=rows)

    def write(self) -> bytes:
        """
        Serialize.

        :returns: CDR, little endian; the points' numbers are left in their byte order
        """
        writer = CdrWriter()
        self.header.write(writer)
        writer.numbers('III', self.height, self.width, len(self.fields))
        for field in self.fields:
            writer.text(field.name)
            writer.numbers('IBI', field.offset, field.datatype, field.count)
        step = self.point_step
        writer.numbers('?II', self.big, step, step * self.width)
        writer.sequence(np.ascontiguousarray(self.rows).reshape(-1).data, 1)
        writer.numbers('?', self.is_dense)
        return writer.done()


def ordered(kind: np.dtype[Any], big: bool) -> np.dtype[Any]:
    """
    Give a kind of number a byte order.

    :param kind: of number
    :param big: whether the highest byte comes first
    :returns: the kind in that order
    """
    return kind.newbyteorder('>' if big else '<')


def read_cloud(cdr: bytes) -> Cloud:
    """
    Read a cloud.

    :param cdr: the message, either byte order
    :returns: the cloud; its rows are a view of the message
    :raises ProtocolError: when it is malformed, or its sizes do not fit together
    """
    reader = CdrReader(cdr)
    header = Header.read(reader)
    height, width, count = (reader.whole() for _ in range(3))
    if count > MAX_FIELDS:
        raise ProtocolError(f'a cloud of {count} fields')
    fields = []
    for _ in range(count):
        name = reader.text()
        offset, datatype, number = reader.whole(), reader.whole('B'), reader.whole()
        fields.append(Field(name=name, offset=offset, datatype=datatype, count=number))
    big, step, row_step = bool(reader.whole('B')), reader.whole(), reader.whole()
    data = reader.sequence(1)
    is_dense = bool(reader.whole('B'))
    reader.end()
    check_layout(height, width, step, fields)
    if row_step < width * step or len(data) < row_step * (height - 1) + width * step:
        raise ProtocolError('a cloud has fewer bytes than points')
    # Of any step: rows may have padding at their ends, the last one none.
    view = np.frombuffer(data, np.uint8)
    if row_step == width * step:
        rows = view[: height * row_step].reshape(height * width, step)
    else:
        padded = np.zeros((height, row_step), np.uint8)
        padded.reshape(-1)[: min(len(view), padded.size)] = view[: padded.size]
        rows = padded[:, : width * step].reshape(height * width, step)
    return Cloud(
        header=header,
        height=height,
        width=width,
        fields=tuple(fields),
        big=big,
        rows=rows,
        is_dense=is_dense,
    )


def check_layout(height: int, width: int, step: int, fields: Sequence[Field]) -> None:
    """
    Check what says how a cloud's points lie, before anything is allocated for them.

    :param height: rows
    :param width: points in a row
    :param step: bytes of a point
    :param fields: where the numbers lie
    :raises ProtocolError: when that is too large, or does not fit together
    """
    if height * width * max(step, 1) > MAX_BATCH_RAW or step == 0 < height * width:
        raise ProtocolError(f'a cloud of {height} x {width} points of {step} bytes')
    for field in fields:
        if field.datatype not in DATATYPES or not 0 < field.count <= MAX_COUNT:
            raise ProtocolError(f'field {field.name}: of an unknown kind, or too long')
        if field.offset + field.size > step:
            raise ProtocolError(f'field {field.name} ends behind the point')
    # Fields may overlap, as rgb and rgba do, but each of them takes work.
    if height * width * sum(field.size for field in fields) > MAX_BATCH_RAW:
        raise ProtocolError('the fields of a cloud overlap too often')
