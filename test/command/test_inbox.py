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

"""Messages wait bounded, and no operator's flood holds up another's."""

from ros_cloud_bridge.command.inbox import Inbox, MOST_BYTES, MOST_EACH, MOST_OPERATORS
from ros_cloud_bridge.core.commands.effects import Arrival


def arrival(operator: str, payload: bytes) -> Arrival:
    """
    Make a message.

    :param operator: whose
    :param payload: tells them apart
    :returns: it
    """
    return Arrival(operator=operator, channel='c', topic=f't/{operator}/c', payload=payload)


def taken(inbox: Inbox) -> list[tuple[str, bytes]]:
    """
    Empty it.

    :param inbox: the inbox
    :returns: operator and payload of each, in their order
    """
    found = []
    while (one := inbox.take()) is not None:
        found.append((one.operator, one.payload))
    return found


def test_operators_take_turns_and_each_keeps_its_order() -> None:
    inbox = Inbox()
    for number in range(3):
        assert inbox.put(arrival('alice', b'a%d' % number))
    assert inbox.put(arrival('bob', b'b0'))
    assert len(inbox) == 4
    assert taken(inbox) == [
        ('alice', b'a0'),
        ('bob', b'b0'),
        ('alice', b'a1'),
        ('alice', b'a2'),
    ]
    assert len(inbox) == 0


def test_a_flood_fills_its_own_queue_alone() -> None:
    inbox = Inbox()
    puts = [inbox.put(arrival('mallory', b'%d' % number)) for number in range(10_000)]
    assert puts == [True] * MOST_EACH + [False] * (10_000 - MOST_EACH)
    assert inbox.put(arrival('alice', b'stop'))
    assert inbox.dropped == {'busy': 10_000 - MOST_EACH}
    # What came first stays: it is nearest to its deadline, and what is dropped is said again.
    assert taken(inbox)[:3] == [('mallory', b'0'), ('alice', b'stop'), ('mallory', b'1')]


def test_names_and_bytes_are_bounded() -> None:
    inbox = Inbox()
    puts = [inbox.put(arrival(f'o{number}', b'')) for number in range(MOST_OPERATORS + 1)]
    assert puts == [True] * MOST_OPERATORS + [False]
    inbox.clear()
    assert taken(inbox) == []
    half = bytes(MOST_BYTES // 2)
    assert inbox.put(arrival('a', half)) and inbox.put(arrival('b', half))
    assert not inbox.put(arrival('c', b'x'))
    assert inbox.take() is not None and inbox.put(arrival('c', b'x'))
