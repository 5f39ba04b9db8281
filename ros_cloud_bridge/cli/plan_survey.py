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
What each topic of a recording takes, as it is and behind each reducer that its kind may have.

The project's own reducers and its batch encoder work on the recording's own messages; of topics
with many or large messages on some of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
import statistics
import time
from typing import TYPE_CHECKING

from ros_cloud_bridge.advice.rules import kind_of, RULES
from ros_cloud_bridge.advice.survey import Option, TopicSurvey
from ros_cloud_bridge.cli.plan_feed import schema_of, Source, well_known
from ros_cloud_bridge.core.ladder_steps import LEVELS
from ros_cloud_bridge.core.unreduced import Offered
from ros_cloud_bridge.errors import BridgeError
from ros_cloud_bridge.reducers.chain import Chain
from ros_cloud_bridge.reducers.fitting import fit
from ros_cloud_bridge.reducers.interface import Level
from ros_cloud_bridge.reducing import reduce_samples
from ros_cloud_bridge.uplink.context import Context
from ros_cloud_bridge.values import Received, StreamConfig
from ros_cloud_bridge.wire.batch import Batch, encode_with_context, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.codecs import Effort
from ros_cloud_bridge.wire.schema import Schema

if TYPE_CHECKING:
    from ros_cloud_bridge.ros.player.recording import Track

_NS = 1_000_000_000
# What is kept of a topic, what goes through its reducers, and how many batches of one sample.
_KEPT_BYTES = 32_000_000
_KEPT_SAMPLES = 3000
_LARGE_BYTES = 8192
_LARGE_SAMPLES = 16
_SINGLES = 250
# From the publisher to the bridge.
_TAKE_NS = 300_000
_IMAGE = 'sensor_msgs/msg/Image'


