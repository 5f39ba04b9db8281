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

"""The monthly budget: what it lets through, over months, restarts, limits and broken clocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.core.usage import month_at, MOST_MONTHS, Usage

DAY_S = 86400.0
LIMIT = 3_000_000
NOVEMBER = datetime(2026, 11, 1, tzinfo=timezone.utc).timestamp()
DECEMBER = NOVEMBER + 30 * DAY_S
JANUARY = DECEMBER + 31 * DAY_S


def budget(
    limit: int = LIMIT, *, usage: Usage | None = None, wall: float = NOVEMBER, day: int = 1
) -> MonthlyBudget:
    return MonthlyBudget(limit, day, usage, wall, 0.0)


def used(tested: MonthlyBudget, now: float) -> object:
    return tested.document(now)['used_bytes']


@pytest.mark.parametrize(
    ('at', 'day', 'begin', 'end'),
    [
        ((2026, 11, 1), 1, '2026-11-01', (2026, 12, 1)),
        ((2026, 12, 31, 23, 59, 59), 1, '2026-12-01', (2027, 1, 1)),
        ((2027, 1, 1), 1, '2027-01-01', (2027, 2, 1)),
        ((2027, 1, 14), 15, '2026-12-15', (2027, 1, 15)),
        ((2026, 12, 15), 15, '2026-12-15', (2027, 1, 15)),
        ((2028, 2, 29), 1, '2028-02-01', (2028, 3, 1)),
        ((2028, 2, 28), 28, '2028-02-28', (2028, 3, 28)),
        ((2027, 3, 1), 28, '2027-02-28', (2027, 3, 28)),
    ],
)
def test_month(at: tuple[int, ...], day: int, begin: str, end: tuple[int, ...]) -> None:
    month = month_at(_seconds(at), day)
    assert month.key == begin
    assert month.end_s == _seconds(end)


def test_last_moment_of_a_month() -> None:
    assert month_at(math.nextafter(DECEMBER, 0.0), 1).key == '2026-11-01'


def _seconds(at: tuple[int, ...]) -> float:
    year, month, day, hour, minute, second = (*at, 0, 0, 0)[:6]
    return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc).timestamp()


@given(st.floats(NOVEMBER - 900 * DAY_S, NOVEMBER + 9000 * DAY_S), st.integers(1, 28))
def test_months_meet(wall: float, day: int) -> None:
    month = month_at(wall, day)
    assert month.begin_s <= wall < month.end_s
    assert 28 * DAY_S <= month.end_s - month.begin_s <= 31 * DAY_S
    assert month_at(month.end_s, day).begin_s == month.end_s


def test_first_start_may_send_a_day_s_share() -> None:
    tested = budget()
    assert tested.wait_s(LIMIT // 30, 0.0) == 0.0
    tested.spent(LIMIT // 30, 0.0)
    wait = tested.wait_s(1000, 0.0)
    assert wait == pytest.approx(1000 / (LIMIT * 29 / 30 / (30 * DAY_S)))


def test_unused_days_raise_the_rate_and_the_share() -> None:
    tested = budget()
    half = 15 * DAY_S
    assert tested.rate_bytes_per_s(half) == pytest.approx(LIMIT / half)
    assert tested.wait_s(LIMIT // 15 - 1, half) == 0.0
    tested.spent(LIMIT // 15, half)
    assert tested.wait_s(1000, half) != 0.0


def test_all_that_is_left_may_go_on_the_last_day() -> None:
    assert budget(wall=DECEMBER - 3600).wait_s(LIMIT, 0.0) == 0.0


def test_message_beyond_a_day_s_share_goes_and_is_paid_for() -> None:
    tested = budget()
    assert tested.wait_s(LIMIT // 10, 0.0) == 0.0
    tested.spent(LIMIT // 10, 0.0)
    wait = tested.wait_s(1, 0.0)
    assert wait is not None
    assert wait > 2 * DAY_S


def test_debt_beyond_the_month_s_end_is_waited_for_until_then() -> None:
    tested = budget(100_000)
    tested.spent(99_999, 0.0)
    assert tested.wait_s(1, 0.0) == 30 * DAY_S
    assert tested.wait_s(1, 30 * DAY_S) == pytest.approx(1 / (100_000 / (31 * DAY_S)))


def test_exhausted_until_the_month_resets() -> None:
    tested = budget()
    tested.spent(LIMIT + 5000, 10.0)
    for now in (10.0, 29 * DAY_S, 30 * DAY_S - 1):
        assert tested.exhausted(now)
        assert tested.wait_s(1, now) is None
        assert tested.rate_bytes_per_s(now) == 0.0
    assert tested.document(29 * DAY_S) == {
        'limit_bytes': LIMIT,
        'used_bytes': LIMIT + 5000,
        'left_bytes': 0,
        'rate_bytes_per_s': 0.0,
        'resets_in_s': DAY_S,
        'exhausted': True,
        'clock_set': True,
    }
    december = 30 * DAY_S + 60
    assert not tested.exhausted(december)
    assert used(tested, december) == 0
    assert tested.rate_bytes_per_s(december) == pytest.approx(LIMIT / (31 * DAY_S - 60))
    wait = tested.wait_s(1000, december)
    # The debt was November's.
    assert wait is not None
    assert wait * LIMIT / (31 * DAY_S) < 1001


def test_limit_at_run_time() -> None:
    tested = budget()
    tested.spent(1_000_000, 0.0)
    tested.set_limit(900_000, 1.0)
    assert tested.exhausted(1.0)
    assert tested.wait_s(1, 1.0) is None
    tested.set_limit(2_000_000, 2.0)
    assert not tested.exhausted(2.0)
    assert tested.document(2.0)['left_bytes'] == 1_000_000
    assert tested.rate_bytes_per_s(2.0) == pytest.approx(1_000_000 / (30 * DAY_S - 2))
    assert tested.wait_s(100, 2.0 + 100 * 30 * DAY_S / 1_000_000 + 1) == 0.0


def test_without_a_limit_all_goes_and_is_counted() -> None:
    tested = budget(0)
    tested.spent(10 * LIMIT, 0.0)
    assert tested.wait_s(LIMIT, 0.0) == 0.0
    assert not tested.exhausted(0.0)
    document = tested.document(0.0)
    assert document['used_bytes'] == 10 * LIMIT
    assert (
        document['limit_bytes'] is document['left_bytes'] is document['rate_bytes_per_s'] is None
    )
    tested.set_limit(LIMIT, 1.0)
    assert tested.exhausted(1.0)
    tested.set_limit(0, 2.0)
    assert tested.wait_s(LIMIT, 2.0) == 0.0
    # One that is set in time starts with a day's share.
    later = budget(0)
    later.set_limit(LIMIT, 1.0)
    assert later.wait_s(LIMIT // 30, 1.0) == 0.0


def test_restart_goes_on_where_the_last_process_saved() -> None:
    first = budget()
    first.spent(LIMIT // 30, 0.0)
    second = budget(usage=first.usage(60.0), wall=NOVEMBER + 60)
    assert used(second, 0.0) == LIMIT // 30
    # No new share in advance, but what has gathered meanwhile.
    assert second.wait_s(1000, 0.0) == pytest.approx(first.wait_s(1000, 60.0))
    third = budget(usage=first.usage(60.0), wall=NOVEMBER + DAY_S)
    assert third.wait_s(LIMIT // 31, 0.0) == 0.0


def test_restart_in_the_next_month() -> None:
    first = budget()
    first.spent(LIMIT, 0.0)
    second = budget(usage=first.usage(0.0), wall=DECEMBER + 3 * DAY_S)
    assert used(second, 0.0) == 0
    assert not second.exhausted(0.0)


# -- clocks


def test_boot_at_1970_then_ntp() -> None:
    first = budget()
    first.spent(1_000_000, 0.0)
    second = budget(usage=first.usage(0.0), wall=12.0)
    assert used(second, 0.0) == 1_000_000
    assert second.document(0.0)['clock_set'] is False
    assert second.document(0.0)['resets_in_s'] is None
    second.spent(500, 5.0)
    second.set_clock(NOVEMBER + DAY_S, 10.0)
    assert used(second, 10.0) == 1_000_500
    assert second.document(10.0)['resets_in_s'] == pytest.approx(29 * DAY_S)


def test_budget_that_is_used_up_stays_so_without_a_clock() -> None:
    first = budget()
    first.spent(LIMIT, 0.0)
    assert budget(usage=first.usage(0.0), wall=0.0).wait_s(1, 0.0) is None


def test_undated_bytes_of_a_process_that_never_knew_the_date_are_kept() -> None:
    first = budget(wall=5.0)
    first.spent(7000, 0.0)
    second = budget(usage=first.usage(100.0), wall=3.0)
    second.spent(3000, 0.0)
    third = budget(usage=second.usage(100.0))
    assert used(third, 0.0) == 10_000
    assert used(budget(usage=third.usage(0.0)), 0.0) == 10_000


@pytest.mark.parametrize('wall', [0.0, -5e9, 1e30, math.inf, math.nan])
def test_clock_that_goes_mad_is_ignored_once_it_was_right(wall: float) -> None:
    tested = budget()
    tested.spent(1000, 0.0)
    tested.set_clock(wall, DAY_S)
    assert used(tested, DAY_S) == 1000
    assert tested.document(DAY_S)['resets_in_s'] == pytest.approx(29 * DAY_S)


def test_error_into_2030_and_back() -> None:
    tested = budget()
    tested.spent(1_000_000, 0.0)
    tested.set_clock(NOVEMBER + 1300 * DAY_S, 7200.0)
    tested.spent(5000, 7300.0)
    tested.set_clock(NOVEMBER + 10_000, 10_000.0)
    assert used(tested, 10_000.0) == 1_005_000
    tested.spent(1, 10_000.0)
    assert used(tested, 10_000.0) == 1_005_001
    # And the next month is not charged with the month that never was.
    assert used(tested, 30 * DAY_S + 1) == 0


def test_error_into_2030_and_back_over_a_restart() -> None:
    first = budget()
    first.spent(1_000_000, 0.0)
    first.set_clock(NOVEMBER + 1300 * DAY_S, 1.0)
    second = budget(usage=first.usage(1.0))
    assert used(second, 0.0) == 1_000_000
    third = budget(usage=second.usage(0.0), wall=DECEMBER)
    assert used(third, 0.0) == 0


def test_hour_ahead_over_the_month_s_end_and_back() -> None:
    tested = budget(wall=DECEMBER - 10 * DAY_S)
    tested.spent(1_000_000, 0.0)
    now = 10 * DAY_S - 1800
    tested.spent(2000, now - 60)
    tested.set_clock(DECEMBER + 1800, now)
    # Not the whole November, but what may belong to December by the new clock.
    assert used(tested, now) == 2000
    tested.spent(30, now)
    tested.set_clock(DECEMBER - 1800 + 60, now + 60)
    assert used(tested, now + 60) == 1_002_030
    assert used(tested, now + 60 + 1800) == 2030


def test_clock_that_is_slewed_over_the_month_s_end_begins_at_zero() -> None:
    tested = budget(wall=DECEMBER - 60)
    tested.spent(2000, 0.0)
    tested.set_clock(DECEMBER + 0.25, 59.75)
    assert used(tested, 59.75) == 0


def test_slow_clock_of_a_stored_robot() -> None:
    first = budget()
    first.spent(LIMIT, 0.0)
    tested = budget(usage=first.usage(0.0), wall=NOVEMBER + 60)
    tested.set_clock(JANUARY + DAY_S, 30.0)
    assert used(tested, 30.0) == 0


@pytest.mark.parametrize('back', [3600.0, DAY_S, 31 * DAY_S, 200 * DAY_S])
def test_clock_that_goes_back_gains_nothing(back: float) -> None:
    first = budget(wall=NOVEMBER + 600)
    first.spent(2_000_000, 0.0)
    for tested in (first, budget(usage=first.usage(0.0), wall=NOVEMBER + 600 - back)):
        tested.set_clock(NOVEMBER + 600 - back, 0.0)
        assert used(tested, 0.0) == 2_000_000
        tested.spent(1000, 0.0)
        assert used(tested, 0.0) == 2_001_000
        tested.set_clock(NOVEMBER + 700, 100.0)
        assert used(tested, 100.0) == 2_001_000
        assert used(tested, 30 * DAY_S) == 0


def test_changed_reset_day_forgets_nothing() -> None:
    first = budget(wall=NOVEMBER + 20 * DAY_S)
    first.spent(1_000_000, 0.0)
    for day in (10, 15, 28):
        changed = budget(usage=first.usage(0.0), wall=NOVEMBER + 20 * DAY_S, day=day)
        assert used(changed, 0.0) == 1_000_000
        changed.spent(1000, 0.0)
        assert used(changed, 0.0) == 1_001_000
        assert used(changed, 40 * DAY_S) == 0


def test_record_does_not_grow() -> None:
    tested = budget()
    for step in range(300):
        tested.set_clock(NOVEMBER + (step * 7919 % 20_000) * DAY_S, float(step))
        tested.spent(10, float(step))
    kept = tested.usage(300.0)
    assert len(kept.months) <= MOST_MONTHS
    assert kept.month in kept.months


# -- properties


@dataclass(frozen=True)
class Sending:
    idle_s: float
    size: int
    restart: bool


SENDINGS = st.lists(
    st.builds(
        Sending,
        idle_s=st.one_of(st.just(0.0), st.floats(0.0, 3600.0), st.floats(0.0, 20 * DAY_S)),
        size=st.integers(1, 200_000),
        restart=st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


@given(SENDINGS, st.integers(10_000, 10_000_000), st.integers(1, 28), st.floats(0.0, 60 * DAY_S))
@settings(max_examples=200)
def test_no_month_takes_more_than_its_limit(
    sendings: list[Sending], limit: int, day: int, offset: float
) -> None:
    months: dict[str, int] = {}
    for wall, size in _sent(sendings, limit, day, NOVEMBER + offset):
        key = month_at(wall, day).key
        # One message may take what is left and more.
        assert months.get(key, 0) < limit
        months[key] = months.get(key, 0) + size


@given(SENDINGS, st.integers(100_000, 10_000_000), st.floats(0.0, 20 * DAY_S))
@settings(max_examples=200)
def test_no_window_takes_more_than_a_day_s_share_and_its_refill(
    sendings: list[Sending], limit: int, offset: float
) -> None:
    """Except for one message each month: it may take more than there is, and a reset forgives."""
    start = NOVEMBER + offset
    records = list(_sent(sendings, limit, 1, start))
    # It grows while nothing is sent, so it is highest just before a sending.
    rates = []
    spent: dict[str, int] = {}
    for wall, size in records:
        month = month_at(wall, 1)
        left = max(0, limit - spent.get(month.key, 0))
        rates.append(left / max(1.0, month.end_s - wall))
        spent[month.key] = spent.get(month.key, 0) + size
    for first in range(len(records)):
        total = 0
        rate = 0.0
        for last in range(first, len(records)):
            total += records[last][1]
            rate = max(rate, rates[last])
            window = records[last][0] - records[first][0]
            allowed = min(rate * DAY_S, limit) + rate * window
            largest: dict[str, int] = {}
            for wall, size in records[first : last + 1]:
                key = month_at(wall, 1).key
                largest[key] = max(size, largest.get(key, 0))
            assert total <= allowed + sum(largest.values()) + 1


def _sent(
    sendings: list[Sending], limit: int, day: int, start: float
) -> Iterator[tuple[float, int]]:
    """Obey ``wait_s``; restarts save first, and the new process has another monotonic clock."""
    boot = start
    tested = MonthlyBudget(limit, day, None, start, 0.0)
    wall = start
    for sending in sendings:
        wall += sending.idle_s
        if sending.restart:
            usage = tested.usage(wall - boot)
            boot = wall
            tested = MonthlyBudget(limit, day, usage, wall, 0.0)
        for _ in range(100):
            wait = tested.wait_s(sending.size, wall - boot)
            if wait is None:
                wall = month_at(wall, day).end_s
            elif wait > 0.0:
                wall += wait + 1e-5
            else:
                break
        else:
            raise AssertionError('wait_s never lets it go')
        tested.spent(sending.size, wall - boot)
        yield wall, sending.size


@given(
    st.lists(
        st.tuples(
            st.integers(0, 100_000),
            st.sampled_from(['hour', 'day', 'month', '2030', '1970', 'back', 'right']),
            st.booleans(),
        ),
        max_size=40,
    )
)
@settings(max_examples=200)
def test_no_clock_and_no_restart_lose_a_byte_of_the_month(
    steps: list[tuple[int, str, bool]],
) -> None:
    """Within one true month; a jump and a restart before the clock is right again lose most."""
    wrong = {
        'hour': 3600.0,
        'day': DAY_S,
        'month': 31 * DAY_S,
        '2030': 1300 * DAY_S,
        '1970': -NOVEMBER,
        'back': -31 * DAY_S,
        'right': 0.0,
    }
    tested = budget(wall=NOVEMBER + DAY_S)
    total = 0
    now = 0.0
    boot = 0.0
    for size, clock, restart in steps:
        now += 600.0
        tested.set_clock(NOVEMBER + DAY_S + now + wrong[clock], now - boot)
        tested.spent(size, now - boot)
        total += size
        if restart:
            tested.set_clock(NOVEMBER + DAY_S + now, now - boot)
            usage = tested.usage(now - boot)
            boot = now
            tested = budget(usage=usage, wall=NOVEMBER + DAY_S + now)
    tested.set_clock(NOVEMBER + DAY_S + now, now - boot)
    assert used(tested, now - boot) == total
