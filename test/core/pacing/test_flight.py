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

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.pacing.flight import Answer, Flight, Packet

NEVER = float('inf')


def answer(flight: Flight, packet: Packet, now: float, pause_s: float = NEVER) -> Answer:
    told = flight.answered(packet, now, pause_s)
    assert told is not None
    return told


def steady(flight: Flight, rate: float, cost: int, count: int, begin: float = 0.0) -> list[Answer]:
    """Send as a link of that rate takes it, two messages in flight, 50 ms on top each way."""
    time_s = cost / rate
    packets = [flight.sent(cost, begin), flight.sent(cost, begin)]
    told = []
    for index in range(count):
        now = begin + 0.1 + (index + 1) * time_s
        told.append(answer(flight, packets[index], now))
        packets.append(flight.sent(cost, now))
    return told


def test_round_trip_and_bytes() -> None:
    flight = Flight()
    first, second = flight.sent(100, 1.0), flight.sent(50, 1.2)
    assert (len(flight), flight.bytes, flight.oldest) == (2, 150, first)
    told = answer(flight, second, 1.5)
    assert told.round_trip_s == pytest.approx(0.3)
    assert (told.cost, told.in_flight) == (50, 100)
    assert answer(flight, first, 2.0).in_flight == 0
    assert (len(flight), flight.bytes, flight.delivered, flight.oldest) == (0, 0, 150, None)


@pytest.mark.parametrize('rate', [2_000.0, 100_000.0])
def test_a_link_that_is_kept_busy_shows_its_rate(rate: float) -> None:
    """Messages of a second each, two in flight: 100 ms of round trip are hidden."""
    cost = int(rate)
    told = steady(Flight(), rate, cost, 30)
    for one in told[4:]:
        assert one.rate == pytest.approx(rate, rel=0.01)


def test_a_burst_of_answers_does_not_inflate_the_rate() -> None:
    flight = Flight()
    packets = [flight.sent(1000, tick / 10) for tick in range(10)]
    rates = [
        answer(flight, packet, 2.0 + index * 1e-5).rate for index, packet in enumerate(packets)
    ]
    assert max(rate for rate in rates if rate is not None) <= 10_000 / 0.9 + 1


def test_a_burst_of_messages_does_not_inflate_the_rate() -> None:
    flight = Flight()
    packets = [flight.sent(1000, 0.0) for _ in range(10)]
    rates = [answer(flight, packet, (index + 1) / 10).rate for index, packet in enumerate(packets)]
    assert max(rate for rate in rates if rate is not None) <= 10_000 + 1


@given(
    pauses=st.lists(st.floats(0.0, 0.2), min_size=1, max_size=40),
    delays=st.lists(st.floats(0.0, 1.0), min_size=40, max_size=40),
    rate=st.sampled_from([1000.0, 50_000.0]),
)
def test_no_sample_is_beyond_the_links_rate(
    pauses: list[float], delays: list[float], rate: float
) -> None:
    """Whatever is sent when, and however long answers are held up on their way."""
    flight = Flight()
    now = free_at = arrival = 0.0
    events: list[tuple[float, Packet | None]] = []
    for pause, delay in zip(pauses, delays, strict=False):
        now += pause
        while events and events[0][0] <= now:
            at, packet = events.pop(0)
            assert packet is not None
            told = answer(flight, packet, at)
            # Between two answers one message lies whole, and of another the last byte alone.
            assert told.rate is None or told.rate <= rate * 1.001 + 500 / 1e-4
        free_at = max(free_at, now) + 500 / rate
        arrival = max(arrival, free_at + delay)
        events.append((arrival, flight.sent(500, now)))


def test_too_short_to_tell() -> None:
    flight = Flight()
    assert answer(flight, flight.sent(100, 1.0), 1.0).rate is None


def test_after_a_pause_only_the_answers_since_its_end_count() -> None:
    flight = Flight()
    packets = [flight.sent(1000, 0.0) for _ in range(5)]
    assert not answer(flight, packets[0], 0.1, 0.5).after_pause
    first = answer(flight, packets[1], 10.0, 0.5)
    assert first.after_pause
    assert first.rate is None
    for index in (2, 3):
        told = answer(flight, packets[index], 10.0 + (index - 1) / 10, 0.5)
        assert told.after_pause
        assert told.rate == pytest.approx(10_000.0)
    # What is sent after it is as good as ever; having had nothing in flight is no pause.
    answer(flight, packets[4], 10.3, 0.5)
    told = answer(flight, flight.sent(1000, 50.0), 50.2, 0.5)
    assert not told.after_pause
    assert told.rate == pytest.approx(5000.0)


def test_idle_marks_what_is_sent_until_the_link_was_full_again() -> None:
    flight = Flight()
    before = flight.sent(100, 0.0)
    flight.idle()
    during = flight.sent(100, 0.1)
    assert not answer(flight, before, 0.2).application_limited
    late = flight.sent(100, 0.3)
    assert answer(flight, during, 0.4).application_limited
    after = flight.sent(100, 0.5)
    assert answer(flight, late, 0.6).application_limited
    assert not answer(flight, after, 0.7).application_limited


def test_rounds_are_round_trips() -> None:
    flight = Flight()
    rounds = 0
    packets = [flight.sent(100, 0.0) for _ in range(4)]
    for index in range(40):
        now = 1.0 + index / 4
        rounds += answer(flight, packets[index], now).new_round
        packets.append(flight.sent(100, now))
    assert rounds == 10


def test_what_is_forgotten_counts_for_nothing() -> None:
    flight = Flight()
    lost, kept = flight.sent(100, 0.0), flight.sent(50, 0.0)
    assert flight.forget(lost)
    assert not flight.forget(lost)
    assert (flight.bytes, flight.oldest, flight.packets) == (50, kept, (kept,))
    assert flight.answered(lost, 1.0, NEVER) is None
    assert flight.delivered == 0
    told = answer(flight, kept, 1.0)
    assert told.rate == pytest.approx(50.0)


def test_a_new_connection_has_nothing_in_flight() -> None:
    flight = Flight()
    packet = flight.sent(100, 0.0)
    flight.clear()
    assert (len(flight), flight.bytes, flight.oldest) == (0, 0, None)
    assert flight.answered(packet, 1.0, NEVER) is None
    assert answer(flight, flight.sent(100, 10.0), 11.0).rate == pytest.approx(100.0)


def test_a_clock_that_goes_back_gives_no_negative_figures() -> None:
    flight = Flight()
    first, second = flight.sent(100, 10.0), flight.sent(100, 10.1)
    for packet, at in ((first, 9.0), (second, 5.0), (flight.sent(100, 3.0), 2.0)):
        told = answer(flight, packet, at)
        assert told.round_trip_s >= 0.0
        assert told.rate is None or told.rate > 0.0
    assert flight.bytes == 0
