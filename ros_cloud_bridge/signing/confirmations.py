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

"""Confirmations that only the consumer's key can make: whoever forges one has data deleted."""

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.signing.messages import open_signed
from ros_cloud_bridge.signing.ring import KeyRing
from ros_cloud_bridge.wire.cose import Context, signer
from ros_cloud_bridge.wire.limits import MAX_CONFIRMATION

# A signature with its headers.
_ENVELOPE_BYTES = 128


class ConfirmationKeys:
    """
    Takes signed confirmations apart.

    :param ring: public keys; those of ``archive`` confirm as ``confirm/archive``
    :param robot_id: whom confirmations must be for
    """

    def __init__(self, ring: KeyRing, robot_id: str) -> None:
        self.ring = ring
        self._robot_id = robot_id

    def open(self, consumer: str, topic: str, message: bytes) -> bytes:
        """
        Take out what a consumer has signed.

        :param consumer: from the MQTT topic
        :param topic: the MQTT topic
        :param message: MQTT payload
        :returns: the confirmation's encoding
        :raises ProtocolError: when it is not signed by one of the consumer's keys for this robot
        """
        most = MAX_CONFIRMATION + _ENVELOPE_BYTES
        kid = signer(message, most)
        key = self.ring.keys_of(consumer).get(kid)
        if key is None:
            raise ProtocolError(f"the key {kid.hex()} is none of consumer '{consumer}'")
        return open_signed(key, Context.CONFIRMATION, self._robot_id, topic, message, most)
