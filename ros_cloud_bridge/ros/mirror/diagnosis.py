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

"""What the mirror is like, as statuses of ROS diagnostics."""

import time

from ros_cloud_bridge.ros.mirror.commands.desk import Desk
from ros_cloud_bridge.ros.mirror.mirror import Mirror
from ros_cloud_bridge.ros.mirror.robot import MirroredRobot
from ros_cloud_bridge.uplink.diagnosis import Level, Status

_SHOWN = 32


class MirrorDiagnosis:
    """
    Judges a mirror, again and again.

    :param node_name: stands before each status's name, as in ``mirror: link``
    """

    def __init__(self, node_name: str) -> None:
        self._node_name = node_name
        self._overflow = 0
        self._rates: dict[str, tuple[float, int]] = {}

    def of(self, mirror: Mirror, desk: Desk | None) -> list[Status]:
        """
        Judge it.

        :param mirror: the mirror
        :param desk: from where robots are commanded, if they are
        :returns: the link first, then each robot
        """
        robots = mirror.robots
        names = {robot.robot_id for robot in robots}
        self._rates = {name: rate for name, rate in self._rates.items() if name in names}
        return [self._link(mirror), *(self._robot(mirror, desk, robot) for robot in robots)]

    def _link(self, mirror: Mirror) -> Status:
        counts = mirror.consumer.counts
        level, message = Level.OK, 'connected'
        if not mirror.consumer.connected:
            level, message = Level.ERROR, 'no connection to the broker'
        elif counts.overflow_messages > self._overflow:
            level, message = Level.WARN, 'more comes than can be published: messages are dropped'
        elif refused := mirror.refused:
            level = Level.WARN
            robot_id, why = next(iter(refused.items()))
            message = f"robot '{robot_id}' is not mirrored: {why}"
        self._overflow = counts.overflow_messages
        return Status(
            name=f'{self._node_name}: link',
            level=level,
            message=message,
            hardware_id='',
            values=(
                ('broker', f'{mirror.config.mqtt.host}:{mirror.config.mqtt.effective_port}'),
                ('messages', str(counts.messages)),
                ('samples', str(counts.samples)),
                ('broken messages', str(counts.errors)),
                ('dropped messages', str(counts.overflow_messages)),
                ('robots', str(len(mirror.robots))),
                *(
                    (f'not mirrored: {robot_id}', why)
                    for robot_id, why in list(mirror.refused.items())[:_SHOWN]
                ),
            ),
        )

    def _robot(self, mirror: Mirror, desk: Desk | None, robot: MirroredRobot) -> Status:
        state = mirror.consumer.states.get(robot.robot_id)
        problems = list(robot.problems.items())
        level, message = Level.OK, f'{robot.topics} topics'
        if state is not None and not state.online:
            level, message = Level.WARN, f'offline ({state.reason})'
        elif problems:
            level, message = Level.WARN, f'{problems[0][0]}: {problems[0][1]}'
            if len(problems) > 1:
                message += f' (and {len(problems) - 1} more)'
        offset_ns = robot.clock.offset_ns
        return Status(
            name=f'{self._node_name}: {robot.robot_id}',
            level=level,
            message=message,
            hardware_id=robot.robot_id,
            values=(
                ('namespace', robot.namespace or '/'),
                ('topics', str(robot.topics)),
                ('published', str(robot.published)),
                ('published per second', f'{self._rate(robot):.1f}'),
                *((f'left out: {why}', str(count)) for why, count in robot.left_out.items()),
                (
                    'clock offset (s)',
                    'unknown' if offset_ns is None else f'{offset_ns / 1e9:.6f}',
                ),
                ('stamps shifted by (s)', f'{robot.offset_ns / 1e9:.6f}'),
                *_leases(mirror, robot.robot_id),
                *(() if desk is None else desk.values(robot.robot_id)),
                *((f'problem: {topic}', problem) for topic, problem in problems[:_SHOWN]),
            ),
        )

    def _rate(self, robot: MirroredRobot) -> float:
        now, count = time.monotonic(), robot.published
        at, before = self._rates.get(robot.robot_id, (now, count))
        self._rates[robot.robot_id] = (now, count)
        return (count - before) / (now - at) if now > at else 0.0


def _leases(mirror: Mirror, robot_id: str) -> list[tuple[str, str]]:
    words = {None: 'asked for', True: 'leased', False: 'refused'}
    return [
        (f'lease: {lease.stream}', f'{words[lease.granted]} {lease.reason}'.rstrip())
        for lease in mirror.consumer.leases
        if lease.robot_id == robot_id
    ]
