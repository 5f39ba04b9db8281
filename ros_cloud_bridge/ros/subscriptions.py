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

"""The subscriptions of one route: one per distinct offer, drained, gated where the rate is low."""

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from ros_cloud_bridge.core.offers import Offer, offered_by, Publisher, subscriptions_for
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.core.sequences import DuplicateFilter, PublisherSequences
from ros_cloud_bridge.ros.mirrored import GID_BYTES, MirroredPublishers
from ros_cloud_bridge.ros.taking import drain, received, STEADY_CLOCK
from ros_cloud_bridge.values import Drop, Keep, Key, Received, StreamConfig

Drops = Sequence[tuple[Drop, int]]
Sink = Callable[[Route, Sequence[Received], Drops], None]

GATED_MAX_HZ = 5.0
_DEPTH_FIFO = 5000
_DEPTH_LATEST = 100


class Gate(CallbackGroup):
    """Keeps its subscriptions out of the executor's wait set while it is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.open = True

    def can_execute(self, entity: object) -> bool:
        """Tell the executor whether to wait for the entity."""
        return self.open

    def beginning_execution(self, entity: object) -> bool:
        """Let the executor run the entity's callback."""
        return self.open

    def ending_execution(self, entity: object) -> None:
        """Note the end of a callback; nothing depends on it."""


def may_gate(stream: StreamConfig, publishers: Sequence[Publisher]) -> bool:
    """
    Say whether a route takes just the newest sample when its next one is due.

    :param stream: its policy
    :param publishers: the topic's publishers
    :returns: whether the subscription can keep the rate
    """
    return (
        stream.keep is Keep.LATEST
        and stream.key is Key.ROUTE
        and stream.decimation == 1
        and 0 < stream.max_hz <= GATED_MAX_HZ
        and len(subscriptions_for(publishers)) == 1
        and not any(publisher.offer.transient_local for publisher in publishers)
    )


