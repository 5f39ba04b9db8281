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

"""Black boxes in the ROS graph: their subscriptions, the topics of their triggers, a service."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rclpy.service import Service
from rclpy.timer import Timer
from std_msgs.msg import String

from ros_cloud_bridge.black_box.events import events_topic
from ros_cloud_bridge.black_box.recorder import BlackBoxRecorder
from ros_cloud_bridge.black_box.tracks import ring_directory
from ros_cloud_bridge.bridge import Bridge
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.core.selection import resolve, TopicSelector
from ros_cloud_bridge.core.trigger import field_problem, parse_trigger, TriggerKind, Watch
from ros_cloud_bridge.errors import SchemaMismatch
from ros_cloud_bridge.link import Log
from ros_cloud_bridge.ros.interfaces import load_message, schema_of, type_name_of
from ros_cloud_bridge.ros.routes import RouteManager
from ros_cloud_bridge.ros.taking import STEADY_CLOCK
from ros_cloud_bridge.values import (
    BlackBoxConfig,
    BridgeConfig,
    DiscoveryConfig,
    Drop,
    Keep,
    Received,
    StreamConfig,
)
from ros_cloud_bridge.wire.batch import Descriptor
from ros_cloud_bridge.wire.schema import Schema

_ON_TOPICS = (TriggerKind.FIELD, TriggerKind.DIAGNOSTICS)
# How often a condition that has to hold is looked at, if its topic says nothing.
_TICK_S = 0.1


class RingRoutes:
    """
    Stands in for the bridge where a ring takes the samples.

    :param bridge: owns the routes
    :param recorder: takes the samples
    """

    def __init__(self, bridge: Bridge, recorder: BlackBoxRecorder) -> None:
        self.problems: dict[str, str] = {}
        self._bridge = bridge
        self._recorder = recorder

    def demanded_hz(self, stream: str) -> float | None:
        """
        Tell that a ring takes everything.

        :param stream: has no effect
        :returns: no limit
        """
        return None

    def open_route(
        self,
        stream: StreamConfig,
        topic: str,
        type_name: str,
        *,
        schema: Schema | None,
        gated: bool,
    ) -> Route:
        """
        Give the durable route that spans go to.

        :param stream: that of the black box
        :param topic: ROS topic
        :param type_name: its type
        :param schema: its definition
        :param gated: has no effect
        :returns: the route
        """
        return self._bridge.open_route(stream, topic, type_name, schema=schema, gated=False)

    def offer(
        self, route: Route, samples: Sequence[Received], drops: Sequence[tuple[Drop, int]] = ()
    ) -> None:
        """
        Put samples into the ring.

        :param route: the route that they may go to
        :param samples: the samples
        :param drops: what was lost before them
        """
        self._recorder.take(route, samples, drops)


@dataclass(slots=True, eq=False)
class _Watched:
    """A topic that triggers read."""

    message_class: type[Any]
    watches: list[Watch] = field(default_factory=list)


class TriggerTopics:
    """
    Reads the topics of a black box's triggers.

    :param name: the black box's
    :param triggers: those that have a topic
    :param namespace: what relative names stand below
    :param recorder: is told what fires
    :param log: takes (level, text)
    """

    def __init__(
        self,
        name: str,
        triggers: Sequence[Watch],
        namespace: str,
        recorder: BlackBoxRecorder,
        log: Log,
    ) -> None:
        self.problems: dict[str, str] = {}
        self._name = name
        self._recorder = recorder
        self._log = log
        self._said: set[str] = set()
        self._watches: dict[str, list[Watch]] = {}
        for watch in triggers:
            topic = resolve(watch.trigger.topic, namespace)
            self._watches.setdefault(topic, []).append(watch)
        self._watched: dict[Route, _Watched] = {}

    @property
    def stream(self) -> StreamConfig:
        """The topics, as discovery wants them."""
        name = f'{self._name}, triggers'
        return StreamConfig(name=name, topics=tuple(self._watches), keep=Keep.FIFO)

    def demanded_hz(self, stream: str) -> float | None:
        """
        Tell that triggers read everything.

        :param stream: has no effect
        :returns: no limit
        """
        return None

    def open_route(
        self,
        stream: StreamConfig,
        topic: str,
        type_name: str,
        *,
        schema: Schema | None,
        gated: bool,
    ) -> Route:
        """
        Make a route that leads nowhere: its samples are read here.

        :param stream: of these topics
        :param topic: ROS topic
        :param type_name: its type
        :param schema: has no effect
        :param gated: has no effect
        :returns: the route
        """
        for route in self._watched:
            if (route.topic, route.type_name) == (topic, type_name):
                return route
        route = Route(0, stream, topic, type_name)
        watched = self._watched[route] = _Watched(load_message(type_name))
        for watch in self._watches[topic]:
            problem = field_problem(watch.trigger, watched.message_class())
            if problem:
                self._say(watch, problem)
            else:
                watched.watches.append(watch)
        return route

    def offer(
        self, route: Route, samples: Sequence[Received], drops: Sequence[tuple[Drop, int]] = ()
    ) -> None:
        """
        Read samples.

        :param route: of the topic
        :param samples: the samples
        :param drops: have no effect
        """
        watched = self._watched[route]
        if not watched.watches:
            return
        now = STEADY_CLOCK.now().nanoseconds / 1e9
        for sample in samples:
            try:
                message = deserialize_message(sample.cdr, watched.message_class)
            except Exception as error:  # whatever rclpy makes of a sample that is damaged
                self._say(watched.watches[0], f'a message cannot be read: {error}')
                continue
            for watch in watched.watches:
                for value in watch.feed(message, now):
                    self._recorder.fire(watch.trigger.text, value)
                if watch.problem:
                    self._say(watch, watch.problem)

    def tick(self) -> None:
        """Look at the conditions that have to hold for a while."""
        now = STEADY_CLOCK.now().nanoseconds / 1e9
        for watches in self._watches.values():
            for watch in watches:
                for value in watch.tick(now):
                    self._recorder.fire(watch.trigger.text, value)

    def _say(self, watch: Watch, problem: str) -> None:
        text = f"black box '{self._name}': trigger '{watch.trigger.text}': {problem}"
        if text not in self._said:
            self._said.add(text)
            self._log('error', text)


class _Box:
    """One black box in the graph."""

    def __init__(
        self, node: Node, bridge: Bridge, config: BridgeConfig, box: BlackBoxConfig, log: Log
    ) -> None:
        self._node = node
        self._bridge = bridge
        self._stream = box.stream
        self._log = log
        self._service: Service | None = None
        self._timer: Timer | None = None
        name = box.stream.name
        events = bridge.open_route(
            box.stream,
            events_topic(name),
            type_name_of(String),
            schema=schema_of(String),
            gated=False,
        )
        self._recorder = BlackBoxRecorder(
            box,
            ring_directory(config, name),
            port=bridge,
            open_route=self._open_route,
            events=events,
            log=log,
        )
        namespace = node.get_namespace()
        own = [f'{node.get_fully_qualified_name()}/']
        kept = replace(config, streams=(box.stream,), black_boxes=())
        self._managers = [
            RouteManager(
                node,
                RingRoutes(bridge, self._recorder),
                TopicSelector(kept, namespace=namespace, own=own),
                log,
                latched=False,
                include_mirrored=config.discovery.include_mirrored,
            )
        ]
        triggers = [parse_trigger(text) for text in box.triggers]
        watches = [Watch(trigger) for trigger in triggers if trigger.kind in _ON_TOPICS]
        if watches:
            self._watch(watches, namespace, kept)
        if any(trigger.kind is TriggerKind.SERVICE for trigger in triggers):
            self._serve(name)
        self._by_command = any(trigger.kind is TriggerKind.COMMAND for trigger in triggers)
        self._recorder.start()

    def _watch(self, watches: Sequence[Watch], namespace: str, config: BridgeConfig) -> None:
        topics = TriggerTopics(self._stream.name, watches, namespace, self._recorder, self._log)
        # What is not bridged may be read all the same.
        read = replace(config, streams=(topics.stream,), discovery=DiscoveryConfig())
        selector = TopicSelector(read, namespace=namespace)
        self._managers.append(RouteManager(self._node, topics, selector, self._log, latched=False))
        if any(watch.trigger.hold_s for watch in watches):
            self._timer = self._node.create_timer(_TICK_S, topics.tick, clock=STEADY_CLOCK)

    def _serve(self, name: str) -> None:
        try:
            from std_srvs.srv import Trigger
        except ImportError as error:
            self._log('error', f"black box '{name}': no service: install std_srvs ({error})")
            return
        self._service = self._node.create_service(Trigger, f'~/trigger_{name}', self._triggered)

    def _triggered(self, request: object, response: Any) -> Any:
        span = self._recorder.fire('service', 'called')
        response.success = span is not None and not span.full
        if span is None:
            response.message = 'the black box is closing'
        else:
            response.message = f'span {span.id}{" is full" if span.full else ""}'
        return response

    def _open_route(self, topic: Descriptor) -> Route:
        """Open the route of a topic that an earlier run has kept."""
        schema = schema_of(load_message(topic.type_name))
        if topic.schema_id not in ('', schema.id):
            raise SchemaMismatch(topic.type_name, schema.id, topic.schema_id)
        return self._bridge.open_route(
            self._stream, topic.topic, topic.type_name, schema=schema, gated=False
        )

    def command(self, by: str) -> str:
        """
        Fire as a command demands.

        :param by: who has commanded it
        :returns: why not; empty when the span is kept
        """
        name = self._stream.name
        if not self._by_command:
            return f"black box '{name}' has no trigger 'command'"
        span = self._recorder.fire('command', by)
        if span is None:
            return f"black box '{name}' is closing"
        return f"black box '{name}': span {span.id} is full" if span.full else ''

    def refresh(self) -> None:
        """Look at the graph and follow it."""
        for manager in self._managers:
            manager.refresh()

    def close(self) -> None:
        """Unsubscribe, and hand over what is open."""
        for manager in self._managers:
            manager.close()
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        if self._service is not None:
            self._node.destroy_service(self._service)
        self._recorder.stop()


class BlackBoxes:
    """
    All black boxes of a bridge.

    :param node: the node that subscribes
    :param bridge: has the durable routes
    :param config: of the bridge
    :param log: takes (level, text)
    """

    def __init__(self, node: Node, bridge: Bridge, config: BridgeConfig, log: Log) -> None:
        self._boxes = [_Box(node, bridge, config, box, log) for box in config.black_boxes]
        self._names = [box.stream.name for box in config.black_boxes]

    def command(self, name: str, by: str) -> str:
        """
        Fire a black box as a command demands.

        :param name: of the black box
        :param by: who has commanded it
        :returns: why not; empty when the span is kept
        """
        if name not in self._names:
            return f"no black box '{name}'; there are: {', '.join(self._names) or 'none'}"
        return self._boxes[self._names.index(name)].command(by)

    def refresh(self) -> None:
        """Look at the graph and follow it."""
        for box in self._boxes:
            box.refresh()

    def close(self) -> None:
        """Unsubscribe, end what is open and hand it over to the bridge."""
        for box in self._boxes:
            box.close()
        self._boxes.clear()
