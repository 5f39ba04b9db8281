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

"""The consumer against a real broker and what a bridge publishes."""

from collections.abc import Iterator
from itertools import pairwise
import logging
import threading
from typing import Any

import pytest

from ros_cloud_bridge.cloud.asking import Asker, MAX_INTERVAL_S
from ros_cloud_bridge.cloud.consumer import Consumer, printable
from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.cloud.inbox import Inbox
from ros_cloud_bridge.cloud.presence import Presence, RobotState
from ros_cloud_bridge.cloud.requests import Requests
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.errors import ConfigError, LocalFault
from ros_cloud_bridge.mqtt.events import Connected, Received, SessionEvent, Unreachable
from ros_cloud_bridge.values import MqttConfig, Priority
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.announce import Ask, decode_ask
from support.broker import Broker
from support.waiting import wait_until
from support.wire_robot import level_cdr, ROOT, WireRobot

NO_RETAINED = ('retain_available false',)


class Collected:
    """Everything that a consumer hands over."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.states: list[RobotState] = []
        self.links: list[SessionEvent] = []

    def consumer(self, broker: Broker, **named: Any) -> Consumer:
        return Consumer(
            MqttConfig(host=broker.host, port=broker.port),
            self.samples.append,
            on_state=self.states.append,
            on_link=self.links.append,
            **named,
        )

    def wait(self, count: int) -> None:
        wait_until(lambda: len(self.samples) >= count, what=f'{count} samples')

    @property
    def sequences(self) -> list[int]:
        return [sample.sequence for sample in self.samples]


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.fixture
def got() -> Collected:
    return Collected()


def subscribed(consumer: Consumer, broker: Broker) -> None:
    wait_until(lambda: f'Sending SUBACK to {consumer.name}' in broker.log(), what='SUBACK')


def test_samples_come_with_their_fields(broker: Broker, got: Collected) -> None:
    cdrs = [level_cdr(index / 4) for index in range(50)]
    with WireRobot(broker, 'plain') as robot, got.consumer(broker, robots='plain') as consumer:
        subscribed(consumer, broker)
        route = robot.route('/level')
        robot.announce()
        robot.send(route, cdrs[:20])
        robot.send(route, cdrs[20:], describe=False)
        got.wait(50)
    assert [sample.cdr for sample in got.samples] == cdrs
    assert got.sequences == list(range(1, 51))
    assert [sample.message().level for sample in got.samples[:4]] == [0.0, 0.25, 0.5, 0.75]
    assert {(s.robot_id, s.topic, s.type_name) for s in got.samples} == {
        ('plain', '/level', 'mine/msg/Level')
    }
    assert [(state.robot_id, state.online) for state in got.states] == [('plain', True)]
    assert consumer.counts.samples == 50
    assert consumer.counts.errors == 0
    assert robot.asks == []


def test_one_subscribe_packet_of_six_filters(broker: Broker, got: Collected) -> None:
    with got.consumer(broker) as consumer:
        subscribed(consumer, broker)
    log = broker.log()
    assert log.count(f'Received SUBSCRIBE from {consumer.name}') == 1
    for kind in ('state', 'info', 'health', 'schema/+', 'b/+', 'dict/+', 'latched/#'):
        assert f'\t{ROOT}/+/{kind} (QoS 1)' in log


def test_late_consumer_with_retained_messages_asks_nothing(broker: Broker, got: Collected) -> None:
    with WireRobot(broker, 'kept') as robot:
        level, chart = robot.route('/level'), robot.route('/chart', latched=True)
        robot.announce()
        robot.send(chart, [level_cdr(9.0)], latched=True)
        robot.send(level, [level_cdr(1.0)] * 3)
        with got.consumer(broker, robots='kept') as consumer:
            subscribed(consumer, broker)
            robot.send(level, [level_cdr(2.0), level_cdr(3.0)], describe=False)
            got.wait(3)
        assert {(s.topic, s.sequence, s.latched, s.message().level) for s in got.samples} == {
            ('/chart', 1, True, 9.0),
            ('/level', 4, False, 2.0),
            ('/level', 5, False, 3.0),
        }
        assert robot.asks == []
        assert got.states[0].retained


def test_late_consumer_without_retained_messages_asks_for_all(got: Collected) -> None:
    with Broker(NO_RETAINED) as broker, WireRobot(broker) as robot:
        level, chart = robot.route('/level'), robot.route('/chart', latched=True)
        robot.announce()
        robot.send(chart, [level_cdr(9.0)], latched=True)
        robot.send(level, [level_cdr(1.0)])
        with got.consumer(broker) as consumer:
            subscribed(consumer, broker)
            missed = robot.send(level, [level_cdr(2.0)] * 3, describe=False)
            wait_until(lambda: any(ask.routes for ask in robot.asks), what='ask for routes')
            wait_until(lambda: any(ask.info for ask in robot.asks), what='ask for info')
            assert any(ask.latched for ask in robot.asks)
            assert got.samples == []
            # What a bridge answers; nothing of it is retained here.
            robot.info()
            wait_until(lambda: any(ask.schemas for ask in robot.asks), what='ask for schemas')
            robot.schemas()
            robot.routes[chart].next_sequence = 1
            robot.send(chart, [level_cdr(9.0)], latched=True)
            more = robot.send(level, [level_cdr(3.0)])
            got.wait(5)
            samples = {(s.topic, s.sequence): s.message().level for s in got.samples}
        assert samples == {
            ('/chart', 1): 9.0,
            **{('/level', sequence): 2.0 for sequence in missed},
            ('/level', more[0]): 3.0,
        }


def test_known_robot_that_is_silent_is_asked(got: Collected) -> None:
    with Broker(NO_RETAINED) as broker, WireRobot(broker, 'idle') as robot:
        with got.consumer(broker, robots='idle'):
            wait_until(lambda: robot.asks, what='ask')
    assert robot.asks[0] == Ask(info=True, routes=True, latched=True)


def test_malformed_messages_are_counted_and_logged_once_per_kind(
    broker: Broker, got: Collected, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with WireRobot(broker, 'bad') as robot, got.consumer(broker, robots='bad') as consumer:
        subscribed(consumer, broker)
        for number in range(20):
            robot.publish(robot.topics.batches(Priority.HIGH), b'\xff' * (number + 1))
            robot.publish(robot.topics.info, b'{' * (number + 1))
            robot.publish(robot.topics.schema('00'), bytes([number]))
        route = robot.route('/level')
        robot.send(route, [level_cdr(1.0)])
        got.wait(1)
        wait_until(lambda: consumer.counts.errors == 60, what='60 errors')
    said = [record for record in caplog.records if 'said once' in record.getMessage()]
    assert 3 <= len(said) <= 8
    assert any(record.getMessage().startswith(f'{robot.topics.info}: ') for record in said)
    assert got.samples[0].topic == '/level'


def test_hostile_schema_ids_in_info_are_not_asked_for(broker: Broker, got: Collected) -> None:
    with WireRobot(broker, 'sly') as robot, got.consumer(broker, robots='sly') as consumer:
        subscribed(consumer, broker)
        route = robot.route('/level')
        robot.info(retain=False)
        robot.send(route, [level_cdr(1.0)])
        wait_until(lambda: any(ask.schemas for ask in robot.asks), what='ask for the true one')
        text = b'{"boot_id":"0011223344556677","routes":[{"route":1,"stream":"s","topic":"/t",'
        robot.publish(robot.topics.info, text + b'"type":"a/msg/B","schema":"not hex!"}]}')
        robot.send(route, [level_cdr(2.0)])
        got.wait(2)
    assert {schema for ask in robot.asks for schema in ask.schemas} == {
        robot.routes[route].schema.id
    }


def test_exception_in_a_callback_ends_nothing(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    seen = []

    def fail(sample: Sample) -> None:
        seen.append(sample)
        raise RuntimeError('the caller is at fault')

    config = MqttConfig(host=broker.host, port=broker.port)
    with WireRobot(broker, 'cb') as robot, Consumer(config, fail, robots='cb') as consumer:
        subscribed(consumer, broker)
        robot.send(robot.route('/level'), [level_cdr(1.0)] * 5)
        wait_until(lambda: len(seen) == 5, what='five samples')
    assert caplog.text.count('the caller is at fault (said once)') == 1


def test_a_slow_callback_costs_samples_but_neither_memory_nor_presence(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    hold, held = threading.Event(), threading.Event()
    seen: list[Sample] = []
    states: list[RobotState] = []

    def slow(sample: Sample) -> None:
        held.set()
        assert hold.wait(30.0)
        seen.append(sample)

    consumer = Consumer(
        MqttConfig(host=broker.host, port=broker.port),
        slow,
        robots='fast',
        on_state=states.append,
        max_queued_bytes=20_000,
    )
    with WireRobot(broker, 'fast') as robot, consumer:
        subscribed(consumer, broker)
        route = robot.route('/level')
        robot.schemas()
        robot.send(route, [level_cdr(0.0)])
        assert held.wait(15.0)
        for number in range(40):
            # Bytes that do not compress, so that the bound is met.
            robot.send(route, [level_cdr(1.0, robot.boot * 300 + bytes([number]))])
        robot.birth()
        robot.birth(online=False)
        wait_until(lambda: consumer.counts.overflow_messages > 0, what='overflow')
        hold.set()
        wait_until(lambda: len(states) == 2, what='presence')
        wait_until(lambda: 'messages dropped' in caplog.text, what='a word about it')
        dropped = consumer.counts.overflow_messages
        wait_until(lambda: len(seen) + dropped == 41, what='all other samples')
    assert [state.online for state in states] == [True, False]
    assert consumer.decoder.losses()[0].received == 41 - dropped


def test_consumer_survives_the_broker(got: Collected) -> None:
    with Broker() as broker, WireRobot(broker) as robot, got.consumer(broker) as consumer:
        subscribed(consumer, broker)
        route = robot.route('/level')
        robot.announce()
        robot.send(route, [level_cdr(1.0)])
        got.wait(1)
        broker.stop()
        wait_until(lambda: not consumer.connected, what='disconnect')
        broker.restart()
        subscribed(consumer, broker)
        wait_until(lambda: robot._session.connected, what='robot back')
        robot.send(route, [level_cdr(2.0)])
        got.wait(2)
    assert got.sequences == [1, 2]
    assert sum(isinstance(event, Connected) for event in got.links) == 2


def test_broker_that_is_not_there_is_reported(got: Collected) -> None:
    with Broker() as broker:
        pass
    with got.consumer(broker):
        wait_until(lambda: any(isinstance(e, Unreachable) for e in got.links), what='event')


def test_glob_over_robots_chooses_before_decoding(broker: Broker, got: Collected) -> None:
    with WireRobot(broker, 'amr-1') as first, WireRobot(broker, 'arm-1') as other:
        with got.consumer(broker, robots='amr-*') as consumer:
            subscribed(consumer, broker)
            for robot in (other, first):
                robot.send(robot.route('/level'), [level_cdr(1.0)])
            got.wait(1)
        assert [sample.robot_id for sample in got.samples] == ['amr-1']
        assert list(consumer.decoder.robots) == ['amr-1']


@pytest.mark.parametrize(
    ('named', 'key'),
    [
        ({'robots': ''}, 'robot'),
        ({'robots': 'a/b'}, 'robot'),
        ({'robots': '+'}, 'robot'),
        ({'root': ''}, 'root'),
        ({'root': '/rcb'}, 'root'),
        ({'root': 'rcb/#'}, 'root'),
    ],
)
def test_impossible_names_are_refused(named: dict[str, str], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Consumer(MqttConfig(), lambda sample: None, **named)  # type: ignore[arg-type]
    assert caught.value.key == key


def test_it_starts_only_once(broker: Broker, got: Collected) -> None:
    with got.consumer(broker) as consumer, pytest.raises(LocalFault):
        consumer.start()


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert printable('a\x1b[31m\nb\u202e' + 'c' * 500) == (
        'a\\x1b[31m\\nb\\u202e' + 'c' * 390 + '…'
    )


ONLINE = {'state': 'online', 'boot_id': 'aa', 'connection': 2, 'reason': 'birth'}


def test_presence_ignores_wills_of_earlier_connections_and_boots() -> None:
    presence = Presence()
    assert presence.update('r', ONLINE, True) is not None
    late = {'state': 'offline', 'boot_id': 'aa', 'connection': 1, 'reason': 'connection_lost'}
    assert presence.update('r', late, False) is None
    assert presence.update('r', {**late, 'boot_id': 'bb', 'connection': 9}, False) is None
    assert presence.online('r') is True
    assert presence.update('r', {**late, 'connection': 2}, False) is not None
    assert presence.online('r') is False
    assert presence.update('r', {**ONLINE, 'boot_id': 'bb', 'connection': 1}, False) is not None
    assert presence.states['r'].boot_id == 'bb'


@pytest.mark.parametrize(
    'document',
    [{}, {'state': 'online'}, {'state': 1, 'boot_id': 'aa'}, {'state': 'on', 'boot_id': ''}],
)
def test_presence_ignores_what_is_no_state(document: dict[str, object]) -> None:
    presence = Presence()
    assert presence.update('r', document, False) is None
    assert presence.online('r') is None


def times_asked(wanted: dict[str, Ask], until: float) -> list[float]:
    asker = Asker()
    times = [tick / 4 for tick in range(int(until * 4))]
    return [now for now in times if asker.due(wanted, [], now)]


def test_unmet_need_is_asked_for_ever_more_seldom() -> None:
    times = times_asked({'r': Ask(routes=True)}, 600.0)
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps[:6] == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    assert set(gaps[6:]) == {MAX_INTERVAL_S}


def test_new_needs_of_one_robot_wait_two_seconds_those_of_another_do_not() -> None:
    asker = Asker()
    first, second = '0' * 16, '1' * 16
    assert asker.due({'a': Ask(schemas=(first,))}, [], 0.0) == {'a': Ask(schemas=(first,))}
    wanted = {'a': Ask(schemas=(first, second)), 'b': Ask(routes=True)}
    assert asker.due(wanted, [], 0.5) == {'b': Ask(routes=True)}
    assert asker.due(wanted, [], 2.0) == {'a': Ask(schemas=(first, second))}


def test_robot_without_info_is_asked_after_a_second() -> None:
    asker = Asker()
    assert asker.due({}, ['r'], 5.0) == {}
    assert asker.due({}, ['r'], 5.9) == {}
    assert asker.due({}, ['r'], 6.0) == {'r': Ask(info=True, routes=True, latched=True)}
    assert asker.due({}, [], 20.0) == {}


def test_dictionaries_are_asked_for_beside_schemas() -> None:
    asker = Asker()
    names = tuple(f'{number:08x}' for number in range(20))
    wanted = Ask(schemas=('0' * 16,), dictionaries=names)
    asked = Ask(schemas=('0' * 16,), dictionaries=names[:16])
    assert asker.due({'r': wanted}, [], 0.0) == {'r': asked}
    assert asker.due({'r': wanted}, [], 1.0) == {}
    assert asker.due({'r': wanted}, [], 2.0) == {'r': asked}


def test_a_batch_that_waits_for_its_dictionary_makes_a_request() -> None:
    decoder = Decoder()
    batch = [1, 0, bytes(8), 1, 10**18, 2, 100, b'x' * 50, b'', b'abcd']
    assert decoder.feed('rcb/v1/r/b/normal', cbor.dumps(batch)) == []
    requests = Requests('rcb/v1', 'me', None, decoder, Presence())
    ((robot_id, message),) = requests.due(0.0)
    assert robot_id == 'r'
    assert decode_ask(message.payload).dictionaries == (b'abcd'.hex(),)


def test_after_a_new_connection_the_patience_is_new() -> None:
    asker = Asker()
    wanted = {'r': Ask(routes=True)}
    for now in (0.0, 2.0, 6.0, 14.0):
        assert asker.due(wanted, [], now) == wanted
    asker.reconnected()
    assert asker.due(wanted, [], 16.0) == wanted


def test_inbox_is_bounded_and_keeps_a_reserve_for_what_is_no_sample() -> None:
    inbox = Inbox(lambda topic: topic == 'b', max_bytes=10_000)
    for _ in range(30):
        inbox.put(Received(topic='b', payload=bytes(1000), retain=False, qos=1))
    inbox.put(Received(topic='state', payload=b'x', retain=False, qos=1))
    taken = []
    while (event := inbox.take(0.0)) is not None:
        taken.append(event)
    assert [event.topic for event in taken if isinstance(event, Received)] == ['b'] * 6 + ['state']
    assert inbox.overflow == (24, 24_000)


def test_inbox_takes_one_message_of_any_size() -> None:
    inbox = Inbox(lambda topic: True, max_bytes=10)
    inbox.put(Received(topic='b', payload=bytes(1000), retain=False, qos=1))
    assert inbox.take(0.0) is not None
    assert inbox.overflow == (0, 0)
