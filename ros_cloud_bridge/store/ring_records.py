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
Records of a black box's ring: a CRC'd head and a batch as on the wire, columns and zstd.

::

    record = magic (4), length (u32), crc32 (u32), begin, end (f64, monotonic seconds),
             wall clock at the end (i64, ns), samples (u32), raw bytes (u64), batch (length bytes)

All little-endian; the CRC is that of everything behind it. What a crash tears off is the last
record alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
import struct
from typing import NamedTuple
from zlib import crc32

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import Received
from ros_cloud_bridge.wire.batch import (
    Batch,
    decode_batch,
    decode_message,
    Descriptor,
    encode_batch,
    Section,
)
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.limits import MAX_BATCH

_HEAD = struct.Struct('<4sII')
_FACTS = struct.Struct('<ddqIQ')
_MAGIC = b'RCB1'
HEAD_BYTES = _HEAD.size + _FACTS.size

# Of one record: larger ones compress no better, and one is in memory as a whole.
_MOST_RAW_BYTES = 1024 * 1024
_MOST_SAMPLES = 4096
_MOST_TOPICS = 1024


class Arrival(NamedTuple):
    """Samples of one topic that a subscription handed over at one moment, monotonic seconds."""

    topic: Descriptor
    samples: Sequence[Received]
    at: float
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record; ``lost`` is not written, ``data`` is the whole record or empty."""

    begin: float
    end: float
    wall_end_ns: int
    samples: int
    raw_bytes: int
    lost: int = 0
    data: bytes = b''


class Kept(NamedTuple):
    """A sample out of the ring and when it arrived, in monotonic seconds of its boot."""

    at: float
    topic: Descriptor
    sample: Received


class RecordWriter:
    """Makes records of what arrives; remembers how each topic compresses best."""

    def __init__(self) -> None:
        self._encoders: dict[Descriptor, BlockEncoder] = {}

    def pack(self, arrivals: Iterable[Arrival], wall_ns: int, now: float) -> Iterator[Record]:
        """
        Make records.

        :param arrivals: in the order of time
        :param wall_ns: the wall clock
        :param now: the monotonic clock at the same moment
        :returns: the records; a sample larger than any batch is left out, and counted as lost
        """
        for group in _grouped(arrivals):
            end = group[-1].at
            wall_end_ns = wall_ns - round((now - end) * 1e9)
            samples = sum(len(arrival.samples) for arrival in group)
            lost = sum(arrival.lost for arrival in group)
            try:
                data, raw_bytes = self._encode(group, end, wall_end_ns, samples)
            except (ValueError, OverflowError):
                data, raw_bytes, lost, samples = b'', 0, lost + samples, 0
            yield Record(
                begin=group[0].at,
                end=end,
                wall_end_ns=wall_end_ns,
                samples=samples,
                raw_bytes=raw_bytes,
                lost=lost,
                data=data,
            )

    def _encode(
        self, group: Sequence[Arrival], end: float, wall_end_ns: int, samples: int
    ) -> tuple[bytes, int]:
        by_topic: dict[Descriptor, list[Received]] = {}
        for arrival in group:
            if arrival.samples:
                by_topic.setdefault(arrival.topic, []).extend(arrival.samples)
        raw_bytes = sum(len(one.cdr) for received in by_topic.values() for one in received)
        if not by_topic:
            return b'', 0
        sections = tuple(
            Section(
                route=number,
                descriptor=topic,
                sequences=range(1, len(received) + 1),
                samples=received,
                totals=None,
            )
            for number, (topic, received) in enumerate(by_topic.items())
        )
        encoders = {
            number: self._encoders.setdefault(topic, BlockEncoder())
            for number, topic in enumerate(by_topic)
        }
        batch = Batch(boot=bytes(8), number=0, sent_time_ns=max(0, wall_end_ns), sections=sections)
        body = encode_batch(batch, encoders)
        facts = _FACTS.pack(group[0].at, end, wall_end_ns, samples, raw_bytes)
        head = _HEAD.pack(_MAGIC, len(body), crc32(body, crc32(facts)))
        return b''.join((head, facts, body)), raw_bytes


def _grouped(arrivals: Iterable[Arrival]) -> Iterator[list[Arrival]]:
    group: list[Arrival] = []
    size = count = 0
    for arrival in arrivals:
        for part in _parts(arrival):
            part_bytes = sum(len(sample.cdr) for sample in part.samples)
            full = size + part_bytes > _MOST_RAW_BYTES or len(group) >= _MOST_TOPICS
            if group and (full or count + len(part.samples) > _MOST_SAMPLES):
                yield group
                group, size, count = [], 0, 0
            group.append(part)
            size += part_bytes
            count += len(part.samples)
    if group:
        yield group


def _parts(arrival: Arrival) -> Iterator[Arrival]:
    """Cut what one subscription handed over at once, which may be hundreds of images."""
    begin = size = 0
    for index, sample in enumerate(arrival.samples):
        if index > begin and size + len(sample.cdr) > _MOST_RAW_BYTES:
            yield arrival._replace(samples=arrival.samples[begin:index], lost=0)
            begin, size = index, 0
        size += len(sample.cdr)
    yield arrival._replace(samples=arrival.samples[begin:])


def read_head(data: bytes) -> tuple[Record, int]:
    """
    Read a record's head.

    :param data: :data:`HEAD_BYTES` bytes
    :returns: the record without its data, and how many bytes it has in all
    :raises ProtocolError: when this is no record
    """
    if len(data) < HEAD_BYTES:
        raise ProtocolError('a torn record')
    magic, length, _ = _HEAD.unpack_from(data)
    begin, end, wall_end_ns, samples, raw_bytes = _FACTS.unpack_from(data, _HEAD.size)
    if magic != _MAGIC or length > MAX_BATCH or not float('-inf') < begin <= end < float('inf'):
        raise ProtocolError('no record')
    head = Record(
        begin=begin, end=end, wall_end_ns=wall_end_ns, samples=samples, raw_bytes=raw_bytes
    )
    return head, HEAD_BYTES + length


def unpack(data: bytes) -> list[Kept]:
    """
    Read a whole record.

    :param data: the record
    :returns: its samples, in the order of their arrival
    :raises ProtocolError: when it is damaged
    """
    head, size = read_head(data)
    if len(data) != size or crc32(data[_HEAD.size :]) != _HEAD.unpack_from(data)[2]:
        raise ProtocolError('a damaged record')
    batch = decode_batch(decode_message(data[HEAD_BYTES:]))
    kept = []
    for section in batch.sections:
        if section.descriptor is None:
            raise ProtocolError('a record without its topics')
        at = head.begin
        for sample in section.samples:
            # The wall clock may be set meanwhile: a sample never leaves its record's time. And
            # what the middleware asked for again was received late, but handed over in order.
            ago_s = (head.wall_end_ns - sample.receive_time_ns) / 1e9
            at = min(max(head.end - ago_s, at), head.end)
            kept.append(Kept(at, section.descriptor, sample))
    kept.sort(key=lambda one: one.at)
    return kept
