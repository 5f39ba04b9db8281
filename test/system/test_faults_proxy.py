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

"""The proxy of the fault tests does to a real client what it says."""

from collections.abc import Iterator
import threading
from typing import Any

import pytest

mqtt = pytest.importorskip('paho.mqtt.client', reason='paho-mqtt is missing')
from paho.mqtt.packettypes import PacketTypes  # noqa: E402
from paho.mqtt.properties import Properties  # noqa: E402

from support.broker import Broker  # noqa: E402
from support.fault_proxy import FaultProxy  # noqa: E402
from support.waiting import wait_until  # noqa: E402


class Client:
    """
    A paho client of MQTT 5 that notes what it is told.

    :param port: where to connect
    :param keepalive_s: its keepalive
    """

    def __init__(self, port: int, keepalive_s: int = 60) -> None:
        self.acknowledged: dict[int, int] = {}
        self.heard: list[tuple[str, bytes]] = []
        self.connections = 0
        self.ends = 0
        self._subscribed = threading.Event()
        self._client: Any = _make()
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 1)
        self._client.connect('127.0.0.1', port, keepalive_s)
        self._client.loop_start()
        wait_until(lambda: self.connections, what='the connection')

    def __enter__(self) -> 'Client':
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, *_: object) -> None:
        self.connections += 1

    def _on_disconnect(self, *_: object) -> None:
        self.ends += 1

    def _on_publish(self, client: object, data: object, mid: int, *more: Any) -> None:
        # paho 1 does not say the reason code.
        self.acknowledged[mid] = more[0].value if more else -1

    def _on_message(self, client: object, data: object, message: Any) -> None:
        self.heard.append((message.topic, message.payload))

    def subscribe(self) -> None:
        """Subscribe to everything."""
        self._client.subscribe('#', qos=1)
        assert self._subscribed.wait(10.0)

    def publish(self, topic: str, payload: bytes, alias: int = 0) -> int:
        """
        Publish at QoS 1.

        :param topic: MQTT topic; empty where an alias stands for it
        :param payload: payload
        :param alias: topic alias
        :returns: packet id
        """
        properties = Properties(PacketTypes.PUBLISH)
        properties.ContentType = 'text/plain'
        if alias:
            properties.TopicAlias = alias
        mid: int = self._client.publish(topic, payload, qos=1, properties=properties).mid
        return mid


def _make() -> Any:
    if hasattr(mqtt, 'CallbackAPIVersion'):
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    return mqtt.Client(protocol=mqtt.MQTTv5)


@pytest.fixture
def proxy(broker: Broker) -> Iterator[FaultProxy]:
    with FaultProxy((broker.host, broker.port)) as running:
        yield running


def test_it_forwards_and_delays(broker: Broker, proxy: FaultProxy) -> None:
    proxy.delay_s = 0.01
    with Client(proxy.port) as client:
        client.subscribe()
        big = bytes(300_000)
        mids = [client.publish(f'a/{n}', b'x' * n) for n in range(20)] + [client.publish('b', big)]
        wait_until(lambda: set(mids) <= set(client.acknowledged))
        wait_until(lambda: len(client.heard) == 21)
        assert client.heard == [(f'a/{n}', b'x' * n) for n in range(20)] + [('b', big)]
        assert (proxy.published, proxy.answered, proxy.connections) == (21, 0, 1)


def test_it_answers_chosen_publishes_itself(broker: Broker, proxy: FaultProxy) -> None:
    codes = {b'full': 0x97, b'forbidden': 0x87, b'nobody': 0x10}
    proxy.rule = lambda topic, payload: codes.get(payload) if topic == 'chosen' else None
    with Client(proxy.port) as client:
        client.subscribe()
        said = {word: client.publish('chosen', word) for word in (*codes, b'other')}
        mid = client.publish('free', b'full')
        wait_until(lambda: len(client.acknowledged) == 5)
        wait_until(lambda: len(client.heard) == 2)
        assert client.heard == [('chosen', b'other'), ('free', b'full')]
        assert proxy.answered == 3
        if client.acknowledged[mid] >= 0:
            answers = {word: client.acknowledged[said[word]] for word in said}
            assert answers == {**codes, b'other': 0}


def test_an_alias_outlives_the_publish_that_named_it(broker: Broker, proxy: FaultProxy) -> None:
    proxy.rule = lambda topic, payload: 0x97 if payload == b'first' else None
    with Client(proxy.port) as client:
        client.subscribe()
        client.publish('aliased', b'first', alias=3)
        for word in (b'second', b'third'):
            client.publish('', word, alias=3)
        wait_until(lambda: len(client.heard) == 2)
        assert client.heard == [('aliased', b'second'), ('aliased', b'third')]
        assert client.ends == 0


def test_it_cuts_and_refuses(broker: Broker, proxy: FaultProxy) -> None:
    with Client(proxy.port) as client:
        assert proxy.cut() == 1
        wait_until(lambda: client.connections == 2)
        proxy.refuse()
        wait_until(lambda: client.ends == 2)
        before = proxy.connections
        mid = client.publish('later', b'-')
        assert proxy.connections == before
        proxy.heal()
        wait_until(lambda: client.connections == 3 and mid in client.acknowledged)


def test_half_open_is_noticed_by_the_keepalive_alone(broker: Broker, proxy: FaultProxy) -> None:
    with Client(proxy.port, keepalive_s=1) as client, Client(broker.port) as other:
        other.subscribe()
        assert proxy.silence() == 1
        client.publish('lost', b'-')
        # No end was sent: it is the client that gives up, and its new connection works.
        wait_until(lambda: client.connections == 2, 30.0)
        client.publish('found', b'-')
        wait_until(lambda: ('found', b'-') in other.heard)
        proxy.swallow()
        client.publish('gone', b'-')
        wait_until(lambda: client.ends == 2, 30.0)
        assert ('gone', b'-') not in other.heard
        proxy.heal()
        wait_until(lambda: client.connections == 3, 30.0)


def test_a_broker_that_is_away_ends_the_connection(proxy: FaultProxy) -> None:
    with Broker() as away:
        proxy.target = (away.host, away.port)
        with Client(proxy.port) as client:
            away.kill()
            wait_until(lambda: client.ends == 1)
            away.restart()
            wait_until(lambda: client.connections == 2)
