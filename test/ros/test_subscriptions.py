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

"""Subscriptions of one route in a real graph: draining, the gate, and offers that differ."""

from collections.abc import Iterator, Sequence

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')

from std_msgs.msg import Int32  # noqa: E402

from ros_cloud_bridge.core.latched import LatchedValues  # noqa: E402
from ros_cloud_bridge.core.offers import Offer, Publisher  # noqa: E402
from ros_cloud_bridge.core.route import Route  # noqa: E402
from ros_cloud_bridge.core.selection import TopicSelector  # noqa: E402
from ros_cloud_bridge.ros.discovery import matching_publishers  # noqa: E402
from ros_cloud_bridge.ros.mirrored import MirroredPublishers  # noqa: E402
from ros_cloud_bridge.ros.subscriptions import may_gate, RouteSubscriptions  # noqa: E402
from ros_cloud_bridge.ros.taking import drain, TURN_MESSAGES  # noqa: E402
from ros_cloud_bridge.values import (  # noqa: E402
    BridgeConfig,
    Drop,
    Keep,
    Key,
    Received,
    StreamConfig,
)
from support.graph import Graph, qos  # noqa: E402
from support.waiting import wait_until  # noqa: E402

TYPE = 'std_msgs/msg/Int32'
RELIABLE = Offer(reliable=True, transient_local=False)
LATCHED = Offer(reliable=True, transient_local=True)


class Sink:
    """Keeps what the subscriptions hand on."""

    def __init__(self) -> None:
        self.samples: list[Received] = []
        self.drops: dict[Drop, int] = {}

    def __call__(
        self, route: Route, samples: Sequence[Received], drops: Sequence[tuple[Drop, int]]
    ) -> None:
        """
        Take samples.

        :param route: theirs
        :param samples: the samples
        :param drops: what was left out before them
        """
        self.samples += samples
        for reason, count in drops:
            self.drops[reason] = self.drops.get(reason, 0) + count

    @property
    def numbers(self) -> list[int]:
        """What the samples say."""
        return [int.from_bytes(sample.cdr[4:8], 'little', signed=True) for sample in self.samples]


@pytest.fixture(scope='module')
def graph() -> Iterator[Graph]:
    """
    Join the graph.

    :returns: a node
    """
    joined = Graph('subscribing')
    yield joined
    joined.close()


def stream(topic: str, **named: object) -> StreamConfig:
    """
    Describe a stream.

    :param topic: its topic
    :param named: keys that differ
    :returns: the stream
    """
    return StreamConfig(name='s', topics=(topic,), **named)  # type: ignore[arg-type]


def publishers(graph: Graph, policy: StreamConfig) -> Sequence[Publisher]:
    """
    Ask the graph, until it knows.

    :param graph: which
    :param policy: whose topic
    :returns: its publishers
    """
    selector = TopicSelector(BridgeConfig(robot_id='r', streams=(policy,)))
    key = (policy.topics[0], TYPE)
    mirrored = MirroredPublishers(graph.node)
    wait_until(lambda: matching_publishers(graph.node, selector, mirrored).get(key))
    return matching_publishers(graph.node, selector, mirrored)[key]


def publisher_of(offer: Offer, gid: bytes = b'g' * 16) -> Publisher:
    """
    Invent a publisher.

    :param offer: what it offers
    :param gid: its gid
    :returns: the publisher
    """
    return Publisher(gid=gid, node='/n', type_name=TYPE, type_hash='', offer=offer)


def test_discovery_tells_what_publishers_offer(graph: Graph) -> None:
    policy = stream('/offers')
    made = [
        graph.publisher(Int32, '/offers', profile, subscribers=0)
        for profile in (qos(), qos(reliable=False), qos(latched=True))
    ]
    selector = TopicSelector(BridgeConfig(robot_id='r', streams=(policy,)))
    mirrored = MirroredPublishers(graph.node)
    offers = ('/offers', TYPE)
    wait_until(
        lambda: len(matching_publishers(graph.node, selector, mirrored).get(offers, ())) == 3
    )
    found = publishers(graph, policy)
    assert sorted(publisher.offer for publisher in found) == [
        Offer(reliable=False, transient_local=False),
        RELIABLE,
        LATCHED,
    ]
    assert {publisher.node for publisher in found} == {'/subscribing'}
    assert sorted(publisher.latched for publisher in found) == [False, False, True]
    assert len({publisher.gid for publisher in found}) == 3
    assert all(publisher.type_hash.startswith('RIHS01_') for publisher in found)
    for publisher in made:
        graph.node.destroy_publisher(publisher)


