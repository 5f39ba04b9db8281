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

"""Topics whose messages become commands: one by one, or as driving under a lease."""

import threading
from typing import Any

from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from ros_cloud_bridge.cloud.operator import Outcome
from ros_cloud_bridge.cloud.operator.steering import DRIVES, Steering
from ros_cloud_bridge.errors import BadFields
from ros_cloud_bridge.ros.interfaces import load_message
from ros_cloud_bridge.ros.mirror.commands.sending import Sending

_DEPTH = 10
# Under way at a time; the robot has its own bound, and refuses.
_MOST_UNDER_WAY = 32
# For how long a message that drives is repeated unless another comes. The robot's watchdog adds
# its own time.
_HOLD_S = 0.3
_DRIVE_TTL_S = 2.0
_LET_GO_S = 6.0


class TopicEndpoint:
    """
    Publishes on a robot what is published here.

    :param sending: of a channel of kind topic without a lease
    :raises MissingTypeSupport: when its type is not installed here
    """

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._under_way = 0
        self._lock = threading.Lock()
        self._subscription = sending.node.create_subscription(
            load_message(sending.channel.type_name), sending.name, self._take, _DEPTH
        )

    def close(self) -> None:
        """Unsubscribe."""
        self._sending.node.destroy_subscription(self._subscription)

    def _take(self, message: Any) -> None:
        with self._lock:
            if self._under_way >= _MOST_UNDER_WAY:
                self._sending.counts['dropped'] += 1
                return
            self._under_way += 1
        try:
            fields = self._sending.fields(message)
        except BadFields as error:
            self._sending.fail(str(error))
            self._ended(None)
            return
        self._sending.send('publish', dict(fields), self._ended)

    def _ended(self, outcome: Outcome | None) -> None:
        with self._lock:
            self._under_way -= 1


class DriveEndpoint:
    """
    Drives a robot by what is published here.

    The first message takes the lease, silence gives it back.

    :param sending: of a channel with a lease
    :param hz: messages per second
    :param idle_s: silence after which the lease is given back
    :raises MissingTypeSupport: when its type is not installed here
    """

    def __init__(self, sending: Sending, hz: float, idle_s: float) -> None:
        self._sending = sending
        self._steering = Steering(
            sending.operator,
            sending.robot_id,
            sending.channel.name,
            said=self._said,
            hz=hz,
            hold_s=_HOLD_S,
            idle_s=idle_s,
            ttl_s=sending.channel.ttl_s(_DRIVE_TTL_S),
            counts=sending.counts,
        )
        # Whoever steers may be reliable or not; only the newest counts.
        profile = QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
        )
        self._subscription = sending.node.create_subscription(
            load_message(sending.channel.type_name), sending.name, self._take, profile
        )

    def close(self) -> None:
        """Unsubscribe, and give the lease back."""
        self._sending.node.destroy_subscription(self._subscription)
        self._steering.stop(_LET_GO_S)

    def _take(self, message: Any) -> None:
        try:
            self._steering.set(dict(self._sending.fields(message)))
        except BadFields as error:
            self._sending.fail(str(error))

    def _said(self, text: str) -> None:
        if text == DRIVES:
            self._sending.well()
        else:
            self._sending.fail(text)
