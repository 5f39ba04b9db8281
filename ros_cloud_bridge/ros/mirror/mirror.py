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

"""Takes what a consumer receives and publishes it, per robot."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
import threading
import time
from typing import Any

from rclpy.node import Node

from ros_cloud_bridge.cloud.consumer import Consumer, printable
from ros_cloud_bridge.cloud.link_story import LinkStory
from ros_cloud_bridge.cloud.presence import RobotState
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.core.demand import parse_wish
from ros_cloud_bridge.core.mirror_table import MirrorConfig
from ros_cloud_bridge.core.selection import compile_pattern
from ros_cloud_bridge.ros.mirror.names import namespace_of
from ros_cloud_bridge.ros.mirror.robot import MirroredRobot, Say
from ros_cloud_bridge.ros.mirrored import bridge_signs, sign_of

_MOST_REFUSED = 256
# Topics of all robots, for which the patterns need not be asked again.
_MOST_KNOWN = 4096


class Mirror:
    """
    Mirrors robots into the graph of a node, between :meth:`start` and :meth:`stop`.

    Samples are published on the consumer's thread, right behind the decoder; :meth:`look` is
    called on the executor's. A lock keeps the two apart.

    :param node: who publishes: one that bridges recognise
    :param config: the configuration
    :param say: takes (level, text); called from both threads
    """

    def __init__(self, node: Node, config: MirrorConfig, say: Say) -> None:
        self.config = config
        self._node = node
        self._say = say
        self._lock = threading.Lock()
        self._robots: dict[str, MirroredRobot] = {}
        # By namespace: whose it is. And robots that are not mirrored, and why.
        self._namespaces: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._signs: frozenset[str] = frozenset()
        self.left_out: Counter[str] = Counter()
        self._chosen = _chooser(config)
        self._wishes = [parse_wish(text) for text in config.leases]
        story = LinkStory(config.mqtt, lambda text: say('warning', text))
        self.consumer = Consumer(
            config.mqtt,
            self._take,
            robots=config.robots,
            root=config.root,
            name=config.name,
            on_state=self._changed,
            on_link=story,
            max_queued_bytes=config.max_queued_bytes,
        )

    @property
    def robots(self) -> list[MirroredRobot]:
        """The robots that are mirrored, in the order in which they came."""
        with self._lock:
            return list(self._robots.values())

    @property
    def infos(self) -> dict[str, Mapping[str, Any]]:
        """The newest ``info`` of each robot that is mirrored."""
        known = {
            robot.robot_id: self.consumer.decoder.document(robot.robot_id, 'info')
            for robot in self.robots
        }
        return {robot_id: info for robot_id, info in known.items() if info is not None}

    @property
    def refused(self) -> dict[str, str]:
        """The robots that are not mirrored, and why."""
        with self._lock:
            return dict(self._refused)

    def start(self) -> None:
        """Connect, and publish from now on."""
        self._signs = bridge_signs(self._node)
        self.consumer.start()

    def stop(self) -> None:
        """Disconnect, and take everything out of the graph."""
        self.consumer.stop()
        with self._lock:
            for robot in self._robots.values():
                robot.close()
            self._robots.clear()
            self._namespaces.clear()

    def look(self, now: float) -> None:
        """
        Look at the graph and the robots' presence; on the executor's thread.

        :param now: monotonic seconds
        """
        signs = bridge_signs(self._node)
        states = self.consumer.states
        with self._lock:
            if signs != self._signs:
                self._signs = signs
                # Those that were refused for a sign, or a namespace that may be free now.
                self._refused.clear()
            for robot_id, robot in list(self._robots.items()):
                if sign_of(robot_id) in signs:
                    self._forget(robot)
                    continue
                state = states.get(robot_id)
                gone = state is None or not state.online
                if gone and 0.0 < self.config.forget_after_s <= now - robot.heard_at:
                    self._say('info', f'{robot_id}: forgotten, it is gone')
                    self._forget(robot)
                    self._refused.clear()
                    continue
                robot.inform(self.consumer.decoder.document(robot_id, 'info'), now)

    def _take(self, sample: Sample) -> None:
        """Publish a sample; on the consumer's thread."""
        arrival_ns, now = time.time_ns(), time.monotonic()
        with self._lock:
            robot = self._robots.get(sample.robot_id)
            if robot is None:
                robot = self._admit(sample.robot_id)
                if robot is None:
                    self.left_out['robot refused'] += 1
                    return
            robot.inform(self.consumer.decoder.document(sample.robot_id, 'info'), now)
            robot.take(sample, arrival_ns, now)

    def _admit(self, robot_id: str) -> MirroredRobot | None:
        """Begin with a robot, unless something is against it."""
        if robot_id in self._refused:
            return None
        namespace = namespace_of(self.config.namespace, robot_id)
        problem = ''
        if sign_of(robot_id) in self._signs:
            problem = 'its own bridge is in this graph'
        elif namespace in self._namespaces:
            other = self._namespaces[namespace]
            problem = f"its namespace {namespace or '/'} is that of robot '{other}'"
        elif len(self._robots) >= self.config.max_robots:
            problem = f'max_robots ({self.config.max_robots}) are mirrored already'
        if problem:
            if len(self._refused) < _MOST_REFUSED:
                self._refused[robot_id] = problem
                self._say('warning', f"robot '{printable(robot_id)}' is not mirrored: {problem}")
            return None
        robot = MirroredRobot(
            self._node, robot_id, namespace, self.config, self._chosen, self._say
        )
        robot.heard_at = time.monotonic()
        self._robots[robot_id] = robot
        self._namespaces[namespace] = robot_id
        self._say('info', f"robot '{robot_id}' is mirrored below {namespace or '/'}")
        for stream, hz in self._wishes:
            self.consumer.lease(robot_id, stream, hz)
        return robot

    def _forget(self, robot: MirroredRobot) -> None:
        robot.close()
        for stream, _ in self._wishes:
            self.consumer.release(robot.robot_id, stream)
        del self._robots[robot.robot_id]
        del self._namespaces[robot.namespace]

    def _changed(self, state: RobotState) -> None:
        word = 'online' if state.online else 'offline'
        self._say('info', printable(f'{state.robot_id} is {word} ({state.reason})'))
        if state.online:
            # It may have channels for commands, and no streams.
            with self._lock:
                if state.robot_id not in self._robots:
                    self._admit(state.robot_id)


def _chooser(config: MirrorConfig) -> Callable[[str], bool]:
    """Make what says whether a topic is mirrored; the answers are few, the questions many."""
    topics = [compile_pattern(pattern) for pattern in config.topics]
    deny = [compile_pattern(pattern) for pattern in config.deny]
    known: dict[str, bool] = {}

    def chosen(topic: str) -> bool:
        with suppress(KeyError):
            return known[topic]
        wanted = not any(pattern.matches(topic) for pattern in deny) and (
            not topics or any(pattern.matches(topic) for pattern in topics)
        )
        if len(known) >= _MOST_KNOWN:
            known.clear()
        known[topic] = wanted
        return wanted

    return chosen
