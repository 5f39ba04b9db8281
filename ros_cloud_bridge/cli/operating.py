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

"""What ``pub``, ``call``, ``goal`` and ``param`` share: the operator, the robots, the outcomes."""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import replace
import fnmatch
import json
import math
import os
from pathlib import Path
import shutil
import sys
import threading
import time
from typing import Any

from ros_cloud_bridge.cli.consuming import log_to_stderr, say, stop_on_signals
from ros_cloud_bridge.cli.mqtt_options import add_mqtt_arguments, mqtt_config
from ros_cloud_bridge.cloud.checks import check_name
from ros_cloud_bridge.cloud.consumer import is_glob, printable
from ros_cloud_bridge.cloud.format import to_json_value
from ros_cloud_bridge.cloud.operator.finding import find_robots, Found
from ros_cloud_bridge.cloud.operator.operator import Operator, TTL_S
from ros_cloud_bridge.cloud.operator.outcome import Outcome
from ros_cloud_bridge.cloud.operator.pinned import PinnedKeys
from ros_cloud_bridge.cloud.operator.sent import Sent
from ros_cloud_bridge.command_values import Answer, State
from ros_cloud_bridge.errors import BridgeError, ConfigError, LocalFault
from ros_cloud_bridge.signing.places import keys_directory, operator_key_path, robots_directory

DONE, REFUSED, WRONG, SILENT, UNKNOWN = 0, 1, 2, 3, 4
_CONNECT_S = 10.0
_POLL_S = 0.1
_SHOWN_CHARACTERS = 4000
_SHOWN_ROBOTS = 5


