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

"""Which robots are online, from their ``state`` documents, births and wills in any order."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotState:
    """
    A robot came or went.

    ``reason`` is the bridge's word for it: ``birth``, ``shutdown``, ``deactivated`` or
    ``connection_lost``; ``retained`` says that it happened before we came.
    """

    robot_id: str
    online: bool
    reason: str
    boot_id: str
    connection: int
    retained: bool


class Presence:
    """
    Keeps what is known of each robot's presence.

    Boot ids cannot be ordered, so a will counts only against the birth that it belongs to: one of
    an earlier connection, or of a boot that another birth has replaced, comes too late.
    """

    def __init__(self) -> None:
        self._states: dict[str, RobotState] = {}

    @property
    def states(self) -> dict[str, RobotState]:
        """The newest state by robot."""
        return dict(self._states)

    def online(self, robot_id: str) -> bool | None:
        """
        Say whether a robot is online.

        :param robot_id: the robot
        :returns: None when it has not said
        """
        state = self._states.get(robot_id)
        return None if state is None else state.online

    def update(
        self, robot_id: str, document: Mapping[str, object], retained: bool
    ) -> RobotState | None:
        """
        Take in a ``state`` document.

        :param robot_id: the robot whose topic it stands on
        :param document: its content
        :param retained: whether the broker had kept it
        :returns: the robot's new state, or None when nothing has changed
        """
        word, boot_id = document.get('state'), document.get('boot_id')
        connection = document.get('connection')
        if word not in ('online', 'offline') or not isinstance(boot_id, str):
            return None
        state = RobotState(
            robot_id=robot_id,
            online=word == 'online',
            reason=str(document.get('reason', ''))[:80],
            boot_id=boot_id[:32],
            connection=connection if type(connection) is int else 0,
            retained=retained,
        )
        known = self._states.get(robot_id)
        if known is not None and not _follows(state, known):
            return None
        self._states[robot_id] = state
        return state


def _follows(state: RobotState, known: RobotState) -> bool:
    if state.boot_id != known.boot_id:
        return state.online or not known.online
    if state.connection != known.connection:
        return state.connection > known.connection
    # Once a connection has ended it does not come back: the next one has another number. But the
    # bridge says its birth again when somebody's late will stands in its place.
    return state.online != known.online
