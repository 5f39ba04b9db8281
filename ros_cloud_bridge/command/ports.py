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

"""What the station needs of the robot: the ROS side, and the bridge itself."""

from collections.abc import Mapping
from typing import Any, Protocol

from ros_cloud_bridge.core.commands.effects import Dispatch


class Actuators(Protocol):
    """
    Carries commands out in ROS; told by the station's thread, works on the executor's.

    What it starts it ends by exactly one ``Ended`` to the station's ``report``.
    """

    def start(self, dispatch: Dispatch) -> None:
        """Begin a service call, an action's goal, or parameters; never blocks."""

    def cancel(self, ticket: int) -> None:
        """Cancel what was started; never blocks."""

    def publish(self, channel: str, arguments: Mapping[str, Any]) -> None:
        """
        Publish a message.

        :raises BadFields: when the fields do not fit the type
        :raises MissingTypeSupport: when the type is not installed
        """

    def stop_message(self, channel: str) -> None:
        """Publish the message that means standing still."""


class Controls(Protocol):
    """Commands to the bridge itself; told by the station's thread, reports as actuators do."""

    def start(self, dispatch: Dispatch) -> None:
        """Begin; never blocks."""
