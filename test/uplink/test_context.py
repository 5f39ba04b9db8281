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

"""Dictionaries: made when they pay, used once the broker has them, and never missed for long."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
import struct

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.cloud.column_reader import ColumnReader
from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.uplink.announcer import Announcer
from ros_cloud_bridge.uplink.effort import EffortGauge
from ros_cloud_bridge.uplink.parcels import Message
from ros_cloud_bridge.values import Drop, Encode, LinkConfig, Received
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.announce import Ask, decode_ask, encode_ask, encode_json
from ros_cloud_bridge.wire.codecs import Codec, Dictionary, Effort
from ros_cloud_bridge.wire.dictionary import decode_dictionary, encode_dictionary, make_dictionary
from ros_cloud_bridge.wire.limits import MAX_DICTIONARY
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.topics import RobotTopics
from support.pumps import EPOCH_NS, PumpRig, stream

DICTIONARY = 'rcb/v1/r/dict/normal'


def run(seconds: float = 20.0, **link: object) -> tuple[PumpRig, list[Message], list[bytes]]:
    """Send samples with much in common, one every 0.1 s; gives what was sent, and their bytes."""
    config = LinkConfig(**link)  # type: ignore[arg-type]
    rig = PumpRig(stream('pose', max_delay_s=0.1), link=config)
    rig.connect()
    random = Random(1)
    common = random.randbytes(300)
    offered = []
    for index in range(round(10 * seconds)):
        cdr = b'\0\1\0\0' + common + struct.pack('<dI', random.random(), index)
        offered.append(cdr)
        time_ns = EPOCH_NS + round(rig.now * 1e9)
        rig.pump.intake.offer(rig.routes[0], [Received(cdr, time_ns, time_ns)], (), rig.now)
        rig.go(0.1)
    rig.go(1.0)
    # Their schema is made up.
    return rig, [message for message in rig.sent if '/schema/' not in message.topic], offered


def codec(message: Message) -> int | None:
    if not message.topic.startswith('rcb/v1/r/b/'):
        return None
    fields = cbor.loads(message.payload)
    return int(fields[5]) if fields[1] == 0 else None


def feed(decoder: Decoder, messages: list[Message]) -> list[bytes]:
    return [
        sample.cdr
        for message in messages
        for sample in decoder.feed(message.topic, message.payload)
    ]


def test_a_dictionary_is_announced_and_then_used() -> None:
    _, sent, offered = run()
    kinds = [codec(message) for message in sent]
    topics = [message.topic for message in sent]
    announced = topics.index(DICTIONARY)
    assert sent[announced].retain
    assert Codec.ZSTD_DICTIONARY not in kinds[:announced]
    with_dictionary = [len(m.payload) for m in sent if codec(m) == Codec.ZSTD_DICTIONARY]
    without = [len(m.payload) for m in sent[:announced] if codec(m) is not None]
    assert len(with_dictionary) > 80
    assert max(with_dictionary) < 0.5 * min(without)
    assert feed(Decoder(), sent) == offered


def test_dictionaries_can_be_left_out() -> None:
    _, sent, offered = run(dictionaries=False)
    assert DICTIONARY not in [message.topic for message in sent]
    assert Codec.ZSTD_DICTIONARY not in [codec(message) for message in sent]
    assert feed(Decoder(), sent) == offered


def test_what_the_broker_refuses_is_not_used() -> None:
    rig = PumpRig(stream('pose', max_delay_s=0.1))
    rig.connect()
    common = Random(1).randbytes(300)
    refused = 0
    for index in range(60):
        cdr = b'\0\1\0\0' + common + struct.pack('<I', index)
        time_ns = EPOCH_NS + round(rig.now * 1e9)
        rig.pump.intake.offer(rig.routes[0], [Received(cdr, time_ns, time_ns)], (), rig.now)
        until = rig.now + 0.1
        while rig.now < until:
            rig.step()
            while rig.flying:
                is_dictionary = rig.flying[0].message.topic == DICTIONARY
                refused += is_dictionary
                rig.answer(drop=Drop.REFUSED if is_dictionary else None)
            rig.now += 0.01
    assert refused
    assert Codec.ZSTD_DICTIONARY not in [codec(message) for message in rig.sent]


def test_a_late_joiner_finds_it_retained() -> None:
    _, sent, offered = shared()
    announced = [place for place, message in enumerate(sent) if message.topic == DICTIONARY]
    first = sent[0 : announced[-1]]
    described = Decoder()
    before = feed(described, first)
    # Another one knows the routes, as from info, and what stands retained.
    late = Decoder()
    (descriptor,) = next(iter(described.robots['r'].boots.values())).routes.values()
    info = {'version': 1, 'robot_id': 'r', 'boot_id': '00' * 8}
    route = {'route': 1, 'stream': descriptor.stream, 'topic': descriptor.topic}
    route |= {'type': descriptor.type_name, 'schema': ''}
    late.feed('rcb/v1/r/info', encode_json({**info, 'routes': [route]}))
    late.feed(DICTIONARY, sent[announced[-1]].payload)
    got = feed(late, sent[announced[-1] + 1 :])
    assert not late.robots['r'].dictionaries.held or len(announced) > 1
    assert before + got == offered


def test_who_lacks_it_holds_asks_and_goes_on() -> None:
    _, sent, offered = shared()
    decoder = Decoder()
    got = feed(decoder, [message for message in sent if message.topic != DICTIONARY])
    assert 0 < len(got) < len(offered)
    assert offered[: len(got)] == got
    announcer = Announcer(RobotTopics('rcb/v1', 'r'), lambda: b'', lambda: b'', 30.0)
    for message in sent:
        if message.topic == DICTIONARY:
            name = decode_dictionary(message.payload).name.hex()
            announcer.dictionary(DICTIONARY, name, message.payload, 0.0)
            assert announcer.next(0.0) == replace(message, retain=True)
    rounds = 0
    while ask := decoder.wanted()['r'].dictionaries:
        rounds += 1
        announcer.asked('me', encode_ask(Ask(dictionaries=ask)), float(rounds))
        while (answer := announcer.next(float(rounds))) is not None:
            got += feed(decoder, [answer])
    assert rounds == 1
    assert got == offered
    (loss,) = decoder.losses()
    assert (loss.received, loss.unexplained, loss.duplicates) == (len(offered), 0, 0)


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_each_sample_once(random: Random) -> None:
    _, sent, offered = shared()
    order = list(sent)
    random.shuffle(order)
    repeated = order + random.choices(order, k=len(order) // 3)
    assert sorted(feed(Decoder(), repeated)) == sorted(offered)


_RUNS: list[tuple[PumpRig, list[Message], list[bytes]]] = []


def shared() -> tuple[PumpRig, list[Message], list[bytes]]:
    if not _RUNS:
        _RUNS.append(run())
    return _RUNS[0]


def test_what_waits_is_bounded_and_counted() -> None:
    _, sent, _ = shared()
    decoder = Decoder(quota=20_000)
    feed(decoder, [message for message in sent if message.topic != DICTIONARY])
    robot = decoder.robots['r']
    kept = robot.dictionaries.held
    given_up = robot.dictionaries.given_up
    assert given_up > 50
    assert 0 < kept * 512 < 20_000
    came = feed(decoder, [message for message in sent if message.topic == DICTIONARY])
    # What they unfold to is bounded as well.
    assert len(came) == 2 * (kept - (robot.dictionaries.given_up - given_up))
    assert 0 < sum(map(len, came)) < 20_000 + 2 * 400


def test_made_up_names_do_not_fill_the_memory_or_the_asks() -> None:
    decoder = Decoder()
    for number in range(1000):
        batch = [1, 0, bytes(8), number, 10**18, 2, 100, b'x' * 50, b'', number.to_bytes(4, 'big')]
        assert decoder.feed('rcb/v1/r/b/normal', cbor.dumps(batch)) == []
    assert len(decoder.wanted()['r'].dictionaries) <= 16
    assert len(decode_ask(encode_ask(decoder.wanted()['r'])).dictionaries) <= 16
    assert decoder.robots['r'].dictionaries.held <= 16


def test_held_batches_that_are_broken_do_not_keep_the_others() -> None:
    _, sent, offered = shared()
    decoder = Decoder()
    messages = [message for message in sent if message.topic != DICTIONARY]
    before = feed(decoder, messages)
    name = decoder.wanted()['r'].dictionaries[0]
    broken = [1, 0, bytes(8), 10**6, 10**18, 2, 100, b'x' * 50, b'', bytes.fromhex(name)]
    decoder.feed('rcb/v1/r/b/normal', cbor.dumps(broken))
    announced = [message for message in sent if message.topic == DICTIONARY]
    assert before + feed(decoder, announced) == offered


@pytest.mark.parametrize('place', [4, 6, 7, 8])
def test_what_waits_holds_nothing_whose_size_is_not_counted(place: int) -> None:
    batch: list[object] = [1, 0, bytes(8), 1, 10**18, 2, 100, b'x' * 50, b'', b'abcd']
    batch[place] = ['y' * 10_000]
    decoder, reader = Decoder(), ColumnReader()
    for feed_one in (decoder.feed, reader.feed):
        with pytest.raises(ProtocolError):
            feed_one('rcb/v1/r/b/normal', cbor.dumps(batch))
    assert decoder.robots['r'].dictionaries.held == 0


BYTES = Schema(type_name='a_msgs/msg/A', definition='uint8[] a\n', rihs01='RIHS01_' + 'ab' * 32)


def plain_batch(dictionary: Dictionary, number: int, size: int) -> bytes:
    """Make a batch of one sample with that many zeros."""
    cdr = b'\0\1\0\0' + struct.pack('<I', size) + bytes(size)
    descriptor = ['s', '/t', BYTES.type_name, bytes.fromhex(BYTES.id)]
    head = [0, 0, len(cdr), 0]
    body = cbor.dumps([[1, descriptor, 1, number, 0, head, None, 0, cdr]])
    packed = dictionary.compress(body, 1)
    return cbor.dumps([1, 0, bytes(8), number, 10**18, 2, len(body), packed, b'', dictionary.name])


def test_a_dictionary_releases_no_more_than_the_quota() -> None:
    dictionary = make_dictionary(b'z' * 64)
    decoder, reader = Decoder(quota=250_000), ColumnReader(quota=250_000)
    reader.trust(BYTES)
    for number in range(1, 11):
        batch = plain_batch(dictionary, number, 100_000)
        assert decoder.feed('rcb/v1/r/b/normal', batch) == []
        assert reader.feed('rcb/v1/r/b/normal', batch) == []
    assert decoder.robots['r'].dictionaries.held == 10
    assert len(decoder.feed(DICTIONARY, encode_dictionary(dictionary))) == 3
    assert decoder.robots['r'].dictionaries.given_up == 7
    assert len(reader.feed(DICTIONARY, encode_dictionary(dictionary))) == 3


def test_held_batches_that_are_broken_do_not_keep_other_tables() -> None:
    dictionary = make_dictionary(b'z' * 64)
    reader = ColumnReader()
    reader.trust(BYTES)
    broken = [1, 0, bytes(8), 2, 10**18, 2, 100, b'x' * 50, b'', dictionary.name]
    first, last = (plain_batch(dictionary, number, 9) for number in (1, 3))
    for batch in (first, cbor.dumps(broken), last):
        reader.feed('rcb/v1/r/b/normal', batch)
    tables = reader.feed(DICTIONARY, encode_dictionary(dictionary))
    assert [table.sequences.tolist() for table in tables] == [[1], [3]]
    reader.feed('rcb/v1/q/b/normal', cbor.dumps(broken))
    with pytest.raises(ProtocolError):
        reader.feed('rcb/v1/q/dict/normal', encode_dictionary(dictionary))


def test_an_older_dictionary_is_said_without_taking_the_newest_ones_place() -> None:
    announcer = Announcer(RobotTopics('rcb/v1', 'r'), lambda: b'', lambda: b'', 30.0)
    announcer.dictionary(DICTIONARY, '01' * 4, b'old', 0.0)
    announcer.dictionary(DICTIONARY, '02' * 4, b'new', 1.0)
    said = [announcer.next(1.0), announcer.next(1.0)]
    assert Message(topic=DICTIONARY, payload=b'new', retain=True) in said
    announcer.asked('me', encode_ask(Ask(dictionaries=('01' * 4, '03' * 4))), 2.0)
    assert announcer.next(2.0) == Message(topic=DICTIONARY, payload=b'old', retain=False)
    assert announcer.next(2.0) is None
    announcer.connected(3.0, look_first=False)
    again = [announcer.next(3.0) for _ in range(3)]
    assert Message(topic=DICTIONARY, payload=b'new', retain=True) in again


def test_dictionaries_survive() -> None:
    dictionary = make_dictionary(bytes(range(256)) * 4)
    assert decode_dictionary(encode_dictionary(dictionary)).content == dictionary.content


def spoil(**changes: object) -> bytes:
    fields = dict(
        zip(
            ('version', 'name', 'length', 'data'),
            cbor.loads(encode_dictionary(make_dictionary(bytes(100)))),
            strict=True,
        )
    )
    return cbor.dumps([*{**fields, **changes}.values()])


@pytest.mark.parametrize(
    'payload',
    [
        spoil(version=2),
        spoil(name=b'1234'),
        spoil(name=None),
        spoil(length=99),
        spoil(length=MAX_DICTIONARY + 1),
        spoil(length=True),
        spoil(data=b''),
        spoil(data=7),
        cbor.dumps([1, 2, 3]),
        b'\xff',
    ],
)
def test_broken_dictionaries_are_refused(payload: bytes) -> None:
    decoder = Decoder()
    with pytest.raises(ProtocolError):
        decoder.feed(DICTIONARY, payload)


@pytest.mark.parametrize(
    'end',
    [
        [2, 100, b'x', b''],
        [2, 100, b'x', b'', b'123'],
        [2, 100, b'x', b'', 7],
        [1, 100, b'x', b'', b'1234'],
        [0, 1, b'x', 7],
    ],
)
def test_batches_that_name_no_proper_dictionary_are_refused(end: list[object]) -> None:
    with pytest.raises(ProtocolError):
        Decoder().feed('rcb/v1/r/b/normal', cbor.dumps([1, 0, bytes(8), 1, 10**18, *end]))


def levels(gauge: EffortGauge, load: Callable[[float], float], scarce: bool) -> list[Effort]:
    found = []
    for second in range(200):
        gauge.encoded(load(second), float(second))
        found.append(gauge.level(scarce, float(second)))
    return found


def test_effort_follows_link_and_processor_slowly() -> None:
    assert set(levels(EffortGauge(Encode.AUTO, 0.0), lambda _: 0.01, False)) == {Effort.NORMAL}
    assert set(levels(EffortGauge(Encode.AUTO, 0.0), lambda _: 0.01, True)) == {Effort.STRONG}
    busy = levels(EffortGauge(Encode.AUTO, 0.0), lambda _: 0.6, True)
    assert busy[-1] is Effort.CHEAP
    # Plain encoding takes a tenth; it stays, for the other would take too much again.
    gauge = EffortGauge(Encode.AUTO, 0.0)
    found = levels(gauge, lambda second: 0.6 if second < 50 else 0.1, False)
    assert found[-1] is Effort.CHEAP
    found = levels(EffortGauge(Encode.AUTO, 0.0), lambda s: 0.6 if s < 50 else 0.01, False)
    assert found[-1] is Effort.NORMAL
    changes = sum(one is not other for one, other in zip(found, found[1:], strict=False))
    assert changes <= 2
    for encode in (Encode.CHEAP, Encode.NORMAL, Encode.STRONG):
        assert set(levels(EffortGauge(encode, 0.0), lambda _: 0.6, True)) == {Effort[encode.name]}
