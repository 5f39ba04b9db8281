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

"""Batches into tables: for analysis, where messages one by one take too long."""

from collections import OrderedDict
from collections.abc import Callable
import time
from typing import Any

from ros_cloud_bridge.cloud.dictionaries import Dictionaries
from ros_cloud_bridge.cloud.documents import boot_of, info_routes
from ros_cloud_bridge.cloud.messages import MessageDecoder
from ros_cloud_bridge.cloud.reassembly import Reassembler
from ros_cloud_bridge.cloud.table import Table, TypeLayout
from ros_cloud_bridge.errors import ProtocolError, UnknownSchema
from ros_cloud_bridge.wire.announce import decode_json, decode_schema
from ros_cloud_bridge.wire.batch import (
    decode_message,
    Descriptor,
    dictionary_of,
    Kind,
    open_batch,
    OpenSection,
)
from ros_cloud_bridge.wire.dictionary import decode_dictionary
from ros_cloud_bridge.wire.fragments import decode_fragment
from ros_cloud_bridge.wire.limits import MAX_PAYLOAD
from ros_cloud_bridge.wire.matrices import Matrix
from ros_cloud_bridge.wire.open_blocks import PlainBlock
from ros_cloud_bridge.wire.program import Definition
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.streams import Pieces
from ros_cloud_bridge.wire.topics import DEFAULT_ROOT, parse_topic, TopicName

_MAX_ROUTES = 65536


class _Robot:
    def __init__(self, quota: int, clock: Callable[[], float]) -> None:
        self.reassembler = Reassembler(quota)
        self.dictionaries = Dictionaries(quota, clock)
        self.routes: OrderedDict[tuple[str, int], Descriptor] = OrderedDict()

    def describe(self, boot_id: str, route: int, descriptor: Descriptor) -> None:
        self.routes[boot_id, route] = descriptor
        self.routes.move_to_end((boot_id, route))
        if len(self.routes) > _MAX_ROUTES:
            self.routes.popitem(last=False)


