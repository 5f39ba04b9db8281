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

"""Limits from preset, broker and user; the table of unanswered messages; aliases."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.mqtt.aliases import TopicAliases
from ros_cloud_bridge.mqtt.events import Outgoing, SessionFull
from ros_cloud_bridge.mqtt.limits import negotiate, ServerLimits
from ros_cloud_bridge.mqtt.outstanding import Outstanding
from ros_cloud_bridge.mqtt.presets import find_preset, PRESETS
from ros_cloud_bridge.values import MqttConfig

LIMITS = negotiate(MqttConfig(), find_preset('mosquitto'), ServerLimits())


@pytest.mark.parametrize('name', PRESETS)
def test_every_preset_is_portable_by_default(name: str) -> None:
    limits = negotiate(MqttConfig(), find_preset(name), ServerLimits(topic_alias_maximum=65535))
    assert limits.max_payload_bytes == 120 * 1024
    assert limits.topic_aliases == 5
    assert limits.keepalive_s == 60
    assert 10 <= limits.max_in_flight <= 1000


def test_rates_are_used_to_four_fifths() -> None:
    limits = negotiate(MqttConfig(), find_preset('aws_iot'), ServerLimits())
    assert limits.max_messages_per_s == pytest.approx(80.0)
    assert limits.max_bytes_per_s == pytest.approx(0.8 * 512 * 1024)
    slower = negotiate(MqttConfig(max_messages_per_s=10.0), find_preset('aws_iot'), ServerLimits())
    assert slower.max_messages_per_s == 10.0
    assert LIMITS.max_messages_per_s == LIMITS.max_bytes_per_s == 0.0


def test_the_user_may_raise_the_payload_up_to_the_presets_limit() -> None:
    config = MqttConfig(max_payload_bytes=10_000_000, keepalive_s=65535)
    limits = negotiate(config, find_preset('aws_iot'), ServerLimits())
    assert (limits.max_payload_bytes, limits.keepalive_s) == (128 * 1024, 1200)


def test_azure_limits() -> None:
    preset = find_preset('azure_event_grid')
    limits = negotiate(MqttConfig(), preset, ServerLimits())
    assert limits.max_in_flight_bytes == limits.max_retained_bytes == 64 * 1024
    assert not preset.connect_user_properties_allowed


@given(
    st.sampled_from(sorted(PRESETS)),
    st.integers(1, 65535),
    st.integers(1, 300_000_000),
    st.integers(0, 2000),
)
def test_no_limit_exceeds_the_brokers(name: str, window: int, packet: int, mine: int) -> None:
    server = ServerLimits(receive_maximum=window, maximum_packet_size=packet)
    limits = negotiate(MqttConfig(max_in_flight=mine), find_preset(name), server)
    assert 1 <= limits.max_in_flight <= window
    assert limits.max_in_flight <= (mine or window)
    assert 0 <= limits.max_payload_bytes <= packet


def test_an_unknown_preset_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="mqtt.preset: 'aws-iot' .* did you mean 'aws_iot'"):
        find_preset('aws-iot')


def outgoing(number: int, size: int = 1, qos: int = 1) -> Outgoing:
    """Make a message."""
    return Outgoing(topic='', payload=bytes(size), qos=qos, token=number)


@given(st.lists(st.integers(0, 4), max_size=60), st.integers(1, 5))
def test_unanswered_messages_keep_their_order(actions: list[int], window: int) -> None:
    table = Outstanding(replace(LIMITS, max_in_flight=window))
    added = packet_id = 0
    on_the_way: dict[int, object] = {}
    left: list[object] = []
    for action in actions:
        if action == 0 and table.room(1):
            table.add(outgoing(added), connected=True)
            left.append(added)
            added += 1
        elif action == 1 and (entry := table.next_to_send()) is not None:
            packet_id += 1
            table.sent(packet_id, entry, 0.0)
            on_the_way[packet_id] = entry.outgoing.token
        elif action == 2 and on_the_way:
            answered = min(on_the_way)
            assert table.answered(answered) is not None
            left.remove(on_the_way.pop(answered))
        elif action == 3:
            assert table.connection_lost() == []
            on_the_way.clear()
        elif action == 4:
            assert table.answered(99_999) is None
        assert table.tokens() == left
        assert table.count == table.bytes == len(left) <= window
        assert len(on_the_way) <= window


def test_one_message_fits_whatever_its_size() -> None:
    table = Outstanding(LIMITS)
    table.add(outgoing(1, size=LIMITS.max_in_flight_bytes * 2), connected=True)
    assert not table.room(1)
    with pytest.raises(SessionFull):
        table.add(outgoing(2), connected=True)


def test_qos_0_is_given_up_with_the_connection() -> None:
    table = Outstanding(LIMITS)
    table.add(outgoing(1, qos=0), connected=True)
    table.add(outgoing(2), connected=True)
    entry = table.next_to_send()
    assert entry is not None
    table.sent(1, entry, 0.0)
    assert [lost.outgoing.token for lost in table.connection_lost()] == [1]
    assert (table.tokens(), table.count, table.bytes) == ([2], 1, 1)


def test_a_farewell_needs_no_room_and_is_the_last() -> None:
    table = Outstanding(replace(LIMITS, max_in_flight=1))
    table.add(outgoing(1), connected=True)
    table.close((outgoing(2),))
    assert table.tokens() == [1, 2] and not table.room(0)
    with pytest.raises(SessionFull):
        table.add(outgoing(3), connected=True)


def test_aliases_forget_topics_that_came_once() -> None:
    aliases = TopicAliases(2)
    for number in range(5000):
        assert aliases.use(f'once/{number}') == (f'once/{number}', None)
    assert aliases.use('a') == ('a', None)
    assert aliases.use('a') == ('a', 1)
    assert aliases.use('a') == ('', 1)


@given(st.lists(st.sampled_from('abcdefgh'), max_size=100), st.integers(0, 5))
def test_a_broker_can_always_tell_the_topic(topics: list[str], maximum: int) -> None:
    aliases = TopicAliases(maximum)
    known: dict[int, str] = {}
    for topic in topics:
        written, alias = aliases.use(topic)
        if alias is not None:
            assert 1 <= alias <= maximum
            if written:
                known[alias] = written
            written = known[alias]
        assert written == topic
