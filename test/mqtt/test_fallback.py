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

"""MQTT 5 where the broker speaks it, 3.1.1 where it does not."""

import pytest

from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.mqtt.events import Connected, Disconnected, Refused, Unreachable
from ros_cloud_bridge.mqtt.protocol_choice import ProtocolChoice, V5, V311
from ros_cloud_bridge.values import MqttConfig
from support.fake_broker import (
    Answer,
    closing,
    connack,
    CONNACK_V311,
    CONNACK_V311_BAD_VERSION,
    CONNECT,
    FakeBroker,
    Peer,
    silent,
)
from support.sessions import running


def old_broker(refusal: Answer) -> Answer:
    """Make a broker that speaks 3.1.1 and refuses MQTT 5 in the given way."""

    def answer(peer: Peer, kind: int, flags: int, body: bytes) -> None:
        if kind == CONNECT:
            if peer.protocol_level == 4:
                peer.send(CONNACK_V311)
            else:
                refusal(peer, kind, flags, body)

    return answer


def saying(data: bytes) -> Answer:
    """Make a refusal in so many bytes, after which the connection is closed."""

    def answer(peer: Peer, kind: int, flags: int, body: bytes) -> None:
        peer.send(data)
        closing(peer, kind, flags, body)

    return answer


def config(fake: FakeBroker, protocol: str = 'auto') -> MqttConfig:
    """Point a configuration at the fake broker."""
    return MqttConfig(host='127.0.0.1', port=fake.port, protocol=protocol, connect_timeout_s=0.5)


@pytest.mark.parametrize(
    'refusal',
    [saying(CONNACK_V311_BAD_VERSION), saying(connack(0x84)), closing, silent],
    ids=['says so in 3.1.1', 'says so in 5', 'closes', 'never answers'],
)
def test_fallback_to_3_1_1(refusal: Answer) -> None:
    with FakeBroker([old_broker(refusal)]) as fake, running(config(fake)) as (_, log):
        assert log.wait_for(Connected).protocol == '3.1.1'
        assert [peer.protocol_level for peer in fake.peers] == [5, 4]


def test_mqtt_5_is_taken_where_offered_and_stays() -> None:
    def modern(peer: Peer, kind: int, flags: int, body: bytes) -> None:
        if kind == CONNECT:
            peer.send(connack())

    with FakeBroker([modern, closing, closing, modern]) as fake, running(config(fake)) as (_, log):
        assert log.wait_for(Connected).protocol == '5'
        closing(fake.peers[0], 0, 0, b'')
        log.wait_for(Connected, 2)
        assert [peer.protocol_level for peer in fake.peers] == [5, 5, 5, 5]


def test_silence_once_does_not_bind_to_3_1_1_for_ever() -> None:
    def both(peer: Peer, kind: int, flags: int, body: bytes) -> None:
        if kind == CONNECT:
            peer.send(connack() if peer.protocol_level == 5 else CONNACK_V311)

    with FakeBroker([closing, both]) as fake, running(config(fake)) as (_, log):
        assert log.wait_for(Connected).protocol == '3.1.1'
        closing(fake.peers[1], 0, 0, b'')
        log.wait_for(Disconnected)
        assert log.wait_for(Connected, 2).protocol == '5'


@pytest.mark.parametrize(('protocol', 'level'), [('5', 5), ('3.1.1', 4)])
def test_a_fixed_protocol_stays_fixed(protocol: str, level: int) -> None:
    with FakeBroker([closing]) as fake, running(config(fake, protocol)) as (_, log):
        log.wait_for(Unreachable, 3)
        assert {peer.protocol_level for peer in fake.peers} == {level}


def test_a_fixed_mqtt_5_is_refused_as_such() -> None:
    with FakeBroker([saying(connack(0x84))]) as fake, running(config(fake, '5')) as (_, log):
        refused = log.wait_for(Refused)
        assert refused.code == 0x84 and 'unsupported protocol version' in refused.reason


def test_a_broker_that_refuses_both_is_not_hurried() -> None:
    choice = ProtocolChoice('auto')
    assert choice.version_refused() and choice.current == V311
    assert not choice.version_refused() and choice.current == V5


def test_a_proven_version_is_doubted_only_after_long_silence() -> None:
    choice = ProtocolChoice('auto')
    choice.accepted()
    seen = []
    for _ in range(6):
        choice.closed_unanswered()
        seen.append(choice.current)
    assert seen == [V5, V5, V5, V311, V5, V311]


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'mqtt\.protocol'):
        ProtocolChoice('4')
