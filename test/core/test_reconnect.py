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

"""Reconnect delays: full jitter within limits that depend on the kind of failure."""

import random

from hypothesis import given
from hypothesis import strategies as st

from ros_cloud_bridge.core.reconnect import ReconnectDelay


class Highest(random.Random):
    """Always draws the upper end, which shows the limit itself."""

    def uniform(self, a: float, b: float) -> float:
        """Draw the upper end."""
        return b


def test_network_delays_grow_to_five_seconds() -> None:
    delay = ReconnectDelay(Highest())
    assert [delay.network_failed() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_refusals_grow_to_two_minutes() -> None:
    delay = ReconnectDelay(Highest())
    assert [delay.refused() for _ in range(8)] == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0, 120.0]


def test_taken_over_waits_a_minute() -> None:
    assert ReconnectDelay(random.Random()).taken_over() == 60.0


def test_a_connection_that_held_forgets_failures() -> None:
    delay = ReconnectDelay(Highest())
    for _ in range(5):
        delay.network_failed()
        delay.refused()
    delay.connection_lasted(60.0)
    assert (delay.network_failed(), delay.refused()) == (0.5, 2.0)


def test_a_broker_that_throws_out_at_once_is_not_asked_ever_faster() -> None:
    delay = ReconnectDelay(Highest())
    waits = []
    for _ in range(6):
        delay.connection_lasted(0.1)
        waits.append(delay.network_failed())
    assert waits[-1] == 5.0


@given(st.integers(0, 2**32), st.lists(st.booleans(), max_size=2000))
def test_delays_stay_within_their_caps(seed: int, refusals: list[bool]) -> None:
    delay = ReconnectDelay(random.Random(seed))
    for refused in refusals:
        if refused:
            assert 0.0 <= delay.refused() <= 120.0
        else:
            assert 0.0 <= delay.network_failed() <= 5.0


def test_a_fleet_does_not_return_in_step() -> None:
    draws = sorted(ReconnectDelay(random.Random(seed)).network_failed() for seed in range(200))
    assert draws[20] < 0.1 and draws[-20] > 0.4
