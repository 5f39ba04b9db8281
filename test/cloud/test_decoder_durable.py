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

"""Durable streams in the decoder: any order, repeats, boots, accounts and restarts of the sink."""

from collections import Counter
from dataclasses import dataclass, field
import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.cloud import (
    Decoder,
    dump_seen,
    load_seen,
    ProtocolError,
    RouteLosses,
    Sample,
)
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire.account import Account, encode_account, Gap, RouteAccount
from ros_cloud_bridge.wire.announce import encode_json
from ros_cloud_bridge.wire.batch import Descriptor, Section
from ros_cloud_bridge.wire.fragments import abandoned, split
from support.virtual_robot import batch_payload, samples

BASE = 'rcb/v1/amr-07/'
LIVE, BACKLOG = BASE + 'b/normal', BASE + 'b/backlog'
KNOWN = Descriptor(stream='log', topic='/t', type_name='a/msg/A', schema_id='')
BOOTS = [bytes([number]) * 8 for number in range(1, 4)]
BOOT = BOOTS[0]
REASONS = {19: 'expired', 21: 'refused', 24: 'spool_full'}


def batch(*numbers: int, boot: bytes = BOOT, totals: Any = None, route: int = 1) -> bytes:
    section = Section(
        route=route,
        descriptor=KNOWN,
        sequences=numbers,
        samples=samples(*[b'%d' % number for number in numbers]),
        totals=totals,
    )
    return batch_payload(section, boot=boot, number=numbers[0])


def account(
    committed: int,
    *gaps: tuple[int, int, int],
    closed: bool = False,
    boot: bytes = BOOT,
    described: bool = True,
) -> bytes:
    route = RouteAccount(
        route=1,
        descriptor=KNOWN if described else None,
        committed=committed,
        closed=closed,
        gaps=tuple(Gap(*gap) for gap in gaps),
    )
    return encode_account(Account(boot=boot, number=7, routes=(route,)))


def info(boot: bytes = BOOT, confirm_by: str = 'sink') -> tuple[str, bytes]:
    stream = {'name': 'log', 'keep': 'durable', 'confirm': 'consumer', 'confirm_by': confirm_by}
    return BASE + 'info', encode_json({'boot_id': boot.hex(), 'streams': [stream]})


def numbers(found: list[Sample]) -> list[int]:
    return [sample.sequence for sample in found]


def only(decoder: Decoder) -> RouteLosses:
    (entry,) = decoder.losses()
    return entry


@dataclass
class Lane:
    """One route of one boot: what is in it, what came, what was told."""

    boot: bytes
    gaps: dict[int, int]
    total: int
    came: set[int] = field(default_factory=set)
    told: set[int] = field(default_factory=set)
    committed: int | None = None
    handed_on: list[int] = field(default_factory=list)

    def samples(self, first: int, last: int) -> list[int]:
        return [n for n in range(first, min(last, self.total) + 1) if n not in self.gaps]

    @property
    def complete(self) -> bool:
        known = self.came | self.told
        return self.committed is not None and known.issuperset(range(1, self.committed + 1))


