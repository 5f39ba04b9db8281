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

"""What the station says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from ros_cloud_bridge.command_values import REASONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the station says of itself in ``health``."""

    connected: bool
    running: int
    counters: Mapping[str, int]
    stops: dict[str, int]
    unanswered: int

    def document(self) -> dict[str, object]:
        """Write it for JSON."""
        return {
            'connected': self.connected,
            'running': self.running,
            'refused': {word: n for word, n in self.counters.items() if word in REASONS},
            'decided': {word: n for word, n in self.counters.items() if word not in REASONS},
            'stops': self.stops,
            'answers_waiting': self.unanswered,
        }
