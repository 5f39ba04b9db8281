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

"""A few hundred bytes of MQTT broker that misbehave as told, and keep what they were sent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
import socket
import threading
from types import TracebackType

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 8, 12, 14


def connack(code: int = 0, properties: bytes = b'') -> bytes:
    """
    Build a CONNACK of MQTT 5.

    :param code: reason code
    :param properties: already encoded, as ``bytes([0x21, 0, 3])`` for Receive Maximum 3
    :returns: the packet
    """
    return bytes([0x20, 3 + len(properties), 0, code, len(properties)]) + properties


CONNACK_V311 = b'\x20\x02\x00\x00'
CONNACK_V311_BAD_VERSION = b'\x20\x02\x00\x01'


@dataclass
class Peer:
    """One connection to the fake broker; ``packets`` holds (type, flags, body)."""

    sock: socket.socket
    packets: list[tuple[int, int, bytes]] = field(default_factory=list)
    closed: bool = False

    @property
    def protocol_level(self) -> int:
        """5 for MQTT 5, 4 for 3.1.1; 0 before CONNECT."""
        connects = self.of(CONNECT)
        return connects[0][6] if connects else 0

    def of(self, kind: int) -> list[bytes]:
        """
        Select packets.

        :param kind: control packet type
        :returns: their bodies
        """
        return [body for found, _, body in list(self.packets) if found == kind]

    def topics(self) -> list[bytes]:
        """
        List the topics of the PUBLISH packets.

        :returns: as they stood on the wire; empty where an alias stood for it
        """
        return [body[2 : 2 + int.from_bytes(body[:2], 'big')] for body in self.of(PUBLISH)]

    def send(self, data: bytes) -> None:
        """
        Send bytes.

        :param data: whatever is wanted
        """
        self.sock.sendall(data)


Answer = Callable[[Peer, int, int, bytes], None]


def answering(*first: bytes) -> Answer:
    """
    Make a behaviour that answers CONNECT and acknowledges nothing.

    :param first: what to send on CONNECT
    :returns: the behaviour
    """

    def answer(peer: Peer, kind: int, flags: int, body: bytes) -> None:
        if kind == CONNECT:
            for data in first:
                peer.send(data)

    return answer


def closing(peer: Peer, kind: int, flags: int, body: bytes) -> None:
    """Close on the first packet, as a broker that does not know the protocol."""
    peer.sock.shutdown(socket.SHUT_RDWR)


def silent(peer: Peer, kind: int, flags: int, body: bytes) -> None:
    """Answer nothing."""


class FakeBroker:
    """
    Listens until the ``with`` block ends.

    :param behaviours: one for each connection in turn; the last serves all further ones
    """

    def __init__(self, behaviours: Sequence[Answer]) -> None:
        self._behaviours = list(behaviours)
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port: int = self._listener.getsockname()[1]
        self.peers: list[Peer] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> 'FakeBroker':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # shutdown, for close alone does not wake accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self.peers:
            peer.sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            peer = Peer(sock)
            answer = self._behaviours[min(len(self.peers), len(self._behaviours) - 1)]
            self.peers.append(peer)
            threading.Thread(target=self._serve, args=(peer, answer), daemon=True).start()

    def _serve(self, peer: Peer, answer: Answer) -> None:
        try:
            while True:
                head = _exactly(peer.sock, 1)[0]
                body = _exactly(peer.sock, _remaining_length(peer.sock))
                peer.packets.append((head >> 4, head & 15, body))
                answer(peer, head >> 4, head & 15, body)
        except OSError:
            peer.closed = True


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b''
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


def _remaining_length(sock: socket.socket) -> int:
    length = shift = 0
    while True:
        byte = _exactly(sock, 1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return length
