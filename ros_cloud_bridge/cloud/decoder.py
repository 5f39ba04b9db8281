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

"""Decode what bridges publish; every byte that comes in counts as hostile."""

from collections.abc import Callable
import re
import time
from typing import Any

from ros_cloud_bridge.cloud.boot import Boot, Waiting
from ros_cloud_bridge.cloud.losses import RouteLosses
from ros_cloud_bridge.cloud.messages import MessageDecoder
from ros_cloud_bridge.cloud.ordering import Orderer
from ros_cloud_bridge.cloud.robot import Robot
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.announce import Ask, decode_json, decode_schema
from ros_cloud_bridge.wire.batch import decode_batch, decode_message, Descriptor, Kind
from ros_cloud_bridge.wire.fragments import decode_fragment
from ros_cloud_bridge.wire.limits import MAX_PAYLOAD, MAX_TEXT
from ros_cloud_bridge.wire.topics import DEFAULT_ROOT, parse_topic, TopicName

_DOCUMENTS = ('state', 'info', 'health')
_MAX_ROUTES_IN_INFO = 4096
_MAX_ASKED = 64
_BOOT_ID = re.compile(r'[0-9a-f]{16}')
_SCHEMA_ID = re.compile(r'([0-9a-f]{16})?')
_INT64_MAX = (1 << 63) - 1


