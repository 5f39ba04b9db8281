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
Integer columns as byte planes above their minimum ("frame of reference").

A column of n integers is its minimum, the least width in bytes that holds (value - minimum), and n
bytes per plane, least significant plane first. Constant columns have width 0 and no bytes. Planes
keep the noisy low bytes apart from the constant high ones, which the codec behind them removes.
"""

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError

Integers = NDArray[np.int64]
_INT64 = 1 << 63


def encode_column(values: Integers) -> tuple[int, int, bytes]:
    """
    Encode a column.

    :param values: int64 array of shape (n,), n >= 1
    :returns: minimum, width in bytes (0..8), planes (n * width bytes)
    """
    low = int(values.min())
    spread = int(values.max()) - low
    width = (spread.bit_length() + 7) // 8
    if width == 0:
        return low, 0, b''
    # Modulo 2**64 the difference is right even where int64 would overflow.
    offsets = (values.astype(np.uint64) - np.uint64(low % (1 << 64))).astype('<u8')
    planes = offsets.view(np.uint8).reshape(-1, 8)[:, :width]
    return low, width, planes.T.tobytes()


def decode_column(low: int, width: int, planes: memoryview, count: int) -> Integers:
    """
    Decode a column.

    :param low: the column's minimum
    :param width: bytes per value, 0..8
    :param planes: count * width bytes
    :param count: number of values
    :returns: int64 array of shape (count,)
    :raises ProtocolError: when the parts do not fit together
    """
    if not 0 <= width <= 8 or len(planes) != count * width or not -_INT64 <= low < _INT64:
        raise ProtocolError('column header and its bytes do not fit together')
    offsets = np.zeros((count, 8), dtype=np.uint8)
    if width:
        offsets[:, :width] = np.frombuffer(planes, dtype=np.uint8).reshape(width, count).T
    values: Integers = (offsets.view('<u8').reshape(count) + np.uint64(low % (1 << 64))).astype(
        np.int64
    )
    return values
