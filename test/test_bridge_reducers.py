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

"""Reducers in the bridge against a real broker, without ROS."""

from collections.abc import Iterator, Mapping
import json
from pathlib import Path
import struct
import threading

import pytest

pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from mcap.reader import make_reader  # noqa: E402

from ros_cloud_bridge.bridge import Bridge  # noqa: E402
from ros_cloud_bridge.cloud.format import FieldFilter, sample_json  # noqa: E402
from ros_cloud_bridge.cloud.recorder import Recorder  # noqa: E402
from ros_cloud_bridge.cloud.seen import dump_seen, load_seen  # noqa: E402
from ros_cloud_bridge.core.latched import LatchedValues  # noqa: E402
from ros_cloud_bridge.errors import ConfigError, ProtocolError, UnknownForm  # noqa: E402
from ros_cloud_bridge.journal import Journal, read_journal  # noqa: E402
from ros_cloud_bridge.reducers import registry  # noqa: E402
from ros_cloud_bridge.reducers.interface import Level, Output  # noqa: E402
from ros_cloud_bridge.values import (  # noqa: E402
    BridgeConfig,
    Keep,
    MqttConfig,
    Received,
    StreamConfig,
)
from ros_cloud_bridge.wire.schema import Schema  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import adds_up, Collector  # noqa: E402
from support.random_messages import definition, STORE  # noqa: E402
from support.waiting import wait_until  # noqa: E402

ROBOT = 'reduced'
FLOAT = 'std_msgs/msg/Float64'
AT_WORK, GO_ON = threading.Event(), threading.Event()


def schema(type_name: str = FLOAT) -> Schema:
    return Schema(
        type_name=type_name,
        definition=definition(type_name),
        rihs01=str(STORE.hash_rihs01(type_name)),
    )


class Shorten:
    """Leaves the last zeros out; refuses what is negative, and waits where it is told to."""

    output = Output(type_name=FLOAT, form='shorten/1', error='nothing differs')

    def reduce(self, cdr: bytes, level: Level) -> bytes | None:
        (value,) = struct.unpack('<d', cdr[4:])
        if value == 666.0:
            AT_WORK.set()
            assert GO_ON.wait(30.0)
        if value < 0.0:
            raise ValueError('negative')
        return cdr[4:].rstrip(b'\0') + bytes([level])


class ShortenKind:
    name = 'shorten'

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> Shorten:
        return Shorten()

    def restore(self, form: str, data: bytes) -> bytes:
        if len(data) > 9:
            raise ProtocolError('longer than a double')
        return b'\0\1\0\0' + data[:-1].ljust(8, b'\0')


class Entry:
    name = 'shorten'

    @staticmethod
    def load() -> object:
        return ShortenKind()


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    AT_WORK.clear()
    GO_ON.clear()
    monkeypatch.setattr(registry, 'entry_points', lambda group: [Entry])
    registry._foreign.cache_clear()
    yield
    registry._foreign.cache_clear()
    registry.find.cache_clear()


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(['max_queued_messages 0']) as running:
        yield running


def stream(name: str, reducer: str, **named: object) -> StreamConfig:
    values: dict[str, object] = {'keep': Keep.FIFO, 'max_delay_s': 0.0, **named}
    values |= {'name': name, 'topics': (f'/{name}',), 'reducer': reducer}
    return StreamConfig(**values)  # type: ignore[arg-type]


def config(broker: Broker, *streams: StreamConfig, **named: object) -> BridgeConfig:
    return BridgeConfig(
        robot_id=ROBOT,
        mqtt=MqttConfig(host=broker.host, port=broker.port),
        health_period_s=0.2,
        announce_period_s=0.5,
        streams=streams,
        **named,  # type: ignore[arg-type]
    )


def value(number: float) -> bytes:
    return b'\0\1\0\0' + struct.pack('<d', number)


def values(*numbers: float) -> list[Received]:
    return [Received(value(one), 10 + i, 20 + i) for i, one in enumerate(numbers)]


def quiet(level: str, text: str) -> None:
    """Say nothing."""


