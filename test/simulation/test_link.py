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

"""The virtual link itself: what it carries, in what order, and when it answers."""

from functools import partial
from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.simulation.link import Connection, LinkProfile, VirtualLink


def test_bytes_take_their_time_on_the_link_and_wait_for_those_before() -> None:
    link = VirtualLink(LinkProfile(rates=[(0.0, 100.0), (2.0, 1000.0)]))
    assert link.carry(100, 0.5) == pytest.approx(1.5)
    assert link.carry(100, 0.6) == pytest.approx(2.05)
    assert link.carry(100, 3.0) == pytest.approx(3.1)
    assert link.carried_bytes(0.0, 2.5) == 200
    assert link.capacity(1.0, 3.0) == pytest.approx(1100.0)


def test_nothing_moves_in_a_stall() -> None:
    link = VirtualLink(LinkProfile(rates=[(0.0, 100.0)], stalls=[(1.0, 2.0), (2.5, 1.0)]))
    assert link.carry(150, 0.0) == pytest.approx(4.0)
    assert link.capacity(0.0, 4.0) == pytest.approx(150.0)


def test_a_bucket_lets_pass_at_once_what_it_has_saved() -> None:
    link = VirtualLink(LinkProfile(rates=[(0.0, 100.0)], burst_bytes=200.0))
    assert link.carry(150, 10.0) == pytest.approx(10.0)
    assert link.carry(150, 10.0) == pytest.approx(11.0)
    assert link.carry(150, 12.0) == pytest.approx(12.5)
    assert link.carried_bytes(0.0, 11.5) == 300


def test_a_dead_link_carries_nothing_for_ever() -> None:
    link = VirtualLink(LinkProfile(rates=[(0.0, 100.0), (1.0, 0.0)]))
    assert link.carry(100, 0.0) == pytest.approx(1.0)
    assert link.carry(1, 1.0) == inf
    link.run_until(1e9)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 5000)), min_size=1, max_size=40),
    st.integers(0, 1000),
)
def test_a_connection_keeps_its_order_whatever_the_jitter(
    messages: list[tuple[float, int]], seed: int
) -> None:
    profile = LinkProfile(rates=[(0.0, 5000.0)], delay_s=0.1, jitter_s=0.2, seed=seed)
    link = VirtualLink(profile)
    connection = Connection(link)
    came: list[tuple[str, int]] = []

    def send(index: int, size: int, at: float) -> None:
        connection.send(
            size,
            at,
            lambda now: came.append(('arrived', index)),
            lambda now: came.append(('answered', index)),
        )

    for index, (at, size) in enumerate(sorted(messages)):
        link.at(at, partial(send, index, size))
    link.run_until(inf)
    for kind in ('arrived', 'answered'):
        assert [index for what, index in came if what == kind] == list(range(len(messages)))
    for index in range(len(messages)):
        assert came.index(('arrived', index)) < came.index(('answered', index))


def test_what_is_on_its_way_is_lost_with_its_connection() -> None:
    link = VirtualLink(LinkProfile(rates=[(0.0, 1000.0)]))
    connection = Connection(link)
    came: list[str] = []
    connection.send(1000, 0.0, lambda now: came.append('first'), lambda now: came.append('answer'))
    connection.send(1000, 0.0, lambda now: came.append('second'), lambda now: None)
    link.run_until(1.5)
    assert came == ['first', 'answer']
    connection.close()
    link.run_until(inf)
    assert came == ['first', 'answer']
    # But what the modem had got holds up what comes after it: beside the second message, the
    # acknowledgement of the first one's answer.
    assert link.carry(1000, 1.6) == pytest.approx(3.0 + 0.066)


def test_a_lone_answer_is_acknowledged_by_a_segment_of_its_own() -> None:
    link = VirtualLink(LinkProfile(rates=[(0.0, 10_000.0)]))
    connection = Connection(link)

    def send(now: float) -> None:
        connection.send(500, now, lambda at: None, lambda at: None)

    for at in (0.0, 0.07, 1.0):
        link.at(at, send)
    link.run_until(inf)
    # The second message carries the acknowledgement of the first one's answer.
    assert link.carried_bytes(0.0, inf) == 3 * 500 + 2 * 66
