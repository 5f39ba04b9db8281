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

"""Actuators as the station has them: told by one thread, working on another one's executor."""

from itertools import count
import threading
import time
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from ros_cloud_bridge.command.clock import now_s  # noqa: E402
from ros_cloud_bridge.command_values import State
from ros_cloud_bridge.core.commands.effects import Dispatch, Ended, Progress
from ros_cloud_bridge.ros.commands.actuators import Actuators
from ros_cloud_bridge.values import ChannelConfig, ChannelKind

from .waiting import wait_until


def _service(name: str, server: str, **more: Any) -> ChannelConfig:
    return ChannelConfig(
        name=name,
        kind=ChannelKind.SERVICE,
        ros_name=f'/{server}/{name}',
        **{'type_name': 'std_srvs/srv/SetBool', **more},
    )


def channels(server: str) -> list[ChannelConfig]:
    """
    Make the channels that the tests use.

    :param server: name of the node with the servers
    :returns: the channels
    """
    return [
        _service('set', server),
        _service('slow', server),
        _service('mute', server),
        _service('basic', server, type_name='test_msgs/srv/BasicTypes'),
        _service('absent', server),
        _service('untyped', server, type_name='no_such_package/srv/Thing'),
        ChannelConfig(
            name='count',
            kind=ChannelKind.ACTION,
            ros_name=f'/{server}/fibonacci',
            type_name='test_msgs/action/Fibonacci',
        ),
        ChannelConfig(
            name='nobody counts',
            kind=ChannelKind.ACTION,
            ros_name='/nobody/fibonacci',
            type_name='test_msgs/action/Fibonacci',
        ),
        ChannelConfig(
            name='parameters',
            kind=ChannelKind.PARAMETER,
            ros_name=f'/{server}',
            parameters=('gain', 'tag*', 'missing'),
        ),
        ChannelConfig(
            name='nobody has parameters',
            kind=ChannelKind.PARAMETER,
            ros_name='/nobody',
            parameters=('*',),
        ),
        ChannelConfig(
            name='drive',
            kind=ChannelKind.TOPIC,
            ros_name='/commanded/cmd_vel',
            type_name='geometry_msgs/msg/Twist',
            stop='{angular: {z: 0.25}}',
        ),
        ChannelConfig(
            name='loose',
            kind=ChannelKind.TOPIC,
            ros_name='/commanded/loose',
            type_name='geometry_msgs/msg/Twist',
            reliable=False,
        ),
        ChannelConfig(
            name='bad stop',
            kind=ChannelKind.TOPIC,
            ros_name='/commanded/bad',
            type_name='geometry_msgs/msg/Twist',
            stop='{linear: {x: none}}',
        ),
        ChannelConfig(
            name='bad name',
            kind=ChannelKind.TOPIC,
            ros_name='/1 x',
            type_name='std_msgs/msg/Empty',
        ),
        ChannelConfig(name='bridge', kind=ChannelKind.BRIDGE),
    ]


def outcome(ended: Ended) -> tuple[State, str]:
    """
    Cut the text for people off.

    :param ended: how a command ended
    :returns: its state and reason
    """
    return ended.state, ended.reason.partition(':')[0]


class Rig:
    """
    Actuators in a node of their own, whose executor spins in a thread, and what they report.

    :param server: name of the node with the servers
    """

    def __init__(self, server: str) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node('command', context=self.context)
        self.events: list[Progress | Ended] = []
        self.threads: set[int] = set()
        self.logged: list[tuple[str, str]] = []
        self.channels = {channel.name: channel for channel in channels(server)}
        self.actuators = Actuators(
            self.node,
            list(self.channels.values()),
            self._report,
            lambda level, text: self.logged.append((level, text)),
        )
        self._tickets = count(1)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._stopped = False
        self._thread.start()

    def _report(self, event: Progress | Ended) -> None:
        self.threads.add(threading.get_ident())
        self.events.append(event)

    def _spin(self) -> None:
        while not self._stopped:
            self._executor.spin_once(timeout_sec=0.1)

    def stop_spinning(self) -> None:
        """Let the executor's thread end."""
        self._stopped = True
        self._thread.join()

    def close(self) -> None:
        """End everything; every command must have ended once."""
        self.stop_spinning()
        self.actuators.close()
        self._executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()
        tickets = [event.ticket for event in self.events if isinstance(event, Ended)]
        assert sorted(tickets) == sorted(set(tickets)), 'a ticket that ended twice'
        assert set(tickets) == {event.ticket for event in self.events}, 'one that never ended'
        assert not self.logged

    def wait_for_servers(self, timeout_s: float = 60.0) -> None:
        """
        Wait until discovery is through.

        :param timeout_s: for how long
        """
        commands = (
            ('set', 'call', None),
            ('count', 'goal', {'order': 1}),
            ('parameters', 'list', None),
        )
        for channel, type_, arguments in commands:
            deadline = time.monotonic() + timeout_s
            while self.run(channel, type_, arguments).state is not State.SUCCEEDED:
                assert time.monotonic() < deadline, f'no server for {channel}'

    def start(
        self, channel: str, type_: str, arguments: Any = None, *, within_s: float = 30.0
    ) -> int:
        """
        Start a command.

        :param channel: its name
        :param type_: of the command
        :param arguments: of the command
        :param within_s: until its deadline
        :returns: its ticket
        """
        ticket = next(self._tickets)
        self.actuators.start(
            Dispatch(
                ticket=ticket,
                channel=self.channels[channel],
                operator='ada',
                type=type_,
                arguments=arguments,
                deadline=now_s() + within_s,
            )
        )
        return ticket

    def ended(self, ticket: int, timeout_s: float = 20.0) -> Ended:
        """
        Wait for the end of a command.

        :param ticket: which
        :param timeout_s: for how long
        :returns: its end
        """

        def found() -> list[Ended]:
            return [e for e in self.events if isinstance(e, Ended) and e.ticket == ticket]

        wait_until(found, timeout_s, f'the end of {ticket} in {self.events}')
        return found()[0]

    def progress(self, ticket: int) -> list[Any]:
        """
        Tell what it reported while it ran.

        :param ticket: which
        :returns: the details
        """
        return [e.detail for e in self.events if isinstance(e, Progress) and e.ticket == ticket]

    def run(self, channel: str, type_: str, arguments: Any = None) -> Ended:
        """
        Start a command and wait for its end.

        :param channel: its name
        :param type_: of the command
        :param arguments: of the command
        :returns: its end
        """
        return self.ended(self.start(channel, type_, arguments))
