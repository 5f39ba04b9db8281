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
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.admission import Admission, Limit
from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.core.pacing.flight import Packet
from ros_cloud_bridge.core.pacing.pacer import Pacer
from ros_cloud_bridge.values import Algorithm, LinkConfig

# Early in June 2026.
WALL_S = 1_780_300_000.0
# A bucket holds a quarter of a second of its rate.
BURST_S = 0.25


@dataclass(frozen=True, kw_only=True)
class Limits:
    """A broker that allows everything, but for what the test says."""

    max_in_flight: int = 1000
    max_in_flight_bytes: int = 1 << 30
    max_payload_bytes: int = 120 * 1024
    max_retained_bytes: int = 0
    topic_aliases: int = 5
    max_messages_per_s: float = 0.0
    max_bytes_per_s: float = 0.0


def admission(
    link: LinkConfig | None = None, limits: Limits | None = None, budget_bytes: int | None = None
) -> Admission:
    """
    Make one that is connected, at 0 s.

    :param link: what the user limits
    :param limits: what the broker limits
    :param budget_bytes: of the month; None without a budget
    :returns: with nothing in flight
    """
    budget = None
    if budget_bytes is not None:
        budget = MonthlyBudget(budget_bytes, 1, None, WALL_S, 0.0)
    made = Admission(link or LinkConfig(), Pacer(Algorithm.BBR), budget, False)
    assert made.limit is Limit.DISCONNECTED
    assert made.wait_s(0.0) is None
    made.connected(limits or Limits(), 0.0)
    return made


def send(made: Admission, size: int, now: float) -> Packet:
    return made.sent(size, 0, now)


def settle(made: Admission, packet: Packet, size: int, now: float) -> None:
    made.pacer.answered(packet, now)
    made.settled(size)


def test_without_a_connection_nothing_goes() -> None:
    made = admission()
    assert made.wait_s(0.0) == 0.0
    made.disconnected()
    assert made.limit is Limit.DISCONNECTED
    assert made.wait_s(1000.0) is None
    made.connected(Limits(), 1000.0)
    assert made.wait_s(1000.0) == 0.0
    assert made.limit is not Limit.DISCONNECTED


def test_nothing_to_send_is_the_applications_limit() -> None:
    made = admission()
    made.idle()
    assert made.limit is Limit.APPLICATION


def test_the_pacers_window_limits() -> None:
    made = admission()
    for _ in range(1000):
        if made.wait_s(0.0) != 0.0:
            break
        send(made, 1000, 0.0)
    assert made.wait_s(0.0) is None
    assert made.limit is Limit.WINDOW


def test_bytes_in_flight_limit_but_one_message_always_goes() -> None:
    for link, limits in (
        (LinkConfig(max_in_flight_bytes=1), Limits()),
        (LinkConfig(), Limits(max_in_flight_bytes=1)),
    ):
        made = admission(link, limits)
        assert made.wait_s(0.0) == 0.0
        packet = send(made, 5000, 0.0)
        assert made.wait_s(0.0) is None
        assert made.limit is Limit.WINDOW
        settle(made, packet, 5000, 0.1)
        assert made.wait_s(0.1) == 0.0


def test_messages_in_flight_are_the_brokers_limit() -> None:
    made = admission(limits=Limits(max_in_flight=1))
    packet = send(made, 10, 0.0)
    assert made.wait_s(0.0) is None
    assert made.limit is Limit.BROKER
    settle(made, packet, 10, 0.1)
    assert made.wait_s(0.1) == 0.0


def test_a_lost_answer_frees_no_place_in_the_brokers_window() -> None:
    """The broker counts a message until it has answered, whatever the pacer believes."""
    made = admission(limits=Limits(max_in_flight=2))
    send(made, 10, 0.0)
    packet = send(made, 10, 0.0)
    settle(made, packet, 10, 0.1)
    send(made, 10, 0.2)
    for second in range(1, 200):
        assert made.wait_s(float(second)) is None
        assert made.limit is Limit.BROKER
    assert made.in_flight == 2


@pytest.mark.parametrize(
    ('link', 'limits', 'expected'),
    [
        (LinkConfig(max_bytes_per_s=1000.0), Limits(), Limit.RATE),
        (LinkConfig(), Limits(max_bytes_per_s=1000.0), Limit.BROKER),
        (LinkConfig(), Limits(max_messages_per_s=1.0), Limit.BROKER),
        (LinkConfig(max_bytes_per_s=1000.0), Limits(max_bytes_per_s=100.0), Limit.BROKER),
        (LinkConfig(max_bytes_per_s=100.0), Limits(max_bytes_per_s=1000.0), Limit.RATE),
    ],
)
def test_the_longest_wait_is_named(link: LinkConfig, limits: Limits, expected: Limit) -> None:
    made = admission(link, limits)
    now = 0.0
    for _ in range(3):
        settle(made, send(made, 500, now), 500, now + 0.01)
        now += 0.01
    wait = made.wait_s(now)
    assert wait is not None
    assert wait > 0.0
    assert made.limit is expected
    assert made.wait_s(now + wait) == 0.0


