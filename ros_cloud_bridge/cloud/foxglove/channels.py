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

"""The channels of a Foxglove server: one for each topic of each robot."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
import json
import logging
import threading
import time
from typing import Any

import foxglove

from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.cloud.topic_names import TopicNames
from ros_cloud_bridge.errors import ProtocolError, UnknownForm, UnknownSchema
from ros_cloud_bridge.wire.batch import Descriptor
from ros_cloud_bridge.wire.schema import Schema

# What robots say they have costs memory here and in each client.
_MAX_CHANNELS = 8192
# Of last values of latched topics, all together.
_MAX_LATCHED_BYTES = 256 * 1024 * 1024
_HEALTH = 'bridge/health'
# So many messages at once are followed by a pause.
_BURST = 256
_BURST_S = 0.05
_BREATH_S = 0.005

_log = logging.getLogger(__name__)

_Key = tuple[str, str, str, str]


def _numbers(*names: str) -> dict[str, Any]:
    return {'type': 'object', 'properties': {name: {'type': 'number'} for name in names}}


# What clients offer for plots; the rest of the document is there all the same.
_LINK = _numbers(
    'rate_bytes_per_s',
    'rtt_s',
    'base_rtt_s',
    'queue_delay_s',
    'window_bytes',
    'in_flight_bytes',
    'sent_bytes',
)
_HEALTH_SCHEMA = foxglove.Schema(
    name='ros_cloud_bridge.Health',
    encoding='jsonschema',
    data=json.dumps(
        {
            'type': 'object',
            'properties': {
                'uptime_s': {'type': 'number'},
                'link': _LINK,
                'spool': _numbers('bytes', 'samples', 'oldest_age_s'),
            },
        }
    ).encode(),
)


@dataclass(slots=True)
class _Entry:
    channel: foxglove.Channel
    robot_id: str
    stream: str
    # The newest in which the topic had this type.
    boot_id: str
    latched: Sample | None = None


class Channels:
    """
    Hands samples on to whoever has subscribed to them; usable from several threads.

    A topic's channel is there from when it is known of what type the topic is, so that a client
    can subscribe to what does not flow before somebody wants it. It goes when the robot has the
    topic no more, or with another type: of two channels of one topic clients show but one.

    :param context: of the server
    :param names: which names topics get
    :param wanted: says which topics are served
    """

    def __init__(
        self, context: foxglove.Context, names: TopicNames, wanted: Callable[[str], bool]
    ) -> None:
        self.samples = 0
        self._context = context
        self._names = names
        self._wanted = wanted
        self._lock = threading.Lock()
        self._entries: dict[_Key, _Entry] = {}
        self._by_id: dict[int, _Entry] = {}
        self._types: dict[tuple[str, str], set[_Key]] = {}
        self._health: dict[str, tuple[foxglove.Channel, object]] = {}
        self._latched_bytes = 0
        self._gone: list[foxglove.Channel] = []
        self._burst_began = 0.0
        self._burst = 0
        self._said_full = False

    def sample(self, sample: Sample) -> None:
        """
        Hand a sample on.

        :param sample: from a consumer; one whose schema has not come yet is passed over
        """
        if not self._wanted(sample.topic):
            return
        key = sample.robot_id, sample.topic, sample.type_name, sample.schema_id
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                if sample.historical and key[:2] in self._types:
                    # Of what the topic was once.
                    return
                try:
                    entry = self._open(key, sample.stream, sample.boot_id, sample.schema())
                except UnknownSchema:
                    return
            if entry is None:
                return
            if sample.latched:
                self._keep(entry, sample)
        self._close_gone()
        if entry.channel.has_sinks():
            self._hand_on(entry, sample)

    def advertise(
        self, robot_id: str, boot_id: str, topic: str, stream: str, schema: Schema
    ) -> None:
        """
        Offer a topic of which no sample has come.

        :param robot_id: whose it is
        :param boot_id: the boot that has it
        :param topic: what the robot calls it
        :param stream: the stream that it belongs to
        :param schema: of its type
        """
        key = robot_id, topic, schema.type_name, schema.id
        if not self._wanted(topic):
            return
        with self._lock:
            if key not in self._entries:
                self._open(key, stream, boot_id, schema)
        self._close_gone()

    def keep(self, robot_id: str, boot_id: str, routes: Collection[Descriptor]) -> None:
        """
        Take back what a robot has no more.

        :param robot_id: the robot
        :param boot_id: of what it says
        :param routes: all that it has
        """
        has = {(one.topic, one.type_name, one.schema_id) for one in routes}
        with self._lock:
            for key, entry in list(self._entries.items()):
                if key[0] == robot_id and key[1:] in has:
                    entry.boot_id = boot_id
                elif key[0] == robot_id:
                    self._drop(key)
        self._close_gone()

    def health(self, robot_id: str, document: dict[str, Any]) -> None:
        """
        Hand on what a robot says of its bridge, as JSON.

        :param robot_id: the robot
        :param document: the newest ``health``
        """
        with self._lock:
            channel, last = self._health.get(robot_id, (None, None))
            if document is last:
                return
            if channel is None:
                if self._full():
                    return
                channel = foxglove.Channel(
                    self._names.name(robot_id, _HEALTH),
                    message_encoding='json',
                    schema=_HEALTH_SCHEMA,
                    context=self._context,
                )
            self._health[robot_id] = channel, document
        if channel.has_sinks():
            channel.log(json.dumps(document).encode())

    def stream_of(self, channel_id: int) -> tuple[str, str] | None:
        """
        Say what a client has subscribed to.

        :param channel_id: of the server's
        :returns: robot id and stream; None for a channel that belongs to none
        """
        with self._lock:
            entry = self._by_id.get(channel_id)
        return None if entry is None else (entry.robot_id, entry.stream)

    def repeat(self, channel_id: int) -> None:
        """
        Hand the last value of a latched topic on once more, for somebody has come late.

        :param channel_id: of the server's
        """
        with self._lock:
            entry = self._by_id.get(channel_id)
            sample = entry.latched if entry is not None else None
        if entry is not None and sample is not None:
            self._hand_on(entry, sample)

    def close(self) -> None:
        """Take all channels back."""
        with self._lock:
            for key in list(self._entries):
                self._drop(key)
            self._gone += [channel for channel, _ in self._health.values()]
            self._health.clear()
        self._close_gone()

    def _drop(self, key: _Key) -> None:
        entry = self._entries.pop(key)
        del self._by_id[entry.channel.id()]
        self._types[key[:2]].discard(key)
        if not self._types[key[:2]]:
            del self._types[key[:2]]
        self._latched_bytes -= 0 if entry.latched is None else len(entry.latched.cdr)
        self._gone.append(entry.channel)

    def _close_gone(self) -> None:
        """Close channels without the lock: those who had subscribed are told meanwhile."""
        while self._gone:
            with self._lock:
                gone, self._gone = self._gone, []
            for channel in gone:
                channel.close()

    def _full(self) -> bool:
        if len(self._entries) + len(self._health) < _MAX_CHANNELS:
            return False
        if not self._said_full:
            self._said_full = True
            _log.warning('more than %d topics: the others are not served', _MAX_CHANNELS)
        return True

    def _open(self, key: _Key, stream: str, boot_id: str, schema: Schema) -> _Entry | None:
        robot_id, topic, type_name, _ = key
        for other in tuple(self._types.get(key[:2], ())):
            # One boot may have a topic with two types, but of an earlier one they are no more.
            if self._entries[other].boot_id != boot_id:
                self._drop(other)
        if self._full():
            return None
        channel = foxglove.Channel(
            self._names.name(robot_id, topic),
            message_encoding='cdr',
            schema=foxglove.Schema(
                name=type_name, encoding=schema.encoding, data=schema.definition.encode()
            ),
            context=self._context,
            metadata={'robot_id': robot_id, 'stream': stream, 'topic': topic},
        )
        entry = self._entries[key] = _Entry(channel, robot_id, stream, boot_id)
        self._by_id[channel.id()] = entry
        self._types.setdefault(key[:2], set()).add(key)
        return entry

    def _keep(self, entry: _Entry, sample: Sample) -> None:
        held = 0 if entry.latched is None else len(entry.latched.cdr)
        size = self._latched_bytes - held + len(sample.cdr)
        # None rather than one that holds no more.
        fits = size <= _MAX_LATCHED_BYTES
        entry.latched = sample if fits else None
        self._latched_bytes = size if fits else self._latched_bytes - held

    def _hand_on(self, entry: _Entry, sample: Sample) -> None:
        try:
            data = sample.plain()
        except (UnknownForm, ProtocolError) as error:
            _log.debug('%r %r: %s', sample.robot_id, sample.topic, error)
            return
        self.samples += 1
        entry.channel.log(data, log_time=max(0, sample.receive_time_ns))
        self._breathe()

    def _breathe(self) -> None:
        """
        Let the server's threads send what came all at once.

        For each client 1,024 messages wait at most, and a batch may hold many more: without a
        pause the oldest of them would be lost to one who takes them as fast as can be.
        """
        now = time.monotonic()
        if now - self._burst_began > _BURST_S:
            self._burst_began, self._burst = now, 0
        self._burst += 1
        if self._burst % _BURST == 0:
            time.sleep(_BREATH_S)
