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


"""What a congestion control decides; the algorithms are in the modules beside this one."""

from dataclasses import dataclass
from typing import Protocol

from ros_cloud_bridge.core.pacing.flight import Answer
from ros_cloud_bridge.core.pacing.model import LinkModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """
    What may be in flight.

    The next message may leave while less than ``window`` bytes are in flight, and once the link
    will have sent what it was given within ``lead_s``.
    """

    window: float
    lead_s: float


class Control(Protocol):
    """A congestion control: told of answers and time-outs, asked what may be in flight."""

    def reset(self) -> None:
        """Begin anew on a new connection."""

    def answered(self, answer: Answer, model: LinkModel, fragment: float) -> None:
        """
        Learn from an answer; the model has learned from it before.

        :param answer: what it says
        :param model: rate and round trip
        :param fragment: bytes on the link of a fragment
        """

    def timed_out(self) -> None:
        """Learn that an answer is overdue."""

    def allowance(self, model: LinkModel, fragment: float) -> Allowance:
        """
        Say what may be in flight.

        :param model: rate and round trip
        :param fragment: bytes on the link of a fragment
        :returns: window and lead
        """
