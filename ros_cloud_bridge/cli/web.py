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

"""``ros-cloud-bridge web``: serves the page on which robots are looked at and driven."""

import argparse
import re
import ssl

from ros_cloud_bridge.cli.consuming import say, stop_on_signals, wait
from ros_cloud_bridge.cloud.checks import check_root
from ros_cloud_bridge.cloud.web.page import Broker, Page
from ros_cloud_bridge.cloud.web.server import PageServer
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.mqtt.credentials import Login, read_login
from ros_cloud_bridge.values import MqttConfig
from ros_cloud_bridge.wire.topics import DEFAULT_ROOT

_WEBSOCKETS_PORT = 9001
_LISTEN = '127.0.0.1:8080'
_HOST = r'[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]'
_LISTENS_ON = re.compile(rf'(?P<host>{_HOST}):(?P<port>[0-9]{{1,5}})')
_WS_URL = re.compile(rf'wss?://({_HOST})(:[0-9]{{1,5}})?(/[A-Za-z0-9._~/%-]*)?')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    parser.description = (
        "Serve the page that shows and drives robots. Browsers connect to the broker's "
        'WebSocket listener themselves, and decode what robots send; this command hands out the '
        'page alone.'
    )
    parser.add_argument(
        '--listen',
        default=_LISTEN,
        metavar='HOST:PORT',
        help='where the page is served (%(default)s)',
    )
    parser.add_argument(
        '--https-cert', default='', metavar='FILE', help='serve HTTPS, with this certificate (PEM)'
    )
    parser.add_argument('--https-key', default='', metavar='FILE', help='its private key (PEM)')
    group = parser.add_argument_group('broker, as browsers reach it')
    group.add_argument(
        '--host', default='', help='name or address (the one by which the page was reached)'
    )
    group.add_argument(
        '--port',
        type=int,
        default=_WEBSOCKETS_PORT,
        help='port of its WebSocket listener (%(default)s)',
    )
    group.add_argument(
        '--ws-url', default='', metavar='URL', help='instead of both, as in wss://broker/mqtt'
    )
    group.add_argument(
        '--root',
        default=DEFAULT_ROOT,
        metavar='TOPIC',
        help="the fleet's topic root (%(default)s)",
    )
    shared = parser.add_argument_group(
        'a login for everybody',
        'Whoever can open the page reads it. Left out, each user types a login of his own.',
    )
    shared.add_argument('--username', default='', metavar='NAME')
    shared.add_argument(
        '--password-file', default='', metavar='FILE', help='file that holds the password'
    )
    shared.add_argument(
        '--password-env',
        default='',
        metavar='VARIABLE',
        help='environment variable that holds the password',
    )


def run(args: argparse.Namespace) -> int:
    """
    Serve until SIGINT or SIGTERM.

    :param args: the parsed arguments
    :returns: 0
    :raises BridgeError: when an argument cannot be used, or nothing can listen there
    """
    check_root(args.root)
    listen = _LISTENS_ON.fullmatch(args.listen)
    if listen is None or int(listen['port']) > 65535:
        raise ConfigError('--listen', f"{args.listen!r} is no HOST:PORT such as '{_LISTEN}'")
    tls = _tls(args)
    broker = Broker(url=_url(args, secure=tls is not None), root=args.root, login=_login(args))
    host = listen['host'].strip('[]')
    with (
        stop_on_signals() as stop,
        PageServer(Page(broker), host=host, port=int(listen['port']), tls=tls) as server,
    ):
        print(f'page: {server.url}', flush=True)
        if tls is None and host not in ('127.0.0.1', 'localhost', '::1'):
            say(
                'browsers make and use keys of operators over HTTPS or on localhost alone: give '
                '--https-cert if robots are to be commanded from elsewhere'
            )
        wait(stop, None)
    return 0


def _url(args: argparse.Namespace, *, secure: bool) -> str:
    if args.ws_url:
        if not _WS_URL.fullmatch(args.ws_url):
            raise ConfigError('--ws-url', f"{args.ws_url!r} is no URL such as 'wss://broker/mqtt'")
        return str(args.ws_url)
    if args.host and not re.fullmatch(_HOST, args.host):
        raise ConfigError('--host', f'{args.host!r} is no name or address')
    if not 1 <= args.port <= 65535:
        raise ConfigError('--port', f'must be from 1 to 65535, not {args.port}')
    # A page that came by HTTPS may not connect in the clear.
    return f'{"wss" if secure else "ws"}://{args.host or "{host}"}:{args.port}/mqtt'


def _login(args: argparse.Namespace) -> Login | None:
    # The rules of names and passwords are those of all other subcommands.
    login = read_login(
        MqttConfig(
            host='',
            username=args.username,
            password_file=args.password_file,
            password_env=args.password_env,
        )
    )
    return login if login.username else None


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    if not args.https_cert:
        if args.https_key:
            raise ConfigError('--https-key', 'is of no use without --https-cert')
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(args.https_cert, args.https_key or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError('--https-cert', f'{args.https_cert}: {error}') from None
    return context