def test_a_chain_goes_out_is_described_and_adds_up(broker: Broker, tmp_path: Path) -> None:
    text = 'precision tolerance=0.5 | deadband by=1.5 max_s=1000'
    numbers = stream('numbers', text)
    journal = Journal(tmp_path / 'journal')
    bridge = Bridge(config(broker, numbers), quiet, journal)
    with Collector(broker, ROBOT) as collector:
        bridge.start()
        route = bridge.open_route(numbers, '/numbers', FLOAT, schema=schema(), gated=False)
        assert bridge.open_route(numbers, '/numbers', FLOAT, schema=schema(), gated=False) is route
        bridge.offer(route, values(1.2, 1.3, 2.1, 7.6, 7.4, 3.0))
        got = collector.wait_for_samples('/numbers', 3)
        assert [sample.cdr for sample in got] == [value(1.0), value(8.0), value(3.0)]
        # What says nothing new takes no number.
        assert [sample.sequence for sample in got] == [1, 2, 3]
        assert [sample.message().data for sample in got] == [1.0, 8.0, 3.0]
        entry = collector.health_of('/numbers', lambda entry: entry['delivered'] == 3)
        assert entry['dropped'] == {'unchanged': 3} and adds_up(entry)
        assert (entry['received'], entry['accepted'], entry['reducing']) == (6, 3, 0)
        reducer = entry['reducer']
        assert (reducer['bytes_in'], reducer['bytes_out'], reducer['failed']) == (72, 36, 0)
        assert reducer['level'] == 'full' and reducer['cpu_s'] >= 0.0
        info = collector.wait_for_document('info', lambda document: document['routes'])
        (described,) = info['routes']
        assert described['reducer'] == text
        assert described['error'].startswith('data within 0.5 (reduced: 10 times')
        assert (described['type'], described['form']) == (FLOAT, '')
        (losses,) = collector.decoder.losses()
        assert (losses.missing, losses.unexplained) == (0, 0)
        bridge.stop()
    journal.close()
    assert [entry.size for entry in read_journal(tmp_path / 'journal')] == [12] * 3


