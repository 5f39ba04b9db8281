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

from ros_cloud_bridge.core.commands.effects import Envelope, Reader
from ros_cloud_bridge.signing.messages import verify
from ros_cloud_bridge.signing.ring import KeyRing
from ros_cloud_bridge.values import Trust
from ros_cloud_bridge.wire.command import decode_command
from ros_cloud_bridge.wire.cose import Context, decode_signed, KID_BYTES, Signed
from ros_cloud_bridge.wire.limits import MAX_COMMAND

# Stands for a key where there is none.
NO_KID = bytes(KID_BYTES)


class CommandReader:
    """
    Reads signed commands (``trust: signatures``).

    :param ring: operators' keys, None when there are none; its owner has it look at its directory
    :param robot_id: whom the commands must be for
    """

    def __init__(self, ring: KeyRing | None, robot_id: str) -> None:
        self._ring = ring
        self._robot_id = robot_id

    def read(self, payload: bytes) -> Envelope:
        """
        Take a message apart.

        :param payload: MQTT payload
        :returns: what is in it; its signature is not checked
        :raises ProtocolError: when it is malformed
        """
        signed = decode_signed(payload, MAX_COMMAND)
        return Envelope(
            kid=signed.kid,
            payload=signed.payload,
            digest=hashlib.sha256(signed.protected + signed.payload).digest(),
            command=decode_command(signed.payload),
            signed=signed,
        )

    def knows(self, operator: str, envelope: Envelope) -> bool:
        """
        Tell whether the key is one of the operator's, and not revoked.

        :param operator: from the MQTT topic
        :param envelope: from :meth:`read`
        :returns: whether it may be
        """
        return self._ring is not None and envelope.kid in self._ring.keys_of(operator)

    def verifies(self, operator: str, topic: str, envelope: Envelope) -> bool:
        """
        Check the signature with the operator's key.

        :param operator: from the MQTT topic
        :param topic: the MQTT topic that it came on
        :param envelope: from :meth:`read`
        :returns: whether the operator has signed it for this robot and topic
        """
        signed = envelope.signed
        if self._ring is None or not isinstance(signed, Signed):
            return False
        key = self._ring.keys_of(operator).get(envelope.kid)
        if key is None:
            return False
        return verify(key, Context.COMMAND, self._robot_id, topic, signed)


class UnsignedReader:
    """Reads plain commands (``trust: transport``): the broker alone vouches for the operator."""

    def read(self, payload: bytes) -> Envelope:
        """
        Take a message apart.

        :param payload: MQTT payload
        :returns: what is in it
        :raises ProtocolError: when it is malformed
        """
        return Envelope(
            kid=NO_KID,
            payload=payload,
            digest=hashlib.sha256(payload).digest(),
            command=decode_command(payload),
        )

    def knows(self, operator: str, envelope: Envelope) -> bool:
        """
        Take whom the topic names.

        :param operator: from the MQTT topic
        :param envelope: from :meth:`read`
        :returns: whether it came without a key
        """
        return envelope.kid == NO_KID and envelope.signed is None

    def verifies(self, operator: str, topic: str, envelope: Envelope) -> bool:
        """
        Take whom the topic names.

        :param operator: from the MQTT topic
        :param topic: the MQTT topic that it came on
        :param envelope: from :meth:`read`
        :returns: whether it came without a key
        """
        return self.knows(operator, envelope)


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
