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

"""The ways of commands through the gate: log, dispatch, answers, time-outs, ends and restarts."""

from dataclasses import replace
from typing import Any

import pytest

from ros_cloud_bridge.command_values import Reason, State
from ros_cloud_bridge.core.commands.effects import (
    Audit,
    Dispatch,
    Ended,
    Finish,
    LogKey,
    Progress,
    Record,
    Reply,
)
from ros_cloud_bridge.core.commands.gate import UnknownToGate
from ros_cloud_bridge.core.commands.states import ImpossibleEvent
from ros_cloud_bridge.values import ChannelConfig, ChannelKind
from support.gates import (
    answers,
    audits,
    BEGAN,
    cancels,
    CHANNELS,
    dispatches,
    MemoryLog,
    reason,
    Rig,
    Signer,
    states,
    verdicts,
)


@pytest.fixture
def ann() -> Signer:
    return Signer('ann')


@pytest.fixture
def bob() -> Signer:
    return Signer('bob')


@pytest.fixture
def rig(ann: Signer, bob: Signer) -> Rig:
    return Rig(ann, bob)


def _goal(rig: Rig, signer: Signer) -> tuple[Dispatch, bytes]:
    command = signer.command('go', 'goal', {'order': 5}, at=rig.now)
    (dispatch,) = dispatches(rig.take(signer.sign('go', command)))
    return dispatch, command.id


def test_a_command_is_on_the_disk_before_it_is_carried_out(rig: Rig, ann: Signer) -> None:
    rig.now = BEGAN + 1.5
    command = ann.command('call', 'call', {'x': 0.5}, at=rig.now)
    arrival = ann.sign('call', command)
    taken = rig.gate.take(arrival, rig.now)
    assert [type(effect) for effect in taken] == [Record]
    assert rig.gate.running == 1
    effects = rig.do(taken)
    assert [type(effect) for effect in effects] == [Record, Audit, Reply, Dispatch]
    (dispatch,) = dispatches(effects)
    assert (dispatch.operator, dispatch.type, dispatch.arguments, dispatch.drives) == (
        'ann',
        'call',
        {'x': 0.5},
        False,
    )
    assert dispatch.channel.name == 'call'
    assert dispatch.deadline == pytest.approx(BEGAN + 6.5)
    rig.now += 0.25
    ended = rig.end(dispatch, detail={'y': 1})
    # The log learns of the end before the operator does.
    assert [type(effect) for effect in ended] == [Finish, Reply, Audit]
    told = answers([*effects, *ended])
    assert [(a.state, a.number, a.robot_ms, a.detail) for a in told] == [
        (State.ACCEPTED, 0, 1500, None),
        (State.SUCCEEDED, 1, 1750, {'y': 1}),
    ]
    assert {a.id for a in told} == {command.id}
    assert verdicts([*effects, *ended]) == ['accepted', 'succeeded']
    assert audits(ended)[0].facts == {'seconds': 0.25}
    assert (audits(ended)[0].id, audits(ended)[0].kid) == (command.id.hex(), ann.kid.hex())
    assert rig.log.left_over() == []
    assert rig.gate.running == 0
    assert rig.gate.counters == {'accepted': 1, 'succeeded': 1}


def test_a_read_is_not_logged_and_answered_once(rig: Rig, ann: Signer) -> None:
    effects = rig.take(ann.send('tune', 'get', {'names': ['speed.most']}))
    assert [type(effect) for effect in effects] == [Audit, Dispatch]
    ended = rig.end(dispatches(effects)[0], detail={'values': {'speed.most': 1.0}})
    assert [type(effect) for effect in ended] == [Reply, Audit]
    assert states(ended) == [State.SUCCEEDED]


@pytest.mark.parametrize(
    ('state', 'verdict'),
    [
        (State.FAILED, 'failed'),
        (State.CANCELLED, 'cancelled'),
        (State.TIMED_OUT, 'timed_out'),
        (State.REJECTED, 'rejected'),
    ],
)
def test_other_ends(rig: Rig, ann: Signer, state: State, verdict: str) -> None:
    (dispatch,) = dispatches(rig.take(ann.send('call', 'call')))
    effects = rig.end(dispatch, state, 'no_server: /reset')
    assert states(effects) == [state]
    assert answers(effects)[0].reason == 'no_server: /reset'
    assert verdicts(effects) == [verdict]
    assert rig.gate.counters[verdict] == 1


