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

"""General reducers over what rclpy itself writes: test_msgs, with all kinds of fields."""

from collections.abc import Iterator
import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
fixtures = pytest.importorskip('test_msgs.message_fixtures', reason='test_msgs is not here')

from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402

from ros_cloud_bridge.errors import ProtocolError  # noqa: E402
from ros_cloud_bridge.reducers.interface import Level  # noqa: E402
from ros_cloud_bridge.reducers.layout import Layout  # noqa: E402
from ros_cloud_bridge.reducers.precision import PrecisionKind  # noqa: E402
from ros_cloud_bridge.reducers.select_fields import SelectKind  # noqa: E402
from ros_cloud_bridge.ros.interfaces import load_message, schema_of  # noqa: E402

NAMES = (
    'Arrays', 'BasicTypes', 'BoundedPlainSequences', 'BoundedSequences', 'Builtins', 'Constants',
    'Defaults', 'Empty', 'MultiNested', 'Nested', 'Strings', 'UnboundedSequences', 'WStrings',
)  # fmt: skip


def messages(name: str) -> list[Any]:
    try:
        found = fixtures.get_test_msg(name)
    except (AttributeError, LookupError, TypeError):
        found = []
    return list(found) or [load_message(f'test_msgs/msg/{name}')()]


def leaves(value: Any, *, lengths: bool = True) -> Iterator[Any]:
    if hasattr(value, 'get_fields_and_field_types'):
        for name in value.get_fields_and_field_types():
            yield from leaves(getattr(value, name), lengths=lengths)
    elif isinstance(value, (list, tuple, np.ndarray)) or hasattr(value, 'typecode'):
        if lengths:
            yield len(value)
        for one in value:
            yield from leaves(one, lengths=lengths)
    else:
        # An octet is bytes.
        yield value[0] if isinstance(value, bytes) else value


@pytest.mark.parametrize('name', NAMES)
def test_what_rclpy_writes_is_reduced_within_the_bound(name: str) -> None:
    kind = f'test_msgs/msg/{name}'
    message_class = load_message(kind)
    text = schema_of(message_class).definition
    layout = Layout(kind, text)
    has_floats = any(leaf.is_float for leaf in layout.leaves)
    for message in messages(name):
        cdr = bytes(serialize_message(message))
        try:
            assert layout.walk(cdr).end <= len(cdr) - 4
        except ProtocolError:
            # Of wide text nobody knows how wide, where the middleware leaves room behind it.
            assert name == 'WStrings'
            continue
        emptied = SelectKind().make(kind, text, {'drop': '*'}, 1 << 20).reduce(cdr, Level.FULL)
        assert emptied is not None
        nothing = deserialize_message(emptied, message_class)
        assert not any(value for value in leaves(nothing, lengths=False))
        if not has_floats:
            with pytest.raises(ValueError, match='has no floating-point field'):
                PrecisionKind().make(kind, text, {}, 1 << 20)
            continue
        reducer = PrecisionKind().make(kind, text, {'tolerance': '0.05'}, 1 << 20)
        made = reducer.reduce(cdr, Level.FULL)
        assert made is not None
        before, after = leaves(message), leaves(deserialize_message(made, message_class))
        for old, new in zip(before, after, strict=True):
            if isinstance(old, (float, np.floating)) and math.isfinite(old):
                assert abs(new - old) <= 0.05
            else:
                assert new == old
