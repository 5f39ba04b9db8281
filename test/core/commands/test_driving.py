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

"""Driving: whose lease it is, what slows and stops it, and how it is told."""

from dataclasses import replace
from typing import Any

import pytest

from ros_cloud_bridge.command_values import Reason, State
from ros_cloud_bridge.core.commands.effects import Dispatch, Effect, Stop
from support.gates import (
    answers,
    audits,
    BEGAN,
    CHANNELS,
    dispatches,
    reason,
    Rig,
    Signer,
    states,
    stops,
    verdicts,
)

DRIVE = next(config for config in CHANNELS if config.name == 'drive')


@pytest.fixture
def ann() -> Signer:
    return Signer('ann')


@pytest.fixture
def bob() -> Signer:
    return Signer('bob')


@pytest.fixture
def rig(ann: Signer, bob: Signer) -> Rig:
    return Rig(ann, bob)


def _drive(rig: Rig, signer: Signer, x: float = 0.5, **other: Any) -> list[Effect]:
    """Send a message and have it carried out."""
    arguments = {'linear': {'x': x}, 'angular': {'z': 1.0}}
    effects = rig.take(signer.send('drive', 'publish', arguments, at=rig.now, **other))
    for dispatch in dispatches(effects):
        effects += rig.end(dispatch)
    return effects


def _acquire(rig: Rig, signer: Signer) -> list[Effect]:
    return rig.take(signer.send('drive', 'acquire', at=rig.now))


def test_only_the_holder_drives(rig: Rig, ann: Signer, bob: Signer) -> None:
    assert reason(_drive(rig, ann)) == Reason.NO_LEASE
    acquired = _acquire(rig, ann)
    assert [(a.state, a.detail) for a in answers(acquired)] == [
        (State.SUCCEEDED, {'lease_s': 10.0, 'watchdog_s': 0.5})
    ]
    assert verdicts(acquired) == ['succeeded']
    (dispatch,) = dispatches(_drive(rig, ann))
    assert dispatch.drives
    assert dispatch.arguments == {'linear': {'x': 0.5}, 'angular': {'z': 1.0}}
    assert reason(_drive(rig, bob)) == Reason.NO_LEASE
    refused = _acquire(rig, bob)
    assert reason(refused) == Reason.LEASE_HELD
    assert 'ann' in answers(refused)[0].reason
    # Nothing of it stands in the log.
    assert rig.log.left_over() == []


def test_another_process_or_key_of_the_holder_does_not_drive(ann: Signer) -> None:
    process = replace(ann, instance=b'instanc2', sequences={})
    key = Signer('ann', secret=b'another')
    rig = Rig(ann, key)
    _acquire(rig, ann)
    for other in (process, key):
        rig.now += 0.2
        assert reason(_drive(rig, other)) == Reason.NO_LEASE
        assert reason(_acquire(rig, other)) == Reason.LEASE_HELD
    assert len(dispatches(_drive(rig, ann))) == 1


def test_the_sequence_only_increases(rig: Rig, ann: Signer) -> None:
    _acquire(rig, ann)
    late = ann.command('drive', 'publish', {})
    _drive(rig, ann)
    assert reason(rig.take(ann.sign('drive', late))) == Reason.OUT_OF_ORDER
    assert len(dispatches(rig.effects)) == 1


def test_a_duplicate_is_neither_carried_out_nor_refused(rig: Rig, ann: Signer) -> None:
    _acquire(rig, ann)
    command = ann.command('drive', 'publish', {'linear': {'x': 0.1}})
    arrival = ann.sign('drive', command)
    rig.end(dispatches(rig.take(arrival))[0])
    assert rig.take(arrival) == []
    other = ann.sign('drive', replace(command, arguments={'linear': {'x': 0.2}}))
    assert reason(rig.take(other)) == Reason.ID_REUSED


