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

"""What is noted of a run over a link, before anything is computed from it."""

from dataclasses import dataclass, field
from typing import Any

from link_scenarios import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Counters at one moment; ``handed_bytes`` of a peer are what its MQTT client has got."""

    time_ns: int
    sent_bytes: int
    dropped_packets: int
    cpu_s: float
    handed_bytes: int | None


@dataclass(slots=True, kw_only=True)
class Run:
    """
    All that was seen of one subject in one scenario; times in nanoseconds since the Unix epoch.

    :param marks: per phase at its start, once it has settled, and at its end
    :param samples: robot id, topic, arrival, age in ns, bytes of CDR
    :param messages: robot id, arrival, bytes of MQTT payload
    :param published: per robot id: topic, time, bytes; None for a recording
    :param usage: time, bytes that have left the shaper, bytes in the sockets to the broker
    :param greedy: time and bytes of the TCP flow beside it
    """

    scenario: Scenario
    subject: str
    marks: list[tuple[Mark, Mark, Mark]] = field(default_factory=list)
    samples: list[tuple[str, str, int, int, int]] = field(default_factory=list)
    messages: list[tuple[str, int, int]] = field(default_factory=list)
    published: dict[str, list[tuple[str, int, int]]] | None = None
    usage: list[tuple[int, int, int]] = field(default_factory=list)
    health: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    greedy: list[tuple[int, int]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    offloads_left: tuple[str, ...] = ()
