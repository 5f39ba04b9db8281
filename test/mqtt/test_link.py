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

"""What must be seen on the socket and on the wire."""

import logging
import socket

import pytest

from ros_cloud_bridge.mqtt.events import (
    Acknowledged,
    Connected,
    Disconnected,
    Outgoing,
    Received,
    Refused,
    SubscriptionRefused,
    TakenOver,
)
from ros_cloud_bridge.values import MqttConfig
from support.broker import Broker
from support.fake_broker import answering, connack, FakeBroker, Peer, PINGREQ, PUBLISH
from support.sessions import running
from support.waiting import wait_until

RECEIVE_MAXIMUM_3 = b'\x21\x00\x03'
TOPIC_ALIAS_MAXIMUM_2 = b'\x22\x00\x02'
MAXIMUM_PACKET_SIZE_1000 = b'\x27\x00\x00\x03\xe8'
SERVER_KEEP_ALIVE_1 = b'\x13\x00\x01'


def local(port: int, **named: object) -> MqttConfig:
    """Point a configuration at a port here."""
    return MqttConfig(host='127.0.0.1', port=port, **named)  # type: ignore[arg-type]


def test_receive_maximum_of_the_connack_is_the_window() -> None:
    with Broker(['max_inflight_messages 7']) as broker:
        with running(local(broker.port, preset='emqx')) as (session, log):
            assert log.wait_for(Connected).limits.max_in_flight == 7
            broker.pause()
            while session.room(1):
                session.publish(Outgoing(topic='t', payload=b'x'))
            assert session.in_flight == 7
            broker.resume()
            log.wait_for(Acknowledged, 7)


def test_a_smaller_receive_maximum_holds_for_resends_too() -> None:
    behaviours = [answering(connack()), answering(connack(0, RECEIVE_MAXIMUM_3))]
    with FakeBroker(behaviours) as fake, running(local(fake.port)) as (session, log):
        log.wait_for(Connected)
        for number in range(10):
            session.publish(Outgoing(topic='t', payload=b'%d' % number))
        wait_until(lambda: len(fake.peers[0].of(PUBLISH)) == 10)
        fake.peers[0].sock.shutdown(socket.SHUT_RDWR)
        log.wait_for(Connected, 2)
        assert session.limits.max_in_flight == 3 and not session.room(1)
        wait_until(lambda: len(fake.peers[1].of(PUBLISH)) == 3)
        # The answer to one lets exactly one more out.
        first = fake.peers[1].of(PUBLISH)[0]
        fake.peers[1].send(b'\x40\x02' + first[3:5])
        wait_until(lambda: len(fake.peers[1].of(PUBLISH)) == 4)
        assert [body[-1:] for body in fake.peers[1].of(PUBLISH)] == [b'0', b'1', b'2', b'3']


def test_maximum_packet_size_limits_the_payload_and_refuses_what_is_too_large() -> None:
    with Broker(['max_packet_size 2000']) as broker:
        with running(local(broker.port)) as (session, log):
            limits = log.wait_for(Connected).limits
            assert limits.max_payload_bytes == 2000 - 384
            session.publish(Outgoing(topic='t' * 256, payload=bytes(limits.max_payload_bytes)))
            assert not log.wait_for(Acknowledged).refused
            session.publish(Outgoing(topic='t', payload=bytes(3000), token='large'))
            answer = log.wait_for(Acknowledged, 2)
            assert (answer.token, answer.code, answer.permanent) == ('large', 0x95, True)
            assert answer.sent_at is None
            assert session.connected and session.in_flight == 0


def test_a_kept_message_that_the_next_broker_cannot_take_is_refused() -> None:
    behaviours = [answering(connack()), answering(connack(0, MAXIMUM_PACKET_SIZE_1000))]
    with FakeBroker(behaviours) as fake, running(local(fake.port)) as (session, log):
        log.wait_for(Connected)
        session.publish(Outgoing(topic='t', payload=bytes(5000), token='large'))
        wait_until(lambda: fake.peers[0].of(PUBLISH))
        fake.peers[0].sock.shutdown(socket.SHUT_RDWR)
        answer = log.wait_for(Acknowledged)
        assert (answer.token, answer.code) == ('large', 0x95)
        assert (answer.sent_at, answer.resent) == (None, True)


def test_a_message_that_ends_the_connection_does_not_end_the_next_one() -> None:
    too_large = b'\xe0\x01\x95'
    with FakeBroker([answering(connack())]) as fake, running(local(fake.port)) as (session, log):
        log.wait_for(Connected)
        session.publish(Outgoing(topic='t', payload=b'small', token='small'))
        session.publish(Outgoing(topic='t', payload=bytes(5000), token='large'))
        wait_until(lambda: len(fake.peers[0].of(PUBLISH)) == 2)
        fake.peers[0].send(too_large)
        fake.peers[0].sock.shutdown(socket.SHUT_WR)
        answer = log.wait_for(Acknowledged)
        assert (answer.token, answer.code) == ('large', 0x95)
        wait_until(lambda: len(fake.peers) == 2 and fake.peers[1].of(PUBLISH))
        assert fake.peers[1].of(PUBLISH)[0].endswith(b'small')


