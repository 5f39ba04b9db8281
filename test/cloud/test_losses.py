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

"""What one route lost: from a join in the middle, over latched samples, in any order."""

from ros_cloud_bridge.cloud.durable import DurableTracker
from ros_cloud_bridge.cloud.intervals import Room
from ros_cloud_bridge.cloud.losses import RouteTracker
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire.account import Gap

SUPERSEDED = int(Drop.SUPERSEDED)


def test_gap_without_a_report_is_unexplained() -> None:
    tracker = RouteTracker()
    tracker.take([1, 2, 3], {}, False)
    tracker.take([7, 8], None, False)
    assert tracker.missing() == (3, 3)


def test_gap_with_a_report_is_explained() -> None:
    tracker = RouteTracker()
    tracker.take([1, 2, 3], {}, False)
    tracker.take([7, 8], {SUPERSEDED: 3}, False)
    assert tracker.missing() == (3, 0)
    tracker.take([20], {SUPERSEDED: 4}, False)
    assert tracker.missing() == (14, 10)


def test_gap_inside_the_first_section_is_explained_by_its_own_report() -> None:
    tracker = RouteTracker()
    tracker.take([2, 4], {SUPERSEDED: 2}, False)
    assert tracker.missing() == (1, 0)


def test_late_joiner_does_not_take_old_drops_for_an_explanation() -> None:
    tracker = RouteTracker()
    tracker.take([1000, 1001], {SUPERSEDED: 500}, False)
    tracker.take([1005], None, False)
    assert tracker.missing() == (3, 3)
    tracker.take([1008], {SUPERSEDED: 502}, False)
    assert tracker.missing() == (5, 3)


def test_drops_that_took_no_number_explain_nothing() -> None:
    tracker = RouteTracker()
    tracker.take([1], {}, False)
    tracker.take([5], {int(Drop.RATE): 100, int(Drop.LOST_BEFORE_BRIDGE): 7}, False)
    assert tracker.missing() == (3, 3)
    assert tracker.reported() == {'rate': 100, 'lost_before_bridge': 7}


def test_reasons_of_later_versions_are_counted_by_number() -> None:
    tracker = RouteTracker()
    tracker.take([1], {}, False)
    tracker.take([3], {40: 1}, False)
    assert tracker.missing() == (1, 0)
    assert tracker.reported() == {'reason_40': 1}


def test_latched_sample_from_long_before_opens_no_gap() -> None:
    tracker = RouteTracker()
    assert tracker.take([3], {SUPERSEDED: 1}, True) == [True]
    tracker.take([500, 501], {SUPERSEDED: 10}, False)
    assert tracker.missing() == (0, 0)
    tracker.take([503], None, False)
    assert tracker.missing() == (1, 1)


def test_latched_sample_fills_its_place() -> None:
    tracker = RouteTracker()
    tracker.take([1, 2], {}, False)
    assert tracker.take([1, 3], {}, True) == [False, True]
    assert tracker.take([4], None, False) == [True]
    assert tracker.missing() == (0, 0)
    # It came before what is live opened the window, and counts once the window reaches it.
    tracker = RouteTracker()
    tracker.take([5], {}, True)
    tracker.take([4], {}, False)
    assert tracker.take([5], None, False) == [False]
    tracker.take([6], None, False)
    assert tracker.missing() == (0, 0)


def test_late_section_moves_the_start_back() -> None:
    tracker = RouteTracker()
    tracker.take([11, 12], {SUPERSEDED: 5}, False)
    tracker.take([4, 5], {SUPERSEDED: 3}, False)
    assert tracker.missing() == (5, 3)
    tracker.take([8, 9, 10], {SUPERSEDED: 5}, False)
    assert tracker.missing() == (2, 0)


def test_repeats_are_counted() -> None:
    tracker = RouteTracker()
    assert tracker.take([1, 2], {}, False) == [True, True]
    assert tracker.take([1, 2], {}, False) == [False, False]
    assert (tracker.received, tracker.duplicates) == (2, 2)
    assert tracker.missing() == (0, 0)


def test_older_reports_change_nothing() -> None:
    tracker = RouteTracker()
    tracker.take([1], {}, False)
    tracker.take([9], {SUPERSEDED: 7}, False)
    tracker.take([10], {SUPERSEDED: 2}, False)
    assert tracker.missing() == (7, 0)


def test_durable_route_without_room_hands_on_again_rather_than_not_at_all() -> None:
    room = Room(4)
    tracker = DurableTracker(room)
    assert tracker.take([1, 3], None, False) == [True, True]
    assert room.left == 0
    # 5 is handed on without being noted; 2 joins its neighbours and makes room.
    assert tracker.take([5], None, False) == [True]
    assert tracker.take([5], None, False) == [True]
    assert tracker.take([1, 2, 3], None, False) == [False, True, False]
    assert tracker.take([5], None, False) == [True]
    assert tracker.take([5], None, False) == [False]
    tracker.release()
    assert room.left == 4


def test_gaps_without_room_stay_unexplained() -> None:
    room = Room(2)
    tracker = DurableTracker(room)
    tracker.take([1], None, False)
    tracker.tell(9, False, [Gap(19, 3, 5)])
    assert tracker.missing() == (8, 8)
    assert (tracker.reported(), tracker.complete, tracker.outstanding) == ({}, False, 8)
    tracker.release()
    assert room.left == 2


def test_nothing_committed_is_complete() -> None:
    tracker = DurableTracker(Room(100))
    assert (tracker.complete, tracker.outstanding, tracker.missing()) == (False, 0, (0, 0))
    tracker.tell(0, True, ())
    assert (tracker.complete, tracker.closed, tracker.outstanding) == (True, True, 0)
    # Never committed, sent all the same, and then told.
    tracker.take([1], None, False)
    tracker.tell(0, True, [Gap(23, 1, 2)])
    assert (tracker.missing(), tracker.reported()) == ((1, 0), {'not_committed': 2})


def test_latched_sample_of_a_durable_route_opens_no_gap() -> None:
    tracker = DurableTracker(Room(100))
    tracker.take([3], {}, True)
    tracker.take([500], {}, False)
    assert tracker.missing() == (0, 0)
