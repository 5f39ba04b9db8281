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

"""Hears what a bridge says of itself, beside the link that is broken."""

from collections.abc import Callable
import threading
from typing import Any

import paho.mqtt.client as mqtt

from ros_cloud_bridge.wire.announce import decode_json

from .broker import Broker
from .waiting import wait_until

_ROOT = 'rcb/v1'
_KEPT = 2000


class Monitor:
    """
    Subscribes to the documents of one robot, straight at the broker.

    :param broker: where
    :param robot_id: whose
    """

    def __init__(self, broker: Broker, robot_id: str) -> None:
        self._prefix = f'{_ROOT}/{robot_id}/'
        self.states: list[dict[str, Any]] = []
        self.healths: list[dict[str, Any]] = []
        # The newest of each boot.
        self.health_of: dict[str, dict[str, Any]] = {}
        self._subscribed = threading.Event()
        self._client = _client()
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 1)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(10.0), 'the monitor cannot subscribe'

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for_health(
        self, wanted: Callable[[dict[str, Any]], object], timeout_s: float = 30.0
    ) -> dict[str, Any]:
        """
        Wait for a health that was not there yet.

        :param wanted: says whether this is the one
        :param timeout_s: when to give up
        :returns: the document
        """
        before = self.healths[-1] if self.healths else None

        def found() -> dict[str, Any] | None:
            newest = self.healths[-1] if self.healths else None
            return newest if newest is not before and newest and wanted(newest) else None

        try:
            wait_until(found, timeout_s)
        except AssertionError:
            raise AssertionError(f'health was {self.healths[-1:]}') from None
        document = self.healths[-1]
        return document

    def _on_connect(self, client: Any, *_: object) -> None:
        client.subscribe([(f'{self._prefix}{kind}', 1) for kind in ('state', 'health')])

    def _on_message(self, client: object, data: object, message: Any) -> None:
        if not message.payload:
            return
        document = decode_json(message.payload)
        if message.topic.endswith('/state'):
            if not message.retain:
                self.states.append(document)
            return
        if len(self.healths) >= _KEPT:
            del self.healths[: _KEPT // 2]
        self.healths.append(document)
        self.health_of[str(document['boot_id'])] = document


def _client() -> Any:
    if hasattr(mqtt, 'CallbackAPIVersion'):
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    return mqtt.Client()
