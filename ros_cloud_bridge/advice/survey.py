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

"""What is known of a recording's topics before anything is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """
    What one reducer, or none, makes of a topic, as measured on its messages.

    A batch of *n* samples has ``batch_bytes + n * sample_bytes`` of payload. ``kept`` is the share
    of the messages that the reducer lets out at all, ``cpu_s`` what a message costs it.
    """

    reducer: str = ''
    error: str = ''
    batch_bytes: float
    sample_bytes: float
    kept: float = 1.0
    cpu_s: float = 0.0

    def of_batch(self, samples: float) -> float:
        """
        Tell the payload of a batch.

        :param samples: that it holds
        :returns: bytes
        """
        return self.batch_bytes + samples * self.sample_bytes

    def bytes_per_s(self, hz: float) -> float:
        """
        Tell the payload of batches of a second with no other topic in them.

        :param hz: messages per second before the reducer
        :returns: bytes per second
        """
        out_hz = hz * self.kept
        batches = min(1.0, out_hz)
        return batches * self.of_batch(out_hz / batches) if batches else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSurvey:
    """
    One topic of a recording.

    ``options`` are those that fit, by their reducer's text, ``''`` (as it is) always among them;
    ``refused`` says of others why they do not fit.
    """

    topic: str
    type_name: str
    kind: str
    hz: float
    message_bytes: float
    latched: bool
    options: Mapping[str, Option]
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def raw_bytes_per_s(self) -> float:
        """Bytes of CDR per second."""
        return self.hz * self.message_bytes
