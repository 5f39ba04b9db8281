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

"""Announcements: when they are due, how often one may ask, and the share of repetitions."""

import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.uplink.announcer import Announcer, REPETITION_SHARE
from ros_cloud_bridge.wire.announce import Ask, decode_schema, encode_ask
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.topics import RobotTopics

PERIOD_S = 30.0
SCHEMA = Schema(type_name='a_msgs/msg/A', definition='int32 a\n', rihs01='RIHS01_' + 'ab' * 32)


@pytest.fixture
def announcer() -> Announcer:
    """
    Make one that was just connected for the first time, and has said so.

    :returns: the announcer, at 0 s
    """
    made = Announcer(RobotTopics('rcb/v1', 'r'), lambda: b'state', lambda: b'info' * 25, PERIOD_S)
    made.connected(0.0, look_first=False)
    assert said(made, 0.0) == ['state', 'info']
    return made


def said(announcer: Announcer, now: float) -> list[str]:
    """
    Take all that is due.

    :param announcer: of which
    :param now: monotonic seconds
    :returns: topics below the robot's
    """
    topics = []
    while (message := announcer.next(now)) is not None:
        assert message.retain
        topics.append(message.topic.removeprefix('rcb/v1/r/'))
    return topics


def test_presence_comes_first_and_waits_for_a_look_where_another_may_stand(
    announcer: Announcer,
) -> None:
    announcer.route_added(SCHEMA, 1.0)
    announcer.connected(2.0, look_first=True)
    assert said(announcer, 2.0) == [f'schema/{SCHEMA.id}']
    assert announcer.next_due() > 2.0
    assert said(announcer, announcer.next_due()) == ['state', 'info']


def test_one_info_tells_of_all_routes_that_come_together(announcer: Announcer) -> None:
    for _ in range(3):
        announcer.route_added(SCHEMA, 1.0)
    assert said(announcer, 1.0) == [f'schema/{SCHEMA.id}']
    assert said(announcer, 1.4) == ['info']
    assert said(announcer, 2.0) == []


def test_a_schema_goes_out_whole(announcer: Announcer) -> None:
    announcer.route_added(SCHEMA, 1.0)
    message = announcer.next(1.0)
    assert message is not None
    assert decode_schema(message.payload) == SCHEMA


def test_a_consumer_gets_what_it_asks_for_and_nothing_unknown(announcer: Announcer) -> None:
    announcer.route_added(SCHEMA, 1.0)
    said(announcer, 2.0)
    ask = Ask(info=True, routes=True, schemas=(SCHEMA.id, '00' * 8))
    assert announcer.asked('c', encode_ask(ask), 3.0) == ask
    assert sorted(said(announcer, 3.0)) == ['info', f'schema/{SCHEMA.id}', 'state']


def test_each_consumer_may_ask_a_few_times_and_then_once_a_second(announcer: Announcer) -> None:
    payload = encode_ask(Ask(info=True))
    answered = [bool(announcer.asked('greedy', payload, 1.0)) for _ in range(8)]
    # Five at once, and one on credit.
    assert answered == [True] * 6 + [False] * 2
    assert announcer.asks_refused == 2
    assert announcer.asked('modest', payload, 1.0)
    assert announcer.asked('greedy', payload, 2.5)
    assert not announcer.asked('greedy', payload, 2.5)


def test_a_malformed_request_counts_against_its_sender(announcer: Announcer) -> None:
    for _ in range(6):
        with pytest.raises(ProtocolError):
            announcer.asked('bad', b'\xff', 1.0)
    assert not announcer.asked('bad', b'\xff', 1.0)
    assert said(announcer, 1.0) == []


def test_a_flood_of_names_takes_bounded_memory(announcer: Announcer) -> None:
    payload = encode_ask(Ask(info=True))
    for number in range(2000):
        announcer.asked(f'consumer{number}', payload, 1.0)
    # The bound shows in what is forgotten: the first may begin anew, the last may not.
    for _ in range(5):
        announcer.asked('consumer1999', payload, 1.0)
        announcer.asked('consumer0', payload, 1.0)
    assert not announcer.asked('consumer1999', payload, 1.0)
    assert announcer.asked('consumer0', payload, 1.0)


