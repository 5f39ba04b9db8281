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

"""What a message costs on the link: packets counted by hand, and what must always hold."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.link_bytes import (
    connect_bytes,
    EXPIRY_BYTES,
    link_bytes,
    ping_bytes,
    TOPIC_ALIAS_BYTES,
)

# IPv4 and TCP with time stamps, without payload.
ACK = 52
PUBACK = ACK + 4


@pytest.mark.parametrize(
    ('payload', 'topic', 'properties', 'packet'),
    [
        # Fixed header 2, topic length 2, topic, packet id 2, [property length 1, properties].
        (100, 20, None, 2 + 2 + 20 + 2 + 100),
        (100, 0, TOPIC_ALIAS_BYTES, 2 + 2 + 2 + 1 + 3 + 100),
        (100, 20, 0, 2 + 2 + 20 + 2 + 1 + 100),
        (100, 20, TOPIC_ALIAS_BYTES + EXPIRY_BYTES, 3 + 2 + 20 + 2 + 1 + 8 + 100),
        # A remaining length of 127 takes one byte, one of 128 two.
        (103, 20, None, 2 + 127),
        (104, 20, None, 3 + 128),
        (1000, 20, None, 3 + 24 + 1000),
    ],
)
def test_packet_in_one_segment(
    payload: int, topic: int, properties: int | None, packet: int
) -> None:
    assert link_bytes(payload, topic, property_bytes=properties) == ACK + packet + PUBACK


def test_segments_and_their_acknowledgements() -> None:
    header = 3 + 2 + 2
    for segments, acknowledgements in ((1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (11, 5)):
        payload = 1448 * segments - header
        expected = 1448 * segments + (segments + acknowledgements) * ACK + PUBACK
        assert link_bytes(payload, 0, property_bytes=None) == expected
        assert link_bytes(payload, 0, property_bytes=None, alone=True) == expected + ACK
    # A small segment, as on a slow link.
    assert link_bytes(993, 0, mss=500, property_bytes=None) == 1000 + 2 * ACK + PUBACK
    assert link_bytes(994, 0, mss=500, property_bytes=None) == 1001 + 4 * ACK + PUBACK


def test_tls_puts_a_header_and_a_tag_on_each_record() -> None:
    assert link_bytes(100, 20, tls=True) == link_bytes(100, 20) + 2 * 22
    segment_room = 65536
    small = link_bytes(16000, 0, mss=segment_room)
    large = link_bytes(17000, 0, mss=segment_room)
    assert link_bytes(16000, 0, mss=segment_room, tls=True) == small + 2 * 22
    assert link_bytes(17000, 0, mss=segment_room, tls=True) == large + 3 * 22


@given(
    st.integers(0, 10**7),
    st.integers(0, 65535),
    st.integers(88, 9000),
    st.booleans(),
    st.none() | st.integers(0, 400),
)
def test_more_never_costs_less(
    payload: int, topic: int, mss: int, tls: bool, properties: int | None
) -> None:
    cost = link_bytes(payload, topic, mss=mss, tls=tls, property_bytes=properties)
    assert cost >= payload + topic + 2 * ACK
    more = link_bytes(payload + 1, topic, mss=mss, tls=tls, property_bytes=properties)
    # One byte more is at most a byte of length, two of TLS's records, a segment and its answer.
    assert 1 <= more - cost <= 2 + 22 + 2 * 2 * ACK
    smaller = link_bytes(payload, topic, mss=mss - 1, tls=tls, property_bytes=properties)
    assert smaller >= cost


def test_connections_and_pings() -> None:
    # PINGREQ, PINGRESP and an acknowledgement of that.
    assert ping_bytes() == 2 * 2 + 3 * ACK
    assert ping_bytes(tls=True) == ping_bytes() + 2 * 22
    plain = connect_bytes()
    assert connect_bytes(will_bytes=100) == plain + 100
    assert connect_bytes(tls=True, certificate_bytes=3000) > plain + 3000
