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

"""What is looked at in a message: that it fits its type, and its stamps."""

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')

from builtin_interfaces.msg import Time  # noqa: E402
from geometry_msgs.msg import PoseStamped  # noqa: E402
from nav_msgs.msg import Path  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from std_msgs.msg import Float64, Header  # noqa: E402

from ros_cloud_bridge.errors import ProtocolError, SchemaMismatch  # noqa: E402
from ros_cloud_bridge.ros.interfaces import schema_of  # noqa: E402
from ros_cloud_bridge.ros.mirror.contents import Contents  # noqa: E402

OFFSET_NS = -7_200_400_000_000


def header(sec: int, nanosec: int) -> Header:
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id='map')


def path() -> Path:
    poses = [PoseStamped(header=header(1_700_000_000 + n, 300_000_000)) for n in range(3)]
    # Never set, which must not become a time before 1970.
    poses.append(PoseStamped(header=header(0, 0)))
    return Path(header=header(1_700_000_100, 900_000_000), poses=poses)


def test_all_stamps_of_headers_are_shifted_in_their_places() -> None:
    contents = Contents(Path)
    for _ in range(2):
        cdr = bytes(serialize_message(path()))
        shifted = deserialize_message(contents.checked(cdr, OFFSET_NS), Path)
        wanted = path()
        for each in (wanted.header, *(pose.header for pose in wanted.poses[:3])):
            total = each.stamp.sec * 10**9 + each.stamp.nanosec + OFFSET_NS
            each.stamp.sec, each.stamp.nanosec = divmod(total, 10**9)
        assert shifted == wanted


def test_nothing_else_is_touched() -> None:
    cdr = bytes(serialize_message(path()))
    assert Contents(Path).checked(cdr, 0) is cdr
    # Numbers that look like a stamp are none, nor is a Time outside of a header.
    for message in (Float64(data=1.0), Time(sec=5, nanosec=6)):
        cdr = bytes(serialize_message(message))
        assert Contents(type(message)).checked(cdr, OFFSET_NS) == cdr


def test_a_stamp_that_cannot_be_is_left() -> None:
    cdr = bytes(serialize_message(PoseStamped(header=header(2**31 - 1, 5))))
    assert Contents(PoseStamped).checked(cdr, 10**10) == cdr


@pytest.mark.parametrize('size', [0, 3, 4, 11, 40])
def test_what_does_not_fit_its_type_is_refused(size: int) -> None:
    cdr = bytes(serialize_message(path()))
    with pytest.raises(ProtocolError):
        Contents(Path).checked(cdr[:size], 0)


def test_a_type_in_another_version_is_refused() -> None:
    contents = Contents(PoseStamped)
    contents.check_schema('')
    contents.check_schema(schema_of(PoseStamped).id)
    with pytest.raises(SchemaMismatch, match='geometry_msgs/msg/PoseStamped'):
        contents.check_schema('0' * 16)
