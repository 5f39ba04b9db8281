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

"""Replays in every form: nothing is carried out twice, and the answer is the one of before."""

from dataclasses import replace
import random
from typing import Any

import pytest

from ros_cloud_bridge.command_values import Reason, State
from ros_cloud_bridge.core.commands.answering import WITHHELD
from ros_cloud_bridge.core.commands.memory import MOST_ENDED
from ros_cloud_bridge.core.commands.noting import NOTED_BURST
from ros_cloud_bridge.core.commands.rates import REFUSAL_BURST, REPEAT_BURST
from ros_cloud_bridge.core.commands.windows import MOST_EACH
from ros_cloud_bridge.values import ChannelConfig, ChannelKind
from support.gates import (
    answers,
    audits,
    BEGAN,
    CHANNELS,
    dispatches,
    MemoryLog,
    reason,
    Rig,
    Signer,
    states,
)


def test_a_duplicate_hears_how_far_the_command_is() -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    arrival = ann.send('go', 'goal')
    (record,) = rig.gate.take(arrival, rig.now)
    assert states(rig.take(arrival)) == [State.RECEIVED]
    (dispatch,) = dispatches(rig.do([record]))
    assert states(rig.take(arrival)) == [State.ACCEPTED]
    rig.progress(dispatch, {'feedback': 1})
    rig.now = BEGAN + 0.5
    (running,) = answers(rig.take(arrival))
    assert (running.state, running.detail, running.robot_ms) == (
        State.RUNNING,
        {'feedback': 1},
        500,
    )
    (last,) = answers(rig.end(dispatch, detail={'result': 1}))
    rig.now = BEGAN + 60
    (again,) = answers(rig.take(arrival))
    # The same answer, made now: its deadline and epoch do not matter any more.
    assert again == replace(last, robot_ms=60_000)
    assert len(dispatches(rig.effects)) == 1
    assert rig.gate.counters['repeated'] == 4


def test_a_duplicate_of_a_read_is_not_carried_out_either() -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    arrival = ann.send('tune', 'list')
    (dispatch,) = dispatches(rig.take(arrival))
    assert states(rig.take(arrival)) == [State.ACCEPTED]
    rig.end(dispatch, detail={'names': []})
    assert [(a.state, a.detail) for a in answers(rig.take(arrival))] == [
        (State.SUCCEEDED, {'names': []})
    ]


def test_a_refusal_is_for_good() -> None:
    ann = Signer('ann')
    channel = replace(CHANNELS[0], max_ttl_s=2.0)
    rig = Rig(ann, channels=(channel,))
    arrival = ann.send('call', 'call')
    assert reason(rig.take(arrival)) == Reason.DEADLINE_TOO_FAR
    # By now its deadline would be near enough.
    rig.now += 3.0
    assert reason(rig.take(arrival)) == Reason.DEADLINE_TOO_FAR
    assert dispatches(rig.effects) == []


def test_another_payload_of_the_same_id() -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    command = ann.command('call', 'call', {'x': 0.1})
    (dispatch,) = dispatches(rig.take(ann.sign('call', command)))
    other = ann.sign('call', replace(command, arguments={'x': 0.2}, sequence=2))
    assert reason(rig.take(other)) == Reason.ID_REUSED
    rig.end(dispatch)
    assert reason(rig.take(other)) == Reason.ID_REUSED
    # What became of the first is still known.
    assert states(rig.take(ann.sign('call', command))) == [State.SUCCEEDED]
    # Also as a read, and after a restart.
    read = ann.sign('tune', replace(command, type='list', arguments=None))
    assert reason(rig.take(read)) == Reason.ID_REUSED
    assert reason(Rig(ann, log=rig.log, epoch=b'epoch--2').take(other)) == Reason.ID_REUSED
    assert len(dispatches(rig.effects)) == 1


def test_the_same_id_of_another_key_is_another_command() -> None:
    ann, bob = Signer('ann'), Signer('bob')
    rig = Rig(ann, bob)
    command = ann.command('call', 'call')
    rig.take(ann.sign('call', command))
    assert len(dispatches(rig.take(bob.sign('call', command)))) == 1


def test_reordered_commands_are_all_carried_out_once() -> None:
    ann = Signer('ann')
    rig = Rig(ann, channels=(replace(CHANNELS[0], max_running=64),))
    arrivals = [ann.send('call', 'call') for _ in range(64)]
    random.Random(1).shuffle(arrivals)
    for arrival in arrivals:
        rig.take(arrival)
    assert len(dispatches(rig.effects)) == 64


