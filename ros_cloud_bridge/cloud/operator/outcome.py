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

"""What has become of a command, as far as its operator can know."""

from dataclasses import dataclass
from typing import Any

from ros_cloud_bridge.command_values import State
from ros_cloud_bridge.errors import RemoteFault

NO_ANSWER = 'no answer'


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    How a command ended.

    ``state`` is a final one, or None when the robot has not answered: then it may have run or not.
    ``round_trip_s`` is from the first sending to the answer that ended it, None without one.
    """

    state: State | None
    reason: str = ''
    detail: Any = None
    round_trip_s: float | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the robot says that it was done."""
        return self.state is State.SUCCEEDED

    @property
    def word(self) -> str:
        """The state as people read it."""
        return NO_ANSWER if self.state is None else self.state.name.lower().replace('_', ' ')

    def __str__(self) -> str:
        return f'{self.word}: {self.reason}' if self.reason else self.word


class CommandFailed(RemoteFault):
    """
    A command that something else depends on did not succeed.

    :param what: the command, as in ``acquire drive``
    :param outcome: what became of it
    """

    def __init__(self, what: str, outcome: Outcome) -> None:
        super().__init__(f'{what}: {outcome}')
        self.outcome = outcome
