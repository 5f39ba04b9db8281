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

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.pacing.flight import Packet
from ros_cloud_bridge.core.pacing.pacer import (
    ALGORITHMS,
    FRAGMENT_FLOOR,
    FRAGMENT_S,
    link_cost,
    Pacer,
    SEGMENT_BYTES,
)
from ros_cloud_bridge.values import Algorithm

algorithms = pytest.mark.parametrize('algorithm', list(Algorithm))


class Line:
    """
    A link of a constant rate with a broker at its end, and a pacer that is always asked.

    :param pacer: decides
    :param rate: bytes per second
    :param delay_s: round trip of an empty link
    :param now: when it is connected
    """

    def __init__(self, pacer: Pacer, rate: float, delay_s: float = 0.02, now: float = 0.0) -> None:
        self.pacer = pacer
        self.rate = rate
        self.delay_s = delay_s
        self.now = now
        self.free_at = now
        self.flying: list[tuple[float, Packet]] = []
        self.lost = 0
        self.sent = 0
        self.empty_s = 0.0
        self.most_in_flight = 0
        pacer.connected(now)

    def put(self, cost: int) -> float:
        """Use the link as somebody else does; says when it is through."""
        self.free_at = max(self.free_at, self.now) + cost / self.rate
        return self.free_at

    def go(
        self,
        seconds: float,
        *,
        size: int | None = None,
        loses: Callable[[int], bool] = lambda number: False,
        stalled: bool = False,
    ) -> int:
        """
        Send whatever the pacer lets out for so long.

        :param seconds: how long
        :param size: of each message; the pacer's fragments when left out
        :param loses: tells whether the answer of a message never comes
        :param stalled: whether no answer comes at all until the next call
        :returns: messages
        """
        until, before = self.now + seconds, self.sent
        while self.now < until:
            while not stalled and self.flying and self.flying[0][0] <= self.now:
                at, packet = self.flying.pop(0)
                self.pacer.answered(packet, at)
            wait = self.pacer.wait_s(self.now)
            if len(self.flying) >= self.pacer.max_in_flight:
                wait = None
            if wait == 0.0:
                payload = self.pacer.fragment_bytes if size is None else size
                through = self.put(link_cost(payload))
                packet = self.pacer.sent(payload, self.now)
                if loses(self.sent):
                    self.lost += 1
                else:
                    self.flying.append((through + self.delay_s, packet))
                self.sent += 1
                self.most_in_flight = max(self.most_in_flight, len(self.flying))
                continue
            after = min(until, self.now + (0.5 if wait is None else wait))
            if self.flying and not stalled:
                after = min(after, max(self.now, self.flying[0][0]))
            self.empty_s += max(0.0, after - max(self.now, self.free_at))
            self.now = after
        return self.sent - before


def settled(algorithm: Algorithm, rate: float, delay_s: float = 0.02) -> Line:
    """Make a line whose pacer has found out all about it."""
    line = Line(Pacer(algorithm), rate, delay_s)
    line.go(20.0)
    return line


def test_every_algorithm_is_in_the_table() -> None:
    assert set(ALGORITHMS) == set(Algorithm)


@algorithms
@pytest.mark.parametrize('rate', [8_000.0, 64_000.0, 1_250_000.0])
def test_it_finds_the_rate_and_keeps_the_link_busy(algorithm: Algorithm, rate: float) -> None:
    line = settled(algorithm, rate)
    found = line.pacer.rate_bytes_per_s
    assert found == pytest.approx(rate, rel=0.15)
    line.empty_s = 0.0
    line.go(20.0)
    assert line.empty_s < 0.1 * 20.0


@algorithms
def test_the_queue_stays_short(algorithm: Algorithm) -> None:
    """What waits in the link is no more than a few messages' time."""
    line = settled(algorithm, 32_000.0)
    waits = []
    for _ in range(100):
        line.go(0.1)
        waits.append(line.free_at - line.now)
    assert sorted(waits)[50] < 0.15


@algorithms
@pytest.mark.parametrize('rate', [1_000.0, 8_000.0, 25_000.0, 50_000.0, 200_000.0, 2_000_000.0])
def test_a_fragment_is_short_or_as_small_as_is_sensible(algorithm: Algorithm, rate: float) -> None:
    pacer = settled(algorithm, rate).pacer
    found = pacer.rate_bytes_per_s
    assert found is not None
    size = pacer.fragment_bytes
    assert size >= FRAGMENT_FLOOR
    assert size == FRAGMENT_FLOOR or link_cost(size) / found <= FRAGMENT_S * 1.05
    if size > SEGMENT_BYTES:
        # Whole segments with the packet's own header, of 12 bytes.
        assert (size + 12) % SEGMENT_BYTES == 0