def test_an_old_sequence_number() -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    late = ann.command('call', 'call')
    used = ann.command('call', 'call')
    rig.take(ann.sign('call', used))
    again = ann.command('call', 'call', sequence=used.sequence)
    assert reason(rig.take(ann.sign('call', again))) == Reason.REPLAYED
    ann.sequences['call'] = 65
    rig.take(ann.send('call', 'call'))
    assert reason(rig.take(ann.sign('call', late))) == Reason.REPLAYED
    assert len(dispatches(rig.effects)) == 2


def test_each_process_and_channel_counts_for_itself() -> None:
    ann = Signer('ann')
    other = replace(ann, instance=b'instanc2', sequences={})
    rig = Rig(ann)
    for signer, channel, kind in (
        (ann, 'call', 'call'),
        (other, 'call', 'call'),
        (ann, 'go', 'goal'),
    ):
        assert len(dispatches(rig.take(signer.send(channel, kind, sequence=1)))) == 1


def test_a_command_of_an_earlier_run() -> None:
    ann = Signer('ann')
    log = MemoryLog()
    before = Rig(ann, log=log)
    seen, unseen = ann.send('call', 'call'), ann.send('call', 'call')
    read = ann.send('tune', 'list')
    before.end(dispatches(before.take(seen))[0])
    before.take(read)
    rig = Rig(ann, log=log, epoch=b'epoch--2')
    assert states(rig.take(seen)) == [State.SUCCEEDED]
    assert reason(rig.take(unseen)) == Reason.WRONG_EPOCH
    assert reason(rig.take(read)) == Reason.WRONG_EPOCH
    # Even when the log is lost.
    assert reason(Rig(ann, epoch=b'epoch--2').take(seen)) == Reason.WRONG_EPOCH


def test_what_memory_has_forgotten_the_log_knows() -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    first = ann.command('call', 'call')
    rig.end(dispatches(rig.take(ann.sign('call', first)))[0])
    ann.sequences.clear()
    for number in range(MOST_ENDED):
        rig.now = BEGAN + 10 + number / 500
        (dispatch,) = dispatches(rig.take(ann.send('go', 'goal', at=rig.now)))
        rig.end(dispatch)
    assert states(rig.take(ann.sign('call', first))) == [State.SUCCEEDED]
    assert (
        reason(rig.take(ann.sign('call', replace(first, arguments={'x': 1})))) == Reason.ID_REUSED
    )


def test_repeated_answers_are_bounded_and_noted_now_and_then() -> None:
    ann, bob = Signer('ann'), Signer('bob')
    rig = Rig(ann, bob)
    arrival, bobs = ann.send('call', 'call'), bob.send('call', 'call')
    rig.take(arrival)
    rig.take(bobs)
    found = [rig.take(arrival) for _ in range(100)]
    assert sum(len(answers(effects)) for effects in found) == REPEAT_BURST
    assert sum(len(audits(effects)) for effects in found) == 1
    assert rig.gate.counters[WITHHELD] == 100 - REPEAT_BURST
    # Others are answered all the same.
    assert len(answers(rig.take(bobs))) == 1
    rig.now += 10.0
    (again,) = audits(rig.take(arrival))
    assert again.facts['count'] == REPEAT_BURST


def test_a_flood_of_old_messages_is_answered_only_so_often() -> None:
    ann = Signer('ann', epoch=b'epoch--0')
    rig = Rig(ann)
    for _ in range(200):
        rig.take(ann.send('call', 'call'))
    assert len(answers(rig.effects)) == REPEAT_BURST
    assert len(audits(rig.effects)) == NOTED_BURST
    assert rig.gate.counters[Reason.WRONG_EPOCH] == 200


def test_an_own_flood_is_answered_and_noted_only_so_often() -> None:
    ann, bob = Signer('ann'), Signer('bob')
    rig = Rig(ann, bob, channels=(replace(CHANNELS[0], max_hz=10.0, max_running=100_000),))
    for tick in range(2000):
        rig.now = BEGAN + tick * 0.00475
        rig.take(ann.send('call', 'call', at=rig.now))
        rig.look()
    accepted = len(dispatches(rig.effects))
    refused = 2000 - accepted
    assert rig.gate.counters[Reason.RATE_LIMIT] == refused
    # The burst, and 20 a second for 9.5 s, beside the answers to what was carried out.
    assert states(rig.effects).count(State.REJECTED) <= REFUSAL_BURST + 9.5 * 20 + 1
    noted = [audit for audit in audits(rig.effects) if audit.verdict == 'rejected']
    assert NOTED_BURST <= len(noted) <= NOTED_BURST + 1
    # What was not noted at once is noted when the flood is long over, with its number.
    rig.now += 20.0
    noted += [audit for audit in audits(rig.look()) if audit.verdict == 'rejected']
    assert sum(int(str(audit.facts.get('count', 1))) for audit in noted) == refused
    assert {audit.reason for audit in noted} == {Reason.RATE_LIMIT}
    assert rig.gate.next_at(rig.now) is None
    # Nobody else is answered less, and she herself is when she asks again.
    assert reason(rig.take(bob.send('call', 'call', {'x': 2}, at=rig.now))) == Reason.FIELD_LIMIT
    assert reason(rig.take(ann.send('call', 'call', {'x': 2}, at=rig.now))) == Reason.FIELD_LIMIT


