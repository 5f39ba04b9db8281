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

"""What a dashboard sees: every message below ``d/`` of a broker, in the order of arrival."""

from collections.abc import Iterator
from contextlib import contextmanager
import json
from typing import Any

from ros_cloud_bridge.mqtt.events import Connected, Received
from ros_cloud_bridge.values import MqttConfig

from .broker import Broker
from .sessions import EventLog, running
from .waiting import wait_until


class Screen:
    """
    Collects dashboard messages.

    :param log: events of a session that is subscribed to them
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def messages(self, topic: str = '') -> list[Received]:
        """
        Give what came.

        :param topic: the topic's end; all when empty
        :returns: messages
        """
        return [message for message in self._log.of(Received) if message.topic.endswith(topic)]

    def documents(self, topic: str) -> list[dict[str, Any]]:
        """
        Give what came as JSON.

        :param topic: the topic's end
        :returns: objects
        """
        return [json.loads(message.payload) for message in self.messages(topic)]

    def wait(self, topic: str, count: int = 1, timeout_s: float = 20.0) -> list[Received]:
        """
        Wait for messages.

        :param topic: the topic's end
        :param count: how many at least
        :param timeout_s: when to give up
        :returns: those that came
        """
        what = f'{count} messages on {topic}'
        wait_until(lambda: len(self.messages(topic)) >= count, timeout_s, what)
        return self.messages(topic)


@contextmanager
def watching(broker: Broker, topic_filter: str) -> Iterator[Screen]:
    """
    Watch a broker's dashboards.

    :param broker: running broker
    :param topic_filter: as in ``rcb/v1/+/d/#``
    :returns: what collects them; the subscription stands
    """
    config = MqttConfig(host=broker.host, port=broker.port)
    name = f'screen-{id(broker)}-{topic_filter.count("/")}'
    with running(config, client_id=name, subscriptions=[topic_filter]) as (_, log):
        log.wait_for(Connected)
        wait_until(lambda: f'Sending SUBACK to {name}' in broker.log(), what='SUBACK')
        yield Screen(log)
