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
What general reducers make of telemetry: bytes on the wire, CPU and error, recording by recording.

Samples of a recording go out in batches of a second, all topics together, as the bridge encodes
them; once as they are and once behind each topic's reducer at its default error. Dictionaries are
announced as the bridge does it, and counted. CPU time is that of this process, the mean of all
messages: of an aggregate most cost nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
import random
import statistics
import time

from codecs_rig import recordings
from mcap.reader import make_reader

from ros_cloud_bridge.core.unreduced import Offered
from ros_cloud_bridge.reducers.interface import Level
from ros_cloud_bridge.reducers.registry import make
from ros_cloud_bridge.reducing import reduce_samples
from ros_cloud_bridge.uplink.context import Context
from ros_cloud_bridge.values import Received
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_with_context, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.codecs import Effort
from ros_cloud_bridge.wire.schema import Schema

# Until a sample reaches the bridge; in a recording both times are often one.
_LATENCY_NS = (100_000, 400_000)
RECORDINGS = ('a1_husky_outdoor', 'a2_px4_multirotor_rtk', 'a3_tilt_laser_xsens')
# What each type goes through; the rest goes out as it is.
CHAINS = {
    'nav_msgs/msg/Odometry': 'precision | stamps',
    'sensor_msgs/msg/Imu': 'precision | stamps',
    'sensor_msgs/msg/NavSatFix': 'precision | stamps',
    'sensor_msgs/msg/LaserScan': 'stamps | laser_quantize',
    'sensor_msgs/msg/BatteryState': 'precision | stamps',
    'sensor_msgs/msg/FluidPressure': 'precision | stamps',
    'sensor_msgs/msg/MagneticField': 'precision fields=*covariance:5b,*:1e-7 | stamps',
    'sensor_msgs/msg/Range': 'precision | stamps',
    'geometry_msgs/msg/TwistStamped': 'precision | stamps',
    'geometry_msgs/msg/Vector3Stamped': 'precision | stamps',
    'diagnostic_msgs/msg/DiagnosticArray': 'deadband | stamps',
    'tf2_msgs/msg/TFMessage': 'tf_motion | precision | stamps',
}
# For a link on which bytes are money: fewer messages as well, each the mean of several.
THRIFTY = {
    'nav_msgs/msg/Odometry': (
        'aggregate n=2 of=last | select drop=*covariance | precision | stamps'
    ),
    'sensor_msgs/msg/Imu': 'aggregate n=6 | select drop=*covariance | precision | stamps',
    'sensor_msgs/msg/NavSatFix': 'aggregate n=4 of=last | precision | stamps',
    'sensor_msgs/msg/LaserScan': 'aggregate n=2 of=last | stamps | laser_quantize',
    'sensor_msgs/msg/BatteryState': 'aggregate n=4 | precision | stamps',
    'sensor_msgs/msg/FluidPressure': 'aggregate n=4 | precision | stamps',
    'sensor_msgs/msg/MagneticField': (
        'aggregate n=4 | precision fields=*covariance:5b,*:1e-7 | stamps'
    ),
    'sensor_msgs/msg/Range': 'aggregate n=4 | precision | stamps',
    'geometry_msgs/msg/TwistStamped': 'aggregate n=6 | precision | stamps',
    'geometry_msgs/msg/Vector3Stamped': 'aggregate n=6 | precision | stamps',
    'diagnostic_msgs/msg/DiagnosticArray': 'deadband fields=status.level,status.message | stamps',
    'tf2_msgs/msg/TFMessage': 'tf_motion metres=0.02 radians=0.02 | precision | stamps',
}


@dataclass(slots=True, kw_only=True)
class Topic:
    """A topic's messages with the seconds at which they came, and what became of them."""

    name: str
    schema: Schema
    messages: list[tuple[int, bytes]]
    chain: str = ''
    error: str = ''
    form: str = ''
    cpu_us: float = 0.0
    sent: list[Received] = field(default_factory=list)

    @property
    def offered(self) -> list[Offered]:
        """Its messages as they come to a reducer: some hundred microseconds after publication."""
        latency = random.Random(self.name)
        return [
            Offered(Received(cdr, at, at + latency.randint(*_LATENCY_NS)), at / 1e9)
            for at, cdr in self.messages
        ]

    @property
    def raw(self) -> int:
        """Bytes of its messages."""
        return sum(len(cdr) for _, cdr in self.messages)


def topics_of(name: str) -> list[Topic]:
    """
    Read a recording.

    :param name: its name
    :returns: its topics
    """
    found: dict[str, Topic] = {}
    with (recordings() / f'{name}.mcap').open('rb') as file:
        for schema, channel, message in make_reader(file).iter_messages():
            assert schema is not None
            if channel.topic not in found:
                found[channel.topic] = Topic(
                    name=channel.topic,
                    schema=Schema(
                        type_name=schema.name,
                        definition=schema.data.decode(),
                        rihs01='RIHS01_' + 64 * '0',
                    ),
                    messages=[],
                )
            found[channel.topic].messages.append((message.log_time, message.data))
    return list(found.values())


def reduce(topic: Topic, chains: Mapping[str, str], level: Level) -> None:
    """
    Send a topic through its reducer.

    :param topic: the topic
    :param chains: by type
    :param level: how much is given up
    """
    topic.chain = chains.get(topic.schema.type_name, '')
    topic.sent = [one.sample for one in topic.offered]
    if not topic.chain:
        return
    kind = topic.schema.type_name
    chain = make(topic.chain, kind, lambda name: topic.schema.definition, 1 << 26)
    topic.error, topic.form = chain.output.error, chain.output.form
    topic.sent = []
    taken = []
    for one in topic.offered:
        before = time.process_time_ns()
        done = reduce_samples(chain, [one], level.name.lower(), keeps_form=False)
        taken.append(time.process_time_ns() - before)
        if done.failed:
            raise SystemExit(f'{topic.name}: {done.reason}')
        topic.sent += [made.sample for made in done.accepted]
    topic.cpu_us = statistics.fmean(taken) / 1000