class World:
    """A sink with its decoders, one after the other, and what robots tell it."""

    def __init__(self, lanes: list[Lane], ordered: bool) -> None:
        self.lanes = {lane.boot: lane for lane in lanes}
        self.ordered = ordered
        self.decoder = self._decoder()

    def _decoder(self) -> Decoder:
        made = Decoder(ordered=self.ordered, consumer='sink', max_wait_s=math.inf)
        # Retained, so it comes before everything else.
        for boot in self.lanes:
            made.feed(*info(boot))
        return made

    def restart(self) -> None:
        kept = load_seen(dump_seen(self.decoder.seen()))
        self.decoder = self._decoder()
        self.decoder.restore(kept)
        for lane in self.lanes.values():
            # What was held back is lost with the decoder, and not known as come.
            lane.came = set(lane.handed_on)
        self.check()

    def batch(self, boot: bytes, first: int, last: int, topic: str) -> None:
        lane = self.lanes[boot]
        wanted = lane.samples(first, last)
        if wanted:
            lane.came.update(wanted)
            self._feed(topic, batch(*wanted, boot=boot))

    def account(self, boot: bytes, committed: int, first: int, last: int) -> None:
        lane = self.lanes[boot]
        gaps = [(lane.gaps[n], n, n) for n in sorted(lane.gaps) if first <= n <= last]
        lane.told.update(number for _, number, _ in gaps)
        lane.committed = max(committed, lane.committed or 0)
        closed = committed == lane.total
        self._feed(BACKLOG, account(committed, *gaps, closed=closed, boot=boot))

    def _feed(self, topic: str, payload: bytes) -> None:
        for sample in self.decoder.feed(topic, payload):
            lane = self.lanes[bytes.fromhex(sample.boot_id)]
            assert sample.sequence not in lane.handed_on
            assert sample.cdr == b'%d' % sample.sequence
            if self.ordered:
                before = lane.handed_on[-1] if lane.handed_on else 0
                assert sample.sequence > before
                passed = set(range(before + 1, sample.sequence))
                assert passed <= lane.told
            else:
                assert sample.historical == (topic == BACKLOG)
            lane.handed_on.append(sample.sequence)
        self.check()

    def check(self) -> None:
        for entry in self.decoder.losses():
            lane = self.lanes[bytes.fromhex(entry.boot_id)]
            assert entry.durable
            known = lane.came | lane.told
            assert entry.received == len(lane.came)
            assert entry.committed == lane.committed
            assert entry.complete == lane.complete
            wanted = set(range(1, (lane.committed or 0) + 1))
            assert entry.outstanding == len(wanted - known)
            first = min(lane.came, default=None)
            span = set(range(first or 1, max(*lane.came, lane.committed or 0, 0) + 1))
            unexplained = 0 if first is None else len(span - known)
            assert entry.unexplained == unexplained
            assert entry.missing == unexplained + len(lane.told - lane.came)
            assert entry.reported == Counter(REASONS[lane.gaps[n]] for n in lane.told)


@st.composite
def lanes(draw: st.DrawFn) -> list[Lane]:
    made = []
    for boot in BOOTS[: draw(st.integers(1, 3))]:
        total = draw(st.integers(1, 24))
        gaps = draw(
            st.dictionaries(st.integers(1, total), st.sampled_from(sorted(REASONS)), max_size=10)
        )
        made.append(Lane(boot, gaps, total))
    return made


PLACE = st.integers(1, 24)
ACTION = st.one_of(
    st.tuples(st.just('batch'), st.integers(0, 2), PLACE, PLACE, st.sampled_from([LIVE, BACKLOG])),
    st.tuples(st.just('account'), st.integers(0, 2), PLACE, PLACE, PLACE),
    st.just(('restart',)),
)


@settings(max_examples=300, deadline=None)
@given(lanes(), st.lists(ACTION, max_size=25), st.booleans(), st.randoms())
def test_every_sample_is_handed_on_once_and_completeness_is_proven(
    made: list[Lane], actions: list[tuple[Any, ...]], ordered: bool, random: Any
) -> None:
    world = World(made, ordered)
    for what, *arguments in actions:
        if what == 'restart':
            world.restart()
            continue
        lane = made[arguments[0] % len(made)]
        if what == 'batch':
            first, last = sorted(arguments[1:3])
            world.batch(lane.boot, first, last, arguments[3])
        else:
            first, last = sorted(arguments[2:4])
            world.account(lane.boot, min(arguments[1], lane.total), first, last)
    # The bridge sends what is not confirmed until it is.
    rest = [(lane, number) for lane in made for number in range(1, lane.total + 1)]
    random.shuffle(rest)
    for lane, number in rest:
        world.batch(lane.boot, number, number, BACKLOG)
        world.account(lane.boot, lane.total, number, number)
    for entry in world.decoder.losses():
        assert (entry.complete, entry.closed, entry.unexplained) == (True, True, 0)
    for lane in made:
        assert sorted(lane.handed_on) == lane.samples(1, lane.total)
    assert world.decoder.flush() == []