@algorithms
def test_fragments_grow_with_the_link(algorithm: Algorithm) -> None:
    sizes = [settled(algorithm, rate).pacer.fragment_bytes for rate in (8e3, 3e4, 3e5, 3e6)]
    assert all(one < other for one, other in pairwise(sizes))


def test_the_users_rate_bounds_the_fragment() -> None:
    pacer = settled(Algorithm.BBR, 1_250_000.0).pacer
    pacer.rate_limit = 30_000.0
    assert FRAGMENT_FLOOR <= pacer.fragment_bytes <= 30_000.0 * FRAGMENT_S
    pacer.rate_limit = 100.0
    assert pacer.fragment_bytes == FRAGMENT_FLOOR


@pytest.mark.parametrize(
    'algorithm',
    [
        Algorithm.BBR,
        pytest.param(
            Algorithm.LEDBAT,
            marks=pytest.mark.xfail(
                strict=True,
                reason='gaps between rounds count as pauses of the link: its rate never rises',
            ),
        ),
    ],
)
def test_a_long_path_is_filled_with_the_few_messages_that_the_broker_takes(
    algorithm: Algorithm,
) -> None:
    """A satellite: 600 ms and 250 kB/s are 150 kB, of which fragments of 30 ms would hold 50."""
    pacer = Pacer(algorithm)
    pacer.max_in_flight = 10
    line = Line(pacer, 250_000.0, 0.6)
    line.go(60.0)
    assert pacer.fragment_bytes * 10 > 0.9 * 250_000.0 * 0.6
    line.empty_s = 0.0
    line.go(30.0)
    assert line.most_in_flight <= 10
    assert line.empty_s < 0.3 * 30.0


@algorithms
def test_an_answer_that_never_comes_is_given_up_once_later_ones_did(
    algorithm: Algorithm,
) -> None:
    line = settled(algorithm, 32_000.0)
    line.go(1.0, loses=lambda number: line.lost == 0)
    assert line.lost == 1
    line.go(60.0)
    state = line.pacer.state(line.now)
    assert state.in_flight_bytes == sum(packet.cost for _, packet in line.flying)
    line.empty_s = 0.0
    line.go(10.0)
    assert line.empty_s < 1.0


@algorithms
def test_many_lost_answers_do_not_stop_it(algorithm: Algorithm) -> None:
    line = settled(algorithm, 32_000.0)
    line.go(200.0, loses=lambda number: number % 50 == 0)
    assert line.lost > 5
    assert line.go(20.0) > 0


@algorithms
def test_a_stall_goes_to_one_message_and_over_again(algorithm: Algorithm) -> None:
    line = settled(algorithm, 32_000.0)
    line.go(1.5, stalled=True)
    assert line.go(5.0, stalled=True) == 0
    state = line.pacer.state(line.now)
    assert state.stalled
    assert state.window_bytes == 1
    # The broker answers all at once, and says what it did before.
    line.go(15.0)
    state = line.pacer.state(line.now)
    assert not state.stalled
    assert state.rate_bytes_per_s == pytest.approx(32_000.0, rel=0.3)
    line.empty_s = 0.0
    line.go(10.0)
    assert line.empty_s < 1.5


@algorithms
def test_a_connection_that_never_answers_gets_few_messages(algorithm: Algorithm) -> None:
    line = Line(Pacer(algorithm), 32_000.0)
    assert line.go(60.0, stalled=True) <= 3
    assert line.pacer.rate_bytes_per_s is None
    line.go(10.0)
    assert line.pacer.rate_bytes_per_s == pytest.approx(32_000.0, rel=0.3)


@algorithms
def test_a_window_at_its_floor_still_lets_one_message_through(algorithm: Algorithm) -> None:
    """Somebody else fills the link all the time: we see seconds of queue, and go on."""
    line = settled(algorithm, 32_000.0)
    for _ in range(600):
        line.put(3200)
        line.go(0.1)
    before = line.sent
    for _ in range(300):
        line.put(3200)
        line.go(0.1)
    assert line.sent - before > 5


