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

"""Recorded files, read back by three readers of MCAP that are not ours."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
import io
import json
from pathlib import Path
from typing import Any

from mcap.exceptions import McapError
from mcap.reader import make_reader, NonSeekingReader
import pytest
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability, QosReliability

from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.cloud.recorder import Recorder
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.errors import ProtocolError, UnknownSchema
from ros_cloud_bridge.reducers.grids import MissingKeyframe
from ros_cloud_bridge.values import Drop, OfferedQos, Received
from ros_cloud_bridge.wire.announce import encode_schema
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.schema import Field, make_schema, Message, Schema, Shape
from support.wire_robot import level_cdr, OWN_TEXT, OWN_TYPE, ROOT, schema_of

mcap_ros2 = pytest.importorskip('mcap_ros2.decoder')


class Feed:
    """A decoder and what a robot's bridge would send it."""

    def __init__(self) -> None:
        self.decoder = Decoder()
        self._numbers: Counter[str] = Counter()

    def schema(self, schema: Schema, robot_id: str = 'rover') -> None:
        payload = encode_schema(schema)
        self.decoder.feed(f'{ROOT}/{robot_id}/schema/{schema.id}', payload)

    def samples(
        self,
        topic: str,
        schema: Schema,
        received: Iterable[Received],
        *,
        robot_id: str = 'rover',
        route: int = 0,
        first: int = 1,
        kind: str = 'b/normal',
        totals: dict[int, int] | None = None,
    ) -> list[Sample]:
        self._numbers[robot_id] += 1
        samples = list(received)
        descriptor = Descriptor(
            stream='all', topic=topic, type_name=schema.type_name, schema_id=schema.id
        )
        section = Section(
            route=route,
            descriptor=descriptor,
            sequences=range(first, first + len(samples)),
            samples=samples,
            totals=totals,
        )
        batch = Batch(
            boot=bytes(8), number=self._numbers[robot_id], sent_time_ns=1, sections=(section,)
        )
        payload = encode_batch(batch, {route: BlockEncoder()})
        return self.decoder.feed(f'{ROOT}/{robot_id}/{kind}', payload)


LEVEL = schema_of(OWN_TYPE)
MESSAGES = [
    Received(level_cdr(n / 8), 10**18 + n * 1000, 10**18 + n * 1000 + 7000) for n in range(20)
]


def record(path: Path, samples: Iterable[Sample], **named: Any) -> Recorder:
    with path.open('wb') as stream:
        recorder = Recorder(stream, **named)
        for sample in samples:
            recorder.add(sample)
        recorder.close()
    return recorder


def topics_in(path: Path) -> dict[str, int]:
    with path.open('rb') as stream:
        return dict(Counter(c.topic for _, c, _ in make_reader(stream).iter_messages()))


def test_three_readers_find_what_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    feed = Feed()
    feed.schema(LEVEL)
    record(path, feed.samples('/tank/level', LEVEL, MESSAGES, first=7))
    with path.open('rb') as stream:
        reader = make_reader(stream, decoder_factories=[mcap_ros2.DecoderFactory()])
        assert reader.get_header().profile == 'ros2'
        found = list(reader.iter_decoded_messages())
        summary = reader.get_summary()
    assert summary is not None
    (chunk,) = summary.chunk_indexes
    assert chunk.compression == 'zstd'
    for number, (schema, channel, message, fields) in enumerate(found):
        assert (schema.name, schema.encoding) == (OWN_TYPE, 'ros2msg')
        assert schema.data.decode() == LEVEL.definition
        assert (channel.topic, channel.message_encoding) == ('/tank/level', 'cdr')
        assert channel.metadata['topic_type_hash'] == LEVEL.rihs01
        assert message.data == MESSAGES[number].cdr
        assert message.log_time == MESSAGES[number].receive_time_ns
        assert message.publish_time == MESSAGES[number].source_time_ns
        assert message.sequence == 7 + number
        assert fields.level == number / 8
        assert fields.header.stamp.nanosec == 34
    assert len(found) == 20
    with AnyReader([path]) as bag:
        raw = [(c.topic, c.msgtype, time, data) for c, time, data in bag.messages()]
        assert raw == [('/tank/level', OWN_TYPE, m.receive_time_ns, m.cdr) for m in MESSAGES]
        last = bag.deserialize(raw[-1][3], OWN_TYPE)
        assert (last.level, last.from_) == (19 / 8, 'tank')


