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

"""The MQTT session of commands: MQTT 5, nothing retained, and answers that wait for their turn."""

from collections.abc import Callable
from dataclasses import replace

from ros_cloud_bridge.command.outbox import Outbox
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.mqtt import reasons
from ros_cloud_bridge.mqtt.events import (
    Acknowledged,
    Connected,
    Discarded,
    Disconnected,
    Outgoing,
    Refused,
    SessionEvent,
    SessionFull,
    SubscriptionRefused,
    TakenOver,
    Unreachable,
)
from ros_cloud_bridge.mqtt.presets import find_preset
from ros_cloud_bridge.mqtt.protocol_choice import V5, V311
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.values import BridgeConfig, MqttConfig
from ros_cloud_bridge.wire.limits import MAX_COMMAND
from ros_cloud_bridge.wire.topics import RobotTopics

Log = Callable[[str, str], None]

# A command is of no use to anybody an hour later, nor is its answer.
_ANSWER_EXPIRY_S = 3600.0
_NO_MQTT5 = (
    'commands need MQTT 5, for a command that waits at the broker must expire there; {} speaks '
    '3.1.1'
)


def mqtt_of_commands(config: BridgeConfig) -> MqttConfig:
    """
    Derive how the second session reaches the broker.

    :param config: checked configuration
    :returns: the bridge's own, with MQTT 5
    :raises ConfigError: when it cannot be MQTT 5
    """
    mqtt = config.mqtt
    if mqtt.protocol == V311:
        raise ConfigError('mqtt.protocol', _NO_MQTT5.format('this bridge'))
    if mqtt.protocol == 'auto' and find_preset(mqtt.preset).protocol == V311:
        raise ConfigError('mqtt.preset', _NO_MQTT5.format(mqtt.preset))
    return replace(mqtt, protocol=V5)


class CommandSession:
    """
    Receives commands, and publishes answers as fast as the broker takes them.

    :param config: checked configuration
    :param on_event: takes the session's events, on its thread
    :param charge: is told (payload bytes, topic bytes) of what is sent
    :param log: takes (level, text)
    :raises ConfigError: when it cannot be MQTT 5
    """

    def __init__(
        self,
        config: BridgeConfig,
        on_event: Callable[[SessionEvent], None],
        charge: Callable[[int, int], None],
        log: Log,
    ) -> None:
        self._charge = charge
        self._log = log
        self._said = ''
        self._waiting = Outbox()
        self.connected = False
        client_id = config.mqtt.client_id or f'rcb-{config.robot_id}'
        self._session = Session(
            mqtt_of_commands(config),
            client_id=f'{client_id}-command',
            subscriptions=(RobotTopics(config.root, config.robot_id).command('+', '+'),),
            on_event=on_event,
            max_receive_bytes=2 * MAX_COMMAND,
            fresh_only=True,
            quick_ack=True,
        )

    @property
    def unanswered(self) -> int:
        """How many answers the broker does not have yet."""
        return len(self._waiting) + self._session.in_flight

    def start(self) -> None:
        """Connect, and keep connecting."""
        self._session.start()

    def stop(self, timeout_s: float) -> None:
        """
        Publish what waits, and leave.

        :param timeout_s: for all of it
        """
        self._session.stop(timeout_s, self._waiting.take_all())

    def queue(self, topic: str, payload: bytes) -> None:
        """
        Add a message.

        :param topic: MQTT topic
        :param payload: payload
        """
        self._waiting.put(Outgoing(topic=topic, payload=payload, expiry_s=_ANSWER_EXPIRY_S))

    def send(self) -> None:
        """Hand over what the session takes now."""
        while (outgoing := self._waiting.next()) is not None:
            if not self._session.room(len(outgoing.payload)):
                return
            try:
                self._session.publish(outgoing)
            except SessionFull:
                return
            self._waiting.take()
            self._charge(len(outgoing.payload), len(outgoing.topic))

    def handle(self, event: SessionEvent) -> bool:
        """
        Take note of an event, and say what people should know.

        :param event: any but a message
        :returns: whether a connection is lost by it
        """
        if isinstance(event, Connected):
            self.connected = True
            self._say('info', f'connected (MQTT {event.protocol})')
        elif isinstance(event, Disconnected | Refused | TakenOver | Unreachable):
            lost, self.connected = self.connected, False
            self._say(*_loss(event))
            return lost
        elif isinstance(event, SubscriptionRefused):
            self._say('error', f'{event.topic_filter} is refused by the broker')
        elif isinstance(event, Acknowledged) and event.refused:
            self._say('warning', f'answers are refused: {reasons.describe(event.code or 0)}')
        elif isinstance(event, Discarded):
            self._say('warning', f'an answer was not sent: {event.reason}')
        return False

    def _say(self, level: str, text: str) -> None:
        if text != self._said:
            self._said = text
            self._log(level, f'commands: {text}')


def _loss(event: Disconnected | Refused | TakenOver | Unreachable) -> tuple[str, str]:
    if isinstance(event, TakenOver):
        return 'error', 'another client has taken the session over'
    if not isinstance(event, Refused):
        return 'warning', f'no connection: {event.reason}'
    if event.code == reasons.UNSUPPORTED_PROTOCOL_VERSION:
        return 'error', _NO_MQTT5.format('this broker')
    return 'error', event.reason
