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
What an MQTT message costs on the link, in both directions, as a carrier's meter sees it.

An estimate, for nobody asks the kernel about each message. It holds for IPv4 and TCP time stamps
(Linux); ``benchmarks/link_bytes.py`` holds it against the counters of a network interface. Lost
segments that TCP sends again are not in it.
"""

# IPv4 (RFC 791) 20, TCP (RFC 9293) 20, time stamps option (RFC 7323) 12.
SEGMENT_HEADER_BYTES = 52
# TLS 1.3 (RFC 8446, 5.2): header 5, content type 1, AEAD tag 16. TLS 1.2 with AES-GCM has 29.
TLS_RECORD_BYTES = 22
_TLS_RECORD_PAYLOAD_BYTES = 16384
# With reason code 0 and no properties, MQTT 5 leaves both out (3.4.2.1): as long as in 3.1.1.
_PUBACK_BYTES = 4
_PING_BYTES = 2
_PACKET_ID_BYTES = 2
_TOPIC_LENGTH_BYTES = 2
TOPIC_ALIAS_BYTES = 3
EXPIRY_BYTES = 5
# A receiver acknowledges every second segment by itself (RFC 9293, 3.8.6.3).
_SEGMENTS_PER_ACK = 2
# As counted: three segments to open, three to close, and CONNECT, CONNACK and DISCONNECT with
# their acknowledgements. Both SYNs have 8 bytes of options more; the three packets are short.
_CONNECTION_SEGMENTS = 11
_CONNECTION_BYTES = _CONNECTION_SEGMENTS * SEGMENT_HEADER_BYTES + 16 + 43
# As counted with TLS 1.3 and an elliptic curve key: hellos, signature, two session tickets.
_HANDSHAKE_BYTES = 2000


def link_bytes(
    payload: int,
    topic_bytes: int,
    *,
    mss: int = 1448,
    tls: bool = False,
    property_bytes: int | None = 0,
    alone: bool = False,
) -> int:
    """
    Estimate what one QoS 1 PUBLISH and its answer put on the link.

    :param payload: bytes of the MQTT payload
    :param topic_bytes: bytes of the topic as the packet has it: 0 when an alias stands for it
    :param mss: bytes of TCP payload in a full segment
    :param tls: whether the connection is encrypted
    :param property_bytes: MQTT 5 properties, as in ``TOPIC_ALIAS_BYTES + EXPIRY_BYTES``; None for
        MQTT 3.1.1
    :param alone: whether nothing follows within the 40 ms for which TCP delays an acknowledgement:
        then the PUBACK is acknowledged by a segment of its own
    :returns: bytes of IP packets in both directions
    """
    remaining = _TOPIC_LENGTH_BYTES + topic_bytes + _PACKET_ID_BYTES + payload
    if property_bytes is not None:
        remaining += _variable_length(property_bytes) + property_bytes
    sent = _in_records(1 + _variable_length(remaining) + remaining, tls)
    segments = -(-sent // mss)
    # The last acknowledgement comes with the PUBACK.
    acknowledgements = (segments - 1) // _SEGMENTS_PER_ACK + (1 if alone else 0)
    answer = SEGMENT_HEADER_BYTES + _in_records(_PUBACK_BYTES, tls)
    return sent + (segments + acknowledgements) * SEGMENT_HEADER_BYTES + answer


def ping_bytes(*, tls: bool = False) -> int:
    """
    Estimate what one PINGREQ and its answer put on the link.

    :param tls: whether the connection is encrypted
    :returns: bytes of IP packets in both directions
    """
    return 2 * _in_records(_PING_BYTES, tls) + 3 * SEGMENT_HEADER_BYTES


def connect_bytes(*, tls: bool = False, will_bytes: int = 0, certificate_bytes: int = 0) -> int:
    """
    Estimate what opening and closing one connection puts on the link.

    :param tls: whether the connection is encrypted
    :param will_bytes: payload and topic of the will
    :param certificate_bytes: with TLS, of the certificates that go over the link, in DER: the
        broker's chain, often 2 to 4 KB, and with mutual TLS our own
    :returns: bytes of IP packets in both directions
    """
    return _CONNECTION_BYTES + will_bytes + (_HANDSHAKE_BYTES + certificate_bytes if tls else 0)


def _in_records(size: int, tls: bool) -> int:
    if not tls:
        return size
    return size + -(-size // _TLS_RECORD_PAYLOAD_BYTES) * TLS_RECORD_BYTES


def _variable_length(value: int) -> int:
    """Tell how many bytes a variable byte integer has (MQTT 5, 1.5.5)."""
    return max(1, -(-value.bit_length() // 7))
