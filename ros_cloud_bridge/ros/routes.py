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

"""Open and close routes as the graph changes, and say once what cannot be bridged."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from rclpy.node import Node

from ros_cloud_bridge.core.latched import LatchedValues
from ros_cloud_bridge.core.offers import mixed_offers, Publisher
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.core.selection import TopicSelector
from ros_cloud_bridge.errors import BridgeError
from ros_cloud_bridge.link import Log
from ros_cloud_bridge.ros.discovery import matching_publishers, TopicAndType
from ros_cloud_bridge.ros.interfaces import check_hash, load_message, schema_of
from ros_cloud_bridge.ros.mirrored import MirroredPublishers
from ros_cloud_bridge.ros.subscriptions import may_gate, RouteSubscriptions
from ros_cloud_bridge.values import Drop, Received, StreamConfig
from ros_cloud_bridge.wire.schema import Schema

TF_STATIC_TYPE = 'tf2_msgs/msg/TFMessage'


class RouteOwner(Protocol):
    """Who gets the samples: the bridge, or a black box."""

    problems: dict[str, str]

    def demanded_hz(self, stream: str) -> float | None:
        """Tell what rate is wanted of a stream; see ``Bridge``."""

    def open_route(
        self,
        stream: StreamConfig,
        topic: str,
        type_name: str,
        *,
        schema: Schema | None,
        gated: bool,
    ) -> Route:
        """Give the route of a topic; see ``Bridge``."""

    def offer(
        self, route: Route, samples: Sequence[Received], drops: Sequence[tuple[Drop, int]] = ()
    ) -> None:
        """Take in what a subscription received; see ``Bridge``."""


class RouteManager:
    """
    Keeps the subscriptions in step with the graph.

    :param node: the node that subscribes
    :param bridge: takes the samples
    :param selector: the streams' claims
    :param log: takes (level, text)
    :param latched: whether values of latched topics are kept
    :param include_mirrored: whether what mirrors publish is taken as well
    """

    def __init__(
        self,
        node: Node,
        bridge: RouteOwner,
        selector: TopicSelector,
        log: Log,
        *,
        latched: bool = True,
        include_mirrored: bool = False,
    ) -> None:
        self._node = node
        self._mirrored = MirroredPublishers(node, include=include_mirrored)
        self._bridge = bridge
        self._latched = latched
        self._selector = selector
        self._log = log
        self._subscribed: dict[TopicAndType, RouteSubscriptions] = {}
        self._demanded: dict[TopicAndType, bool] = {}
        # Topics of which something that their stream asks for cannot be made.
        self._short_of: dict[TopicAndType, str] = {}
        self._said: set[str] = set()

    def refresh(self) -> None:
        """Look at the graph and follow it."""
        self._mirrored.begin()
        found = matching_publishers(self._node, self._selector, self._mirrored)
        for key in set(self._subscribed) - set(found):
            # The route stays: its queue is still to be sent, and its numbers go on if it returns.
            self._subscribed.pop(key).close()
            self._demanded.pop(key, None)
            self._say('info', f'{key[0]}: no publisher any more', once=False)
        problems = dict(self._mirrored.problems)
        for topic, problem in problems.items():
            self._say('warning', f'{topic}: {problem}')
        for key, publishers in found.items():
            try:
                self._follow(key, publishers)
                if key in self._short_of:
                    problems[key[0]] = self._short_of[key]
            except Exception as error:  # one topic's trouble is not the others'
                problems[key[0]] = self._fail(key, error)
            self._explain(key[0], publishers, found)
        # Replaced as a whole, since the pump reads it.
        self._bridge.problems = problems

    def close(self) -> None:
        """Unsubscribe from everything."""
        for subscriptions in self._subscribed.values():
            subscriptions.close()
        self._subscribed.clear()
        self._demanded.clear()

    def _follow(self, key: TopicAndType, publishers: Sequence[Publisher]) -> None:
        subscriptions = self._subscribed.get(key)
        if subscriptions is not None:
            self._update(key, subscriptions, publishers)
            return
        subscriptions = self._open(key, publishers)
        topic, type_name = key
        stream = self._stream(topic).name
        self._say('info', f"stream '{stream}': {topic} [{type_name}]", once=False)
        self._update(key, subscriptions, publishers)
        self._subscribed[key] = subscriptions

    def _update(
        self,
        key: TopicAndType,
        subscriptions: RouteSubscriptions,
        publishers: Sequence[Publisher],
    ) -> None:
        stream = self._stream(key[0])
        # Nobody wants it: not even a subscription. The route stays, so that info shows what may
        # be leased.
        demanded = self._bridge.demanded_hz(stream.name) != 0.0
        subscriptions.update(publishers, demanded)
        if stream.on_demand and self._demanded.get(key) != demanded:
            word = 'subscribed' if demanded else 'no subscription while nobody leases it'
            self._say('info', f"stream '{stream.name}': {key[0]}: {word}", once=False)
        self._demanded[key] = demanded

    def _fail(self, key: TopicAndType, error: Exception) -> str:
        topic, type_name = key
        problem = str(error) if isinstance(error, BridgeError) else f'{type_name}: {error}'
        if any(name == topic for name, _ in self._subscribed if key not in self._subscribed):
            # Fast DDS takes one type per topic and process.
            problem = f'{type_name}: not bridged while the topic has another type, too'
        self._say('error', f"stream '{self._stream(topic).name}': {topic}: {problem}")
        return problem

    def _stream(self, topic: str) -> StreamConfig:
        stream = self._selector.stream_for(topic)
        assert stream is not None
        return stream

    def _open(self, key: TopicAndType, publishers: Sequence[Publisher]) -> RouteSubscriptions:
        topic, type_name = key
        stream = self._stream(topic)
        message_class = load_message(type_name)
        schema = schema_of(message_class)
        for publisher in publishers:
            check_hash(schema, publisher.type_hash or None)
        route = self._bridge.open_route(
            stream, topic, type_name, schema=schema, gated=may_gate(stream, publishers)
        )
        self._short_of.pop(key, None)
        for problem, words in (
            (route.dashboard_problem, 'no dashboard'),
            (route.reducer_problem, 'goes out as it is'),
        ):
            if problem:
                self._short_of[key] = f'{words}: {problem}'
                self._say('warning', f"stream '{stream.name}': {topic}: {self._short_of[key]}")
        latched = self._latched and any(publisher.latched for publisher in publishers)
        if latched and route.latched is None:
            route.latched = LatchedValues(merge_frames=type_name == TF_STATIC_TYPE)
        return RouteSubscriptions(
            self._node, route, message_class, self._bridge.offer, self._mirrored
        )

    def _explain(
        self,
        topic: str,
        publishers: Sequence[Publisher],
        found: Mapping[TopicAndType, Sequence[Publisher]],
    ) -> None:
        mixed = mixed_offers(topic, publishers)
        if mixed is not None:
            self._say('warning', mixed, identity=f'mixed {topic}')
        overlaps = self._selector.overlaps(topic)
        if overlaps:
            self._say(
                'info',
                f"{topic}: goes to stream '{self._stream(topic).name}', which stands before "
                f'{", ".join(overlaps)}',
                # A catch-all stream overlaps with everything: one example tells it.
                identity=f'{self._stream(topic).name} before {overlaps}',
            )
        types = sorted(type_name for name, type_name in found if name == topic)
        if len(types) > 1:
            self._say('warning', f'{topic}: published with several types: {", ".join(types)}')

    def _say(self, level: str, text: str, once: bool = True, identity: str | None = None) -> None:
        if once:
            if (identity or text) in self._said:
                return
            self._said.add(identity or text)
        self._log(level, text)
