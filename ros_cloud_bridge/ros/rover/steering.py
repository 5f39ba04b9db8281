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

"""Who drives the rover: a remote command while it is fresh, the patrol when nobody tells it."""

from dataclasses import dataclass
import math

from ros_cloud_bridge.ros.rover.drive import STANDING, Velocity

# As a base controller does: what commanded last may be gone.
COMMAND_TIMEOUT_S = 0.5
PATROL_AFTER_S = 5.0
PATROL_SPEED_M_S = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to do in a step: follow the patrol, or ``velocity``."""

    patrol: bool
    velocity: Velocity = STANDING


class Steering:
    """Decides for each step; told the rover's own time in seconds."""

    def __init__(self) -> None:
        self.paused = False
        self._command = STANDING
        self._commanded_at_s = -math.inf

    def command(self, velocity: Velocity, now_s: float) -> bool:
        """
        Take a command.

        :param velocity: what is wanted
        :param now_s: the rover's time
        :returns: False when it is no velocity and was not taken
        """
        if not (math.isfinite(velocity.linear) and math.isfinite(velocity.angular)):
            return False
        self._command, self._commanded_at_s = velocity, now_s
        return True

    def order(self, now_s: float) -> Order:
        """
        Decide.

        :param now_s: the rover's time
        :returns: what to do now
        """
        silent_s = now_s - self._commanded_at_s
        if silent_s < COMMAND_TIMEOUT_S:
            return Order(patrol=False, velocity=self._command)
        return Order(patrol=silent_s >= PATROL_AFTER_S and not self.paused)

    def mode(self, now_s: float) -> str:
        """
        Name who drives.

        :param now_s: the rover's time
        :returns: ``commanded``, ``waiting``, ``paused`` or ``patrol``
        """
        silent_s = now_s - self._commanded_at_s
        if silent_s < COMMAND_TIMEOUT_S:
            return 'commanded'
        if self.paused:
            return 'paused'
        return 'patrol' if silent_s >= PATROL_AFTER_S else 'waiting'
