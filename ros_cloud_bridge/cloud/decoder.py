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

from collections.abc import Callable, Iterable
import math
import time
from typing import Any

from ros_cloud_bridge.cloud.boot import Boot, Waiting
from ros_cloud_bridge.cloud.documents import (
    boot_of,
    DOCUMENTS,
    durable_streams,
    health_entries,
    info_routes,
)
from ros_cloud_bridge.cloud.durable import DurableTracker
from ros_cloud_bridge.cloud.losses import RouteLosses, RouteTracker
from ros_cloud_bridge.cloud.messages import MessageDecoder
from ros_cloud_bridge.cloud.ordering import DEFAULT_WAIT_S, DurableOrderer, Orderer
from ros_cloud_bridge.cloud.robot import DEFAULT_MAX_BOOTS, Robot
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.cloud.seen import Seen
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.registry import restore
from ros_cloud_bridge.wire.account import Account, decode_account
from ros_cloud_bridge.wire.announce import Ask, decode_json, decode_schema
from ros_cloud_bridge.wire.batch import (
    decode_batch,
    decode_message,
    Descriptor,
    dictionary_of,
    Kind,
    Section,
)
from ros_cloud_bridge.wire.codecs import Dictionary
from ros_cloud_bridge.wire.dictionary import decode_dictionary
from ros_cloud_bridge.wire.fragments import decode_fragment
from ros_cloud_bridge.wire.limits import MAX_PAYLOAD
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.topics import DEFAULT_ROOT, parse_topic, TopicName

_BACKLOG = ('backlog',)
_MAX_ASKED = 64
_LOOK_S = 1.0


