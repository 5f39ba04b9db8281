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


"""The station with a real broker, real keys and a real log; the robot is a double."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
import json
from pathlib import Path
import threading
import time
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
import pytest

pytest.importorskip('cryptography', reason='cryptography is missing')

from ros_cloud_bridge.command.session import mqtt_of_commands  # noqa: E402
from ros_cloud_bridge.command.station import Station  # noqa: E402
from ros_cloud_bridge.command_values import Reason, State  # noqa: E402
from ros_cloud_bridge.core.commands.effects import Dispatch, Ended, Progress  # noqa: E402
from ros_cloud_bridge.errors import BadFields, ConfigError, LocalFault  # noqa: E402
from ros_cloud_bridge.values import (  # noqa: E402
    AuditConfig,
    BridgeConfig,
    ChannelConfig,
    ChannelKind,
    MqttConfig,
    Trust,
)
from support.broker import Broker, free_port  # noqa: E402
from support.commander import Commander, Keys  # noqa: E402
from support.fake_broker import answering, connack, FakeBroker  # noqa: E402
from support.signer import ROOT  # noqa: E402
from support.waiting import wait_until  # noqa: E402

ROBOT = 'station'
CHANNELS = (
    ChannelConfig(
        name='call',
        kind=ChannelKind.SERVICE,
        operators=('alice', 'bob'),
        max_hz=0.0,
        max_running=1000,
        timeout_s=60.0,
    ),
    ChannelConfig(name='go', kind=ChannelKind.ACTION, operators=('alice',)),
    ChannelConfig(name='say', kind=ChannelKind.TOPIC, operators=('alice',)),
    ChannelConfig(name='bridge', kind=ChannelKind.BRIDGE, operators=('alice',)),
    ChannelConfig(
        name='drive',
        kind=ChannelKind.TOPIC,
        operators=('alice', 'bob'),
        lease=True,
        watchdog_s=0.3,
        max_hz=0.0,
    ),
)


class Robot:
    """Actuators and controls that note what they are told, and end calls at once if wanted."""

    def __init__(self) -> None:
        self.report: Callable[[Progress | Ended], None] = lambda report: None
        self.started: list[Dispatch] = []
        self.published: list[tuple[str, Any]] = []
        self.cancelled: list[int] = []
        self.stops: list[str] = []
        self.answers_at_once = True
        self.fault: Exception | None = None

    def start(self, dispatch: Dispatch) -> None:
        if self.fault is not None:
            raise self.fault
        self.started.append(dispatch)
        if self.answers_at_once:
            detail = {'said': dispatch.arguments}
            self.report(Ended(ticket=dispatch.ticket, state=State.SUCCEEDED, detail=detail))

    def cancel(self, ticket: int) -> None:
        self.cancelled.append(ticket)
        self.report(Ended(ticket=ticket, state=State.CANCELLED))

    def publish(self, channel: str, arguments: Mapping[str, Any]) -> None:
        if self.fault is not None:
            raise self.fault
        self.published.append((channel, arguments))

    def stop_message(self, channel: str) -> None:
        self.stops.append(channel)


class Rig:
    """A station, its robot and its folder."""

    def __init__(self, folder: Path, port: int, **further: Any) -> None:
        self.folder = folder
        self.said: list[tuple[str, str]] = []
        self.robot = Robot()
        self.config = BridgeConfig(
            robot_id=ROBOT,
            state_dir=str(folder),
            operator_keys=str(folder / 'operators'),
            channels=CHANNELS,
            mqtt=MqttConfig(host='127.0.0.1', port=port),
            **further,
        )
        self.station = Station(self.config, lambda level, text: self.said.append((level, text)))
        self.robot.report = self.station.report

    def start(self, *, connected: bool = True) -> None:
        self.station.start(self.robot, self.robot)
        if connected:
            wait_until(lambda: self.station.figures().connected)
            # The subscription follows the connection.
            time.sleep(0.1)

    def audit(self) -> list[dict[str, Any]]:
        text = (self.folder / f'audit-{ROBOT}.jsonl').read_text()
        return [json.loads(line) for line in text.splitlines()]


@contextmanager
def station(folder: Path, port: int, **further: Any) -> Iterator[Rig]:
    rig = Rig(folder, port, **further)
    try:
        rig.start(connected=further.get('connected', True))
        yield rig
    finally:
        rig.station.stop()


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    """
    Start a broker.

    :returns: one that lasts for the module
    """
    with Broker(['max_queued_messages 0', 'max_inflight_messages 0']) as running:
        yield running


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """
    Make keys.

    :param tmp_path: where
    :returns: those of the robot, and of alice and bob
    """
    return Keys.make(tmp_path, ROBOT, 'alice', 'bob')


@pytest.fixture
def rig(broker: Broker, keys: Keys) -> Iterator[Rig]:
    """
    Run a station.

    :param broker: its broker
    :param keys: its keys
    :returns: it
    """
    with station(keys.folder, broker.port) as running:
        yield running


@pytest.fixture
def alice(broker: Broker, keys: Keys, rig: Rig) -> Iterator[Commander]:
    """
    Connect alice, who knows the time.

    :param broker: where
    :param keys: hers
    :param rig: whom she commands
    :returns: she
    """
    with keys.commander(broker, ROBOT, 'alice') as commander:
        commander.learn()
        yield commander


def raw(broker: Broker) -> Any:
    """Connect a client that publishes whatever it is told to."""
    kind: Any = getattr(mqtt, 'CallbackAPIVersion', None)
    first = (kind.VERSION2,) if kind else ()
    client = mqtt.Client(*first, protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(1000)
    client.connect(broker.host, broker.port)
    client.loop_start()
    wait_until(client.is_connected)
    return client


@pytest.fixture
def attacker(broker: Broker) -> Iterator[Any]:
    """
    Connect somebody without a key.

    :param broker: where
    :returns: a paho client
    """
    client = raw(broker)
    yield client
    client.disconnect()
    client.loop_stop()


def test_a_call_is_recorded_carried_out_answered_and_noted(alice: Commander, rig: Rig) -> None:
    sent = alice.send('call', 'call', {'data': True})
    answer = alice.final(sent)
    assert answer is not None and answer.detail == {'said': {'data': True}}
    assert [one.state for one in alice.of(sent)] == [State.ACCEPTED, State.SUCCEEDED]
    assert [one.number for one in alice.of(sent)] == [0, 1]
    assert [dispatch.arguments for dispatch in rig.robot.started] == [{'data': True}]
    wait_until(lambda: rig.audit()[-1:] and rig.audit()[-1]['verdict'] == 'succeeded')
    accepted, succeeded = rig.audit()[-2:]
    assert accepted['verdict'] == 'accepted'
    for line in (accepted, succeeded):
        assert line['operator'] == 'alice' and line['channel'] == 'call'
        assert line['id'] == sent.command.id.hex()
        assert alice.key is not None and line['kid'] == alice.key.kid.hex()


def test_the_same_bytes_fifty_times_at_once_run_once(
    alice: Commander, rig: Rig, attacker: Any
) -> None:
    rig.robot.answers_at_once = False
    sent = alice.make('call', 'call', {'data': True})
    threads = [
        threading.Thread(
            target=lambda: [attacker.publish(sent.topic, sent.payload, qos=1) for _ in range(10)]
        )
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    alice.post(sent)
    alice.wait_for(sent, lambda answer: answer.state is State.ACCEPTED)
    for thread in threads:
        thread.join()
    wait_until(lambda: rig.station.figures().counters.get('repeated', 0) > 0)
    alice.settle()
    # Whoever asks again while it runs is told how far it is.
    assert {one.state for one in alice.of(sent)} <= {State.RECEIVED, State.ACCEPTED}
    assert len(rig.robot.started) == 1
    rig.station.report(Ended(ticket=rig.robot.started[0].ticket, state=State.SUCCEEDED))
    assert alice.final(sent)

    def answered_again() -> bool:
        # Repeated answers are bounded in number, and the fifty have taken some.
        attacker.publish(sent.topic, sent.payload, qos=1)
        return [one.state for one in alice.of(sent)].count(State.SUCCEEDED) >= 2

    wait_until(answered_again)
    assert len(rig.robot.started) == 1


def test_a_response_topic_changes_nothing(
    alice: Commander, rig: Rig, broker: Broker, attacker: Any
) -> None:
    heard: list[str] = []
    attacker.on_message = lambda client, userdata, message: heard.append(message.topic)
    attacker.subscribe('#', qos=1)
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = f'{ROOT}/{ROBOT}/ack/mallory'
    properties.CorrelationData = b'give me that'
    sent = alice.make('call', 'call', {'data': True})
    attacker.publish(sent.topic, sent.payload, qos=1, properties=properties)
    assert alice.final(sent)
    alice.settle()
    wait_until(lambda: heard.count(f'{ROOT}/{ROBOT}/ack/alice') >= 2)
    assert not [topic for topic in heard if topic.endswith('mallory')]


def test_what_is_retained_is_neither_asked_for_nor_taken(
    broker: Broker, keys: Keys, attacker: Any
) -> None:
    with station(keys.folder, broker.port) as rig:
        with keys.commander(broker, ROBOT, 'alice') as alice:
            alice.learn()
            kept = alice.make('call', 'call', {'data': True}, ttl_ms=9000)
            attacker.publish(kept.topic, kept.payload, qos=1, retain=True).wait_for_publish()
            # The subscription was there before, so it comes, with Retain As Published.
            wait_until(lambda: rig.station.figures().counters.get('retained') == 1)
            alice.settle()
            assert alice.of(kept) == [] and rig.robot.started == []
    # It stands there for whoever subscribes anew.
    with station(keys.folder, broker.port) as rig:
        with keys.commander(broker, ROBOT, 'alice') as alice:
            alice.learn()
            assert alice.call('call', 'call', {'data': False}).state is State.SUCCEEDED
        assert rig.station.figures().counters.get('retained') is None
        assert [dispatch.arguments for dispatch in rig.robot.started] == [{'data': False}]
        attacker.publish(kept.topic, b'', qos=1, retain=True).wait_for_publish()


def test_the_answers_of_a_robot_are_signed_by_it(
    alice: Commander, rig: Rig, attacker: Any
) -> None:
    sent = alice.send('call', 'call', {'data': True})
    alice.final(sent)
    topic = alice.topics.answers('alice')
    attacker.publish(topic, sent.payload, qos=1)
    attacker.publish(topic, b'nonsense', qos=1)
    wait_until(lambda: len(alice.forged) == 2)


def test_a_flood_of_one_operator_holds_up_no_other(
    alice: Commander, keys: Keys, broker: Broker, rig: Rig, attacker: Any
) -> None:
    with keys.commander(broker, ROBOT, 'bob') as bob:
        bob.learn()
        bad = alice.make('call', 'call', {'data': False})
        broken = bad.payload[:-1] + bytes([bad.payload[-1] ^ 1])
        stop = threading.Event()
        sent = 0

        def flood() -> None:
            nonlocal sent
            while not stop.is_set() and sent < 20_000:
                attacker.publish(bad.topic, broken, qos=0)
                attacker.publish(f'{ROOT}/{ROBOT}/cmd/x{sent}/call', broken, qos=0)
                sent += 2

        thread = threading.Thread(target=flood)
        thread.start()
        for number in range(30):
            answer = bob.insist(bob.make('call', 'call', {'number': number}))
            assert answer is not None and answer.state is State.SUCCEEDED
        stop.set()
        thread.join()
    assert [dispatch.operator for dispatch in rig.robot.started] == ['bob'] * 30
    counters = rig.station.figures().counters
    assert counters['unknown_key'] > 0 and counters['bad_signature'] > 0


def test_faults_of_the_robot_are_answers(alice: Commander, rig: Rig) -> None:
    rig.robot.fault = BadFields('linear', 'expected a map')
    answer = alice.call('say', 'publish', {'linear': 1})
    assert answer.state is State.FAILED and answer.reason.startswith('bad_fields: ')
    rig.robot.fault = ZeroDivisionError('oh')
    for channel, kind in (('call', 'call'), ('bridge', 'announce')):
        answer = alice.call(channel, kind)
        assert answer.state is State.FAILED and answer.reason.startswith('internal: ')
    rig.robot.fault = None
    assert alice.call('say', 'publish', {'linear': {}}).state is State.SUCCEEDED
    assert rig.robot.published == [('say', {'linear': {}})]


def test_a_topic_whose_publisher_raises_what_nobody_expects(alice: Commander, rig: Rig) -> None:
    rig.robot.fault = ZeroDivisionError('oh')
    assert alice.call('say', 'publish', {}).state is State.FAILED
    alice.call('drive', 'acquire')
    sent = alice.send('drive', 'publish', {})
    answer = alice.final(sent)
    assert answer is not None and answer.reason.startswith('internal: ')
    # It may have gone half-way: what moves is stopped.
    wait_until(lambda: 'drive' in rig.robot.stops)
    rig.robot.fault = None
    assert alice.call('say', 'publish', {}).state is State.SUCCEEDED


def test_without_a_log_nothing_is_carried_out_that_changes_something(
    alice: Commander, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise LocalFault('executed.sqlite: database or disk is full')

    with monkeypatch.context() as patched:
        patched.setattr(rig.station._store, 'start', full)
        answer = alice.call('call', 'call', {'data': True})
        assert answer.state is State.REJECTED
        assert answer.reason == 'log_failed: executed.sqlite: database or disk is full'
        assert rig.robot.started == []
        # What is protected by a lease needs no log.
        assert alice.call('drive', 'acquire').state is State.SUCCEEDED
    with monkeypatch.context() as patched:
        patched.setattr(rig.station._store, 'finish', full)
        assert alice.call('call', 'call', {'data': True}).state is State.SUCCEEDED
    assert alice.call('call', 'call', {'data': True}).state is State.SUCCEEDED
    assert len(rig.robot.started) == 2


def test_a_goal_runs_is_cancelled_and_told_of(alice: Commander, rig: Rig) -> None:
    rig.robot.answers_at_once = False
    goal = alice.send('go', 'goal', {'order': 3})
    wait_until(lambda: rig.robot.started)
    rig.station.report(Progress(ticket=rig.robot.started[0].ticket, detail={'feedback': 1}))
    running = alice.wait_for(goal, lambda answer: answer.state is State.RUNNING)
    assert running is not None and running.detail == {'feedback': 1}
    assert alice.call('go', 'cancel', {'goal': goal.command.id}).state is State.SUCCEEDED
    answer = alice.final(goal)
    assert answer is not None and answer.state is State.CANCELLED
    assert rig.robot.cancelled == [rig.robot.started[0].ticket]
    again = alice.call('go', 'cancel', {'goal': goal.command.id})
    assert again.reason == Reason.NO_SUCH_GOAL


def test_driving_stops_when_nothing_comes_and_when_the_broker_goes(tmp_path: Path) -> None:
    keys = Keys.make(tmp_path, ROBOT, 'alice')
    with Broker() as broker, station(tmp_path, broker.port) as rig:
        with keys.commander(broker, ROBOT, 'alice') as alice:
            alice.learn()
            alice.call('drive', 'acquire')
            alice.send('drive', 'publish', {'linear': {'x': 0.5}})
            wait_until(lambda: rig.robot.stops)
            assert len(rig.robot.published) == 1
            wait_until(lambda: rig.station.figures().stops['drive'] >= 1)
            stopped = threading.Event()

            def drive() -> None:
                while not stopped.wait(0.05):
                    alice.send('drive', 'publish', {'linear': {'x': 0.5}})

            thread = threading.Thread(target=drive)
            thread.start()
            wait_until(lambda: len(rig.robot.published) > 5)
            stops = rig.station.figures().stops['drive']
            broker.stop()
            wait_until(lambda: rig.station.figures().stops['drive'] > stops)
            stopped.set()
            thread.join()
            wait_until(lambda: not rig.station.figures().connected)
            # Whichever is sooner: that the connection is lost, or that nothing has come.
            said = [text for _, text in rig.said if "'drive' is stopped" in text]
            assert said[-1].endswith(('connection_lost', 'no command for 0.3 s')), said


def test_pausing_gives_up_what_runs_and_refuses_what_comes(alice: Commander, rig: Rig) -> None:
    rig.robot.answers_at_once = False
    running = alice.send('call', 'call', {'data': True})
    alice.wait_for(running, lambda answer: answer.state is State.ACCEPTED)
    alice.call('drive', 'acquire')
    alice.send('drive', 'publish', {'linear': {'x': 0.5}})
    wait_until(lambda: rig.robot.published)
    rig.station.pause()
    answer = alice.final(running)
    assert answer is not None
    assert (answer.state, answer.reason) == (State.FAILED, Reason.STOPPING)
    assert rig.robot.stops
    refused = alice.call('call', 'call', {'data': True})
    assert (refused.state, refused.reason) == (State.REJECTED, Reason.STOPPING)
    epoch = alice.epoch
    rig.robot.answers_at_once = True
    rig.station.start(rig.robot, rig.robot)
    assert alice.call('call', 'call', {'data': True}).state is State.SUCCEEDED
    assert alice.call('drive', 'publish', {}).reason == Reason.NO_LEASE
    # The same run of the robot, so that nothing of before may be repeated.
    assert alice.learn().epoch == epoch


def test_what_was_left_over_is_told_as_unknown_once_connected(broker: Broker, keys: Keys) -> None:
    rig = Rig(keys.folder, broker.port)
    rig.start()
    rig.robot.answers_at_once = False
    with keys.commander(broker, ROBOT, 'alice') as alice:
        alice.learn()
        sent = alice.send('call', 'call', {'data': True})
        alice.wait_for(sent, lambda answer: answer.state is State.ACCEPTED)
        # As a crash leaves it: nothing more is written.
        rig.station._session.stop(0.0)
        rig.station._store.finish = lambda key, answer: None  # type: ignore[method-assign]
        rig.station.stop()
        assert alice.final(sent, 0.5, needed=False) is None or alice.of(sent)[-1].state.final
        with station(keys.folder, broker.port) as second:
            answer = alice.wait_for(
                sent, lambda answer: answer.state is State.UNKNOWN_AFTER_RESTART
            )
            assert answer is not None and answer.epoch != alice.epoch
            before = len(alice.of(sent))
            alice.post(sent)
            wait_until(lambda: len(alice.of(sent)) > before)
            assert alice.of(sent)[-1].state is State.UNKNOWN_AFTER_RESTART
            assert second.robot.started == []


def test_answers_wait_for_the_connection(tmp_path: Path) -> None:
    keys = Keys.make(tmp_path, ROBOT, 'alice')
    with Broker() as broker, station(tmp_path, broker.port) as rig:
        rig.robot.answers_at_once = False
        with keys.commander(broker, ROBOT, 'alice') as alice:
            alice.learn()
            sent = alice.send('call', 'call', {'data': True})
            alice.wait_for(sent, lambda answer: answer.state is State.ACCEPTED)
            broker.stop()
            wait_until(lambda: not rig.station.figures().connected)
            rig.station.report(Ended(ticket=rig.robot.started[0].ticket, state=State.SUCCEEDED))
            wait_until(lambda: rig.station.figures().unanswered)
            broker.restart()
            answer = alice.insist(sent)
            assert answer is not None and answer.state is State.SUCCEEDED
            assert len(rig.robot.started) == 1


def test_keys_come_and_go_without_a_restart(alice: Commander, keys: Keys, broker: Broker) -> None:
    old = keys.operators['alice']
    new = keys.grant('alice', 'laptop')
    with keys.commander(broker, ROBOT, 'alice') as second:
        assert second.key is new
        second.learn()
        assert second.call('call', 'call', {'data': True}).state is State.SUCCEEDED
        assert alice.call('call', 'call', {'data': True}).state is State.SUCCEEDED
        keys.revoke(old)
        wait_until(
            lambda: alice.final(alice.send('call', 'call'), 1.0, needed=False) is None, 20.0
        )
        assert second.call('call', 'call', {'data': True}).state is State.SUCCEEDED
        (keys.directory / 'carol.pub').write_text('no key')
        assert second.call('call', 'call', {'data': True}).state is State.SUCCEEDED


def test_without_signatures_the_topic_is_the_operator(broker: Broker, keys: Keys) -> None:
    with station(keys.folder, broker.port, trust=Trust.TRANSPORT) as rig:
        with Commander(broker, ROBOT, 'alice', None, keys.robot.public) as alice:
            alice.learn()
            assert alice.call('call', 'call', {'data': True}).state is State.SUCCEEDED
            signed = keys.commander(broker, ROBOT, 'alice')
            with signed:
                signed.epoch, signed._origin = alice.epoch, alice._origin
                unread = signed.send('call', 'call', {'data': True})
                alice.settle()
                assert signed.of(unread) == []
            wait_until(lambda: rig.station.figures().counters.get('malformed') == 1)
        with Commander(broker, ROBOT, 'carol', None, keys.robot.public) as carol:
            # Nobody has said that there is a carol, so nobody answers her.
            asked = carol.send('time', 'time')
            assert carol.final(asked, 1.0, needed=False) is None
        assert len(rig.robot.started) == 1


def test_decisions_are_told_over_mqtt_where_that_is_wanted(
    broker: Broker, keys: Keys, attacker: Any
) -> None:
    heard: list[dict[str, Any]] = []
    attacker.on_message = lambda client, userdata, message: heard.append(
        json.loads(message.payload)
    )
    attacker.subscribe(f'{ROOT}/{ROBOT}/audit', qos=1)
    with station(keys.folder, broker.port, audit=AuditConfig(mqtt=True)) as rig:
        with keys.commander(broker, ROBOT, 'alice') as alice:
            alice.learn()
            alice.call('call', 'call', {'data': True})
        wait_until(lambda: len(heard) >= 2)
        assert heard == rig.audit()


def test_mqtt_3_is_refused_by_name() -> None:
    config = BridgeConfig(robot_id=ROBOT, mqtt=MqttConfig(protocol='3.1.1'))
    with pytest.raises(ConfigError, match='mqtt.protocol'):
        mqtt_of_commands(config)


def test_a_broker_that_refuses_mqtt_5_is_told_of_once(keys: Keys) -> None:
    with FakeBroker([answering(connack(0x84))]) as fake:
        rig = Rig(keys.folder, fake.port)
        rig.start(connected=False)
        try:
            wait_until(lambda: [text for level, text in rig.said if level == 'error'])
            ((_, text),) = [line for line in rig.said if line[0] == 'error']
            assert 'MQTT 5' in text and '3.1.1' in text
            assert not rig.station.figures().connected
        finally:
            rig.station.stop()


def test_without_a_broker_it_starts_and_stops(keys: Keys) -> None:
    rig = Rig(keys.folder, free_port())
    rig.start(connected=False)
    wait_until(lambda: any('no connection' in text for _, text in rig.said))
    rig.station.stop()
    rig.station.stop()


def test_an_unreadable_key_of_the_robot_is_one_line(keys: Keys, broker: Broker) -> None:
    (keys.folder / f'robot-{ROBOT}.key').write_text('no key')
    with pytest.raises(Exception, match='robot-station.key') as caught:
        Rig(keys.folder, broker.port)
    assert len(str(caught.value).splitlines()) == 1
