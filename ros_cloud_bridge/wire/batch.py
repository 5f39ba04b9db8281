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

    message  = [version, BATCH, boot, number, sent_time_ns, codec, raw_length, body]
             | [version, FRAGMENT, boot, number, offset, length, crc32, data]
             | [version, ABANDONED, boot, number]
             | [version, ACCOUNT, boot, number, routes]    (wire/account.py)
    body     = CBOR of [section, ...], compressed as codec says
    section  = [route, descriptor / null, count, first_sequence, age_ns, [minimum, width, ...],
                totals / null, layout, block]
    age_ns: sent time minus the first sample's source time
    columns: sequence steps (count-1) and source-time steps in ns (count-1), both left out when
    count is 1; receive minus source time in microseconds (count), lengths in bytes (count)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import Received
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.codecs import (
    BlockEncoder,
    compress_body,
    decode_block,
    decode_body,
    Layout,
)
from ros_cloud_bridge.wire.columns import decode_column, encode_column, Integers
from ros_cloud_bridge.wire.limits import (
    MAX_BATCH,
    MAX_BATCH_RAW,
    MAX_SAMPLES,
    MAX_SECTIONS,
    MAX_TEXT,
)

VERSION = 1
BOOT_BYTES = 8
MAX_FORM = 64
_INT64_MAX = (1 << 63) - 1


class Kind(IntEnum):
    """Kind of a message on ``b/`` and ``latched/``; values stand on the wire."""

    BATCH = 0
    FRAGMENT = 1
    ABANDONED = 2
    ACCOUNT = 3


