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
import time
from typing import Any

from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from ros_cloud_bridge.cloud.operator import CommandFailed, Outcome
from ros_cloud_bridge.errors import BadFields, BridgeError
from ros_cloud_bridge.ros.interfaces import load_message
from ros_cloud_bridge.ros.mirror.commands.sending import Sending

_DEPTH = 10
# Under way at a time; the robot has its own bound, and refuses.
_MOST_UNDER_WAY = 32
# For how long a message that drives is repeated unless another comes. The robot's watchdog adds
# its own time.
_HOLD_S = 0.3
_DRIVE_TTL_S = 2.0
_PAUSE_S = 1.0
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

    The first message takes the lease, silence gives it back; a thread of its own does both, for
    each waits for the robot's answer.

    :param sending: of a channel with a lease
    :param hz: messages per second
    :param idle_s: silence after which the lease is given back
    :raises MissingTypeSupport: when its type is not installed here
    """

    def __init__(self, sending: Sending, hz: float, idle_s: float) -> None:
        self._sending = sending
        self._hz = hz
        self._idle_s = idle_s
        self._changed = threading.Condition()
        self._fields: dict[str, Any] | None = None
        self._taken_at = 0.0
        self._closing = False
        self._thread: threading.Thread | None = None
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
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(_LET_GO_S)

    def _take(self, message: Any) -> None:
        try:
            fields = dict(self._sending.fields(message))
        except BadFields as error:
            self._sending.fail(str(error))
            return
        with self._changed:
            self._fields, self._taken_at = fields, time.monotonic()
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name='driving', daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _next(self, timeout_s: float) -> dict[str, Any] | None:
        """Wait for fields that were not taken yet and are fresh; None without any."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._fields is not None, timeout_s)
            fields, self._fields = self._fields, None
            fresh = time.monotonic() - self._taken_at <= _HOLD_S
            return fields if fresh and not self._closing else None

    def _run(self) -> None:
        try:
            self._drive()
        except BridgeError as error:
            self._sending.counts['drives failed'] += 1
            self._sending.fail(str(error))
            with self._changed:
                # Whoever goes on steering asks again, but not with every message.
                self._changed.wait_for(lambda: self._closing, _PAUSE_S)
        except Exception as error:  # as above
            self._sending.fail(repr(error))
        finally:
            with self._changed:
                self._thread = None

    def _drive(self) -> None:
        sending = self._sending
        with self._changed:
            first, self._fields = self._fields, None
        if first is None:
            return
        with sending.operator.drive(
            sending.robot_id,
            sending.channel.name,
            self._hz,
            hold_s=_HOLD_S,
            ttl_s=min(_DRIVE_TTL_S, sending.channel.max_ttl_s),
        ) as drive:
            sending.counts['drives'] += 1
            sending.well()
            fields = self._next(self._idle_s) if self._stale() else first
            while fields is not None:
                try:
                    drive.set(fields)
                    if drive.problem:
                        sending.fail(drive.problem)
                except CommandFailed as error:
                    if drive.failed is not None:
                        raise
                    # Silence, which may pass; it is sent all the same.
                    sending.fail(str(error))
                fields = self._next(self._idle_s)
        sending.counts['driving messages'] += drive.sent

    def _stale(self) -> bool:
        return time.monotonic() - self._taken_at > _HOLD_S
