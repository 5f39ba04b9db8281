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

"""What is confirmed to whom and when, in told time."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from ros_cloud_bridge.cloud.confirming import (
    Confirmations,
    HELLO_INTERVAL_S,
    MIN_INTERVAL_S,
)
from ros_cloud_bridge.cloud.identity import SampleId
from ros_cloud_bridge.cloud.ledger import Ledger, LedgerEntry, LedgerError, Span
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire.batch import Descriptor
from ros_cloud_bridge.wire.confirm import decode_confirmation, encode_confirmation
from ros_cloud_bridge.wire.limits import MAX_CONFIRMATION, MAX_CONFIRMED_RANGES

BOOT, EARLIER = bytes(range(8)), bytes(8)
HERE = ('0001020304050607', 1)
AGAIN = ('0001020304050607', 2)
Told = dict[tuple[bytes, int], list[tuple[int, int]]]


def info(**confirm_by: str) -> dict[str, object]:
    return {
        'streams': [
            {'name': name, 'keep': 'durable', 'confirm': 'consumer', 'confirm_by': consumer}
            for name, consumer in confirm_by.items()
        ]
        + [
            {'name': 'camera', 'keep': 'latest', 'confirm': '', 'confirm_by': ''},
            {'name': 'log', 'keep': 'durable', 'confirm': 'broker', 'confirm_by': ''},
        ]
    }


def sample(
    sequence: int,
    *,
    stream: str = 'pose',
    route: int = 3,
    boot: bytes = BOOT,
    robot_id: str = 'amr',
    historical: bool = False,
) -> Sample:
    return Sample(
        robot_id=robot_id,
        topic=f'/{stream}',
        type_name='a/msg/B',
        cdr=b'',
        source_time_ns=0,
        receive_time_ns=0,
        sent_time_ns=0,
        sequence=sequence,
        stream=stream,
        historical=historical,
        latched=False,
        boot_id=boot.hex(),
        route=route,
        schema_id='',
        _decode=lambda *_: None,
        _schema=lambda *_: None,  # type: ignore[arg-type]
    )


def account(*gaps: tuple[int, int, int], committed: int = 0, closed: bool = False) -> LedgerEntry:
    return LedgerEntry(
        robot_id='amr',
        boot=BOOT,
        route=3,
        descriptor=Descriptor(stream='pose', topic='/pose', type_name='a/msg/B', schema_id=''),
        committed=committed,
        closed=closed,
        spans=tuple(Span(*gap) for gap in gaps),
    )


def deliver(confirmations: Confirmations, samples: Sequence[Sample]) -> None:
    for one in samples:
        confirmations.take(one)
    confirmations.hold(samples)


def told(
    confirmations: Confirmations, now: float, key: object = HERE, robot_id: str = 'amr'
) -> Told | None:
    """Give what a robot is told now; None for not a word."""
    parts = confirmations.due({robot_id: key}, now).get(robot_id)
    if parts is None:
        return None
    result: Told = {}
    for part in parts:
        heard = decode_confirmation(encode_confirmation(part))
        for entry in heard.held:
            result.setdefault((entry.boot, entry.route), []).extend(entry.ranges)
    return result


@pytest.fixture
def ours() -> Confirmations:
    confirmations = Confirmations('archive')
    confirmations.informed('amr', info(pose='archive', other='ops'))
    assert told(confirmations, 0.0) == {}
    return confirmations


def test_only_what_is_held_is_told(ours: Confirmations) -> None:
    samples = [sample(number) for number in (1, 2, 3, 7)]
    assert [ours.take(one) for one in samples] == [True] * 4
    assert told(ours, 2.0) is None
    ours.hold(samples[1:3])
    assert told(ours, 3.0) == {(BOOT, 3): [(2, 3)]}
    ours.hold([SampleId.of(samples[0])])
    # Cumulative: the whole range.
    assert told(ours, 4.0) == {(BOOT, 3): [(1, 3)]}
    ours.hold(samples)
    assert told(ours, 5.0) == {(BOOT, 3): [(1, 3), (7, 7)]}
    assert told(ours, 6.0) is None
    assert ours.confirmed == 4


def test_at_most_once_a_second_and_only_what_changed(ours: Confirmations) -> None:
    deliver(ours, [sample(1), sample(1, route=4)])
    times = []
    for tick in range(41):
        now = 10.0 + tick / 4
        if tick:
            deliver(ours, [sample(tick + 1)])
        if (said := told(ours, now)) is not None:
            times.append(now)
            assert said[(BOOT, 3)] == [(1, tick + 1)]
            assert ((BOOT, 4) in said) == (tick == 0)
    assert times == [10.0 + MIN_INTERVAL_S * turn for turn in range(11)]


def test_everything_is_said_to_a_robot_that_comes_back(ours: Confirmations) -> None:
    deliver(ours, [sample(1), sample(2), sample(5, route=4), sample(9, boot=EARLIER)])
    everything = {(BOOT, 3): [(1, 2)], (BOOT, 4): [(5, 5)], (EARLIER, 3): [(9, 9)]}
    assert told(ours, 5.0) == everything
    assert told(ours, 7.0) is None
    assert told(ours, 8.0, AGAIN) == everything
    assert told(ours, 10.0, AGAIN) is None
    assert told(ours, 11.0, ('ff', 1)) == everything
    ours.reconnected()
    assert told(ours, 13.0, ('ff', 1)) == everything
    deliver(ours, [sample(3)])
    assert told(ours, 15.0, ('ff', 1)) == {(BOOT, 3): [(1, 3)]}
    # The session had no room for it.
    ours.unsent('amr')
    assert told(ours, 17.0, ('ff', 1)) == {**everything, (BOOT, 3): [(1, 3)]}


def test_hello_goes_to_those_whom_it_concerns(ours: Confirmations) -> None:
    ours.informed('none', info(pose='ops'))
    ours.informed('old', {'streams': None})
    for robot_id in ('none', 'old', 'unknown'):
        # On meeting it everybody is told, for what lies in a spool need not stand in its info.
        assert told(ours, 1.0, robot_id=robot_id) == {}
    present = dict.fromkeys(('amr', 'none', 'old', 'unknown'), HERE)
    assert set(ours.due(present, 10.0)) == set()
    assert set(ours.due(present, 1.0 + HELLO_INTERVAL_S)) == {'amr', 'unknown'}
    ours.take(sample(1, robot_id='none', stream='gone', historical=True))
    assert set(ours.due(present, 60.0)) == {'amr', 'unknown', 'none'}
    assert HELLO_INTERVAL_S <= 20.0


@pytest.mark.parametrize('stream', ['other', 'camera', 'log'])
def test_streams_that_name_somebody_else_are_not_touched(ours: Confirmations, stream: str) -> None:
    foreign = [sample(number, stream=stream) for number in range(1, 4)]
    assert not any(ours.concerns(one) for one in foreign)
    # Duplicates are not ours to judge either.
    assert all(ours.take(one) for one in foreign * 2)
    ours.hold(foreign)
    assert told(ours, 5.0) is None
    assert ours.confirmed == 0


def test_historical_samples_of_unknown_streams_are_ours(ours: Confirmations) -> None:
    gone = sample(4, stream='renamed', historical=True)
    assert not ours.concerns(sample(4, stream='renamed'))
    assert ours.concerns(gone)
    deliver(ours, [gone])
    assert told(ours, 5.0) == {(BOOT, 3): [(4, 4)]}


def test_what_came_before_info_is_told_once_info_names_us() -> None:
    confirmations = Confirmations('archive')
    deliver(confirmations, [sample(1), sample(1, stream='other', route=4)])
    confirmations.informed('amr', info(pose='archive', other='ops'))
    assert told(confirmations, 5.0) == {(BOOT, 3): [(1, 1)]}


def test_what_is_taken_is_not_taken_twice_unless_declined(ours: Confirmations) -> None:
    assert ours.take(sample(1))
    assert not ours.take(sample(1))
    ours.decline([sample(1)])
    assert ours.take(sample(1))
    ours.hold([sample(1)])
    assert told(ours, 5.0) == {(BOOT, 3): [(1, 1)]}
    assert told(ours, 7.0) is None
    # It comes again, so the robot has not heard.
    assert not ours.take(sample(1))
    assert told(ours, 8.0) == {(BOOT, 3): [(1, 1)]}
    ours.again('amr', BOOT.hex(), 3)
    assert told(ours, 10.0) == {(BOOT, 3): [(1, 1)]}
    ours.again('amr', EARLIER.hex(), 3)
    ours.again('nobody', EARLIER.hex(), 3)
    assert told(ours, 12.0) is None


def test_samples_that_were_never_taken_say_nothing(ours: Confirmations) -> None:
    ours.hold([sample(1), sample(1, robot_id='nobody')])
    assert told(ours, 5.0) is None
    assert ours.confirmed == 0


def test_gaps_are_confirmed_once_held(ours: Confirmations) -> None:
    deliver(ours, [sample(1), sample(5)])
    ours.account(account((Drop.EXPIRED, 2, 4), committed=5))
    assert ours.has_accounts
    assert told(ours, 5.0) == {(BOOT, 3): [(1, 1), (5, 5)]}
    ours.hold(())
    assert not ours.has_accounts
    # The gap lies whole within what is told.
    assert told(ours, 7.0) == {(BOOT, 3): [(2, 4)]}
    assert told(ours, 8.0, AGAIN) == {(BOOT, 3): [(1, 5)]}
    # Said again it is no news, but that the robot says it again shows that it has not heard.
    ours.account(account((Drop.EXPIRED, 2, 4), committed=5))
    assert not ours.has_accounts
    assert told(ours, 10.0, AGAIN) == {(BOOT, 3): [(2, 4)]}
    assert ours.confirmed == 2


def test_more_than_a_message_holds_is_split(ours: Confirmations) -> None:
    odd = [sample(2**40 + number) for number in range(1, 12_001, 2)]
    deliver(ours, odd)
    parts = ours.due({'amr': HERE}, 5.0)['amr']
    payloads = [encode_confirmation(part) for part in parts]
    assert len(payloads) > 1
    assert max(map(len, payloads)) <= MAX_CONFIRMATION
    heard = [decode_confirmation(payload) for payload in payloads]
    ranges = [part for one in heard for entry in one.held for part in entry.ranges]
    assert ranges == [(one.sequence, one.sequence) for one in odd]
    assert all(
        sum(len(entry.ranges) for entry in one.held) <= MAX_CONFIRMED_RANGES for one in heard
    )
    assert len({one.instance for one in heard}) == 1


def test_a_restart_knows_what_is_held_and_nothing_else(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / 'ledger', 'archive')
    before = Confirmations('archive', ledger)
    before.informed('amr', info(pose='archive'))
    deliver(before, [sample(1), sample(2)])
    assert before.take(sample(3))
    before.account(account((Drop.DAMAGED, 4, 6), committed=6, closed=True))
    before.hold(())
    instance = before.due({'amr': HERE}, 0.0)['amr'][0].instance
    ledger.close()
    ledger = Ledger(tmp_path / 'ledger', 'archive')
    after = Confirmations('archive', ledger)
    assert after.confirmed == 0
    assert [after.take(sample(number)) for number in (1, 2, 3)] == [False, False, True]
    assert told(after, 0.0) == {(BOOT, 3): [(1, 2), (4, 6)]}
    assert after.due({'amr': AGAIN}, 2.0)['amr'][0].instance != instance
    ledger.close()


def test_a_ledger_that_fails_holds_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / 'ledger', 'archive')
    confirmations = Confirmations('archive', ledger)
    confirmations.informed('amr', info(pose='archive'))
    assert told(confirmations, 0.0) == {}
    confirmations.take(sample(1))
    confirmations.account(account((Drop.EXPIRED, 2, 4)))
    ledger.close()
    with pytest.raises(LedgerError):
        confirmations.hold([sample(1)])
    assert told(confirmations, 5.0) is None
    assert confirmations.has_accounts
    assert confirmations.confirmed == 0


@pytest.mark.parametrize(
    'document',
    [
        {},
        {'streams': 7},
        {'streams': [None, 7, [], {}, {'name': 5}]},
        {'streams': [{'name': 'pose', 'keep': [], 'confirm': {}, 'confirm_by': 3}] * 9000},
        {'streams': [{'name': ['pose'], 'keep': 'durable', 'confirm_by': 'archive'}]},
    ],
)
def test_strange_info_names_nobody(document: dict[str, object]) -> None:
    confirmations = Confirmations('archive')
    confirmations.informed('amr', document)
    assert not confirmations.concerns(sample(1))


def test_lanes_are_bounded(ours: Confirmations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('ros_cloud_bridge.cloud.lanes._MAX_LANES', 3)
    for route in range(6):
        deliver(ours, [sample(1, route=route)])
    said = told(ours, 5.0, AGAIN)
    assert said == {(BOOT, route): [(1, 1)] for route in (3, 4, 5)}
