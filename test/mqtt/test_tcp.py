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

"""What the kernel's socket is told, and what it tells."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import socket
import sys
import threading
from typing import Any

import pytest

from ros_cloud_bridge.mqtt.credentials import Login
from ros_cloud_bridge.mqtt.events import Connected, Disconnected, Outgoing, Unreachable
from ros_cloud_bridge.mqtt.limits import ServerLimits
from ros_cloud_bridge.mqtt.paho_link import PahoLink
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.mqtt.tcp import (
    NOT_SENT_LOW_WATER_BYTES,
    open_connection,
    parse_info,
    read_info,
    TcpInfo,
)
from ros_cloud_bridge.mqtt.waker import Waker
from ros_cloud_bridge.values import MqttConfig, TlsConfig
from support.broker import Broker, free_port
from support.certificates import Authority
from support.fake_broker import answering, connack, FakeBroker, silent
from support.sessions import running
from support.waiting import wait_until

linux = pytest.mark.skipif(sys.platform != 'linux', reason='options and structs of Linux')
SYSTEM_MSS = 1000


class Handler:
    """Keeps what a link tells."""

    def __init__(self) -> None:
        self.connack: ServerLimits | None = None

    def on_connack(self, code: int, limits: ServerLimits) -> None:
        """Keep the limits."""
        self.connack = limits

    def on_answered(self, packet_id: int, code: int | None, at: float) -> None:
        """Take no notice."""

    def on_suback(self, packet_id: int, codes: list[int]) -> None:
        """Take no notice."""

    def on_message(self, topic: str, payload: bytes, *, retain: bool, qos: int) -> None:
        """Take no notice."""

    def on_closed(self, reason: str, code: int | None) -> None:
        """Take no notice."""


@contextmanager
def linked(port: int, **named: Any) -> Iterator[PahoLink]:
    """Connect a bare link and wait for its CONNACK."""
    waker, handler = Waker(), Handler()
    link = PahoLink(
        handler,
        waker,
        client_id='linked',
        protocol='5',
        login=Login('', None),
        tls=None,
        will=None,
    )
    try:
        link.connect(
            '127.0.0.1', port, keepalive_s=60, timeout_s=5.0, max_receive_bytes=9999, **named
        )
        wait_until(lambda: link.turn(0.1) and handler.connack is not None)
        yield link
    finally:
        link.close()
        waker.close()


def local(port: int, **named: Any) -> MqttConfig:
    """Point a configuration at a port here."""
    return MqttConfig(host='127.0.0.1', port=port, **named)


def info_of(session: Session) -> TcpInfo:
    """Ask a session for what must be there."""
    found = session.tcp_info()
    assert found is not None
    return found


def test_nagle_is_off_on_the_live_socket() -> None:
    with Broker() as broker, linked(broker.port) as link:
        assert link.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@linux
def test_unsent_bytes_stay_out_of_the_live_socket() -> None:
    with Broker() as broker, linked(broker.port) as link:
        found = link.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
        assert found == NOT_SENT_LOW_WATER_BYTES


@linux
def test_segments_are_clamped_where_asked_and_only_there() -> None:
    with Broker() as broker:
        with linked(broker.port) as link:
            assert link.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) > SYSTEM_MSS
        with linked(broker.port, max_segment_bytes=536) as link:
            # 12 bytes of it are the time stamps, where the system has them switched on.
            found = link.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
            info = link.tcp_info()
            assert found in (524, 536)
            assert info is not None and info.max_segment_bytes == found


@linux
def test_each_connection_asks_anew_for_the_largest_segment() -> None:
    answers = [0, 536, 700]
    with FakeBroker([answering(connack())]) as fake:
        with running(
            local(fake.port), max_segment_bytes=lambda: answers.pop(0) if answers else 0
        ) as (session, log):
            log.wait_for(Connected)
            assert info_of(session).max_segment_bytes > SYSTEM_MSS
            for number, limit in enumerate((536, 700), start=2):
                fake.peers[-1].sock.shutdown(socket.SHUT_RDWR)
                log.wait_for(Connected, number)
                assert limit - 12 <= info_of(session).max_segment_bytes <= limit


@linux
@pytest.mark.parametrize('refused', [1, 87, 32768, 10**6])
def test_a_segment_size_that_the_kernel_refuses_is_left_out(refused: int) -> None:
    with Broker() as broker, linked(broker.port, max_segment_bytes=refused) as link:
        info = link.tcp_info()
        assert info is not None and info.max_segment_bytes > SYSTEM_MSS


@linux
def test_information_is_there_while_connected_and_only_then() -> None:
    with Broker() as broker, running(local(broker.port)) as (session, log):
        log.wait_for(Connected)
        first = info_of(session)
        assert 0 < first.rtt_s < 1 and first.min_rtt_s is not None and first.min_rtt_s <= 1
        assert first.congestion_window_segments > 0 and first.max_segment_bytes > 0
        assert first.retransmitted_segments >= 0 and first.not_sent_bytes is not None
        session.publish(Outgoing(topic='t', payload=bytes(50_000)))
        wait_until(lambda: session.in_flight == 0)
        # The broker has answered, so its kernel has acknowledged.
        later = info_of(session)
        assert later.bytes_acknowledged is not None and later.bytes_acknowledged > 50_000
        assert later.delivery_rate_bytes_per_s is not None and later.delivery_rate_bytes_per_s > 0
        broker.stop()
        log.wait_for(Disconnected)
        assert session.tcp_info() is None and session.unsent_bytes == 0
        broker.restart()
        log.wait_for(Connected, 2)
        assert info_of(session).bytes_acknowledged is not None
        session.stop(5.0)
        assert session.tcp_info() is None


@linux
def test_a_socket_without_connack_gives_no_information() -> None:
    with FakeBroker([silent]) as fake, running(local(fake.port)) as (session, _):
        wait_until(lambda: fake.peers and fake.peers[0].packets)
        assert session.tcp_info() is None


@linux
def test_options_and_information_hold_with_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue('broker')
    lines = [f'cafile {authority.certificate}', f'certfile {certificate}', f'keyfile {key}']
    with Broker(lines) as broker:
        tls = TlsConfig(ca_file=str(authority.certificate))
        settings = MqttConfig(host='localhost', port=broker.port, tls=tls)
        with running(settings, max_segment_bytes=lambda: 600) as (session, log):
            log.wait_for(Connected)
            assert info_of(session).max_segment_bytes in (588, 600)
            session.publish(Outgoing(topic='t', payload=bytes(5000)))
            wait_until(lambda: session.in_flight == 0)
            assert (info_of(session).bytes_acknowledged or 0) > 5000


@linux
def test_what_a_stalled_link_does_not_take_stays_out_of_the_kernel() -> None:
    with Broker() as broker, running(local(broker.port)) as (session, log):
        log.wait_for(Connected)
        broker.pause()
        payload = bytes(session.limits.max_payload_bytes)
        # The receiver's buffers come first, which are some megabytes here.
        for _ in range(2000):
            if session.unsent_bytes:
                break
            # Each is written or held before the next, so that none is refused for want of room.
            wait_until(lambda: session.unsent_bytes or session.in_flight == 0)
            if session.room(len(payload), qos=0):
                session.publish(Outgoing(topic='t', payload=payload, qos=0))
        assert 0 < session.unsent_bytes <= session.in_flight_bytes + 1000
        not_sent = info_of(session).not_sent_bytes
        assert not_sent is not None and 0 < not_sent <= NOT_SENT_LOW_WATER_BYTES + 64 * 1024
        broker.resume()
        wait_until(lambda: session.in_flight == 0 and session.unsent_bytes == 0)
        assert session.connected


def test_asking_from_other_threads_never_fails_while_connections_end() -> None:
    failures: list[Exception] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.0001):
            try:
                session.tcp_info()
                assert session.unsent_bytes >= 0
            except Exception as error:
                failures.append(error)

    with FakeBroker([answering(connack())]) as fake, running(local(fake.port)) as (session, log):
        log.wait_for(Connected)
        askers = [threading.Thread(target=ask) for _ in range(2)]
        for asker in askers:
            asker.start()
        for number in range(1, 4):
            fake.peers[-1].sock.shutdown(socket.SHUT_RDWR)
            log.wait_for(Disconnected, number)
            log.wait_for(Connected, number + 1)
        over.set()
        for asker in askers:
            asker.join()
    assert failures == []


@linux
def test_older_kernels_tell_less() -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        with open_connection(*server.getsockname(), timeout_s=5.0) as sock:
            whole = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)
    assert parse_info(whole) is not None
    assert [parse_info(whole[:size]) for size in range(104)] == [None] * 104
    known = {
        size: [
            found.bytes_acknowledged is not None,
            found.not_sent_bytes is not None,
            found.min_rtt_s is not None,
            found.delivery_rate_bytes_per_s is not None,
        ]
        for size in range(104, len(whole) + 1)
        if (found := parse_info(whole[:size])) is not None
    }
    assert known[104] == known[127] == [False] * 4
    assert known[128] == known[147] == [True, False, False, False]
    assert known[148] == [True, True, False, False]
    assert known[152] == known[167] == [True, True, True, False]
    assert known[168] == known[len(whole)] == [True] * 4


def test_a_closed_socket_tells_nothing() -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        sock = open_connection(*server.getsockname(), timeout_s=5.0)
    sock.close()
    assert read_info(sock) is None


def test_a_session_connects_over_ipv6() -> None:
    try:
        socket.create_server(('::1', 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip('this machine has no IPv6')
    port = free_port()
    with Broker([f'listener {port} ::1']):
        with running(MqttConfig(host='::1', port=port)) as (session, log):
            log.wait_for(Connected)
            session.publish(Outgoing(topic='t', payload=b'x'))
            wait_until(lambda: session.in_flight == 0)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Let a name have one address for each port, as no name server at hand does."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, '', ('127.0.0.1', port))
        for port in ports
    ]
    monkeypatch.setattr(socket, 'getaddrinfo', lambda *arguments, **named: found)


def test_the_next_address_is_tried_when_one_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Broker() as broker:
        resolve_to(monkeypatch, free_port(), broker.port)
        with running(MqttConfig(host='broker.test', port=1883)) as (_, log):
            log.wait_for(Connected)
            assert log.of(Unreachable) == []


def test_the_last_address_says_why_none_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, free_port(), free_port())
    with running(MqttConfig(host='broker.test', port=1883)) as (session, log):
        assert 'refused' in log.wait_for(Unreachable).reason
        assert session.tcp_info() is None
