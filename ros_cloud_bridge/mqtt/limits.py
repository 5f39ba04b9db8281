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

"""What a connection may carry: the least of what broker, preset and user allow."""

from dataclasses import dataclass

from ros_cloud_bridge.mqtt.presets import Preset
from ros_cloud_bridge.values import MqttConfig

# Every broker of the presets takes this much; larger batches are fragmented.
PORTABLE_PAYLOAD_BYTES = 120 * 1024
# Fixed header 5, topic 2 + 256, packet id 2; properties: length 2, alias 3, expiry 5, content type
# what is left.
HEADER_ROOM_BYTES = 384
# All six presets' brokers hold five.
PORTABLE_TOPIC_ALIASES = 5
DEFAULT_IN_FLIGHT_BYTES = 512 * 1024
# A provider's rates are never used up entirely: its clock and ours do not agree on a second.
RATE_SHARE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What the CONNACK says; the defaults are what its absence means (MQTT 5, 3.2.2.3)."""

    receive_maximum: int = 65535
    maximum_packet_size: int = 0
    topic_alias_maximum: int = 0
    server_keep_alive_s: int | None = None
    retain_available: bool = True
    maximum_qos: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """Limits to work with; zero means none for rates, packet size and retained bytes."""

    max_in_flight: int
    max_in_flight_bytes: int
    max_payload_bytes: int
    max_packet_bytes: int
    topic_aliases: int
    keepalive_s: int
    max_messages_per_s: float
    max_bytes_per_s: float
    max_retained_bytes: int
    retain_available: bool
    retained_on_wildcard: bool
    max_qos: int


def negotiate(config: MqttConfig, preset: Preset, server: ServerLimits) -> SessionLimits:
    """
    Work out a connection's limits.

    :param config: what the user allows
    :param preset: what this kind of broker allows
    :param server: what this broker said; ``ServerLimits()`` before it said anything
    :returns: the least of the three
    """
    packet = server.maximum_packet_size
    payload = min(config.max_payload_bytes or PORTABLE_PAYLOAD_BYTES, preset.max_payload_bytes)
    if packet:
        # A broker with tiny packets gets short payloads rather than none.
        payload = min(payload, max(packet - HEADER_ROOM_BYTES, packet // 2))
    keepalive = min(config.keepalive_s, preset.max_keepalive_s)
    if server.server_keep_alive_s is not None:
        keepalive = server.server_keep_alive_s
    return SessionLimits(
        max_in_flight=_least(server.receive_maximum, config.max_in_flight, preset.max_in_flight),
        max_in_flight_bytes=_least(DEFAULT_IN_FLIGHT_BYTES, preset.max_in_flight_bytes),
        max_payload_bytes=payload,
        max_packet_bytes=packet,
        topic_aliases=min(
            server.topic_alias_maximum, preset.topic_aliases, PORTABLE_TOPIC_ALIASES
        ),
        keepalive_s=keepalive,
        max_messages_per_s=_rate(config.max_messages_per_s, preset.max_messages_per_s),
        max_bytes_per_s=_rate(0.0, preset.max_bytes_per_s),
        max_retained_bytes=preset.max_retained_bytes,
        retain_available=server.retain_available,
        retained_on_wildcard=preset.retained_on_wildcard,
        max_qos=server.maximum_qos,
    )


def _least(*limits: int) -> int:
    return min(limit for limit in limits if limit)


def _rate(chosen: float, provider: float) -> float:
    rates = [rate for rate in (chosen, RATE_SHARE * provider) if rate]
    return min(rates, default=0.0)
