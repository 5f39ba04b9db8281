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

"""
The one table of configuration keys.

Parsing, hints, run-time changes, ``check-config`` and docs/configuration.md all come from it;
defaults come from :mod:`ros_cloud_bridge.values`. Keys of a stream stand below ``stream.NAME.``,
those of a black box below ``black_box.NAME.``, those of a channel for commands below
``command.NAME.``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ros_cloud_bridge.core.config_box_table import BLACK_BOX_FIELDS
from ros_cloud_bridge.core.config_command_table import BY_COMMAND_KEY, channel_problem
from ros_cloud_bridge.core.config_fields import (
    consumer_problem,
    Field,
    Kind,
    name_problem,
    pattern_problem,
    root_problem,
)
from ros_cloud_bridge.core.config_mqtt_table import MQTT_FIELDS
from ros_cloud_bridge.core.config_stream_table import RATE_OFF, STREAM_FIELDS
from ros_cloud_bridge.values import Algorithm, BridgeConfig, Encode, Trust

_BRIDGE = BridgeConfig(robot_id='')
_LINK = _BRIDGE.link
_DISCOVERY = _BRIDGE.discovery
_DEMAND = _BRIDGE.demand
_SPOOL = _BRIDGE.spool
_AUDIT = _BRIDGE.audit

FIELDS = (
    Field(
        key='robot_id',
        kind=Kind.TEXT,
        default='',
        problem=name_problem,
        help='Name of this robot, unique in the fleet. Required.',
    ),
    Field(
        key='root',
        kind=Kind.TEXT,
        default=_BRIDGE.root,
        problem=root_problem,
        help='First levels of all MQTT topics; the same for a whole fleet.',
    ),
    *MQTT_FIELDS,
    Field(
        key='link.max_bytes_per_s',
        kind=Kind.NUMBER,
        default=_LINK.max_bytes_per_s,
        low=100,
        high=1e11,
        unit='bytes/s',
        zero_means=RATE_OFF,
        run_time=True,
        help='Most bytes of MQTT topics and payloads per second towards the broker.',
    ),
    Field(
        key='link.algorithm',
        kind=Kind.TEXT,
        default=_LINK.algorithm.value,
        choices=tuple(algorithm.value for algorithm in Algorithm),
        help='How the rate of the link is found; docs/pacing.md compares them.',
    ),
    Field(
        key='link.monthly_budget_mb',
        kind=Kind.NUMBER,
        default=_LINK.monthly_budget_mb,
        low=1,
        high=1e9,
        unit='MB',
        zero_means='no budget',
        run_time=True,
        help='Most megabytes (10^6 bytes) a month towards the broker; what is left is spread over '
        'the days left.',
    ),
    Field(
        key='link.budget_reset_day',
        kind=Kind.INTEGER,
        default=_LINK.budget_reset_day,
        low=1,
        high=28,
        help="Day of the month (UTC) on which the contract's month begins.",
    ),
    Field(
        key='link.max_segment_bytes',
        kind=Kind.INTEGER,
        default=_LINK.max_segment_bytes,
        low=536,
        high=9000,
        unit='bytes',
        zero_means='small on a link that was below 400 kbit/s, else what the system chooses',
        help='TCP maximum segment size of the connection to the broker.',
    ),
    Field(
        key='link.max_in_flight_bytes',
        kind=Kind.INTEGER,
        default=_LINK.max_in_flight_bytes,
        low=1024,
        high=2**30,
        unit='bytes',
        help='Most bytes without an acknowledgement.',
    ),
    Field(
        key='link.max_queued_bytes',
        kind=Kind.INTEGER,
        default=_LINK.max_queued_bytes,
        low=1024 * 1024,
        high=2**40,
        unit='bytes',
        run_time=True,
        help='Most bytes waiting in all queues together; the least important go first.',
    ),
    Field(
        key='link.encode',
        kind=Kind.TEXT,
        default=_LINK.encode.value,
        choices=tuple(encode.value for encode in Encode),
        help='How hard batches are compressed; auto follows the link and the processor.',
    ),
    Field(
        key='link.dictionaries',
        kind=Kind.FLAG,
        default=_LINK.dictionaries,
        help='Whether batches may refer to a dictionary, which consumers have retained or ask '
        'for.',
    ),
    Field(
        key='discovery.period_s',
        kind=Kind.NUMBER,
        default=_DISCOVERY.period_s,
        low=0.05,
        high=3600,
        unit='s',
        help='How often the ROS graph is looked at.',
    ),
    Field(
        key='discovery.deny',
        kind=Kind.LIST,
        default=_DISCOVERY.deny,
        problem=pattern_problem,
        help='Topic patterns that no stream gets, even by name.',
    ),
    Field(
        key='discovery.include_hidden',
        kind=Kind.FLAG,
        default=_DISCOVERY.include_hidden,
        help="Let patterns match hidden topics (a part begins with '_').",
    ),
    Field(
        key='discovery.include_mirrored',
        kind=Kind.FLAG,
        default=_DISCOVERY.include_mirrored,
        help='Bridge what a mirror publishes in this graph as well. With a mirror of this robot '
        'at the other end that makes a loop.',
    ),
    Field(
        key='demand.allow',
        kind=Kind.LIST,
        default=_DEMAND.allow,
        problem=consumer_problem,
        help="Consumers that may lease on_demand streams; globs such as 'ops-*'.",
    ),
    Field(
        key='demand.max_lease_s',
        kind=Kind.NUMBER,
        default=_DEMAND.max_lease_s,
        low=1,
        high=86400,
        unit='s',
        help='Longest lease; longer ones are shortened to it.',
    ),
    Field(
        key='spool.max_bytes',
        kind=Kind.INTEGER,
        default=_SPOOL.max_bytes,
        low=1024 * 1024,
        high=2**44,
        unit='bytes',
        run_time=True,
        help='Most bytes on disk of all durable streams together; when_full says what goes.',
    ),
    Field(
        key='spool.max_writes_mb_per_day',
        kind=Kind.NUMBER,
        default=_SPOOL.max_writes_mb_per_day,
        low=1,
        high=1e9,
        unit='MB',
        zero_means=RATE_OFF,
        run_time=True,
        help='Most megabytes (10^6 bytes) that the spool writes a day, to spare the flash; beyond '
        'them samples go from memory, not committed.',
    ),
    Field(
        key='spool.commit_delay_s',
        kind=Kind.NUMBER,
        default=_SPOOL.commit_delay_s,
        low=0.01,
        high=5,
        unit='s',
        run_time=True,
        help='Within this time a sample is committed, so much may go with the power. A commit '
        'writes 12 KB at least: with slow topics a longer time spares the flash.',
    ),
    Field(
        key='state_dir',
        kind=Kind.TEXT,
        default=_BRIDGE.state_dir,
        help='Directory for what outlives a restart; empty: ros_cloud_bridge below ROS_HOME or '
        '~/.ros.',
    ),
    Field(
        key='diagnostics_period_s',
        kind=Kind.NUMBER,
        default=_BRIDGE.diagnostics_period_s,
        low=0.1,
        high=3600,
        unit='s',
        zero_means='none',
        help='How often link and streams are told on /diagnostics.',
    ),
    Field(
        key='health_period_s',
        kind=Kind.NUMBER,
        default=_BRIDGE.health_period_s,
        low=0.1,
        high=3600,
        unit='s',
        run_time=True,
        help='How often health figures are sent.',
    ),
    Field(
        key='announce_period_s',
        kind=Kind.NUMBER,
        default=_BRIDGE.announce_period_s,
        low=0.1,
        high=3600,
        unit='s',
        run_time=True,
        help='How often routes and schemas are announced again.',
    ),
    Field(
        key='streams',
        kind=Kind.LIST,
        default=(),
        problem=name_problem,
        help='Names of the streams, each described below stream.NAME. The first whose topics '
        'match gets a topic. Required.',
    ),
    Field(
        key='black_boxes',
        kind=Kind.LIST,
        default=(),
        problem=name_problem,
        help='Names of the black boxes, each described below black_box.NAME.',
    ),
    Field(
        key='commands',
        kind=Kind.LIST,
        default=(),
        problem=channel_problem,
        help='Names of the channels for commands, each described below command.NAME.',
    ),
    Field(
        key='trust',
        kind=Kind.TEXT,
        default=_BRIDGE.trust.value,
        choices=tuple(trust.value for trust in Trust),
        help='What proves who sent a command: signatures, or the MQTT topic alone (transport).',
    ),
    Field(
        key='confirm_trust',
        kind=Kind.TEXT,
        default=_BRIDGE.confirm_trust.value,
        choices=tuple(trust.value for trust in Trust),
        help="What proves that a confirmation is the consumer's: a signature by a key of its name "
        'in operator_keys, or the MQTT topic alone (transport).',
    ),
    Field(
        key='operator_keys',
        kind=Kind.TEXT,
        default=_BRIDGE.operator_keys,
        help="Directory of the operators' public keys, {operator}.pub; without one every signed "
        'command is refused.',
    ),
    Field(
        key='robot_key_file',
        kind=Kind.TEXT,
        default=_BRIDGE.robot_key_file,
        help="The robot's own private key, made at the first start; empty: in state_dir.",
    ),
    Field(
        key='audit.file',
        kind=Kind.TEXT,
        default=_AUDIT.file,
        help='File to which every decision on a command is written; empty: in state_dir.',
    ),
    Field(
        key='audit.max_bytes',
        kind=Kind.INTEGER,
        default=_AUDIT.max_bytes,
        low=64 * 1024,
        high=2**40,
        unit='bytes',
        help='Size at which the file gives way to a new one.',
    ),
    Field(
        key='audit.files',
        kind=Kind.INTEGER,
        default=_AUDIT.files,
        low=1,
        high=1000,
        help='How many of these files are kept, the newest included.',
    ),
    Field(
        key='audit.mqtt',
        kind=Kind.FLAG,
        default=_AUDIT.mqtt,
        help='Publish the decisions on the MQTT topic audit as well.',
    ),
)

# Parameters that every ROS node may have, and those of the node itself (not of the bridge).
FOREIGN_KEYS = ('use_sim_time', 'start_type_description_service', 'auto_start')
FOREIGN_SECTIONS = ('qos_overrides',)

BY_KEY = {field.key: field for field in FIELDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """
    Things of a kind that a list names and a section describes, as ``streams`` and ``stream.NAME``.

    ``required`` says of keys that must not be empty what is wrong when they are.
    """

    names_key: str
    section: str
    what: str
    by_key: Mapping[str, Field]
    required: Mapping[str, str]


_NO_TOPIC = 'names no topic; must be a list, as in [/odom, "/scan*"]'
STREAMS = Group(
    names_key='streams',
    section='stream',
    what='stream',
    by_key={field.key: field for field in STREAM_FIELDS},
    required={'topics': _NO_TOPIC},
)
BLACK_BOXES = Group(
    names_key='black_boxes',
    section='black_box',
    what='black box',
    by_key={field.key: field for field in BLACK_BOX_FIELDS},
    required={
        'topics': _NO_TOPIC,
        'triggers': 'names no trigger; must be a list, as in '
        '["/battery: percentage < 0.2", service]',
    },
)
COMMANDS = Group(
    names_key='commands',
    section='command',
    what='channel',
    by_key=BY_COMMAND_KEY,
    required={'kind': f'is missing; must be one of {BY_COMMAND_KEY["kind"].allowed}'},
)
GROUPS = (STREAMS, BLACK_BOXES, COMMANDS)


def group_of(key: str) -> Group | None:
    """
    Find the group below whose section a key stands.

    :param key: as in ``stream.pose.max_hz``
    :returns: the group, or None when it stands in no such section
    """
    section = key.partition('.')[0]
    return next((group for group in GROUPS if group.section == section), None)


def field_of(key: str) -> Field | None:
    """
    Look a full key up.

    :param key: as in ``mqtt.host`` or ``stream.pose.max_hz``
    :returns: its field, or None when there is none
    """
    group = group_of(key)
    if group is None:
        return BY_KEY.get(key)
    return group.by_key.get(key.removeprefix(f'{group.section}.').partition('.')[2])
