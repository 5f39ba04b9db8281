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

"""Commands and answers: what is encoded is decoded, and nothing else is."""

from dataclasses import replace
from typing import Any

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.command_values import Answer, Command, State
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.command import (
    decode_answer,
    decode_command,
    encode_answer,
    encode_command,
)
from ros_cloud_bridge.wire.limits import COMMAND_MAX_DEPTH, COMMAND_MAX_ITEMS, MAX_COMMAND

COMMAND = Command(
    type='publish',
    id=bytes(range(16)),
    instance=b'instance',
    epoch=b'an epoch',
    sequence=7,
    sent_ms=1000,
    deadline_ms=1500,
    arguments={'linear': {'x': 0.5}},
)
ANSWER = Answer(
    id=bytes(range(16)),
    epoch=b'an epoch',
    robot_ms=1234,
    state=State.REJECTED,
    number=2,
    reason='expired: 3 s late',
    detail={'count': 3},
)

naturals = st.integers(0, 2**63 - 1)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


def octets(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


commands = st.builds(
    Command,
    type=st.text(min_size=1, max_size=32),
    id=octets(16),
    instance=octets(8),
    epoch=octets(8) | st.just(b''),
    sequence=naturals,
    sent_ms=naturals,
    deadline_ms=naturals,
    arguments=plain,
)
answers = st.builds(
    Answer,
    id=octets(16),
    epoch=octets(8),
    robot_ms=naturals,
    state=st.sampled_from(State),
    number=naturals,
    reason=st.text(max_size=50),
    detail=plain,
)


@settings(deadline=None)
@given(commands)
def test_commands_come_out_as_they_went_in(command: Command) -> None:
    assert decode_command(encode_command(command)) == command


@settings(deadline=None)
@given(answers)
def test_answers_come_out_as_they_went_in(answer: Answer) -> None:
    decoded = decode_answer(encode_answer(answer))
    assert decoded == answer
    assert type(decoded.state) is State


def test_fields_stand_in_the_documented_order() -> None:
    assert cbor2.loads(encode_command(COMMAND)) == [
        1,
        'publish',
        bytes(range(16)),
        b'instance',
        b'an epoch',
        7,
        1000,
        1500,
        {'linear': {'x': 0.5}},
    ]
    assert cbor2.loads(encode_answer(ANSWER)) == [
        1,
        bytes(range(16)),
        b'an epoch',
        1234,
        6,
        2,
        'expired: 3 s late',
        {'count': 3},
    ]


def test_the_numbers_of_states_never_change() -> None:
    assert {state.name: int(state) for state in State} == {
        'RECEIVED': 0,
        'ACCEPTED': 1,
        'RUNNING': 2,
        'SUCCEEDED': 3,
        'FAILED': 4,
        'CANCELLED': 5,
        'REJECTED': 6,
        'TIMED_OUT': 7,
        'UNKNOWN_AFTER_RESTART': 8,
    }
    assert [state.name for state in State if not state.final] == [
        'RECEIVED',
        'ACCEPTED',
        'RUNNING',
    ]


@pytest.mark.parametrize(
    ('place', 'value'),
    [
        (0, 0),
        (0, 2),
        (0, True),
        (0, 1.0),
        (0, '1'),
        (1, ''),
        (1, 'x' * 33),
        (1, b'publish'),
        (1, None),
        (2, bytes(15)),
        (2, bytes(17)),
        (2, 'x' * 16),
        (2, b''),
        (3, bytes(7)),
        (3, b''),
        (4, bytes(7)),
        (4, bytes(9)),
        (4, None),
        (4, ''),
        *(
            (place, value)
            for place in (5, 6, 7)
            for value in (-1, 2**64 - 1, 1.0, True, None, '1')
        ),
        (8, {1: 2}),
        (8, {None: 2}),
        (8, {b'x': 2}),
        (8, {'a': [{'b': {True: 1}}]}),
        (8, cbor2.undefined),
        (8, [cbor2.undefined]),
        (8, {'a': cbor2.CBORSimpleValue(99)}),
        (8, cbor2.CBORTag(1, 0)),
        (8, 2**64),
    ],
    ids=repr,
)
def test_a_command_with_a_wrong_field_is_refused(place: int, value: object) -> None:
    fields = cbor2.loads(encode_command(COMMAND))
    fields[place] = value
    with pytest.raises(ProtocolError):
        decode_command(cbor2.dumps(fields))


@pytest.mark.parametrize(
    ('place', 'value'),
    [
        (0, 2),
        (0, True),
        (1, bytes(15)),
        (2, b''),
        (2, bytes(9)),
        (3, -1),
        (3, 1.5),
        (4, 9),
        (4, -1),
        (4, True),
        (4, 3.0),
        (4, 'SUCCEEDED'),
        (4, [3]),
        (5, -1),
        (6, None),
        (6, b''),
        (6, 'x' * 1025),
        (7, {1: 2}),
        (7, cbor2.undefined),
    ],
    ids=repr,
)
def test_an_answer_with_a_wrong_field_is_refused(place: int, value: object) -> None:
    fields = cbor2.loads(encode_answer(ANSWER))
    fields[place] = value
    with pytest.raises(ProtocolError):
        decode_answer(cbor2.dumps(fields))


@pytest.mark.parametrize(
    ('decode', 'whole'),
    [(decode_command, encode_command(COMMAND)), (decode_answer, encode_answer(ANSWER))],
    ids=['command', 'answer'],
)
def test_another_number_of_fields_is_refused(decode: Any, whole: bytes) -> None:
    fields = cbor2.loads(whole)
    numbered = dict(enumerate(fields))
    for changed in (fields[:-1], [*fields, None], [fields], numbered, fields[-1], None, []):
        with pytest.raises(ProtocolError):
            decode(cbor2.dumps(changed))


def test_every_truncation_and_extension_is_refused() -> None:
    for decode, whole in (
        (decode_command, encode_command(COMMAND)),
        (decode_answer, encode_answer(ANSWER)),
    ):
        decode(whole)
        for size in range(len(whole)):
            with pytest.raises(ProtocolError):
                decode(whole[:size])
        for rest in (b'\0', b'\xf6', whole):
            with pytest.raises(ProtocolError):
                decode(whole + rest)


def test_an_answer_is_no_command() -> None:
    with pytest.raises(ProtocolError):
        decode_command(encode_answer(ANSWER))
    with pytest.raises(ProtocolError):
        decode_answer(encode_command(COMMAND))


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {'a': value}
    return value


def test_depth_and_items_are_limited() -> None:
    # The list of fields is the first collection.
    good = encode_command(replace(COMMAND, arguments=nested(COMMAND_MAX_DEPTH - 1)))
    assert decode_command(good).arguments == nested(COMMAND_MAX_DEPTH - 1)
    deep = encode_command(replace(COMMAND, arguments=nested(COMMAND_MAX_DEPTH)))
    with pytest.raises(ProtocolError, match='deeper'):
        decode_command(deep)
    many = encode_command(replace(COMMAND, arguments=[0] * COMMAND_MAX_ITEMS))
    with pytest.raises(ProtocolError, match='items'):
        decode_command(many)
    large = encode_command(replace(COMMAND, arguments=bytes(MAX_COMMAND)))
    with pytest.raises(ProtocolError, match='over the limit'):
        decode_command(large)


@pytest.mark.parametrize(
    'hostile',
    [
        '9f' + '01' * 9 + 'ff',
        '9bffffffffffffffff',
        '9a7fffffff',
        'bbffffffffffffffff',
        '5bffffffffffffffff',
        '7bffffffffffffffff',
        '81' * 5000,
        'a1' * 5000,
        'd8184100',
        'c249010000000000000000',
        '89' + 'f6' * 8,
        '62c328',
        'ff',
        '1c',
        'f8',
        'f818',
        '',
    ],
)
def test_hostile_bytes_are_refused(hostile: str) -> None:
    payload = bytes.fromhex(hostile)
    # Alone, and as a command's arguments.
    inside = encode_command(COMMAND)[: -len(cbor2.dumps(COMMAND.arguments))] + payload
    for data in (payload, inside):
        with pytest.raises(ProtocolError):
            decode_command(data)
        with pytest.raises(ProtocolError):
            decode_answer(data)


def test_a_field_twice_is_refused() -> None:
    twice = bytes.fromhex('a2616101616102')
    whole = encode_command(COMMAND)[: -len(cbor2.dumps(COMMAND.arguments))] + twice
    with pytest.raises(ProtocolError, match='twice'):
        decode_command(whole)