def test_repetitions_keep_to_their_share(announcer: Announcer) -> None:
    announcer.route_added(SCHEMA, 0.0)
    said(announcer, 1.0)
    repeated = 0
    sent = 0
    for second in range(1, 3600):
        sent += 100
        announcer.next_repetition(float(second), sent, ['/map'])
        for topic in said(announcer, float(second)):
            assert topic in ('info', f'schema/{SCHEMA.id}')
            repeated += 100
    assert 0 < repeated <= REPETITION_SHARE * sent + 200


def test_latched_topics_take_their_turn_in_the_rotation(announcer: Announcer) -> None:
    turns = [
        announcer.next_repetition(PERIOD_S + n, 10**9, ['/map', '/tf_static']) for n in range(4)
    ]
    assert [turn for turn in turns if turn] == ['/map', '/tf_static']


def test_presence_is_taken_by_itself_and_but_once(announcer: Announcer) -> None:
    assert announcer.next_state(1.0) is None
    announcer.state_changed(1.0)
    assert announcer.waits(1.0)
    message = announcer.next_state(1.0)
    assert message is not None
    assert (message.topic, message.payload, message.retain) == ('rcb/v1/r/state', b'state', True)
    assert announcer.next_state(1.0) is None
    assert said(announcer, 1.0) == []


def test_presence_waits_for_its_look_even_when_it_is_asked_for_by_itself(
    announcer: Announcer,
) -> None:
    announcer.connected(2.0, look_first=True)
    assert announcer.next_state(2.0) is None
    assert not announcer.waits(2.0)
    due = announcer.next_due()
    assert announcer.next_state(due) is not None


def test_it_says_whether_something_waits(announcer: Announcer) -> None:
    assert not announcer.waits(0.0)
    announcer.route_added(SCHEMA, 1.0)
    assert not announcer.waits(0.5)
    assert announcer.waits(1.0)
    said(announcer, 1.0)
    assert not announcer.waits(1.0)
    assert announcer.waits(announcer.next_due())


def test_a_latched_topic_said_again_counts_for_the_share(announcer: Announcer) -> None:
    sent = 100_000
    assert announcer.next_repetition(PERIOD_S, sent, ['/map', '/plan']) is None
    assert announcer.next_repetition(PERIOD_S, sent, []) == '/map'
    announcer.repeated(50_000)
    assert announcer.next_repetition(PERIOD_S, sent, []) is None
    assert announcer.next_repetition(PERIOD_S, 20 * sent, []) == '/plan'


def test_many_dictionaries_of_one_class_leave_the_last_two_of_another(
    announcer: Announcer,
) -> None:
    for name in ('a0', 'a1', 'a2'):
        announcer.dictionary('rcb/v1/r/dict/bulk', name * 4, name.encode(), 0.0)
    for number in range(20):
        announcer.dictionary('rcb/v1/r/dict/live', f'{number:08x}', b'live', 0.0)
    while announcer.next(0.0) is not None:
        pass
    names = ('a0' * 4, 'a1' * 4, 'a2' * 4)
    announcer.asked('me', encode_ask(Ask(dictionaries=names)), 1.0)
    answers = [announcer.next(1.0), announcer.next(1.0)]
    assert [answer.payload for answer in answers if answer is not None] == [b'a1', b'a2']
    assert announcer.next(1.0) is None
    announcer.connected(2.0, look_first=False)
    assert said(announcer, 2.0) == ['state', 'info', 'dict/bulk', 'dict/live']


def test_a_dictionary_that_goes_leaves_the_rotation(announcer: Announcer) -> None:
    announcer.dictionary('rcb/v1/r/dict/live', '00' * 4, b'live', 0.0)
    said(announcer, 0.0)
    assert announcer.next_repetition(PERIOD_S, 10**6, []) is None
    for number in range(1, 20):
        announcer.dictionary('rcb/v1/r/dict/live', f'{number:08x}', b'live', PERIOD_S)
    assert announcer.next_repetition(PERIOD_S, 10**6, []) is None
