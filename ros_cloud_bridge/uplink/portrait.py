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

"""What the bridge says of itself: presence, info and health, ready to publish."""

from collections.abc import Callable, Mapping, Sequence

from ros_cloud_bridge.core.presence import Presence
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.parcels import Message
from ros_cloud_bridge.uplink.report import info_document
from ros_cloud_bridge.values import BridgeConfig, Trust
from ros_cloud_bridge.wire.announce import encode_json
from ros_cloud_bridge.wire.batch import VERSION
from ros_cloud_bridge.wire.topics import RobotTopics

# Any broker takes this much.
MOST_INFO_BYTES = 64 * 1024


class SelfPortrait:
    """
    Builds the documents of one boot.

    :param config: the configuration in force; may be replaced
    :param presence: knows the connection
    :param topics: the robot's MQTT topics
    :param routes: gives all routes
    :param wall_ns: gives nanoseconds since the Unix epoch
    """

    def __init__(
        self,
        config: BridgeConfig,
        presence: Presence,
        topics: RobotTopics,
        routes: Callable[[], Sequence[Route]],
        wall_ns: Callable[[], int],
    ) -> None:
        self.config = config
        self.active = True
        self.connected = False
        self.most_info_bytes = MOST_INFO_BYTES
        self.problems: dict[str, str] = {}
        # The key that answers to commands are signed with: ``key`` and ``kid``, hexadecimal.
        self.identity: dict[str, str] = {}
        self._presence = presence
        self._topics = topics
        self._routes = routes
        self._wall_ns = wall_ns

    def birth(self) -> bytes:
        """Build the payload of ``state`` while connected."""
        reason = 'birth' if self.active else 'deactivated'
        document = self._presence.document(True, reason)
        if self.config.channels and self.config.trust is Trust.TRANSPORT:
            # Whoever may publish is believed: nobody shall have to guess that.
            document['trust'] = self.config.trust.value
        return encode_json(document)

    def will(self, connection: int) -> Message:
        """
        Build the will.

        :param connection: number of the connection that it is for
        :returns: retained message
        """
        return self._offline('connection_lost', connection)

    def goodbye(self) -> Message:
        """Build what takes the will's place on a clean shutdown."""
        return self._offline('shutdown', None)

    def info(self) -> bytes:
        """Build the payload of ``info``; without its routes where it would be too large."""
        routes = self._routes()
        document = {
            **info_document(self.config, self._presence.boot, routes, self._wall_ns()),
            **self.identity,
        }
        payload = encode_json(document)
        if len(payload) <= self.most_info_bytes:
            return payload
        return encode_json({**document, 'routes': []})

    def health(self, figures: Mapping[str, object]) -> Message:
        """
        Build ``health``.

        :param figures: of the pump
        :returns: the message
        """
        return Message(topic=self._topics.health, payload=encode_json(self.report(figures)))

    def report(self, figures: Mapping[str, object]) -> dict[str, object]:
        """
        Complete the figures of ``health`` with who tells them.

        :param figures: of the pump
        :returns: JSON-able document
        """
        link = figures['link']
        assert isinstance(link, dict)
        connected = {'connected': self.connected, 'connection': self._presence.connection}
        return {
            'version': VERSION,
            'robot_id': self.config.robot_id,
            'boot_id': self._presence.boot,
            'time_ns': self._wall_ns(),
            **figures,
            'link': {**connected, **link},
            'problems': self.problems,
        }

    def _offline(self, reason: str, connection: int | None) -> Message:
        document = self._presence.document(False, reason, connection)
        return Message(topic=self._topics.state, payload=encode_json(document), retain=True)
