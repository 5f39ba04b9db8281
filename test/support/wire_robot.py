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

"""A robot's bridge as the protocol describes it, without ROS: says what a test tells it to."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
import secrets
import threading
import time
from types import TracebackType
from typing import Any

import numpy as np
from rosbags.typesys import get_typestore, Stores
from rosbags.typesys.store import Typestore

from ros_cloud_bridge.mqtt.events import Connected, Outgoing, SessionEvent
from ros_cloud_bridge.mqtt.events import Received as MqttReceived
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.values import MqttConfig, Priority, Received
from ros_cloud_bridge.wire.announce import Ask, decode_ask, encode_json, encode_schema
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.topics import RobotTopics

from .broker import Broker
from .waiting import wait_until

ROOT = 'rcb/v1'
OWN_TYPE = 'mine/msg/Level'
OWN_TEXT = 'std_msgs/Header header\nfloat32 level\nuint8[] raw\nstring from\n'


@cache
def typestore() -> Typestore:
    """
    Give a type store with the types of ROS and one that no consumer knows by itself.

    :returns: the store, the same for all tests
    """
    from rosbags.typesys import get_types_from_msg

    store = get_typestore(Stores.ROS2_KILTED)
    store.register(get_types_from_msg(OWN_TEXT, OWN_TYPE))
    return store


def schema_of(type_name: str) -> Schema:
    """
    Describe a type.

    :param type_name: as in ``sensor_msgs/msg/Imu``
    :returns: its schema
    """
    text, _ = typestore().generate_msgdef(type_name, ros_version=2)
    return Schema(type_name=type_name, definition=text, rihs01=typestore().hash_rihs01(type_name))


def level_cdr(level: float, raw: bytes = b'\1\2\3', text: str = 'tank') -> bytes:
    """
    Serialize a message of the type that no consumer knows by itself.

    :param level: value of its one number
    :param raw: its byte array
    :param text: its string, also the header's frame
    :returns: CDR with its encapsulation header
    """
    types = typestore().types
    stamp = types['builtin_interfaces/msg/Time'](sec=12, nanosec=34)
    header = types['std_msgs/msg/Header'](stamp=stamp, frame_id=text)
    message = types[OWN_TYPE](header, level, np.frombuffer(raw, np.uint8), text)
    return bytes(typestore().serialize_cdr(message, OWN_TYPE))


@dataclass
class RouteOfTest:
    """One route: what it stands for and the next sequence number."""

    number: int
    descriptor: Descriptor
    schema: Schema
    latched: bool
    encoder: BlockEncoder
    next_sequence: int = 1


class WireRobot:
    """
    Publishes batches to a broker as a bridge would; answers no request by itself.

    :param broker: running broker
    :param robot_id: the robot
    """

    def __init__(self, broker: Broker, robot_id: str = 'rover') -> None:
        self.topics = RobotTopics(ROOT, robot_id)
        self.robot_id = robot_id
        self.boot = secrets.token_bytes(8)
        self.routes: list[RouteOfTest] = []
        self.asks: list[Ask] = []
        # Entries of info's streams.
        self.streams: list[dict[str, object]] = []
        self._number = 0
        self._lock = threading.Lock()
        self._connected = threading.Event()
        self._session = Session(
            MqttConfig(host=broker.host, port=broker.port),
            client_id=f'robot-{robot_id}-{self.boot.hex()}'[:23],
            subscriptions=[f'{ROOT}/{robot_id}/ask/+'],
            on_event=self._on_event,
        )

    def __enter__(self) -> 'WireRobot':
        self._session.start()
        assert self._connected.wait(15.0), 'the robot does not reach the broker'
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.stop(5.0)

    def route(self, topic: str, type_name: str = OWN_TYPE, *, latched: bool = False) -> int:
        """
        Make a route.

        :param topic: ROS topic
        :param type_name: its type
        :param latched: whether ``info`` calls it latched
        :returns: its number
        """
        schema = schema_of(type_name)
        return self.add_route(topic, schema, latched=latched)

    def add_route(self, topic: str, schema: Schema, *, latched: bool = False) -> int:
        """
        Make a route of any schema.

        :param topic: ROS topic
        :param schema: its type's schema
        :param latched: whether ``info`` calls it latched
        :returns: its number
        """
        number = len(self.routes)
        descriptor = Descriptor(
            stream='all', topic=topic, type_name=schema.type_name, schema_id=schema.id
        )
        self.routes.append(RouteOfTest(number, descriptor, schema, latched, BlockEncoder()))
        return number

    def birth(self, *, online: bool = True, retain: bool = True) -> None:
        """
        Say ``state``.

        :param online: or offline, after a shutdown
        :param retain: whether the broker shall keep it
        """
        document = {
            'version': 1,
            'robot_id': self.robot_id,
            'state': 'online' if online else 'offline',
            'reason': 'birth' if online else 'shutdown',
            'boot_id': self.boot.hex(),
            'connection': 1,
        }
        self.publish(self.topics.state, encode_json(document), retain=retain)

    def info(self, *, retain: bool = True) -> None:
        """
        Say ``info``.

        :param retain: whether the broker shall keep it
        """
        routes = [
            {
                'route': route.number,
                'stream': route.descriptor.stream,
                'topic': route.descriptor.topic,
                'type': route.descriptor.type_name,
                'schema': route.descriptor.schema_id,
                'latched': route.latched,
            }
            for route in self.routes
        ]
        boot_id, streams = self.boot.hex(), self.streams
        document = {'version': 1, 'boot_id': boot_id, 'streams': streams, 'routes': routes}
        self.publish(self.topics.info, encode_json(document), retain=retain)

    def schemas(self, *, retain: bool = True) -> None:
        """
        Say the schemas of all routes.

        :param retain: whether the broker shall keep them
        """
        for route in self.routes:
            topic = self.topics.schema(route.schema.id)
            self.publish(topic, encode_schema(route.schema), retain=retain)

    def announce(self, *, retain: bool = True) -> None:
        """
        Say presence, info and schemas.

        :param retain: whether the broker shall keep them
        """
        self.birth(retain=retain)
        self.info(retain=retain)
        self.schemas(retain=retain)

    def send(
        self,
        route: int,
        cdrs: Sequence[bytes],
        *,
        describe: bool = True,
        totals: dict[int, int] | None = None,
        skip: int = 0,
        source_time_ns: int | None = None,
        waited_ns: int = 0,
        latched: bool = False,
        historical: bool = False,
    ) -> list[int]:
        """
        Send a batch of one section.

        :param route: its route
        :param cdrs: messages
        :param describe: whether the section says what the route stands for
        :param totals: drops that it reports
        :param skip: sequence numbers to leave out before the first
        :param source_time_ns: of the first sample; the next come a microsecond apart
        :param waited_ns: how long they have waited for the batch
        :param latched: publish as the topic's latched value, retained
        :param historical: publish as backlog
        :returns: the sequence numbers
        """
        entry = self.routes[route]
        entry.next_sequence += skip
        first = entry.next_sequence
        entry.next_sequence += len(cdrs)
        now = time.time_ns() if source_time_ns is None else source_time_ns
        section = Section(
            route=route,
            descriptor=entry.descriptor if describe else None,
            sequences=range(first, first + len(cdrs)),
            samples=[
                Received(cdr, now + 1000 * index, now + 1000 * index + 5000)
                for index, cdr in enumerate(cdrs)
            ],
            totals=totals,
        )
        self._number += 1
        sent = now + waited_ns
        batch = Batch(boot=self.boot, number=self._number, sent_time_ns=sent, sections=(section,))
        payload = encode_batch(batch, {route: entry.encoder})
        topic = self.topics.batches(Priority.NORMAL)
        if latched:
            topic = self.topics.latched(entry.descriptor.topic)
        if historical:
            topic = self.topics.backlog
        self.publish(topic, payload, retain=latched)
        return list(range(first, first + len(cdrs)))

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """
        Publish a message and wait for the broker's answer.

        :param topic: MQTT topic
        :param payload: anything
        :param retain: whether the broker shall keep it
        """
        self._session.publish(Outgoing(topic=topic, payload=payload, retain=retain))
        wait_until(lambda: self._session.in_flight == 0, what='PUBACK')

    def _on_event(self, event: SessionEvent) -> None:
        if isinstance(event, Connected):
            self._connected.set()
        elif isinstance(event, MqttReceived):
            self.asks.append(decode_ask(event.payload))


def fields_of(sample: Any) -> Any:
    """
    Decode a sample by the test's own type store.

    :param sample: anything with ``cdr`` and ``type_name``
    :returns: the message
    """
    return typestore().deserialize_cdr(sample.cdr, sample.type_name)
