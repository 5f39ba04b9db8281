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

"""``--lease``: streams on demand for as long as a subcommand runs."""

import argparse

from ros_cloud_bridge.cli.consuming import say
from ros_cloud_bridge.cloud.consumer import Consumer, is_glob, printable
from ros_cloud_bridge.cloud.leasing import LeaseState
from ros_cloud_bridge.cloud.presence import RobotState
from ros_cloud_bridge.core.demand import parse_wish
from ros_cloud_bridge.errors import ConfigError


def add_lease_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add which streams to lease, and in whose name.

    :param parser: a subcommand's parser
    """
    parser.add_argument(
        '--lease',
        action='append',
        default=[],
        metavar='STREAM[:HZ]',
        help='lease this on_demand stream of each robot while this runs, at a rate or as fast as '
        'the robot allows; repeatable; needs --name',
    )
    parser.add_argument(
        '--name',
        default='',
        help="this consumer's name: what demand.allow of the robot must hold, and confirm_by of "
        'durable streams',
    )


class Leasing:
    """
    Leases what the arguments ask for, and says what the robots make of it.

    :param args: parsed arguments, with those of :func:`add_lease_arguments` and ``--robot``
    :raises ConfigError: for a lease that cannot be
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._wanted = dict(map(_parse, args.lease))
        if self._wanted and not args.name:
            raise ConfigError('--name', "is needed for --lease: the robot's demand.allow names it")
        self._robots: str = args.robot
        self._consumer: Consumer | None = None
        self._told: dict[tuple[str, str], str] = {}

    def begin(self, consumer: Consumer) -> None:
        """
        Lease at the one robot that is named; at others as they come.

        :param consumer: not started yet
        """
        self._consumer = consumer
        if not is_glob(self._robots):
            self._lease(self._robots)

    def state(self, state: RobotState) -> None:
        """
        Lease at a robot that has come.

        :param state: the robot's presence
        """
        if state.online and is_glob(self._robots):
            self._lease(state.robot_id)

    def tell(self) -> None:
        """Say what has become of the leases since the last call."""
        for lease in self._consumer.leases if self._consumer is not None else ():
            place = (lease.robot_id, lease.stream)
            text = _text(lease, before=self._told.get(place, ''))
            if text and text != self._told.get(place):
                self._told[place] = text
                say(printable(f'{lease.robot_id} {lease.stream}: {text}'))

    def _lease(self, robot_id: str) -> None:
        assert self._consumer is not None
        for stream, hz in self._wanted.items():
            self._consumer.lease(robot_id, stream, hz)


def _text(lease: LeaseState, before: str) -> str:
    if lease.granted is None:
        # Until the robot's first word there is nothing to say.
        return 'the lease has lapsed; asking again' if before else ''
    if not lease.granted:
        return f'lease refused: {lease.reason}; keeps asking'
    return f'leased at {lease.hz:g} Hz' if lease.hz else 'leased'


def _parse(text: str) -> tuple[str, float]:
    try:
        return parse_wish(text)
    except ValueError as error:
        raise ConfigError('lease', f'{text!r} {error}') from None
