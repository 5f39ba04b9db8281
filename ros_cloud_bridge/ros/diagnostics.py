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

"""Tells how a node of ours does on ``/diagnostics``."""

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.timer import Timer

from ros_cloud_bridge.ros.taking import STEADY_CLOCK
from ros_cloud_bridge.uplink.diagnosis import Status

TOPIC = '/diagnostics'
# Whoever comes late, or reads slowly, wants the newest; as diagnostic_updater has it.
_DEPTH = 1


class DiagnosticsPublisher:
    """
    Publishes a DiagnosticArray every so often, from its start until :meth:`close`.

    Without ``diagnostic_msgs`` it says so once and does nothing.

    :param node: who publishes
    :param period_s: how often; 0 for never
    :param statuses: gives what is to be told
    :param log: takes a level and a text
    """

    def __init__(
        self,
        node: Node,
        period_s: float,
        statuses: Callable[[], Sequence[Status]],
        log: Callable[[str, str], None],
    ) -> None:
        self._node = node
        self._statuses = statuses
        self._log = log
        self._failed = False
        self._publisher: Publisher | None = None
        self._timer: Timer | None = None
        if not period_s:
            return
        try:
            from diagnostic_msgs.msg import DiagnosticArray
        except ImportError as error:
            log('warning', f'no {TOPIC}: install the package diagnostic_msgs ({error})')
            return
        self._publisher = node.create_publisher(DiagnosticArray, TOPIC, _DEPTH)
        self._timer = node.create_timer(period_s, self._publish, clock=STEADY_CLOCK)

    def close(self) -> None:
        """Publish nothing more."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
        self._timer = self._publisher = None

    def _publish(self) -> None:
        if self._publisher is None:
            return
        try:
            self._publisher.publish(_message(self._node, self._statuses()))
        except Exception as error:  # figures that cannot be told are no reason to die
            if not self._failed:
                self._failed = True
                self._log('error', f'{TOPIC}: {error!r} (said once)')


def _message(node: Node, statuses: Sequence[Status]) -> Any:
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

    message = DiagnosticArray()
    message.header.stamp = node.get_clock().now().to_msg()
    message.status = [
        DiagnosticStatus(
            # A 'byte' of ROS is a bytes object of one.
            level=bytes([status.level]),
            name=status.name,
            message=status.message,
            hardware_id=status.hardware_id,
            values=[KeyValue(key=key, value=value) for key, value in status.values],
        )
        for status in statuses
    ]
    return message