def test_messages_are_told_every_half_second(rig: Rig, ann: Signer) -> None:
    _acquire(rig, ann)
    told = []
    for tick in range(21):
        rig.now = BEGAN + tick * 0.05
        told += answers([*_drive(rig, ann), *rig.look()])
    assert [(a.state, a.detail, a.robot_ms) for a in told] == [
        (State.SUCCEEDED, {'count': 1, 'scale': 1.0}, 0),
        (State.SUCCEEDED, {'count': 10, 'scale': 1.0}, 500),
        (State.SUCCEEDED, {'count': 10, 'scale': 1.0}, 1000),
    ]
    # The last ones are told without a further message.
    rig.now = BEGAN + 1.05
    assert answers(_drive(rig, ann)) == []
    rig.now = BEGAN + 1.5
    assert [a.detail for a in answers(rig.look())] == [{'count': 1, 'scale': 1.0}]
    assert rig.gate.counters['driven'] == 22
    assert len(dispatches(rig.effects)) == 22
    # And noted when it begins and when it ends for want of messages, but not in between.
    rig.now = BEGAN + 1.6
    rig.look()
    noted = [(a.verdict, a.reason, dict(a.facts)) for a in audits(rig.effects)[1:]]
    assert noted == [
        ('accepted', '', {'driving': 'begins'}),
        ('succeeded', 'watchdog', {'driving': 'ends', 'seconds': 1.6, 'messages': 22}),
    ]
    # The watchdog's own thread has stopped the robot.
    assert stops(rig.effects) == []


def test_refusals_are_told_every_tenth_of_a_second_for_each_reason(
    rig: Rig, ann: Signer, bob: Signer
) -> None:
    _acquire(rig, ann)
    told = []
    for tick in range(10):
        rig.now = BEGAN + tick * 0.03125
        told += answers(_drive(rig, bob))
        told += answers(_drive(rig, bob, x=9.0))
    found = [(a.reason.partition(':')[0], a.robot_ms) for a in told]
    assert found == [
        ('no_lease', 0),
        ('field_limit', 0),
        ('no_lease', 125),
        ('field_limit', 125),
        ('no_lease', 250),
        ('field_limit', 250),
    ]
    assert rig.gate.counters[Reason.NO_LEASE] == 10
    noted = [a.reason for a in audits(rig.effects) if a.type == 'publish']
    assert [text.partition(':')[0] for text in noted] == ['no_lease', 'field_limit']
    rig.now = BEGAN + 10.1
    (again,) = audits(_drive(rig, bob, x=9.0))
    assert again.facts['count'] == 10


def test_a_message_that_fails_is_told_each_time(rig: Rig, ann: Signer) -> None:
    _acquire(rig, ann)
    for _ in range(3):
        (dispatch,) = dispatches(rig.take(ann.send('drive', 'publish', {})))
        effects = rig.end(dispatch, State.FAILED, 'bad_fields: x')
        assert [(a.state, a.reason) for a in answers(effects)] == [(State.FAILED, 'bad_fields: x')]
    assert verdicts(rig.effects).count('failed') == 1


@pytest.mark.parametrize(
    ('age_s', 'factor'), [(0.0, 1.0), (0.25, 1.0), (0.625, 0.5), (1.0, 0.0), (1.001, None)]
)
def test_the_older_the_slower(rig: Rig, ann: Signer, age_s: float, factor: float | None) -> None:
    _acquire(rig, ann)
    arguments = {'linear': {'x': 0.5, 'y': 0.5}, 'angular': {'z': -1.0}}
    arrival = ann.send('drive', 'publish', arguments, at=rig.now)
    rig.now += age_s
    effects = rig.take(arrival)
    if factor is None:
        assert reason(effects) == Reason.TOO_LATE
        return
    (dispatch,) = dispatches(effects)
    assert dispatch.arguments == {
        'linear': {'x': pytest.approx(0.5 * factor), 'y': 0.5},
        'angular': {'z': pytest.approx(-factor)},
    }
    assert answers(rig.end(dispatch))[0].detail['scale'] == pytest.approx(factor)


def _sent(why: str) -> tuple[Stop, ...]:
    return (Stop(channel='drive', why=why),)


