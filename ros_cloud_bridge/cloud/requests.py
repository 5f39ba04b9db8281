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

"""What a consumer asks of which robot: what it lacks, and leases."""

from dataclasses import replace

from ros_cloud_bridge.cloud.asking import Asker
from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.cloud.leasing import Leases
from ros_cloud_bridge.cloud.presence import Presence
from ros_cloud_bridge.mqtt.events import Outgoing
from ros_cloud_bridge.wire.announce import Ask, encode_ask
from ros_cloud_bridge.wire.topics import RobotTopics

_EXPIRY_S = 10.0


class Requests:
    """
    Puts one consumer's needs into messages.

    :param root: the fleet's topic root
    :param name: the consumer's name
    :param exact: the one robot that it receives, or None for many
    :param decoder: says what is missing
    :param presence: says who is there
    """

    def __init__(
        self, root: str, name: str, exact: str | None, decoder: Decoder, presence: Presence
    ) -> None:
        self.leases = Leases(name)
        self._root = root
        self._name = name
        self._exact = exact
        self._decoder = decoder
        self._presence = presence
        self._asker = Asker()

    def reconnected(self) -> None:
        """Ask again: the answers may have come while we were away."""
        self._asker.reconnected()
        self.leases.again()

    def due(self, now: float) -> list[tuple[str, Outgoing]]:
        """
        Say what to ask now; what is returned counts as asked.

        :param now: monotonic seconds
        :returns: messages, each with its robot
        """
        wanted = {
            robot_id: ask
            for robot_id, ask in self._decoder.wanted().items()
            if self._presence.online(robot_id) is not False
        }
        asks = self._asker.due(wanted, self._uninformed(), now)
        leases = self.leases.due(lambda robot: self._presence.online(robot) is False, now)
        return [
            (
                robot_id,
                self._message(
                    robot_id,
                    replace(asks.get(robot_id, Ask()), leases=leases.get(robot_id, ())),
                ),
            )
            for robot_id in {**asks, **leases}
        ]

    def farewell(self) -> list[Outgoing]:
        """
        Give all leases back.

        :returns: messages
        """
        return [
            self._message(robot_id, Ask(leases=leases))
            for robot_id, leases in self.leases.give_back().items()
        ]

    def _uninformed(self) -> list[str]:
        robots = self._decoder.robots
        lacking = [
            robot_id
            for robot_id, robot in robots.items()
            if 'info' not in robot.documents and self._presence.online(robot_id) is not False
        ]
        if self._exact is not None and self._exact not in robots:
            # Nothing has come at all, but we know its name: it may be idle, with latched topics.
            lacking.append(self._exact)
        return lacking

    def _message(self, robot_id: str, ask: Ask) -> Outgoing:
        topic = RobotTopics(self._root, robot_id).ask(self._name)
        return Outgoing(topic=topic, payload=encode_ask(ask), expiry_s=_EXPIRY_S)
