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

"""What a route number stands for, and how numbers off the wire are checked."""

from dataclasses import dataclass

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.limits import MAX_TEXT

MAX_FORM = 64
_INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """
    What a route number stands for.

    ``schema_id`` are 16 hex digits, or empty if unknown; ``form`` names the compact form in which
    a reducer wrote the samples, empty when they are plain CDR of the type.
    """

    stream: str
    topic: str
    type_name: str
    schema_id: str
    form: str = ''

    @property
    def typed(self) -> str:
        """Type and form in one text, as in ``sensor_msgs/msg/PointCloud2#cloud/1``."""
        return f'{self.type_name}#{self.form}' if self.form else self.type_name

    @classmethod
    def of(cls, stream: str, topic: str, typed: str, schema_id: str) -> 'Descriptor':
        """
        Make a descriptor of texts that were stored.

        :param stream: the stream
        :param topic: ROS topic
        :param typed: type and form, as :attr:`typed` gives them
        :param schema_id: 16 hexadecimal digits, or empty
        :returns: the descriptor
        """
        name, _, form = typed.partition('#')
        return cls(stream=stream, topic=topic, type_name=name, schema_id=schema_id, form=form)


def encode_descriptor(descriptor: Descriptor) -> list[object]:
    """
    Write a descriptor as it stands in a section.

    :param descriptor: of a route
    :returns: its fields
    """
    fields: list[object] = [
        descriptor.stream,
        descriptor.topic,
        descriptor.type_name,
        bytes.fromhex(descriptor.schema_id),
    ]
    return [*fields, descriptor.form] if descriptor.form else fields


def decode_descriptor(value: object) -> Descriptor | None:
    """
    Read a descriptor.

    :param value: its fields, or None
    :returns: the descriptor, or None
    :raises ProtocolError: when it is malformed or over a limit
    """
    if value is None:
        return None
    if not isinstance(value, list) or len(value) not in (4, 5):
        raise ProtocolError('a descriptor has four fields, or five with a form')
    stream, topic, type_name, schema_id = value[:4]
    if not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in value[:3]):
        raise ProtocolError('a descriptor names stream, topic and type')
    if not isinstance(schema_id, bytes) or len(schema_id) not in (0, 8):
        raise ProtocolError('a schema id has eight bytes')
    form = value[4] if len(value) == 5 else ''
    if len(value) == 5 and (not isinstance(form, str) or not 1 <= len(form) <= MAX_FORM):
        raise ProtocolError(f'a form is named by 1 to {MAX_FORM} characters')
    return Descriptor(
        stream=stream, topic=topic, type_name=type_name, schema_id=schema_id.hex(), form=form
    )


def natural(value: object, name: str) -> int:
    """
    Check a number.

    :param value: a decoded value
    :param name: what it is
    :returns: the value
    :raises ProtocolError: when it is no natural number below 2**63
    """
    if type(value) is not int or not 0 <= value <= _INT64_MAX:
        raise ProtocolError(f'{name} is not a natural number below 2**63: {brief(value)}')
    return value


def brief(value: object) -> str:
    """
    Write a value that is refused.

    :param value: a decoded value
    :returns: a number, or else its type
    """
    # Whatever else it is can be megabytes long.
    return str(value) if isinstance(value, (int, float)) else type(value).__name__
