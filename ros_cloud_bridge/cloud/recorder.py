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

"""Write samples to an MCAP file that Foxglove and rosbag2 open."""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
import json
import os
import threading
from typing import BinaryIO, NamedTuple

from ros_cloud_bridge.cloud.identity import SampleId
from ros_cloud_bridge.cloud.losses import RouteLosses
from ros_cloud_bridge.cloud.mcap_file import ChunkWriter
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.cloud.topic_names import TopicNames
from ros_cloud_bridge.errors import ProtocolError, UnknownForm, UnknownSchema
from ros_cloud_bridge.values import OfferedQos

_LIBRARY = 'ros_cloud_bridge'
_METADATA_PREFIX = 'ros_cloud_bridge/'
_CHUNK_BYTES = 1024 * 1024
# Samples that wait for their schema, each with what Python holds beside its bytes.
_MAX_WAITING_BYTES = 64 * 1024 * 1024
_WAITING_OVERHEAD = 512
_MAX_TIME = (1 << 64) - 1
# Channel ids have 16 bits, and 0 is none.
_MAX_CHANNELS = 65535

_UNLIMITED_NS = (1 << 63) - 1
_DEPTH = 10
# rosbag2's YAML of a QoS profile from its metadata version 9 (Jazzy) on; the times mean unlimited.
_QOS = """\
- history: keep_last
  depth: {depth}
  reliability: {reliability}
  durability: {durability}
  deadline:
    sec: 9223372036
    nsec: 854775807
  lifespan:
    sec: {lifespan[0]}
    nsec: {lifespan[1]}
  liveliness: automatic
  liveliness_lease_duration:
    sec: 9223372036
    nsec: 854775807
  avoid_ros_namespace_conventions: false"""


@dataclass(slots=True, kw_only=True)
class TopicTotals:
    """
    What of one robot's topic was recorded.

    Left out were ``without_schema`` samples, whose type's definition did not come, and
    ``unrestored`` ones, in a form that nothing here knows or a difference from what did not come.
    """

    robot_id: str
    topic: str
    recorded_as: str
    type_name: str
    samples: int = 0
    bytes: int = 0
    without_schema: int = 0
    unrestored: int = 0


class Synced(NamedTuple):
    """
    What :meth:`Recorder.sync` has made durable.

    ``samples`` are those written since the last call, ``size`` is the file's up to there, and
    ``left_out`` are samples that will not be written.
    """

    samples: list[SampleId]
    size: int
    left_out: list[SampleId]


@dataclass(slots=True)
class _Channel:
    number: int
    totals: TopicTotals