@pytest.mark.parametrize(
    ('kind', 'arguments', 'why'),
    [
        ('goal', None, Reason.WRONG_TYPE),
        ('call', {'x': 2}, Reason.FIELD_LIMIT),
        ('call', [1], Reason.BAD_FIELDS),
        ('call', None, Reason.BUSY),
    ],
)
def test_each_refusal_is_bounded(kind: str, arguments: Any, why: str) -> None:
    ann = Signer('ann')
    rig = Rig(ann, channels=(replace(CHANNELS[0], max_hz=0.0, max_running=1),))
    rig.take(ann.send('call', 'call'))
    before = len(answers(rig.effects))
    for _ in range(500):
        rig.take(ann.send('call', kind, arguments))
    assert rig.gate.counters[why] == 500
    assert len(answers(rig.effects)) - before == REFUSAL_BURST
    rejected = [audit for audit in audits(rig.effects) if audit.verdict == 'rejected']
    assert len(rejected) == NOTED_BURST
    # What is left to note is noted at the latest when the gate closes.
    (last,) = [
        audit
        for audit in audits(rig.do(rig.gate.close(rig.now)))
        if audit.reason == why or audit.reason.startswith(f'{why}:')
    ]
    assert last.facts['count'] == 500 - NOTED_BURST


def test_replays_do_not_use_up_the_answers_to_what_is_new() -> None:
    ann = Signer('ann')
    old = replace(ann, epoch=b'epoch--0', sequences={})
    rig = Rig(ann)
    for _ in range(200):
        rig.take(old.send('call', 'call'))
    assert reason(rig.take(ann.send('call', 'call', {'x': 2}))) == Reason.FIELD_LIMIT


def test_what_is_large_is_not_repeated_without_end() -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    arrival = ann.send('tune', 'list')
    detail = {'names': 96 * 1024 * 'x'}
    rig.end(dispatches(rig.take(arrival))[0], detail=detail)
    (first,) = answers(rig.take(arrival))
    assert (first.state, first.detail, first.reason) == (State.SUCCEEDED, detail, '')
    told = []
    for tick in range(3000):
        rig.now = BEGAN + tick / 100
        told += answers(rig.take(arrival))
    assert {answer.state for answer in told} == {State.SUCCEEDED}
    # Whoever repeats still hears how it ended, and why that is all.
    assert {answer.reason.partition(':')[0] for answer in told if not answer.detail} == {
        Reason.TOO_LARGE
    }
    assert sum(answer.detail is None for answer in told) > 500
    # 30 s of 4 KiB hold it twice at most.
    assert sum(answer.detail is not None for answer in told) <= 2
    rig.now += 60.0
    assert answers(rig.take(arrival))[0].detail == detail


def test_too_many_processes_at_once() -> None:
    ann = Signer('ann')
    config = ChannelConfig(
        name='call',
        kind=ChannelKind.SERVICE,
        operators=('ann',),
        max_hz=0.0,
        max_running=2000,
        timeout_s=1e6,
    )
    rig = Rig(ann, channels=(config,))
    for number in range(MOST_EACH + 1):
        other = replace(ann, instance=number.to_bytes(8, 'big'), sequences={})
        effects = rig.take(other.send('call', 'call'))
        assert states(effects) == ([State.ACCEPTED] if number < MOST_EACH else [State.REJECTED])
    assert reason(effects) == Reason.BUSY
    rig.now += 5.1
    other = replace(ann, instance=b'instanc3', sequences={})
    assert len(dispatches(rig.take(other.send('call', 'call', at=rig.now)))) == 1


def test_processes_without_end_keep_no_other_operator_out() -> None:
    ann, bob = Signer('ann'), Signer('bob')
    rig = Rig(ann, bob, channels=(replace(CHANNELS[0], max_running=10_000),))
    for number in range(1100):
        other = replace(ann, instance=number.to_bytes(8, 'big'), sequences={})
        rig.take(other.send('call', 'call', deadline_ms=10_000))
    assert rig.gate.counters[Reason.BUSY] == 1100 - MOST_EACH
    for number in range(MOST_EACH):
        other = replace(bob, instance=number.to_bytes(8, 'big'), sequences={})
        assert len(dispatches(rig.take(other.send('call', 'call')))) == 1
