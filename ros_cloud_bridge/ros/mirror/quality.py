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

"""With what QoS a topic is republished: as its publishers on the robot offer it."""

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from ros_cloud_bridge.ros.mirror.frames import FRAMES_DEPTH
from ros_cloud_bridge.values import OfferedQos


def profile(offered: OfferedQos, depth: int, *, merged: bool) -> QoSProfile:
    """
    Make the QoS profile of a mirrored topic's publisher.

    :param offered: what the publishers on the robot offer
    :param depth: of topics whose depth is not known
    :param merged: whether late joiners get what stands in several messages
    :returns: the profile
    """
    if offered.transient_local:
        depth = FRAMES_DEPTH if merged else offered.depth or depth
    options = {}
    if offered.lifespan_s:
        options['lifespan'] = Duration(nanoseconds=int(offered.lifespan_s * 1e9))
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=(
            ReliabilityPolicy.RELIABLE if offered.reliable else ReliabilityPolicy.BEST_EFFORT
        ),
        durability=(
            DurabilityPolicy.TRANSIENT_LOCAL
            if offered.transient_local
            else DurabilityPolicy.VOLATILE
        ),
        **options,
    )
