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

"""The keys of one channel for commands; they stand below ``command.NAME.``."""

import re

from ros_cloud_bridge.core.commands import limits
from ros_cloud_bridge.core.config_fields import Field, Kind, name_problem, operator_problem
from ros_cloud_bridge.values import ChannelConfig, ChannelKind

_CHANNEL = ChannelConfig(name='', kind=ChannelKind.TOPIC)
# wire/limits.py: what a receiver looks at.
MAX_COMMAND_BYTES = 64 * 1024
RESERVED = 'time'
# How a channel with a lease says that no field of it shrinks with the latency.
NO_SCALE = 'none'

_ROS_NAME = re.compile(r'/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*')
_TYPE = re.compile(r'[A-Za-z][A-Za-z0-9_]*/(msg|srv|action)/[A-Za-z][A-Za-z0-9_]*')
_PATH = re.compile(r'([A-Za-z][A-Za-z0-9_]*|\*)(\.([A-Za-z][A-Za-z0-9_]*|\*))*')
_PARAMETER = re.compile(r'[A-Za-z0-9_.*?/-]{1,256}')


def channel_problem(name: str) -> str:
    """
    Say what is wrong with the name of a channel.

    :param name: what the user wrote
    :returns: one line, empty when nothing is
    """
    if name == RESERVED:
        return 'is reserved: operators ask there for the time of the robot'
    return name_problem(name)


def ros_name_problem(name: str) -> str:
    """
    Say what is wrong with the name of a topic, service, action or node.

    :param name: absolute, or relative to the node's namespace; may be empty
    :returns: one line, empty when nothing is
    """
    if not name or _ROS_NAME.fullmatch(name):
        return ''
    return 'is no ROS name; write one as in /cmd_vel, or cmd_vel below the namespace'


def type_problem(name: str) -> str:
    """
    Say what is wrong with the name of a type.

    :param name: may be empty
    :returns: one line, empty when nothing is
    """
    if not name or _TYPE.fullmatch(name):
        return ''
    return 'is no type; write it in full, as in geometry_msgs/msg/Twist'


def scale_problem(path: str) -> str:
    """
    Say what is wrong with the path of fields that shrink with the latency.

    :param path: as in ``linear.*``, or ``none``
    :returns: one line, empty when nothing is
    """
    if _PATH.fullmatch(path):
        return ''
    return "must be field names joined by '.', as in linear.x, * for any one"


def parameter_problem(pattern: str) -> str:
    """
    Say what is wrong with a pattern of parameter names.

    :param pattern: name or glob
    :returns: one line, empty when nothing is
    """
    if _PARAMETER.fullmatch(pattern):
        return ''
    return 'must be the name of a parameter, as in max_speed, or a glob'


