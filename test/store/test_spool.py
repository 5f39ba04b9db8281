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

"""The spool: what is committed stays until it has reached its end, and the ledger says so."""

from pathlib import Path
import shutil

import pytest

from ros_cloud_bridge.store.spool import LanePolicy, reckoning, Spool, SpoolError, SpoolFault
from ros_cloud_bridge.values import (
    BacklogOrder,
    Confirm,
    Drop,
    Priority,
    Received,
    StreamConfig,
    WhenFull,
)
from ros_cloud_bridge.wire.account import Gap
from ros_cloud_bridge.wire.schema import Schema
from support.spools import (
    BOOT,
    Clocks,
    descriptor,
    EVER,
    Lines,
    MB,
    NEXT_BOOT,
    open_lane,
    open_spool,
    sample,
    samples,
    spooled_numbers,
)


def totals(path: Path) -> dict[str, int]:
    found = reckoning(path)
    assert found.adds_up
    total = found.total
    names = ('committed', 'delivered', 'expired', 'refused', 'spool_full', 'damaged', 'spooled')
    return {name: value for name in names if (value := getattr(total, name))}


def test_comes_back_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / 'not' / 'there' / 'spool.db'
    spool = open_spool(path)
    policy = LanePolicy.of(
        StreamConfig(
            name='events',
            topics=('/events',),
            ttl_s=5.0,
            confirm=Confirm.CONSUMER,
            confirm_by='archive',
            when_full=WhenFull.THIN,
            backlog_order=BacklogOrder.NEWEST_FIRST,
            priority=Priority.LOW,
            spool_bytes=123456,
        )
    )
    lane = open_lane(spool, 7, policy=policy)
    assert spool.commit([(lane, samples(7, 1, 500))]) == []
    assert spool.settle(lane, 1, 20, None) == 20
    spool.close()
    spool = open_spool(path, NEXT_BOOT)
    (back,) = spool.lanes.values()
    assert (back.boot, back.route, back.closed, back.committed) == (BOOT, 7, True, 500)
    assert (back.descriptor, back.policy) == (descriptor(), policy)
    assert spooled_numbers(spool, back) == set(range(21, 501))
    assert back.samples == 480
    assert totals(path) == {'committed': 500, 'delivered': 20, 'spooled': 480}
    assert (spool.state, spool.recovered) == ('ok', '')


def test_a_row_keeps_odd_samples(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / 's')
    lane = open_lane(spool)
    odd = [
        sample(1, 5)._replace(sample=Received(b'', 0, 0)),
        sample(1, 6)._replace(sample=Received(b'x' * 3, 10**18, 10**18 - 4_000)),
        sample(1, 9)._replace(sample=Received(bytes(70_000), 10**18, 10**18)),
    ]
    spool.commit([(lane, odd)])
    assert spool.read(lane, 5, MB, 100) == [entry._replace(offered_at=0.0) for entry in odd]
    assert spool.settle(lane, 1, 100, None) == 3


def test_peek_goes_both_ways_below_what_is_live(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / 's')
    lane = open_lane(spool)
    for first in (1, 11, 21, 31):
        spool.commit([(lane, samples(1, first, first + 9))])
    lane.live_from = 31
    rows = []
    at = 0
    while (row := spool.peek(lane, at, EVER, False)) is not None:
        rows.append(row[:2])
        at = row[1] + 1
    assert rows == [(1, 10), (11, 20), (21, 30)]
    rows = []
    at = EVER
    while (row := spool.peek(lane, 0, at, True)) is not None:
        rows.append(row[:2])
        at = row[0]
    assert rows == [(21, 30), (11, 20), (1, 10)]
    # A row is live until all of it has been let go.
    lane.live_from = 30
    assert spool.peek(lane, 21, EVER, False) is None
    lane.live_from = EVER
    assert [e.sequence for e in spool.read(lane, 11, 2500, 10**6)] == list(range(11, 31))
    assert [e.sequence for e in spool.read(lane, 11, 1, 1)] == list(range(11, 21))
    assert [e.sequence for e in spool.read(lane, 11, MB, 29)] == list(range(11, 31))


