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

"""Which sample a sample is."""

from typing import NamedTuple, Protocol


class Identified(Protocol):
    """Anything with a sample's identity, as a sample itself."""

    @property
    def robot_id(self) -> str:
        """Whose it is."""

    @property
    def boot_id(self) -> str:
        """Hexadecimal id of the boot that accepted it."""

    @property
    def route(self) -> int:
        """Route number of that boot."""

    @property
    def sequence(self) -> int:
        """Sequence number of that route."""


class SampleId(NamedTuple):
    """A sample without what it holds, to be remembered until the sink is durable."""

    robot_id: str
    boot_id: str
    route: int
    sequence: int

    @classmethod
    def of(cls, sample: Identified) -> 'SampleId':
        """
        Take a sample's identity.

        :param sample: the sample
        :returns: its identity
        """
        return cls(sample.robot_id, sample.boot_id, sample.route, sample.sequence)
