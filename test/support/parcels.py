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

"""Routes and parcels without a pump."""

from typing import Any

from ros_cloud_bridge.core.outbox import Part
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.parcels import Contents, Fragments, Message, Parcel, Prepared
from ros_cloud_bridge.values import Keep, Priority, Received, StreamConfig

BOOT = bytes(8)
NOTICE = Message(topic='abandoned', payload=b'')


def make_route(number: int = 1, *, in_flight: int = 0, **policy: Any) -> Route:
    """
    Make a route of a stream of its own.

    :param number: its number
    :param in_flight: samples that it has accepted and that are in flight
    :param policy: of the stream
    :returns: the route
    """
    policy.setdefault('name', f's{number}')
    stream = StreamConfig(topics=(f'/t{number}',), keep=Keep.FIFO, **policy)
    route = Route(number, stream, f'/t{number}', 'std_msgs/msg/String')
    if in_flight:
        route.offer([Received(b'\0\1\0\0abcd', 1, 1)] * in_flight, 0.0)
        route.take(1 << 20, in_flight)
    return route


def make_parcel(
    *routes: Route,
    size: int = 10,
    messages: int = 0,
    priority: Priority = Priority.NORMAL,
    expires_at: float | None = None,
) -> Parcel:
    """
    Make a parcel that holds all that its routes have in flight, in equal shares.

    :param routes: the lead first
    :param size: bytes of its batch, or of each message
    :param messages: how many are made already; 0 for a batch that is cut when sent
    :param priority: its class
    :param expires_at: monotonic seconds
    :returns: the parcel
    """
    contents: Contents = Fragments('batch', bytes(size), BOOT, 1)
    if messages:
        contents = Prepared(
            [Message(topic=f'part/{index}', payload=bytes(size)) for index in range(messages)]
        )
    return Parcel(
        number=1,
        priority=priority,
        contents=contents,
        entries=[Part(route, route.in_flight) for route in routes],
        shares=[(route, 1 / len(routes)) for route in routes],
        on_abandon=NOTICE,
        expires_at=expires_at,
    )
