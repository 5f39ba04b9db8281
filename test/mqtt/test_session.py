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

"""The session against a real broker: nothing is lost, nothing grows, nothing escapes."""

from collections.abc import Iterator
import subprocess
import sys
import textwrap

import pytest

from ros_cloud_bridge.errors import LocalFault
from ros_cloud_bridge.mqtt.events import (
    Acknowledged,
    Connected,
    Discarded,
    Disconnected,
    Outgoing,
    Received,
    Refused,
    SessionEvent,
    SessionFull,
    Unreachable,
    Will,
)
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.values import MqttConfig
from support.broker import Broker
from support.sessions import EventLog, running
from support.waiting import wait_until


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Start a broker with default settings."""
    with Broker() as started:
        yield started


def config(broker: Broker, **named: object) -> MqttConfig:
    """Point a configuration at the broker."""
    return MqttConfig(host=broker.host, port=broker.port, **named)  # type: ignore[arg-type]


def numbers(log: EventLog) -> list[int]:
    """Read the received payloads as numbers."""
    return [int(event.payload) for event in log.of(Received)]


def message(number: int, **named: object) -> Outgoing:
    """Make a message whose payload and token are its number."""
    return Outgoing(
        topic='t/data',
        payload=b'%d' % number,
        token=number,
        **named,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize('protocol', ['5', '3.1.1'])
def test_messages_go_out_and_come_in(broker: Broker, protocol: str) -> None:
    settings = config(broker, protocol=protocol)
    with running(settings, subscriptions=['t/#']) as (session, log):
        connected = log.wait_for(Connected)
        assert (connected.protocol, connected.connection) == (protocol, 1)
        for number in range(10):
            session.publish(message(number, expiry_s=60.0, content_type='application/cbor'))
        log.wait_for(Received, 10)
        log.wait_for(Acknowledged, 10)
        assert numbers(log) == list(range(10))
        assert [event.token for event in log.of(Acknowledged)] == list(range(10))
        expected = 0 if protocol == '5' else None
        assert {event.code for event in log.of(Acknowledged)} == {expected}
        assert session.in_flight == session.in_flight_bytes == 0


def test_puback_without_a_subscriber_is_told_apart(broker: Broker) -> None:
    with running(config(broker)) as (session, log):
        session.publish(message(1))
        answer = log.wait_for(Acknowledged)
        assert (answer.code, answer.refused) == (0x10, False)


def test_a_stalled_broker_bounds_count_and_bytes(broker: Broker) -> None:
    with running(config(broker)) as (session, log):
        log.wait_for(Connected)
        broker.pause()
        sent = 0
        while session.room(100):
            session.publish(Outgoing(topic='t/data', payload=bytes(100), token=sent))
            sent += 1
        assert sent == session.limits.max_in_flight == session.in_flight == 20
        with pytest.raises(SessionFull):
            session.publish(message(21))
        broker.resume()
        log.wait_for(Acknowledged, sent)
        broker.pause()
        payload = bytes(session.limits.max_payload_bytes)
        while session.room(len(payload)):
            session.publish(Outgoing(topic='t/data', payload=payload))
        assert 0 < session.in_flight_bytes <= 512 * 1024 + len('t/data') * 20
        broker.resume()
        wait_until(lambda: session.in_flight == 0)


def test_qos_0_is_bounded_too_and_refused_while_disconnected(broker: Broker) -> None:
    with running(config(broker)) as (session, log):
        log.wait_for(Connected)
        broker.pause()
        payload = bytes(session.limits.max_payload_bytes)
        handed = 0
        # The kernel's buffers take some megabytes before paho has to hold anything.
        stalled = False
        while handed < 2000:
            try:
                wait_until(lambda: session.room(len(payload), qos=0), 0.5)
            except AssertionError:
                stalled = True
                break
            session.publish(Outgoing(topic='t/data', payload=payload, qos=0, token=handed))
            handed += 1
        assert stalled and session.in_flight_bytes <= 512 * 1024
        broker.kill()
        log.wait_for(Disconnected)
        wait_until(lambda: len(log.of(Acknowledged)) + len(log.of(Discarded)) >= handed)
        written = {event.token for event in log.of(Acknowledged)}
        lost = {event.token for event in log.of(Discarded)}
        assert written | lost == set(range(handed)) and not written & lost
        assert not session.room(1, qos=0)
        with pytest.raises(SessionFull):
            session.publish(message(1, qos=0))


def test_messages_handed_over_while_the_broker_is_down_arrive_later(broker: Broker) -> None:
    settings = config(broker)
    with running(settings, client_id='sender') as (session, log):
        log.wait_for(Connected)
        broker.stop()
        log.wait_for(Disconnected)
        for number in range(10):
            session.publish(message(number))
        log.wait_for(Unreachable)
        assert session.in_flight == 10
        broker.restart()
        with running(settings, client_id='receiver', subscriptions=['t/#']) as (_, received):
            received.wait_for(Connected)
            log.wait_for(Acknowledged, 10)
            assert [event.token for event in log.of(Acknowledged)] == list(range(10))


def test_a_killed_broker_costs_no_unacknowledged_message(broker: Broker) -> None:
    with running(config(broker), subscriptions=['t/#']) as (session, log):
        log.wait_for(Connected)
        handed = 0
        for round_number in range(3):
            for _ in range(30):
                wait_until(lambda: session.room(10))
                session.publish(message(handed))
                handed += 1
            broker.kill()
            log.wait_for(Disconnected, round_number + 1)
            broker.restart()
            log.wait_for(Connected, round_number + 2)
        # The event comes behind the table: an empty table alone does not mean that all have come.
        wait_until(lambda: len(log.of(Acknowledged)) >= handed)
        answered = [event.token for event in log.of(Acknowledged)]
        assert answered == list(range(handed)), 'each once, in the order of their hand-over'


def test_expired_messages_are_discarded_by_name(broker: Broker) -> None:
    with running(config(broker)) as (session, log):
        log.wait_for(Connected)
        broker.stop()
        log.wait_for(Disconnected)
        session.publish(message(1, expiry_s=0.0))
        session.publish(message(2))
        broker.restart()
        log.wait_for(Acknowledged)
        assert [(event.token, event.reason) for event in log.of(Discarded)] == [(1, 'expired')]


def test_a_dead_connection_is_noticed_by_keepalive(broker: Broker) -> None:
    with running(config(broker, keepalive_s=1), subscriptions=['t/#']) as (session, log):
        log.wait_for(Connected)
        broker.pause()
        session.publish(message(1))
        assert 'keepalive' in log.wait_for(Disconnected).reason
        broker.resume()
        log.wait_for(Connected, 2)
        log.wait_for(Acknowledged)
        assert 1 in numbers(log)


def test_exceptions_of_the_callback_do_not_end_the_session(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    log = EventLog()

    def failing(event: SessionEvent) -> None:
        log(event)
        raise RuntimeError('by the test')

    with running(config(broker), subscriptions=['t/#'], on_event=failing) as (session, _):
        log.wait_for(Connected)
        for number in range(5):
            session.publish(message(number))
        log.wait_for(Acknowledged, 5)
        log.wait_for(Received, 5)
        assert session.connected
    assert 'on_event fails on Connected' in caplog.text


def test_events_may_publish_and_stop(broker: Broker) -> None:
    log = EventLog()

    def react(event: SessionEvent) -> None:
        log(event)
        if isinstance(event, Connected):
            session.publish(message(7))
        elif isinstance(event, Acknowledged):
            session.stop(5.0)

    session = Session(config(broker), client_id='reacting', on_event=react)
    session.start()
    assert log.wait_for(Disconnected).reason == 'stopped'
    assert session.stop(5.0) == []


def test_mosquitto_throws_the_first_client_of_one_id_out_without_a_word(broker: Broker) -> None:
    # 2.0.11 sends no 0x8E, with any session expiry: only the retained state tells the two apart.
    with running(config(broker)) as (_, log):
        log.wait_for(Connected)
        with running(config(broker)) as (_, second_log):
            second_log.wait_for(Connected)
            assert log.wait_for(Disconnected).code in (None, 0x8E)


def test_stop_says_farewell_and_the_will_stays_silent(broker: Broker) -> None:
    settings = config(broker)
    with running(settings, client_id='watcher', subscriptions=['state']) as (watcher, seen):
        seen.wait_for(Connected)
        with running(
            settings, will_for=lambda number: Will(topic='state', payload=b'will %d' % number)
        ) as (session, log):
            log.wait_for(Connected)
            farewell = Outgoing(topic='state', payload=b'offline', retain=True)
            assert session.stop(5.0, [farewell]) == []
            assert log.of(Disconnected)[-1].reason == 'stopped'
        watcher.publish(Outgoing(topic='state', payload=b'marker'))
        seen.wait_for(Received, 2)
        assert [event.payload for event in seen.of(Received)] == [b'offline', b'marker']
        with pytest.raises(SessionFull):
            session.publish(message(1))
        with pytest.raises(LocalFault):
            session.start()


def test_stop_without_an_answer_leaves_the_word_to_the_will(broker: Broker) -> None:
    settings = config(broker)
    with running(
        settings, will_for=lambda number: Will(topic='state', payload=b'will', retain=True)
    ) as (session, log):
        log.wait_for(Connected)
        broker.pause()
        farewell = Outgoing(topic='state', payload=b'offline', retain=True, token='bye')
        assert session.stop(0.3, [farewell]) == ['bye']
    broker.resume()
    with running(settings, client_id='watcher', subscriptions=['state']) as (_, seen):
        wait_until(lambda: any(event.payload == b'will' for event in seen.of(Received)))


def test_a_broker_without_retained_messages_gets_a_will_without() -> None:
    with Broker(['allow_anonymous true', 'retain_available false']) as broker:
        settings = config(broker)
        with running(settings, client_id='watcher', subscriptions=['state']) as (_, seen):
            seen.wait_for(Connected)
            with running(settings, will_for=lambda _: Will(topic='state', payload=b'will')) as (
                session,
                log,
            ):
                assert not log.wait_for(Connected).limits.retain_available
                assert log.of(Refused) == []
                broker.pause()
                assert session.stop(0.3, [message(1)]) == [1]
                broker.resume()
            assert seen.wait_for(Received).payload == b'will'


def test_stop_before_any_connection_returns_what_is_left(broker: Broker) -> None:
    broker.stop()
    with running(config(broker)) as (session, log):
        log.wait_for(Unreachable)
        session.publish(message(1))
        assert session.stop(5.0) == [1]


def test_a_killed_process_leaves_its_will(broker: Broker) -> None:
    script = textwrap.dedent(
        """
        import sys, threading
        from ros_cloud_bridge.mqtt.events import Connected, Will
        from ros_cloud_bridge.mqtt.session import Session
        from ros_cloud_bridge.values import MqttConfig
        def told(event):
            if isinstance(event, Connected):
                print('connected', flush=True)
        Session(
            MqttConfig(host='127.0.0.1', port=int(sys.argv[1])), client_id='doomed',
            will_for=lambda number: Will(topic='state', payload=b'will %d' % number),
            on_event=told,
        ).start()
        threading.Event().wait()
        """
    )
    with running(config(broker), client_id='watcher', subscriptions=['state']) as (_, seen):
        seen.wait_for(Connected)
        with subprocess.Popen(
            [sys.executable, '-c', script, str(broker.port)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b'connected\n'
            process.kill()
        assert seen.wait_for(Received).payload == b'will 1'


@pytest.mark.parametrize('topic', ['', 'a/#', 'a/+/b', 'a\0b'])
def test_impossible_topics_are_refused(broker: Broker, topic: str) -> None:
    with running(config(broker)) as (session, _), pytest.raises(ValueError, match='publish'):
        session.publish(Outgoing(topic=topic, payload=b''))


def test_fresh_only_leaves_out_what_is_retained_and_tells_what_is_published_to_be(
    broker: Broker,
) -> None:
    settings = config(broker, protocol='5')
    with running(settings, client_id='speaker') as (speaker, spoken):
        speaker.publish(Outgoing(topic='a/old', payload=b'old', retain=True))
        spoken.wait_for(Acknowledged)
        named = {'subscriptions': ('a/#',), 'fresh_only': True, 'quick_ack': True}
        with running(settings, client_id='listener', **named) as (_, heard):

            def subscribed() -> bool:
                speaker.publish(Outgoing(topic='a/probe', payload=b'probe', qos=0))
                return bool(heard.of(Received))

            spoken.wait_for(Connected)
            heard.wait_for(Connected)
            wait_until(subscribed)
            speaker.publish(Outgoing(topic='a/kept', payload=b'kept', retain=True))
            speaker.publish(Outgoing(topic='a/new', payload=b'new'))

            def told() -> list[tuple[bytes, bool]]:
                came = heard.of(Received)
                return [(one.payload, one.retain) for one in came if one.payload != b'probe']

            wait_until(lambda: len(told()) >= 2)
    # Published to be kept, and so said of it though it is new; what had been kept did not come.
    assert told() == [(b'kept', True), (b'new', False)]
