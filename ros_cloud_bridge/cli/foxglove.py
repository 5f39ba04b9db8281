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

"""``ros-cloud-bridge foxglove``: robots' streams live in Foxglove and Lichtblick."""

import argparse
from collections.abc import Callable
from importlib.util import find_spec
import ipaddress
from pathlib import Path
import ssl
from typing import Any

from ros_cloud_bridge.cli.consuming import (
    add_selection_arguments,
    LinkReporter,
    log_to_stderr,
    report_losses,
    say,
    state_text,
    stop_on_signals,
    topic_filter,
    wait,
)
from ros_cloud_bridge.cli.mqtt_options import add_mqtt_arguments, mqtt_config
from ros_cloud_bridge.cli.operating import operator_key, pinned_keys
from ros_cloud_bridge.cloud.checks import check_name
from ros_cloud_bridge.cloud.consumer import Consumer, is_glob
from ros_cloud_bridge.cloud.operator.operator import Operator
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.errors import ConfigError, LocalFault
from ros_cloud_bridge.values import MqttConfig

_PORT = 8765


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    add_selection_arguments(parser)
    parser.add_argument(
        '--listen',
        type=_place,
        default=('127.0.0.1', _PORT),
        metavar='[HOST:]PORT',
        help=f'where Foxglove connects to (127.0.0.1:{_PORT})',
    )
    parser.add_argument(
        '--listen-cert', type=Path, metavar='FILE', help='certificate (PEM), for wss://'
    )
    parser.add_argument('--listen-key', type=Path, metavar='FILE', help='its key (PEM)')
    parser.add_argument(
        '--allow-origin',
        action='append',
        default=[],
        metavar='ORIGIN',
        help='let pages of this origin connect, as in https://viewer.example.com; those of this '
        "machine, of Foxglove's app and of desktop apps may anyhow",
    )
    parser.add_argument(
        '--prefix',
        action=argparse.BooleanOptionalAction,
        help='write /{robot} before each topic, or do not; by default it is left out only when '
        '--robot is one exact robot id',
    )
    parser.add_argument(
        '--historical', action='store_true', help='show what comes late out of a spool, too'
    )
    parser.add_argument(
        '--name',
        default='',
        help="this consumer's name: what demand.allow of a robot must hold for streams on demand",
    )
    group = parser.add_argument_group('commands')
    group.add_argument(
        '--operator',
        default='',
        metavar='NAME',
        help='sign as this operator what is done in Foxglove; without it, it only shows',
    )
    group.add_argument(
        '--key',
        type=Path,
        metavar='FILE',
        help="the operator's private key (~/.config/ros_cloud_bridge/keys/NAME.key)",
    )
    group.add_argument(
        '--robots',
        type=Path,
        metavar='DIR',
        help="the robots' public keys, {robot}.pub (~/.config/ros_cloud_bridge/keys/robots)",
    )
    group.add_argument(
        '--anyone-may-command',
        action='store_true',
        help='allow --operator with a --listen that other machines reach: whoever does commands '
        'in its name',
    )
    add_mqtt_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """
    Serve until SIGINT, SIGTERM, enough samples, or the end of the time.

    :param args: the parsed arguments
    :returns: exit status; 1 when the broker was never connected
    :raises ConfigError: when an argument cannot be used
    :raises LocalFault: when nothing can listen there
    """
    if find_spec('foxglove') is None:
        raise LocalFault("foxglove-sdk is missing: pip install 'ros_cloud_bridge[foxglove]'")
    from ros_cloud_bridge.cloud.foxglove.server import FoxgloveServer

    config = mqtt_config(args)
    wanted = topic_filter(args)
    link = LinkReporter(config)
    operator = _operator(args, config)
    listening = _listening(args)
    log_to_stderr()
    with stop_on_signals() as stop:

        def consumer(
            on_sample: Callable[[Sample], None],
            on_document: Callable[[str, str, dict[str, Any]], None],
        ) -> Consumer:
            return Consumer(
                config,
                on_sample,
                robots=args.robot,
                root=args.root,
                name=args.name,
                on_state=lambda state: say(state_text(state)),
                on_document=on_document,
                on_link=link,
            )

        server = FoxgloveServer(
            consumer,
            listening,
            prefix=is_glob(args.robot) if args.prefix is None else args.prefix,
            wanted=wanted,
            operator=operator,
            historical=args.historical,
        )
        scheme = 'ws' if listening.tls is None else 'wss'
        host = f'[{listening.host}]' if ':' in listening.host else listening.host
        say(f'open a Foxglove WebSocket connection to {scheme}://{host}:{server.port}')
        server.start()

        def look() -> None:
            if args.count is not None and server.samples >= args.count:
                stop.set()

        wait(stop, args.seconds, look)
        server.stop()
    report_losses(server.consumer, wanted)
    say(f'{server.samples} samples served')
    return link.exit_status()


def _operator(args: argparse.Namespace, config: MqttConfig) -> Operator | None:
    if not args.operator:
        for option, given in (('--key', args.key), ('--robots', args.robots)):
            if given is not None:
                raise ConfigError(option, 'needs --operator')
        return None
    check_name(args.operator)
    if not _is_local(args.listen[0]) and not args.anyone_may_command:
        raise ConfigError(
            '--operator',
            f'with --listen {args.listen[0]} whoever reaches that port would command the robots '
            'in its name: listen on 127.0.0.1, or say --anyone-may-command',
        )
    return Operator(
        config,
        name=args.operator,
        key=operator_key(args.operator, args.key),
        robots=pinned_keys(args.robots),
        root=args.root,
    )


def _listening(args: argparse.Namespace) -> Any:
    from ros_cloud_bridge.cloud.foxglove.door import is_origin, USUAL_ORIGINS
    from ros_cloud_bridge.cloud.foxglove.server import Listening

    for origin in args.allow_origin:
        if not is_origin(origin.lower()):
            raise ConfigError(
                '--allow-origin', f"is as in https://viewer.example.com, not '{origin}'"
            )
    if (args.listen_cert is None) != (args.listen_key is None):
        raise ConfigError('--listen-cert', 'and --listen-key go together')
    tls = None
    if args.listen_cert is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            tls.load_cert_chain(args.listen_cert, args.listen_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError('--listen-cert', f'or --listen-key: {error}') from None
    host, port = args.listen
    return Listening(host=host, port=port, tls=tls, origins=(*USUAL_ORIGINS, *args.allow_origin))


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(':')
    if not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"must be as in 127.0.0.1:{_PORT}, not '{text}'")
    return host.strip('[]') or '127.0.0.1', int(port)
