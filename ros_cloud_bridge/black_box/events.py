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

"""What a black box tells the cloud: JSON in a std_msgs/msg/String, a durable sample of its own."""

from collections.abc import Mapping
import json
import struct

from ros_cloud_bridge.values import Received

# Plain CDR, little-endian (DDS-XTypes 1.3, 7.4.3.5).
_CDR_HEADER = b'\x00\x01\x00\x00'


def events_topic(name: str) -> str:
    """
    Name the topic that a black box tells its spans on.

    :param name: of the black box
    :returns: as a ROS topic, which nobody publishes in the graph
    """
    return f'/black_box/{name}/events'


def event_sample(event: Mapping[str, object], now_ns: int) -> Received:
    """
    Make the sample of an event.

    :param event: JSON-able
    :param now_ns: nanoseconds since the Unix epoch
    :returns: a serialized std_msgs/msg/String
    """
    text = json.dumps(event).encode() + b'\0'
    return Received(_CDR_HEADER + struct.pack('<I', len(text)) + text, now_ns, now_ns)
