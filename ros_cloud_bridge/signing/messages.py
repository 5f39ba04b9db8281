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

"""Sign and check messages: COSE_Sign1 with Ed25519, bound to their robot and MQTT topic."""

from ros_cloud_bridge.command_values import Answer
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.signing.keys import PrivateKey, PublicKey
from ros_cloud_bridge.wire.command import decode_answer
from ros_cloud_bridge.wire.cose import (
    Context,
    decode_signed,
    encode_signed,
    external_aad,
    protect,
    Signed,
    to_be_signed,
)
from ros_cloud_bridge.wire.limits import MAX_ANSWER


def sign(key: PrivateKey, context: Context, robot_id: str, topic: str, payload: bytes) -> bytes:
    """
    Sign a message.

    :param key: whose
    :param context: what it is
    :param robot_id: the robot that it goes to or comes from
    :param topic: the MQTT topic that it is published to
    :param payload: what is signed
    :returns: MQTT payload
    """
    protected = protect(key.kid)
    aad = external_aad(context, robot_id, topic)
    return encode_signed(protected, payload, key.sign(to_be_signed(protected, aad, payload)))


def verify(key: PublicKey, context: Context, robot_id: str, topic: str, signed: Signed) -> bool:
    """
    Check a message's signature.

    :param key: whose it should be
    :param context: what it should be
    :param robot_id: the robot that it went to or came from
    :param topic: the MQTT topic that it came on
    :param signed: the message
    :returns: whether it is by that key, for that use
    """
    if signed.kid != key.kid:
        return False
    try:
        aad = external_aad(context, robot_id, topic)
    except UnicodeEncodeError:  # a topic that is no UTF-8 is none that anybody signed
        return False
    return key.verify(signed.signature, to_be_signed(signed.protected, aad, signed.payload))


def open_signed(
    key: PublicKey,
    context: Context,
    robot_id: str,
    topic: str,
    message: bytes,
    max_bytes: int,
) -> bytes:
    """
    Take out what a message by a known key holds.

    :param key: whose it should be
    :param context: what it should be
    :param robot_id: the robot that it went to or came from
    :param topic: the MQTT topic that it came on
    :param message: MQTT payload
    :param max_bytes: largest message that is looked at
    :returns: what was signed
    :raises ProtocolError: when it is malformed, or not by that key for that use
    """
    signed = decode_signed(message, max_bytes)
    if signed.kid != key.kid:
        raise ProtocolError(f'signed with the key {signed.kid.hex()}, not {key.kid.hex()}')
    if not verify(key, context, robot_id, topic, signed):
        raise ProtocolError(f'the signature with the key {key.kid.hex()} is wrong')
    return signed.payload


def open_answer(public: PublicKey, robot_id: str, topic: str, message: bytes) -> Answer:
    """
    Take a robot's answer apart.

    :param public: the robot's key
    :param robot_id: the robot
    :param topic: the MQTT topic that it came on
    :param message: MQTT payload
    :returns: the answer
    :raises ProtocolError: when it is malformed or not the robot's
    """
    payload = open_signed(public, Context.ANSWER, robot_id, topic, message, MAX_ANSWER)
    return decode_answer(payload)
