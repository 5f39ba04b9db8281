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

from ros_cloud_bridge.uplink.parcels import Parcel
from ros_cloud_bridge.values import Drop
from support.parcels import make_parcel, make_route, NOTICE


def send_all(parcel: Parcel, size: int = 1000) -> int:
    count = 0
    while not parcel.done:
        parcel.next(size)
        count += 1
    return count


def test_a_small_batch_is_one_message_as_it_is() -> None:
    parcel = make_parcel(make_route(), size=600)
    message = parcel.next(600)
    assert (message.topic, message.payload, message.retain) == ('batch', bytes(600), False)
    assert parcel.done


@given(size=st.integers(1, 200_000), limits=st.lists(st.integers(512, 3000), min_size=1))
def test_fragments_follow_a_limit_that_changes_in_mid_batch(size: int, limits: list[int]) -> None:
    parcel = make_parcel(make_route(), size=size)
    turn = 0
    while not parcel.done:
        limit = limits[turn % len(limits)]
        assert 0 < len(parcel.next(limit).payload) <= limit
        turn += 1
    assert parcel.sent == parcel.unanswered == turn


def test_what_is_made_already_is_sent_as_it_is() -> None:
    parcel = make_parcel(make_route(), size=5000, messages=2)
    assert [parcel.next(512).topic for _ in range(2)] == ['part/0', 'part/1']
    assert parcel.done


def test_the_lead_is_the_first_route() -> None:
    first, second = make_route(1), make_route(2)
    assert make_parcel(second, first).lead is second


def test_samples_are_delivered_once_every_fragment_is_answered() -> None:
    route = make_route(in_flight=5)
    parcel = make_parcel(route, size=1800)
    parcel.next(1000)
    assert parcel.answered(None) is None
    assert (route.delivered, route.in_flight) == (0, 5)
    parcel.next(1000)
    assert parcel.done
    assert (route.delivered, route.in_flight) == (0, 5)
    assert parcel.answered(None) is None
    assert (route.delivered, route.in_flight) == (5, 0)


def test_every_routes_samples_are_settled() -> None:
    routes = [make_route(number, in_flight=number) for number in (1, 2, 3)]
    parcel = make_parcel(*routes)
    send_all(parcel)
    parcel.answered(None)
    assert [route.delivered for route in routes] == [1, 2, 3]


def test_a_refused_fragment_gives_the_rest_up_and_says_so_once() -> None:
    route = make_route(in_flight=5)
    parcel = make_parcel(route, size=5000)
    parcel.next(1000)
    parcel.next(1000)
    assert parcel.answered(Drop.REFUSED) is NOTICE
    assert parcel.done
    assert route.in_flight == 5
    assert parcel.answered(Drop.REFUSED) is None
    assert (route.delivered, route.in_flight) == (0, 0)
    assert route.drops == {Drop.REFUSED: 5}


def test_a_fragment_that_arrives_does_not_save_the_others() -> None:
    route = make_route(in_flight=5)
    parcel = make_parcel(route, size=1800)
    send_all(parcel)
    assert parcel.answered(Drop.ABANDONED) is NOTICE
    assert parcel.answered(None) is None
    assert (route.delivered, route.drops[Drop.ABANDONED]) == (0, 5)


def test_a_refused_parcel_of_one_message_needs_no_notice() -> None:
    route = make_route(in_flight=1)
    parcel = make_parcel(route)
    send_all(parcel)
    assert parcel.answered(Drop.REFUSED) is None
    assert route.drops[Drop.REFUSED] == 1


def test_giving_up_before_anything_was_sent_needs_no_notice() -> None:
    route = make_route(in_flight=3)
    parcel = make_parcel(route, size=5000)
    assert parcel.give_up(Drop.EXPIRED) is None
    assert parcel.done
    assert (route.in_flight, route.drops[Drop.EXPIRED]) == (0, 3)


def test_giving_up_half_way_waits_for_what_is_on_its_way() -> None:
    route = make_route(in_flight=3)
    parcel = make_parcel(route, size=5000)
    parcel.next(1000)
    assert parcel.give_up(Drop.EXPIRED) is NOTICE
    assert route.in_flight == 3
    assert parcel.answered(None) is None
    assert (route.in_flight, route.delivered, route.drops[Drop.EXPIRED]) == (0, 0, 3)


@pytest.mark.parametrize('covered', [0, 4])
def test_a_parcel_that_settles_nothing_is_no_trouble(covered: int) -> None:
    route = make_route(in_flight=covered)
    parcel = make_parcel(route, messages=3)
    send_all(parcel)
    for _ in range(3):
        parcel.answered(None)
    assert parcel.settled
    assert route.delivered == covered


@given(
    size=st.integers(1, 10_000),
    events=st.lists(st.sampled_from(['next', 'ok', 'refused', 'discarded', 'give up'])),
)
def test_samples_settle_exactly_once_whatever_happens(size: int, events: list[str]) -> None:
    route = make_route(in_flight=7)
    parcel = make_parcel(route, size=size)
    drops = {'ok': None, 'refused': Drop.REFUSED, 'discarded': Drop.ABANDONED}
    notices = flying = 0
    gone = False
    for event in events:
        notice = None
        if event == 'next' and not parcel.done:
            parcel.next(1000)
            flying += 1
        elif event in drops and flying:
            flying -= 1
            notice = parcel.answered(drops[event])
            gone = gone or drops[event] is not None
        elif event == 'give up' and not parcel.done:
            notice = parcel.give_up(Drop.EXPIRED)
            gone = True
        notices += notice is not None
        over = parcel.done and not flying
        assert parcel.settled is over
        assert route.in_flight == (0 if over else 7)
        assert route.delivered == (7 if over and not gone else 0)
        assert sum(route.drops.values()) == (7 if over and gone else 0)
    assert notices <= 1