@algorithms
def test_what_was_promised_has_room_beside_a_greedy_neighbour(algorithm: Algorithm) -> None:
    """The window shrinks beside a neighbour that always has a second in the queue."""
    line = Line(Pacer(algorithm, 8_000.0), 32_000.0)
    line.go(10.0)
    rooms = []
    for tick in range(600):
        while line.free_at < line.now + 1.0:
            line.put(1514)
        line.go(0.1, size=500)
        rooms += [line.pacer.guaranteed_room] if tick >= 300 else []
    assert line.pacer.state(line.now).rtt_s > 0.5
    assert sum(rooms) > 0.8 * len(rooms)


@algorithms
def test_it_drains_the_queue_once_in_a_while(algorithm: Algorithm) -> None:
    line = settled(algorithm, 32_000.0)
    empty = 0
    for _ in range(3000):
        line.go(0.01)
        empty += line.pacer.state(line.now).in_flight_bytes == 0
    # 50 ms every 6 s.
    assert 6 <= empty <= 150


@algorithms
def test_a_new_connection_begins_anew_with_the_rate_as_a_guess(algorithm: Algorithm) -> None:
    line = settled(algorithm, 32_000.0)
    old = [packet for _, packet in line.flying]
    pacer = line.pacer
    pacer.connected(line.now)
    assert pacer.rate_bytes_per_s is None
    state = pacer.state(line.now)
    assert (state.in_flight_bytes, state.rtt_s, state.stalled) == (0, 0.0, False)
    assert state.rate_bytes_per_s == pytest.approx(32_000.0, rel=0.15)
    for packet in old:
        pacer.answered(packet, line.now)
    assert pacer.rate_bytes_per_s is None
    slower = Line(pacer, 8_000.0, 0.3, line.now)
    slower.go(30.0)
    assert pacer.rate_bytes_per_s == pytest.approx(8_000.0, rel=0.2)
    assert pacer.state(slower.now).base_rtt_s == pytest.approx(0.3, rel=0.3)


@algorithms
@pytest.mark.parametrize(('before', 'after'), [(64_000.0, 8_000.0), (8_000.0, 64_000.0)])
def test_it_follows_a_link_that_changes(algorithm: Algorithm, before: float, after: float) -> None:
    line = settled(algorithm, before)
    line.rate = after
    line.go(40.0)
    assert line.pacer.rate_bytes_per_s == pytest.approx(after, rel=0.25)


@algorithms
@pytest.mark.parametrize('jump_s', [3600.0, -3600.0, -0.5])
def test_a_clock_that_jumps_neither_stops_it_nor_makes_it_send_all(
    algorithm: Algorithm, jump_s: float
) -> None:
    line = settled(algorithm, 32_000.0)
    line.now += jump_s
    line.free_at += jump_s
    line.flying = [(at + jump_s, packet) for at, packet in line.flying]
    line.most_in_flight = 0
    sent = line.go(10.0)
    assert 1 <= sent <= 10.0 * 32_000.0 / FRAGMENT_FLOOR
    assert line.most_in_flight < 200
    line.go(60.0)
    assert line.go(10.0) > 0


@algorithms
@settings(max_examples=30)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(['send', 'answer', 'lose', 'idle', 'connect', 'wait', 'back']),
            st.floats(0.0, 30.0),
        ),
        max_size=60,
    )
)
def test_any_order_of_events_leaves_sane_figures(
    algorithm: Algorithm, steps: list[tuple[str, float]]
) -> None:
    pacer = Pacer(algorithm)
    now = 100.0
    pacer.connected(now)
    flying: list[Packet] = []
    went_back = False
    for what, amount in steps:
        if what == 'send' and pacer.wait_s(now) == 0.0:
            flying.append(pacer.sent(round(amount * 100), now))
        elif what == 'answer' and flying:
            pacer.answered(flying.pop(0), now)
        elif what == 'lose' and flying:
            pacer.gave_up(flying.pop(0))
        elif what == 'idle':
            pacer.idle()
        elif what == 'connect':
            pacer.connected(now)
            flying.clear()
        elif what == 'back':
            now -= amount
            went_back = True
        now += amount if what == 'wait' else 0.01
        state = pacer.state(now)
        assert state.rate_bytes_per_s > 0
        assert 0 <= state.base_rtt_s <= 1e4
        assert state.queue_delay_s >= 0
        assert FRAGMENT_FLOOR <= state.fragment_bytes <= 1 << 24
        assert state.in_flight_bytes <= sum(packet.cost for packet in flying)
        wait = pacer.wait_s(now)
        assert wait is None or wait >= 0.0
        # With nothing in flight, a drain of 50 ms is all that holds a message up.
        if not state.in_flight_bytes and not went_back:
            assert wait is not None
            assert wait <= 0.051