def test_backlog_is_historical() -> None:
    decoder = Decoder()
    (live,) = decoder.feed(LIVE, batch(2))
    (late,) = decoder.feed(BACKLOG, batch(1))
    assert (live.historical, late.historical) == (False, True)
    assert only(decoder).durable


def test_a_gap_closes() -> None:
    decoder = Decoder()
    decoder.feed(LIVE, batch(1, 2, totals={}))
    decoder.feed(LIVE, batch(9, 10))
    decoder.feed(BACKLOG, account(10))
    assert (only(decoder).missing, only(decoder).unexplained, only(decoder).complete) == (
        (6, 6, False)
    )
    decoder.feed(BACKLOG, batch(6, 7, 8))
    assert (only(decoder).unexplained, only(decoder).outstanding) == (3, 3)
    decoder.feed(BACKLOG, account(10, (Drop.EXPIRED, 3, 4)))
    assert (only(decoder).missing, only(decoder).unexplained) == (3, 1)
    decoder.feed(BACKLOG, batch(5))
    entry = only(decoder)
    assert (entry.missing, entry.unexplained, entry.complete) == (2, 0, True)
    assert entry.reported == {'expired': 2}
    # New samples are committed: there is more to come.
    decoder.feed(BACKLOG, account(12, closed=True))
    assert (only(decoder).complete, only(decoder).closed, only(decoder).outstanding) == (
        (False, True, 2)
    )


def test_who_joins_late_misses_nothing_that_was_before() -> None:
    decoder = Decoder()
    decoder.feed(LIVE, batch(500, 501))
    decoder.feed(BACKLOG, account(501, (Drop.EXPIRED, 10, 19)))
    entry = only(decoder)
    assert (entry.missing, entry.unexplained) == (10, 0)
    assert (entry.complete, entry.outstanding) == (False, 489)


def test_drops_told_twice_are_counted_once() -> None:
    decoder = Decoder()
    decoder.feed(LIVE, batch(1, totals={2: 40}))
    for _ in range(2):
        decoder.feed(BACKLOG, account(9, (Drop.EXPIRED, 2, 6)))
    # In other parts, and partly under another reason.
    decoder.feed(BACKLOG, account(9, (Drop.EXPIRED, 2, 3), (Drop.REFUSED, 6, 7)))
    health = {'boot_id': BOOT.hex(), 'routes': [{'route': 1, 'dropped': {'expired': 5}}]}
    decoder.feed(BASE + 'health', encode_json(health))
    assert only(decoder).reported == {'rate': 40, 'expired': 5, 'refused': 1}


def test_many_holes_swallow_nothing() -> None:
    decoder = Decoder()
    for start in range(1, 12_000, 2000):
        decoder.feed(BACKLOG, batch(*range(start, start + 2000, 2)))
    found = []
    for start in range(2, 12_001, 2000):
        found += decoder.feed(BACKLOG, batch(*range(start, start + 2000, 2)))
    assert numbers(found) == list(range(2, 12_001, 2))
    assert only(decoder).duplicates == 0


@pytest.mark.parametrize('by', ['info', 'backlog', 'account'])
def test_what_becomes_known_as_durable_has_forgotten_nothing(by: str) -> None:
    decoder = Decoder()
    # Known as nothing special, it merges its lowest ranges beyond 1,024.
    decoder.feed(LIVE, batch(*range(1, 6000, 3)))
    match by:
        case 'info':
            decoder.feed(*info())
        case 'backlog':
            decoder.feed(BACKLOG, batch(2))
        case _:
            decoder.feed(BACKLOG, account(5))
    lowest = numbers(decoder.feed(BACKLOG, batch(5, 8, 11)))
    assert lowest == [5, 8, 11]
    # What is surely known comes once.
    assert decoder.feed(BACKLOG, batch(5998)) == []


def test_ordered_passes_over_gaps_told_later() -> None:
    decoder = Decoder(ordered=True)
    decoder.feed(*info())
    assert numbers(decoder.feed(LIVE, batch(1))) == [1]
    assert decoder.feed(LIVE, batch(5, 6)) == []
    assert numbers(decoder.feed(BACKLOG, batch(2))) == [2]
    assert numbers(decoder.feed(BACKLOG, account(6, (Drop.EXPIRED, 3, 4)))) == [5, 6]