def test_a_log_that_fails_lets_nothing_through(rig: Rig, ann: Signer) -> None:
    log = rig.log
    assert isinstance(log, MemoryLog)
    command = ann.command('call', 'call')
    taken = rig.gate.take(ann.sign('call', command), rig.now)
    log.fault = 'disk is full'
    effects = rig.do(taken)
    assert dispatches(effects) == []
    assert reason(effects) == Reason.LOG_FAILED
    assert 'disk is full' in answers(effects)[0].reason
    assert verdicts(effects) == ['rejected']
    log.fault = ''
    # Its answer stands: the same command is not tried again.
    assert reason(rig.take(ann.sign('call', command))) == Reason.LOG_FAILED
    assert len(dispatches(rig.take(ann.send('call', 'call')))) == 1


def test_a_disk_that_takes_too_long(rig: Rig, ann: Signer) -> None:
    taken = rig.gate.take(ann.send('call', 'call'), rig.now)
    rig.now += 5.1
    effects = rig.do(taken)
    assert dispatches(effects) == []
    assert reason(effects) == Reason.EXPIRED
    assert rig.log.left_over() == []


def test_progress_and_feedback(rig: Rig, ann: Signer) -> None:
    dispatch, _ = _goal(rig, ann)
    started = rig.progress(dispatch)
    assert [(a.state, a.detail) for a in answers(started)] == [(State.RUNNING, None)]
    assert audits(started) == []
    first = rig.progress(dispatch, {'feedback': 1})
    assert [(a.state, a.number, a.detail) for a in answers(first)] == [
        (State.RUNNING, 2, {'feedback': 1})
    ]
    assert rig.gate.next_at(rig.now) is None
    # At 2 Hz: what comes earlier waits, and the newest is told.
    rig.now += 0.1
    assert rig.progress(dispatch, {'feedback': 2}) == []
    assert rig.progress(dispatch, {'feedback': 3}) == []
    assert rig.progress(dispatch) == []
    assert rig.gate.next_at(rig.now) == pytest.approx(BEGAN + 0.5)
    rig.now = BEGAN + 0.49
    assert rig.look() == []
    rig.now = BEGAN + 0.5
    assert [a.detail for a in answers(rig.look())] == [{'feedback': 3}]
    assert rig.look() == []
    rig.now = BEGAN + 1.0
    assert [a.detail for a in answers(rig.progress(dispatch, {'feedback': 4}))] == [
        {'feedback': 4}
    ]
    rig.progress(dispatch, {'feedback': 5})
    assert [a.detail for a in answers(rig.end(dispatch, detail={'result': 6}))] == [{'result': 6}]
    rig.now += 10
    assert rig.look() == []


def test_feedback_may_be_the_first_that_is_heard_of_a_goal(rig: Rig, ann: Signer) -> None:
    dispatch, _ = _goal(rig, ann)
    assert states(rig.progress(dispatch, {'feedback': 1})) == [State.RUNNING]


def test_a_goal_is_cancelled_by_its_operator_alone(rig: Rig, ann: Signer, bob: Signer) -> None:
    dispatch, goal = _goal(rig, ann)
    assert reason(rig.take(bob.send('go', 'cancel', {'goal': goal}))) == Reason.NO_SUCH_GOAL
    assert reason(rig.take(ann.send('go', 'cancel', {'goal': bytes(16)}))) == Reason.NO_SUCH_GOAL
    effects = rig.take(ann.send('go', 'cancel', {'goal': goal}))
    assert cancels(effects) == [dispatch.ticket]
    assert states(effects) == [State.SUCCEEDED]
    assert verdicts(effects) == ['succeeded']
    assert rig.gate.running == 1
    ended = rig.end(dispatch, State.CANCELLED)
    assert [(a.id, a.state) for a in answers(ended)] == [(goal, State.CANCELLED)]
    assert reason(rig.take(ann.send('go', 'cancel', {'goal': goal}))) == Reason.NO_SUCH_GOAL
    assert rig.log.left_over() == []


