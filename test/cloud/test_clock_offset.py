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

"""The offset of a robot's clock, from invented delays."""

from random import Random

from ros_cloud_bridge.cloud.clock_offset import ClockOffset

MS = 1_000_000
HOUR_NS = 3600 * 1_000_000_000


def test_it_is_above_the_true_offset_by_the_least_delay_and_no_more() -> None:
    chance = Random(1)
    clock = ClockOffset(60.0)
    assert clock.offset_ns is None
    now, least = 0.0, []
    for _ in range(3000):
        now += 0.1
        delay_ns = 20 * MS + int(chance.expovariate(1 / 40.0) * MS)
        robot_ns = int(now * 1e9)
        least.append(delay_ns)
        clock.add('boot', robot_ns, robot_ns + HOUR_NS + delay_ns, now)
        assert clock.offset_ns is not None
        error = clock.offset_ns - HOUR_NS
        # Of the window: all of its last 55 s at least, nothing from before 60 s.
        assert min(least[-610:]) <= error <= min(least[-540:])


def test_a_step_of_the_robots_clock_is_followed() -> None:
    clock = ClockOffset(60.0)
    clock.add('boot', 0, HOUR_NS, 0.0)
    # It learns the time by itself: forwards at once.
    clock.add('boot', HOUR_NS, HOUR_NS + 5 * MS, 1.0)
    assert clock.offset_ns == 5 * MS
    # Backwards within the window.
    clock.add('boot', 0, HOUR_NS, 2.0)
    assert clock.offset_ns == 5 * MS
    clock.add('boot', 1, HOUR_NS + 1, 62.0)
    assert clock.offset_ns == HOUR_NS
    # Another boot may have another clock.
    clock.add('again', 0, 7, 62.1)
    assert clock.offset_ns == 7


def test_a_batch_counts_once_and_memory_is_bounded() -> None:
    clock = ClockOffset(12.0)
    clock.add('boot', 100, 150, 0.0)
    clock.add('boot', 100, 140, 0.1)
    assert clock.offset_ns == 50
    for index in range(10_000):
        clock.add('boot', 1000 + index, 2000 + index, 1.0 + index)
    assert len(clock._buckets) <= 12
