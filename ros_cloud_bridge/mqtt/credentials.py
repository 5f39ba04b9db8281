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

"""Passwords, keys and certificates: read once, checked before any connection, never printed."""

import logging
import os
from pathlib import Path
import ssl

from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.mqtt.presets import Preset
from ros_cloud_bridge.values import MqttConfig, TlsConfig

_log = logging.getLogger(__name__)


class Login:
    """
    User name and password; ``repr`` shows neither a password nor its length.

    :param username: empty for none
    :param password: None for none
    """

    __slots__ = ('password', 'username')

    def __init__(self, username: str, password: str | None) -> None:
        self.username = username
        self.password = password

    def __repr__(self) -> str:
        secret = 'none' if self.password is None else '***'
        return f'Login(username={self.username!r}, password={secret})'


def read_login(config: MqttConfig) -> Login:
    """
    Read the user name and the password, from its file or environment variable.

    :param config: names both; the password itself never stands in a configuration
    :returns: what to log in with
    :raises ConfigError: when the password cannot be had, or has no user name
    """
    if config.password_file and config.password_env:
        raise ConfigError('mqtt.password_env', 'give it or mqtt.password_file, not both')
    password: str | None = None
    if config.password_file:
        password = _read_password(Path(config.password_file))
    elif config.password_env:
        password = _from_environment('mqtt.password_env', config.password_env)
    if password is not None and not config.username:
        raise ConfigError('mqtt.username', 'a password is given but no user name')
    return Login(config.username, password)


def tls_context(config: MqttConfig, preset: Preset) -> ssl.SSLContext | None:
    """
    Build the TLS context, so that a missing or broken file shows before any connection.

    :param config: names the files
    :param preset: knows which ALPN its broker wants on port 443
    :returns: None without TLS
    :raises ConfigError: names the key whose file is at fault
    """
    tls = config.tls
    if tls is None:
        return None
    context = _trusting(tls)
    _load_own_certificate(context, tls)
    # TLS 1.2 is the least that the cloud brokers take.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = tls.verify_hostname
    alpn = tls.alpn or (preset.alpn if config.effective_port == 443 else ())
    if alpn:
        context.set_alpn_protocols(list(alpn))
    context.sslsocket_class = _bounded_handshake(config.connect_timeout_s)
    return context


def _bounded_handshake(timeout_s: float) -> type[ssl.SSLSocket]:
    class BoundedSocket(ssl.SSLSocket):
        # paho 1.6 lets a handshake take a whole keepalive.
        def do_handshake(self, block: bool = False) -> None:
            self.settimeout(timeout_s)
            super().do_handshake(block)

    return BoundedSocket


def _trusting(tls: TlsConfig) -> ssl.SSLContext:
    if not tls.ca_file:
        return ssl.create_default_context()
    _check_readable('mqtt.tls.ca_file', tls.ca_file)
    try:
        return ssl.create_default_context(cafile=tls.ca_file)
    except ssl.SSLError as error:
        raise ConfigError(
            'mqtt.tls.ca_file', f"'{tls.ca_file}' holds no PEM certificate ({error.reason})"
        ) from error


def _load_own_certificate(context: ssl.SSLContext, tls: TlsConfig) -> None:
    if not tls.cert_file:
        if tls.key_file:
            raise ConfigError('mqtt.tls.cert_file', 'a key_file is given but no certificate')
        return
    _check_readable('mqtt.tls.cert_file', tls.cert_file)
    if tls.key_file:
        _check_readable('mqtt.tls.key_file', tls.key_file)
        _warn_if_open('mqtt.tls.key_file', Path(tls.key_file))
    secret = ''
    if tls.key_password_env:
        secret = _from_environment('mqtt.tls.key_password_env', tls.key_password_env)
    asked: list[bool] = []

    def password() -> str:
        # Without a function, OpenSSL would ask on the terminal.
        asked.append(True)
        return secret

    try:
        context.load_cert_chain(tls.cert_file, tls.key_file or None, password)
    except (ssl.SSLError, ValueError) as error:
        raise _chain_error(tls, error, asked=bool(asked)) from error


def _chain_error(tls: TlsConfig, error: Exception, *, asked: bool) -> ConfigError:
    reason = getattr(error, 'reason', None) or type(error).__name__
    if asked:
        problem = 'does not open the key' if tls.key_password_env else 'the key needs a password'
        return ConfigError('mqtt.tls.key_password_env', f'{problem} ({reason})')
    if reason == 'KEY_VALUES_MISMATCH':
        return ConfigError('mqtt.tls.key_file', 'the key does not belong to the certificate')
    if 'BEGIN CERTIFICATE' not in Path(tls.cert_file).read_text(errors='replace'):
        return ConfigError('mqtt.tls.cert_file', f"'{tls.cert_file}' holds no PEM certificate")
    path = tls.key_file or tls.cert_file
    return ConfigError('mqtt.tls.key_file', f"'{path}' holds no usable PEM key ({reason})")


def _check_readable(key: str, path: str) -> None:
    try:
        with open(path, 'rb'):
            pass
    except OSError as error:
        raise ConfigError(key, f"cannot read '{path}': {error.strerror}") from error


def _read_password(path: Path) -> str:
    key = 'mqtt.password_file'
    try:
        text = path.read_text(encoding='utf-8')
    except OSError as error:
        raise ConfigError(key, f"cannot read '{path}': {error.strerror}") from error
    except UnicodeDecodeError:
        # Its text would quote a byte of the password.
        raise ConfigError(key, f"'{path}' is not UTF-8 text") from None
    _warn_if_open(key, path)
    password = text.rstrip('\r\n')
    if not password:
        raise ConfigError(key, f"'{path}' is empty")
    return password


def _warn_if_open(key: str, path: Path) -> None:
    if path.stat().st_mode & 0o077:
        _log.warning("%s: others can read '%s'; chmod 600 it", key, path)


def _from_environment(key: str, variable: str) -> str:
    value = os.environ.get(variable, '')
    if not value:
        raise ConfigError(key, f"the environment variable '{variable}' is not set")
    return value
