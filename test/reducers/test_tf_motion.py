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

"""Transforms are left out as long as they stay where they were said to be."""

import math
import struct

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.keys import child_frames
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.interface import Level
from ros_cloud_bridge.reducers.tf_motion import TF_MESSAGE, TfMotion, TfMotionKind, TRANSFORM, turn

# x, y, z and the angle about z.
Pose = tuple[float, float, float, float]
Entry = tuple[str, str, tuple[float, ...]]


def transform(child: str, pose: Pose, parent: str = 'odom') -> Entry:
    x, y, z, angle = pose
    numbers = (x, y, z, 0.0, 0.0, math.sin(angle / 2), math.cos(angle / 2))
    return child, parent, numbers


def message(*transforms: Entry, order: str = '<', single: bool = False) -> bytes:
    body = bytearray() if single else bytearray(struct.pack(f'{order}I', len(transforms)))
    for child, parent, numbers in transforms:
        body += bytes(-len(body) % 4)
        body += struct.pack(f'{order}iI', 7, 8)
        for name in (parent, child):
            text = name.encode() + b'\0'
            body += bytes(-len(body) % 4)
            body += struct.pack(f'{order}I', len(text)) + text
        body += bytes(-len(body) % 8)
        body += struct.pack(f'{order}7d', *numbers)
    return bytes([0, order == '<', 0, 0]) + bytes(body)


def motion(type_name: str = TF_MESSAGE, **options: str) -> TfMotion:
    return TfMotionKind().make(type_name, '', options, 1 << 20)


STILL = (1.0, 2.0, 0.0, 0.5)


@pytest.mark.parametrize('order', ['<', '>'])
def test_only_what_moved_goes_out(order: str) -> None:
    reducer = motion()
    a, b = transform('a', STILL), transform('bb', STILL)
    first = message(a, b, order=order)
    assert reducer.reduce(first, Level.FULL) == first
    assert reducer.reduce(first, Level.FULL) is None
    moved = transform('bb', (1.02, 2.0, 0.0, 0.5))
    left = reducer.reduce(message(a, moved, order=order), Level.FULL)
    assert left == message(moved, order=order)
    assert left is not None
    assert child_frames(left) == frozenset({'bb'})
    turned = transform('a', (1.0, 2.0, 0.0, 0.52))
    assert reducer.reduce(message(turned, moved, order=order), Level.FULL) == message(
        turned, order=order
    )
    assert reducer.reduce(message(order=order), Level.FULL) is None


def test_a_transform_is_said_again_after_a_time_and_under_another_parent() -> None:
    reducer = motion(max_s='2')
    reducer.at(10.0)
    one = message(transform('a', STILL))
    assert reducer.reduce(one, Level.FULL) == one
    reducer.at(11.9)
    assert reducer.reduce(one, Level.FULL) is None
    reducer.at(12.0)
    assert reducer.reduce(one, Level.FULL) == one
    other = message(transform('a', STILL, parent='map'))
    assert reducer.reduce(other, Level.FULL) == other
    reducer.at(3.0)
    assert reducer.reduce(other, Level.FULL) == other


def test_single_transforms_too() -> None:
    reducer = motion(TRANSFORM)
    one = message(transform('a', STILL), single=True)
    assert reducer.reduce(one, Level.FULL) == one
    assert reducer.reduce(one, Level.FULL) is None


def test_what_is_no_number_goes_out() -> None:
    reducer = motion()
    broken = message(('a', 'odom', (math.nan, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)))
    zero = message(('b', 'odom', (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)))
    changed = message(('b', 'odom', (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)))
    assert reducer.reduce(broken, Level.FULL) == broken
    assert reducer.reduce(broken, Level.FULL) == broken
    assert reducer.reduce(zero, Level.FULL) == zero
    assert reducer.reduce(zero, Level.FULL) is None
    assert reducer.reduce(changed, Level.FULL) == changed


@given(
    st.lists(
        st.tuples(
            st.sampled_from('abc'),
            st.tuples(*[st.floats(-0.05, 0.05)] * 3, st.floats(-0.1, 0.1)),
        ),
        max_size=60,
    ),
    st.sampled_from(list(Level)),
)
def test_whoever_holds_the_last_one_is_within_the_bound(
    steps: list[tuple[str, Pose]], level: Level
) -> None:
    reducer = motion(max_s='1000')
    held: dict[str, tuple[float, ...]] = {}
    factor = (1, 2, 4)[level]
    for child, pose in steps:
        entry = transform(child, pose)
        if reducer.reduce(message(entry), level) is not None:
            held[child] = entry[2]
        assert math.dist(held[child][:3], entry[2][:3]) <= 0.01 * factor
        assert turn(held[child][3:], entry[2][3:]) <= 0.01 * factor


@given(st.floats(-math.pi, math.pi), st.floats(-math.pi, math.pi), st.floats(0.1, 10.0))
def test_an_angle_is_measured_whatever_sign_and_length(a: float, b: float, size: float) -> None:
    one = (0.0, 0.0, math.sin(a / 2), math.cos(a / 2))
    other = tuple(-size * part for part in (0.0, 0.0, math.sin(b / 2), math.cos(b / 2)))
    apart = abs(a - b) % (2 * math.pi)
    assert turn(one, other) == pytest.approx(min(apart, 2 * math.pi - apart), abs=1e-9)


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_do_more_than_be_refused(data: bytes, single: bool) -> None:
    reducer = motion(TRANSFORM if single else TF_MESSAGE)
    try:
        reducer.reduce(b'\0\1\0\0' + data, Level.FULL)
    except ProtocolError:
        pass


def test_a_torn_message_leaves_no_trace() -> None:
    reducer = motion()
    whole = message(transform('a', STILL), transform('b', STILL))
    with pytest.raises(ProtocolError):
        reducer.reduce(whole[:-8], Level.FULL)
    assert reducer.reduce(whole, Level.FULL) == whole


def test_other_types_are_refused() -> None:
    with pytest.raises(ValueError, match='is for tf2_msgs/msg/TFMessage and'):
        motion('sensor_msgs/msg/Imu')
    with pytest.raises(ValueError, match='did you mean metres'):
        TfMotionKind().check({'metre': '1'})