def add_operator_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add whom to command, and in whose name.

    :param parser: a subcommand's parser
    """
    parser.add_argument(
        '--robot',
        required=True,
        metavar='GLOB',
        help='robot id, or a glob over the ids of robots whose keys are trusted',
    )
    parser.add_argument(
        '--name', required=True, help="the operator's name, as the robots' channels have it"
    )
    parser.add_argument(
        '--key',
        type=Path,
        metavar='FILE',
        help="the operator's private key (~/.config/ros_cloud_bridge/keys/NAME.key)",
    )
    parser.add_argument(
        '--robots',
        type=Path,
        metavar='DIR',
        help="the robots' public keys, {robot}.pub (~/.config/ros_cloud_bridge/keys/robots)",
    )
    parser.add_argument(
        '--unsigned',
        action='store_true',
        help='send without a signature, to robots with trust: transport',
    )
    parser.add_argument(
        '--ttl',
        type=seconds,
        metavar='S',
        help='within this time the robot may begin; later it refuses (5, or the max_ttl_s of the '
        'channel where the robot was heard to say less). For a channel with a lease it is that of '
        'taking the lease and giving it back (2), and a message counts for 1 s at most',
    )
    parser.add_argument(
        '--timeout', type=seconds, metavar='S', help='wait for the end so long at most (no limit)'
    )
    parser.add_argument(
        '--discover-s',
        type=seconds,
        default=2.0,
        metavar='S',
        help='how long to listen for robots (%(default)s)',
    )
    parser.add_argument('--json', action='store_true', help='one JSON object per line')
    add_mqtt_arguments(parser)


def operator_key(name: str, given: Path | None) -> Path:
    """
    Find an operator's private key.

    :param name: the operator's
    :param given: the user's own choice of a file
    :returns: the file
    :raises ConfigError: when it is not there
    """
    path = given or operator_key_path(keys_directory(), name)
    if not os.path.lexists(path):
        raise ConfigError(
            '--key', f"{path} is not there; make it with 'ros-cloud-bridge keys new {name}'"
        )
    return path


def pinned_keys(given: Path | None) -> Path:
    """
    Find where the keys of trusted robots are.

    :param given: the user's own choice of a directory
    :returns: the directory
    """
    return given or robots_directory(keys_directory())


class Work:
    """
    One command to one robot or to many, with what is said of it and the exit status.

    :param args: parsed arguments, with those of :func:`add_operator_arguments`
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.operator: Operator
        self.stop: threading.Event
        self.status = DONE
        self._robots: dict[str, Found] = {}
        self._shown = False
        self._print = threading.Lock()

    def run(
        self, act: Callable[['Work', dict[str, Found]], None], *, informed: bool = False
    ) -> int:
        """
        Find the robots, connect, and do something with them.

        :param act: gets this and the robots
        :param informed: whether to ask robots for their channels first
        :returns: exit status
        :raises ConfigError: when an argument cannot be used
        """
        args = self.args
        check_name(args.name)
        self.operator = Operator(
            mqtt_config(args),
            name=args.name,
            key=self._key(),
            robots=self._pinned(),
            root=args.root,
        )
        log_to_stderr()
        try:
            robots = self._robots = self._find(informed)
            if not robots:
                return self.status
            with stop_on_signals() as self.stop, self.operator:
                self.operator.wait_connected(_CONNECT_S)
                act(self, robots)
        except LocalFault as error:
            say(str(error))
            return SILENT
        return self.status

    def ttl_s(self, robot_id: str, most_s: float = TTL_S) -> float:
        """
        Say for how long a command to a robot is good.

        :param robot_id: the robot
        :param most_s: for the default
        :returns: seconds
        """
        given: float | None = self.args.ttl
        if given is not None:
            return given
        found = self._robots.get(robot_id, Found())
        return min(most_s, found.ttls_s.get(self.args.channel, most_s))

    def send(self, robots: Iterable[str], begin: Callable[[str], Sent]) -> list[Sent]:
        """
        Begin a command at each robot; what cannot be sent is said, and the others go on.

        :param robots: robot ids
        :param begin: sends
        :returns: handles
        """
        sent = []
        for robot_id in robots:
            try:
                sent.append(begin(robot_id))
            except BridgeError as error:
                self.tell_error(robot_id, error)
        return sent

    def wait(self, sent: Iterable[Sent]) -> None:
        """
        Wait for the ends, and say each. A signal cancels goals, and gives up the rest.

        :param sent: handles
        """
        left = list(sent)
        timeout = self.args.timeout
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        cancelled = False
        while left:
            if self.stop.is_set():
                goals = [one for one in left if one.type == 'goal']
                if cancelled or not goals:
                    break
                cancelled = True
                self.stop.clear()
                self.clear()
                say('cancels; once more gives up waiting')
                for goal in goals:
                    goal.cancel()
            if time.monotonic() >= deadline:
                break
            try:
                left[0].wait(_POLL_S)
            except TimeoutError:
                pass
            for one in [one for one in left if one.done]:
                left.remove(one)
                assert one.outcome is not None
                self.tell(one.robot_id, one.channel, one.type, one.outcome, one.id)
        for one in left:
            reason = 'under way still' if one.answered else 'nothing so far'
            reason += '; nobody waits for its end'
            self.tell(
                one.robot_id, one.channel, one.type, Outcome(state=None, reason=reason), one.id
            )

    def tell(
        self,
        robot_id: str,
        channel: str,
        type_name: str,
        outcome: Outcome,
        identity: bytes = b'',
    ) -> None:
        """
        Say how a command ended.

        :param robot_id: the robot
        :param channel: the channel
        :param type_name: of the command
        :param outcome: how it ended
        :param identity: of the command
        """
        self.status = max(self.status, status_of(outcome))
        if outcome.state is None and self._robots.get(robot_id, Found()).online is False:
            # Anybody may have said so: that is a hint, and no reason to send nothing.
            outcome = replace(outcome, reason=f'{outcome.reason} (it says that it is offline)')
        self.clear()
        if self.args.json:
            state = 'no_answer' if outcome.state is None else outcome.state.name.lower()
            self._out(
                json.dumps(
                    {
                        'robot': robot_id,
                        'channel': channel,
                        'type': type_name,
                        'id': identity.hex(),
                        'state': state,
                        'reason': outcome.reason,
                        'detail': to_json_value(outcome.detail),
                        'round_trip_s': outcome.round_trip_s,
                    }
                )
            )
            return
        took = '' if outcome.round_trip_s is None else f' ({outcome.round_trip_s:.3f} s)'
        detail = '' if outcome.detail is None else f' {_flow(outcome.detail)}'
        self._out(printable(f'{robot_id}: {outcome}{took}{detail}', _SHOWN_CHARACTERS))

    def tell_error(self, robot_id: str, error: BridgeError) -> None:
        """
        Say that nothing was sent to a robot.

        :param robot_id: the robot
        :param error: why
        """
        self.status = max(self.status, WRONG)
        self.clear()
        if self.args.json:
            self._out(json.dumps({'robot': robot_id, 'state': 'not_sent', 'reason': str(error)}))
        else:
            self._out(printable(f'{robot_id}: not sent: {error}', _SHOWN_CHARACTERS))

    def progress(self, robot_id: str, answer: Answer) -> None:
        """
        Show what a goal is at: as JSON lines, or on a terminal as one line that changes.

        :param robot_id: the robot
        :param answer: not the last one
        """
        if answer.state.final:
            return
        detail = to_json_value(answer.detail)
        if self.args.json:
            state = answer.state.name.lower()
            self._out(json.dumps({'robot': robot_id, 'state': state, 'detail': detail}))
        elif sys.stderr.isatty():
            text = f'{robot_id}: {answer.state.name.lower()} {_flow(answer.detail)}'
            width = shutil.get_terminal_size().columns - 1
            with self._print:
                self._shown = True
                print(f'\r\x1b[2K{printable(text, width)}', end='', file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the changing line away."""
        with self._print:
            if self._shown:
                self._shown = False
                print('\r\x1b[2K', end='', file=sys.stderr, flush=True)

    def _key(self) -> Path | None:
        args = self.args
        if args.unsigned:
            if args.key is not None:
                raise ConfigError('--key', 'is given with --unsigned; give only one')
            return None
        return operator_key(args.name, args.key)

    def _pinned(self) -> Path:
        return pinned_keys(self.args.robots)

    def _find(self, informed: bool) -> dict[str, Found]:
        args = self.args
        if not informed and not is_glob(args.robot):
            return {args.robot: Found()}
        trusted = [args.robot]
        if is_glob(args.robot):
            names = PinnedKeys(self._pinned()).names()
            trusted = [name for name in names if fnmatch.fnmatchcase(name, args.robot)]
        found = find_robots(
            mqtt_config(args),
            args.robot,
            root=args.root,
            seconds=args.discover_s,
            informed=informed,
            known=trusted,
        )
        self._say_strangers([name for name in sorted(found) if name not in trusted], found)
        if not trusted and found:
            self.status = WRONG
        elif not trusted:
            self.status = SILENT
            say(f'no robot that matches {args.robot!r} was heard within {args.discover_s:g} s')
        # Presence is not proven: whoever is trusted gets the command, whatever is said of it.
        return {name: found.get(name, Found()) for name in trusted}

    def _say_strangers(self, names: list[str], found: dict[str, Found]) -> None:
        if not names:
            return
        shown = [
            f'{name} (says that it is offline)' if found[name].online is False else name
            for name in names[:_SHOWN_ROBOTS]
        ]
        if more := len(names) - len(shown):
            shown.append(f'{more} more')
        say(
            f'nothing goes to what matches and is not trusted: {", ".join(shown)}; see '
            "'ros-cloud-bridge keys trust'"
        )

    def _out(self, line: str) -> None:
        with self._print:
            print(line, flush=True)


def status_of(outcome: Outcome) -> int:
    """
    Give the exit status of a command.

    :param outcome: how it ended
    :returns: 0, 1, 3 or 4
    """
    if outcome.state is None:
        return SILENT
    if outcome.state is State.UNKNOWN_AFTER_RESTART:
        return UNKNOWN
    return DONE if outcome.succeeded else REFUSED


def seconds(text: str) -> float:
    """
    Read a time for argparse.

    :param text: as written
    :returns: seconds above 0
    :raises argparse.ArgumentTypeError: when it is no time
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value <= 0.0:
        raise argparse.ArgumentTypeError(f'must be a number above 0, not {text!r}')
    return value


def _flow(value: Any) -> str:
    return json.dumps(to_json_value(value), ensure_ascii=False)