class RouteSubscriptions:
    """
    Subscribes to a route's topic as its publishers offer it.

    :param node: the node that subscribes
    :param route: the route
    :param message_class: its message class
    :param sink: takes samples and what was lost or left out before them; must not block
    :param mirrored: knows the publishers of mirrors, whose samples are left out
    """

    def __init__(
        self,
        node: Node,
        route: Route,
        message_class: type[Any],
        sink: Sink,
        mirrored: MirroredPublishers,
    ) -> None:
        self._node = node
        self._route = route
        self._message_class = message_class
        self._sink = sink
        self._mirrored = mirrored
        self._subscriptions: dict[Offer, Subscription] = {}
        self._sequences = PublisherSequences()
        self._duplicates = DuplicateFilter()
        self._gate: Gate | None = Gate() if route.gated else None
        self._timer: Timer | None = None
        self._timer_hz = 0.0

    @property
    def countable(self) -> bool:
        """Whether ``lost_before_bridge`` can be counted here."""
        return self._sequences.countable

    def update(self, publishers: Sequence[Publisher], demanded: bool = True) -> None:
        """
        Follow the topic's publishers and the demand.

        :param publishers: those of the route's type; none closes the subscriptions
        :param demanded: whether anybody wants samples; else the subscriptions are closed, too
        """
        gids = frozenset(publisher.gid[:GID_BYTES] for publisher in publishers)
        self._route.publishers = gids
        self._route.publisher_count = len(publishers)
        self._route.offered = offered_by(publishers) or self._route.offered
        if not demanded:
            self.close()
            # What is published while nobody wants it is not lost.
            self._sequences = PublisherSequences()
            return
        self._sequences.forget_except(set(gids))
        if self._gate is not None and not may_gate(self._route.stream, publishers):
            self._remove_gate()
        wanted = subscriptions_for(publishers)
        for offer in set(self._subscriptions) - set(wanted):
            self._node.destroy_subscription(self._subscriptions.pop(offer))
        for offer in wanted:
            if offer not in self._subscriptions:
                self._subscriptions[offer] = self._subscribe(offer)
        self._follow_rate()

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None
            self._timer_hz = 0.0
        self._open_gate()

    def _remove_gate(self) -> None:
        # The rate was raised, or a publisher joined whose samples may not be passed over: with a
        # depth of one the subscription could not keep up, so it is made anew.
        self.close()
        self._gate = None
        self._route.gated = False
        self._route.stream = self._route.stream  # makes the limiter that a gated route lacks

    def _follow_rate(self) -> None:
        # Below max_hz when no lease wants more, or the link is thin; 0 while the route is paused.
        hz = self._route.effective_hz or self._route.stream.max_hz
        if self._gate is None or hz == self._timer_hz:
            return
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        self._timer_hz = hz
        self._timer = self._node.create_timer(1.0 / hz, self._open_gate, clock=STEADY_CLOCK)

    def _open_gate(self) -> None:
        if self._gate is not None:
            self._gate.open = True

    def _subscribe(self, offer: Offer) -> Subscription:
        # A subscription needs its own list cell: the callback is made before the subscription is.
        cell: list[Subscription] = []

        def callback(cdr: bytes, info: dict[str, Any]) -> None:
            try:
                self._take(cell[0], received(cdr, info))
            except Exception as error:  # nothing may escape into the executor
                self._node.get_logger().error(f'{self._route.topic}: {error!r}')

        subscription = self._node.create_subscription(
            self._message_class,
            self._route.topic,
            callback,
            self._qos(offer),
            callback_group=self._gate,
            # rclpy's own would warn that nothing will be received from a publisher with other QoS,
            # which gets a subscription of its own.
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            raw=True,
        )
        cell.append(subscription)
        return subscription

    def _qos(self, offer: Offer) -> QoSProfile:
        stream = self._route.stream
        latest = stream.keep is Keep.LATEST
        depth = stream.qos_depth or (_DEPTH_LATEST if latest else _DEPTH_FIFO)
        return QoSProfile(
            # KEEP_LAST always: a full KEEP_ALL reader would make a reliable publisher wait.
            history=HistoryPolicy.KEEP_LAST,
            depth=1 if self._gate is not None else depth,
            reliability=(
                ReliabilityPolicy.RELIABLE if offer.reliable else ReliabilityPolicy.BEST_EFFORT
            ),
            durability=(
                DurabilityPolicy.TRANSIENT_LOCAL
                if offer.transient_local
                else DurabilityPolicy.VOLATILE
            ),
        )

    def _know(self, samples: Sequence[Received]) -> None:
        # A publisher that came since the last look at the graph: its latched value must not lose
        # against that of a predecessor which is thought to live.
        route = self._route
        if route.latched is None:
            return
        new = {sample.publisher for sample in samples if sample.publisher} - route.publishers
        if new:
            there = self._node.get_publishers_info_by_topic(route.topic)
            route.publishers = frozenset(
                new.union(bytes(endpoint.endpoint_gid)[:GID_BYTES] for endpoint in there)
            )

    def _take(self, subscription: Subscription, first: Received) -> None:
        samples = self._mirrored.without(self._route.topic, drain(subscription, first))
        drops = []
        if len(self._subscriptions) > 1:
            fresh = self._duplicates.fresh(samples)
            drops.append((Drop.DUPLICATE, len(samples) - len(fresh)))
            samples = fresh
        self._know(samples)
        missed = self._sequences.missed(samples, self._route.publisher_count)
        if self._gate is not None:
            self._gate.open = False
            # What the gate passed over was left out on purpose, by the rate that holds.
            drops.append((self._route.thinned_by, missed + max(0, len(samples) - 1)))
            samples = samples[-1:]
        else:
            drops.append((Drop.LOST_BEFORE_BRIDGE, missed))
        self._sink(self._route, samples, [(reason, count) for reason, count in drops if count])
