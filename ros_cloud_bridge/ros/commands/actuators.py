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

"""The ROS side of command channels: told by the station's thread, works on the executor's."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
import threading
from typing import Any

from rclpy.node import Node

from ros_cloud_bridge.command.clock import now_s
from ros_cloud_bridge.command.faults import reason_of
from ros_cloud_bridge.command_values import Reason, State
from ros_cloud_bridge.core.commands.effects import Dispatch
from ros_cloud_bridge.errors import BridgeError, LocalFault
from ros_cloud_bridge.ros.commands.actions import ActionReach, GOAL
from ros_cloud_bridge.ros.commands.jobs import Job, Log, Reach, Report, Telling
from ros_cloud_bridge.ros.commands.parameters import ParameterReach
from ros_cloud_bridge.ros.commands.paths import check_paths
from ros_cloud_bridge.ros.commands.services import ServiceReach
from ros_cloud_bridge.ros.commands.topics import TopicReach
from ros_cloud_bridge.ros.taking import STEADY_CLOCK
from ros_cloud_bridge.values import ChannelConfig, ChannelKind

# How often jobs are looked at while something runs, and servers at all times.
_JOBS_PERIOD_S = 0.1
_SERVERS_PERIOD_S = 1.0

_REACHES: dict[ChannelKind, Callable[[Node, ChannelConfig], Reach]] = {
    ChannelKind.SERVICE: ServiceReach,
    ChannelKind.ACTION: ActionReach,
    ChannelKind.PARAMETER: ParameterReach,
}
# What may be dispatched to a channel of a kind; parameters look themselves.
_TYPES = {ChannelKind.SERVICE: ('call',), ChannelKind.ACTION: (GOAL,)}


class Actuators:
    """
    Carries commands out in ROS.

    A channel that can't be opened (``check``) fails its own commands; the others work.

    :param node: ours; its executor must spin
    :param channels: those of kind ``bridge`` are left out
    :param report: takes progress, and exactly one ``Ended`` for each ticket; called on the
        executor's thread, or on that of ``start`` once closed
    :param log: takes (level, text)
    """

    def __init__(
        self, node: Node, channels: Sequence[ChannelConfig], report: Report, log: Log
    ) -> None:
        self._node = node
        self._report = report
        self._log = log
        self._topics: dict[str, TopicReach] = {}
        self._reaches: dict[str, Reach] = {}
        self._faults: dict[str, BridgeError] = {}
        self._jobs: dict[int, tuple[Telling, Job]] = {}
        self._lock = threading.Lock()
        self._handed: deque[Dispatch | int] = deque()
        self._closed = False
        shared = shared_topics(node, channels)
        for channel in channels:
            if channel.name in shared:
                self._faults[channel.name] = LocalFault(shared[channel.name])
            else:
                self._open(channel)
        self._handed_over = node.create_guard_condition(self._take)
        self._timer = node.create_timer(_JOBS_PERIOD_S, self._look, clock=STEADY_CLOCK)
        self._timer.cancel()
        self._slow_timer = node.create_timer(
            _SERVERS_PERIOD_S, self._look_at_servers, clock=STEADY_CLOCK
        )

    def check(self) -> dict[str, str]:
        """
        Tell which channels can't work.

        :returns: channel to problem, which begins with a :class:`Reason`
        """
        return {name: reason_of(fault) for name, fault in self._faults.items()}

    def start(self, dispatch: Dispatch) -> None:
        """
        Begin a service call, a goal, or a parameter command; from any thread, never blocks.

        :param dispatch: the command
        """
        if not self._hand_over(dispatch):
            Telling(dispatch.ticket, self._report, self._log).fail(Reason.STOPPING)

    def cancel(self, ticket: int) -> None:
        """
        Cancel what was started; from any thread, never blocks.

        A call is forgotten and ends ``CANCELLED`` at once. A goal ends when its server says so;
        a server that refuses is told of by ``Progress({'cancel': 'refused'})``.

        :param ticket: of the command; unknown when it has ended already
        """
        self._hand_over(ticket)

    def publish(self, channel: str, arguments: Mapping[str, Any]) -> None:
        """
        Publish a message, on the calling thread.

        :param channel: name of a channel of kind ``topic``
        :param arguments: the message's fields
        :raises BadFields: when they do not fit the type
        :raises MissingTypeSupport: when the type is not installed
        :raises LocalFault: when there is no such channel, or the middleware fails
        """
        self._topic(channel).publish(arguments)

    def stop_message(self, channel: str) -> None:
        """
        Publish the message that means standing still, on the calling thread.

        :param channel: name of a channel of kind ``topic``
        :raises LocalFault: when it cannot be published
        """
        self._topic(channel).stop()

    def close(self) -> None:
        """
        End everything: goals are cancelled, what runs is FAILED ``stopping``.

        To be called on the executor's thread, or when it spins no more.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            handed = list(self._handed)
            self._handed.clear()
        for left in handed:
            if isinstance(left, Dispatch):
                Telling(left.ticket, self._report, self._log).fail(Reason.STOPPING)
        for tell, job in self._jobs.values():
            with tell.guarded():
                job.drop()
            tell.fail(Reason.STOPPING)
        self._jobs.clear()
        self._node.destroy_timer(self._timer)
        self._node.destroy_timer(self._slow_timer)
        self._node.destroy_guard_condition(self._handed_over)
        for topic in self._topics.values():
            topic.close()
        for reach in self._reaches.values():
            reach.close()

    def _open(self, channel: ChannelConfig) -> None:
        try:
            check_paths(channel)
            if channel.kind is ChannelKind.TOPIC:
                self._topics[channel.name] = TopicReach(self._node, channel)
            elif channel.kind in _REACHES:
                self._reaches[channel.name] = _REACHES[channel.kind](self._node, channel)
        except BridgeError as error:
            self._faults[channel.name] = error
        # A name that rclpy refuses, or a middleware that can't.
        except Exception as error:
            self._faults[channel.name] = LocalFault(f'{channel.ros_name}: {error}')

    def _topic(self, channel: str) -> TopicReach:
        if fault := self._faults.get(channel):
            raise fault
        if channel not in self._topics:
            raise LocalFault(f"no topic channel '{channel}'")
        return self._topics[channel]

    def _hand_over(self, item: Dispatch | int) -> bool:
        with self._lock:
            if self._closed:
                return False
            self._handed.append(item)
            # Within the lock, or it may be destroyed meanwhile.
            self._handed_over.trigger()
        return True

    def _take(self) -> None:
        while True:
            with self._lock:
                if not self._handed:
                    break
                item = self._handed.popleft()
            if isinstance(item, Dispatch):
                self._begin(item)
            elif item in self._jobs:
                tell, job = self._jobs[item]
                with tell.guarded():
                    job.cancel()
        self._tidy()

    def _begin(self, dispatch: Dispatch) -> None:
        tell = Telling(dispatch.ticket, self._report, self._log)
        name = dispatch.channel.name
        if fault := self._faults.get(name):
            tell.end(State.FAILED, reason_of(fault))
        elif name not in self._reaches:
            tell.fail(Reason.INTERNAL, f"channel '{name}' reaches nothing that is started")
        elif dispatch.type not in _TYPES.get(dispatch.channel.kind, (dispatch.type,)):
            tell.fail(Reason.WRONG_TYPE, f'{dispatch.type} is not for this channel')
        else:
            with tell.guarded():
                job = self._reaches[name].begin(dispatch, tell)
                if not tell.over:
                    self._jobs[dispatch.ticket] = (tell, job)

    def _look(self) -> None:
        now = now_s()
        for tell, job in list(self._jobs.values()):
            if not tell.over:
                with tell.guarded():
                    job.look(now)
        self._tidy()

    def _look_at_servers(self) -> None:
        for name, reach in self._reaches.items():
            try:
                reach.look()
            except Exception as error:
                self._log('error', f"command channel '{name}': {error!r}")

    def _tidy(self) -> None:
        for ticket in [ticket for ticket, (tell, _) in self._jobs.items() if tell.over]:
            del self._jobs[ticket]
        # Nothing is looked at while nothing runs.
        if self._jobs and self._timer.is_canceled():
            self._timer.reset()
        elif not self._jobs:
            self._timer.cancel()


def shared_topics(node: Node, channels: Sequence[ChannelConfig]) -> dict[str, str]:
    """
    Find channels that would be a way around the lease of another one.

    The configuration sees names as they are written; only the node knows what they become by its
    namespace and its remappings.

    :param node: ours
    :param channels: all
    :returns: what is wrong, by channel
    """
    by_topic: dict[str, list[ChannelConfig]] = {}
    for channel in channels:
        if channel.kind is ChannelKind.TOPIC:
            try:
                topic = node.resolve_topic_name(channel.ros_name)
            except Exception:  # a name that rclpy refuses is told when it is opened
                continue
            by_topic.setdefault(topic, []).append(channel)
    problems = {}
    for topic, sharing in by_topic.items():
        if len(sharing) > 1 and any(channel.lease for channel in sharing):
            names = ' and '.join(channel.name for channel in sharing)
            text = f'{names} reach the one topic {topic}; with a lease a channel must have its own'
            problems.update({channel.name: text for channel in sharing})
    return problems
