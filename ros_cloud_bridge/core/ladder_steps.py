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


"""The steps of a stream's degradation ladder, as the user writes them."""

from dataclasses import dataclass
import math
import re

# Levels of a reducer, from the least to the most that it takes away.
LEVELS = ('full', 'reduced', 'minimal')

_RATE = re.compile(r'([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?hz', re.IGNORECASE)
_ALLOWED = "must be a rate as in 5hz, 'pause', or a reducer's level: 'reduced', 'minimal'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    What a stream is cut down to; steps are cumulative.

    ``max_hz`` is None where the step leaves the rate, 0 where it pauses the stream; ``level`` is
    a reducer's, or None.
    """

    text: str
    max_hz: float | None = None
    level: str | None = None


def parse_step(text: str) -> Step:
    """
    Read one step.

    :param text: ``5hz``, ``reduced``, ``minimal`` or ``pause``
    :returns: the step
    :raises ValueError: says what is allowed
    """
    word = text.strip().lower()
    if word == 'pause':
        return Step(text=word, max_hz=0.0)
    if word in LEVELS[1:]:
        return Step(text=word, level=word)
    rate = _RATE.fullmatch(word)
    if rate is None or not 0.0001 <= (hz := float(rate[1])) <= 100000 or not math.isfinite(hz):
        raise ValueError(_ALLOWED)
    return Step(text=f'{hz:g}hz', max_hz=hz)


def step_problem(text: str) -> str:
    """
    Say what is wrong with one step.

    :param text: what the user wrote
    :returns: one line, empty when nothing is
    """
    try:
        parse_step(text)
    except ValueError as error:
        return str(error)
    return ''