def test_topic_aliases_stay_within_the_brokers_maximum() -> None:
    behaviours = [answering(connack(0, TOPIC_ALIAS_MAXIMUM_2))]
    with FakeBroker(behaviours) as fake, running(local(fake.port)) as (session, log):
        log.wait_for(Connected)
        for topic in ('once', 'a', 'a', 'a', 'b', 'b', 'b', 'c', 'c', 'c'):
            session.publish(Outgoing(topic=topic, payload=b''))
        wait_until(lambda: len(fake.peers[0].of(PUBLISH)) == 10)
        expected = [b'once', b'a', b'a', b'', b'b', b'b', b'', b'c', b'c', b'c']
        assert fake.peers[0].topics() == expected
        # Never across connections: the same messages again name each topic once more.
        fake.peers[0].sock.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: len(fake.peers) == 2 and len(fake.peers[1].of(PUBLISH)) == 10)
        assert fake.peers[1].topics() == expected


def test_no_alias_where_the_broker_allows_none() -> None:
    with FakeBroker([answering(connack())]) as fake, running(local(fake.port)) as (session, log):
        log.wait_for(Connected)
        for _ in range(5):
            session.publish(Outgoing(topic='a', payload=b''))
        wait_until(lambda: len(fake.peers[0].of(PUBLISH)) == 5)
        assert fake.peers[0].topics() == [b'a'] * 5


def test_aliases_reach_a_real_broker_unharmed() -> None:
    with Broker() as broker:
        with running(local(broker.port), subscriptions=['#']) as (session, log):
            assert log.wait_for(Connected).limits.topic_aliases == 5
            topics = [f't/{number % 7}' for number in range(20)]
            for topic in topics:
                session.publish(Outgoing(topic=topic, payload=topic.encode()))
            log.wait_for(Received, 20)
            received = log.of(Received)
            assert [event.topic for event in received] == topics
            assert [event.payload.decode() for event in received] == topics


def test_server_keep_alive_is_obeyed() -> None:
    behaviours = [answering(connack(0, SERVER_KEEP_ALIVE_1))]
    with FakeBroker(behaviours) as fake, running(local(fake.port)) as (_, log):
        assert log.wait_for(Connected).limits.keepalive_s == 1
        wait_until(lambda: fake.peers[0].of(PINGREQ))


def test_refused_publications_carry_the_brokers_code() -> None:
    with Broker(['acl_file /dev/null']) as broker:
        with running(local(broker.port)) as (session, log):
            session.publish(Outgoing(topic='forbidden', payload=b'', token='no'))
            answer = log.wait_for(Acknowledged)
            assert (answer.token, answer.code) == ('no', 0x87)
            assert answer.refused and answer.permanent


def test_refused_subscriptions_are_reported() -> None:
    def refuse(peer: Peer, kind: int, flags: int, body: bytes) -> None:
        if kind == 1:
            peer.send(connack())
        elif kind == 8:
            count = body.count(b'/#')
            codes = bytes([1] * (count - 1) + [0x87])
            peer.send(bytes([0x90, 3 + len(codes)]) + body[:2] + b'\0' + codes)

    filters = [f'{number}/#' for number in range(11)]
    with FakeBroker([refuse]) as fake:
        with running(local(fake.port), subscriptions=filters) as (_, log):
            log.wait_for(SubscriptionRefused, 2)
            found = [(event.topic_filter, event.code) for event in log.of(SubscriptionRefused)]
            assert found == [('7/#', 0x87), ('10/#', 0x87)], 'at most 8 filters per packet'


def test_taken_over_waits_a_minute() -> None:
    def take_over(peer: Peer, kind: int, flags: int, body: bytes) -> None:
        peer.send(connack())
        if len(fake.peers) == 2:
            fake.peers[0].send(b'\xe0\x01\x8e')
            fake.peers[0].sock.shutdown(socket.SHUT_RDWR)

    with FakeBroker([take_over]) as fake, running(local(fake.port)) as (first, log):
        log.wait_for(Connected)
        with running(local(fake.port)) as (second, second_log):
            second_log.wait_for(Connected)
            assert log.wait_for(TakenOver).retry_in_s == 60.0
            assert second.connected and not first.connected
            assert len(log.of(Connected)) == 1 and not second_log.of(TakenOver)


def test_a_brokers_refusal_after_connecting_is_told_as_such() -> None:
    quota_exceeded = b'\xe0\x01\x97'
    with FakeBroker([answering(connack(), quota_exceeded)]) as fake:
        with running(local(fake.port)) as (_, log):
            refused = log.wait_for(Refused)
            assert refused.code == 0x97 and 'quota exceeded' in refused.reason


@pytest.mark.parametrize(
    'garbage',
    [
        b'\x00\x00',
        b'\xff\xff\xff\xff\xff\xff',
        b'\x40\x01\x00',
        b'\x40\x05\x00\x01\xff\xff\xff',
        b'\x30\x04\xff\xff\x00\x00',
        b'\x30\x06\x00\x02\xff\xfe\x00\x00',
        b'\x90\x03\x00\x01\xff',
        b'\xe0\x02\x80\xff',
        b'\x20\x03\x00\x00\x00',
    ],
)
def test_garbage_from_the_broker_never_ends_the_session(
    garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)

    def bad(peer: Peer, kind: int, flags: int, body: bytes) -> None:
        if kind == 1:
            peer.send(connack() + garbage)
            peer.sock.shutdown(socket.SHUT_RDWR)

    with FakeBroker([bad, answering(connack())]) as fake:
        with running(local(fake.port)) as (session, log):
            wait_until(lambda: len(fake.peers) == 2 and session.connected)
            kinds = {type(event) for event in log.events}
            assert Connected in kinds and kinds & {Disconnected, Refused}
