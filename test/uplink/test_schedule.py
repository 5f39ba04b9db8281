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

from collections import Counter
from collections.abc import Mapping

import pytest

from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.parcels import Parcel
from ros_cloud_bridge.uplink.schedule import ANNOUNCEMENTS, Schedule
from ros_cloud_bridge.values import Drop, Priority, Received
from support.parcels import make_parcel, make_route

FRAGMENT = 500
HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW


def schedule(*routes: Route) -> Schedule:
    return Schedule([route.stream for route in routes], 0.0)


def serve(
    made: Schedule,
    routes: Mapping[Route, int],
    messages: int,
    *,
    announcing: bool = False,
    rate: float = 10_000.0,
    begin: float = 0.0,
) -> 'Counter[Route | str]':
    """
    Serve routes that always have a batch of so many bytes, as a link of that rate does.

    :param made: decides
    :param routes: and the size of their batches
    :param messages: how many
    :param announcing: whether an announcement always waits
    :param rate: bytes per second
    :param begin: monotonic seconds
    :returns: how many bytes each sent
    """
    sent: Counter[Route | str] = Counter()
    for _ in range(messages):
        now = begin + sum(sent.values()) / rate
        chosen = made.pick(list(routes), announcing, now)
        if isinstance(chosen, Route):
            parcel = make_parcel(chosen, size=routes[chosen], priority=chosen.stream.priority)
            made.add(parcel)
            chosen = made.pick(list(routes), announcing, now)
            # What was just formed is what goes: nothing happened in between.
            assert chosen is parcel
        if isinstance(chosen, Parcel):
            chosen.next(FRAGMENT)
            made.charge(chosen, FRAGMENT, now)
            if chosen.done:
                made.remove(chosen)
            sent[chosen.lead] += FRAGMENT
        else:
            assert chosen == ANNOUNCEMENTS
            made.charge_announcement(FRAGMENT)
            sent[ANNOUNCEMENTS] += FRAGMENT
    return sent


def shares(sent: 'Counter[Route | str]') -> dict[Route | str, float]:
    total = sum(sent.values())
    return {who: size / total for who, size in sent.items()}


def test_nothing_waits() -> None:
    assert schedule().pick([], False, 0.0) is None


def test_classes_and_announcements_share_and_none_starves() -> None:
    high, normal, low = (
        make_route(number, priority=priority)
        for number, priority in enumerate((HIGH, NORMAL, LOW), 1)
    )
    made = schedule(high, normal, low)
    found = shares(serve(made, {high: 400, normal: 400, low: 100_000}, 5000, announcing=True))
    for who, weight in ((high, 16), (normal, 4), (ANNOUNCEMENTS, 4), (low, 1)):
        assert found[who] == pytest.approx(weight / 25, rel=0.05)


def test_streams_of_a_class_share_by_weight_whatever_the_size_of_their_batches() -> None:
    one, two, three = (make_route(number, weight=float(number)) for number in (1, 2, 3))
    found = shares(serve(schedule(one, two, three), {one: 50_000, two: 400, three: 3000}, 3000))
    for route in (one, two, three):
        assert found[route] == pytest.approx(route.number / 6, rel=0.05)


def test_a_large_batch_gives_way_to_its_own_class_after_each_fragment() -> None:
    large, small = make_route(1), make_route(2)
    made = schedule(large, small)
    serve(made, {large: 100_000}, 10)
    assert made.busy == {1}
    sent = serve(made, {large: 100_000, small: 400}, 20)
    assert sent[small] == sent[large] == 10 * FRAGMENT
    assert made.busy == {1}


def test_a_large_batch_gives_way_to_an_urgent_one_at_once() -> None:
    large, urgent = make_route(1, priority=LOW), make_route(2, priority=HIGH)
    made = schedule(large, urgent)
    serve(made, {large: 100_000}, 10)
    for _ in range(5):
        assert made.pick([urgent], False, 1.0) is urgent
        serve(made, {urgent: 400, large: 100_000}, 1)
        serve(made, {large: 100_000}, 16)


def test_a_route_with_a_batch_underway_forms_no_other() -> None:
    lead, rider = make_route(1), make_route(2)
    made = schedule(lead, rider)
    parcel = make_parcel(lead, rider, size=5000)
    made.add(parcel)
    assert made.busy == {1, 2}
    assert made.pick([lead, rider], False, 0.0) is parcel
    made.remove(parcel)
    made.remove(parcel)
    assert made.busy == frozenset()
    assert made.pick([rider], False, 0.0) is rider


