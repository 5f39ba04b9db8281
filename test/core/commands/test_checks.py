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

"""Every check refuses what it is for, in the order of the table, and nothing else refuses it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import pytest

from ros_cloud_bridge.command_values import Reason, State
from ros_cloud_bridge.core.commands import gate as gate_module
from ros_cloud_bridge.core.commands.checks import ANSWERED, SILENT
from ros_cloud_bridge.core.commands.effects import Effect, Sealed
from ros_cloud_bridge.values import ChannelConfig, ChannelKind
from ros_cloud_bridge.wire.command import encode_command
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


@dataclass
class Plan:
    """A message, what was before it, and what is wrong with any of it."""

    channel: str
    config: dict[str, Any] = field(default_factory=dict)
    command: dict[str, Any] = field(default_factory=dict)
    arrival: dict[str, Any] = field(default_factory=dict)
    sender: str = 'ann'
    secret: bytes = b''
    holder: str = 'ann'
    ends: bool = True
    closed: bool = False
    same_id: bool = False
    garbled: bool = False
    hollow: bool = False
    forged: bool = False

    def run(self) -> tuple[Rig, list[Effect]]:
        """Play it: one good message, then the one in question."""
        signers = {name: Signer(name) for name in ('ann', 'bob', 'eve')}
        configs = [
            replace(config, **self.config) if config.name == self.channel else config
            for config in CHANNELS
        ]
        rig = Rig(*signers.values(), channels=configs)
        ann = signers['ann']
        arguments: dict[str, Any]
        if self.channel == 'drive':
            rig.take(ann.send('drive', 'acquire'))
            kind, arguments = 'publish', {'linear': {'x': 0.5}}
        else:
            kind, arguments = 'call', {'x': 0.5}
        first = ann.command(self.channel, kind, arguments)
        for dispatch in dispatches(rig.take(ann.sign(self.channel, first))):
            if self.ends:
                rig.end(dispatch)
        if self.holder != 'ann':
            rig.take(ann.send('drive', 'release'))
            rig.take(signers[self.holder].send('drive', 'acquire'))
        if self.closed:
            rig.do(rig.gate.close(rig.now))
        rig.now = BEGAN + 0.2
        sender = signers[self.sender]
        if self.secret:
            sender = replace(sender, secret=self.secret)
        command = ann.command(self.channel, kind, arguments, at=rig.now)
        changes = dict(self.command)
        if self.same_id:
            changes['id'] = first.id
        if changes.pop('same_sequence', False):
            changes['sequence'] = first.sequence
        content = encode_command(replace(command, **changes))
        arrival = sender.seal(self.channel, content + b'\0' * self.hollow)
        payload = arrival.payload
        if self.forged:
            payload = payload[:-1] + bytes([payload[-1] ^ 1])
        if self.garbled:
            payload = b'\x9f' + payload
        return rig, rig.take(replace(arrival, payload=payload, **self.arrival))


@dataclass(frozen=True)
class Fault:
    """What a check is for."""

    check: str
    reason: str
    make: Callable[[Plan], None]

    def __repr__(self) -> str:
        # It names tests, which must be called the same in every process.
        return f'{self.check}-{self.reason}'


def _update(name: str, **values: Any) -> Callable[[Plan], None]:
    return lambda plan: getattr(plan, name).update(values)


def _set(**values: Any) -> Callable[[Plan], None]:
    def make(plan: Plan) -> None:
        for name, value in values.items():
            setattr(plan, name, value)

    return make


FAULTS = (
    Fault('retained', Reason.RETAINED, _update('arrival', retained=True)),
    Fault('permission', Reason.NOT_PERMITTED, _set(sender='eve')),
    Fault('size', Reason.TOO_LARGE, _update('command', arguments={'x': 0.5, 'pad': 17_000 * 'x'})),
    Fault('shape', Reason.MALFORMED, _set(garbled=True)),
    Fault('key', Reason.UNKNOWN_KEY, _set(secret=b'of nobody')),
    Fault('signature', Reason.BAD_SIGNATURE, _set(forged=True)),
    Fault('content', Reason.MALFORMED, _set(hollow=True)),
    Fault('log', Reason.ID_REUSED, _set(same_id=True)),
    Fault('stopping', Reason.STOPPING, _set(closed=True)),
    Fault('epoch', Reason.WRONG_EPOCH, _update('command', epoch=b'epoch--0')),
    Fault('type', Reason.WRONG_TYPE, _update('command', type='goal')),
    Fault('type', Reason.BAD_FIELDS, _update('command', arguments=[1])),
    Fault('deadline', Reason.EXPIRED, _update('command', deadline_ms=199)),
    Fault('deadline', Reason.DEADLINE_TOO_FAR, _update('command', deadline_ms=11_201)),
    Fault('deadline', Reason.DEADLINE_TOO_FAR, _update('command', sent_ms=1_201)),
    Fault('sequence', '', _update('command', same_sequence=True)),
    Fault(
        'limits', Reason.FIELD_LIMIT, _update('command', arguments={'x': 2, 'linear': {'x': 2}})
    ),
    Fault('rate', Reason.RATE_LIMIT, _update('config', max_hz=0.001)),
    Fault('lease', Reason.NO_LEASE, _set(holder='bob')),
    Fault('lease', Reason.TOO_LATE, _update('config', latency_stop_s=0.1, latency_full_s=0.1)),
    Fault('running', Reason.BUSY, lambda plan: _busy(plan)),
)


def _busy(plan: Plan) -> None:
    plan.ends = False
    plan.config['max_running'] = 1


def _expected(fault: Fault, channel: str) -> str:
    if fault.check == 'sequence':
        return Reason.OUT_OF_ORDER if channel == 'drive' else Reason.REPLAYED
    return fault.reason


def _applies(fault: Fault, channel: str) -> bool:
    return channel == 'drive' or fault.check != 'lease'


def _make(fault: Fault, plan: Plan) -> None:
    fault.make(plan)
    if fault.reason == Reason.TOO_LATE:
        plan.command['sent_ms'] = 0


CASES = [(f, c) for c in ('call', 'drive') for f in FAULTS if _applies(f, c)]
# Without the other checks nobody can go on; and a deadline is looked at again behind the log.
ALONE = [
    (f, c)
    for f, c in CASES
    if f.check not in ('shape', 'content', 'type') and (f.reason, c) != (Reason.EXPIRED, 'call')
]
PAIRS = [
    (one, two, channel)
    for channel in ('call', 'drive')
    for one, two in combinations((f for f in FAULTS if _applies(f, channel)), 2)
    if one.check != two.check
]
ORDER = [name for name, _ in (*SILENT, *ANSWERED)]
_SILENT_NAMES = {name for name, _ in SILENT}


def _verdict(rig: Rig, effects: list[Effect]) -> str:
    """Tell why the message was refused, and see that silence was kept where it had to be."""
    replies = answers(effects)
    if replies and replies[-1].state is State.REJECTED:
        assert len(replies) == len(audits(effects)) == 1
        assert audits(effects)[0].reason == replies[0].reason
        return reason(effects)
    if replies or dispatches(effects):
        return 'accepted'
    (counted,) = set(rig.gate.counters) & {
        Reason.RETAINED,
        Reason.TOO_LARGE,
        Reason.MALFORMED,
        Reason.NOT_PERMITTED,
        Reason.UNKNOWN_KEY,
        Reason.BAD_SIGNATURE,
    }
    assert effects == []
    return counted


def _named(fault: Fault) -> str:
    return f'{fault.check}-{fault.reason}'


@pytest.mark.parametrize('channel', ['call', 'drive'])
def test_a_good_message_passes(channel: str) -> None:
    rig, effects = Plan(channel).run()
    assert _verdict(rig, effects) == 'accepted'
    assert len(dispatches(effects)) == 1


@pytest.mark.parametrize(('fault', 'channel'), CASES, ids=str)
def test_each_check_refuses_what_it_is_for(fault: Fault, channel: str) -> None:
    plan = Plan(channel)
    _make(fault, plan)
    rig, effects = plan.run()
    assert _verdict(rig, effects) == _expected(fault, channel)
    assert dispatches(effects) == []


@pytest.mark.parametrize(('fault', 'channel'), ALONE, ids=str)
def test_nothing_else_would_have_refused_it(
    fault: Fault, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(channel)
    _make(fault, plan)
    for table in ('SILENT', 'ANSWERED'):
        passing = tuple(
            (name, (lambda *_: '') if name == fault.check else check)
            for name, check in getattr(gate_module, table)
        )
        monkeypatch.setattr(gate_module, table, passing)
    rig, effects = plan.run()
    assert _verdict(rig, effects) != _expected(fault, channel)


@pytest.mark.parametrize(('one', 'two', 'channel'), PAIRS, ids=str)
def test_the_earlier_of_two_checks_refuses(one: Fault, two: Fault, channel: str) -> None:
    assert ORDER.index(one.check) < ORDER.index(two.check)
    plan = Plan(channel)
    _make(two, plan)
    _make(one, plan)
    rig, effects = plan.run()
    assert _verdict(rig, effects) == _expected(one, channel)


def test_the_order_is_the_documented_one() -> None:
    assert ORDER == [
        'retained',
        'permission',
        'size',
        'shape',
        'key',
        'signature',
        'content',
        'log',
        'stopping',
        'epoch',
        'type',
        'deadline',
        'sequence',
        'limits',
        'rate',
        'lease',
        'running',
    ]


def test_a_channel_that_is_not_there() -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    assert rig.take(ann.send('dig', 'call')) == []
    assert rig.gate.counters == {Reason.NOT_PERMITTED: 1}


def test_what_nobody_has_signed_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    opened: list[Sealed] = []
    monkeypatch.setattr(rig.reader, 'open', opened.append)
    stranger = Signer('ann', secret=b'of nobody')
    good = ann.send('call', 'call', {'x': 0})
    for arrival in (
        stranger.send('call', 'call', {'x': 0}),
        replace(good, payload=good.payload[:-1] + b'!'),
        ann.send('dig', 'call'),
        replace(good, retained=True),
    ):
        assert rig.take(arrival) == []
        assert rig.gate.refused_silently
    assert opened == []


def test_who_wastes_time_is_told_from_who_is_refused() -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    assert not rig.gate.refused_silently
    rig.take(ann.seal('call', b'signed nonsense'))
    assert rig.gate.refused_silently
    assert reason(rig.take(ann.send('call', 'goal'))) == Reason.WRONG_TYPE
    assert not rig.gate.refused_silently


def test_a_channel_that_is_not_there_takes_no_large_messages_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    seen: list[object] = []
    monkeypatch.setattr(rig.reader, 'unwrap', lambda *message: seen.append(message))
    rig.take(ann.seal('dig', bytes(60_000)))
    rig.take(replace(ann.send('call', 'call'), operator='eve'))
    assert rig.gate.counters == {Reason.NOT_PERMITTED: 2}
    assert seen == []


def test_a_wrong_type_is_called_so_whatever_its_deadline() -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    effects = rig.take(ann.send('call', 'goal', deadline_ms=3_600_000))
    assert reason(effects) == Reason.WRONG_TYPE


def test_a_signature_for_another_topic() -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    arrival = ann.send('call', 'call', {'x': 0})
    assert rig.take(replace(arrival, topic=arrival.topic.replace('/r/', '/s/'))) == []
    assert rig.gate.counters == {Reason.BAD_SIGNATURE: 1}


def test_an_unreadable_log() -> None:
    ann, log = Signer('ann'), MemoryLog()
    rig = Rig(ann, log=log)
    log.fault = 'Input/output error'
    effects = rig.take(ann.send('call', 'call', {'x': 0}))
    assert reason(effects) == Reason.LOG_FAILED
    assert 'Input/output error' in answers(effects)[0].reason
    # What is not logged goes on.
    assert dispatches(rig.take(ann.send('tune', 'list'))) != []


@pytest.mark.parametrize(
    ('kind', 'arguments', 'why'),
    [
        ('get', {'names': ['secret']}, Reason.FIELD_LIMIT),
        ('describe', {'names': ['speed.most', 7]}, Reason.FIELD_LIMIT),
        ('set', {'values': {'secret': 1}}, Reason.FIELD_LIMIT),
        ('set', {'values': {'speed.most': 3.0}}, Reason.FIELD_LIMIT),
        ('set', {'values': ['speed.most']}, Reason.BAD_FIELDS),
        ('set', None, Reason.BAD_FIELDS),
        ('get', {'names': 'speed.most'}, Reason.BAD_FIELDS),
        ('get', {'names': ['speed.most']}, ''),
        ('set', {'values': {'speed.most': 2.0, 'speed.least': -3}}, ''),
        ('list', None, ''),
    ],
)
def test_parameters(kind: str, arguments: Any, why: str) -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    effects = rig.take(ann.send('tune', kind, arguments))
    if why:
        assert reason(effects) == why
    else:
        assert len(dispatches(effects)) == 1


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_a_number_that_is_not_finite_drives_nothing(value: float) -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    rig.take(ann.send('drive', 'acquire'))
    effects = rig.take(ann.send('drive', 'publish', {'angular': {'z': [1.0, value]}}))
    assert reason(effects) == Reason.FIELD_LIMIT


def test_time_is_told_without_epoch_at_most_twice_a_second() -> None:
    ann = Signer('ann', epoch=b'')
    rig = Rig(ann)
    rig.now = BEGAN + 3600.25
    found = [rig.take(ann.send('time', 'time', sequence=0, deadline_ms=0)) for _ in range(6)]
    assert (
        states([e for effects in found for e in effects])
        == [State.SUCCEEDED] * 4 + [State.REJECTED] * 2
    )
    assert answers(found[0])[0].robot_ms == 3_600_250
    assert answers(found[0])[0].epoch == b'epoch--1'
    assert reason(found[5]) == Reason.RATE_LIMIT
    # Refusals are noted now and then only.
    assert len(audits(found[4])) == 1
    assert audits(found[5]) == []
    rig.now += 0.5
    assert states(rig.take(ann.send('time', 'time'))) == [State.SUCCEEDED]
    assert states(rig.take(ann.send('time', 'time'))) == [State.REJECTED]


def test_an_old_ask_that_somebody_repeats_does_not_use_up_what_new_ones_have() -> None:
    ann = Signer('ann', epoch=b'')
    rig = Rig(ann)
    old = ann.send('time', 'time', sequence=0, deadline_ms=0)
    for _ in range(200):
        rig.take(old)
    assert states(rig.take(ann.send('time', 'time'))) == [State.SUCCEEDED]
    # Answered again it is, as anything that is repeated, but not without end.
    assert rig.gate.counters['time'] < 50


def test_the_rate_is_the_channels_and_exact() -> None:
    ann, bob = Signer('ann'), Signer('bob')
    config = ChannelConfig(
        name='call',
        kind=ChannelKind.SERVICE,
        operators=('*',),
        max_hz=10.0,
        max_running=100_000,
        timeout_s=1e9,
    )
    rig = Rig(ann, bob, channels=(config,))
    accepted = 0
    for tick in range(2000):
        rig.now = BEGAN + tick / 100
        sender = (ann, bob)[tick % 2]
        accepted += len(dispatches(rig.take(sender.send('call', 'call', at=rig.now))))
    # The burst of 5, and 10 a second for 20 s.
    assert 200 <= accepted <= 205


def test_a_flood_of_one_operator_leaves_the_rate_to_others() -> None:
    ann, bob = Signer('ann'), Signer('bob')
    rig = Rig(ann, bob, channels=(replace(CHANNELS[0], max_hz=10.0, max_running=100_000),))
    accepted = 0
    for tick in range(2000):
        rig.now = BEGAN + tick / 100
        accepted += len(dispatches(rig.take(ann.send('call', 'call', at=rig.now))))
        if tick % 250 == 240:
            # Seldom enough to be forgotten in between.
            assert len(dispatches(rig.take(bob.send('call', 'call', at=rig.now)))) == 1
    # While somebody else asks, that is for a second each time, half of it is his.
    assert accepted > 160


def test_counters_stay_few_whatever_servers_say() -> None:
    ann = Signer('ann')
    rig = Rig(ann)
    for number in range(300):
        (dispatch,) = dispatches(rig.take(ann.send('call', 'call')))
        rig.end(dispatch, State.REJECTED, f'made up {number}')
    assert len(rig.gate.counters) < 10
    assert rig.gate.counters['other'] == 300
