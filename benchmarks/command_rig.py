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


"""A robot that takes commands, an operator and a broker; on a thin link or on loopback."""

from collections.abc import Mapping
from contextlib import ExitStack
import json
import os
from pathlib import Path
import shutil
import sys
import time
from types import TracebackType
from typing import Any

from command_operator import OPERATOR
from link_rig import Member
from netns import CLOUD_ADDRESS, Link
from processes import free_port, HERE

from ros_cloud_bridge.signing.keys import PrivateKey

NODE = 'servers'
WATCHDOG_S = 0.5
_READY_S = 60.0
_POLL_S = 0.02

CHANNELS: dict[str, dict[str, object]] = {
    'drive': {
        'kind': 'topic',
        'ros_name': '/cmd_vel',
        'type': 'geometry_msgs/msg/Twist',
        'lease': True,
        'watchdog_s': WATCHDOG_S,
        # The messages' numbers stand in angular.z, and must not shrink.
        'scale': ['linear.x'],
    },
    'say': {'kind': 'topic', 'ros_name': '/said', 'type': 'std_msgs/msg/String'},
    'set': {'kind': 'service', 'ros_name': f'/{NODE}/set', 'type': 'std_srvs/srv/SetBool'},
    'gain': {'kind': 'parameter', 'ros_name': f'/{NODE}', 'parameters': ['gain']},
}


class Rig:
    """
    What a measurement needs; it ends with the ``with`` block.

    :param folder: where files go
    :param robot_id: the robot
    :param link: between robot and cloud, if it is to be thin
    """

    def __init__(self, folder: Path, robot_id: str, link: Link | None = None) -> None:
        self.folder = folder
        self.robot_id = robot_id
        self._link = link
        self._port = free_port()
        self._stack = ExitStack()
        self.bridge: Member
        self.robot: Member
        self.operator: Member

    def __enter__(self) -> 'Rig':
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all processes."""
        self._stack.close()

    def start(self, streams: Mapping[str, Mapping[str, object]]) -> None:
        """
        Start everything, and wait until commands are carried out.

        :param streams: of the bridge, by name
        """
        self._make_keys()
        self._member('cloud', self._broker(), 'broker', talks=False)
        time.sleep(0.5)
        self.robot = self.child('robot', 'command_robot.py', NODE)
        self._start_bridge(streams)
        self.child('robot', 'command_echo.py', self._host('robot'), str(self._port))
        place = (self._host('cloud'), str(self._port))
        self.operator = self.child(
            'cloud', 'command_operator.py', *place, self.robot_id, str(self.folder)
        )
        if not self.robot.ask('match')['matched']:
            raise SystemExit(f'the bridge does not publish:\n{self._said()}')
        if not self.operator.ask('learn', 3 * _READY_S)['ready']:
            raise SystemExit(f'commands are not carried out:\n{self._said()}')

    def child(self, side: str, script: str, *arguments: str) -> Member:
        """
        Start a child.

        :param side: ``robot`` or ``cloud``
        :param script: file in this folder
        :param arguments: its arguments
        :returns: the child
        """
        command = [sys.executable, str(HERE / script), *arguments]
        return self._member(side, command, Path(script).stem, talks=True)

    def _make_keys(self) -> None:
        PrivateKey.generate().save(self.folder / f'robot-{self.robot_id}.key')
        key = PrivateKey.generate()
        key.save(self.folder / f'{OPERATOR}.key')
        (self.folder / 'operators').mkdir()
        key.public.save(self.folder / 'operators' / f'{OPERATOR}.pub')

    def _start_bridge(self, streams: Mapping[str, Mapping[str, object]]) -> None:
        common = {'operators': [OPERATOR], 'max_hz': 1000.0}
        parameters: dict[str, Any] = {
            'robot_id': self.robot_id,
            'mqtt': {'host': self._host('robot'), 'port': self._port},
            'state_dir': str(self.folder),
            'operator_keys': str(self.folder / 'operators'),
            'streams': list(streams),
            'stream': streams,
            'commands': list(CHANNELS),
            'command': {name: {**channel, **common} for name, channel in CHANNELS.items()},
        }
        path = self.folder / 'bridge.yaml'
        # JSON is YAML.
        path.write_text(json.dumps({'/**': {'ros__parameters': parameters}}))
        command = [sys.executable, '-m', 'ros_cloud_bridge', 'run', '--params-file', str(path)]
        self.bridge = self._member('robot', command, 'bridge', talks=False)
        deadline = time.monotonic() + _READY_S
        while 'commands: connected' not in self._said():
            self.bridge.check()
            if time.monotonic() > deadline:
                raise SystemExit(f'the bridge does not connect:\n{self._said()}')
            time.sleep(_POLL_S)

    def _said(self) -> str:
        return (self.folder / 'bridge.log').read_text()[-2000:]

    def _host(self, side: str) -> str:
        return '127.0.0.1' if self._link is None or side == 'cloud' else CLOUD_ADDRESS

    def _broker(self) -> list[str]:
        path = f'{os.environ.get("PATH", "")}:/usr/sbin:/usr/local/sbin'
        program = shutil.which('mosquitto', path=path)
        if program is None:
            raise SystemExit('mosquitto is not installed')
        address = '' if self._link is not None else ' 127.0.0.1'
        lines = [f'listener {self._port}{address}', 'allow_anonymous true', 'set_tcp_nodelay true']
        if os.geteuid() == 0:
            lines.append('user root')
        config = self.folder / 'mosquitto.conf'
        config.write_text('\n'.join(lines) + '\n')
        return [program, '-c', str(config)]

    def _member(self, side: str, command: list[str], name: str, talks: bool) -> Member:
        arguments = command if self._link is None else self._link.inside(side, command)
        member = Member(arguments, self.folder / f'{name}.log', talks=talks)
        self._stack.enter_context(member)
        return member