def test_ordered_begins_with_the_first_sample_for_whom_it_was_promised_to() -> None:
    for consumer, expected in (('sink', []), ('other', [7])):
        decoder = Decoder(ordered=True, consumer=consumer)
        decoder.feed(*info())
        assert numbers(decoder.feed(LIVE, batch(7))) == expected
    decoder = Decoder(ordered=True, consumer='sink')
    decoder.feed(*info())
    decoder.feed(LIVE, batch(7))
    assert decoder.feed(BACKLOG, batch(4, 5, 6)) == []
    assert numbers(decoder.feed(BACKLOG, batch(1, 2, 3))) == list(range(1, 8))


def test_ordered_waits_no_longer_than_it_may() -> None:
    now = 0.0
    decoder = Decoder(ordered=True, clock=lambda: now, max_wait_s=30.0)
    decoder.feed(*info())
    decoder.feed(LIVE, batch(1))
    decoder.feed(LIVE, batch(3))
    now = 20.0
    decoder.feed(LIVE, batch(6))
    now = 29.0
    assert decoder.feed(BASE + 'schema/x', b'') == []
    now = 30.5
    # Anything that comes lets it look; what came later waits on.
    assert numbers(decoder.feed(BASE + 'schema/x', b'')) == [3]
    now = 50.0
    assert numbers(decoder.feed(BASE + 'schema/x', b'')) == [6]
    # What was given up and comes after all is handed on at once.
    assert numbers(decoder.feed(BACKLOG, batch(2))) == [2]
    assert numbers(decoder.feed(LIVE, batch(7))) == [7]


def test_ordered_keeps_its_order_when_a_route_becomes_durable() -> None:
    decoder = Decoder(ordered=True)
    assert numbers(decoder.feed(LIVE, batch(1, totals={}))) == [1]
    assert decoder.feed(LIVE, batch(4)) == []
    assert numbers(decoder.feed(BACKLOG, batch(2))) == [2]
    assert numbers(decoder.feed(BACKLOG, batch(3))) == [3, 4]
    assert decoder.flush() == []


def test_ordered_quota_bounds_what_waits() -> None:
    decoder = Decoder(ordered=True, quota=10_000, max_wait_s=math.inf)
    decoder.feed(*info())
    found = numbers(decoder.feed(LIVE, batch(1)))
    for number in range(3, 60):
        found += numbers(decoder.feed(LIVE, batch(number)))
    assert len(found) > 10
    found += numbers(decoder.flush())
    assert found == [1, *range(3, 60)]


def test_what_waits_is_not_seen() -> None:
    decoder = Decoder(ordered=True)
    decoder.feed(*info())
    decoder.feed(LIVE, batch(1, 2))
    decoder.feed(LIVE, batch(4, 5, 6))
    (entry,) = decoder.seen()
    assert entry.ranges == ((1, 2),)
    assert (entry.robot_id, entry.boot_id, entry.route) == ('amr-07', BOOT.hex(), 1)
    assert entry.descriptor == KNOWN


def test_a_restored_decoder_names_routes_and_goes_on_in_order() -> None:
    first = Decoder(ordered=True)
    first.feed(LIVE, batch(100, 101))
    first.feed(BACKLOG, account(101, (Drop.DAMAGED, 98, 99), closed=True))
    second = Decoder(ordered=True)
    second.restore(first.seen())
    assert only(second).topic == '/t'
    assert only(second).reported == {'damaged': 2}
    assert (only(second).committed, only(second).closed) == (101, True)
    assert second.feed(LIVE, batch(100, 101)) == []
    assert second.feed(LIVE, batch(103)) == []
    assert numbers(second.feed(LIVE, batch(102))) == [102, 103]