def test_a_turn_takes_no_more_than_its_bound(graph: Graph) -> None:
    publisher = graph.publisher(Int32, '/turns', qos(depth=2000), subscribers=0)
    subscription = graph.node.create_subscription(
        Int32, '/turns', lambda message: None, qos(depth=2000), raw=True
    )
    graph.wait_for_subscribers(publisher, 1)
    for number in range(1000):
        publisher.publish(Int32(data=number))
    turns: list[list[Received]] = []

    def all_taken() -> bool:
        turns.append(drain(subscription))
        return sum(map(len, turns)) == 1000

    wait_until(all_taken)
    assert max(map(len, turns)) <= TURN_MESSAGES
    taken = [sample for turn in turns for sample in turn]
    numbers = [int.from_bytes(sample.cdr[4:8], 'little') for sample in taken]
    assert numbers == list(range(1000))
    sequences = [sample.publication_sequence for sample in taken]
    assert sequences == list(range(sequences[0] or 0, (sequences[0] or 0) + 1000))
    assert all(0 < sample.source_time_ns <= sample.receive_time_ns for sample in taken)
    graph.node.destroy_subscription(subscription)
    graph.node.destroy_publisher(publisher)


@pytest.mark.parametrize(
    ('named', 'offers', 'gated'),
    [
        ({'max_hz': 5.0}, (RELIABLE,), True),
        ({'max_hz': 5.1}, (RELIABLE,), False),
        ({'max_hz': 0.0}, (RELIABLE,), False),
        ({'max_hz': 1.0, 'keep': Keep.FIFO}, (RELIABLE,), False),
        ({'max_hz': 1.0, 'key': Key.FRAME_ID}, (RELIABLE,), False),
        ({'max_hz': 1.0, 'decimation': 2}, (RELIABLE,), False),
        ({'max_hz': 1.0}, (LATCHED,), False),
        ({'max_hz': 1.0}, (RELIABLE, LATCHED), False),
    ],
)
def test_what_may_be_gated(
    named: dict[str, object], offers: tuple[Offer, ...], gated: bool
) -> None:
    assert may_gate(stream('/t', **named), [publisher_of(offer) for offer in offers]) is gated


def test_the_gate_goes_when_a_latched_publisher_joins(graph: Graph) -> None:
    policy = stream('/joined', max_hz=0.001)
    first = graph.publisher(Int32, '/joined', qos(), subscribers=0)
    route, sink = Route(1, policy, '/joined', TYPE, gated=True), Sink()
    subscriptions = RouteSubscriptions(
        graph.node, route, Int32, sink, MirroredPublishers(graph.node)
    )
    subscriptions.update(publishers(graph, policy))
    graph.wait_for_subscribers(first, 1)
    for number in range(10):
        first.publish(Int32(data=number))
    graph.spin_until(lambda: sink.samples)
    # One per thousand seconds: the gate is shut and takes no more, whatever comes.
    first.publish(Int32(data=10))
    assert len(sink.samples) == 1
    second = graph.publisher(Int32, '/joined', qos(latched=True), subscribers=0)
    second.publish(Int32(data=77))
    wait_until(lambda: len(publishers(graph, policy)) == 2)
    subscriptions.update(publishers(graph, policy))
    graph.spin_until(lambda: 77 in sink.numbers)
    assert not route.gated
    # From here on the route itself keeps the rate.
    assert route.offer([Received(b'\0\1\0\0abcd', t, t) for t in (1, 2, 3)], 0.0) == 1
    subscriptions.close()
    for publisher in (first, second):
        graph.node.destroy_publisher(publisher)


