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


"""What comes in: routes of topics, and the samples of subscriptions and reducers."""

from collections.abc import Callable, Sequence

from ros_cloud_bridge.core.durable_route import DurableRoute, FRESH_S
from ros_cloud_bridge.core.outbox import Outbox
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.core.unreduced import Offered, Reduction, Unreduced
from ros_cloud_bridge.uplink.announcer import Announcer
from ros_cloud_bridge.uplink.portrait import SelfPortrait
from ros_cloud_bridge.uplink.steering import Steering
from ros_cloud_bridge.values import Drop, Keep, Received, StreamConfig
from ros_cloud_bridge.wire.schema import Schema


class Intake:
    """
    Gives topics their routes and routes their samples, within what may wait in memory.

    :param outbox: gets the routes
    :param portrait: has the configuration in force
    :param announcer: tells consumers of new routes
    :param steering: limits them
    :param learn: takes the definition of each type that goes out
    """

    def __init__(
        self,
        outbox: Outbox,
        portrait: SelfPortrait,
        announcer: Announcer,
        steering: Steering,
        learn: Callable[[Schema], None],
    ) -> None:
        self._outbox = outbox
        self._portrait = portrait
        self._announcer = announcer
        self._steering = steering
        self._learn = learn
        # What waits never exceeds this; the sum over all routes is taken only when it might.
        self._queued_at_most = 0

    def open_route(
        self,
        stream: StreamConfig,
        topic: str,
        type_name: str,
        *,
        schema: Schema | None,
        gated: bool,
        now: float,
        reduction: Reduction | None = None,
    ) -> Route:
        """
        Give the route of a topic, made when new.

        :param stream: the stream that gets the topic
        :param topic: ROS topic
        :param type_name: as in ``sensor_msgs/msg/Imu``
        :param schema: definition of the type that goes out, or None when it has none
        :param gated: whether the subscription itself keeps the rate
        :param now: monotonic seconds
        :param reduction: what a reducer makes of the samples; None for none
        :returns: the route; the same as before for a topic that comes back
        """
        wanted = (stream.name, topic, type_name, reduction is not None)
        for known in self._outbox.routes:
            kind = (known.source_type, known.unreduced is not None)
            if (known.stream.name, known.topic, *kind) == wanted:
                return known
        number = len(self._outbox.routes) + 1
        route: Route
        sent_type = type_name if reduction is None else reduction.type_name
        if stream.keep is Keep.DURABLE:
            # What a black box had kept is the past already.
            boxes = self._portrait.config.black_boxes
            boxed = any(box.stream.name == stream.name for box in boxes)
            fresh_s = 0.0 if boxed else FRESH_S
            route = DurableRoute(number, stream, topic, sent_type, fresh_s)
        else:
            route = Route(number, stream, topic, sent_type, gated)
        route.source_type = type_name
        route.unreduced = None if reduction is None else Unreduced(reduction)
        route.schema_id = schema.id if schema is not None else ''
        if schema is not None:
            self._learn(schema)
        self._outbox.add(route)
        self._steering.limit([route], now)
        self._announcer.route_added(schema, now)
        return route

    def offer(
        self,
        route: Route,
        samples: Sequence[Received],
        drops: Sequence[tuple[Drop, int]],
        now: float,
    ) -> None:
        """
        Take in what a subscription received.

        :param route: their route
        :param samples: in the order of their arrival
        :param drops: what was lost or left out before them, by reason
        :param now: monotonic seconds
        """
        for reason, count in drops:
            route.drops[reason] += count
        before = route.waiting_bytes
        route.offer(samples, now)
        self._bound_memory(route.waiting_bytes - before)

    def accept(self, route: Route, entries: Sequence[Offered], now: float) -> None:
        """
        Take in what came out of a route's reducer.

        :param route: the route
        :param entries: in the order of their arrival
        :param now: monotonic seconds
        """
        before = route.queued_bytes
        limit = route.stream.max_age_s or float('inf')
        fresh = [entry.sample for entry in entries if now - entry.at <= limit]
        if len(fresh) < len(entries):
            route.drops[Drop.NOT_REDUCED] += len(entries) - len(fresh)
        if fresh:
            route.accept(fresh, now)
        self._bound_memory(route.queued_bytes - before)

    def _bound_memory(self, came: int) -> None:
        self._queued_at_most += max(0, came)
        most = self._portrait.config.link.max_queued_bytes
        if self._queued_at_most > most:
            self._queued_at_most = self._outbox.enforce(most)