def test_a_goal_is_cancelled_with_another_key_of_the_operator(rig: Rig, ann: Signer) -> None:
    other = Signer('ann', secret=b'a new key', instance=b'instanc2')
    rig = Rig(ann, other)
    dispatch, goal = _goal(rig, ann)
    assert cancels(rig.take(other.send('go', 'cancel', {'goal': goal}))) == [dispatch.ticket]


def test_a_goal_that_ends_while_its_cancelling_is_logged(rig: Rig, ann: Signer) -> None:
    dispatch, goal = _goal(rig, ann)
    taken = rig.gate.take(ann.send('go', 'cancel', {'goal': goal}), rig.now)
    rig.end(dispatch)
    effects = rig.do(taken)
    assert cancels(effects) == []
    assert reason(effects) == Reason.NO_SUCH_GOAL


@pytest.mark.parametrize('arguments', [None, {}, {'goal': b'short'}, {'goal': 'text'}, [b'']])
def test_cancelling_wants_a_goal(rig: Rig, ann: Signer, arguments: Any) -> None:
    assert reason(rig.take(ann.send('go', 'cancel', arguments))) == Reason.BAD_FIELDS


def test_cancelling_does_not_wait_for_what_starts(ann: Signer) -> None:
    channel = replace(CHANNELS[1], max_hz=0.001, max_running=1)
    rig = Rig(ann, channels=(channel,))
    dispatch, goal = _goal(rig, ann)
    assert reason(rig.take(ann.send('go', 'goal'))) == Reason.RATE_LIMIT
    assert cancels(rig.take(ann.send('go', 'cancel', {'goal': goal}))) == [dispatch.ticket]


@pytest.mark.parametrize(
    ('kind', 'timeout_s', 'after_s'),
    [
        (ChannelKind.SERVICE, 0.0, 10.0),
        (ChannelKind.SERVICE, 2.0, 2.0),
        (ChannelKind.PARAMETER, 0.0, 5.0),
        (ChannelKind.ACTION, 3.0, 3.0),
        (ChannelKind.ACTION, 0.0, None),
    ],
)
def test_time_outs(ann: Signer, kind: ChannelKind, timeout_s: float, after_s: Any) -> None:
    config = ChannelConfig(name='c', kind=kind, operators=('ann',), timeout_s=timeout_s)
    types = {'service': 'call', 'parameter': 'list', 'action': 'goal'}
    rig = Rig(ann, channels=(config,))
    (dispatch,) = dispatches(rig.take(ann.send('c', types[kind.value])))
    if after_s is None:
        assert rig.gate.next_at(rig.now) is None
        rig.now += 1e6
        assert rig.look() == []
        return
    assert rig.gate.next_at(rig.now) == BEGAN + after_s
    rig.now = BEGAN + after_s - 0.001
    assert rig.look() == []
    rig.now = BEGAN + after_s
    effects = rig.look()
    assert states(effects) == [State.TIMED_OUT]
    assert verdicts(effects) == ['timed_out']
    lasts = kind in (ChannelKind.SERVICE, ChannelKind.ACTION, ChannelKind.PARAMETER)
    assert cancels(effects) == ([dispatch.ticket] if lasts else [])
    assert rig.gate.next_at(rig.now) is None
    # What comes too late changes nothing.
    assert rig.progress(dispatch) == []
    assert rig.end(dispatch) == []
    assert rig.gate.counters['late'] == 2


def test_what_was_never_asked_for_is_an_error(rig: Rig, ann: Signer) -> None:
    with pytest.raises(UnknownToGate):
        rig.gate.ended(Ended(ticket=1, state=State.SUCCEEDED), rig.now)
    with pytest.raises(UnknownToGate):
        rig.gate.progress(Progress(ticket=0), rig.now)
    with pytest.raises(UnknownToGate):
        rig.gate.recorded(LogKey(kid=b'', id=b''), rig.now)
    with pytest.raises(UnknownToGate):
        rig.gate.not_recorded(LogKey(kid=b'', id=b''), '', rig.now)


