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
Who is this robot's bridge: reads the retained ``state`` topic's traffic, its own included.

Boot ids cannot be ordered, so a late will is told from a birth by what the bridge knows of itself:
whatever says ``offline`` while it is online is outdated, whatever says ``online`` with another
boot id is another live bridge.
"""

from collections.abc import Mapping
from enum import Enum
import re

_BOOT_ID = re.compile('[0-9a-f]{16}')


class Verdict(Enum):
    """What to do about a message on ``state``."""

    NONE = 'none'
    ANNOUNCE_AGAIN = 'announce_again'
    DUPLICATE = 'duplicate'


class Presence:
    """
    Presence of one bridge process.

    :param robot_id: the robot
    :param boot: boot id, hexadecimal
    """

    def __init__(self, robot_id: str, boot: str) -> None:
        self.robot_id = robot_id
        self.boot = boot
        self.connection = 0
        # Whether our birth has stood at the broker: from then on no other can be a leftover.
        self.announced = False
        self._foreign_will: tuple[object, int] | None = None

    def connected(self, connection: int) -> None:
        """
        Note a new connection.

        :param connection: its number since boot, from 1
        """
        self.connection = connection

    def document(
        self, online: bool, reason: str, connection: int | None = None
    ) -> dict[str, object]:
        """
        Build a ``state`` message.

        :param online: birth, or goodbye and will
        :param reason: ``birth``, ``shutdown``, ``deactivated`` or ``connection_lost`` (the will)
        :param connection: the connection that it is about; the present one when left out
        :returns: JSON-able document
        """
        return {
            'version': 1,
            'robot_id': self.robot_id,
            'state': 'online' if online else 'offline',
            'reason': reason,
            'boot_id': self.boot,
            'connection': self.connection if connection is None else connection,
        }

    def plausible(self, document: Mapping[str, object]) -> bool:
        """
        Tell whether a document can be some bridge's state of this robot.

        :param document: its content
        :returns: whether robot, boot id, connection and state are there and of the right form
        """
        boot, connection = document.get('boot_id'), document.get('connection')
        return (
            document.get('robot_id') == self.robot_id
            and document.get('state') in ('online', 'offline')
            and isinstance(boot, str)
            and _BOOT_ID.fullmatch(boot) is not None
            and type(connection) is int
        )

    def seen(self, document: Mapping[str, object], retained: bool) -> Verdict:
        """
        Judge a message that came in on the robot's own ``state``.

        :param document: its content
        :param retained: whether the broker had kept it from before the subscription
        :returns: what to do
        """
        own = document.get('boot_id') == self.boot
        if document.get('state') == 'online':
            if own:
                self.announced = True
                return Verdict.NONE
            # Before our birth a retained one may be left over from a crash. A live one proves
            # another bridge, and so does one that has taken our birth's place: brokers that close
            # a session which is taken over without saying so (mosquitto 2.0) show just that.
            return Verdict.DUPLICATE if self.announced or not retained else Verdict.NONE
        if retained:
            return Verdict.DUPLICATE if self._lives(document) else Verdict.NONE
        return Verdict.ANNOUNCE_AGAIN

    def _lives(self, document: Mapping[str, object]) -> bool:
        """
        Tell whether a will that stands in our birth's place is that of a bridge which lives on.

        Where two share a client id and each connection throws the other out, each finds the
        other's will, never its birth. A will whose connection counter has risen since the last one
        shows that its sender has connected again meanwhile.
        """
        boot, connection = document.get('boot_id'), document.get('connection')
        if boot == self.boot or not self.announced or type(connection) is not int:
            return False
        known, self._foreign_will = self._foreign_will, (boot, connection)
        return known is not None and known[0] == boot and known[1] < connection
