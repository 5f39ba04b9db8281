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

"""Columns: what is in them is what another implementation reads from the messages."""

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from vectors.generate import load
from vectors.layout_cases import bad_layouts

from ros_cloud_bridge.cloud import ColumnReader, Decoder, ProtocolError, Ragged
from ros_cloud_bridge.cloud.table import Column
from ros_cloud_bridge.values import Received
from ros_cloud_bridge.wire.announce import encode_schema
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.schema import Schema

messages = pytest.importorskip('support.random_messages')
LIVE = 'rcb/v1/r/b/normal'


def schema_of(type_name: str) -> Schema:
    rihs01 = messages.STORE.hash_rihs01(type_name)
    return Schema(type_name=type_name, definition=messages.definition(type_name), rihs01=rihs01)


def batch_of(
    type_name: str, samples: Sequence[bytes], encoder: BlockEncoder, described: bool = True
) -> bytes:
    descriptor = Descriptor(
        stream='all', topic='/t', type_name=type_name, schema_id=schema_of(type_name).id
    )
    section = Section(
        route=1,
        descriptor=descriptor if described else None,
        sequences=range(5, 5 + len(samples)),
        samples=[Received(cdr, 1000 * n, 1000 * n + 7000) for n, cdr in enumerate(samples)],
        totals=None,
    )
    batch = Batch(boot=bytes(8), number=1, sent_time_ns=10**9, sections=(section,))
    return encode_batch(batch, {1: encoder})


def leaves(value: Any, name: str = '') -> dict[str, list[Any]]:
    """Take a message apart into the values of each field."""
    fields = getattr(value, '__dataclass_fields__', None)
    if fields is not None:
        if getattr(value, '__msgtype__', '') in (
            'builtin_interfaces/msg/Time',
            'builtin_interfaces/msg/Duration',
        ):
            return {name: [value.sec * 10**9 + value.nanosec]}
        found: dict[str, list[Any]] = {}
        for field in fields:
            if field.startswith('__'):
                continue
            inner = leaves(getattr(value, field), f'{name}.{field}' if name else field)
            for key, values in inner.items():
                found.setdefault(key, []).extend(values)
        return found
    if isinstance(value, np.ndarray):
        return {name: value.tolist()}
    if isinstance(value, list):
        found = {}
        for entry in value:
            inner = (
                leaves(entry, name + '[]') if hasattr(entry, '__msgtype__') else {name: [entry]}
            )
            for key, values in inner.items():
                found.setdefault(key, []).extend(values)
        return found
    return {name: [value]}


def per_sample(column: Column, count: int) -> list[list[Any]]:
    if isinstance(column, Ragged):
        ends = np.cumsum(column.lengths)
        values = column.values.tolist()
        return [
            values[end - length : end]
            for end, length in zip(ends.tolist(), column.lengths.tolist(), strict=True)
        ]
    return [np.atleast_1d(row).tolist() for row in column] if len(column) else [[]] * count