def test_settled_in_parts_counts_each_once(tmp_path: Path) -> None:
    path = tmp_path / 's'
    spool = open_spool(path)
    lane = open_lane(spool)
    spool.commit([(lane, samples(1, 1, 100))])
    assert spool.settle(lane, 40, 60, None) == 21
    assert spool.settle(lane, 50, 70, None) == 10
    assert spooled_numbers(spool, lane) == {*range(1, 40), *range(71, 101)}
    spool.flush()
    assert spool.settle(lane, 30, 80, None) == 20
    assert spool.settle(lane, 30, 80, None) == 0
    assert spooled_numbers(spool, lane) == {*range(1, 30), *range(81, 101)}
    assert lane.samples == 49
    # On disk it is as of the last write, and adds up.
    assert totals(path) == {'committed': 100, 'delivered': 31, 'spooled': 69}
    assert spool.settle(lane, 1, EVER, None) == 49
    assert spool.peek(lane, 0, EVER, False) is None
    spool.flush()
    assert (lane.samples, lane.bytes, lane.oldest_s) == (0, 0, None)
    assert totals(path) == {'committed': 100, 'delivered': 100}


def test_refused_is_kept_apart_and_told(tmp_path: Path) -> None:
    path = tmp_path / 's'
    spool = open_spool(path, max_bytes=2 * MB)
    lane = open_lane(spool)
    spool.commit([(lane, samples(1, 1, 10))], [(lane, Gap(Drop.NOT_COMMITTED, 11, 12))])
    assert spool.settle(lane, 3, 5, Drop.REFUSED) == 3
    spool.flush()
    assert spool.dead_letters() == 3
    told = (Gap(Drop.REFUSED, 3, 5), Gap(Drop.NOT_COMMITTED, 11, 12))
    assert spool.gaps(lane) == told
    assert spool.gaps(lane, 1) == told[:1]
    spool.gaps_told(lane, told[:1])
    assert spool.gaps(lane) == told[1:]
    # One that has grown since it was told: the rest is told again.
    spool.settle(lane, 6, 7, Drop.REFUSED)
    spool.flush()
    assert spool.gaps(lane) == (Gap(Drop.REFUSED, 6, 7), told[1])
    assert totals(path) == {'committed': 10, 'refused': 5, 'spooled': 5}
    # The dead-letter area has a tenth of the whole: 200 KB.
    spool.commit([(lane, samples(1, 20, 39, 30_000))])
    spool.settle(lane, 20, 39, Drop.REFUSED)
    spool.flush()
    assert 0 < spool.dead_letters() <= 7
    assert totals(path) == {'committed': 30, 'refused': 25, 'spooled': 5}


def test_forgotten_lanes_stay_in_the_sums(tmp_path: Path) -> None:
    path = tmp_path / 's'
    for boot in (b'boot-aaa', b'boot-bbb', b'boot-ccc'):
        spool = open_spool(path, boot)
        for lane in list(spool.lanes.values()):
            spool.forget(lane)
            assert lane.key in spool.lanes
            spool.settle(lane, 1, 50, None)
            spool.settle(lane, 51, 60, Drop.REFUSED)
            spool.forget(lane)
            assert lane.key in spool.lanes
            spool.flush()
            spool.gaps_told(lane, spool.gaps(lane))
            spool.forget(lane)
            assert lane.key not in spool.lanes
        lane = open_lane(spool)
        spool.commit([(lane, samples(1, 1, 60))])
        spool.close()
    found = reckoning(path)
    assert [lane.boot for lane in found.lanes] == [b'boot-ccc']
    assert found.forgotten.delivered == 100
    assert totals(path) == {'committed': 180, 'delivered': 100, 'refused': 20, 'spooled': 60}


def test_schemas_stay_for_later_boots(tmp_path: Path) -> None:
    schema = Schema(
        type_name='std_msgs/msg/Bool',
        definition='bool data',
        rihs01='RIHS01_' + '0123456789abcdef' * 4,
    )
    spool = open_spool(tmp_path / 's')
    lane = spool.open_lane(1, descriptor(), schema, LanePolicy())
    assert spool.schema(schema.id) == schema
    spool.commit([(lane, samples(1, 1, 1))])
    spool.close()
    spool = open_spool(tmp_path / 's', NEXT_BOOT)
    assert spool.schema(schema.id) == schema
    assert spool.schema('fedcba9876543210') is None


