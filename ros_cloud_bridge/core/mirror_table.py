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

"""The table of the mirror's configuration keys; its defaults come from the values below."""

from dataclasses import dataclass, replace
from enum import Enum
import re

from ros_cloud_bridge.core.config_fields import (
    confirmer_problem,
    Field,
    Kind,
    operator_problem,
    pattern_problem,
    root_problem,
)
from ros_cloud_bridge.core.config_mqtt_table import MQTT_FIELDS
from ros_cloud_bridge.core.demand import parse_wish
from ros_cloud_bridge.values import MqttConfig

ROBOT = '{robot}'
_ROBOTS = re.compile(r'[A-Za-z0-9_*?\[\]!-]{1,128}')
_NAMESPACE = re.compile(r'/?([A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*)?')


class StampClock(Enum):
    """Whose clock the stamps of mirrored headers are of."""

    ROBOT = 'robot'
    LOCAL = 'local'


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorOperator:
    """As whom the mirror commands robots; without a name it commands none."""

    name: str = ''
    key_file: str = ''
    robot_keys: str = ''
    channels: tuple[str, ...] = ()
    ttl_s: float = 5.0
    drive_hz: float = 10.0
    drive_idle_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorConfig:
    """Which robots are mirrored into this graph, and how."""

    root: str = 'rcb/v1'
    mqtt: MqttConfig = MqttConfig()
    robots: str = '*'
    namespace: str = ROBOT
    topics: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    name: str = ''
    leases: tuple[str, ...] = ()
    historical: bool = False
    clock: StampClock = StampClock.ROBOT
    clock_window_s: float = 60.0
    qos_depth: int = 10
    max_robots: int = 100
    max_topics: int = 500
    max_queued_bytes: int = 64 * 1024 * 1024
    forget_after_s: float = 300.0
    graph_period_s: float = 1.0
    diagnostics_period_s: float = 1.0
    operator: MirrorOperator = MirrorOperator()


def robots_problem(robots: str) -> str:
    """
    Say what is wrong with the choice of robots.

    :param robots: a robot id, or a glob over robot ids
    :returns: one line, empty when nothing is
    """
    if _ROBOTS.fullmatch(robots):
        return ''
    return "must be a robot id or a glob over robot ids, as in 'amr-*'"


def lease_problem(text: str) -> str:
    """
    Say what is wrong with a lease that is wanted.

    :param text: as in ``camera:5``
    :returns: one line, empty when nothing is
    """
    try:
        parse_wish(text)
    except ValueError as error:
        return str(error)
    return ''


def namespace_problem(namespace: str) -> str:
    """
    Say what is wrong with the namespace of robots.

    :param namespace: as in ``fleet/{robot}``
    :returns: one line, empty when nothing is
    """
    if _NAMESPACE.fullmatch(namespace.replace(ROBOT, 'r')):
        return ''
    return f'must be a ROS namespace, as in fleet/{ROBOT}, where {ROBOT} stands for the robot'


_MIRROR = MirrorConfig()
_OPERATOR = _MIRROR.operator

