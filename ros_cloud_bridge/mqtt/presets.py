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

"""What each kind of broker allows; zero means that it sets no limit."""

from dataclasses import dataclass
import difflib

from ros_cloud_bridge.errors import ConfigError

KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """
    Limits of one kind of broker, as its documentation states them.

    Rates are the broker's own figures; ``limits.negotiate`` takes 80 % of them. ``alpn`` is what
    to offer on port 443 when the user names nothing.
    """

    name: str
    max_payload_bytes: int
    max_in_flight: int
    max_in_flight_bytes: int = 0
    max_messages_per_s: float = 0.0
    max_bytes_per_s: float = 0.0
    max_keepalive_s: int = 65535
    topic_aliases: int = 0
    retained_on_wildcard: bool = True
    max_retained_bytes: int = 0
    protocol: str = 'auto'
    alpn: tuple[str, ...] = ()
    connect_user_properties_allowed: bool = True
    max_subscriptions_per_packet: int = 8


PRESETS = {
    preset.name: preset
    for preset in (
        # 2.1 takes 2 MB by default, earlier versions 256 MB.
        Preset(name='mosquitto', max_payload_bytes=2_000_000, max_in_flight=20, topic_aliases=10),
        # The serverless offer allows 10 messages/s: set mqtt.max_messages_per_s there.
        Preset(name='emqx', max_payload_bytes=1_000_000, max_in_flight=100, topic_aliases=65535),
        Preset(name='hivemq', max_payload_bytes=256 * MIB, max_in_flight=10, topic_aliases=5),
        # It sends no Receive Maximum, so the limit is ours; retained messages stay on one node.
        Preset(
            name='rabbitmq',
            max_payload_bytes=16 * MIB,
            max_in_flight=20,
            topic_aliases=16,
            retained_on_wildcard=False,
        ),
        Preset(
            name='aws_iot',
            max_payload_bytes=128 * KIB,
            max_in_flight=100,
            max_messages_per_s=100.0,
            max_bytes_per_s=512.0 * KIB,
            max_keepalive_s=1200,
            topic_aliases=8,
            retained_on_wildcard=False,
            alpn=('x-amzn-mqtt-ca',),
        ),
        Preset(
            name='azure_event_grid',
            max_payload_bytes=512 * KIB,
            max_in_flight=1000,
            max_in_flight_bytes=64 * KIB,
            max_messages_per_s=100.0,
            max_bytes_per_s=1_000_000.0,
            max_keepalive_s=1160,
            topic_aliases=10,
            max_retained_bytes=64 * KIB,
            connect_user_properties_allowed=False,
        ),
    )
}


def find_preset(name: str) -> Preset:
    """
    Look a preset up.

    :param name: as the user wrote it under ``mqtt.preset``
    :returns: its limits
    :raises ConfigError: for an unknown name; says the nearest known one
    """
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ''
    raise ConfigError('mqtt.preset', f"'{name}' is none of {', '.join(PRESETS)}{hint}")
