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

"""What could be sent of a topic: from all of it to as little as is of use."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from ros_cloud_bridge.advice.rules import Rule
from ros_cloud_bridge.advice.survey import TopicSurvey

# A reducer that saves less than this share is not worth its error.
_LEAST_SAVING = 0.07


class Sacrifice(IntEnum):
    """
    What a step gives up beyond those before it.

    Nothing; exactness, at the default error; rates that are more than ample; rates down to what is
    of use; exactness beyond the default error; rates below what is of use; all but what somebody
    asks for.
    """

    NOTHING = 0
    ERROR = 1
    AMPLE = 2
    RATE = 3
    COARSE = 4
    SLOW = 5
    DEMAND = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What could be sent: through which reducer, and how often; ``hz`` 0 leaves the rate."""

    sacrifice: Sacrifice
    reducer: str = ''
    hz: float = 0.0


def steps_of(topics: Sequence[TopicSurvey], rule: Rule) -> tuple[Step, ...]:
    """
    List what could be sent of topics that are alike.

    :param topics: with the same options, at much the same rate
    :param rule: of their kind
    :returns: at least one step; reducers that save next to nothing are left out
    """
    hz = min(topic.hz for topic in topics)
    steps = [Step(sacrifice=Sacrifice.NOTHING)]
    usual = ''
    for text in rule.reducers:
        if _saves(topics, text, usual, hz):
            usual = text
            steps.append(Step(sacrifice=Sacrifice.ERROR, reducer=text))
    slower = [rate for rate in rule.rates if rate < hz]
    useful = [rate for rate in slower if rate >= rule.useful_hz]
    for rate in useful:
        sacrifice = Sacrifice.AMPLE if rate >= rule.ample_hz else Sacrifice.RATE
        steps.append(Step(sacrifice=sacrifice, reducer=usual, hz=rate))
    least, least_hz = usual, useful[-1] if useful else 0.0
    for text in rule.coarse:
        if _saves(topics, text, least, least_hz or hz):
            least = text
            steps.append(Step(sacrifice=Sacrifice.COARSE, reducer=text, hz=least_hz))
    steps += [
        Step(sacrifice=Sacrifice.SLOW, reducer=least, hz=rate)
        for rate in slower
        if rate < rule.useful_hz
    ]
    return tuple(steps)


def _saves(topics: Sequence[TopicSurvey], text: str, other: str, hz: float) -> bool:
    if any(text not in topic.options for topic in topics):
        return False
    now, then = (
        sum(topic.options[one].bytes_per_s(hz) for topic in topics) for one in (other, text)
    )
    return then <= (1.0 - _LEAST_SAVING) * now