def test_a_failed_commit_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / 's'
    spool = open_spool(path)
    lane = open_lane(spool)
    spool.commit([(lane, samples(1, 1, 10))])
    spool.settle(lane, 1, 3, None)
    # The same numbers again: the database refuses them in the middle of the transaction.
    with pytest.raises(SpoolError) as caught:
        spool.commit(
            [(lane, samples(1, 20, 30)), (lane, samples(1, 5, 8)), (lane, samples(1, 5, 6))]
        )
    assert caught.value.kind is SpoolFault.FAILED
    assert (lane.committed, lane.samples) == (10, 7)
    assert totals(path) == {'committed': 10, 'spooled': 10}
    assert spooled_numbers(spool, lane) == set(range(4, 11))


def test_figures(tmp_path: Path) -> None:
    clocks = Clocks()
    spool = open_spool(tmp_path / 's', clocks=clocks)
    first, second = open_lane(spool), open_lane(spool, 2, 'alarms')
    spool.commit([(first, samples(1, 1, 10))])
    clocks.advance(40.0)
    spool.commit([(second, samples(2, 1, 5))])
    clocks.advance(2.0)
    figures = spool.figures()
    assert figures.samples == 15
    assert figures.oldest_age_s == pytest.approx(42.0)
    assert figures.streams['alarms'].samples == 5
    assert figures.streams['alarms'].oldest_age_s == pytest.approx(2.0)
    files = [path for path in tmp_path.iterdir() if not path.name.endswith(('-shm', '-lock'))]
    assert figures.bytes == sum(path.stat().st_size for path in files)
    # Two commits of some pages, and the ballast.
    ballast = (tmp_path / 's-ballast').stat().st_size
    assert 15 * 100 + ballast < figures.written_bytes_today < ballast + 400_000


def test_who_comes_second_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / 's'
    log = Lines()
    first = open_spool(path)
    lane = open_lane(first)
    first.commit([(lane, samples(1, 1, 10))])
    clocks = Clocks()
    second = open_spool(path, NEXT_BOOT, log=log, clocks=clocks)
    other = open_lane(second, 5)
    assert second.state == 'failed'
    with pytest.raises(SpoolError, match='another process'):
        second.commit([(other, samples(5, 1, 10))])
    assert len(log.lines) == 1
    first.close()
    clocks.advance(5.0)
    second.commit([(other, samples(5, 1, 10))])
    assert second.state == 'ok'
    assert sorted((lane.boot, lane.samples) for lane in second.lanes.values()) == [
        (BOOT, 10),
        (NEXT_BOOT, 10),
    ]
    assert spooled_numbers(second, other) == set(range(1, 11))
    assert totals(path) == {'committed': 20, 'spooled': 20}


def copied(path: Path, target: Path) -> Path:
    target.mkdir()
    for name in (path.name, f'{path.name}-wal'):
        if (path.parent / name).exists():
            shutil.copy(path.parent / name, target / name)
    return target / path.name


def test_what_stands_in_the_log_only_is_there(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / 's')
    lane = open_lane(spool)
    spool.commit([(lane, samples(1, 1, 10))])
    again = open_spool(copied(tmp_path / 's', tmp_path / 'copy'), NEXT_BOOT)
    (lane,) = again.lanes.values()
    assert spooled_numbers(again, lane) == set(range(1, 11))


def test_what_killed_processes_left_in_the_log_is_written_back(tmp_path: Path) -> None:
    path = tmp_path / 's'
    boots = 30
    for boot in range(1, boots + 1):
        spool = open_spool(path, boot.to_bytes(8, 'big'))
        spool.commit([(open_lane(spool), samples(1, 1, 5, 1000))])
        # As SIGKILL leaves it.
        path = copied(path, tmp_path / str(boot))
        spool.close()
        assert path.with_name(f'{path.name}-wal').stat().st_size < 200_000
    assert totals(path) == {'committed': 5 * boots, 'spooled': 5 * boots}


