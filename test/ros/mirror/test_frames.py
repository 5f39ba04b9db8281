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

"""Static transforms in a history that is shorter than what is said."""

from collections import deque

import pytest

rosbags = pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')
from rosbags.typesys import get_typestore, Stores  # noqa: E402

from ros_cloud_bridge.core.keys import child_frames  # noqa: E402
from ros_cloud_bridge.ros.mirror.frames import StandingFrames  # noqa: E402

STORE = get_typestore(Stores.ROS2_KILTED)


def tf(x: float, *frames: str) -> bytes:
    types = STORE.types
    transforms = [
        types['geometry_msgs/msg/TransformStamped'](
            header=types['std_msgs/msg/Header'](
                stamp=types['builtin_interfaces/msg/Time'](sec=0, nanosec=0), frame_id='base'
            ),
            child_frame_id=frame,
            transform=types['geometry_msgs/msg/Transform'](
                translation=types['geometry_msgs/msg/Vector3'](x=x, y=0.0, z=0.0),
                rotation=types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0),
            ),
        )
        for frame in frames
    ]
    message = types['tf2_msgs/msg/TFMessage'](transforms=transforms)
    return bytes(STORE.serialize_cdr(message, 'tf2_msgs/msg/TFMessage'))


def test_what_is_said_once_is_in_the_history_for_ever() -> None:
    history: deque[bytes] = deque(maxlen=8)
    said = 0

    def publish(cdr: bytes) -> None:
        nonlocal said
        said += 1
        history.append(cdr)

    frames = StandingFrames(publish, depth=8)
    once = [tf(1.0, 'lidar'), tf(2.0, 'imu', 'gps')]
    for sequence, cdr in enumerate(once, start=1):
        frames.say(sequence, cdr)
    for sequence in range(3, 500):
        frames.say(sequence, tf(float(sequence), 'arm'))
        assert set(once) <= set(history)
        assert history[-1] == tf(float(sequence), 'arm')
    # Again now and then, not with each message.
    assert said < 500 * 1.5
    # Newer transforms of the same frames take their place.
    frames.say(500, tf(3.0, 'lidar', 'imu', 'gps'))
    for sequence in range(501, 540):
        frames.say(sequence, tf(float(sequence), 'arm'))
    assert {frame for cdr in history for frame in child_frames(cdr) or ()} == {
        'lidar',
        'imu',
        'gps',
        'arm',
    }
    assert not set(once) & set(history)
