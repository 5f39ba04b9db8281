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

"""A hostile robot: one error type, and no more memory than the bounds say."""

from collections.abc import Iterator
from contextlib import contextmanager
import tracemalloc
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.cloud import Decoder, ProtocolError
from ros_cloud_bridge.values import Keep, StreamConfig
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.account import Account, encode_account, Gap, RouteAccount
from ros_cloud_bridge.wire.announce import encode_ask, encode_json, encode_schema
from ros_cloud_bridge.wire.batch import Descriptor, Section
from ros_cloud_bridge.wire.schema import Schema
from support.virtual_robot import batch_payload, BOOT, samples, VirtualRobot

TOPIC = 'rcb/v1/amr-07/b/normal'
BACKLOG = 'rcb/v1/amr-07/b/backlog'
MIB = 1024 * 1024
DESCRIPTOR = Descriptor(stream='s', topic='/t', type_name='a/msg/A', schema_id='')


@contextmanager
def memory(limit: int) -> Iterator[None]:
    """Hold what stays allocated to a limit, bytes."""
    tracemalloc.start()
    try:
        yield
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < limit


def section(route: int, *contents: bytes, first: int = 1, step: int = 1, **more: Any) -> Section:
    fields = {'descriptor': None, 'totals': None, **more}
    return Section(
        route=route,
        sequences=[first + step * i for i in range(len(contents))],
        samples=samples(*contents),
        **fields,
    )


def wire() -> list[tuple[str, bytes]]:
    made = VirtualRobot()
    route = made.add(StreamConfig(name='s', topics=('/t',), keep=Keep.FIFO), '/t')
    made.offer(route, 5)
    whole = made.send()
    made.offer(route, 40)
    made.limit = 300
    schema = Schema(type_name='std_msgs/msg/Empty', definition='', rihs01='RIHS01_' + '0' * 64)
    info = {
        'boot_id': BOOT.hex(),
        'routes': [{'route': 7, 'stream': 's', 'topic': '/t', 'type': 'a/msg/A', 'schema': ''}],
    }
    account = Account(
        boot=BOOT,
        number=9,
        routes=(
            RouteAccount(
                route=7, descriptor=DESCRIPTOR, committed=99, closed=False, gaps=(Gap(19, 2, 50),)
            ),
        ),
    )
    return [
        *whole,
        *made.send(),
        (BACKLOG, encode_account(account)),
        ('rcb/v1/amr-07/schema/' + '0' * 16, encode_schema(schema)),
        ('rcb/v1/amr-07/info', encode_json(info)),
    ]


WIRE = wire()


@pytest.mark.parametrize('place', range(len(WIRE)))
def test_every_truncation_gives_a_protocol_error(place: int) -> None:
    topic, payload = WIRE[place]
    decoder = Decoder()
    for length in range(1, len(payload)):
        with pytest.raises(ProtocolError):
            decoder.feed(topic, payload[:length])
    assert decoder.losses() == []


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WIRE), st.data())
def test_any_damage_gives_samples_or_a_protocol_error(
    message: tuple[str, bytes], data: st.DataObject
) -> None:
    topic, payload = message[0], bytearray(message[1])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(payload) - 1))
        payload[place] = data.draw(st.integers(0, 255))
    for ordered in (False, True):
        try:
            Decoder(ordered=ordered).feed(topic, bytes(payload))
        except ProtocolError:
            pass


KINDS = [
    'b/normal',
    'b/backlog',
    'latched/t/0',
    'schema/0123456789abcdef',
    'info',
    'state',
    'health',
]


