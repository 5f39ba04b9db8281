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

"""A few seconds of what fuzz_commands.py does for longer: mutated vectors, and no forgery."""

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

pytest.importorskip('cryptography', reason='cryptography is missing')
from fuzz.command_target import (  # noqa: E402
    ALICE,
    ANSWER,
    ANSWERS,
    COMMAND,
    COMMANDS,
    GATE,
    OPERATOR,
    OWN,
    ROBOT,
    Target,
    vectors,
)

from ros_cloud_bridge.errors import ProtocolError  # noqa: E402
from ros_cloud_bridge.signing.messages import open_answer, sign  # noqa: E402
from ros_cloud_bridge.wire import cbor  # noqa: E402
from ros_cloud_bridge.wire.command import decode_command  # noqa: E402
from ros_cloud_bridge.wire.cose import Context  # noqa: E402

MESSAGES = vectors()
PAYLOADS = [payload for _, payload in MESSAGES]
TARGET = Target()


@st.composite
def mutated(draw: st.DrawFn) -> tuple[int, bytes]:
    who, payload = draw(st.sampled_from(MESSAGES))
    data = bytearray(payload)
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 4)):
            case 0:
                del data[place : place + draw(st.integers(1, 16))]
            case 1:
                data[place:place] = draw(st.binary(min_size=1, max_size=16))
            case 2 if place < len(data):
                data[place] ^= 1 << draw(st.integers(0, 7))
            case 3:
                other = draw(st.sampled_from(PAYLOADS))
                data[place:] = other[draw(st.integers(0, len(other))) :]
            case _:
                size = draw(st.integers(1, 8))
                data[place : place + size] = draw(st.sampled_from([b'\xff' * size, bytes(size)]))
    return who, bytes(data)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.integers(-20, 20)
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=70)
    | st.sampled_from([bytes(8), bytes(16), bytes(64)]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.integers(-9, 9) | st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=9,
)


@st.composite
def rebuilt(draw: st.DrawFn, fields: list[object]) -> bytes:
    """Change some fields, of any kind."""
    changed = list(fields)
    for place in draw(st.lists(st.integers(0, len(fields) - 1), max_size=3)):
        changed[place] = draw(values)
    return cbor.dumps(changed)


A_COMMAND: list[object] = [1, 'call', bytes(16), bytes(8), bytes(8), 1, 1000, 2000, {'a': 1}]
AN_ANSWER: list[object] = [1, bytes(16), bytes(8), 1000, 3, 0, '', {'a': 1}]


def test_the_target_takes_what_is_good() -> None:
    taken = [who for who, message in MESSAGES if TARGET.read(who, message)]
    assert {who: taken.count(who) >= 3 for who in range(ANSWER + 1)} == dict.fromkeys(
        (GATE, OPERATOR, COMMAND, ANSWER), True
    )


@settings(max_examples=1500, deadline=None)
@given(mutated())
def test_mutated_vectors_are_survived(message: tuple[int, bytes]) -> None:
    TARGET.read(*message)


@settings(max_examples=300, deadline=None)
@given(st.integers(GATE, OPERATOR), values)
def test_any_value_is_survived(who: int, value: object) -> None:
    assert not TARGET.read(who, cbor.dumps(value))


@settings(max_examples=300, deadline=None)
@given(rebuilt([bytes.fromhex('a2012704480001020304050607'), {}, b'', bytes(64)]))
def test_any_fields_around_a_command_are_survived(message: bytes) -> None:
    assert not TARGET.read(GATE, message)


@settings(max_examples=300, deadline=None)
@given(values)
def test_any_header_is_survived(header: object) -> None:
    message = cbor.dumps([cbor.dumps(header), {}, cbor.dumps(A_COMMAND), bytes(64)])
    assert not TARGET.read(GATE, message)


@settings(max_examples=500, deadline=None)
@given(rebuilt(A_COMMAND))
def test_who_has_a_key_can_sign_anything(payload: bytes) -> None:
    message = sign(ALICE, Context.COMMAND, ROBOT, COMMANDS, payload)
    try:
        command = decode_command(payload)
    except ProtocolError:
        assert not TARGET.read(GATE, message)
        return
    assert 1 <= len(command.type) <= 32
    assert (len(command.id), len(command.instance)) == (16, 8)
    assert TARGET.read(COMMAND, payload)


@settings(max_examples=500, deadline=None)
@given(rebuilt(AN_ANSWER))
def test_a_robot_can_answer_anything(payload: bytes) -> None:
    message = sign(OWN, Context.ANSWER, ROBOT, ANSWERS, payload)
    taken = TARGET.read(ANSWER, payload)
    try:
        answer = open_answer(OWN.public, ROBOT, ANSWERS, message)
    except ProtocolError:
        assert not taken
        return
    assert taken
    assert (len(answer.id), len(answer.epoch)) == (16, 8)
