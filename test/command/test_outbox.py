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

"""Answers wait bounded, and nobody's push out another's."""

from ros_cloud_bridge.command.outbox import MOST_BYTES, MOST_BYTES_EACH, MOST_EACH, Outbox
from ros_cloud_bridge.mqtt.events import Outgoing


def put(outbox: Outbox, topic: str, payload: bytes) -> None:
    """
    Add a message.

    :param outbox: where
    :param topic: its topic
    :param payload: its payload
    """
    outbox.put(Outgoing(topic=topic, payload=payload))


def test_topics_take_turns_and_each_keeps_its_order() -> None:
    outbox = Outbox()
    for number in range(3):
        put(outbox, 'alice', b'a%d' % number)
    put(outbox, 'bob', b'b0')
    assert len(outbox) == 4
    assert [one.payload for one in outbox.take_all()] == [b'a0', b'b0', b'a1', b'a2']
    assert len(outbox) == 0 and outbox.next() is None


def test_what_is_not_taken_stays_next() -> None:
    outbox = Outbox()
    put(outbox, 'alice', b'a')
    put(outbox, 'bob', b'b')
    assert outbox.next() is outbox.next()
    outbox.take()
    following = outbox.next()
    assert following is not None and following.payload == b'b'


def test_many_answers_push_out_their_own_alone() -> None:
    outbox = Outbox()
    put(outbox, 'alice', b'done')
    for number in range(10_000):
        put(outbox, 'bob', b'%d' % number)
    assert len(outbox) == MOST_EACH + 1
    assert outbox.dropped == 10_000 - MOST_EACH
    left = [(one.topic, one.payload) for one in outbox.take_all()]
    assert left[0] == ('alice', b'done')
    # The newest are those that somebody waits for.
    assert left[-1] == ('bob', b'9999')


def test_large_answers_push_out_their_own_alone() -> None:
    outbox = Outbox()
    put(outbox, 'alice', b'done')
    for _ in range(50):
        put(outbox, 'bob', bytes(MOST_BYTES_EACH // 4))
    assert [one.topic for one in outbox.take_all()] == ['alice', 'bob', 'bob', 'bob']


def test_all_together_are_bounded_at_the_cost_of_who_has_most() -> None:
    outbox = Outbox()
    put(outbox, 'alice', b'done')
    for number in range(100):
        put(outbox, f'o{number}', bytes(MOST_BYTES_EACH // 2))
    left = outbox.take_all()
    assert left[0].topic == 'alice'
    assert MOST_BYTES - MOST_BYTES_EACH < sum(len(one.payload) for one in left) <= MOST_BYTES
    assert outbox.dropped == 101 - len(left)