@settings(deadline=None)
@given(st.sampled_from(KINDS), st.binary(max_size=200))
def test_any_bytes_give_nothing_or_a_protocol_error(kind: str, payload: bytes) -> None:
    decoder = Decoder()
    try:
        assert decoder.feed('rcb/v1/amr-07/' + kind, payload) == []
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    'document',
    [
        {},
        {'boot_id': 7},
        {'boot_id': 'x' * 16},
        {'boot_id': BOOT.hex() * 2},
        {'boot_id': BOOT.hex(), 'routes': {}},
        {'boot_id': BOOT.hex(), 'routes': [7]},
        {'boot_id': BOOT.hex(), 'routes': [{'route': 1}]},
        {'boot_id': BOOT.hex(), 'routes': [{}] * 4097},
    ],
)
def test_malformed_documents_are_refused_and_change_nothing(document: dict[str, Any]) -> None:
    decoder = Decoder()
    with pytest.raises(ProtocolError):
        decoder.feed('rcb/v1/amr-07/info', encode_json(document))
    assert decoder.robots == {}


@pytest.mark.parametrize(
    'change',
    [
        {'route': -1},
        {'route': True},
        {'route': 1 << 63},
        {'topic': None},
        {'topic': 'x' * 1025},
        {'topic': '\ud800'},
        {'schema': 'not hexadecimal!'},
        {'schema': '0123'},
        {'schema': '0123456789ABCDEF'},
    ],
)
def test_malformed_routes_in_info_are_refused(change: dict[str, Any]) -> None:
    import json

    entry = {'route': 1, 'stream': 's', 'topic': '/t', 'type': 'a/msg/A', 'schema': '0' * 16}
    decoder = Decoder()
    document = {'boot_id': BOOT.hex(), 'routes': [entry]}
    decoder.feed('rcb/v1/amr-07/info', json.dumps(document).encode())
    # Whatever it asks for can be written.
    for ask in decoder.wanted().values():
        encode_ask(ask)
    document['routes'] = [{**entry, **change}]
    with pytest.raises(ProtocolError):
        decoder.feed('rcb/v1/amr-07/info', json.dumps(document).encode())


def test_sections_that_wait_are_bounded() -> None:
    decoder = Decoder(quota=4 * MIB)
    noise = bytes(range(256)) * 400
    with memory(8 * MIB):
        for number in range(300):
            # The second section is described: it must not be held together with the first.
            payload = batch_payload(
                section(1, b'x', first=number + 1),
                section(2, noise * 10, first=number + 1, descriptor=DESCRIPTOR),
                number=number,
            )
            assert len(decoder.feed(TOPIC, payload)) == 1
        for number in range(100):
            assert decoder.feed(TOPIC, batch_payload(section(1, noise), number=number)) == []
    assert decoder.robots['amr-07'].given_up_samples > 0


def test_many_empty_samples_that_wait_are_bounded() -> None:
    decoder = Decoder(quota=4 * MIB)
    payload = batch_payload(section(1, *[b''] * 5000))
    with memory(8 * MIB):
        for _ in range(50):
            decoder.feed(TOPIC, payload)


def test_boots_share_one_quota() -> None:
    decoder = Decoder(quota=4 * MIB, max_boots=8)
    noise = bytes(range(256)) * 4000
    with memory(8 * MIB):
        for number in range(30):
            boot = number.to_bytes(8, 'big')
            decoder.feed(TOPIC, batch_payload(section(1, noise), boot=boot))
    assert len(decoder.robots['amr-07'].boots) == 8


def test_ordered_samples_that_wait_are_bounded() -> None:
    decoder = Decoder(ordered=True, quota=4 * MIB)
    noise = bytes(range(256)) * 400
    handed_on = 0
    with memory(8 * MIB):
        for route in range(200):
            first = section(route, b'', descriptor=DESCRIPTOR, totals={})
            gap = section(route, noise, first=9)
            decoder.feed(TOPIC, batch_payload(first))
            handed_on += len(decoder.feed(TOPIC, batch_payload(gap)))
    assert handed_on > 100


@pytest.mark.parametrize('ordered', [False, True])
def test_routes_are_bounded(ordered: bool) -> None:
    decoder = Decoder(ordered=ordered)
    with memory(40 * MIB):
        for start in range(0, 6000, 1000):
            described = [
                section(route, b'x', b'y', step=2, descriptor=DESCRIPTOR, totals={})
                for route in range(start, start + 1000)
            ]
            decoder.feed(TOPIC, batch_payload(*described))
    assert len(decoder.losses()) == 4096