@pytest.mark.parametrize(
    'why', ['released', 'handed_over', 'connection_lost', 'stopping', 'lease_expired']
)
def test_what_stops_the_robot(ann: Signer, why: str) -> None:
    # A lease shorter than the watchdog, so that it is the lease that ends.
    config = replace(DRIVE, lease_s=0.4) if why == 'lease_expired' else DRIVE
    rig = Rig(ann, channels=(config,))
    do = {
        'released': lambda: rig.take(ann.send('drive', 'release', at=rig.now)),
        'handed_over': lambda: rig.take(ann.send('drive', 'hand_over', {'to': 'bob'}, at=rig.now)),
        'connection_lost': lambda: rig.do(rig.gate.lost(rig.now)),
        'stopping': lambda: rig.do(rig.gate.close(rig.now)),
        'lease_expired': rig.look,
    }[why]
    _acquire(rig, ann)
    if why in ('connection_lost', 'stopping'):
        # Who has not driven need not be stopped.
        assert stops(do()) == []
        rig.gate.open()
        _acquire(rig, ann)
    _drive(rig, ann)
    rig.now += 0.4
    effects = do()
    assert tuple(stops(effects)) == _sent(why)
    # It comes before whatever is said about it.
    assert isinstance(effects[0], Stop)
    assert [a.reason for a in audits(effects)][0] == why
    assert stops(do()) == []


def test_the_driver_hears_of_every_message_before_the_end(rig: Rig, ann: Signer) -> None:
    _acquire(rig, ann)
    for _ in range(4):
        _drive(rig, ann)
        rig.now += 0.05
    told = answers(rig.take(ann.send('drive', 'release', at=rig.now)))
    assert [answer.detail for answer in told] == [{'count': 3, 'scale': 1.0}, None]


def test_the_driver_hears_of_every_refusal_before_the_end(rig: Rig, ann: Signer) -> None:
    _acquire(rig, ann)
    refused = [
        rig.take(ann.send('drive', 'publish', {'linear': {'x': 99.0}}, at=rig.now))
        for _ in range(4)
    ]
    # The first is told at once, the others together.
    assert [a.detail for effects in refused for a in answers(effects)] == [{'count': 1}]
    told = answers(rig.take(ann.send('drive', 'release', at=rig.now)))
    assert [(a.state, a.detail) for a in told] == [
        (State.REJECTED, {'count': 3}),
        (State.SUCCEEDED, None),
    ]
    assert told[0].reason.startswith(Reason.FIELD_LIMIT)


def test_after_a_lost_connection_the_holder_drives_on(rig: Rig, ann: Signer) -> None:
    _acquire(rig, ann)
    _drive(rig, ann)
    rig.do(rig.gate.lost(rig.now))
    effects = _drive(rig, ann)
    assert len(dispatches(effects)) == 1
    assert audits(effects)[0].facts == {'driving': 'begins'}


def test_the_lease_is_handed_over_to_one_operator(ann: Signer, bob: Signer) -> None:
    cid = Signer('cid')
    rig = Rig(ann, bob, cid, channels=(replace(DRIVE, operators=('ann', 'bob', 'cid')),))
    _acquire(rig, ann)
    assert states(rig.take(ann.send('drive', 'hand_over', {'to': 'bob'}))) == [State.SUCCEEDED]
    assert reason(_drive(rig, ann)) == Reason.NO_LEASE
    refused = _acquire(rig, cid)
    assert reason(refused) == Reason.LEASE_HELD
    assert 'reserved for bob' in answers(refused)[0].reason
    assert reason(_acquire(rig, ann)) == Reason.LEASE_HELD
    assert states(_acquire(rig, bob)) == [State.SUCCEEDED]
    assert len(dispatches(_drive(rig, bob))) == 1


def test_a_reservation_ends_after_ten_seconds(rig: Rig, ann: Signer, bob: Signer) -> None:
    _acquire(rig, ann)
    rig.take(ann.send('drive', 'hand_over', {'to': 'bob'}))
    rig.now = BEGAN + 9.99
    assert reason(_acquire(rig, ann)) == Reason.LEASE_HELD
    rig.now = BEGAN + 10.0
    assert states(_acquire(rig, ann)) == [State.SUCCEEDED]