def test_two_offers_of_one_topic_deliver_each_sample_once(graph: Graph) -> None:
    policy = stream('/twice', keep=Keep.FIFO)
    reliable = graph.publisher(Int32, '/twice', qos(), subscribers=0)
    effort = graph.publisher(Int32, '/twice', qos(reliable=False), subscribers=0)
    route, sink = Route(1, policy, '/twice', TYPE), Sink()
    subscriptions = RouteSubscriptions(
        graph.node, route, Int32, sink, MirroredPublishers(graph.node)
    )
    wait_until(lambda: len(publishers(graph, policy)) == 2)
    subscriptions.update(publishers(graph, policy))
    graph.wait_for_subscribers(reliable, 2)
    graph.wait_for_subscribers(effort, 1)
    for number in range(50):
        reliable.publish(Int32(data=number))
        effort.publish(Int32(data=-number - 1))
    graph.spin_until(lambda: len(sink.samples) == 100 and sink.drops.get(Drop.DUPLICATE) == 50)
    assert sorted(sink.numbers) == list(range(-50, 50))
    assert set(sink.drops) == {Drop.DUPLICATE}
    # One goes, and its subscription with it.
    graph.node.destroy_publisher(effort)
    wait_until(lambda: len(publishers(graph, policy)) == 1)
    subscriptions.update(publishers(graph, policy))
    graph.wait_for_subscribers(reliable, 1)
    subscriptions.close()
    graph.wait_for_subscribers(reliable, 0)
    graph.node.destroy_publisher(reliable)


def test_what_nobody_wants_has_no_subscription(graph: Graph) -> None:
    policy = stream('/unwanted', keep=Keep.FIFO)
    publisher = graph.publisher(Int32, '/unwanted', qos(depth=1), subscribers=0)
    route, sink = Route(1, policy, '/unwanted', TYPE), Sink()
    subscriptions = RouteSubscriptions(
        graph.node, route, Int32, sink, MirroredPublishers(graph.node)
    )
    subscriptions.update(publishers(graph, policy), demanded=True)
    graph.wait_for_subscribers(publisher, 1)
    publisher.publish(Int32(data=1))
    graph.spin_until(lambda: sink.numbers == [1])
    subscriptions.update(publishers(graph, policy), demanded=False)
    graph.wait_for_subscribers(publisher, 0)
    for number in range(2, 50):
        publisher.publish(Int32(data=number))
    subscriptions.update(publishers(graph, policy), demanded=True)
    graph.wait_for_subscribers(publisher, 1)
    publisher.publish(Int32(data=50))
    graph.spin_until(lambda: sink.numbers == [1, 50])
    # What was published meanwhile is not lost: nobody wanted it.
    assert sink.drops == {}
    subscriptions.close()
    graph.node.destroy_publisher(publisher)


def test_the_gate_follows_the_rate_that_holds(graph: Graph) -> None:
    policy = stream('/followed', max_hz=5.0, on_demand=True, idle_hz=0.001)
    publisher = graph.publisher(Int32, '/followed', qos(), subscribers=0)
    route, sink = Route(1, policy, '/followed', TYPE, gated=True), Sink()
    route.limit(0.001, None)
    subscriptions = RouteSubscriptions(
        graph.node, route, Int32, sink, MirroredPublishers(graph.node)
    )
    subscriptions.update(publishers(graph, policy))
    graph.wait_for_subscribers(publisher, 1)
    publisher.publish(Int32(data=1))
    graph.spin_until(lambda: sink.numbers == [1])
    # One per thousand seconds, until somebody leases it.
    for number in (2, 3, 4):
        publisher.publish(Int32(data=number))
    route.limit(2.0, None)
    subscriptions.update(publishers(graph, policy))
    graph.spin_until(lambda: sink.numbers == [1, 4])
    assert sink.drops == {Drop.NOT_DEMANDED: 2}
    subscriptions.close()
    graph.node.destroy_publisher(publisher)


def test_a_latched_publisher_unknown_to_the_last_look_counts_as_living(graph: Graph) -> None:
    policy = stream('/unknown', keep=Keep.FIFO)
    publisher = graph.publisher(Int32, '/unknown', qos(latched=True), subscribers=0)
    route = Route(1, policy, '/unknown', TYPE)
    route.latched = LatchedValues(merge_frames=False)

    def offer(route: Route, samples: Sequence[Received], drops: object) -> None:
        route.offer(samples, 0.0)

    subscriptions = RouteSubscriptions(
        graph.node, route, Int32, offer, MirroredPublishers(graph.node)
    )
    subscriptions.update(publishers(graph, policy))
    graph.wait_for_subscribers(publisher, 1)
    publisher.publish(Int32(data=1))
    graph.spin_until(lambda: route.received == 1)
    graph.node.destroy_publisher(publisher)
    again = graph.publisher(Int32, '/unknown', qos(latched=True))
    again.publish(Int32(data=2))
    graph.spin_until(lambda: route.received == 2)
    kept = [entry.sample.cdr[4] for entry in route.latched.samples]
    assert kept == [2]
    subscriptions.close()
    graph.node.destroy_publisher(again)
