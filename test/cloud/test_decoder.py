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

"""The decoder as its user sees it: joins at any time, and what robots do to it."""

import pytest

from ros_cloud_bridge.cloud import Decoder, ProtocolError, Sample, UnknownSchema
from ros_cloud_bridge.core.latched import LatchedValues
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.values import Drop, Keep, StreamConfig
from ros_cloud_bridge.wire.announce import Ask, encode_json
from ros_cloud_bridge.wire.batch import decode_message, Descriptor, Section
from ros_cloud_bridge.wire.fragments import abandoned, Cutter, split
from support.virtual_robot import batch_payload, BOOT, messages, samples, VirtualRobot, Wire

FIFO = StreamConfig(name='all', topics=('/t',), keep=Keep.FIFO)
TOPIC = 'rcb/v1/amr-07/b/normal'


def feed(decoder: Decoder, wire: list[Wire]) -> list[Sample]:
    return [sample for topic, payload in wire for sample in decoder.feed(topic, payload)]


def numbers(found: list[Sample]) -> list[int]:
    return [sample.sequence for sample in found]


def robot() -> tuple[VirtualRobot, Route]:
    made = VirtualRobot()
    return made, made.add(FIFO, '/t')


def losses(decoder: Decoder) -> tuple[int, int]:
    (entry,) = decoder.losses()
    return entry.missing, entry.unexplained


def test_samples_come_with_all_that_is_known_of_them() -> None:
    made, route = robot()
    made.now = 1.0
    made.offer(route, 2)
    found = feed(Decoder(), made.send())
    assert numbers(found) == [1, 2]
    sample = found[0]
    assert (sample.robot_id, sample.topic, sample.type_name) == ('amr-07', '/t', 'a/msg/A')
    assert (sample.stream, sample.boot_id, sample.route) == ('all', BOOT.hex(), 1)
    assert (sample.historical, sample.latched) == (False, False)
    assert sample.cdr[:5] == b'\0\1\0\0\1'
    assert sample.receive_time_ns == sample.source_time_ns + 1000
    with pytest.raises(UnknownSchema):
        sample.message()


def test_late_joiner_keeps_samples_until_their_route_is_described() -> None:
    made, route = robot()
    made.offer(route, 2)
    made.send()
    decoder = Decoder()
    made.offer(route, 3)
    assert feed(decoder, made.send()) == []
    assert decoder.wanted() == {'amr-07': Ask(routes=True)}
    made.assembler.describe_again()
    made.offer(route, 1)
    assert numbers(feed(decoder, made.send())) == [3, 4, 5, 6]
    assert decoder.wanted() == {}
    assert losses(decoder) == (0, 0)


def test_info_describes_routes_too() -> None:
    made, route = robot()
    made.offer(route, 1)
    made.send()
    decoder = Decoder()
    made.offer(route, 2)
    feed(decoder, made.send())
    entry = {'route': 1, 'stream': 'all', 'topic': '/t', 'type': 'a/msg/A', 'schema': ''}
    document = {'boot_id': BOOT.hex(), 'routes': [entry]}
    found = decoder.feed('rcb/v1/amr-07/info', encode_json(document))
    assert numbers(found) == [2, 3]
    assert decoder.robots['amr-07'].documents['info'] == document


def test_missing_schemas_are_wanted_until_they_come() -> None:
    descriptor = Descriptor(
        stream='s', topic='/t', type_name='a/msg/A', schema_id='0123456789abcdef'
    )
    section = Section(
        route=1, descriptor=descriptor, sequences=[1], samples=samples(b'x'), totals={}
    )
    decoder = Decoder()
    decoder.feed(TOPIC, batch_payload(section))
    assert decoder.wanted() == {'amr-07': Ask(schemas=('0123456789abcdef',))}
    assert decoder.wanted() == {'amr-07': Ask(schemas=('0123456789abcdef',))}


def test_repeated_messages_give_nothing_twice() -> None:
    made, route = robot()
    made.limit = 200
    made.offer(route, 50)
    wire = made.send()
    assert len(wire) > 5
    decoder = Decoder()
    assert len(feed(decoder, wire)) == 50
    assert feed(decoder, wire) == []
    assert feed(decoder, wire[:2]) == []
    made.limit = 1 << 20
    made.offer(route, 2)
    wire = made.send()
    assert numbers(feed(decoder, wire + wire)) == [51, 52]
    assert losses(decoder) == (0, 0)
    assert decoder.losses()[0].duplicates == 2


def test_vanished_batch_is_proven() -> None:
    made, route = robot()
    decoder = Decoder()
    for lost in (False, True, False):
        made.offer(route, 10)
        wire = made.send()
        if not lost:
            feed(decoder, wire)
    assert losses(decoder) == (10, 10)


