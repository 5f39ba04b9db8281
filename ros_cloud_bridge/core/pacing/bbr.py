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
Congestion control by a model of the link, after BBR (Cardwell et al., 2016).

As in BBR, the delivery rate (a maximum) and the round trip without a queue (a minimum) give what
the link holds. Other than BBR, which holds twice that in flight, this one aims at the shortest
queue that never runs empty: the next message leaves just before the link has sent the last one,
so that whatever is most urgent then still goes first.
"""

import math

from ros_cloud_bridge.core.pacing.control import Allowance
from ros_cloud_bridge.core.pacing.flight import Answer
from ros_cloud_bridge.core.pacing.model import LinkModel

# The next message leaves this long before the link needs it: what threads and brokers dally. In
# bytes it grows with the root of the rate: flows that share a link then come to equal rates, for
# in a common queue each gets a rate in proportion to what it has there.
_LEAD_S = 0.008
_LEAD_RATE = 32_000.0
_LEAST_LEAD_S = 0.004
# Every so often one more fragment is let out: a link that became faster shows by it.
_PROBE_ROUNDS = 12
_PROBE_S = 0.5
# Part of the base round trip that may vary without the link being full.
_SLACK_SHARE = 0.25
_STARTUP_GAIN = 2.0
_STARTUP_GROWTH = 1.25
_STARTUP_ROUNDS = 3
_QUEUE_FULL_S = 0.03
_REGROWTH = 1.1
_REGROWTH_ROUNDS = 2


class Bbr:
    """Short queue by delivery rate and base round trip."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin with the search for the rate."""
        self._startup = True
        self._best = 0.0
        self._flat_rounds = 0
        self._stalled = False
        self._rounds = 0
        self._probed_at = 0.0
        self._probing = False

    def answered(self, answer: Answer, model: LinkModel, fragment: float) -> None:
        """Learn from an answer."""
        self._stalled = False
        if answer.new_round:
            self._rounds += 1
            self._probing = (
                self._rounds >= _PROBE_ROUNDS and answer.at - self._probed_at >= _PROBE_S
            )
            if self._probing:
                self._rounds, self._probed_at = 0, answer.at
        if not answer.new_round or answer.application_limited:
            return
        if not self._startup:
            self._look_for_growth(model, fragment)
            return
        if model.rate >= _STARTUP_GROWTH * self._best:
            self._best = model.rate
            self._flat_rounds = 0
        else:
            self._flat_rounds += 1
        full = max(_QUEUE_FULL_S, 2 * fragment / model.rate)
        if self._flat_rounds >= _STARTUP_ROUNDS or model.queue_s > full:
            self._startup = False

    def _look_for_growth(self, model: LinkModel, fragment: float) -> None:
        """Search again when the rate grows from round to round and no queue forms."""
        grows = model.rate >= _REGROWTH * self._best and model.queue_s < fragment / model.rate
        self._flat_rounds = self._flat_rounds - 1 if grows else 0
        self._best = model.rate
        if self._flat_rounds <= -_REGROWTH_ROUNDS:
            self._startup, self._flat_rounds = True, 0

    def timed_out(self) -> None:
        """Hold at one message until an answer comes."""
        self._stalled = True

    def allowance(self, model: LinkModel, fragment: float) -> Allowance:
        """Say what may be in flight."""
        if self._stalled or not model.known:
            return Allowance(window=1.0, lead_s=0.0)
        base = model.base_s
        if self._startup:
            held = model.rate * base
            return Allowance(window=max(2 * fragment, _STARTUP_GAIN * held), lead_s=base + 1.0)
        slack = max(_LEAST_LEAD_S, _LEAD_S * math.sqrt(_LEAD_RATE / model.rate))
        slack += _SLACK_SHARE * base
        if self._probing:
            slack += fragment / model.rate
        return Allowance(window=model.rate * (base + slack) + fragment, lead_s=slack)