def test_a_form_is_restored_where_it_is_known(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    formed = stream('formed', 'shorten')
    bridge = Bridge(config(broker, formed), quiet)
    with Collector(broker, ROBOT) as collector:
        bridge.start()
        route = bridge.open_route(formed, '/formed', FLOAT, schema=schema(), gated=False)
        bridge.offer(route, values(0.0, 1.5))
        got = collector.wait_for_samples('/formed', 2)
        assert [sample.form for sample in got] == ['shorten/1'] * 2
        assert got[0].cdr == b'\0'
        assert [sample.plain() for sample in got] == [value(0.0), value(1.5)]
        collector.wait_for_document('info', lambda document: document['routes'])
        got[1].schema()
        assert got[1].message().data == 1.5
        with (tmp_path / 'r.mcap').open('wb') as file:
            recorder = Recorder(file)
            for sample in got:
                recorder.add(sample)
            recorder.close()
        with (tmp_path / 'r.mcap').open('rb') as file:
            found = [message.data for _, _, message in make_reader(file).iter_messages()]
        assert found == [value(0.0), value(1.5)]
        kept = load_seen(dump_seen(collector.decoder.seen()))
        assert all(one.descriptor is None or one.descriptor.form == 'shorten/1' for one in kept)
        registry._foreign.cache_clear()
        registry.find.cache_clear()
        monkeypatch.setattr(registry, 'entry_points', lambda group: [])
        # Elsewhere it is not installed: the bytes are there, and why nobody can read them.
        with pytest.raises(UnknownForm, match='no reducer here knows the form shorten/1'):
            got[1].message()
        told = json.loads(sample_json(got[1], FieldFilter(()), cdr=True))
        assert told['form'] == 'shorten/1' and told['fields'] is None
        assert 'no reducer here knows' in told['error']
        with (tmp_path / 'r.mcap').open('wb') as file:
            recorder = Recorder(file)
            for sample in got:
                recorder.add(sample)
            (totals,) = recorder.close()
        assert (totals.samples, totals.without_schema, totals.unrestored) == (0, 0, 2)
        bridge.stop()


def test_what_the_reducer_cannot_take_goes_out_beside_it(broker: Broker) -> None:
    said: list[str] = []
    formed = stream('formed', 'shorten')
    bridge = Bridge(config(broker, formed), lambda level, text: said.append(f'{level}: {text}'))
    with Collector(broker, ROBOT) as collector:
        bridge.start()
        route = bridge.open_route(formed, '/formed', FLOAT, schema=schema(), gated=False)
        bridge.offer(route, values(1.0, -1.0, 2.0, -2.0))
        got = collector.wait_for_samples('/formed', 4)
        plain = [sample for sample in got if not sample.form]
        assert [sample.cdr for sample in plain] == [value(-1.0), value(-2.0)]
        assert len({sample.route for sample in plain} | {route.number}) == 2
        assert sorted(sample.message().data for sample in got) == [-2.0, -1.0, 1.0, 2.0]
        health = collector.wait_for_document(
            'health', lambda document: sum(r['delivered'] for r in document['routes']) == 4
        )
        assert [entry['accepted'] for entry in health['routes']] == [2, 2]
        assert health['routes'][0]['reducer']['failed'] == 2
        bridge.stop()
    (line,) = [line for line in said if line.startswith('error')]
    assert "stream 'formed': /formed: goes out as it is, for its reducer failed: negative" in line


def test_a_reducer_that_hangs_holds_up_its_own_route_alone(broker: Broker) -> None:
    slow, fast = stream('slow', 'shorten', keep=Keep.LATEST), stream('fast', '')
    bridge = Bridge(config(broker, slow, fast), quiet)
    with Collector(broker, ROBOT) as collector:
        bridge.start()
        held = bridge.open_route(slow, '/slow', FLOAT, schema=schema(), gated=False)
        free = bridge.open_route(fast, '/fast', FLOAT, schema=schema(), gated=False)
        bridge.offer(held, values(666.0, 1.0, 2.0))
        assert AT_WORK.wait(20.0)
        for number in range(50):
            bridge.offer(free, values(float(number)))
            collector.wait_for_samples('/fast', number + 1)
        entry = collector.health_of('/slow', lambda entry: entry['reducing'] > 0)
        assert entry['accepted'] == 0 and adds_up(entry)
        assert not collector.samples('/slow')
        GO_ON.set()
        got = collector.wait_for_samples('/slow', 1)
        assert got[0].message().data == 666.0
        bridge.stop()
        # Whatever became of the others is told.
        entry = collector.health_of('/slow', lambda entry: not entry['reducing'])
        dropped = sum(entry['dropped'].values())
        assert entry['received'] == 3 == entry['accepted'] + dropped


def test_a_type_that_does_not_fit_goes_out_as_it_is(broker: Broker) -> None:
    texts = stream('texts', 'precision')
    bridge = Bridge(config(broker, texts), quiet)
    with Collector(broker, ROBOT) as collector:
        bridge.start()
        kind = 'std_msgs/msg/String'
        route = bridge.open_route(texts, '/texts', kind, schema=schema(kind), gated=False)
        assert route.reducer_problem == f'precision: {kind} has no floating-point field'
        bridge.offer(route, [Received(b'\0\1\0\0\2\0\0\0a\0', 1, 2)])
        (sample,) = collector.wait_for_samples('/texts', 1)
        assert sample.message().data == 'a'
        bridge.stop()


def test_what_waits_for_a_reducer_at_the_end_is_sent(broker: Broker) -> None:
    numbers = stream('numbers', 'precision')
    bridge = Bridge(config(broker, numbers), quiet)
    with Collector(broker, ROBOT) as collector:
        bridge.start()
        collector.wait_for_state('online', 'birth')
        route = bridge.open_route(numbers, '/numbers', FLOAT, schema=schema(), gated=False)
        bridge.offer(route, values(*map(float, range(1000))))
        bridge.stop()
        collector.wait_for_state('offline', 'shutdown')
        assert len(collector.samples('/numbers')) == 1000


def test_durable_samples_are_committed_as_they_come_out(broker: Broker, tmp_path: Path) -> None:
    kept = stream('kept', 'shorten', keep=Keep.DURABLE)
    before = config(broker, kept, state_dir=str(tmp_path))
    nowhere = BridgeConfig(
        robot_id=ROBOT,
        mqtt=MqttConfig(host='127.0.0.1', port=1),
        streams=(kept,),
        state_dir=str(tmp_path),
    )
    bridge = Bridge(nowhere, quiet)
    bridge.start()
    route = bridge.open_route(kept, '/kept', FLOAT, schema=schema(), gated=False)
    bridge.offer(route, values(1.0, 2.5, -3.0))
    bridge.stop(0.0)
    # The next boot knows their form from the disk alone.
    with Collector(broker, ROBOT) as collector:
        again = Bridge(before, quiet)
        again.start()
        got = collector.wait_for_samples('/kept', 3)
        assert sorted(sample.message().data for sample in got) == [-3.0, 1.0, 2.5]
        assert sorted(sample.form for sample in got) == ['', 'shorten/1', 'shorten/1']
        assert all(sample.historical for sample in got)
        again.stop()


def test_a_reducer_that_nobody_has_is_refused_by_name(broker: Broker) -> None:
    with pytest.raises(ConfigError, match='stream.s.reducer: no reducer precison; did you mean'):
        Bridge(config(broker, stream('s', 'precison')), quiet)


def test_a_durable_stream_refuses_a_reducer_that_remembers(broker: Broker) -> None:
    pytest.importorskip('numpy')
    for text in ('grid_diff', 'select drop=info | grid_diff every=5'):
        with pytest.raises(ConfigError, match=r'stream.s.reducer: grid_diff: not with .keep: dur'):
            Bridge(config(broker, stream('s', text, keep=Keep.DURABLE)), quiet)
    Bridge(config(broker, stream('s', 'grid_diff')), quiet)


def test_what_goes_out_beside_a_latched_route_is_latched(broker: Broker) -> None:
    formed = stream('formed', 'shorten')
    bridge = Bridge(config(broker, formed), quiet)
    with Collector(broker, ROBOT) as collector:
        bridge.start()
        route = bridge.open_route(formed, '/formed', FLOAT, schema=schema(), gated=False)
        route.latched = LatchedValues(merge_frames=False)
        route.publishers, route.publisher_count = frozenset({b'one'}), 1
        bridge.offer(route, values(1.0, -1.0))
        collector.wait_for_samples('/formed', 2)
        (beside,) = (one for one in bridge._pump.outbox.routes if one is not route)
        assert beside.latched is not None and len(beside.latched.samples) == 1
        assert (beside.publishers, beside.publisher_count) == (frozenset({b'one'}), 1)
        with Collector(broker, ROBOT) as late:
            wait_until(lambda: {one.message().data for one in late.samples('/formed')} == {1, -1})
        bridge.stop()
