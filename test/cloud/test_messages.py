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

"""Schemas off the wire: used only when they hash to their id, and hostile ones do no harm."""

import hashlib

import pytest

pytest.importorskip('rosbags')
from rosbags.typesys import get_types_from_msg, get_typestore, Stores  # noqa: E402
from rosbags.typesys.store import Typestore  # noqa: E402

from ros_cloud_bridge.cloud.messages import MessageDecoder  # noqa: E402
from ros_cloud_bridge.errors import ProtocolError, UnknownSchema  # noqa: E402
from ros_cloud_bridge.wire.schema import Schema  # noqa: E402

LINE = '=' * 80 + '\n'
ROOT = 'a/msg/A'


def schema(text: str, name: str = ROOT) -> Schema:
    """Describe a type as a careful attacker would: the hash fits the text."""
    store = Typestore()
    root, *rest = text.split(LINE)
    types = dict(get_types_from_msg(root, name))
    for part in rest:
        line, _, body = part.partition('\n')
        types.update(get_types_from_msg(body, line.removeprefix('MSG: ').replace('/', '/msg/')))
    store.register(types)
    return Schema(type_name=name, definition=text, rihs01=store.hash_rihs01(name))


def forged(text: str, name: str = ROOT) -> Schema:
    """Describe a type whose hash nobody checks before the text was parsed."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Schema(type_name=name, definition=text, rihs01='RIHS01_' + digest)


def test_decodes_what_it_was_told() -> None:
    messages = MessageDecoder()
    told = schema(f'a/B[] parts\nstring name\n{LINE}MSG: a/B\nint32 x\n')
    with pytest.raises(UnknownSchema):
        messages.decode(told.id, ROOT, b'')
    messages.add(told)
    cdr = b'\0\1\0\0' + bytes.fromhex('02000000 01000000 ffffffff 03000000') + b'hi\0'
    message = messages.decode(told.id, ROOT, cdr)
    assert ([part.x for part in message.parts], message.name) == ([1, -1], 'hi')
    assert messages.schema(told.id, ROOT) == told


def test_every_well_known_type_needs_no_announcement() -> None:
    for distribution in (Stores.ROS2_JAZZY, Stores.ROS2_KILTED):
        store = get_typestore(distribution)
        for name in list(store.fielddefs)[::7]:
            messages = MessageDecoder()
            schema_id = store.hash_rihs01(name).removeprefix('RIHS01_')[:16]
            assert messages.knows(schema_id, name)
            assert messages.schema(schema_id, name).id == schema_id


def test_well_known_name_with_another_definition_is_not_assumed() -> None:
    messages = MessageDecoder()
    assert not messages.knows('0123456789abcdef', 'std_msgs/msg/Header')
    told = schema('int8 other\n', 'std_msgs/msg/Header')
    messages.add(told)
    assert messages.decode(told.id, 'std_msgs/msg/Header', b'\0\1\0\0\7').other == 7


def test_forged_hash_is_refused() -> None:
    honest = schema('int32 x\n')
    lie = Schema(type_name=ROOT, definition='float32 x\n', rihs01=honest.rihs01)
    messages = MessageDecoder()
    with pytest.raises(ProtocolError, match='does not hash'):
        messages.add(lie)
    messages.add(honest)
    assert honest.id in messages


def test_schema_of_another_type_is_not_used() -> None:
    messages = MessageDecoder()
    told = schema('int32 x\n')
    messages.add(told)
    with pytest.raises(ProtocolError, match='is not that of'):
        messages.decode(told.id, 'b/msg/B', b'\0\1\0\0\1\0\0\0')


@pytest.mark.parametrize(
    'text',
    [
        'a/A x\n',
        f'a/B x\n{LINE}MSG: a/B\na/A x\n',
        f'a/B x\n{LINE}MSG: a/B\na/C x\n{LINE}MSG: a/C\na/B x\n',
        'a/Missing x\n',
        'uint8[4000000000] x\n',
        'uint8[99999999999999999999999999] x\n',
        f'uint8 x\n{LINE}MSG: ../../etc\nuint8 x\n',
        f'uint8 x\n{LINE}MSG: a/B(object)\nuint8 x\n',
        f'uint8 x\n{LINE}uint8 y\n',
        f'uint8 x\n{LINE}',
        'uint8 x = "import os"; \n',
        'uint8 __import__("os")\n',
        'uint8 x\nuint8 x\n',
        'nonsense\n',
        '((((((' * 5000,
        'int32 X=' + '9' * 10_000 + '\n',
        '\0',
        'string<=' + '9' * 5000 + ' x\n',
        ''.join(f'uint8 field_{i}\n' for i in range(5000)),
        'a/T0 x\n'
        + ''.join(f'{LINE}MSG: a/T{i}\na/T{i + 1} x\n' for i in range(200))
        + f'{LINE}MSG: a/T200\nuint8 x\n',
    ],
    ids=lambda text: repr(text[:24]),
)
def test_hostile_texts_are_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        MessageDecoder().add(forged(text))


@pytest.mark.parametrize('name', ['A', 'a/A', 'a/msg/A;', 'a/srv/A', '../msg/A', 'a/msg/', ''])
def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(ProtocolError):
        MessageDecoder().add(forged('uint8 x\n', name))


def test_other_encodings_are_refused() -> None:
    with pytest.raises(ProtocolError, match='ros2msg'):
        MessageDecoder().add(
            Schema(type_name=ROOT, definition='', rihs01='RIHS01_' + '0' * 64, encoding='ros2idl')
        )


@pytest.mark.parametrize(
    'field', ['class', 'self', 'None', 'cls', 'bytes', 'lambda', 'pos', 'rawdata', 'len', 'range']
)
def test_fields_may_have_any_name(field: str) -> None:
    for kind, cdr in (('uint8', b'\7'), ('string', b'\2\0\0\0h\0'), ('uint8[]', b'\1\0\0\0\7')):
        messages = MessageDecoder()
        told = schema(f'{kind} {field}\n')
        messages.add(told)
        assert messages.decode(told.id, ROOT, b'\0\1\0\0' + cdr) is not None


def test_types_that_fan_out_cost_no_more_than_their_text() -> None:
    levels = 28
    text = 'a/T0 x\na/T0 y\n' + ''.join(
        f'{LINE}MSG: a/T{i}\na/T{i + 1} x\na/T{i + 1} y\n' for i in range(levels)
    )
    told = schema(f'{text}{LINE}MSG: a/T{levels}\nuint8 z\n')
    messages = MessageDecoder()
    messages.add(told)
    with pytest.raises(ProtocolError, match='do not fit'):
        messages.decode(told.id, ROOT, b'\0\1\0\0' + bytes(100))


def test_every_truncation_of_a_message_is_refused() -> None:
    told = schema('string[] names\nfloat64[3] x\nuint8[] data\n')
    messages = MessageDecoder()
    messages.add(told)
    cdr = (
        b'\0\1\0\0'
        + bytes.fromhex('01000000 03000000 68690000 00000000')
        + bytes(24)
        + bytes.fromhex('02000000 0102')
    )
    assert messages.decode(told.id, ROOT, cdr).names == ['hi']
    for length in range(len(cdr)):
        with pytest.raises(ProtocolError):
            messages.decode(told.id, ROOT, cdr[:length])


def test_held_schemas_are_bounded() -> None:
    messages = MessageDecoder()
    told = [schema(f'# {"x" * 200_000}\nuint8 field_{i}\n') for i in range(30)]
    for entry in told:
        messages.add(entry)
    assert told[-1].id in messages
    assert told[0].id not in messages
