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

"""Batches: what the encoder writes comes back, and nothing malformed comes in."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
import zstandard

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import Drop, Received
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.batch import (
    Batch,
    decode_batch,
    decode_descriptor,
    decode_message,
    Descriptor,
    encode_batch,
    encode_descriptor,
    Section,
)
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.limits import MAX_SAMPLES

HIGHEST = (1 << 63) - 1
BOOT = bytes(range(8))

times = st.one_of(
    st.integers(0, HIGHEST),
    st.integers(1_700_000_000_000_000_000, 1_700_000_001_000_000_000),
    st.sampled_from([0, 1, 999, HIGHEST]),
)
texts = st.text(st.characters(exclude_categories=['Cs']), max_size=30)
descriptors = st.builds(
    Descriptor,
    stream=texts,
    topic=texts,
    type_name=texts,
    schema_id=st.sampled_from(['', '0123456789abcdef']),
)


@st.composite
def sections(draw: st.DrawFn) -> Section:
    size = draw(st.none() | st.integers(0, 40))
    bounds = {'max_size': 40} if size is None else {'min_size': size, 'max_size': size}
    samples = draw(st.lists(st.tuples(st.binary(**bounds), times, times), min_size=1, max_size=20))
    first = draw(st.integers(0, 1 << 40) | st.just(HIGHEST - 400))
    steps = draw(
        st.lists(st.integers(1, 20), min_size=len(samples) - 1, max_size=len(samples) - 1)
    )
    sequences = [first]
    for step in steps:
        sequences.append(sequences[-1] + step)
    return Section(
        route=draw(st.integers(0, HIGHEST)),
        descriptor=draw(st.none() | descriptors),
        sequences=sequences,
        samples=[Received(*sample) for sample in samples],
        totals=draw(
            st.none() | st.dictionaries(st.integers(1, 40), st.integers(0, HIGHEST), max_size=5)
        ),
    )


batches = st.builds(
    Batch,
    boot=st.binary(min_size=8, max_size=8),
    number=st.integers(0, HIGHEST),
    sent_time_ns=times,
    sections=st.lists(sections(), min_size=1, max_size=4).map(tuple),
)


def encode(batch: Batch) -> bytes:
    return encode_batch(batch, {section.route: BlockEncoder() for section in batch.sections})


def decode(payload: bytes) -> Batch:
    return decode_batch(decode_message(payload))


@settings(deadline=None)
@given(batches)
def test_round_trip(batch: Batch) -> None:
    decoded = decode(encode(batch))
    assert (decoded.boot, decoded.number) == (batch.boot, batch.number)
    assert decoded.sent_time_ns == batch.sent_time_ns
    for got, given_section in zip(decoded.sections, batch.sections, strict=True):
        assert got.route == given_section.route
        assert got.descriptor == given_section.descriptor
        assert got.totals == given_section.totals
        assert list(got.sequences) == list(given_section.sequences)
        for out, into in zip(got.samples, given_section.samples, strict=True):
            assert out.cdr == into.cdr
            assert out.source_time_ns == into.source_time_ns
            assert abs(out.receive_time_ns - into.receive_time_ns) < 1000


def one(*samples: Received, **changes: Any) -> Batch:
    section = Section(
        route=1,
        descriptor=None,
        sequences=list(range(1, len(samples) + 1)),
        samples=samples,
        totals=None,
    )
    return Batch(boot=BOOT, number=1, sent_time_ns=5, sections=(section,), **changes)


def test_any_stamp_of_a_publisher_makes_a_batch_that_decodes() -> None:
    lowest = -(1 << 63)
    strange = [
        Received(b'a', lowest, HIGHEST),
        Received(b'b', HIGHEST, lowest),
        Received(b'c', -1, 7_000),
        Received(b'd', 1_000_000, -5),
    ]
    decoded = decode(encode(one(*strange))).sections[0].samples
    assert [sample.cdr for sample in decoded] == [b'a', b'b', b'c', b'd']
    assert decoded[2][1:3] == (0, 7_000)
    assert decoded[3][1:3] == (1_000_000, 0)


def message(**changes: Any) -> list[Any]:
    """Give a batch's fields, with some of its section's changed by place and named as in 'f3'."""
    fields = cbor.loads(encode(one(Received(b'abcd', 10, 2010), Received(b'efgh', 20, 3020))))
    assert fields[5] == 0
    (section,) = cbor.loads(fields[7])
    for place, value in changes.items():
        section[int(place.removeprefix('f'))] = value
    return wrap([section])


def wrap(sections: object) -> list[Any]:
    """Give the fields of a batch with any body."""
    body = cbor.dumps(sections)
    return [1, 0, BOOT, 1, 5, 0, len(body), body]


def test_the_unchanged_message_decodes() -> None:
    section = decode(cbor.dumps(message())).sections[0]
    assert [sample.cdr for sample in section.samples] == [b'abcd', b'efgh']


# As they are: sequence steps, source-time steps, microseconds of latency, lengths.
STEPS, SOURCES, LATENCIES, LENGTHS = [1, 0], [10, 0], [2, 1], [4, 0]
REST = [*SOURCES, *LATENCIES, *LENGTHS]


@pytest.mark.parametrize(
    'changes',
    [
        {'f0': -1},
        {'f0': True},
        {'f0': 1 << 63},
        {'f1': []},
        {'f1': ['s', 't', 'y']},
        {'f1': ['s', 't', 'y', b'1234567']},
        {'f1': ['s', 't', b'y', b'12345678']},
        {'f1': ['s', 't', 'y' * 1025, b'12345678']},
        {'f2': 0},
        {'f2': 1},
        {'f2': 3},
        {'f2': 1 << 60},
        {'f2': 2.0},
        {'f3': HIGHEST},
        {'f3': -1},
        {'f4': 6},
        {'f4': -HIGHEST},
        {'f4': -HIGHEST - 10},
        {'f4': None},
        {'f4': True},
        {'f5': [*STEPS, *REST[:-2]]},
        {'f5': [*STEPS, *REST[:-1]]},
        {'f5': [*STEPS, *REST, 0]},
        {'f5': [STEPS, SOURCES, LATENCIES, LENGTHS]},
        {'f5': [1, 9, *REST]},
        {'f5': [1, -1, *REST]},
        {'f5': [0, 0, *REST]},
        {'f5': [-1, 0, *REST]},
        {'f5': [1 << 63, 0, *REST]},
        {'f5': [1, True, *REST]},
        {'f5': [1.0, 0, *REST]},
        {'f5': [*STEPS, -11, 0, *LATENCIES, *LENGTHS]},
        {'f5': [*STEPS, *SOURCES, -3, 1, *LENGTHS]},
        {'f5': [*STEPS, *SOURCES, HIGHEST, 1, *LENGTHS]},
        {'f5': [*STEPS, *SOURCES, *LATENCIES, -4, 0]},
        {'f5': [*STEPS, *SOURCES, *LATENCIES, 5, 0]},
        {'f6': {1: -1}},
        {'f6': {'1': 1}},
        {'f6': {1: True}},
        {'f6': dict.fromkeys(range(65), 1)},
        {'f6': [1, 2]},
        {'f7': 9},
        {'f7': True},
        {'f7': -1},
        {'f8': 'text'},
        {'f8': b''},
        {'f8': bytes(9)},
        {'f8': bytes(11)},
    ],
)
def test_a_section_with_one_wrong_field_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        decode(cbor.dumps(message(**changes)))


def test_planes_hold_samples_of_one_length() -> None:
    columns = [*STEPS, *SOURCES, 0, 0, 3, 1]
    section = [1, None, 2, 1, 0, columns, None, 1, bytes([0, 2]) + b'abcdefgh']
    assert len(decode(cbor.dumps(wrap([[*section[:7], 0, section[8]]]))).sections) == 1
    with pytest.raises(ProtocolError, match='one length'):
        decode(cbor.dumps(wrap([section])))


@pytest.mark.parametrize(
    ('place', 'value'),
    [
        (0, 2),
        (0, 0),
        (0, True),
        (0, 1.0),
        (0, '1'),
        (1, 7),
        (1, False),
        (1, [0]),
        (2, bytes(7)),
        (2, 'bootboot'),
        (3, -1),
        (3, None),
        (4, -1),
        (5, 2),
        (5, -1),
        (5, False),
        (5, None),
        (6, 0),
        (6, -1),
        (6, 1 << 40),
        (7, b''),
        (7, 'text'),
        (7, [[]]),
    ],
)
def test_a_message_with_one_wrong_field_is_refused(place: int, value: object) -> None:
    fields = message()
    fields[place] = value
    with pytest.raises(ProtocolError):
        decode(cbor.dumps(fields))


def test_number_of_fields_is_fixed() -> None:
    wrong: list[Any] = [message()[:-1], [*message(), 0], [], {}, 1]
    for fields in wrong:
        with pytest.raises(ProtocolError):
            decode(cbor.dumps(fields))


@pytest.mark.parametrize('body', [[], {}, 1, [[]], [{}], [[1] * 9], [[1] * 8], [[1] * 10]])
def test_malformed_bodies_are_refused(body: object) -> None:
    with pytest.raises(ProtocolError):
        decode(cbor.dumps(wrap(body)))


def test_empty_samples_are_bounded_too() -> None:
    """Samples without bytes and columns without width: nothing but the count has a size."""
    section = [1, None, MAX_SAMPLES, 1, 0, [1, 0, 0, 0, 0, 0, 0, 0], None, 0, b'']
    assert len(decode(cbor.dumps(wrap([section]))).sections[0].samples) == MAX_SAMPLES
    with pytest.raises(ProtocolError, match='at most 65536'):
        decode(cbor.dumps(wrap([section, section])))


def test_a_single_sample_needs_no_steps() -> None:
    section = [7, None, 1, 3, 5, [0, 0, 2, 0], None, 0, b'hi']
    (decoded,) = decode(cbor.dumps(wrap([section]))).sections
    assert (list(decoded.sequences), decoded.samples[0].cdr) == ([3], b'hi')
    assert decoded.samples[0].source_time_ns == 0


def test_raw_bytes_of_a_batch_are_bounded() -> None:
    huge = zstandard.ZstdCompressor().compress(bytes(100 * 1024 * 1024))
    with pytest.raises(ProtocolError, match='out of bounds'):
        decode(cbor.dumps([1, 0, BOOT, 1, 1, 1, 100 * 1024 * 1024, huge]))


def test_every_truncation_is_refused() -> None:
    payload = cbor.dumps(message())
    for length in range(len(payload)):
        with pytest.raises(ProtocolError):
            decode(payload[:length])


def test_drop_reasons_keep_their_numbers() -> None:
    assert {reason.name: int(reason) for reason in Drop} == {
        'LOST_BEFORE_BRIDGE': 1,
        'RATE': 2,
        'DECIMATION': 3,
        'DUPLICATE': 4,
        'DEGRADED': 5,
        'NOT_DEMANDED': 6,
        'UNCHANGED': 7,
        'NOT_REDUCED': 8,
        'SUPERSEDED': 16,
        'OVERFLOW_SAMPLES': 17,
        'OVERFLOW_BYTES': 18,
        'EXPIRED': 19,
        'ABANDONED': 20,
        'REFUSED': 21,
        'SHUTDOWN': 22,
        'NOT_COMMITTED': 23,
        'SPOOL_FULL': 24,
        'DAMAGED': 25,
    }


def test_a_form_stands_in_the_descriptor_and_is_left_out_where_there_is_none() -> None:
    plain = Descriptor(stream='s', topic='/t', type_name='a/msg/A', schema_id='0' * 16)
    formed = replace(plain, form='cloud/1')
    assert encode_descriptor(plain) == ['s', '/t', 'a/msg/A', bytes(8)]
    assert encode_descriptor(formed) == ['s', '/t', 'a/msg/A', bytes(8), 'cloud/1']
    for descriptor in (plain, formed):
        assert decode_descriptor(encode_descriptor(descriptor)) == descriptor
        stored = (descriptor.stream, descriptor.topic, descriptor.typed, descriptor.schema_id)
        assert Descriptor.of(*stored) == descriptor


@pytest.mark.parametrize('form', ['', 5, None, 'x' * 65, b'x'])
def test_forms_that_are_none_are_refused(form: object) -> None:
    with pytest.raises(ProtocolError, match='a form is named by 1 to 64 characters'):
        decode_descriptor(['s', '/t', 'a/msg/A', bytes(8), form])
    with pytest.raises(ProtocolError, match='four fields, or five'):
        decode_descriptor(['s', '/t', 'a/msg/A', bytes(8), 'x', 'y'])
