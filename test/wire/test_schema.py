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

"""Schemas by themselves: hashes and texts of types that are described by hand."""

import hashlib
import json

import pytest

from ros_cloud_bridge.errors import LocalFault
from ros_cloud_bridge.wire.schema import (
    Constant,
    Field,
    make_schema,
    Message,
    rihs01,
    Schema,
    Shape,
    to_ros2msg,
)

rosbags = pytest.importorskip('rosbags.typesys')
from rosbags.typesys import get_types_from_msg  # noqa: E402
from rosbags.typesys.store import Typestore  # noqa: E402

TIME = Message(
    name='builtin_interfaces/msg/Time',
    fields=(
        Field(name='sec', type_name='int32'),
        Field(name='nanosec', type_name='uint32'),
    ),
)
HEADER = Message(
    name='std_msgs/msg/Header',
    fields=(
        Field(name='stamp', type_name='builtin_interfaces/msg/Time'),
        Field(name='frame_id', type_name='string'),
    ),
)
EMPTY = Message(name='std_msgs/msg/Empty')
MIXED = Message(
    name='mine/msg/Mixed',
    constants=(
        Constant(name='MODE', type_name='uint8', value=3),
        Constant(name='LABEL', type_name='string', value='it\'s "both"'),
        Constant(name='lower', type_name='uint8', value=1),
        Constant(name='OWNER', type_name='string', value="it's"),
    ),
    fields=(
        Field(name='headers', type_name='std_msgs/msg/Header', shape=Shape.UNBOUNDED_SEQUENCE),
        Field(name='label', type_name='string', string_bound=7, default='a b'),
        Field(name='odd', type_name='string', default='x=1'),
        Field(name='lines', type_name='string', default='two\nlines'),
        Field(name='cov', type_name='float64', shape=Shape.ARRAY, size=2, default=(1.0, 1e-5)),
        Field(
            name='few', type_name='string', shape=Shape.BOUNDED_SEQUENCE, size=3, string_bound=9
        ),
        Field(name='nothing', type_name='std_msgs/msg/Empty'),
    ),
)
MESSAGES = {message.name: message for message in (TIME, HEADER, EMPTY, MIXED)}


def oracle(schema: Schema) -> str:
    """Let rosbags compute the hash from nothing but the text."""
    store = Typestore()
    store.register(get_types_from_msg(schema.definition, schema.type_name))
    return str(store.hash_rihs01(schema.type_name))


def test_well_known_hashes() -> None:
    # As `ros2 topic info --verbose` prints them.
    assert rihs01(MESSAGES, TIME.name) == (
        'RIHS01_b106235e25a4c5ed35098aa0a61a3ee9c9b18d197f398b0e4206cea9acf9c197'
    )
    assert rihs01(MESSAGES, HEADER.name) == (
        'RIHS01_f49fb3ae2cf070f793645ff749683ac6b06203e41c891e17701b1cb597ce6a01'
    )


def test_text_is_the_root_and_then_what_it_needs() -> None:
    assert to_ros2msg(MESSAGES, HEADER.name) == (
        'builtin_interfaces/Time stamp\n'
        'string frame_id\n'
        '================================================================================\n'
        'MSG: builtin_interfaces/Time\n'
        'int32 sec\n'
        'uint32 nanosec\n'
    )


def test_text_of_every_shape() -> None:
    assert to_ros2msg(MESSAGES, MIXED.name).splitlines()[:9] == [
        'uint8 MODE=3',
        'string OWNER="it\'s"',
        'std_msgs/Header[] headers',
        'string<=7 label "a b"',
        'string odd',
        'string lines',
        'float64[2] cov [1.0, 1e-05]',
        'string<=9[<=3] few',
        'std_msgs/Empty nothing',
    ]


def test_another_reader_computes_the_same_hash_from_the_text() -> None:
    for name in MESSAGES:
        schema = make_schema(MESSAGES, name)
        assert oracle(schema) == schema.rihs01


def test_empty_message_hashes_its_dummy_member_and_hides_it() -> None:
    member = {
        'name': 'structure_needs_at_least_one_member',
        'type': {'type_id': 3, 'capacity': 0, 'string_capacity': 0, 'nested_type_name': ''},
    }
    description = {
        'type_description': {'type_name': EMPTY.name, 'fields': [member]},
        'referenced_type_descriptions': [],
    }
    digest = hashlib.sha256(json.dumps(description).encode()).hexdigest()
    schema = make_schema(MESSAGES, EMPTY.name)
    assert schema.rihs01 == f'RIHS01_{digest}'
    assert schema.definition == ''
    assert schema.id == digest[:16]


def test_dummy_member_that_the_class_lists_changes_nothing() -> None:
    listed = Message(
        name=EMPTY.name,
        fields=(Field(name='structure_needs_at_least_one_member', type_name='uint8'),),
    )
    assert make_schema({EMPTY.name: listed}, EMPTY.name) == make_schema(MESSAGES, EMPTY.name)


def test_unrelated_messages_do_not_count() -> None:
    alone = {TIME.name: TIME, HEADER.name: HEADER}
    assert make_schema(alone, HEADER.name) == make_schema(MESSAGES, HEADER.name)


def test_default_values_do_not_count_in_the_hash() -> None:
    changed = Message(
        name=TIME.name,
        fields=(Field(name='sec', type_name='int32', default=7), TIME.fields[1]),
    )
    assert rihs01({TIME.name: changed}, TIME.name) == rihs01(MESSAGES, TIME.name)


@pytest.mark.parametrize('type_name', ['wchar', 'char', 'float128'])
def test_type_without_a_word_in_the_text_is_named(type_name: str) -> None:
    message = Message(name='mine/msg/Odd', fields=(Field(name='x', type_name=type_name),))
    assert rihs01({message.name: message}, message.name).startswith('RIHS01_')
    with pytest.raises(LocalFault, match=f'mine/msg/Odd: the type {type_name} of its member x'):
        to_ros2msg({message.name: message}, message.name)
