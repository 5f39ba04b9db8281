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

"""Whether somebody else publishes the same dashboards, told the time."""

from ros_cloud_bridge.cloud.dashboard_doubles import Doubles


def test_two_in_turns_are_told_of_once() -> None:
    told: list[str] = []
    doubles = Doubles(told.append)
    for second in range(3):
        doubles.ours('a', second)
        doubles.others('a', second + 0.1)
        doubles.others('b', second + 0.2)
    assert told == ['a']


def test_who_takes_over_is_no_double() -> None:
    told: list[str] = []
    doubles = Doubles(told.append)
    doubles.others('a', 1.0)
    doubles.ours('a', 2.0)
    # We were the ones who took over; now another one does.
    for second in range(3, 200):
        doubles.others('a', second)
    # Long afterwards they are in each other's place again.
    doubles.ours('a', 300.0)
    doubles.others('a', 301.0)
    assert told == []
    doubles.ours('a', 302.0)
    doubles.others('a', 303.0)
    assert told == ['a']