MIRROR_FIELDS = (
    Field(
        key='root',
        kind=Kind.TEXT,
        default=_MIRROR.root,
        problem=root_problem,
        help='First levels of all MQTT topics; the same for a whole fleet.',
    ),
    *(
        replace(field, help='MQTT client id; empty: a random one.')
        if field.key == 'mqtt.client_id'
        else field
        for field in MQTT_FIELDS
    ),
    Field(
        key='robots',
        kind=Kind.TEXT,
        default=_MIRROR.robots,
        problem=robots_problem,
        help="Which robots are mirrored: a robot id, or a glob such as 'amr-*'.",
    ),
    Field(
        key='namespace',
        kind=Kind.TEXT,
        default=_MIRROR.namespace,
        problem=namespace_problem,
        help="Namespace of a robot's topics; {robot} stands for its id, made a legal name. "
        'Without it, or empty for none, only where robots is one id.',
    ),
    Field(
        key='topics',
        kind=Kind.LIST,
        default=_MIRROR.topics,
        problem=pattern_problem,
        help='Patterns of the topics, by their names on the robot; empty: all.',
    ),
    Field(
        key='deny',
        kind=Kind.LIST,
        default=_MIRROR.deny,
        problem=pattern_problem,
        help='Patterns of topics that are not mirrored.',
    ),
    Field(
        key='name',
        kind=Kind.TEXT,
        default=_MIRROR.name,
        problem=confirmer_problem,
        help='Name by which robots know the mirror; for leases their demand.allow must hold it.',
    ),
    Field(
        key='leases',
        kind=Kind.LIST,
        default=_MIRROR.leases,
        problem=lease_problem,
        help='Streams with on_demand to lease of each robot, as STREAM or STREAM:HZ.',
    ),
    Field(
        key='historical',
        kind=Kind.FLAG,
        default=_MIRROR.historical,
        help='Publish samples of the backlog, which are late, as well.',
    ),
    Field(
        key='clock',
        kind=Kind.TEXT,
        default=_MIRROR.clock.value,
        choices=tuple(clock.value for clock in StampClock),
        help='Whose clock the stamps in headers are of: as they came, or shifted to the clock of '
        'this machine.',
    ),
    Field(
        key='clock_window_s',
        kind=Kind.NUMBER,
        default=_MIRROR.clock_window_s,
        low=1,
        high=3600,
        unit='s',
        help="Over how long the least delay is sought, from which the clocks' offset follows.",
    ),
    Field(
        key='qos_depth',
        kind=Kind.INTEGER,
        default=_MIRROR.qos_depth,
        low=1,
        high=10000,
        unit='messages',
        help='History depth of topics that are not latched.',
    ),
    Field(
        key='max_robots',
        kind=Kind.INTEGER,
        default=_MIRROR.max_robots,
        low=1,
        high=10000,
        help='Most robots; further ones are named and left out.',
    ),
    Field(
        key='max_topics',
        kind=Kind.INTEGER,
        default=_MIRROR.max_topics,
        low=1,
        high=10000,
        help='Most topics of a robot.',
    ),
    Field(
        key='max_queued_bytes',
        kind=Kind.INTEGER,
        default=_MIRROR.max_queued_bytes,
        low=1024 * 1024,
        high=2**40,
        unit='bytes',
        help='Most bytes received and not yet published; what comes beyond is dropped and '
        'counted.',
    ),
    Field(
        key='forget_after_s',
        kind=Kind.NUMBER,
        default=_MIRROR.forget_after_s,
        low=1,
        high=1e7,
        unit='s',
        zero_means='never',
        help='How long the topics of a robot that is offline stay in the graph.',
    ),
    Field(
        key='graph_period_s',
        kind=Kind.NUMBER,
        default=_MIRROR.graph_period_s,
        low=0.05,
        high=3600,
        unit='s',
        help='How often the graph is looked at for bridges of mirrored robots.',
    ),
    Field(
        key='diagnostics_period_s',
        kind=Kind.NUMBER,
        default=_MIRROR.diagnostics_period_s,
        low=0.1,
        high=3600,
        unit='s',
        zero_means='none',
        help='How often the mirror tells of itself on /diagnostics.',
    ),
    Field(
        key='operator.name',
        kind=Kind.TEXT,
        default=_OPERATOR.name,
        problem=confirmer_problem,
        help='Operator as whom robots are commanded; empty: nothing is commanded from here.',
    ),
    Field(
        key='operator.key_file',
        kind=Kind.TEXT,
        default=_OPERATOR.key_file,
        help="The operator's private key; empty for robots with trust: transport.",
    ),
    Field(
        key='operator.robot_keys',
        kind=Kind.TEXT,
        default=_OPERATOR.robot_keys,
        help="Directory of the robots' public keys, {robot}.pub; only these are commanded.",
    ),
    Field(
        key='operator.channels',
        kind=Kind.LIST,
        default=_OPERATOR.channels,
        problem=operator_problem,
        help='Channels that are offered here, by name or glob; empty: all that a robot has.',
    ),
    Field(
        key='operator.ttl_s',
        kind=Kind.NUMBER,
        default=_OPERATOR.ttl_s,
        low=0.1,
        high=3600,
        unit='s',
        help="Within this time a robot may begin a command, at most the channel's max_ttl_s.",
    ),
    Field(
        key='operator.drive_hz',
        kind=Kind.NUMBER,
        default=_OPERATOR.drive_hz,
        low=0.1,
        high=200,
        unit='Hz',
        help='How often the newest message of a channel with a lease is sent.',
    ),
    Field(
        key='operator.drive_idle_s',
        kind=Kind.NUMBER,
        default=_OPERATOR.drive_idle_s,
        low=0.6,
        high=60,
        unit='s',
        help='After so long without a message the lease is given back.',
    ),
)

MIRROR_BY_KEY = {field.key: field for field in MIRROR_FIELDS}