@pytest.mark.parametrize(
    'payload',
    [
        b'',
        b'[]',
        b'{}',
        b'{"version":2,"seen":[]}',
        b'{"version":1,"seen":[1]}',
        b'{"version":1,"seen":[["r","00",1,null,[],[],0,false]]}',
        b'{"version":1,"seen":[["r","0000000000000000",-1,null,[],[],0,false]]}',
        b'{"version":1,"seen":[["r","0000000000000000",1,null,[[5,4]],[],0,false]]}',
        b'{"version":1,"seen":[["r","0000000000000000",1,null,[[5]],[],0,false]]}',
        b'{"version":1,"seen":[["r","0000000000000000",1,["s"],[],[],0,false]]}',
        b'{"version":1,"seen":[["r","0000000000000000",1,null,[],[["x",1,2]],0,false]]}',
        b'\xff',
    ],
)
def test_what_no_decoder_kept_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        load_seen(payload)


def test_boots_with_something_still_to_come_are_forgotten_last() -> None:
    decoder = Decoder(max_boots=3)
    old, done, other = BOOTS
    decoder.feed(BACKLOG, batch(1, boot=old))
    decoder.feed(BACKLOG, account(2, boot=old, closed=True))
    decoder.feed(BACKLOG, batch(1, boot=done))
    decoder.feed(BACKLOG, account(1, boot=done, closed=True))
    decoder.feed(LIVE, batch(1, boot=other, totals={}))
    for number in range(100, 110):
        decoder.feed(LIVE, batch(1, boot=bytes([number]) * 8, totals={}))
    assert len(decoder.robots['amr-07'].boots) == 3
    assert decoder.feed(BACKLOG, batch(1, boot=old)) == []
    assert numbers(decoder.feed(BACKLOG, batch(2, boot=old))) == [2]


def test_accounts_of_routes_that_are_not_described_wait_for_them() -> None:
    decoder = Decoder()
    decoder.feed(BACKLOG, account(3, (Drop.EXPIRED, 1, 2), described=False))
    assert decoder.losses() == []
    assert decoder.wanted()['amr-07'].routes
    decoder.feed(BACKLOG, batch(3))
    assert only(decoder).complete


def test_accounts_come_in_fragments_too() -> None:
    decoder = Decoder()
    gaps = [(int(Drop.EXPIRED), number, number) for number in range(1, 400, 2)]
    for part in split(account(400, *gaps), BOOT, 7, 300):
        decoder.feed(BACKLOG, part)
    assert only(decoder).reported == {'expired': 200}
    decoder.feed(BACKLOG, abandoned(BOOT, 7))


@pytest.mark.parametrize('topic', [LIVE, BASE + 'latched/t/0', BASE + 'latched/backlog'])
def test_accounts_stand_on_the_backlog_alone(topic: str) -> None:
    decoder = Decoder()
    with pytest.raises(ProtocolError, match='b/backlog alone'):
        decoder.feed(topic, account(3))
    assert decoder.losses() == []


def test_the_consumer_hears_of_accounts_and_repeats() -> None:
    told: list[tuple[str, Account]] = []
    repeated: list[tuple[str, str, int]] = []
    decoder = Decoder(
        on_account=lambda robot_id, account: told.append((robot_id, account)),
        on_repeat=lambda *place: repeated.append(place),
    )
    decoder.feed(BACKLOG, account(3, (Drop.EXPIRED, 1, 2)))
    decoder.feed(BACKLOG, batch(3))
    assert repeated == []
    decoder.feed(BACKLOG, batch(3, 4))
    assert repeated == [('amr-07', BOOT.hex(), 1)]
    ((robot_id, heard),) = told
    assert (robot_id, heard.routes[0].gaps) == ('amr-07', (Gap(Drop.EXPIRED, 1, 2),))


@pytest.mark.parametrize(
    'streams',
    [None, {}, [7], [{}], [{'keep': 'durable'}], [{'keep': 'durable', 'name': 7}]],
)
def test_streams_in_a_form_that_is_not_known_are_not_durable(streams: object) -> None:
    decoder = Decoder()
    decoder.feed(BASE + 'info', encode_json({'boot_id': BOOT.hex(), 'streams': streams}))
    decoder.feed(LIVE, batch(1))
    assert not only(decoder).durable
