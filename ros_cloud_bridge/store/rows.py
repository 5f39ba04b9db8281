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
Rows: consecutive samples of one lane as one compressed, checked block.

A block is a batch of one section as it goes over the wire (docs/protocol.md), so that it is
compressed column-wise, with a CRC-32 over it and what it stands for.
"""

from collections.abc import Iterable, Iterator, Sequence
import struct
from typing import NamedTuple
import zlib

from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.wire.batch import (
    Batch,
    decode_batch,
    decode_message,
    encode_batch,
    Kind,
    Section,
)
from ros_cloud_bridge.wire.blocks import BlockEncoder

# Few enough that one is soon sent on a thin link, enough to compress well.
MAX_ROW_BYTES = 256 * 1024
MAX_ROW_SAMPLES = 4096
# What a receiver takes as one batch, less its envelope.
MAX_SAMPLE_BYTES = 63 * 1024 * 1024

_PAIR = struct.Struct('<qq')


class Packed(NamedTuple):
    """A row to be written; ``raw`` are its samples' bytes."""

    first: int
    last: int
    raw: int
    crc: int
    data: bytes


def split(samples: Sequence[Queued], most_bytes: int) -> Iterator[list[Queued]]:
    """
    Cut samples into rows: without a gap in the numbers, and of a bounded size.

    :param samples: by rising sequence number
    :param most_bytes: of a row with more than one sample, at most ``MAX_ROW_BYTES``
    :returns: the rows
    """
    row: list[Queued] = []
    size = 0
    for entry in samples:
        length = len(entry.sample.cdr)
        if row and (
            entry.sequence != row[-1].sequence + 1
            or size + length > most_bytes
            or len(row) == MAX_ROW_SAMPLES
        ):
            yield row
            row, size = [], 0
        row.append(entry)
        size += length
    if row:
        yield row


def pack(boot: bytes, route: int, samples: Sequence[Queued], encoder: BlockEncoder) -> Packed:
    """
    Pack a row.

    :param boot: the lane's boot id
    :param route: its route number
    :param samples: the row
    :param encoder: the lane's
    :returns: what is written
    """
    section = Section(
        route=route,
        descriptor=None,
        sequences=[entry.sequence for entry in samples],
        samples=[entry.sample for entry in samples],
        totals=None,
    )
    batch = Batch(boot=boot, number=0, sent_time_ns=0, sections=(section,))
    data = encode_batch(batch, {route: encoder})
    first, last = samples[0].sequence, samples[-1].sequence
    raw = sum(len(entry.sample.cdr) for entry in samples)
    return Packed(first, last, raw, checksum(first, last, data), data)


def checksum(first: int, last: int, data: bytes) -> int:
    """
    Check a block together with what it stands for; boot id and route stand in it.

    :param first: its first sequence number
    :param last: its last
    :param data: the block
    :returns: CRC-32
    """
    return zlib.crc32(data, zlib.crc32(_PAIR.pack(first, last)))


def unpack(
    boot: bytes, route: int, numbers: tuple[int, int], crc: int, data: bytes
) -> list[Queued] | None:
    """
    Read a row.

    :param boot: the lane's boot id
    :param route: its route number
    :param numbers: the row's first and last sequence number
    :param crc: as written
    :param data: as written
    :returns: its samples, or None when it is damaged
    """
    first, last = numbers
    if type(data) is not bytes or checksum(first, last, data) != crc:
        return None
    try:
        message = decode_message(data)
        if message[1] != Kind.BATCH:
            return None
        batch = decode_batch(message)
    except ProtocolError:
        return None
    section = batch.sections[0]
    if (batch.boot, section.route) != (boot, route):
        return None
    if list(section.sequences) != list(range(first, last + 1)):
        return None
    return [
        Queued(number, sample, 0.0)
        for number, sample in zip(section.sequences, section.samples, strict=True)
    ]


def encode_ranges(ranges: Iterable[tuple[int, int]]) -> bytes:
    """
    Write ranges for a column.

    :param ranges: first and last of each
    :returns: 16 bytes each
    """
    return b''.join(_PAIR.pack(first, last) for first, last in ranges)


def decode_ranges(data: bytes | None) -> Ranges:
    """
    Undo :func:`encode_ranges`.

    :param data: the column; None stands for none
    :returns: the ranges
    """
    usable = len(data or b'') // _PAIR.size * _PAIR.size
    return Ranges(_PAIR.iter_unpack((data or b'')[:usable]))
