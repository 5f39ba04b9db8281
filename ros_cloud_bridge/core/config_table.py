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
    environment_problem,
    Field,
    host_problem,
    Kind,
    name_problem,
    pattern_problem,
    root_problem,
)
from ros_cloud_bridge.values import BridgeConfig, Keep, Key, Priority, StreamConfig, TlsConfig

PRESETS = ('mosquitto', 'emqx', 'hivemq', 'rabbitmq', 'aws_iot', 'azure_event_grid')
PROTOCOLS = ('auto', '5', '3.1.1')

_BRIDGE = BridgeConfig(robot_id='')
_STREAM = StreamConfig(name='', topics=())
_TLS = TlsConfig()
_MQTT = _BRIDGE.mqtt
_LINK = _BRIDGE.link
_DISCOVERY = _BRIDGE.discovery
_RATE_OFF = 'no limit'
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
        zero_means=_RATE_OFF,
        run_time=True,
        help='Most bytes per second towards the broker.',
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

STREAM_FIELDS = (
    Field(
        key='topics',
        kind=Kind.LIST,
        default=(),
        problem=pattern_problem,
        help='Topics of the stream: exact names, globs, re: patterns. Required.',
    ),
    Field(
        key='deny',
        kind=Kind.LIST,
        default=_STREAM.deny,
        problem=pattern_problem,
        help='Topic patterns that this stream leaves to the next.',
    ),
    Field(
        key='max_hz',
        kind=Kind.NUMBER,
        default=_STREAM.max_hz,
        low=0.0001,
        high=100000,
        unit='Hz',
        zero_means=_RATE_OFF,
        run_time=True,
        help='Most samples per second and topic, or per key if one is given.',
    ),
    Field(
        key='decimation',
        kind=Kind.INTEGER,
        default=_STREAM.decimation,
        low=1,
        high=10**9,
        run_time=True,
        help='Take each n-th sample only.',
    ),
    Field(
        key='keep',
        kind=Kind.TEXT,
        default=_STREAM.keep.value,
        choices=tuple(keep.value for keep in Keep),
        help='What waits while the link is busy: the newest sample, or all in order.',
    ),
    Field(
        key='key',
        kind=Kind.TEXT,
        default=_STREAM.key.value,
        choices=tuple(key.value for key in Key),
        help='What keep: latest keeps one of; frame_id needs a type that begins with a header, '
        'status_name a DiagnosticArray.',
    ),
    Field(
        key='max_samples',
        kind=Kind.INTEGER,
        default=_STREAM.max_samples,
        low=1,
        high=10**9,
        unit='samples',
        run_time=True,
        help='Most samples of a topic that wait; the oldest is dropped.',
    ),
    Field(
        key='max_bytes',
        kind=Kind.INTEGER,
        default=_STREAM.max_bytes,
        low=1,
        high=2**40,
        unit='bytes',
        run_time=True,
        help='Most bytes of a topic that wait; the oldest sample is dropped.',
    ),
    Field(
        key='max_age_s',
        kind=Kind.NUMBER,
        default=_STREAM.max_age_s,
        low=0.001,
        high=31536000,
        unit='s',
        zero_means='never',
        run_time=True,
        help='Age at which a waiting sample is dropped instead of sent.',
    ),
    Field(
        key='max_delay_s',
        kind=Kind.NUMBER,
        default=_STREAM.max_delay_s,
        high=3600,
        unit='s',
        run_time=True,
        help='How long a sample may wait for others to share its batch.',
    ),
    Field(
        key='priority',
        kind=Kind.TEXT,
        default=_STREAM.priority.name.lower(),
        choices=tuple(priority.name.lower() for priority in Priority),
        run_time=True,
        help='A class is served only when the ones above have nothing to send.',
    ),
    Field(
        key='weight',
        kind=Kind.NUMBER,
        default=_STREAM.weight,
        low=0.001,
        high=1000,
        run_time=True,
        help='Share of the link among the streams of one class.',
    ),
    Field(
        key='qos_depth',
        kind=Kind.INTEGER,
        default=_STREAM.qos_depth,
        low=1,
        high=100000,
        unit='samples',
        zero_means='chosen by rate and policy',
        help='History depth of the ROS subscriptions.',
    ),
)

# Keys of later releases, refused by name rather than as unknown.
LATER_SECTIONS = ('commands',)
LATER_KEYS = ('link.monthly_budget_mb',)
LATER_STREAM_KEYS = ('reducer', 'on_demand', 'ttl_s', 'confirm')
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