class Decoder:
    """
    Turns MQTT messages of any number of robots into samples, without ROS.

    :param root: the fleet's topic root
    :param ordered: hand each route's samples on in the order of their sequence numbers, within
        bounds; otherwise in the order of their arrival. Samples of a durable route wait until
        what lies before them has come or was told as a gap, also over backlog: with a stream whose
        backlog goes newest first, that is until its oldest has come
    :param max_payload: larger MQTT payloads are refused, bytes
    :param quota: bytes that one robot may hold in incomplete batches, again in samples of routes
        not described yet, and again in samples that wait for earlier ones
    :param max_robots: most robots; further ones are refused
    :param max_boots: most boots of a robot that are remembered; what comes of a forgotten one
        could be handed on a second time. Those of which something durable is still to come are
        forgotten last
    :param consumer: the name that streams know this consumer by as ``confirm_by``: in order, their
        samples begin with number 1; those of other routes with the first that comes
    :param max_wait_s: how long samples of a durable route wait for earlier ones when in order;
        ``math.inf`` to be stopped by the bounds in memory alone
    :param clock: monotonic seconds, for giving up incomplete batches and waiting
    :param on_account: takes a robot's id and what it says of its durable routes, once that counts
    :param on_repeat: takes the robot's id, boot and route of durable samples that came again: the
        robot has not heard that they are held
    """

    def __init__(
        self,
        *,
        root: str = DEFAULT_ROOT,
        ordered: bool = False,
        max_payload: int = MAX_PAYLOAD,
        quota: int = 128 * 1024 * 1024,
        max_robots: int = 4096,
        max_boots: int = DEFAULT_MAX_BOOTS,
        consumer: str = '',
        max_wait_s: float = DEFAULT_WAIT_S,
        clock: Callable[[], float] = time.monotonic,
        on_account: Callable[[str, Account], None] | None = None,
        on_repeat: Callable[[str, str, int], None] | None = None,
    ) -> None:
        self._root = root
        self._ordered = ordered
        self._max_payload = max_payload
        self._quota = quota
        self._max_robots = max_robots
        self._max_boots = max_boots
        self._consumer = consumer
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._next_look = -math.inf
        self._on_account = on_account
        self._on_repeat = on_repeat
        self._messages = MessageDecoder()
        self._robots: dict[str, Robot] = {}

    @property
    def robots(self) -> dict[str, Robot]:
        """Robots by id, with their newest ``state``, ``info`` and ``health`` documents."""
        return dict(self._robots)

    def document(self, robot_id: str, kind: str) -> dict[str, Any] | None:
        """
        Give a robot's newest document of a kind.

        :param robot_id: the robot
        :param kind: ``state``, ``info`` or ``health``
        :returns: the document, which is never changed but replaced; None while there is none
        """
        robot = self._robots.get(robot_id)
        return None if robot is None else robot.documents.get(kind)

    def schema(self, schema_id: str, type_name: str) -> Schema | None:
        """
        Give a type's definition, where no sample is at hand.

        :param schema_id: 16 hexadecimal digits
        :param type_name: as in ``sensor_msgs/msg/Imu``
        :returns: the schema; None while it has not arrived
        """
        if not schema_id or not self._messages.knows(schema_id, type_name):
            return None
        return self._messages.schema(schema_id, type_name)

    def feed(self, topic: str, payload: bytes) -> list[Sample]:
        """
        Take in one MQTT message.

        :param topic: MQTT topic; what is not of this protocol is ignored
        :param payload: MQTT payload
        :returns: the samples that it completes, often none
        :raises ProtocolError: when the message is malformed, hostile or of another version; the
            decoder stays usable
        """
        samples = self._feed(topic, payload)
        if self._ordered and (now := self._clock()) >= self._next_look:
            self._next_look = now + _LOOK_S
            for robot in self._robots.values():
                samples += robot.overdue(now)
        return samples

    def _feed(self, topic: str, payload: bytes) -> list[Sample]:
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
        elif name.kind == 'dict':
            robot = self._robot(name.robot_id)
            return self._feed_dictionary(robot, decode_dictionary(payload))
        elif name.kind in DOCUMENTS:
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

    def seen(self) -> list[Seen]:
        """
        Sum up what was handed on of durable routes, for :meth:`restore` after a restart.

        Write it down once the samples that were handed on are: what it holds will not come again.
        A route is known as durable once ``info``, backlog or an account has said so.

        :returns: one entry per robot, boot and durable route
        """
        return [
            entry
            for robot in self._robots.values()
            for boot in robot.boots.values()
            for entry in boot.seen(robot.robot_id)
        ]

    def restore(self, seen: Iterable[Seen]) -> None:
        """
        Take in what an earlier decoder had handed on, so that it is not handed on again.

        :param seen: what :meth:`seen` gave, the least recently used boots first
        :raises ProtocolError: when there are more robots than the decoder takes
        """
        for entry in seen:
            robot = self._robot(entry.robot_id)
            boot = robot.boot(entry.boot_id)
            if entry.descriptor is not None:
                self._describe(robot, boot, entry.route, entry.descriptor)
            tracker = boot.durable(entry.route)
            tracker.restore(entry.ranges, entry.gaps, entry.committed)
            tracker.closed |= entry.closed

    @property
    def given_up(self) -> int:
        """Batches of all robots whose dictionary did not come."""
        return sum(robot.dictionaries.given_up for robot in self._robots.values())

    def flush(self) -> list[Sample]:
        """
        Hand on the samples that wait for earlier ones (only with ``ordered=True``).

        :returns: samples, per route in order
        """
        return [sample for robot in self._robots.values() for sample in robot.flush()]

    def wanted(self) -> dict[str, Ask]:
        """
        Say what to ask which robot for, because samples came in that need it.

        What has waited for a dictionary for too long is given up here; to be called now and then.

        :returns: request by robot id; each need is named once per call until it is met
        """
        asks: dict[str, Ask] = {}
        for robot_id, robot in self._robots.items():
            for schema_id in [wanted for wanted in robot.wanted if wanted in self._messages]:
                del robot.wanted[schema_id]
            ask = Ask(
                routes=robot.wants_routes,
                schemas=tuple(robot.wanted)[:_MAX_ASKED],
                dictionaries=robot.dictionaries.wanted,
            )
            if ask:
                asks[robot_id] = ask
        return asks

    def _robot(self, robot_id: str) -> Robot:
        robot = self._robots.get(robot_id)
        if robot is None:
            if len(self._robots) >= self._max_robots:
                raise ProtocolError(f'more than {self._max_robots} robots')
            robot = self._robots[robot_id] = Robot(
                robot_id, self._quota, self._max_boots, self._clock
            )
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
            if message[1] not in (Kind.BATCH, Kind.ACCOUNT) or message[2:4] != identity:
                raise ProtocolError('fragments hold something else than their batch')
        return self._feed_whole(robot, name, message)

    def _feed_whole(self, robot: Robot, name: TopicName, message: list[Any]) -> list[Sample]:
        latched = name.kind == 'latched'
        historical = not latched and name.rest == _BACKLOG
        if message[1] == Kind.ACCOUNT:
            if not historical:
                raise ProtocolError('accounts stand on b/backlog alone')
            return self._feed_account(robot, decode_account(message))
        needed = dictionary_of(message)
        dictionary = None
        if needed is not None:
            dictionary = robot.dictionaries.use(needed)
            if dictionary is None:
                robot.dictionaries.hold(needed, name, message)
                return []
        batch = decode_batch(message, dictionary)
        boot = robot.boot(batch.boot.hex())
        samples = []
        for section in batch.sections:
            if section.descriptor is not None:
                self._describe(robot, boot, section.route, section.descriptor)
                # What came before it has its say on losses before it.
                samples += self._described(robot, boot)
            waiting = Waiting(
                sent_time_ns=batch.sent_time_ns,
                section=section,
                latched=latched,
                historical=historical,
            )
            if section.route in boot.routes:
                samples += self._release(robot, boot, waiting)
            else:
                robot.wait(boot, waiting)
        return samples

    def _feed_dictionary(self, robot: Robot, dictionary: Dictionary) -> list[Sample]:
        return robot.dictionaries.release(
            dictionary,
            lambda held: self._feed_whole(robot, *held),
            lambda sample: len(sample.cdr),
        )

    def _feed_account(self, robot: Robot, account: Account) -> list[Sample]:
        boot = robot.boot(account.boot.hex())
        samples = []
        for entry in account.routes:
            if entry.descriptor is not None:
                self._describe(robot, boot, entry.route, entry.descriptor)
                samples += self._described(robot, boot)
            elif entry.route not in boot.routes:
                robot.wants_routes = True
                if boot.full and entry.route not in boot.trackers:
                    continue
            tracker = boot.durable(entry.route)
            tracker.tell(entry.committed, entry.closed, entry.gaps)
            if entry.route in boot.orderers:
                samples += self._order(robot, boot, entry.route, tracker, [])
        if self._on_account is not None:
            self._on_account(robot.robot_id, account)
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
        if waiting.historical:
            boot.durable(section.route)
        tracker = boot.tracker(section.route)
        if (
            self._on_repeat
            and isinstance(tracker, DurableTracker)
            and tracker.knows_any(section.sequences)
        ):
            # Before it is taken in: what then counts as not come is handed on right now.
            self._on_repeat(robot.robot_id, boot.boot_id, section.route)
        fresh = tracker.take(section.sequences, section.totals, waiting.latched)
        restore = self._restore(robot, boot, section, descriptor.form)
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
                historical=waiting.historical,
                latched=waiting.latched,
                boot_id=boot.boot_id,
                route=section.route,
                schema_id=descriptor.schema_id,
                form=descriptor.form,
                _restore=restore,
                _decode=self._messages.decode,
                _schema=self._messages.schema,
            )
            for sequence, received, new in zip(
                section.sequences, section.samples, fresh, strict=True
            )
            if new
        ]
        return self._order(robot, boot, section.route, tracker, samples)

    @staticmethod
    def _restore(
        robot: Robot, boot: Boot, section: Section, form: str
    ) -> Callable[[str, bytes], bytes]:
        if not form:
            return restore
        restorer = robot.restorers.restorer(boot.boot_id, section.route, form)
        if restorer is None:
            return restore
        for received in section.samples:
            restorer.note(received.cdr)
        return restorer.restore

    def _order(
        self, robot: Robot, boot: Boot, route: int, tracker: RouteTracker, samples: list[Sample]
    ) -> list[Sample]:
        if not self._ordered:
            return samples
        if not isinstance(tracker, DurableTracker):
            orderer = boot.orderers.get(route)
            if not isinstance(orderer, Orderer):
                orderer = boot.orderers[route] = Orderer()
            unexplained = tracker.missing()[1]
            return robot.order(orderer, lambda: orderer.push(samples, unexplained))
        return self._order_durable(robot, boot, route, tracker, samples)

    def _order_durable(
        self, robot: Robot, boot: Boot, route: int, tracker: DurableTracker, samples: list[Sample]
    ) -> list[Sample]:
        orderer = boot.orderers.get(route)
        if not isinstance(orderer, DurableOrderer):
            descriptor = boot.routes.get(route)
            confirmed_by = robot.confirmed_by.get(descriptor.stream if descriptor else '')
            begin = tracker.begin
            if self._consumer and confirmed_by == self._consumer:
                begin = 0
            if orderer is not None:
                # It became durable, or is known as such now.
                samples = [*robot.take_back(orderer), *samples]
                begin = orderer.last if begin is None else begin
            orderer = DurableOrderer(tracker.settled.covers, begin, self._max_wait_s)
            boot.orderers[route] = orderer
        now = self._clock()
        return robot.order(orderer, lambda: orderer.push(samples, now))

    def _feed_document(self, name: TopicName, document: dict[str, Any]) -> list[Sample]:
        boot_id = boot_of(name.kind, document)
        routes = info_routes(document) if name.kind == 'info' else []
        robot = self._robot(name.robot_id)
        robot.documents[name.kind] = document
        if name.kind == 'health' and boot_id in robot.boots:
            for number, dropped in health_entries(document):
                robot.boots[boot_id].hear(number, dropped)
        if name.kind != 'info':
            return []
        boot = robot.boot(boot_id)
        robot.confirmed_by = durable_streams(document)
        boot.durable_streams = frozenset(robot.confirmed_by)
        for route, descriptor in routes:
            self._describe(robot, boot, route, descriptor)
        for route in [*boot.trackers]:
            if route in boot.routes and boot.routes[route].stream in boot.durable_streams:
                boot.durable(route)
        return self._described(robot, boot)
