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

"""``ros-cloud-bridge dashboard``: robots' samples as flat JSON, for tools that know no ROS."""

import argparse
from collections.abc import Callable
from dataclasses import replace
import math
import time

from ros_cloud_bridge.cli.consuming import (
    add_selection_arguments,
    LinkReporter,
    log_to_stderr,
    say,
    state_text,
    stop_on_signals,
    topic_filter,
    wait,
)
from ros_cloud_bridge.cli.leasing import add_lease_arguments, Leasing
from ros_cloud_bridge.cli.mqtt_options import add_mqtt_arguments, mqtt_config
from ros_cloud_bridge.cloud.consumer import Consumer, is_glob, printable
from ros_cloud_bridge.cloud.dashboard import Target, target_settings
from ros_cloud_bridge.cloud.dashboard_feed import DashboardFeed
from ros_cloud_bridge.cloud.documents import dashboard_streams
from ros_cloud_bridge.cloud.presence import RobotState
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.core.config_fields import MAX_DASHBOARD_ROOT_LEVELS, root_problem
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.values import MqttConfig, TlsConfig

_DEFAULT_HZ = 1.0
_MAX_HZ = 100.0
# By then what is to be shown has mostly come once.
_LOOK_S = 20.0
# Brokers that close on a subscription that the account may not make.
_CLOSE_ON_REFUSED = ('aws_iot', 'azure_event_grid')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    add_selection_arguments(parser)
    group = parser.add_argument_group('dashboards')
    group.add_argument(
        '--fields',
        action='append',
        nargs='+',
        default=[],
        metavar='PATTERN',
        help="show these alone: keys as in 'yaw_deg', or paths of fields as in 'twist.twist.*'",
    )
    group.add_argument(
        '--form',
        choices=('flat', 'thingsboard', 'thingsboard-gateway'),
        default='flat',
        help='how the JSON is built (%(default)s)',
    )
    group.add_argument(
        '--max-hz',
        type=_hz,
        default=_DEFAULT_HZ,
        metavar='HZ',
        help='most messages per second and MQTT topic (%(default)s)',
    )
    group.add_argument(
        '--prefix',
        default='',
        metavar='TOPIC',
        help="first levels of the dashboards' MQTT topics (what --root says)",
    )
    group.add_argument(
        '--jpeg-width',
        type=_width,
        metavar='PIXELS',
        help='widest picture (640; JPEGs stay as they are unless this is given)',
    )
    group.add_argument('--no-jpeg', action='store_true', help='no pictures')
    add_lease_arguments(parser)
    add_mqtt_arguments(parser)
    other = parser.add_argument_group('another broker for the dashboards')
    other.add_argument('--to-host', default='', metavar='HOST', help='its name or address')
    other.add_argument('--to-port', type=_port, default=0, metavar='PORT')
    other.add_argument('--to-username', default='', metavar='NAME')
    other.add_argument('--to-password-file', default='', metavar='FILE')
    other.add_argument('--to-password-env', default='', metavar='VARIABLE')
    other.add_argument('--to-tls', action='store_true', help='use TLS')
    other.add_argument('--to-ca-file', default='', metavar='FILE', help='use TLS, with these')


