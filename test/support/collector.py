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

"""A consumer of one robot through paho and the decoder, that keeps all it hears."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import threading
from types import TracebackType
from typing import Any

import paho.mqtt.client as mqtt

from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.cloud.losses import RouteLosses
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire.announce import Ask, decode_json, encode_ask

from .broker import Broker
from .waiting import wait_until

ROOT = 'rcb/v1'


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One MQTT message, its topic below the robot's."""

    kind: str
    payload: bytes
    retain: bool


class Collector:
    """
    Subscribes to one robot.

    :param broker: where
    :param robot_id: whose messages
    :param retained: whether what stands retained is taken in; else it is dropped unseen, as with
        a broker that keeps nothing
    """

    def __init__(self, broker: Broker, robot_id: str, retained: bool = True) -> None:
        self.robot_id = robot_id
        self.decoder = Decoder()
        self.heard: list[Heard] = []
        self.errors: list[ProtocolError] = []
        self._samples: list[Sample] = []
        self._retained = retained
        self._subscribed = threading.Event()
        self._client = _client()
        self._client.max_inflight_messages_set(1000)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 1)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(10.0), 'the collector cannot subscribe'

    def __enter__(self) -> 'Collector':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Any, *_: object) -> None:
        client.subscribe(f'{ROOT}/{self.robot_id}/#', qos=1)

    def _on_message(self, client: object, userdata: object, message: Any) -> None:
        if message.retain and not self._retained:
            return
        kind = message.topic.removeprefix(f'{ROOT}/{self.robot_id}/')
        self.heard.append(Heard(kind=kind, payload=message.payload, retain=bool(message.retain)))
        try:
            self._samples += self.decoder.feed(message.topic, message.payload)
        except ProtocolError as error:
            self.errors.append(error)

    def publish(self, kind: str, payload: bytes, retain: bool = False) -> None:
        """
        Publish below the robot's topic.

        :param kind: topic below the robot's
        :param payload: payload
        :param retain: whether to retain it
        """
        self._client.publish(f'{ROOT}/{self.robot_id}/{kind}', payload, qos=1, retain=retain)

    def settle(self) -> None:
        """Wait until everything that stood retained has come: it comes before what is new."""
        before = len(self.payloads('cmd/settle'))
        self.publish('cmd/settle', b'-')
        wait_until(lambda: len(self.payloads('cmd/settle')) > before, 20.0, 'our own message')

    def ask(self, ask: Ask, consumer: str = 'collector') -> None:
        """
        Ask the bridge to say something again.

        :param ask: what
        :param consumer: in whose name
        """
        self.publish(f'ask/{consumer}', encode_ask(ask))

    def samples(self, topic: str) -> list[Sample]:
        """
        Select samples.

        :param topic: ROS topic
        :returns: in the order of their arrival
        """
        return [sample for sample in list(self._samples) if sample.topic == topic]

    def wait_for_samples(self, topic: str, count: int = 1) -> list[Sample]:
        """
        Wait for samples.

        :param topic: ROS topic
        :param count: how many at least
        :returns: all of the topic so far
        """
        try:
            wait_until(lambda: len(self.samples(topic)) >= count, 20.0)
        except AssertionError:
            got = len(self.samples(topic))
            raise AssertionError(f'{got} instead of {count} samples of {topic}') from None
        return self.samples(topic)

    def payloads(self, kind: str) -> list[bytes]:
        """
        Select messages.

        :param kind: topic below the robot's
        :returns: payloads, in the order of their arrival
        """
        return [heard.payload for heard in list(self.heard) if heard.kind == kind]

    def documents(self, kind: str) -> list[dict[str, Any]]:
        """
        Select documents.

        :param kind: ``state``, ``info`` or ``health``
        :returns: in the order of their arrival
        """
        return [decode_json(payload) for payload in self.payloads(kind) if payload]

    def states(self) -> list[tuple[str, str]]:
        """
        Sum up the presence.

        :returns: (state, reason) in the order of their arrival
        """
        return [(state['state'], state['reason']) for state in self.documents('state')]

    def wait_for_document(
        self, kind: str, wanted: Callable[[dict[str, Any]], object]
    ) -> dict[str, Any]:
        """
        Wait for a document.

        :param kind: ``state``, ``info`` or ``health``
        :param wanted: says whether this is the one
        :returns: the newest that is wanted
        """

        def found() -> list[dict[str, Any]]:
            return [document for document in self.documents(kind) if wanted(document)]

        try:
            wait_until(found, 20.0)
        except AssertionError:
            raise AssertionError(f'{kind} was {self.documents(kind)[-1:]}') from None
        return found()[-1]

    def wait_for_state(self, state: str, reason: str, count: int = 1) -> None:
        """
        Wait for a presence document.

        :param state: ``online`` or ``offline``
        :param reason: its reason
        :param count: how often
        """
        try:
            wait_until(lambda: self.states().count((state, reason)) >= count, 20.0)
        except AssertionError:
            raise AssertionError(f'no {state}/{reason} in {self.states()}') from None

    def health_of(
        self, topic: str, wanted: Callable[[dict[str, Any]], object] = bool
    ) -> dict[str, Any]:
        """
        Wait for a route's figures.

        :param topic: ROS topic
        :param wanted: says whether these are the ones
        :returns: the route's entry in the newest such ``health``
        """

        def entries(document: dict[str, Any]) -> Sequence[dict[str, Any]]:
            return [
                entry for entry in document['routes'] if entry['topic'] == topic and wanted(entry)
            ]

        return entries(self.wait_for_document('health', entries))[-1]

    def losses(self, topic: str) -> RouteLosses:
        """
        Sum up the losses of a topic.

        :param topic: ROS topic with one route in all boots
        :returns: as the decoder sees them
        """
        (entry,) = [entry for entry in self.decoder.losses() if entry.topic == topic]
        return entry


def _client() -> Any:
    if hasattr(mqtt, 'CallbackAPIVersion'):
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    return mqtt.Client()


def adds_up(entry: dict[str, Any]) -> bool:
    """
    Tell whether a route's figures in ``health`` account for every accepted sample.

    :param entry: its entry
    :returns: whether accepted = delivered + dropped after acceptance + queued + in flight
    """
    before = {reason.name.lower() for reason in Drop if not reason.sequenced}
    after = sum(count for reason, count in entry['dropped'].items() if reason not in before)
    total: int = entry['delivered'] + after + entry['queued'] + entry['in_flight']
    accepted: int = entry['accepted']
    return total == accepted
