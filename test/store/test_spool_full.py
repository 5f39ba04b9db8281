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

"""A spool that is full: who gives up what, told and counted, within its bytes."""

from itertools import pairwise
from pathlib import Path

import pytest

from ros_cloud_bridge.store.spool import Lane, LanePolicy, reckoning, Spool
from ros_cloud_bridge.values import Drop, Priority, SpoolConfig, WhenFull
from ros_cloud_bridge.wire.account import Gap
from support.spools import (
    Clocks,
    EVER,
    MB,
    NEXT_BOOT,
    open_lane,
    open_spool,
    samples,
    spooled_numbers,
)


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if not path.name.endswith('-shm'))


def numbers(gaps: list[tuple[Lane, Gap]], lane: Lane) -> set[int]:
    return {
        number for other, gap in gaps if other is lane for number in range(gap.first, gap.last + 1)
    }


def fill(
    spool: Spool, lane: Lane, rows: int, *, each: int = 10, size: int = 1000, clocks: Clocks
) -> list[tuple[Lane, Gap]]:
    dropped = []
    for _ in range(rows):
        clocks.advance(1.0)
        first = lane.committed + 1
        dropped += spool.commit([(lane, samples(lane.route, first, first + each - 1, size))])
    return dropped


@pytest.mark.parametrize('when_full', list(WhenFull))
def test_a_streams_own_bytes(tmp_path: Path, when_full: WhenFull) -> None:
    clocks = Clocks()
    path = tmp_path / 's'
    spool = open_spool(path, clocks=clocks)
    lane = open_lane(spool, policy=LanePolicy(when_full=when_full, spool_bytes=500_000))
    other = open_lane(spool, 2, 'alarms')
    fill(spool, other, 10, clocks=clocks)
    dropped = fill(spool, lane, 200, clocks=clocks)
    gone = numbers(dropped, lane)
    assert numbers(dropped, other) == set()
    assert lane.bytes <= 500_000
    assert len(gone) >= 1400
    left = spooled_numbers(spool, lane)
    assert left == set(range(1, 2001)) - gone
    if when_full is WhenFull.DROP_OLDEST:
        assert left == set(range(min(left), 2001))
        assert len(left) > 400
    elif when_full is WhenFull.DROP_NEWEST:
        assert left == set(range(1, max(left) + 1))
        assert len(left) > 400
    else:
        assert min(left) == 1 and max(left) == 2000
        assert len(left) > 250
    told = numbers([(lane, gap) for gap in spool.gaps(lane)], lane)
    assert told == gone
    assert {gap.reason for gap in spool.gaps(lane)} == {Drop.SPOOL_FULL}
    found = reckoning(path)
    assert found.adds_up
    assert (found.lanes[0].committed, found.lanes[0].spool_full) == (2000, len(gone))


