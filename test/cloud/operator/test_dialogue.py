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

"""The talk of an operator with a robot, with invented clocks."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.cloud.operator.clock import RobotClock, STALE_S
from ros_cloud_bridge.cloud.operator.dialogue import Dialogue, GRACE_S, REPEAT_S, SILENCE_S
from ros_cloud_bridge.cloud.operator.flight import Flight, Packet
from ros_cloud_bridge.cloud.operator.sent import Sent
from ros_cloud_bridge.command_values import Answer, Command, State
from ros_cloud_bridge.wire.command import decode_command, encode_command

EPOCH, LATER = b'epoch-01', b'epoch-02'


def dialogue() -> Dialogue:
    return Dialogue(
        'amr-07',
        topic=lambda channel: f'cmd/{channel}',
        instance=b'instance',
        seal=lambda command, topic: encode_command(command),
        hint=lambda channel: f'may one use {channel}?',
    )


def submit(talk: Dialogue, now: float, ttl_s: float = 5.0, channel: str = 'dock') -> Sent:
    sent = Sent('amr-07', channel, 'call')
    arguments = {'data': True}
    talk.submit(
        Flight(
            sent=sent,
            arguments=lambda: arguments,
            expires_at=now + ttl_s,
            topic=f'cmd/{channel}',
        )
    )
    return sent


def command_of(packet: Packet) -> Command:
    return decode_command(packet.payload)


def one(packets: list[Packet]) -> Command:
    assert len(packets) == 1
    return command_of(packets[0])


def answer(identity: bytes, state: State, robot_ms: int = 0, **more: Any) -> Answer:
    more.setdefault('epoch', EPOCH)
    return Answer(id=identity, robot_ms=robot_ms, state=state, **more)


def acquainted(now: float = 0.0, robot_ms: int = 1000) -> Dialogue:
    """Give a talk in which the robot has told its time."""
    talk = dialogue()
    sent = submit(talk, now)
    nonce = one(talk.due(now, True)).id
    talk.take(answer(nonce, State.SUCCEEDED, robot_ms), now)
    identity = one(talk.due(now, True)).id
    talk.take(answer(identity, State.SUCCEEDED, robot_ms), now)
    assert sent.done
    return talk


def test_the_time_is_asked_for_first_and_told_with_the_command() -> None:
    talk = dialogue()
    sent = submit(talk, 10.0, ttl_s=5.0)
    asked = one(talk.due(10.0, True))
    assert (asked.type, asked.epoch, asked.arguments) == ('time', b'', None)
    assert (asked.sequence, asked.sent_ms, asked.deadline_ms) == (0, 0, 0)
    assert talk.due(10.1, True) == [], 'nothing is signed before the answer'
    assert talk.take(answer(asked.id, State.SUCCEEDED, 70_000), 10.5) == (None, '')
    (packet,) = talk.due(11.5, True)
    command = command_of(packet)
    assert (command.type, command.epoch, command.sequence) == ('call', EPOCH, 1)
    # A second after the answer arrived, less what two clocks may drift apart.
    assert 70_999 <= command.sent_ms <= 71_000
    # What is left of the time to live, from the hand-over on.
    assert command.deadline_ms - command.sent_ms == 3500
    assert packet.expiry_s == pytest.approx(3.5)
    assert command.arguments == {'data': True}
    assert sent.id == command.id and not sent.done


def test_the_same_bytes_are_said_every_second_until_the_deadline() -> None:
    talk = acquainted()
    sent = submit(talk, 0.0, ttl_s=3.0)
    payloads = []
    now = 0.0
    while True:
        payloads += [packet.payload for packet in talk.due(now, True)]
        if sent.done:
            break
        now = max(now, talk.next_at(True))
    assert len(set(payloads)) == 1
    assert 3 <= len(payloads) <= 3 + GRACE_S / REPEAT_S + 1
    assert now == pytest.approx(3.0 + GRACE_S)
    assert sent.outcome is not None and sent.outcome.state is None
    assert sent.outcome.reason == 'may one use dock?'


def test_once_the_robot_has_begun_it_is_asked_after_silence_only_and_for_ever() -> None:
    talk = acquainted()
    sent = submit(talk, 0.0, ttl_s=1.0)
    identity = one(talk.due(0.0, True)).id
    flight, dropped = talk.take(answer(identity, State.ACCEPTED, 1010), 0.01)
    assert flight is not None and dropped == ''
    assert talk.due(4.9, True) == []
    again = one(talk.due(0.01 + SILENCE_S, True))
    assert again.id == identity
    assert one(talk.due(500.0, True)).id == identity
    assert not sent.done
    talk.take(answer(identity, State.SUCCEEDED, 600_000, number=1, detail=7), 600.0)
    assert sent.outcome is not None
    assert (sent.outcome.state, sent.outcome.detail) == (State.SUCCEEDED, 7)
    assert sent.outcome.round_trip_s == 600.0
    assert talk.under_way == 0
    # Late copies of the answer are no news, and no offence.
    assert talk.take(answer(identity, State.SUCCEEDED, 600_100, number=1), 600.1) == (None, '')


def test_old_answers_are_no_news() -> None:
    talk = acquainted()
    sent = submit(talk, 0.0)
    identity = one(talk.due(0.0, True)).id
    for number, detail in ((0, 'a'), (2, 'c'), (1, 'b'), (2, 'c')):
        talk.take(answer(identity, State.RUNNING, 1000, number=number, detail=detail), 0.1)
    talk.take(answer(identity, State.SUCCEEDED, 1000, number=3, detail='d'), 0.1)
    assert [told.detail for told in sent] == ['a', 'c', 'd']


def test_a_wrong_epoch_is_asked_about_and_the_command_said_under_a_new_id() -> None:
    talk = acquainted()
    sent = submit(talk, 0.0, ttl_s=5.0)
    first = one(talk.due(0.0, True))
    refused = answer(first.id, State.REJECTED, 40, epoch=LATER, reason='wrong_epoch')
    assert talk.take(refused, 1.0) == (None, '')
    assert not sent.done
    nonce = one(talk.due(1.0, True)).id
    talk.take(answer(nonce, State.SUCCEEDED, 60, epoch=LATER), 1.0)
    second = one(talk.due(1.0, True))
    assert second.id != first.id and second.epoch == LATER
    assert second.sequence > first.sequence
    assert second.deadline_ms == second.sent_ms + 4000, 'the deadline stays the same'
    assert sent.id == second.id
    # Once is enough.
    talk.take(answer(second.id, State.REJECTED, 90, epoch=LATER, reason='wrong_epoch'), 1.1)
    assert sent.outcome is not None and sent.outcome.state is State.REJECTED
    # A word to the first id is neither news nor an offence.
    assert talk.take(refused, 2.0) == (None, '')


@pytest.mark.parametrize('how', ['accepted', 'cancelled', 'late', 'other reason'])
def test_what_may_have_run_or_is_not_wanted_any_more_is_not_said_again(how: str) -> None:
    talk = acquainted()
    sent = submit(talk, 0.0, ttl_s=5.0)
    identity = one(talk.due(0.0, True)).id
    if how == 'accepted':
        talk.take(answer(identity, State.ACCEPTED, 1000), 0.1)
    sent.cancelled = how == 'cancelled'
    reason = 'no_lease' if how == 'other reason' else 'wrong_epoch'
    at = 6.0 if how == 'late' else 1.0
    talk.take(answer(identity, State.REJECTED, 40, epoch=LATER, reason=reason, number=1), at)
    assert sent.outcome is not None and sent.outcome.reason == reason


def test_only_a_question_of_ours_tells_an_epoch() -> None:
    talk = acquainted(robot_ms=1000)
    sent = submit(talk, 0.0)
    identity = one(talk.due(0.0, True)).id
    other = answer(identity, State.RUNNING, 99, epoch=LATER)
    assert talk.take(other, 0.1) == (None, 'wrong_epoch')
    assert not sent.done
    submit(talk, 0.2)
    asked = [command_of(packet) for packet in talk.due(0.2, True)]
    assert [command.type for command in asked] == ['time'], 'the epoch is in doubt'
    talk.take(answer(asked[0].id, State.SUCCEEDED, 1200, epoch=EPOCH), 0.2)
    assert one(talk.due(0.2, True)).epoch == EPOCH


def test_how_a_command_ended_may_be_told_by_a_later_run() -> None:
    talk = acquainted()
    sent = submit(talk, 0.0)
    identity = one(talk.due(0.0, True)).id
    talk.take(answer(identity, State.ACCEPTED, 1000), 0.1)
    unknown = answer(identity, State.UNKNOWN_AFTER_RESTART, 5, epoch=LATER)
    flight, dropped = talk.take(unknown, 1.0)
    assert flight is not None and dropped == ''
    assert sent.outcome is not None and sent.outcome.state is State.UNKNOWN_AFTER_RESTART


def test_the_answer_to_an_earlier_question_does_not_bring_an_old_epoch_back() -> None:
    talk = dialogue()
    submit(talk, 0.0)
    first = one(talk.due(0.0, True)).id
    second = one(talk.due(REPEAT_S, True)).id
    assert first != second
    talk.take(answer(second, State.SUCCEEDED, 30, epoch=LATER), 1.1)
    talk.take(answer(first, State.SUCCEEDED, 90_000, epoch=EPOCH), 1.2)
    assert one(talk.due(1.2, True)).epoch == LATER


def test_an_answer_to_nothing_is_an_offence() -> None:
    assert acquainted().take(answer(bytes(16), State.SUCCEEDED), 0.0) == (None, 'unknown_id')


def test_without_a_connection_nothing_is_said_and_the_time_runs() -> None:
    talk = acquainted()
    sent = submit(talk, 0.0, ttl_s=2.0)
    assert talk.due(0.0, False) == []
    assert talk.next_at(False) == 2.0
    assert talk.due(2.0, False) == []
    assert sent.outcome is not None and sent.outcome.state is None


def test_a_new_connection_says_everything_again_at_once() -> None:
    talk = acquainted()
    submit(talk, 0.0)
    payload = talk.due(0.0, True)[0].payload
    assert talk.due(0.1, True) == []
    talk.again()
    assert [packet.payload for packet in talk.due(0.1, True)] == [payload]


def test_what_there_was_no_room_for_is_said_soon() -> None:
    talk = acquainted()
    submit(talk, 0.0)
    (packet,) = talk.due(0.0, True)
    talk.unsent(packet, 0.0)
    assert 0.0 < talk.next_at(True) < 0.2
    fresh = dialogue()
    submit(fresh, 0.0)
    (packet,) = fresh.due(0.0, True)
    fresh.unsent(packet, 0.0)
    assert 0.0 < fresh.next_at(True) < 0.2


def test_what_the_broker_says_is_part_of_the_outcome() -> None:
    talk = acquainted()
    refused, unheard = submit(talk, 0.0), submit(talk, 0.0, ttl_s=1.0)
    first, second = (command_of(packet).id for packet in talk.due(0.0, True))
    talk.refused(first, 'not authorized')
    assert str(refused.outcome) == 'no answer: the broker refuses it: not authorized'
    talk.told_nobody(second, True)
    talk.due(1.0 + GRACE_S, True)
    assert 'nobody listens at the broker' in str(unheard.outcome)
    fresh = dialogue()
    sent = submit(fresh, 0.0)
    fresh.refused(one(fresh.due(0.0, True)).id, 'not authorized')
    assert str(sent.outcome) == 'no answer: the broker refuses it: not authorized'


class Driver:
    def __init__(self) -> None:
        self.heard: list[tuple[Answer, float]] = []

    def hear(self, answer: Answer, sent_at: float, at: float) -> str:
        self.heard.append((answer, at - sent_at))
        return ''


def test_messages_that_drive_are_said_once_and_heard_of_by_their_driver() -> None:
    driver, talk = Driver(), acquainted()
    fields = {'linear': {'x': 0.5}}
    sequences = []
    for step in range(3):
        packet = talk.drive(driver, 'drive', fields, 1.0, step * 0.1)
        assert packet is not None
        sequences.append(command_of(packet).sequence)
    assert sequences == [1, 2, 3]
    assert talk.due(5.0, True) == []
    assert packet is not None
    told = answer(packet.token.id, State.SUCCEEDED, 1300, detail={'count': 3})
    assert talk.take(told, 0.5) == (None, '')
    ((heard, after_s),) = driver.heard
    assert heard == told and after_s == pytest.approx(0.3)
    assert talk.take(told, 0.6) == (None, ''), 'a recording'
    assert len(driver.heard) == 1
    assert dialogue().drive(driver, 'drive', fields, 1.0, 0.0) is None, 'no time is known yet'


def test_a_later_run_of_the_robot_can_only_refuse_a_message_that_drives() -> None:
    driver, talk = Driver(), acquainted()
    first = talk.drive(driver, 'drive', None, 1.0, 0.0)
    second = talk.drive(driver, 'drive', None, 1.0, 0.1)
    assert first is not None and second is not None
    done = answer(first.token.id, State.SUCCEEDED, 1, epoch=LATER)
    assert talk.take(done, 0.2) == (None, 'wrong_epoch')
    refused = answer(second.token.id, State.REJECTED, 1, epoch=LATER, reason='wrong_epoch')
    assert talk.take(refused, 0.3) == (None, '')
    assert [heard for heard, _ in driver.heard] == [refused]


def test_after_a_long_silence_the_time_is_asked_for_again() -> None:
    talk = acquainted()
    submit(talk, STALE_S + 1.0)
    assert one(talk.due(STALE_S + 1.0, True)).type == 'time'


SKEWS = st.floats(-4e-5, 4e-5)


@given(
    skew=SKEWS,
    steps=st.lists(
        st.tuples(st.floats(0.0, 900.0), st.floats(0.0, 20.0)), min_size=1, max_size=30
    ),
)
def test_the_estimate_is_never_ahead_of_the_robot(
    skew: float, steps: list[tuple[float, float]]
) -> None:
    clock, now, delay_s = RobotClock(), 0.0, 0.0
    for pause_s, delay_s in steps:
        now += pause_s
        # The answer was made before it arrived, by a clock that goes a little wrong.
        robot_ms = int((now + 1000.0 - delay_s) * (1.0 + skew) * 1000.0)
        clock.begin(EPOCH, max(0, robot_ms), now)
        assert clock.now_ms(now) <= (now + 1000.0) * (1.0 + skew) * 1000.0
        later = now + pause_s
        if clock.knows(later):
            truth = (later + 1000.0) * (1.0 + skew) * 1000.0
            assert clock.now_ms(later) <= truth
    # And no further behind than the best answer was late, and clocks drift.
    assert clock.now_ms(now) >= (now + 1000.0 - delay_s) * (1.0 + skew) * 1000.0 - 1.0
