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

from collections.abc import Callable
from dataclasses import dataclass
import json
import logging
import threading
from typing import Any

import foxglove

from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.cloud.topic_names import TopicNames
from ros_cloud_bridge.errors import ProtocolError, UnknownForm, UnknownSchema
from ros_cloud_bridge.wire.schema import Schema

# What robots say they have costs memory here and in each client.
_MAX_CHANNELS = 8192
# Of last values of latched topics, all together.
_MAX_LATCHED_BYTES = 256 * 1024 * 1024
_HEALTH = 'bridge/health'

_log = logging.getLogger(__name__)

_Key = tuple[str, str, str, str]


@dataclass(slots=True)
class _Entry:
    channel: foxglove.Channel
    robot_id: str
    stream: str
    latched: Sample | None = None


class Channels:
    """
    Hands samples on to whoever has subscribed to them; usable from several threads.

    A topic's channel is there from when it is known of what type the topic is, so that a client
    can subscribe to what does not flow before somebody wants it.

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
        self._health: dict[str, tuple[foxglove.Channel, object]] = {}
        self._latched_bytes = 0
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
                try:
                    entry = self._open(key, sample.stream, sample.schema())
                except UnknownSchema:
                    return
            if entry is None:
                return
            if sample.latched:
                self._keep(entry, sample)
        if entry.channel.has_sinks():
            self._hand_on(entry, sample)

    def advertise(self, robot_id: str, topic: str, stream: str, schema: Schema) -> None:
        """
        Offer a topic of which no sample has come.

        :param robot_id: whose it is
        :param topic: what the robot calls it
        :param stream: the stream that it belongs to
        :param schema: of its type
        """
        key = robot_id, topic, schema.type_name, schema.id
        if not self._wanted(topic):
            return
        with self._lock:
            if key not in self._entries:
                self._open(key, stream, schema)

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
                    self._names.name(robot_id, _HEALTH), context=self._context
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
            for entry in self._entries.values():
                entry.channel.close()
            for channel, _ in self._health.values():
                channel.close()
            self._entries.clear()
            self._by_id.clear()
            self._health.clear()

    def _full(self) -> bool:
        if len(self._entries) + len(self._health) < _MAX_CHANNELS:
            return False
        if not self._said_full:
            self._said_full = True
            _log.warning('more than %d topics: the others are not served', _MAX_CHANNELS)
        return True

    def _open(self, key: _Key, stream: str, schema: Schema) -> _Entry | None:
        robot_id, topic, type_name, _ = key
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
        entry = self._entries[key] = _Entry(channel, robot_id, stream)
        self._by_id[channel.id()] = entry
        return entry

    def _keep(self, entry: _Entry, sample: Sample) -> None:
        held = 0 if entry.latched is None else len(entry.latched.cdr)
        size = self._latched_bytes - held + len(sample.cdr)
        if size <= _MAX_LATCHED_BYTES:
            self._latched_bytes = size
            entry.latched = sample

    def _hand_on(self, entry: _Entry, sample: Sample) -> None:
        try:
            data = sample.plain()
        except (UnknownForm, ProtocolError) as error:
            _log.debug('%r %r: %s', sample.robot_id, sample.topic, error)
            return
        self.samples += 1
        entry.channel.log(data, log_time=max(0, sample.receive_time_ns))