def run(args: argparse.Namespace) -> int:
    """
    Republish samples until SIGINT, SIGTERM, enough of them, or the end of the time.

    :param args: the parsed arguments
    :returns: exit status; 1 when a broker was never connected
    :raises ConfigError: when an argument cannot be used
    """
    config = mqtt_config(args)
    other = _other_broker(args, config)
    target = _target(args)
    wanted = topic_filter(args)
    link = LinkReporter(config)
    links = [link] if other is None else [link, LinkReporter(other)]
    leasing = Leasing(args)
    log_to_stderr()

    def take(sample: Sample) -> None:
        if wanted(sample.topic):
            feed.sample(sample, retained=consumer.retained)

    def state(state: RobotState) -> None:
        leasing.state(state)
        say(state_text(state))

    consumer = Consumer(
        config,
        take,
        robots=args.robot,
        root=args.root,
        name=args.name,
        on_state=state,
        on_link=link,
    )
    # In another place nothing of the robots' own can be doubled.
    beside = other is not None or target.gateway or target.root != args.root
    feed = DashboardFeed(
        other or config,
        target,
        makes=(lambda robot_id, stream: False) if beside else _made_by_robots(consumer),
        problem=lambda about, reason: say(printable(f'{about}: {reason}')),
        # With one broker the consumer's session tells of it.
        on_link=None if other is None else links[-1],
        watched=_watched(args, other or config, target),
    )
    with stop_on_signals() as stop:
        look_at = time.monotonic() + _LOOK_S

        def each_turn() -> None:
            nonlocal look_at
            leasing.tell()
            if time.monotonic() >= look_at and feed.published:
                look_at = math.inf
                _tell_meaningless(feed)
            if args.count is not None and feed.published >= args.count:
                stop.set()

        leasing.begin(consumer)
        feed.start()
        with consumer:
            wait(stop, args.seconds, each_turn)
        feed.stop()
    if look_at < math.inf:
        _tell_meaningless(feed)
    missed = f', {feed.missed} gave way to newer ones' if feed.missed else ''
    say(f'{feed.published} messages published, {feed.dropped} could not be sent{missed}')
    return max(reporter.exit_status() for reporter in links)


def _target(args: argparse.Namespace) -> Target:
    root = args.prefix or args.root
    problem = root_problem(root)
    if not problem and root.count('/') >= MAX_DASHBOARD_ROOT_LEVELS:
        problem = f'has more than {MAX_DASHBOARD_ROOT_LEVELS} levels, and five follow'
    if problem:
        raise ConfigError('--prefix' if args.prefix else '--root', f"'{root}' {problem}")
    settings, gateway = target_settings(
        args.form,
        tuple(pattern for group in args.fields for pattern in group),
        args.jpeg_width,
        not args.no_jpeg,
    )
    return Target(root=root, period_s=1.0 / args.max_hz, settings=settings, gateway=gateway)


def _tell_meaningless(feed: DashboardFeed) -> None:
    for pattern in feed.meaningless:
        say(printable(f"--fields: no topic so far has '{pattern}'"))


def _watched(args: argparse.Namespace, config: MqttConfig, target: Target) -> str:
    """Say where others may publish the same; nothing where asking may cost the connection."""
    if target.gateway or config.preset in _CLOSE_ON_REFUSED:
        return ''
    return f'{target.root}/{"+" if is_glob(args.robot) else args.robot}/d/+/+'


def _other_broker(args: argparse.Namespace, config: MqttConfig) -> MqttConfig | None:
    if not args.to_host:
        for name in ('port', 'username', 'password_file', 'password_env', 'tls', 'ca_file'):
            if getattr(args, f'to_{name}'):
                raise ConfigError(f'--to-{name.replace("_", "-")}', 'needs --to-host')
        return None
    tls = TlsConfig(ca_file=args.to_ca_file) if args.to_tls or args.to_ca_file else None
    return replace(
        config,
        host=args.to_host,
        port=args.to_port,
        username=args.to_username,
        password_file=args.to_password_file,
        password_env=args.to_password_env,
        tls=tls,
    )


def _made_by_robots(consumer: Consumer) -> Callable[[str, str], bool | None]:
    """Tell from ``info`` which streams robots make dashboards of; read on the feed's thread."""

    def makes(robot_id: str, stream: str) -> bool | None:
        robot = consumer.decoder.robots.get(robot_id)
        info = None if robot is None else robot.documents.get('info')
        return None if info is None else stream in dashboard_streams(info)

    return makes


def _hz(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.001 <= value <= _MAX_HZ:
        raise argparse.ArgumentTypeError(f'must be from 0.001 to {_MAX_HZ:g}, not {text!r}')
    return value


def _width(text: str) -> int:
    if not text.isdecimal() or not 16 <= int(text) <= 8192:
        raise argparse.ArgumentTypeError(f'must be from 16 to 8192, not {text!r}')
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f'must be from 1 to 65535, not {text!r}')
    return int(text)