def test_dropped_samples_are_explained() -> None:
    made = VirtualRobot()
    route = made.add(StreamConfig(name='s', topics=('/t',), keep=Keep.FIFO, max_samples=4), '/t')
    decoder = Decoder()
    for _ in range(3):
        made.offer(route, 10)
        feed(decoder, made.send())
    assert losses(decoder) == (12, 0)
    assert decoder.losses()[0].reported == {'overflow_samples': 18}


def test_abandoned_batch_is_explained_by_the_next_report() -> None:
    made, route = robot()
    made.limit = 200
    decoder = Decoder()
    made.offer(route, 1)
    feed(decoder, made.send())
    made.offer(route, 30)
    parcel = made.take()
    assert parcel is not None
    wire = messages(parcel, made.limit)
    feed(decoder, wire[:2])
    feed(decoder, [(TOPIC, abandoned(BOOT, parcel.number))])
    assert decoder.robots['amr-07'].reassembler.held_bytes == 0
    for _ in wire:
        parcel.answered(Drop.ABANDONED)
    made.offer(route, 1)
    feed(decoder, made.send())
    assert losses(decoder) == (30, 0)


def test_retained_latched_samples_join_without_a_gap() -> None:
    made, route = robot()
    route.latched = LatchedValues(merge_frames=False)
    made.offer(route, 1)
    made.send()
    retained = messages(made.assembler.latched(route, route.latched.samples, 0, 0.0, 1, 1 << 20))
    made.offer(route, 50)
    made.send()
    decoder = Decoder()
    found = feed(decoder, retained)
    assert (numbers(found), found[0].latched) == ([1], True)
    made.assembler.describe_again()
    made.offer(route, 2)
    assert numbers(feed(decoder, made.send())) == [52, 53]
    assert feed(decoder, retained) == []
    assert losses(decoder) == (0, 0)
    feed(decoder, [('rcb/v1/amr-07/latched/t/0', b'')])


def test_ordered_restores_the_order_of_sequences() -> None:
    made, route = robot()
    decoder = Decoder(ordered=True)
    wire = []
    for _ in range(5):
        made.offer(route, 3)
        wire.append(made.send())
    found = numbers(feed(decoder, wire[0]))
    for place in (3, 1, 4, 2):
        found += numbers(feed(decoder, wire[place]))
    assert found == list(range(1, 16))


def test_ordered_hands_on_what_waits_at_the_end() -> None:
    made, route = robot()
    decoder = Decoder(ordered=True)
    for lost in (False, True, False):
        made.offer(route, 2)
        wire = made.send()
        found = [] if lost else feed(decoder, wire)
    assert found == []
    assert numbers(decoder.flush()) == [5, 6]
    assert decoder.flush() == []


def test_robots_boots_and_routes_are_separate() -> None:
    decoder = Decoder()
    for robot_id in ('a', 'b'):
        for boot in (bytes(8), BOOT):
            made = VirtualRobot(robot_id, boot)
            routes = [made.add(FIFO, topic) for topic in ('/x', '/y')]
            for route in routes:
                made.offer(route, 2)
            assert len(feed(decoder, made.send())) == 4
    entries = decoder.losses()
    assert len({(entry.robot_id, entry.boot_id, entry.route) for entry in entries}) == 8
    assert all((entry.received, entry.unexplained) == (2, 0) for entry in entries)


def test_foreign_topics_are_ignored() -> None:
    decoder = Decoder()
    for topic in ('other/topic', 'rcb/v1/amr-07/ask/console', 'rcb/v1/amr-07/cmd/x'):
        assert decoder.feed(topic, b'\xff') == []
    assert Decoder(root='fleet').feed(TOPIC, b'\xff') == []


def test_stays_usable_after_an_error() -> None:
    made, route = robot()
    decoder = Decoder()
    with pytest.raises(ProtocolError):
        decoder.feed(TOPIC, b'\xff')
    made.offer(route, 1)
    assert len(feed(decoder, made.send())) == 1


def test_a_batch_cut_in_changing_sizes_is_decoded_once() -> None:
    made, route = robot()
    made.offer(route, 20)
    ((topic, payload),) = made.send()
    message = decode_message(payload)
    cutter = Cutter(payload, message[2], message[3])
    parts = [cutter.next(limit) for limit in (300, 60, 90)]
    parts.append(cutter.next(len(payload) + 100))
    assert cutter.done
    decoder = Decoder()
    found = feed(decoder, [(topic, part) for part in (*parts[::-1], *parts)])
    assert numbers(found) == list(range(1, 21))
    assert decoder.robots['amr-07'].reassembler.held_bytes == 0


def test_fragments_of_another_batch_than_they_say_are_refused() -> None:
    section = Section(
        route=1, descriptor=None, sequences=[1], samples=samples(bytes(range(256))), totals=None
    )
    inner = batch_payload(section, number=5)
    decoder = Decoder()
    with pytest.raises(ProtocolError, match='something else'):
        feed(decoder, [(TOPIC, part) for part in split(inner, BOOT, 6, 200)])
