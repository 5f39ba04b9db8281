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


"""
Congestion control by queueing delay, after LEDBAT (RFC 6817).

The window grows while the queueing delay is below the target and shrinks in proportion above it.
From LEDBAT++ (draft-irtf-iccrg-ledbat-plus-plus) come the decrease in proportion to the window,
which lets two flows share, and the fast growth at the start. Queueing delays are free of the time
that a message itself takes on the link: messages are large beside it.
"""

from ros_cloud_bridge.core.pacing.control import Allowance
from ros_cloud_bridge.core.pacing.flight import Answer
from ros_cloud_bridge.core.pacing.model import LinkModel

_TARGET_S = 0.025
# Part of the base round trip that may vary without the link being full.
_SLACK_SHARE = 0.25
_LARGEST_WINDOW = 16e6
_FAR_BELOW = 0.75
_FAR_BELOW_ROUNDS = 3


class Ledbat:
    """Window by queueing delay."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin with a small window that grows fast."""
        self._window = 3000.0
        self._fast = True
        self._rounds_below = 0
        self._cut_in_round = False
        self._stalled = False

    def answered(self, answer: Answer, model: LinkModel, fragment: float) -> None:
        """Grow or shrink."""
        if self._stalled:
            self._stalled = False
            self._window /= 2
        if answer.new_round:
            self._cut_in_round = False
        target = max(_TARGET_S, fragment / model.rate, _SLACK_SHARE * model.base_s)
        off = (target - model.queue_s) / target
        used = answer.in_flight + answer.cost >= self._window / 2
        if answer.new_round:
            self._rounds_below = self._rounds_below + 1 if off > _FAR_BELOW and used else 0
            self._fast = self._fast or self._rounds_below >= _FAR_BELOW_ROUNDS
        if off > 0:
            if used and not answer.application_limited:
                gain = 1.0 if self._fast and off > 0.5 else off * fragment / self._window
                self._window += gain * answer.cost
        else:
            self._fast = False
            self._shrink(off, answer.cost)
        self._window = min(_LARGEST_WINDOW, max(fragment, self._window))

    def _shrink(self, off: float, cost: int) -> None:
        if off <= -2.0:
            # Three times the target: halved, but once in a round trip.
            if not self._cut_in_round:
                self._cut_in_round = True
                self._window /= 2
        elif not self._cut_in_round:
            self._window -= min(0.5, -off / 2) * cost

    def timed_out(self) -> None:
        """Hold at one message until an answer comes, then go on with half of the window."""
        self._stalled = True

    def allowance(self, model: LinkModel, fragment: float) -> Allowance:
        """Say what may be in flight."""
        if self._stalled or not model.known:
            return Allowance(window=1.0, lead_s=0.0)
        return Allowance(window=self._window, lead_s=float('inf'))
