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

"""Plain values against every installed message class, and every mismatch by its path."""

from array import array
import math
from pathlib import Path
import pkgutil
import random
import struct
from typing import Any

import pytest

rclpy = pytest.importorskip('rclpy')
hypothesis = pytest.importorskip('hypothesis')
from geometry_msgs.msg import TwistStamped  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
import numpy as np  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from rosidl_parser import definition as idl  # noqa: E402
from sensor_msgs.msg import Image, LaserScan  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402

from ros_cloud_bridge.errors import BadFields  # noqa: E402
from ros_cloud_bridge.ros.commands.fields import build, check_size, to_fields  # noqa: E402
from ros_cloud_bridge.ros.interfaces import load_message  # noqa: E402
from ros_cloud_bridge.wire import cbor  # noqa: E402
from ros_cloud_bridge.wire.limits import COMMAND_MAX_DEPTH  # noqa: E402

test_msgs = pytest.importorskip('test_msgs.msg')


def class_names() -> list[str]:
    """Name every message of every installed interface package."""
    names = []
    for found in pkgutil.iter_modules():
        folder = Path(getattr(found.module_finder, 'path', '')) / found.name / 'msg'
        if found.ispkg and (folder / '__init__.py').exists():
            module = __import__(f'{found.name}.msg', fromlist=['msg'])
            for name, value in sorted(vars(module).items()):
                if hasattr(value, 'get_fields_and_field_types'):
                    names.append(f'{found.name}/msg/{name}')
    return names


ALL = class_names()
INTEGERS = {
    f'{sign}int{bits}': (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in ('', 'u')
    for bits in (8, 16, 32, 64)
}
TEXTS = ('', 'a', 'äöü', 'ハロー', 'line\nline', '🤖')


def some(slot: Any, rng: random.Random) -> Any:
    """Make a plain value that fits a slot, with the ends of its range more often than not."""
    if isinstance(slot, idl.AbstractNestedType):
        if isinstance(slot, idl.Array):
            count = slot.size
        else:
            count = rng.randint(0, min(3, getattr(slot, 'maximum_size', 3)))
        return [some(slot.value_type, rng) for _ in range(count)]
    if isinstance(slot, idl.NamespacedType):
        return some_fields(load_message('/'.join(slot.namespaced_name())), rng)
    if isinstance(slot, idl.AbstractGenericString):
        text = rng.choice(TEXTS)
        return text[: getattr(slot, 'maximum_size', None) or None]
    if slot.typename == 'boolean':
        return rng.random() < 0.5
    if slot.typename == 'octet':
        return bytes((rng.randrange(256),))
    if slot.typename in INTEGERS:
        low, high = INTEGERS[slot.typename]
        return rng.choice((low, high, rng.randint(low, high)))
    # Not the very largest float32: Humble's own checks are rounded just below it.
    number = rng.choice((0.0, -0.0, math.inf, -math.inf, 3.4028232e38, rng.gauss(0, 1e6)))
    return struct.unpack('<f', struct.pack('<f', number))[0]


def some_fields(message_class: Any, rng: random.Random) -> dict[str, Any]:
    names = message_class.get_fields_and_field_types()
    return {
        name: some(slot, rng)
        for name, slot in zip(names, message_class.SLOT_TYPES, strict=True)
        if name != 'structure_needs_at_least_one_member'
    }


def build_error(message_class: Any, fields: Any) -> str:
    with pytest.raises(BadFields) as caught:
        build(message_class, fields)
    text = str(caught.value)
    assert '\n' not in text and len(text) < 1000
    return text


@pytest.mark.parametrize('name', ALL)
def test_every_message_comes_back_as_it_was(name: str) -> None:
    message_class = load_message(name)
    rng = random.Random(name)
    for _ in range(3):
        message = build(message_class, some_fields(message_class, rng))
        # Through rclpy's C conversion, so that it holds what it would hold in the graph.
        received = deserialize_message(serialize_message(message), message_class)
        fields = to_fields(received, max_bytes=10**7, max_items=10**6)
        assert build(message_class, fields) == received
        again = cbor.loads(cbor.dumps(fields), max_depth=COMMAND_MAX_DEPTH, max_items=10**6)
        assert build(message_class, again) == received


@pytest.mark.parametrize('name', ALL)
def test_an_untouched_message_and_no_fields_are_the_same(name: str) -> None:
    message_class = load_message(name)
    assert build(message_class, {}) == message_class()


def plain_values() -> st.SearchStrategy[Any]:
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=30)
        | st.binary(max_size=5)
    )
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(('x', 'sec', 'data', 'linear')) | leaves, inner)
        ),
        max_leaves=6,
    )