def test_what_cannot_happen_is_an_error(rig: Rig, ann: Signer) -> None:
    dispatch, goal = _goal(rig, ann)
    with pytest.raises(ImpossibleEvent):
        rig.gate.recorded(LogKey(kid=ann.kid, id=goal), rig.now)
    with pytest.raises(ImpossibleEvent):
        rig.end(dispatch, State.RUNNING)
    with pytest.raises(ImpossibleEvent):
        rig.end(dispatch, State.UNKNOWN_AFTER_RESTART)
    rig.progress(dispatch)
    with pytest.raises(ImpossibleEvent):
        rig.end(dispatch, State.REJECTED)


def test_closing_ends_everything(rig: Rig, ann: Signer) -> None:
    dispatch, goal = _goal(rig, ann)
    (call,) = dispatches(rig.take(ann.send('call', 'call')))
    waiting = ann.command('call', 'call')
    (record,) = rig.gate.take(ann.sign('call', waiting), rig.now)
    effects = rig.do(rig.gate.close(rig.now))
    assert cancels(effects) == [dispatch.ticket, call.ticket]
    assert {a.id: (a.state, a.reason) for a in answers(effects)}[goal] == (
        State.FAILED,
        Reason.STOPPING,
    )
    assert states(effects) == [State.FAILED, State.FAILED, State.REJECTED]
    assert verdicts(effects) == ['failed', 'failed', 'rejected']
    assert rig.gate.running == 0
    # It was written all the same: the log learns that it was refused, and it is not carried out.
    late = rig.do([record])
    assert [type(effect) for effect in late] == [Record, Finish]
    assert rig.log.left_over() == []
    assert rig.end(call) == []
    assert reason(rig.take(ann.send('call', 'call'))) == Reason.STOPPING
    assert states(rig.take(ann.send('time', 'time'))) == [State.SUCCEEDED]
    rig.gate.open()
    assert len(dispatches(rig.take(ann.send('call', 'call')))) == 1
    assert states(rig.take(ann.sign('call', waiting))) == [State.REJECTED]


def test_what_an_earlier_run_left_over(ann: Signer, bob: Signer) -> None:
    log = MemoryLog()
    before = Rig(ann, bob, log=log)
    began = ann.command('call', 'call')
    before.take(ann.sign('call', began))
    ended = bob.command('call', 'call')
    before.end(dispatches(before.take(bob.sign('call', ended)))[0], detail={'y': 1})
    rig = Rig(ann, bob, log=log, epoch=b'epoch--2')
    effects = rig.do(rig.gate.left_over(log.left_over(), rig.now))
    assert [
        (e.operator, e.answer.id, e.answer.state) for e in effects if isinstance(e, Reply)
    ] == [('ann', began.id, State.UNKNOWN_AFTER_RESTART)]
    assert {a.epoch for a in answers(effects)} == {b'epoch--2'}
    assert verdicts(effects) == ['unknown_after_restart']
    assert log.left_over() == []
    assert rig.do(rig.gate.left_over(log.left_over(), rig.now)) == []
    # And again when the same commands come, with this run's epoch and time.
    rig.now += 3
    for signer, command, state in (
        (ann, began, State.UNKNOWN_AFTER_RESTART),
        (bob, ended, State.SUCCEEDED),
    ):
        repeated = rig.take(signer.sign('call', command))
        assert dispatches(repeated) == []
        (answer,) = answers(repeated)
        assert (answer.state, answer.epoch, answer.robot_ms) == (state, b'epoch--2', 3000)
        assert verdicts(repeated) == ['repeated']


def test_a_command_of_before_that_comes_before_its_end_is_told(ann: Signer) -> None:
    log = MemoryLog()
    began = ann.command('call', 'call')
    Rig(ann, log=log).take(ann.sign('call', began))
    rig = Rig(ann, log=log, epoch=b'epoch--2')
    left = log.left_over()
    effects = rig.take(ann.sign('call', began))
    assert states(effects) == [State.UNKNOWN_AFTER_RESTART]
    assert rig.do(rig.gate.left_over(left, rig.now)) == []


def test_a_running_command_is_not_left_over(rig: Rig, ann: Signer) -> None:
    rig.take(ann.send('call', 'call'))
    assert rig.gate.left_over(rig.log.left_over(), rig.now) == []
