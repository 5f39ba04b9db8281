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


"""Samples that cannot arrive before they are too old are not begun, but tried again later."""

from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.values import Drop, Keep, Priority
from support.pumps import PumpRig, stream

WALL_S = 1_780_300_000.0


def test_after_one_frame_that_came_too_late_the_next_ones_are_not_begun() -> None:
    """A frame of 40 kB takes 1.25 s on this link and is worth nothing after one."""
    camera = stream('camera', Priority.LOW, keep=Keep.LATEST, max_age_s=1.0, max_delay_s=0.0)
    rig = PumpRig(camera)
    rig.connect()
    rig.go(1.0, 32_000.0)
    (route,) = rig.routes
    sent = []
    for _ in range(15):
        rig.offer(route, 40_000)
        messages = rig.go(2.0, 32_000.0)
        sent.append(sum(len(m.payload) for m in messages if m.topic.endswith('b/low')))
        rig.check()
    # The first one is begun and given up; then it is tried once per ten age limits.
    assert sent[0] > 20_000
    assert sum(size > 1000 for size in sent) <= 4
    assert route.delivered == 0 and route.drops[Drop.EXPIRED] == route.accepted


def test_once_the_link_is_fast_enough_they_flow_again() -> None:
    camera = stream('camera', Priority.LOW, keep=Keep.LATEST, max_age_s=1.0, max_delay_s=0.0)
    rig = PumpRig(camera)
    rig.connect()
    (route,) = rig.routes
    for number in range(40):
        rig.offer(route, 40_000)
        rig.go(2.0, 32_000.0 if number < 10 else 400_000.0)
    assert 10 <= route.delivered < 40
    assert route.accepted == route.delivered + route.drops[Drop.EXPIRED]


def test_presence_is_said_even_when_the_month_is_used_up() -> None:
    budget = MonthlyBudget(1000, 1, None, WALL_S, 100.0)
    budget.spent(2000, 100.0)
    rig = PumpRig(stream('pose'), budget=budget)
    rig.connect()
    rig.offer(rig.routes[0], 100)
    messages = rig.go(5.0)
    assert [message.topic for message in messages] == ['rcb/v1/r/state']
    assert rig.pump.admission.limit.value == 'budget'
    assert len(rig.routes[0]) == 1
