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

"""One column's form, found by the encoder and written into a block."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.wire import forms
from ros_cloud_bridge.wire.forms import pack, Wide
from ros_cloud_bridge.wire.varint import write_varint, zigzag


@dataclass(slots=True)
class Habits:
    """
    What was found out about columns, by their names.

    ``scales`` are decimal scales, 0 for none; ``planes`` are the predictors with which byte planes
    were shorter, -1 where packing was; ``clocked`` says of stamps whether they were shorter as the
    distance to the source time.
    """

    scales: dict[int, int] = field(default_factory=dict)
    planes: dict[int, int] = field(default_factory=dict)
    clocked: dict[int, bool] = field(default_factory=dict)


@dataclass(slots=True)
class Form:
    """
    How a column is stored.

    :param reference: its first word, or its least number when it is raw
    :param residuals: one per row; those that ``rows`` leaves out are not stored
    :param size: bits of each, or bytes where they are in planes
    :param rows: None for all, but for the first of other forms than raw ones
    """

    predictor: int
    reference: int
    residuals: Wide
    size: int
    cost: float = 0.0
    shift: int = 0
    scale: int = 0
    base: int = 0
    flags: int = 0
    rows: NDArray[np.bool_] | None = None
    exceptions: bytes = b''

    def head(self) -> bytes:
        """
        Write what stands in the block.

        :returns: flags, sizes, and what is not packed
        """
        scale = self.scale or self.shift
        flags = self.predictor | self.flags
        flags |= (forms.SCALED if scale else 0) | (forms.EXCEPTIONS if self.exceptions else 0)
        parts = [bytes([flags, self.size])]
        if scale:
            parts.append(bytes([scale]))
        if self.predictor == forms.STEP:
            parts.append(write_varint(zigzag(self.base)))
        parts.append(self.exceptions)
        residuals = self.residuals
        if self.rows is not None:
            parts.append(np.packbits(self.rows[1:], bitorder='little').tobytes())
            residuals = residuals[self.rows]
        elif self.predictor != forms.RAW:
            residuals = residuals[1:]
        if self.flags & forms.PLANES:
            planes = residuals.astype('<u8').view(np.uint8).reshape(-1, 8)[:, : self.size]
            parts.append(planes.T.tobytes())
        return b''.join(parts)

    @property
    def packed(self) -> bool:
        """Whether anything of it is packed."""
        return bool(self.size) and not self.flags & forms.PLANES

    def mark(self, rows: NDArray[np.bool_]) -> None:
        """
        Mark the rows that are packed.

        :param rows: all true beforehand
        """
        if self.rows is not None:
            rows[:] = self.rows
        elif self.predictor != forms.RAW:
            rows[0] = False


def pack_forms(chosen: list[Form], count: int) -> bytes:
    """
    Pack the numbers of several columns of one length.

    :param chosen: their forms
    :param count: rows
    :returns: whole bytes
    """
    packed = [form for form in chosen if form.packed]
    if not packed:
        return b''
    rows = np.ones((len(packed), count), dtype=np.bool_)
    numbers = np.empty((len(packed), count), dtype=np.uint64)
    for index, form in enumerate(packed):
        form.mark(rows[index])
        numbers[index] = form.residuals
    return pack(numbers, np.array([form.size for form in packed], dtype=np.int64), rows)
