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

"""What a consumer counts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerCounts:
    """
    What a consumer has seen since its start.

    ``bytes`` are MQTT payloads; ``overflow_messages`` came faster than they could be handled and
    were dropped here; ``errors`` are messages that broke the protocol.
    """

    messages: int = 0
    bytes: int = 0
    samples: int = 0
    errors: int = 0
    overflow_messages: int = 0
    overflow_bytes: int = 0
    asks: int = 0


@dataclass(slots=True)
class Tally:
    """The same while it is being counted."""

    messages: int = 0
    bytes: int = 0
    samples: int = 0
    errors: int = 0
    asks: int = 0
