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

"""Rates: what the input is must not change what comes out, as far as the input has it."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.rate import RateLimiter, TokenBucket

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def passed(wanted_hz: float, times: list[int]) -> list[int]:
    limiter = RateLimiter(wanted_hz)
    return [time for time in times if limiter.accept(time)]


def regular(input_hz: float, seconds: float, jitter: float = 0.0, seed: int = 1) -> list[int]:
    """Make arrival times; ``jitter`` is the most by which one is off, in periods."""
    random = Random(seed)
    count = int(input_hz * seconds)
    return [
        START + round((i + random.uniform(-jitter, jitter)) / input_hz * SECOND)
        for i in range(count)
    ]


@pytest.mark.parametrize(
    ('input_hz', 'wanted_hz', 'seconds'),
    [
        (10, 8, 200),
        (10, 9.9, 200),
        (10, 5, 200),
        (10, 3, 200),
        (30, 29, 100),
        (100, 7, 100),
        (1000, 200, 20),
        (250, 200, 20),
        (10, 0.1, 2000),
        (1, 0.1, 2000),
        (0.3, 0.1, 4000),
    ],
)
def test_average_is_the_wanted_rate(input_hz: float, wanted_hz: float, seconds: float) -> None:
    for jitter in (0.0, 0.2):
        count = len(passed(wanted_hz, regular(input_hz, seconds, jitter)))
        assert count == pytest.approx(wanted_hz * seconds, rel=0.02)


def test_output_is_as_even_as_the_input_allows() -> None:
    times = passed(8.0, regular(10, 100))
    steps = {b - a for a, b in zip(times, times[1:], strict=False)}
    assert steps == {SECOND // 10, SECOND // 5}
    # Of five samples four pass: never two gaps behind one another.
    long_steps = [b - a > SECOND // 10 for a, b in zip(times, times[1:], strict=False)]
    assert not any(a and b for a, b in zip(long_steps, long_steps[1:], strict=False))


@pytest.mark.parametrize('rate', [0.1, 1.0, 10.0, 50.0, 200.0])
def test_input_at_the_wanted_rate_passes_whole(rate: float) -> None:
    for seed in range(20):
        times = regular(rate, 500 / rate, jitter=0.1, seed=seed)
        assert passed(rate, times) == times


def test_slower_input_passes_whole() -> None:
    times = regular(3, 100, jitter=0.3)
    assert passed(10.0, times) == times


@pytest.mark.parametrize('jump_s', [-3600, -10, 10, 3600])
def test_clock_that_jumps_does_not_silence_it(jump_s: int) -> None:
    before = regular(10, 50)
    after = [time + (50 + jump_s) * SECOND for time in before]
    kept = passed(8.0, before + after)
    assert len(kept) == pytest.approx(800, rel=0.02)


def test_faster_rate_holds_at_once() -> None:
    limiter = RateLimiter(0.1)
    assert limiter.accept(START)
    limiter.max_hz = 10.0
    assert limiter.accept(START + SECOND)


def test_due_time_is_told() -> None:
    limiter = RateLimiter(4.0)
    assert limiter.due_ns is None
    limiter.accept(START)
    assert limiter.due_ns == START + SECOND // 4


@given(
    wanted=st.floats(0.1, 200.0),
    steps=st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=200),
)
def test_never_more_than_asked(wanted: float, steps: list[int]) -> None:
    times = [START]
    for step in steps:
        times.append(times[-1] + step)
    kept = passed(wanted, times)
    span_s = (kept[-1] - kept[0]) / SECOND
    # One at the start, and one that may be a quarter of a period early.
    assert len(kept) <= span_s * wanted * (1 + 1e-6) + 2.3


def test_bucket_settles_at_its_rate() -> None:
    bucket = TokenBucket(rate=1000.0, burst=250.0, now=0.0)
    now, sent = 0.0, 0
    while now < 100.0:
        wait = bucket.wait_s(now)
        if wait > 0.0:
            now += wait
            continue
        bucket.take(130.0, now)
        sent += 130
    assert sent == pytest.approx(100_000 + 250, rel=0.005)


def test_idle_bucket_saves_up_no_more_than_its_burst() -> None:
    bucket = TokenBucket(rate=10.0, burst=5.0, now=0.0)
    bucket.take(5.0, 1000.0)
    assert bucket.wait_s(1000.0) == 0.0
    bucket.take(1.0, 1000.0)
    assert bucket.wait_s(1000.0) == pytest.approx(0.1)


def test_large_message_goes_and_is_worked_off() -> None:
    bucket = TokenBucket(rate=10.0, burst=5.0, now=0.0)
    bucket.take(105.0, 0.0)
    assert bucket.wait_s(0.0) == pytest.approx(10.0)
    assert bucket.wait_s(10.0 + 1e-9) == 0.0