class TestClock:
    """Time to live, over jumps of the wall clock and restarts."""

    @staticmethod
    def expired(spool: Spool) -> list[tuple[int, int]]:
        found = [(gap.first, gap.last) for _, gap in spool.expire()]
        spool.flush()
        return found

    def test_ttl(self, tmp_path: Path) -> None:
        clocks = Clocks()
        spool = open_spool(tmp_path / 's', clocks=clocks)
        lane = open_lane(spool, policy=LanePolicy(ttl_s=60.0))
        forever = open_lane(spool, 2, 'alarms')
        for first in (1, 11, 21):
            spool.commit(
                [(lane, samples(1, first, first + 9)), (forever, samples(2, first, first + 9))]
            )
            clocks.advance(10.0)
        assert self.expired(spool) == []
        clocks.advance(35.0)  # 65, 55 and 45 s old
        spool.settle(lane, 4, 5, None)
        lane.live_from = 10
        assert self.expired(spool) == []
        lane.live_from = EVER
        assert self.expired(spool) == [(1, 3), (6, 10)]
        assert self.expired(spool) == []
        assert spool.gaps(lane) == (Gap(Drop.EXPIRED, 1, 3), Gap(Drop.EXPIRED, 6, 10))
        clocks.advance(100.0)
        assert self.expired(spool) == [(11, 30)]
        assert totals(tmp_path / 's') == {
            'committed': 60,
            'delivered': 2,
            'expired': 28,
            'spooled': 30,
        }

    @pytest.mark.parametrize('jump_s', [-3600.0, 3600.0, 1e9])
    def test_a_jump_expires_nothing(self, tmp_path: Path, jump_s: float) -> None:
        clocks = Clocks()
        spool = open_spool(tmp_path / 's', clocks=clocks)
        lane = open_lane(spool, policy=LanePolicy(ttl_s=60.0))
        spool.commit([(lane, samples(1, 1, 10))])
        clocks.wall += jump_s
        clocks.advance(10.0)
        assert self.expired(spool) == []
        spool.commit([(lane, samples(1, 11, 20))])
        # The jump is noted at once: a restart adds nothing for it.
        again = copied(tmp_path / 's', tmp_path / 'copy')
        clocks.advance(20.0)
        spool = open_spool(again, NEXT_BOOT, clocks=clocks)
        assert spool.clock_s == pytest.approx(30.0)
        assert self.expired(spool) == []
        clocks.advance(31.0)
        assert self.expired(spool) == [(1, 10)]

    @pytest.mark.parametrize(
        ('before', 'after', 'added'),
        [
            (1_795_000_000.0, 1_795_000_500.0, 500.0),
            (1_795_000_000.0, 1_794_000_000.0, 0.0),
            (12.0, 1_795_000_000.0, 0.0),
            (1_795_000_000.0, 40.0, 0.0),
            (1_795_000_000.0, 9e9, 0.0),
        ],
    )
    def test_over_a_restart(
        self, tmp_path: Path, before: float, after: float, added: float
    ) -> None:
        clocks = Clocks(before)
        spool = open_spool(tmp_path / 's', clocks=clocks)
        clocks.advance(100.0)
        lane = open_lane(spool)
        spool.commit([(lane, samples(1, 1, 10))])
        spool.close()
        clocks.wall, clocks.monotonic = after + 100.0, 3.0
        spool = open_spool(tmp_path / 's', NEXT_BOOT, clocks=clocks)
        assert spool.clock_s == pytest.approx(100.0 + added)


class TestBudget:
    """A day's writes."""

    def test_beyond_it_only_what_is_settled_is_written(self, tmp_path: Path) -> None:
        clocks = Clocks()
        log = Lines()
        path = tmp_path / 's'
        spool = open_spool(path, clocks=clocks, log=log, max_writes_mb_per_day=3.0)
        lane = open_lane(spool)
        number = 1
        with pytest.raises(SpoolError) as caught:
            for number in range(1, 1000, 10):
                spool.commit([(lane, samples(1, number, number + 9, 10_000))])
        assert caught.value.kind is SpoolFault.BUDGET
        assert 50 < number < 200
        assert spool.state == 'write_budget'
        written = spool.figures().written_bytes_today
        assert 3_000_000 <= written < 3_500_000
        for settled in range(1, 41):
            spool.settle(lane, settled, settled, None)
            with pytest.raises(SpoolError):
                spool.commit([(lane, samples(1, number, number, 10_000))])
            spool.flush()
        assert len(log.lines) == 1
        # Once, at the beginning of that minute.
        assert totals(path)['delivered'] == 1
        clocks.advance(61.0)
        spool.flush()
        assert totals(path)['delivered'] == 40
        spool.close()
        # It holds over a restart, and ends with the day.
        spool = open_spool(path, NEXT_BOOT, clocks=clocks, max_writes_mb_per_day=3.0)
        lane = open_lane(spool)
        with pytest.raises(SpoolError):
            spool.commit([(lane, samples(1, 1, 1))])
        clocks.advance(86_400.0)
        spool.commit([(lane, samples(1, 1, 1))])
        assert spool.state == 'ok'
        assert spool.figures().written_bytes_today < 1_000_000