def test_thinning_is_even_over_time(tmp_path: Path) -> None:
    clocks = Clocks()
    spool = open_spool(tmp_path / 's', clocks=clocks)
    policy = LanePolicy(when_full=WhenFull.THIN, spool_bytes=300_000)
    lane = open_lane(spool, policy=policy)
    # 40 times what it holds, one row a second.
    fill(spool, lane, 4000, each=1, size=3000, clocks=clocks)
    left = sorted(spooled_numbers(spool, lane))
    steps = [behind - before for before, behind in pairwise(left)]
    # The last ones, since it was last full, are all there yet.
    old = steps[: -steps[::-1].index(max(steps))]
    assert left[0] == 1 and left[-1] == 4000
    assert max(steps) <= 200
    assert max(old) <= 4 * sorted(old)[len(old) // 2]
    quarters = [
        sum(1 for number in left if at < number <= at + 1000) for at in range(0, 4000, 1000)
    ]
    assert min(quarters) * 8 >= max(quarters)
    assert min(quarters) >= 5


def test_thinning_takes_bursts_first(tmp_path: Path) -> None:
    clocks = Clocks()
    spool = open_spool(tmp_path / 's', clocks=clocks)
    lane = open_lane(spool, policy=LanePolicy(when_full=WhenFull.THIN, spool_bytes=300_000))
    for _ in range(20):
        clocks.advance(60.0)
        fill(spool, lane, 1, each=1, size=3000, clocks=clocks)
    for _ in range(200):
        clocks.advance(-0.9)
        fill(spool, lane, 1, each=1, size=3000, clocks=clocks)
    left = spooled_numbers(spool, lane)
    assert set(range(1, 20)) <= left
    assert len(left) >= 30


def test_thinning_of_one_moment_halves_it(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / 's')
    lane = open_lane(spool, policy=LanePolicy(when_full=WhenFull.THIN, spool_bytes=300_000))
    for first in range(1, 121, 4):
        spool.commit([(lane, samples(1, first, first + 3, 10_000))])
    left = sorted(spooled_numbers(spool, lane))
    steps = [behind - before for before, behind in pairwise(left)]
    assert left[0] == 1
    assert max(steps) <= 16
    assert 12 <= len(left) <= 30


def test_the_least_important_pays_for_all(tmp_path: Path) -> None:
    clocks = Clocks()
    path = tmp_path / 's'
    spool = open_spool(path, clocks=clocks, max_bytes=2 * MB)
    low = open_lane(spool, 1, 'low', LanePolicy(priority=Priority.LOW))
    large, small = open_lane(spool, 2, 'large'), open_lane(spool, 3, 'small')
    high = open_lane(spool, 4, 'high', LanePolicy(priority=Priority.HIGH))
    fill(spool, small, 10, clocks=clocks)
    fill(spool, large, 70, clocks=clocks)
    fill(spool, low, 70, clocks=clocks)
    dropped = fill(spool, high, 60, clocks=clocks)
    assert {lane.descriptor.stream for lane, _ in dropped} == {'low'}
    dropped = fill(spool, high, 60, clocks=clocks)
    assert {lane.descriptor.stream for lane, _ in dropped} <= {'low', 'large'}
    assert large.totals['spool_full'] > 0
    assert low.samples == small.totals['spool_full'] == high.totals['spool_full'] == 0
    # Now the least important has no room at all: it does not displace others.
    dropped = fill(spool, low, 3, clocks=clocks)
    assert numbers(dropped, low) == set(range(701, 731))
    assert {lane.descriptor.stream for lane, _ in dropped} == {'low'}
    assert reckoning(path).adds_up


def test_what_the_sender_holds_is_not_dropped(tmp_path: Path) -> None:
    clocks = Clocks()
    spool = open_spool(tmp_path / 's', clocks=clocks)
    lane = open_lane(spool, policy=LanePolicy(spool_bytes=200_000))
    lane.live_from = 51
    dropped = numbers(fill(spool, lane, 40, clocks=clocks), lane)
    assert set(range(1, 51)) <= dropped
    # What was committed while everything else was held, came back at once.
    kept = set(range(51, 401)) - dropped
    assert kept == set(range(51, max(kept) + 1))
    lane.live_from = EVER
    assert spooled_numbers(spool, lane) == kept


@pytest.mark.parametrize('max_bytes', [1 * MB, 3 * MB, 10 * MB])
def test_bytes_on_disk(tmp_path: Path, max_bytes: int) -> None:
    clocks = Clocks()
    path = tmp_path / 's'
    spool = open_spool(path, clocks=clocks, max_bytes=max_bytes)
    lanes = [open_lane(spool, route, f's{route}') for route in range(3)]
    most = kept = 0
    for turn in range(150):
        size = (100, 3000, max_bytes // 40)[turn % 3]
        count = (200, 20, 2)[turn % 3]
        blocks = []
        for lane in lanes:
            first = lane.committed + 1
            blocks.append((lane, samples(lane.route, first, first + count - 1, size)))
        spool.commit(blocks)
        most = max(most, on_disk(tmp_path))
        if turn > 100:
            kept = max(kept, sum(lane.bytes for lane in lanes))
    assert most <= max_bytes
    assert kept >= 0.45 * max_bytes
    assert reckoning(path).adds_up


def test_a_large_commit_into_a_full_file(tmp_path: Path) -> None:
    clocks = Clocks()
    path = tmp_path / 's'
    spool = open_spool(path, clocks=clocks, max_bytes=4 * MB)
    lane = open_lane(spool)
    fill(spool, lane, 500, clocks=clocks)
    first = lane.committed + 1
    dropped = spool.commit([(lane, samples(1, first, first + 7, 100_000))])
    assert max(numbers(dropped, lane)) < first
    assert on_disk(tmp_path) <= 4 * MB
    assert set(range(first, first + 8)) <= spooled_numbers(spool, lane)
    assert reckoning(path).adds_up


def test_a_sample_beyond_the_quota_comes_back(tmp_path: Path) -> None:
    path = tmp_path / 's'
    spool = open_spool(path, max_bytes=2 * MB)
    lane = open_lane(spool, policy=LanePolicy(spool_bytes=100_000))
    total = open_lane(spool, 2, 'large')
    spool.commit([(lane, samples(1, 1, 5)), (total, samples(2, 1, 5))])
    dropped = spool.commit([(lane, samples(1, 6, 6, 150_000)), (total, samples(2, 6, 6, 3 * MB))])
    assert sorted((at.route, gap) for at, gap in dropped) == [
        (1, Gap(Drop.SPOOL_FULL, 6, 6)),
        (2, Gap(Drop.SPOOL_FULL, 6, 6)),
    ]
    assert spooled_numbers(spool, lane) == spooled_numbers(spool, total) == {1, 2, 3, 4, 5}
    assert reckoning(path).adds_up


def test_a_smaller_bound_takes_effect(tmp_path: Path) -> None:
    clocks = Clocks()
    spool = open_spool(tmp_path / 's', clocks=clocks, max_bytes=8 * MB)
    lane = open_lane(spool)
    fill(spool, lane, 500, clocks=clocks)
    spool.close()
    spool = open_spool(tmp_path / 's', NEXT_BOOT, clocks=clocks, max_bytes=8 * MB)
    (old,) = spool.lanes.values()
    spool.set_config(SpoolConfig(max_bytes=2 * MB))
    lane = open_lane(spool)
    dropped = fill(spool, lane, 2, clocks=clocks)
    assert numbers(dropped, lane) == set()
    assert 0 < old.samples < 2000
    assert on_disk(tmp_path) <= 2 * MB
