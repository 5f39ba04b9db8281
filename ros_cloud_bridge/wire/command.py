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
Commands and their answers, before they are signed (docs/protocol.md, "Commands").

::

    command = [version, type, id, instance, epoch, sequence, sent_ms, deadline_ms, arguments]
    answer  = [version, id, epoch, robot_ms, state, number, reason, detail]

Times are the robot's: milliseconds of its monotonic clock since its epoch began.
"""

from typing import Any

from ros_cloud_bridge.command_values import (
    Answer,
    Command,
    EPOCH_BYTES,
    ID_BYTES,
    INSTANCE_BYTES,
    MAX_REASON_CHARACTERS,
    MAX_TYPE_CHARACTERS,
    State,
)
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.batch import natural, VERSION
from ros_cloud_bridge.wire.limits import (
    COMMAND_MAX_DEPTH,
    COMMAND_MAX_ITEMS,
    MAX_ANSWER,
    MAX_COMMAND,
)

_PLAIN = frozenset({int, float, str, bytes, bool, type(None)})


def encode_command(command: Command) -> bytes:
    """
    Encode a command.

    :param command: the command
    :returns: CBOR, to be signed
    """
    return cbor.dumps(
        [
            VERSION,
            command.type,
            command.id,
            command.instance,
            command.epoch,
            command.sequence,
            command.sent_ms,
            command.deadline_ms,
            command.arguments,
        ]
    )


def decode_command(payload: bytes) -> Command:
    """
    Decode what a signature covers.

    :param payload: CBOR
    :returns: the command
    :raises ProtocolError: when it is malformed, hostile or of another version
    """
    fields = _fields(payload, MAX_COMMAND, 9, 'command')
    _, kind, identity, instance, epoch, sequence, sent_ms, deadline_ms, arguments = fields
    _check_plain(arguments, 'arguments')
    return Command(
        type=_text(kind, 'type', 1, MAX_TYPE_CHARACTERS),
        id=_bytes(identity, 'id', ID_BYTES),
        instance=_bytes(instance, 'instance', INSTANCE_BYTES),
        epoch=b'' if epoch == b'' else _bytes(epoch, 'epoch', EPOCH_BYTES),
        sequence=natural(sequence, 'sequence'),
        sent_ms=natural(sent_ms, 'sent_ms'),
        deadline_ms=natural(deadline_ms, 'deadline_ms'),
        arguments=arguments,
    )


def encode_answer(answer: Answer) -> bytes:
    """
    Encode an answer.

    :param answer: the answer
    :returns: CBOR, to be signed
    """
    return cbor.dumps(
        [
            VERSION,
            answer.id,
            answer.epoch,
            answer.robot_ms,
            int(answer.state),
            answer.number,
            answer.reason,
            answer.detail,
        ]
    )


def decode_answer(payload: bytes) -> Answer:
    """
    Decode what a robot's signature covers.

    :param payload: CBOR
    :returns: the answer
    :raises ProtocolError: when it is malformed, hostile or of another version
    """
    fields = _fields(payload, MAX_ANSWER, 8, 'answer')
    _, identity, epoch, robot_ms, state, number, reason, detail = fields
    if type(state) is not int or state not in State._value2member_map_:
        raise ProtocolError('an answer has one of the states 0 to 8')
    _check_plain(detail, 'detail')
    return Answer(
        id=_bytes(identity, 'id', ID_BYTES),
        epoch=_bytes(epoch, 'epoch', EPOCH_BYTES),
        robot_ms=natural(robot_ms, 'robot_ms'),
        state=State(state),
        number=natural(number, 'number'),
        reason=_text(reason, 'reason', 0, MAX_REASON_CHARACTERS),
        detail=detail,
    )


def _fields(payload: bytes, most: int, count: int, what: str) -> list[Any]:
    fields = cbor.loads(payload, most, max_depth=COMMAND_MAX_DEPTH, max_items=COMMAND_MAX_ITEMS)
    if not isinstance(fields, list) or len(fields) != count:
        raise ProtocolError(f'{what}: not a list of {count} fields')
    if type(fields[0]) is not int or fields[0] != VERSION:
        raise ProtocolError(f'{what} of another protocol version than {VERSION}')
    return fields


def _check_plain(value: object, what: str) -> None:
    """Refuse what no field of a message can be, such as undefined and keys that are no text."""
    left: list[Any] = [value]
    while left:
        part = left.pop()
        kind = type(part)
        if kind is dict:
            if not all(type(key) is str for key in part):
                raise ProtocolError(f'{what}: a key that is no text')
            left.extend(part.values())
        elif kind is list:
            left.extend(part)
        elif kind not in _PLAIN:
            raise ProtocolError(f'{what}: neither number, text, bytes, boolean nor null')


def _text(value: object, what: str, least: int, most: int) -> str:
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise ProtocolError(f'{what}: not a text of {least} to {most} characters')
    return value


def _bytes(value: object, what: str, size: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != size:
        raise ProtocolError(f'{what}: not {size} bytes')
    return value
