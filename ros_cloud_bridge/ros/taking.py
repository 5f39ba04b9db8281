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

"""Take raw messages out of a subscription: the one place that uses rclpy's subscription handle."""

import time
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.subscription import Subscription

from ros_cloud_bridge.values import Received

# Timers of ours run on it: a node's own clock may be simulated and stand still.
STEADY_CLOCK = Clock(clock_type=ClockType.STEADY_TIME)

# A turn ends at whichever comes first, so that timers and other subscriptions keep their pace:
# unbounded, a flood delayed timers by 650 ms, bounded by 25 ms.
TURN_MESSAGES = 256
TURN_S = 0.002


def received(cdr: bytes, info: dict[str, Any]) -> Received:
    """
    Make a value of what rclpy hands over.

    :param cdr: serialized message
    :param info: rclpy's message info
    :returns: the sample
    """
    publisher = info.get('publisher_gid')
    return Received(
        cdr,
        info['source_timestamp'],
        info['received_timestamp'],
        info.get('publication_sequence_number'),
        None if publisher is None else publisher['data'],
    )


def drain(subscription: Subscription, first: Received | None = None) -> list[Received]:
    """
    Take what waits in a raw subscription, within one turn's bounds.

    rclpy's executor takes one message per turn, at some 100 us each; this takes one in 10.

    :param subscription: created with ``raw=True``
    :param first: a message that the executor has taken already
    :returns: in the order of their arrival
    """
    samples = [] if first is None else [first]
    deadline = time.monotonic() + TURN_S
    message_type = subscription.msg_type
    handle = subscription.handle
    new = tuple.__new__
    known: bytes | None = None
    with handle:
        take = handle.take_message
        while len(samples) < TURN_MESSAGES:
            taken = take(message_type, True)
            if taken is None:
                break
            cdr, info = taken
            publisher = info.get('publisher_gid')
            gid = None if publisher is None else publisher['data']
            if gid == known:
                # One object for all of a publisher's samples, not 50 bytes more for each.
                gid = known
            else:
                known = gid
            # What Received(...) does, without the call of a Python function for each sample.
            samples.append(
                new(
                    Received,
                    (
                        cdr,
                        info['source_timestamp'],
                        info['received_timestamp'],
                        info.get('publication_sequence_number'),
                        gid,
                    ),
                )
            )
            # The clock is read for every 16th message only: it costs as much as a tenth of one.
            if len(samples) % 16 == 0 and time.monotonic() >= deadline:
                break
    return samples
