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

"""``ros-cloud-bridge pub``: publish on a topic of a robot, or of many; with a lease, drive."""

import argparse
from collections import Counter
from collections.abc import Mapping
import threading
import time
from typing import Any

from ros_cloud_bridge.cli.fields import read_fields
from ros_cloud_bridge.cli.operating import add_operator_arguments, seconds, status_of, Work
from ros_cloud_bridge.cloud.operator.drive import Drive, DRIVE_TTL_S
from ros_cloud_bridge.cloud.operator.finding import Found
from ros_cloud_bridge.cloud.operator.outcome import CommandFailed, Outcome
from ros_cloud_bridge.cloud.operator.sent import Sent
from ros_cloud_bridge.command_values import State
from ros_cloud_bridge.errors import BridgeError, ConfigError

_RATE_HZ = 10.0
_SET_S = 0.1
_HEARD_S = 2.0
# Of a rate's messages so many may be without an answer.
_MOST_WAITING = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    parser.add_argument('channel', metavar='CHANNEL', help='of kind topic')
    parser.add_argument(
        'fields',
        metavar='FIELDS',
        nargs='?',
        default='',
        help="of the message: JSON or YAML, @FILE, or '-' for standard input",
    )
    parser.add_argument(
        '--rate', type=seconds, metavar='HZ', help='messages per second; needs --duration (10)'
    )
    parser.add_argument(
        '--duration', type=seconds, metavar='S', help='publish for so long (one message)'
    )
    add_operator_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """
    Publish, and say what the robot made of it.

    :param args: the parsed arguments
    :returns: exit status
    :raises ConfigError: when an argument cannot be used
    """
    fields = read_fields(args.fields)
    if args.rate is not None and args.duration is None:
        raise ConfigError('--rate', 'needs --duration')
    if args.rate is not None and not 0.1 <= args.rate <= 200.0:
        raise ConfigError('--rate', f'{args.rate:g} must be from 0.1 to 200')

    def act(work: Work, robots: dict[str, Found]) -> None:
        leased = [robot for robot, found in robots.items() if args.channel in found.leases]
        others = [robot for robot in robots if robot not in leased]
        threads = [
            threading.Thread(target=_drive, args=(work, robot, fields), daemon=True)
            for robot in leased
        ]
        for thread in threads:
            thread.start()
        if args.duration is None:
            work.wait(work.send(others, lambda robot: _publish(work, robot, fields)))
        else:
            _publish_on(work, others, fields)
        for thread in threads:
            while thread.is_alive():
                thread.join(_SET_S)

    return Work(args).run(act, informed=True)


def _publish(work: Work, robot: str, fields: Mapping[str, Any]) -> Sent:
    return work.operator.publish(robot, work.args.channel, fields, ttl_s=work.ttl_s(robot))


def _publish_on(work: Work, robots: list[str], fields: Mapping[str, Any]) -> None:
    """Publish at a rate; of each robot the worst outcome is said."""
    args = work.args
    period_s = 1.0 / (args.rate or _RATE_HZ)
    runs: dict[str, list[Sent]] = {robot: [] for robot in robots}
    began = time.monotonic()
    number = 0
    while runs and number * period_s < args.duration:
        if work.stop.wait(max(0.0, began + number * period_s - time.monotonic())):
            break
        number += 1
        for robot in list(runs):
            if sum(not one.done for one in runs[robot]) >= _MOST_WAITING:
                continue
            try:
                runs[robot].append(_publish(work, robot, fields))
            except BridgeError as error:
                work.tell_error(robot, error)
                del runs[robot]
    for robot, sent in runs.items():
        outcomes = [one.wait() for one in sent]
        failed = [outcome for outcome in outcomes if not outcome.succeeded]
        worst = max(failed, key=status_of, default=Outcome(state=State.SUCCEEDED))
        detail: dict[str, object] = {
            'sent': len(outcomes),
            'carried_out': len(outcomes) - len(failed),
        }
        refused = Counter(
            one.reason.partition(':')[0] for one in failed if one.state is State.REJECTED
        )
        if refused:
            detail['refused'] = dict(refused)
        outcome = Outcome(state=worst.state, reason=worst.reason, detail=detail)
        work.tell(robot, args.channel, 'publish', outcome)


def _drive(work: Work, robot: str, fields: Mapping[str, Any]) -> None:
    args = work.args
    try:
        ttl_s = work.ttl_s(robot, DRIVE_TTL_S)
        drive = work.operator.drive(robot, args.channel, args.rate or _RATE_HZ, ttl_s=ttl_s)
        failed: Outcome | None = None
        try:
            with drive:
                _go_on(work, drive, fields)
        except CommandFailed as failure:
            failed = failure.outcome
        work.tell(robot, args.channel, 'publish', _outcome_of(drive, failed or drive.failed))
    except BridgeError as error:
        work.tell_error(robot, error)


def _go_on(work: Work, drive: Drive, fields: Mapping[str, Any]) -> None:
    if work.args.duration is None:
        drive.send(fields)
    else:
        deadline = time.monotonic() + work.args.duration
        while (left := deadline - time.monotonic()) > 0:
            drive.set(fields)
            if work.stop.wait(min(_SET_S, left)):
                break
    drive.wait_heard(_HEARD_S)


def _outcome_of(drive: Drive, failed: Outcome | None) -> Outcome:
    """Say how driving went; succeeded only when every message was carried out."""
    detail: dict[str, object] = {'sent': drive.sent, 'carried_out': drive.carried_out}
    if drive.refused:
        detail['refused'] = dict(drive.refused)
    if drive.scale is not None:
        detail['scale'] = drive.scale
    if failed is not None:
        return Outcome(state=failed.state, reason=failed.reason, detail=detail)
    if drive.released is None or drive.released.state is None:
        reason = 'not to the release of the lease; the watchdog of the robot stops it'
        return Outcome(state=None, reason=reason, detail=detail)
    if drive.refused:
        return Outcome(state=State.REJECTED, reason=drive.refusal, detail=detail)
    if not drive.sent:
        return Outcome(state=None, reason='nothing could be sent', detail=detail)
    if missing := max(drive.unanswered, drive.sent - drive.carried_out):
        reason = f'no word on {missing} of {drive.sent} messages'
        return Outcome(state=None, reason=reason, detail=detail)
    return Outcome(state=State.SUCCEEDED, detail=detail, round_trip_s=drive.latency_s)
