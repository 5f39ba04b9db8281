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

"""What takes commands apart for the gate: signed ones, or where the robot says so, plain ones."""

import hashlib

from ros_cloud_bridge.core.commands.effects import Envelope, Reader, Sealed
from ros_cloud_bridge.signing.messages import verify
from ros_cloud_bridge.signing.ring import KeyRing
from ros_cloud_bridge.values import Trust
from ros_cloud_bridge.wire.command import decode_command
from ros_cloud_bridge.wire.cose import Context, decode_signed, KID_BYTES, Signed
from ros_cloud_bridge.wire.limits import MAX_COMMAND


class CommandReader:
    """
    Reads signed commands (``trust: signatures``).

    :param ring: operators' keys, None when there are none; its owner has it look at its directory
    :param robot_id: whom the commands must be for
    """

    def __init__(self, ring: KeyRing | None, robot_id: str) -> None:
        self._ring = ring
        self._robot_id = robot_id

    def unwrap(self, operator: str, message: bytes) -> Sealed:
        """
        Find whose key a message names.

        :param operator: from the MQTT topic
        :param message: MQTT payload
        :returns: its parts; its signature is not checked, and its content not looked at
        :raises ProtocolError: when it is malformed
        """
        signed = decode_signed(message, MAX_COMMAND)
        return Sealed(kid=signed.kid, payload=signed.payload, signed=signed)

    def knows(self, operator: str, kid: bytes) -> bool:
        """
        Tell whether a key is one of the operator's, and not revoked.

        :param operator: from the MQTT topic
        :param kid: of the key
        :returns: whether it may be
        """
        return self._ring is not None and kid in self._ring.keys_of(operator)

    def verifies(self, operator: str, topic: str, sealed: Sealed) -> bool:
        """
        Check the signature with the operator's key.

        :param operator: from the MQTT topic
        :param topic: the MQTT topic that it came on
        :param sealed: from :meth:`unwrap`
        :returns: whether the operator has signed it for this robot and topic
        """
        signed = sealed.signed
        if self._ring is None or not isinstance(signed, Signed):
            return False
        key = self._ring.keys_of(operator).get(sealed.kid)
        if key is None:
            return False
        return verify(key, Context.COMMAND, self._robot_id, topic, signed)

    def open(self, sealed: Sealed) -> Envelope:
        """
        Decode what is signed.

        :param sealed: from :meth:`unwrap`
        :returns: what is in it
        :raises ProtocolError: when it is malformed
        """
        protected = sealed.signed.protected if isinstance(sealed.signed, Signed) else b''
        return _envelope(sealed, protected)


class UnsignedReader:
    """
    Reads plain commands (``trust: transport``): the broker alone vouches for the operator.

    In the place of a key's id stands one of the operator's name, so that no operator's commands
    are taken for those of another one.
    """

    def unwrap(self, operator: str, message: bytes) -> Sealed:
        """
        Take whom the topic names.

        :param operator: from the MQTT topic
        :param message: MQTT payload
        :returns: the message, and the operator's id
        """
        return Sealed(kid=kid_without_key(operator), payload=message)

    def knows(self, operator: str, kid: bytes) -> bool:
        """
        Take whom the topic names.

        :param operator: from the MQTT topic
        :param kid: of the operator
        :returns: whether it is the operator's
        """
        return kid == kid_without_key(operator)

    def verifies(self, operator: str, topic: str, sealed: Sealed) -> bool:
        """
        Take whom the topic names.

        :param operator: from the MQTT topic
        :param topic: the MQTT topic that it came on
        :param sealed: from :meth:`unwrap`
        :returns: whether it came without a key
        """
        return sealed.signed is None and self.knows(operator, sealed.kid)

    def open(self, sealed: Sealed) -> Envelope:
        """
        Decode a command.

        :param sealed: from :meth:`unwrap`
        :returns: what is in it
        :raises ProtocolError: when it is malformed
        """
        return _envelope(sealed, b'')


def kid_without_key(operator: str) -> bytes:
    """
    Give an operator that has no key what stands for the key's id.

    :param operator: its name
    :returns: as many bytes as a key's id has
    """
    return hashlib.sha256(operator.encode('utf-8', 'surrogatepass')).digest()[:KID_BYTES]


def reader_for(trust: Trust, ring: KeyRing | None, robot_id: str) -> Reader:
    """
    Make the reader that the configuration asks for.

    :param trust: what proves who sent a command
    :param ring: operators' keys, None when there are none
    :param robot_id: the robot
    :returns: the reader
    """
    if trust is Trust.TRANSPORT:
        return UnsignedReader()
    return CommandReader(ring, robot_id)


def _envelope(sealed: Sealed, protected: bytes) -> Envelope:
    return Envelope(
        kid=sealed.kid,
        digest=hashlib.sha256(protected + sealed.payload).digest(),
        command=decode_command(sealed.payload),
    )
