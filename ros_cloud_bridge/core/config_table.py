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
defaults come from :mod:`ros_cloud_bridge.values`. Keys of a stream stand below ``stream.NAME.``.
"""

from ros_cloud_bridge.core.config_fields import (
    consumer_problem,
    environment_problem,
    Field,
    host_problem,
    Kind,
    name_problem,
    pattern_problem,
    root_problem,
)
from ros_cloud_bridge.core.config_stream_table import RATE_OFF, STREAM_FIELDS
from ros_cloud_bridge.values import Algorithm, BridgeConfig, TlsConfig

PRESETS = ('mosquitto', 'emqx', 'hivemq', 'rabbitmq', 'aws_iot', 'azure_event_grid')
PROTOCOLS = ('auto', '5', '3.1.1')

_BRIDGE = BridgeConfig(robot_id='')
_TLS = TlsConfig()
_MQTT = _BRIDGE.mqtt
_LINK = _BRIDGE.link
_DISCOVERY = _BRIDGE.discovery
_DEMAND = _BRIDGE.demand
_PRESET = 'what the preset and the broker say'

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
    Field(
        key='mqtt.host',
        kind=Kind.TEXT,
        default=_MQTT.host,
        problem=host_problem,
        secret=True,
        help='Host name or address of the broker.',
    ),
    Field(
        key='mqtt.port',
        kind=Kind.INTEGER,
        default=_MQTT.port,
        high=65535,
        zero_means='1883, or 8883 with TLS',
        help='Port of the broker.',
    ),
    Field(
        key='mqtt.preset',
        kind=Kind.TEXT,
        default=_MQTT.preset,
        choices=PRESETS,
        help="Kind of broker; loads that broker's limits.",
    ),
    Field(
        key='mqtt.protocol',
        kind=Kind.TEXT,
        default=_MQTT.protocol,
        choices=PROTOCOLS,
        help='MQTT version; auto tries 5 and falls back to 3.1.1.',
    ),
    Field(
        key='mqtt.client_id',
        kind=Kind.TEXT,
        default=_MQTT.client_id,
        help='MQTT client id; empty: made from the robot id.',
    ),
    Field(
        key='mqtt.username',
        kind=Kind.TEXT,
        default=_MQTT.username,
        help='Login name; empty: none.',
    ),
    Field(
        key='mqtt.password_file',
        kind=Kind.TEXT,
        default=_MQTT.password_file,
        secret=True,
        help='File whose first line is the password.',
    ),
    Field(
        key='mqtt.password_env',
        kind=Kind.TEXT,
        default=_MQTT.password_env,
        problem=environment_problem,
        secret=True,
        help='Environment variable that holds the password, instead of a file.',
    ),
    Field(
        key='mqtt.keepalive_s',
        kind=Kind.INTEGER,
        default=_MQTT.keepalive_s,
        low=5,
        high=65535,
        unit='s',
        help='Silence after which the connection is probed.',
    ),
    Field(
        key='mqtt.connect_timeout_s',
        kind=Kind.NUMBER,
        default=_MQTT.connect_timeout_s,
        low=0.1,
        high=300,
        unit='s',
        help='How long one attempt to connect may take.',
    ),
    Field(
        key='mqtt.max_payload_bytes',
        kind=Kind.INTEGER,
        default=_MQTT.max_payload_bytes,
        low=1024,
        high=268435455,
        unit='bytes',
        zero_means=_PRESET,
        help='Largest MQTT payload; larger batches go in fragments.',
    ),
    Field(
        key='mqtt.max_in_flight',
        kind=Kind.INTEGER,
        default=_MQTT.max_in_flight,
        low=1,
        high=65535,
        unit='messages',
        zero_means=_PRESET,
        help='Most MQTT messages without an acknowledgement.',
    ),
    Field(
        key='mqtt.max_messages_per_s',
        kind=Kind.NUMBER,
        default=_MQTT.max_messages_per_s,
        low=0.1,
        high=1e6,
        unit='messages/s',
        zero_means=_PRESET,
        help='Most MQTT messages per second.',
    ),
    Field(
        key='mqtt.tls.enabled',
        kind=Kind.FLAG,
        default=False,
        help='Encrypt. True by itself as soon as another mqtt.tls key is given.',
    ),
    Field(
        key='mqtt.tls.ca_file',
        kind=Kind.TEXT,
        default=_TLS.ca_file,
        help="PEM file of the authorities to trust; empty: the system's.",
    ),
    Field(
        key='mqtt.tls.cert_file',
        kind=Kind.TEXT,
        default=_TLS.cert_file,
        help="PEM file of the robot's own certificate (mutual TLS).",
    ),
    Field(
        key='mqtt.tls.key_file',
        kind=Kind.TEXT,
        default=_TLS.key_file,
        help="PEM file of that certificate's private key.",
    ),
    Field(
        key='mqtt.tls.key_password_env',
        kind=Kind.TEXT,
        default=_TLS.key_password_env,
        problem=environment_problem,
        secret=True,
        help="Environment variable that holds the private key's password.",
    ),
    Field(
        key='mqtt.tls.alpn',
        kind=Kind.LIST,
        default=_TLS.alpn,
        help='ALPN protocol names, as AWS IoT wants on port 443: [mqtt].',
    ),
    Field(
        key='mqtt.tls.verify_hostname',
        kind=Kind.FLAG,
        default=_TLS.verify_hostname,
        help="Check that the broker's certificate is for mqtt.host.",
    ),
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
)

# Keys of later releases, refused by name rather than as unknown.
LATER_SECTIONS = ('commands',)
LATER_KEYS = ()
LATER_STREAM_KEYS = ('reducer', 'ttl_s', 'confirm')
LATER_CHOICES = {'keep': ('durable',)}

# Parameters that every ROS node may have, and those of the node itself (not of the bridge).
FOREIGN_KEYS = ('use_sim_time', 'start_type_description_service', 'auto_start')
FOREIGN_SECTIONS = ('qos_overrides',)

BY_KEY = {field.key: field for field in FIELDS}
BY_STREAM_KEY = {field.key: field for field in STREAM_FIELDS}


def field_of(key: str) -> Field | None:
    """
    Look a full key up.

    :param key: as in ``mqtt.host`` or ``stream.pose.max_hz``
    :returns: its field, or None when there is none
    """
    if key.startswith('stream.'):
        return BY_STREAM_KEY.get(key.removeprefix('stream.').partition('.')[2])
    return BY_KEY.get(key)
