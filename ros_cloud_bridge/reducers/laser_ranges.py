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
Ranges of a scan at a resolution, as bytes that zstd's Huffman codes suit.

Neighbouring ranges differ by a few steps, mostly, and beams without an echo stand in runs. So a
column is: f64, one over the resolution; a byte, the width w of what is large; then one stream of

- lengths of runs, beginning with ranges that fit, then exceptions, and so on in turns: a byte
  each, behind a 255 for every 255 of it,
- per range that fits a byte, its difference in steps from the one before that fits (0 at first),
  zigzag, at most 255,
- of those bytes that are 255 what the difference has beyond that, in w planes of bytes, the least
  significant first;

and the exceptions, as a column of words.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.sensor_columns import ColumnReader, ColumnWriter, fitting
from ros_cloud_bridge.wire.forms import fold, unfold

Column = NDArray[Any]

_LARGE = 255
_HEAD = struct.Struct('<dB')


def write_ranges(
    writer: ColumnWriter, ranges: Column, resolution_m: float, apart: Column | None
) -> None:
    """
    Write ranges.

    :param writer: of the form
    :param ranges: float32, one dimension
    :param resolution_m: a step, metres
    :param apart: mask of those that are exceptions anyway; None for none
    """
    divisor = 1.0 / resolution_m
    scaled, fits = fitting(ranges, divisor, False)
    if apart is not None:
        fits &= ~apart
    whole: NDArray[np.int64] = np.concatenate([[0], scaled[fits]]).astype(np.int64)
    steps = fold(whole[1:] - whole[:-1])
    large = steps[steps >= _LARGE] - np.uint64(_LARGE)
    width = (int(large.max()).bit_length() + 7) // 8 if len(large) else 0
    planes = large.astype('<u8').view(np.uint8).reshape(-1, 8)[:, :width]
    ends = np.flatnonzero(np.diff(fits, prepend=True, append=not fits[-1:].any()))
    runs = np.diff(ends, prepend=0).tolist()
    writer.head(_HEAD.pack(divisor, width))
    writer.body(
        b''.join(bytes([_LARGE]) * (run // _LARGE) + bytes([run % _LARGE]) for run in runs)
        + np.minimum(steps, _LARGE).astype(np.uint8).tobytes()
        + planes.T.tobytes()
    )
    writer.words(ranges[~fits])


def read_ranges(reader: ColumnReader, count: int) -> Column:
    """
    Read what :func:`write_ranges` wrote.

    :param reader: of the form
    :param count: of the ranges; the caller has bounded it
    :returns: float32
    :raises ProtocolError: when they are malformed
    """
    divisor, width = _HEAD.unpack(reader.head(_HEAD.size))
    if not np.isfinite(divisor) or divisor <= 0.0 or width > 8:
        raise ProtocolError('ranges of no resolution')
    body = reader.body()
    fits, position = _read_runs(body, count)
    number = int(np.count_nonzero(fits))
    small = np.frombuffer(body[position : position + number], np.uint8)
    planes = np.frombuffer(body[position + number :], np.uint8)
    large = small == _LARGE
    beyond = np.zeros((np.count_nonzero(large), 8), np.uint8)
    if len(small) < number or len(planes) != width * len(beyond):
        raise ProtocolError('ranges are cut off, or too long')
    beyond[:, :width] = planes.reshape(width, len(beyond)).T
    steps = small.astype(np.uint64)
    steps[large] += beyond.view('<u8')[:, 0]
    ranges = np.empty(count, np.float32)
    with np.errstate(all='ignore'):
        ranges[fits] = np.cumsum(unfold(steps)) / divisor
    ranges[~fits] = reader.words(count - number, 4).view(np.float32)
    return ranges


def _read_runs(body: bytes, count: int) -> tuple[Column, int]:
    """Give the mask of ranges that fit, and the position behind the runs."""
    if not count:
        return np.zeros(0, np.bool_), 0
    parts = np.frombuffer(body, np.uint8)
    last = int(np.searchsorted(np.cumsum(parts, dtype=np.int64), count))
    # A run that ends with a 255 has a 0 behind it.
    position = last + 1 + (body[last : last + 1] == b'\xff')
    parts = parts[:position]
    if len(parts) < position or int(parts.sum(dtype=np.int64)) != count:
        raise ProtocolError('the runs of a scan are not as long as it')
    ends = parts < _LARGE
    before: NDArray[np.int64] = np.cumsum(ends) - ends
    return np.repeat(before % 2 == 0, parts), position