_LENGTHS: dict[int, int] = {
    Kind.BATCH: 8,
    Kind.FRAGMENT: 8,
    Kind.ABANDONED: 4,
    Kind.ACCOUNT: 5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """
    What a route number stands for.

    ``schema_id`` are 16 hex digits, or empty if unknown; ``form`` names the compact form in which
    a reducer wrote the samples, empty when they are plain CDR of the type.
    """

    stream: str
    topic: str
    type_name: str
    schema_id: str
    form: str = ''

    @property
    def typed(self) -> str:
        """Type and form in one text, as in ``sensor_msgs/msg/PointCloud2#cloud/1``."""
        return f'{self.type_name}#{self.form}' if self.form else self.type_name

    @classmethod
    def of(cls, stream: str, topic: str, typed: str, schema_id: str) -> 'Descriptor':
        """
        Make a descriptor of texts that were stored.

        :param stream: the stream
        :param topic: ROS topic
        :param typed: type and form, as :attr:`typed` gives them
        :param schema_id: 16 hexadecimal digits, or empty
        :returns: the descriptor
        """
        name, _, form = typed.partition('#')
        return cls(stream=stream, topic=topic, type_name=name, schema_id=schema_id, form=form)


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


def encode_batch(batch: Batch, encoders: Mapping[int, BlockEncoder]) -> bytes:
    """
    Encode a batch.

    :param batch: at least one section, each with at least one sample
    :param encoders: the block encoder of each route
    :returns: CBOR payload
    :raises ValueError: when it holds more than any receiver takes
    """
    sections = [
        _encode_section(section, encoders[section.route], batch.sent_time_ns)
        for section in batch.sections
    ]
    body = cbor.dumps(sections)
    if len(body) > MAX_BATCH_RAW:
        raise ValueError(f'{len(body)} bytes in one batch; the protocol takes {MAX_BATCH_RAW}')
    codec, encoded = compress_body(body, [encoders[s.route] for s in batch.sections])
    head = [VERSION, int(Kind.BATCH), batch.boot, batch.number, batch.sent_time_ns]
    return cbor.dumps([*head, int(codec), len(body), encoded])


def _encode_section(section: Section, encoder: BlockEncoder, sent_time_ns: int) -> list[object]:
    samples = section.samples
    cdr, source, receive, *_ = zip(*samples, strict=True)
    sequences = np.array(section.sequences, dtype=np.int64)
    # A publisher may stamp anything; times before 1970 are not on the wire.
    source_ns = np.maximum(np.array(source, dtype=np.int64), 0)
    receive_ns = np.maximum(np.array(receive, dtype=np.int64), 0)
    latency_us = np.maximum((receive_ns - source_ns) // 1000, -(source_ns // 1000))
    lengths = np.fromiter(map(len, cdr), dtype=np.int64, count=len(cdr))
    steps = [np.diff(sequences), np.diff(source_ns)] if len(samples) > 1 else []
    columns: list[int] = []
    planes = []
    for values in (*steps, latency_us, lengths):
        low, width, data = encode_column(values)
        columns += [low, width]
        planes.append(data)
    layout, block = encoder.encode(b''.join(planes), cdr)
    return [
        section.route,
        None if section.descriptor is None else encode_descriptor(section.descriptor),
        len(samples),
        int(sequences[0]),
        sent_time_ns - int(source_ns[0]),
        columns,
        None if section.totals is None else dict(section.totals),
        int(layout),
        block,
    ]


def encode_descriptor(descriptor: Descriptor) -> list[object]:
    """
    Write a descriptor as it stands in a section.

    :param descriptor: of a route
    :returns: its fields
    """
    fields: list[object] = [
        descriptor.stream,
        descriptor.topic,
        descriptor.type_name,
        bytes.fromhex(descriptor.schema_id),
    ]
    return [*fields, descriptor.form] if descriptor.form else fields


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
        raise ProtocolError(f'protocol version {_brief(version)}; this decoder reads {VERSION}')
    if not isinstance(boot, bytes) or len(boot) != BOOT_BYTES:
        raise ProtocolError(f'a boot id has {BOOT_BYTES} bytes')
    natural(number, 'batch number')
    if type(kind) is not int or _LENGTHS.get(kind) != len(message):
        raise ProtocolError(f'message of kind {_brief(kind)} with {len(message)} fields')
    return message


def decode_batch(message: Sequence[Any]) -> Batch:
    """
    Decode the fields of a batch message.

    :param message: what :func:`decode_message` returned, of kind ``BATCH``
    :returns: the batch
    :raises ProtocolError: when a field is malformed or over a limit
    """
    _, _, boot, number, sent_time_ns, codec, raw_length, encoded = message
    natural(sent_time_ns, 'sent time')
    if type(codec) is not int or type(encoded) is not bytes:
        raise ProtocolError('a body is a byte string with an integer codec')
    body = decode_body(codec, natural(raw_length, 'raw length'), encoded)
    sections = cbor.loads(body, MAX_BATCH_RAW)
    if not isinstance(sections, list) or not 1 <= len(sections) <= MAX_SECTIONS:
        raise ProtocolError(f'a batch has 1 to {MAX_SECTIONS} sections')
    decoded = []
    samples = 0
    for fields in sections:
        if not isinstance(fields, list) or len(fields) != 9:
            raise ProtocolError('a section has nine fields')
        samples += natural(fields[2], 'sample count')
        if fields[2] == 0 or samples > MAX_SAMPLES:
            raise ProtocolError(f'a section has samples, and a batch at most {MAX_SAMPLES}')
        decoded.append(_decode_section(fields, sent_time_ns))
    return Batch(boot=boot, number=number, sent_time_ns=sent_time_ns, sections=tuple(decoded))


def _decode_section(fields: list[Any], sent_time_ns: int) -> Section:
    route, descriptor, count, sequence, age_ns, columns, totals, layout, block = fields
    for value, name in ((route, 'route'), (sequence, 'sequence')):
        natural(value, name)
    if type(age_ns) is not int:
        raise ProtocolError('the age of a section is an integer')
    source_ns = natural(sent_time_ns - age_ns, 'source time')
    if type(block) is not bytes or type(layout) is not int:
        raise ProtocolError('a block is a byte string with an integer layout')
    counts = (count - 1, count - 1, count, count) if count > 1 else (count, count)
    headers = _column_headers(columns, len(counts))
    sizes = [width * entries for (_, width), entries in zip(headers, counts, strict=True)]
    raw = decode_block(layout, block, sum(sizes), count)
    view = memoryview(raw)
    decoded: list[Integers] = [np.zeros(0, np.int64)] * (4 - len(counts))
    position = 0
    for (low, width), entries, size in zip(headers, counts, sizes, strict=True):
        decoded.append(decode_column(low, width, view[position : position + size], entries))
        position += size
    steps, source_steps, latency_us, lengths = decoded
    if (lengths < 0).any() or position + sum(lengths.tolist()) != len(raw):
        raise ProtocolError('lengths of the samples do not add up to the block')
    if layout == Layout.PLANES and (lengths != lengths[0]).any():
        raise ProtocolError('transposed samples are of one length')
    if (steps < 1).any():
        raise ProtocolError('sequence numbers of a section must rise')
    sequences = _accumulate(sequence, steps, 'sequence numbers')
    sources = _accumulate(source_ns, source_steps, 'source times')
    return Section(
        route=route,
        descriptor=decode_descriptor(descriptor),
        sequences=sequences,
        samples=_samples(raw, position, lengths.tolist(), sources, latency_us.tolist()),
        totals=_totals(totals),
    )


def _column_headers(columns: object, count: int) -> list[tuple[int, int]]:
    if not isinstance(columns, list) or len(columns) != 2 * count:
        raise ProtocolError(f'a section has {count} columns, each a minimum and a width')
    if any(type(entry) is not int for entry in columns):
        raise ProtocolError('the minimum and the width of a column are integers')
    headers = list(zip(columns[::2], columns[1::2], strict=True))
    if not all(0 <= width <= 8 for _, width in headers):
        raise ProtocolError('a column is 0 to 8 bytes wide')
    return headers


def _accumulate(first: int, steps: Integers, what: str) -> list[int]:
    # Python integers do not wrap: numpy's cumsum would, silently, on hostile steps.
    values = [first]
    for step in steps.tolist():
        values.append(values[-1] + step)
    if min(values) < 0 or max(values) > _INT64_MAX:
        raise ProtocolError(f'{what} out of range')
    return values


def _samples(
    raw: bytes, position: int, lengths: list[int], sources: list[int], latency_us: list[int]
) -> list[Received]:
    samples = []
    for length, source, latency in zip(lengths, sources, latency_us, strict=True):
        receive = source + 1000 * latency
        if not 0 <= receive <= _INT64_MAX:
            raise ProtocolError('receive times out of range')
        samples.append(Received(raw[position : position + length], source, receive))
        position += length
    return samples


def decode_descriptor(value: object) -> Descriptor | None:
    """
    Read a descriptor.

    :param value: its fields, or None
    :returns: the descriptor, or None
    :raises ProtocolError: when it is malformed or over a limit
    """
    if value is None:
        return None
    if not isinstance(value, list) or len(value) not in (4, 5):
        raise ProtocolError('a descriptor has four fields, or five with a form')
    stream, topic, type_name, schema_id = value[:4]
    if not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in value[:3]):
        raise ProtocolError('a descriptor names stream, topic and type')
    if not isinstance(schema_id, bytes) or len(schema_id) not in (0, 8):
        raise ProtocolError('a schema id has eight bytes')
    form = value[4] if len(value) == 5 else ''
    if len(value) == 5 and (not isinstance(form, str) or not 1 <= len(form) <= MAX_FORM):
        raise ProtocolError(f'a form is named by 1 to {MAX_FORM} characters')
    return Descriptor(
        stream=stream, topic=topic, type_name=type_name, schema_id=schema_id.hex(), form=form
    )



def _totals(value: object) -> dict[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > 64:
        raise ProtocolError('totals are a map of at most 64 reasons')
    return {natural(key, 'reason'): natural(count, 'total') for key, count in value.items()}


def natural(value: object, name: str) -> int:
    """
    Check a number.

    :param value: a decoded value
    :param name: what it is
    :returns: the value
    :raises ProtocolError: when it is no natural number below 2**63
    """
    if type(value) is not int or not 0 <= value <= _INT64_MAX:
        raise ProtocolError(f'{name} is not a natural number below 2**63: {_brief(value)}')
    return value


def _brief(value: object) -> str:
    # Whatever else it is can be megabytes long.
    return str(value) if isinstance(value, (int, float)) else type(value).__name__