@pytest.mark.parametrize('arguments', [None, {'to': 'eve'}, {'to': 1}, {'to': 'bob', 'x': 1}])
def test_a_lease_goes_only_to_those_who_may(rig: Rig, ann: Signer, arguments: Any) -> None:
    _acquire(rig, ann)
    assert reason(rig.take(ann.send('drive', 'hand_over', arguments))) == Reason.BAD_FIELDS
    assert len(dispatches(_drive(rig, ann))) == 1


def test_only_the_holder_gives_it_back(rig: Rig, ann: Signer, bob: Signer) -> None:
    _acquire(rig, ann)
    assert reason(rig.take(bob.send('drive', 'release'))) == Reason.NO_LEASE
    assert reason(rig.take(bob.send('drive', 'hand_over', {'to': 'bob'}))) == Reason.NO_LEASE
    assert states(rig.take(ann.send('drive', 'release'))) == [State.SUCCEEDED]
    assert states(_acquire(rig, bob)) == [State.SUCCEEDED]


def test_a_lease_that_is_not_used_ends(rig: Rig, ann: Signer, bob: Signer) -> None:
    _acquire(rig, ann)
    assert rig.gate.next_at(rig.now) == BEGAN + 10.0
    rig.now = BEGAN + 9.0
    _drive(rig, ann)
    rig.now = BEGAN + 18.99
    assert reason(_acquire(rig, bob)) == Reason.LEASE_HELD
    rig.now = BEGAN + 19.0
    # Nobody has looked meanwhile: it has ended all the same, and the robot is stopped first.
    effects = _acquire(rig, bob)
    assert states(effects) == [State.SUCCEEDED]
    assert isinstance(effects[0], Stop)
    assert reason(_drive(rig, ann)) == Reason.NO_LEASE


@pytest.mark.parametrize('drives', [True, False])
def test_a_revoked_key_holds_no_lease(rig: Rig, ann: Signer, bob: Signer, drives: bool) -> None:
    _acquire(rig, ann)
    if drives:
        _drive(rig, ann)
    assert rig.look() == []
    del rig.reader.secrets['ann', ann.kid]
    rig.now += 0.1
    effects = rig.look()
    assert tuple(stops(effects)) == (_sent('revoked') if drives else ())
    if drives:
        assert isinstance(effects[0], Stop)
    assert [(a.operator, a.reason, a.type) for a in audits(effects)][-1] == (
        'ann',
        'revoked',
        'release',
    )
    assert rig.look() == []
    assert states(_acquire(rig, bob)) == [State.SUCCEEDED]
    # And it does not come back with the key.
    rig.reader.secrets['ann', ann.kid] = ann.secret
    assert reason(_drive(rig, ann)) == Reason.NO_LEASE
    assert len(dispatches(_drive(rig, bob))) == 1


def test_who_lacks_the_lease_does_not_use_up_the_rate(ann: Signer, bob: Signer) -> None:
    rig = Rig(ann, bob, channels=(replace(DRIVE, max_hz=20.0),))
    _acquire(rig, ann)
    for tick in range(100):
        rig.now = BEGAN + tick * 0.05
        for _ in range(5):
            _drive(rig, bob)
        assert len(dispatches(_drive(rig, ann))) == 1


def test_messages_under_way_are_bounded(rig: Rig, ann: Signer) -> None:
    _acquire(rig, ann)
    under_way: list[Dispatch] = []
    for _ in range(8):
        under_way += dispatches(rig.take(ann.send('drive', 'publish', {})))
    assert reason(rig.take(ann.send('drive', 'publish', {}))) == Reason.BUSY
    rig.end(under_way[0])
    assert len(dispatches(rig.take(ann.send('drive', 'publish', {})))) == 1


def test_a_channel_without_lease_has_none(ann: Signer) -> None:
    rig = Rig(ann, channels=(replace(DRIVE, lease=False),))
    assert reason(_acquire(rig, ann)) == Reason.WRONG_TYPE
    # Each of its messages is a command like any other.
    effects = rig.take(ann.send('drive', 'publish', {'linear': {'x': 0.5}}))
    assert states(effects) == [State.ACCEPTED]
    assert not dispatches(effects)[0].drives
