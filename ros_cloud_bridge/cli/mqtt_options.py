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

"""Arguments that say how to reach the broker, for every subcommand that consumes."""

import argparse

from ros_cloud_bridge.mqtt.presets import PRESETS
from ros_cloud_bridge.values import MqttConfig, TlsConfig
from ros_cloud_bridge.wire.topics import DEFAULT_ROOT


def add_mqtt_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the broker's arguments.

    :param parser: a subcommand's parser
    """
    group = parser.add_argument_group('broker')
    group.add_argument('--host', default='localhost', help='name or address (%(default)s)')
    group.add_argument('--port', type=_port, default=0, help='TCP port (1883, or 8883 with TLS)')
    group.add_argument('--username', default='', metavar='NAME')
    group.add_argument(
        '--password-file', default='', metavar='FILE', help='file that holds the password'
    )
    group.add_argument(
        '--password-env',
        default='',
        metavar='VARIABLE',
        help='environment variable that holds the password',
    )
    group.add_argument(
        '--tls', action='store_true', help="use TLS, with the system's certificate authorities"
    )
    group.add_argument(
        '--ca-file', default='', metavar='FILE', help='use TLS, with these authorities (PEM)'
    )
    group.add_argument(
        '--cert-file', default='', metavar='FILE', help='own certificate for TLS (PEM)'
    )
    group.add_argument('--key-file', default='', metavar='FILE', help='its private key (PEM)')
    group.add_argument(
        '--alpn',
        action='append',
        default=[],
        metavar='PROTOCOL',
        help='offer it in TLS; repeatable',
    )
    group.add_argument(
        '--root',
        default=DEFAULT_ROOT,
        metavar='TOPIC',
        help="the fleet's topic root (%(default)s)",
    )
    group.add_argument(
        '--protocol', choices=('auto', '5', '3.1.1'), default='auto', help='MQTT version'
    )
    group.add_argument(
        '--preset',
        choices=tuple(PRESETS),
        default='mosquitto',
        help='kind of broker (%(default)s)',
    )


def mqtt_config(args: argparse.Namespace) -> MqttConfig:
    """
    Make the configuration that the arguments describe.

    :param args: parsed arguments, with those of :func:`add_mqtt_arguments`
    :returns: configuration with TLS if any of its arguments was given
    """
    tls = None
    if args.tls or args.ca_file or args.cert_file or args.key_file or args.alpn:
        tls = TlsConfig(
            ca_file=args.ca_file,
            cert_file=args.cert_file,
            key_file=args.key_file,
            alpn=tuple(args.alpn),
        )
    return MqttConfig(
        host=args.host,
        port=args.port,
        preset=args.preset,
        protocol=args.protocol,
        username=args.username,
        password_file=args.password_file,
        password_env=args.password_env,
        tls=tls,
    )


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f'must be from 1 to 65535, not {text}')
    return port
