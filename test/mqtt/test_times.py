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

"""When a message was sent and when its answer was read, as the pacer needs it."""

from collections.abc import Iterator
import socket
import time

import pytest

from ros_cloud_bridge.mqtt.events import Acknowledged, Connected, Disconnected, Outgoing
from ros_cloud_bridge.values import MqttConfig
from support.broker import Broker
from support.fake_broker import answering, connack, CONNECT, FakeBroker, Peer, PUBLISH
from support.sessions import running
from support.waiting import wait_until


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Start a broker with default settings."""
    with Broker() as started:
        yield started


def acknowledging(peer: Peer, kind: int, flags: int, body: bytes) -> None:
    """Accept the connection, and acknowledge each PUBLISH of QoS 1."""
    if kind == CONNECT:
        peer.send(connack())
    elif kind == PUBLISH:
        at = 2 + int.from_bytes(body[:2], 'big')
        peer.send(b'\x40\x02' + body[at : at + 2])


@pytest.mark.parametrize('protocol', ['5', '3.1.1'])
@pytest.mark.parametrize('qos', [0, 1])
def test_times_stand_in_the_order_of_what_happened(
    broker: Broker, protocol: str, qos: int
) -> None:
    settings = MqttConfig(host=broker.host, port=broker.port, protocol=protocol)
    with running(settings) as (session, log):
        log.wait_for(Connected)
        for number in range(1, 6):
            before = time.monotonic()
            session.publish(Outgoing(topic='t', payload=b'x', qos=qos))
            answer = log.wait_for(Acknowledged, number)
            assert answer.sent_at is not None and not answer.resent
            assert before <= answer.sent_at <= answer.answered_at <= time.monotonic()


def test_a_pause_of_the_broker_lies_between_the_two(broker: Broker) -> None:
    with running(MqttConfig(host=broker.host, port=broker.port)) as (session, log):
        log.wait_for(Connected)
        broker.pause()
        session.publish(Outgoing(topic='t', payload=bytes(5000)))
        # In the kernel's hands once nothing waits for the session any more.
        wait_until(lambda: (info := session.tcp_info()) and (info.bytes_acknowledged or 0) > 5000)
        resumed = time.monotonic()
        broker.resume()
        answer = log.wait_for(Acknowledged)
        assert answer.sent_at is not None
        assert answer.sent_at < resumed < answer.answered_at


def test_a_resend_is_marked_and_has_the_time_of_its_own_connection() -> None:
    with FakeBroker([answering(connack()), acknowledging]) as fake:
        with running(MqttConfig(host='127.0.0.1', port=fake.port)) as (session, log):
            log.wait_for(Connected)
            session.publish(Outgoing(topic='t', payload=b'x', token='again'))
            wait_until(lambda: fake.peers[0].of(PUBLISH))
            cut = time.monotonic()
            fake.peers[0].sock.shutdown(socket.SHUT_RDWR)
            again = log.wait_for(Acknowledged)
            assert (again.token, again.resent) == ('again', True)
            assert again.sent_at is not None and cut < again.sent_at <= again.answered_at
            session.publish(Outgoing(topic='t', payload=b'x', token='new'))
            new = log.wait_for(Acknowledged, 2)
            assert (new.token, new.resent) == ('new', False)


def test_what_waited_out_a_lost_connection_unsent_is_no_resend(broker: Broker) -> None:
    broker.stop()
    with running(MqttConfig(host=broker.host, port=broker.port)) as (session, log):
        session.publish(Outgoing(topic='t', payload=b'x'))
        restarted = time.monotonic()
        broker.restart()
        answer = log.wait_for(Acknowledged)
        assert not answer.resent
        assert answer.sent_at is not None and restarted < answer.sent_at


def test_a_broker_that_never_acknowledges_is_left_and_asked_again() -> None:
    with FakeBroker([answering(connack()), acknowledging]) as fake:
        with running(MqttConfig(host='127.0.0.1', port=fake.port)) as (session, log):
            log.wait_for(Connected)
            session.publish(Outgoing(topic='t', payload=b'x', token='patient'))
            wait_until(lambda: fake.peers[0].of(PUBLISH))
            session.cut('no acknowledgement')
            assert log.wait_for(Disconnected).reason == 'no acknowledgement'
            assert log.wait_for(Acknowledged).token == 'patient'
            assert len(fake.peers) == 2 and len(fake.peers[1].of(PUBLISH)) == 1


def test_what_was_held_back_by_a_full_window_counts_from_its_own_sending() -> None:
    receive_maximum_1 = b'\x21\x00\x01'
    with FakeBroker([answering(connack()), answering(connack(0, receive_maximum_1))]) as fake:
        with running(MqttConfig(host='127.0.0.1', port=fake.port)) as (session, log):
            log.wait_for(Connected)
            for number in range(2):
                session.publish(Outgoing(topic='t', payload=b'x', token=number))
            wait_until(lambda: len(fake.peers[0].of(PUBLISH)) == 2)
            fake.peers[0].sock.shutdown(socket.SHUT_RDWR)
            wait_until(lambda: len(fake.peers) == 2 and fake.peers[1].of(PUBLISH))
            for number in range(2):
                wait_until(lambda: len(fake.peers[1].of(PUBLISH)) > len(log.of(Acknowledged)))
                body = fake.peers[1].of(PUBLISH)[number]
                fake.peers[1].send(b'\x40\x02' + body[3:5])
                log.wait_for(Acknowledged, number + 1)
            first, second = log.of(Acknowledged)
            assert first.resent and second.resent
            assert second.sent_at is not None and second.sent_at >= first.answered_at