def test_an_exhausted_budget_stops_everything_until_it_is_raised() -> None:
    made = admission(budget_bytes=100_000)
    assert made.wait_s(0.0) == 0.0
    settle(made, send(made, 200_000, 0.0), 200_000, 0.1)
    assert made.wait_s(0.1) is None
    assert made.limit is Limit.BUDGET
    assert made.wait_s(3600.0) is None
    assert made.budget is not None
    made.budget.set_limit(1_000_000_000, 3600.0)
    wait = made.wait_s(3600.0)
    assert wait is not None
    assert made.wait_s(3600.0 + wait) == 0.0


def test_a_used_up_day_waits_for_its_budget() -> None:
    made = admission(budget_bytes=30_000_000)
    for tick in range(100):
        settle(made, send(made, 50_000, tick / 10), 50_000, tick / 10 + 0.01)
    wait = made.wait_s(10.0)
    assert wait is not None
    assert wait > 3600.0
    assert made.limit is Limit.BUDGET
    # Fragments may have another size by then.
    assert made.wait_s(10.0 + 1.1 * wait) == 0.0


def test_what_is_repeated_counts_against_the_budget_alone() -> None:
    made = admission(LinkConfig(max_bytes_per_s=1000.0), budget_bytes=1_000_000)
    assert made.budget is not None
    before = made.budget.document(0.0)['used_bytes']
    made.spent(10_000, 50, 0.0)
    after = made.budget.document(0.0)['used_bytes']
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after >= before + 10_000
    assert made.wait_s(0.0) == 0.0
    assert (made.in_flight, made.in_flight_bytes) == (0, 0)


SIZES = st.lists(st.tuples(st.integers(1, 3000), st.floats(0.0, 0.3)), min_size=1, max_size=60)


@given(
    traffic=SIZES,
    user=st.sampled_from([0.0, 500.0, 20_000.0]),
    broker=st.sampled_from([0.0, 700.0, 10_000.0]),
    messages=st.sampled_from([0.0, 3.0, 50.0]),
)
def test_no_rate_is_exceeded_over_any_span(
    traffic: list[tuple[int, float]], user: float, broker: float, messages: float
) -> None:
    limits = Limits(max_bytes_per_s=broker, max_messages_per_s=messages)
    made = admission(LinkConfig(max_bytes_per_s=user), limits)
    now = 0.0
    sent: list[tuple[float, int]] = []
    for size, pause in traffic:
        while (wait := made.wait_s(now)) != 0.0:
            assert wait is not None
            now += wait
        packet = send(made, size, now)
        sent.append((now, size))
        settle(made, packet, size, now + 0.001)
        now += 0.001 + pause
    kept: list[tuple[float, Callable[[int], float]]] = [
        (user, float),
        (broker, float),
        (messages, lambda _: 1.0),
    ]
    for rate, cost in kept:
        if not rate:
            continue
        for first, (begin, _) in enumerate(sent):
            total = 0.0
            for end, size in sent[first:]:
                # A message leaves while the bucket is not in debt: the last one may exceed it.
                assert total <= rate * (end - begin) + max(1.0, rate * BURST_S) + 1e-3
                total += cost(size)


def test_rates_follow_a_change_while_running() -> None:
    made = admission(LinkConfig(max_bytes_per_s=100.0))
    settle(made, send(made, 10_000, 0.0), 10_000, 0.1)
    wait = made.wait_s(0.1)
    assert wait is not None
    assert wait > 90.0
    made.configure(LinkConfig(max_bytes_per_s=100.0), 0.1)
    # The same rate again is no new burst.
    assert made.wait_s(0.1) == wait
    made.configure(LinkConfig(), 0.1)
    assert made.wait_s(0.1) == 0.0
    made.configure(LinkConfig(max_bytes_per_s=50.0), 0.1)
    settle(made, send(made, 500, 0.1), 500, 0.2)
    assert made.wait_s(0.2) == pytest.approx(9.6, abs=0.5)


def test_a_reconnect_gives_no_new_burst_at_the_same_broker() -> None:
    made = admission(limits=Limits(max_bytes_per_s=100.0))
    settle(made, send(made, 10_000, 0.0), 10_000, 0.1)
    made.disconnected()
    made.connected(Limits(max_bytes_per_s=100.0), 1.0)
    wait = made.wait_s(1.0)
    assert wait is not None
    assert wait > 90.0


def test_another_brokers_limits_hold_from_its_connection_on() -> None:
    made = admission(limits=Limits(max_messages_per_s=0.1))
    settle(made, send(made, 10, 0.0), 10, 0.1)
    settle(made, send(made, 10, 0.1), 10, 0.2)
    assert made.wait_s(0.2) != 0.0
    made.disconnected()
    made.connected(Limits(max_payload_bytes=600, max_retained_bytes=123), 1.0)
    assert made.wait_s(1.0) == 0.0
    assert made.fragment_bytes <= 600
    assert made.max_retained_bytes == 123


@given(sizes=st.lists(st.integers(0, 10_000), max_size=30), data=st.data())
def test_what_is_in_flight_settles(sizes: list[int], data: st.DataObject) -> None:
    made = admission()
    flying = [(send(made, size, 0.0), size) for size in sizes]
    while flying:
        assert made.in_flight == len(flying)
        assert made.in_flight_bytes == sum(size for _, size in flying)
        settle(made, *flying.pop(data.draw(st.integers(0, len(flying) - 1))), now=1.0)
    assert (made.in_flight, made.in_flight_bytes) == (0, 0)
