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

"""A session at the broker that takes in everything and that nobody ever comes back for."""

from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from .broker import Broker
from .waiting import wait_until

_ROOT = 'rcb/v1'


class Holder:
    """
    Subscribes to a robot's batches in a session that outlives its connection, and leaves.

    :param broker: where
    :param robot_id: whose batches
    :param expiry_s: how long the broker keeps the session
    """

    def __init__(self, broker: Broker, robot_id: str, expiry_s: int) -> None:
        self._broker = broker
        self._robot_id = robot_id
        self._expiry_s = expiry_s
        self._name = f'holder-{robot_id}-{id(self)}'

    def __enter__(self) -> 'Holder':
        self._visit(self._expiry_s)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""
        self._visit(0)

    def forgotten(self) -> bool:
        """
        Ask the broker.

        :returns: whether it has forgotten the session
        """
        return f'Expiring client {self._name} ' in self._broker.log()

    def _visit(self, expiry_s: int) -> None:
        done: list[str] = []
        client = _client(self._name)
        client.on_connect = lambda client, *_: client.subscribe(
            f'{_ROOT}/{self._robot_id}/b/#', qos=1
        )
        client.on_subscribe = lambda *_: done.append('subscribed')
        client.on_disconnect = lambda *_: done.append('left')
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = expiry_s
        client.connect(
            self._broker.host, self._broker.port, clean_start=True, properties=properties
        )
        client.loop_start()
        wait_until(lambda: 'subscribed' in done, what='the subscription')
        client.disconnect()
        wait_until(lambda: 'left' in done, what='the end of the connection')
        client.loop_stop()


def _client(name: str) -> Any:
    if hasattr(mqtt, 'CallbackAPIVersion'):
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5)
    return mqtt.Client(name, protocol=mqtt.MQTTv5)