FIELDS = [
    (message_class, name)
    for message_class in (
        test_msgs.BasicTypes,
        test_msgs.Arrays,
        test_msgs.BoundedSequences,
        test_msgs.Strings,
        test_msgs.WStrings,
        test_msgs.Builtins,
    )
    for name in message_class.get_fields_and_field_types()
]


@given(st.sampled_from(FIELDS), plain_values())
def test_whatever_is_given_fits_or_is_named(field: tuple[Any, str], value: Any) -> None:
    message_class, name = field
    try:
        message = build(message_class, {name: value})
    except BadFields as error:
        assert str(error).startswith(name)
        assert '\n' not in str(error)
    else:
        # What is let through goes through the conversion to C and back unharmed.
        serialized = serialize_message(message)
        assert serialize_message(deserialize_message(serialized, message_class)) == serialized


@pytest.mark.parametrize(
    ('message_class', 'fields', 'said'),
    [
        (
            TwistStamped,
            {'twist': {'linear': {'x': 'fast'}}},
            "twist.linear.x: expected float64, got 'fast'",
        ),
        (
            TwistStamped,
            {'twist': {'linear': {'q': 1.0}}},
            'twist.linear.q: no such field; its fields: x, y, z',
        ),
        (
            TwistStamped,
            {'twist': {'liner': {}}},
            "twist.liner: no such field; did you mean 'linear'? its fields: linear, angular",
        ),
        (
            TwistStamped,
            {'twist': 1.0},
            'twist: expected geometry_msgs/msg/Twist, got the float 1.0',
        ),
        (TwistStamped, {'header': None}, 'header: expected std_msgs/msg/Header, got null'),
        (
            TwistStamped,
            {'header': {'stamp': {'sec': 2**31}}},
            'header.stamp.sec: expected int32 (-2147483648..2147483647), '
            'got the integer 2147483648',
        ),
        (
            test_msgs.BasicTypes,
            {'float64_value': True},
            'float64_value: expected float64, got the bool true',
        ),
        (
            test_msgs.BasicTypes,
            {'int32_value': 1.0},
            'int32_value: expected int32, got the float 1.0',
        ),
        (
            test_msgs.BasicTypes,
            {'int32_value': False},
            'int32_value: expected int32, got the bool false',
        ),
        (test_msgs.BasicTypes, {'bool_value': 1}, 'bool_value: expected bool, got the integer 1'),
        (
            test_msgs.BasicTypes,
            {'char_value': 256},
            'char_value: expected uint8 (0..255), got the integer 256',
        ),
        (
            test_msgs.BasicTypes,
            {'byte_value': b'ab'},
            'byte_value: expected byte (one byte, or 0..255), got 2 bytes',
        ),
        (
            test_msgs.BasicTypes,
            {'float32_value': 1e39},
            'float32_value: expected float32 (up to 3.40282e+38), got the float 1e+39',
        ),
        (
            test_msgs.BasicTypes,
            {'float64_value': 10**400},
            'float64_value: expected float64 (up to inf), got a far larger integer',
        ),
        (
            test_msgs.Arrays,
            {'uint8_values': b'1234'},
            'uint8_values: expected uint8[3], got 4 elements',
        ),
        (
            test_msgs.Arrays,
            {'basic_types_values': [{}, {'int8_value': 200}, {}]},
            'basic_types_values[1].int8_value: expected int8 (-128..127), got the integer 200',
        ),
        (
            test_msgs.BoundedSequences,
            {'float32_values': [1.0] * 4},
            'float32_values: expected float32[<=3], got 4 elements',
        ),
        (
            test_msgs.UnboundedSequences,
            {'string_values': ['a', 5]},
            'string_values[1]: expected string, got the integer 5',
        ),
        (
            test_msgs.UnboundedSequences,
            {'float64_values': 'abc'},
            "float64_values: expected float64[], got 'abc'",
        ),
        (
            test_msgs.UnboundedSequences,
            {'int16_values': b'abc'},
            'int16_values: expected int16[], got 3 bytes',
        ),
        (
            test_msgs.Strings,
            {'bounded_string_value': 'ä' * 12},
            'bounded_string_value: expected string<=22, got one of length 24',
        ),
        (
            test_msgs.WStrings,
            {'wstring_value': b'a'},
            'wstring_value: expected wstring, got 1 byte',
        ),
        (
            String,
            {'data': 'a\0b'},
            'data: a ROS string ends at its first NUL character; this text has one',
        ),
        (String, {'data': '\ud800'}, 'data: expected valid Unicode, got a lone surrogate'),
        (String, {3: ''}, 'the integer 3: names of fields are texts'),
        (
            String,
            {'x\n' * 999: ''},
            "'" + 20 * r'x\n' + "'…: no such field; its fields: data",
        ),
        (test_msgs.Empty, {'data': 1}, 'data: no such field; the message has none'),
        (SetBool.Request, [], 'expected std_srvs/srv/SetBool_Request, got a list of 0'),
    ],
)
def test_mismatches_are_named_by_path_and_both_types(
    message_class: Any, fields: Any, said: str
) -> None:
    assert build_error(message_class, fields) == said


