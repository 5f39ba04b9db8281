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
Laser scans at a resolution, as a compact form.

``laser_quantize/2`` is a form of columns (sensor_columns): its heads hold the CDR of the scan up
to ``range_max``, whose length is four bytes before it, and the numbers of ranges and of
intensities behind it, four bytes each; the ranges follow (laser_ranges), and a column of floats,
the intensities. Each scan stands alone. In ``laser_quantize/1``, which is read and no longer
written, the ranges are a column of floats as well.
Ranges outside of ``range_min`` to ``range_max``, infinities and NaN say something else than a
distance, and are kept bit for bit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.reducers.laser_ranges import read_ranges, write_ranges
from ros_cloud_bridge.reducers.sensor_cdr import CdrReader, CdrWriter, Header
from ros_cloud_bridge.reducers.sensor_columns import ColumnReader, ColumnWriter
from ros_cloud_bridge.reducers.sensor_options import check_names, check_type, number, whole
from ros_cloud_bridge.wire.limits import MAX_BATCH_RAW

TYPE = 'sensor_msgs/msg/LaserScan'
FORM = 'laser_quantize/2'
EARLIER_FORM = 'laser_quantize/1'
_COARSER = {Level.FULL: 1.0, Level.REDUCED: 2.0, Level.MINIMAL: 4.0}
# Small forms are left to the batch, which compresses many of them at once.
_LEAST = 1 << 15
# Bounds of a resolution that a scan chooses for itself, in metres.
_AUTO_M = (0.001, 0.02)
_FLOAT_BITS = 24
# Off by half of that: a third of what scanners themselves are said to be off by, +-30 mm and more.
_USUAL_M = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A laser scan; ``numbers`` are the seven from ``angle_min`` to ``range_max``."""

    header: Header
    numbers: tuple[float, ...]
    ranges: NDArray[np.float32]
    intensities: NDArray[np.float32]

    def about(self) -> bytes:
        """
        Serialize all but the ranges and intensities.

        :returns: the beginning of the message
        """
        writer = CdrWriter()
        self.header.write(writer)
        writer.numbers('fffffff', *self.numbers)
        return writer.done()


def read_scan(cdr: bytes) -> Scan:
    """
    Read a scan.

    :param cdr: the message, either byte order
    :returns: the scan
    :raises ProtocolError: when it is malformed
    """
    reader = CdrReader(cdr)
    header = Header.read(reader)
    numbers = reader.numbers('fffffff')
    order = '>' if reader.big else '<'
    ranges, intensities = (
        np.frombuffer(reader.sequence(4, 4), f'{order}f4').astype('f4') for _ in range(2)
    )
    reader.end()
    return Scan(header=header, numbers=numbers, ranges=ranges, intensities=intensities)


class LaserQuantizer:
    """
    Makes the compact form.

    :param resolution_m: of ranges; 0 for as fine as each scan's own noise
    :param intensity_bits: of each intensity that stay; 0 for none, 24 for all
    """

    def __init__(self, resolution_m: float, intensity_bits: int) -> None:
        self._resolution_m = resolution_m
        self._bits = intensity_bits

    @property
    def output(self) -> Output:
        """What comes out."""
        half = (self._resolution_m or _AUTO_M[1]) / 2.0
        error = f'ranges within {half:g} m (reduced {2 * half:g}, minimal {4 * half:g})'
        error += ' and the last bit of a float'
        if not self._bits:
            error += '; no intensities'
        elif self._bits < _FLOAT_BITS:
            error += f'; intensities within 1/{1 << self._bits} of their value'
        return Output(type_name=TYPE, form=FORM, error=error)

    def reduce(self, cdr: bytes, level: Level) -> bytes:
        """
        Make the form.

        :param cdr: a scan
        :param level: how coarse
        :returns: the form
        :raises ProtocolError: when the scan is malformed
        """
        scan = read_scan(cdr)
        low, high = scan.numbers[5:]
        with np.errstate(invalid='ignore'):
            meant = (scan.ranges >= low) & (scan.ranges <= high)
        resolution_m = (self._resolution_m or _noise(scan.ranges[meant])) * _COARSER[level]
        # Who has mixed up the bounds, or left them at zero, still has ranges.
        apart = ~meant | _leaves(scan.ranges, low, high, resolution_m) if low < high else None
        intensities = _rounded(scan.intensities, self._bits)
        about = scan.about()
        counts = len(scan.ranges), len(intensities)
        writer = ColumnWriter(_LEAST)
        writer.head(struct.pack('<I', len(about)) + about + struct.pack('<II', *counts))
        write_ranges(writer, scan.ranges, resolution_m, apart)
        writer.floats(intensities)
        return writer.done(len(about) + 4 * (2 + sum(counts)))


def _leaves(
    ranges: NDArray[np.float32], low: float, high: float, resolution_m: float
) -> NDArray[Any]:
    """Tell which ranges rounding carries over a bound: a distance would become none."""
    divisor = 1.0 / resolution_m
    with np.errstate(invalid='ignore', over='ignore'):
        back = (np.rint(ranges.astype(np.float64) * divisor) / divisor).astype(np.float32)
        leaves: NDArray[Any] = (back < low) | (back > high)
    return leaves


def _noise(ranges: NDArray[Any]) -> float:
    """Estimate what neighbouring ranges jitter by, in metres."""
    bends = np.abs(np.diff(ranges.astype(np.float64), 2))
    # Of normal noise: its median is 0.67 of its deviation, and second differences have 6 times
    # its variance. Edges are few enough to move the median little.
    deviation = float(np.median(bends)) / (0.6745 * 6.0**0.5) if len(bends) else 0.0
    return float(min(max(deviation, _AUTO_M[0]), _AUTO_M[1]))


def _rounded(values: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    if not bits:
        return values[:0]
    if bits >= _FLOAT_BITS:
        return values
    gone = _FLOAT_BITS - bits
    words = values.view(np.uint32)
    half = np.uint32(1 << gone - 1)
    rounded = (words + half) & np.uint32(-(1 << gone) & 0xFFFFFFFF)
    back = rounded.view(np.float32)
    # Neither NaN nor infinities have a value, and what would become infinite stays as it is.
    return np.where(np.isfinite(values) & np.isfinite(back), back, values)


def read_form(form: bytes, read: Callable[[ColumnReader, int], NDArray[Any]]) -> bytes:
    """
    Restore a scan.

    :param form: what :meth:`LaserQuantizer.reduce` made
    :param read: the ranges, so many
    :returns: CDR, little endian
    :raises ProtocolError: when the form is malformed
    """
    reader = ColumnReader(form)
    (length,) = struct.unpack('<I', reader.head(4))
    about = reader.head(length)
    check = CdrReader(about)
    header = Header.read(check)
    numbers = check.numbers('fffffff')
    check.end()
    counts = struct.unpack('<II', reader.head(8))
    if 4 * sum(counts) > MAX_BATCH_RAW:
        raise ProtocolError(f'a scan of {counts[0]} ranges')
    writer = CdrWriter()
    header.write(writer)
    writer.numbers('fffffff', *numbers)
    for column in read(reader, counts[0]), reader.floats(counts[1], 4):
        writer.sequence(column.astype('<f4', copy=False).tobytes(), 4, 4)
    return reader.end(writer.done())


_READS = {FORM: read_ranges, EARLIER_FORM: lambda reader, count: reader.floats(count, 4)}


class LaserKind:
    """``laser_quantize``: ranges at a resolution, intensities with as many bits as they need."""

    name = 'laser_quantize'
    types = (TYPE,)

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> LaserQuantizer:
        """
        Make the reducer of a route.

        :param type_name: LaserScan
        :param definition: of the type
        :param options: ``resolution=0.02`` in metres, or ``auto``; ``intensity_bits=24``
        :param max_bytes: the most that a message can have
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, or with the type
        """
        check_type(type_name, TYPE)
        check_names(options, ('resolution', 'intensity_bits'))
        bits = whole(options, 'intensity_bits', _FLOAT_BITS, 0, _FLOAT_BITS)
        if options.get('resolution') == 'auto':
            return LaserQuantizer(0.0, bits)
        return LaserQuantizer(number(options, 'resolution', _USUAL_M, 1e-5, 10.0), bits)

    def restore(self, form: str, data: bytes) -> bytes:
        """
        Restore a scan.

        :param form: ``laser_quantize/2``, or the one before it
        :param data: the form
        :returns: CDR with its encapsulation header
        :raises ProtocolError: when it is malformed
        """
        read = _READS.get(form)
        if read is None:
            raise ProtocolError(f'unknown form {form}')
        return read_form(data, read)


KINDS = (LaserKind(),)
