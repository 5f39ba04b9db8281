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

"""A robot whose samples and documents reach an overview at invented times."""

from collections.abc import Sequence
import json
from typing import Any

from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.cloud.overview import Overview
from ros_cloud_bridge.cloud.presence import RobotState
from ros_cloud_bridge.cloud.robot_view import RobotView, RouteView
from ros_cloud_bridge.values import Priority, Received
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.topics import RobotTopics

EPOCH_NS = 1_700_000_000_000_000_000
BOOT = '00112233445566aa'
OTHER_BOOT = 'ffeeddccbbaa9988'


class Robot:
    """
    One robot's batches, decoded and handed to an overview at invented times.

    :param overview: gets them
    :param robot_id: whose they are
    """

    def __init__(self, overview: Overview, robot_id: str = 'amr-07') -> None:
        self.robot_id = robot_id
        self._overview = overview
        self._decoder = Decoder()
        self._next: dict[tuple[str, int], int] = {}
        self._number = 0

    def send(
        self,
        now: float,
        ages_s: Sequence[float],
        *,
        route: int = 1,
        topic: str = '/odom',
        boot: str = BOOT,
        latched: bool = False,
        stream: str = 'pose',
        backlog: bool = False,
        clock_s: float = 0.0,
        type_name: str = 'a/msg/A',
        schema_id: str = '',
        cdr: bytes = b'\0\1\0\0' + bytes(96),
    ) -> None:
        """
        Have samples arrive.

        :param now: when
        :param ages_s: how old each is
        :param route: their route's number
        :param topic: their ROS topic
        :param boot: their boot, hexadecimal
        :param latched: whether they stand at the broker
        :param stream: their stream
        :param backlog: whether they come out of the spool
        :param clock_s: by how much the robot's clock is ahead
        :param type_name: their type
        :param schema_id: of its definition
        :param cdr: each of them
        """
        wall_ns = EPOCH_NS + round(now * 1e9)
        first = self._next.get((boot, route), 1)
        self._next[boot, route] = first + len(ages_s)
        self._number += 1
        clock_ns = wall_ns + round(clock_s * 1e9)
        times_ns = [clock_ns - round(age_s * 1e9) for age_s in ages_s]
        section = Section(
            route=route,
            descriptor=Descriptor(
                stream=stream, topic=topic, type_name=type_name, schema_id=schema_id
            ),
            sequences=range(first, first + len(ages_s)),
            samples=[Received(cdr, ns, ns) for ns in times_ns],
            totals=None,
        )
        batch = Batch(
            boot=bytes.fromhex(boot),
            number=self._number,
            sent_time_ns=clock_ns,
            sections=(section,),
        )
        topics = RobotTopics('rcb/v1', self.robot_id)
        where = topics.latched(topic) if latched else topics.batches(Priority.NORMAL)
        if backlog:
            where = topics.backlog
        payload = encode_batch(batch, {route: BlockEncoder()})
        for sample in self._decoder.feed(where, payload):
            self._overview.add_sample(sample, now, wall_ns)

    def health(self, now: float, uptime_s: float, **keys: Any) -> None:
        """
        Have a health document arrive, as JSON would give it.

        :param now: when
        :param uptime_s: of the robot's bridge
        :param keys: what it says besides
        """
        document = {'version': 1, 'boot_id': BOOT, 'uptime_s': uptime_s, **keys}
        wall_ns = EPOCH_NS + round(now * 1e9)
        self._overview.add_health(
            self.robot_id, json.loads(json.dumps(document)), now, wall_ns
        )

    def state(self, now: float, online: bool, reason: str, **keys: Any) -> None:
        """
        Have it come or go.

        :param now: when
        :param online: whether it comes
        :param reason: why
        :param keys: other facts
        """
        keys = {'boot_id': BOOT, 'connection': 1, 'retained': False, **keys}
        state = RobotState(robot_id=self.robot_id, online=online, reason=reason, **keys)
        self._overview.add_state(state, now)


def only(overview: Overview, now: float) -> RobotView:
    """
    Show the one robot that there is.

    :param overview: what is known
    :param now: when
    :returns: the robot
    """
    (view,) = overview.robots(now)
    return view


def route_of(view: RobotView, number: int = 1) -> RouteView:
    """
    Find a route.

    :param view: a robot
    :param number: the route's
    :returns: the route
    """
    (found,) = [r for stream in view.streams for r in stream.routes if r.route == number]
    return found
