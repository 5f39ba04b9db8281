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
What topics take of a link together.

Topics of a class share batches: the first sample that waits begins one, and it leaves when that
sample has waited as long as its stream may.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ros_cloud_bridge.advice.survey import Option
from ros_cloud_bridge.values import Priority

# A payload in full TCP segments of 1448 bytes, with their headers and Ethernet's.
_SEGMENTS = (1448 + 66) / 1448
# What of a batch of one topic is the batch's own, not the topic's section.
_ENVELOPE_BYTES = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What flows of a topic; ``hz`` is before the reducer."""

    option: Option
    hz: float
    delay_s: float
    priority: Priority

    @property
    def out_hz(self) -> float:
        """Samples per second that are sent."""
        return self.hz * self.option.kept


def total_bytes_per_s(loads: Sequence[Load], message_bytes: float) -> float:
    """
    Estimate what topics take together.

    :param loads: theirs
    :param message_bytes: what an MQTT message takes besides its payload
    :returns: bytes per second with all headers
    """
    total = 0.0
    for priority in Priority:
        ours = [load for load in loads if load.priority is priority and load.out_hz > 0]
        alone = [load for load in ours if load.delay_s <= 0]
        shared = [load for load in ours if load.delay_s > 0]
        for load in alone:
            total += load.out_hz * (message_bytes + _SEGMENTS * load.option.of_batch(1.0))
        total += _shared(shared, message_bytes) if shared else 0.0
    return total


def _shared(loads: Sequence[Load], message_bytes: float) -> float:
    hz = sum(load.out_hz for load in loads)
    delay_s = sum(load.out_hz * load.delay_s for load in loads) / hz
    batches = min(hz, 1.0 / (delay_s + 0.5 / hz))
    payload = batches * _ENVELOPE_BYTES
    for load in loads:
        # In how many of the batches the topic has a section at all.
        sections = min(load.out_hz, batches)
        whole = load.option.of_batch(load.out_hz / sections)
        payload += sections * max(0.0, whole - _ENVELOPE_BYTES)
    return batches * message_bytes + _SEGMENTS * payload