def test_riders_pay_their_shares() -> None:
    lead, rider, other = make_route(1), make_route(2), make_route(3)
    made = schedule(lead, rider, other)
    parcel = make_parcel(lead, rider)
    made.charge(parcel, 10_000, 0.0)
    # Both owe 5000 bytes.
    sent = serve(made, {other: 400, lead: 400, rider: 400}, 9)
    assert sent == {other: 9 * FRAGMENT}


def test_who_waits_long_counts_for_more() -> None:
    waiting, fresh = make_route(1), make_route(2)
    waiting.offer([Received(b'a', 0, 0)], 0.0)
    found = shares(serve(schedule(waiting, fresh), {fresh: 400, waiting: 400}, 1000, begin=50.0))
    assert found[waiting] == pytest.approx(4 / 5, rel=0.05)


def test_a_guaranteed_stream_has_its_rate_beside_greedy_ones() -> None:
    promised = make_route(1, priority=LOW, min_bytes_per_s=3000.0)
    greedy, alike = make_route(2, priority=HIGH), make_route(3, priority=LOW)
    routes = {greedy: 50_000, alike: 50_000, promised: 400}
    found = shares(serve(schedule(*routes), routes, 4000))
    assert found[promised] >= 0.29
    # What is left is shared as ever: a promise to one stream is no other's loss alone.
    assert found[greedy] == pytest.approx(0.7 * 16 / 17, rel=0.1)
    assert found[alike] >= 0.5 * 0.7 / 17 / 2


def test_a_guarantee_of_one_stream_leaves_the_weights_of_others_alone() -> None:
    promised = make_route(1, min_bytes_per_s=5000.0)
    light, heavy = make_route(2, weight=1.0), make_route(3, weight=4.0)
    routes = {light: 400, heavy: 400, promised: 400}
    sent = serve(schedule(*routes), routes, 4000)
    assert sent[heavy] / sent[light] == pytest.approx(4.0, rel=0.1)


def test_guarantees_shrink_on_a_thinner_link_and_leave_a_rest() -> None:
    promised = [make_route(number, min_bytes_per_s=10_000.0 * number) for number in (1, 2)]
    other = make_route(3)
    found = shares(
        serve(schedule(*promised, other), {**dict.fromkeys([*promised, other], 400)}, 4000)
    )
    assert found[promised[0]] == pytest.approx(0.3, abs=0.05)
    assert found[promised[1]] == pytest.approx(0.6, abs=0.05)
    assert found[other] > 0.02


def test_owed_streams_go_by_class() -> None:
    low = make_route(1, priority=LOW, min_bytes_per_s=100.0)
    high = make_route(2, priority=HIGH, min_bytes_per_s=100.0)
    plain = make_route(3, priority=HIGH)
    made = schedule(low, high, plain)
    assert made.pick([plain, low, high], True, 1.0) is high
    assert made.pick([plain, low], True, 1.0) is low
    assert made.pick([plain], False, 1.0) is plain


def test_expired_batches_are_found() -> None:
    old, fresh, endless = (make_route(number) for number in (1, 2, 3))
    made = schedule(old, fresh, endless)
    parcel = make_parcel(old, expires_at=1.0)
    for one in (parcel, make_parcel(fresh, expires_at=2.0), make_parcel(endless)):
        made.add(one)
    assert made.expired(0.5) == []
    assert made.expired(1.5) == [parcel]


def test_giving_up_settles_every_sample_once() -> None:
    fresh, half, sent = (make_route(number, in_flight=number) for number in (1, 2, 3))
    made = schedule(fresh, half, sent)
    parcels = [make_parcel(fresh), make_parcel(half, size=5000), make_parcel(sent)]
    for parcel in parcels:
        made.add(parcel)
    parcels[1].next(1000)
    parcels[2].next(1000)
    made.remove(parcels[2])
    assert made.give_up(Drop.SHUTDOWN) == 3
    assert made.busy == frozenset()
    assert made.pick([], False, 0.0) is None
    for parcel in parcels[1:]:
        parcel.answered(None)
    assert [route.in_flight for route in (fresh, half, sent)] == [0, 0, 0]
    assert [route.drops[Drop.SHUTDOWN] for route in (fresh, half, sent)] == [1, 2, 0]
    assert sent.delivered == 3


def test_a_new_configuration_changes_the_weights_of_routes_at_once() -> None:
    one, two = make_route(1), make_route(2)
    made = schedule(one, two)
    serve(made, {one: 400, two: 400}, 100)
    one.stream = make_route(1, weight=3.0).stream
    found = shares(serve(made, {one: 400, two: 400}, 1000))
    assert found[one] == pytest.approx(0.75, rel=0.05)
