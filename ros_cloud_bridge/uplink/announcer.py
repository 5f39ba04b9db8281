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

"""
What consumers must know beside the samples, and when it is said again.

New and asked-for announcements go at once; repetitions, for brokers that keep nothing retained, go
in rotation and take at most a twentieth of what is sent.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
import math

from ros_cloud_bridge.core.rate import TokenBucket
from ros_cloud_bridge.uplink.parcels import Message
from ros_cloud_bridge.wire.announce import Ask, decode_ask, encode_schema
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.topics import RobotTopics

REPETITION_SHARE = 0.05
# A new route usually comes with others: one info for all of them.
_INFO_DELAY_S = 0.3
_LOOK_S = 0.5
_ASKS_PER_S = 1.0
_ASK_BURST = 5.0
_MAX_CONSUMERS = 256
# Three classes, each with the dictionary in use, the next one and some before.
_MAX_DICTIONARIES = 12


class Announcer:
    """
    Announcements of one bridge.

    :param topics: the robot's MQTT topics
    :param make_state: builds the payload of ``state``
    :param make_info: builds the payload of ``info``
    :param period_s: how often all is said again if the share allows it
    """

    def __init__(
        self,
        topics: RobotTopics,
        make_state: Callable[[], bytes],
        make_info: Callable[[], bytes],
        period_s: float,
    ) -> None:
        self._topics = topics
        self._make_state = make_state
        self._make_info = make_info
        self.period_s = period_s
        self._schemas: dict[str, bytes] = {}
        # Dictionaries by name, and the name of the newest for each topic, which stands retained.
        self._dictionaries: OrderedDict[str, Message] = OrderedDict()
        self._newest: dict[str, str] = {}
        self._due: OrderedDict[str, float] = OrderedDict()
        self._rotation: list[str] = []
        self._rotate_at = 0.0
        self._repeated_bytes = 0
        self._consumers: OrderedDict[str, TokenBucket] = OrderedDict()
        self.asks_refused = 0

    def connected(self, now: float, look_first: bool) -> None:
        """
        Say presence and info on a new connection; schemas stand from before.

        :param now: monotonic seconds
        :param look_first: whether to wait for what stands at ``state``, lest another bridge's
            birth be overwritten before it was seen
        """
        birth = now + _LOOK_S if look_first else now
        self._due['state'] = birth
        self._due.move_to_end('state', last=False)
        self._due['info'] = birth
        # Batches refer to them, and what a broker retains it may have lost.
        for name in self._newest.values():
            self._due[f'dict/{name}'] = birth
        self._rotate_at = now + self.period_s

    def state_changed(self, now: float) -> None:
        """
        Say presence again.

        :param now: monotonic seconds
        """
        self._due['state'] = now

    def route_added(self, schema: Schema | None, now: float) -> None:
        """
        Announce a new route.

        :param schema: its type's definition, if it is known
        :param now: monotonic seconds
        """
        self._due['info'] = now + _INFO_DELAY_S
        if schema is not None and schema.id not in self._schemas:
            self._schemas[schema.id] = encode_schema(schema)
            self._due[f'schema/{schema.id}'] = now

    def dictionary(self, topic: str, name: str, payload: bytes, now: float) -> None:
        """
        Announce the dictionary of a class of batches.

        :param topic: MQTT topic of that class's dictionary
        :param name: hexadecimal
        :param payload: the dictionary
        :param now: monotonic seconds
        """
        self._dictionaries[name] = Message(topic=topic, payload=payload)
        self._dictionaries.move_to_end(name)
        self._newest[topic] = name
        self._due[f'dict/{name}'] = now
        while len(self._dictionaries) > _MAX_DICTIONARIES:
            gone = self._oldest_spare()
            if gone is None:
                return
            del self._dictionaries[gone]
            self._due.pop(f'dict/{gone}', None)
            if f'dict/{gone}' in self._rotation:
                self._rotation.remove(f'dict/{gone}')

    def _oldest_spare(self) -> str | None:
        topics = [message.topic for message in self._dictionaries.values()]
        newest = self._newest.values()
        for index, name in enumerate(self._dictionaries):
            # Batches under way refer to the newest of a class and to the one before it.
            if topics[index + 1 :].count(topics[index]) >= 2 and name not in newest:
                return name
        return None

    def asked(self, consumer: str, payload: bytes, now: float) -> Ask:
        """
        Take in a consumer's request.

        :param consumer: its name in the topic
        :param payload: the request
        :param now: monotonic seconds
        :returns: what it asks for beyond announcements (routes, latched); nothing when it asks too
            often
        :raises ProtocolError: when the request is malformed
        """
        bucket = self._consumers.pop(consumer, None) or TokenBucket(_ASKS_PER_S, _ASK_BURST, now)
        self._consumers[consumer] = bucket
        if len(self._consumers) > _MAX_CONSUMERS:
            self._consumers.popitem(last=False)
        if bucket.wait_s(now) > 0:
            self.asks_refused += 1
            return Ask()
        bucket.take(1, now)
        ask = decode_ask(payload)
        if ask.info:
            self._due['info'] = now
            self._due['state'] = now
        for schema_id in ask.schemas:
            if schema_id in self._schemas:
                self._due[f'schema/{schema_id}'] = now
        for name in ask.dictionaries:
            if name in self._dictionaries:
                self._due[f'dict/{name}'] = now
        return ask

    def say_again(self, now: float) -> None:
        """
        Say everything again, whatever its turn.

        :param now: monotonic seconds
        """
        schemas = [f'schema/{schema_id}' for schema_id in self._schemas]
        dictionaries = [f'dict/{name}' for name in self._newest.values()]
        for key in ('state', 'info', *schemas, *dictionaries):
            self._due[key] = now

    def next(self, now: float) -> Message | None:
        """
        Give the next announcement that is due.

        :param now: monotonic seconds
        :returns: the message, or None
        """
        for key, due in self._due.items():
            if due <= now:
                del self._due[key]
                return self._message(key)
        return None

    def next_state(self, now: float) -> Message | None:
        """
        Give presence, if it is to be said now.

        :param now: monotonic seconds
        :returns: the message, or None
        """
        if self._due.get('state', now + 1.0) > now:
            return None
        del self._due['state']
        return self._message('state')

    def waits(self, now: float) -> bool:
        """
        Tell whether an announcement is due.

        :param now: monotonic seconds
        :returns: whether :meth:`next` has one
        """
        return any(due <= now for due in self._due.values())

    def next_repetition(self, now: float, sent_bytes: int, latched: Iterable[str]) -> str | None:
        """
        Give what to say again, if its turn has come and the share allows it.

        :param now: monotonic seconds
        :param sent_bytes: everything sent since boot
        :param latched: topics with latched values
        :returns: a latched topic to send again; other repetitions become due by themselves
        """
        if not self._rotation:
            if now < self._rotate_at:
                return None
            self._rotate_at = now + self.period_s
            self._rotation = ['info', *(f'schema/{key}' for key in self._schemas), *latched]
            self._rotation += [f'dict/{name}' for name in self._newest.values()]
        if self._repeated_bytes > REPETITION_SHARE * sent_bytes:
            return None
        key = self._rotation.pop(0)
        if key.startswith('/'):
            return key
        self._due.setdefault(key, now)
        self.repeated(len(self._message(key).payload))
        return None

    def repeated(self, size: int) -> None:
        """
        Charge a repetition.

        :param size: bytes
        """
        self._repeated_bytes += size

    def next_due(self) -> float:
        """
        Say when to look again.

        :returns: monotonic seconds
        """
        # What is left of a rotation waits for its share: it is looked for after each message.
        rotate_at = math.inf if self._rotation else self._rotate_at
        return min([rotate_at, *self._due.values()])

    def _message(self, key: str) -> Message:
        if key == 'state':
            return Message(topic=self._topics.state, payload=self._make_state(), retain=True)
        if key == 'info':
            return Message(topic=self._topics.info, payload=self._make_info(), retain=True)
        name = key.removeprefix('dict/')
        if name != key:
            message = self._dictionaries[name]
            # An older one, which somebody has asked for, must not stand in the newest one's place.
            return replace(message, retain=self._newest[message.topic] == name)
        schema_id = key.removeprefix('schema/')
        return Message(
            topic=self._topics.schema(schema_id), payload=self._schemas[schema_id], retain=True
        )
