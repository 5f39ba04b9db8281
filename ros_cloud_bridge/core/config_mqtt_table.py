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

"""The keys of the MQTT connection."""

from ros_cloud_bridge.core.config_fields import (
    environment_problem,
    Field,
    host_problem,
    Kind,
)
from ros_cloud_bridge.values import MqttConfig, TlsConfig

PRESETS = ('mosquitto', 'emqx', 'hivemq', 'rabbitmq', 'aws_iot', 'azure_event_grid')
PROTOCOLS = ('auto', '5', '3.1.1')

_MQTT = MqttConfig()
_TLS = TlsConfig()
_PRESET = 'what the preset and the broker say'

MQTT_FIELDS = (
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
)
