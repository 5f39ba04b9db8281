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

"""Header fields read in place, against an independent serializer, in both byte orders."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.keys import child_frames, frame_id, key_of, status_name
from ros_cloud_bridge.values import Key, Received

pytest.importorskip('rosbags')
from rosbags.typesys import get_typestore, Stores  # noqa: E402

STORE = get_typestore(Stores.ROS2_KILTED)
TYPES = STORE.types

names = st.text(st.characters(exclude_characters='\0', exclude_categories=['Cs']), max_size=40)
orders = st.booleans()


def header(name: str) -> Any:
    time = TYPES['builtin_interfaces/msg/Time'](sec=1, nanosec=2)
    return TYPES['std_msgs/msg/Header'](stamp=time, frame_id=name)


def serialize(message: Any, little: bool) -> bytes:
    return bytes(STORE.serialize_cdr(message, message.__msgtype__, little_endian=little))


def transforms(frames: list[tuple[str, str]], little: bool) -> bytes:
    identity = TYPES['geometry_msgs/msg/Transform'](
        translation=TYPES['geometry_msgs/msg/Vector3'](x=1.0, y=2.0, z=3.0),
        rotation=TYPES['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0),
    )
    stamped = TYPES['geometry_msgs/msg/TransformStamped']
    return serialize(
        TYPES['tf2_msgs/msg/TFMessage'](
            transforms=[
                stamped(header=header(parent), child_frame_id=child, transform=identity)
                for parent, child in frames
            ]
        ),
        little,
    )


def diagnostics(name: str, statuses: list[str], little: bool) -> bytes:
    status = TYPES['diagnostic_msgs/msg/DiagnosticStatus']
    return serialize(
        TYPES['diagnostic_msgs/msg/DiagnosticArray'](
            header=header(name),
            status=[
                status(level=1, name=entry, message='m', hardware_id='h', values=[])
                for entry in statuses
            ],
        ),
        little,
    )


@given(names, orders)
def test_frame_id(name: str, little: bool) -> None:
    message = TYPES['geometry_msgs/msg/PointStamped'](
        header=header(name), point=TYPES['geometry_msgs/msg/Point'](x=1.0, y=2.0, z=3.0)
    )
    assert frame_id(serialize(message, little)) == name


@given(names, st.lists(names, max_size=3), orders)
def test_status_name(name: str, statuses: list[str], little: bool) -> None:
    expected = statuses[0] if statuses else None
    assert status_name(diagnostics(name, statuses, little)) == expected


@given(st.lists(st.tuples(names, names), max_size=6), orders)
def test_child_frames(frames: list[tuple[str, str]], little: bool) -> None:
    assert child_frames(transforms(frames, little)) == frozenset(child for _, child in frames)


def test_every_truncation_gives_no_frames() -> None:
    whole = transforms([('map', 'odom'), ('odom', 'base_link')], True)
    for length in range(len(whole)):
        assert child_frames(whole[:length]) is None
        frame_id(whole[:length])
        status_name(whole[:length])


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(data: bytes) -> None:
    for cdr in (data, b'\0\1\0\0' + data, b'\0\0\0\0' + data):
        assert isinstance(frame_id(cdr), str | None)
        assert isinstance(status_name(cdr), str | None)
        assert isinstance(child_frames(cdr), frozenset | None)


def test_other_encapsulations_give_nothing() -> None:
    assert frame_id(b'\0\x07\0\0' + bytes(8) + b'\4\0\0\0map\0') is None
    assert frame_id(b'\0\1\0\0' + bytes(8) + b'\4\0\0\0map\0') == 'map'


def test_key_of() -> None:
    cdr = diagnostics('base', ['motor', 'lidar'], True)
    sample = Received(cdr, 0, 0, 1, b'gid')
    assert key_of(sample, Key.ROUTE) is None
    assert key_of(sample, Key.PUBLISHER) == b'gid'
    assert key_of(sample, Key.FRAME_ID) == 'base'
    assert key_of(sample, Key.STATUS_NAME) == 'motor'
