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

"""What the encoder of a route knows of its type and its columns."""

from dataclasses import dataclass, field

from ros_cloud_bridge.wire.column_form import Habits
from ros_cloud_bridge.wire.places import PlacesCache
from ros_cloud_bridge.wire.program import Program


@dataclass(slots=True)
class RouteLayout:
    """
    Layout and habits of a route's samples.

    :param program: how they are laid out
    """

    program: Program
    cache: PlacesCache = field(default_factory=PlacesCache)
    habits: dict[object, Habits] = field(default_factory=dict)

    def forget(self) -> None:
        """Look at all columns anew."""
        self.habits.clear()

    def of(self, name: object) -> Habits:
        """
        Give the habits of some columns.

        :param name: theirs
        :returns: the habits, made when new
        """
        return self.habits.setdefault(name, Habits())
