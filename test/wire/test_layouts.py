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

"""Layouts by the type: whatever a message holds comes back bit by bit, and it is worth it."""

from random import Random
import struct
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.blocks import Block, BlockEncoder
from ros_cloud_bridge.wire.codecs import Layout
from ros_cloud_bridge.wire.forms import Budget
from ros_cloud_bridge.wire.matrices import encode_matrix
from ros_cloud_bridge.wire.open_blocks import BlockReader
from ros_cloud_bridge.wire.places import HIT_STEPS
from ros_cloud_bridge.wire.program import Definition, parse_program, plain_program
from ros_cloud_bridge.wire.route_layout import RouteLayout
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.splitting import Misfit
from ros_cloud_bridge.wire.streams import encode_streams
from ros_cloud_bridge.wire.times import Times
from ros_cloud_bridge.wire.varint import write_varint

messages = pytest.importorskip('support.random_messages')
HASH = 'RIHS01_' + 64 * '0'


def times_of(count: int, seed: int = 1) -> Times:
    random = Random(seed)
    source = np.cumsum([random.randint(1, 10**8) for _ in range(count)])
    latency = np.array([random.randint(-5, 400) for _ in range(count)])
    return Times(np.arange(count, dtype=np.int64) + 9, source.astype(np.int64), latency)


def read(layout: Layout, block: bytes, bits: bytes, times: Times) -> list[bytes]:
    count = len(times.latency_us)
    reader = BlockReader(bits)
    first = (int(times.sequences[0]), int(times.source_ns[0]))
    opened = reader.read(int(layout), block, [], count, first)
    reader.finish()
    assert opened.times.source_ns.tolist() == times.source_ns.tolist()
    assert opened.times.sequences.tolist() == times.sequences.tolist()
    assert opened.times.latency_us.tolist() == times.latency_us.tolist()
    return opened.join(reader.budget)


@pytest.mark.parametrize('type_name', messages.TYPES)
def test_every_type_survives_in_its_own_layout(type_name: str) -> None:
    text = messages.definition(type_name)
    code, names = Definition(text, type_name).program()
    program = parse_program(code)
    assert names
    for seed in range(8):
        options = {
            'little': bool(seed & 1), 'ragged': bool(seed & 2), 'dirty': bool(seed & 4),
        }  # fmt: skip
        sensor = messages.Sensor(type_name, seed, **options)
        samples = [sensor.message() for _ in range((1, 2, 3, 60)[seed % 4])]
        times = times_of(len(samples), seed)
        layout = RouteLayout(program)
        written = 0
        for _ in range(2):
            try:
                block, bits = encode_streams(layout, samples, times, Budget())
                assert read(Layout.STREAMS, block, bits, times) == samples
                written += 1
            except Misfit:
                # Nanoseconds beyond a second.
                assert b'\2' in code
            if len(samples) > 1 and len(set(map(len, samples))) == 1:
                try:
                    block, bits = encode_matrix(layout, samples, times, Budget())
                except Misfit:
                    assert options['ragged'] or b'\2' in code
                else:
                    assert read(Layout.COLUMNS, block, bits, times) == samples
        encoder = BlockEncoder(Schema(type_name=type_name, definition=text, rihs01=HASH))
        for _ in range(3):
            chosen = encoder.encode(samples, times, Budget())
            reader = BlockReader(chosen.bits)
            opened = reader.read(
                int(chosen.layout), chosen.data, list(chosen.columns), len(samples),
                (int(times.sequences[0]), int(times.source_ns[0])),
            )  # fmt: skip
            assert opened.join(reader.budget) == samples


def imu(seed: int, count: int = 100) -> list[bytes]:
    sensor = messages.Sensor('sensor_msgs/msg/Imu', seed, little=True, ragged=False, dirty=False)
    return [sensor.message() for _ in range(count)]


