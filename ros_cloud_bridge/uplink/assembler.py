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

"""Make MQTT messages of samples: batches with descriptors and drop totals, split to fit."""

from collections.abc import Sequence

from ros_cloud_bridge.core.outbox import Part, Taken
from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.context import Context
from ros_cloud_bridge.uplink.parcels import Fragments, Message, Parcel, Prepared
from ros_cloud_bridge.values import Priority
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_with_context, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.codecs import Effort
from ros_cloud_bridge.wire.fragments import abandoned, split
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.topics import RobotTopics

# What a section's own fields take, roughly.
_ENVELOPE_BYTES = 24
# How fast a route's ratio follows its last batch.
_RATIO_GAIN = 0.25
_LEAST_RATIO = 0.001


class Assembler:
    """
    Builds the parcels of one boot.

    :param topics: the robot's MQTT topics
    :param boot: boot id
    :param announce_period_s: a route's descriptor stands in a batch at least this often
    """

    def __init__(self, topics: RobotTopics, boot: bytes, announce_period_s: float) -> None:
        self._topics = topics
        self._boot = boot
        self.announce_period_s = announce_period_s
        self._next_number = 1
        self._encoders: dict[int, BlockEncoder] = {}
        self._schemas: dict[str, Schema] = {}
        self.effort = Effort.NORMAL
        self.with_context = True
        self.contexts = {priority: Context(topics.dictionary(priority)) for priority in Priority}
        self._described_at: dict[int, float] = {}
        self._totals_sent: dict[int, dict[int, int]] = {}
        self._latched_fragments: dict[str, int] = {}

    def learn(self, schema: Schema) -> None:
        """
        Take in the definition of a type, by which its samples are split into columns.

        :param schema: of the type of routes to come
        """
        self._schemas[schema.id] = schema

    def describe_again(self) -> None:
        """Put every route's descriptor into its next batch."""
        self._described_at.clear()

    def batch(
        self, priority: Priority, taken: Sequence[Taken], now: float, wall_ns: int
    ) -> Parcel:
        """
        Make a parcel of live samples.

        :param priority: their class
        :param taken: samples by route
        :param now: monotonic seconds
        :param wall_ns: nanoseconds since the Unix epoch
        :returns: the parcel
        """
        sections = [self._section(part.route, part.samples, now) for part in taken]
        context = self.contexts[priority] if self.with_context else None
        routes = [part.route for part in taken]
        number, payload, shares = self._encode(routes, sections, wall_ns, context, now)
        topic = self._topics.batches(priority)
        return Parcel(
            number=number,
            priority=priority,
            contents=Fragments(topic, payload, self._boot, number),
            entries=[part.part for part in taken],
            shares=shares,
            on_abandon=Message(topic=topic, payload=abandoned(self._boot, number)),
            expires_at=_expires_at(taken),
        )

    def latched(
        self,
        route: Route,
        values: Sequence[Queued],
        covered: int,
        now: float,
        wall_ns: int,
        limit: int,
    ) -> Parcel:
        """
        Make a parcel of a route's latched values, to stand retained.

        :param route: a latched route
        :param values: its latched values, at least one
        :param covered: how many samples left the queue to travel in this parcel alone
        :param now: monotonic seconds
        :param wall_ns: nanoseconds since the Unix epoch
        :param limit: largest retained MQTT payload, bytes
        :returns: the parcel
        """
        self._described_at.pop(route.number, None)
        section = self._section(route, values, now)
        number, payload, shares = self._encode([route], [section], wall_ns, None, now)
        fragments = split(payload, self._boot, number, limit)
        # A value in fewer fragments than the one before leaves some standing: clear those.
        stale = self._latched_fragments.get(route.topic, 0) - len(fragments)
        self._latched_fragments[route.topic] = len(fragments)
        messages = [
            Message(
                topic=self._topics.latched(route.topic, index),
                payload=fragment,
                retain=len(fragment) <= limit,
            )
            for index, fragment in enumerate([*fragments, *[b''] * max(0, stale)])
        ]
        return Parcel(
            number=number,
            priority=route.stream.priority,
            contents=Prepared(messages),
            entries=[Part(route, covered)] if covered else [],
            shares=shares,
            on_abandon=Message(
                topic=self._topics.latched(route.topic), payload=abandoned(self._boot, number)
            ),
        )

    def _section(self, route: Route, samples: Sequence[Queued], now: float) -> Section:
        described_at = self._described_at.get(route.number)
        descriptor = None
        if described_at is None or now - described_at >= self.announce_period_s:
            self._described_at[route.number] = now
            descriptor = Descriptor(
                stream=route.stream.name,
                topic=route.topic,
                type_name=route.type_name,
                schema_id=route.schema_id,
                form=route.form,
            )
        totals: dict[int, int] | None = route.totals()
        if descriptor is None and totals == self._totals_sent.get(route.number):
            totals = None
        else:
            self._totals_sent[route.number] = dict(totals or {})
        return Section(
            route=route.number,
            descriptor=descriptor,
            sequences=[entry.sequence for entry in samples],
            samples=[entry.sample for entry in samples],
            totals=totals,
        )

    def _encode(
        self,
        routes: Sequence[Route],
        sections: Sequence[Section],
        wall_ns: int,
        context: Context | None,
        now: float,
    ) -> tuple[int, bytes, list[tuple[Route, float]]]:
        number = self._next_number
        self._next_number += 1
        encoders = {
            route.number: self._encoders.get(route.number) or self._encoder(route)
            for route in routes
        }
        encoded = encode_with_context(
            Batch(boot=self._boot, number=number, sent_time_ns=wall_ns, sections=tuple(sections)),
            encoders,
            self.effort,
            None if context is None else context.dictionary,
        )
        payload = encoded.payload
        if context is not None and self.effort is not Effort.CHEAP:
            context.encoded([route.number for route in routes], encoded.sections, now)
        raw = [sum([len(sample[0]) for sample in section.samples]) for section in sections]
        # One frame holds them all: it is shared out by what each would take by itself.
        alone = [
            _ENVELOPE_BYTES + encoders[route.number].ratio * size
            for route, size in zip(routes, raw, strict=True)
        ]
        shares = []
        for route, size, part in zip(routes, raw, alone, strict=True):
            share = part / sum(alone)
            shares.append((route, share))
            route.wire_bytes += round(len(payload) * share)
            ratio = max(_LEAST_RATIO, len(payload) * share / max(1, size))
            first = route.wire_ratio == 1.0
            route.wire_ratio += (ratio - route.wire_ratio) * (1.0 if first else _RATIO_GAIN)
        return number, payload, shares

    def _encoder(self, route: Route) -> BlockEncoder:
        # A compact form's samples are not laid out as their type is.
        schema = None if route.form else self._schemas.get(route.schema_id)
        encoder = self._encoders[route.number] = BlockEncoder(schema, columns=not route.form)
        return encoder


def _expires_at(taken: Sequence[Taken]) -> float | None:
    """Say when the last sample of a batch will be too old; None when one never is."""
    if min(part.route.stream.max_age_s for part in taken) <= 0:
        return None
    return max(part.samples[-1].offered_at + part.route.stream.max_age_s for part in taken)
