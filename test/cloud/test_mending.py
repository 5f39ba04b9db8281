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

"""Recordings cut off at any byte get an end that readers which are not ours accept."""

from pathlib import Path

from mcap.reader import make_reader
import pytest
from rosbags.rosbag2 import Reader

from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.cloud.identity import SampleId
from ros_cloud_bridge.cloud.mending import mend, MendError
from ros_cloud_bridge.cloud.recorder import Recorder
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.values import Received
from ros_cloud_bridge.wire.announce import encode_schema
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from support.wire_robot import level_cdr, OWN_TYPE, ROOT, schema_of

CDRS = [level_cdr(n / 8, bytes(range(n))) for n in range(40)]


def samples(
    topic: str, cdrs: list[bytes], *, route: int = 0, known: bool = True, start: int = 0
) -> list[Sample]:
    schema = schema_of(OWN_TYPE)
    decoder = Decoder()
    if known:
        decoder.feed(f'{ROOT}/rover/schema/{schema.id}', encode_schema(schema))
    descriptor = Descriptor(
        stream='all', topic=topic, type_name=schema.type_name, schema_id=schema.id
    )
    section = Section(
        route=route,
        descriptor=descriptor,
        sequences=range(1, len(cdrs) + 1),
        samples=[
            Received(cdr, 10**18 + 1000 * n, 10**18 + 1000 * n)
            for n, cdr in enumerate(cdrs, start)
        ],
        totals=None,
    )
    batch = Batch(boot=bytes(8), number=1, sent_time_ns=10**18, sections=(section,))
    return decoder.feed(f'{ROOT}/rover/b/normal', encode_batch(batch, {route: BlockEncoder()}))


def contents(path: Path) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    with path.open('rb') as stream:
        reader = make_reader(stream, validate_crcs=True)
        summary = reader.get_summary()
        for _, channel, message in reader.iter_messages():
            found.setdefault(channel.topic, []).append(message.data)
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.message_count == sum(map(len, found.values()))
    assert len(summary.chunk_indexes) == summary.statistics.chunk_count
    return found


def unfinished(path: Path) -> list[int]:
    """Write four chunks without an end; returns the sizes after each."""
    sizes = []
    with path.open('wb') as stream:
        recorder = Recorder(stream, confirms=True)
        for part in range(4):
            for topic in ('/level', '/other'):
                for sample in samples(topic, CDRS[10 * part : 10 * part + 10], start=10 * part):
                    recorder.add(sample)
            sizes.append(recorder.sync().size)
    return sizes


def test_sync_tells_what_is_durable(tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    known, unknown = samples('/level', CDRS[:5]), samples('/else', CDRS, route=1, known=False)
    with path.open('wb') as stream:
        room = 2 * 512 + len(CDRS[38]) + len(CDRS[39])
        recorder = Recorder(stream, confirms=True, max_waiting_bytes=room)
        for sample in known[:3]:
            recorder.add(sample)
        first = recorder.sync()
        assert first.samples == [SampleId.of(sample) for sample in known[:3]]
        assert path.stat().st_size == first.size
        for sample in [*known[3:], *unknown]:
            recorder.add(sample)
        second = recorder.sync()
        # Those that wait for their schema are neither written nor given up.
        assert second.samples == [SampleId.of(sample) for sample in known[3:]]
        assert second.left_out == [SampleId.of(sample) for sample in unknown[:38]]
        assert recorder.sync() == ([], second.size, [])


@pytest.mark.parametrize('chunks', [1, 2, 3, 4])
def test_finished_at_the_size_that_was_confirmed(tmp_path: Path, chunks: int) -> None:
    path = tmp_path / 'r.mcap'
    size = unfinished(path)[chunks - 1]
    assert mend(path, size) == 20 * chunks
    assert contents(path) == dict.fromkeys(('/level', '/other'), CDRS[: 10 * chunks])
    with Reader(path) as bag:
        assert bag.message_count == 20 * chunks
        assert {c.topic: c.msgtype for c in bag.connections} == {
            '/level': OWN_TYPE,
            '/other': OWN_TYPE,
        }
    finished = path.read_bytes()
    assert mend(path, size) is None
    assert path.read_bytes() == finished


def test_finished_wherever_it_was_cut(tmp_path: Path) -> None:
    whole = tmp_path / 'whole.mcap'
    sizes = unfinished(whole)
    data = whole.read_bytes()
    assert len(data) == sizes[-1]
    path = tmp_path / 'r.mcap'
    for cut in range(sizes[1] - 3, len(data) + 1, 7):
        path.write_bytes(data[:cut])
        chunks = sum(size <= cut for size in sizes)
        assert mend(path) == 20 * chunks
        assert contents(path) == dict.fromkeys(('/level', '/other'), CDRS[: 10 * chunks])


def test_nothing_recorded_is_a_recording_too(tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    with path.open('wb') as stream:
        size = Recorder(stream, confirms=True).sync().size
    assert mend(path, size) == 0
    assert contents(path) == {}


def test_a_recording_that_was_closed_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    with path.open('wb') as stream:
        recorder = Recorder(stream)
        for sample in samples('/level', CDRS):
            recorder.add(sample)
        recorder.close()
    before = path.read_bytes()
    assert mend(path) is None
    assert path.read_bytes() == before


def test_an_end_that_was_cut_off_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    with path.open('wb') as stream:
        recorder = Recorder(stream)
        for sample in samples('/level', CDRS):
            recorder.add(sample)
        recorder.close()
    before = path.read_bytes()
    path.write_bytes(before[:-30])
    assert mend(path) == 40
    assert contents(path) == {'/level': CDRS}


def test_damage_before_the_confirmed_end_is_said_and_nothing_is_cut(tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    sizes = unfinished(path)
    data = bytearray(path.read_bytes())
    data[sizes[1] + 100] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(MendError, match=f'up to byte {sizes[1]} only, of {sizes[3]} confirmed'):
        mend(path, sizes[3])
    assert path.read_bytes() == bytes(data)
    path.write_bytes(data[: sizes[1]])
    with pytest.raises(MendError, match='confirmed'):
        mend(path, sizes[3])


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / 'r.mcap'
    with pytest.raises(MendError, match='No such file'):
        mend(path)
    for content in (b'', b'precious', b'\x89MCAP0\r\n' + b'precious' * 9):
        path.write_bytes(content)
        with pytest.raises(MendError, match='no MCAP file'):
            mend(path)
        assert path.read_bytes() == content