@pytest.mark.parametrize('little', [True, False])
@pytest.mark.parametrize('ragged', [False, True])
@pytest.mark.parametrize('count', [1, 2, 70])
@pytest.mark.parametrize(
    'type_name',
    [
        'sensor_msgs/msg/Imu',
        'sensor_msgs/msg/JointState',
        'sensor_msgs/msg/LaserScan',
        'nav_msgs/msg/Odometry',
        'geometry_msgs/msg/PoseArray',
        'tf2_msgs/msg/TFMessage',
        'diagnostic_msgs/msg/DiagnosticArray',
        'std_msgs/msg/String',
        'sensor_msgs/msg/PointCloud2',
    ],
)
def test_columns_hold_what_the_messages_hold(
    type_name: str, count: int, ragged: bool, little: bool
) -> None:
    sensor = messages.Sensor(type_name, 3, little=little, ragged=ragged, dirty=False)
    samples = [sensor.message() for _ in range(count)]
    schema = schema_of(type_name)
    for encoder in (BlockEncoder(), BlockEncoder(columns=True), BlockEncoder(schema)):
        reader = ColumnReader()
        reader.feed(f'rcb/v1/r/schema/{schema.id}', encode_schema(schema))
        (table,) = reader.feed(LIVE, batch_of(type_name, samples, encoder))
        assert len(table) == count and table.topic == '/t'
        assert table.sequences.tolist() == list(range(5, 5 + count))
        assert (table.receive_time_ns - table.source_time_ns == 7000).all()
        expected = [
            leaves(messages.STORE.deserialize_cdr(sample, type_name)) for sample in samples
        ]
        for name, column in table.columns.items():
            base, _, index = name.rpartition('[')
            for row, fields in zip(per_sample(column, count), expected, strict=True):
                wanted = fields.get(name, fields.get(name.removesuffix('[]'), []))
                if index[:-1].isdigit():
                    # One element of a fixed array, in each of the messages around it.
                    size = len(fields.get(base, [])) // max(1, len(row))
                    wanted = fields.get(base, [])[int(index[:-1]) :: size or 1]
                if name == 'status[].level':
                    # A byte has no sign; the other implementation gives it one.
                    wanted = [level % 256 for level in wanted]
                assert np.array_equal(
                    np.array(row),
                    np.array(wanted),
                    equal_nan=bool(row) and isinstance(row[0], float),
                ), name


def test_what_is_not_described_or_known_is_counted() -> None:
    reader = ColumnReader()
    samples = [b'\0\1\0\0' + bytes(60)] * 5
    own = 'mine/msg/Thing'
    descriptor = Descriptor(stream='a', topic='/t', type_name=own, schema_id='0123456789abcdef')
    for described in (None, descriptor):
        section = Section(
            route=1,
            descriptor=described,
            sequences=range(1, 6),
            samples=[Received(cdr, n, n) for n, cdr in enumerate(samples)],
            totals=None,
        )
        batch = Batch(boot=bytes(8), number=1, sent_time_ns=10**9, sections=(section,))
        assert reader.feed(LIVE, encode_batch(batch, {1: BlockEncoder()})) == []
    assert reader.skipped == 10


@pytest.mark.parametrize('case', load('valid.json'), ids=lambda case: str(case['name']))
def test_the_golden_vectors_are_read(case: dict[str, Any]) -> None:
    reader, decoder = ColumnReader(), Decoder()
    tables, samples = [], []
    for message in case['messages']:
        payload = bytes.fromhex(message['payload'])
        tables += reader.feed(message['topic'], payload)
        samples += decoder.feed(message['topic'], payload)
    known = {(sample.boot_id, sample.route, sample.sequence) for sample in samples}
    for table in tables:
        for sequence in table.sequences.tolist():
            assert (table.boot_id, table.route, sequence) in known


@pytest.mark.parametrize('case', bad_layouts(), ids=lambda case: str(case.name))
def test_broken_blocks_are_refused(case: Any) -> None:
    reader = ColumnReader()
    (topic, payload) = case.messages[-1]
    with pytest.raises(ProtocolError):
        reader.feed(topic, payload)


def test_damaged_batches_give_tables_or_an_error() -> None:
    name = 'sensor_msgs/msg/JointState'
    sensor = messages.Sensor(name, 1, little=True, ragged=True, dirty=False)
    good = batch_of(name, [sensor.message() for _ in range(30)], BlockEncoder(schema_of(name)))
    random = Random(1)
    for _ in range(500):
        payload = bytearray(good)
        payload[random.randrange(len(payload))] ^= 1 << random.randrange(8)
        reader = ColumnReader()
        reader.feed(f'rcb/v1/r/schema/{schema_of(name).id}', encode_schema(schema_of(name)))
        try:
            for table in reader.feed(LIVE, bytes(payload)):
                assert len(table.columns) > 3
        except ProtocolError:
            pass