def test_an_integer_is_fine_for_a_float_and_becomes_one() -> None:
    message = build(TwistStamped, {'twist': {'linear': {'x': 2}}})
    assert message.twist.linear.x == 2.0
    assert type(message.twist.linear.x) is float


def test_not_a_number_and_infinity_are_floats() -> None:
    message = build(test_msgs.BasicTypes, {'float32_value': math.nan, 'float64_value': math.inf})
    assert math.isnan(message.float32_value)
    assert message.float64_value == math.inf


def test_bytes_fill_arrays_of_eight_bits() -> None:
    message = build(
        test_msgs.Arrays, {'uint8_values': b'\x00\x7f\xff', 'byte_values': b'\x00a\xff'}
    )
    assert isinstance(message.uint8_values, np.ndarray)
    assert message.uint8_values.tolist() == [0, 127, 255]
    assert message.byte_values == [b'\x00', b'a', b'\xff']
    signed = build(test_msgs.UnboundedSequences, {'int8_values': b'\x7f\xff'})
    assert signed.int8_values == array('b', (127, -1))
    assert build(Image, {'data': b'abc'}).data == build(Image, {'data': [97, 98, 99]}).data


def test_eight_bits_are_told_as_bytes_and_the_rest_as_lists() -> None:
    message = build(
        test_msgs.UnboundedSequences,
        {'uint8_values': [1, 2], 'int8_values': [-1], 'byte_values': [b'a', 98]},
    )
    fields = to_fields(message)
    assert fields['uint8_values'] == b'\x01\x02'
    assert fields['int8_values'] == [-1]
    assert fields['byte_values'] == b'ab'
    assert to_fields(test_msgs.UnboundedSequences())['byte_values'] == b''
    assert to_fields(build(LaserScan, {'ranges': [1, 2.5]}))['ranges'] == [1.0, 2.5]


def test_what_an_answer_cannot_hold_is_refused_by_its_path() -> None:
    with pytest.raises(BadFields, match=r'^data: more than 98304 bytes'):
        to_fields(build(Image, {'data': bytes(100_000)}))
    with pytest.raises(BadFields, match=r'^ranges: .* 12288 values'):
        to_fields(build(LaserScan, {'ranges': [0.0] * 12_280}))
    with pytest.raises(BadFields, match='too large'):
        check_size({'names': ['x' * 50_000, 'y' * 50_000]})
    assert check_size({'a': [1, None, b'x']}) == {'a': [1, None, b'x']}


@given(
    st.lists(st.floats(allow_nan=False, width=64), max_size=30),
    st.lists(st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\0'))),
    st.binary(max_size=300),
)
def test_sizes_are_never_reckoned_too_small(
    floats: list[float], texts: list[str], data: bytes
) -> None:
    fields = {'float64_values': floats, 'string_values': texts, 'uint8_values': data}
    message = build(test_msgs.UnboundedSequences, fields)
    size = len(cbor.dumps(to_fields(message)))
    with pytest.raises(BadFields):
        to_fields(message, max_bytes=size - 1)


def test_the_class_is_not_asked_twice() -> None:
    build(TwistStamped, {})
    names = TwistStamped.get_fields_and_field_types

    def forbidden() -> Any:
        raise AssertionError

    TwistStamped.get_fields_and_field_types = forbidden
    try:
        assert build(TwistStamped, {'twist': {'linear': {'x': 1.0}}}).twist.linear.x == 1.0
    finally:
        TwistStamped.get_fields_and_field_types = names
