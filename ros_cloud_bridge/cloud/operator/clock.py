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

"""A robot's time as its operator reckons it: behind the robot's by a little, never ahead."""

# Two monotonic clocks drift apart by less than this; then the estimate falls behind only.
_DRIFT = 1e-4
# After this long without a word the estimate is too far behind: 60 ms.
STALE_S = 600.0


class RobotClock:
    """Holds the newest that is known of a robot's epoch and time; times are monotonic seconds."""

    def __init__(self) -> None:
        self.epoch = b''
        self._robot_ms = 0.0
        self._at = 0.0

    def begin(self, epoch: bytes, robot_ms: int, at: float) -> None:
        """
        Take what a robot has answered when it was asked for the time.

        :param epoch: its present epoch
        :param robot_ms: its time
        :param at: when the answer arrived
        """
        if epoch == self.epoch:
            self.take(robot_ms, at)
        else:
            self.epoch, self._robot_ms, self._at = epoch, robot_ms, at

    def take(self, robot_ms: int, at: float) -> None:
        """
        Take another word of the same epoch; of all of them the greatest estimate holds.

        :param robot_ms: the robot's time when it answered
        :param at: when the answer arrived
        """
        if robot_ms >= self._estimate(at):
            self._robot_ms, self._at = robot_ms, at

    def forget(self) -> None:
        """Know nothing any more: the robot has been started again."""
        self.epoch = b''

    def knows(self, now: float) -> bool:
        """
        Tell whether a command can be signed.

        :param now: monotonic seconds
        :returns: False when the robot must be asked first
        """
        return bool(self.epoch) and now - self._at <= STALE_S

    def now_ms(self, now: float) -> int:
        """
        Reckon the robot's time.

        :param now: monotonic seconds
        :returns: milliseconds since the robot's epoch began
        """
        return max(0, int(self._estimate(now)))

    def _estimate(self, now: float) -> float:
        return self._robot_ms + (now - self._at) * 1000.0 * (1.0 - _DRIFT)
