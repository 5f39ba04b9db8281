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

"""Logging in: passwords, certificates, ALPN, and what goes wrong with them."""

from collections.abc import Iterable
import logging
from pathlib import Path
import socket
import ssl
import subprocess
import threading
from typing import Any

import pytest

from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.mqtt.events import Acknowledged, Connected, Outgoing, Refused, Unreachable
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.values import MqttConfig, TlsConfig
from support.broker import Broker, find_mosquitto, free_port
from support.certificates import Authority
from support.fake_broker import FakeBroker, silent
from support.sessions import EventLog, running
from support.waiting import wait_until

PASSWORD = 'correct-horse-battery'


def refused_config(**named: object) -> ConfigError:
    """Construct a session that must be refused, and return the error."""
    with pytest.raises(ConfigError) as caught:
        Session(
            MqttConfig(**named),  # type: ignore[arg-type]
            client_id='never',
            on_event=EventLog(),
        )
    return caught.value


@pytest.fixture(scope='module')
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make the authority that the broker and its clients trust."""
    return Authority(tmp_path_factory.mktemp('ca'))


def tls_lines(authority: Authority, *, mutual: bool) -> list[str]:
    """Configure mosquitto for TLS."""
    certificate, key = authority.issue('broker')
    return [
        f'cafile {authority.certificate}',
        f'certfile {certificate}',
        f'keyfile {key}',
        f'require_certificate {"true" if mutual else "false"}',
    ]


@pytest.mark.parametrize('protocol', ['5', '3.1.1'])
def test_login_by_password_and_its_refusal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, protocol: str
) -> None:
    caplog.set_level(logging.DEBUG)
    if find_mosquitto() is None:
        pytest.skip('mosquitto is not installed')
    users = tmp_path / 'users'
    subprocess.run(
        ['mosquitto_passwd', '-b', '-c', str(users), 'amr', PASSWORD],
        check=True,
        capture_output=True,
    )
    secret = tmp_path / 'secret'
    secret.touch(mode=0o600)
    with Broker([f'password_file {users}', 'allow_anonymous false']) as broker:
        settings = MqttConfig(
            host=broker.host,
            port=broker.port,
            protocol=protocol,
            username='amr',
            password_file=str(secret),
        )
        secret.write_text(PASSWORD + '\n')
        with running(settings) as (session, log):
            log.wait_for(Connected)
            assert PASSWORD not in f'{session!r} {session} {vars(session)}'
        secret.write_text('wrong-' + PASSWORD)
        with running(settings) as (session, log):
            refused = log.wait_for(Refused)
            # mosquitto 2.0 answers 0x87 (3.1.1: 5) to a wrong password.
            assert refused.code in (0x86, 0x87) and not session.connected
            assert PASSWORD not in f'{log.events} {vars(session)}'
    assert PASSWORD not in caplog.text


def test_password_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('RCB_TEST_PASSWORD', PASSWORD)
    settings = MqttConfig(username='amr', password_env='RCB_TEST_PASSWORD')
    session = Session(settings, client_id='x', on_event=EventLog())
    assert 'password=***' in repr(session) and PASSWORD not in repr(session)


def test_a_password_file_that_others_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / 'secret'
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    settings = MqttConfig(username='amr', password_file=str(secret))
    Session(settings, client_id='x', on_event=EventLog())
    assert 'mqtt.password_file' in caplog.text and 'chmod 600' in caplog.text
    assert PASSWORD not in caplog.text


def test_faulty_passwords_are_refused_before_connecting(tmp_path: Path) -> None:
    empty, binary = tmp_path / 'empty', tmp_path / 'binary'
    empty.touch()
    binary.write_bytes(b'\xff\xfe')
    missing = str(tmp_path / 'missing')
    found = [
        refused_config(username='a', password_file=missing),
        refused_config(username='a', password_file=str(empty)),
        refused_config(username='a', password_file=str(binary)),
        refused_config(username='a', password_env='RCB_TEST_NOT_SET'),
        refused_config(username='a', password_file=missing, password_env='X'),
    ]
    assert [error.key for error in found] == ['mqtt.password_file'] * 3 + ['mqtt.password_env'] * 2
    assert missing in str(found[0]) and 'No such file' in str(found[0])


def test_faulty_presets_and_protocols_are_refused() -> None:
    assert "did you mean 'mosquitto'" in str(refused_config(preset='mosquito'))
    assert refused_config(protocol='4').key == 'mqtt.protocol'


def test_tls_with_the_right_and_the_wrong_authority(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, 'other')
    with Broker(tls_lines(authority, mutual=False)) as broker:
        for host in ('localhost', '127.0.0.1'):
            tls = TlsConfig(ca_file=str(authority.certificate))
            with running(MqttConfig(host=host, port=broker.port, tls=tls)) as (session, log):
                log.wait_for(Connected)
                session.publish(Outgoing(topic='t', payload=bytes(100_000)))
                assert not log.wait_for(Acknowledged).refused
        tls = TlsConfig(ca_file=str(other.certificate))
        with running(MqttConfig(host='localhost', port=broker.port, tls=tls)) as (_, log):
            assert 'certificate verify failed' in log.wait_for(Unreachable).reason.lower()


def test_mutual_tls_and_a_missing_client_certificate(authority: Authority) -> None:
    certificate, key = authority.issue('amr-07')
    tls = TlsConfig(
        ca_file=str(authority.certificate), cert_file=str(certificate), key_file=str(key)
    )
    with Broker(tls_lines(authority, mutual=True)) as broker:
        settings = MqttConfig(host='localhost', port=broker.port, tls=tls)
        with running(settings, subscriptions=['t']) as (session, log):
            log.wait_for(Connected)
            session.publish(Outgoing(topic='t', payload=b'x'))
            log.wait_for(Acknowledged)
        bare = TlsConfig(ca_file=str(authority.certificate))
        settings = MqttConfig(host='localhost', port=broker.port, tls=bare)
        with running(settings) as (session, log):
            # With TLS 1.3 the alert comes after the handshake, into paho's loop.
            log.wait_for(Unreachable, 2)
            assert not session.connected


def test_an_encrypted_key_opens_with_its_password(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = authority.issue('encrypted', password=PASSWORD)
    files: dict[str, Any] = {'cert_file': str(certificate), 'key_file': str(key)}
    variable = 'RCB_TEST_KEY_PASSWORD'
    # Without a password, OpenSSL must not ask on the terminal.
    assert refused_config(tls=TlsConfig(**files)).key == 'mqtt.tls.key_password_env'
    monkeypatch.setenv(variable, 'wrong')
    error = refused_config(tls=TlsConfig(**files, key_password_env=variable))
    assert error.key == 'mqtt.tls.key_password_env' and 'wrong' not in str(error)
    monkeypatch.setenv(variable, PASSWORD)
    tls = TlsConfig(**files, key_password_env=variable)
    Session(MqttConfig(tls=tls), client_id='x', on_event=EventLog())


def test_faulty_tls_files_are_refused_by_their_key(authority: Authority, tmp_path: Path) -> None:
    certificate, key = (str(path) for path in authority.issue('good'))
    _, other_key = (str(path) for path in authority.issue('stranger'))
    text = tmp_path / 'text'
    text.write_text('not PEM\n')
    missing = str(tmp_path / 'missing')
    cases: dict[str, list[dict[str, Any]]] = {
        'mqtt.tls.ca_file': [{'ca_file': missing}, {'ca_file': str(text)}],
        'mqtt.tls.cert_file': [
            {'cert_file': missing, 'key_file': key},
            {'cert_file': str(text), 'key_file': key},
            {'key_file': key},
        ],
        'mqtt.tls.key_file': [
            {'cert_file': certificate, 'key_file': missing},
            {'cert_file': certificate, 'key_file': str(text)},
            {'cert_file': certificate, 'key_file': other_key},
            {'cert_file': certificate},
        ],
        'mqtt.tls.key_password_env': [
            {'cert_file': certificate, 'key_file': key, 'key_password_env': 'RCB_TEST_NOT_SET'}
        ],
    }
    for expected, files in cases.items():
        for named in files:
            assert refused_config(tls=TlsConfig(**named)).key == expected, named


@pytest.mark.parametrize(
    ('alpn', 'expected'),
    [(('x-amzn-mqtt-ca',), 'x-amzn-mqtt-ca'), (('mqtt',), 'mqtt'), ((), None)],
)
def test_alpn_as_the_server_sees_it(
    authority: Authority, alpn: tuple[str, ...], expected: str | None
) -> None:
    certificate, key = authority.issue('alpn')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(['mqtt', 'x-amzn-mqtt-ca'])
    seen: list[str | None] = []

    def serve() -> None:
        sock, _ = listener.accept()
        with context.wrap_socket(sock, server_side=True) as secured:
            seen.append(secured.selected_alpn_protocol())

    with socket.create_server(('127.0.0.1', 0)) as listener:
        server = threading.Thread(target=serve, daemon=True)
        server.start()
        tls = TlsConfig(ca_file=str(authority.certificate), alpn=alpn)
        port = listener.getsockname()[1]
        with running(MqttConfig(host='localhost', port=port, tls=tls)) as (_, log):
            wait_until(lambda: seen)
            log.wait_for(Unreachable)
    assert seen == [expected]


def test_the_presets_alpn_is_offered_on_port_443_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offered: list[list[str]] = []

    class Context(ssl.SSLContext):
        def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
            offered.append(list(alpn_protocols))

    monkeypatch.setattr(ssl, 'create_default_context', lambda: Context(ssl.PROTOCOL_TLS_CLIENT))
    for port in (8883, 443):
        settings = MqttConfig(preset='aws_iot', port=port, tls=TlsConfig())
        Session(settings, client_id='x', on_event=EventLog())
    assert offered == [['x-amzn-mqtt-ca']]


def test_a_server_that_never_shakes_hands_is_given_up(authority: Authority) -> None:
    with FakeBroker([silent]) as fake:
        settings = MqttConfig(
            host='localhost',
            port=fake.port,
            connect_timeout_s=0.3,
            tls=TlsConfig(ca_file=str(authority.certificate)),
        )
        with running(settings) as (_, log):
            log.wait_for(Unreachable, 2)


@pytest.mark.parametrize('host', ['broker.invalid', 'bad..name', 'x' * 300])
def test_an_unknown_host_is_told_and_tried_again(host: str) -> None:
    with running(MqttConfig(host=host, connect_timeout_s=1.0)) as (_, log):
        assert host[:5] in log.wait_for(Unreachable, 2).reason


def test_nobody_listens() -> None:
    with running(MqttConfig(host='127.0.0.1', port=free_port())) as (_, log):
        assert 'refused' in log.wait_for(Unreachable, 2).reason.lower()
