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

"""Sequence numbers and times of a section whose layout packs numbers."""

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import forms
from ros_cloud_bridge.wire.column_form import Form
from ros_cloud_bridge.wire.forms import Reader, Wide
from ros_cloud_bridge.wire.shortest import round_down
from ros_cloud_bridge.wire.tables import Head
from ros_cloud_bridge.wire.varint import unzigzag, write_varint, zigzag

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Times:
    """Sequence numbers, source times in nanoseconds and latencies in microseconds, per sample."""

    sequences: Integers
    source_ns: Integers
    latency_us: Integers


def time_forms(times: Times) -> tuple[bytes, list[Form]]:
    """
    Find how times are written.

    :param times: of a section
    :returns: what stands in the block, and what is to be packed
    """
    heads = bytearray()
    found = []
    for values, predictor in _stepped(times):
        # In Python's integers: there are few, and each call into numpy takes as long as a dozen.
        low = min(values)
        if max(values) == low:
            heads.append(0)
            heads += write_varint(zigzag(low))
            continue
        distances = [number - low for number in values]
        unit = math.gcd(*distances)
        spread = max(distances) // unit
        size = spread.bit_length()
        first = low // unit
        below = first - round_down(first, spread, size)
        heads.append(size)
        heads += write_varint(zigzag(low - below * unit)) + write_varint(unit)
        residuals = [distance // unit + below for distance in distances]
        if predictor == forms.DELTA:
            residuals.insert(0, 0)
        found.append(Form(predictor, 0, np.array(residuals, dtype=np.uint64), size))
    return bytes(heads), found


def _stepped(times: Times) -> list[tuple[list[int], int]]:
    """Give what is written of times, with the form of each."""
    columns = [(times.latency_us.tolist(), forms.RAW)]
    if len(times.latency_us) > 1:
        steps = [values[1:] - values[:-1] for values in (times.sequences, times.source_ns)]
        columns = [*((values.tolist(), forms.DELTA) for values in steps), *columns]
    return columns


def read_time_heads(reader: Reader, count: int) -> list[tuple[Head, tuple[int, int]]]:
    """
    Read what of times is not packed.

    :param reader: where it stands
    :param count: number of samples
    :returns: the forms, each with its least number and its unit
    :raises ProtocolError: when it is malformed
    """
    heads = []
    for predictor in (forms.DELTA, forms.DELTA, forms.RAW)[0 if count > 1 else 2 :]:
        size = reader.byte()
        if size > 64:
            raise ProtocolError('times of more than 64 bits')
        low = unzigzag(reader.varint())
        unit = reader.varint() if size else 1
        head = Head(predictor, 0, size, 0, 0, None, None, None, None)
        heads.append((head, (low, unit)))
    return heads


def times_of(
    heads: list[tuple[Head, tuple[int, int]]],
    numbers: Wide,
    count: int,
    first: tuple[int, int],
) -> Times:
    """
    Make times of numbers.

    :param heads: as :func:`read_time_heads` gave them
    :param numbers: theirs, shape (at least as many, samples)
    :param count: number of samples
    :param first: sequence number and source time of the first sample
    :returns: the times
    :raises ProtocolError: when they are out of range
    """
    columns = []
    for (_, (low, unit)), row in zip(heads, numbers, strict=False):
        columns.append((row * np.uint64(unit)).view(np.int64) + np.int64(low))
    sequence, source_ns = first
    if count == 1:
        return Times(np.array([sequence]), np.array([source_ns]), columns[0])
    steps, source_steps, latency_us = columns
    if (steps[1:] < 1).any():
        raise ProtocolError('sequence numbers of a section must rise')
    return Times(
        add_up(sequence, steps[1:], 'sequence numbers'),
        add_up(source_ns, source_steps[1:], 'source times'),
        latency_us,
    )


def add_up(first: int, steps: Integers, what: str) -> Integers:
    """
    Add steps up.

    :param first: what the first step is added to
    :param steps: the steps
    :param what: their name
    :returns: one more than there are steps
    :raises ProtocolError: when a sum is below 0, or 2**63 or more
    """
    values = np.concatenate([[np.int64(first)], steps])
    if len(steps):
        # Steps that could wrap around are added in integers that do not.
        reach = len(steps) * max(int(steps.max()), -int(steps.min()))
        if first + reach >= 1 << 63:
            total = 0
            for step in values.tolist():
                total += step
                if not 0 <= total < 1 << 63:
                    raise ProtocolError(f'{what} out of range')
    sums: Integers = np.cumsum(values)
    if (sums < 0).any():
        raise ProtocolError(f'{what} out of range')
    return sums
