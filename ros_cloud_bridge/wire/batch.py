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
Batches: samples of several routes, column-wise (docs/protocol.md, "Batch").

::

    message  = [version, BATCH, boot, number, sent_time_ns, codec, raw_length, body,
                ? bits, ? dictionary]
             | [version, FRAGMENT, boot, number, offset, length, crc32, data]
             | [version, ABANDONED, boot, number]
             | [version, ACCOUNT, boot, number, routes]    (wire/account.py)
    body     = CBOR of [section, ...], compressed as codec says
    section  = [route, descriptor / null, count, first_sequence, age_ns, [minimum, width, ...],
                totals / null, layout, block]
    age_ns: sent time minus the first sample's source time
    columns: sequence steps (count-1) and source-time steps in ns (count-1), both left out when
    count is 1; receive minus source time in microseconds (count), lengths in bytes (count).
    Layouts COLUMNS and STREAMS have them in the block, and their numbers in bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import Received
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.codecs import (
    Codec,
    compress_body,
    decode_body,
    Dictionary,
    Effort,
)
from ros_cloud_bridge.wire.descriptor import (
    brief,
    decode_descriptor,
    Descriptor,
    encode_descriptor,
    MAX_FORM,
    natural,
)
from ros_cloud_bridge.wire.forms import Budget
from ros_cloud_bridge.wire.limits import (
    MAX_BATCH,
    MAX_BATCH_RAW,
    MAX_SAMPLES,
    MAX_SECTIONS,
)
from ros_cloud_bridge.wire.open_blocks import BlockReader, OpenBlock
from ros_cloud_bridge.wire.times import Times

# What belongs to a batch as much as what is here.
__all__ = [
    'BOOT_BYTES',
    'Batch',
    'DICTIONARY_BYTES',
    'Descriptor',
    'Encoded',
    'Kind',
    'MAX_FORM',
    'OpenBatch',
    'OpenSection',
    'Section',
    'VERSION',
    'decode_batch',
    'decode_descriptor',
    'decode_message',
    'dictionary_of',
    'encode_batch',
    'encode_descriptor',
    'encode_with_context',
    'natural',
    'open_batch',
]

VERSION = 1
BOOT_BYTES = 8
_INT64_MAX = (1 << 63) - 1


class Kind(IntEnum):
    """Kind of a message on ``b/`` and ``latched/``; values stand on the wire."""

    BATCH = 0
    FRAGMENT = 1
    ABANDONED = 2
    ACCOUNT = 3


