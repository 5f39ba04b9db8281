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

"""As much of MQTT 5 as a proxy needs: packets, the parts of a PUBLISH, topic aliases, PUBACK."""

import asyncio
from dataclasses import dataclass, replace

PUBLISH = 3
_MAX_BYTES = 2 * 1024 * 1024

# The properties that a PUBLISH may have (MQTT 5, 2.2.2.2): how many bytes, or how many texts.
_FIXED = {0x01: 1, 0x02: 4, 0x23: 2}
_TEXTS = {0x03: 1, 0x08: 1, 0x09: 1, 0x26: 2}
_TOPIC_ALIAS = 0x23
_SUBSCRIPTION_ID = 0x0B


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """
    A control packet.

    Of a PUBLISH of MQTT 5 the parts are known: ``topic`` may be empty where ``alias`` stands for
    it, and ``packet_id`` is 0 at QoS 0. Else ``rest`` is the whole body.
    """

    head: int
    rest: bytes
    topic: str = ''
    packet_id: int = 0
    alias: int = 0
    payload: bytes = b''

    @property
    def is_publish(self) -> bool:
        """Whether it is a PUBLISH."""
        return self.head >> 4 == PUBLISH

    def encode(self) -> bytes:
        """
        Write it out.

        :returns: as on the wire
        """
        body = self.rest
        if self.is_publish:
            topic = self.topic.encode()
            body = len(topic).to_bytes(2, 'big') + topic + self.rest
        return bytes([self.head]) + _varint(len(body)) + body


class Aliases:
    """Topic aliases of one connection, of whose PUBLISHes not all reach the broker."""

    def __init__(self) -> None:
        self._topics: dict[int, str] = {}
        self._told: dict[int, str] = {}

    def resolved(self, packet: Packet) -> Packet:
        """
        Put the topic where an alias stands for it.

        :param packet: a PUBLISH of the client
        :returns: the same with its topic
        """
        if not packet.alias:
            return packet
        if packet.topic:
            self._topics[packet.alias] = packet.topic
            return packet
        return replace(packet, topic=self._topics[packet.alias])

    def forwarded(self, packet: Packet) -> Packet:
        """
        Leave the topic away where the broker knows the alias.

        :param packet: one with its topic
        :returns: what the broker is sent
        """
        if not packet.alias:
            return packet
        if self._told.get(packet.alias) == packet.topic:
            return replace(packet, topic='')
        self._told[packet.alias] = packet.topic
        return packet


async def read_packet(reader: asyncio.StreamReader) -> Packet:
    """
    Read a packet.

    :param reader: of a connection of MQTT 5
    :returns: the packet
    :raises EOFError: at the end
    :raises ValueError: when it is larger than 2 MB or malformed
    """
    head = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
        if shift > 21:
            raise ValueError('a remaining length has at most four bytes')
    if length > _MAX_BYTES:
        raise ValueError(f'a packet of {length} bytes')
    body = await reader.readexactly(length)
    if head >> 4 != PUBLISH:
        return Packet(head=head, rest=body)
    return _publish(head, body)


def puback(packet_id: int, code: int) -> bytes:
    """
    Build a PUBACK.

    :param packet_id: which PUBLISH
    :param code: reason code
    :returns: the packet
    """
    return b'\x40\x03' + packet_id.to_bytes(2, 'big') + bytes([code])


def _publish(head: int, body: bytes) -> Packet:
    after = 2 + int.from_bytes(body[:2], 'big')
    topic, rest = body[2:after].decode(), body[after:]
    at = packet_id = 0
    if head & 0x06:
        packet_id, at = int.from_bytes(rest[:2], 'big'), 2
    length, at = _read_varint(rest, at)
    end = at + length
    alias = 0
    while at < end:
        kind, at = rest[at], at + 1
        if kind in _FIXED:
            if kind == _TOPIC_ALIAS:
                alias = int.from_bytes(rest[at : at + 2], 'big')
            at += _FIXED[kind]
        elif kind == _SUBSCRIPTION_ID:
            _, at = _read_varint(rest, at)
        elif kind in _TEXTS:
            for _ in range(_TEXTS[kind]):
                at += 2 + int.from_bytes(rest[at : at + 2], 'big')
        else:
            raise ValueError(f'a PUBLISH has no property {kind:#04x}')
    return Packet(
        head=head, rest=rest, topic=topic, packet_id=packet_id, alias=alias, payload=rest[end:]
    )


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, byte = value >> 7, value & 127
        out.append(byte | (128 if value else 0))
        if not value:
            return bytes(out)
