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

"""Reason codes of MQTT 5 in words, and what they mean for reconnecting."""

SUCCESS = 0x00
UNSUPPORTED_PROTOCOL_VERSION = 0x84
SESSION_TAKEN_OVER = 0x8E
PACKET_TOO_LARGE = 0x95
RETAIN_NOT_SUPPORTED = 0x9A
QOS_NOT_SUPPORTED = 0x9B

# MQTT 5, 2.4; those that a CONNACK, PUBACK, SUBACK or DISCONNECT from a server may carry.
_TEXTS = {
    0x80: 'unspecified error',
    0x81: 'malformed packet',
    0x82: 'protocol error',
    0x83: 'implementation specific error',
    0x84: 'unsupported protocol version',
    0x85: 'client identifier not valid',
    0x86: 'bad user name or password',
    0x87: 'not authorized',
    0x88: 'server unavailable',
    0x89: 'server busy',
    0x8A: 'banned',
    0x8B: 'server shutting down',
    0x8C: 'bad authentication method',
    0x8D: 'keep alive timeout',
    0x8E: 'session taken over',
    0x8F: 'topic filter invalid',
    0x90: 'topic name invalid',
    0x93: 'receive maximum exceeded',
    0x94: 'topic alias invalid',
    0x95: 'packet too large',
    0x96: 'message rate too high',
    0x97: 'quota exceeded',
    0x98: 'administrative action',
    0x99: 'payload format invalid',
    0x9A: 'retain not supported',
    0x9B: 'QoS not supported',
    0x9C: 'use another server',
    0x9D: 'server moved',
    0x9E: 'shared subscriptions not supported',
    0x9F: 'connection rate exceeded',
    0xA0: 'maximum connect time',
    0xA1: 'subscription identifiers not supported',
    0xA2: 'wildcard subscriptions not supported',
}

# CONNACK return codes of MQTT 3.1.1 (3.2.2.3) as their MQTT 5 counterparts.
_FROM_V311 = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}

# A DISCONNECT with one of these is a refusal: to come back within seconds would be pushing.
_REFUSING = frozenset({0x81, 0x82, 0x87, 0x8A, 0x93, 0x94, 0x96, 0x97, 0x98, 0x9C, 0x9D, 0x9F})


def describe(code: int) -> str:
    """
    Put a reason code into words.

    :param code: MQTT 5 reason code
    :returns: as in ``not authorized (0x87)``
    """
    return f'{_TEXTS.get(code, "unknown reason")} (0x{code:02X})'


def from_v311(code: int) -> int:
    """
    Translate a CONNACK return code of MQTT 3.1.1.

    :param code: 0 to 5, or already an MQTT 5 code
    :returns: the MQTT 5 reason code
    """
    return _FROM_V311.get(code, code)


def is_refusal(code: int) -> bool:
    """
    Tell a broker that does not want us from one that merely goes away.

    :param code: reason code of a DISCONNECT
    :returns: whether to come back later rather than soon
    """
    return code in _REFUSING
