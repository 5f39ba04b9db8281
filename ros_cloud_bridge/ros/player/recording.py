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

"""An MCAP recording as a player needs it: its tracks with their QoS, and its raw messages."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from mcap.reader import make_reader, McapReader
from mcap.records import Channel, Schema, Statistics
import yaml

from ros_cloud_bridge.errors import LocalFault

_ROS_SCHEMAS = frozenset({'ros2msg', 'ros2idl'})

# rmw_qos_*_policy_e: rosbag2 wrote numbers before Jazzy and words since.
_RELIABLE = frozenset({'1', 'reliable'})
_TRANSIENT_LOCAL = frozenset({'1', 'transient_local'})


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """QoS that a recorded topic is published with again; ``depth`` 0 where none was recorded."""

    reliable: bool = True
    transient_local: bool = False
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """
    One channel of a recording.

    ``hz`` is its mean rate, 0 where the file does not tell; ``problem`` says why it cannot be
    published whatever is installed; ``definition`` is its ``ros2msg`` text, empty for another
    kind.
    """

    channel: int
    topic: str
    type_name: str
    offer: Offer
    hz: float = 0.0
    problem: str = ''
    definition: str = ''


@dataclass(frozen=True, slots=True)
class Recorded:
    """A message of a recording; ``time_ns`` is when it was logged."""

    channel: int
    time_ns: int
    cdr: bytes


class Recording:
    """
    An open MCAP file; messages are read chunk by chunk, as they are asked for.

    ``span_ns`` are the times of its first and last message; None where the file does not tell.

    :param path: the file
    :raises LocalFault: if it cannot be read
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._reading():
            self._file = self.path.open('rb')
        try:
            with self._reading():
                reader = self._reader()
                self.tracks = _tracks(reader)
                self.span_ns = _span_ns(reader)
        except LocalFault:
            self._file.close()
            raise

    def __enter__(self) -> 'Recording':
        """Return itself; closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def messages(
        self, topics: set[str], begin_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[Recorded]:
        """
        Read messages in the order in which they were logged.

        :param topics: whose messages are wanted
        :param begin_ns: from this time on; from the beginning when left out
        :param end_ns: to before this time
        :returns: their messages
        :raises LocalFault: when a damaged part is reached
        """
        with self._reading():
            stream = self._reader().iter_messages(
                topics=topics, starting_at=begin_ns, ending_before=end_ns
            )
        while True:
            with self._reading():
                item = next(stream, None)
            if item is None:
                return
            _, channel, message = item
            yield Recorded(channel.id, message.log_time, bytes(message.data))

    def _reader(self) -> McapReader:
        self._file.seek(0)
        return make_reader(self._file, validate_crcs=True)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            hint = '; give the .mcap file in it' if self.path.is_dir() else ''
            raise LocalFault(
                f'{self.path}: cannot be read: {error.strerror or error}{hint}'
            ) from error
        # What a damaged file makes of the reader and its decompressors is any exception.
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise LocalFault(f'{self.path}: not a sound MCAP file: {reason}') from error


def offer_from_metadata(metadata: Mapping[str, str]) -> Offer:
    """
    Read the QoS that rosbag2 stored with a channel.

    Reliability, durability and depth count. Deadline, lifespan and liveliness are promises about
    the recorded publisher's timing, which a player does not make.

    :param metadata: the channel's; ``offered_qos_profiles`` holds YAML with an entry per publisher
    :returns: the strongest of the offers, which suits whoever any of them suited; reliable and
        volatile when there is none
    """
    try:
        profiles = yaml.safe_load(metadata.get('offered_qos_profiles', ''))
    except yaml.YAMLError:
        profiles = None
    entries = profiles if isinstance(profiles, list) else []
    known = [entry for entry in entries if isinstance(entry, dict)]
    if not known:
        return Offer()
    return Offer(
        reliable=any(str(entry.get('reliability')) in _RELIABLE for entry in known),
        transient_local=any(str(entry.get('durability')) in _TRANSIENT_LOCAL for entry in known),
        depth=max(_depth(entry.get('depth')) for entry in known),
    )


def _depth(value: object) -> int:
    return value if isinstance(value, int) and 0 < value <= 10_000 else 0


def _tracks(reader: McapReader) -> tuple[Track, ...]:
    summary = reader.get_summary()
    if summary is not None and summary.channels:
        pairs = [
            (channel, summary.schemas.get(channel.schema_id))
            for channel in summary.channels.values()
        ]
        return tuple(_track(*pair, summary.statistics) for pair in pairs)
    # No summary: the recorder was cut off or spared it. The channels stand among the messages.
    found: dict[int, tuple[Channel, Schema | None]] = {}
    for schema, channel, _ in reader.iter_messages(log_time_order=False):
        found.setdefault(channel.id, (channel, schema))
    return tuple(_track(*pair, None) for pair in found.values())


def _span_ns(reader: McapReader) -> tuple[int, int] | None:
    summary = reader.get_summary()
    if summary is None or summary.statistics is None or not summary.statistics.message_count:
        return None
    return summary.statistics.message_start_time, summary.statistics.message_end_time


def _track(channel: Channel, schema: Schema | None, statistics: Statistics | None) -> Track:
    problem = ''
    if channel.message_encoding != 'cdr':
        problem = f"its messages are encoded as '{channel.message_encoding}', not cdr"
    elif schema is None or schema.encoding not in _ROS_SCHEMAS:
        problem = 'it has no ROS 2 message definition'
    return Track(
        channel=channel.id,
        topic=channel.topic,
        type_name='' if schema is None else schema.name,
        offer=offer_from_metadata(channel.metadata),
        hz=_mean_hz(channel, statistics),
        problem=problem,
        definition=_definition(schema),
    )


def _definition(schema: Schema | None) -> str:
    if schema is None or schema.encoding != 'ros2msg':
        return ''
    return str(schema.data, 'utf-8', 'replace')


def _mean_hz(channel: Channel, statistics: Any) -> float:
    if statistics is None:
        return 0.0
    span_s = (statistics.message_end_time - statistics.message_start_time) / 1e9
    count = statistics.channel_message_counts.get(channel.id, 0)
    return float(count / span_s) if span_s > 0 else 0.0
