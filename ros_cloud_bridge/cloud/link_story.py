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

"""What becomes of a connection to the broker, in lines for people."""

from collections.abc import Callable

from ros_cloud_bridge.cloud.consumer import printable
from ros_cloud_bridge.mqtt.events import (
    Connected,
    Disconnected,
    Refused,
    SessionEvent,
    SubscriptionRefused,
    TakenOver,
    Unreachable,
)
from ros_cloud_bridge.values import MqttConfig


class LinkStory:
    """
    Says what becomes of the broker connection, once per change.

    :param config: names the broker
    :param say: takes each line
    """

    def __init__(self, config: MqttConfig, say: Callable[[str], None]) -> None:
        self._say = say
        self._place = f'{config.host}:{config.effective_port}'
        self._down: str | None = None
        self.was_connected = False

    def __call__(self, event: SessionEvent) -> None:
        """
        Take an event.

        :param event: from the consumer
        """
        if isinstance(event, Connected):
            self.was_connected = True
            if self._down is not None:
                self._say(f'connected to {self._place}')
            self._down = None
        elif isinstance(event, Unreachable):
            self._failed('unreachable', f'broker not reachable: {event.reason}; keeps trying')
        elif isinstance(event, Refused):
            self._failed(
                f'refused {event.code}', f'{self._place} refuses: {event.reason}; keeps trying'
            )
        elif isinstance(event, (Disconnected, TakenOver)):
            if event.retry_in_s > 0:
                reason = getattr(event, 'reason', 'another client has our client id')
                self._failed('lost', f'connection to {self._place} lost: {reason}; keeps trying')
        elif isinstance(event, SubscriptionRefused):
            self._say(f'{self._place} refuses the subscription to {event.topic_filter}')

    def _failed(self, kind: str, text: str) -> None:
        # A lost connection is followed by failed attempts: that is one story, told once.
        told = self._down is not None and (kind == self._down or kind == 'unreachable')
        self._down = kind
        if not told:
            self._say(printable(text))