class Recorder:
    """
    Records samples; usable from several threads.

    A sample whose schema has not arrived waits for it, within bounds. Call :meth:`flush` about
    once a second, so that a file whose writer was killed can be read up to then.

    :param stream: binary, seekable or not; it is flushed but not closed
    :param prefix: write ``/{robot}`` before each topic, as is right for several robots; what a ROS
        name cannot hold becomes ``_``, and a robot whose prefix another has already got gets
        ``_2``, ``_3`` … behind it (each channel's metadata holds the ``robot_id`` as it is)
    :param offered: says with what QoS a sample's topic is published, for players to offer the
        same; None where that is not known
    :param max_waiting_bytes: most bytes of samples that wait for their schema
    :param confirms: remember which samples have been written, for :meth:`sync`, which has to be
        called then
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        prefix: bool = False,
        offered: Callable[[Sample], OfferedQos | None] = lambda sample: None,
        max_waiting_bytes: int = _MAX_WAITING_BYTES,
        confirms: bool = False,
    ) -> None:
        self._lock = threading.Lock()
        self._names = TopicNames(prefix=prefix)
        self._offered = offered
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: deque[Sample] = deque()
        self._waiting_bytes = 0
        self._schemas: dict[tuple[str, str], int] = {}
        self._channels: dict[tuple[str, str, str, str], _Channel] = {}
        # Looked for since the last flush and not found: to look is not cheap.
        self._unready: set[tuple[str, str, str, str]] = set()
        self._without_schema: Counter[tuple[str, str, str, str]] = Counter()
        self._unrestored: Counter[tuple[str, str, str, str]] = Counter()
        self._latched: set[tuple[str, str]] = set()
        self._confirms = confirms
        self._unsynced: list[SampleId] = []
        self._declined: list[SampleId] = []
        self._stream = stream
        self._writer = ChunkWriter(stream, _LIBRARY, _CHUNK_BYTES)
        self._closed = False

    def add(self, sample: Sample) -> None:
        """
        Record a sample; after :meth:`close` it does nothing.

        :param sample: from a consumer or decoder
        :raises OSError: when the file cannot be written
        """
        with self._lock:
            if self._closed:
                return
            if sample.latched:
                self._latched.add((sample.robot_id, sample.topic))
            if not self._write(sample):
                self._wait(sample)

    def repeat(self, samples: Iterable[Sample], at_ns: int) -> None:
        """
        Record once more what another file holds, so that this one can be opened by itself.

        It counts for nothing: it is in no total and is not confirmed.

        :param samples: the last values of latched topics, in their order
        :param at_ns: when they are said to have been received
        :raises OSError: when the file cannot be written
        """
        with self._lock:
            for sample in samples:
                channel = self._channel(sample)
                if channel is None:
                    continue
                with suppress(UnknownForm, ProtocolError):
                    self._add_message(channel, sample, sample.plain(), at_ns)

    def flush(self) -> None:
        """
        Finish the present chunk and hand it to the operating system.

        :raises OSError: when the file cannot be written
        """
        with self._lock:
            if not self._closed:
                self._retry()
                self._writer.flush()

    def sync(self) -> Synced:
        """
        Flush, and wait until the file is on the disk.

        :returns: what is durable now
        :raises OSError: when the file cannot be written; then nothing may be taken for durable any
            more, for what a disk has failed to write once it may not try again
        """
        with self._lock:
            if not self._closed:
                self._retry()
                self._writer.flush()
            size = self._stream.tell()
            written, self._unsynced = self._unsynced, []
            declined, self._declined = self._declined, []
        # Without the lock: what comes in meanwhile is written behind.
        os.fsync(self._stream.fileno())
        return Synced(written, size, declined)

    def close(self, losses: Iterable[RouteLosses] = ()) -> list[TopicTotals]:
        """
        Finish the file.

        :param losses: what the decoder knows was lost; stands in a metadata record per robot
        :returns: what was recorded, by robot and topic
        :raises OSError: when the file cannot be written
        """
        with self._lock:
            if not self._closed:
                self._closed = True
                self._retry()
                while self._waiting:
                    self._leave_out(self._waiting.popleft())
                self._write_metadata(list(losses))
                self._writer.finish()
            return self._totals()

    def withdraw(self) -> list[Sample]:
        """
        Take back the samples that wait for their schema.

        :returns: those samples, for another recorder
        """
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            return waiting

    @property
    def position(self) -> int:
        """How large the file is, without what :meth:`flush` would write."""
        with self._lock:
            return self._writer.position

    @property
    def samples(self) -> int:
        """How many samples have been written."""
        with self._lock:
            return sum(channel.totals.samples for channel in self._channels.values())

    def _write(self, sample: Sample) -> bool:
        """Write a sample; returns whether its schema is there, and its form is known."""
        channel = self._channel(sample)
        if channel is None:
            return False
        try:
            data = sample.plain()
        except (UnknownForm, ProtocolError):
            # It will not get better: differences are restored in the order in which they came.
            self._count_left_out(sample, self._unrestored)
            return True
        self._add_message(channel, sample, data, sample.receive_time_ns)
        channel.totals.samples += 1
        channel.totals.bytes += len(data)
        if self._confirms:
            self._unsynced.append(SampleId.of(sample))
        return True

    def _add_message(self, channel: _Channel, sample: Sample, data: bytes, at_ns: int) -> None:
        self._writer.add_message(
            channel.number,
            sample.sequence & 0xFFFFFFFF,
            _time(at_ns),
            _time(sample.source_time_ns),
            data,
        )

    def _channel(self, sample: Sample) -> _Channel | None:
        """Give a sample's channel, made when new; None while its schema is not there."""
        key = _key(sample)
        channel = self._channels.get(key)
        if channel is None:
            if key in self._unready or len(self._channels) >= _MAX_CHANNELS:
                return None
            try:
                channel = self._channels[key] = self._make_channel(sample)
            except UnknownSchema:
                self._unready.add(key)
        return channel

    def _make_channel(self, sample: Sample) -> _Channel:
        schema = sample.schema()
        identity = (sample.type_name, schema.rihs01)
        if identity not in self._schemas:
            self._schemas[identity] = self._writer.add_schema(
                sample.type_name, 'ros2msg', schema.definition.encode()
            )
        name = self._names.name(sample.robot_id, sample.topic)
        number = self._writer.add_channel(
            name,
            'cdr',
            self._schemas[identity],
            {
                'offered_qos_profiles': self._qos(sample),
                'topic_type_hash': schema.rihs01,
                'robot_id': sample.robot_id,
                'ros_topic': sample.topic,
            },
        )
        totals = TopicTotals(
            robot_id=sample.robot_id,
            topic=sample.topic,
            recorded_as=name,
            type_name=sample.type_name,
        )
        return _Channel(number, totals)

    def _qos(self, sample: Sample) -> str:
        offered = self._offered(sample)
        if offered is None:
            offered = OfferedQos(reliable=True, transient_local=False)
        latched = offered.transient_local or (sample.robot_id, sample.topic) in self._latched
        # tf2 publishes it so by definition; a player that does not leaves late listeners without.
        latched = latched or is_static_transforms(sample.topic)
        lifespan_ns = round(offered.lifespan_s * 1e9) or _UNLIMITED_NS
        return _QOS.format(
            depth=offered.depth or (1 if latched else _DEPTH),
            reliability='reliable' if offered.reliable or latched else 'best_effort',
            durability='transient_local' if latched else 'volatile',
            lifespan=divmod(lifespan_ns, 10**9),
        )

    def _wait(self, sample: Sample) -> None:
        self._waiting.append(sample)
        self._waiting_bytes += len(sample.cdr) + _WAITING_OVERHEAD
        while self._waiting_bytes > self._max_waiting_bytes:
            self._leave_out(self._waiting.popleft())

    def _leave_out(self, sample: Sample) -> None:
        self._waiting_bytes -= len(sample.cdr) + _WAITING_OVERHEAD
        self._count_left_out(sample, self._without_schema)

    def _count_left_out(self, sample: Sample, counts: Counter[tuple[str, str, str, str]]) -> None:
        counts[_key(sample)] += 1
        if self._confirms:
            self._declined.append(SampleId.of(sample))

    def _retry(self) -> None:
        self._unready.clear()
        still = deque(sample for sample in self._waiting if not self._write(sample))
        self._waiting = still
        self._waiting_bytes = sum(len(sample.cdr) + _WAITING_OVERHEAD for sample in still)

    def _totals(self) -> list[TopicTotals]:
        totals = [channel.totals for channel in self._channels.values()]
        # What cannot be restored has a channel nevertheless.
        for key, count in self._unrestored.items():
            self._channels[key].totals.unrestored = count
        for key, count in self._without_schema.items():
            channel = self._channels.get(key)
            if channel is not None:
                channel.totals.without_schema = count
            else:
                robot_id, topic, type_name, _ = key
                totals.append(
                    TopicTotals(
                        robot_id=robot_id,
                        topic=topic,
                        recorded_as='',
                        type_name=type_name,
                        without_schema=count,
                    )
                )
        return sorted(totals, key=lambda entry: (entry.robot_id, entry.topic, entry.type_name))

    def _write_metadata(self, losses: list[RouteLosses]) -> None:
        totals = self._totals()
        for robot_id in sorted({entry.robot_id for entry in totals}):
            routes = [asdict(entry) for entry in losses if entry.robot_id == robot_id]
            topics = [asdict(entry) for entry in totals if entry.robot_id == robot_id]
            self._writer.add_metadata(
                _METADATA_PREFIX + robot_id,
                {
                    'robot_id': robot_id,
                    'topics': json.dumps(topics),
                    'losses': json.dumps(routes),
                },
            )


def is_static_transforms(topic: str) -> bool:
    """
    Tell whether a topic is ``tf_static``, in whatever namespace.

    :param topic: ROS topic
    :returns: whether it is
    """
    return topic.rpartition('/')[2] == 'tf_static'


def _key(sample: Sample) -> tuple[str, str, str, str]:
    return sample.robot_id, sample.topic, sample.type_name, sample.schema_id


def _time(nanoseconds: int) -> int:
    return nanoseconds if 0 <= nanoseconds <= _MAX_TIME else max(0, _MAX_TIME * (nanoseconds > 0))