def imu_layout() -> RouteLayout:
    name = 'sensor_msgs/msg/Imu'
    return RouteLayout(parse_program(Definition(messages.definition(name), name).program()[0]))


@given(st.lists(st.binary(max_size=40), min_size=2, max_size=8))
def test_samples_that_are_something_else_are_left_alone(samples: list[bytes]) -> None:
    encoder = BlockEncoder(
        Schema(
            type_name='sensor_msgs/msg/Imu',
            definition=messages.definition('sensor_msgs/msg/Imu'),
            rihs01=HASH,
        )
    )
    block = encoder.encode(samples, times_of(len(samples)), Budget())
    assert block.layout in (Layout.ROWS, Layout.PLANES)


def test_decimal_numbers_become_small() -> None:
    # Millimetres in metres, as a laser gives them, with a marker for no echo.
    random = Random(1)
    name = 'sensor_msgs/msg/LaserScan'
    head = (
        b'\0\1\0\0'
        + struct.pack('<iII', 5, 6, 1)
        + b'\0'
        + bytes(3)
        + struct.pack('<7f', *7 * [1])
    )
    samples = []
    for _ in range(10):
        ranges = [
            float('inf') if random.random() < 0.02 else round(4 + random.gauss(0, 0.01), 3)
            for _ in range(400)
        ]
        samples.append(head + struct.pack('<I400fI', 400, *ranges, 0))
    layout = RouteLayout(parse_program(Definition(messages.definition(name), name).program()[0]))
    times = times_of(10)
    block, bits = encode_matrix(layout, samples, times, Budget())
    # Seven to eight bits each instead of 32, and the exceptions.
    assert len(block) + len(bits) < 400 * 10 * 1.6
    assert read(Layout.COLUMNS, block, bits, times) == samples


def test_constant_fields_are_said_once() -> None:
    samples = [imu(1)[0]] * 1000
    block, bits = encode_matrix(imu_layout(), samples, times_of(1000), Budget())
    times_alone = 1000 * (27 + 9) // 8
    assert len(block) + len(bits) < times_alone + len(samples[0]) + 60


@settings(max_examples=300)
@given(st.data())
def test_damaged_blocks_are_refused_or_decode_to_something(data: st.DataObject) -> None:
    samples = imu(data.draw(st.integers(0, 3)), 20)
    times = times_of(20)
    columns = data.draw(st.booleans())
    encode = encode_matrix if columns else encode_streams
    block, bits = encode(imu_layout(), samples, times, Budget())
    damaged = [bytearray(block), bytearray(bits)]
    for _ in range(data.draw(st.integers(1, 3))):
        part = data.draw(st.sampled_from([part for part in damaged if part]))
        place = data.draw(st.integers(0, len(part) - 1))
        if data.draw(st.booleans()):
            del part[place]
        else:
            part[place] = data.draw(st.integers(0, 255))
    layout = Layout.COLUMNS if columns else Layout.STREAMS
    reader = BlockReader(bytes(damaged[1]))
    try:
        opened = reader.read(int(layout), bytes(damaged[0]), [], 20, (9, 1000))
        assert len(opened.join(reader.budget)) == 20
    except ProtocolError:
        pass


@settings(max_examples=300)
@given(
    st.sampled_from([2, 3]), st.binary(max_size=200), st.binary(max_size=50), st.integers(1, 70)
)
def test_noise_is_refused_or_decodes(layout: int, block: bytes, bits: bytes, count: int) -> None:
    reader = BlockReader(bits)
    try:
        reader.read(layout, block, [], count, (1, 0)).join(reader.budget)
    except ProtocolError:
        pass


def bomb(code: bytes, behind: bytes = b'') -> bytes:
    return b'\0' + bytes([len(code)]) + code + b'\0\1\0\0' + behind