@dataclass(slots=True)
class _Topic:
    """What was read of a topic."""

    track: 'Track'
    count: int = 0
    size: int = 0
    first_ns: int = 0
    last_ns: int = 0
    kept_bytes: int = 0
    kept: list[Received] = field(default_factory=list)

    def add(self, time_ns: int, cdr: bytes) -> None:
        """Take a message in."""
        self.first_ns = self.first_ns if self.count else time_ns
        self.last_ns = time_ns
        self.count += 1
        self.size += len(cdr)
        if self.kept_bytes + len(cdr) <= _KEPT_BYTES and len(self.kept) < _KEPT_SAMPLES:
            self.kept_bytes += len(cdr)
            self.kept.append(Received(cdr, time_ns, time_ns + _TAKE_NS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a recording has; ``left_out`` says of other topics why they cannot be bridged."""

    topics: tuple[TopicSurvey, ...]
    left_out: dict[str, str]
    seconds: float


def survey(source: Source, wanted: Callable[[str], bool] = lambda topic: True) -> Survey:
    """
    Look at a recording.

    :param source: it, or a part of it
    :param wanted: tells which topics take part
    :returns: its topics, by name
    """
    left_out: dict[str, str] = {}
    by_channel: dict[int, _Topic] = {}
    by_topic: dict[str, _Topic] = {}
    for track in source.tracks:
        if not wanted(track.topic):
            continue
        if track.problem:
            left_out[track.topic] = track.problem
            continue
        topic = by_topic.setdefault(track.topic, _Topic(track))
        if topic.track.type_name == track.type_name:
            by_channel[track.channel] = topic
    first_ns = last_ns = None
    for message in source.messages(set(by_topic)):
        first_ns = message.time_ns if first_ns is None else first_ns
        last_ns = message.time_ns
        if message.channel in by_channel:
            by_channel[message.channel].add(message.time_ns, message.cdr)
    seconds = 0.0 if first_ns is None or last_ns is None else (last_ns - first_ns) / _NS
    found = []
    for name, topic in sorted(by_topic.items()):
        if topic.count:
            found.append(_look(topic, seconds))
        else:
            left_out.setdefault(name, 'no message of it was seen')
    return Survey(topics=tuple(found), left_out=left_out, seconds=seconds)


def _look(topic: _Topic, seconds: float) -> TopicSurvey:
    track = topic.track
    # A topic's own rhythm, but of what comes now and then how often it comes in all.
    span_s = max(
        (topic.last_ns - topic.first_ns) / _NS * topic.count / max(1, topic.count - 1), seconds
    )
    hz = topic.count / span_s if span_s > 0 else 1.0
    mean = topic.size / topic.count
    schema = schema_of(track)
    samples = _some(topic.kept, mean)
    kind = kind_of(
        track.type_name,
        latched=track.offer.transient_local,
        hz=hz,
        message_bytes=mean,
        distances=track.type_name == _IMAGE and _are_distances(schema, samples[0]),
    )
    options = {'': _measure(samples, schema, hz, form='')}
    refused = {}
    for text in (*RULES[kind].reducers, *RULES[kind].coarse):
        try:
            options[text] = _reduced(text, track.type_name, schema, samples, hz)
        except (BridgeError, ValueError) as error:
            refused[text] = str(error)
    return TopicSurvey(
        topic=track.topic,
        type_name=track.type_name,
        kind=kind,
        hz=hz,
        message_bytes=mean,
        latched=track.offer.transient_local,
        options=options,
        refused=refused,
    )


def _some(kept: Sequence[Received], mean: float) -> Sequence[Received]:
    """Take fewer of large messages, from all over the recording."""
    if mean < _LARGE_BYTES or len(kept) <= _LARGE_SAMPLES:
        return kept
    return [kept[index * len(kept) // _LARGE_SAMPLES] for index in range(_LARGE_SAMPLES)]


def _are_distances(schema: Schema, sample: Received) -> bool:
    """Tell whether an image is one that only the reducer of distances takes."""
    for reducer, expected in (('jpeg', False), ('depth', True)):
        try:
            _chain(reducer, _IMAGE, schema).reduce(sample.cdr, Level.FULL, 0.0)
        except (BridgeError, ValueError):
            if expected:
                return False
        else:
            return expected
    return False


def _chain(text: str, type_name: str, schema: Schema) -> Chain:
    stream = StreamConfig(name='survey', topics=(), reducer=text)
    return fit(stream, type_name, schema, well_known).chain


def _reduced(
    text: str, type_name: str, schema: Schema, samples: Sequence[Received], hz: float
) -> Option:
    stream = StreamConfig(name='survey', topics=(), reducer=text)
    fitted = fit(stream, type_name, schema, well_known)
    entries = [Offered(sample, sample.receive_time_ns / _NS) for sample in samples]
    before = time.process_time()
    done = reduce_samples(fitted.chain, entries, LEVELS[0], keeps_form=True)
    cpu_s = time.process_time() - before
    if 2 * done.failed > len(samples):
        raise ValueError(done.reason)
    sent = [entry.sample for entry in done.accepted]
    return _measure(
        sent or samples[:1],
        fitted.schema or schema,
        hz * len(sent) / len(samples),
        form=fitted.reduction.form,
        reducer=text,
        error=fitted.reduction.error,
        kept=len(sent) / len(samples),
        cpu_s=cpu_s / len(samples),
    )


def _measure(
    samples: Sequence[Received],
    schema: Schema,
    hz: float,
    *,
    form: str,
    reducer: str = '',
    error: str = '',
    kept: float = 1.0,
    cpu_s: float = 0.0,
) -> Option:
    """Fit a line through what batches of one sample take, and batches of a second."""
    singles = [[sample] for sample in samples[:_SINGLES]]
    one = _mean_payload(singles, schema, form)
    together = list(_seconds(samples))
    many = len(samples) / len(together)
    sample_bytes = one
    if many > 1.2 and hz > 1.0 and len(samples[0].cdr) < _LARGE_BYTES:
        sample_bytes = max(0.0, (_mean_payload(together, schema, form) - one) / (many - 1))
    return Option(
        reducer=reducer,
        error=error,
        batch_bytes=max(0.0, one - sample_bytes),
        sample_bytes=min(one, sample_bytes),
        kept=kept,
        cpu_s=cpu_s,
    )


def _seconds(samples: Sequence[Received]) -> Iterator[list[Received]]:
    batch: list[Received] = []
    for sample in samples:
        if batch and sample.source_time_ns - batch[0].source_time_ns >= _NS:
            yield batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch


def _mean_payload(batches: Sequence[list[Received]], schema: Schema, form: str) -> float:
    """Encode batches as the bridge does, and tell what one takes once it has settled."""
    encoder = BlockEncoder(None, columns=False) if form else BlockEncoder(schema)
    context = Context('survey')
    sizes = []
    sequence = 1
    for number, samples in enumerate(batches, 1):
        section = Section(
            route=1,
            descriptor=None,
            sequences=range(sequence, sequence + len(samples)),
            samples=samples,
            totals=None,
        )
        sequence += len(samples)
        now_ns = samples[-1].receive_time_ns
        batch = Batch(boot=bytes(8), number=number, sent_time_ns=now_ns, sections=(section,))
        encoded = encode_with_context(batch, {1: encoder}, Effort.NORMAL, context.dictionary)
        context.encoded([1], encoded.sections, now_ns / _NS)
        fresh = context.take_fresh()
        if fresh is not None:
            context.settled(fresh[1], True)
        sizes.append(len(encoded.payload))
    return statistics.fmean(sizes[len(sizes) // 2 :])