def test_every_message_of_a_recording_stays_as_it_was(tmp_path: Path, recordings: Path) -> None:
    path = tmp_path / 'r.mcap'
    feed = Feed()
    sent: dict[str, list[bytes]] = {}
    with path.open('wb') as stream, (recordings / 'a3_tilt_laser_xsens.mcap').open('rb') as source:
        recorder = Recorder(stream)
        entries = make_reader(source).iter_messages()
        for number, (schema, channel, message) in enumerate(entries):
            cdrs = sent.setdefault(channel.topic, [])
            cdrs.append(message.data)
            known = schema_of(schema.name)
            received = Received(message.data, message.publish_time, message.log_time)
            for sample in feed.samples(
                channel.topic, known, [received], route=channel.id, first=len(cdrs)
            ):
                recorder.add(sample)
            if number % 1000 == 0:
                recorder.flush()
        totals = recorder.close(feed.decoder.losses())
    with path.open('rb') as stream:
        got: dict[str, list[bytes]] = {}
        for _, channel, message in make_reader(stream).iter_messages():
            got.setdefault(channel.topic, []).append(message.data)
    assert got == sent
    assert {t.topic: (t.samples, t.bytes) for t in totals} == {
        topic: (len(cdrs), sum(map(len, cdrs))) for topic, cdrs in sent.items()
    }
    with AnyReader([path]) as bag:
        for connection, _, data in bag.messages():
            bag.deserialize(data, connection.msgtype)


