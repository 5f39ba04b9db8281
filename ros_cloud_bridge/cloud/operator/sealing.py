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

"""Encodes and signs commands."""

from typing import Any

from ros_cloud_bridge.command_values import Command, ID_BYTES, INSTANCE_BYTES
from ros_cloud_bridge.errors import ConfigError, ProtocolError
from ros_cloud_bridge.signing.keys import PrivateKey
from ros_cloud_bridge.signing.messages import sign
from ros_cloud_bridge.wire.command import decode_command, encode_command
from ros_cloud_bridge.wire.cose import Context
from ros_cloud_bridge.wire.limits import MAX_COMMAND

# A signature with its headers.
_ENVELOPE_BYTES = 128


class Sealer:
    """
    Makes MQTT payloads of commands.

    :param key: the operator's; None sends them unsigned, for robots with ``trust: transport``
    """

    def __init__(self, key: PrivateKey | None) -> None:
        self._key = key

    def seal(self, robot_id: str, topic: str, command: Command) -> bytes:
        """
        Make a payload.

        :param robot_id: whom it is for
        :param topic: where it will be published
        :param command: with checked arguments
        :returns: MQTT payload
        """
        payload = encode_command(command)
        if self._key is None:
            return payload
        return sign(self._key, Context.COMMAND, robot_id, topic, payload)


def check_arguments(type_name: str, arguments: Any) -> None:
    """
    Check what a robot would refuse without a word.

    :param type_name: of the command
    :param arguments: of the command
    :raises ConfigError: says what cannot be sent
    """
    whole = Command(
        type=type_name,
        id=bytes(ID_BYTES),
        instance=bytes(INSTANCE_BYTES),
        sequence=2**63 - 1,
        sent_ms=2**63 - 1,
        deadline_ms=2**63 - 1,
        arguments=arguments,
    )
    try:
        payload = encode_command(whole)
    except Exception as error:  # whatever cbor2 of any version makes of foreign types
        raise ConfigError('arguments', f'cannot be encoded: {error}') from None
    if len(payload) + _ENVELOPE_BYTES > MAX_COMMAND:
        raise ConfigError(
            'arguments', f'make a command of {len(payload)} bytes; at most {MAX_COMMAND}'
        )
    try:
        decode_command(payload)
    except ProtocolError as error:
        raise ConfigError('arguments', str(error).removeprefix('arguments: ')) from None