def wire_bytes(topics: Sequence[Topic], effort: Effort) -> int:
    """
    Encode what topics send, a batch a second.

    :param topics: all of a recording
    :param effort: how hard
    :returns: payload bytes, those of dictionaries included
    """
    begin = min(at for topic in topics for at, _ in topic.messages)
    encoders: dict[int, BlockEncoder] = {}
    context = Context('')
    seconds: dict[int, dict[int, list[tuple[int, Received]]]] = {}
    for number, topic in enumerate(topics):
        encoders[number] = (
            BlockEncoder(None, columns=False) if topic.form else BlockEncoder(topic.schema)
        )
        for sequence, sample in enumerate(topic.sent, 1):
            second = seconds.setdefault((sample.source_time_ns - begin) // 10**9, {})
            second.setdefault(number, []).append((sequence, sample))
    total = 0
    for at_second, parts in sorted(seconds.items()):
        sections = [
            Section(
                route=number,
                descriptor=_descriptor(topics[number]) if at_second % 30 == 0 else None,
                sequences=[sequence for sequence, _ in samples],
                samples=[sample for _, sample in samples],
                totals=None,
            )
            for number, samples in parts.items()
        ]
        batch = Batch(
            boot=bytes(8),
            number=at_second + 1,
            sent_time_ns=begin + (at_second + 1) * 10**9,
            sections=tuple(sections),
        )
        encoded = encode_with_context(batch, encoders, effort, context.dictionary)
        total += len(encoded.payload)
        context.encoded(list(parts), encoded.sections, float(at_second))
        if (fresh := context.take_fresh()) is not None:
            total += len(fresh[1])
            context.settled(fresh[1], arrived=True)
    return total


def _descriptor(topic: Topic) -> Descriptor:
    return Descriptor(
        stream='telemetry',
        topic=topic.name,
        type_name=topic.schema.type_name,
        schema_id='0' * 16,
        form=topic.form,
    )


def measure(names: Iterable[str], chains: Mapping[str, str], level: Level) -> dict[str, object]:
    """
    Measure recordings.

    :param names: theirs
    :param chains: reducers by type
    :param level: how much is given up
    :returns: JSON-able figures
    """
    found = {}
    all_raw = all_sent = 0
    for name in names:
        topics = topics_of(name)
        for topic in topics:
            topic.sent = [one.sample for one in topic.offered]
        raw = sum(topic.raw for topic in topics)
        lossless = wire_bytes(topics, Effort.STRONG)
        rows = []
        for topic in topics:
            alone = wire_bytes([topic], Effort.STRONG)
            reduce(topic, chains, level)
            rows.append(
                {
                    'topic': topic.name,
                    'type': topic.schema.type_name,
                    'reducer': topic.chain,
                    'messages': len(topic.messages),
                    'sent': len(topic.sent),
                    'raw': topic.raw,
                    'lossless_alone': alone,
                    'reduced_alone': wire_bytes([topic], Effort.STRONG),
                    'cpu_us': round(topic.cpu_us, 1),
                    'error': topic.error,
                }
            )
        sent = wire_bytes(topics, Effort.STRONG)
        all_raw += raw
        all_sent += sent
        found[name] = {
            'raw': raw,
            'lossless': lossless,
            'reduced': sent,
            'below_raw': round(raw / sent, 1),
            'topics': rows,
        }
    return {'recordings': found, 'below_raw': round(all_raw / all_sent, 1)}


def table(figures: Mapping[str, object]) -> str:
    """
    Write figures as a table.

    :param figures: as :func:`measure` gives them
    :returns: Markdown
    """
    heads = 'recording, topic', 'reducer', 'raw', 'lossless', 'reduced', 'below raw', 'messages'
    lines = [f'| {" | ".join(heads)} | µs each |', '|---|---|---:|---:|---:|---:|---:|---:|']
    recordings_of = figures['recordings']
    assert isinstance(recordings_of, dict)
    for name, found in recordings_of.items():
        lines.append(
            f'| **{name}** | | {found["raw"]} | {found["lossless"]} | {found["reduced"]} | '
            f'**{found["below_raw"]}** | | |'
        )
        for row in found['topics']:
            chain = f'`{row["reducer"]}`'.replace('|', r'\|') if row['reducer'] else '-'
            lines.append(
                f'| {row["topic"]} | {chain} | {row["raw"]} | '
                f'{row["lossless_alone"]} | {row["reduced_alone"]} | '
                f'{row["raw"] / max(1, row["reduced_alone"]):.1f} | '
                f'{row["sent"]} of {row["messages"]} | {row["cpu_us"]} |'
            )
    return '\n'.join(lines)


def run(paths: Sequence[Path], quick: bool) -> tuple[str, dict[str, object]]:
    """
    Measure recordings of telemetry, at default errors and for links on which bytes are money.

    :param paths: MCAP files; what is not among them is left out
    :param quick: whether the smallest recording does
    :returns: tables, and every figure
    """
    names = [name for name in RECORDINGS if name in {path.stem for path in paths}]
    names = names[1:2] if quick else names
    figures: dict[str, object] = {}
    text = []
    for title, chains in (('default errors', CHAINS), ('fewer messages', {**CHAINS, **THRIFTY})):
        if names:
            found = measure(names, chains, Level.FULL)
            figures[title] = found
            text.append(f'{title}: {found["below_raw"]} below raw\n\n{table(found)}\n')
    return '\n'.join(text), figures