def test_qos_is_what_a_player_shall_offer(tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    feed = Feed()
    feed.schema(LEVEL)
    samples = [
        *feed.samples('/level', LEVEL, MESSAGES[:1], route=1),
        *feed.samples('/map', LEVEL, MESSAGES[:1], route=2, kind='latched/map/0'),
        *feed.samples('/tf_static', LEVEL, MESSAGES[:1], route=3),
        *feed.samples('/description', LEVEL, MESSAGES[:1], route=4),
        *feed.samples('/scan', LEVEL, MESSAGES[:1], route=5),
    ]

    def offered(sample: Sample) -> OfferedQos | None:
        if sample.topic == '/description':
            return OfferedQos(reliable=True, transient_local=True, depth=3, lifespan_s=1.5)
        if sample.topic == '/scan':
            return OfferedQos(reliable=False, transient_local=False)
        return None

    record(path, samples, offered=offered)
    with AnyReader([path]) as bag:
        offers = {c.topic: c.ext.offered_qos_profiles for c in bag.connections}
    assert {
        topic: [offer.durability for offer in offer_list] for topic, offer_list in offers.items()
    } == {
        '/level': [QosDurability.VOLATILE],
        '/map': [QosDurability.TRANSIENT_LOCAL],
        '/tf_static': [QosDurability.TRANSIENT_LOCAL],
        '/description': [QosDurability.TRANSIENT_LOCAL],
        '/scan': [QosDurability.VOLATILE],
    }
    reliable = {topic: offer.reliability for topic, (offer,) in offers.items()}
    assert reliable.pop('/scan') is QosReliability.BEST_EFFORT
    assert set(reliable.values()) == {QosReliability.RELIABLE}
    assert {topic: offer.depth for topic, (offer,) in offers.items()} == {
        '/level': 10,
        '/map': 1,
        '/tf_static': 1,
        '/description': 3,
        '/scan': 10,
    }
    lasting = offers['/description'][0].lifespan
    assert (lasting.sec, lasting.nsec) == (1, 500_000_000)


def test_samples_wait_for_their_schema(tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    feed = Feed()
    with path.open('wb') as stream:
        recorder = Recorder(stream)
        for sample in feed.samples('/level', LEVEL, MESSAGES):
            recorder.add(sample)
        assert recorder.samples == 0
        feed.schema(LEVEL)
        recorder.flush()
        assert recorder.samples == 20
        (totals,) = recorder.close()
    assert topics_in(path) == {'/level': 20}
    assert totals.without_schema == 0


def test_samples_whose_schema_never_comes_are_bounded_and_told(tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    feed = Feed()
    with path.open('wb') as stream:
        recorder = Recorder(stream, max_waiting_bytes=10_000)
        for sample in feed.samples('/level', LEVEL, MESSAGES):
            recorder.add(sample)
        assert recorder._waiting_bytes <= 10_000
        assert len(recorder._waiting) < 20
        (totals,) = recorder.close()
    assert (totals.samples, totals.without_schema) == (0, 20)
    assert topics_in(path) == {}


def test_differences_from_what_came_before_are_told_as_what_they_are(tmp_path: Path) -> None:
    def restore(form: str, data: bytes) -> bytes:
        if data == MESSAGES[0].cdr:
            raise MissingKeyframe(b'\1')
        return data

    path = tmp_path / 'r.mcap'
    feed = Feed()
    feed.schema(LEVEL)
    with path.open('wb') as stream:
        recorder = Recorder(stream)
        for sample in feed.samples('/level', LEVEL, MESSAGES[:3]):
            recorder.add(replace(sample, form='grid/1', _restore=restore))
        (totals,) = recorder.close()
    assert (totals.samples, totals.without_schema, totals.unrestored) == (2, 0, 1)


def test_names_stay_or_are_prefixed(tmp_path: Path) -> None:
    feed = Feed()
    feed.schema(LEVEL)
    one = feed.samples('/level', LEVEL, MESSAGES[:2], robot_id='amr-7')
    two = feed.samples('/level', LEVEL, MESSAGES[:3], robot_id='7up')
    path = tmp_path / 'r.mcap'
    record(path, one)
    assert topics_in(path) == {'/level': 2}
    record(path, one, prefix=True)
    assert topics_in(path) == {'/amr_7/level': 2}
    record(path, [*one, *two], prefix=True)
    assert topics_in(path) == {'/amr_7/level': 2, '/_7up/level': 3}
    record(path, [*one, *two], prefix=False)
    assert topics_in(path) == {'/level': 5}


def test_robots_whose_ids_are_alike_do_not_share_a_prefix(tmp_path: Path) -> None:
    feed = Feed()
    feed.schema(LEVEL)
    robots = ['amr-1', 'amr_1_2', 'amr_1', 'amr.1']
    samples = [
        sample
        for count, robot_id in enumerate(robots, start=1)
        for sample in feed.samples('/level', LEVEL, MESSAGES[:count], robot_id=robot_id)
    ]
    path = tmp_path / 'r.mcap'
    record(path, samples, prefix=True)
    assert topics_in(path) == {
        '/amr_1/level': 1,
        '/amr_1_2/level': 2,
        '/amr_1_3/level': 3,
        '/amr_1_4/level': 4,
    }
    with path.open('rb') as stream:
        channels = make_reader(stream).get_summary().channels.values()
    assert {channel.metadata['robot_id'] for channel in channels} == set(robots)


def test_two_definitions_of_one_type_stand_side_by_side(tmp_path: Path) -> None:
    other = make_schema(
        {OWN_TYPE: Message(name=OWN_TYPE, fields=(Field(name='level', type_name='float64'),))},
        OWN_TYPE,
    )
    feed = Feed()
    feed.schema(LEVEL)
    feed.schema(other)
    path = tmp_path / 'r.mcap'
    cdr = bytes([0, 1, 0, 0]) + bytes(8)
    samples = feed.samples('/level', LEVEL, MESSAGES[:1]) + feed.samples(
        '/level', other, [Received(cdr, 5, 6)], route=1
    )
    record(path, samples)
    with path.open('rb') as stream:
        found = [(s.data.decode(), m.data) for s, _, m in make_reader(stream).iter_messages()]
    assert sorted(found) == sorted([(LEVEL.definition, MESSAGES[0].cdr), (other.definition, cdr)])


def test_losses_stand_in_a_metadata_record_per_robot(tmp_path: Path) -> None:
    feed = Feed()
    feed.schema(LEVEL)
    path = tmp_path / 'r.mcap'
    with path.open('wb') as stream:
        recorder = Recorder(stream)
        for first, count in ((1, 0), (5, 3)):
            totals = {int(Drop.RATE): 9, int(Drop.SUPERSEDED): count}
            for sample in feed.samples('/level', LEVEL, MESSAGES[:2], first=first, totals=totals):
                recorder.add(sample)
        recorder.close(feed.decoder.losses())
    with path.open('rb') as stream:
        (metadata,) = make_reader(stream).iter_metadata()
    assert metadata.name == 'ros_cloud_bridge/rover'
    (losses,) = json.loads(metadata.metadata['losses'])
    assert losses['reported'] == {'rate': 9, 'superseded': 3}
    assert (losses['received'], losses['missing']) == (4, 2)
    (topic,) = json.loads(metadata.metadata['topics'])
    assert (topic['topic'], topic['samples']) == ('/level', 4)


def test_file_whose_writer_was_killed_is_whole_up_to_the_last_flush() -> None:
    feed = Feed()
    feed.schema(LEVEL)
    samples = feed.samples('/level', LEVEL, MESSAGES)
    stream = io.BytesIO()
    recorder = Recorder(stream)
    for sample in samples[:12]:
        recorder.add(sample)
    recorder.flush()
    for sample in samples[12:]:
        recorder.add(sample)
    reader = NonSeekingReader(io.BytesIO(stream.getvalue()))
    found = []
    with pytest.raises(McapError):
        for _, _, message in reader.iter_messages(log_time_order=False):
            found.append(message.data)
    assert found == [message.cdr for message in MESSAGES[:12]]


def test_impossible_times_do_not_break_the_file(tmp_path: Path) -> None:
    feed = Feed()
    feed.schema(LEVEL)
    path = tmp_path / 'r.mcap'
    far = Received(level_cdr(0.0), (1 << 63) - 1, (1 << 63) - 1)
    early = Received(level_cdr(1.0), 0, -1000)
    record(
        path, feed.samples('/level', LEVEL, [early]) + feed.samples('/b', LEVEL, [far], route=1)
    )
    with path.open('rb') as stream:
        assert [m.log_time for _, _, m in make_reader(stream).iter_messages()] == [
            0,
            (1 << 63) - 1,
        ]


WIDE_NAME = 'mine/msg/Wide'
WIDE = make_schema(
    {
        WIDE_NAME: Message(
            name=WIDE_NAME,
            fields=(
                Field(name='name', type_name='wstring', default='x y'),
                Field(name='short', type_name='wstring', string_bound=5),
                Field(name='many', type_name='wstring', shape=Shape.UNBOUNDED_SEQUENCE),
                Field(name='few', type_name='wstring', shape=Shape.BOUNDED_SEQUENCE, size=3),
                Field(name='two', type_name='wstring', shape=Shape.ARRAY, size=2, string_bound=9),
                Field(name='plain', type_name='string', string_bound=4),
                Field(name='inner', type_name='mine/msg/Part', shape=Shape.ARRAY, size=2),
                Field(name='cov', type_name='float64', shape=Shape.ARRAY, size=9),
            ),
        ),
        'mine/msg/Part': Message(
            name='mine/msg/Part', fields=(Field(name='name', type_name='string'),)
        ),
    },
    WIDE_NAME,
)


def test_type_with_wide_strings_is_recorded_though_not_decoded(tmp_path: Path) -> None:
    feed = Feed()
    feed.schema(WIDE)
    (sample,) = feed.samples('/wide', WIDE, [Received(b'\0\1\0\0abcd', 5, 6)])
    assert sample.schema() == WIDE
    with pytest.raises(ProtocolError, match='mine/msg/Wide has wstring members'):
        sample.message()
    path = tmp_path / 'r.mcap'
    record(path, [sample])
    with path.open('rb') as stream:
        ((schema, _, message),) = make_reader(stream).iter_messages()
    assert schema.data.decode() == WIDE.definition
    assert message.data == b'\0\1\0\0abcd'


def test_forged_type_with_wide_strings_is_refused() -> None:
    feed = Feed()
    text = WIDE.definition.replace('wstring name', 'string name')
    forged = Schema(type_name=WIDE_NAME, definition=text, rihs01=WIDE.rihs01)
    with pytest.raises(ProtocolError, match='does not hash'):
        feed.schema(forged)
    (sample,) = feed.samples('/wide', WIDE, [Received(b'\0\1\0\0abcd', 5, 6)])
    with pytest.raises(UnknownSchema):
        sample.schema()


def test_own_text_is_what_the_tests_say() -> None:
    assert LEVEL.definition.startswith(OWN_TEXT)
