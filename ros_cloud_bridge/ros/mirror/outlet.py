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

"""One topic of one robot, as it is published here."""

from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher

from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.ros.interfaces import load_message
from ros_cloud_bridge.ros.mirror.contents import Contents
from ros_cloud_bridge.ros.mirror.frames import StandingFrames
from ros_cloud_bridge.ros.mirror.quality import profile
from ros_cloud_bridge.values import OfferedQos

TF_TYPE = 'tf2_msgs/msg/TFMessage'


class Outlet:
    """
    Publishes the samples of one topic.

    :param node: who publishes
    :param name: of the topic here
    :param sample: its first sample
    :param offered: the QoS of its publishers on the robot
    :param depth: of the history, where the robot does not tell it
    :raises MissingTypeSupport: when its type is not installed here
    :raises SchemaMismatch: when it is installed in another version
    """

    def __init__(
        self, node: Node, name: str, sample: Sample, offered: OfferedQos, depth: int
    ) -> None:
        self.type_name = sample.type_name
        self.boot_id = sample.boot_id
        self.offered = offered
        self._class = load_message(sample.type_name)
        self._contents = Contents(self._class)
        self._contents.check_schema(sample.schema_id)
        self.problem = self._contents.problem
        self._node = node
        self._name = name
        self._depth = depth
        self._publisher = self._make()
        self._frames = self._make_frames()

    @property
    def watched(self) -> bool:
        """Whether a sample that is published now may reach anybody."""
        return self.offered.transient_local or self._publisher.get_subscription_count() > 0

    def publish(self, sample: Sample, offset_ns: int) -> None:
        """
        Publish a sample.

        :param sample: of this topic and type
        :param offset_ns: added to the stamps of its headers
        :raises ProtocolError: when it does not fit its type, or its form cannot be restored
        :raises UnknownForm: when nothing here knows its form
        """
        if sample.boot_id != self.boot_id and not sample.historical:
            self._take_over(sample)
        cdr = self._contents.checked(sample.plain(), offset_ns)
        if self._frames is not None:
            self._frames.say(sample.sequence, cdr)
        else:
            self._publisher.publish(cdr)

    def offer(self, offered: OfferedQos) -> None:
        """
        Take in what the robot says of its publishers now.

        :param offered: the QoS; another than before means another publisher
        """
        if offered == self.offered:
            return
        self.offered = offered
        self._replace()

    def close(self) -> None:
        """Take the topic out of the graph."""
        self._node.destroy_publisher(self._publisher)

    def _make(self) -> Publisher:
        return self._node.create_publisher(
            self._class,
            self._name,
            profile(self.offered, self._depth, merged=self.type_name == TF_TYPE),
            # rclpy's own would look at each subscription that does not match, on an executor.
            event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
        )

    def _replace(self) -> None:
        self._node.destroy_publisher(self._publisher)
        self._publisher = self._make()
        self._frames = self._make_frames()

    def _make_frames(self) -> StandingFrames | None:
        lasting = self.offered.transient_local and not self.offered.lifespan_s
        if not lasting or self.type_name != TF_TYPE:
            return None
        return StandingFrames(self._publisher.publish)

    def _take_over(self, sample: Sample) -> None:
        self._contents.check_schema(sample.schema_id)
        self.boot_id = sample.boot_id
        if self.offered.transient_local:
            # A robot that was started again has forgotten what it had latched, and so do we.
            self._replace()
