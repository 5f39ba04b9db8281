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

"""Latched values: one per publisher, and /tf_static merged by child frame."""

import pytest

from ros_cloud_bridge.core.latched import LatchedValues
from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.values import Received

pytest.importorskip('rosbags')
from rosbags.typesys import get_typestore, Stores  # noqa: E402

STORE = get_typestore(Stores.ROS2_KILTED)


def entry(sequence: int, cdr: bytes = b'', publisher: bytes | None = None) -> Queued:
    return Queued(sequence, Received(cdr, sequence, sequence, sequence, publisher), 0.0)


def tf(*frames: str, little: bool = True) -> bytes:
    types = STORE.types
    message = types['tf2_msgs/msg/TFMessage'](
        transforms=[
            types['geometry_msgs/msg/TransformStamped'](
                header=types['std_msgs/msg/Header'](
                    stamp=types['builtin_interfaces/msg/Time'](sec=0, nanosec=0),
                    frame_id='base_link',
                ),
                child_frame_id=frame,
                transform=types['geometry_msgs/msg/Transform'](
                    translation=types['geometry_msgs/msg/Vector3'](x=0.0, y=0.0, z=0.0),
                    rotation=types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0),
                ),
            )
            for frame in frames
        ]
    )
    return bytes(STORE.serialize_cdr(message, 'tf2_msgs/msg/TFMessage', little_endian=little))


def kept(values: LatchedValues) -> list[int]:
    return [queued.sequence for queued in values.samples]


@pytest.mark.parametrize('little', [True, False])
def test_transforms_keep_the_messages_that_hold_the_newest_of_some_frame(little: bool) -> None:
    values = LatchedValues(merge_frames=True)
    values.update([entry(1, tf('a', 'b', little=little))], (), 1)
    values.update([entry(2, tf('a', little=little)), entry(3, tf('c', little=little))], (), 1)
    assert kept(values) == [1, 2, 3]
    values.update([entry(4, tf('b', little=little))], (), 1)
    assert kept(values) == [2, 3, 4]
    values.update([entry(5, tf('a', 'b', 'c', little=little))], (), 1)
    assert kept(values) == [5]


def test_transforms_of_gone_publishers_stay() -> None:
    values = LatchedValues(merge_frames=True)
    values.update([entry(1, tf('a'), b'x')], {b'x'}, 1)
    values.update([entry(2, tf('b'), b'y')], {b'y'}, 1)
    assert kept(values) == [1, 2]


def test_malformed_transforms_are_kept_within_bounds() -> None:
    values = LatchedValues(merge_frames=True)
    for sequence in range(1, 1001):
        values.update([entry(sequence, b'junk')], (), 1)
    assert kept(values) == list(range(745, 1001))


def test_one_value_per_living_publisher() -> None:
    values = LatchedValues(merge_frames=False)
    values.update([entry(1, b'', b'x'), entry(2, b'', b'y'), entry(3, b'', b'x')], {b'x', b'y'}, 2)
    assert kept(values) == [2, 3]
    values.update([entry(4, b'', b'z')], {b'y', b'z'}, 2)
    assert kept(values) == [2, 4]


def test_last_value_outlives_its_publisher() -> None:
    values = LatchedValues(merge_frames=False)
    values.update([entry(1, b'', b'x')], (), 0)
    assert kept(values) == [1]


def test_without_gids_as_many_values_as_publishers() -> None:
    values = LatchedValues(merge_frames=False)
    values.update([entry(sequence) for sequence in range(1, 6)], (), 2)
    assert kept(values) == [4, 5]
    values.update([entry(6)], (), 0)
    assert kept(values) == [6]


def test_only_new_entries_are_a_change() -> None:
    values = LatchedValues(merge_frames=False)
    values.update([], (), 1)
    assert not values.changed
    values.update([entry(1)], (), 1)
    assert values.changed
