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

"""Parcels: classes take turns between fragments, and a parcel given up is announced."""

from collections import deque

from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.parcels import Message, Parcel, ParcelQueue
from ros_cloud_bridge.values import Drop, Keep, Priority, Received, StreamConfig

NOTICE = Message(topic='abandoned', payload=b'')


def route_with(count: int) -> Route:
    """Make a route whose samples are all in flight."""
    stream = StreamConfig(name='s', topics=('/t',), keep=Keep.FIFO)
    route = Route(1, stream, '/t', 'std_msgs/msg/String')
    route.offer([Received(b'\0\1\0\0abcd', 1, 1)] * count, 0.0)
    route.take(1 << 20, count)
    return route


def parcel(route: Route, count: int, messages: int, priority: Priority, size: int = 8) -> Parcel:
    """Make a parcel of so many messages."""
    return Parcel(
        number=1,
        priority=priority,
        messages=deque(
            Message(topic=f'{priority.name}/{index}', payload=bytes(size))
            for index in range(messages)
        ),
        entries=[(route, count)],
        on_abandon=NOTICE,
    )


def test_an_urgent_parcel_goes_between_the_fragments_of_a_large_one() -> None:
    queue = ParcelQueue()
    route = route_with(2)
    queue.add(parcel(route, 1, 3, Priority.LOW, size=100_000))
    assert queue.pick(set()) is Priority.LOW
    sent = [queue.next(Priority.LOW)[0].topic]
    queue.add(parcel(route, 1, 1, Priority.HIGH))
    while (priority := queue.pick(set())) is not None:
        sent.append(queue.next(priority)[0].topic)
    assert sent == ['LOW/0', 'HIGH/0', 'LOW/1', 'LOW/2']
    assert not queue


def test_samples_are_delivered_once_every_fragment_is_answered() -> None:
    queue = ParcelQueue()
    route = route_with(5)
    sent = parcel(route, 5, 2, Priority.NORMAL)
    queue.add(sent)
    queue.next(Priority.NORMAL)
    assert queue.answered(sent, None) is None
    assert (route.delivered, route.in_flight) == (0, 5)
    queue.next(Priority.NORMAL)
    assert queue.answered(sent, None) is None
    assert (route.delivered, route.in_flight) == (5, 0)


def test_a_refused_fragment_gives_the_rest_up_and_says_so_once() -> None:
    queue = ParcelQueue()
    route = route_with(5)
    refused = parcel(route, 5, 4, Priority.NORMAL)
    queue.add(refused)
    queue.next(Priority.NORMAL)
    queue.next(Priority.NORMAL)
    assert queue.answered(refused, Drop.REFUSED) is NOTICE
    assert not queue.holds(Priority.NORMAL)
    assert route.in_flight == 5
    assert queue.answered(refused, Drop.REFUSED) is None
    assert (route.delivered, route.in_flight) == (0, 0)
    assert route.drops[Drop.REFUSED] == 5


def test_a_refused_parcel_of_one_message_needs_no_notice() -> None:
    queue = ParcelQueue()
    route = route_with(1)
    refused = parcel(route, 1, 1, Priority.NORMAL)
    queue.add(refused)
    queue.next(Priority.NORMAL)
    assert queue.answered(refused, Drop.REFUSED) is None
    assert route.drops[Drop.REFUSED] == 1