COMMAND_FIELDS = (
    Field(
        key='kind',
        kind=Kind.TEXT,
        default='',
        choices=tuple(kind.value for kind in ChannelKind),
        help='What its commands reach. Required.',
    ),
    Field(
        key='ros_name',
        kind=Kind.TEXT,
        default=_CHANNEL.ros_name,
        problem=ros_name_problem,
        help='The topic, service, action, or for parameters the node. Required, but for kind '
        'bridge.',
    ),
    Field(
        key='type',
        kind=Kind.TEXT,
        default=_CHANNEL.type_name,
        problem=type_problem,
        help='Its type in full, as in geometry_msgs/msg/Twist. Required for topic, service, '
        'action.',
    ),
    Field(
        key='operators',
        kind=Kind.LIST,
        default=_CHANNEL.operators,
        problem=operator_problem,
        help="Operators who may use it; globs such as 'ops-*'. Nobody else may.",
    ),
    Field(
        key='max_hz',
        kind=Kind.NUMBER,
        default=_CHANNEL.max_hz,
        low=0.01,
        high=1000,
        unit='Hz',
        help='Most commands per second, of all operators together; those who ask at the same time '
        'have equal parts of it. With lease: of each operator.',
    ),
    Field(
        key='max_ttl_s',
        kind=Kind.NUMBER,
        default=_CHANNEL.max_ttl_s,
        low=0.1,
        high=3600,
        unit='s',
        help='Longest time that a command may ask to stay valid until it is begun.',
    ),
    Field(
        key='max_bytes',
        kind=Kind.INTEGER,
        default=_CHANNEL.max_bytes,
        low=256,
        high=MAX_COMMAND_BYTES,
        unit='bytes',
        help='Largest command, signed.',
    ),
    Field(
        key='max_running',
        kind=Kind.INTEGER,
        default=_CHANNEL.max_running,
        low=1,
        high=1000,
        help='Most commands of the channel that run at a time.',
    ),
    Field(
        key='limits',
        kind=Kind.LIST,
        default=_CHANNEL.limits,
        problem=limits.problem,
        help="What fields may hold, or parameters: 'linear.x: -0.5..1.0', "
        "'mode: in auto, manual', 'text: at most 80'.",
    ),
    Field(
        key='timeout_s',
        kind=Kind.NUMBER,
        default=_CHANNEL.timeout_s,
        low=0.1,
        high=86400,
        unit='s',
        zero_means='no limit for action, 10 s for service, else 5 s',
        help='How long a command may run; then it ends timed_out.',
    ),
    Field(
        key='feedback_hz',
        kind=Kind.NUMBER,
        default=_CHANNEL.feedback_hz,
        low=0.01,
        high=100,
        unit='Hz',
        zero_means='none',
        help="Most answers per second with a goal's feedback. With kind action.",
    ),
    Field(
        key='parameters',
        kind=Kind.LIST,
        default=_CHANNEL.parameters,
        problem=parameter_problem,
        help="Parameters of the node that may be read and set; globs such as 'gain_*'. Required "
        'for kind parameter.',
    ),
    Field(
        key='qos_depth',
        kind=Kind.INTEGER,
        default=_CHANNEL.qos_depth,
        low=1,
        high=100000,
        unit='samples',
        help='History depth of the publisher. With kind topic.',
    ),
    Field(
        key='reliable',
        kind=Kind.FLAG,
        default=_CHANNEL.reliable,
        help='Whether the publisher is reliable. With kind topic.',
    ),
    Field(
        key='transient_local',
        kind=Kind.FLAG,
        default=_CHANNEL.transient_local,
        help='Whether nodes that come later get the last messages. With kind topic, not with '
        'lease.',
    ),
    Field(
        key='lease',
        kind=Kind.FLAG,
        default=_CHANNEL.lease,
        help='Something that moves: one operator at a time, watchdog, stop message. With kind '
        'topic.',
    ),
    Field(
        key='lease_s',
        kind=Kind.NUMBER,
        default=_CHANNEL.lease_s,
        low=1,
        high=3600,
        unit='s',
        help='How long a lease holds after its holder took it or last used it.',
    ),
    Field(
        key='watchdog_s',
        kind=Kind.NUMBER,
        default=_CHANNEL.watchdog_s,
        low=0.05,
        high=0.5,
        unit='s',
        help='Silence after which the stop message is published.',
    ),
    Field(
        key='stop',
        kind=Kind.TEXT,
        default=_CHANNEL.stop,
        help="The message that means standing still, as YAML in quotes; '{}' is all zeros, the "
        'default for Twist and TwistStamped. Required with lease for other types.',
    ),
    Field(
        key='scale',
        kind=Kind.LIST,
        default=_CHANNEL.scale,
        problem=scale_problem,
        help='Fields that shrink as the latency grows; for Twist and TwistStamped linear and '
        'angular. Required with lease for other types; [none] for none.',
    ),
    Field(
        key='latency_full_s',
        kind=Kind.NUMBER,
        default=_CHANNEL.latency_full_s,
        low=0.01,
        high=60,
        unit='s',
        help='Latency up to which the fields of scale stay as they are.',
    ),
    Field(
        key='latency_stop_s',
        kind=Kind.NUMBER,
        default=_CHANNEL.latency_stop_s,
        low=0.05,
        high=60,
        unit='s',
        help='Latency at which they have shrunk to 0; beyond it a command is refused.',
    ),
)

BY_COMMAND_KEY = {field.key: field for field in COMMAND_FIELDS}

_TOPIC, _SERVICE, _ACTION, _PARAMETER_KIND = (
    ChannelKind.TOPIC.value,
    ChannelKind.SERVICE.value,
    ChannelKind.ACTION.value,
    ChannelKind.PARAMETER.value,
)
# Kinds that a key is for; the others stand with every kind.
KINDS_OF_KEY = {
    'ros_name': (_TOPIC, _SERVICE, _ACTION, _PARAMETER_KIND),
    'type': (_TOPIC, _SERVICE, _ACTION),
    'feedback_hz': (_ACTION,),
    'parameters': (_PARAMETER_KIND,),
    'qos_depth': (_TOPIC,),
    'reliable': (_TOPIC,),
    'transient_local': (_TOPIC,),
    'lease': (_TOPIC,),
    'lease_s': (_TOPIC,),
    'watchdog_s': (_TOPIC,),
    'stop': (_TOPIC,),
    'scale': (_TOPIC,),
    'latency_full_s': (_TOPIC,),
    'latency_stop_s': (_TOPIC,),
}
LEASE_KEYS = ('lease_s', 'watchdog_s', 'stop', 'scale', 'latency_full_s', 'latency_stop_s')
# By type: what shrinks, where a channel with a lease names nothing. Their stop is all zeros.
SCALES = {
    'geometry_msgs/msg/Twist': ('linear.*', 'angular.*'),
    'geometry_msgs/msg/TwistStamped': ('twist.linear.*', 'twist.angular.*'),
}
ALL_ZEROS = '{}'