class ColumnReader:
    """
    Turns MQTT messages of any number of robots into tables of numpy columns, without ROS.

    It does not remember what came: a sample that is sent again is in a table again (robot, boot,
    route and sequence number say which it is), and nothing is put in order. ``skipped`` counts
    samples whose route is not described, or whose schema is not known, yet.

    :param root: the fleet's topic root
    :param max_payload: larger MQTT payloads are refused, bytes
    :param quota: bytes that one robot may hold in incomplete batches, and in those that wait for
        their dictionary
    :param max_robots: most robots; further ones are refused
    :param clock: monotonic seconds, for giving up incomplete batches
    """

    def __init__(
        self,
        *,
        root: str = DEFAULT_ROOT,
        max_payload: int = MAX_PAYLOAD,
        quota: int = 128 * 1024 * 1024,
        max_robots: int = 4096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.skipped = 0
        self._root = root
        self._max_payload = max_payload
        self._quota = quota
        self._max_robots = max_robots
        self._clock = clock
        self._messages = MessageDecoder()
        self._robots: dict[str, _Robot] = {}
        self._layouts: OrderedDict[tuple[str, str], TypeLayout | None] = OrderedDict()

    def feed(self, topic: str, payload: bytes) -> list[Table]:
        """
        Take in one MQTT message.

        :param topic: MQTT topic; what is not of this protocol is ignored
        :param payload: MQTT payload
        :returns: tables, one per route that it has samples of
        :raises ProtocolError: when the message is malformed, hostile or of another version
        """
        name = parse_topic(topic, self._root)
        if name is None or not payload:
            return []
        if len(payload) > self._max_payload:
            raise ProtocolError(f'payload of {len(payload)} bytes is over the limit')
        payload = bytes(payload)
        if name.kind == 'schema':
            schema = decode_schema(payload)
            if name.rest != (schema.id,):
                raise ProtocolError('a schema stands under another id than its own')
            self._messages.add(schema)
            self._layouts.pop((schema.id, schema.type_name), None)
        elif name.kind == 'dict':
            return self._robot(name).dictionaries.release(
                decode_dictionary(payload),
                lambda held: self._tables(*held),
                _size,
            )
        elif name.kind == 'info':
            document = decode_json(payload)
            for route, descriptor in info_routes(document):
                self._robot(name).describe(boot_of('info', document), route, descriptor)
        elif name.kind in ('b', 'latched'):
            return self._feed_batch(name, payload)
        return []

    def _robot(self, name: TopicName) -> _Robot:
        robot = self._robots.get(name.robot_id)
        if robot is None:
            if len(self._robots) >= self._max_robots:
                raise ProtocolError(f'more than {self._max_robots} robots')
            robot = self._robots[name.robot_id] = _Robot(self._quota, self._clock)
        return robot

    def _feed_batch(self, name: TopicName, payload: bytes) -> list[Table]:
        robot = self._robot(name)
        message = decode_message(payload)
        if message[1] == Kind.ABANDONED:
            robot.reassembler.discard(message[2], message[3])
            return []
        if message[1] == Kind.FRAGMENT:
            whole = robot.reassembler.add(decode_fragment(message), self._clock())
            if whole is None:
                return []
            identity = message[2:4]
            message = decode_message(whole)
            if message[1] not in (Kind.BATCH, Kind.ACCOUNT) or message[2:4] != identity:
                raise ProtocolError('fragments hold something else than their batch')
        return [] if message[1] == Kind.ACCOUNT else self._tables(name, message)

    def _tables(self, name: TopicName, message: list[Any]) -> list[Table]:
        robot = self._robot(name)
        needed = dictionary_of(message)
        dictionary = None if needed is None else robot.dictionaries.use(needed)
        if needed is not None and dictionary is None:
            robot.dictionaries.hold(needed, name, message)
            return []
        batch = open_batch(message, dictionary)
        boot_id = batch.boot.hex()
        tables = []
        for section in batch.sections:
            if section.descriptor is not None:
                robot.describe(boot_id, section.route, section.descriptor)
            descriptor = robot.routes.get((boot_id, section.route))
            layout = None if descriptor is None else self._layout(descriptor)
            if descriptor is None or layout is None:
                self.skipped += len(section.block.times.latency_us)
                continue
            historical = name.kind == 'b' and name.rest == ('backlog',)
            tables.append(
                _table(
                    section,
                    descriptor,
                    layout,
                    robot_id=name.robot_id,
                    boot_id=boot_id,
                    historical=historical,
                    sent_time_ns=batch.sent_time_ns,
                )
            )
        return tables

    def trust(self, schema: Schema) -> None:
        """
        Take in a definition without looking whether it hashes to its id.

        :param schema: of one's own making, as of a recording that says no hash
        :raises ValueError: when it cannot be read
        """
        code, names = Definition(schema.definition, schema.type_name).program()
        self._layouts[schema.id, schema.type_name] = TypeLayout.of(code, names)

    def _layout(self, descriptor: Descriptor) -> TypeLayout | None:
        if descriptor.form:
            # Compact forms are restored one by one: Decoder does that.
            return None
        key = (descriptor.schema_id, descriptor.type_name)
        if key not in self._layouts:
            layout = None
            try:
                schema = self._messages.schema(*key)
                code, names = Definition(schema.definition, schema.type_name).program()
                layout = TypeLayout.of(code, names)
            except (UnknownSchema, ProtocolError, ValueError):
                pass
            self._layouts[key] = layout
            if len(self._layouts) > 1024:
                self._layouts.popitem(last=False)
        return self._layouts[key]


def _table(
    section: OpenSection, descriptor: Descriptor, layout: TypeLayout, **facts: Any
) -> Table:
    times = section.block.times
    return Table(
        route=section.route,
        stream=descriptor.stream,
        topic=descriptor.topic,
        type_name=descriptor.type_name,
        sequences=times.sequences,
        source_time_ns=times.source_ns,
        receive_time_ns=times.source_ns + 1000 * times.latency_us,
        block=section.block,
        layout=layout,
        **facts,
    )


def _size(table: Table) -> int:
    """Say about how many bytes a table's samples have."""
    block = table.block
    if isinstance(block, PlainBlock):
        return len(block.raw)
    if isinstance(block, Matrix):
        return len(table) * len(block.template)
    if isinstance(block, Pieces):
        streams = block.streams
        texts = sum(map(len, [*streams.data.values(), *streams.tails, streams.padding]))
        return texts + sum(words.nbytes for words in block.words.values())
    return 0