_LENGTHS: dict[int, tuple[int, ...]] = {
    Kind.BATCH: (8, 9, 10),
    Kind.FRAGMENT: (8,),
    Kind.ABANDONED: (4,),
    Kind.ACCOUNT: (5,),
}
DICTIONARY_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """
    Samples of one route.

    ``totals`` are the route's cumulative drops by :class:`~ros_cloud_bridge.values.Drop` value
    since boot, or None when they have not changed since the last section that had them.
    """

    route: int
    descriptor: Descriptor | None
    sequences: Sequence[int]
    samples: Sequence[Received]
    totals: Mapping[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A decoded batch; ``boot`` are 8 random bytes per process start."""

    boot: bytes
    number: int
    sent_time_ns: int
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSection:
    """A section whose samples are not put together yet."""

    route: int
    descriptor: Descriptor | None
    totals: Mapping[int, int] | None
    block: OpenBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBatch:
    """A batch whose samples are not put together yet."""

    boot: bytes
    number: int
    sent_time_ns: int
    sections: tuple[OpenSection, ...]
    budget: Budget

    def join(self) -> Batch:
        """
        Put all samples together.

        :returns: the batch
        :raises ProtocolError: when their parts do not fit together
        """
        return Batch(
            boot=self.boot,
            number=self.number,
            sent_time_ns=self.sent_time_ns,
            sections=tuple(_join(section, self.budget) for section in self.sections),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """An encoded batch; ``sections`` are what it was compressed from."""

    payload: bytes
    sections: Sequence[bytes]


def encode_batch(
    batch: Batch, encoders: Mapping[int, BlockEncoder], effort: Effort = Effort.NORMAL
) -> bytes:
    """
    Encode a batch that needs nothing else to be decoded.

    :param batch: at least one section, each with at least one sample
    :param encoders: the block encoder of each route
    :param effort: what it may cost
    :returns: CBOR payload
    :raises ValueError: when it holds more than any receiver takes
    """
    return encode_with_context(batch, encoders, effort, None).payload


def encode_with_context(
    batch: Batch,
    encoders: Mapping[int, BlockEncoder],
    effort: Effort,
    dictionary: Dictionary | None,
) -> Encoded:
    """
    Encode a batch.

    :param batch: at least one section, each with at least one sample
    :param encoders: the block encoder of each route
    :param effort: what it may cost
    :param dictionary: what receivers have; None for nothing
    :returns: the batch
    :raises ValueError: when it holds more than any receiver takes
    """
    size = sum(len(sample[0]) for section in batch.sections for sample in section.samples)
    if size > MAX_BATCH_RAW:
        raise ValueError(f'{size} bytes in one batch; the protocol takes {MAX_BATCH_RAW}')
    bits = bytearray()
    budget = Budget()
    sections = [
        cbor.dumps(
            _encode_section(
                section, encoders[section.route], batch.sent_time_ns, effort, budget, bits
            )
        )
        for section in batch.sections
    ]
    body = b''.join([cbor.array_head(len(sections)), *sections])
    if len(body) > MAX_BATCH_RAW:
        raise ValueError(f'{len(body)} bytes in one batch; the protocol takes {MAX_BATCH_RAW}')
    routes = [encoders[section.route] for section in batch.sections]
    codec, encoded = compress_body(body, routes, effort, dictionary)
    message = [VERSION, int(Kind.BATCH), batch.boot, batch.number, batch.sent_time_ns]
    message += [int(codec), len(body), encoded]
    if codec is Codec.ZSTD_DICTIONARY and dictionary is not None:
        message += [bytes(bits), dictionary.name]
    elif bits:
        message.append(bytes(bits))
    return Encoded(payload=cbor.dumps(message), sections=sections)


def _encode_section(
    section: Section,
    encoder: BlockEncoder,
    sent_time_ns: int,
    effort: Effort,
    budget: Budget,
    bits: bytearray,
) -> list[object]:
    samples = section.samples
    cdr, source, receive, *_ = zip(*samples, strict=True)
    # A publisher may stamp anything; times before 1970 are not on the wire.
    source_ns = np.maximum(np.array(source, dtype=np.int64), 0)
    receive_ns = np.maximum(np.array(receive, dtype=np.int64), 0)
    latency_us = np.maximum((receive_ns - source_ns) // 1000, -(source_ns // 1000))
    times = Times(np.array(section.sequences, dtype=np.int64), source_ns, latency_us)
    block = encoder.encode(cdr, times, budget, effort)
    bits += block.bits
    return [
        section.route,
        None if section.descriptor is None else encode_descriptor(section.descriptor),
        len(samples),
        int(times.sequences[0]),
        sent_time_ns - int(source_ns[0]),
        list(block.columns),
        None if section.totals is None else dict(section.totals),
        int(block.layout),
        block.data,
    ]


def decode_message(payload: bytes) -> list[Any]:
    """
    Decode the frame common to batches, fragments, abandoned batches and accounts.

    :param payload: MQTT payload, or a batch put together from fragments
    :returns: the message's fields; field 1 is a :class:`Kind`, field 2 the boot id, 3 the number
    :raises ProtocolError: when it is malformed or of another protocol version
    """
    message = cbor.loads(payload, MAX_BATCH)
    if not isinstance(message, list) or len(message) < 4:
        raise ProtocolError('a batch message is an array of at least four fields')
    version, kind, boot, number = message[:4]
    if type(version) is not int or version != VERSION:
        raise ProtocolError(f'protocol version {brief(version)}; this decoder reads {VERSION}')
    if not isinstance(boot, bytes) or len(boot) != BOOT_BYTES:
        raise ProtocolError(f'a boot id has {BOOT_BYTES} bytes')
    natural(number, 'batch number')
    if type(kind) is not int or len(message) not in _LENGTHS.get(kind, ()):
        raise ProtocolError(f'message of kind {brief(kind)} with {len(message)} fields')
    return message


def decode_batch(message: Sequence[Any], dictionary: Dictionary | None = None) -> Batch:
    """
    Decode the fields of a batch message.

    :param message: what :func:`decode_message` returned, of kind ``BATCH``
    :param dictionary: the one that :func:`dictionary_of` names
    :returns: the batch
    :raises ProtocolError: when a field is malformed or over a limit
    """
    return open_batch(message, dictionary).join()


def dictionary_of(message: Sequence[Any]) -> bytes | None:
    """
    Say what dictionary a batch needs.

    :param message: what :func:`decode_message` returned, of kind ``BATCH``
    :returns: its name, or None
    :raises ProtocolError: when it names one and needs none, or the other way round
    """
    name = message[9] if len(message) > 9 else None
    if name is not None and (type(name) is not bytes or len(name) != DICTIONARY_BYTES):
        raise ProtocolError(f'the name of a dictionary has {DICTIONARY_BYTES} bytes')
    if (message[5] == Codec.ZSTD_DICTIONARY) != (name is not None):
        raise ProtocolError('a batch names the dictionary that it needs, and no other')
    return name


def open_batch(message: Sequence[Any], dictionary: Dictionary | None = None) -> OpenBatch:
    """
    Decode the fields of a batch message up to columns.

    :param message: what :func:`decode_message` returned, of kind ``BATCH``
    :param dictionary: the one that :func:`dictionary_of` names
    :returns: the batch
    :raises ProtocolError: when a field is malformed or over a limit
    """
    _, _, boot, number, sent_time_ns, codec, raw_length, encoded = message[:8]
    bits = message[8] if len(message) > 8 else b''
    natural(sent_time_ns, 'sent time')
    if type(codec) is not int or type(encoded) is not bytes or type(bits) is not bytes:
        raise ProtocolError('a body is a byte string with an integer codec')
    name = dictionary_of(message)
    if name is not None and (dictionary is None or dictionary.name != name):
        raise ProtocolError('a batch of an unknown dictionary')
    body = decode_body(codec, natural(raw_length, 'raw length'), encoded, dictionary)
    sections = cbor.loads(body, MAX_BATCH_RAW)
    if not isinstance(sections, list) or not 1 <= len(sections) <= MAX_SECTIONS:
        raise ProtocolError(f'a batch has 1 to {MAX_SECTIONS} sections')
    reader = BlockReader(bits)
    opened = []
    samples = 0
    for fields in sections:
        if not isinstance(fields, list) or len(fields) != 9:
            raise ProtocolError('a section has nine fields')
        samples += natural(fields[2], 'sample count')
        if fields[2] == 0 or samples > MAX_SAMPLES:
            raise ProtocolError(f'a section has samples, and a batch at most {MAX_SAMPLES}')
        opened.append(_open_section(fields, sent_time_ns, reader))
    reader.finish()
    return OpenBatch(
        boot=boot,
        number=number,
        sent_time_ns=sent_time_ns,
        sections=tuple(opened),
        budget=reader.budget,
    )


def _open_section(fields: list[Any], sent_time_ns: int, reader: BlockReader) -> OpenSection:
    route, descriptor, count, sequence, age_ns, columns, totals, layout, block = fields
    for value, name in ((route, 'route'), (sequence, 'sequence')):
        natural(value, name)
    if type(age_ns) is not int:
        raise ProtocolError('the age of a section is an integer')
    source_ns = natural(sent_time_ns - age_ns, 'source time')
    if type(block) is not bytes or type(layout) is not int:
        raise ProtocolError('a block is a byte string with an integer layout')
    opened = reader.read(layout, block, columns, count, (sequence, source_ns))
    times = opened.times
    late = times.latency_us.astype(np.float64) * 1000.0 + times.source_ns
    # Near the ends of the range floats are not exact.
    if (late < 1e6).any() or (late >= _LATEST_NS).any():
        receive = [
            source + 1000 * latency
            for source, latency in zip(
                times.source_ns.tolist(), times.latency_us.tolist(), strict=True
            )
        ]
        if min(receive) < 0 or max(receive) > _INT64_MAX:
            raise ProtocolError('receive times out of range')
    return OpenSection(
        route=route,
        descriptor=decode_descriptor(descriptor),
        totals=_totals(totals),
        block=opened,
    )


# From here on sums are checked in integers that cannot overflow.
_LATEST_NS = float(1 << 62)


def _join(section: OpenSection, budget: Budget) -> Section:
    times = section.block.times
    sources = times.source_ns.tolist()
    receive = (times.source_ns + 1000 * times.latency_us).tolist()
    samples = section.block.join(budget)
    return Section(
        route=section.route,
        descriptor=section.descriptor,
        sequences=times.sequences.tolist(),
        samples=list(map(Received, samples, sources, receive)),
        totals=section.totals,
    )


def _totals(value: object) -> dict[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > 64:
        raise ProtocolError('totals are a map of at most 64 reasons')
    return {natural(key, 'reason'): natural(count, 'total') for key, count in value.items()}
