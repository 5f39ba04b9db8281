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


"""What of a real spool is read next, and what its addressees' words do to it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
import sqlite3

import pytest

from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.durable.accounts import Told
from ros_cloud_bridge.durable.reader import BacklogReader, Departure
from ros_cloud_bridge.store.lanes import Lane, LanePolicy, NEVER
from ros_cloud_bridge.store.spool import MOST_GAPS, Spool
from ros_cloud_bridge.uplink.backlog import Outcome, Stocked
from ros_cloud_bridge.values import (
    BacklogOrder,
    Confirm,
    Drop,
    Priority,
    Received,
    SpoolConfig,
)
from ros_cloud_bridge.wire.account import Account, decode_account, Gap
from ros_cloud_bridge.wire.batch import decode_batch, decode_message, Descriptor, Kind
from ros_cloud_bridge.wire.confirm import Confirmation, Held
from support.spools import Lines

FIRST_BOOT, BOOT = b'boot---1', b'boot---2'
ARCHIVE = LanePolicy(confirm=Confirm.CONSUMER, confirm_by='archive')


def silent(level: str, text: str) -> None:
    assert level == 'info', text


def opened(path: Path, boot: bytes = BOOT) -> Spool:
    return Spool(path / 'spool.sqlite3', boot, SpoolConfig(), silent)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = opened(tmp_path)
    yield made
    made.close()


def lane_of(spool: Spool, policy: LanePolicy, route: int = 1, stream: str = 'all') -> Lane:
    descriptor = Descriptor(stream=stream, topic=f'/t{route}', type_name='a/b', schema_id='')
    return spool.open_lane(route, descriptor, None, policy)


def fill(spool: Spool, lane: Lane, first: int, last: int, rows: int = 1, size: int = 100) -> None:
    lane.live_from = NEVER
    step = (last - first + 1) // rows
    for begin in range(first, last + 1, step):
        samples = [
            Queued(n, Received(bytes([n % 256]) * size, 1000 * n, 1000 * n), 0.0)
            for n in range(begin, begin + step)
        ]
        assert spool.commit([(lane, samples)]) == []


def reader_of(spool: Spool) -> BacklogReader:
    reader = BacklogReader(spool, lambda: 10**9)
    reader.connected(0.0)
    return reader


def batch_of(stocked: Stocked | None) -> list[int]:
    assert stocked is not None
    message = decode_message(stocked.payload)
    assert (message[1], message[2], message[3]) == (Kind.BATCH, stocked.boot, stocked.number)
    (section,) = decode_batch(message).sections
    assert section.descriptor is not None and section.totals is None
    for number, sample in zip(section.sequences, section.samples, strict=True):
        assert sample.cdr == bytes([number % 256]) * len(sample.cdr)
        assert sample.source_time_ns == 1000 * number
    return list(section.sequences)


def account_of(stocked: Stocked | None) -> Account:
    assert stocked is not None
    message = decode_message(stocked.payload)
    assert message[1] == Kind.ACCOUNT
    return decode_account(message)


def drained(reader: BacklogReader, outcome: Outcome = Outcome.ACCEPTED) -> list[int]:
    numbers = []
    while (found := reader.next(4096, 0.0))[0] is not None:
        numbers += batch_of(found[0])
        assert list(reader.outcome(found[0].key, outcome, 0.0)) or outcome is not Outcome.ACCEPTED
    return numbers


def gone(departures: Sequence[Departure]) -> list[tuple[int, Drop | None]]:
    return [(departure.samples, departure.reason) for departure in departures]


def confirmation(instance: bytes, *ranges: tuple[int, int], boot: bytes = BOOT) -> Confirmation:
    held = (Held(boot=boot, route=1, ranges=ranges),) if ranges else ()
    return Confirmation(instance=instance, held=held)


@pytest.mark.parametrize('order', BacklogOrder)
def test_everything_is_read_once_in_the_order_that_was_asked_for(
    spool: Spool, order: BacklogOrder
) -> None:
    lane = lane_of(spool, LanePolicy(backlog_order=order))
    fill(spool, lane, 1, 1000, rows=50)
    reader = reader_of(spool)
    batches = []
    while (found := reader.next(512, 0.0))[0] is not None:
        batches.append((found[0], batch_of(found[0])))
    numbers = [number for _, batch in batches for number in batch]
    assert sorted(numbers) == list(range(1, 1001)) and len(batches) > 2
    starts = [batch[0] for _, batch in batches]
    assert starts == sorted(starts, reverse=order is BacklogOrder.NEWEST_FIRST)
    # All of it is on its way: nothing is read twice before it is answered for.
    for stocked, _ in batches:
        list(reader.outcome(stocked.key, Outcome.LOST, 0.0))
    assert sorted(drained(reader)) == list(range(1, 1001))
    assert (lane.samples, lane.totals['delivered']) == (0, 1000)


def test_what_is_in_memory_is_not_read(spool: Spool) -> None:
    lane = lane_of(spool, LanePolicy())
    fill(spool, lane, 1, 100, rows=10)
    lane.live_from = 55
    assert drained(reader_of(spool)) == list(range(1, 51)), 'whole rows below it'


def test_live_samples_that_the_broker_has_are_gone(spool: Spool) -> None:
    lane = lane_of(spool, LanePolicy())
    fill(spool, lane, 1, 100, rows=4)
    reader = reader_of(spool)
    assert gone(list(reader.live(lane, 1, 30, None, 0.0))) == [(30, None)]
    assert gone(list(reader.live(lane, 31, 40, Drop.ABANDONED, 0.0))) == []
    assert gone(list(reader.live(lane, 41, 50, Drop.REFUSED, 0.0))) == [(10, Drop.REFUSED)]
    spool.flush()
    reader.accounts.written()
    found = reader.next(4096, 0.0)[0]
    account = account_of(found)
    assert account.routes[0].gaps == (Gap(Drop.REFUSED, 41, 50),)
    assert found is not None and not list(reader.outcome(found.key, Outcome.ACCEPTED, 0.0))
    assert drained(reader) == [*range(31, 41), *range(51, 101)]
    assert spool.dead_letters() == 10


def test_what_nobody_takes_is_tried_again_later_and_later(spool: Spool) -> None:
    lane = lane_of(spool, LanePolicy())
    fill(spool, lane, 1, 10)
    reader = reader_of(spool)
    now, waits = 0.0, []
    for _ in range(8):
        found, _ = reader.next(4096, now)
        assert batch_of(found) == list(range(1, 11)) and found is not None
        assert not list(reader.outcome(found.key, Outcome.LATER, now))
        begin = now
        while reader.next(4096, now)[0] is None:
            now += 0.5
        waits.append(now - begin)
        # It was read to see that it is due; give it back.
        reader.disconnected()
        reader._standing._progress.clear()
        reader._connected = True
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_consumer_s_backlog_waits_for_the_consumer(spool: Spool) -> None:
    lane = lane_of(spool, ARCHIVE)
    fill(spool, lane, 1, 100, rows=10)
    reader = reader_of(spool)
    assert reader.next(4096, 0.0) == (None, [])
    assert gone(reader.heard('archive', confirmation(b'instanc1'), 1.0)) == []
    found, _ = reader.next(1 << 20, 2.0)
    assert batch_of(found) == list(range(1, 101)) and found is not None
    # The broker has it: that is not enough.
    assert not list(reader.outcome(found.key, Outcome.ACCEPTED, 2.0))
    assert reader.awaited('all') == 100 and reader.next(4096, 3.0) == (None, [])
    assert gone(reader.heard('stranger', confirmation(b'instanc9', (1, 100)), 3.0)) == []
    assert gone(reader.heard('archive', confirmation(b'instanc1', (1, 60)), 4.0)) == [(60, None)]
    # Not confirmed for half a minute, although the consumer says that it is there.
    assert reader.next(4096, 30.0) == (None, [])
    reader.heard('archive', confirmation(b'instanc1'), 34.0)
    assert batch_of(reader.next(1 << 20, 35.0)[0]) == list(range(61, 101))
    assert reader.next(4096, 200.0) == (None, []), 'it is away again'


def test_a_consumer_that_was_started_again_gets_what_it_has_not_confirmed(spool: Spool) -> None:
    lane = lane_of(spool, ARCHIVE)
    fill(spool, lane, 1, 100, rows=10)
    reader = reader_of(spool)
    reader.heard('archive', confirmation(b'instanc1'), 0.0)
    assert not list(reader.live(lane, 1, 100, None, 0.0)) and lane.samples == 100
    assert reader.next(4096, 1.0) == (None, [])
    reader.heard('archive', confirmation(b'instanc2', (1, 50)), 2.0)
    assert batch_of(reader.next(1 << 20, 2.0)[0]) == list(range(51, 101))


def test_after_a_reconnect_nothing_is_taken_for_granted(spool: Spool) -> None:
    lane = lane_of(spool, ARCHIVE)
    fill(spool, lane, 1, 50, rows=5)
    reader = reader_of(spool)
    reader.heard('archive', confirmation(b'instanc1'), 0.0)
    list(reader.live(lane, 1, 50, None, 0.0))
    reader.disconnected()
    assert reader.next(4096, 1.0) == (None, [])
    reader.connected(0.0)
    assert reader.next(4096, 1.0) == (None, []), 'who was there may have gone with the broker'
    reader.heard('archive', confirmation(b'instanc1', (1, 20)), 2.0)
    assert batch_of(reader.next(1 << 20, 2.0)[0]) == list(range(21, 51))


def test_an_earlier_boot_is_sent_closed_and_forgotten(tmp_path: Path) -> None:
    earlier = opened(tmp_path, FIRST_BOOT)
    fill(earlier, lane_of(earlier, LanePolicy()), 1, 40, rows=4)
    earlier.close()
    spool = opened(tmp_path)
    reader = reader_of(spool)
    found, _ = reader.next(4096, 0.0)
    account = account_of(found)
    assert account.boot == FIRST_BOOT and found is not None
    (route,) = account.routes
    assert (route.committed, route.closed, route.gaps) == (40, True, ())
    list(reader.outcome(found.key, Outcome.ACCEPTED, 0.0))
    found, _ = reader.next(1 << 20, 0.0)
    assert batch_of(found) == list(range(1, 41)) and found is not None
    assert found.boot == FIRST_BOOT and len(spool.lanes) == 1
    assert gone(list(reader.outcome(found.key, Outcome.ACCEPTED, 0.0))) == [(40, None)]
    assert reader.next(4096, 0.0) == (None, []) and len(spool.lanes) == 0
    spool.close()


def test_gaps_are_told_until_the_consumer_has_them(spool: Spool) -> None:
    lane = lane_of(spool, ARCHIVE)
    fill(spool, lane, 1, 20, rows=2)
    gap = Gap(Drop.NOT_COMMITTED, 21, 25)
    spool.commit([], [(lane, gap)])
    reader = reader_of(spool)
    reader.heard('archive', confirmation(b'instanc1'), 0.0)
    found, _ = reader.next(4096, 0.0)
    assert account_of(found).routes[0].gaps == (gap,) and found is not None
    list(reader.outcome(found.key, Outcome.ACCEPTED, 0.0))
    assert spool.gaps(lane) == (gap,)
    reader.heard('archive', confirmation(b'instanc2'), 0.0)
    found, _ = reader.next(4096, 0.0)
    assert account_of(found).routes[0].gaps == (gap,), 'the new process has not heard of it'
    reader.heard('archive', confirmation(b'instanc2', (1, 25)), 0.0)
    assert spool.gaps(lane) == () and lane.samples == 0


def test_how_far_a_lane_is_is_told_again_when_nobody_took_it(spool: Spool) -> None:
    reader, lane = reader_of(spool), lane_of(spool, LanePolicy())
    fill(spool, lane, 1, 10)
    list(reader.live(lane, 1, 10, None, 0.0))
    reader.accounts.look(0.0)
    for now in (0.0, 60.0, 120.0):
        reader.accounts.look(now)
        found, _ = reader.next(4096, now)
        assert account_of(found).routes[0].committed == 10, now
        assert found is not None and list(reader.outcome(found.key, Outcome.LATER, now)) == []
        assert reader.next(4096, now + 59.0)[0] is None


def archived(spool: Spool) -> tuple[BacklogReader, Lane]:
    lane, reader = lane_of(spool, ARCHIVE), reader_of(spool)
    reader.heard('archive', confirmation(b'instance'), 0.0)
    return reader, lane


def test_more_gaps_than_are_shown_at_a_time_are_told_as_the_first_are_confirmed(
    spool: Spool,
) -> None:
    reader, lane = archived(spool)
    fill(spool, lane, 1, 10)
    gaps = [Gap(Drop.NOT_COMMITTED, n, n) for n in range(11, 11 + 2 * (MOST_GAPS + 300), 2)]
    spool.commit([], [(lane, gap) for gap in gaps])
    told: list[Gap] = []
    while spool.gaps(lane):
        before = len(told)
        while len(told) < len(gaps) and (found := reader.next(4096, 0.0)[0]) is not None:
            if not isinstance(found.key, Told):
                continue  # the samples
            told += account_of(found).routes[0].gaps
            assert list(reader.outcome(found.key, Outcome.ACCEPTED, 0.0)) == []
        assert len(told) > before, 'the rest is never told'
        ranges = [(gap.first, gap.last) for gap in told]
        for at in range(0, len(ranges), 4096):
            reader.heard('archive', confirmation(b'instance', *ranges[at : at + 4096]), 0.0)
        spool.flush()
    assert told == gaps


def test_a_gap_that_opens_while_an_account_is_on_its_way_is_told_by_the_next(
    spool: Spool,
) -> None:
    reader, lane = archived(spool)
    fill(spool, lane, 1, 10, rows=10)
    spool.commit([], [(lane, Gap(Drop.NOT_COMMITTED, 30, 30))])
    found, _ = reader.next(4096, 0.0)
    assert account_of(found).routes[0].gaps == (Gap(Drop.NOT_COMMITTED, 30, 30),)
    # Below those that are being told.
    assert gone(list(reader.live(lane, 3, 3, Drop.REFUSED, 0.0))) == [(1, Drop.REFUSED)]
    spool.flush()
    reader.accounts.written()
    assert found is not None and list(reader.outcome(found.key, Outcome.ACCEPTED, 0.0)) == []
    gaps = account_of(reader.next(4096, 0.0)[0]).routes[0].gaps
    assert Gap(Drop.REFUSED, 3, 3) in gaps


def test_an_account_for_a_process_that_is_gone_is_told_again(spool: Spool) -> None:
    reader, lane = archived(spool)
    fill(spool, lane, 1, 1)
    spool.commit([], [(lane, Gap(Drop.NOT_COMMITTED, 30, 30))])
    found, _ = reader.next(4096, 0.0)
    reader.heard('archive', confirmation(b'another-'), 0.0)
    assert found is not None and list(reader.outcome(found.key, Outcome.ACCEPTED, 0.0)) == []
    again = account_of(reader.next(4096, 0.0)[0])
    assert again.routes[0].gaps == (Gap(Drop.NOT_COMMITTED, 30, 30),)


def test_what_waits_for_its_consumer_holds_up_no_other_stream(spool: Spool) -> None:
    reader, lane = archived(spool)
    other = lane_of(spool, LanePolicy(), 2, 'other')
    fill(spool, lane, 1, 30)
    fill(spool, other, 1, 1)
    # Of one row the first part is done with, and the second with its consumer: its ends are free.
    reader.heard('archive', confirmation(b'instance', (1, 10)), 0.0)
    assert list(reader.live(lane, 11, 20, None, 0.0)) == []
    assert batch_of(reader.next(4096, 0.0)[0]) == [1]
    assert reader.next(4096, 0.0)[0] is None
    reader.heard('archive', confirmation(b'instance', (1, 20)), 0.0)
    assert drained_of_consumer(reader) == list(range(21, 31))


def drained_of_consumer(reader: BacklogReader) -> list[int]:
    numbers = []
    while (found := reader.next(4096, 0.0)[0]) is not None:
        numbers += batch_of(found)
        assert list(reader.outcome(found.key, Outcome.ACCEPTED, 0.0)) == []
    return numbers


def test_a_confirmation_before_the_broker_s_answer_leaves_nothing_to_wait_for(
    spool: Spool,
) -> None:
    reader, lane = archived(spool)
    fill(spool, lane, 1, 30, rows=3)
    departures = reader.heard('archive', confirmation(b'instance', (1, 10)), 0.0)
    assert gone(departures) == [(10, None)]
    assert list(reader.live(lane, 1, 20, None, 0.0)) == []
    assert reader.awaited('all') == 10


@pytest.mark.parametrize('damaged', [1, 2, 3])
def test_a_damaged_row_brings_no_other_twice(tmp_path: Path, damaged: int) -> None:
    log = Lines()
    spool = Spool(tmp_path / 'spool.sqlite3', BOOT, SpoolConfig(), log)
    lane = lane_of(spool, LanePolicy(backlog_order=BacklogOrder.NEWEST_FIRST))
    fill(spool, lane, 1, 30, rows=3)
    with sqlite3.connect(tmp_path / 'spool.sqlite3') as connection:
        query = (
            'UPDATE blocks SET crc = crc + 1 WHERE id IN (SELECT block FROM rows WHERE first=?)'
        )
        connection.execute(query, (10 * damaged - 9,))
    connection.close()
    reader, numbers, departures = reader_of(spool), [], []
    while lane.samples:
        found, gone_now = reader.next(4096, 0.0)
        departures += gone_now
        if found is not None and isinstance(found.key, Told):
            reader.outcome(found.key, Outcome.ACCEPTED, 0.0)
        elif found is not None:
            numbers += batch_of(found)
            departures += reader.outcome(found.key, Outcome.ACCEPTED, 0.0)
    good = {n for n in range(1, 31) if (n + 9) // 10 != damaged}
    assert sorted(numbers) == sorted(good)
    assert sum(count for count, reason in gone(departures) if reason is Drop.DAMAGED) == 10
    assert spool.dead_letters() == 0
    spool.close()


def test_how_far_an_open_lane_has_come_is_told_once_a_minute(spool: Spool) -> None:
    lane = lane_of(spool, LanePolicy())
    fill(spool, lane, 1, 20)
    reader = reader_of(spool)
    assert drained(reader) == list(range(1, 21)) and reader.next(4096, 1.0) == (None, [])
    reader.accounts.look(1.0)
    found, _ = reader.next(4096, 1.0)
    (route,) = account_of(found).routes
    assert (route.committed, route.closed, route.gaps) == (20, False, ()) and found is not None
    list(reader.outcome(found.key, Outcome.ACCEPTED, 1.0))
    reader.accounts.look(100.0)
    assert reader.next(4096, 100.0) == (None, []), 'nothing new'
    fill(spool, lane, 21, 25)
    assert drained(reader) == list(range(21, 26))
    reader.accounts.look(101.0)
    assert reader.next(4096, 101.0) == (None, []), 'not before its minute is over'
    reader.accounts.look(161.0)
    assert account_of(reader.next(4096, 161.0)[0]).routes[0].committed == 25


def test_a_consumer_that_is_not_there_is_named(spool: Spool) -> None:
    lane = lane_of(spool, ARCHIVE)
    fill(spool, lane, 1, 10)
    reader = reader_of(spool)
    assert reader.absent(59.0) == {}, 'it may still come'
    assert reader.absent(61.0) == {'all': 'archive'}
    reader.heard('archive', confirmation(b'instanc1'), 62.0)
    assert reader.absent(63.0) == {} and reader.absent(130.0) == {'all': 'archive'}
    reader.heard('archive', confirmation(b'instanc1', (1, 10)), 131.0)
    assert reader.absent(300.0) == {}, 'nothing waits for it'


def test_two_consumers_of_one_name_are_told_and_cause_no_storm(spool: Spool) -> None:
    lane = lane_of(spool, ARCHIVE)
    fill(spool, lane, 1, 10)
    reader = reader_of(spool)
    reader.heard('archive', confirmation(b'instanc1'), 0.0)
    reader.heard('archive', confirmation(b'instanc2'), 1.0)
    assert reader.rivals(1.0) == [], 'one may have followed the other'
    found, _ = reader.next(4096, 1.0)
    assert found is not None and not list(reader.outcome(found.key, Outcome.ACCEPTED, 1.0))
    for second in range(2, 20):
        reader.heard('archive', confirmation(b'instanc1' if second % 2 else b'instanc2'), second)
    assert reader.rivals(20.0) == ['archive'] and reader.rivals(90.0) == []
    assert reader.next(4096, 20.0) == (None, []), 'sent once'


def test_streams_share_by_class(spool: Spool) -> None:
    for route, priority in enumerate(Priority, 1):
        lane = lane_of(spool, LanePolicy(priority=priority), route, priority.name)
        fill(spool, lane, 1, 6000, rows=600)
    reader = reader_of(spool)
    bytes_of = {1: 0, 2: 0, 3: 0}
    for _ in range(400):
        found, _ = reader.next(512, 0.0)
        assert found is not None
        (section,) = decode_batch(decode_message(found.payload)).sections
        bytes_of[section.route] += len(found.payload)
    assert 2.5 < bytes_of[1] / bytes_of[2] < 6 and bytes_of[3] > 0