def test_gaps_are_bounded() -> None:
    decoder = Decoder()
    with memory(4 * MIB):
        for number in range(5):
            gaps = section(
                1,
                *[b''] * 4000,
                first=1 + number * 12_000,
                step=3,
                descriptor=DESCRIPTOR,
            )
            decoder.feed(TOPIC, batch_payload(gaps))
    (entry,) = decoder.losses()
    assert entry.missing == entry.unexplained == 2 * 20_000 - 2


def account(*routes: int, reasons: range = range(19, 20), gaps: int = 0) -> bytes:
    told = [
        Gap(reasons[index % len(reasons)], 1 + 2 * index, 1 + 2 * index) for index in range(gaps)
    ]
    entries = [
        RouteAccount(route=route, descriptor=None, committed=1 << 62, closed=False, gaps=(*told,))
        for route in routes
    ]
    return encode_account(Account(boot=BOOT, number=1, routes=tuple(entries)))


def test_accounts_of_routes_that_nobody_described_are_bounded() -> None:
    decoder = Decoder()
    with memory(16 * MIB):
        for start in range(0, 12_000, 4000):
            decoder.feed(BACKLOG, account(*range(start, start + 4000)))
    (boot,) = decoder.robots['amr-07'].boots.values()
    assert boot.size == 4096


def test_gaps_and_reasons_of_accounts_are_bounded() -> None:
    decoder = Decoder()
    with memory(2 * MIB):
        for route in range(2):
            decoder.feed(BACKLOG, account(route, reasons=range(16, 256), gaps=3000))


def test_robots_are_bounded() -> None:
    decoder = Decoder(max_robots=10)
    payload = batch_payload(section(1, b'x', descriptor=DESCRIPTOR))
    for number in range(10):
        assert len(decoder.feed(f'rcb/v1/r{number}/b/low', payload)) == 1
    with pytest.raises(ProtocolError, match='more than 10 robots'):
        decoder.feed('rcb/v1/r10/b/low', payload)
    assert len(decoder.feed('rcb/v1/r3/b/low', payload)) == 0


def test_wishes_are_bounded() -> None:
    decoder = Decoder()
    for number in range(1000):
        descriptor = Descriptor(
            stream='s', topic='/t', type_name='a/msg/A', schema_id=f'{number:016x}'
        )
        decoder.feed(TOPIC, batch_payload(section(number, b'x', descriptor=descriptor)))
    assert len(decoder.robots['amr-07'].wanted) == 256
    assert len(decoder.wanted()['amr-07'].schemas) == 64


def test_bomb_is_refused_or_bounded() -> None:
    import zstandard

    huge = zstandard.ZstdCompressor().compress(bytes(200 * MIB))
    with memory(MIB), pytest.raises(ProtocolError, match='out of bounds'):
        Decoder().feed(TOPIC, cbor.dumps([1, 0, BOOT, 1, 1, 1, 200 * MIB, huge]))


def test_payload_size_is_bounded() -> None:
    with pytest.raises(ProtocolError, match='over the limit'):
        Decoder(max_payload=100).feed(TOPIC, bytes(101))


def test_other_versions_are_refused_by_name() -> None:
    for version in (0, 2, 1 << 40):
        with pytest.raises(ProtocolError, match=f'protocol version {version}'):
            Decoder().feed(TOPIC, cbor.dumps([version, 0, BOOT, 1, 1, 0, 1, b'x']))


def test_schema_under_another_id_is_refused() -> None:
    schema = Schema(type_name='a/msg/A', definition='', rihs01='RIHS01_' + '1' * 64)
    for rest in ('0' * 16, '1' * 15, '', '1' * 16 + '/x'):
        with pytest.raises(ProtocolError, match='another id'):
            Decoder().feed('rcb/v1/amr-07/schema/' + rest, encode_schema(schema))