class Decoder:
    """
    Turns MQTT messages of any number of robots into samples, without ROS.

    :param root: the fleet's topic root
    :param ordered: hand each route's samples on in the order of their sequence numbers, within
        bounds; otherwise in the order of their arrival
    :param max_payload: larger MQTT payloads are refused, bytes
    :param quota: bytes that one robot may hold in incomplete batches, again in samples of routes
        not described yet, and again in samples that wait for earlier ones
    :param max_robots: most robots; further ones are refused
    :param clock: monotonic seconds, for giving up incomplete batches
    """

    def __init__(
        self,
        *,
        root: str = DEFAULT_ROOT,
        ordered: bool = False,
        max_payload: int = MAX_PAYLOAD,
        quota: int = 128 * 1024 * 1024,
        max_robots: int = 4096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._ordered = ordered
        self._max_payload = max_payload
        self._quota = quota
        self._max_robots = max_robots
        self._clock = clock
        self._messages = MessageDecoder()
        self._robots: dict[str, Robot] = {}

    @property
    def robots(self) -> dict[str, Robot]:
        """Robots by id, with their newest ``state``, ``info`` and ``health`` documents."""
        return dict(self._robots)

    def feed(self, topic: str, payload: bytes) -> list[Sample]:
        """
        Take in one MQTT message.

        :param topic: MQTT topic; what is not of this protocol is ignored
        :param payload: MQTT payload
        :returns: the samples that it completes, often none
        :raises ProtocolError: when the message is malformed, hostile or of another version; the
            decoder stays usable
        """
        name = parse_topic(topic, self._root)
        if name is None:
            return []
        if len(payload) > self._max_payload:
            raise ProtocolError(
                f'payload of {len(payload)} bytes is over the limit of {self._max_payload}'
            )
        if name.kind in ('b', 'latched'):
            return self._feed_batch(name, bytes(payload))
        if not payload:
            return []
        if name.kind == 'schema':
            schema = decode_schema(payload)
            if name.rest != (schema.id,):
                raise ProtocolError('a schema stands under another id than its own')
            self._messages.add(schema)
        elif name.kind in _DOCUMENTS:
            return self._feed_document(name, decode_json(payload))
        return []

    def losses(self) -> list[RouteLosses]:
        """
        Sum up what each route lost.

        :returns: one entry per robot, boot and route
        """
        return [
            entry
            for robot in self._robots.values()
            for boot in robot.boots.values()
            for entry in boot.losses(robot.robot_id)
        ]

    def flush(self) -> list[Sample]:
        """
        Hand on the samples that wait for earlier ones (only with ``ordered=True``).

        :returns: samples, per route in order
        """
        return [sample for robot in self._robots.values() for sample in robot.flush()]

    def wanted(self) -> dict[str, Ask]:
        """
        Say what to ask which robot for, because samples came in that need it.

        :returns: request by robot id; each need is named once per call until it is met
        """
        asks: dict[str, Ask] = {}
        for robot_id, robot in self._robots.items():
            for schema_id in [wanted for wanted in robot.wanted if wanted in self._messages]:
                del robot.wanted[schema_id]
            ask = Ask(routes=robot.wants_routes, schemas=tuple(robot.wanted)[:_MAX_ASKED])
            if ask:
                asks[robot_id] = ask
        return asks

    def _robot(self, robot_id: str) -> Robot:
        robot = self._robots.get(robot_id)
        if robot is None:
            if len(self._robots) >= self._max_robots:
                raise ProtocolError(f'more than {self._max_robots} robots')
            robot = self._robots[robot_id] = Robot(robot_id, self._quota)
        return robot

    def _feed_batch(self, name: TopicName, payload: bytes) -> list[Sample]:
        if not payload:
            return []
        message = decode_message(payload)
        robot = self._robot(name.robot_id)
        kind = message[1]
        if kind == Kind.ABANDONED:
            robot.reassembler.discard(message[2], message[3])
            return []
        if kind == Kind.FRAGMENT:
            whole = robot.reassembler.add(decode_fragment(message), self._clock())
            if whole is None:
                return []
            identity = message[2:4]
            message = decode_message(whole)
            if message[1] != Kind.BATCH or message[2:4] != identity:
                raise ProtocolError('fragments hold something else than their batch')
        batch = decode_batch(message)
        boot = robot.boot(batch.boot.hex())
        latched = name.kind == 'latched'
        samples = []
        for section in batch.sections:
            if section.descriptor is not None:
                self._describe(robot, boot, section.route, section.descriptor)
                # What came before it has its say on losses before it.
                samples += self._described(robot, boot)
            waiting = Waiting(sent_time_ns=batch.sent_time_ns, section=section, latched=latched)
            if section.route in boot.routes:
                samples += self._release(robot, boot, waiting)
            else:
                robot.wait(boot, waiting)
        return samples

    def _describe(self, robot: Robot, boot: Boot, route: int, descriptor: Descriptor) -> None:
        robot.describe(boot, route, descriptor)
        schema_id = descriptor.schema_id
        if schema_id and not self._messages.knows(schema_id, descriptor.type_name):
            robot.want(schema_id)

    def _described(self, robot: Robot, boot: Boot) -> list[Sample]:
        samples = []
        for waiting in boot.described():
            samples += self._release(robot, boot, waiting)
        if not boot.waiting:
            robot.wants_routes = False
        return samples

    def _release(self, robot: Robot, boot: Boot, waiting: Waiting) -> list[Sample]:
        section = waiting.section
        descriptor = boot.routes[section.route]
        tracker = boot.tracker(section.route)
        fresh = tracker.take(section.sequences, section.totals, waiting.latched)
        samples = [
            Sample(
                robot_id=robot.robot_id,
                topic=descriptor.topic,
                type_name=descriptor.type_name,
                cdr=received.cdr,
                source_time_ns=received.source_time_ns,
                receive_time_ns=received.receive_time_ns,
                sent_time_ns=waiting.sent_time_ns,
                sequence=sequence,
                stream=descriptor.stream,
                historical=False,
                latched=waiting.latched,
                boot_id=boot.boot_id,
                route=section.route,
                schema_id=descriptor.schema_id,
                _decode=self._messages.decode,
                _schema=self._messages.schema,
            )
            for sequence, received, new in zip(
                section.sequences, section.samples, fresh, strict=True
            )
            if new
        ]
        if not self._ordered:
            return samples
        orderer = boot.orderers.setdefault(section.route, Orderer())
        return robot.order(orderer, samples, tracker.missing()[1])

    def _feed_document(self, name: TopicName, document: dict[str, Any]) -> list[Sample]:
        boot_id = document.get('boot_id')
        if not isinstance(boot_id, str) or not _BOOT_ID.fullmatch(boot_id):
            raise ProtocolError(f'{name.kind} has a boot_id of 16 hexadecimal digits')
        routes = document.get('routes', []) if name.kind == 'info' else []
        if not isinstance(routes, list) or len(routes) > _MAX_ROUTES_IN_INFO:
            raise ProtocolError(f'info has at most {_MAX_ROUTES_IN_INFO} routes')
        described = [_route_entry(route) for route in routes]
        robot = self._robot(name.robot_id)
        robot.documents[name.kind] = document
        if name.kind == 'health' and boot_id in robot.boots:
            for number, dropped in _health_entries(document):
                robot.boots[boot_id].hear(number, dropped)
        if name.kind != 'info':
            return []
        boot = robot.boot(boot_id)
        for route, descriptor in described:
            self._describe(robot, boot, route, descriptor)
        return self._described(robot, boot)


def _health_entries(document: dict[str, Any]) -> list[tuple[int, dict[str, int]]]:
    routes = document.get('routes', [])
    if not isinstance(routes, list) or len(routes) > _MAX_ROUTES_IN_INFO:
        raise ProtocolError(f'health has at most {_MAX_ROUTES_IN_INFO} routes')
    entries = []
    for route in routes:
        number = route.get('route') if isinstance(route, dict) else None
        dropped = route.get('dropped', {}) if isinstance(route, dict) else None
        if type(number) is not int or not isinstance(dropped, dict) or len(dropped) > 64:
            raise ProtocolError('a route in health has its number and what was dropped')
        if any(type(count) is not int or len(reason) > 64 for reason, count in dropped.items()):
            raise ProtocolError('drops in health are counts by reason')
        entries.append((number, dropped))
    return entries


def _route_entry(entry: object) -> tuple[int, Descriptor]:
    if isinstance(entry, dict):
        number = entry.get('route')
        texts = [entry.get(key) for key in ('stream', 'topic', 'type', 'schema')]
        if (
            type(number) is int
            and 0 <= number <= _INT64_MAX
            and all(isinstance(text, str) and _is_text(text) for text in texts)
            and _SCHEMA_ID.fullmatch(str(texts[3]))
        ):
            stream, topic, type_name, schema_id = map(str, texts)
            return number, Descriptor(
                stream=stream, topic=topic, type_name=type_name, schema_id=schema_id
            )
    raise ProtocolError('a route in info has route, stream, topic, type and schema')


def _is_text(text: str) -> bool:
    # JSON can name halves of surrogate pairs, on which whoever writes the text out would fail.
    return len(text) <= MAX_TEXT and not any('\ud800' <= letter <= '\udfff' for letter in text)
