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

"""Subscribing to more while a session runs, with a real broker."""

import threading

from ros_cloud_bridge.mqtt.events import Connected, Outgoing, Received, SessionEvent
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.values import MqttConfig
from support.broker import Broker
from support.waiting import wait_until


def test_a_later_subscription_comes_before_a_later_message_and_outlives_the_connection() -> None:
    received: list[str] = []
    connections: list[int] = []
    lock = threading.Lock()

    def hear(event: SessionEvent) -> None:
        with lock:
            if isinstance(event, Received):
                received.append(event.topic)
            elif isinstance(event, Connected):
                connections.append(event.connection)

    with Broker() as broker:
        config = MqttConfig(host=broker.host, port=broker.port)
        session = Session(config, client_id='s', subscriptions=['first'], on_event=hear)
        session.start()
        try:
            wait_until(lambda: connections, what='a connection')
            expected = []
            for number in range(20):
                topic = f'later/{number}'
                session.subscribe(topic)
                wait_until(lambda: session.room(1), what='room')
                session.publish(Outgoing(topic=topic, payload=b'x'))
                expected.append(topic)
            wait_until(lambda: sorted(received) == sorted(expected), what=f'{received}')
            received.clear()
            session.cut('for the test')
            wait_until(lambda: len(connections) == 2, what='another connection')
            for topic in ('first', 'later/0', 'later/19'):
                wait_until(lambda: session.room(1), what='room')
                session.publish(Outgoing(topic=topic, payload=b'x'))
            wait_until(lambda: received == ['first', 'later/0', 'later/19'], what=f'{received}')
        finally:
            session.stop(2.0)