@pytest.mark.parametrize(
    ('block', 'why'),
    [
        # A sequence of 4 G words, all the same.
        (bomb(b'\x23', b'\0\0' + b'\x80\x80\x80\x80\x10' + b'\0' + bytes(8)), 'unfold'),
        # A text of 4 GB.
        (bomb(b'\1', b'\0\0' + b'\x80\x80\x80\x80\x10'), 'unfold'),
        # A million loops within a million.
        (bomb(b'\3\3\x10\1\0\0', b'\0\0' + b'\x81\x80\x40' + b'\x81\x80\x40'), 'unfold'),
        # An array of a million words, a million times.
        (bomb(b'\4\x80\x80\x40\x13\x80\x80\x40\0', b'\0\0'), 'unfold'),
        (bomb(b'\3' * 9 + b'\x10\1' + b'\0' * 9), 'nests'),
        (bomb(b'\0'), 'has not begun'),
        (bomb(b'\3\0'), 'empty'),
        (bomb(b''), 'empty'),
        (bomb(b'\x1f\1'), 'no such word'),
        (bomb(b'\x55'), 'no such operation'),
        (bomb(b'\x10\0'), 'repeats nothing'),
        (bomb(b'\x10'), 'varint'),
    ],
)
def test_bombs_are_refused_before_they_unfold(block: bytes, why: str) -> None:
    reader = BlockReader(b'')
    with pytest.raises(ProtocolError, match=why):
        reader.read(Layout.STREAMS, block, [], 1, (1, 0)).join(reader.budget)


def test_counts_that_are_too_many_take_no_memory() -> None:
    # Fifteen million texts of 300 bytes each.
    program = b'\4' + write_varint(1 << 20) + b'\4\x0f\1\0\0'
    block = bomb(program, b'\0\0' + write_varint(301) + b'\1')
    reader = BlockReader(b'')
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match='unfold'):
            reader.read(Layout.STREAMS, block, [], 1, (1, 0))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_batch_of_many_tables_is_too_much_work() -> None:
    program = b'\x10\1' * 2000
    block = b'\0' + bytes([0xA0, 0x1F]) + program + b'\0\1\0\0' + b'\0\0' + bytes(2 * 2000)
    reader = BlockReader(b'')
    with pytest.raises(ProtocolError, match='more work'):
        for _ in range(100):
            reader.read(Layout.STREAMS, block, [], 1, (1, 0))


def test_a_guess_covers_every_byte() -> None:
    for size in (5, 8, 9, 300, 4 + 4 * 64, 4 + 4 * 400 + 3):
        samples = [b'\0\1\0\0' + Random(n).randbytes(size - 4) for n in range(5)]
        layout = RouteLayout(parse_program(plain_program(size)))
        block, bits = encode_matrix(layout, samples, times_of(5), Budget())
        assert read(Layout.COLUMNS, block, bits, times_of(5)) == samples


@pytest.mark.parametrize(
    'text',
    [
        'float64',
        'float64 x\nfloat64',
        'other/Type x\n',
        'mine/A again\n',
        'float64 x[] y z = \n???\n',
    ],
)
def test_unreadable_definitions_are_no_layout(text: str) -> None:
    with pytest.raises(ValueError, match=r'.'):
        Definition(text, 'mine/msg/A').program()
    schema = Schema(type_name='mine/msg/A', definition=text, rihs01=HASH)
    block: Block = BlockEncoder(schema).encode([bytes(12), bytes(12)], times_of(2), Budget())
    assert block.layout in (Layout.ROWS, Layout.PLANES, Layout.COLUMNS)


def test_places_that_are_known_cost_steps_as_well() -> None:
    layout = imu_layout()
    sample = messages.Sensor('sensor_msgs/msg/Imu', 1, little=True, ragged=False, dirty=False)
    cdr = sample.message()
    places = layout.cache.of(layout.program, cdr, Budget())
    enough = Budget(steps=HIT_STEPS + len(places.counts) // 64)
    assert layout.cache.of(layout.program, cdr, enough) is places
    with pytest.raises(ProtocolError):
        layout.cache.of(layout.program, cdr, enough)
